"""Train RecurrentPPO of sb3-contrib on a bandit: another agent, another library, the same task.

Arms pay with .9 and .1; which is which is new in every session, so within a session the agent has to find out.

python examples/recurrent_ppo.py [--steps N]      # needs gymnasium and sb3-contrib, both in pfc_da[dev]; a minute
"""

import argparse

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.env_util import make_vec_env

import pfc_da.gymnasium_env  # noqa: F401  (registers the ids)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=80_000, help="environment steps of training")
arguments = parser.parse_args()

torch.set_num_threads(
    1
)  # the network is small: more threads cost several times the CPU time, and no less wall time

TASK = {"arms": "correlated_easy", "n_trials": 20}
SESSIONS = 200


def run_sessions(agent: RecurrentPPO) -> np.ndarray:
    """Performance (1: the better arm) of a trained agent, (trial, session), all sessions at once."""
    envs = gymnasium.make_vec("pfc_da/Bandit-v0", num_envs=SESSIONS, **TASK)
    observation, _ = envs.reset(seed=1)
    state, start, performance = None, np.ones(SESSIONS, dtype=bool), []
    while not start.all() or not performance:
        action, state = agent.predict(observation, state=state, episode_start=start)
        observation, _, start, _, info = envs.step(action)
        if info["new_trial"].all():
            performance.append(info["performance"])
    return np.array(performance)


envs = make_vec_env("pfc_da/Bandit-v0", n_envs=16, seed=0, env_kwargs=TASK)
agent = RecurrentPPO(
    "MlpLstmPolicy",
    envs,
    n_steps=100,  # a session: 20 trials of five phases, one step each
    batch_size=1600,
    learning_rate=3e-3,
    gamma=0.6,
    ent_coef=0.0,  # actions of the other phases do nothing
    policy_kwargs={"lstm_hidden_size": 48, "net_arch": []},
    seed=0,
)
for when in ("before", "after"):
    performance = run_sessions(agent)
    first, last = performance[0].mean(), performance[-5:].mean()
    print(
        f"{when} {agent.num_timesteps} steps: better arm on trial 1 {first:.2f}, on the last five {last:.2f}"
    )
    if when == "before":
        agent.learn(arguments.steps)
