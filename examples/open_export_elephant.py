"""Spike statistics of an exported session, with elephant.

pfc-da export runs/bandit --format nwb --sessions 1
python examples/open_export_elephant.py runs/bandit/exports/nwb/sub-*/*.nwb

Nothing of pfc_da is needed to read the file. As long as spikes are drawn from rates by a Poisson process, CV2 and LV are 1,
or more where rates jump from bin to bin; rates, and the part of the Fano factor above 1, are the network's. Trials differ
in duration, so the Fano factor is that of their first half second.
"""

import sys

import neo
import quantities as pq
from elephant.statistics import cv2, fanofactor, isi, lv, mean_firing_rate
from pynwb import NWBHDF5IO

WINDOW = 0.5 * pq.s

with NWBHDF5IO(sys.argv[1], "r") as file:
    nwb = file.read()
    units, trials = nwb.units.to_dataframe(), nwb.trials.to_dataframe()

stop = trials["stop_time"].max()
begins = trials["start_time"].to_numpy() * pq.s
busiest = units.loc[units["spike_times"].map(len).nlargest(10).index]

print("unit  cell type   rate (Hz)   CV2    LV  Fano")
for unit, row in busiest.iterrows():
    train = neo.SpikeTrain(row["spike_times"], units="s", t_stop=stop)
    intervals = isi(train)
    by_trial = [train.time_slice(begin, begin + WINDOW) for begin in begins]
    numbers = (
        float(mean_firing_rate(train).rescale("Hz")),
        float(cv2(intervals)),
        float(lv(intervals)),
        float(fanofactor(by_trial)),
    )
    print(
        f"{unit:4d}  {row['cell_type']:10}  {numbers[0]:9.1f}  " + "  ".join(f"{n:4.2f}" for n in numbers[1:])
    )
