"""Arguments and options of the commands, and how their texts are read."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from pfc_da.errors import show


class Command(typer.core.TyperCommand):
    """A command that refuses an option given twice, of which one would be ignored."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as usual, once no option is found twice."""
        parser: Any = self.make_parser(ctx)
        _, _, order = parser.parse_args(args=[*args])
        for index, parameter in enumerate(order):
            if (
                parameter.param_type_name == "option"
                and not parameter.multiple
                and parameter in order[:index]
            ):
                raise typer.BadParameter("given twice; give it once.", ctx, parameter)
        return super().parse_args(ctx, args)


def _list_paradigms() -> Sequence[str]:
    from pfc_da import paradigms

    return paradigms.names()


def _path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter(f"must be a path, got {show(text)}.")
    return Path(text)


def _whole_number(text: str | int) -> int:
    text = str(text)  # a default comes as a number
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise typer.BadParameter(f"must be a whole number, got {show(text)}.")
    if len(text) > 60:
        raise typer.BadParameter(f"is too large, got a number of {len(text)} digits.")
    return int(text)


def _count(most: int, of: str, least: int = 1) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`, of what is counted."""

    def parse(text: str) -> int:
        if not least <= (number := _whole_number(text)) <= most:
            raise typer.BadParameter(f"must be {least} to {most} {of}, got {show(number)}.")
        return number

    return parse


def _option(help: str, kind: Callable[[str], Any] | None = None, metavar: str = "INT") -> Any:
    return typer.Option(help=help, parser=kind, metavar=metavar, show_default=False)


Paradigm = Annotated[
    str,
    typer.Argument(
        metavar="PARADIGM",
        help="One of those 'pfc-da list' shows, or the .py file of your own.",
        autocompletion=_list_paradigms,
    ),
]
ParadigmIfAny = Annotated[
    str | None,
    typer.Argument(
        metavar="[PARADIGM]",
        help="One of those 'pfc-da list' shows, or the .py file of your own; optional.",
        autocompletion=_list_paradigms,
    ),
]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", parser=_path, help="The --out of an earlier 'pfc-da run' or 'train'.")
]
Out = Annotated[Path | None, _option("Folder to write; runs/PARADIGM unless given.", _path, "FOLDER")]
Animals = Annotated[int | None, _option("How many animals (trained seeds).", _whole_number)]
Seed = Annotated[int | None, _option("Seed all randomness comes from.", _whole_number)]
Network = Annotated[str | None, _option("Prefrontal network.", metavar="rate|lstm|FILE.py")]
Rule = Annotated[str | None, _option("Plasticity rule.", metavar="three-factor|bptt|FILE.py")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, such as train.updates=500; repeatable.", metavar="KEY=VALUE"),
]
Config = Annotated[Path | None, _option("Settings as YAML.", _path, "FILE")]
Quick = Annotated[bool, typer.Option("--quick", help="A small run of about a minute, to see that it works.")]
Force = Annotated[bool, typer.Option("--force", help="Start over, whatever run the folder holds.")]
Again = Annotated[bool, typer.Option("--force", help="Do it again if it is done.")]
Workers = Annotated[
    int | None, _option("Processes at once; one a CPU core unless given.", _count(1024, "processes"))
]

Recorded = Annotated[
    list[Path] | None,
    _option("Recordings to compare the run with: tables of choices, NWB, or folders of them.", _path, "PATH"),
]
More = Annotated[list[Path] | None, typer.Argument(metavar="PATH", parser=_path, help="More of --recorded.")]
Columns = Annotated[Path | None, _option("What the columns of --recorded are, as YAML.", _path, "FILE")]

FitTo = Annotated[
    list[Path],
    _option("Recordings to come close to, as 'pfc-da compare --recorded' reads them.", _path, "PATH"),
]
SpaceFile = Annotated[
    Path | None,
    _option(
        "Settings to draw and statistics to fit, as YAML; those of docs/fit.md unless given.", _path, "FILE"
    ),
]
Candidates = Annotated[
    int,
    _option("Populations to try in addition to the default; 40 unless given.", _count(9999, "candidates")),
]
FitOut = Annotated[Path | None, _option("Folder to write; runs/fit-PARADIGM unless given.", _path, "FOLDER")]

Format = Annotated[str, _option("What to write.", metavar="nwb|netcdf|zarr|csv")]
ExportOut = Annotated[
    Path | None, _option("Folder to write; RUN/exports/FORMAT unless given.", _path, "FOLDER")
]
Sessions = Annotated[
    int | None, _option("Only the first sessions of every animal.", _count(100_000, "sessions"))
]
ExportSpiking = Annotated[
    bool, typer.Option("--spiking", help="The spiking replay ('replay --spiking'), not the rate network.")
]
ReplaySessions = Annotated[
    int | None,
    _option("Sessions of --spiking (200 unless given) or --circuit (16).", _count(100_000, "sessions", 2)),
]
Neurons = Annotated[
    int | None, _option("Neurons a unit of --spiking; 1 unless given.", _count(1000, "neurons"))
]
Stimulate = Annotated[
    str | None,
    _option(
        "Current into some cells of --spiking, in thresholds, such as current=0.3,fraction=0.2; also "
        "cells=excitatory|inhibitory, phase=NAME.",
        metavar="KEY=VALUE,...",
    ),
]
Seeds = Annotated[int, _option("Trainings of each agent; 10 unless given.", _count(10_000, "trainings"))]
Json = Annotated[Path | None, _option("Write every seed and the summary here.", _path, "FILE")]
