"""pfc_da: a prefrontal network trained by dopamine, in the experiments of recorded animals.

Names are imported when they are asked for, so that ``import pfc_da`` loads neither torch nor brian2.
"""

TYPE_CHECKING = False  # as in typing, which takes longer to import than a command to catch its first signal
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Task": "task.Task",
    "Step": "task.Step",
    "Phase": "clock.Phase",
    "task_setting": "task.task_setting",
    "PFCNetwork": "network.PFCNetwork",
    "RateNetwork": "network.rate.RateNetwork",
    "LSTMNetwork": "network.lstm.LSTMNetwork",
    "DopamineSystem": "dopamine.DopamineSystem",
    "Block": "dopamine.Block",
    "Stimulate": "dopamine.Stimulate",
    "PlasticityRule": "plasticity.PlasticityRule",
    "ThreeFactor": "plasticity.three_factor.ThreeFactor",
    "ActorCriticBPTT": "plasticity.actor_critic_bptt.ActorCriticBPTT",
    "Condition": "rollout.Condition",
    "Experiment": "experiment.experiment.Experiment",
    "Agent": "agent.Agent",
    "Trained": "trained.Trained",
    "RunSettings": "settings.RunSettings",
    "setting": "settings.setting",
    "load_paradigm": "paradigms.load",
    "open_run": "paradigms.open_run",
    "InputError": "errors.InputError",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> "Any":
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module 'pfc_da' has no attribute {name!r}")
    module, _, own_name = _HOME[name].rpartition(".")
    return getattr(importlib.import_module(f"pfc_da.{module}"), own_name)
