"""Mutated recordings and column files: the command ends with its table or with one line, and within ten seconds."""

import re
import shutil
import time

import h5py
import numpy as np
import pytest

from pfc_da import cli
from pfc_da.storage.run_folder import RunFolder

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # they would stand beside the table

QUICK, WHOLE = 100, 2000
KINDS = ("csv", "yaml", "csv", "yaml", "nwb")  # in turn; NWB takes longest
HANG_S = 10
WORDS = (
    b"", b"nan", b"-1", b"1e308", b"-1e-308", b"inf", b'"', b"'", b"\x00", b"\xff\xfe", b"\xc3\xa9", b",", b"\n", b"\t",
    b"true", b"null", b"~", b"left", b"0x1F", b"1_000", b"2020-01-01", b"9" * 400, b"a" * 5000, b"[", b"{", b"&a", b"*a",
    b"!!python/name:os.system", b": ", b"- ", b"? ", b"#", b"missing", b"trial", b"choice", b";", b"sep=;", b"\xef\xbb\xbf",
    b"\r", b"0,5", b"Left", b"rewarded", b"{animal}", b"{session}/**", b"*", b"sub-{animal}_*", b"2020-01-01", b"rows",
    b"units", b"intervals/trials", b"../..",
)  # fmt: skip
CSV = "animal,session,trial,choice,reward,block,better_side,p_0,p_1\n" + "".join(
    f"m{t // 60},s{t // 30 % 2},{t},{t * 7 % 3 % 2},{t % 4 > 1:d},{t // 20},{t % 2},0.{t % 7},0.4\n"
    for t in range(120)
)
YAML = """columns: {animal: animal, trial: trial, reward: [reward, p_0]}
values:
  choice: {0: 0, 1: 1, 2: missing}
rows: {block: [0, 1, 2, 3, 4, 5]}
path: "{session}.csv"
options: 2
baited: true
same_schedule: false
delay: 0.1
"""
EVENT = """columns: {event: cue_time}
rows: {choice: [0, 1]}
trials_table: trials
path: "{animal}.nwb"
"""


def mutate_bytes(content, rng):
    """One to four cuts, flips, repeats or foreign words."""
    for _ in range(rng.choice([1, 1, 1, 4])):
        a, b = np.sort(rng.integers(len(content) + 1, size=2)).tolist()
        match rng.integers(6):
            case 0:
                content = content[:a] + content[min(b, a + 40) :]
            case 1:
                content = content[:a]
            case 2:
                content = content[:a] + content[a : a + 200] * int(rng.integers(2, 5)) + content[a:]
            case 3:
                content = content[:a] + rng.bytes(rng.integers(1, 9)) + content[a + 4 :]
            case _:
                content = content[:a] + WORDS[rng.integers(len(WORDS))] + content[a + rng.integers(6) :]
    return content


