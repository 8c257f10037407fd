"""Plasticity gated by dopamine: the rule on planted pairs of spikes, then the circuit in closed loop."""

import dataclasses
import math
import re
from pathlib import Path

import brian2 as b2
import numpy as np
import pytest

from pfc_da.analysis.interval import compute_mean_interval
from pfc_da.circuits.codegen import TARGET_VARIABLE, prepare_brian2
from pfc_da.circuits.midbrain_parameters import MidbrainParameters
from pfc_da.circuits.stdp import TICK_S, PlasticityParameters, TwoChoiceCircuit, make_synapses
from pfc_da.errors import InputError

SMALL = MidbrainParameters(n_lh=20, n_gaba=20, n_lhb=10, n_rmtg=10, n_da=20)
RULE = PlasticityParameters()


@pytest.fixture(autouse=True, scope="module")
def on_numpy():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TARGET_VARIABLE, "numpy")
        prepare_brian2()
        yield


def pair(lag_ms, dopamine_hz, p=RULE, run_ms=250):
    """One pair of spikes, the postsynaptic `lag_ms` later; dopamine is off its baseline from 100 to 200 ms.

    Gives eligibility and weight at the end of every tick.
    """
    clock = b2.Clock(1 * b2.ms, name="pair_clock")
    source = b2.SpikeGeneratorGroup(1, [0], [31] * b2.ms, clock=clock, name="pair_source")
    target = b2.NeuronGroup(
        1, "v : 1\ndopamine : Hz", threshold="v > 1", reset="v = 0", clock=clock, name="pair_target"
    )
    synapse = make_synapses(b2, source, target, p, (np.array([0]), np.array([0])))
    synapse.w = p.w_start
    c, w = [], []

    def plan(t):
        now = round(float(t / b2.ms))
        target.v = 2.0 if now == 31 + lag_ms else 0.0
        target.dopamine = (dopamine_hz if 100 <= now < 200 else 0.0) * b2.Hz
        if now % 10 == 9:
            c.append(float(synapse.c[0]))
            w.append(float(synapse.w[0]))

    network = b2.Network(
        source, target, synapse, b2.NetworkOperation(plan, clock=clock, when="start", name="pair_plan")
    )
    network.run(run_ms * b2.ms)
    return np.array(c), np.array(w)


@pytest.mark.parametrize(
    ("lag_ms", "expected"),
    [(5, math.exp(-0.25)), (15, math.exp(-0.75)), (-5, -RULE.acausal * math.exp(-0.25))],
)
def test_eligibility_is_the_pair_and_decays_with_its_time_constant(lag_ms, expected):
    for tau_c in (100.0, 500.0):
        c, _ = pair(lag_ms, 0.0, dataclasses.replace(RULE, tau_c=tau_c))
        assert c[2] == 0
        ticks = np.arange(len(c))[5:]
        first = (31 + max(lag_ms, 0)) // 10  # the tick of the later spike
        np.testing.assert_allclose(c[5:], expected * np.exp(-(ticks - first) * 10 / tau_c), rtol=0.08)
        np.testing.assert_allclose(c[6:] / c[5:-1], math.exp(-10 / tau_c))


@pytest.mark.parametrize("dopamine_hz", [10.0, -10.0])
@pytest.mark.parametrize("lag_ms", [5, -5])
def test_weights_go_with_dopamine_times_eligibility(lag_ms, dopamine_hz):
    c, w = pair(lag_ms, dopamine_hz)
    change = w[-1] - RULE.w_start
    expected = RULE.eta * dopamine_hz * c[9:19].sum() * TICK_S
    assert change == pytest.approx(expected, rel=0.03)
    assert np.sign(change) == np.sign(lag_ms) * np.sign(dopamine_hz)
    assert (w[:10] == RULE.w_start).all() and (
        w[20:] == w[-1]
    ).all()  # only while dopamine is off its baseline


def test_at_baseline_or_without_a_rate_of_learning_nothing_changes():
    for p, dopamine_hz in ((RULE, 0.0), (dataclasses.replace(RULE, eta=0.0), 10.0)):
        c, w = pair(5, dopamine_hz, p)
        assert c.max() > 0.5 and (w == RULE.w_start).all()


def test_weights_stay_between_none_and_the_largest():
    for dopamine_hz, end in ((1e4, RULE.w_max), (-1e4, 0.0)):
        assert pair(5, dopamine_hz)[1][-1] == end


