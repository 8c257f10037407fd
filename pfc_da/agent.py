"""An agent: a network, the dopamine it computes and the rule that trains it, put together from settings."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pfc_da import discovery
from pfc_da.dopamine import DopamineCells, DopamineChannel, DopamineSystem, UnequalErrors
from pfc_da.errors import InputError
from pfc_da.network import PFCNetwork
from pfc_da.network.lstm import LSTMNetwork
from pfc_da.network.rate import RateNetwork
from pfc_da.plasticity import PlasticityRule
from pfc_da.plasticity.actor_critic_bptt import ActorCriticBPTT
from pfc_da.plasticity.three_factor import ThreeFactor
from pfc_da.rollout import input_size
from pfc_da.settings import DopamineSettings, RunSettings
from pfc_da.task import Task

NETWORKS: dict[str, type[PFCNetwork]] = {"rate": RateNetwork, "lstm": LSTMNetwork}
"""Kind of network -> network; `pfc_da.settings.NETWORKS` has the settings."""
RULES: dict[str, type[PlasticityRule]] = {"three-factor": ThreeFactor, "bptt": ActorCriticBPTT}
"""Kind of rule -> rule; `pfc_da.settings.RULES` has the settings."""


@dataclasses.dataclass(frozen=True)
class Agent:
    """A network, the dopamine it computes, and the rule that trains it, for one task."""

    network: PFCNetwork
    rule: PlasticityRule
    dopamine: DopamineSystem


def build_agent(settings: RunSettings, task: Task, seed: int = 0) -> Agent:
    """Put together what `settings` name.

    Parameters
    ----------
    settings : RunSettings
    task : Task
    seed : int
        Draws the fixed feedback weights of the rule.

    Raises
    ------
    InputError
        If the rule cannot train the network.
    """
    network_class = _find_class("network", settings.network.kind)
    rule_class = _find_class("rule", settings.rule.kind)
    if rule_class is ThreeFactor and not issubclass(network_class, RateNetwork):
        raise InputError(
            "rule 'three-factor' needs the eligibility of network 'rate', got network "
            f"{settings.network.kind!r}. Use --network rate, or --rule bptt."
        )
    channels = input_size(task, settings.network.feedback_channels)
    network = network_class(channels, task.n_actions, settings.network)
    rule = rule_class(settings.rule, seed)
    return Agent(
        network, rule, DopamineSystem(settings.rule.discount, channel=_build_channel(settings.dopamine))
    )


def _find_class(group: str, kind: str) -> Any:
    built_in: Mapping[str, type] = NETWORKS if group == "network" else RULES
    return built_in.get(kind) or discovery.find_own(group, kind)


def _build_channel(settings: DopamineSettings) -> DopamineChannel | None:
    if settings.channel == "cells":
        return DopamineCells.calibrated(settings.scale)
    if settings.asymmetry or settings.noise:
        return UnequalErrors(settings.asymmetry, settings.noise)
    return None
