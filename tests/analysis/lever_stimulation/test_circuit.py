"""Analysis of a replay through the midbrain circuit: planted shifts, rates and noise are recovered."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.lever_stimulation import circuit
from pfc_da.analysis.lever_stimulation.circuit import (
    WINDOW_S,
    compute_session_p_risky,
    compute_session_shifts,
    compute_step_rates,
    select_conditions,
    summarise_circuit,
    tabulate_courses,
    tabulate_rates,
    tabulate_shifts,
)
from pfc_da.analysis.lever_stimulation.risky_choices import compute_shifts, summarise_shifts
from pfc_da.analysis.lever_stimulation.trials import get_trials
from pfc_da.circuits import midbrain
from pfc_da.recording_schema import ARITHMETIC_PREFIX

ANIMALS, SESSIONS, FORCED, TRIALS = 4, 60, 4, 24
P_RISKY = {  # planted, at p = .5
    "frozen": 0.6,
    "risky_win_blocked": 0.3,
    "safe_reward_blocked": 0.75,
    "risky_loss_stimulated": 0.7,
}
WEAKER = 0.5
"""Share of a shift that is left through the circuit."""
HZ = {"safe_reward": 4.0, "risky_win": 14.0, "risky_loss": 1.5}
STIMULATED_HZ = {"risky_win_blocked": 5.0, "safe_reward_blocked": 2.0, "risky_loss_stimulated": 6.5}
BASELINE_HZ, NOISE = 6.0, 0.5
BIN_S, CHOICE_BINS, INTERVAL_BINS = 0.05, 3, 14


def build(rng):
    """A recording of two steps a trial; sessions of p = .125 are all safe or risky at random.

    Cells fire at the rate of the outcome from 50 to 350 ms after it; the mean of the interval is the baseline.
    """
    names = [prefix + name for name in P_RISKY for prefix in ("", ARITHMETIC_PREFIX)]
    shape = (ANIMALS, len(names), SESSIONS, TRIALS)
    p_win = np.broadcast_to(rng.permuted(np.tile([0.125, 0.5], SESSIONS // 2))[:, None], shape)
    planted = {
        name: P_RISKY["frozen"] + share * (P_RISKY[name.removeprefix(ARITHMETIC_PREFIX)] - P_RISKY["frozen"])
        for name, share in ((name, 1.0 if name.startswith(ARITHMETIC_PREFIX) else WEAKER) for name in names)
    }
    at_half = np.array([planted[name] for name in names])[:, None, None]
    luck = rng.random((1, 1, SESSIONS, TRIALS))  # the same in all conditions, as in a replay
    lever_ = (luck < np.where(p_win == 0.5, at_half, 0.5)).astype(int)
    won = (rng.random((1, 1, SESSIONS, TRIALS)) < p_win) & (lever_ == 1)
    reward = np.where(lever_ == 1, 4.0 * won, 1.0)
    rate = np.select([lever_ == 0, won], [HZ["safe_reward"], HZ["risky_win"]], HZ["risky_loss"])
    injected = np.zeros(shape)
    at = {"risky_win_blocked": won, "safe_reward_blocked": lever_ == 0}
    at["risky_loss_stimulated"] = (lever_ == 1) & ~won
    for place, name in enumerate(names):
        if (done := name.removeprefix(ARITHMETIC_PREFIX)) in at:
            rate[:, place] = np.where(at[done][:, place], STIMULATED_HZ[done], rate[:, place])
            injected[:, place] = np.where(at[done][:, place], 1.0, 0.0)
    rpe = rng.standard_normal(shape)
    delivered = rpe + injected + NOISE * rng.standard_normal(shape)
    rate = rate + rng.standard_normal((ANIMALS, 1, 1, 1))  # animals differ

    def by_step(first, second):
        return ("animal", "condition", "episode", "step"), np.stack([first, second], -1).reshape(
            *shape[:3], -1
        )

    nothing = np.zeros(shape)
    baseline = BASELINE_HZ + rng.standard_normal((ANIMALS, 1, 1, 1)) + nothing
    rest = (INTERVAL_BINS * baseline - 6 * rate) / (INTERVAL_BINS - 6)
    trial_bins = np.repeat(rest[..., None], CHOICE_BINS + INTERVAL_BINS, -1)
    trial_bins[..., :CHOICE_BINS] = 99.0  # of no window
    trial_bins[..., CHOICE_BINS + 1 : CHOICE_BINS + 7] = rate[..., None]
    seconds = np.broadcast_to(np.array([CHOICE_BINS, INTERVAL_BINS]) * BIN_S, (*shape, 2)).reshape(
        *shape[:3], -1
    )
    steps = ("animal", "condition", "episode", "step")
    return xr.Dataset(
        {
            "chosen_lever": by_step(lever_, nothing - 1),
            "reward": by_step(reward, nothing),
            "p_win": by_step(p_win, p_win),
            "forced": by_step(*[(np.arange(TRIALS) < FORCED) + nothing] * 2),
            "rpe": by_step(rpe, nothing),
            "dopamine_injected": by_step(injected, nothing),
            "dopamine_delivered": by_step(delivered, nothing * np.nan),
            "onset": (steps, seconds.cumsum(-1) - seconds),
            "duration": (steps, seconds),
            "dopamine_rate": ((*steps[:3], "bin"), trial_bins.reshape(*shape[:3], -1)),
        },
        coords={
            "condition": names,
            "trial": ("step", np.repeat(np.arange(TRIALS), 2)),
            "phase": ("step", ["choice", "outcome"] * TRIALS),
            "time": ("bin", np.arange(TRIALS * (CHOICE_BINS + INTERVAL_BINS)) * BIN_S),
        },
        attrs={"choice_phase": "choice"},
    )


@pytest.fixture(scope="module")
def recording():
    return build(np.random.default_rng(0))


@pytest.fixture(scope="module")
def statistics(recording):
    return summarise_circuit(recording)


def find(statistics, key, condition):
    (one,) = [each for each in statistics if (each.key, each.condition) == (key, condition)]
    return one


@pytest.mark.parametrize("name", list(P_RISKY)[1:])
def test_planted_shifts_are_found_through_the_circuit_and_by_arithmetic(statistics, name):
    planted = P_RISKY[name] - P_RISKY["frozen"]
    for prefix, share in (("", WEAKER), (ARITHMETIC_PREFIX, 1.0)):
        found = find(statistics, "p_risky_shift", f"{prefix}{name} p=0.5")
        assert found.low - 0.02 < share * planted < found.high + 0.02
        assert np.sign(found.low) == np.sign(found.high) == np.sign(planted)
    lost = find(statistics, "p_risky_shift_difference", f"{name} p=0.5")
    assert abs(lost.estimate - (WEAKER - 1) * planted) < 0.04
    nothing = find(statistics, "p_risky_shift", f"{name} p=0.125")
    assert nothing.estimate == 0  # the same choices


@pytest.mark.parametrize("prefix", ["", ARITHMETIC_PREFIX])
def test_shifts_are_those_of_the_rate_model(recording, statistics, prefix):
    trials = get_trials(select_conditions(recording, prefix))
    for other in summarise_shifts(compute_shifts(trials)):
        found = find(statistics, "p_risky_shift", prefix + other.condition)
        assert found.estimate == pytest.approx(other.estimate)
        assert found.by_animal == pytest.approx(other.by_animal)


def test_planted_rates_are_found_at_their_outcomes(statistics):
    for manipulation, outcome in zip(STIMULATED_HZ, ("risky_win", "safe_reward", "risky_loss"), strict=True):
        for p in ("0.5", "0.125"):
            plain = find(statistics, "dopamine_rate", f"control {outcome} p={p}")
            stimulated = find(statistics, "dopamine_rate", f"{manipulation} p={p}")
            assert plain.n == stimulated.n == ANIMALS and plain.units == "Hz"
            apart = stimulated.estimate - plain.estimate  # what animals have in common falls out
            assert apart == pytest.approx(STIMULATED_HZ[manipulation] - HZ[outcome])
            baseline = find(statistics, "dopamine_rate", f"control no_outcome p={p}")
            over = find(statistics, "dopamine_over_baseline", f"{manipulation} p={p}")
            assert over.estimate == pytest.approx(stimulated.estimate - baseline.estimate)


def test_rates_around_outcomes_are_those_planted(recording):
    table = tabulate_courses(recording)
    assert set(table["n"]) == {ANIMALS}
    for manipulation, outcome in zip(STIMULATED_HZ, ("risky_win", "safe_reward", "risky_loss"), strict=True):
        own = table[table["outcome"] == outcome].set_index(["condition", "time"])["mean"]
        apart = own[manipulation] - own["control"]  # what animals have in common falls out
        apart.index = apart.index.values.round(3)
        burst = apart[[0.075, 0.175, 0.325]]
        assert burst.to_numpy() == pytest.approx(STIMULATED_HZ[manipulation] - HZ[outcome])
        assert own["control"].index[[0, -1]].round(3).tolist() == [-0.475, 0.975]
        assert own["control"].loc[-0.15:0].to_numpy() == pytest.approx(99)


def test_a_window_is_counted_by_hand(recording):
    """Bin by bin for one session, durations that vary included."""
    own = recording.isel(animal=[1], condition=[0], episode=[2]).copy(deep=True)
    rng = np.random.default_rng(3)
    bins = rng.integers(8, 20, own.sizes["step"])
    seconds = np.broadcast_to(bins * BIN_S, own["onset"].shape)
    rate = rng.random((1, 1, 1, bins.sum()))
    own = own.drop_vars(["dopamine_rate", "time"]).assign_coords(time=("bin", np.arange(bins.sum()) * BIN_S))
    steps = ("animal", "condition", "episode", "step")
    own = own.assign(
        onset=(steps, seconds.cumsum(-1) - seconds),
        duration=(steps, seconds),
        dopamine_rate=((*steps[:3], "bin"), rate),
    )
    found, first = compute_step_rates(own).values[0, 0, 0], bins.cumsum() - bins
    for step, begin in enumerate(first):
        outcome = begin + bins[step]
        window = slice(outcome + 1, outcome + 7) if step % 2 == 0 else slice(begin, outcome)
        assert found[step] == pytest.approx(rate[0, 0, 0, window].mean())


def test_windows_are_those_of_the_circuit():
    assert WINDOW_S == midbrain.WINDOW_S


def test_planted_noise_of_delivered_dopamine_is_found(statistics):
    found = find(statistics, "dopamine_correlation", "control")
    assert found.estimate == pytest.approx(1 / np.sqrt(1 + NOISE**2), abs=0.01)


@pytest.mark.parametrize("name", list(STIMULATED_HZ))
def test_the_planted_dose_is_found(statistics, name):
    for p in ("0.5", "0.125"):
        found = find(statistics, "dopamine_dose", f"{name} p={p}")
        assert found.estimate == pytest.approx(1.0, abs=0.15) and found.units == "rewards"


def test_probabilities_of_a_single_session_are_left_out(recording):
    half = np.flatnonzero((recording["p_win"] == 0.5).values[0, 0, :, 0])
    few = recording.isel(episode=[*half[:3], np.setdiff1d(np.arange(SESSIONS), half)[0]])
    p_risky = compute_session_p_risky(get_trials(select_conditions(few, "")))
    assert {p for _, p in p_risky} == {0.5}
    assert {values.shape for values in compute_session_shifts(p_risky).values()} == {(ANIMALS, 3)}


def test_an_outcome_that_no_animal_met_has_no_rate(recording):
    poor = recording.assign(reward=recording["reward"].where(recording["reward"] != 4, 0))
    statistics = summarise_circuit(poor)
    found = find(statistics, "dopamine_rate", "control risky_win p=0.5")
    assert np.isnan(found.estimate) and found.n == 0


def test_tables_have_a_row_a_manipulation_and_p(statistics):
    shifts, rates = tabulate_shifts(statistics), tabulate_rates(statistics)
    assert sorted(shifts["condition"]) == sorted(rates["condition"])
    assert len(shifts) == 6 and shifts.columns.tolist() == ["condition", "arithmetic", "circuit"]
    row = rates.set_index("condition").loc["risky_win_blocked p=0.5"]
    for column, condition in (
        ("baseline", "control no_outcome p=0.5"),
        ("outcome", "control risky_win p=0.5"),
        ("stimulated", "risky_win_blocked p=0.5"),
    ):
        assert row[column].startswith(f"{find(statistics, 'dopamine_rate', condition).estimate:.3g} [")
    shift = shifts.set_index("condition").loc["risky_win_blocked p=0.5"]
    for column, prefix in (("arithmetic", ARITHMETIC_PREFIX), ("circuit", "")):
        found = find(statistics, "p_risky_shift", f"{prefix}risky_win_blocked p=0.5")
        assert shift[column].startswith(f"{found.estimate:.3g} [")


def test_the_window_is_that_of_the_calibration():
    assert circuit.WINDOW_S == midbrain.WINDOW_S
