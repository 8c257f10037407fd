"""Stimulation of LHb and VTA cells moves choices as arithmetic on the error does, weights frozen: same signs, off 0."""

import shutil

import numpy as np
import pytest

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.analysis.lever_stimulation.circuit import summarise_circuit
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.replay_circuit import CircuitOptions
from pfc_da.experiment.replays.circuit import CircuitReplay
from pfc_da.jobs.processor import prepare_processor
from pfc_da.recording import set_provenance
from pfc_da.recording_schema import ARITHMETIC_PREFIX
from pfc_da.rng import torch_stream
from pfc_da.train import Training, train_update
from pfc_da.trained import Trained, animal_seed

FAST = ("task.n_trials=30", "train.updates=400", "rule.learning_rate=8e-3")
SIGNS = {
    "risky_win_blocked p=0.5": -1,
    "safe_reward_blocked p=0.125": 1,
    "risky_loss_stimulated p=0.125": 1,
}
"""Of shifts of P(risky), at the p that leaves room for them."""


@pytest.mark.slow  # four minutes compiled, and a minute of compiling, once
def test_stimulated_circuits_shift_choices_as_arithmetic_does(monkeypatch):
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    monkeypatch.setenv(TARGET_VARIABLE, "cython")
    prepare_processor()
    experiment = paradigms.load("lever_stimulation")
    settings = experiment.settings(sets=FAST, animals=1)
    task, seed = experiment.build_task(settings), animal_seed(settings, 0)
    agent = build_agent(settings, task)
    training = Training(agent.network.init(torch_stream(seed, "birth")), {})
    while training.update < settings.train.updates:
        training = train_update(agent, settings, task, training, seed)
    trained = Trained({None: training.weights}, diverged=False)
    replay = CircuitReplay(experiment, settings, CircuitOptions(sessions=32))
    replay.check()
    simulated = replay.simulate_animal(trained, 0, lambda done, note: None)
    set_provenance(simulated, config=settings.model_dump(mode="json"), choice_phase=task.choice_phase)
    statistics = summarise_circuit(simulated.expand_dims("animal"))
    shifts = {each.condition: each for each in statistics if each.key == "p_risky_shift"}
    for name, sign in SIGNS.items():
        for each in (shifts[name], shifts[ARITHMETIC_PREFIX + name]):
            assert np.sign([each.low, each.high]).tolist() == [sign, sign], each
    hz = {each.condition: each.estimate for each in statistics if each.key == "dopamine_over_baseline"}
    assert hz["control risky_win p=0.5"] > 3 and hz["risky_win_blocked p=0.5"] < 0.5
    assert hz["control risky_loss p=0.125"] < -1
    assert hz["risky_loss_stimulated p=0.125"] > hz["control risky_loss p=0.125"] + 1
