"""The stages of a run, done one after another: train, replay, compare, and whatever a command adds."""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pfc_da.errors import InputError, damaged
from pfc_da.jobs import signals
from pfc_da.jobs.progress import Progress
from pfc_da.settings import RunSettings
from pfc_da.storage.run_files import STAGES
from pfc_da.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from pfc_da.experiment.experiment import Experiment

LOG = logging.getLogger(__name__)
Stages = Mapping[str, Callable[[], object]]
"""Stages in their order, with what does them."""


def plan_stages(
    experiment: "Experiment",
    settings: RunSettings,
    folder: RunFolder,
    progress: Progress,
    workers: int | None,
) -> dict[str, Callable[[], object]]:
    """The stages of an experiment.

    Parameters
    ----------
    experiment : Experiment
    settings : RunSettings
    folder : RunFolder
    progress : Progress
    workers : int, optional
        Processes.

    Returns
    -------
    mapping of str to callable
        In the order of the stages.
    """
    arguments = settings, folder, progress, workers
    return {
        "train": functools.partial(experiment.train, *arguments),
        "replay": functools.partial(experiment.replay, *arguments),
        "compare": functools.partial(experiment.compare, settings, folder),
    }


def list_to_do(folder: RunFolder, stages: Sequence[str], force: bool = False) -> list[str]:
    """Those of `stages` that are to be done: all under `force`, else the first that is not done and all after it.

    Parameters
    ----------
    folder : RunFolder
    stages : sequence of str
        In their order.
    force : bool

    Raises
    ------
    InputError
        If a file of a finished stage is damaged.
    """
    done = [not force and folder.is_done(stage) for stage in stages]
    return [*stages[done.index(False) :]] if False in done else []


def expect_stages(
    experiment: "Experiment",
    settings: RunSettings,
    to_do: Iterable[str],
    workers: int | None,
    trained: int,
) -> dict[str, float]:
    """Time in s that each stage is estimated to take.

    Parameters
    ----------
    experiment : Experiment
    settings : RunSettings
    to_do : iterable of str
        Stages.
    workers : int, optional
    trained : int
        Animals that are trained already.
    """
    return {stage: experiment.estimate(settings, [stage], workers, trained).wall_s for stage in to_do}


def run_stages(folder: RunFolder, work: Stages, to_do: Iterable[str], progress: Progress) -> None:
    """Do stages one after another; each is recorded as done when it has ended.

    Parameters
    ----------
    folder : RunFolder
    work : mapping of str to callable
        Of `plan_stages`.
    to_do : iterable of str
    progress : Progress
    """
    for stage in to_do:
        signals.raise_lost()
        LOG.info("%s begins in %s", stage, folder.path)
        with folder.doing(stage), progress.stage(stage):
            work[stage]()


def require_before(stage: str, folder: RunFolder, what: str | None = None) -> None:
    """Refuse what needs the stages before `stage` if one of them is not done.

    Parameters
    ----------
    stage : str
    folder : RunFolder
    what : str, optional
        What needs them, for the message; the stage itself unless given.

    Raises
    ------
    InputError
        With the first stage that is not done, or the file of a finished stage that is damaged.
    """
    run = folder.path
    for earlier in STAGES[: STAGES.index(stage)]:
        if not folder.is_done(earlier):
            remedy = (
                "the command that made it goes on"
                if earlier == "train"
                else f"'pfc-da {earlier} {run}' does it"
            )
            raise InputError(
                f"{run}: {what or stage} needs {earlier}, which is not done ({folder.kept()}); {remedy}."
            )


def read_settings(folder: RunFolder) -> RunSettings:
    """Settings that the run in the folder was made with.

    Raises
    ------
    InputError
        If they are not settings of this version.
    """
    try:
        return RunSettings.model_validate(folder.manifest.config)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, ("config", *first["loc"])))
        raise damaged(folder.path / "manifest.json", f"{key}: {first['msg']}") from error
