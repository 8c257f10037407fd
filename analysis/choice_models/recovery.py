"""Test whether a fit recovers the parameters that choices were simulated with, and the model.

Synthetic agents get parameters drawn uniformly from the typical ranges of their model (`Parameter.typical`), choose on a
schedule, and are fitted as animals are. Parameters are recovered if fitted values follow the true ones; a model is
recovered if it has the lowest BIC of all models fitted.

A low share of recovered agents need not be a failure. BIC prefers the smaller model wherever the data do not justify the
larger one, and some agents of the larger one *are* the smaller one: at a learning rate of 0.5 `ab` is `b`.

Reference: Wilson & Collins 2019, doi 10.7554/eLife.49547 (boxes 4 and 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfc_da.analysis.choice_models.fit import ModelFit, fit_model
from pfc_da.analysis.choice_models.models import Model, simulate_model
from pfc_da.errors import InputError

STABLE, VOLATILE, PHASE = (
    0.75,
    0.8,
    120,
)  # Behrens et al. 2007, doi 10.1038/nn1954: chances, and trials of a phase
SHORTEST, LONGEST = 20, 40  # trials between reversals of the volatile phase, from the same


@dataclass(frozen=True, kw_only=True)
class ParameterRecovery:
    """True and fitted parameters by name, (agent,) each, and the fit they are from."""

    true: dict[str, NDArray]
    fit: ModelFit

    def correlate(self, name: str) -> float:
        """Pearson's correlation over agents between true and fitted values of a parameter."""
        return float(np.corrcoef(self.true[name], self.fit.parameters[name])[0, 1])

    def correlate_ranks(self, name: str) -> float:
        """Spearman's correlation, on which a few agents at a bound have little influence."""
        from scipy.stats import spearmanr

        return float(spearmanr(self.true[name], self.fit.parameters[name])[0])


@dataclass(frozen=True, kw_only=True)
class ModelRecovery:
    """BIC of every model (column) for agents of every model (row).

    Attributes
    ----------
    names : tuple of str
    bic : (simulated, fitted, agent)
    """

    names: tuple[str, ...]
    bic: NDArray

    @property
    def confusion(self) -> NDArray:
        """Number of agents of each model (row) with the lowest BIC for each model (column)."""
        best = self.bic.argmin(axis=1)
        return np.stack([np.bincount(row, minlength=len(self.names)) for row in best])

    @property
    def found(self) -> NDArray:
        """Share of each model's agents whose own model has the lowest BIC, (simulated,)."""
        return np.diag(self.confusion) / self.bic.shape[2]

    def among(self, names: Sequence[str]) -> "ModelRecovery":
        """The same agents and fits with fewer models to choose from."""
        unknown = set(names) - set(self.names)
        if unknown:
            raise InputError(f"{sorted(unknown)} were not recovered; there are {', '.join(self.names)}.")
        index = [self.names.index(name) for name in names]
        return ModelRecovery(names=tuple(names), bic=self.bic[np.ix_(index, index)])


def recover_parameters(model: Model, p_reward: NDArray, *, rng: np.random.Generator) -> ParameterRecovery:
    """Simulate agents of a model, and fit the model to each.

    Parameters
    ----------
    model : Model
    p_reward : (agent, session, trial, action)
        Reward probability of both options.
    rng : numpy.random.Generator
        Draws parameters, choices, rewards and starting points.

    Returns
    -------
    ParameterRecovery
    """
    true, choice, reward = _simulate(model, p_reward, rng)
    return ParameterRecovery(true=true, fit=fit_model(model, choice, reward, rng=rng))


def recover_models(models: Sequence[Model], p_reward: NDArray, *, rng: np.random.Generator) -> ModelRecovery:
    """Simulate agents of every model on the same schedules, and fit every model to all of them.

    Parameters
    ----------
    models : sequence of Model
    p_reward, rng
        As for `recover_parameters`.

    Returns
    -------
    ModelRecovery
    """
    simulated = [_simulate(model, p_reward, rng)[1:] for model in models]
    choice, reward = (np.concatenate(each) for each in zip(*simulated, strict=True))
    bic = [fit_model(model, choice, reward, rng=rng).bic for model in models]
    by_model = np.stack(bic).reshape(len(models), len(models), -1)  # (fitted, simulated, agent)
    return ModelRecovery(names=tuple(model.name for model in models), bic=by_model.swapaxes(0, 1))


def _simulate(
    model: Model, p_reward: NDArray, rng: np.random.Generator
) -> tuple[dict[str, NDArray], NDArray, NDArray]:
    if p_reward.ndim != 4:
        raise InputError(f"p_reward must be (agent, session, trial, action), got {p_reward.shape}.")
    true = {each.name: rng.uniform(*each.typical, len(p_reward)) for each in model.parameters}
    return (true, *simulate_model(model, true, p_reward, rng=rng))


def draw_volatile_schedules(agents: int, sessions: int = 1, *, rng: np.random.Generator) -> NDArray:
    """Draw schedules with a stable and a volatile phase in random order.

    Stable: 75/25 for 120 trials. Volatile: 80/20, reversing every 20 to 40 trials, for 120. Which option is better at the
    start of a phase is random. Behrens et al. 2007, doi 10.1038/nn1954; uniform lengths between reversals are our choice.

    Parameters
    ----------
    agents, sessions : int
    rng : numpy.random.Generator

    Returns
    -------
    (agent, session, trial, action)
        Reward probability of both options.
    """
    draws = [_draw_session(rng) for _ in range(agents * sessions)]
    first = np.stack(draws).reshape(agents, sessions, 2 * PHASE)
    return np.stack([first, 1 - first], axis=-1)


def _draw_session(rng: np.random.Generator) -> NDArray:
    """Chance of option 0 on every trial of a session."""
    ends = np.cumsum(rng.integers(SHORTEST, LONGEST + 1, size=PHASE // SHORTEST))
    block = np.searchsorted(ends, np.arange(PHASE), side="right")
    sides = rng.integers(2, size=2)
    stable = np.where(np.full(PHASE, sides[0]), STABLE, 1 - STABLE)
    volatile = np.where((block + sides[1]) % 2, VOLATILE, 1 - VOLATILE)
    return np.concatenate([stable, volatile] if rng.integers(2) else [volatile, stable])
