import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from pfc_da.analysis.interval import compute_wilson_interval
from pfc_da.analysis.units.nulls import align, draw_pairings
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.selectivity import (
    compute_any_p,
    compute_fraction_selective,
    compute_null_p,
    control_false_discoveries,
    regress_units,
)


def make_behaviour(rng, n_sessions, n_trials):
    """Choices of a matcher and rewards in blocks of 30 to 60 trials, so that value changes slowly."""
    rich = np.empty((n_sessions, n_trials), int)
    for session in rich:
        start = 0
        while start < n_trials:
            length = rng.integers(30, 61)
            session[start : start + length] = rng.integers(2)
            start += length
    choice = np.where(rng.random(rich.shape) < 0.75, rich, 1 - rich)
    reward = (rng.random(rich.shape) < np.where(choice == rich, 0.6, 0.1)).astype(float)
    return compute_regressors(choice, reward, compute_object_value(choice, reward, 8.0))


def make_drift(rng, n_sessions, n_trials, n_units):
    """Random walks of s.d. 1 in every session, and white noise: activity that codes nothing."""
    walk = rng.standard_normal((n_sessions, n_trials, n_units)).cumsum(axis=1)
    return walk / walk.std(axis=1, keepdims=True) + 0.5 * rng.standard_normal(walk.shape)


def pick(regressors, *names):
    return {name: regressors[name] for name in names}


def test_statsmodels_gives_the_same_coefficients_and_p_values():
    rng = np.random.default_rng(0)
    regressors = make_behaviour(rng, 3, 60)
    activity = rng.gamma(2.0, 3.0, (3, 60, 4))
    activity[1, 7, 2] = np.nan
    fit = regress_units(activity, regressors)
    used = np.isfinite(activity).all(-1) & np.isfinite(np.stack(list(regressors.values()))).all(0)
    design = sm.add_constant(np.stack([values[used] for values in regressors.values()], axis=-1))
    assert fit.n_trials == used.sum() < 3 * 59
    for unit in range(4):
        oracle = sm.OLS(activity[used][:, unit], design).fit()
        np.testing.assert_allclose(fit.coefficient[:, unit], oracle.params[1:], rtol=1e-9)
        np.testing.assert_allclose(fit.t[:, unit], oracle.tvalues[1:], rtol=1e-8)
        np.testing.assert_allclose(fit.p[:, unit], oracle.pvalues[1:], rtol=1e-8)


def test_phases_are_regressed_each_by_itself():
    rng = np.random.default_rng(1)
    regressors = make_behaviour(rng, 2, 50)
    activity = rng.standard_normal((2, 50, 3, 5))
    together = regress_units(activity, regressors)
    alone = regress_units(activity[:, :, 1], regressors)
    assert together.coefficient.shape == (7, 3, 5)
    np.testing.assert_allclose(together.coefficient[:, 1], alone.coefficient)
    np.testing.assert_allclose(together.p[together.of("choice"), 1], alone.p[alone.of("choice")])


def test_a_silent_unit_codes_nothing():
    rng = np.random.default_rng(2)
    regressors = pick(make_behaviour(rng, 8, 60), "last_choice", "last_reward")
    activity = rng.standard_normal((8, 60, 3))
    activity[..., 1] = 7.3
    fit = regress_units(activity, regressors)
    assert (fit.p[:, 1] == 1).all() and (fit.coefficient[:, 1] == 0).all()
    assert (compute_null_p(activity, regressors, null="session", n_pairings=30, rng=rng)[:, 1] == 1).all()


@pytest.mark.parametrize(("null", "n_sessions", "n_trials"), [("session", 20, 100), ("shift", 1, 300)])
def test_planted_coding_is_found_and_nothing_else(null, n_sessions, n_trials):
    rng = np.random.default_rng(3)
    regressors = pick(
        make_behaviour(rng, n_sessions, n_trials), "last_choice", "last_reward", "object_value_0"
    )
    codes = {
        name: np.arange(200) % 4 == place for place, name in enumerate(regressors)
    }  # a quarter each, a quarter none
    activity = rng.standard_normal((n_sessions, n_trials, 200))
    for name, values in regressors.items():
        standard = (values - np.nanmean(values)) / np.nanstd(values)
        activity += standard[..., None] * codes[name]
    p = compute_null_p(activity, regressors, null=null, n_pairings=300, rng=rng)
    for name, p_of_name in zip(regressors, p, strict=True):
        found = p_of_name <= 0.05
        assert found[codes[name]].mean() > 0.95, name
        assert found[~codes[name]].mean() < 0.10, name  # 150 units at 5 %: below 10 % with probability .99


