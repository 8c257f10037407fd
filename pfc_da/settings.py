"""Settings of a run: frozen, validated when built, saved with every result. No torch here.

The groups `network` and `rule` have kinds, each a class of its own with its own settings and defaults (`NETWORKS`, `RULES`).

`resolve` merges, in this order: the defaults below, those of the paradigm, those of training that go with the rule, a YAML
file, options, and `--set key=value`. An error is one line: what was given, what is allowed, how to correct it.
"""

import contextlib
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import pydantic
from pydantic import Field
from pydantic.fields import FieldInfo

from pfc_da import discovery
from pfc_da.errors import InputError, find_nearest, nearest, show


def refuse_yes_or_no(value: Any) -> Any:
    """Raise ValueError for true and false (YAML: yes, no, on, off), which pydantic would accept as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("it should be a number or a name, not true or false")
    return value


def setting(default: Any, does: str, unit: str = "", **limits: Any) -> Any:
    """Declare a setting.

    Parameters
    ----------
    default
    does : str
        What it does, for messages and for `pfc-da settings`.
    unit : str
        Empty if it has none.
    **limits
        Limits as of `pydantic.Field`, such as ge and le.

    Returns
    -------
    pydantic field
    """
    return Field(default, description=does, json_schema_extra={"unit": unit}, **limits)


class Settings(pydantic.BaseModel):
    """Base class: immutable; unknown names are refused."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        is_yes_or_no = cls.model_fields[str(info.field_name)].annotation is bool
        return value if is_yes_or_no else refuse_yes_or_no(value)


class NetworkSettings(Settings):
    """Settings of networks of every kind."""

    default_rule: ClassVar[str] = "bptt"
    """Rule that trains this kind of network unless another is asked for."""

    kind: str
    n_units: int = setting(128, "recurrent units", "units", ge=4, le=4096)
    input_gain: float = setting(
        0.5, "standard deviation of the initial input weights", "thresholds", ge=0, le=5
    )
    pulse_gain: float = setting(
        2.0, "initial input weights of the last action and the feedback, relative to the others", ge=0, le=100
    )
    feedback: Literal["reward", "rpe", "both", "none"] = setting(
        "reward", "input of the network about an outcome; of the actor alone if critic is separate"
    )
    critic: Literal["shared", "separate"] = setting(
        "shared", "whether the critic has units of its own, with the reward as input"
    )

    @property
    def feedback_channels(self) -> Literal["reward", "rpe", "both", "none"]:
        """Feedback channels in the input of the whole network, actor and critic."""
        if self.critic == "shared":
            return self.feedback
        return "both" if self.feedback in ("rpe", "both") else "reward"


class RateNetworkSettings(NetworkSettings):
    """The excitatory-inhibitory rate network."""

    default_rule: ClassVar[str] = "three-factor"

    kind: str = setting("rate", "kind of network")
    fraction_excitatory: float = setting(0.8, "excitatory units", "fraction of units", gt=0, lt=1)
    tau_min: float = setting(0.1, "shortest synaptic time constant", "s", ge=0.01, le=100)
    tau_max: float = setting(8.0, "longest synaptic time constant but for slow units", "s", ge=0.01, le=100)
    fraction_slow: float = setting(
        0.4, "units with time constants from tau_max to tau_slow", "fraction of units", ge=0, le=1
    )
    tau_slow: float = setting(60.0, "longest synaptic time constant of slow units", "s", ge=0.01, le=1000)
    adaptation: float = setting(
        0.005, "spike-frequency adaptation, with a time constant of .2 s", "thresholds per Hz", ge=0, le=1
    )
    curve: Literal["lif", "rectified_tanh"] = setting("lif", "f-I curve of the units")
    neurons_per_unit: int = setting(
        4,
        "Poisson neurons that determine the shot noise of a unit; 0 for no noise",
        "neurons",
        ge=0,
        le=10_000,
    )
    recurrent_gain: float = setting(0.5, "spectral radius of the initial linearised network", ge=0, le=5)
    read_out_gain: float = setting(0.1, "standard deviation of the initial sum of the read-outs", ge=0, le=10)
    gate_gain: float = setting(
        0.0, "slope of the learned gate of the synaptic leak at half its maximum; 0 for no gate", ge=0, le=100
    )

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "RateNetworkSettings":
        if self.tau_max < self.tau_min:
            raise ValueError(f"tau_max must be at least tau_min ({self.tau_min} s), got {self.tau_max} s")
        if self.fraction_slow and self.tau_slow < self.tau_max:
            raise ValueError(f"tau_slow must be at least tau_max ({self.tau_max} s), got {self.tau_slow} s")
        if not 0 < round(self.fraction_excitatory * self.n_units) < self.n_units:
            raise ValueError(
                "fraction_excitatory must leave at least one excitatory and one inhibitory unit "
                f"of {self.n_units}, got {self.fraction_excitatory}"
            )
        return self


