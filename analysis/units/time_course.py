"""Coding in time: windows of 200 ms moved in steps of 50 ms, aligned to the appearance of the options and to the choice.

A unit is analysed as a recorded cell is: by its spikes, in as many trials as cells are recorded for. Spikes are counted in a
recording of spiking neurons; given rates, they are drawn from a Poisson process once for all windows. Activity that is no
rate (of an LSTM) is used as it is.

Windows of 200 ms, moved through the trial, multiple regression in each: Tsutsui, Grabenhorst, Kobayashi & Schultz (2016)
Nat Commun 7:12554, doi 10.1038/ncomms12554. p-values are against pairings with other sessions (`nulls`). There, a neuron
was selective if p was below .05 in at least one task period, and ``fraction_selective_any`` counts units so, the phases of
the trial being the periods. That is no test at 5 %: of units that code nothing, 1 - .95^k pass in at least one of k
independent periods, 26 % of six. The same with the behaviour of other sessions says how many pass by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pfc_da.analysis.interval import mean_of_finite
from pfc_da.analysis.statistic import INTERVAL, SHARE, Statistic, summarise
from pfc_da.analysis.units.align import (
    SPIKES,
    cut_windows,
    find_event_bins,
    find_offsets,
    iterate_sessions,
)
from pfc_da.analysis.units.decoding import compute_decoding
from pfc_da.analysis.units.summary import (
    LEVEL,
    average_steps,
    can_hold_out,
    compute_selectivity,
    compute_variables_p,
    find_regressors,
    label_high_value,
)
from pfc_da.recording_schema import get_bin_s, get_onset_bins, has_rates, has_spikes

WINDOWS_S = {"cue": (-0.5, 1.0), "choice": (-1.0, 1.0)}
"""Time around each event, in s. The outcome begins with the choice."""
WIDTH_S, MOVE_S = 0.2, 0.05
N_TRIALS = 150
"""Trials in which the selectivity of a unit is tested, evenly over the sessions: cells are recorded for 100 to 200."""
MOST_SESSIONS = 20
"""Sessions that are read for all this."""
EVERY = 2
"""The population is decoded in every second window."""
VARIABLES = ("object_value", "last_choice", "last_reward", "choice", "reward")
"""Variables that are shown; reward is unknown before the outcome, so that its fraction there is what chance gives."""
CODED = ("object_value", "choice")


@dataclass(frozen=True, kw_only=True)
class SpikeCounts:
    """Spikes of the units of one animal.

    Attributes
    ----------
    windows : mapping of str to (episode, trial, window, unit)
        By event; NaN for trials whose time around the event leaves the session.
    phases : (episode, trial, phase, unit)
        Mean number in a bin.
    """

    windows: Mapping[str, NDArray]
    phases: NDArray


@dataclass(frozen=True, kw_only=True)
class TimeCourse:
    """Coding of one animal's units and population in time.

    Attributes
    ----------
    p : mapping of str to mapping of str to (window, unit)
        By event and variable.
    p_phases, p_wrong : mapping of str to (phase, unit)
        By variable, in the phases of the trial, and the same with the behaviour of the session before.
    accuracy, control : mapping of str to mapping of str to (window,)
        Of decoding each of `CODED` in held-out sessions, by event, and with the labels of other sessions.
    latency : mapping of str to (unit,)
        Time from the choice in s until which spikes show each of `CODED`; NaN for units that never code it before it.
    """

    p: Mapping[str, Mapping[str, NDArray]]
    p_phases: Mapping[str, NDArray]
    p_wrong: Mapping[str, NDArray]
    accuracy: Mapping[str, Mapping[str, NDArray]]
    control: Mapping[str, Mapping[str, NDArray]]
    latency: Mapping[str, NDArray]


def compute_time_course(
    recording: xr.Dataset, animal: int, choice: NDArray, reward: NDArray, *, rng: np.random.Generator
) -> TimeCourse:
    """Selectivity and decoding in time, of one animal.

    Parameters
    ----------
    recording : xarray.Dataset
    animal : int
        Index of the animal.
    choice, reward : (episode, trial)
        Choice between two objects, 0 or 1, in the sessions recorded with units.
    rng : numpy.random.Generator
        Draws spikes, and pairings with other sessions.
    """
    kept = slice(MOST_SESSIONS)
    own, choice, reward = recording.isel(animal=[animal], recorded_episode=kept), choice[kept], reward[kept]
    counts = count_spikes(own, rng)
    chosen = choose_trials(*choice.shape)
    regressors = {**find_regressors(choice, reward), "reward": np.where(choice >= 0, reward, np.nan)}
    shown = {name: values[:, chosen] for name, values in regressors.items()}
    p = {event: compute_variables_p(own[:, chosen], shown, rng=rng) for event, own in counts.windows.items()}
    wrong = {name: np.roll(values, 1, axis=0) for name, values in shown.items()}
    labels = {"object_value": label_high_value(choice, reward), "choice": choice}
    decoded = {
        event: {name: decode_windows(own, label, rng=rng) for name, label in labels.items()}
        for event, own in counts.windows.items()
    }
    ends = find_window_times(recording, "choice") + WIDTH_S / 2
    return TimeCourse(
        p=p,
        p_phases=compute_variables_p(counts.phases[:, chosen], shown, rng=rng),
        p_wrong=compute_variables_p(counts.phases[:, chosen], wrong, rng=rng),
        accuracy={event: {name: found[0] for name, found in own.items()} for event, own in decoded.items()},
        control={event: {name: found[1] for name, found in own.items()} for event, own in decoded.items()},
        latency={name: find_latency(p["choice"][name], ends) for name in CODED},
    )


def iterate_spikes(
    recording: xr.Dataset, rng: np.random.Generator
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """As `iterate_sessions`, of spikes in each bin (bin, unit): recorded, or drawn from rates; else the activity itself."""
    if has_spikes(recording):
        yield from iterate_sessions(recording, SPIKES)
        return
    bin_s, drawn = get_bin_s(recording), has_rates(recording)
    for animal, episode, session in iterate_sessions(recording):
        yield animal, episode, rng.poisson(session * bin_s).astype(np.float32) if drawn else session


def count_spikes(recording: xr.Dataset, rng: np.random.Generator) -> SpikeCounts:
    """Spikes in the windows and phases of every trial; `recording` is of one animal, with its dimension."""
    onset = get_onset_bins(recording)[0]  # (episode, step)
    offsets = {event: find_offsets(recording, window) for event, window in WINDOWS_S.items()}
    events = {event: find_event_bins(recording, event)[0] for event in WINDOWS_S}
    windows: dict[str, list[NDArray]] = {event: [] for event in WINDOWS_S}
    phases = []
    for _, episode, spikes in iterate_spikes(recording, rng):
        n_trials = events["cue"].shape[1]
        by_step = average_steps(spikes, onset[episode])  # a rate, as phases differ in duration
        phases.append(by_step.reshape(n_trials, -1, spikes.shape[1]))
        for event, found in windows.items():
            aligned = cut_windows(spikes, events[event][episode], offsets[event])
            found.append(sum_windows(aligned, *find_widths(recording)))
    return SpikeCounts(
        windows={event: np.stack(found) for event, found in windows.items()}, phases=np.stack(phases)
    )


def find_widths(recording: xr.Dataset) -> tuple[int, int]:
    """Width of a window, and distance from one to the next, in bins, at least one."""
    width, move = (max(round(seconds / get_bin_s(recording)), 1) for seconds in (WIDTH_S, MOVE_S))
    return width, move


def find_window_times(recording: xr.Dataset, event: str) -> NDArray:
    """Middles of the windows around an event, in s from it."""
    width, move = find_widths(recording)
    first = find_offsets(recording, WINDOWS_S[event])
    return np.round((first[: len(first) - width + 1 : move] + width / 2) * get_bin_s(recording), 6)


def sum_windows(values: NDArray, width: int, move: int) -> NDArray:
    """Sums over windows of `width` bins, one every `move` bins, (trial, window, unit) from (trial, time, unit).

    Examples
    --------
    >>> sum_windows(np.array([[[1], [2], [3], [4]]]), 2, 1).ravel().tolist()
    [3, 5, 7]
    """
    starts = range(0, values.shape[1] - width + 1, move)
    return np.stack([values[:, start : start + width].sum(1) for start in starts], 1)


def choose_trials(n_sessions: int, n_trials: int) -> NDArray[np.int64]:
    """Trials of every session that are tested, evenly over it and `N_TRIALS` in all sessions together, (trial,)."""
    n_chosen = min(-(-N_TRIALS // n_sessions), n_trials - 2)
    return (
        np.linspace(1, n_trials - 2, n_chosen).round().astype(int)
    )  # the ends lack a window or a trial before


def decode_windows(counts: NDArray, label: NDArray, *, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Balanced accuracy in held-out sessions by window, and with the labels of other sessions.

    Parameters
    ----------
    counts : (episode, trial, window, unit)
    label : (episode, trial) int
        0 or 1, -1 where missing.

    Returns
    -------
    two arrays (window,)
        NaN for windows that are not decoded, and all of them where too few sessions have both labels.
    """
    accuracy, control = np.full((2, counts.shape[2]), np.nan)
    for window in range(0, counts.shape[2], EVERY) if can_hold_out(label) else ():
        found = compute_decoding(counts[:, :, window], label, null="session", n_pairings=1, rng=rng)
        accuracy[window], control[window] = found.accuracy, found.control.mean()
    return accuracy, control


