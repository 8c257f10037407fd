"""Choices between baited options compared with reference agents: shares and changes that were planted."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.behaviour.baiting import (
    BaitedSessions,
    get_baited_sessions,
    simulate_references,
    summarise_changes,
    summarise_share,
    tabulate_changes,
)
from pfc_da.analysis.behaviour.reversals import AFTER, BEFORE
from pfc_da.analysis.behaviour.reward_share import summarise_reward_share
from pfc_da.analysis.figures.choices import make_changes_panel
from pfc_da.analysis.figures.panel import draw_svg
from pfc_da.analysis.observers.baited import BaitedObserver
from pfc_da.analysis.observers.base import REPEATS

OBSERVER = BaitedObserver(shares=((0.05, 0.2), (0.8, 0.95)), p0_sum=0.8, block_trials=(20, 40))
N_SESSIONS, N_TRIALS = 40, 80


@pytest.fixture(scope="module")
def sessions():
    """Sessions of two animals that choose at random; p0 changes sides every 20 to 40 trials, or does not."""
    rng = np.random.default_rng(0)
    block, p0 = np.zeros((N_SESSIONS, N_TRIALS), int), np.empty((N_SESSIONS, N_TRIALS, 2))
    for session in range(N_SESSIONS):
        ends = np.cumsum(rng.integers(20, 41, 5))
        block[session] = (np.arange(N_TRIALS)[:, None] >= ends).sum(1)
        share = np.where(rng.random(6) < 0.5, 0.125, 0.875)
        p0[session] = 0.8 * np.stack([share, 1 - share], -1)[block[session]]
    shape = (2, N_SESSIONS, N_TRIALS)
    choice = rng.integers(2, size=shape)
    expected = np.take_along_axis(np.broadcast_to(p0, (*shape, 2)), choice[..., None], -1)[..., 0]
    reward = (rng.random(shape) < expected).astype(float)
    return BaitedSessions(choice=choice, reward=reward, expected_reward=expected, p0=p0, block=block)


@pytest.fixture(scope="module")
def references(sessions):
    return simulate_references(sessions, OBSERVER, rng=np.random.default_rng(1))


def of(statistics, key, condition=""):
    (found,) = [each for each in statistics if (each.key, each.condition) == (key, condition)]
    return found


def test_references_choose_in_the_sessions_of_the_animals(sessions, references):
    assert list(references) == ["observer", "alternation", "knows_p0"]
    for own in references.values():
        assert own.choice.shape == (REPEATS, N_SESSIONS, N_TRIALS)
        assert own.p0 is sessions.p0
    assert (np.diff(references["alternation"].choice, axis=-1) != 0).all()
    earned = [own.expected_reward.mean() for own in references.values()]
    assert earned[1] < earned[0] < earned[2]


def test_one_like_the_observer_has_share_1_and_one_that_alternates_0(sessions, references):
    planted = np.stack([references[name].expected_reward[0] for name in ("observer", "alternation")])
    both = dataclasses.replace(sessions, expected_reward=planted)
    share, *earned = summarise_share(both, references)
    assert (share.key, share.condition, share.units) == ("reward_share", "observer", "fraction")
    assert share.by_animal == pytest.approx([1, 0], abs=0.06)
    assert share.low < 0.5 < share.high and share.interval == "95 % t over animals and sessions"
    assert [each.condition for each in earned] == ["observer", "alternation", "knows_p0"]
    for each in earned:
        own = references[each.condition].expected_reward
        assert each.estimate == pytest.approx(own.mean()) and each.low < own.mean() < each.high
        assert (each.n, each.n_of, each.key) == (N_SESSIONS, "sessions", "reward_of_agent")


def test_a_share_is_linear_between_floor_and_best_and_may_lie_outside():
    rng = np.random.default_rng(2)
    floor, best = rng.random((2, 4, 30, 10)) * 0.01 + np.array([0.2, 0.6])[:, None, None, None]
    own = np.stack([np.full((30, 10), level) for level in (0.205, 0.305, 0.605, 0.705)])
    own[0, 3, 4] = np.nan  # a trial without a choice
    share = summarise_reward_share(own, floor, best, "x")
    assert share.by_animal == pytest.approx([0, 0.25, 1, 1.25], abs=0.005)
    assert share.condition == "x"


def test_animals_that_change_a_planted_number_of_trials_late(sessions, references):
    late = np.stack(
        [
            np.concatenate([sessions.richer[:, :1].repeat(delay, 1), sessions.richer[:, :-delay]], 1)
            for delay in (3, 7)
        ]
    )
    found = summarise_changes(dataclasses.replace(sessions, choice=late), references)
    assert [(each.key, each.condition) for each in found] == [
        ("trials_to_half", ""),
        ("trials_to_half", "observer"),
    ]
    assert found[0].by_animal == (3, 7)
    assert 0 < found[1].estimate < 12 and np.isnan(found[1].low) and found[1].n_of == "sessions"


def test_animals_that_ignore_rewards_have_no_time_to_change(sessions, references):
    (animals, _) = summarise_changes(sessions, references)
    assert np.isnan(animals.by_animal).all() and animals.n == 0


def test_without_a_change_nothing_is_said(sessions, references):
    still = dataclasses.replace(sessions, p0=np.broadcast_to(sessions.p0[:, :1], sessions.p0.shape))
    assert summarise_changes(still, references) == []


def test_the_panel_draws_choices_around_changes(sessions, references):
    table = tabulate_changes(sessions, references)
    assert list(dict.fromkeys(table["who"])) == ["animals", "observer", "alternation", "knows_p0"]
    observer = table[table["who"] == "observer"].set_index("trial")["mean"]
    assert (
        observer[-1] < 0.3
        and observer[AFTER - 1] > 0.6
        and list(observer.index) == list(range(-BEFORE, AFTER))
    )
    assert table.query("who == 'animals'")["mean"].to_numpy() == pytest.approx(0.5, abs=0.2)
    assert set(table["n_of"]) == {"animals", "simulations"}
    svg = draw_svg(make_changes_panel(table, summarise_changes(sessions, references)))
    assert "trial around the change" in svg and "observer" in svg


def test_sessions_are_read_from_the_choice_of_every_trial(sessions):
    """Steps before the choice hold rubbish that must not be read."""

    def by_step(values, rubbish):
        steps = np.stack([np.full_like(values, rubbish), values], axis=4)
        return steps.reshape(*values.shape[:2], N_SESSIONS, 2 * N_TRIALS, *values.shape[4:])

    dims, shape = ("animal", "condition", "episode", "step"), (2, 2, N_SESSIONS, N_TRIALS)
    other = np.stack(
        [sessions.choice, 1 - sessions.choice], 1
    )  # of the frozen animals, and of another condition
    p = np.broadcast_to(sessions.p0, (*shape, 2)).copy()
    p[:, 1] = 1 - p[:, 1]
    recording = xr.Dataset(
        {
            "chosen_object": (dims, by_step(other, 7)),
            "reward": (dims, by_step(np.stack([sessions.reward] * 2, 1), 9.0)),
            "block": (dims, by_step(np.broadcast_to(sessions.block, shape).copy(), 99)),
            "p0": ((*dims, "object"), by_step(p, 5.0)),
            "p_object": ((*dims, "object"), by_step(p, 5.0)),
        },
        coords={
            "condition": ["frozen", "untrained"],
            "trial": ("step", np.arange(2 * N_TRIALS) // 2),
            "phase": ("step", ["cue", "go"] * N_TRIALS),
        },
        attrs={"choice_phase": "go"},
    )
    found = get_baited_sessions(recording)
    for field in dataclasses.fields(BaitedSessions):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(sessions, field.name))
