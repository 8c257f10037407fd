import numpy as np
import pytest

from pfc_da.analysis.units.regressors import compute_chosen_value, compute_object_value, compute_regressors

CHOICE = np.array([[0, 1, 1, -1, 0]])
REWARD = np.array([[1.0, 0.0, 2.0, 0.0, 1.0]])


def test_object_value_by_hand():
    # half_life 1: weights 1, 1/2, 1/4 ... before normalising
    value = compute_object_value(CHOICE, REWARD, 1.0)[0]
    assert np.isnan(value[0]).all()
    np.testing.assert_allclose(value[1], [1, 0])
    np.testing.assert_allclose(value[2], [(0.5 * 1) / 1.5, 0])
    np.testing.assert_allclose(value[3], [(0.25 * 1) / 1.75, 2 / 1.75])


def test_a_missing_trial_leaves_object_value_as_it_was():
    value = compute_object_value(CHOICE, REWARD, 3.0)[0]
    np.testing.assert_array_equal(value[4], value[3])


def test_object_value_finds_the_rate_of_income():
    rng = np.random.default_rng(0)
    choice = rng.integers(0, 2, (200, 200))
    reward = rng.random(choice.shape) < np.where(choice == 0, 0.8, 0.2)
    value = compute_object_value(choice, reward.astype(float), 20.0)[:, 100:]
    np.testing.assert_allclose(value.mean(axis=(0, 1)), [0.4, 0.1], atol=0.005)  # half of the trials each


def test_object_value_does_not_climb_with_the_trial_number():
    rng = np.random.default_rng(1)
    choice = rng.integers(0, 2, (4000, 30))
    value = compute_object_value(choice, (rng.random(choice.shape) < 0.5).astype(float), 8.0)
    np.testing.assert_allclose(value[:, 1:].mean(axis=0), 0.25, atol=0.03)


def test_relabelled_objects_swap_their_values():
    value = compute_object_value(CHOICE, REWARD, 2.0)
    swapped = compute_object_value(np.where(CHOICE >= 0, 1 - CHOICE, -1), REWARD, 2.0)
    np.testing.assert_array_equal(swapped, value[..., ::-1])


def test_chosen_value_picks_the_chosen_object():
    value = np.array([[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]])
    np.testing.assert_array_equal(compute_chosen_value(value, np.array([[1, 0, -1]])), [[0.2, 0.3, np.nan]])


def test_regressors_look_one_trial_back_and_mark_the_missing():
    regressors = compute_regressors(CHOICE, REWARD, compute_object_value(CHOICE, REWARD, 2.0))
    np.testing.assert_array_equal(regressors["choice"], [[-1, 1, 1, np.nan, -1]])
    np.testing.assert_array_equal(regressors["last_choice"], [[np.nan, -1, 1, 1, np.nan]])
    np.testing.assert_array_equal(regressors["last_reward"], [[np.nan, 1, 0, 2, np.nan]])
    np.testing.assert_array_equal(regressors["last_interaction"], [[np.nan, 0, -1, 1, np.nan]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: compute_object_value(CHOICE, REWARD[:, 1:], 2.0),
            r"must share one shape .* got choice \(1, 5\)",
        ),
        (lambda: compute_object_value(CHOICE, REWARD, 0.0), "half_life must be above 0 trials, got 0.0"),
        (
            lambda: compute_object_value(CHOICE + 1, REWARD, 2.0),
            r"choice must be 0, 1 or -1 \(missing\), got 2",
        ),
        (
            lambda: compute_regressors(CHOICE, REWARD, np.zeros((1, 5, 3))),
            r"shape \(1, 5, 2\) of two objects",
        ),
        (lambda: compute_regressors(CHOICE + 1, REWARD, np.zeros((1, 5, 2))), "choice must be 0, 1 or -1"),
    ],
)
def test_bad_input_is_reported_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
