"""Seconds become bins: nothing is lost, nothing overlaps, and bins are as long as stated."""

import math

import pytest
import torch

from pfc_da.clock import (
    FINE_S,
    JITTER,
    LONGEST_S,
    MAX_TICKS,
    TICK_S,
    Phase,
    Timing,
    cut_adaptively,
    cut_evenly,
    draw_durations,
    keep_whole,
)
from pfc_da.rng import torch_stream

PHASES = (
    Phase("fixation", (0.5, 1.0)),
    Phase("go", (0.2, 0.5), choice=True),
    Phase("feedback", (0.3, 0.3), paced=False, feedback=True),
    Phase("interval", (0.5, 2.0)),
)


def draw(n_trials=50, sessions=40, seed=0, **timing):
    """Durations (trial, phase, session) in s."""
    seconds = draw_durations(PHASES, n_trials, sessions, torch_stream(seed, "time"), Timing(**timing))
    assert seconds.shape == (n_trials * len(PHASES), sessions)
    return seconds.unflatten(0, (n_trials, len(PHASES)))


def test_durations_fill_the_range_of_their_phase():
    seconds = draw()
    for place, phase in enumerate(PHASES):
        low, high = phase.seconds
        own = seconds[:, place]
        assert own.min() >= low - 1e-6 and own.max() <= high + 1e-6
        assert own.mean() == pytest.approx((low + high) / 2, abs=4 * (high - low) / math.sqrt(12 * 2000))
        assert own.max() - own.min() >= 0.99 * (high - low)


def test_a_pace_multiplies_paced_phases_of_its_session_only():
    pace = torch.linspace(0.5, 4.0, 40)
    usual, paced = draw(), draw(pace=pace)
    for place, phase in enumerate(PHASES):
        factor = pace if phase.paced else torch.ones(40)
        torch.testing.assert_close(paced[:, place], usual[:, place] * factor)
    torch.testing.assert_close(draw(pace=2.0)[:, 0], 2 * usual[:, 0])


def test_pauses_come_in_the_last_phase_of_as_many_trials_of_every_session():
    longer = draw(pauses=7, pause_s=3.0) - draw()
    assert (longer[:, :-1] == 0).all()
    paused = longer[:, -1] > 1
    torch.testing.assert_close(longer[:, -1], 3.0 * paused)
    assert (paused.sum(0) == 7).all()
    assert (paused.sum(1) < 40).all()  # every session has trials of its own
    assert (draw(n_trials=5, pauses=10, pause_s=3.0)[:, -1] > 3).all()  # no more than there are


def test_a_longer_first_phase_is_longer_by_as_much_in_every_trial():
    longer = draw(longer_s=1.5) - draw()
    torch.testing.assert_close(longer[:, 0], torch.full((50, 40), 1.5))
    assert (longer[:, 1:] == 0).all()


def test_timings_share_their_draws():
    """A pause lengthens the trials it falls on and moves no draw, whatever else is asked for."""
    both = draw(pace=2.0, pauses=3, longer_s=0.5)
    paused = draw(pauses=3)[:, -1] - draw()[:, -1]
    torch.testing.assert_close(both[:, -1], 2 * draw()[:, -1] + paused)
    torch.testing.assert_close(both[:, 0], 2 * draw()[:, 0] + 0.5)


def count_ticks(schedule):
    """Ticks of each step, (step, session), added up one by one."""
    steps = len(schedule.first) - 1
    return torch.stack([schedule.ticks[schedule.get_bins(step)].sum(0) for step in range(steps)])


def check(schedule):
    """Bins are in order, none is negative or too long, and every bin is part of the step it falls in."""
    n_bins = len(schedule.ticks)
    assert schedule.first[0] == 0 and schedule.first[-1] == n_bins
    assert schedule.ticks.dtype == torch.int64
    assert schedule.ticks.min() >= 0 and schedule.ticks.max() <= MAX_TICKS
    assert torch.equal(count_ticks(schedule), schedule.duration_ticks)
    for step, (begin, end) in enumerate(zip(schedule.first, schedule.first[1:], strict=False)):
        assert begin < end
        assert schedule.last[step] == end - 1
        assert (schedule.step_of_bin[begin:end] == step).all()


