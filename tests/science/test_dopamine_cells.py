"""Dopamine cells are enough: a network trained through them, floor and noise included, learns to learn all the same."""

import pytest
import torch

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout
from pfc_da.train import Training, train_update
from pfc_da.trained import animal_seed

SESSIONS = 1000
GOAL = 0.607
"""95 % of the reward of Thompson sampling, the first criterion of `pfc-da bench`."""


@pytest.mark.slow
def test_a_network_trained_through_dopamine_cells_learns_with_frozen_weights():
    experiment = paradigms.load("bandit")
    settings = experiment.settings(sets=["dopamine.channel=cells", "train.updates=200"], seed=0)
    task, seed = experiment.build_task(settings), animal_seed(settings, 0)
    agent = build_agent(settings, task)
    training = Training(agent.network.init(torch_stream(seed, "birth")), {})
    while training.update < settings.train.updates:
        training = train_update(agent, settings, task, training, seed)
    with torch.inference_mode():
        streams = {f"{name}_rng": torch_stream(0, "science", name) for name in ("task", "choice", "noise")}
        effective = agent.network.effective(training.weights)
        batch = rollout(agent.network, effective, task, agent.dopamine, sessions=SESSIONS, **streams)
    reward = batch.reward_per_trial
    assert reward.mean() - 2 * reward.std() / SESSIONS**0.5 > GOAL
    assert (
        batch.dopamine - batch.rpe
    ).abs().mean() > 0.05  # the cells deliver something other than the error
