"""The command line as a user sees it: exit codes, one-line errors, continuing, and a quick start."""

import contextlib
import io
import logging
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

import pfc_da
from pfc_da import cli, paradigms
from pfc_da.cli import main
from pfc_da.errors import DiskFull, InputError
from pfc_da.jobs.cost import Cost
from pfc_da.settings import resolve
from pfc_da.storage.manifest import format_manifest, read_manifest


class FakeExperiment:
    """Stands in for a paradigm: writes the files of each stage, and counts how often it was asked to."""

    def __init__(self):
        self.done = []
        self.fail = {}
        self.summary = []
        self.cost = Cost(0, 0, 0, 0)

    def settings(self, *, animals=None, seed=None, sets=(), **_):
        asked = {"paradigm": "bandit", "animals": animals or 4, "seed": seed or 0}
        return resolve([asked], sets=sets)

    def estimate(self, settings, stages, workers, trained=0):
        return self.cost

    def train(self, settings, folder, progress, workers=None):
        report = progress.task("train animals", settings.animals)
        for index in range(settings.animals):
            self._write("train", folder, f"animals/{index:03d}/weights.safetensors")
            report(index + 1)

    def replay(self, settings, folder, progress, workers=None):
        self._write("replay", folder, "recording.nc")

    def compare(self, settings, folder):
        self._write("compare", folder, "comparison.csv")

    def report(self, path):
        self.done.append("report")
        (path / "report.html").write_text("report")

    def _write(self, stage, folder, name):
        self.done.append(stage)
        if stage in self.fail:
            raise self.fail[stage]
        folder.write_atomic(name, lambda file: file.write_text(stage))


@pytest.fixture
def experiment(monkeypatch):
    import pfc_da.report.page
    import pfc_da.report.summary

    fake = FakeExperiment()
    monkeypatch.setattr(paradigms, "load", lambda name: fake)
    monkeypatch.setattr(pfc_da.report.page, "write_report", fake.report)
    monkeypatch.setattr(pfc_da.report.summary, "summarise_run", lambda run: fake.summary)
    return fake


