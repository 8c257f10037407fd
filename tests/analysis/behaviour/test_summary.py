"""From planted recordings to statistics of behaviour: what was put in by hand comes out, in the right place."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pfc_da.analysis.behaviour import summary as behaviour
from pfc_da.analysis.behaviour.history import LAGS
from pfc_da.errors import InputError
from pfc_da.rollout import CONTROLS, TIMINGS

CONDITIONS = ["frozen", "hidden_reset"]
N_ANIMALS, N_EPISODES, N_TRIALS = 3, 40, 60


def rng():
    return np.random.default_rng(0)


def record(choice, reward, held_out_reward=None):
    """A recording of two steps a trial, choices on the second, from arrays (animal, condition, episode, trial).

    On the other step there is rubbish that must not be read.
    """
    n_animals, n_conditions, n_episodes, n_trials = choice.shape

    def by_step(values, elsewhere):
        steps = np.stack([np.full_like(values, elsewhere), values], -1)
        return ("animal", "condition", "episode", "step"), steps.reshape(*values.shape[:-1], -1)

    if held_out_reward is None:
        held_out_reward = reward.mean(-1)
    totals = ("animal", "condition", "held_out_episode")
    return xr.Dataset(
        {
            "choice": by_step(choice, -1),
            "reward": by_step(reward.astype(np.float32), 77),
            "held_out_reward": (totals, held_out_reward),
            "held_out_regret": (totals, 10 - held_out_reward),
        },
        coords={
            "condition": CONDITIONS[:n_conditions],
            "trial": ("step", np.arange(2 * n_trials) // 2),
            "phase": ("step", ["outcome", "choice"] * n_trials),
        },
        attrs={"choice_phase": "choice"},
    )


def random_sessions(seed=0, n_conditions=2):
    random = np.random.default_rng(seed)
    shape = (N_ANIMALS, n_conditions, N_EPISODES, N_TRIALS)
    return random.integers(2, size=shape), random.integers(2, size=shape).astype(float)


def of(statistics, key, condition=""):
    (found,) = [each for each in statistics if (each.key, each.condition) == (key, condition)]
    return found


def test_choices_are_those_of_the_frozen_animal_on_choice_steps():
    choice, reward = random_sessions()
    recording = record(choice, reward)
    for order in (recording, recording.transpose("step", "episode", "condition", "animal", ...)):
        found_choice, found_reward = behaviour.get_choices(order, "choice")
        np.testing.assert_array_equal(found_choice, choice[:, 0])
        np.testing.assert_array_equal(found_reward, reward[:, 0])
    backwards = recording.isel(condition=[1, 0])  # by name, not by place
    np.testing.assert_array_equal(behaviour.get_choices(backwards, "choice")[0], choice[:, 0])
    with pytest.raises(InputError, match="no 'chosen_object'"):
        behaviour.get_choices(recording, "chosen_object")


def test_rewards_are_means_of_held_out_sessions_by_condition():
    planted = np.zeros((N_ANIMALS, 2, 50))
    planted[:, 0] = np.array([0.5, 0.6, 0.7])[:, None]
    planted[:, 1] = 0.25
    recording = record(*random_sessions(), held_out_reward=planted)
    frozen, reset = behaviour.compute_rewards(recording, labels={"arms": "hard"})
    assert (frozen.key, reset.key) == ("reward_per_trial", "reward_hidden_reset")
    assert frozen.condition == reset.condition == "hard"
    assert frozen.by_animal == pytest.approx((0.5, 0.6, 0.7))
    assert frozen.estimate == pytest.approx(0.6)
    assert (frozen.low, frozen.high) == pytest.approx((0.6 - 0.2484, 0.6 + 0.2484), abs=1e-4)
    assert (reset.estimate, reset.low, reset.high) == pytest.approx((0.25, 0.25, 0.25))
    assert (frozen.n, frozen.n_of, frozen.units) == (3, "animals", "reward")
    regret = behaviour.compute_regrets(recording, labels={"arms": "hard"})
    assert (regret.key, regret.condition) == ("regret", "hard")
    assert regret.by_animal == pytest.approx((9.5, 9.4, 9.3))


def test_every_control_and_timing_has_a_reward_of_its_own():
    names = [condition.name for condition in (*CONTROLS, *TIMINGS)]
    planted = np.arange(len(names))[:, None] / 10 + np.zeros((N_ANIMALS, 1, 5))
    recording = xr.Dataset(
        {"held_out_reward": (("animal", "condition", "held_out_episode"), planted)}, {"condition": names}
    )
    found = {each.key: each.estimate for each in behaviour.compute_rewards(recording)}
    assert found.pop("reward_per_trial") == 0
    assert found == pytest.approx(
        {f"reward_{name}": (place + 1) / 10 for place, name in enumerate(names[1:])}
    )
    assert {"reward_pace_0.5", "reward_pace_2", "reward_pace_4", "reward_pauses"} < set(found)
    assert {"reward_fixation_longer", "reward_recurrence_cut", "reward_dopamine_clamped"} < set(found)


def test_animals_that_gain_over_themselves_untrained_have_learned():
    rng = np.random.default_rng(2)
    problems, noise = rng.normal(0.5, 0.2, 400), rng.normal(0, 0.05, (3, 2, 400))
    planted = problems + noise + np.array([[0.1, 0], [0, 0], [-0.1, 0]])[..., None]  # learned; not; got worse
    recording = record(*random_sessions(), held_out_reward=planted)
    recording["condition"] = ["frozen", "untrained"]
    gain, learned = behaviour.compute_gain(recording, labels={"arms": "hard"})
    assert (gain.key, learned.key, gain.condition, learned.condition) == (
        "reward_gain",
        "fraction_learned",
        "hard",
        "hard",
    )
    assert gain.by_animal == pytest.approx((0.1, 0, -0.1), abs=0.01)
    assert learned.by_animal == (1, 0, 0) and learned.estimate == pytest.approx(1 / 3)


def test_an_animal_that_gained_nothing_is_seldom_taken_for_one_that_learned():
    rng = np.random.default_rng(1)
    recording = record(*random_sessions(), held_out_reward=rng.normal(0.5, 0.1, (3, 2, 100)))
    recording["condition"] = ["frozen", "untrained"]
    passed = []
    for _ in range(300):
        recording["held_out_reward"].values[:] = rng.normal(0.5, 0.1, (3, 2, 100))
        passed += behaviour.compute_gain(recording)[1].by_animal
    assert 0.01 < np.mean(passed) < 0.045


def win_stay_lose_shift(stay, shift, seed):
    """Sessions (episode, trial) of an agent that stays and shifts with these probabilities, paid at random."""
    random = np.random.default_rng(seed)
    reward = random.integers(2, size=(N_EPISODES, 200)).astype(float)
    choice = np.zeros(reward.shape, dtype=int)
    choice[:, 0] = random.integers(2, size=N_EPISODES)
    for trial in range(1, 200):
        changes = np.where(reward[:, trial - 1] == 1, 1 - stay, shift)
        choice[:, trial] = choice[:, trial - 1] ^ (random.random(N_EPISODES) < changes)
    return choice, reward


def test_planted_strategies_are_recovered_animal_by_animal():
    planted = [(0.9, 0.6), (0.7, 0.3), (0.5, 0.5)]
    sessions = [win_stay_lose_shift(*own, seed) for seed, own in enumerate(planted)]
    choice, reward = (np.stack(each) for each in zip(*sessions, strict=True))
    found = behaviour.compute_strategy(choice, reward)
    error = 4 * np.sqrt(0.25 / (N_EPISODES * 199 / 2))
    assert of(found, "win_stay").by_animal == pytest.approx([own[0] for own in planted], abs=error)
    assert of(found, "lose_shift").by_animal == pytest.approx([own[1] for own in planted], abs=error)
    # P(stay) = logistic(choice kernel +- reward kernel / ...): .9 and .4 differ, .5 and .5 do not
    rewarded = of(found, "history_reward", "lag_1").by_animal
    assert rewarded[0] > 1
    assert rewarded[2] == pytest.approx(0, abs=0.25)
    for kind in ("history_reward", "history_choice"):
        for lag in range(2, LAGS + 1):  # only the last trial matters to these agents
            assert of(found, kind, f"lag_{lag}").by_animal == pytest.approx([0, 0, 0], abs=0.35)
    assert {each.n for each in found} == {3}
    assert len({(each.key, each.condition) for each in found}) == len(found) == 2 + 2 * LAGS


def test_kernels_are_drawn_as_they_were_computed():
    choice, reward = (each[:, 0] for each in random_sessions())
    statistics = behaviour.compute_strategy(choice, reward)
    table = behaviour.tabulate_history(statistics)
    assert list(table) == ["kind", "lag", "estimate", "low", "high"]
    assert sorted(zip(table["kind"], table["lag"], strict=True)) == sorted(
        (kind, lag) for kind in ("choice", "reward") for lag in range(1, 6)
    )
    for row in table.itertuples():
        planted = of(statistics, f"history_{row.kind}", f"lag_{row.lag}")
        assert (row.estimate, row.low, row.high) == (planted.estimate, planted.low, planted.high)


def matching_sessions(exponent, seed):
    """Choices in the ratio of the income of either option to the power `exponent`, (episode, trial)."""
    random = np.random.default_rng(seed)
    n_sessions, n_trials = 60, 400
    ratio = np.exp(random.uniform(-1.5, 1.5, n_sessions))  # of income, first to second
    p_choice = ratio**exponent / (1 + ratio**exponent)
    choice = (random.random((n_sessions, n_trials)) >= p_choice[:, None]).astype(int)
    # income a trial is p(choice) p(reward | choice): pay so that it stands in the ratio
    pay = np.stack([ratio / p_choice, 1 / (1 - p_choice)], 1)
    pay = 0.9 * pay / pay.max(1, keepdims=True)
    reward = random.random((n_sessions, n_trials)) < np.take_along_axis(pay, choice, 1)
    return choice, reward.astype(float)


def whole(choice):
    """One block a session."""
    return np.zeros(choice.shape[1:], int)


def test_sessions_that_matching_leaves_out_are_said():
    choice, reward = (np.stack([each, each]) for each in matching_sessions(0.6, 0))
    choice[0, :7] = 0  # seven sessions of the first animal without a choice of the second option
    slope = behaviour.compute_matching_slope(choice, reward, whole(choice))
    assert slope.interval.endswith("; 7 of 120 sessions or blocks left out for a zero count")


@pytest.mark.parametrize("exponents", [(0.6, 0.6), (0.4, 1.0)])
def test_planted_matching_is_recovered_animal_by_animal(exponents):
    sessions = [matching_sessions(exponent, seed) for seed, exponent in enumerate(exponents)]
    choice, reward = (np.stack(each) for each in zip(*sessions, strict=True))
    slope = behaviour.compute_matching_slope(choice, reward, whole(choice))
    assert slope.by_animal == pytest.approx(exponents, abs=0.08)
    table = behaviour.tabulate_matching(choice, reward, whole(choice), slope)
    assert table["animal"].tolist() == [0] * 60 + [1] * 60
    assert slope.interval.endswith(" over animals and sessions")  # no session was left out
    first = table[table["animal"] == 0]
    np.testing.assert_allclose(first["choice_fraction"], (choice[0] == 0).mean(1))
    income = (reward[0] * (choice[0] == 0)).sum(1) / reward[0].sum(1)
    np.testing.assert_allclose(first["income_fraction"], income)
    line = table[["slope", "slope_low", "slope_high"]].drop_duplicates()
    assert line.values.tolist() == [
        [slope.estimate, slope.low, slope.high]
    ]  # of animals, not of pooled sessions


def test_matching_within_blocks_is_not_blurred_by_their_changes():
    """Planted: slope .8 in blocks of 400 trials; over whole sessions, ratios of different blocks average out."""
    choice, reward = (
        each.reshape(2, 30, 800)
        for each in map(np.concatenate, zip(*(matching_sessions(0.8, seed) for seed in (5, 6)), strict=True))
    )
    block = np.tile(np.repeat([0, 1], 400), (30, 1))
    slope = behaviour.compute_matching_slope(choice, reward, block)
    assert slope.by_animal == pytest.approx([0.8, 0.8], abs=0.1)
    table = behaviour.tabulate_matching(choice, reward, block, slope)
    assert len(table) == 120 and set(table["block"]) == {0, 1}
    first = table[(table["animal"] == 1) & (table["episode"] == 3) & (table["block"] == 1)]
    assert first["choice_fraction"].item() == (choice[1, 3, 400:] == 0).mean()
    without = behaviour.compute_matching_slope(choice, reward, np.where(block == 0, 0, -1))
    alone = behaviour.compute_matching_slope(choice[..., :400], reward[..., :400], block[:, :400])
    assert without.by_animal == pytest.approx(alone.by_animal)


def test_an_animal_that_never_tries_the_other_has_no_slope_and_does_not_count():
    choice, reward = (each[:, 0] for each in random_sessions())
    choice[1] = 0
    slope = behaviour.compute_matching_slope(choice, reward, whole(choice))
    assert np.isnan(slope.by_animal[1])
    assert slope.n == 2
    stay = of(behaviour.compute_strategy(choice, reward), "win_stay")
    assert stay.by_animal[1] == 1


def test_controls_are_drawn_under_their_own_names():
    statistics = behaviour.compute_rewards(record(*random_sessions()))
    table = behaviour.tabulate_controls(statistics, chance=0.5)
    assert table["condition"].tolist() == CONDITIONS
    assert table["estimate"].tolist() == [each.estimate for each in statistics]
    assert (table["chance"] == 0.5).all()


def test_reward_within_a_session_is_tabulated_by_trial_and_condition():
    choice, reward = random_sessions()
    reward[:, 0] = np.arange(N_TRIALS) >= 30  # the frozen animal learns at trial 30, the other one never
    reward[:, 1] = 0
    table = behaviour.tabulate_within_session(record(choice, reward))
    assert table["condition"].tolist() == [name for name in CONDITIONS for _ in range(N_TRIALS)]
    frozen, reset = (table[table["condition"] == name] for name in CONDITIONS)
    assert frozen["trial"].tolist() == list(range(N_TRIALS))
    assert frozen["mean"].tolist() == [0.0] * 30 + [1.0] * 30
    assert (reset["mean"] == 0).all()


def a_curve(n, start=0.0):
    update = np.arange(1, n + 1)
    columns = {"update": update, "trials": 3200 * update, "reward_per_trial": start + update / 1000}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("n", [1, 7, 199, 200, 399, 400, 1000])
def test_learning_curves_are_thinned_to_a_drawable_number(n):
    table = behaviour.tabulate_learning([a_curve(n), a_curve(n, 0.2)])
    of_animal = {name: rows for name, rows in table.groupby("animal")}
    assert of_animal.keys() == {"0", "1", "mean"}
    for rows in of_animal.values():
        assert min(n, 200) <= len(rows) < 400
    own = of_animal["0"]
    assert own["reward_per_trial"].mean() == pytest.approx(a_curve(n)["reward_per_trial"].mean())
    assert own["trials"].is_monotonic_increasing
    assert own["update"].iloc[-1] == n
    mean = of_animal["mean"]
    np.testing.assert_allclose(mean["reward_per_trial"], own["reward_per_trial"].to_numpy() + 0.1)
    np.testing.assert_allclose(mean["trials"], own["trials"])


def test_an_animal_that_gave_up_early_has_a_shorter_curve():
    table = behaviour.tabulate_learning([a_curve(100), a_curve(60)])
    assert table["animal"].value_counts().to_dict() == {"0": 100, "1": 60, "mean": 100}
    mean = table[table["animal"] == "mean"].set_index("update")
    np.testing.assert_allclose(mean["reward_per_trial"], a_curve(100)["reward_per_trial"])
    assert mean["trials"].is_monotonic_increasing
    assert mean["n"].tolist() == [2] * 60 + [1] * 40


def test_without_updates_there_is_nothing_to_draw():
    assert behaviour.tabulate_learning([a_curve(0), a_curve(0)]).empty


def test_raster_holds_the_first_sessions_as_they_were():
    choice, reward = (each[0, 0] for each in random_sessions())
    p = np.random.default_rng(1).random((N_EPISODES, N_TRIALS, 2))
    table = behaviour.tabulate_example_sessions(choice, reward, p)
    assert len(table) == behaviour.RASTER_EPISODES * N_TRIALS
    for row in table.sample(50, random_state=0).itertuples():
        assert row.choice == choice[row.episode, row.trial]
        assert row.reward == reward[row.episode, row.trial]
        assert (row.p_a, row.p_b) == tuple(p[row.episode, row.trial])
    assert len(behaviour.tabulate_example_sessions(choice[:2], reward[:2], p[:2])) == 2 * N_TRIALS
