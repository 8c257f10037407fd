"""Files: only regular ones are read, under names that can be kept."""

import os
import signal
import socket

import pytest

from pfc_da import cli
from pfc_da.errors import InputError
from pfc_da.storage.files import hash_file, require_file, require_name, reserve


@pytest.fixture(autouse=True)
def at_once():
    """Nothing here may wait."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def put(path, kind):
    """Something that is no regular file."""
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "a socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        case "a device":
            path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a socket", "a device"])
def test_what_is_no_regular_file_is_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    path = put(tmp_path.relative_to(tmp_path) / "x", kind)
    for read in (require_file, hash_file):
        with pytest.raises(InputError, match=f"x is {kind}, not a file; put a file in its place"):
            read(path)


def test_a_link_to_itself_is_refused_and_one_to_a_file_is_read(tmp_path):
    loop, link = tmp_path / "loop", tmp_path / "link"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="cannot read .*loop: Too many levels of symbolic links"):
        require_file(loop)
    (tmp_path / "file").write_text("x")
    link.symlink_to(tmp_path / "file")
    require_file(link)
    with pytest.raises(FileNotFoundError, match="nothing"):
        require_file(tmp_path / "nothing")


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(InputError, match=r"the name 'a\\udcff' is not UTF-8"):
        require_name("a\udcff")
    require_name("été")


def test_room_that_is_kept_leaves_the_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    reserve(path, 2)
    assert path.read_bytes() == b"abc"
    reserve(path, 10)
    assert path.read_bytes() == b"abc" + bytes(7)


@pytest.mark.parametrize(
    "words",
    [
        "run bandit --out {new} --config {pipe}",
        "compare {run} --recorded {pipe}",
        "compare {run} --recorded {folder}",
        "compare {run} --recorded {table} --columns {pipe}",
        "fit bandit --out {new} --recorded {table} --space {pipe}",
        "report {of_pipes}",
        "compare {of_pipes}",
        "export {of_pipes} --format csv",
    ],
)
def test_no_command_waits_for_a_pipe(words, tmp_path, finished_run, capsys):
    pipe = put(tmp_path / "pipe.csv", "a pipe")
    (tmp_path / "folder").mkdir()
    put(tmp_path / "folder" / "trials.csv", "a pipe")
    (tmp_path / "of_pipes").mkdir()
    put(tmp_path / "of_pipes" / "manifest.json", "a pipe")
    (tmp_path / "table.csv").write_text("animal,session,trial,choice,reward\nm,s,0,0,1\n")
    places = {name: tmp_path / name for name in ("new", "folder", "of_pipes")}
    places |= {"pipe": pipe, "table": tmp_path / "table.csv", "run": finished_run}
    code = cli.exit_code(words.format(**places).split())
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1), err
    assert "is a pipe, not a file" in err


@pytest.mark.parametrize(
    "words",
    [
        "run bandit --quick --out {}",
        "replay {}",
        "report {}",
        "export {} --format csv",
        "fit bandit --out {} --recorded {table}",
    ],
)
def test_no_command_takes_a_name_that_is_not_utf8(words, tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("animal,session,trial,choice,reward\nm,s,0,0,1\n")
    out = f"{tmp_path}/a\udcff"
    code = cli.exit_code([word.format(out, table=table) for word in words.split()])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1), err
    assert "is not UTF-8" in err
    assert not [name for name in os.listdir(tmp_path) if name.startswith("a")]
