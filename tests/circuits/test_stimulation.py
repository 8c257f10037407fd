"""Current into some cells: parsing, the cells that receive it, and when."""

import re

import numpy as np
import pytest

from pfc_da.circuits.stimulation import Stimulation
from pfc_da.errors import InputError
from pfc_da.network.rate import RateNetwork
from pfc_da.paradigms.bandit import Bandit
from pfc_da.settings import RateNetworkSettings


def test_a_stimulation_is_given_by_its_keys():
    assert Stimulation.parse("current=-0.3, fraction=.2,phase=cue") == Stimulation(
        current=-0.3, fraction=0.2, phase="cue"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("current=0.3", "a stimulation needs fraction"),
        ("current=a,fraction=1", "current of a stimulation must be a number, got 'a'"),
        ("current=0,fraction=1", "current must be a number other than 0"),
        ("current=nan,fraction=1", "current of a stimulation must be a number, got 'nan'"),
        ("current=１,fraction=1", "current of a stimulation must be a number"),
        (
            "current=1e9,fraction=1",
            "current must be a number other than 0, -100 to 100 (thresholds), got 1000000000",
        ),
        ("current=1,current=2,fraction=1", "current of a stimulation is given twice"),
        ("fraction=,current=1", "fraction of a stimulation needs a value"),
        ("", "no KEY=VALUE of a stimulation: ''"),
        ("current=1,fraction=20", "fraction must be above 0 and at most 1"),
        ("current=1,fraction=1,cells=excitatry", "no cells 'excitatry'. Did you mean 'excitatory'"),
        ("current=1,fraction=1,phse=cue", "no KEY=VALUE of a stimulation: 'phse=cue'. Did you mean 'phase'"),
        ("current", "current of a stimulation needs a value, such as current=0.3,fraction=0.2."),
    ],
)
def test_what_is_no_stimulation_is_refused(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Stimulation.parse(text)


def choose(cells, fraction=0.25, k=3):
    network = RateNetwork(4, 2, RateNetworkSettings(n_units=20))
    chosen = Stimulation(current=1, fraction=fraction, cells=cells).choose(
        network, k, np.random.default_rng(0)
    )
    return chosen, np.repeat(network.is_excitatory.numpy(), k)


@pytest.mark.parametrize("cells, among", [("all", 60), ("excitatory", 48), ("inhibitory", 12)])
def test_the_fraction_is_of_the_cells_named(cells, among):
    chosen, excitatory = choose(cells)
    assert chosen.sum() == among / 4
    assert {
        "all": True,
        "excitatory": not chosen[~excitatory].any(),
        "inhibitory": not chosen[excitatory].any(),
    }[cells]


def test_at_least_one_cell_is_stimulated():
    assert choose("all", fraction=0.001)[0].sum() == 1


def test_current_flows_in_its_phase_only():
    task, chosen = Bandit(n_trials=2), np.array([True, False, True])
    current = Stimulation(current=-0.5, fraction=1, phase="feedback").inject(task, chosen)
    assert current.shape == (task.n_steps, 3)
    on = np.array([task.phase(step).name == "feedback" for step in range(task.n_steps)])
    assert on.sum() == 2 and (current[on] == [-0.5, 0, -0.5]).all() and (current[~on] == 0).all()
    always = Stimulation(current=2, fraction=1).inject(task, chosen)
    assert (always == [2, 0, 2]).all()


def test_a_phase_that_no_trial_has_is_refused():
    stimulation = Stimulation(current=1, fraction=1, phase="feedbck")
    message = (
        "no phase 'feedbck'. Did you mean 'feedback'? There are: fixation, go, feedback, rest, interval."
    )
    with pytest.raises(InputError, match=re.escape(message)):
        stimulation.require_phase(Bandit())
    Stimulation(current=1, fraction=1).require_phase(Bandit())
