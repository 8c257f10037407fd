"""Settings of a run: frozen, validated when built, saved with every result. No torch here.

`resolve` merges, in this order: the defaults below, those of the paradigm, those of the chosen network and rule, a YAML
file, and `--set key=value`. An error is one line: what was given, what is allowed, how to correct it.
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from pfc_da.errors import InputError, find_nearest, show


def refuse_yes_or_no(value: Any) -> Any:
    """Raise ValueError for true and false (YAML: yes, no, on, off), which pydantic would accept as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("it should be a number or a name, not true or false")
    return value


class Settings(pydantic.BaseModel):
    """Base class: immutable; unknown names are refused."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        is_yes_or_no = cls.model_fields[str(info.field_name)].annotation is bool
        return value if is_yes_or_no else refuse_yes_or_no(value)


class NetworkSettings(Settings):
    """The prefrontal network."""

    kind: Literal["rate", "lstm"] = "rate"
    n_units: int = Field(128, ge=4, le=4096, description="units")
    fraction_excitatory: float = Field(0.8, gt=0, lt=1, description="fraction of units")
    tau_min: float = Field(0.1, ge=0.01, le=100, description="s, shortest synaptic time constant")
    tau_max: float = Field(8.0, ge=0.01, le=100, description="s, longest synaptic time constant")
    curve: Literal["lif", "rectified_tanh"] = "lif"
    neurons_per_unit: int = Field(
        4, ge=0, le=10_000, description="Poisson neurons behind one unit's shot noise; 0 for none"
    )
    recurrent_gain: float = Field(0.8, ge=0, le=5, description="spectral radius of the linearised start")
    input_gain: float = Field(1.5, ge=0, le=5, description="s.d. of input weights at the start, thresholds")
    read_out_gain: float = Field(
        0.1, ge=0, le=10, description="s.d. of the sum of the read-outs at the start"
    )
    feedback: Literal["reward", "rpe", "both", "none"] = Field(
        "reward",
        description="input of the network about an outcome; of the actor alone if critic is separate",
    )
    critic: Literal["shared", "separate"] = Field(
        "shared", description="whether the critic has units of its own, with the reward as input"
    )

    @property
    def feedback_channels(self) -> Literal["reward", "rpe", "both", "none"]:
        """Feedback channels in the input of the whole network, actor and critic."""
        if self.critic == "shared":
            return self.feedback
        return "both" if self.feedback in ("rpe", "both") else "reward"

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "NetworkSettings":
        if self.tau_max < self.tau_min:
            raise ValueError(f"tau_max must be at least tau_min ({self.tau_min} s), got {self.tau_max} s")
        if not 0 < round(self.fraction_excitatory * self.n_units) < self.n_units:
            raise ValueError(
                "fraction_excitatory must leave at least one excitatory and one inhibitory unit "
                f"of {self.n_units}, got {self.fraction_excitatory}"
            )
        return self


class DopamineSettings(Settings):
    """Transformation of the prediction error into dopamine."""

    channel: Literal["none", "cells"] = Field(
        "none", description="whether the error passes through dopamine cells, with their floor and noise"
    )
    scale: float = Field(
        1.0, gt=0, le=1e6, description="rewards, the error that counts as 1 for dopamine cells"
    )
    asymmetry: float = Field(
        0.0, ge=-1, le=1, description="errors above 0 count 1 + asymmetry times, those below 0 1 - asymmetry"
    )
    noise: float = Field(
        0.0, ge=0, le=1e6, description="rewards, s.d. of noise added to dopamine at every step"
    )

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "DopamineSettings":
        if self.channel == "cells" and (self.asymmetry or self.noise):
            raise ValueError(
                "asymmetry and noise are for channel none; channel cells has those of its cells. Leave them at 0"
            )
        return self


class RuleSettings(Settings):
    """The plasticity rule and its synaptic step."""

    kind: Literal["three-factor", "bptt"] = "three-factor"
    feedback_weights: Literal["symmetric", "random"] = "symmetric"
    synaptic_step: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(4e-3, ge=0, le=10, description="per update")
    final_learning_rate: float = Field(0.1, ge=0, le=1, description="share of the first, linear in updates")
    discount: float = Field(0.9, ge=0, le=1, description="gamma, per trial")
    trace_decay: float = Field(0.9, ge=0, le=1, description="lambda, per trial")
    value_weight: float = Field(
        0.1, ge=0, le=100, description="learning signal of the critic relative to the actor"
    )
    dopamine_gain: float = Field(
        1.0, gt=0, le=1000, description="dopamine relative to the terms without it: entropy, homeostasis"
    )
    entropy: float = Field(0.1, ge=0, le=10, description="weight of policy entropy at the start")
    entropy_until: float = Field(1.6, gt=0, le=10, description="share of training at which it would be 0")
    rate_penalty: float = Field(1e-5, ge=0, le=10, description="homeostasis of each unit's mean log rate")
    peak_penalty: float = Field(5e-2, ge=0, le=10, description="homeostasis of rates above 60 Hz")
    max_norm: float = Field(
        1.0, gt=0, le=1e6, description="largest norm of one update's weight change before the step"
    )


class TrainSettings(Settings):
    """Length of training and of its sessions."""

    updates: int = Field(1000, ge=0, le=10_000_000, description="weight updates")
    sessions: int = Field(32, ge=1, le=100_000, description="sessions an update")
    first_trials: int = Field(
        20, ge=0, le=100_000, description="trials of the first sessions, 0 for whole sessions from the start"
    )
    whole_from: float = Field(
        0.8, gt=0, le=1, description="share of training from which sessions are whole, growing linearly"
    )
    checkpoint_every: int = Field(50, ge=1, le=1_000_000, description="updates between checkpoints")
    snapshots: tuple[Annotated[float, Field(gt=0, lt=1), pydantic.BeforeValidator(refuse_yes_or_no)], ...] = (
        Field(
            (),
            max_length=100,
            description="shares of training after which the weights are kept for replay",
        )
    )

    @property
    def snapshot_updates(self) -> tuple[int, ...]:
        """Updates after which the weights are kept, ascending."""
        after = {round(share * self.updates) for share in self.snapshots}
        return tuple(sorted(after - {0, self.updates}))


class ReplaySettings(Settings):
    """Sessions that are recorded with frozen weights."""

    held_out_sessions: int = Field(
        1000, ge=2, le=1_000_000, description="sessions behind mean reward and regret"
    )
    sessions: int = Field(200, ge=2, le=100_000, description="sessions recorded step by step")
    unit_sessions: int = Field(40, ge=1, le=10_000, description="sessions recorded with unit activity")

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "ReplaySettings":
        if self.unit_sessions > self.sessions:
            raise ValueError(
                f"unit_sessions must be at most sessions ({self.sessions}), got {self.unit_sessions}"
            )
        return self


class RunSettings(Settings):
    """All settings that a run depends on."""

    paradigm: str
    paradigm_file: str = Field("", description="file of a paradigm of your own, empty for one of the package")
    animals: int = Field(4, ge=1, le=10_000, description="trained seeds")
    seed: int = Field(0, ge=0, le=2**62, description="whole number")
    quick: pydantic.StrictBool = Field(
        False,
        description="whether it is a run to see that the program works, without verdicts: --quick sets it",
    )
    network: NetworkSettings = NetworkSettings()
    dopamine: DopamineSettings = DopamineSettings()
    rule: RuleSettings = RuleSettings()
    train: TrainSettings = TrainSettings()
    replay: ReplaySettings = ReplaySettings()
    task: dict[str, Any] = {}
    test_task: dict[str, Any] = {}


def resolve(
    layers: Iterable[Mapping[str, Any]],
    *,
    config_file: Path | None = None,
    options: Mapping[str, Any] = {},
    sets: Iterable[str] = (),
) -> RunSettings:
    """Merge settings and validate them; later ones replace earlier ones.

    Parameters
    ----------
    layers : iterable of mapping
        Settings by group, in the order of merging.
    config_file : Path, optional
        YAML file, merged after `layers`.
    options : mapping
        Settings by group, merged after the file.
    sets : iterable of str
        Texts `key=value`, merged last.

    Returns
    -------
    RunSettings

    Raises
    ------
    InputError
        With the nearest name for a misspelt setting, and the range and units for a bad value.

    Examples
    --------
    >>> resolve([{"paradigm": "bandit"}], sets=["train.updates=20"]).train.updates
    20
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer)
    if config_file is not None:
        merged = _merge(merged, _read_file(config_file))
    merged = _merge(merged, options)
    for text in sets:
        merged = _merge(merged, _parse(text))
    try:
        return RunSettings.model_validate(merged)
    except pydantic.ValidationError as error:
        raise InputError(_explain(error.errors()[0])) from error


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = _merge(both[key], value) if nested else value
    return both


