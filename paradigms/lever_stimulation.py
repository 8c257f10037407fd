r"""Lever stimulation: a safe and a risky lever, and dopamine blocked or driven at chosen outcomes.

What the animal saw, did and got. Two levers, one left, one right. The safe one always pays 1, the risky one 4 with
probability p and else nothing; p is .5 (risk pays) or .125 (it does not). A session opens with five forced trials on each
lever, in random order, only that lever being out; then both come out and the animal is free to choose. At some outcomes
the lateral habenula is stimulated, which silences dopamine cells, or the ventral tegmental area, which excites them:

    risky win blocked      delta - 4 at a win of the risky lever              expected: fewer risky choices
    safe reward blocked    delta - 1 at the reward of the safe lever          expected: more
    risky loss stimulated  delta + 1 at a loss of the risky lever             expected: more

The network is an actor and a critic that share nothing but what they see (levers, last action). The critic receives the
reward, the actor only dopamine, delta(t) = r(t) + gamma^D V(t+D) - V(t) + injected(t). Weights are frozen, so whatever a
stimulation does to later choices it does through the activity of the actor.

Two further conditions separate the roles of dopamine. With `network.feedback=reward` the actor receives the reward, and
dopamine only trains synapses: stimulation must then have no effect while weights are frozen. The `plastic` conditions cut
the inner loop instead (hidden state reset at every trial) and leave the weights plastic, with the risky lever on the same
side in all sessions: stimulation must then shift choices, but slowly, from session to session.

In time: fixation light; levers out, and one is pressed at the end; outcome for .1 s; then dopamine reaches the actor for
.3 s, while the lever pressed stays out; levers retract until the next trial.

Simplified: a forced trial ends with its lever whatever the animal would have done. Declared choices of ours, not the
papers': 30 free trials a session, stimulation in forced trials too, one value of p and one side a session.

References
----------
Stopper, Tse, Montes, Wiedman & Floresco 2014, doi 10.1016/j.neuron.2014.08.033 (rats); Wang et al. 2018,
doi 10.1038/s41593-018-0147-8, simulation 6 (two networks; sizes of the changes as in a third-party re-implementation).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from pfc_da.analysis.findings import Findings
from pfc_da.analysis.lever_stimulation.analyse import analyse_levers
from pfc_da.analysis.lever_stimulation.risky_choices import (
    compute_shifts,
    summarise_p_risky,
    summarise_shifts,
)
from pfc_da.analysis.lever_stimulation.trials import get_trials
from pfc_da.analysis.statistic import Statistic
from pfc_da.clock import Phase
from pfc_da.dopamine import Block, Manipulation, Stimulate, When
from pfc_da.experiment.experiment import Experiment
from pfc_da.rollout import CONTROLS, TIMINGS, Condition
from pfc_da.settings import RunSettings
from pfc_da.task import Step, Task, task_setting

SAFE_REWARD, RISKY_REWARD = 1.0, 4.0
SAFE_WIN, RISKY_WIN, RISKY_LOSS = 1, 2, 3
P_WIN = {"test": (0.125, 0.5), "training": (0.05, 0.2, 0.4, 0.6)}
"""Probabilities of the risky win. Those of test are of simulation 6 of Wang et al. 2018, risk pays at the second only; those
of training are ours, so that the values of test are new to the animal."""
CHANCE = 1.125
"""Reward a trial of 50/50 choices: mean of 1 and 4 p over both p."""
N_FORCED = 5
"""Forced trials on each lever."""
SIDES = {"random": None, "left": 0, "right": 1}
FEATURES = (
    "fixation light",
    "left lever out",
    "right lever out",
    "left lever pressed",
    "right lever pressed",
)


class LeverState(NamedTuple):
    """Problems and progress of a batch of sessions."""

    p_win: Tensor  # (session,)
    risky_side: Tensor  # (session,) 0 left, 1 right
    forced: Tensor  # (trial, session) 0 free, 1 forced
    forced_side: Tensor  # (trial, session), of the only lever out; counts where forced
    wins: Tensor  # (trial, session) whether the risky lever would pay, 0 or 1
    pressed: Tensor  # (session, feature) screen after the press
    step: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeverStimulation(Task):
    """Safe against risky."""

    n_trials: int = task_setting(40, "trials of a session, forced ones included", "trials", low=1)
    risky_side: str = task_setting(
        "random", "where the risky lever is; random: drawn every session", names=SIDES
    )

    p_win: str = task_setting("training", "values of p, one drawn for each session", names=P_WIN)

    phases: ClassVar = (
        Phase("fixation", (0.5, 1.0)),
        Phase("levers", (0.3, 0.8), choice=True),
        Phase("outcome", (0.1, 0.1), paced=False, feedback=True),
        Phase("dopamine", (0.3, 0.3), paced=False, feedback=True),
        Phase("interval", (0.5, 2.0)),
    )
    n_actions: ClassVar = 2
    observation_size: ClassVar = len(FEATURES)
    step_labels: ClassVar = dict.fromkeys(
        ("chosen_lever", "outcome", "forced", "p_win", "risky_side", "regret"), ()
    )
    descriptions: ClassVar = {
        "chosen_lever": ("1", "lever pressed, 0 safe and 1 risky, -1 on steps without a press"),
        "outcome": ("1", "1 safe reward, 2 risky win, 3 risky loss, 0 on steps without a press"),
        "forced": ("1", "whether only one lever was out"),
        "p_win": ("1", "probability that the risky lever pays"),
        "risky_side": ("1", "side of the risky lever, 0 left and 1 right"),
        "regret": ("rewards", "better lever's mean reward less the chosen one's, 0 where there is no choice"),
    }

    def reset(self, rng: torch.Generator, batch: int) -> tuple[LeverState, Step]:
        """Draw p, the risky side, the order of the forced trials, and whether risk would pay on each trial."""
        values = torch.tensor(P_WIN[self.p_win])
        p_win = values[torch.randint(len(values), (batch,), generator=rng)]
        side = torch.randint(2, (batch,), generator=rng)
        if (fixed := SIDES[self.risky_side]) is not None:
            side = torch.full_like(side, fixed)
        order = torch.rand(2 * N_FORCED, batch, generator=rng).argsort(0) % 2
        n_forced = min(2 * N_FORCED, self.n_trials)
        forced = torch.zeros(self.n_trials, batch, dtype=torch.int64)
        forced[:n_forced] = 1
        forced_side = torch.zeros_like(forced)
        forced_side[:n_forced] = order[:n_forced]
        wins = (torch.rand(self.n_trials, batch, generator=rng) < p_win).float()
        nothing = torch.zeros(batch, len(FEATURES))
        state = LeverState(p_win, side, forced, forced_side, wins, nothing, 0)
        return state, Step(self._light_on(batch), torch.zeros(batch), {}, torch.zeros(batch, 2))

    def problem_labels(self, state: LeverState) -> dict[str, Tensor]:
        """Nothing is fixed under every condition."""
        return {}

    def step(self, state: LeverState, action: Tensor) -> tuple[LeverState, Step]:
        """Only the press counts; the lever pressed stays out until levers retract."""
        trial, nothing = state.step // len(self.phases), torch.zeros_like(state.p_win)
        no_lever = torch.full_like(state.risky_side, -1)
        labels = {
            "chosen_lever": no_lever,
            "outcome": torch.zeros_like(no_lever),
            "forced": state.forced[trial],
            "p_win": state.p_win,
            "risky_side": state.risky_side,
            "regret": nothing,
        }
        after, reward = state._replace(step=state.step + 1), nothing
        if self.phase(state.step).choice:
            reward, chosen = self._press(state, trial, action)
            labels |= chosen
            pressed = torch.zeros(len(action), len(FEATURES)).scatter_(1, 3 + action[:, None], 1.0)
            after = after._replace(pressed=pressed)
        return after, self._show(after, reward, labels)

    def _press(self, state: LeverState, trial: int, action: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Reward of a press, and its labels."""
        risky = (action == state.risky_side).long()
        won = risky * state.wins[trial]
        safe = torch.full_like(state.p_win, SAFE_REWARD)
        means = torch.stack([safe, RISKY_REWARD * state.p_win], 1)
        lost = (means.amax(1) - means.gather(1, risky[:, None])[:, 0]) * (1 - state.forced[trial])
        outcome = torch.where(risky == 1, torch.where(won == 1, RISKY_WIN, RISKY_LOSS), SAFE_WIN)
        reward = torch.where(risky == 1, RISKY_REWARD * won, SAFE_REWARD)
        return reward, {"chosen_lever": risky, "outcome": outcome, "regret": lost}

    def _show(self, state: LeverState, reward: Tensor, labels: Mapping[str, Tensor]) -> Step:
        """What is seen in the phase that begins; levers out are both, or the only one of a forced trial."""
        phase, batch = self.phase(state.step).name, len(reward)
        barred, screen = torch.zeros(batch, 2), torch.zeros(batch, len(FEATURES))
        if phase == "fixation":
            screen = self._light_on(batch)
        elif phase == "levers":
            trial = state.step // len(self.phases)
            barred = torch.eye(2)[1 - state.forced_side[trial]] * state.forced[trial][:, None]
            screen[:, 1:3] = 1 - barred
        elif phase != "interval":
            screen = state.pressed
        return Step(screen, reward, labels, barred)

    def _light_on(self, batch: int) -> Tensor:
        return torch.eye(len(FEATURES))[:1].expand(batch, -1)