def false_positive_rates(null, n_sessions, n_trials, n_datasets, level=0.05, make_activity=make_drift):
    naive, held = [], []
    names = ("last_choice", "last_reward", "object_value_0", "object_value_1")
    for seed in range(n_datasets):
        rng = np.random.default_rng([7, seed])
        regressors = pick(make_behaviour(rng, n_sessions, n_trials), *names)
        activity = make_activity(rng, n_sessions, n_trials, 40)
        naive.append(regress_units(activity, regressors).p[2:] <= level)
        held.append(compute_null_p(activity, regressors, null=null, n_pairings=99, rng=rng)[2:] <= level)
    return np.mean(naive), np.mean(held)


@pytest.mark.parametrize("n_sessions", [8, 20])
def test_drift_alone_fools_the_t_test_but_not_the_session_null(n_sessions):
    naive, held = false_positive_rates("session", n_sessions, 100, 25)
    assert naive > 0.5
    assert 0.03 < held < 0.075


def test_the_tail_of_the_session_null_is_not_too_thin():
    naive, held = false_positive_rates("session", 8, 100, 50, level=0.001)
    assert naive > 0.3
    assert held < 0.002


def test_rare_bursts_are_no_coding_to_the_session_null():
    def make_bursts(rng, n_sessions, n_trials, n_units):
        return 50.0 * (rng.random((n_sessions, n_trials, n_units)) < 0.01)

    _, held = false_positive_rates("session", 10, 100, 25, make_activity=make_bursts)
    assert 0.02 < held < 0.08


def test_drift_alone_fools_the_t_test_but_not_the_shift_null():
    naive, held = false_positive_rates("shift", 1, 300, 40)
    assert naive > 0.5
    assert held < 0.085


def test_a_climb_common_to_all_sessions_is_no_coding_to_the_session_null():
    rng = np.random.default_rng(5)
    trial = np.arange(80)
    regressors = {"value": np.exp(-trial / 20) + 0.1 * rng.standard_normal((12, 80))}
    activity = np.exp(-trial / 20)[None, :, None] * np.ones(60) + rng.standard_normal((12, 80, 60))
    assert (regress_units(activity, regressors).p <= 0.05).mean() > 0.9
    held = compute_null_p(activity, regressors, null="session", n_pairings=99, rng=rng)
    assert (held <= 0.05).mean() < 0.15


