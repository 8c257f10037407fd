"""pfc_da: a prefrontal network trained by dopamine, in the experiments of recorded animals.

Names are imported when they are asked for, so that ``import pfc_da`` loads neither torch nor brian2.
"""

TYPE_CHECKING = False  # as in typing, which takes longer to import than a command to catch its first signal
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Task": "task",
    "Step": "task",
    "task_setting": "task",
    "PFCNetwork": "network",
    "RateNetwork": "network.rate",
    "LSTMNetwork": "network.lstm",
    "DopamineSystem": "dopamine",
    "Block": "dopamine",
    "Stimulate": "dopamine",
    "PlasticityRule": "plasticity",
    "ThreeFactor": "plasticity.three_factor",
    "ActorCriticBPTT": "plasticity.actor_critic_bptt",
    "Condition": "rollout",
    "Experiment": "experiment.experiment",
    "Agent": "agent",
    "Trained": "trained",
    "RunSettings": "settings",
    "setting": "settings",
    "InputError": "errors",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> "Any":
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module 'pfc_da' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pfc_da.{_HOME[name]}"), name)
