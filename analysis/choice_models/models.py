"""Models of choice between two options that learn from reward, and choices drawn from them.

Every model keeps a value V of each option, 1/2 at the start of a session, and chooses option 1 with

    p = (1 - lapse) sigmoid(inverse_temperature (V_1 - V_0) + perseveration c) + lapse / 2,

c = 1 or -1 after option 1 or 0 was chosen last and 0 before the first choice. What differs is how V learns from
the error r - V of the chosen option: see `learners`. In a `coupled` model the outcome is also evidence about the other
option, for tasks in which the two are known to pay with p and 1 - p: V_other = 1 - V_chosen.

    name                 learner         free parameters
    b, ab, be, abe       RescorlaWagner  inverse_temperature (b); learning_rate, else 0.5 (a); lapse, else 0 (e)
    pearce_hall          PearceHall      learning_rate, associability_rate, inverse_temperature
    kalman               Kalman          learning_rate, inverse_temperature
    perseveration        RescorlaWagner  learning_rate, inverse_temperature, perseveration
    win_stay_lose_shift  RescorlaWagner  lapse

and all but the last also as `<name>_coupled`. Win-stay-lose-shift is the coupled model with learning rate 1 and a
choice without noise: V_1 - V_0 is then 1 or -1 for the option that the last outcome recommends, and a reward above
1/2 is a win.

Rewards lie in [0, 1]; an amount of juice is divided by the largest.

References: Wang et al. 2016, arXiv 1611.05763 (b, ab, be, abe). Behrens et al. 2007, doi 10.1038/nn1954 (p and
1 - p). Nowak & Sigmund 1993, doi 10.1038/364056a0, and Wilson & Collins 2019, doi 10.7554/eLife.49547
(win-stay-lose-shift, with a lapse). Lau & Glimcher 2005, doi 10.1901/jeab.2005.110-04 (the pull of the last choice).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from pfc_da.analysis.choice_models.learners import (
    START,
    Kalman,
    Learner,
    PearceHall,
    RescorlaWagner,
    State,
    Value,
)
from pfc_da.errors import InputError, nearest

NO_NOISE = 50.0  # inverse temperature: an option better by 1 is missed once in 10^21 choices


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model.

    Attributes
    ----------
    low, high : float
        Bounds of the fit.
    typical : tuple of float
        The range from which synthetic agents are drawn, uniformly.
    idle : float, optional
        The value at which the parameter does nothing and the model is the one without it.
    units, meaning : str
    """

    name: str
    low: float
    high: float
    typical: tuple[float, float]
    idle: float | None = None
    units: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A learner, its free and fixed parameters, and whether an outcome also changes the other option (`coupled`).

    Attributes
    ----------
    parameters : tuple of Parameter
        The free ones.
    fixed : mapping
        Value of every other parameter by name.
    """

    name: str
    learner: Learner
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, float] = field(hash=False)
    coupled: bool = False

    @property
    def n_tracked(self) -> int:
        """Number of values kept: those of both options, or in a coupled model that of option 1."""
        return 1 if self.coupled else 2

    def read_out(self, values: NDArray) -> NDArray:
        """V_1 - V_0, (..., agent, session), from tracked values (..., option, agent, session)."""
        return 2 * values[..., 0, :, :] if self.coupled else values[..., 1, :, :] - values[..., 0, :, :]

    def encode(self, choice: NDArray, reward: NDArray) -> tuple[NDArray, NDArray]:
        """Targets of the tracked options, as `Learner.update` takes them.

        Parameters
        ----------
        choice : (...) int
            0 or 1.
        reward : (...)
            In [0, 1].

        Returns
        -------
        target, chosen : (option, ...)
        """
        if self.coupled:
            target = np.where(choice == 1, reward, 1 - reward)[None]
            return target - START, np.ones_like(target)
        chosen = np.stack([choice == 0, choice == 1]).astype(float)
        return np.broadcast_to(reward - START, chosen.shape), chosen


LEARNING_RATE = Parameter(
    name="learning_rate",
    low=0,
    high=1,
    typical=(0.1, 0.6),
    units="1",
    meaning="share of the prediction error that is learnt",
)
# At a gain of 1 the drift is infinite.
KALMAN_RATE = replace(LEARNING_RATE, high=0.99, meaning="gain that a long run of outcomes leads to")
ASSOCIABILITY_RATE = Parameter(
    name="associability_rate",
    low=0,
    high=1,
    typical=(0.1, 0.9),
    idle=0,
    units="1",
    meaning="how fast the associability follows the size of errors",
)
INVERSE_TEMPERATURE = Parameter(
    name="inverse_temperature",
    low=0,
    high=NO_NOISE,
    typical=(2, 8),
    units="1/reward",
    meaning="log odds of a choice per unit of value",
)
LAPSE = Parameter(
    name="lapse",
    low=0,
    high=1,
    typical=(0.1, 0.3),
    idle=0,
    units="fraction",
    meaning="choices made at random",
)
PERSEVERATION = Parameter(
    name="perseveration",
    low=-NO_NOISE,
    high=NO_NOISE,
    typical=(1, 2),
    idle=0,
    units="log odds",
    meaning="pull of the last choice",
)


def _model(name: str, learner: Learner, *parameters: Parameter, **fixed: float) -> Model:
    defaults = {"learning_rate": 0.5, "lapse": 0.0, "perseveration": 0.0} | fixed
    free = {parameter.name for parameter in parameters}
    rest = {key: value for key, value in defaults.items() if key not in free}
    return Model(name=name, learner=learner, parameters=parameters, fixed=rest)


_SINGLE = (
    _model("b", RescorlaWagner(), INVERSE_TEMPERATURE),
    _model("ab", RescorlaWagner(), LEARNING_RATE, INVERSE_TEMPERATURE),
    _model("be", RescorlaWagner(), INVERSE_TEMPERATURE, LAPSE),
    _model("abe", RescorlaWagner(), LEARNING_RATE, INVERSE_TEMPERATURE, LAPSE),
    _model("pearce_hall", PearceHall(), LEARNING_RATE, ASSOCIABILITY_RATE, INVERSE_TEMPERATURE),
    _model("kalman", Kalman(), KALMAN_RATE, INVERSE_TEMPERATURE),
    _model("perseveration", RescorlaWagner(), LEARNING_RATE, INVERSE_TEMPERATURE, PERSEVERATION),
)
_WIN_STAY = _model(
    "win_stay_lose_shift", RescorlaWagner(), LAPSE, learning_rate=1.0, inverse_temperature=NO_NOISE
)
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        *_SINGLE,
        *(replace(model, name=f"{model.name}_coupled", coupled=True) for model in _SINGLE),
        replace(_WIN_STAY, coupled=True),
    )
}


def get_model(name: str) -> Model:
    """Model of a name in `MODELS`; InputError with the nearest one where there is none."""
    if name not in MODELS:
        raise InputError(
            f"no model of choice is called {name!r}; there are {', '.join(MODELS)}.{nearest(name, MODELS)}"
        )
    return MODELS[name]


def simulate_model(
    model: Model,
    parameters: Mapping[str, ArrayLike],
    p_reward: ArrayLike,
    *,
    window: ArrayLike | None = None,
    rng: np.random.Generator,
) -> tuple[NDArray, NDArray]:
    """Simulate choices of synthetic agents, with rewards of 0 or 1.

    Parameters
    ----------
    model : Model
    parameters : mapping
        Every free parameter by name: one number, one an agent (agent,), or with `window` (agent, window).
    p_reward : (session, trial, action) or (agent, session, trial, action)
        Chance of reward of both options.
    window : (agent, session, trial) or broadcastable int, optional
        Which column of the parameters holds on each trial.
    rng : numpy.random.Generator

    Returns
    -------
    choice : (agent, session, trial) int8
    reward : (agent, session, trial) float

    Raises
    ------
    InputError
        If parameters are missing or unknown, or shapes do not fit.

    Examples
    --------
    >>> p_reward = np.tile([0.2, 0.8], (10, 100, 1))  # (session, trial, action)
    >>> parameters = {"learning_rate": 0.3, "inverse_temperature": 5.0}
    >>> choice, reward = simulate_model(get_model("ab"), parameters, p_reward, rng=np.random.default_rng(0))
    >>> choice.shape, bool(choice.mean() > 0.8)
    ((1, 10, 100), True)
    """
    tables = _tabulate(model, parameters)
    chances = _by_agent(p_reward, max(len(table) for table in tables.values()))
    shape = chances.shape[:3]
    labels = np.broadcast_to(0 if window is None else np.asarray(window), shape)
    choice, reward = np.empty(shape, dtype=np.int8), np.empty(shape)
    state: State = tuple(np.full((model.n_tracked, *shape[:2]), start) for start in model.learner.start)
    last: NDArray = np.zeros(shape[:2])
    for t in range(shape[2]):
        now = {name: pick_window(table, labels[:, :, t]) for name, table in tables.items()}
        p = _predict(now, model.read_out(state[0]), last)
        chosen = (rng.random(p.shape) < p).astype(np.int8)
        paid = np.take_along_axis(chances[:, :, t], chosen[..., None].astype(int), axis=-1)[..., 0]
        choice[:, :, t], reward[:, :, t] = chosen, rng.random(p.shape) < paid
        target, learns = model.encode(chosen, reward[:, :, t])
        rates = (now[name] for name in model.learner.parameters)
        state, _, _ = model.learner.update(state, target, learns, *rates)
        last = np.where(chosen == 1, 1.0, -1.0)
    return choice, reward


def _by_agent(p_reward: ArrayLike, n_agents: int) -> NDArray:
    """Chances (agent, session, trial, action), for as many agents as there are parameters or chances."""
    chances: NDArray = np.asarray(p_reward, dtype=float)
    if chances.ndim not in (3, 4) or chances.shape[-1] != 2:
        raise InputError(f"p_reward must be ([agent,] session, trial, 2 actions), got {chances.shape}.")
    if chances.ndim == 3:
        return np.broadcast_to(chances, (n_agents, *chances.shape))
    if n_agents not in (1, len(chances)):
        raise InputError(f"parameters are of {n_agents} agents and p_reward is of {len(chances)}.")
    return chances


def _predict(now: Mapping[str, Value], difference: NDArray, last: NDArray) -> NDArray:
    """Chance of choosing option 1."""
    p = expit(now["inverse_temperature"] * difference + now["perseveration"] * last)
    return (1 - now["lapse"]) * p + now["lapse"] / 2


def _tabulate(model: Model, parameters: Mapping[str, ArrayLike]) -> dict[str, NDArray]:
    """Every parameter of the model, (agent or 1, window or 1)."""
    names = {parameter.name for parameter in model.parameters}
    if set(parameters) != names:
        raise InputError(
            f"{model.name} takes {', '.join(sorted(names))}; got {', '.join(sorted(parameters))}."
        )
    tables = {}
    for name, value in {**model.fixed, **parameters}.items():
        table: NDArray = np.array(value, dtype=float, ndmin=1)
        tables[name] = table[:, None] if table.ndim == 1 else table
    return tables


def pick_window(table: NDArray, window: NDArray) -> NDArray:
    """Value of a parameter for each agent and session.

    Parameters
    ----------
    table : (agent or 1, window or 1)
        Values of the parameter.
    window : (agent, session) int
        Window of this trial.

    Returns
    -------
    (agent, session), or `table` if there is one window
    """
    if table.shape[1] == 1:
        return table
    return np.take_along_axis(np.broadcast_to(table, (len(window), table.shape[1])), window, axis=1)