@pytest.mark.parametrize(("null", "n_sessions", "n_trials"), [("session", 8, 30), ("shift", 1, 120)])
def test_null_p_is_the_brute_force_one(null, n_sessions, n_trials):
    """Residuals of a regressor on the others by lstsq, paired wrongly, refitted by statsmodels."""
    rng = np.random.default_rng(6)
    regressors = pick(
        make_behaviour(rng, n_sessions, n_trials), "last_choice", "last_reward", "object_value_0"
    )
    lost = rng.random((n_sessions, n_trials)) < 0.1
    regressors["last_reward"] = np.where(lost, np.nan, regressors["last_reward"])
    activity = rng.standard_normal((n_sessions, n_trials, 2))
    activity += 0.4 * np.nan_to_num(regressors["last_reward"])[..., None]
    p = compute_null_p(activity, regressors, null=null, n_pairings=25, rng=np.random.default_rng(0))

    table = np.stack(list(regressors.values()), axis=-1)
    complete = np.isfinite(table).all(-1)
    held = align(table, null).reshape(-1, 3)
    used = np.isfinite(held).all(-1)
    response = align(activity, null).reshape(-1, 2)[used, 1]
    for k in range(3):
        others = sm.add_constant(np.delete(table[complete], k, axis=1))
        own = np.zeros(complete.shape)
        own[complete] = sm.OLS(table[complete][:, k], others).fit().resid

        def fit_t(values, k=k):
            others = np.delete(held[used], k, axis=1)
            design = sm.add_constant(np.column_stack([values.reshape(-1)[used], others]))
            return abs(sm.OLS(response, design).fit().tvalues[1])

        t_true = fit_t(held[:, k])
        drawn = [fit_t(paired) for paired in draw_pairings(own, null, 25, np.random.default_rng(0))]
        if null == "session":
            expected = 2 * stats.norm.sf(t_true / np.sqrt(np.mean(np.square(drawn))))
        else:
            expected = min((1 + np.sum(np.array(drawn) >= t_true)) / (1 + len(drawn) // 2), 1)
        assert p[k, 1] == pytest.approx(expected)


def test_shifts_move_behaviour_against_activity_and_never_by_zero():
    values = np.arange(100.0)[None]
    still = align(values, "shift")
    moved = {
        int((pairing - still)[0, 0])
        for pairing in draw_pairings(values, "shift", 1, np.random.default_rng(0))
    }
    assert moved == set(range(-20, 21)) - {0}


def test_false_discovery_control_is_that_of_statsmodels():
    rng = np.random.default_rng(8)
    p = np.concatenate([rng.random(300), 0.01 * rng.random(60)]).reshape(3, 120)
    oracle = multipletests(p.ravel(), alpha=0.1, method="fdr_bh")[0].reshape(p.shape)
    np.testing.assert_array_equal(control_false_discoveries(p, 0.1), oracle)
    assert not control_false_discoveries(np.full(10, 0.06)).any()


def test_any_of_two_null_p_values_stays_at_its_level():
    p = np.random.default_rng(9).random((2, 20000))
    assert (compute_any_p(p) <= 0.05).mean() == pytest.approx(0.05, abs=0.005)


def test_wilson_interval_is_that_of_statsmodels():
    for n_true, n in [(0, 12), (3, 12), (119, 205), (12, 12)]:
        oracle = proportion_confint(n_true, n, method="wilson")
        np.testing.assert_allclose(compute_wilson_interval(n_true, n), oracle, atol=1e-12)


def test_fraction_of_one_population_has_a_wilson_interval_over_units():
    one = compute_fraction_selective([np.arange(205) < 119], variable="object_value")
    assert (one.key, one.condition, one.n, one.n_of) == ("fraction_selective", "object_value", 205, "units")
    assert one.low == pytest.approx(0.512, abs=0.001) and one.high == pytest.approx(0.646, abs=0.001)


def test_fractions_of_several_animals_have_an_interval_over_animals():
    rng = np.random.default_rng(11)
    masks = [rng.random(100) < 0.4 for _ in range(6)]
    several = compute_fraction_selective(masks, variable="last_choice")
    assert (several.n, several.n_of) == (6, "animals")
    assert several.low < several.estimate < several.high
    assert several.by_animal == pytest.approx([mask.mean() for mask in masks])


def test_planted_fraction_is_recovered_through_the_false_discovery_rate():
    rng = np.random.default_rng(12)
    regressors = pick(make_behaviour(rng, 12, 100), "last_choice", "last_reward")
    coding = rng.random(128) < 0.37
    signal = np.nan_to_num(regressors["last_reward"])[..., None] * coding
    activity = signal + rng.standard_normal((12, 100, 128))
    p = compute_null_p(activity, regressors, null="session", n_pairings=400, rng=rng)
    selective = control_false_discoveries(p[1])
    assert selective[coding].all() and selective[~coding].mean() < 0.06
    statistic = compute_fraction_selective([selective], variable="last_reward")
    assert statistic.low < coding.mean() < statistic.high
    assert not control_false_discoveries(p[0]).any()


def test_p_values_of_pure_noise_are_uniform():
    rng = np.random.default_rng(13)
    regressors = pick(make_behaviour(rng, 12, 60), "last_choice", "object_value_0")
    p = compute_null_p(
        rng.standard_normal((12, 60, 400)), regressors, null="session", n_pairings=199, rng=rng
    )
    for p_of_name in p:
        assert stats.kstest(p_of_name, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a, x: regress_units(a[0], x), r"activity must be \(episode, trial, unit\)"),
        (lambda a, x: regress_units(a, {}), "at least one regressor, got none"),
        (lambda a, x: regress_units(a, {"x": x["x"][:, 1:]}), r"regressor x must have the shape"),
        (lambda a, x: regress_units(a, x | {"flat": np.ones((2, 30))}), "regressor flat never changes"),
        (lambda a, x: regress_units(a, x | {"twice": 2 * x["x"]}), "x, twice determine one another"),
        (lambda a, x: regress_units(a * np.nan, x), "needs 3 complete trials, got 0"),
        (lambda a, x: regress_units(a, x).of("y"), "regressor must be one of x, got 'y'"),
        (
            lambda a, x: compute_null_p(a, x, null="session", rng=None),
            "at least 8 sessions, got 2. Use null 'shift'",
        ),
        (lambda a, x: compute_null_p(a, x, null="shift", rng=None), "at least 95 trials, got 30"),
        (
            lambda a, x: compute_null_p(a, x, null="roll", rng=None),
            "null must be 'session' or 'shift', got 'roll'",
        ),
        (
            lambda a, x: compute_null_p(a, x, null="shift", n_pairings=0, rng=None),
            "n_pairings must be at least 1",
        ),
        (
            lambda a, x: control_false_discoveries(np.ones(3), 5),
            r"rate must lie between 0 and 1, got 5. \(Percent",
        ),
        (lambda a, x: compute_wilson_interval(4, 3), "got 4 of 3"),
    ],
)
def test_bad_input_is_reported_in_one_line(make, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message) as raised:
        make(rng.standard_normal((2, 30, 3)), {"x": rng.standard_normal((2, 30))})
    assert "\n" not in str(raised.value)
