"""The volatility task by hand: phases, runs, what is paid and seen when."""

import numpy as np
import pytest
import torch

from pfc_da.errors import InputError
from pfc_da.paradigms.volatility import P_STABLE, P_VOLATILE, RUN_TRIALS, Volatility, build_observer
from pfc_da.rng import torch_stream

SESSIONS = 1000


@pytest.fixture(scope="module")
def drawn():
    """The state of many sessions."""
    return Volatility().reset(torch_stream(0, "task"), SESSIONS)[0]


def test_one_half_of_every_session_is_stable_and_either_comes_first(drawn):
    volatile = drawn.volatile.numpy()
    assert (volatile.sum(0) == 120).all()
    assert ((np.diff(volatile, axis=0) != 0).sum(0) == 1).all()
    assert volatile[0].mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(SESSIONS))


def test_the_better_option_pays_as_the_phase_says_and_the_other_the_rest(drawn):
    p, volatile = drawn.p_reward.numpy(), drawn.volatile.numpy()
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(p.max(-1), np.where(volatile, P_VOLATILE, P_STABLE), atol=1e-6)
    better_first = (p[..., 0] > 0.5).mean(1)  # (trial,)
    np.testing.assert_allclose(better_first, 0.5, atol=4.5 * 0.5 / np.sqrt(SESSIONS))


def test_the_better_option_changes_in_the_volatile_phase_alone_every_20_to_40_trials(drawn):
    better, volatile = (drawn.p_reward[..., 0] > 0.5).numpy(), drawn.volatile.numpy()
    lengths = []
    for session in range(SESSIONS):
        for phase in (0, 1):
            own = better[volatile[:, session] == phase, session]
            changes = np.flatnonzero(np.diff(own))
            if phase == 0:
                assert not len(changes)
            else:
                ends = np.concatenate([[-1], changes])
                lengths += list(np.diff(ends))  # the last run is cut off by the end of the phase
                assert 120 - 1 - changes[-1] <= RUN_TRIALS[1]
    # those that fit into 120 trials are the shorter ones on average, but all lengths occur
    assert set(lengths) == set(range(RUN_TRIALS[0], RUN_TRIALS[1] + 1))


def test_a_block_ends_at_every_change_and_nowhere_else(drawn):
    p, volatile, block = (tensor.numpy() for tensor in (drawn.p_reward[..., 0], drawn.volatile, drawn.block))
    new_block = np.diff(block, axis=0)
    changed = (np.abs(np.diff(p, axis=0)) > 0.01) | (np.diff(volatile, axis=0) != 0)
    np.testing.assert_array_equal(new_block, changed.astype(int))
    assert (block[0] == 0).all()


def test_options_pay_as_often_as_their_probability_says(drawn):
    luck = (drawn.pays - drawn.p_reward).numpy()
    assert luck.mean() == pytest.approx(0, abs=4 * 0.43 / np.sqrt(luck.size))
    assert set(np.unique(drawn.pays)) == {0.0, 1.0}


def test_a_choice_is_paid_on_its_step_and_lights_say_when_one_is_due():
    task = Volatility(n_trials=6)
    state, step = task.reset(torch_stream(0, "task"), 50)
    lights = {"fixation": [1.0, 0.0], "go": [0.0, 1.0]}
    for t in range(task.n_steps):
        phase, trial = task.phase(t), t // len(task.phases)
        assert step.observation.tolist() == [lights.get(phase.name, [0.0, 0.0])] * 50
        pays, p = state.pays[trial], state.p_reward[trial]
        state, step = task.step(state, torch.full((50,), 1 if phase.choice else -1))
        if phase.choice:
            torch.testing.assert_close(step.reward, pays[:, 1])
            torch.testing.assert_close(step.labels["regret"], p.amax(1) - p[:, 1])
        else:
            assert (step.reward == 0).all() and (step.labels["regret"] == 0).all()


def test_shorter_sessions_shorten_both_phases():
    state, _ = Volatility(n_trials=20).reset(torch_stream(0, "task"), 10)
    assert (state.volatile.sum(0) == 10).all()


def test_labels_are_per_step_of_the_session():
    task = Volatility(n_trials=4)
    state, _ = task.reset(torch_stream(0, "task"), 3)
    labels, phases = task.problem_labels(state), len(task.phases)
    assert labels["p_reward"].shape == (3, 4 * phases, 2)
    for trial in range(4):
        for step in (trial * phases, trial * phases + phases - 1):
            torch.testing.assert_close(labels["p_reward"][:, step], state.p_reward[trial])
            torch.testing.assert_close(labels["volatile"][:, step], state.volatile[trial])


def test_geometric_runs_of_one_trial_change_on_every_trial():
    task = Volatility(n_trials=40, shortest_run=1, longest_run=1, runs="geometric")
    state, _ = task.reset(torch.Generator().manual_seed(0), 5)
    better = state.p_reward.argmax(-1)
    inside = (state.volatile[1:] == 1) & (state.volatile[:-1] == 1)
    assert (better.diff(dim=0) != 0)[inside].all()


def test_geometric_runs_end_with_a_constant_hazard():
    """1 in the mean of the shortest and longest run, whatever the trials since the last change."""
    task = Volatility(shortest_run=5, longest_run=15, runs="geometric")
    state, _ = task.reset(torch_stream(0, "task"), 600)
    better, volatile = (state.p_reward[..., 0] > 0.5).numpy(), state.volatile.numpy()
    ends, met = np.zeros(40), np.zeros(40)
    for session in range(600):
        own = better[volatile[:, session] == 1, session]
        changed, age = np.diff(own), 0
        for end in changed:
            ends[min(age, 39)] += end
            met[min(age, 39)] += 1
            age = 0 if end else age + 1
    hazard = ends / met
    assert met.min() > 80
    assert np.abs((hazard - 0.1) / np.sqrt(0.09 / met)).max() < 4
    observer = build_observer(task)
    assert (observer.runs, observer.run_trials, observer.phase_trials) == ("geometric", (5, 15), 120)
    assert observer.hazard == pytest.approx([0.1])


def test_runs_may_be_shorter_in_training():
    state, _ = Volatility(shortest_run=5, longest_run=8).reset(torch_stream(0, "task"), 200)
    changes = (state.p_reward[..., 0].diff(dim=0).abs() > 0.4) & (state.volatile[1:] == 1)
    gaps = [np.diff(np.flatnonzero(changes[:, session])) for session in range(200)]
    assert {5, 6, 7, 8} >= set(np.concatenate(gaps)[np.concatenate(gaps) > 4])
    assert 120 / 8 - 2 < changes.sum() / 200 < 120 / 5 + 1
    with pytest.raises(InputError, match=r"shortest_run must be at most longest_run \(8 trials\), got 9"):
        Volatility(shortest_run=9, longest_run=8)
