"""YAML of users: read as it looks, and refused at once and in one line where it has no place in settings."""

import os
import time

import pytest

from pfc_da.errors import InputError
from pfc_da.storage.yaml_file import MAX_BYTES, MAX_VALUES, format_yaml, parse_yaml, read_yaml


def read(tmp_path, content):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(file, "settings")


@pytest.mark.parametrize(
    "text, value",
    [
        ("", None),
        ("a: 010", {"a": 10}),  # eight in YAML 1.1
        ("a: -1_000", {"a": -1000}),
        ("a: 1e-4", {"a": 1e-4}),  # text in YAML 1.1
        ("a: .5", {"a": 0.5}),
        ("a: 1:30", {"a": "1:30"}),  # ninety in YAML 1.1
        ("a: 0x10", {"a": "0x10"}),
        ("a: 2020-13-45", {"a": "2020-13-45"}),
        ("a: １２", {"a": "１２"}),
        ("a: [yes, off, ~]", {"a": [True, False, None]}),
        ("a: &x {q: 1, r: 2}\nb: {<<: *x, q: 3}", {"a": {"q": 1, "r": 2}, "b": {"q": 3, "r": 2}}),
        (b"\xef\xbb\xbfa: 1", {"a": 1}),  # a mark that some editors put first
    ],
)  # fmt: skip
def test_values_are_read_as_they_look(tmp_path, text, value):
    assert read(tmp_path, text) == value


def grow(first, line, n):
    """A file in which every line refers to the one before."""
    return first + "".join(line.format(i, i - 1) for i in range(1, n))


@pytest.mark.parametrize(
    "content, words",
    [
        (grow("a0: &a0 [1]\n", "a{0}: &a{0} [*a{1}, *a{1}, *a{1}]\n", 40), "more than 20000 values or 20 levels"),
        (grow("a0: &a0 {x: 1}\n", "a{0}: &a{0} {{y{0}: [*a{1}, *a{1}]}}\n", 18), "more than 20000 values or 20 levels"),
        (grow("a0: &a0 {x: 1}\n", "a{0}: &a{0} {{<<: [*a{1}, *a{1}]}}\n", 40), "more than 20000 values or 20 levels"),
        (grow("a0: &a0 [1]\n", "a{0}: &a{0} [*a{1}]\n", 300), "more than 20000 values or 20 levels"),
        ("a: [" + "1," * (MAX_VALUES + 1) + "]", "more than 20000 values"),
        ("a: &a [*a]", "refers to what it is part of"),
        ("[" * 50_000, "more than 20 levels"),
        ("? " * 50_000, "more than 20 levels"),
        ("- " * 30 + "x", "more than 20 levels"),
        ("a: " + "9" * 6000, "a number of 6000 digits is too long"),
        ("a: 1\nb: 2\na: 3", "'a' is given twice"),
        ("{a: {b: 1, b: 1}}", "'b' is given twice"),
        ("a: !!set {x}", "tags are not read, got 'tag:yaml.org,2002:set'"),
        ("a: !!python/object/apply:os.system [ls]", "tags are not read"),
        ("a: ! x", "tags are not read"),
        ("a: *b", "is not YAML: .*undefined alias"),
        ("a: 1\n---\nb: 2", "is not YAML: expected a single document"),
        ("{[a]: 1}", "is not YAML: .*unhashable key"),
        ("<<: 5", "is not YAML: .*expected a mapping"),
        ("a: \0", "is not YAML: unacceptable character"),
        (b"\xff\xfea\x00", "is not YAML: it is not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "is not YAML: it is not text in UTF-8"),
        ("#" * (MAX_BYTES + 1), "more than 100000 bytes are too many for settings"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_settings_is_refused_at_once(tmp_path, content, words):
    started = time.process_time()
    with pytest.raises(InputError, match=rf"mine\.yaml.*{words}") as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert time.process_time() - started < 10  # some would otherwise take for ever


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # that no process writes to
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match=r" is a (pipe|device), not a file; put a file in its place\.$"):
            read_yaml(type(tmp_path)(path), "columns")
    with pytest.raises(InputError, match="is a folder, not a file"):
        read_yaml(tmp_path, "columns")
    with pytest.raises(InputError, match="cannot read the columns .*: No such file"):
        read_yaml(tmp_path / "none", "columns")
    with pytest.raises(InputError, match="cannot read .*: File name too long"):
        read_yaml(tmp_path / ("x" * 5000), "columns")


def test_what_is_written_is_read_again():
    content = {
        "text": ["1e-4", "010", "yes", "null", "1:30", "0x10", "", "2026-01-01", "été: #"],
        "numbers": [1e-5, 0.1 + 0.2, 1e300, 2.0, 3, 2**62, -1],
        "group": {"yes": True, "none": None, "empty": {}, "list": []},
    }
    again = parse_yaml(format_yaml(content))
    assert again == content
    assert [*map(type, again["numbers"])] == [*map(type, content["numbers"])]
    assert [*again] == [*content]
