"""Contracts of every plasticity rule: rules are found in the folder, so new ones are tested as well."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from pfc_da import plasticity, settings
from pfc_da.agent import NETWORKS, RULES, build_agent
from pfc_da.clock import Phase, cut_evenly, draw_durations
from pfc_da.plasticity import PlasticityRule
from pfc_da.plasticity.synaptic_step import STEPS
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout
from pfc_da.settings import resolve
from pfc_da.task import Step, Task
from pfc_da.train import Training, train_update


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneArmPays(Task):
    """Two arms, of which `arm` always pays and the other never; the easiest thing there is to learn."""

    n_trials: int = 4
    arm: int = 0

    phases: ClassVar = (
        Phase("choice", (0.2, 0.3), choice=True),
        Phase("outcome", (0.2, 0.2), paced=False, feedback=True),
    )
    n_actions: ClassVar[int] = 2
    observation_size: ClassVar[int] = 1

    def reset(self, rng, batch):
        return None, Step(torch.ones(batch, 1), torch.zeros(batch), {})

    def step(self, state, action):
        return None, Step(torch.ones(len(action), 1), (action == self.arm).float(), {})

    def problem_labels(self, state):
        return {}


def found_rules():
    """Every rule class in pfc_da/plasticity."""
    for module in pkgutil.iter_modules(plasticity.__path__):
        members = vars(importlib.import_module(f"pfc_da.plasticity.{module.name}")).values()
        for rule in members:
            if inspect.isclass(rule) and issubclass(rule, PlasticityRule) and rule is not PlasticityRule:
                yield rule


def fits(rule, network):
    return rule != "three-factor" or network == "rate"


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OWN_RULE, OWN_NETWORK = (str(EXAMPLES / name) for name in ("read_out_only.py", "two_time_constants.py"))
PAIRS = [(rule, network) for rule in RULES for network in NETWORKS if fits(rule, network)]
PAIRS += [(OWN_RULE, "rate"), ("three-factor", OWN_NETWORK)]
every_pair = pytest.mark.parametrize("rule, network", PAIRS, ids=lambda kind: Path(kind).stem)


def settings_of(rule, network, *sets):
    tiny = {
        "paradigm": "none",
        "network": {"kind": network, "n_units": 8},
        "rule": {"kind": rule, "learning_rate": 0.02, "discount": 0.7},
        "train": {"updates": 60, "sessions": 16, "slowest": 1.0},
    }
    return resolve([], options=tiny, sets=sets)


def one_change(rule, network, *, entropy=0.05, seed=0):
    agent = build_agent(settings_of(rule, network), OneArmPays())
    weights = agent.network.init(torch_stream(seed, "birth"))
    with torch.set_grad_enabled(agent.rule.needs_autograd):
        if agent.rule.needs_autograd:
            weights = {name: tensor.requires_grad_() for name, tensor in weights.items()}
        streams = {f"{name}_rng": torch_stream(seed, name) for name in ("task", "choice", "noise")}
        seconds = draw_durations(OneArmPays.phases, 4, 6, torch_stream(seed, "time"))
        batch = rollout(
            agent.network,
            agent.network.effective(weights),
            OneArmPays(),
            agent.dopamine,
            schedule=cut_evenly(seconds, 0.1),
            **streams,
        )
        before = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return before, weights, agent.rule.change(agent.network, weights, batch, entropy)


def test_every_rule_of_the_folder_can_be_asked_for_by_its_name():
    assert set(found_rules()) == set(RULES.values())


def test_every_kind_has_settings_and_a_class_under_the_same_name():
    assert [*settings.RULES] == [*RULES]
    assert [*settings.NETWORKS] == [*NETWORKS]
    assert {kind: rule.settings_class for kind, rule in RULES.items()} == settings.RULES
    assert {kind: network.settings_class for kind, network in NETWORKS.items()} == settings.NETWORKS
    for kinds in settings.KINDS.values():
        assert {name: own().kind for name, own in kinds.items()} == {name: name for name in kinds}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_shows_its_equation_and_cites_its_source(rule):
    text = inspect.getmodule(rule).__doc__
    assert "References" in text
    assert re.search(r"10\.\d{4,9}/\S+", text)
    assert re.search(r"^    \S.* = ", text, re.MULTILINE), "no equation"


@every_pair
def test_a_change_has_the_names_and_shapes_of_the_weights_and_touches_none(rule, network):
    before, weights, change = one_change(rule, network)
    assert change.keys() == weights.keys()
    for name, tensor in change.items():
        assert tensor.shape == weights[name].shape
        assert torch.isfinite(tensor).all()
        assert not tensor.requires_grad
        assert torch.equal(weights[name], before[name])


@every_pair
def test_a_change_is_the_same_bits_again_and_draws_no_hidden_numbers(rule, network):
    generator = torch.get_rng_state()
    first, again = one_change(rule, network)[2], one_change(rule, network)[2]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(generator, torch.get_rng_state())


def trained(rule, network, task, *sets, updates=60):
    settings = settings_of(rule, network, *sets)
    agent = build_agent(settings, task)
    training = Training(agent.network.init(torch_stream(0, "birth")), {})
    for _ in range(updates):
        training = train_update(agent, settings, task, training, seed=0)
    return training


@every_pair
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("arm", [0, 1])
def test_every_rule_learns_which_arm_pays(rule, network, step, arm):
    fast = {"adam": "rule.learning_rate=0.02", "sgd": "rule.learning_rate=2"}[step]
    curve = trained(rule, network, OneArmPays(arm=arm), f"rule.synaptic_step={step}", fast).curve
    assert curve[0][3] == pytest.approx(0.5, abs=0.25)
    assert sum(row[3] for row in curve[-10:]) / 10 > 0.9


@every_pair
@pytest.mark.parametrize("step", STEPS)
def test_learning_rate_zero_changes_nothing(rule, network, step):
    sets = ("rule.learning_rate=0", f"rule.synaptic_step={step}")
    before = trained(rule, network, OneArmPays(), updates=0).weights
    after = trained(rule, network, OneArmPays(), *sets, updates=5).weights
    assert all(torch.equal(before[name], after[name]) for name in before)


@every_pair
def test_without_reward_nothing_is_preferred(rule, network):
    """Nobody pays: whatever is learned, no arm comes to be chosen always."""
    task = OneArmPays(arm=7)
    curve = trained(rule, network, task, "rule.entropy=0.05", "rule.entropy_until=1").curve
    assert all(row[3] == 0 for row in curve)
    assert curve[-1][5] > 0.6  # of log 2 = .69
