"""The whole analysis of units on a small recording: what it returns, and that its panels draw their tables."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pfc_da.analysis.figures.panel import draw_svg
from pfc_da.analysis.units.coding import analyse_coding
from pfc_da.trials import per_trial


@pytest.fixture(scope="module")
def found(build_recording):
    """Two animals with the choice in unit 0 and the last choice in unit 1."""
    recording = build_recording(shape=(2, 8, 40)).assign_coords(tau=("unit", np.arange(6) / 10))
    behaviour = (per_trial(recording, name).sel(condition="frozen") for name in ("choice", "reward"))
    behaviour = [each.transpose("animal", "episode", "trial").values for each in behaviour]
    return analyse_coding(recording, *behaviour, {}, rng=np.random.default_rng(0))


def test_statistics_are_by_phase_and_over_all_phases(found):
    names = {(each.key, each.condition) for each in found.statistics}
    assert len(names) == len(found.statistics)
    assert {("fraction_selective", "choice"), ("fraction_selective_any", "reward wrong_sessions")} <= names
    assert {name for key, name in names if key == "coding_latency"} == {"object_value", "choice"}
    units = found.tables["units"]
    by_name = {(each.key, each.condition): each.estimate for each in found.statistics}
    assert (units.query("unit == 0")["p_choice"] < 1e-6).all()
    assert by_name["fraction_selective", "choice"] == np.mean(units["p_choice"] < 0.05)
    assert by_name["fraction_selective_any", "choice"] >= 1 / 6


def test_tables_of_the_browser_are_there(found):
    assert set(found.tables) == {"units", "unit_activity", "unit_trials", "unit_spikes"}
    assert {"latency_choice_s", "p_choice"} <= set(found.tables["units"])


def test_panels_in_time_draw_every_number_against_its_time(found):
    panels = {panel.name: panel for panel in found.figures}
    assert list(panels) == ["selectivity", "selectivity_in_time", "decoding_in_time"]
    for name, column in (("selectivity_in_time", "fraction"), ("decoding_in_time", "accuracy")):
        panel = panels[name]
        for plot, event in zip(panel.plots, ("cue", "choice"), strict=True):
            ax = plot(panel.table, Figure().subplots())
            assert ax.get_xlabel() == f"time from {event} (s)"
            lines = {line.get_label(): line for line in ax.lines}
            own = panel.table.query("event == @event and variable == 'choice'")
            np.testing.assert_allclose(lines["choice"].get_xydata(), own[["time_s", column]])
            at = {float(line.get_xdata()[0]) for line in ax.lines if len(set(line.get_xdata())) == 1}
            assert at == {0.0, own["other_event_s"].iloc[0]}
        assert "time from cue (s)" in draw_svg(panel)
