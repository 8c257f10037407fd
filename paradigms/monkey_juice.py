r"""Monkey juice: two images on a screen, juice baited on both, the better one unsignalled.

What the animal saw, did and got. A fixation point; then images A and B, one on each side, sides drawn anew every trial;
then the fixation point goes off and a saccade to one side chooses its image; the other image goes off and juice comes or
not. An image that is not chosen keeps its juice, so the longer it was left the surer it pays:

    p(a) = 1 - (1 - p0(a))^(n(a) + 1),        n(a) = trials since a was last chosen,   p0(A) + p0(B) = 0.5

Which image has the higher p0 is never shown and may change without a signal. A session is a list of blocks; most sessions
here have one. As in the model of Wang et al., p0 of training sessions is drawn from [0, .1], [.2, .3] and [.4, .5] and that
of test sessions from [0, .5], so that two gaps are new to the animal.

Simplified: one step of 100 ms each for fixation, cue, saccade and outcome; fixation is not broken and every saccade lands
on an image. `images=False` is the plain variant of the model, two actions and no images.

References
----------
Tsutsui, Grabenhorst, Kobayashi & Schultz 2016, doi 10.1038/ncomms12554 (images, dorsolateral prefrontal cells, blocks of
50 to 150 trials); Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04 (matching, held rewards); Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 1, schedule as in two independent re-implementations.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from pfc_da.task import Step, Task

P0_SUM = 0.5
"""p0(A) + p0(B)."""
P0_RANGES = {"training": ((0.0, 0.1), (0.2, 0.3), (0.4, 0.5)), "full": ((0.0, 0.5),), "gaps": ((0.1, 0.2), (0.3, 0.4))}
BLOCK_TRIALS = (50, 150)
"""Shortest and longest block in trials: Tsutsui et al. 2016."""
A, B, LEFT, RIGHT = 0, 1, 0, 1


class JuiceState(NamedTuple):
    """Problem and progress of a batch of sessions."""

    p0: Tensor  # (trial, session, object)
    block: Tensor  # (trial, session)
    side_of_a: Tensor  # (trial, session)
    draws: Tensor  # (trial, session, object), uniform: an object pays if its draw is below its probability
    screens: tuple[Tensor, ...]  # of fixation, cue and saccade, (trial, session, feature)
    since: Tensor  # (session, object) trials since last chosen
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MonkeyJuice(Task):
    """Foraging for baited juice.

    Attributes
    ----------
    p0
        Where the base probability of image A is drawn from: `training`, `full` or `gaps`.
    changes
        Whether p0 is drawn anew at unsignalled times within a session.
    images
        False for the plain two-action variant, where actions themselves are baited.
    """

    p0: str = "training"
    changes: bool = False
    images: bool = True

    phases: ClassVar[tuple[str, ...]] = ("fixation", "cue", "saccade", "outcome")
    choice_phase: ClassVar[str] = "saccade"
    n_actions: ClassVar[int] = 2
    observation_size: ClassVar[int] = 6

    step_labels: ClassVar = {}

    def reset(self, rng: torch.Generator, batch: int):
        trials = torch.arange(self.n_trials)[:, None]
        shortest, longest = BLOCK_TRIALS
        n_blocks = self.n_trials // shortest + 1 if self.changes else 1
        lengths = torch.randint(shortest, longest + 1, (n_blocks, batch), generator=rng)
        ends = lengths.cumsum(0)[:-1]
        block = (trials[:, :, None] >= ends.T[None]).sum(-1)  # (trial, session)
        ranges = torch.tensor(P0_RANGES[self.p0])
        which = torch.randint(len(ranges), (n_blocks, batch), generator=rng)
        low, high = ranges[which].unbind(-1)
        p0_a = (low + (high - low) * torch.rand(n_blocks, batch, generator=rng)).gather(0, block)
        side_of_a = torch.randint(2, (self.n_trials, batch), generator=rng) * self.images
        draws = torch.rand(self.n_trials, batch, 2, generator=rng)
        p0 = torch.stack([p0_a, P0_SUM - p0_a], -1)
        state = JuiceState(p0, block, side_of_a, draws, self._screens(side_of_a), torch.zeros(batch, 2), 0)
        return state, Step(state.screens[0][0], torch.zeros(batch), {})

    def problem_labels(self, state):
        return {}

    def step(self, state: JuiceState, action: Tensor) -> tuple[JuiceState, Step]:
        """Only the saccade counts; on every other step the sessions just move on."""
        trial, phase = divmod(state.step, 4)
        state = state._replace(step=state.step + 1)
        if phase != 2:
            trial, phase = divmod(state.step % self.n_steps, 4)
            return state, Step(state.screens[phase][trial % len(state.screens[phase])], torch.zeros(len(action)), {})
        chosen = action ^ state.side_of_a[trial]
        p = 1 - (1 - state.p0[trial]) ** (state.since + 1)
        reward = (state.draws[trial] < p).float().gather(1, chosen[:, None])[:, 0]
        other = torch.eye(2)[1 - chosen]
        screen = torch.zeros(len(action), 6)
        if self.images:
            screen.scatter_(1, (2 + 2 * chosen + action)[:, None], 1.0)
        return state._replace(since=(state.since + 1) * other), Step(screen, reward, {})

    def _screens(self, side_of_a):
        """fix, go, A left, A right, B left, B right"""
        n, b = side_of_a.shape
        fix = torch.zeros(1, b, 6); fix[..., 0] = 1
        go = torch.zeros(1, b, 6); go[..., 1] = 1
        cue = torch.zeros(n, b, 6); cue[..., 0] = 1
        if self.images:
            cue[..., 2] = cue[..., 5] = 1.0 - side_of_a
            cue[..., 3] = cue[..., 4] = side_of_a.float()
        go = cue.clone()
        go[..., 0] = 0; go[..., 1] = 1
        return fix, cue, go
