import pytest

from benchmarks.readme_table import replace_table, table

STATISTICS = """key,paradigm,network,rule,condition,estimate,low,high,interval,n,n_of,units
matching_slope,monkey_juice,rate,three-factor,,0.64,0.61,0.66,95 % bootstrap over animals,4,animals,1
"""
COMPARISON = """key,condition,simulated,sim_low,sim_high,reference,ref_low,ref_high,\
kind,source,doi,locator,verdict,why
matching_slope,,0.64123,0.61,0.66,0.8,0.7,0.9,recorded,"A, 2020",10.1/x,Fig. 2,outside,
selective,last_choice,,,,0.37,,,published,"B, 2016",10.1/y,p. 3,not comparable,no interval | none
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "statistics.csv").write_text(STATISTICS)
    (tmp_path / "comparison.csv").write_text(COMPARISON)
    return tmp_path


def test_a_miss_is_shown_with_its_numbers_and_source(run):
    row = table(run).splitlines()[2]
    assert row == (
        "| `matching_slope` | 0.641 [0.61, 0.66] | 4 animals | 0.8 [0.7, 0.9] | recorded | outside "
        "| [A, 2020](https://doi.org/10.1/x), Fig. 2 |"
    )


def test_what_was_not_simulated_is_a_dash_and_a_bar_does_not_break_the_table(run):
    row = table(run).splitlines()[3]
    assert "| – | – | 0.37 | published | not comparable: no interval / none |" in row


def test_every_verdict_is_counted(run):
    assert table(run).endswith("2 comparisons: 0 inside, 1 outside, 1 not comparable.")


def test_only_the_text_between_the_markers_changes():
    old = "before\n<!-- table:begin -->\nold\n<!-- table:end -->\nafter\n"
    assert replace_table(old, "new") == old.replace("old", "new")


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="must hold the lines"):
        replace_table("no markers", "new")