class LSTMNetworkSettings(NetworkSettings):
    """The LSTM of Wang et al. 2018, doi 10.1038/s41593-018-0147-8."""

    kind: str = setting("lstm", "kind of network")
    n_units: int = setting(48, "recurrent units", "units", ge=4, le=4096)
    input_gain: float = setting(1.0, "standard deviation of the initial input weights", ge=0, le=5)
    pulse_gain: float = setting(
        1.0, "initial input weights of the last action and the feedback, relative to the others", ge=0, le=100
    )


class DopamineSettings(Settings):
    """Transformation of the prediction error into dopamine."""

    channel: Literal["none", "cells"] = setting(
        "none", "whether the error passes through dopamine cells, with their floor and noise"
    )
    scale: float = setting(1.0, "error that counts as 1 for dopamine cells", "rewards", gt=0, le=1e6)
    asymmetry: float = setting(
        0.0, "errors above 0 are multiplied by 1 + asymmetry, those below 0 by 1 - asymmetry", ge=-1, le=1
    )
    noise: float = setting(
        0.0, "standard deviation of the noise added to dopamine at every step", "rewards", ge=0, le=1e6
    )

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "DopamineSettings":
        if self.channel == "cells" and (self.asymmetry or self.noise):
            raise ValueError(
                "asymmetry and noise are for channel none; channel cells has those of its cells. Leave them at 0"
            )
        return self


