"""Separated text in the dialects of spreadsheets and rigs: all of them give the same table."""

import gzip

import pytest

from pfc_da.analysis.readers.table_text import read_separated
from pfc_da.errors import InputError

PLAIN = b"trial,choice,reward\n0,L,0.5\n1,R,\n"
SAME = {
    "comma": PLAIN,
    "tab": PLAIN.replace(b",", b"\t"),
    "semicolon": PLAIN.replace(b",", b";"),
    "bar": PLAIN.replace(b",", b"|"),
    "decimal comma": b"trial;choice;reward\n0;L;0,5\n1;R;\n",
    "decimal comma after tabs": b"trial\tchoice\treward\n0\tL\t0,5\n1\tR\t\n",
    "separator reported": b"sep=;\ntrial;choice;reward\n0;L;0,5\n1;R;\n",
    "quotes": b'"trial","choice","reward"\n"0","L","0.5"\n"1","R",""\n',
    "decimal comma in quotes": b'trial,choice,reward\n0,L,"0,5"\n1,R,\n',
    "blanks after commas": b"trial, choice , reward\n0, L, 0.5\n1, R, \n",
    "comments and blank lines": b"# rig 4\n\n#x,y,z\ntrial,choice,reward\n0,L,0.5\n\n# pause\n1,R,\n\n",
    "lines of Windows": PLAIN.replace(b"\n", b"\r\n"),
    "lines of old Macs": PLAIN.replace(b"\n", b"\r"),
    "mark of UTF-8": b"\xef\xbb\xbf" + PLAIN,
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"),
    "separators at ends of lines": b"trial,choice,reward\n0,L,0.5,\n1,R,,\n,,,\n",
    "no end of the last line": PLAIN[:-1],
}


@pytest.mark.parametrize("dialect", SAME)
@pytest.mark.parametrize("packed", [False, True])
def test_dialects_give_the_same_table(tmp_path, dialect, packed):
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    path.write_bytes(gzip.compress(SAME[dialect]) if packed else SAME[dialect])
    table = read_separated(path)
    assert list(table)[:3] == ["trial", "choice", "reward"]
    assert table["trial"].tolist() == ["0", "1"] and table["choice"].tolist() == ["L", "R"]
    assert table["reward"].tolist()[0] == "0.5" and table["reward"].isna().tolist() == [False, True]


def read(tmp_path, content):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    return read_separated(path)


def test_names_may_stand_behind_a_mark_above_numbers(tmp_path):
    table = read(tmp_path, b"# made up\n# trial choice reward\n0.0 1.0 1e0\n1.0 0.0 0e0\n")
    assert list(table) == ["trial", "choice", "reward"] and table["reward"].tolist() == ["1e0", "0e0"]


def test_rows_whose_first_label_begins_with_a_mark_are_kept(tmp_path):
    table = read(tmp_path, b"# rig 4\nsession,choice\n#1,0\n# pause\n#2,1\n")
    assert table["session"].tolist() == ["#1", "#2"]


def test_text_that_is_not_utf_8_is_that_of_windows(tmp_path):
    table = read(tmp_path, "größe,a\n1,é\n".encode("cp1252"))
    assert list(table) == ["größe", "a"] and table["a"].tolist() == ["é"]


def test_a_comma_may_separate_thousands(tmp_path):
    table = read(tmp_path, b"a\tb\tc\n1,000\t0,250\t1,5\n2,500\t1,000\t1,000\n")
    assert table["a"].tolist() == ["1,000", "2,500"]  # left as text, which no column of numbers takes
    assert table["b"].tolist() == ["0.250", "1.000"] and table["c"].tolist() == ["1.5", "1.000"]
    assert read(tmp_path, b"a;b\n1,000;x\n2,500;y\n")["a"].tolist() == ["1.000", "2.500"]


def test_names_may_hold_other_separators(tmp_path):
    assert list(read(tmp_path, b'"reward, ml","choice; side",t\n1,2,3\n')) == [
        "reward, ml",
        "choice; side",
        "t",
    ]


def test_rows_are_numbered_as_in_the_file(tmp_path):
    assert read(tmp_path, b"a,b\n1,2\n,\n3,4\n").index.tolist() == [0, 2]


@pytest.mark.parametrize(
    "content, reported",
    [
        (b"0,0,1\n1,0,1\n", "its first line, '0,0,1', holds numbers; write the names of columns there"),
        (b"a,b\n1,2,3,4\n5,6,7,8\n", "more fields than its first line has names. Leave out names of rows"),
        (b"PK\x03\x04\x00\x00", "no table of text, it holds NUL bytes. Save it as CSV in UTF-8"),
        (b"", "cannot be read as a table"),
        (b"rig 4, box 2\na,b,c\n1,2,3\n", "begin lines above the names of columns with #"),
        (
            "trial,choice\n1,左\n".encode("shift-jis") + b"\x8d",
            "neither UTF-8 nor Windows-1252; save it as CSV",
        ),
        (b'a,b\n1,"2\n', "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, reported):
    with pytest.raises(InputError, match=rf"x\.txt: .*{reported}") as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
