"""Settings that a fit may vary and statistics that it compares: read from YAML, and drawn from by optuna.

settings   each name of a setting: {low, high}, with log: true for even steps of its logarithm, or a list to choose from.
fitted     statistics that make the distance (`pfc_da.analysis.comparison.distance`).
held_out   statistics that never enter it.

References
----------
Tree-structured Parzen estimator: Bergstra et al. 2011, Advances in Neural Information Processing Systems 24:2546.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import pydantic

from pfc_da.analysis.comparison.distance import OF_CELLS, OF_CHOICES
from pfc_da.errors import InputError, nearest, show
from pfc_da.rng import derive_seed
from pfc_da.settings import KINDS, RunSettings, get_groups, refuse_yes_or_no
from pfc_da.storage.yaml_file import read_yaml

PILOTS = 10
"""Candidates drawn blindly, before any distance is looked at."""
GROUPS = ("network", "dopamine", "rule", "train")
MAY_DIFFER = tuple(
    dict.fromkeys(
        f"{group}.{name}"
        for group in GROUPS
        for settings in (KINDS[group].values() if group in KINDS else [get_groups({})[group]])
        for name in settings.model_fields
    )
)
"""Of every kind; one that the population has not is refused with its settings."""
Values = Mapping[str, Any]


class Range(pydantic.BaseModel):
    """From `low` to `high`, both included."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False

    @pydantic.field_validator("low", "high", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: Any) -> Any:
        return refuse_yes_or_no(value)

    @pydantic.model_validator(mode="after")
    def _is_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must lie below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"with log low must lie above 0, got {self.low:g}")
        return self


def _be_choice(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it should be a finite number")
    return refuse_yes_or_no(value)


Choice = Annotated[float | str, pydantic.BeforeValidator(_be_choice)]
Choices = Annotated[list[Choice], pydantic.Field(max_length=100)]
Allowed = Annotated[
    Annotated[Range, pydantic.Tag("range")] | Annotated[Choices, pydantic.Tag("list")],
    pydantic.Discriminator(lambda given: "list" if isinstance(given, list) else "range"),
]


class Space(pydantic.BaseModel):
    """Settings and statistics of the module docstring."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Allowed] = pydantic.Field(min_length=1)
    fitted: list[str] = pydantic.Field(min_length=1, max_length=100)
    held_out: list[str] = pydantic.Field([], max_length=100)

    @pydantic.field_validator("settings")
    @classmethod
    def _may_differ(cls, settings: dict[str, Any]) -> dict[str, Any]:
        for name, values in settings.items():
            if name.split(".")[0] in RunSettings.model_fields.keys() - set(GROUPS):
                raise ValueError(
                    f"{show(name)[1:-1]} must be alike for all; what may differ is of {', '.join(GROUPS)}"
                )
            if name not in MAY_DIFFER:
                raise ValueError(
                    f"there is no setting {show(name)}.{nearest(name, MAY_DIFFER)} "
                    f"What may differ is GROUP.NAME, of {', '.join(GROUPS)}"
                )
            if isinstance(values, list) and len(set(values)) < 2:
                raise ValueError(f"{name} must have at least two values to choose from, got {show(values)}")
        return settings

    @pydantic.model_validator(mode="after")
    def _are_statistics(self) -> "Space":
        names = (*OF_CHOICES, *OF_CELLS)
        for name in (*self.fitted, *self.held_out):
            if name.split(" ")[0] not in names:
                near = nearest(name, names)
                raise ValueError(f"there is no statistic {show(name)}.{near} There are {', '.join(names)}")
        if both := set(self.fitted) & {each for name in self.held_out for each in (name, name.split(" ")[0])}:
            raise ValueError(f"{show(min(both))[1:-1]} is fitted and held out; it can be only one of them")
        return self

    def ends(self, name: str) -> Sequence[Any]:
        """The values that a setting takes at the ends of its range, or all of its list."""
        values = self.settings[name]
        return values if isinstance(values, list) else (values.low, values.high)


def read_space(path: str | Path | None) -> Space:
    """Read a YAML file as the module docstring describes; without a path the one of `pfc_da.data`."""
    file = Path(str(files("pfc_da.data") / "fit_space.yaml")) if path is None else Path(path)
    try:
        return Space.model_validate(read_yaml(file, "space"))
    except pydantic.ValidationError as error:
        raise InputError(f"{file}: {_explain(error.errors()[0])}.") from None


def require_optuna() -> Any:
    """Import optuna, or say how to install it."""
    try:
        import optuna
    except ImportError:
        raise InputError(
            "optuna is not installed; this needs the extra 'fit': pip install 'pfc_da[fit]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def draw_values(
    space: Space, whole: Sequence[str], before: Sequence[tuple[Values, float]], seed: int
) -> dict[str, Any]:
    """Values of the next candidate: blindly for the first `PILOTS`, then where those before came near.

    What is drawn depends on the arguments alone, so that an interrupted fit goes on as if it had not been.

    Parameters
    ----------
    whole : sequence of str
        Settings that take whole numbers.
    before : sequence of (values, distance)
        Earlier candidates; an infinite distance is the worst there is.
    """
    optuna = require_optuna()
    kinds = optuna.distributions
    allowed: dict[str, Any] = {}
    for name, values in space.settings.items():
        if isinstance(values, list):
            allowed[name] = kinds.CategoricalDistribution(values)
        elif name in whole:
            allowed[name] = kinds.IntDistribution(round(values.low), round(values.high), log=values.log)
        else:
            allowed[name] = kinds.FloatDistribution(values.low, values.high, log=values.log)
    own_seed = derive_seed(seed, "candidate", len(before)) % 2**32
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=PILOTS, seed=own_seed))
    for earlier, distance in before:
        study.add_trial(
            optuna.trial.create_trial(params=dict(earlier), distributions=allowed, value=distance)
        )
    return dict(study.ask(allowed).params)


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in ("range", "list"))
    if error["type"] == "extra_forbidden":
        return f"no entry {show(place)}; there are settings, fitted and held_out, and of a range low, high and log"
    reason = error["msg"].removeprefix("Value error, ")
    return f"{show(place)[1:-1]}: {reason}" if place else reason
