"""Write the page of all settings, ``docs/settings.md``, from their definitions: ``python benchmarks/settings_page.py``."""

from pathlib import Path

from pfc_da import paradigms
from pfc_da.cli.settings_table import (
    HEADINGS,
    format_markdown,
    format_value,
    list_settings,
    list_task_settings,
)
from pfc_da.experiment.experiment import Experiment
from pfc_da.settings import NETWORKS, RULES, RunSettings, resolve
from pfc_da.storage.request import flatten

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Written by `benchmarks/settings_page.py` from the definitions in `pfc_da/settings.py` and the paradigms. `pfc-da settings
PARADIGM` shows those of one paradigm. `--set NAME=VALUE` changes one setting, `--config FILE` several; see
[the command line](command-line.md#settings).

`network` and `rule` have kinds, each with its own settings and defaults. Kinds go together: with `network.kind=lstm`
the rule is `bptt`, and with `rule.kind=bptt` the network is `lstm`, unless both are given."""
GROUPS = {
    "": "The run",
    "dopamine": "Dopamine",
    "train": "Training",
    "replay": "Replay",
}
REFERENCE = {"network": "lstm", "rule": "bptt"}


def format_page() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, title in GROUPS.items():
        parts += [f"## {title}", _tabulate_group(resolve([{"paradigm": ""}]), group)]
    for kind in NETWORKS:
        settings = resolve([{"paradigm": "", "network": {"kind": kind}}])
        parts += [f"## Network `{kind}`", _tabulate_group(settings, "network")]
    for kind, rule in RULES.items():
        settings = resolve([{"paradigm": "", "rule": {"kind": kind}}])
        own = ", ".join(
            f"`train.{name}={format_value(value)}`" for name, value in rule.train_defaults.items()
        )
        parts += [f"## Rule `{kind}`", _tabulate_group(settings, "rule")]
        parts += [f"Training with this rule has other defaults, in every paradigm: {own}."] if own else []
    for name in paradigms.names():
        parts += [f"## Paradigm `{name}`", *_describe(paradigms.load(name))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _tabulate_group(settings: RunSettings, group: str) -> str:
    rows = [row for row in list_settings(settings) if row.name.rpartition(".")[0] == group]
    return format_markdown(rows, HEADINGS)


def _describe(experiment: Experiment) -> list[str]:
    """Defaults of a paradigm that differ from the general ones, and the settings of its task."""
    tables = []
    for asked in ({}, REFERENCE):
        kinds = {group: {"kind": kind} for group, kind in asked.items()}
        general = flatten(resolve([{"paradigm": ""}], options=kinds).model_dump())
        own = flatten(experiment.settings(**asked).model_dump())
        groups = [name for name in own if name.partition(".")[0] not in ("paradigm", "task", "test_task")]
        tables.append({name: format_value(own[name]) for name in groups if own[name] != general[name]})
    usual, reference = tables
    rows = [
        (name, usual.get(name, "as above"), reference.get(name, "as above"))
        for name in dict.fromkeys([*usual, *reference])
    ]
    headings = ("setting", "default", "default with `lstm` and `bptt`")
    task = format_markdown(list_task_settings(experiment.settings(), experiment.task))
    return [format_markdown(rows, headings), task]


if __name__ == "__main__":
    PAGE.write_text(format_page(), "utf-8")
