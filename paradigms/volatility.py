r"""Volatility: two options, one better; how fast one should learn depends on how often they are exchanged.

What the subject saw, did and got. Two options, 240 trials a session. One pays with probability p, the other with 1 - p, so
every outcome is evidence on both. In the stable phase p is 75 % and the same option stays the better one for 120 trials; in
the volatile phase p is 80 % and the better option changes every 20 to 40 trials. Which phase comes first, and every change,
is unsignalled. A learner that tracks the better option should forget faster in the volatile phase:

    V <- V + alpha (outcome - V),        alpha larger where the world changes more

A fixation light goes off and a go signal comes on; an option is taken when it ends. Nothing but the choice and its reward
(1 or 0) is seen then, for .3 s.

Simplified: both options pay alike (in the experiment each trial showed how many points
each would pay, drawn independently of what is learned here). Declared choices of ours, not the papers': that the volatile
phase is as long as the stable one and its better options alternate from a random start; that the option better at the
change of phase is drawn anew; the durations; that in training the better option of the volatile phase changes with a
constant hazard of 1 in 25 trials, so that no run length can be learned, and phases are shorter early in training.

References
----------
Behrens, Woolrich, Walton & Rushworth 2007, doi 10.1038/nn1954 (schedule, Bayesian learner); Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 2 (schedule of the simulation not known to us); Blain & Rutledge 2020,
doi 10.7554/eLife.57977 (learning rates of humans).
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from pfc_da.analysis.findings import Findings
from pfc_da.analysis.observers.volatility import ScheduleObserver
from pfc_da.analysis.statistic import Statistic
from pfc_da.analysis.volatility.analyse import analyse_volatility
from pfc_da.analysis.volatility.rates import fit_rates, summarise_rates
from pfc_da.analysis.volatility.sessions import get_sessions
from pfc_da.clock import Phase
from pfc_da.errors import InputError
from pfc_da.experiment.experiment import Experiment
from pfc_da.settings import RunSettings
from pfc_da.task import Step, Task, task_setting

P_STABLE, P_VOLATILE = 0.75, 0.8
"""Reward probability of the better option: Behrens et al. 2007."""
RUN_TRIALS = (20, 40)
"""Fewest and most trials between two changes in the volatile phase: Behrens et al. 2007."""
RUNS = ("uniform", "geometric")
LIGHTS = {"fixation": torch.tensor([1.0, 0.0]), "go": torch.tensor([0.0, 1.0])}
DARK = torch.zeros(2)
"""Observation in the phases with a light, and in the others: fixation light and go signal."""
CHANCE = 0.5
"""Reward a trial of random choices: options pay p and 1 - p."""


class VolatilityState(NamedTuple):
    """Problems and progress of a batch of sessions."""

    p_reward: Tensor  # (trial, session, action)
    volatile: Tensor  # (trial, session) 0 stable, 1 volatile
    block: Tensor  # (trial, session)
    pays: Tensor  # (trial, session, action) whether the option would pay
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Volatility(Task):
    """A stable and a volatile phase of equal length, in either order."""

    n_trials: int = task_setting(240, "trials of a session, half of them in each phase", "trials", low=1)
    shortest_run: int = task_setting(
        RUN_TRIALS[0], "fewest trials between two changes in the volatile phase", "trials", low=1
    )
    longest_run: int = task_setting(
        RUN_TRIALS[1], "most trials between two changes in the volatile phase", "trials", low=1
    )

    runs: str = task_setting(
        "uniform",
        "distribution of the run lengths of the volatile phase between these, or of their mean",
        names=RUNS,
    )

    phases: ClassVar = (
        Phase("fixation", (0.5, 1.0)),
        Phase("go", (0.2, 0.5), choice=True),
        Phase("feedback", (0.3, 0.3), paced=False, feedback=True),
        Phase("rest", (0.2, 0.2)),
        Phase("interval", (0.5, 2.0)),
    )
    n_actions: ClassVar = 2
    observation_size: ClassVar = 2
    session_labels: ClassVar = {"p_reward": ("step", "action"), "volatile": ("step",), "block": ("step",)}
    step_labels: ClassVar = {"regret": ()}
    descriptions: ClassVar = {
        "p_reward": ("1", "reward probability of each option"),
        "volatile": ("1", "phase of the trial, 0 stable and 1 volatile"),
        "block": ("1", "stretch of trials with the same better option, counted within the session"),
        "regret": (
            "rewards",
            "better option's reward probability less the chosen one's, 0 on steps without a choice",
        ),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shortest_run > self.longest_run:
            raise InputError(
                f"shortest_run must be at most longest_run ({self.longest_run} trials), got {self.shortest_run}."
            )

    def reset(self, rng: torch.Generator, batch: int) -> tuple[VolatilityState, Step]:
        """Draw the order of the phases, the runs of the volatile one, and whether each option would pay."""
        half = self.n_trials // 2
        trial = torch.arange(self.n_trials)[:, None]
        stable_first = torch.rand(batch, generator=rng) < 0.5
        volatile = (trial >= half) == stable_first  # (trial, session)
        ends = self._draw_runs(rng, batch).cumsum(0)
        into_phase = trial - half * (trial >= half)
        run = (into_phase[..., None] >= ends.T).sum(-1) * volatile
        better = (run + torch.randint(2, (2, batch), generator=rng)[(trial[:, 0] >= half).long()]) % 2
        p = torch.where(volatile, P_VOLATILE, P_STABLE)
        p_first = torch.where(better == 0, p, 1 - p)
        p_reward = torch.stack([p_first, 1 - p_first], -1)
        pays = (torch.rand(self.n_trials, batch, 2, generator=rng) < p_reward).float()
        changes = (run.diff(dim=0) != 0) | (volatile.diff(dim=0) != 0)
        block = torch.cat([torch.zeros(1, batch), changes.float().cumsum(0)])
        state = VolatilityState(p_reward, volatile.long(), block.long(), pays, 0)
        return state, Step(LIGHTS["fixation"].expand(batch, -1), torch.zeros(batch), {})

    def _draw_runs(self, rng: torch.Generator, batch: int) -> Tensor:
        """Run lengths in trials, (run, session), enough for a whole session."""
        if self.runs == "geometric":
            hazard = 2 / (self.shortest_run + self.longest_run)
            u = torch.rand(self.n_trials + 1, batch, generator=rng, dtype=torch.float64)
            survive = torch.log1p(torch.tensor(-hazard, dtype=torch.float64))  # -inf for runs of 1 trial
            return (torch.log1p(-u) / survive).long() + 1
        n_runs = self.n_trials // self.shortest_run + 1
        return torch.randint(self.shortest_run, self.longest_run + 1, (n_runs, batch), generator=rng)

    def problem_labels(self, state: VolatilityState) -> dict[str, Tensor]:
        """The schedule, the same on all steps of a trial."""
        schedule = {"p_reward": state.p_reward, "volatile": state.volatile, "block": state.block}
        return {
            name: tensor.repeat_interleave(len(self.phases), 0).transpose(0, 1)
            for name, tensor in schedule.items()
        }

    def step(self, state: VolatilityState, action: Tensor) -> tuple[VolatilityState, Step]:
        """A choice is paid at once and seen in the next phase."""
        p = state.p_reward[state.step // len(self.phases)]
        nothing = torch.zeros(len(p))
        after = state._replace(step=state.step + 1)
        light = LIGHTS.get(self.phase(after.step).name, DARK).expand(len(p), -1)
        if not self.phase(state.step).choice:
            return after, Step(light, nothing, {"regret": nothing})
        reward = state.pays[state.step // len(self.phases)].gather(1, action[:, None])[:, 0]
        lost = p.amax(1) - p.gather(1, action[:, None])[:, 0]
        return after, Step(light, reward, {"regret": lost})


def analyse_choices(recording: xr.Dataset, rng: np.random.Generator) -> list[Statistic]:
    """Learning rates by phase.

    Parameters
    ----------
    recording : xarray.Dataset
    rng : numpy.random.Generator
        Draws the starts of the fit.
    """
    sessions = get_sessions(recording)
    return summarise_rates(sessions, fit_rates(sessions, rng=rng), rng=rng)


def analyse(
    recording: xr.Dataset, curves: Sequence[pd.DataFrame], settings: RunSettings, rng: np.random.Generator
) -> Findings:
    """Reward as a share of the ideal observer's, learning rates by phase and over training, units that code volatility.

    Parameters
    ----------
    recording : xarray.Dataset
    curves : sequence of DataFrame
        Learning curve of every animal.
    settings : RunSettings
    rng : numpy.random.Generator
    """
    test = Volatility(**settings.task | settings.test_task)
    training = dataclasses.replace(Volatility(**settings.task), n_trials=test.n_trials)
    ideal = {"ideal": build_observer(test), "ideal_of_training": build_observer(training)}
    return analyse_volatility(recording, curves, settings, ideal, rng=rng)


def build_observer(task: Volatility) -> ScheduleObserver:
    """The ideal observer of a task, which knows its schedule.

    Parameters
    ----------
    task : Volatility

    Returns
    -------
    ScheduleObserver
    """
    return ScheduleObserver(
        p_stable=P_STABLE,
        p_volatile=P_VOLATILE,
        run_trials=(task.shortest_run, task.longest_run),
        phase_trials=task.n_trials // 2,
        runs=task.runs,
    )


EXPERIMENT = Experiment(
    name="volatility",
    task=Volatility,
    chance=CHANCE,
    probability="p_reward",
    codes_value=False,  # of its own, with volatility among the variables
    headline={
        ("learning_rate_ratio", ""): "Learning rate, volatile over stable",
        ("reward_share", "ideal"): "Reward, share of the ideal observer's gain",
    },
    defaults={
        "train": {
            "updates": 400,
            "whole_from": 0.6,
            "slowest": 4.0,
            "snapshots": (0.02, 0.05, 0.1, 0.2, 0.4, 0.7),
        },
        "replay": {"held_out_sessions": 400},
        "task": {"n_trials": 160, "shortest_run": 15, "longest_run": 35, "runs": "geometric"},
        "test_task": {
            "n_trials": 240,
            "shortest_run": RUN_TRIALS[0],
            "longest_run": RUN_TRIALS[1],
            "runs": "uniform",
        },
    },
    analyse=analyse,
    analyse_choices=analyse_choices,
)
