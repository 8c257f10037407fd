"""A network trained as rates goes on learning, frozen, as spiking neurons; without its memory it does not."""

import shutil

import numpy as np
import pytest

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.analysis.cells.conversion import Span, compute_shares
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_spiking import SpikingOptions, replay_spiking_animal
from pfc_da.recording import set_provenance
from pfc_da.rng import torch_stream
from pfc_da.rollout import CONTROLS
from pfc_da.train import Training, train_update
from pfc_da.trained import Trained, animal_seed

FAST = (
    "task.n_trials=50",
    "test_task.n_trials=50",
    "train.updates=150",
    "train.fastest=0.5",
    "train.slowest=1",
    "rule.learning_rate=4e-3",
    "rule.discount=0.3",
    "rule.trace_decay=0.5",
)
SPAN = Span("reward", chance=0.5, optimum=0.639)
"""Of 50 trials; the optimum is about that of Thompson sampling, and only scales."""


@pytest.fixture(scope="module")
def animal():
    settings = paradigms.load("bandit").settings(sets=FAST)
    task = paradigms.load("bandit").build_task(settings)
    agent, seed = build_agent(settings, task), animal_seed(settings, 0)
    training = Training(agent.network.init(torch_stream(seed, "birth")), {})
    while training.update < settings.train.updates:
        training = train_update(agent, settings, task, training, seed)
    return settings, task, Trained({None: training.weights}, diverged=False)


@pytest.mark.parametrize(
    "target", ["numpy", pytest.param("cython", marks=pytest.mark.slow)]
)  # a minute of compiling, once
def test_frozen_neurons_learn_as_their_rate_network_does(animal, target, monkeypatch):
    if target == "cython" and shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    monkeypatch.setenv(TARGET_VARIABLE, target)
    settings, task, trained = animal
    reset = [condition for condition in CONTROLS if condition.name == "hidden_reset"]
    options = SpikingOptions(sessions=120)
    recording = replay_spiking_animal(settings, task, trained, 0, reset, options, lambda done, note: None)
    set_provenance(recording, config=settings.model_dump(mode="json"), choice_phase=task.choice_phase)
    shares = compute_shares(recording.expand_dims("animal"), SPAN)
    lost = (shares.sel(condition="rate_frozen") - shares.sel(condition="frozen")).values.ravel()
    error = lost.std() / np.sqrt(len(lost))
    assert shares.sel(condition="rate_frozen").mean() > 0.5
    assert lost.mean() < 0.05 + 2 * error, (lost.mean(), error)
    assert shares.sel(condition="hidden_reset").mean() < 0.25