def _at(outcome: int) -> When:
    def when(labels: Mapping[str, Tensor]) -> Tensor:
        return labels["outcome"] == outcome

    return when


MANIPULATIONS: dict[str, Manipulation] = {
    "risky_win_blocked": Block(4.0, _at(RISKY_WIN)),
    "safe_reward_blocked": Block(1.0, _at(SAFE_WIN)),
    "risky_loss_stimulated": Stimulate(1.0, _at(RISKY_LOSS)),
}
"""Sizes in rewards as in a third-party re-implementation of simulation 6 of Wang et al. 2018."""
DOSES = (0.25, 0.5, 1.5)
"""Shares of these sizes, in addition to 1."""


def _dose(name: str, dose: float) -> Condition:
    manipulation = MANIPULATIONS[name]
    weaker = dataclasses.replace(manipulation, amount=dose * manipulation.amount)
    return Condition(name=f"{name}_x{dose}", manipulations=(weaker,))


PLASTIC = Condition(name="plastic_control", hidden_reset=True, plastic=True, task=(("risky_side", "left"),))
CONDITIONS = (
    *CONTROLS,
    *TIMINGS,
    *(Condition(name=name, manipulations=(done,)) for name, done in MANIPULATIONS.items()),
    *(_dose(name, dose) for name in MANIPULATIONS for dose in DOSES),
    PLASTIC,
    *(
        dataclasses.replace(PLASTIC, name=f"plastic_{name}", manipulations=(done,))
        for name, done in MANIPULATIONS.items()
    ),
)


