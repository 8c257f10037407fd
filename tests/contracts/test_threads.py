"""Numbers are made with one thread of linear algebra, however many the machine or OMP_NUM_THREADS would give."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pfc_da import paradigms
from pfc_da.analysis.comparison import run as compare_recorded
from pfc_da.experiment import experiment as _experiment
from pfc_da.experiment.replay import ReplayOnDemand


class Reached(Exception):
    """Carries the threads that were allowed where the work would begin."""


def count_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def tell(*_, **__):
    raise Reached(f"threads {sorted(count_threads())}")


def analyse_run(monkeypatch):
    monkeypatch.setattr(_experiment, "open_recording", tell)
    paradigms.load("bandit").compare(SimpleNamespace(animals=0), SimpleNamespace(path=Path()))


def analyse_replay(monkeypatch):
    replay = SimpleNamespace(join=lambda parts: None, analyse=tell)
    ReplayOnDemand.write(replay, SimpleNamespace(path=Path()), [])


def compare_with_recordings(monkeypatch):
    monkeypatch.setattr(compare_recorded, "numpy_stream", tell)
    compare_recorded.compare_recording(SimpleNamespace(attrs={"seed": 0}), None)


@pytest.mark.parametrize("analyse", [analyse_run, analyse_replay, compare_with_recordings])
def test_numbers_are_made_with_one_thread(analyse, monkeypatch):
    np.ones((2, 2)) @ np.ones((2, 2))  # linear algebra is loaded
    with threadpool_limits(limits=2):
        assert count_threads() == {2}
        with pytest.raises(Reached, match=r"^threads \[1\]$"):
            analyse(monkeypatch)
        assert count_threads() == {2}
