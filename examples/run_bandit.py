"""Train animals on the two-armed bandit, freeze their weights, and compare them with ideal observers.

python examples/run_bandit.py              # four animals, some minutes
python examples/run_bandit.py --quick      # two animals, half-trained, half a minute
"""

import argparse

import pfc_da

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--quick", action="store_true")
parser.add_argument("--out", default="runs/bandit", help="run folder; the same command continues it")
arguments = parser.parse_args()

if __name__ == "__main__":  # animals are trained in processes of their own
    experiment = pfc_da.load_paradigm("bandit")
    animals = 2 if arguments.quick else 4
    result = experiment.run(animals=animals, seed=0, quick=arguments.quick, out=arguments.out)

    print(result)  # the headline with n
    columns = ["key", "condition", "simulated", "reference", "verdict", "source"]
    print(result.comparison.dropna(subset="simulated")[columns].to_string(index=False))
    reward = result.recording["held_out_reward"].mean("held_out_episode")  # (animal, condition)
    print(reward.to_pandas().round(3))