def analyse_choices(recording: xr.Dataset, rng: np.random.Generator) -> list[Statistic]:
    """P(risky), and its shift under every manipulation.

    Parameters
    ----------
    recording : xarray.Dataset
    rng : numpy.random.Generator
        Not used.
    """
    trials = get_trials(recording)
    return [*summarise_p_risky(trials), *summarise_shifts(compute_shifts(trials))]


def analyse(
    recording: xr.Dataset, curves: Sequence[pd.DataFrame], settings: RunSettings, rng: np.random.Generator
) -> Findings:
    """Effects of every manipulation on choices, and units that code outcomes.

    Parameters
    ----------
    recording : xarray.Dataset
    curves : sequence of DataFrame
        Learning curve of every animal; not used.
    settings : RunSettings
        Not used.
    rng : numpy.random.Generator
    """
    return analyse_levers(recording, rng=rng)


EXPERIMENT = Experiment(
    name="lever_stimulation",
    task=LeverStimulation,
    chance=CHANCE,
    choice=None,  # between levers that pay differently, and forced in some trials
    headline={
        ("p_risky_shift", "risky_win_blocked p=0.5"): "Shift of P(risky), risky win blocked, p = .5",
        ("p_risky_shift", "safe_reward_blocked p=0.125"): "Shift of P(risky), safe reward blocked, p = .125",
        (
            "p_risky_shift",
            "risky_loss_stimulated p=0.125",
        ): "Shift of P(risky), risky loss stimulated, p = .125",
    },
    defaults={
        "network": {"critic": "separate", "feedback": "rpe"},
        # An actor that receives dopamine alone learns less with the rate_penalty of the other tasks.
        "rule": {"kind": "three-factor", "rate_penalty": 0.005},
        "train": {"updates": 1000},
        "replay": {"held_out_sessions": 400, "sessions": 400},
        "test_task": {"p_win": "test"},
    },
    analyse=analyse,
    analyse_choices=analyse_choices,
    conditions=CONDITIONS,
    spiking=("hidden_reset", *MANIPULATIONS),
    largest_reward=RISKY_REWARD,
)
