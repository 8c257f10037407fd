"""The whole analysis of a recording of two levers."""

import numpy as np
import xarray as xr

from pfc_da.analysis.findings import Findings
from pfc_da.analysis.lever_stimulation.outcome_effects import summarise_kernels
from pfc_da.analysis.lever_stimulation.panels import (
    make_dose_panel,
    make_effect_panel,
    make_p_risky_panel,
    make_plastic_panel,
    make_session_panel,
)
from pfc_da.analysis.lever_stimulation.risky_choices import (
    compute_shifts,
    summarise_dose_slopes,
    summarise_p_risky,
    summarise_plastic_shifts,
    summarise_shifts,
)
from pfc_da.analysis.lever_stimulation.tables import (
    tabulate_doses,
    tabulate_kernels,
    tabulate_p_risky,
    tabulate_plastic,
    tabulate_sessions,
)
from pfc_da.analysis.lever_stimulation.trials import CONTROL, get_trials
from pfc_da.analysis.lever_stimulation.units import analyse_units


def analyse_levers(recording: xr.Dataset, *, rng: np.random.Generator) -> Findings:
    """Every statistic and panel of the levers; a condition that was not replayed has none.

    Parameters
    ----------
    recording : xarray.Dataset
    rng : numpy.random.Generator
    """
    trials = get_trials(recording)
    p_risky, shifts_by_dose = summarise_p_risky(trials), compute_shifts(trials)
    shifts, kernels = summarise_shifts(shifts_by_dose), summarise_kernels(trials)
    coding = Findings([])
    if "activity" in recording and CONTROL in trials["condition"]:
        coding = analyse_units(recording, trials, rng=rng)
    statistics = [
        *p_risky,
        *shifts,
        *summarise_dose_slopes(shifts_by_dose),
        *kernels,
        *summarise_plastic_shifts(trials),
        *coding.statistics,
    ]
    figures = [
        make_p_risky_panel(tabulate_p_risky(p_risky)),
        make_session_panel(tabulate_sessions(trials)),
        make_dose_panel(tabulate_doses(shifts)),
        make_effect_panel(tabulate_kernels(kernels)),
        make_plastic_panel(tabulate_plastic(trials)),
        *coding.figures,
    ]
    return Findings(statistics, figures, coding.tables)
