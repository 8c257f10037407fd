"""Animal and session by a pattern for the end of a path."""

from pathlib import Path

import pytest

from pfc_da.analysis.readers.path_labels import check_pattern, find_subject, propose_pattern, read_labels
from pfc_da.errors import InputError


@pytest.mark.parametrize(
    "pattern, path, reported",
    [
        ("{animal}/{session}/*.csv", "data/M1/2024-03-01/trials.csv", ("M1", "2024-03-01")),
        ("{animal}/{session}/*", "data/M1/2024.03.01/trials.csv.gz", ("M1", "2024.03.01")),
        ("{animal}_{session}", "M07_20240301.CSV", ("M07", "20240301")),
        ("{animal}_{session}.csv", "M07_day_2.csv", ("M07", "day_2")),
        ("sub-{animal}_ses-{session}", "x/sub-A1_ses-3.nwb", ("A1", "3")),
        ("sub-{animal}_ses-{session}_*", "x/sub-A1_ses-3_run-2_ecephys.nwb", ("A1", "3")),
        ("sub-{animal}/**/sub-{animal}_ses-{session}_*", "sub-A/ses-3/beh/sub-A_ses-3_beh.tsv", ("A", "3")),
        ("{animal}/{session}", "top/B 2/day (1).nwb.zarr", ("B 2", "day (1)")),
        ("{session}_[x].csv", "5_[x].csv", (None, "5")),
    ],
)
def test_labels_are_read(pattern, path, reported):
    found = read_labels(check_pattern(pattern), Path("/top", path))
    assert (found.get("animal"), found.get("session")) == reported


@pytest.mark.parametrize(
    "pattern, path",
    [
        ("sub-{animal}", "/data/xsub-A.csv"),  # not from the beginning of a name
        ("{animal}/{session}/x.csv", "/M1/x.csv"),
        ("sub-{animal}/sub-{animal}_*", "/sub-A/sub-B_1.csv"),  # one label, two animals
        ("{animal}_*", "/data/M1.csv"),
    ],
)
def test_another_path_is_refused_with_both(pattern, path):
    with pytest.raises(InputError) as caught:
        read_labels(pattern, Path(path))
    assert pattern in str(caught.value) and path in str(caught.value)


@pytest.mark.parametrize(
    "pattern, reported",
    [
        ("{animal}/{day}", r"there is no {day}; a pattern has {animal}, {session} or both"),
        ("data/*", "it names nothing"),
        ("{animal}" + "*x" * 20, "more than 8 labels"),
    ],
)
def test_other_patterns_are_refused(pattern, reported):
    with pytest.raises(ValueError, match=reported):
        check_pattern(pattern)


def test_subjects_are_known_as_archives_name_files():
    assert find_subject(Path("/d/sub-A/ses-1/sub-A_ses-1_beh.tsv")) == "A"
    assert find_subject(Path("/d/sub-01/x.csv")) == "01"
    assert find_subject(Path("/d/subject-A/unsub-7.csv")) == ""


@pytest.mark.parametrize(
    "paths, pattern",
    [
        (["M1/d1/t.csv", "M2/d1/t.csv"], "{animal}/{session}/*"),
        (["M1/d1.csv", "M1/d2.csv", "M2/d1.csv"], "{animal}/{session}"),
        (["M1/t.csv", "M2/t.csv"], "{animal}/*"),
        (["M1.csv", "M2.csv"], "{animal}"),
        (["M1_1.csv", "M2_1.csv"], "{animal}_*"),
    ],
)
def test_a_proposed_pattern_fits(paths, pattern):
    whole = [Path("/d", path) for path in paths]
    assert propose_pattern(whole) == pattern
    assert {read_labels(pattern, path)["animal"] for path in whole} == {path[:2] for path in paths}
