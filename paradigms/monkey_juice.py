r"""Monkey juice: two images on a screen, juice baited on both, the better one never signalled and changing.

What the animal saw, did and got. A fixation point; then images A and B, one on each side, sides drawn anew every trial;
then the fixation point goes off and a saccade to one side chooses its image; the other image goes off and juice comes or
does not. An image that is not chosen keeps its juice, so the longer it was left the surer it pays:

    p(a) = 1 - (1 - p0(a))^(n(a) + 1),        n(a) = trials since a was last chosen

p0 is never shown, and with `changes` it is drawn anew at unsignalled times, every 50 to 150 trials (Tsutsui et al.); in
training after 25 to 75 trials, as its sessions are shorter. p0(A) + p0(B) is `p0_sum`, and the share of A is drawn from
ranges: ``high`` contrast, the ``full`` range, or ``training`` and its ``gaps``, so that some values are new to the animal.

Simplified: fixation is never broken and every saccade lands on an image. `images=False` is the variant of the model of Wang
et al., two actions without images. Declared choices of ours, not the papers': the durations; p0(A) + p0(B) = .8 and high
contrast, at which reward must be used (alternating blindly earns 79 % of what the Bayesian observer does); that the unchosen
image goes off; that trials since the last choice start at 0 for both images.

References
----------
Tsutsui, Grabenhorst, Kobayashi & Schultz 2016, doi 10.1038/ncomms12554 (images, dorsolateral prefrontal cells, blocks of
50 to 150 trials); Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04 (matching, held rewards); Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 1, schedule as in two independent re-implementations.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from pfc_da.analysis.behaviour import summary as behaviour
from pfc_da.analysis.behaviour.baiting import (
    get_baited_sessions,
    simulate_references,
    summarise_changes,
    summarise_share,
    tabulate_changes,
)
from pfc_da.analysis.behaviour.reaction_times import (
    find_reaction_times,
    summarise_reaction_times,
    tabulate_reaction_times,
)
from pfc_da.analysis.behaviour.reversals import mean_where
from pfc_da.analysis.figures.choices import (
    make_changes_panel,
    make_matching_panel,
    make_reaction_time_panel,
)
from pfc_da.analysis.findings import Findings
from pfc_da.analysis.observers.baited import BaitedObserver
from pfc_da.analysis.statistic import Statistic, summarise
from pfc_da.clock import Phase
from pfc_da.errors import InputError
from pfc_da.experiment.experiment import Experiment
from pfc_da.recording_schema import get_bin_s
from pfc_da.settings import RunSettings
from pfc_da.task import Step, Task, task_setting

P0_SHARES = {
    "high": ((0.05, 0.2), (0.8, 0.95)),
    "full": ((0.0, 1.0),),
    "training": ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)),
    "gaps": ((0.2, 0.4), (0.6, 0.8)),
}
"""Ranges from which the share of A, p0(A) / `p0_sum`, is drawn."""
BLOCK_TRIALS = (50, 150)
"""Shortest and longest block in trials, with `changes`: Tsutsui et al. 2016."""
CURRICULUM: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.25, {"p0": "high", "p0_sum": 0.8}),
    (0.5, {"p0": "full", "p0_sum": 0.75}),
)
"""Settings of the task up to a share of training, with `curriculum`; ours."""
CHANCE = 0.5008
"""Reward a trial of 50/50 choices with the settings of test; exact, and a test simulates it."""
FEATURES = ("fixation point", "go", "A left", "A right", "B left", "B right")


class JuiceState(NamedTuple):
    """Problems and progress of a batch of sessions."""

    p0: Tensor  # (trial, session, object)
    block: Tensor  # (trial, session)
    side_of_a: Tensor  # (trial, session), 0 left, 1 right
    draws: Tensor  # (trial, session, object), uniform: an object pays if its draw is below its probability
    screens: dict[str, Tensor]  # of fixation, cue and go, each (trial, session, feature)
    chosen_image: Tensor  # (session, feature) screen after the choice
    since: Tensor  # (session, object) trials since last chosen
    p: Tensor  # (session, object) probability that each object would pay now
    nothing: Tensor  # (session,) zeros
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MonkeyJuice(Task):
    """Foraging for baited juice."""

    n_trials: int = task_setting(200, "trials of a session", "trials", low=1)
    p0: str = task_setting(
        "high", "ranges from which the share of image A in p0_sum is drawn", names=P0_SHARES
    )
    p0_sum: float = task_setting(0.8, "sum of the base reward probabilities of both images", low=0.01, high=1)
    changes: bool = task_setting(True, "whether p0 is drawn anew at unsignalled times within a session")
    shortest_block: int = task_setting(BLOCK_TRIALS[0], "fewest trials between two changes", "trials", low=1)
    longest_block: int = task_setting(BLOCK_TRIALS[1], "most trials between two changes", "trials", low=1)
    curriculum: bool = task_setting(
        False, "whether training begins with high contrast and goes on with higher sums of the full range"
    )
    images: bool = task_setting(
        True, "false for the variant with two actions, in which the sides themselves are baited"
    )

    phases: ClassVar = (
        Phase("fixation", (0.5, 1.0)),
        Phase("cue", (0.3, 0.8)),
        Phase("go", (0.15, 0.4), choice=True),
        Phase("juice", (0.3, 0.3), paced=False, feedback=True),
        Phase("image", (0.2, 0.2), feedback=True),
        Phase("interval", (0.5, 2.0)),
    )
    n_actions: ClassVar = 2
    n_objects: ClassVar = 2
    observation_size: ClassVar = len(FEATURES)
    step_labels: ClassVar = {
        "chosen_object": (),
        "side_of_a": (),
        "block": (),
        "p0": ("object",),
        "p_object": ("object",),
        "regret": (),
    }
    descriptions: ClassVar = {
        "chosen_object": ("1", "image chosen, 0 A and 1 B, -1 on steps without a choice"),
        "side_of_a": ("1", "side of image A, 0 left and 1 right"),
        "block": ("1", "block of the trial within its session"),
        "p0": ("1", "base reward probability of each image"),
        "p_object": ("1", "probability that each image would pay if chosen now"),
        "regret": (
            "rewards",
            "better image's reward probability now less the chosen one's, 0 without a choice",
        ),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shortest_block > self.longest_block:
            raise InputError(
                f"shortest_block must be at most longest_block ({self.longest_block} trials), got {self.shortest_block}."
            )

    def in_training(self, done: float) -> Self:
        """With a curriculum: high contrast, then the full range at a sum of .75, then the task itself."""
        early = next((changed for until, changed in CURRICULUM if done < until), {})
        return dataclasses.replace(self, **early) if self.curriculum else self

    def reset(self, rng: torch.Generator, batch: int) -> tuple[JuiceState, Step]:
        """Draw blocks and their p0, the side of A, and a uniform number for every trial and image."""
        shortest, longest = self.shortest_block, self.longest_block
        n_blocks = self.n_trials // shortest + 1 if self.changes else 1
        ends = torch.randint(shortest, longest + 1, (n_blocks, batch), generator=rng).cumsum(0)[:-1]
        block = (torch.arange(self.n_trials)[:, None, None] >= ends).sum(1)  # (trial, session)
        ranges = self.p0_sum * torch.tensor(P0_SHARES[self.p0])
        low, high = ranges[torch.randint(len(ranges), (n_blocks, batch), generator=rng)].unbind(-1)
        p0_a = (low + (high - low) * torch.rand(n_blocks, batch, generator=rng)).gather(0, block)
        side_of_a = torch.randint(2, (self.n_trials, batch), generator=rng) * self.images
        draws = torch.rand(self.n_trials, batch, 2, generator=rng)
        p0, since = torch.stack([p0_a, self.p0_sum - p0_a], -1), torch.zeros(batch, 2)
        screens, dark = self._screens(side_of_a), torch.zeros(batch, len(FEATURES))
        state = JuiceState(p0, block, side_of_a, draws, screens, dark, since, p0[0], torch.zeros(batch), 0)
        return state, Step(screens["fixation"][0], state.nothing, {})

    def problem_labels(self, state: JuiceState) -> dict[str, Tensor]:
        """Nothing is fixed for a whole session."""
        return {}

    def step(self, state: JuiceState, action: Tensor) -> tuple[JuiceState, Step]:
        """Only the saccade counts; at the end of every other phase the sessions just move on."""
        trial = state.step // len(self.phases)
        labels = {
            "chosen_object": action,
            "side_of_a": state.side_of_a[trial],
            "block": state.block[trial],
            "p0": state.p0[trial],
            "p_object": state.p,
            "regret": state.nothing,
        }
        after, reward = state._replace(step=state.step + 1), state.nothing
        if self.phase(state.step).choice:
            chosen, p = action ^ state.side_of_a[trial], state.p
            reward = (state.draws[trial] < p).float().gather(1, chosen[:, None])[:, 0]
            labels["chosen_object"] = chosen
            labels["regret"] = p.amax(1) - p.gather(1, chosen[:, None])[:, 0]
            since = (state.since + 1) * torch.eye(2)[1 - chosen]
            after = after._replace(since=since, chosen_image=self._keep_image(chosen, action))
        elif state.step % len(self.phases) == len(self.phases) - 1:
            p0 = state.p0[min(trial + 1, self.n_trials - 1)]
            after = after._replace(p=1 - (1 - p0) ** (state.since + 1))
        return after, self._show(after, reward, labels)

    def _show(self, state: JuiceState, reward: Tensor, labels: dict[str, Tensor]) -> Step:
        """What is on the screen in the phase that begins."""
        phase = self.phase(state.step)
        if phase.feedback:
            return Step(state.chosen_image, reward, labels)
        if phase.name not in state.screens:
            return Step(torch.zeros_like(state.chosen_image), reward, labels)
        trial = min(state.step // len(self.phases), self.n_trials - 1)
        side = state.side_of_a[trial]
        objects = torch.stack([side, 1 - side], 1) if phase.choice and self.images else None
        return Step(state.screens[phase.name][trial], reward, labels, objects=objects)

    def _screens(self, side_of_a: Tensor) -> dict[str, Tensor]:
        """Screens at fixation, cue and go."""
        cue = torch.zeros(*side_of_a.shape, len(FEATURES))
        if self.images:
            cue[..., 2] = cue[..., 5] = 1.0 - side_of_a
            cue[..., 3] = cue[..., 4] = side_of_a.float()
        go = cue.clone()
        cue[..., 0], go[..., 1] = 1.0, 1.0
        fixation = torch.zeros_like(cue)
        fixation[..., 0] = 1.0
        return {"fixation": fixation, "cue": cue, "go": go}

    def _keep_image(self, chosen: Tensor, side: Tensor) -> Tensor:
        """The chosen image stays on where it is."""
        screen = torch.zeros(len(chosen), len(FEATURES))
        return screen.scatter_(1, (2 + 2 * chosen + side)[:, None], 1.0) if self.images else screen


def compute_gaps(recording: xr.Dataset, trained: str) -> list[Statistic]:
    """Reward and matching slope where p0 lies in the ranges of training (``trained``), and where it does not (``gaps``).

    Parameters
    ----------
    recording : xarray.Dataset
    trained : str
        Ranges of training, a key of `P0_SHARES`.

    Returns
    -------
    list of Statistic
        None for a kind of which there are fewer than two sessions.
    """
    sessions = get_baited_sessions(recording)
    within = is_within(sessions.p0[..., 0] / sessions.p0.sum(-1), trained)
    found = []
    for name, where in (("trained", within), ("gaps", ~within)):
        own = where.any(axis=1)
        if own.sum() > 1:
            paid = mean_where(sessions.reward[:, own], where[own])  # (animal, session)
            block = np.where(where, sessions.block, -1)[own]
            slope = behaviour.compute_matching_slope(sessions.choice[:, own], sessions.reward[:, own], block)
            found += [
                summarise("reward_by_p0", paid, labels={"p0": name}, units="reward"),
                dataclasses.replace(slope, key="matching_slope_by_p0", labels={"p0": name}),
            ]
    return found


def is_within(share: NDArray, ranges: str) -> NDArray:
    """Whether shares of image A lie within the given ranges.

    Parameters
    ----------
    share : (...)
        p0 of image A, as a share of both.
    ranges : str
        A key of `P0_SHARES`.

    Returns
    -------
    (...) bool
    """
    margin = 1e-6  # p0 is stored in single precision
    return np.any(
        [(share > low - margin) & (share < high + margin) for low, high in P0_SHARES[ranges]], axis=0
    )


def analyse_choices(recording: xr.Dataset, rng: np.random.Generator) -> list[Statistic]:
    """Slope of matching.

    Parameters
    ----------
    recording : xarray.Dataset
    rng : numpy.random.Generator
        Not used.
    """
    sessions = get_baited_sessions(recording)
    return [behaviour.compute_matching_slope(sessions.choice, sessions.reward, sessions.block)]


def analyse(
    recording: xr.Dataset, curves: Sequence[pd.DataFrame], settings: RunSettings, rng: np.random.Generator
) -> Findings:
    """Reward compared with that of reference agents, choices around changes, matching, and what p0 new to the animals gives.

    Parameters
    ----------
    recording : xarray.Dataset
    curves : sequence of DataFrame
        Learning curve of every animal; not used.
    settings : RunSettings
    rng : numpy.random.Generator
        Draws the choices of the reference agents.
    """
    sessions = get_baited_sessions(recording)
    task = MonkeyJuice(**settings.task | settings.test_task)
    references = simulate_references(sessions, build_observer(task), rng=rng)
    slope = behaviour.compute_matching_slope(sessions.choice, sessions.reward, sessions.block)
    changes = summarise_changes(sessions, references)
    points = behaviour.tabulate_matching(sessions.choice, sessions.reward, sessions.block, slope)
    figures = [make_matching_panel(points, slope)]
    if changes:
        figures.append(make_changes_panel(tabulate_changes(sessions, references), changes))
    gaps = compute_gaps(recording, MonkeyJuice(**settings.task).p0)
    times = find_reaction_times(recording, "cue")
    decided = summarise_reaction_times(times)
    figures.append(make_reaction_time_panel(tabulate_reaction_times(times, get_bin_s(recording)), decided))
    return Findings([slope, *summarise_share(sessions, references), *changes, *gaps, *decided], figures)


def build_observer(task: MonkeyJuice) -> BaitedObserver:
    """The Bayesian observer of a task, which knows how its sessions are drawn.

    Parameters
    ----------
    task : MonkeyJuice

    Returns
    -------
    BaitedObserver
    """
    return BaitedObserver(
        shares=P0_SHARES[task.p0],
        p0_sum=task.p0_sum,
        block_trials=(task.shortest_block, task.longest_block) if task.changes else None,
    )


EXPERIMENT = Experiment(
    name="monkey_juice",
    task=MonkeyJuice,
    chance=CHANCE,
    choice="chosen_object",
    probability="p_object",
    headline={
        ("matching_slope", ""): "Matching slope",
        ("reward_share", "observer"): "Reward, share of what use of rewards can add",
    },
    defaults={
        # At first mere entropy keeps animals from settling on the richer image, which teaches nothing.
        "rule": {
            "kind": "three-factor",
            "entropy": 0.2,
            "entropy_until": 0.8,
        },
        "train": {"updates": 450},
        "task": {"n_trials": 60, "shortest_block": 25, "longest_block": 75},
        "test_task": {"n_trials": 200, "shortest_block": BLOCK_TRIALS[0], "longest_block": BLOCK_TRIALS[1]},
    },
    analyse=analyse,
    analyse_choices=analyse_choices,
)
