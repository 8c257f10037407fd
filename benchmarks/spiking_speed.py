"""Duration of spiking sessions in closed loop with their task, in one process.

python benchmarks/spiking_speed.py [--sessions 128] [--trials 100]

Simulates untrained animals as spiking neurons, all sessions in parallel, in trials of 200 and of 300 ms, after
compiling, and
prints seconds of wall and CPU.
"""

import argparse
import time

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.circuits.spiking_pfc import SpikingPFC
from pfc_da.jobs.processor import prepare_processor
from pfc_da.replay import arrange_sessions
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN, close_loop
from pfc_da.task import STEP_S

TASKS = ("bandit", "lever_stimulation")


def measure(paradigm: str, sessions: int, trials: int) -> str:
    """Simulate one paradigm and measure the time.

    Parameters
    ----------
    paradigm : str
    sessions, trials : int
        Sessions, and trials per session.

    Returns
    -------
    str
        One line with the result.
    """
    experiment = paradigms.load(paradigm)
    settings = experiment.settings(sets=[f"task.n_trials={trials}"])
    task = experiment.build_task(settings)
    agent = build_agent(settings, task)
    effective = agent.network.effective(agent.network.init(torch_stream(settings.seed, "birth")))
    neurons = SpikingPFC(agent.network, sessions)  # compiles if necessary
    loop = close_loop(
        agent.network,
        effective,
        task,
        **arrange_sessions(agent, settings, FROZEN, animal=0, first=0, sessions=sessions),
    )
    wall, cpu = time.perf_counter(), time.process_time()
    neurons.run(loop, effective, task.n_steps, seed=0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    trial_ms = 1000 * STEP_S * len(task.phases)
    what = f"{sessions} sessions x {trials} trials of {trial_ms:.0f} ms, {neurons.n_neurons} neurons each"
    return f"{what}: {wall:.1f} s wall, {cpu:.1f} s CPU"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=128)
    parser.add_argument("--trials", type=int, default=100)
    asked = parser.parse_args()
    prepare_processor()
    for paradigm in TASKS:
        print(measure(paradigm, asked.sessions, asked.trials), flush=True)


if __name__ == "__main__":
    main()