def find_latency(p: NDArray, ends: NDArray) -> NDArray:
    """End of the first window before the choice in which a unit codes a variable, (unit,), NaN if none.

    Parameters
    ----------
    p : (window, unit)
    ends : (window,)
        Ends of the windows in s from the choice.

    Notes
    -----
    The level of a window is `LEVEL` over their number: at most one in twenty units without the variable has a latency.
    """
    before = ends <= 1e-9
    codes = p[before] < LEVEL / before.sum()
    return np.where(codes.any(0), ends[before][codes.argmax(0)], np.nan)


def summarise_time_course(by_animal: Sequence[TimeCourse]) -> list[Statistic]:
    """Fraction of units that code a variable in at least one phase of the trial, and median latencies of value and choice.

    Parameters
    ----------
    by_animal : sequence of TimeCourse

    Returns
    -------
    list of Statistic
        ``fraction_selective_any``, by variable and with the behaviour of other sessions, and ``coding_latency`` (s from
        the choice) by variable. An animal of which fewer than twice the units expected by chance code a variable before
        the choice has no latency.
    """
    found = _count_any([own.p_phases for own in by_animal])
    control = _count_any([own.p_wrong for own in by_animal])
    found += [replace(each, labels={**each.labels, "control": "wrong_sessions"}) for each in control]
    for name in CODED:
        medians = [_find_median_latency(own.latency[name]) for own in by_animal]
        found.append(
            summarise("coding_latency", medians, labels={"variable": name}, units="s", within=(-np.inf, 0.0))
        )
    return found