@pytest.mark.parametrize("bin_s", [0.01, 0.02, 0.05, 0.1, 0.5])
def test_even_bins_are_whole_and_as_many_as_the_duration_has(bin_s):
    seconds = draw(n_trials=4, sessions=5).flatten(0, 1)
    schedule, size = cut_evenly(seconds, bin_s), round(bin_s / TICK_S)
    check(schedule)
    assert set(schedule.ticks.unique().tolist()) <= {0, size}
    expected = (seconds.double() / bin_s).round().clamp(min=1).long() * size
    assert torch.equal(schedule.duration_ticks, expected)
    for step in range(len(seconds)):  # absent bins come last
        used = schedule.ticks[schedule.get_bins(step)] > 0
        assert (used.long().diff(dim=0) <= 0).all()
        assert used.any(1).all()


def test_even_bins_of_sessions_alike_have_no_gaps():
    seconds = draw(n_trials=4, sessions=1).flatten(0, 1)
    assert (cut_evenly(seconds, 0.05).ticks == 5).all()


@pytest.mark.parametrize("longest_s", [LONGEST_S, 0.2, 0.02])
@pytest.mark.parametrize("pace", [0.1, 0.45, 1.0, 7.0])
def test_adaptive_bins_add_up_to_the_duration(pace, longest_s):
    seconds = draw(n_trials=6, sessions=8, pace=torch.linspace(pace / 2, pace, 8)).flatten(0, 1)
    schedule = cut_adaptively(seconds, len(PHASES), torch_stream(0, "cut"), longest_s)
    check(schedule)
    assert torch.equal(schedule.duration_ticks, (seconds / TICK_S).round().clamp(min=1).long())
    n_bins = torch.tensor(schedule.first).diff().unflatten(0, (6, len(PHASES)))
    assert (n_bins == n_bins[0]).all()  # the same in every trial


def test_adaptive_bins_of_every_duration_are_in_order():
    """Every duration up to 12 s: the cuts of a step do not pass each other, and no bin is longer than the tables."""
    longest = 0
    for n_ticks in range(1, 1200):
        seconds = torch.full((30, 1), n_ticks * TICK_S)
        schedule = cut_adaptively(seconds, 1, torch_stream(n_ticks, "cut"))
        assert schedule.ticks.min() >= 0, n_ticks
        assert (schedule.duration_ticks == n_ticks).all()
        longest = max(longest, int(schedule.ticks.max()))
    assert LONGEST_S / TICK_S < longest <= MAX_TICKS


def test_even_the_largest_jitter_makes_no_bin_longer_than_the_tables():
    """Neighbouring cuts apart as far as they can be."""
    assert (1 + JITTER) * LONGEST_S / TICK_S + 1 <= MAX_TICKS


def test_adaptive_bins_are_fine_after_a_change_of_input_and_coarse_later():
    seconds = torch.full((2000, 1), 5.0)
    schedule = cut_adaptively(seconds, 1, torch_stream(0, "cut"))
    ends = schedule.ticks.view(2000, -1).cumsum(1) * TICK_S  # (trial, bin)
    n_coarse = math.ceil((5.0 - FINE_S[-1]) / LONGEST_S)
    coarse = torch.linspace(FINE_S[-1], 5.0, n_coarse + 1)[1:]
    planned = torch.cat([torch.tensor(FINE_S), coarse])
    torch.testing.assert_close(ends.mean(0), planned, atol=0.01, rtol=0)
    size = planned.diff(prepend=torch.zeros(1))
    room = torch.minimum(size[:-1], size[1:])
    away = (ends - planned)[:, :-1]
    assert (away.abs() <= JITTER / 2 * room + TICK_S / 2 + 1e-5).all()
    assert (away.abs().amax(0) >= 0.9 * JITTER / 2 * room - TICK_S / 2).all()
    assert (ends[:, -1] - 5.0).abs().max() < 1e-4


def test_sessions_are_cut_at_the_same_fractions_of_their_own_durations():
    seconds = torch.tensor([[4.0, 2.0, 1.0]]).expand(20, -1)
    ticks = cut_adaptively(seconds, 1, torch_stream(0, "cut")).ticks.view(20, -1, 3)
    share = ticks.cumsum(1) / ticks.sum(1, keepdim=True)
    assert (share - share[..., :1]).abs().max() <= 0.5 / 100 + 0.5 / 400


def test_a_network_without_time_gets_one_bin_a_step():
    seconds = draw(n_trials=3, sessions=4).flatten(0, 1)
    schedule = keep_whole(seconds)
    assert schedule.first == tuple(range(13))
    assert torch.equal(schedule.ticks, (seconds / TICK_S).round().long())