def _read_file(path: Path) -> dict[str, Any]:
    from pfc_da.storage.yaml_file import read_yaml

    content = read_yaml(path, "settings")
    if content is None:
        return {}
    if not isinstance(content, dict) or not _names(content):
        raise InputError(
            f"{path} must map names of settings to values, such as 'train: {{updates: 500}}'; "
            f"it holds {show(content)}."
        )
    return content


def _names(content: Mapping[Any, Any]) -> bool:
    """Whether all keys of a mapping, and of the groups in it, are text."""
    inner = (value for value in content.values() if isinstance(value, Mapping))
    return all(isinstance(key, str) for key in content) and all(map(_names, inner))


def _parse(text: str) -> dict[str, Any]:
    import yaml

    from pfc_da.storage.yaml_file import Refused, parse_yaml

    name, equals, content = text.partition("=")
    name = name.strip()
    value: Any = content  # what is not YAML is text
    if not equals or not name:
        raise InputError(f"--set needs KEY=VALUE, such as train.updates=500, got {show(text)}.")
    if len(parts := name.split(".")) > 2 or not all(parts):
        raise InputError(
            f"no setting {show(name)}; settings are NAME or GROUP.NAME, such as seed or train.updates."
        )
    with contextlib.suppress(yaml.YAMLError):
        try:
            value = parse_yaml(content)
        except Refused as error:
            raise InputError(f"setting {show(name)}: {error}.") from None
    for part in reversed(parts):
        value = {part: value}
    return value


