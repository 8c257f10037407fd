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
    """Two animals, ten sessions; unit 2 of the second animal fires at 30 Hz in outcomes of choice 1, all else at 5 Hz."""
    made = build_recording(shape=(2, 10, 40), n_units=4)
    n_bins = np.rint(made["duration"].values[0, 0, 0] / 0.05).astype(int)
    chosen = made["choice"].values[1, 0, :, 0::2] == 1  # (episode, trial)
    by_step = np.full((10, 80), RATE)
    by_step[:, 1::2] = np.where(chosen, PLANTED, RATE)
    activity = np.full(made["activity"].shape, RATE)  # (animal, episode, bin, unit)
    activity[1, :, :, 2] = np.repeat(by_step, n_bins, axis=1)
    return made.assign(activity=(made["activity"].dims, activity, {"units": "Hz"}))


@pytest.mark.parametrize("event", ["outcome", "choice"])
def test_the_planted_response_is_where_it_was_planted(recording, event):
    found = psth(recording, event=event, by="choice", window=(-0.1, 0.2))
    assert found.dims == ("animal", "choice", "time", "unit")
    assert found.attrs["units"] == "Hz" and found["time"].attrs["units"] == "s"
    np.testing.assert_allclose(found["time"], [-0.075, -0.025, 0.025, 0.075, 0.125, 0.175])
    assert found["choice"].values.tolist() == [0, 1] and found["choice"].dtype == recording["choice"].dtype
    expected = np.full(found.shape, RATE)
    expected[1, 1, 2:, 2] = PLANTED
    np.testing.assert_allclose(found, expected)


def test_trials_are_counted_and_those_whose_window_leaves_the_session_left_out(recording):
    choice = per_trial(recording, "choice").sel(condition="frozen").values
    found = psth(recording, event="outcome", by="choice", window=(-0.35, 0.25))
    # the window begins before the choice phase of the first trial, and ends after the outcome of the last
    whole = choice[..., 1:-1]
    counts = np.stack([(whole == side).sum((1, 2)) for side in (0, 1)], axis=1)
    np.testing.assert_array_equal(found["n_trials"], counts)


def test_the_window_reaches_into_the_next_trial(recording):
    own = recording.assign(activity=recording["activity"].copy())
    own["activity"][:] = np.arange(own.sizes["bin"])[:, None]  # the number of the bin
    found = psth(own, event="go", by="choice", window=(-0.2, 0.6)).isel(unit=0)
    np.testing.assert_allclose(found.diff("time"), 1)


def test_a_gaussian_smooths_an_impulse_into_itself(recording):
    own = recording.assign(activity=recording["activity"] * 0)
    bins = np.rint(own["onset"].values[0, 0, 0, 0::2] / 0.05).astype(int)
    own["activity"][:, :, bins] = 1.0  # at the begin of every choice phase, .4 s or more apart
    found = psth(own, "go", "choice", (-0.15, 0.2), smoothing=0.05).isel(animal=0, choice=0, unit=0)
    gauss = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    np.testing.assert_allclose(found, gauss / np.exp(-(np.arange(-4, 5) ** 2) / 2).sum(), rtol=2e-3)


def test_trials_without_a_value_are_left_out(recording):
    own = recording.copy(deep=True)
    own["choice"][1, 0, :, 0] = -1  # no choice on the first trial
    before, now = (psth(each, "go", "choice", (0, 0.1))["n_trials"] for each in (recording, own))
    assert now["choice"].values.tolist() == [0, 1]
    assert (before.sum("choice") - now.sum("choice")).values.tolist() == [0, 10]


def test_an_animal_without_such_trials_has_no_mean(recording):
    own = recording.copy(deep=True)
    made = own["choice"][0].values
    made[made == 1] = 0
    found = psth(own, "go", "choice", (0, 0.1))
    assert np.isnan(found.sel(animal=0, choice=1)).all() and found["n_trials"].sel(animal=0, choice=1) == 0
    assert np.isfinite(found.sel(animal=1)).all()


def test_only_the_frozen_condition_and_the_recorded_sessions_count(recording):
    other = recording["choice"].assign_coords(condition=["untrained"])
    behaviour = xr.concat([recording["choice"], 1 - other.clip(0)], "condition")
    kept = recording.drop_vars("choice").isel(recorded_episode=[3, 7])
    found = psth(kept.assign(choice=behaviour), "outcome", "choice", (-0.1, 0.1)).sel(animal=1)
    np.testing.assert_allclose(found.isel(unit=2), [[RATE] * 4, [RATE, RATE, PLANTED, PLANTED]])
    assert found["n_trials"].sum() == 80


def test_a_label_of_the_task_without_animals_splits_too(recording):
    late = (recording["trial"] >= 20).astype(int) * xr.ones_like(
        recording["choice"].isel(animal=0, condition=0)
    )
    own = recording.assign(late=late.transpose("episode", "step").drop_vars(["animal", "condition"]))
    counts = psth(own, "go", "late", (0, 0.1))["n_trials"]
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
            "no event 'outcom' in a trial. Did you mean 'outcome'\\? There are: go, outcome, cue, choice",
        ),
        ({"by": "chioce"}, "no 'chioce', only .* Did you mean 'choice'"),
        ({"by": "p_reward"}, "dimensions \\(episode, action\\) and no steps"),
        ({"by": "many"}, "'many' has 800 different values in these trials; a PSTH is split by 1 to 20"),
        ({"by": "policy"}, "'policy' has several numbers a trial \\(action\\)"),
        ({"window": (0.2, 0.2)}, "window must be \\(first, last\\) in s, at least a bin of 0.05 s apart"),
        ({"window": (-30, 30)}, "window \\(-30, 30\\) s around 'go' lies in no session as a whole"),
        ({"smoothing": -0.1}, "smoothing must be a standard deviation of at least 0 s, got -0.1"),
    ],
)
def test_what_is_no_psth_is_refused(recording, asked, said):
    steps = recording["choice"].dims
    own = recording.assign(
        many=(steps, np.arange(recording["choice"].size).reshape(recording["choice"].shape)),
        policy=recording["choice"].astype(float).expand_dims(action=2),
    )
    with pytest.raises(InputError, match=said):
        psth(own, **({"event": "go", "by": "choice", "window": (0, 0.2)} | asked))
