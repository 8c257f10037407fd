"""PSTHs of planted activity: a unit that fires more after one event, in trials of one choice alone."""

import numpy as np
import pytest
import xarray as xr

from pfc_da.analysis.units.psth import psth
from pfc_da.errors import InputError
from pfc_da.recording import open_recording, write_recording
from pfc_da.trials import per_trial

RATE, PLANTED = 5.0, 30.0


@pytest.fixture(scope="module")
def recording(build_recording):
    """Two animals, ten sessions; unit 2 of the second animal fires at 30 Hz on outcomes of choice 1, all else at 5 Hz."""
    made = build_recording(shape=(2, 10, 40), n_units=4)
    activity = np.full(made["activity"].shape, RATE)  # (animal, episode, step, unit)
    chosen = made["choice"].values[1, 0, :, 0::2] == 1
    activity[1, :, 1::2, 2] = np.where(chosen, PLANTED, RATE)
    return made.assign(activity=(made["activity"].dims, activity, {"units": "Hz"}))


def test_the_planted_response_is_where_it_was_planted(recording):
    found = psth(recording, event="outcome", by="choice", window=(-0.1, 0.1))
    assert found.dims == ("animal", "choice", "time", "unit")
    assert found.attrs["units"] == "Hz" and found["time"].attrs["units"] == "s"
    np.testing.assert_allclose(found["time"], [-0.05, 0.05])
    assert found["choice"].values.tolist() == [0, 1] and found["choice"].dtype == recording["choice"].dtype
    expected = np.full(found.shape, RATE)
    expected[1, 1, 1, 2] = PLANTED
    np.testing.assert_allclose(found, expected)


def test_trials_are_counted_and_those_whose_window_leaves_the_session_left_out(recording):
    choice = per_trial(recording, "choice").sel(condition="frozen").values
    found = psth(recording, event="outcome", by="choice", window=(-0.3, 0.3))
    # the window begins two steps before the choice of the first trial, and ends with that of the trial after
    whole = choice[..., 1:-1]
    counts = np.stack([(whole == side).sum((1, 2)) for side in (0, 1)], axis=1)
    np.testing.assert_array_equal(found["n_trials"], counts)


def test_the_window_reaches_into_the_next_trial(recording):
    own = recording.assign(activity=recording["activity"].copy())
    own["activity"][:] = np.arange(own.sizes["step"])[:, None]  # the number of the step
    found = psth(own, event="choice", by="choice", window=(-0.2, 0.3)).isel(unit=0)
    steps = found.diff("time")
    np.testing.assert_allclose(steps, 1)


def test_trials_without_a_value_are_left_out(recording):
    own = recording.copy(deep=True)
    own["choice"][1, 0, :, 0] = -1  # no choice on the first trial
    before, now = (psth(each, "choice", "choice", (0, 0.1))["n_trials"] for each in (recording, own))
    assert now["choice"].values.tolist() == [0, 1]
    assert (before.sum("choice") - now.sum("choice")).values.tolist() == [0, 10]


def test_an_animal_without_such_trials_has_no_mean(recording):
    own = recording.copy(deep=True)
    made = own["choice"][0].values
    made[made == 1] = 0
    found = psth(own, "choice", "choice", (0, 0.1))
    assert np.isnan(found.sel(animal=0, choice=1)).all() and found["n_trials"].sel(animal=0, choice=1) == 0
    assert np.isfinite(found.sel(animal=1)).all()


def test_only_the_frozen_condition_and_the_recorded_sessions_count(recording):
    other = recording["choice"].assign_coords(condition=["untrained"])
    behaviour = xr.concat([recording["choice"], 1 - other.clip(0)], "condition")
    more = recording.drop_vars("choice").assign(choice=behaviour).isel(recorded_episode=[3, 7])
    found = psth(more, "outcome", "choice", (-0.1, 0.1)).sel(animal=1)
    np.testing.assert_allclose(found.isel(unit=2), [[RATE, RATE], [RATE, PLANTED]])
    assert found["n_trials"].sum() == 80


def test_a_label_of_the_task_without_animals_splits_too(recording):
    late = (recording["trial"] >= 20).astype(int) * xr.ones_like(
        recording["choice"].isel(animal=0, condition=0)
    )
    own = recording.assign(late=late.transpose("episode", "step").drop_vars(["animal", "condition"]))
    counts = psth(own, "choice", "late", (0, 0.1))["n_trials"]
    np.testing.assert_array_equal(counts, [[200, 200]] * 2)


def test_a_file_gives_the_same_without_being_read_as_a_whole(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.nc")
    with open_recording(tmp_path / "recording.nc") as opened:
        xr.testing.assert_allclose(psth(opened, "outcome", "choice"), psth(recording, "outcome", "choice"))
        assert not opened["activity"].variable._in_memory


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"event": "outcom"},
            "no phase 'outcom' in a trial. Did you mean 'outcome'\\? There are: choice, outcome",
        ),
        ({"by": "chioce"}, "no 'chioce', only .* Did you mean 'choice'"),
        ({"by": "p_reward"}, "dimensions \\(episode, action\\) and no steps"),
        ({"by": "many"}, "'many' has 700 different values in these trials; a PSTH is split by 1 to 20"),
        ({"by": "policy"}, "'policy' has several numbers a trial \\(action\\)"),
        ({"window": (0.2, 0.2)}, "window must be \\(first, last\\) in s, a step of 0.1 s apart"),
        ({"window": (-9, 9)}, "window \\(-9, 9\\) s around 'choice' lies in no session as a whole"),
    ],
)
def test_what_is_no_psth_is_refused(recording, asked, said):
    steps = recording["choice"].dims
    own = recording.assign(
        many=(steps, np.arange(recording["choice"].size).reshape(recording["choice"].shape)),
        policy=recording["choice"].astype(float).expand_dims(action=2),
    )
    with pytest.raises(InputError, match=said):
        psth(own, **({"event": "choice", "by": "choice"} | asked))
