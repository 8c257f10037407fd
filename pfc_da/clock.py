"""How the seconds of a task become bins, the updates of a network.

A session is a sequence of steps, one for each phase of each trial. Its durations are drawn in seconds and counted in ticks
of `TICK_S`; every step is then cut into bins of whole ticks. Training cuts a step finely after its start, where the input
has changed, and coarsely later; a replay cuts it into bins of one size. A bin of 0 ticks changes nothing, so sessions that
run together may have durations of their own.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

TICK_S = 0.01
"""Unit of time, in s."""
MAX_TICKS = 64
"""Longest bin in ticks."""
LONGEST_S = 0.48
"""Largest distance of cuts in s: rates are held during a bin, and what is learned with longer ones fails on finer ones."""
FINE_S = (0.1, 0.2, 0.4)
"""Ends of the first bins of a step of training, in s since its start."""
JITTER = 0.3
"""Range in which a cut varies from trial to trial, relative to the shorter bin next to it, so that no weights are fitted to
one grid."""


@dataclasses.dataclass(frozen=True)
class Phase:
    """Part of a trial with constant input.

    Attributes
    ----------
    name : str
    seconds : (float, float)
        Shortest and longest duration in s; drawn uniformly in between for every trial.
    paced : bool
        Whether the pace of a session multiplies the duration.
    choice : bool
        Whether the animal acts at the end of the phase.
    feedback : bool
        Whether the last action and its reward are inputs during the phase.
    """

    name: str
    seconds: tuple[float, float]
    paced: bool = True
    choice: bool = False
    feedback: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """Changes of the durations of a session.

    Attributes
    ----------
    pace : float or Tensor (session,)
        Multiplies the durations of paced phases; above 1 is slower.
    pauses : int
        Trials, drawn at random, whose last phase lasts `pause_s` longer.
    pause_s : float
        In s.
    longer_s : float
        Added to the first phase of every trial, in s.
    """

    pace: float | Tensor = 1.0
    pauses: int = 0
    pause_s: float = 5.0
    longer_s: float = 0.0


USUAL = Timing()


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Bins of a batch of sessions.

    Attributes
    ----------
    ticks : Tensor (bin, session)
        Duration of each bin in ticks; integers.
    first : tuple of int
        First bin of each step, and the number of bins.
    """

    ticks: Tensor
    first: tuple[int, ...]

    def get_bins(self, step: int) -> slice:
        """Bins of a step."""
        return slice(self.first[step], self.first[step + 1])

    @functools.cached_property
    def last(self) -> Tensor:
        """Last bin of each step, dimension (step,)."""
        return torch.tensor(self.first[1:]) - 1

    @functools.cached_property
    def step_of_bin(self) -> Tensor:
        """Step that each bin is part of, dimension (bin,)."""
        first = torch.tensor(self.first)
        return torch.repeat_interleave(torch.arange(len(first) - 1), first.diff())

    @functools.cached_property
    def duration_ticks(self) -> Tensor:
        """Duration of each step in ticks, (step, session)."""
        total = torch.zeros(len(self.first) - 1, self.ticks.shape[1], dtype=torch.int64)
        return total.index_add_(0, self.step_of_bin, self.ticks)


def draw_durations(
    phases: Sequence[Phase], n_trials: int, sessions: int, rng: torch.Generator, timing: Timing = USUAL
) -> Tensor:
    """Draw the durations of all steps.

    Parameters
    ----------
    phases : sequence of Phase
        Of a trial, in their order.
    n_trials, sessions : int
    rng : torch.Generator
    timing : Timing

    Returns
    -------
    Tensor (step, session)
        In s.
    """
    low, high = torch.tensor([phase.seconds for phase in phases]).unbind(1)
    drawn = torch.rand(n_trials, len(phases), sessions, generator=rng)
    seconds = low[:, None] + (high - low)[:, None] * drawn
    paced = torch.tensor([phase.paced for phase in phases])
    seconds *= torch.where(paced[:, None], torch.as_tensor(timing.pace), 1.0)
    order = torch.rand(n_trials, sessions, generator=rng).argsort(0)
    seconds[:, -1] += timing.pause_s * (order < timing.pauses)
    seconds[:, 0] += timing.longer_s
    return seconds.flatten(0, 1)


