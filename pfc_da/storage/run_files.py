"""Files of a run: the outputs of each stage, their sources, and the remedy for a damaged file."""

import fnmatch
from pathlib import Path, PurePosixPath

STAGES = ("train", "replay", "compare", "report")
CONFIG = "config.yaml"
"""The settings of the manifest, for --config."""
STAGE_REPLAY = "rate"
"""The replay that is a stage."""
REPLAYS = "replays"
"""Folder of the replays made on demand, each in a folder of its name."""
RECORDING = "recording.nc"
"""The recording of the rate network in the run folder, and that of another replay in its own folder."""
OUTPUTS = {
    "train": (
        "animals/*/weights.safetensors",
        "animals/*/clamped.safetensors",
        "animals/*/after_*.safetensors",
        "animals/*/learning_curve.csv",
    ),
    "replay": (RECORDING,),
    "compare": ("statistics.csv", "headline.csv", "statistics_by_animal.csv", "comparison.csv", "figures/*"),
    "report": ("report.html",),
}
"""Files that each stage makes."""
OF_REPLAY = (RECORDING, "statistics.csv", "comparison.csv", "figures/*")
"""Files that a replay made on demand writes in its folder."""
ON_DEMAND = (REPLAYS, "comparison_recorded.csv", "exports")
"""Files that no stage of a run makes, made of trained animals on demand."""
OURS = (
    "animals",
    "figures",
    *(name for stage in STAGES[1:] for name in OUTPUTS[stage] if "*" not in name),
    *ON_DEMAND,
    "error.txt",
    CONFIG,
    "manifest.json",  # last: while it stands, the folder is known to be a run folder
)
_REMEDIES = {
    **dict.fromkeys(
        OUTPUTS["train"], "Remove it, and the command that made the run trains that animal again"
    ),
    RECORDING: "'pfc-da replay {run} --force' makes it anew",
    "comparison_recorded.csv": "'pfc-da compare {run} --recorded ...' makes it anew",
    "report.html": "'pfc-da report {run} --force' makes it anew",
    f"{REPLAYS}/*": "'pfc-da replay {run} --{replay} --force' makes it anew",
    "*": "'pfc-da compare {run} --force' makes it anew",
}


def name_folder(replay: str) -> str:
    """The folder of a replay, in the run folder: that of the rate network is the run folder itself."""
    return "." if replay == STAGE_REPLAY else f"{REPLAYS}/{replay}"


def list_replays(run: Path) -> list[str]:
    """Names of the replays made on demand that are in a run folder, in alphabetical order."""
    return sorted(path.name for path in (run / REPLAYS).glob("*") if path.is_dir())


def list_made_from(name: str) -> tuple[str, ...]:
    """Files made on demand from a recording, which are deleted when that recording is made anew."""
    path = PurePosixPath(name)
    if path.name != RECORDING:
        return ()
    if path.parent == PurePosixPath("."):
        return tuple(made for made in ON_DEMAND if made != REPLAYS)
    return tuple(
        str(path.parent / made) for made in ("statistics.csv", "comparison.csv", "figures", "exports")
    )


def describe_remedy(name: str, run: str) -> str:
    """Remedy for a damaged file of a run.

    Parameters
    ----------
    name : str
        Its path in the run folder.
    run : str
        The run folder.
    """
    remedy = next(remedy for pattern, remedy in _REMEDIES.items() if fnmatch.fnmatch(name, pattern))
    return remedy.format(run=run, replay=(*PurePosixPath(name).parts, "")[1])
