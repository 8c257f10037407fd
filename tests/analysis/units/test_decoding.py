import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from pfc_da.analysis.statistic import summarise_sessions
from pfc_da.analysis.units import decoding
from pfc_da.analysis.units.decoding import (
    compute_accuracy,
    compute_decoding,
    decode,
    split_at_median,
)


def plant(rng, n_sessions=20, n_trials=60, n_units=10, shift=0.5):
    """Independent unit-variance noise, class means `shift` apart in every unit: d' = shift sqrt(units)."""
    label = rng.integers(0, 2, (n_sessions, n_trials))
    activity = 5 + rng.standard_normal((n_sessions, n_trials, n_units)) + shift * label[..., None]
    return activity, label


def test_planted_accuracy_is_the_one_of_theory():
    rng = np.random.default_rng(0)
    activity, label = plant(rng, n_sessions=100)
    accuracy = compute_accuracy(decode(activity, label, rng=rng), label)
    assert accuracy == pytest.approx(stats.norm.cdf(0.5 * np.sqrt(10) / 2), abs=0.015)


def test_accuracy_grows_with_cells_as_in_theory():
    rng = np.random.default_rng(1)
    activity, label = plant(rng, n_sessions=60, n_units=40, shift=0.3)
    sizes = [1, 4, 16, 40]
    accuracy = [
        np.mean(
            [
                compute_accuracy(decode(activity[..., rng.permutation(40)[:n]], label, rng=rng), label)
                for _ in range(5)
            ]
        )
        for n in sizes
    ]
    theory = stats.norm.cdf(0.3 * np.sqrt(sizes) / 2)
    np.testing.assert_allclose(accuracy, theory, atol=0.025)


def test_direction_is_that_of_ordinary_regression_without_shrinkage(monkeypatch):
    monkeypatch.setattr(decoding, "SHRINKAGE", 0.0)
    rng = np.random.default_rng(2)
    activity, label = plant(rng, n_sessions=2, n_units=4)
    activity = activity @ rng.standard_normal((4, 4))  # correlated units
    moments = decoding._Moments(activity, label, rng)
    weights, threshold = moments._train(0)
    rest = moments.fold == 1
    rows, of_rest = moments.rows[rest], label[moments.used][rest]
    slopes = sm.OLS(of_rest, sm.add_constant(rows)).fit().params[1:]
    np.testing.assert_allclose(weights / weights[0], slopes / slopes[0], rtol=1e-8)
    middle = (rows[of_rest == 0].mean(axis=0) + rows[of_rest == 1].mean(axis=0)) / 2
    assert threshold == pytest.approx(middle @ weights)


def test_a_silent_unit_and_the_scale_of_units_change_nothing():
    activity, label = plant(np.random.default_rng(3))
    plain = decode(activity, label, rng=np.random.default_rng(0))
    silent = np.full((*label.shape, 1), 3.0)
    other = np.concatenate([activity * np.geomspace(0.01, 100, 10) + 7, silent], axis=-1)
    np.testing.assert_array_equal(plain, decode(other, label, rng=np.random.default_rng(0)))


def test_unequal_labels_without_coding_stay_at_one_half():
    rng = np.random.default_rng(4)
    label = (rng.random((60, 60)) < 0.9).astype(int)
    activity = rng.standard_normal((60, 60, 8))
    assert compute_accuracy(decode(activity, label, rng=rng), label) == pytest.approx(0.5, abs=0.05)


def test_session_drift_is_not_decoded_when_sessions_are_held_out():
    """Each session has its own offset and its own majority label: a read-out over trials would know it."""
    found, leaking = [], []
    for seed in range(12):
        rng = np.random.default_rng([5, seed])
        label = (rng.random((16, 50)) < rng.choice([0.2, 0.8], 16)[:, None]).astype(int)
        offset = 3 * rng.standard_normal((16, 1, 12))
        activity = offset + rng.standard_normal((16, 50, 12))
        found.append(compute_accuracy(decode(activity, label, rng=rng), label))
        mixed = rng.permutation(16 * 50)
        as_trials = [array.reshape(800, 1, *array.shape[2:])[mixed] for array in (activity, label)]
        leaking.append(compute_accuracy(decode(*as_trials, rng=rng), as_trials[1]))
    assert np.mean(leaking) > 0.65
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("null", "n_sessions", "n_trials"), [("session", 20, 60), ("shift", 1, 300)])
def test_control_is_at_chance_and_coding_above_it(null, n_sessions, n_trials):
    rng = np.random.default_rng(6)
    activity, label = plant(rng, n_sessions, n_trials)
    found = compute_decoding(activity, label, null=null, rng=rng)
    assert found.accuracy > 0.7
    assert found.control.mean() == pytest.approx(0.5, abs=0.04)
    assert found.accuracy > found.control.max()


def test_what_is_locked_to_the_trial_number_shows_in_the_control():
    rng = np.random.default_rng(7)
    late = (np.arange(60) >= 30).astype(int)
    label = np.where(rng.random((20, 60)) < 0.9, late, 1 - late)
    activity = late[None, :, None] + rng.standard_normal((20, 60, 10))
    found = compute_decoding(activity, label, null="session", rng=rng)
    assert found.accuracy > 0.8 and found.control.mean() > 0.8


def test_missing_trials_are_left_out():
    rng = np.random.default_rng(8)
    activity, label = plant(rng)
    label[0, :7] = -1
    activity[3, 4, 2] = np.nan
    predicted = decode(activity, label, rng=rng)
    missing = predicted == -1
    assert missing[0, :7].all() and missing[3, 4] and missing.sum() == 8


def test_one_animal_has_an_interval_over_its_sessions():
    rng = np.random.default_rng(9)
    activity, label = plant(rng, n_sessions=30)
    found = compute_decoding(activity, label, null="session", n_pairings=1, rng=rng)
    summary = summarise_sessions(
        "decoding_object_value", compute_accuracy, [found.predicted, found.label], units="fraction", rng=rng
    )
    assert summary.low < stats.norm.cdf(0.5 * np.sqrt(10) / 2) < summary.high
    assert summary.estimate == found.accuracy


def test_value_is_split_at_its_median():
    np.testing.assert_array_equal(
        split_at_median(np.array([[0.1, 0.4, np.nan], [0.2, 0.3, 0.2]])), [[0, 1, -1], [0, 1, 0]]
    )


def test_accuracy_is_balanced():
    assert compute_accuracy(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 0]])) == 0.5
    assert np.isnan(compute_accuracy(np.array([[1, 0]]), np.array([[1, 1]])))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a, y, g: decode(a[0], y, rng=g), r"got \(10, 3\) and \(4, 10\)"),
        (lambda a, y, g: decode(a, y + 1, rng=g), r"label must be 0, 1 or -1 \(missing\), got \[1, 2\]"),
        (lambda a, y, g: decode(a, 0 * y, rng=g), "0 of label 1 to learn from"),
        (lambda a, y, g: decode(a, 0 * y - 1, rng=g), "no trial has a label"),
        (lambda a, y, g: compute_decoding(a, y, null="session", rng=g), "at least 8 sessions, got 4"),
        (lambda a, y, g: split_at_median(0.0 * a), "no value lies above the median 0"),
    ],
)
def test_bad_input_is_reported_in_one_line(make, message):
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], (4, 5))
    with pytest.raises(ValueError, match=message) as raised:
        make(rng.standard_normal((4, 10, 3)), label, rng)
    assert "\n" not in str(raised.value)
