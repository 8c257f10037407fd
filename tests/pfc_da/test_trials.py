import numpy as np
import pytest
import xarray as xr

from pfc_da.trials import lag_trials, per_trial


@pytest.fixture
def recording():
    """Two animals, one condition, three episodes of two trials; the choice is on every third step."""
    choice = np.full((2, 1, 3, 6), -1, dtype=np.int8)
    choice[..., [2, 5]] = np.arange(12).reshape(2, 1, 3, 2) % 2
    return xr.Dataset(
        {
            "choice": (("animal", "condition", "episode", "step"), choice),
            "side_of_a": (("episode", "step"), np.tile([0, 0, 1, 0, 0, 7], (3, 1))),
            "p_reward": (("episode", "action"), np.zeros((3, 2))),
        },
        coords={
            "condition": ["frozen"],
            "trial": ("step", [0, 0, 0, 1, 1, 1]),
            "phase": ("step", ["fixation", "cue", "saccade"] * 2),
        },
        attrs={"choice_phase": "saccade"},
    )


def test_per_trial_takes_the_choice_step_of_every_trial(recording):
    choice = per_trial(recording, "choice")
    assert choice.dims == ("animal", "condition", "episode", "trial")
    assert choice.dtype == np.int8
    assert (choice.values.ravel() == np.arange(12) % 2).all()
    assert choice["trial"].values.tolist() == [0, 1]
    assert choice.sel(condition="frozen").dims == ("animal", "episode", "trial")
    assert per_trial(recording, "side_of_a").values.tolist() == [[1, 7]] * 3


def test_per_trial_refuses_what_it_cannot_do(recording):
    with pytest.raises(ValueError, match="no 'choise'.* Did you mean 'choice'"):
        per_trial(recording, "choise")
    with pytest.raises(ValueError, match="'p_reward' has the dimensions .episode, action. and no steps"):
        per_trial(recording, "p_reward")
    with pytest.raises(ValueError, match="'juice' must be one step a trial, got 0 steps"):
        per_trial(recording.assign_attrs(choice_phase="juice"), "choice")
    long_phase = recording.assign_coords(phase=("step", ["cue", "saccade", "saccade"] * 2))
    with pytest.raises(ValueError, match="'saccade' must be one step a trial, got 4 steps"):
        per_trial(long_phase, "choice")


def test_lag_marks_the_unknown_past_as_missing():
    choice = np.array([[0, 1, 1], [1, 0, 0]])
    assert lag_trials(choice, 0).tolist() == choice.tolist()
    assert lag_trials(choice, 1).tolist() == [[-1, 0, 1], [-1, 1, 0]]
    assert (lag_trials(choice, 5) == -1).all()
    assert np.isnan(lag_trials(choice.astype(float), 2)[:, :2]).all()
    with pytest.raises(ValueError, match="signed integers or floats"):
        lag_trials(choice == 1, 1)