def tabulate_selectivity_in_time(recording: xr.Dataset, by_animal: Sequence[TimeCourse]) -> pd.DataFrame:
    """Fraction of units selective by event, variable and window, for drawing.

    Returns
    -------
    DataFrame
        event, other_event_s (median time of the other event), variable, time_s, fraction, low, high, interval, n, n_of.
    """
    rows = []
    for event in WINDOWS_S:
        other = find_other_time(recording, event)
        p = [own.p[event] for own in by_animal]
        for window, time in enumerate(find_window_times(recording, event).tolist()):
            for found in compute_selectivity(p, window, variables=VARIABLES):
                rows.append((event, other, found.labels["variable"], time, found.estimate, *_describe(found)))
    columns = ["event", "other_event_s", "variable", "time_s", "fraction", *INTERVAL]
    return pd.DataFrame(rows, columns=columns).dropna(subset="fraction")


def tabulate_decoding_in_time(recording: xr.Dataset, by_animal: Sequence[TimeCourse]) -> pd.DataFrame:
    """Accuracy of decoding by event, variable and window, and with the labels of other sessions, for drawing.

    Returns
    -------
    DataFrame
        event, other_event_s, variable, time_s, accuracy, wrong_sessions (mean over windows, each with a pairing of its own),
        low, high, interval, n, n_of.
    """
    rows = []
    for event in WINDOWS_S:
        other, times = find_other_time(recording, event), find_window_times(recording, event)
        for name in CODED:
            control = mean_of_finite(np.concatenate([own.control[event][name] for own in by_animal]))
            for window in range(0, len(times), EVERY):
                values = [own.accuracy[event][name][window] for own in by_animal]
                found = summarise("", values, units="fraction", within=SHARE)
                row = event, other, name, times[window], found.estimate, float(control), *_describe(found)
                rows.append(row)
    columns = ["event", "other_event_s", "variable", "time_s", "accuracy", "wrong_sessions", *INTERVAL]
    return pd.DataFrame(rows, columns=columns).dropna(subset="accuracy")


def find_other_time(recording: xr.Dataset, event: str) -> float:
    """Median time of the choice from the cue, or of the cue from the choice, in s."""
    (other,) = (name for name in WINDOWS_S if name != event)
    between = find_event_bins(recording, other) - find_event_bins(recording, event)
    return round(float(np.median(between)) * get_bin_s(recording), 6)


def _count_any(by_animal: Sequence[Mapping[str, NDArray]]) -> list[Statistic]:
    """Fraction of units with p below the level in at least one phase, by variable; p (phase, unit) of each animal."""
    smallest = [{name: values.min(0, keepdims=True) for name, values in p.items()} for p in by_animal]
    return compute_selectivity(smallest, 0, variables=VARIABLES, key="fraction_selective_any")


def _find_median_latency(latency: NDArray) -> float:
    known = latency[np.isfinite(latency)]
    return float(np.median(known)) if len(known) > 2 * LEVEL * len(latency) else float("nan")


def _describe(found: Statistic) -> tuple[object, ...]:
    return tuple(getattr(found, name) for name in INTERVAL)