def cut_evenly(seconds: Tensor, bin_s: float) -> Schedule:
    """Cut all steps into bins of one size; durations are rounded to whole bins, at least one.

    Parameters
    ----------
    seconds : Tensor (step, session)
        Durations in s.
    bin_s : float
        A multiple of `TICK_S`, at most `MAX_TICKS` of them.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> cut_evenly(torch.tensor([[0.2, 0.1]]), 0.1).ticks.tolist()
    [[10, 10], [10, 0]]
    """
    size = round(bin_s / TICK_S)
    counts = (seconds / bin_s).round().clamp(min=1).long()  # (step, session)
    n_bins = counts.amax(1)
    first = torch.cat([torch.zeros(1, dtype=torch.int64), n_bins.cumsum(0)])
    place = torch.arange(int(first[-1])) - torch.repeat_interleave(first[:-1], n_bins)
    ticks = size * (place[:, None] < torch.repeat_interleave(counts, n_bins, 0))
    return Schedule(ticks, tuple(first.tolist()))


def cut_adaptively(
    seconds: Tensor, n_phases: int, rng: torch.Generator, longest_s: float = LONGEST_S
) -> Schedule:
    """Cut all steps finely after their start and coarsely later, at fractions that all sessions share.

    Parameters
    ----------
    seconds : Tensor (step, session)
        Durations in s.
    n_phases : int
        Steps of a trial; those of one phase are cut into equally many bins.
    rng : torch.Generator
        Draws the fractions of each trial.
    longest_s : float
        Largest distance of cuts before they vary, in s; at most `LONGEST_S`.

    Returns
    -------
    Schedule
    """
    steps = (
        (seconds / TICK_S).round().clamp(min=1).long().unflatten(0, (-1, n_phases))
    )  # (trial, phase, session)
    n_trials = len(steps)
    parts = []
    for phase in range(n_phases):
        own = steps[:, phase]
        ends = _place_cuts(float(own.max()) * TICK_S, longest_s)  # (bin,) fractions
        size = torch.cat([ends[:1], ends.diff()])
        room = torch.minimum(size[:-1], size[1:])  # so that no cut passes another
        shifted = ends[:-1] + JITTER * room * (torch.rand(n_trials, len(room), generator=rng) - 0.5)
        inner = (shifted[..., None] * own[:, None]).round().long()  # (trial, bin - 1, session)
        parts.append(torch.cat([inner, own[:, None]], 1))
    zero = torch.zeros_like(parts[0][:, :1])
    ticks = torch.cat([torch.cat([zero, part], 1).diff(dim=1) for part in parts], 1)
    n_bins = torch.tensor([part.shape[1] for part in parts]).repeat(n_trials)
    first = torch.cat([torch.zeros(1, dtype=torch.int64), n_bins.cumsum(0)])
    return Schedule(ticks.flatten(0, 1), tuple(first.tolist()))


def keep_whole(seconds: Tensor) -> Schedule:
    """One bin a step, for networks without time constants."""
    ticks = (seconds / TICK_S).round().clamp(min=1).long()
    return Schedule(ticks, tuple(range(len(ticks) + 1)))


def count_cuts(longest_step_s: float, longest_s: float) -> int:
    """Bins into which `cut_adaptively` cuts a phase.

    Parameters
    ----------
    longest_step_s : float
        Longest duration of the phase, in s.
    longest_s : float
        As for `cut_adaptively`.

    Examples
    --------
    >>> count_cuts(1.36, 0.48)
    5
    """
    return len(_place_cuts(longest_step_s, longest_s))


def _place_cuts(longest_step_s: float, longest_s: float) -> Tensor:
    """Ends of the bins of a step as fractions of it, the last one 1."""
    fine = [end for end in FINE_S if end < longest_step_s - TICK_S / 2]
    begin = fine[-1] if fine else 0.0
    n_coarse = math.ceil((longest_step_s - begin) / longest_s - 1e-6)
    coarse = [begin + (longest_step_s - begin) * (place + 1) / n_coarse for place in range(n_coarse)]
    return torch.tensor([*fine, *coarse]) / longest_step_s