def mutate_fields(content, rng):
    """One to three fields become another field or a foreign word; what stands between them stays."""
    parts = re.split(rb"([,\n:{}\[\] ]+)", content)
    for place in 2 * rng.integers((len(parts) + 1) // 2, size=rng.integers(1, 4)):
        other = parts[2 * rng.integers((len(parts) + 1) // 2)]
        parts[place] = other if rng.random() < 0.4 else WORDS[rng.integers(len(WORDS))]
    return b"".join(parts)


def mutate_text(content, rng):
    return (mutate_fields if rng.random() < 0.7 else mutate_bytes)(content.encode(), rng)


def mutate_structure(path, rng):
    """One to three changes of tables, their values, types and attributes."""
    with h5py.File(path, "a") as file:
        names = []
        file.visit(names.append)
        own = [name for name in names if name.startswith(("intervals/trials", "units"))]
        for name in rng.choice(own, size=rng.choice([1, 1, 3])).tolist():
            if name in file:
                mutate_object(file, name, rng)


def mutate_object(file, name, rng):
    item = file[name]
    attributes = list(item.attrs)
    match rng.integers(5):
        case 0:
            del file[name]
        case 1 if attributes:
            key = attributes[rng.integers(len(attributes))]
            if rng.random() < 0.5:
                del item.attrs[key]
            else:
                item.attrs[key] = [b"x", np.nan, "DynamicTable", 7][rng.integers(4)]
        case 2 | 3 if isinstance(item, h5py.Dataset) and item.ndim and item.size and item.dtype.kind in "fiu":
            place = rng.integers(item.shape[0])
            values = [0, 1, 127] if item.dtype.kind != "f" else [np.nan, np.inf, -1, 0, 1e300, 1e-300, 1e6]
            item[place if rng.random() < 0.7 else slice(None)] = values[rng.integers(len(values))]
        case _ if isinstance(item, h5py.Dataset):
            old, kept = item[()], dict(item.attrs)
            del file[name]
            size = np.size(old)
            file[name] = [
                np.full(max(size, 1), b"text"), np.zeros((size, 2)), np.zeros(0), np.arange(size + 1.0), 3.0,
                np.full(size, -1), np.full(size, 2**40),
            ][rng.integers(7)]  # fmt: skip
            file[name].attrs.update(kept)


@pytest.fixture(scope="module")
def small(tmp_path_factory, write_session, build_recording, finished_run):
    """A run that is compared fast, and a session to mutate."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_session(folder / "whole.nwb", n_trials=40, units=2, observed=[[0.0, 80.0]])
    run = shutil.copytree(finished_run, folder / "run")
    with RunFolder.existing(run) as opened, opened.doing("replay"):
        build_recording(shape=(2, 8, 30), n_units=4).to_netcdf(run / "recording.nc", engine="h5netcdf")
    with RunFolder.existing(run) as opened, opened.doing("compare"):
        pass  # and no report
    return folder


def write_case(small, number, rng):
    """Files of one case and the words of the command line."""
    kind = KINDS[number % len(KINDS)]
    table, columns, session = small / "case.csv", small / "case.yaml", small / "case.nwb"
    table.write_text(CSV)
    columns.write_text(YAML if kind != "nwb" else EVENT)
    match kind:
        case "csv":
            table.write_bytes(mutate_text(CSV, rng))
            return [table] if rng.random() < 0.7 else [table, "--columns", columns]
        case "yaml":
            columns.write_bytes(mutate_text(YAML, rng))
            return [table, "--columns", columns]
        case _:
            session.write_bytes((small / "whole.nwb").read_bytes())
            if rng.random() < 0.3:
                columns.write_bytes(mutate_text(EVENT, rng))
            elif rng.random() < 0.5:
                session.write_bytes(mutate_bytes(session.read_bytes(), rng))
            else:
                mutate_structure(session, rng)
            return [session, "--columns", columns]


def run_cases(small, numbers, capsys):
    """Codes of the command over mutated files; every other end than a table or a line is an error here."""
    codes = []
    for number in numbers:
        words = write_case(small, number, np.random.default_rng(number))
        began = time.process_time()
        code = cli.exit_code(["compare", str(small / "run"), "--recorded", *map(str, words)])
        took = time.process_time() - began
        out, err = capsys.readouterr()
        assert code in (0, 2), f"case {number}: {err}"
        assert took < HANG_S, f"case {number} took {took:.1f} s"
        if code == 2:
            assert out == "" and err.startswith("error: ") and err.count("\n") == 1, f"case {number}: {err}"
            assert len(err) < 1000, f"case {number}: {err}"
        else:
            assert all(line.startswith("compare: ") for line in err.splitlines()), f"case {number}: {err}"
        codes.append(code)
    return codes


def test_mutated_files_end_in_a_table_or_a_line(small, capsys):
    codes = run_cases(small, range(QUICK), capsys)
    assert codes.count(2) > QUICK // 4 and codes.count(0) > QUICK // 10  # both ends are seen


@pytest.mark.slow
def test_many_mutated_files_end_in_a_table_or_a_line(small, capsys):
    codes = run_cases(small, range(WHOLE), capsys)
    assert codes.count(2) > WHOLE // 4 and codes.count(0) > WHOLE // 10
