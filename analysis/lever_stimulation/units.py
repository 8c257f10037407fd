"""Units that code the reward-prediction error: of the actor, which receives it, or of the critic, which receives reward.

Activity in the phase `dopamine` of the trial, in which the error reaches the actor, is regressed on the reward, on what was
expected (reward minus error) and on the lever pressed, all together, and compared with pairings of activity with other
sessions (`pfc_da.analysis.units.selectivity`). The error is the reward minus the expectation: a unit codes it if both have
a weight and the weights have opposite signs. Its p-value is the larger of the two, and 1 where the signs agree (Berger
1982). A unit that codes the expectation alone, or the reward alone, passes in one case of forty; it counts for the variable
it codes.

References
----------
Berger 1982, Technometrics 24:295, doi 10.2307/1267823.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.figures.units import make_selectivity_panel
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.lever_stimulation.panels import make_activity_panel
from pfc_da.analysis.lever_stimulation.trials import CONTROL
from pfc_da.analysis.statistic import SHARE, Statistic, summarise
from pfc_da.analysis.units import summary as units
from pfc_da.analysis.units.browser import Groups, tabulate_browser
from pfc_da.analysis.units.selectivity import compute_null_p, regress_units
from pfc_da.recording_schema import get_phases
from pfc_da.trials import per_trial

OUTCOMES = ("loss", "safe", "win")  # from the poorest on; loss and win of the risky lever
REGRESSORS = ("reward", "expected_reward", "chosen_lever")
VARIABLES = ("rpe", *REGRESSORS)
RPE_PHASE = "dopamine"
"""Phase of the trial in which the error is an input of the actor."""


def analyse_units(recording: xr.Dataset, trials: xr.Dataset, *, rng: np.random.Generator) -> Findings:
    """Selectivity of the units in the frozen control.

    Parameters
    ----------
    recording : xarray.Dataset
    trials : xarray.Dataset
        Of `get_trials`.
    rng : numpy.random.Generator
    """
    n, order = recording.sizes["recorded_episode"], ("animal", "episode", "trial")
    frozen = (
        trials.assign(rpe=per_trial(recording, "rpe"))
        .sel(condition=CONTROL)
        .isel(episode=slice(n))
        .transpose(*order)
    )
    lever, reward, rpe = (frozen[name].values for name in ("lever", "reward", "rpe"))
    after = units.get_activity(recording)[..., get_phases(recording).index(RPE_PHASE), :]
    by_animal = zip(after, rpe, reward, lever, strict=True)
    p = [regress_outcomes(*own, rng=rng) for own in by_animal]
    selectivity = summarise_selectivity(p, get_populations(recording))
    of_units = tabulate_units(recording, p)
    outcome = compute_outcomes(lever, reward)
    tables = {"units": of_units, **tabulate_browser(recording, group_outcomes(outcome, lever), rng=rng)}
    figures = [
        make_selectivity_panel(units.tabulate_selectivity(selectivity, {}), selectivity),
        make_activity_panel(tabulate_deviations(after, outcome, of_units)),
    ]
    return Findings(selectivity, figures, tables)


def get_populations(recording: xr.Dataset) -> dict[str, NDArray]:
    """Units of the actor and of the critic, (unit,) bool; all in one population named "" where they share their units."""
    is_critic = recording.get("is_critic", xr.zeros_like(recording["is_excitatory"])).values.astype(bool)
    return {"actor": ~is_critic, "critic": is_critic} if is_critic.any() else {"": ~is_critic}


def compute_outcomes(lever: NDArray, reward: NDArray) -> NDArray:
    """Place in `OUTCOMES` of every trial, -1 where no lever was pressed.

    Parameters
    ----------
    lever : (animal, session, trial) int
        0 safe, 1 risky, -1 none.
    reward : (animal, session, trial)

    Returns
    -------
    (animal, session, trial) int
    """
    return np.select([lever < 0, lever == 0, reward > 0], [-1, 1, 2], 0)


def regress_outcomes(
    activity: NDArray, rpe: NDArray, reward: NDArray, lever: NDArray, *, rng: np.random.Generator
) -> dict[str, NDArray]:
    """p-value of each of `VARIABLES`, (unit,) each, for one animal.

    Parameters
    ----------
    activity : (session, trial, unit)
        After the outcome.
    rpe, reward, lever : (session, trial)
        Lever 0 safe, 1 risky, -1 none.

    Notes
    -----
    NaN for an animal whose error follows from reward and lever: one that expects the same on every trial.
    """
    regressors = {
        name: np.where(lever < 0, np.nan, values)
        for name, values in zip(REGRESSORS, (reward, reward - rpe, lever), strict=True)
    }
    if units.are_collinear(regressors):
        return dict.fromkeys(VARIABLES, np.full(activity.shape[-1], np.nan))
    p = dict(zip(REGRESSORS, compute_null_p(activity, regressors, null="session", rng=rng), strict=True))
    of_reward, of_expected, _ = regress_units(activity, regressors).coefficient
    larger = np.maximum(p["reward"], p["expected_reward"])
    return {"rpe": np.where(of_reward * of_expected < 0, larger, 1.0), **p}


def find_carriers(p: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Units (unit,) bool that count for each of `VARIABLES`: those of the error do not count for its two parts."""
    found = {name: values < units.LEVEL for name, values in p.items()}
    parts = {name: found[name] & ~found["rpe"] for name in ("reward", "expected_reward")}
    return found | parts


