"""The same functions on recorded animals: do mice on two baited ports match?

Choices of Trepka et al. 2021 (doi 10.1038/s41467-021-26784-w), shipped with the package. A CSV of your own
with the columns `animal, session, trial, choice, reward` (choice -1 or 1) is read the same way.

    python examples/recorded_choices.py [choices.csv]
"""

import sys
from importlib.resources import files

import numpy as np

from pfc_da.analysis.behaviour.history import compute_win_stay, fit_history
from pfc_da.analysis.behaviour.matching import count_choices, fit_matching
from pfc_da.analysis.readers.choice_table import read_choices

path = sys.argv[1] if len(sys.argv) > 1 else files("pfc_da.data") / "recorded" / "mouse_foraging.csv.gz"
sessions = read_choices(str(path))

for animal in np.unique(sessions.animal):
    own = sessions.animal == animal
    choice, reward, block = sessions.choice[own], sessions.reward[own], sessions.block[own]
    matching = fit_matching(count_choices(choice, reward, block))
    kernels = fit_history(choice, reward, lags=3)
    print(
        f"{animal}: {own.sum()} sessions, win-stay {compute_win_stay(choice, reward):.2f}, "
        f"matching slope {matching.slope:.2f} [{matching.slope_low:.2f}, {matching.slope_high:.2f}], "
        f"reward one, two, three trials ago {kernels.reward.round(2)}"
    )
