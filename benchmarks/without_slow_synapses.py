"""Memory without slow synapses: bandit animals with time constants of at most 2 s, with a memory gate and without.

python benchmarks/without_slow_synapses.py [--animals 2] [--sessions 128]

Trains animals of each variant and prints the reward a trial of frozen sessions, with the standard error over sessions: at
the usual pace and slower, with recurrence cut, and with every memory gate held at its mean over time (`gate_held`).
"""

import argparse

import pandas as pd
import torch

from pfc_da import paradigms
from pfc_da.agent import Agent, build_agent
from pfc_da.clock import Timing, cut_evenly, draw_durations
from pfc_da.jobs.processor import prepare_processor
from pfc_da.network import Weights
from pfc_da.replay import cut_recurrence
from pfc_da.rng import torch_stream
from pfc_da.rollout import Rollout, rollout
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.train import Training, train_update
from pfc_da.trained import animal_seed

SHORT = ("network.tau_max=2", "network.fraction_slow=0")
VARIANTS = {"default": (), "no slow synapses": SHORT, "memory gate": (*SHORT, "network.gate_gain=10")}
PACES = (1, 2, 4)
BIN_S = 0.1


def measure(sets: tuple[str, ...], animal: int, sessions: int) -> dict[str, tuple[float, float]]:
    """Train one animal and test it frozen.

    Parameters
    ----------
    sets : tuple of str
        Settings that differ from those of `bandit`, as ``name=value``.
    animal, sessions : int
        Animal to train, and sessions of each test.

    Returns
    -------
    dict of str to (float, float)
        Test -> mean and standard error of the reward a trial.
    """
    experiment = paradigms.load("bandit")
    settings = experiment.settings(sets=sets)
    task, seed = experiment.build_task(settings), animal_seed(settings, animal)
    agent = build_agent(settings, task, seed)
    training = Training(agent.network.init(torch_stream(seed, "birth")), {})
    while training.update < settings.train.updates and not training.diverged:
        training = train_update(agent, settings, task, training, seed)
    effective, test = agent.network.effective(training.weights), experiment.build_task(settings, test=True)
    usual = simulate(agent, settings, test, effective, sessions)
    ablated = {"recurrence_cut": cut_recurrence(effective, average(usual, usual.gating[1:]))}
    if "w_gate" in effective:
        ablated["gate_held"] = hold_gate(agent, effective, usual)
    found = {
        f"pace_{pace}": simulate(agent, settings, test, effective, sessions, pace, kept=1)
        for pace in PACES[1:]
    }
    found |= {name: simulate(agent, settings, test, own, sessions, kept=1) for name, own in ablated.items()}
    rewards = {name: batch.reward_per_trial for name, batch in ({f"pace_{PACES[0]}": usual} | found).items()}
    return {name: (float(own.mean()), float(own.std() / len(own) ** 0.5)) for name, own in rewards.items()}


def simulate(
    agent: Agent,
    settings: RunSettings,
    task: Task,
    effective: Weights,
    sessions: int,
    pace: float = 1.0,
    kept: int | None = None,
) -> Rollout:
    """Frozen sessions; all animals and variants have the same problems and draws."""
    rngs = {
        f"{name}_rng": torch_stream(0, "without_slow_synapses", name) for name in ("task", "choice", "noise")
    }
    time_rng, timing = torch_stream(0, "without_slow_synapses", "time"), Timing(pace=float(pace))
    seconds = draw_durations(task.phases, task.n_trials, sessions, time_rng, timing)
    own = {"feedback": settings.network.feedback_channels, "kept": kept} | rngs
    with torch.no_grad():
        schedule = cut_evenly(seconds, BIN_S)
        return rollout(agent.network, effective, task, agent.dopamine, schedule=schedule, **own)


def average(batch: Rollout, values: torch.Tensor) -> torch.Tensor:
    """Mean over time and sessions of `values` (bin, session, unit); (unit,)."""
    weight = batch.ticks / batch.ticks.sum()
    return torch.einsum("bs,bsu->u", weight, values)


def hold_gate(agent: Agent, effective: Weights, batch: Rollout) -> Weights:
    """Weights with which each memory gate is at its mean over time whatever the input is."""
    leak = agent.network.leak(effective, batch.x)[batch.schedule.step_of_bin]
    mean = torch.logit(average(batch, leak) / 2) / agent.network.settings.gate_gain
    return effective | {"w_gate": torch.zeros_like(effective["w_gate"]), "b_gate": mean}


def main() -> None:
    """Train, test and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--animals", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=128)
    parser.add_argument("--updates", type=int, default=300)
    asked = parser.parse_args()
    prepare_processor()
    for name, sets in VARIANTS.items():
        for animal in range(asked.animals):
            found = measure((*sets, f"train.updates={asked.updates}"), animal, asked.sessions)
            row = pd.Series({test: f"{mean:.3f} ({error:.3f})" for test, (mean, error) in found.items()})
            print(f"{name}, animal {animal}\n{row.to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
