"""The table of references is read strictly, and errors name file, row and remedy."""

import pytest

from pfc_da.analysis.comparison.reference import COLUMNS, load_references, read_references
from pfc_da.errors import InputError

GOOD = {
    "key": "fraction_selective",
    "condition": "object_value",
    "paradigm": "monkey_juice",
    "estimate": "0.58",
    "low": "0.51",
    "high": "0.65",
    "interval": "95 % Wilson",
    "n": "205",
    "n_of": "neurons",
    "units": "fraction",
    "source": "A paper",
    "doi": "10.1038/ncomms12554",
    "locator": "Fig. 3",
    "read_off": "as printed",
    "mark": "found",
    "unlike": "",
}


def write(folder, **changes):
    path = folder / "table.csv"
    row = {**GOOD, **changes}
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(row[name] for name in COLUMNS) + "\n")
    return path


def test_a_good_row_is_read(tmp_path):
    (row,) = read_references(write(tmp_path))
    assert (row.estimate, row.n, row.kind) == (0.58, 205, "published")


@pytest.mark.parametrize(
    "changes, reported",
    [
        ({"mark": "founnd"}, r"mark must be one of .* got 'founnd'\. Did you mean 'found'"),
        ({"doi": "", "locator": ""}, "doi and locator are both empty"),
        ({"doi": "doi:10/x"}, "doi must look like"),
        ({"low": "", "high": ""}, "interval 'none: reason'"),
        ({"interval": "none: not printed"}, "low and high are 0.51 and 0.65"),
        ({"low": "0.7", "high": "0.6"}, "low and high must be numbers in order"),
        ({"estimate": "0.9"}, r"estimate must lie in its interval, got 0.9 outside \[0.51, 0.65\]"),
        ({"estimate": ""}, "estimate is empty; only an interval 'bound: words'"),
        ({"estimate": "58 %"}, "estimate must be a number or empty, got '58 %'"),
        ({"n": ""}, "an empty n needs its reason"),
        ({"n": "0"}, "n must be at least 1"),
        ({"n": "about 5"}, "n must be a whole number"),
        ({"n_of": "none: not printed"}, "a given n what it counts"),
        ({"units": ""}, "units is empty"),
        ({"read_off": "as printed, twice"}, "as many fields as the header"),
    ],
)
def test_a_bad_row_is_refused_by_file_and_row(tmp_path, changes, reported):
    with pytest.raises(InputError, match=rf"table\.csv row 2: .*{reported}") as caught:
        read_references(write(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_other_columns_are_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("key,estimate\nx,1\n")
    with pytest.raises(InputError, match=r"other\.csv: the columns must be key, condition"):
        read_references(path)


def test_a_paradigm_gets_its_own_rows():
    rows = load_references("bandit")
    assert rows and {row.paradigm for row in rows} == {"bandit"}
    assert len(rows) < len(load_references())
