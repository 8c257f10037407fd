"""The rate network with frozen weights under every condition: a stage of every run.

Animals are written chunk by chunk, and joined piece by piece: never is all in memory.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pfc_da.experiment.replay import Replay, Report
from pfc_da.recording import join_recordings
from pfc_da.replay import record_animal
from pfc_da.rollout import Condition
from pfc_da.storage.files import write_atomic
from pfc_da.storage.run_files import RECORDING, STAGE_REPLAY
from pfc_da.storage.run_folder import RunFolder
from pfc_da.trained import Trained


class RateReplay(Replay):
    """Written to ``recording.nc``, which the stage compare analyses."""

    name: ClassVar = STAGE_REPLAY

    @property
    def conditions(self) -> Sequence[Condition]:
        """All conditions of the experiment, the snapshots of training too."""
        return self.experiment.list_conditions(self.settings)

    def count_sessions(self) -> int:
        """As `Replay.count_sessions`."""
        replay = self.settings.replay
        return len(self.conditions) * max(replay.held_out_sessions, replay.sessions)

    def record_animal(self, path: Path, trained: Trained, animal: int, report: Report) -> None:
        """Write the recording of one animal, chunk by chunk."""
        arguments = self.settings, self.task, trained, animal, self.conditions, report
        write_atomic(path, lambda aside: record_animal(aside, *arguments))

    def write(self, folder: RunFolder, parts: Sequence[Path]) -> str:
        """Write the recording of all animals."""
        join = functools.partial(join_recordings, parts, shared=self.task.session_labels)
        folder.write_atomic(RECORDING, join)
        return ""


REPLAY = RateReplay