class RuleSettings(Settings):
    """Settings of plasticity rules of every kind, with their synaptic step."""

    default_network: ClassVar[str] = "rate"
    """Network that this kind of rule trains unless another is asked for."""
    train_defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults of `TrainSettings` that go with this kind of rule, in every paradigm."""

    kind: str
    synaptic_step: Literal["adam", "sgd"] = setting("adam", "how a proposed change is applied to the weights")
    learning_rate: float = setting(2e-3, "first learning rate", "per update", ge=0, le=10)
    final_learning_rate: float = setting(
        0.1, "last learning rate, reached linearly", "share of the first", ge=0, le=1
    )
    discount: float = setting(0.614, "discount of later rewards (gamma)", "per second", ge=0, le=1)
    trace_decay: float = setting(0.81, "decay of the eligibility trace (lambda)", "per second", ge=0, le=1)
    value_weight: float = setting(
        0.1, "learning signal of the critic relative to that of the actor", ge=0, le=100
    )
    dopamine_gain: float = setting(
        1.0, "dopamine relative to the terms without it: entropy, homeostasis", gt=0, le=1000
    )
    entropy: float = setting(0.1, "initial weight of policy entropy", ge=0, le=10)
    entropy_until: float = setting(
        1.6, "when the weight of policy entropy reaches 0, linearly", "share of training", gt=0, le=10
    )
    max_norm: float = setting(
        1.0, "largest norm of the proposed change of one update; a larger one is scaled down", gt=0, le=1e6
    )

    def learning_rate_at(self, share: float) -> float:
        """Learning rate after a share of training, from 0 to 1: linear between the first and the last."""
        return self.learning_rate * (1 - (1 - self.final_learning_rate) * share)


class ThreeFactorSettings(RuleSettings):
    """Dopamine times eligibility."""

    kind: str = setting("three-factor", "kind of rule")
    feedback_weights: Literal["random", "symmetric"] = setting(
        "random",
        "weights through which units receive their learning signal: fixed random ones or the read-out",
    )
    object_feedback: float = setting(
        0.1,
        "standard deviation of the random weights of errors about objects, where there are some",
        ge=0,
        le=10,
    )
    eligibility_window: float = setting(
        100.0, "longest time constant of the eligibility of a synapse", "s", gt=0, le=1000
    )
    rate_penalty: float = setting(
        0.02, "homeostasis of the log rate of each unit, on average in each phase of a trial", ge=0, le=10
    )
    peak_penalty: float = setting(5e-2, "homeostasis of rates above 60 Hz", ge=0, le=10)


class BPTTSettings(RuleSettings):
    """Backpropagation through time, as Wang et al. 2018, doi 10.1038/s41593-018-0147-8; the numbers are ours."""

    default_network: ClassVar[str] = "lstm"
    train_defaults: ClassVar[Mapping[str, Any]] = {"updates": 800, "sessions": 64, "whole_from": 0.5}

    kind: str = setting("bptt", "kind of rule")
    learning_rate: float = setting(5e-3, "first learning rate", "per update", ge=0, le=10)
    final_learning_rate: float = setting(
        0.02, "last learning rate, reached linearly", "share of the first", ge=0, le=1
    )
    discount: float = setting(0.8, "discount of later rewards (gamma)", "per second", ge=0, le=1)
    trace_decay: float = setting(1.0, "decay of the advantage (lambda)", "per second", ge=0, le=1)
    value_weight: float = setting(
        0.25, "learning signal of the critic relative to that of the actor", ge=0, le=100
    )
    dopamine_gain: float = setting(1.0, "dopamine relative to policy entropy", gt=0, le=1000)
    entropy_until: float = setting(
        1.2, "when the weight of policy entropy reaches 0, linearly", "share of training", gt=0, le=10
    )


class TrainSettings(Settings):
    """Length of training and of its sessions."""

    updates: int = setting(1000, "weight updates", "updates", ge=0, le=10_000_000)
    sessions: int = setting(32, "sessions of one update", "sessions", ge=1, le=100_000)
    fastest: float = setting(
        0.45, "lowest pace of a session; paced phases last that many times as long", ge=0.05, le=100
    )
    slowest: float = setting(
        7.0, "highest pace of a session, reached when sessions are whole", ge=0.05, le=100
    )
    longest_bin: float = setting(0.48, "longest bin, in the mean of its jitter", "s", ge=0.02, le=0.48)
    first_trials: int = setting(
        20, "trials of the first sessions; 0 for whole sessions from the start", "trials", ge=0, le=100_000
    )
    whole_from: float = setting(
        0.8, "when sessions are whole, growing linearly until then", "share of training", gt=0, le=1
    )
    checkpoint_every: int = setting(50, "updates between checkpoints", "updates", ge=1, le=1_000_000)
    snapshots: tuple[Annotated[float, Field(gt=0, lt=1), pydantic.BeforeValidator(refuse_yes_or_no)], ...] = (
        setting(
            (), "when weights are kept for replay; up to 100 numbers", "share of training", max_length=100
        )
    )

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "TrainSettings":
        if self.slowest < self.fastest:
            raise ValueError(f"slowest must be at least fastest ({self.fastest}), got {self.slowest}")
        return self

    @property
    def snapshot_updates(self) -> tuple[int, ...]:
        """Updates after which the weights are kept, ascending."""
        after = {round(share * self.updates) for share in self.snapshots}
        return tuple(sorted(after - {0, self.updates}))


class ReplaySettings(Settings):
    """Sessions that are recorded with frozen weights."""

    bin: float = setting(0.05, "bin, the update of the network; a multiple of .01", "s", ge=0.01, le=0.5)

    held_out_sessions: int = setting(
        1000, "sessions for mean reward and regret of every animal, frozen", "sessions", ge=2, le=1_000_000
    )
    sessions: int = setting(
        200, "sessions recorded step by step, of every condition", "sessions", ge=2, le=100_000
    )
    unit_sessions: int = setting(10, "sessions recorded with unit activity", "sessions", ge=1, le=200)

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> "ReplaySettings":
        if abs(self.bin * 100 - round(self.bin * 100)) > 1e-6:
            raise ValueError(f"bin must be a multiple of 0.01 s, got {self.bin}")
        if self.unit_sessions > self.sessions:
            raise ValueError(
                f"unit_sessions must be at most sessions ({self.sessions}), got {self.unit_sessions}"
            )
        return self


NETWORKS: dict[str, type[NetworkSettings]] = {"rate": RateNetworkSettings, "lstm": LSTMNetworkSettings}
"""Kind of network -> its settings; `pfc_da.agent.NETWORKS` has the networks. The first is the default."""
RULES: dict[str, type[RuleSettings]] = {"three-factor": ThreeFactorSettings, "bptt": BPTTSettings}
"""Kind of rule -> its settings; `pfc_da.agent.RULES` has the rules. The first is the default."""
KINDS: Mapping[str, Mapping[str, type[Settings]]] = {"network": NETWORKS, "rule": RULES}
"""Groups that have kinds."""


def name_kind(kind: str) -> str:
    """Name of a kind of network or rule; of one in a file of its own, the name of the file."""
    return Path(kind).stem if discovery.is_file(kind) else kind


def find_kind(group: str, kind: Any) -> type[Settings]:
    """Settings class of a kind.

    Parameters
    ----------
    group : str
        One of `KINDS`.
    kind
        As it was given, of any type.

    Returns
    -------
    type of Settings

    Raises
    ------
    InputError
        If there is no such kind.
    """
    kinds = KINDS[group]
    own = discovery.find_own(group, kind) if isinstance(kind, str) and kind not in kinds else None
    if own is not None:
        return cast(type[Settings], own.settings_class)
    if not isinstance(kind, str) or kind not in kinds:
        near = nearest(kind, kinds) if isinstance(kind, str) else ""
        raise InputError(
            f"setting '{group}.kind': got {show(kind)}; it should be {' or '.join(map(repr, kinds))}, or a .py file.{near}"
        )
    return kinds[kind]


def _find_rule(kind: str) -> type[RuleSettings]:
    return cast(type[RuleSettings], find_kind("rule", kind))


def _read_group(group: str, given: Any) -> Any:
    """Validate a group by the class of its kind."""
    if not isinstance(given, Mapping):
        return given
    return find_kind(group, given.get("kind", next(iter(KINDS[group])))).model_validate(given)


class RunSettings(Settings):
    """All settings that a run depends on."""

    paradigm: str
    paradigm_file: str = ""
    """File of a paradigm that is not of the package; set with `paradigm`, and no setting of its own."""
    animals: int = setting(4, "trained seeds", "animals", ge=1, le=10_000)
    seed: int = setting(0, "seed of all random numbers", ge=0, le=2**62)
    files: dict[str, str] = {}
    """SHA-256 of the files of one's own (paradigm, network, rule) by their path; no setting, taken from the files."""
    quick: pydantic.StrictBool = False
    """Whether it is a run to see that the program works, without verdicts; --quick sets it."""
    network: Annotated[
        pydantic.SerializeAsAny[NetworkSettings],
        pydantic.BeforeValidator(functools.partial(_read_group, "network")),
    ] = RateNetworkSettings()
    dopamine: DopamineSettings = DopamineSettings()
    rule: Annotated[
        pydantic.SerializeAsAny[RuleSettings],
        pydantic.BeforeValidator(functools.partial(_read_group, "rule")),
    ] = ThreeFactorSettings()
    train: TrainSettings = TrainSettings()
    replay: ReplaySettings = ReplaySettings()
    task: dict[str, Any] = {}
    test_task: dict[str, Any] = {}


