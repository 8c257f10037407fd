"""Peri-event rates of an exported session, with pynapple: the unit that tells reward from no reward best.

pfc-da export runs/bandit --format nwb --sessions 1
python examples/open_export_pynapple.py runs/bandit/exports/nwb/sub-*/*.nwb

Nothing of pfc_da is needed to read the file. The spikes of one session are few and drawn from rates; see docs/export.md.
"""

import sys

import numpy as np
import pynapple as nap

BIN_S, WINDOW_S = 0.1, (-0.2, 0.4)

session = nap.load_file(sys.argv[1])
units, trials = session["units"], session["trials"]
units = units[units["rate"].to_numpy() > 5]  # Hz


def compute_rates(onsets: nap.Ts) -> np.ndarray:
    """Mean rate around the onsets in Hz, dimensions (unit, bin)."""
    aligned = nap.compute_perievent(units, onsets, window=WINDOW_S)
    return np.stack([np.mean(aligned[unit].count(BIN_S).d, axis=1) / BIN_S for unit in units.keys()])


paid = np.asarray(trials["reward"]) > 0
response = np.asarray(trials["response_time"])
rewarded, unrewarded = compute_rates(nap.Ts(response[paid])), compute_rates(nap.Ts(response[~paid]))
place = int(np.abs(rewarded - unrewarded).sum(1).argmax())
best = units.keys()[place]

print(f"unit {best}, {units['cell_type'][best]}, {paid.sum()} rewarded and {(~paid).sum()} unrewarded trials")
print("s after response  rewarded (Hz)  unrewarded (Hz)")
for number, (one, other) in enumerate(zip(rewarded[place], unrewarded[place], strict=True)):
    print(f"{WINDOW_S[0] + (number + 0.5) * BIN_S:16.2f}  {one:13.1f}  {other:15.1f}")
