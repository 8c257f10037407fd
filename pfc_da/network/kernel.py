"""The bins of the rate network and of the three-factor rule, compiled; the same results as their plain versions.

Softplus and sigmoid of the f-I curve are computed from exp(-|x|), by polynomials without branches or tables, so that a
loop over units is a few vector instructions. Compiled code is kept in a cache of numba (next to this file, or where
NUMBA_CACHE_DIR says) where one can be written; files of the cache are replaced as a whole, so processes may share it.
All numbers of the equations are arguments: the cache would not notice if one changed in another module.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch
from numba import boolean, float32, int8, int64
from threadpoolctl import threadpool_limits
from torch import Tensor

from pfc_da.clock import MAX_TICKS, TICK_S
from pfc_da.network import Trace
from pfc_da.network.rate import (
    BYTE_SD,
    FI_GAIN_HZ,
    FI_THRESHOLD,
    FI_WIDTH,
    RATE_SCALE_HZ,
    REFRACTORY_LIMIT_HZ,
)
from pfc_da.plasticity.three_factor import BLOCK, PEAK_HZ, bend_leak, tabulate_eligibility

if TYPE_CHECKING:
    from pfc_da.network.rate import RateNetwork
    from pfc_da.plasticity.three_factor import Signals
    from pfc_da.rollout import Rollout
    from pfc_da.settings import ThreeFactorSettings

CURVE = np.array([FI_THRESHOLD, 1 / FI_WIDTH, FI_GAIN_HZ, REFRACTORY_LIMIT_HZ], np.float32)
NO_NOISE = np.empty((0, 0, 0), np.int8)
NO_GATE = np.empty((0, 0, 0), np.float32)
LOG2_E = np.float32(math.log2(math.e))
LEAST_POWER = np.float32(-64.0)
"""Of 2 in exp(-|x|): far below what changes a rate, and far above subnormal numbers, which are slow."""
ROUNDING = np.float32(1.5 * 2**23)
"""The last bits of a number plus this are its nearest integer."""
BIAS = np.int32(127)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
# Chebyshev fits of 2^f, |f| <= 1/2 (relative error 1e-7), and of log(1 + u) / u, 0 <= u <= 1 (2e-7).
E0, E1, E2, E3, E4, E5 = (
    np.float32(c) for c in (1.00000008, 0.693147207, 0.240221074, 0.0555032721, 0.0096760371, 0.00134004322)
)
L0, L1, L2, L3, L4, L5, L6, L7 = (
    np.float32(c)
    for c in (0.99999981, -0.499974494, 0.332761766, -0.244996117, 0.17757024, -0.107853679, 0.0442141922, -0.00857467618)
)  # fmt: skip
FAST = {
    "contract",
    "nsz",
    "arcp",
}  # without those that assume finite numbers or change the order of additions


def _compile(signature: Any) -> Callable[[Any], Any]:
    """Compile at once for one signature; without a cache where none can be used."""

    def decorate(function: Any) -> Any:
        options: dict[str, Any] = {"fastmath": FAST, "error_model": "numpy", "nogil": True}
        try:
            return numba.njit(signature, cache=True, **options)(function)
        except (
            Exception
        ):  # no folder for the cache, a full disk, or a damaged file; another error is raised again
            return numba.njit(signature, **options)(function)

    return decorate


@numba.njit(fastmath=FAST)
def _exp_minus_abs(x):
    """exp(-|x|): 2^n times 2^f, n an integer that becomes the exponent bits of a number."""
    y = -abs(x) * LOG2_E
    y = LEAST_POWER if y < LEAST_POWER else y
    shifted = np.float32(y + ROUNDING)
    f = y - (shifted - ROUNDING)
    power = E0 + f * (E1 + f * (E2 + f * (E3 + f * (E4 + f * E5))))
    bits = np.int32((shifted.view(np.int32) + BIAS) << np.int32(23))
    return power * bits.view(np.float32)


@numba.njit(fastmath=FAST)
def _log1p(u):
    return u * (L0 + u * (L1 + u * (L2 + u * (L3 + u * (L4 + u * (L5 + u * (L6 + u * L7)))))))


# A loop over units becomes vector instructions only if it needs few checks that its arrays do not overlap; hence several
# loops for a bin. They are over all sessions, as rows that are cut out as arrays of their own take longer than the sums.


@numba.njit(fastmath=FAST, error_model="numpy")
def _fire(drive, current, adaptation, rate, ticks, adapt, strength, curve):
    """Drive (the recurrent current at first), rate and adaptation in a bin."""
    threshold, sharpness, scale, limit = curve[0], curve[1], curve[2], curve[3]
    for s in range(len(ticks)):
        approach = ONE - adapt[ticks[s]]
        for j in range(drive.shape[1]):
            total = drive[s, j] + (current[s, j] - adaptation[s, j])
            x = (total - threshold) * sharpness
            r = scale * ((ZERO if x < ZERO else x) + _log1p(_exp_minus_abs(x)))
            r = limit if r > limit else r
            drive[s, j] = total
            rate[s, j] = r
            adaptation[s, j] += approach * (strength * r - adaptation[s, j])


@numba.njit(fastmath=FAST, error_model="numpy")
def _gate(before, rate, ticks, keep, gain):
    """Gating after a bin, in place of the rate."""
    for s in range(len(ticks)):
        tick = ticks[s]
        for j in range(rate.shape[1]):
            rate[s, j] = before[s, j] * keep[tick, j] + rate[s, j] * gain[tick, j]


@numba.njit(fastmath=FAST, error_model="numpy")
def _gate_noisily(before, rate, ticks, keep, gain, noise, spread, unit):
    """As `_gate`, with noise: random bytes in units of `1 / unit`."""
    for s in range(len(ticks)):
        tick = ticks[s]
        for j in range(rate.shape[1]):
            shot = (np.float32(noise[s, j]) + HALF) * unit * spread[tick, j] * math.sqrt(rate[s, j])
            rate[s, j] = before[s, j] * keep[tick, j] + rate[s, j] * gain[tick, j] + shot


@numba.njit(fastmath=FAST, error_model="numpy")
def _filter(ticks, speed, scale, shot, keep, gain, spread):
    """Numbers of the equations in a bin where each session has its own: `speed` is the inverse time constants per tick."""
    for s in range(len(ticks)):
        tick = np.float32(ticks[s])
        for j in range(speed.shape[1]):
            k = _exp_minus_abs(tick * speed[s, j])
            k = ONE if k > ONE else k
            keep[s, j] = k
            gain[s, j] = (ONE - k) * scale
            spread[s, j] = shot * math.sqrt((ONE - k * k) * speed[s, j])


@numba.njit(fastmath=FAST)
def _check(ticks, tables):
    """Refuse durations that the tables do not hold, which compiled code would read anyway."""
    for tick in ticks.flat:
        if tick < 0 or tick >= len(tables):
            raise IndexError("ticks of a bin must be from 0 to the last row of the tables.")


BINS, ROWS = float32[:, :, ::1], float32[:, ::1]


@_compile((BINS, BINS, BINS, ROWS, ROWS, int64[:, ::1], int8[:, :, ::1], ROWS, ROWS, ROWS, float32[::1],
           float32, float32[::1], float32, BINS, float32, float32))  # fmt: skip
def _advance(
    state, gating, drive, w, current, ticks, noise, keep, gain, spread, adapt, strength, curve, unit, speed, scale,
    shot,
):  # fmt: skip
    _check(ticks, adapt)
    adaptation, sessions = state[1], np.arange(state.shape[1])
    for t in range(len(ticks)):
        before = gating[t - 1] if t > 0 else state[0]
        np.dot(before, w, drive[t])
        _fire(drive[t], current, adaptation, gating[t], ticks[t], adapt, strength, curve)
        rows = ticks[t]
        if len(speed) > 0:  # rows of the tables are then sessions
            _filter(ticks[t], speed[0], scale, shot, keep, gain, spread)
            rows = sessions
        if len(noise) > 0:
            _gate_noisily(before, gating[t], rows, keep, gain, noise[t], spread, unit)
        else:
            _gate(before, gating[t], rows, keep, gain)
    if len(ticks) > 0:
        state[0] = gating[-1]


def advance(
    network: "RateNetwork",
    w: Tensor,
    state: Tensor,
    current: Tensor,
    ticks: Tensor,
    noise: Tensor | None,
    leak: Tensor | None = None,
) -> tuple[Tensor, Trace]:
    """As `pfc_da.network.rate.advance_plain`, which see."""
    arrays, k = network.arrays, network.settings.neurons_per_unit
    filters = [arrays["keep"], arrays["gain"], arrays["noise"]]
    if leak is not None:
        filters = [np.empty(leak.shape, np.float32) for _ in filters]
    own_state = np.array(_array(state))
    gating, drive = (np.empty((len(ticks), *own_state.shape[1:]), np.float32) for _ in range(2))
    _advance(
        own_state,
        gating,
        drive,
        *(_array(each) for each in (w, current, ticks)),
        NO_NOISE if noise is None else _array(noise),
        *filters,
        arrays["adapt"],
        network.settings.adaptation,
        CURVE,
        1 / BYTE_SD,
        NO_GATE if leak is None else _speed(network, leak)[None],
        1 / RATE_SCALE_HZ,
        math.sqrt((k > 0) / (2 * max(k, 1) * TICK_S)) / RATE_SCALE_HZ,
    )
    return torch.from_numpy(own_state), Trace(torch.from_numpy(gating), torch.from_numpy(drive))


@numba.njit(fastmath=FAST, error_model="numpy")
def _collect(later, signals, to_units):
    """Add the learning signals of a bin at the units to what later bins contribute."""
    for s in range(len(later)):
        for channel in range(len(to_units)):
            signal = signals[s, channel]
            if signal != ZERO:  # of an action: at choices only
                for j in range(later.shape[1]):
                    later[s, j] += signal * to_units[channel, j]


@numba.njit(fastmath=FAST, error_model="numpy")
def _change(change, later, drive, ticks, gain, weight, pull, peak_penalty, curve):
    """Change of the drive of the units in a bin."""
    threshold, sharpness, ceiling, steepest = curve[0], curve[1], curve[4], curve[5]
    for s in range(len(ticks)):
        tick, share = ticks[s], weight[s]
        for j in range(change.shape[1]):
            u = _exp_minus_abs((drive[s, j] - threshold) * sharpness)
            slope = steepest * ((u if drive[s, j] < threshold else ONE) / (ONE + u))
            excess = drive[s, j] - ceiling
            excess = ZERO if excess < ZERO else excess
            change[s, j] = later[s, j] * gain[tick, j] * slope + share * (pull[j] - peak_penalty * excess)


@numba.njit(fastmath=FAST, error_model="numpy")
def _open(gate, later, before, drive, ticks, keep, scale, curve):
    """Change of the memory gates in a bin, per change of their `speed`."""
    threshold, sharpness, gain, limit = curve[0], curve[1], curve[2], curve[3]
    for s in range(len(ticks)):
        tick = np.float32(ticks[s])
        for j in range(gate.shape[1]):
            x = (drive[s, j] - threshold) * sharpness
            r = gain * ((ZERO if x < ZERO else x) + _log1p(_exp_minus_abs(x)))
            r = limit if r > limit else r
            gate[s, j] += later[s, j] * (r * scale - before[s, j]) * keep[s, j] * tick


@numba.njit(fastmath=FAST, error_model="numpy")
def _limit(keep, ticks, longest):
    """Eligibility decays at least as fast as its window."""
    for s in range(len(ticks)):
        for j in range(keep.shape[1]):
            keep[s, j] = min(keep[s, j], longest[ticks[s]])


@numba.njit(fastmath=FAST, error_model="numpy")
def _pass_on(later, change, post, ticks, keep):
    """Decay of eligibility between bins, and the sum over the bins of a step."""
    for s in range(len(ticks)):
        tick = ticks[s]
        for j in range(later.shape[1]):
            later[s, j] *= keep[tick, j]
            post[s, j] += change[s, j]


@_compile((ROWS, BINS, BINS, BINS, int64[:, ::1], int64[::1], int64[::1], boolean[::1], BINS, ROWS, ROWS,
           ROWS, ROWS, ROWS, float32[::1], float32, int64, BINS, BINS, float32[::1], float32))  # fmt: skip
def _accumulate(
    w, post, before, drive, ticks, step, phase, ends, read_out, to_units, weight, pull, keep, gain, curve,
    peak_penalty, block, gate, speed, longest, scale,
):  # fmt: skip
    _check(ticks, longest)
    sessions = np.arange(drive.shape[1])
    n_sessions, n_units = drive.shape[1:]
    later = np.zeros((n_sessions, n_units), np.float32)  # Q_j of the rule
    change = np.empty((block, n_sessions, n_units), np.float32)
    product = np.empty_like(w)
    for last in range(len(ticks), 0, -block):
        first = max(last - block, 0)
        for t in range(last - 1, first - 1, -1):
            own, rows = change[t - first], ticks[t]
            _collect(later, read_out[t], to_units)
            if len(speed) > 0:  # rows of the tables are then sessions
                _filter(ticks[t], speed[step[t]], scale, ZERO, keep, gain, own)
                _open(gate[step[t]], later, before[t], drive[t], ticks[t], keep, scale, curve)
                _limit(keep, ticks[t], longest)
                rows = sessions
            _change(own, later, drive[t], rows, gain, weight[t], pull[phase[t]], peak_penalty, curve)
            _pass_on(later, own, post[step[t]], rows, keep)
            if ends[t]:
                later[:] = ZERO
        rows = (last - first) * n_sessions
        np.dot(
            before[first:last].reshape(rows, n_units).T,
            change[: last - first].reshape(rows, n_units),
            product,
        )
        w += product


def accumulate(
    network: "RateNetwork",
    rollout: "Rollout",
    signals: "Signals",
    settings: "ThreeFactorSettings",
    leak: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """As `pfc_da.plasticity.three_factor.accumulate_plain`, which see."""
    w = torch.zeros_like(network.mask)
    post = torch.zeros(len(rollout.x), *rollout.drive.shape[1:])
    gate, speed, filters = NO_GATE, NO_GATE, [tabulate_eligibility(network, settings), network.tables["gain"]]
    if leak is not None:
        gate, speed = np.zeros(post.shape, np.float32), _speed(network, leak)
        filters = [torch.empty(post.shape[1:]) for _ in filters]
    arrays = (
        *(w, post, rollout.gating_before, rollout.drive, rollout.ticks, rollout.schedule.step_of_bin),
        *(rollout.phase_of_bin, rollout.is_reset_bin, *signals),
        *filters,
    )
    longest = np.exp(-np.arange(MAX_TICKS + 1) * TICK_S / settings.eligibility_window).astype(np.float32)
    curve = np.array([*CURVE, network.drive_at(PEAK_HZ), FI_GAIN_HZ / FI_WIDTH], np.float32)
    gated = (gate, speed, longest, 1 / RATE_SCALE_HZ)
    _accumulate(*(_array(each) for each in arrays), curve, settings.peak_penalty, BLOCK, *gated)
    return (w, post) if leak is None else (w, post, torch.from_numpy(gate) * bend_leak(network, leak))


def _speed(network: "RateNetwork", leak: Tensor) -> np.ndarray:
    """Inverse time constants per tick behind memory gates; same shape as `leak`."""
    return _array(leak * TICK_S / network.tau)


def _array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor as compiled code reads them."""
    return np.ascontiguousarray(tensor.numpy(force=True))


# The sums of a matrix product differ in their last digits with the number of threads. This is the library that compiled
# code multiplies with, loaded by the functions above; torch has its own.
threadpool_limits(1, user_api="blas")
