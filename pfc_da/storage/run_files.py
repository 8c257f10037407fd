"""Which files a run consists of: what each stage makes, what is made of what, and how a damaged file is mended."""

import fnmatch
import itertools

from pfc_da.errors import InputError, show

STAGES = ("train", "replay", "compare", "report")
CONFIG = "config.yaml"
"""The settings of the manifest, for --config."""
STAGE_REPLAY = "rate"
"""The replay that is a stage."""
_MORE_OF = {
    "spiking": ("comparison_recorded.csv", "exports_spiking", "figures/neurons_*"),
    "circuit": (),
}
"""Replays made on demand, and what is made of their recording other than statistics and comparison."""
REPLAYS = tuple(_MORE_OF)
_FIGURES = tuple(name for more in _MORE_OF.values() for name in more if name.startswith("figures/"))
FIGURE_PREFIXES = tuple(name.removeprefix("figures/").removesuffix("*") for name in _FIGURES)
"""How the names of the figures of such replays begin."""
OUTPUTS = {
    "train": (
        "animals/*/weights.safetensors",
        "animals/*/after_*.safetensors",
        "animals/*/learning_curve.csv",
    ),
    "replay": ("recording.nc",),
    "compare": ("statistics.csv", "statistics_by_animal.csv", "comparison.csv", "figures/*"),
    "report": ("report.html",),
}
"""Files that each stage makes; of `figures`, those of a replay are made on demand."""
REMEDIES = {
    **dict.fromkeys(
        OUTPUTS["train"], "Remove it, and the command that made the run trains that animal again"
    ),
    "recording.nc": "'pfc-da replay {run} --force' makes it anew",
    **{
        pattern: f"'pfc-da replay {{run}} --{replay} --force' makes it anew"
        for replay, more in _MORE_OF.items()
        for pattern in (f"*_{replay}.*", *(name for name in more if name in _FIGURES))
    },
    "comparison_recorded.csv": "'pfc-da compare {run} --recorded ...' makes it anew",
    "report.html": "'pfc-da report {run} --force' makes it anew",
    "*": "'pfc-da compare {run} --force' makes it anew",
}
"""How a damaged file is mended; the first pattern that fits counts."""
MADE_FROM = {
    "recording.nc": ("comparison_recorded.csv", "exports"),
    **{
        f"recording_{replay}.nc": (f"statistics_{replay}.csv", f"comparison_{replay}.csv", *more)
        for replay, more in _MORE_OF.items()
    },
}
"""What is made on demand from a recording, by no stage, and so must go when that recording is made anew; may hold a *."""
ON_DEMAND = {*MADE_FROM, *itertools.chain(*MADE_FROM.values())} - {"recording.nc"}
OURS = (
    "animals",
    "figures",
    "recording.nc",
    "statistics.csv",
    "statistics_by_animal.csv",
    "comparison.csv",
    "report.html",
    *ON_DEMAND,
    "error.txt",
    CONFIG,
    "manifest.json",  # last: while it stands, the folder is known to be a run folder
)


def name_recording(replay: str) -> str:
    """The recording of a replay."""
    return "recording.nc" if replay == STAGE_REPLAY else f"recording_{replay}.nc"


def name_exports(replay: str) -> str:
    """The folder of the exports of a replay's recording.

    Raises
    ------
    InputError
        If it is a replay without exports.
    """
    names = {STAGE_REPLAY: "exports"} | {
        folder.removeprefix("exports_"): folder for folder in ON_DEMAND if folder.startswith("exports_")
    }
    if replay not in names:
        raise InputError(f"no replay {show(replay)} to export. There are: {', '.join(sorted(names))}.")
    return names[replay]


def fits(name: str, pattern: str) -> bool:
    """Whether a file is among those of a pattern; those made on demand fit no pattern of a stage but their own."""
    on_demand = any(fnmatch.fnmatch(name, figures) for figures in _FIGURES)
    return fnmatch.fnmatch(name, pattern) and (pattern != "figures/*" or not on_demand)
