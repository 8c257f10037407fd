"""Settings of a run: frozen, validated when built, saved with every result. No torch here.

`resolve` merges, in this order, the defaults below, those of the paradigm, those of the network and rule asked for, a
YAML file, and `--set key=value`. Whatever is wrong is said in one line: what was given, what is allowed, how to mend it.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import Field

from pfc_da.errors import InputError


class Settings(pydantic.BaseModel):
    """Base: immutable, unknown names refused."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    input_gain: float = Field(0.1, ge=0, le=5, description="s.d. of input weights at the start, thresholds")
    read_out_gain: float = Field(0.1, ge=0, le=10, description="s.d. of the read-outs' sum at the start")
    feedback: Literal["reward", "rpe", "both", "none"] = "reward"

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> "NetworkSettings":
        if self.tau_max < self.tau_min:
            raise ValueError(f"tau_max must be at least tau_min ({self.tau_min} s), got {self.tau_max} s")
        return self


class RuleSettings(Settings):
    """The plasticity rule and its synaptic step."""

    kind: Literal["three-factor", "bptt"] = "three-factor"
    feedback_weights: Literal["symmetric", "random"] = "symmetric"
    synaptic_step: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(5e-4, ge=0, le=10, description="per update")
    final_learning_rate: float = Field(0.1, ge=0, le=1, description="share of the first, linear in updates")
    discount: float = Field(0.7, ge=0, le=1, description="gamma, per trial")
    trace_decay: float = Field(0.9, ge=0, le=1, description="lambda, per trial")
    value_weight: float = Field(0.5, ge=0, le=100, description="learning signal of the critic relative to the actor")
    entropy: float = Field(0.02, ge=0, le=10, description="weight of policy entropy at the start")
    entropy_until: float = Field(0.5, gt=0, le=1, description="share of training after which it is 0")
    rate_penalty: float = Field(1e-3, ge=0, le=10, description="homeostasis of each unit's mean log rate")
    peak_penalty: float = Field(1e-2, ge=0, le=10, description="homeostasis of rates above 60 Hz")
    max_norm: float = Field(1.0, gt=0, description="largest norm of one update's weight change before the step")


class TrainSettings(Settings):
    """How long and on what to train."""

    updates: int = Field(1000, ge=0, le=10_000_000, description="weight updates")
    sessions: int = Field(64, ge=1, le=100_000, description="sessions an update")
    checkpoint_every: int = Field(50, ge=1, le=1_000_000, description="updates between checkpoints")


class ReplaySettings(Settings):
    """What to record with the weights frozen."""

    sessions: int = Field(256, ge=2, le=1_000_000, description="sessions of each animal and condition")
    recorded_sessions: int = Field(32, ge=1, le=100_000, description="sessions with unit activity")


class RunSettings(Settings):
    """Everything a run depends on."""

    paradigm: str
    animals: int = Field(4, ge=1, le=10_000, description="trained seeds")
    seed: int = Field(0, ge=0, le=2**62)
    network: NetworkSettings = NetworkSettings()
    rule: RuleSettings = RuleSettings()
    train: TrainSettings = TrainSettings()
    replay: ReplaySettings = ReplaySettings()
    task: dict[str, Any] = {}
    test_task: dict[str, Any] = {}
