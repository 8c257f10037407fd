"""Legends stand outside the axes, where no mark can lie under them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from pfc_da.analysis.figures.choices import make_history_panel, make_matching_panel, make_raster_panel
from pfc_da.analysis.figures.reward import make_controls_panel, make_learning_panel, make_within_session_panel
from pfc_da.analysis.figures.spiking import make_spikes_panel
from pfc_da.analysis.figures.style import STYLE, draw_legend_above
from pfc_da.analysis.figures.units import make_selectivity_panel
from pfc_da.analysis.statistic import Statistic

BOUNDS = {"low": 0.1, "high": 0.9}
LAGS = pd.DataFrame({"kind": ["choice", "reward"], "lag": [1, 1], "estimate": 0.5, **BOUNDS})
INCOME = pd.DataFrame({"log_income_ratio": [-1.0, 1.0], "log_choice_ratio": [-1.0, 1.0], "bias": 0.0})
CURVE = pd.DataFrame({"animal": ["0", "mean"], "trials": [1, 1], "reward_per_trial": 0.5, **BOUNDS})
SESSION = pd.DataFrame({"condition": ["frozen"], "trial": [0], "mean": 0.5, **BOUNDS})
CHOICES = {"choice": [0, 1], "reward": [1.0, 0.0], "p_a": 0.5, "p_b": 0.2}
SLOPE = Statistic(
    key="matching_slope", estimate=0.8, low=0.7, high=0.9, interval="", n=2, n_of="animals", units="1"
)
PANELS = [
    make_history_panel(LAGS, []),
    make_matching_panel(INCOME.assign(slope=0.8, slope_low=0.7, slope_high=0.9), SLOPE),
    make_raster_panel(pd.DataFrame({"episode": 0, "trial": [0, 1], **CHOICES})),
    make_learning_panel(CURVE),
    make_within_session_panel(SESSION),
    make_controls_panel(pd.DataFrame({"condition": ["frozen"], "estimate": 0.5, "chance": 0.4, **BOUNDS}), []),
    make_spikes_panel(pd.DataFrame({"row": [0, 1], "is_excitatory": [True, False], "time": [0.1, 0.2], "trial_start": 0.0})),
    make_selectivity_panel(pd.DataFrame({"variable": ["choice"], "fraction": 0.5, "reference": np.nan, **BOUNDS}), []),
]  # fmt: skip


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
def test_no_legend_lies_over_the_axes(panel):
    with rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.7))
        ax = panel.plots[-1](panel.table, figure.subplots())
        figure.canvas.draw()
    legend, inside = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= inside.y1 - 1 and figure.bbox.y1 >= legend.y1


def test_axes_without_a_label_have_no_legend():
    ax = Figure().subplots()
    ax.plot([0, 1])
    draw_legend_above(ax)
    assert ax.get_legend() is None
