"""The best policy for the two levers against brute force, against its own draws, and in the table of references."""

from fractions import Fraction

import numpy as np
import pytest

from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.observers.levers import P_WIN, P_WIN_TRAINING, BayesOptimalPresser
from pfc_da.paradigms import lever_stimulation

ODDS = (Fraction(1, 8), Fraction(1, 2))
ODDS_TRAINING = (Fraction(1, 20), Fraction(1, 5), Fraction(2, 5), Fraction(3, 5))


def brute_force(left, wins=0, losses=0, odds=ODDS):
    """Largest expected reward of `left` free presses, and whether the first is risky, in exact fractions."""
    if not left:
        return Fraction(0), False
    weights = [p**wins * (1 - p) ** losses for p in odds]
    mean = sum(p * weight for p, weight in zip(odds, weights, strict=True)) / sum(weights)
    safe = 1 + brute_force(left - 1, wins, losses, odds)[0]
    won = brute_force(left - 1, wins + 1, losses, odds)[0]
    lost = brute_force(left - 1, wins, losses + 1, odds)[0]
    risky = mean * (4 + won) + (1 - mean) * lost
    return max(safe, risky), risky >= safe


@pytest.mark.parametrize("odds, values", [(ODDS, P_WIN), (ODDS_TRAINING, P_WIN_TRAINING)])
@pytest.mark.parametrize("wins, losses", [(0, 2), (1, 1), (2, 0)])
def test_it_presses_as_brute_force_over_all_futures_says(wins, losses, odds, values):
    assert tuple(map(float, odds)) == values
    presser = BayesOptimalPresser(n_forced=2, n_free=6, p_win=values)
    for done in range(6):
        assert presser.presses_risky[done, wins, losses] == brute_force(6 - done, wins, losses, odds)[1]


def test_its_values_are_those_of_the_sessions():
    assert lever_stimulation.P_WIN == {"test": P_WIN, "training": P_WIN_TRAINING}
    assert not set(P_WIN) & set(P_WIN_TRAINING)


def test_its_reward_is_that_of_brute_force():
    presser = BayesOptimalPresser(n_forced=2, n_free=5)
    best = Fraction(0)
    for wins, ways in enumerate((1, 2, 1)):
        chance = sum(ways * p**wins * (1 - p) ** (2 - wins) for p in ODDS) / 2
        best += chance * brute_force(5, wins, 2 - wins)[0]
    forced = 2 * 1 + 2 * 4 * sum(ODDS) / 2
    mean = np.mean([presser.expect(p)[1] for p in P_WIN])
    assert mean == pytest.approx(float(best + forced) / 9, abs=1e-12)


@pytest.mark.parametrize("p_win", P_WIN)
def test_its_expectations_are_the_means_of_its_draws(p_win):
    presser, n = BayesOptimalPresser(), 20_000
    rng = np.random.default_rng(0)
    wins = rng.binomial(5, p_win, n)
    losses, reward, risky = 5 - wins, 5 + 4.0 * wins, np.zeros(n)
    for done in range(30):
        takes = presser.presses_risky[done, wins, losses]
        won = rng.random(n) < p_win
        reward += np.where(takes, 4 * won, 1)
        risky += takes / 30
        wins, losses = wins + (takes & won), losses + (takes & ~won)
    share, per_trial = presser.expect(p_win)
    assert share == pytest.approx(risky.mean(), abs=4 * risky.std() / np.sqrt(n))
    assert per_trial == pytest.approx(reward.mean() / 40, abs=4 * reward.std() / 40 / np.sqrt(n))


@pytest.mark.parametrize(
    "values, source", [(P_WIN, "knows the two"), (P_WIN_TRAINING, "takes the four")], ids=["test", "training"]
)
def test_derived_rows_are_what_it_expects(values, source):
    rows = {
        (row.key, row.condition): row.estimate
        for row in load_references("lever_stimulation")
        if source in row.source
    }
    expected = {p: BayesOptimalPresser(p_win=values).expect(p) for p in P_WIN}
    reward = (expected[0.5][1] + expected[0.125][1]) / 2
    better, blind = np.mean([max(1, 4 * p) for p in P_WIN]), np.mean([1, 4 * np.mean(P_WIN)])
    regret = 30 * better - (40 * reward - 10 * blind)  # 10 of 40 presses are forced
    assert rows.pop(("regret", "")) == pytest.approx(regret, abs=2e-3)
    assert rows == pytest.approx(
        {
            ("p_risky", "control p=0.5"): expected[0.5][0],
            ("p_risky", "control p=0.125"): expected[0.125][0],
            ("reward_per_trial", ""): reward,
        },
        abs=1e-4,
    )


def test_chance_is_that_of_presses_without_regard_to_reward():
    rows = [row for row in load_references("lever_stimulation") if row.source.startswith("chance")]
    blind = np.mean([1, 4 * np.mean(P_WIN)])
    assert {row.estimate for row in rows if row.key != "regret"} == {blind}
    assert [row.estimate for row in rows if row.key == "regret"] == [30 * (1.5 - blind)]
