import pytest

from benchmarks.readme_table import replace_table, table

STATISTICS = """key,paradigm,network,rule,condition,estimate,low,high,interval,n,n_of,units
matching_slope,monkey_juice,rate,three-factor,,0.64,0.61,0.66,95 % bootstrap over animals,4,animals,1
selective,monkey_juice,rate,three-factor,choice,0.5,,,none: one animal,1,animals,fraction
"""
COMPARISON = """key,condition,simulated,sim_low,sim_high,reference,ref_low,ref_high,\
kind,source,doi,locator,verdict,why
matching_slope,,0.64123,0.61,0.66,0.8,0.7,0.9,recorded,"A, 2020",10.1/x,Fig. 2,outside,simulated lies below
selective,choice,0.5,nan,nan,0.37,,,published,"B, 2016",10.1/y,p. 3,not comparable,no interval | none
timescale,,nan,nan,nan,0.2,0.1,0.3,derived,chance,,,not comparable,this run holds no such number
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


def test_a_missing_interval_has_its_reason_and_a_bar_does_not_break_the_table(run):
    row = table(run).splitlines()[3]
    assert "| 0.5 | 1 animals | 0.37 | published | not comparable: no interval / none |" in row


def test_a_reference_without_a_simulated_number_is_counted_below(run):
    assert "timescale" not in table(run)
    assert table(run).endswith(
        "2 comparisons: 0 inside, 1 outside, 1 not comparable; "
        "1 more references have no simulated number in this run."
    )


def test_only_the_text_between_the_markers_changes():
    old = "before\n<!-- table:begin -->\nold\n<!-- table:end -->\nafter\n"
    assert replace_table(old, "new") == old.replace("old", "new")


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="must hold the lines"):
        replace_table("no markers", "new")
