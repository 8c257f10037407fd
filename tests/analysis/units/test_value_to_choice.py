import numpy as np
import pytest

from pfc_da.analysis.statistic import summarise
from pfc_da.analysis.units.regressors import compute_object_value, compute_regressors
from pfc_da.analysis.units.selectivity import compute_any_p, compute_null_p, control_false_discoveries
from pfc_da.analysis.units.value_to_choice import find_value_to_choice


def test_first_phases_by_hand():
    #                   value only, converts, choice first, together, nothing, choice only
    value = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0]], bool)
    choice = np.array([[0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1]], bool)
    found = find_value_to_choice(value, choice)
    np.testing.assert_array_equal(found.value_phase, [0, 0, 1, 1, -1, -1])
    np.testing.assert_array_equal(found.choice_phase, [-1, 2, 0, 1, -1, 2])
    np.testing.assert_array_equal(found.converts, [False, True, False, False, False, False])
    assert found.fraction_converting == 1 / 4
    assert found.fraction_by_chance == 1 / 2


def test_fractions_of_nothing_are_nan():
    nothing = find_value_to_choice(np.zeros((2, 3), bool), np.zeros((2, 3), bool))
    assert np.isnan(nothing.fraction_converting)
    assert np.isnan(nothing.fraction_by_chance)


def plant(rng):
    """Fixation, cue, saccade: value units from fixation on, every second one choosing at the saccade."""
    rich = np.repeat(rng.integers(0, 2, (24, 4)), 30, axis=1)
    choice = np.where(rng.random(rich.shape) < 0.7, rich, 1 - rich)
    reward = (rng.random(rich.shape) < np.where(choice == rich, 0.6, 0.15)).astype(float)
    made = compute_regressors(choice, reward, compute_object_value(choice, reward, 8.0))
    regressors = {name: made[name] for name in ("object_value_0", "object_value_1", "choice")}
    unit = np.arange(120)
    codes_value, converts, choice_only = unit < 60, unit < 30, unit >= 110
    activity = rng.standard_normal((24, 120, 3, 120))
    value = made["object_value_0"] / np.nanstd(made["object_value_0"])
    activity += value[:, :, None, None] * codes_value
    activity[:, :, 2] += 0.7 * made["choice"][..., None] * (converts | choice_only)
    return activity, regressors, codes_value, converts


def test_planted_conversion_is_recovered():
    rng = np.random.default_rng(0)
    activity, regressors, codes_value, converts = plant(rng)
    p = compute_null_p(activity, regressors, null="session", rng=rng)
    found = find_value_to_choice(
        control_false_discoveries(compute_any_p(p[:2])), control_false_discoveries(p[2])
    )
    assert found.converts[converts].mean() > 0.9
    assert found.converts[~converts].mean() < 0.1
    assert found.fraction_converting == pytest.approx(0.5, abs=0.1)
    assert found.fraction_by_chance == pytest.approx(10 / 60, abs=0.1)


def draw_codes(rng, n_animals, *, converting):
    """Codes (phase, unit) of animals: value and choice independently of one another, in any phase; some units convert."""
    for _ in range(n_animals):
        value = (rng.random((3, 128)) < 0.3) & (rng.random(128) < 0.6)
        choice = (rng.random((3, 128)) < 0.4) & (rng.random(128) < 0.8)
        planted = rng.random(128) < converting
        value[:, planted], choice[:, planted] = [[True], [False], [False]], [[False], [False], [True]]
        yield find_value_to_choice(value, choice)


@pytest.mark.parametrize("converting", [0, 0.3])
def test_independent_codes_convert_as_often_as_chance_says_and_planted_ones_more_often(converting):
    found = list(draw_codes(np.random.default_rng(2), 40, converting=converting))
    over = [each.fraction_converting - each.fraction_by_chance for each in found]
    paired = summarise("over_chance", over, units="fraction")
    assert paired.high - paired.low < 0.08
    if converting:
        assert paired.low > 0.2
    else:
        assert paired.low < 0 < paired.high
        assert np.mean([each.fraction_by_chance for each in found]) > 0.1  # far from none


def test_time_reversed_conversion_is_none():
    rng = np.random.default_rng(1)
    activity, regressors, *_ = plant(rng)
    activity[:, :, 1:] = rng.standard_normal(activity[:, :, 1:].shape)  # value in the first phase only
    p = compute_null_p(activity[:, :, ::-1], regressors, null="session", rng=rng)
    found = find_value_to_choice(
        control_false_discoveries(compute_any_p(p[:2])), control_false_discoveries(p[2])
    )
    assert found.codes_value.mean() > 0.4 and found.fraction_converting < 0.1


@pytest.mark.parametrize(
    ("value", "choice", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3), bool), r"codes_value must be \(phase, unit\) of bool.*float64"),
        (np.ones((2, 3), bool), np.ones((3, 3), bool), r"codes_choice must be .* got bool \(3, 3\)"),
    ],
)
def test_bad_input_is_reported_in_one_line(value, choice, message):
    with pytest.raises(ValueError, match=message):
        find_value_to_choice(value, choice)