@pytest.fixture
def call(capsys):
    """Run the command line in this process; give exit code, stdout and stderr without the lines of progress."""

    def run(*arguments):
        code = cli.exit_code([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, re.sub(r"^(train|replay|compare|report|fit): .*\n", "", err, flags=re.M)

    return run


def assert_one_line(result, words, code=2, start="error: "):
    given, out, err = result
    assert given == code, err
    assert out == ""
    assert err.startswith(start) and err.endswith("\n") and err.count("\n") == 1, err
    assert re.search(words, err), err


COMMAND = "from pfc_da.__main__ import main; main()"  # as the console script has it
STAGES_OF_TWO = ["train", "train", "replay", "compare", "report"]


def test_run_does_every_stage_once_and_then_leaves_the_run_alone(experiment, call, tmp_path):
    out = tmp_path / "süß 1"
    command = ("run", "bandit", "--animals", 2, "--seed", 5, "--out", out, "--quick")
    experiment.summary = ["2 of 2 animals did not learn."]
    code, said, err = call(*command)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        f"{out}: 2 of 2 animals did not learn.",
        f"{out}: train, replay, compare, report finished, report in {out}/report.html.",
    ]
    assert experiment.done == STAGES_OF_TWO
    manifest = read_manifest(out)
    assert (manifest.status, manifest.seed, manifest.animals) == ("finished", 5, 2)

    code, said, err = call(*command)
    assert (code, err) == (0, "")
    assert f"finished already, report in {out}/report.html. --force does it again." in said
    assert experiment.done == STAGES_OF_TWO

    assert call(*command, "--force")[0] == 0
    assert experiment.done == 2 * STAGES_OF_TWO


@pytest.mark.parametrize(
    "lost, again",
    [("recording.nc", ["replay", "compare", "report"]), ("animals/001/weights.safetensors", STAGES_OF_TWO)],
)
def test_of_a_run_that_lost_a_file_all_stages_after_it_are_done_again(
    experiment, call, tmp_path, lost, again
):
    command = ("run", "bandit", "--animals", 2, "--out", tmp_path / "run")
    assert call(*command)[0] == 0
    experiment.done.clear()
    (tmp_path / "run" / lost).unlink()
    assert call(*command)[0] == 0
    assert experiment.done == again
    assert read_manifest(tmp_path / "run").status == "finished"


def test_stages_one_by_one(experiment, call, tmp_path):
    out = tmp_path / "run"
    assert_one_line(call("replay", out), "is not a run folder: it has no manifest.json")
    assert call("train", "bandit", "--animals", 1, "--out", out, "--quick")[:2] == (
        0,
        f"{out}: train finished.\n",
    )
    assert_one_line(call("report", out), "report needs replay, which is not done .1 of 1 animals trained")
    for stage in ("replay", "compare", "report"):
        assert call(stage, out)[0] == 0
    assert experiment.done == ["train", "replay", "compare", "report"]
    assert read_manifest(out).status == "finished"

    assert "finished already" in call("compare", out)[1]
    assert call("compare", out, "--force")[0] == 0
    assert experiment.done[4:] == ["compare"]
    assert call("run", "bandit", "--animals", 1, "--out", out, "--quick")[0] == 0
    assert experiment.done[5:] == ["report"]


def test_a_failed_run_is_continued_by_the_same_command(experiment, call, tmp_path):
    command = ("run", "bandit", "--animals", 2, "--out", tmp_path / "run", "--quick")
    experiment.fail["replay"] = KeyError("planted")
    result = call(*command)
    assert_one_line(
        result, r"internal failure, KeyError: 'planted' \(its traceback is in .*/error.txt\)", code=1
    )
    assert "KeyError: 'planted'" in (tmp_path / "run" / "error.txt").read_text()
    assert read_manifest(tmp_path / "run").status == "failed"

    experiment.fail.clear()
    assert call(*command)[0] == 0
    assert not (tmp_path / "run" / "error.txt").exists()
    assert experiment.done == ["train", "train", "replay", "replay", "compare", "report"]


def test_debug_shows_the_traceback(experiment, call, tmp_path, monkeypatch):
    monkeypatch.setenv("PFC_DA_DEBUG", "1")
    experiment.fail["train"] = RuntimeError("planted\nin two lines")
    code, _, err = call("run", "bandit", "--out", tmp_path / "run", "--quick")
    assert code == 1
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: internal failure, RuntimeError: planted in two lines (")


def test_a_failure_outside_a_run_is_kept_too(call, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(paradigms, "names", lambda: 1 / 0)
    assert_one_line(call("list"), "internal failure, ZeroDivisionError: division by zero", code=1)
    assert "ZeroDivisionError" in next(tmp_path.glob("*-pfc-da.txt")).read_text()


def test_bad_input_met_while_working_is_one_line(experiment, call, tmp_path):
    for error in (
        InputError("weights.safetensors is damaged: planted."),
        DiskFull("no space left: planted."),
    ):
        experiment.fail["train"] = error
        result = call("run", "bandit", "--out", tmp_path / "run", "--quick")
        assert_one_line(result, "planted", code=2)
        assert not (tmp_path / "run" / "error.txt").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("rnu bandit", "No such command 'rnu'. Did you mean 'run'?"),
        ("run bandit --anmals 3", "No such option --anmals. Did you mean '--animals'?"),
        ("--hepl", "No such option --hepl. Did you mean '--help'?"),
        ("run bandit --out", "Option '--out' requires an argument."),
        ("run", "Missing argument 'PARADIGM'."),
        ("run bandit juice", "unexpected extra argument.* .juice.\\."),
        ("run bandit --animals three", "'--animals': must be a whole number, got 'three'."),
        ("run bandit --seed 1.5", "'--seed': must be a whole number, got '1.5'."),
        ("run bandit --workers 0", "'--workers': must be 1 to 1024 processes, got 0."),
        ("run bandti", "'bandti'.* Did you mean 'bandit'?"),
        ("run bandit --animals 0", "animals.* 0"),
        ("run bandit --seed -1", "seed.*-1"),
        ("run bandit --network ltsm", "'ltsm'.* 'rate' or 'lstm'"),
        ("run bandit --rule three-facto", "'three-facto'.* 'three-factor' or 'bptt'"),
        ("run bandit --set train.updates", "train.updates"),
        ("run bandit --set train.update=5", "train.update.*Did you mean 'train.updates'"),
        ("run bandit --set train.updates=many", "train.updates.*many"),
        ("run bandit --set train.updates=-1", "train.updates.*-1"),
        ("run bandit --set train.updates=nan", "train.updates.*nan"),
        ("run bandit --set rule.discount=1.5", "rule.discount.*1.5"),
        ("run bandit --set =3", "error: .*=3"),
        ("run bandit --config missing.yaml", "missing.yaml"),
        ("run bandit --config .", "error: .*\\."),
        ("run bandit --config broken.yaml", "broken.yaml"),
        ("run bandit --config list.yaml", "list.yaml"),
        ("run bandit --config unknown.yaml", "trian.*Did you mean 'train'"),
        ("run bandit --config binary.yaml", "binary.yaml"),
        ("run bandit --out taken", "taken is not a folder"),
        ("run bandit --out taken/below", "taken/below is not a folder"),
        ("run bandit --out /proc/pfc_da", "cannot write in /proc/pfc_da"),
        ("run bandit --out .", "holds other files .* and no manifest.json"),
        ("replay nowhere", "nowhere is not a run folder"),
        ("compare taken", "taken is not a run folder"),
        ("bench --seeds 0", "'--seeds': must be 1 to 10000 trainings, got 0."),
        ("bench --json .", "--json . must be a file in a folder that exists."),
        ("bench --json missing/bench.json", "--json missing/bench.json must be a file in a folder"),
    ],
)
def test_bad_input_is_one_line(call, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "broken.yaml").write_text("train: [1, 2\nrule: }")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    (tmp_path / "unknown.yaml").write_text("trian:\n  updates: 3\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    assert_one_line(call(*arguments.split()), words)
    assert not (tmp_path / "runs").exists()


NAMES = (
    "seed",
    "animals",
    "paradigm",
    "network.n_units",
    "network.kind",
    "rule.discount",
    "rule",
    "train.snapshots",
)
NAMES += (
    "replay.sessions",
    "task.arms",
    "task.n_trials",
    "test_task.n_trials",
    "task",
    "train.updates",
    "a.b.c",
    "",
    ".",
)
VALUES = (
    "",
    "=",
    "3",
    "-1",
    "0",
    "1e3",
    "1e400",
    ".nan",
    "nan",
    ".inf",
    "true",
    "no",
    "~",
    "[1, 2]",
    "[.5, yes]",
)
VALUES += (
    "{a: 1}",
    "{a: {b: c}}",
    "independent",
    "１２",
    "²",
    "1:30",
    "010",
    "2020-01-01",
    "*a",
    "&a [*a]",
    "!!int x",
)
VALUES += (
    "! x",
    "[" * 99,
    "9" * 400,
    "x" * 5000,
    "a\nb",
    "\x1b[31m",
    "\u2028",
    "'",
    '"',
    "{",
    "- a",
    "<<: 5",
    "\0",
)
VALUES += ("\udcff", "%", "@", "`")
SETS = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(["=", "", " = ", "=="]),
    st.sampled_from(VALUES) | st.text(max_size=20),
)


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
@hypothesis.given(text=SETS | st.text(max_size=30).map(lambda text: (text, "", "")), as_file=st.booleans())
def test_whatever_is_set_is_taken_or_refused_in_one_line(text, as_file):
    """In a file as on the command line; nothing is trained here."""
    name, equals, value = text
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("pfc_da.cli.run.do_stages", lambda folder, *_: folder.close())
        file = Path(folder, "mine.yaml")
        group, _, leaf = name.rpartition(".")
        content = f"{group}: {{{leaf}: {value}}}" if group else f"{name}: {value}"
        file.write_bytes(content.encode(errors="replace"))
        given = ["--config", str(file)] if as_file else ["--set", f"{name}{equals}{value}"]
        output = io.StringIO()
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            code = cli.exit_code(["train", "bandit", "--quick", "--out", f"{folder}/run", *given])
    assert code in (0, 2)
    assert output.getvalue().count("\n") == (code == 2)
    assert len(output.getvalue()) < 1600
    assert output.getvalue().strip().isprintable()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("run bandit --quick --quick", "'--quick': given twice; give it once."),
        ("run bandit --seed 1 --animals 2 --seed 1", "'--seed': given twice; give it once."),
        ("run bandit --out ''", "'--out': must be a path, got ''."),
        ("replay ''", "'RUN': must be a path, got ''."),
        ("compare a --recorded ''", "'--recorded': must be a path, got ''."),
        ("run bandit --animals １２", "'--animals': must be a whole number, got '１２'."),
        ("run bandit --animals 1_0", "must be a whole number, got '1_0'."),
        ("run bandit --animals 100000000000", r"'animals' .animals, .*got 100000000000; it must be 1 to 10000\."),
        (f"run bandit --seed {'9' * 6000}", "'--seed': is too large, got a number of 6000 digits"),
        ("run bandit --workers 100000000000", "must be 1 to 1024 processes, got 100000000000"),
        ("replay run --neurons 100000000000", "must be 1 to 1000 neurons, got 100000000000"),
        ("fit bandit --recorded a --candidates 10000", "must be 1 to 9999 candidates, got 10000"),
        ("run bandit --network ''", "'network.kind': got ''; it should be 'rate' or 'lstm'"),
        ("run bandit --network no", "'network.kind': got 'no'; it should be 'rate' or 'lstm'"),
        ("run bandit --loudly", r"No such option --loudly\. 'pfc-da run --help'"),
        ("run bandit --verbos", r"No such option --verbos\. Did you mean '--verbose'\? 'pfc-da run --help'"),
        ("run bandit -x", r"No such option -x\. 'pfc-da run --help'"),
        (f"run {'x' * 5000}", r"no paradigm 'x{60}…'\."),
        (f"run bandit --{'x' * 5000}", r"No such option --x{58}…\. 'pfc-da"),
        (f"{'x' * 5000}", r"No such command 'x{60}…'\."),
        (f"run bandit {'x' * 5000}", r"extra argument.*x{60}…"),
        (f"run bandit --set {'x' * 5000}=1", r"no setting 'x{60}…'\. There are"),
        (f"run bandit --set task.arms={'x' * 5000}", r"no arms 'x{60}…'\. There are"),
        (f"run bandit --set {'a.' * 2500}b=1", "no setting 'a.*…'; settings are NAME or GROUP.NAME"),
        ("run bandit --set network=5", "'network': got 5; it is a group of settings"),
        ("run bandit --set network.n_units.x=5", "no setting 'network.n_units.x'; settings are NAME or GROUP.NAME"),
        ("run bandit --set 'network.n_units={x: 5}'", "'network.n_units' .units, .*: got a group; it should be"),
        ("run bandit --set train.snapshots=[2]", r"'train.snapshots.0' .* got 2; it should be less than 1\."),
        ("run bandit --set train.snapshots=[yes]", "got True; it should be a number or a name"),
        ("run bandit --set task.n_trials=10000000000", "'task': n_trials must be 1 to 100000 trials, got 10000000000"),
        ("run bandit --set task.n_trials=-1", "'task': n_trials must be 1 to 100000 trials, got -1"),
        ("run bandit --set 'train.updates=&a [*a]'", "'train.updates': an alias refers to what it is part of"),
        ("run bandit --set 'train.updates=!!int 5'", "'train.updates': tags are not read"),
        ("run bandit --set 'rule.kind=\x1b[31m'", r"got '.x1b\[31m'; it should be"),
        (f"bench --json {'x' * 5000}/b.json", "must be a file in a folder that exists"),
    ],
)  # fmt: skip
def test_odd_input_is_one_short_line(call, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = call(*shlex.split(arguments))
    assert_one_line(result, words)
    assert len(result[2]) < 1600
    assert not [*tmp_path.iterdir()]


def test_a_long_run_says_first_what_it_will_take(experiment, call, tmp_path):
    out = tmp_path / "run"
    experiment.cost = Cost(8000, 7200, 2e9, 3e8)
    code, said, err = call("run", "bandit", "--animals", 2, "--out", out)
    assert (code, said.count("\n")) == (0, 1)
    assert err.splitlines()[0] == (
        f"{out}: estimated to take about 2.0 h, 2.0 GB of memory and 300 MB on the disk."
    )
    experiment.cost = Cost(59, 59, 2e9, 3e8)
    assert call("run", "bandit", "--animals", 2, "--out", out, "--force")[::2] == (0, "")


def test_a_finished_run_is_as_it_was_after_what_cannot_fit_is_refused(experiment, call, tmp_path):
    out = tmp_path / "run"
    command = ("run", "bandit", "--animals", 2, "--out", out)
    assert call(*command)[0] == 0
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    experiment.cost = Cost(1, 1, 1e6, 1e30)
    assert_one_line(call(*command, "--force"), "on the disk, which has .* free. Ask for fewer")
    assert_one_line(call("replay", out, "--force"), "on the disk, which has .* free. Ask for fewer")
    assert_one_line(call("run", "bandit", "--out", tmp_path / "other"), "on the disk, which has .* free")
    assert before == {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    assert not (tmp_path / "other").exists()
    assert "finished already" in call(*command)[1]  # which needs no room


def test_bench_prints_a_table_and_writes_json(call, monkeypatch, tmp_path):
    import json

    from pfc_da import bench

    def run_bench(seeds, workers, report):
        report(seeds, "planted")
        reached = {str(criterion): None if criterion > 0.62 else 4.0 for criterion in bench.CRITERIA}
        return [
            bench.Seed("rate + three-factor", seed, reached, 0.625, 1e5, 0.5, 300.0) for seed in range(seeds)
        ]

    monkeypatch.setattr(bench, "run_bench", run_bench)
    code, out, _ = call("bench", "--seeds", 2, "--json", tmp_path / "bench.json")
    assert code == 0
    assert "rate + three-factor" in out
    assert re.search(r"failed 0.639 +2\b", out)
    assert len(json.loads((tmp_path / "bench.json").read_text())["seeds"]) == 2


def test_another_configuration_is_refused(experiment, call, tmp_path):
    command = ("run", "bandit", "--animals", 1, "--out", tmp_path / "run", "--quick")
    assert call(*command)[0] == 0
    result = call(*command, "--set", "train.updates=7")
    assert_one_line(result, "train.updates is .* there and 7 was asked for. Give another --out, or --force")
    assert call(*command, "--set", "train.updates=7", "--force")[0] == 0


def test_a_damaged_manifest_is_one_line(call, tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    assert_one_line(call("compare", tmp_path), "manifest.json is damaged: it is not JSON .* left as it is")


def test_settings_in_a_manifest_that_are_none(experiment, call, tmp_path):
    out = tmp_path / "run"
    assert call("train", "bandit", "--animals", 1, "--out", out, "--quick")[0] == 0
    manifest = out / "manifest.json"
    content = read_manifest(out)
    train = {"updatse" if key == "updates" else key: value for key, value in content.config["train"].items()}
    damaged = format_manifest(content.model_copy(update={"config": content.config | {"train": train}}))
    manifest.write_text(damaged)
    assert_one_line(call("replay", out), "manifest.json is damaged: config.train.updatse")
    assert manifest.read_text() == damaged


def test_list_shows_every_paradigm_with_its_first_sentence(call):
    code, out, err = call("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(paradigms.names())
    assert all(len(line.split()) > 3 for line in lines)


def test_the_help_names_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    for command in ("list", "run", "train", "replay", "compare", "fit", "report", "bench"):
        assert re.search(rf"^  {command} ", out, re.MULTILINE), command
    assert "..." not in out.split("Commands:")[1], "a summary is too long for the page"


def test_every_command_has_help_by_both_names(call):
    for name in ((), *((name,) for name in main.COMMANDS)):
        long, short = call(*name, "--help"), call(*name, "-h")
        assert long == short and long[0] == 0 and "  -h, --help " in long[1]


def test_the_version_is_shown(call):
    assert call("--version") == (0, f"pfc-da {pfc_da.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["run"], 2), ([], 0), (["replay", "nowhere"], 2)]
)
def test_the_module_does_as_the_command(arguments, code):
    module, command = (
        subprocess.run([*how, *arguments], capture_output=True, text=True)
        for how in ([sys.executable, "-m", "pfc_da"], [sys.executable, "-c", COMMAND])
    )
    assert (module.returncode, module.stdout, module.stderr) == (code, command.stdout, command.stderr)
    assert command.returncode == code


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("re", ["replay", "report"]), ("run band", ["bandit"]), ("run bandit --an", ["--animals"])],
)
def test_the_shell_completes_commands_options_and_paradigms(typed, offered):
    environment = {"COMP_WORDS": f"pfc-da {typed}", "COMP_CWORD": str(len(typed.split()))}
    environment |= {"_PFC_DA_COMPLETE": "complete_bash", **os.environ}
    done = subprocess.run([sys.executable, "-m", "pfc_da"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, offered, "")


def test_verbose_says_what_is_done(experiment, call, tmp_path, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pfc_da"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("pfc_da"), "level", logging.WARNING)
    command = ("run", "bandit", "--animals", 1, "--out", tmp_path / "run")
    assert call(*command)[::2] == (0, "")
    code, out, err = call(*command, "--force", "-v")
    assert code == 0 and out.endswith("/report.html.\n")
    assert [re.sub(r"^[\d:]{8} ", "", line) for line in err.splitlines()][:3] == [
        f"pfc_da.experiment.stages: train begins in {tmp_path}/run",
        f"pfc_da.storage.run_folder: wrote {tmp_path}/run/animals/000/weights.safetensors",
        f"pfc_da.experiment.stages: replay begins in {tmp_path}/run",
    ]


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"]])
def test_starting_costs_less_than_half_a_second(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "pfc_da", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "bandti"], ["replay", "nowhere"]])
def test_starting_loads_nothing_heavy(arguments):
    code = (
        "import sys; from pfc_da import cli; cli.exit_code(sys.argv[1:])\n"
        "heavy = {'torch', 'brian2', 'numpy', 'pandas', 'xarray', 'matplotlib', 'statsmodels', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


SLOW_TRAINING = """
import time
from pfc_da import paradigms
from pfc_da.__main__ import main
from pfc_da.jobs.cost import Cost
from pfc_da.settings import resolve

class Slow:
    def settings(self, *, animals, **_):
        return resolve([{"paradigm": "bandit", "animals": animals}])

    def estimate(self, *asked):
        return Cost(0, 0, 0, 0)

    def train(self, settings, folder, progress, workers=None):
        folder.write_atomic("animals/000/weights.safetensors", lambda file: file.write_text("w"))
        folder.write_atomic("animals/001/state.safetensors", lambda file: file.write_text("s"))
        print("ready", flush=True)
        time.sleep(60)

    replay = compare = train

paradigms.load = lambda name: Slow()
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_what_is_kept(tmp_path, number):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        SLOW_TRAINING,
        "run",
        "bandit",
        "--animals",
        "3",
        "--out",
        out,
        "--quick",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == (
        f"interrupted: {out} keeps 1 of 3 animals trained and 1 part-way; the same command continues.\n"
    )
    assert read_manifest(out).status == "interrupted"


def test_two_commands_cannot_write_one_folder(tmp_path, call):
    out = tmp_path / "run"
    command = ["run", "bandit", "--animals", "3", "--out", str(out), "--quick"]
    script = [sys.executable, "-c", SLOW_TRAINING, *command]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            words = rf"is being written by another process \(process {process.pid}\)"
            assert_one_line(call(*command), words)
            assert_one_line(call("replay", out), words)
        finally:
            process.kill()


def test_a_folder_one_may_not_write(tmp_path):
    """As another user than root, whom permissions do not stop."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent != Path("/") and parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    code = (
        "import os, sys; from pfc_da import cli, paradigms\n"
        "from pfc_da.jobs import progress; from pfc_da.storage import run_folder\n"
        "paradigms.load('bandit'); os.setuid(65534)\n"
        "sys.exit(cli.exit_code(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "run", "bandit", "--quick", "--out"]
    done = subprocess.run([*command, tmp_path / "run"], capture_output=True, text=True)
    result = done.returncode, done.stdout, done.stderr
    assert_one_line(result, r"cannot write in .*: Permission denied. Make it writable or give another --out")
