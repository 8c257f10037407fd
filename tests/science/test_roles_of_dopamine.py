"""Two roles of dopamine taken apart (simulation 6 of Wang et al. 2018, doi 10.1038/s41593-018-0147-8), with a local rule.

An actor that receives only dopamine shifts its choices when dopamine is changed though no weight does; one that receives the
reward does not; and with the weights plastic and memory cut, the same change shifts choices over sessions instead.
"""

import dataclasses
import tempfile

import numpy as np
import pytest

from pfc_da.paradigms.lever_stimulation import EXPERIMENT, MANIPULATIONS
from pfc_da.rollout import CONTROLS

SHORT = ("train.updates=450", "replay.sessions=160", "replay.held_out_sessions=160", "replay.unit_sessions=8")
DIRECTION = {"risky_win_blocked": -1, "safe_reward_blocked": 1, "risky_loss_stimulated": 1}


def run(*sets, animals, plastic=True):
    """Statistics of the full-size manipulations by key and condition."""
    kept = tuple(
        condition
        for condition in EXPERIMENT.conditions
        if condition in CONTROLS or condition.name in MANIPULATIONS or (plastic and condition.plastic)
    )
    experiment = dataclasses.replace(EXPERIMENT, conditions=kept)
    with tempfile.TemporaryDirectory() as out:
        statistics = experiment.run(animals=animals, sets=sets, out=out).statistics
    return statistics.set_index(["key", statistics["condition"].fillna("")])


def assert_dopamine_steers_choices(found, at, least):
    assert found.loc["p_risky", "control p=0.5"]["estimate"] > 0.7
    for name, sign in DIRECTION.items():
        shift = found.loc["p_risky_shift", f"{name} p={at[name]}"]
        assert sign * shift["estimate"] > least
        if shift["n"] > 2:  # the interval over two animals is 13 standard errors wide
            assert sign * shift["low"] > 0 and sign * shift["high"] > 0


def test_after_a_short_training_changed_dopamine_steers_choices_of_frozen_animals():
    found = run(*SHORT, animals=2)
    at = dict.fromkeys(MANIPULATIONS, 0.125) | {"risky_win_blocked": 0.5}
    assert_dopamine_steers_choices(found, at, least=0.01)
    assert found.loc["p_risky_shift", "risky_win_blocked p=0.5"]["estimate"] < -0.1
    assert found.loc["p_risky", "hidden_reset p=0.5"]["estimate"] == pytest.approx(0.5, abs=0.05)
    for name, sign in DIRECTION.items():
        early, late = (
            found.loc["p_risky_shift_plastic", f"{name} {when}"]["estimate"] for when in ("early", "late")
        )
        assert sign * late > sign * early  # it takes sessions


def test_an_actor_that_receives_the_reward_is_not_steered():
    found = run(*SHORT, "network.feedback=reward", animals=1, plastic=False)
    assert found.loc["p_risky", "control p=0.5"]["estimate"] > 0.7
    shifts = found.loc["p_risky_shift"]["estimate"].to_numpy()
    np.testing.assert_array_equal(shifts, np.zeros(6))


@pytest.mark.slow
def test_trained_as_the_defaults_say_all_three_shifts_are_large():
    found = run(animals=4)
    assert_dopamine_steers_choices(
        found, {"risky_win_blocked": 0.5, "safe_reward_blocked": 0.125, "risky_loss_stimulated": 0.125}, 0.2
    )
    assert found.loc["p_risky", "control p=0.125"]["estimate"] < 0.3
    assert found.loc["p_risky_shift_plastic", "risky_win_blocked late"]["high"] < -0.1
