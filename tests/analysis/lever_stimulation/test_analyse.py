"""Two levers and an experimenter at the dopamine: planted learners shift as they must, and those out of reach not at all."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy.special import expit

from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.figures.panel import draw_svg
from pfc_da.analysis.lever_stimulation import outcome_effects
from pfc_da.analysis.lever_stimulation import units as lever_units
from pfc_da.analysis.lever_stimulation.analyse import analyse_levers
from pfc_da.analysis.lever_stimulation.risky_choices import compute_p_risky, compute_plastic_p_risky
from pfc_da.analysis.lever_stimulation.tables import BINS
from pfc_da.analysis.lever_stimulation.trials import get_trials
from pfc_da.errors import InputError

SIZES = {"risky_win_blocked": -4.0, "safe_reward_blocked": -1.0, "risky_loss_stimulated": 1.0}
PHASES = {"levers": 4, "outcome": 2, "dopamine": 6}  # name -> bins of 50 ms
FORCED, TRIALS = 10, 40
N_BINS = np.tile([*PHASES.values()], TRIALS)  # of each step


def rng(seed=0):
    return np.random.default_rng(seed)


@dataclasses.dataclass(frozen=True)
class Learner:
    """Learns the value of each lever from the error it receives, rate `alpha`, and takes the better one, softmax `beta`.

    With `receives_error` False it receives its reward alone, and nothing that is injected reaches it. With `keeps` values
    go on from one session to the next, slow plasticity in place of fast activity.
    """

    alpha: float = 0.3
    beta: float = 2.0
    receives_error: bool = True
    keeps: bool = False


def inject(condition, chosen, won):
    """Amount added to the error of each session after this outcome."""
    name, _, dose = condition.removeprefix("plastic_").partition("_x")
    after = {"risky_win_blocked": (chosen == 1) & won, "safe_reward_blocked": chosen == 0}
    after["risky_loss_stimulated"] = (chosen == 1) & ~won
    return SIZES[name] * float(dose or 1) * after[name] if name in SIZES else np.zeros(len(chosen))


def draw_sessions(n, seed, p=None):
    """Problems and luck, the same for every animal and condition."""
    random = rng(seed)
    forced = random.permuted(np.tile([0] * 5 + [1] * 5, (n, 1)), axis=1)
    p_win = random.permuted(np.tile([0.125, 0.5], n // 2 + 1)[:n]) if p is None else np.full(n, p)
    return {
        "forced": forced,
        "p_win": p_win,
        "luck": random.random((n, TRIALS)),
        "choice": random.random((n, TRIALS)),
    }


def simulate(learner, condition, sessions):
    """Arrays (session, trial): lever, reward, injected, rpe, forced, p_win."""
    if learner.keeps:  # one session after another, values carried over
        each = [
            {name: values[i : i + 1] for name, values in sessions.items()}
            for i in range(len(sessions["luck"]))
        ]
        value, simulated = np.zeros((1, 2)), []
        for session in each:
            simulated.append(simulate_from(value, learner, condition, session))
        return {name: np.concatenate([one[name] for one in simulated]) for name in simulated[0]}
    return simulate_from(np.zeros((len(sessions["luck"]), 2)), learner, condition, sessions)


def simulate_from(value, learner, condition, sessions):
    """Play all sessions side by side from `value` (session, lever), which is left as it is after the last trial."""
    n, rows = len(value), np.arange(len(value))
    tape = {name: np.zeros((n, TRIALS)) for name in ("lever", "reward", "injected", "rpe", "forced", "p_win")}
    tape["forced"][:, :FORCED], tape["p_win"][:] = 1, sessions["p_win"][:, None]
    for trial in range(TRIALS):
        wanted = sessions["choice"][:, trial] < expit(learner.beta * (value[:, 1] - value[:, 0]))
        chosen = sessions["forced"][:, trial] if trial < FORCED else wanted.astype(int)
        won = sessions["luck"][:, trial] < sessions["p_win"]
        reward = np.where(chosen == 1, 4.0 * won, 1.0)
        error, injected = reward - value[rows, chosen], inject(condition, chosen, won)
        value[rows, chosen] += learner.alpha * (error + learner.receives_error * injected)
        now = {"lever": chosen, "reward": reward, "injected": injected, "rpe": error}
        for name, values in now.items():
            tape[name][:, trial] = values
    return tape


def record(animals, conditions, n_sessions, *, seed=0, plastic=None, n_unit_sessions=12):
    """A recording as replay makes it, of planted learners; `plastic` are the learners of the plastic family.

    Units: an actor of four and a critic of two. Unit 0 carries the error, unit 1 what was expected, unit 4 the reward, the
    others nothing.
    """
    frozen, slow = draw_sessions(n_sessions, seed), draw_sessions(n_sessions, seed + 1, p=0.5)
    tapes = []
    for animal, learner in enumerate(animals):
        own = [
            simulate((plastic or animals)[animal], name, slow)
            if name.startswith("plastic_")
            else simulate(learner, name, frozen)
            for name in conditions
        ]
        tapes.append({name: np.stack([tape[name] for tape in own]) for name in own[0]})
    tape = {name: np.stack([each[name] for each in tapes]) for name in tapes[0]}
    dims = ("animal", "condition", "episode", "step")

    def by_step(values, elsewhere, place=0):
        steps = np.full((*values.shape, len(PHASES)), elsewhere, dtype=np.float32)
        steps[..., place] = values
        return dims, steps.reshape(*values.shape[:-1], -1)

    activity = units_of(tape, conditions.index("frozen"), n_unit_sessions) if "frozen" in conditions else None
    variables = {
        "chosen_lever": (dims, by_step(tape["lever"], -1)[1].astype(np.int16)),
        "reward": by_step(tape["reward"], 0),
        "dopamine_injected": by_step(tape["injected"], 0),
        "rpe": by_step(tape["rpe"], 0.3),
        "forced": (dims, np.repeat(tape["forced"], 3, axis=-1).astype(np.int16)),
        "p_win": (dims, np.repeat(tape["p_win"], 3, axis=-1).astype(np.float32)),
    }
    coords = {
        "condition": list(conditions),
        "trial": ("step", np.arange(3 * TRIALS) // 3),
        "phase": ("step", list(PHASES) * TRIALS),
        "is_excitatory": ("unit", np.array([1, 1, 1, 0, 1, 0], bool)),
        "is_critic": ("unit", np.array([0, 0, 0, 0, 1, 1], bool)),
        "tau": ("unit", np.linspace(0.1, 1, 6)),
    }
    if activity is not None:
        in_time = np.repeat(activity, N_BINS, axis=2)
        variables["activity"] = ("animal", "recorded_episode", "bin", "unit"), in_time, {"units": "Hz"}
        variables["onset"] = (
            dims,
            np.broadcast_to((N_BINS.cumsum() - N_BINS) * 0.05, variables["rpe"][1].shape),
        )
        coords["recorded_episode"] = np.arange(in_time.shape[1])
        coords["time"] = ("bin", np.arange(in_time.shape[2]) * 0.05)
    return xr.Dataset(variables, coords, attrs={"choice_phase": "levers"})


def units_of(tape, frozen, n_sessions):
    """Activity (animal, session, step, unit) of noise, and in the phase of dopamine what is planted."""
    rpe, reward = (tape[name][:, frozen, :n_sessions] for name in ("rpe", "reward"))
    activity = rng(5).normal(5, 0.5, size=(*rpe.shape, len(PHASES), 6))
    activity[..., 2, 0] += rpe
    activity[..., 2, 1] += 2 * (reward - rpe)
    activity[..., 2, 4] += reward
    return activity.reshape(*rpe.shape[:2], -1, 6)


DOSES = ("_x0.25", "_x0.5", "", "_x1.5")
DOSED = tuple(name + dose for name in SIZES for dose in DOSES)
PLASTIC = ("plastic_control", *(f"plastic_{name}" for name in SIZES))
CONDITIONS = ("frozen", "hidden_reset", *DOSED, *PLASTIC)
ANIMALS = (Learner(), Learner(alpha=0.2), Learner(beta=3.0))
SLOW = tuple(
    dataclasses.replace(each, alpha=0.001, beta=1.0 + i / 10, keeps=True) for i, each in enumerate(ANIMALS)
)


@pytest.fixture(scope="module")
def recording():
    return record(ANIMALS, CONDITIONS, 60, plastic=SLOW)


@pytest.fixture(scope="module")
def found(recording):
    return analyse(recording)


@pytest.fixture(scope="module")
def panels(recording):
    return draw_panels(recording)


def analyse(recording):
    """Statistics, and all tables by name."""
    findings = analyse_levers(recording, rng=rng())
    return findings.statistics, {panel.name: panel.table for panel in findings.figures} | findings.tables


def draw_panels(recording):
    """Panels by name."""
    return {panel.name: panel for panel in analyse_levers(recording, rng=rng()).figures}


def read_text(panel):
    """All text of the drawing of a panel."""
    return "".join(ET.fromstring(draw_svg(panel)).itertext())


def of(statistics, key, condition):
    (one,) = [each for each in statistics if (each.key, each.condition) == (key, condition)]
    return one


def test_no_two_statistics_have_one_name(found):
    names = [(each.key, each.condition) for each in found[0]]
    assert len(set(names)) == len(names)


def test_p_risky_is_the_share_of_free_choices(recording, found):
    p_win = recording["p_win"].values[:, :, :, 0]
    chosen = recording["chosen_lever"].values[..., ::3][..., FORCED:]
    for index, name in enumerate(("control", "hidden_reset", DOSED[0])):
        for p in (0.5, 0.125):
            by_hand = [np.mean(own[p_win[animal, index] == p]) for animal, own in enumerate(chosen[:, index])]
            one = of(found[0], "p_risky", f"{name} p={p:g}")
            assert one.by_animal == pytest.approx(by_hand)
            assert (one.n, one.n_of, one.units) == (3, "animals", "fraction")
            assert one.low <= one.estimate <= one.high
    assert not [each for each in found[0] if each.key == "p_risky" and "plastic" in each.condition]


def test_p_risky_leaves_out_trials_without_a_choice():
    choice = np.array([[[1, 1, -1, 0]], [[-1, 0, -1, -1]], [[-1, -1, -1, -1]]])
    np.testing.assert_array_equal(compute_p_risky(choice), [2 / 3, 0, np.nan])


def test_a_learner_from_errors_shifts_as_dopamine_is_changed(found):
    """Less after its risky wins: fewer of them; less after safe rewards or more after losses: more."""
    for name, way in (("risky_win_blocked", -1), ("safe_reward_blocked", 1), ("risky_loss_stimulated", 1)):
        shift, control, there = (
            of(found[0], key, f"{condition} p=0.5")
            for key, condition in (("p_risky_shift", name), ("p_risky", "control"), ("p_risky", name))
        )
        assert way * np.array(shift.by_animal) == pytest.approx(
            way * np.subtract(there.by_animal, control.by_animal)
        )
        assert min(way * shift.low, way * shift.high) > 0.02, name  # three animals
        assert of(found[0], "p_risky_shift", f"{name}_x0.25 p=0.5").estimate * way < shift.estimate * way


def test_dose_slopes_are_lines_through_the_origin(found):
    doses = np.array([0.25, 0.5, 1, 1.5])
    for name in SIZES:
        shifts = [of(found[0], "p_risky_shift", f"{name}{dose} p=0.125").by_animal for dose in DOSES]
        by_hand = [np.linalg.lstsq(doses[:, None], own, rcond=None)[0][0] for own in np.transpose(shifts)]
        slope = of(found[0], "p_risky_dose_slope", f"{name} p=0.125")
        assert slope.by_animal == pytest.approx(by_hand)
        assert slope.units == "fraction per dose"
    assert of(found[0], "p_risky_dose_slope", "risky_win_blocked p=0.5").high < 0


def test_animals_out_of_reach_of_dopamine_do_not_shift_by_a_hair():
    """With the reward as input, not the error: the same sessions to the bit, reported as 0 in [0, 0]."""
    without_error = [dataclasses.replace(animal, receives_error=False) for animal in ANIMALS]
    recording = record(without_error, CONDITIONS, 20)
    (statistics, figures), panels = analyse(recording), draw_panels(recording)
    shifts = [each for each in statistics if each.key in ("p_risky_shift", "p_risky_dose_slope")]
    assert len(shifts) == 2 * len(DOSED) + 2 * len(SIZES)
    for each in shifts:
        assert (each.estimate, each.low, each.high, each.n) == (0, 0, 0, 3)
    assert (figures["p_risky_dose"]["shift"] == 0).all()
    for lag in range(1, 6):
        injected = of(statistics, "injected_effect", f"lag_{lag}")
        assert (injected.estimate, injected.low, injected.high, injected.n) == (0, 0, 0, 3)
    for name in ("p_risky", "p_risky_dose", "injected_effect"):
        assert "nan" not in read_text(panels[name])


WIN, LOSS, INJECTED = np.array([0.8, 0.4, 0.2]), np.array([-0.6, -0.3, -0.1]), np.array([0.5, 0.25, 0.1])


def press(n, trials, random, *, injected=INJECTED, bias=0.2, p_win=0.4):
    """Presses drawn from known weights of the last three outcomes; 1 or -1 reward is injected after some of them."""
    chosen, reward, given = (np.zeros((n, trials)) for _ in range(3))
    for t in range(trials):
        pull = np.full(n, bias)
        for k in range(1, min(t, 3) + 1):
            risky = chosen[:, t - k] == 1
            pull += risky * np.where(reward[:, t - k] > 0, WIN[k - 1], LOSS[k - 1])
            pull += injected[k - 1] * given[:, t - k] * np.where(risky, 1, -1)
        chosen[:, t] = random.random(n) < expit(pull)
        reward[:, t] = np.where(chosen[:, t] == 1, 4.0 * (random.random(n) < p_win), 1.0)
        given[:, t] = random.choice([0, 0, 1, -1], size=n)
    return chosen.astype(int), reward, given


def test_planted_weights_of_outcomes_and_injections_are_recovered():
    chosen, reward, given = press(600, 60, rng(1))
    fit = outcome_effects.fit_outcomes(
        chosen, reward, given, np.ones(chosen.shape, bool), np.arange(600), lags=4
    )
    error = (fit.injected_high - fit.injected_low) / 2
    assert fit.injected == pytest.approx([*INJECTED, 0], abs=1.3 * error.max())
    assert error.max() < 0.06
    assert fit.risky_win == pytest.approx([*WIN, 0], abs=0.1)
    assert fit.risky_loss == pytest.approx([*LOSS, 0], abs=0.1)
    assert (fit.n_trials, fit.interval) == (600 * 56, "95 % clustered by session")


def older(trials, chosen, reward, given):
    """Sums over trials before the lags: wins, losses, signed injections."""
    won = sum(chosen[t] == 1 and reward[t] > 0 for t in trials)
    lost = sum(chosen[t] == 1 and reward[t] == 0 for t in trials)
    return won, lost, sum(given[t] if chosen[t] == 1 else -given[t] for t in trials)


def test_weights_are_those_of_statsmodels():
    chosen, reward, given = press(40, 30, rng(2))
    free = np.broadcast_to(np.arange(30) >= 10, chosen.shape)
    fit = outcome_effects.fit_outcomes(chosen, reward, given, free, np.arange(40), lags=2)
    rows, outcome, cluster = [], [], []
    for session in range(40):
        for t in range(10, 30):
            past = [(chosen[session, t - k], reward[session, t - k], given[session, t - k]) for k in (1, 2)]
            win, loss = [c == 1 and r > 0 for c, r, _ in past], [c == 1 and r == 0 for c, r, _ in past]
            signed = [i if c == 1 else -i for c, _, i in past]
            old = [range(t - 2), chosen[session], reward[session], given[session]]
            rows.append([1, *win, *loss, *signed, *older(*old), t])
            outcome.append(chosen[session, t])
            cluster.append(session)
    oracle = sm.Logit(outcome, np.array(rows, float)).fit(
        disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": np.array(cluster)}
    )
    assert np.r_[fit.risky_win, fit.risky_loss, fit.injected] == pytest.approx(oracle.params[1:7], abs=1e-8)
    assert fit.n_trials == len(rows)


def test_an_injection_that_does_nothing_has_no_weight_whatever_else_choices_depend_on():
    """Learners whose memory reaches beyond all lags: of 100 intervals over sessions some five miss 0."""
    without_error, missed = Learner(alpha=0.1, receives_error=False), []
    for seed in range(20):
        sessions = draw_sessions(60, seed)
        lucks = rng(100 + seed).random(
            (4, 60, TRIALS)
        )  # with one luck all conditions would be the same to the bit
        simulated = [
            simulate(without_error, name, {**sessions, "choice": luck})
            for name, luck in zip(("frozen", *SIZES), lucks, strict=True)
        ]
        names = ("lever", "reward", "injected", "forced")
        chosen, reward, given, forced = (np.concatenate([tape[name] for tape in simulated]) for name in names)
        fit = outcome_effects.fit_outcomes(
            chosen.astype(int), reward, given, forced == 0, np.tile(np.arange(60), 4)
        )
        missed += ((fit.injected_low > 0) | (fit.injected_high < 0)).tolist()
    assert np.mean(missed) < 0.12


def test_of_a_learner_from_errors_what_was_injected_acts_on_the_next_choices(found):
    effect = [of(found[0], "injected_effect", f"lag_{lag}") for lag in range(1, 6)]
    assert effect[0].low > 0.1
    assert effect[0].estimate > effect[4].estimate
    assert {each.units for each in effect} == {"log odds per reward"}
    win = of(found[0], "outcome_effect", "risky_win lag_1")
    assert win.low > 0
    assert win.units == "log odds"


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"reward": (3, 5)}, r"got lever \(3, 9\), reward \(3, 5\), session \(3,\)"),
        ({"session": (2,)}, r"session \(2,\)"),
    ],
)
def test_arrays_of_unlike_shapes_are_refused(shapes, message):
    names = ("lever", "reward", "injected", "predicted", "session")
    arrays = {name: np.zeros((3,) if name == "session" else (3, 9), int) for name in names}
    arrays |= {name: np.zeros(shape, int) for name, shape in shapes.items()}
    with pytest.raises(InputError, match=message):
        outcome_effects.fit_outcomes(**arrays)


def test_slow_plasticity_shifts_late_and_hardly_early(recording, found):
    """Values carried from session to session at a hundredth of the rate: nothing moves at once."""
    for name, way in (("risky_win_blocked", -1), ("safe_reward_blocked", 1), ("risky_loss_stimulated", 1)):
        early, late = (of(found[0], "p_risky_shift_plastic", f"{name} {part}") for part in ("early", "late"))
        assert abs(early.estimate) < 0.05 < min(way * late.low, way * late.high), name
    table = found[1]["p_risky_plastic"]
    shift = table[(table["measure"] == "shift") & (table["condition"] == "risky_win_blocked")]
    assert len(shift) == BINS
    assert shift["mean"].iloc[-1] < shift["mean"].iloc[0]
    trials = get_trials(recording)
    p_risky = compute_plastic_p_risky(trials)
    late = (p_risky["risky_win_blocked"] - p_risky["control"])[:, 40:]
    assert of(found[0], "p_risky_shift_plastic", "risky_win_blocked late").by_animal == pytest.approx(
        late.mean(1)
    )
    by_hand = (
        recording["chosen_lever"].sel(condition="plastic_control").values[..., ::3][..., FORCED:].mean(-1)
    )
    np.testing.assert_allclose(p_risky["control"], by_hand)


def test_units_that_carry_the_error_are_distinguished_from_those_that_carry_the_reward(found):
    statistics, figures = found
    fraction = {each.condition: each.by_animal for each in statistics if each.key == "fraction_selective"}
    assert fraction.keys() == {
        f"{variable}_{part}"
        for variable in ("rpe", "reward", "expected_reward", "chosen_lever")
        for part in ("actor", "critic")
    }
    table = figures["units"].set_index(["animal", "unit"])
    assert (table.loc[(slice(None), 0), "p_rpe"] < 1e-3).all()
    assert (table.loc[(slice(None), 1), "p_expected_reward"] < 1e-3).all()
    assert (table.loc[(slice(None), 4), "p_reward"] < 1e-3).all()
    assert np.mean(table.loc[(slice(None), [1, 2, 3, 4, 5]), "p_rpe"] < 0.05) < 0.2
    assert min(fraction["rpe_actor"]) >= 0.25 and min(fraction["reward_critic"]) >= 0.5
    assert table["is_critic"].groupby("unit").first().tolist() == [0, 0, 0, 0, 1, 1]
    deviation = (
        figures["outcome_activity"].set_index(["animal", "unit", "outcome"])["deviation_hz"].sort_index()
    )
    reward = deviation[0, 4]
    assert reward["win"] - reward["loss"] == pytest.approx(4, abs=0.3)
    assert reward["safe"] - reward["loss"] == pytest.approx(1, abs=0.3)
    assert deviation.groupby(["animal", "unit"]).mean().abs().max() < 1e-9


def test_units_of_the_expectation_alone_or_the_reward_alone_do_not_carry_the_error():
    """40 units of noise each, and of error, expectation and reward: most of the right kind are found, of the others few."""
    random = rng(8)
    shape = (40, 30)
    lever = random.integers(2, size=shape)
    reward = np.where(lever == 1, 4.0 * (random.random(shape) < 0.4), 1.0)
    expected = np.zeros(shape)
    for trial in range(29):  # of the lever pressed, from what this lever paid before
        before = [(lever[:, : trial + 1] == own) for own in (0, 1)]
        mean = np.stack([(reward[:, : trial + 1] * b).sum(1) / np.maximum(b.sum(1), 1) for b in before], 1)
        expected[:, trial + 1] = np.take_along_axis(mean, lever[:, trial + 1, None], 1)[:, 0]
    planted = {"rpe": reward - expected, "expected_reward": expected, "reward": reward}
    activity = random.normal(0, 1, (*shape, 160))
    for place, values in enumerate(planted.values(), start=1):
        activity[..., 40 * place : 40 * (place + 1)] += 0.6 * values[..., None]
    found = lever_units.find_carriers(
        lever_units.regress_outcomes(activity, reward - expected, reward, lever, rng=random)
    )
    kinds = np.repeat(["noise", *planted], 40)
    for name in planted:
        assert found[name][kinds == name].mean() > 0.9, name
    for kind in ("noise", "expected_reward", "reward"):
        assert found["rpe"][kinds == kind].mean() <= 0.1, kind
    assert not (found["reward"] | found["expected_reward"])[found["rpe"]].any()


def test_a_network_without_a_critic_of_its_own_has_one_population():
    one = record(ANIMALS[:2], ("frozen",), 12).drop_vars("is_critic")
    statistics, _ = analyse(one)
    conditions = {each.condition for each in statistics if each.key == "fraction_selective"}
    assert conditions == {"rpe", "reward", "expected_reward", "chosen_lever"}
    assert "nan" not in read_text(draw_panels(one)["outcome_activity"])


def test_of_an_animal_that_expects_the_same_every_time_no_unit_is_said_to_code_the_error():
    flat = record([Learner(alpha=0.0)], ("frozen",), 12)
    statistics, _ = analyse(flat)
    assert np.isnan(of(statistics, "fraction_selective", "rpe_actor").estimate)


def test_within_a_session_only_free_choices_are_drawn(found, recording):
    table = found[1]["p_risky_session"]
    assert set(table["trial"]) == set(range(FORCED, TRIALS))
    assert list(dict.fromkeys(table["condition"])) == ["frozen", *SIZES, "hidden_reset"]
    row = table.query("condition == 'risky_win_blocked' and p == 0.5 and trial == 25").iloc[0]
    where = list(CONDITIONS).index("risky_win_blocked")
    chosen = recording["chosen_lever"].values[:, where, :, 75]
    paid = recording["p_win"].values[:, where, :, 75] == 0.5
    assert row["mean"] == pytest.approx(
        np.mean([own[here].mean() for own, here in zip(chosen, paid, strict=True)])
    )


def test_tables_repeat_the_statistics(found):
    statistics, figures = found
    mean = figures["p_risky"].query("animal == 'mean' and condition == 'control' and p == 0.5").iloc[0]
    one = of(statistics, "p_risky", "control p=0.5")
    assert (mean["p_risky"], mean["low"], mean["high"]) == (one.estimate, one.low, one.high)
    dots = figures["p_risky"].query("animal != 'mean' and condition == 'control' and p == 0.5")
    assert tuple(dots["p_risky"]) == one.by_animal
    means = figures["p_risky"].query("animal == 'mean'")
    assert not means.duplicated(["condition", "p"]).any()  # manipulations at full size only
    blocked = means.query("condition == 'risky_win_blocked' and p == 0.125")["p_risky"]
    assert blocked.tolist() == [of(statistics, "p_risky", "risky_win_blocked p=0.125").estimate]
    doses = figures["p_risky_dose"].query("manipulation == 'safe_reward_blocked' and p == 0.125")
    assert doses["dose"].tolist() == [0, 0.25, 0.5, 1, 1.5]
    assert doses["shift"].iloc[0] == 0
    assert doses["shift"].iloc[3] == of(statistics, "p_risky_shift", "safe_reward_blocked p=0.125").estimate
    kernel = figures["injected_effect"].set_index(["kind", "lag"])["estimate"]
    assert kernel["injected", 2] == of(statistics, "injected_effect", "lag_2").estimate
    assert kernel["risky_loss", 3] == of(statistics, "outcome_effect", "risky_loss lag_3").estimate


SUBSETS = [
    ("frozen",),
    ("frozen", "risky_win_blocked"),
    ("frozen", "risky_win_blocked_x0.5"),
    ("risky_win_blocked", "hidden_reset"),
    ("plastic_control", "plastic_risky_loss_stimulated"),
    ("frozen", "plastic_risky_loss_stimulated"),
]


@pytest.mark.parametrize("conditions", SUBSETS, ids=" ".join)
def test_any_subset_of_conditions_is_analysed_as_far_as_it_goes(conditions):
    recording = record(ANIMALS[:1], conditions, 12)
    statistics, _ = analyse(recording)
    keys = {each.key for each in statistics}
    plain = {name for name in conditions if name in SIZES} if "frozen" in conditions else set()
    assert ("p_risky_shift" in keys) == any(
        "frozen" in conditions and name.startswith(tuple(SIZES)) for name in conditions
    )
    assert ("injected_effect" in keys) == bool(plain)
    assert ("p_risky_shift_plastic" in keys) == ("plastic_control" in conditions)
    assert ("fraction_selective" in keys) == ("frozen" in conditions)
    for panel in draw_panels(recording).values():
        if len(panel.table):
            assert "nan" not in read_text(panel)


@pytest.mark.parametrize("n_trials", [6, 10, 11])
def test_sessions_with_hardly_a_free_choice_have_hardly_a_number(n_trials):
    short = record(ANIMALS, ("frozen", "risky_win_blocked"), 12).isel(step=slice(3 * n_trials))
    statistics, _ = analyse(short)
    assert np.isfinite(of(statistics, "p_risky", "control p=0.5").estimate) == (n_trials > FORCED)
    assert np.isnan(of(statistics, "injected_effect", "lag_1").estimate)


OURS = [
    "p_risky",
    "p_risky_session",
    "p_risky_dose",
    "injected_effect",
    "p_risky_plastic",
    "selectivity",
    "outcome_activity",
]


def test_every_panel_is_made(panels):
    assert list(panels) == OURS


@pytest.mark.parametrize("name", OURS)
def test_panels_are_drawn_from_their_table_and_from_its_csv_alike(name, panels, tmp_path):
    panel = panels[name]
    svg = draw_svg(panel)
    panel.table.to_csv(tmp_path / "table.csv", index=False)
    assert draw_svg(dataclasses.replace(panel, table=pd.read_csv(tmp_path / "table.csv"))) == svg
    assert "nan" not in read_text(panel)
    missing = {column: np.nan for column in ("low", "high") if column in panel.table}  # as of one animal
    assert "nan" not in read_text(dataclasses.replace(panel, table=panel.table.assign(**missing)))


def test_published_directions_are_claims_in_words_and_unverified():
    rows = [row for row in load_references("lever_stimulation") if row.key == "p_risky_shift"]
    signs = {row.condition.split(" ")[0]: (row.low, row.high) for row in rows}
    assert signs == {
        "risky_win_blocked": (-1, 0),
        "safe_reward_blocked": (0, 1),
        "risky_loss_stimulated": (0, 1),
    }
    assert {row.kind for row in rows} == {"unverified"}
    assert all(np.isnan(row.estimate) for row in rows)
