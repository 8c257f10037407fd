"""Duration of spiking sessions in closed loop with their task, in one process.

python benchmarks/spiking_speed.py [--sessions 128] [--trials 20]

Simulates untrained animals as spiking neurons, all sessions in parallel, after compiling, and prints seconds of wall and
CPU, and seconds of simulated sessions a second of CPU.
"""

import argparse
import time

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.circuits.spiking_pfc import SpikingPFC
from pfc_da.clock import TICK_S
from pfc_da.jobs.processor import prepare_processor
from pfc_da.replay import arrange_sessions
from pfc_da.rng import torch_stream
from pfc_da.rollout import FROZEN, close_loop

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
    arranged = arrange_sessions(agent, settings, task, FROZEN, animal=0, first=0, sessions=sessions)
    loop = close_loop(agent.network, effective, task, **arranged, kept=0)
    wall, cpu = time.perf_counter(), time.process_time()
    batch, _ = neurons.run(loop, effective, seed=0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    seconds = float(batch.schedule.duration_ticks[:, 0].sum()) * TICK_S
    what = f"{paradigm}: {sessions} sessions of {seconds:.0f} s, {neurons.n_neurons} neurons each"
    return f"{what}: {wall:.1f} s wall, {cpu:.1f} s CPU, {sessions * seconds / cpu:.0f} times real time"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=128)
    parser.add_argument("--trials", type=int, default=20)
    asked = parser.parse_args()
    prepare_processor()
    for paradigm in TASKS:
        print(measure(paradigm, asked.sessions, asked.trials), flush=True)


if __name__ == "__main__":
    main()