@pytest.fixture(scope="module")
def trained():
    """Few agents and trials with a small midbrain."""
    circuit = TwoChoiceCircuit(6, seed=2, midbrain=SMALL)
    start = circuit.mean_weight()
    return circuit, start, circuit.learn(6)


def test_a_trial_is_what_the_task_says(trained):
    circuit, _, happened = trained
    assert {len(each) for each in happened} == {6}
    assert happened.pool_hz.shape == (6, 6, 2) and happened.weight.shape == (6, 6, 2, 2)
    right = circuit.right_action[np.arange(6), happened.stimulus]
    np.testing.assert_array_equal(happened.is_correct, happened.choice == right)
    fired = np.take_along_axis(happened.pool_hz, happened.choice[..., None], -1)[..., 0]
    np.testing.assert_array_equal(fired, happened.pool_hz.max(-1))
    assert np.mean(happened.reward == happened.is_correct) > 0.7
    assert 5 < fired.mean() < 60


def test_dopamine_tells_what_was_better_or_worse_than_expected(trained):
    _, _, happened = trained
    error = happened.reward - happened.value
    assert np.corrcoef(error.ravel(), happened.dopamine_hz.ravel())[0, 1] > 0.9
    value = np.full((6, 2), 0.5)
    for stimulus, before, dopamine in zip(
        happened.stimulus, happened.value, happened.dopamine_hz, strict=True
    ):
        np.testing.assert_allclose(before, value[np.arange(6), stimulus])
        value[np.arange(6), stimulus] = np.clip(before + RULE.eta_value * dopamine, 0, 1)


def test_weights_that_made_the_choice_go_with_dopamine(trained):
    """Those from the stimulus shown to the pool that acted move the way of dopamine, the others hardly at all."""
    _, start, happened = trained
    change = np.diff(np.concatenate([start[None], happened.weight]), axis=0)
    trial, agent = np.indices(happened.choice.shape)
    made = change[trial, agent, happened.stimulus, happened.choice]
    other = change[trial, agent, 1 - happened.stimulus]
    clear = np.abs(happened.dopamine_hz) > 2
    assert clear.sum() > 15
    assert (np.sign(made) == np.sign(happened.dopamine_hz))[clear].mean() > 0.9
    assert np.abs(other).mean() < 0.2 * np.abs(made).mean()


def test_dopamine_without_outcomes_rests_at_its_baseline_and_weights_with_it(trained):
    """Also where cells at rest fire otherwise than those the channel was calibrated on."""
    circuit = TwoChoiceCircuit(6, seed=2, midbrain=dataclasses.replace(SMALL, drive_da=9.3))
    assert circuit.baseline_hz > trained[0].baseline_hz + 1
    start = circuit.mean_weight()
    happened = circuit.learn(6, with_outcomes=False)
    assert np.abs(happened.dopamine_hz.mean()) < 3 * happened.dopamine_hz.std() / np.sqrt(36) + 0.1
    change, learned = (happened.weight[-1] - start), (trained[2].weight[-1] - trained[1])
    assert np.abs(change).mean() < 0.3 * np.abs(learned).mean()
    np.testing.assert_array_equal(happened.stimulus[0], trained[2].stimulus[0])  # the same start otherwise


def test_no_trial_is_refused(trained):
    with pytest.raises(InputError, match=r"^n_trials must be 1 or more, got 0\.$"):
        trained[0].learn(0)


def test_every_parameter_is_on_its_page():
    page = (Path(__file__).resolve().parents[2] / "docs" / "stdp.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^ ]+) \|", page, flags=re.MULTILINE))
    assert rows == {name: f"{value:g}" for name, value in dataclasses.asdict(RULE).items()}


@pytest.mark.slow
@pytest.mark.parametrize(("with_outcomes", "low", "high"), [(True, 0.85, 1.0), (False, 0.4, 0.6)])
def test_agents_learn_if_dopamine_tells_of_outcomes_and_only_then(with_outcomes, low, high, monkeypatch):
    """P(correct) of trials 61 to 80, mean of 32 agents."""
    monkeypatch.setenv(TARGET_VARIABLE, "cython")
    circuit = TwoChoiceCircuit(32, seed=1)
    happened = circuit.learn(80, with_outcomes=with_outcomes)
    assert low <= happened.is_correct[60:].mean() <= high
    if not with_outcomes:  # weights of right and wrong actions stay alike
        is_right = np.arange(2) == circuit.right_action[..., None]
        difference = (happened.weight[-1] * np.where(is_right, 0.5, -0.5)).sum((1, 2))
        below, above = compute_mean_interval(difference)
        assert below < 0 < above