def _explain(error: Any) -> str:
    """One line for the first problem that pydantic found."""
    path = ".".join(map(str, error["loc"]))
    owner, field = _find(error["loc"])
    if error["type"] == "extra_forbidden":
        siblings = {
            name: f"{path.removesuffix(str(error['loc'][-1]))}{name}" for name in sorted(owner.model_fields)
        }
        hint = _nearest(str(error["loc"][-1]), siblings)
        return f"no setting {show(path)}.{hint} There are: {', '.join(siblings.values())}."
    allowed = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if error["type"] in ("model_type", "dict_type"):
        allowed = f"it is a group of settings, to be set one by one, such as {path}.NAME=VALUE"
    elif error["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        allowed = f"it must be {_range(field)}" if _range(field) else allowed
    about = f" ({field.description})" if field is not None and field.description else ""
    given = f" got {show(error['input'])};"
    if isinstance(
        error["input"], Mapping
    ):  # a group, of which something else is said, or in place of a value
        given = "" if error["type"] == "value_error" else " got a group;"
    return f"setting {show(path)}{about}:{given} {allowed}."


def _nearest(name: str, siblings: Mapping[str, str]) -> str:
    """Suggest the sibling with the most similar name, otherwise a setting of another group."""
    groups = {group: field.annotation for group, field in RunSettings.model_fields.items()}
    elsewhere = {
        leaf: f"{group}.{leaf}"
        for group, kind in groups.items()
        if isinstance(kind, type) and issubclass(kind, Settings)
        for leaf in kind.model_fields
    }
    for known in (siblings, elsewhere):
        if name in known:
            return f" Did you mean '{known[name]}'?"
        if near := find_nearest(name, known):
            return f" Did you mean '{known[near]}'?"
    return ""


def _range(field: Any) -> str:
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    bounds = [(word, getattr(bound, key, None)) for key, word in words.items() for bound in field.metadata]
    return " and ".join(f"{word} {limit}" for word, limit in bounds if limit is not None)


def _find(location: tuple[Any, ...]) -> tuple[type[Settings], Any]:
    """Settings class that contains a location, and its field if there is one."""
    owner: type[Settings] = RunSettings
    for part in location[:-1]:
        field = owner.model_fields.get(part)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
        ):
            return owner, field
        owner = field.annotation
    return owner, owner.model_fields.get(location[-1]) if location else None