def summarise_selectivity(
    by_animal: Sequence[Mapping[str, NDArray]], populations: Mapping[str, NDArray]
) -> list[Statistic]:
    """Fraction of units that code each variable: ``rpe_actor``, ``rpe_critic``, or ``rpe`` of an undivided network.

    Parameters
    ----------
    by_animal : sequence of mapping
        Of each animal, p (unit,) by variable.
    populations : mapping of str to (unit,) bool
        Of `get_populations`.
    """
    key, found = "fraction_selective", []
    for variable in VARIABLES:
        for population, members in populations.items():
            fractions = [
                find_carriers(p)[variable][members].mean() if np.isfinite(p[variable]).all() else np.nan
                for p in by_animal
            ]
            labels = {"variable": f"{variable}_{population}".rstrip("_")}
            found.append(summarise(key, fractions, labels=labels, units="fraction", within=SHARE))
    return found


def tabulate_units(recording: xr.Dataset, by_animal: Sequence[Mapping[str, NDArray]]) -> pd.DataFrame:
    """A row a unit for the browser, and whether it is the critic's.

    Parameters
    ----------
    recording : xarray.Dataset
    by_animal : sequence of mapping
        Of each animal, p (unit,) by variable.
    """
    table = units.tabulate_unit_properties(
        recording, [{name: p[None] for name, p in own.items()} for own in by_animal], 0
    )
    is_critic = get_populations(recording).get("critic", np.zeros(recording.sizes["unit"], bool))
    return table.assign(is_critic=np.tile(is_critic.astype(int), len(by_animal)))


def group_outcomes(outcome: NDArray, lever: NDArray) -> Groups:
    """Trials by outcome and by lever, for the browser of units; both (animal, session, trial)."""
    return {
        "outcome": {name: outcome == place for place, name in enumerate(OUTCOMES)},
        "choice": {name: lever == place for place, name in enumerate(("safe", "risky"))},
    }


def tabulate_deviations(activity: NDArray, outcome: NDArray, of_units: pd.DataFrame) -> pd.DataFrame:
    """Mean activity after each outcome minus the mean over the three, a row for each unit and outcome.

    Parameters
    ----------
    activity : (animal, session, trial, unit)
        In Hz.
    outcome : (animal, session, trial)
        Place in `OUTCOMES`.
    of_units : DataFrame
        Of `tabulate_units`.
    """
    tables = [
        pd.DataFrame(
            {
                "animal": animal,
                "unit": np.arange(own.shape[-1]),
                "outcome": name,
                "mean_hz": own[chosen].mean(0),
            }
        )
        for place, name in enumerate(OUTCOMES)
        for animal, (own, chosen) in enumerate(zip(activity, outcome == place, strict=True))
        if chosen.any()
    ]
    table, keys = pd.concat(tables, ignore_index=True), ["animal", "unit"]
    table["deviation_hz"] = table["mean_hz"] - table.groupby(keys)["mean_hz"].transform("mean")
    known = of_units[[*keys, "is_critic", "p_rpe"]]
    return table.merge(known, on=keys, validate="many_to_one")
