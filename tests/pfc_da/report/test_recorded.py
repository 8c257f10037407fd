"""The section of the report that holds a run beside recordings: one row a statistic, everything escaped."""

from dataclasses import asdict

import pandas as pd

from pfc_da.analysis.comparison.difference import judge_difference
from pfc_da.analysis.statistic import Statistic, missing_statistic
from pfc_da.report.recorded import recorded_section


def row(key, estimate, source):
    one = Statistic(
        key=key, estimate=estimate, low=estimate - 0.1, high=estimate + 0.1, interval="", n=4,
        n_of="animals", units="fraction",
    )  # fmt: skip
    other = missing_statistic(key, {}, "fraction") if key == "win_stay" else one
    return asdict(judge_difference(one, other, "", "first 9 trials", source))


def test_every_row_is_shown_and_text_of_data_is_no_markup():
    table = pd.DataFrame([row("win_stay", 0.5, "<b>mice</b>.csv"), row("lose_shift", 0.3, "<b>mice</b>.csv")])
    section = recorded_section(table)
    assert "&lt;b&gt;mice&lt;/b&gt;.csv" in section and "<b>mice" not in section
    assert section.count('<tr role="row"') == 3  # the heads, and two statistics
    assert "not comparable" in section and "the recorded number has no interval" in section
    assert "not told apart" in section and "4 animals against 4 animals; first 9 trials" in section


def test_without_a_comparison_there_is_no_section():
    assert recorded_section(None) == recorded_section(pd.DataFrame()) == ""