def get_groups(kinds: Mapping[str, str]) -> dict[str, type[Settings]]:
    """Settings class of every group, for chosen kinds of `KINDS`."""
    groups = {
        name: field.annotation
        for name, field in RunSettings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
    }
    return groups | {group: find_kind(group, kind) for group, kind in kinds.items()}


def resolve(
    layers: Iterable[Mapping[str, Any]],
    *,
    config_file: Path | None = None,
    options: Mapping[str, Any] = {},
    sets: Iterable[str] = (),
) -> RunSettings:
    """Merge settings and validate them; later ones replace earlier ones.

    A layer whose `network` or `rule` names a `kind` speaks of that kind only: this group of it is left out if another kind
    is chosen. The last layer that names a kind chooses it.

    Parameters
    ----------
    layers : iterable of mapping
        Defaults by group, in the order of merging; `RuleSettings.train_defaults` come after them.
    config_file : Path, optional
        YAML file, merged after the defaults.
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
    >>> resolve([{"paradigm": "bandit"}], sets=["network.kind=lstm"]).rule.kind
    'bptt'
    """
    defaults = [*layers]
    asked = [{} if config_file is None else _read_file(config_file), options, *map(_parse, sets)]
    asked = [*map(_make_absolute, asked)]
    kinds = _choose_kinds(defaults, asked)
    with_rule = {"train": _find_rule(kinds["rule"]).train_defaults}
    merged: dict[str, Any] = {group: {"kind": kind} for group, kind in kinds.items()}
    for layer in (*defaults, with_rule, *asked):
        merged = merge(merged, _leave_out_other_kinds(layer, kinds))
    try:
        return RunSettings.model_validate(merged)
    except pydantic.ValidationError as error:
        raise InputError(_explain(error.errors()[0], kinds)) from error


