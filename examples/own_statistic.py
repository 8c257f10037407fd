"""A statistic of one's own, from the recording of a run: reward grows within a session of frozen weights.

python examples/own_statistic.py runs/bandit
"""

import sys

from pfc_da.analysis.statistic import summarise
from pfc_da.recording import read_recording
from pfc_da.trials import per_trial

recording = read_recording(f"{sys.argv[1]}/recording.nc")
reward = per_trial(recording, "reward").sel(condition="frozen")  # (animal, episode, trial)

for name, trials in {"first": slice(0, 5), "last": slice(-5, None)}.items():
    by_animal = reward.isel(trial=trials).mean(["episode", "trial"]).values
    found = summarise("reward_per_trial", by_animal, labels={"trials": f"{name} five trials"}, units="reward")
    interval = f"[{found.low:.3f}, {found.high:.3f}] ({found.interval}, n = {found.n} {found.n_of})"
    print(f"{found.condition}: {found.estimate:.3f} {found.units} {interval}")
