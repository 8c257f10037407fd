"""Dopamine of a recording in time, and over training."""

import xarray as xr

from pfc_da.analysis.dopamine.panels import make_response_panel, make_trace_panel
from pfc_da.analysis.dopamine.shift import follow_responses, summarise_responses, tabulate_responses
from pfc_da.analysis.dopamine.trace import summarise_changes, tabulate_traces
from pfc_da.analysis.findings import Findings


def analyse_dopamine(recording: xr.Dataset, updates: int) -> Findings:
    """Bursts and pauses around events, and responses to stimuli and outcomes over training.

    Parameters
    ----------
    recording : xarray.Dataset
    updates : int
        Updates of the whole training.
    """
    responses = summarise_responses(follow_responses(recording, updates))
    figures = [make_trace_panel(tabulate_traces(recording))]
    if any(each.key == "rpe_shift" for each in responses):
        figures.append(make_response_panel(tabulate_responses(responses, updates)))
    return Findings([*summarise_changes(recording), *responses], figures)
