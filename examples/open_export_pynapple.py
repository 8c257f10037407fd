"""Rates around the outcome of an exported session, with pynapple: the unit that distinguishes reward best.

pfc-da export runs/bandit --format nwb --sessions 1
python examples/open_export_pynapple.py runs/bandit/exports/nwb/sub-*/*.nwb

Nothing of pfc_da is needed to read the file. The unit is chosen on the even trials and shown on the odd ones, as the
best of many units by chance would not be as good again. The spikes of one session are few and drawn from rates; see
docs/export.md.
"""

import sys

import numpy as np
import pynapple as nap

BIN_S, WINDOW_S = 0.1, (-0.5, 1.0)

session = nap.load_file(sys.argv[1])
units, trials = session["units"], session["trials"]
units = units[units["rate"].to_numpy() > 1]  # Hz


def compute_rates(onsets: np.ndarray) -> np.ndarray:
    """Mean rate around the onsets in Hz, dimensions (unit, bin)."""
    aligned = nap.compute_perievent(units, nap.Ts(onsets), window=WINDOW_S)
    return np.stack([np.mean(aligned[unit].count(BIN_S).d, axis=1) / BIN_S for unit in units.keys()])


outcome = np.asarray(trials["response_time"])  # the choice is made, and paid, as the outcome begins
whole = (outcome > -WINDOW_S[0]) & (outcome < trials.end[-1] - WINDOW_S[1])
even, paid = np.arange(len(outcome)) % 2 == 0, np.asarray(trials["reward"]) > 0
chosen_on, shown_on = (
    [compute_rates(outcome[whole & half & kind]) for kind in (paid, ~paid)] for half in (even, ~even)
)
middles = WINDOW_S[0] + (np.arange(chosen_on[0].shape[1]) + 0.5) * BIN_S
place = int(np.abs(chosen_on[0] - chosen_on[1])[:, middles > 0].sum(1).argmax())
best = units.keys()[place]

print(f"unit {best}, {units['cell_type'][best]}, {paid.sum()} rewarded and {(~paid).sum()} unrewarded trials")
print("s after outcome  rewarded (Hz)  unrewarded (Hz)")
for time, one, other in zip(middles, shown_on[0][place], shown_on[1][place], strict=True):
    print(f"{time:15.2f}  {one:13.1f}  {other:15.1f}")
