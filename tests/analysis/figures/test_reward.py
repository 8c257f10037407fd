"""Panels of reward: what each draws, and that timings have one of their own only where there are some."""

import numpy as np
import pandas as pd
import pytest

from pfc_da.analysis.behaviour import summary as behaviour
from pfc_da.analysis.figures.panel import draw_svg
from pfc_da.analysis.figures.reward import make_reward_panels, make_timings_panel
from pfc_da.analysis.statistic import summarise
from pfc_da.experiment.result import select_headline
from pfc_da.rollout import TIMINGS

NAMES = ["per_trial", *(timing.name for timing in TIMINGS)]
REWARDS = [
    summarise(f"reward_{name}", [0.5 + place / 50, 0.6], units="reward") for place, name in enumerate(NAMES)
]


def test_the_panel_of_timings_draws_the_frozen_animals_and_every_timing():
    table = behaviour.tabulate_controls(REWARDS, 0.5)
    assert table["condition"].tolist() == ["frozen", *NAMES[1:]]
    svg = draw_svg(make_timings_panel(table, REWARDS))
    for words in ("pace 0.5", "pace 4", "pauses", "fixation longer", "chance"):
        assert words in svg


@pytest.mark.parametrize("n, expected", [(len(REWARDS), ["timings"]), (1, [])])
def test_timings_are_drawn_where_there_are_some(monkeypatch, n, expected):
    empty = pd.DataFrame({"condition": [], "trial": [], "mean": [], "low": [], "high": []})
    monkeypatch.setattr(behaviour, "tabulate_within_session", lambda recording: empty)
    panels = make_reward_panels(None, [pd.DataFrame({"update": []})], REWARDS[:1], REWARDS[:n], 0.5)
    assert [panel.name for panel in panels] == ["learning_curve", "within_session", "controls", *expected]


def test_a_headline_begins_with_reward_and_what_it_is_without_recurrence_and_dopamine():
    keys = [
        "slope",
        "reward_dopamine_clamped",
        "reward_untrained",
        "reward_per_trial",
        "reward_recurrence_cut",
    ]
    statistics = pd.DataFrame({"key": keys, "condition": "", "estimate": np.arange(5.0)})
    table = select_headline(statistics, {("slope", ""): "Slope"})
    assert table["estimate"].tolist() == [3, 4, 1, 0]
    assert table["title"].tolist()[1:] == [
        "Reward per trial, recurrence cut", "Reward per trial, trained without dopamine", "Slope",
    ]  # fmt: skip
    without = select_headline(statistics[statistics["key"] != "reward_dopamine_clamped"], {})
    assert without["key"].tolist() == ["reward_per_trial", "reward_recurrence_cut"]