def _choose_kinds(
    defaults: Iterable[Mapping[str, Any]], asked: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """Kinds of network and rule; one that is not asked for goes with the one that is."""
    usual = {group: next(iter(kinds)) for group, kinds in KINDS.items()} | _name_kinds(defaults)
    named = _name_kinds(asked)
    kinds = usual | named
    if "rule" not in named and kinds["network"] != usual["network"]:
        kinds["rule"] = cast(type[NetworkSettings], find_kind("network", kinds["network"])).default_rule
    if "network" not in named and kinds["rule"] != usual["rule"]:
        kinds["network"] = _find_rule(kinds["rule"]).default_network
    return kinds


def _make_absolute(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer whose kinds in files of their own are named by absolute paths, so that later commands find them."""
    found = dict(layer)
    for group in KINDS:
        given = layer.get(group)
        if isinstance(given, Mapping) and discovery.is_file(str(given.get("kind"))):
            found[group] = {**given, "kind": str(Path(given["kind"]).resolve())}
    return found


def _name_kinds(layers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The last kind that layers name, of each group; refuse one that there is not."""
    named = {
        group: layer[group]["kind"]
        for layer in layers
        for group in KINDS
        if isinstance(layer.get(group), Mapping) and "kind" in layer[group]
    }
    for group, kind in named.items():
        find_kind(group, kind)
    return named


def _leave_out_other_kinds(layer: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """A layer without the groups that name another kind."""
    return {
        group: given
        for group, given in layer.items()
        if group not in kinds
        or not isinstance(given, Mapping)
        or given.get("kind", kinds[group]) == kinds[group]
    }


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of both by group; those of `new` replace those of `old`.

    Examples
    --------
    >>> merge({"train": {"updates": 5, "sessions": 2}}, {"train": {"updates": 7}})
    {'train': {'updates': 7, 'sessions': 2}}
    """
    both = dict(old)
    for key, value in new.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merge(both[key], value) if nested else value
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
    """True if all keys of a mapping, and of the groups in it, are text."""
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


def _explain(error: Any, kinds: Mapping[str, str]) -> str:
    """One line for the first problem that pydantic found."""
    path, groups = ".".join(map(str, error["loc"])), get_groups(kinds)
    owner, field = _find(error["loc"], groups)
    if error["type"] == "extra_forbidden":
        return _explain_name(path, str(error["loc"][-1]), owner, groups)
    allowed = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if error["type"] in ("model_type", "dict_type"):
        allowed = f"it is a group of settings, to be set one by one, such as {path}.NAME=VALUE"
    elif error["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        allowed = f"it must be {describe_range(field)}" if field and describe_range(field) else allowed
    about = ", ".join(filter(None, (get_unit(field), field.description))) if field is not None else ""
    given = f" got {show(error['input'])};"
    if isinstance(
        error["input"], Mapping
    ):  # a group, of which something else is said, or in place of a value
        given = "" if error["type"] == "value_error" else " got a group;"
    return f"setting {show(path)}{f' ({about})' if about else ''}:{given} {allowed}."


def _explain_name(path: str, name: str, owner: type[Settings], groups: Mapping[str, type[Settings]]) -> str:
    """One line for a setting that there is not."""
    prefix = path.removesuffix(name)
    group = prefix.rstrip(".")
    siblings = {each: f"{prefix}{each}" for each in sorted(owner.model_fields)}
    having = [kind for kind, other in KINDS.get(group, {}).items() if name in other.model_fields]
    if having:
        own = next(kind for kind, other in KINDS[group].items() if other is owner)
        hint = f", which is of {group} {' and '.join(map(repr, having))}; the {group} is {own!r}."
    else:
        hint = f".{_nearest(name, siblings, groups)}"
    return f"no setting {show(path)}{hint} There are: {', '.join(siblings.values())}."


def _nearest(name: str, siblings: Mapping[str, str], groups: Mapping[str, type[Settings]]) -> str:
    """Suggest the sibling with the most similar name, otherwise a setting of another group."""
    elsewhere = {leaf: f"{group}.{leaf}" for group, kind in groups.items() for leaf in kind.model_fields}
    for known in (siblings, elsewhere):
        if name in known:
            return f" Did you mean '{known[name]}'?"
        if near := find_nearest(name, known):
            return f" Did you mean '{known[near]}'?"
    return ""


def describe_range(field: FieldInfo) -> str:
    """Range of a setting, such as "4 to 4096" or "above 0, at most 10"; empty if it has none."""
    limits = {
        key: value
        for key in ("ge", "gt", "le", "lt")
        for bound in field.metadata
        if (value := getattr(bound, key, None)) is not None
    }
    limits = {key: _format_limit(value) for key, value in limits.items()}
    if limits.keys() == {"ge", "le"}:
        return f"{limits['ge']} to {limits['le']}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return ", ".join(f"{words[key]} {value}" for key, value in limits.items())


def _format_limit(value: float) -> str:
    whole = int(value)
    if whole != value:
        return str(value)
    return f"2^{whole.bit_length() - 1}" if whole > 2**32 and whole.bit_count() == 1 else str(whole)


def get_unit(field: FieldInfo) -> str:
    """Unit of a setting; empty if it has none."""
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) else ""


def _find(
    location: tuple[Any, ...], groups: Mapping[str, type[Settings]]
) -> tuple[type[Settings], FieldInfo | None]:
    """Settings class that contains a location, and its field if there is one."""
    if len(location) > 1 and location[0] in groups:
        return groups[location[0]], groups[location[0]].model_fields.get(location[1])
    return RunSettings, RunSettings.model_fields.get(location[0]) if location else None
