import json

import pytest

from benchmarks.readme_table import (
    MOST_ROWS,
    QUICK,
    caveats,
    choose_rows,
    replace_table,
    table,
    with_interval,
)

STATISTICS = """key,paradigm,network,rule,condition,estimate,low,high,interval,n,n_of,units
matching_slope,monkey_juice,rate,three-factor,,0.64123,0.61,0.66,95 % t over animals,4,animals,1
unheard_of,monkey_juice,rate,three-factor,,1,1,1,95 %,4,animals,1
selective,monkey_juice,rate,three-factor,choice,0.5,,,none: one animal,1,animals,fraction
"""
HEADLINE = STATISTICS.splitlines()[0] + ",title\n" + STATISTICS.splitlines()[1] + ",Matching slope\n"
COMPARISON = """key,condition,simulated,sim_low,sim_high,reference,ref_low,ref_high,\
kind,source,doi,locator,verdict,why
matching_slope,,0.64123,0.61,0.66,,0.0,1.0,published,"A, 2020",10.1/x,Fig. 2,claim holds,
matching_slope,,0.64123,0.61,0.66,0.5,0.4,0.7,unverified,"A, 2020",10.1/x,p. 3,not comparable,memory
matching_slope,,0.64123,0.61,0.66,0.8,0.7,0.9,recorded,mice,10.1/z,data/x.csv,outside,simulated lies below
selective,choice,0.5,nan,nan,0.05,0.05,0.05,derived,chance,,here,not comparable,no interval
timescale,,nan,nan,nan,0.2,0.1,0.3,derived,chance,,,not comparable,this run holds no such number
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "statistics.csv").write_text(STATISTICS)
    (tmp_path / "comparison.csv").write_text(COMPARISON)
    (tmp_path / "headline.csv").write_text(HEADLINE)
    return tmp_path


@pytest.fixture
def lines(run):
    return table(run, everything=True).splitlines()


def test_a_number_is_in_one_row_with_all_its_references(lines):
    assert lines[2] == (
        "| `matching_slope` | 0.641 [0.61, 0.66], n = 4 animals "
        "| [0, 1] claim holds (1)<br>0.5 [0.4, 0.7] unverified (2) | 0.8 [0.7, 0.9] **outside** (3) |  |"
    )


def test_a_missing_interval_is_left_out(lines):
    assert lines[4] == "| `selective` choice | 0.5, n = 1 animals |  |  | 0.05 not comparable (4) |"


def test_sources_are_numbered_with_doi_and_locator(lines):
    assert lines[-4:] == [
        "1. [A, 2020](https://doi.org/10.1/x), Fig. 2",
        "2. [A, 2020](https://doi.org/10.1/x), p. 3",
        "3. [mice](https://doi.org/10.1/z)",
        "4. chance",
    ]


def test_the_readme_shows_the_headline_and_counts_all_comparisons(run):
    shown = table(run).splitlines()
    assert [line for line in shown if "`" in line] == [shown[2]] and "`matching_slope`" in shown[2]
    assert "2 comparisons, controls at chance left out: " in "\n".join(shown)


def test_other_rows_of_the_readme_are_first_conditions_with_a_verdict_on_a_published_or_recorded_number(run):
    row = "{},{},1,0,2,1,0,2,{},mice,10.1/z,data/x.csv,{},\n"
    judged = [("no_verdict", "", "recorded", "not comparable"), ("an_observer", "", "derived", "inside")]
    judged += [("rate", "a", "recorded", "not comparable"), ("rate", "b", "published", "inside")]
    judged += [("rate", "c", "recorded", "inside"), ("missed", "", "recorded", "outside")]
    (run / "comparison.csv").write_text(COMPARISON + "".join(row.format(*each) for each in judged))
    assert choose_rows(run) == [("matching_slope", ""), ("rate", "b"), ("missed", "")]
    more = [(f"another_{n}", "", "recorded", "inside") for n in range(20)]
    (run / "comparison.csv").write_text(COMPARISON + "".join(row.format(*each) for each in more))
    assert len(choose_rows(run)) == MOST_ROWS


def test_misses_and_what_was_not_simulated_are_counted(lines):
    assert "timescale" not in "".join(lines)
    assert lines[-6].startswith(
        "2 comparisons, controls at chance left out: 0 inside, 1 outside, 0 open, 1 not comparable; "
        "1 more reference without a simulated number in this run. "
        "Of claims in words, counted apart: 1 hold, 0 fail, 0 open."
    )


def test_a_replay_of_the_run_has_a_table_of_its_own(tmp_path):
    (tmp_path / "replays/spiking").mkdir(parents=True)
    (tmp_path / "replays/spiking/statistics.csv").write_text(STATISTICS)
    alone = table(tmp_path, True, "replays/spiking").splitlines()
    assert alone[3] == "| `unheard_of` | 1, n = 4 animals |  |  |  |"
    assert len(alone) == 5  # compared with nothing: no sources
    (tmp_path / "replays/spiking/comparison.csv").write_text(COMPARISON)
    assert "2 comparisons" in table(tmp_path, True, "replays/spiking")


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_run_is_said_to_be_one(tmp_path, quick):
    (tmp_path / "manifest.json").write_text(json.dumps({"config": {"quick": quick}}))
    assert caveats(tmp_path) == ([QUICK] if quick else [])


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (("0.5", "", ""), "0.5"),
        (("", "0", "1"), "[0, 1]"),
        (("nan", "nan", "nan"), ""),
        (("2", "2", "2"), "2"),
    ],
)
def test_intervals(numbers, text):
    assert with_interval(*numbers) == text


def test_only_the_text_between_the_markers_changes():
    old = "before\n<!-- table:begin -->\nold\n<!-- table:end -->\nafter\n"
    assert replace_table(old, "new") == old.replace("old", "new")


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="must hold the lines"):
        replace_table("no markers", "new")
