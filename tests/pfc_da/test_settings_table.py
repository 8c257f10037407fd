"""Output of `pfc-da settings`."""

import pytest

from pfc_da import cli, paradigms
from pfc_da.cli.settings_table import HEADINGS, Row, format_markdown, format_text, list_settings
from pfc_da.settings import resolve

BANDIT = resolve([{"paradigm": "bandit"}], sets=["train.snapshots=[.2]"])


def get_rows(settings, task=None):
    return {row.name: row for row in list_settings(settings, task)}


def test_a_row_has_default_allowed_values_unit_and_meaning():
    rows = get_rows(BANDIT)
    assert rows["network.tau_min"] == Row(
        "network.tau_min", "0.1", "0.01 to 100", "s", "shortest synaptic time constant"
    )
    assert rows["network.kind"][1:3] == ("rate", "rate, lstm")
    assert rows["network.fraction_excitatory"].allowed == "above 0, below 1"
    assert rows["dopamine.channel"].allowed == "none, cells"
    assert rows["seed"].allowed == "0 to 2^62"
    assert rows["train.snapshots"].default == "[0.2]"
    assert "paradigm" not in rows
    assert "network.tau_min" not in get_rows(resolve([{"paradigm": ""}], sets=["network.kind=lstm"]))


def test_settings_of_a_task_come_last_with_their_allowed_values():
    experiment = paradigms.load("monkey_juice")
    rows = get_rows(experiment.settings(), experiment.task)
    own = ["n_trials", "p0", "p0_sum", "changes", "shortest_block", "longest_block", "curriculum", "images"]
    tested = ["n_trials", "shortest_block", "longest_block"]
    assert [*rows][-11:] == [f"task.{name}" for name in own] + [f"test_task.{name}" for name in tested]
    assert rows["task.p0"][1:3] == ("high", "high, full, training, gaps")
    assert rows["test_task.longest_block"].default == "150"
    assert rows["task.changes"][1:3] == ("true", "true, false")
    assert rows["task.n_trials"][1:4] == ("60", "1 to 100000", "trials")


@pytest.mark.parametrize("name", paradigms.names())
def test_every_default_can_be_typed_after_set(name):
    experiment = paradigms.load(name)
    settings = experiment.settings()
    rows = list_settings(settings, experiment.task)
    again = experiment.settings(sets=[f"{row.name}={row.default}" for row in rows])
    assert again.model_copy(update={"task": settings.task}) == settings
    for test in (False, True):
        assert experiment.build_task(again, test=test) == experiment.build_task(settings, test=test)


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_the_terminal(width):
    lines = format_text(list_settings(BANDIT), width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:4] == list(HEADINGS[:4])
    names = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    assert names == [row.name for row in list_settings(BANDIT)]


def test_a_table_in_markdown():
    assert format_markdown([("a.b", "1")], ("setting", "default")) == (
        "| setting | default |\n| --- | --- |\n| `a.b` | 1 |\n"
    )


@pytest.mark.parametrize(
    "words, shown, not_shown",
    [
        ("settings", "network.tau_min", "task.arms"),
        ("settings --network lstm", "rule.kind                 bptt", "network.tau_min"),
        ("settings bandit", "task.arms", "task.p0"),
        ("settings bandit --rule bptt --network rate", "network.tau_min", "rule.rate_penalty"),
    ],
)
def test_the_command_shows_the_settings_asked_for(words, shown, not_shown, capsys):
    assert cli.exit_code(words.split()) == 0
    said = capsys.readouterr().out
    assert shown in said
    assert not_shown not in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize(
    "words, error",
    [
        ("settings bandti", "no paradigm 'bandti'. Did you mean 'bandit'?"),
        ("settings --network lsmt", "it should be 'rate' or 'lstm', or a .py file. Did you mean 'lstm'?"),
        ("settings bandit --network lstm --rule three-factor", "needs the eligibility of network 'rate'"),
    ],
)
def test_what_cannot_be_shown_is_reported_in_one_line(words, error, capsys):
    assert cli.exit_code(words.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert error in said.err
    assert said.err.count("\n") == 1
