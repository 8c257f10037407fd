"""Weights of a trained animal as a labelled data set, signed and raw."""

import xarray as xr

from pfc_da.agent import build_agent
from pfc_da.errors import InputError, show
from pfc_da.network import PFCNetwork, Weights
from pfc_da.rollout import name_channels
from pfc_da.settings import RunSettings
from pfc_da.task import Task
from pfc_da.trained import Trained

RAW = "_raw"
"""Ends the name of a weight as it is stored."""


def select_weights(trained: Trained, after: int | None) -> Weights:
    """Weights of an animal after so many updates.

    Parameters
    ----------
    trained : Trained
    after : int or None
        0: before training; None: at its end.

    Raises
    ------
    InputError
        If no weights were kept after so many.
    """
    if after not in trained.after:
        kept = ", ".join(str(updates) for updates in trained.after if isinstance(updates, int))
        raise InputError(
            f"no weights were kept after {show(after)} updates. There are: {kept}, and None for the end of training; "
            "the setting train.snapshots keeps more."
        )
    return trained.after[after]


def label_weights(weights: Weights, settings: RunSettings, task: Task) -> xr.Dataset:
    """Weights by name, each as the network uses it and, as ``NAME_raw``, as it is stored and trained.

    Parameters
    ----------
    weights : Weights
        As stored.
    settings : RunSettings
    task : Task

    Returns
    -------
    xarray.Dataset
        Of a rate network `w` (presynaptic, postsynaptic), `w_in` (channel, postsynaptic), `b` (postsynaptic), `w_read`
        (presynaptic, read_out) and `b_read` (read_out), where `w` follows Dale's law and absent connections are 0. In an
        LSTM the four gates of all units (input, forget, cell, output) are along `gate`, and `start` (state) is the initial
        h and c.
    """
    network = build_agent(settings, task).network
    used = network.effective(weights)
    stored = {f"{name}{RAW}": weight for name, weight in weights.items()}
    labels = {
        "is_excitatory": ("presynaptic", network.is_excitatory.numpy()),
        "channel": name_channels(task, settings.network.feedback_channels),
        "read_out": [*(f"action_{place}" for place in range(task.n_actions)), "value"],
    }
    labelled = {
        name: (_name_dims(network, name.removesuffix(RAW), weight.ndim), weight.numpy())
        for name, weight in (used | stored).items()
    }
    return xr.Dataset(labelled, coords=labels)


def _name_dims(network: PFCNetwork, name: str, ndim: int) -> tuple[str, ...]:
    return network.weight_dims.get(name) or tuple(f"{name}_{place}" for place in range(ndim))
