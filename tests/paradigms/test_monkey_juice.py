"""Monkey juice by hand: baiting recomputed in plain Python, sides and screens, blocks, and what blind agents earn."""

import numpy as np
import pytest
import torch
import xarray as xr

from pfc_da.analysis.comparison.reference import load_references
from pfc_da.analysis.observers.baited import Alternation, FixedProbability, MomentaryMaximiser
from pfc_da.analysis.observers.base import simulate_choices
from pfc_da.errors import InputError
from pfc_da.paradigms import monkey_juice
from pfc_da.paradigms.monkey_juice import (
    BLOCK_TRIALS,
    CHANCE,
    P0_SHARES,
    MonkeyJuice,
    analyse_choices,
    build_observer,
    compute_gaps,
)
from pfc_da.rng import torch_stream

NO_CHOICE = -1
PHASES = len(MonkeyJuice.phases)
GO_PHASE = MonkeyJuice().phase_names.index("go")
FIXATION, GO, A_LEFT, A_RIGHT, B_LEFT, B_RIGHT = range(6)


def simulate(task, choose, sessions, seed=0):
    """All steps of a batch of sessions; `choose` maps trial, side of A and p of the objects to sides.

    Returns
    -------
    screens, rewards, labels
        Lists over steps; what step t shows is `screens[t]`, what it earns and its labels have index t, too.
    """
    state, step = task.reset(torch_stream(seed, "task"), sessions)
    screens, rewards, labels = [step.observation], [], []
    for t in range(task.n_steps):
        action = torch.full((sessions,), NO_CHOICE)
        if task.phase(t).choice:
            trial = t // PHASES
            action = torch.as_tensor(choose(trial, state.side_of_a[trial], state.p)).long()
        state, step = task.step(state, action)
        screens.append(step.observation)
        rewards.append(step.reward)
        labels.append(step.labels)
    return screens[:-1], rewards, labels


def at_saccades(values):
    return values[GO_PHASE::PHASES]


def stack(labels, name):
    """One label at the saccade, (session, trial, ...)."""
    return torch.stack([each[name] for each in at_saccades(labels)], 1).numpy()


def randomly(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return lambda trial, side, p: torch.randint(2, side.shape, generator=rng)


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("changes", [True, False])
def test_juice_waits_as_the_formula_says(images, changes):
    """p(a) = 1 - (1 - p0(a))^(n(a) + 1) from the choices alone, session by session, in plain Python."""
    task = MonkeyJuice(n_trials=120, p0="full", changes=changes, images=images)
    _, _, labels = simulate(task, randomly(), sessions=6)
    chosen, p0, p = (stack(labels, name) for name in ("chosen_object", "p0", "p_object"))
    for session in range(6):
        waited = [0, 0]
        for trial in range(120):
            for image in (0, 1):
                base = float(p0[session, trial, image])
                expected = 1 - (1 - base) ** (waited[image] + 1)
                assert p[session, trial, image] == pytest.approx(expected, abs=1e-6)
            for image in (0, 1):
                waited[image] = 0 if image == chosen[session, trial] else waited[image] + 1


def test_p_is_the_same_at_every_step_of_a_trial():
    task = MonkeyJuice(n_trials=9)
    _, _, labels = simulate(task, randomly(), sessions=4)
    for trial in range(9):
        steps = [each["p_object"] for each in labels[PHASES * trial : PHASES * (trial + 1)]]
        assert all(torch.equal(step, steps[0]) for step in steps)


def test_taking_a_for_ever_leaves_a_at_p0_and_b_growing():
    task = MonkeyJuice(n_trials=30)
    _, _, labels = simulate(task, lambda trial, side, p: side, sessions=50)
    assert (stack(labels, "chosen_object") == 0).all()
    p, p0 = stack(labels, "p_object"), stack(labels, "p0")
    np.testing.assert_allclose(p[..., 0], p0[..., 0], atol=1e-6)
    # strictly, but for the last bits of float32 once it is almost sure
    assert (np.diff(p[..., 1], axis=1) > -1e-6).all()
    assert (p[:, 5, 1] > p[:, 0, 1]).all()


def test_reward_is_as_frequent_as_its_probability():
    task = MonkeyJuice(p0="full")
    _, rewards, labels = simulate(task, randomly(), sessions=500)
    chosen, p = stack(labels, "chosen_object"), stack(labels, "p_object")
    reward = torch.stack(at_saccades(rewards), 1).numpy()
    p = np.take_along_axis(p, chosen[..., None].astype(int), -1)[..., 0]
    assert set(np.unique(reward)) == {0.0, 1.0}
    for low in np.arange(0, 1, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        error = np.sqrt((p[inside] * (1 - p[inside])).sum()) / inside.sum()
        assert inside.sum() > 100 or low > 0.8
        if inside.any():
            assert reward[inside].mean() == pytest.approx(p[inside].mean(), abs=4 * error)


def test_regret_is_what_the_better_image_was_worth():
    _, _, labels = simulate(MonkeyJuice(n_trials=20), randomly(), sessions=5)
    chosen, p, regret = (stack(labels, name) for name in ("chosen_object", "p_object", "regret"))
    for session in range(5):
        for trial in range(20):
            lost = max(p[session, trial]) - p[session, trial, chosen[session, trial]]
            assert regret[session, trial] == pytest.approx(lost, abs=1e-6)
    between = [each for t, each in enumerate(labels) if t % PHASES != GO_PHASE]
    assert all((each["regret"] == 0).all() and (each["chosen_object"] == -1).all() for each in between)


def test_sides_are_drawn_anew_every_trial():
    state, _ = MonkeyJuice(n_trials=100).reset(torch_stream(0, "task"), 400)
    side = state.side_of_a.numpy().astype(float)  # (trial, session)
    assert side.mean() == pytest.approx(0.5, abs=2 / np.sqrt(side.size))
    for one, other in ((side[1:], side[:-1]), (side[:, 1:], side[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)


@pytest.mark.parametrize(
    "side_of_a, action, image",
    [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)],
    ids=["A left, left", "A left, right", "A right, left", "A right, right"],
)
def test_a_saccade_takes_what_is_there_and_only_that_stays_on(side_of_a, action, image):
    screens, _, labels = simulate(MonkeyJuice(n_trials=20), lambda *_: torch.full((30,), action), sessions=30)
    side, chosen = stack(labels, "side_of_a"), stack(labels, "chosen_object")
    alike = side == side_of_a
    assert alike.any()
    assert (chosen[alike] == image).all()
    lit = (A_LEFT, A_RIGHT)[action] if image == 0 else (B_LEFT, B_RIGHT)[action]
    for phase in ("juice", "image"):
        place = MonkeyJuice().phase_names.index(phase)
        outcome = torch.stack(screens[place::PHASES], 1).numpy()  # (session, trial, feature)
        np.testing.assert_array_equal(outcome[alike], np.tile(np.eye(6)[lit], (alike.sum(), 1)))


def test_what_is_on_the_screen_in_every_phase():
    screens, _, labels = simulate(MonkeyJuice(n_trials=8), randomly(), sessions=10)
    side = stack(labels, "side_of_a")
    both = {0: [A_LEFT, B_RIGHT], 1: [A_RIGHT, B_LEFT]}
    for t, screen in enumerate(screens):
        for session, features in enumerate(screen):
            lit, name = set(torch.nonzero(features).flatten().tolist()), MonkeyJuice().phase(t).name
            images = both[int(side[session, t // PHASES])]
            expected = {
                "fixation": {FIXATION},
                "cue": {FIXATION, *images},
                "go": {GO, *images},
                "interval": set(),
            }
            if name in expected:
                assert lit == expected[name]
            else:
                assert len(lit) == 1 and lit < set(images)
            assert set(features.tolist()) <= {0.0, 1.0}


def test_without_images_the_sides_themselves_are_baited():
    screens, _, labels = simulate(MonkeyJuice(n_trials=8, images=False), lambda *_: [0, 1, 1], sessions=3)
    assert (stack(labels, "side_of_a") == 0).all()
    assert (stack(labels, "chosen_object") == np.array([0, 1, 1])[:, None]).all()
    shown = torch.stack(screens, 1)  # (session, step, feature)
    lit = {"fixation": {FIXATION}, "cue": {FIXATION}, "go": {GO}}
    for t in range(8 * PHASES):
        for session in range(3):
            features = set(torch.nonzero(shown[session, t]).flatten().tolist())
            assert features == lit.get(MonkeyJuice().phase(t).name, set())


def test_the_object_of_each_side_is_named_when_one_is_chosen():
    task = MonkeyJuice(n_trials=5)
    state, step = task.reset(torch_stream(0, "task"), 7)
    for t in range(task.n_steps):
        if task.phase(t).choice:
            side = state.side_of_a[t // PHASES]
            assert step.objects.tolist() == [[one, 1 - one] for one in side.tolist()]
        else:
            assert step.objects is None
        state, step = task.step(state, torch.full((7,), 0 if task.phase(t).choice else NO_CHOICE))


@pytest.mark.parametrize("name", P0_SHARES)
@pytest.mark.parametrize("changes", [True, False])
def test_p0_comes_from_its_ranges_and_from_all_of_them_alike(name, changes):
    state, _ = MonkeyJuice(p0=name, changes=changes).reset(torch_stream(0, "task"), 3000)
    first = state.p0[0].double().numpy()
    np.testing.assert_allclose(first.sum(1), 0.8, atol=1e-6)
    first = first / 0.8
    margin = 1e-6
    inside = [(first[:, 0] >= low - margin) & (first[:, 0] <= high + margin) for low, high in P0_SHARES[name]]
    assert np.sum(inside, axis=0).tolist() == [1] * 3000
    share = 1 / len(inside)
    for own, (low, high) in zip(inside, P0_SHARES[name], strict=True):
        assert own.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 3000))
        middle = first[own, 0].mean()
        assert middle == pytest.approx((low + high) / 2, abs=4 * (high - low) / np.sqrt(12 * own.sum()))


def test_training_and_gaps_together_are_the_full_range():
    edges = sorted([*P0_SHARES["training"], *P0_SHARES["gaps"]])
    assert (edges[0][0], edges[-1][1]) == P0_SHARES["full"][0]
    assert all(one[1] == other[0] for one, other in zip(edges, edges[1:], strict=False))


def test_without_changes_a_session_is_one_block():
    state, _ = MonkeyJuice(changes=False).reset(torch_stream(0, "task"), 20)
    assert (state.block == 0).all()
    assert torch.equal(state.p0, state.p0[:1].expand_as(state.p0))


@pytest.mark.parametrize("n_trials", [49, 50, 99, 100, 449])
def test_changes_come_after_50_to_150_trials_with_new_p0(n_trials):
    state, _ = MonkeyJuice(n_trials=n_trials, changes=True).reset(torch_stream(0, "task"), 300)
    lengths = []
    for block, p0 in zip(state.block.T.tolist(), state.p0[..., 0].T.tolist(), strict=True):
        starts = [0] + [t for t in range(1, n_trials) if block[t] != block[t - 1]]
        assert block == sorted(block) and block[0] == 0
        assert set(block) == set(range(max(block) + 1))
        for start, end in zip(starts, [*starts[1:], n_trials], strict=True):
            assert len(set(p0[start:end])) == 1
            whole = end < n_trials
            assert end - start <= 150
            assert end - start >= 50 or not whole
            lengths += [end - start] * whole
        assert len({p0[start] for start in starts}) == len(starts)
    if n_trials == 449:  # of first blocks, which the end of the session never cuts
        first = (state.block == 0).sum(0).double().numpy()
        assert first.mean() == pytest.approx(100, abs=4 * 29.2 / np.sqrt(300))
        assert (min(lengths), max(lengths)) == (50, 150)
    assert bool(lengths) == (n_trials > 50)


def derived(source):
    (row,) = [
        row
        for row in load_references("monkey_juice")
        if (row.key, row.condition, row.mark) == ("reward_per_trial", "", "derived") and source in row.source
    ]
    return row.estimate


class BlindAlternation:
    """Takes the image not taken last, from the number of the trial alone."""

    def __init__(self, sessions):
        self.first = torch.randint(2, (sessions,), generator=torch.Generator().manual_seed(1))

    def __call__(self, trial, side, p):
        return (self.first + trial) % 2 ^ side


def maximise(trial, side, p):
    return (p[:, 1] > p[:, 0]).long() ^ side


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize(
    "policy, agent, source",
    [
        (randomly(7), FixedProbability(0.5), "probability 1/2"),
        (BlindAlternation(1500), Alternation(), "alternates"),
        (maximise, MomentaryMaximiser(), "pay now, knowing p0"),
    ],
    ids=["indifferent", "alternating", "maximising"],
)
def test_an_agent_earns_on_the_task_what_it_earns_on_its_own_sessions(policy, agent, source, images):
    """The juice of the table of references is of `simulate_choices`; animals perform the task."""
    _, rewards, labels = simulate(MonkeyJuice(images=images), policy, sessions=1500)
    earned = torch.stack(at_saccades(rewards), 1).numpy().mean(1)
    error = earned.std() / np.sqrt(len(earned))
    assert earned.mean() == pytest.approx(derived(source), abs=4 * error)
    schedule = stack(labels, "p0")
    own = simulate_choices(agent, schedule, baited=True, rng=np.random.default_rng(5)).reward
    difference = earned - own.mean(1)  # the same p0: paired
    assert difference.mean() == pytest.approx(0, abs=4 * difference.std() / np.sqrt(len(difference)))
    assert 4 * error < 0.01  # tells the three agents apart


def test_chance_is_the_derived_number():
    assert CHANCE == pytest.approx(derived("probability 1/2"), abs=1e-4)


def test_a_misspelt_range_is_named():
    with pytest.raises(
        InputError, match="no p0 'gap'. Did you mean 'gaps'\\? There are: high, full, training, gaps"
    ):
        MonkeyJuice(p0="gap")


def record(p0_of_a, paid, n_trials=80, p0_sum=0.5):
    """Recording of two animals that choose at random and are paid with the probability of their session or trial."""
    rng = np.random.default_rng(0)
    shape = (2, 1, len(p0_of_a), n_trials)
    of_a = np.broadcast_to(np.asarray(p0_of_a)[:, None] if np.ndim(p0_of_a) == 1 else p0_of_a, shape)
    pays = np.asarray(paid)[:, None] if np.ndim(paid) == 1 else paid
    dims = ("animal", "condition", "episode", "step")
    p0 = np.stack([of_a, p0_sum - of_a], -1)
    new = np.diff(of_a, axis=-1, prepend=of_a[..., :1]) != 0
    return xr.Dataset(
        {
            "chosen_object": (dims, rng.integers(2, size=shape)),
            "reward": (dims, (rng.random(shape) < pays).astype(float)),
            "p0": ((*dims, "object"), p0),
            "p_object": ((*dims, "object"), p0),
            "block": (dims, new.cumsum(-1)),
        },
        coords={
            "condition": ["frozen"],
            "trial": ("step", np.arange(n_trials)),
            "phase": ("step", ["go"] * n_trials),
        },
        attrs={"choice_phase": "go"},
    )


def test_what_training_left_out_has_numbers_of_its_own():
    """Planted: paid .7 where p0 is one of training, .3 in its gaps."""
    p0 = np.tile([0.05, 0.25, 0.45, 0.15, 0.35], 40)
    recording = record(p0, np.where(np.isin(p0, [0.15, 0.35]), 0.3, 0.7))
    found = {(each.key, each.condition): each for each in compute_gaps(recording, "training")}
    for condition, truth in (("trained", 0.7), ("gaps", 0.3)):
        reward = found["reward_by_p0", condition]
        assert reward.by_animal == pytest.approx([truth] * 2, abs=0.03)
        assert (reward.interval, reward.n) == ("95 % t over animals and sessions", 2)
        assert found["matching_slope_by_p0", condition].n == 2


def test_blocks_of_both_kinds_in_one_session_count_each_for_its_own_and_none_has_no_number():
    both = np.tile(np.repeat([0.05, 0.15], 40), (30, 1))
    found = {
        (each.key, each.condition): each
        for each in compute_gaps(record(both, np.where(both == 0.15, 0.2, 0.9)), "training")
    }
    assert found["reward_by_p0", "trained"].estimate == pytest.approx(0.9, abs=0.03)
    assert found["reward_by_p0", "gaps"].estimate == pytest.approx(0.2, abs=0.03)
    trained = compute_gaps(record(np.full(30, 0.05), np.full(30, 0.5)), "training")
    assert {each.condition for each in trained} == {"trained"}


def test_matching_where_p0_was_trained_knows_nothing_of_choices_in_the_gaps():
    both = np.tile(np.repeat([0.05, 0.15], 40), (30, 1))
    recording = record(both, np.full(30, 0.5))
    before = {each.condition: each for each in compute_gaps(recording, "training") if "slope" in each.key}
    recording["chosen_object"].values[..., 45:60] = 0
    after = {each.condition: each for each in compute_gaps(recording, "training") if "slope" in each.key}
    assert after["trained"].by_animal == before["trained"].by_animal
    assert after["gaps"].by_animal != before["gaps"].by_animal


@pytest.mark.parametrize("p0_sum", [0.5, 0.8])
@pytest.mark.parametrize("trained", ["high", "training"])
def test_gaps_are_what_training_had_not_at_any_sum(p0_sum, trained):
    """The task of test draws p0 from its full range; p0 is stored in single precision."""
    task = MonkeyJuice(p0="full", p0_sum=p0_sum)
    state, _ = task.reset(torch_stream(2, "task"), 60)
    p0_of_a = state.p0[..., 0].T.numpy()
    recording = record(p0_of_a, np.full(60, 0.5), task.n_trials, np.float32(p0_sum))
    share = p0_of_a.astype(float) / p0_sum
    within = monkey_juice.is_within(share, trained)
    by_hand = sum(((share >= low) & (share <= high)).mean() for low, high in P0_SHARES[trained])
    assert within.mean() == pytest.approx(by_hand, abs=1e-3)
    conditions = [each.condition for each in compute_gaps(recording, trained)]
    assert conditions == ["trained", "trained", "gaps", "gaps"]
    edges = np.array(P0_SHARES[trained], np.float32).ravel() * np.float32(p0_sum) / np.float32(p0_sum)
    assert monkey_juice.is_within(edges, trained).all()


def test_matching_is_within_blocks():
    """Planted: mostly the richer image, which pays more; the other one in the second half of every session."""
    p0 = np.tile(np.repeat([0.4, 0.1], 100), (40, 1))
    recording, rng = record(p0, p0, 200), np.random.default_rng(1)
    rich = (p0 < 0.25).astype(int)
    rest = recording["chosen_object"].values
    choice = np.where(rng.random(rest.shape) < 0.5, rest, rich)
    pays = np.where(choice == rich, 0.6, 0.3)
    recording["chosen_object"].values[:] = choice
    recording["reward"].values[:] = rng.random(pays.shape) < pays
    (slope,) = analyse_choices(recording, rng)
    expected = np.log(3) / np.log(3 * 0.6 / 0.3)  # three choices in four are of the richer image
    assert slope.by_animal == pytest.approx([expected] * 2, abs=0.05)


def test_the_observer_of_a_task_knows_how_its_sessions_are_drawn():
    observer = build_observer(MonkeyJuice())
    assert observer.block_trials == BLOCK_TRIALS and observer.shares == P0_SHARES["high"]
    other = build_observer(MonkeyJuice(p0="full", p0_sum=0.5, changes=False))
    assert (other.p0_sum, other.block_trials, other.shares) == (0.5, None, P0_SHARES["full"])


def test_a_shortest_block_above_the_longest_is_refused():
    words = r"shortest_block must be at most longest_block \(75 trials\), got 76"
    with pytest.raises(InputError, match=words):
        MonkeyJuice(shortest_block=76, longest_block=75)


def test_a_curriculum_goes_from_high_contrast_to_the_task_itself():
    task = MonkeyJuice(curriculum=True, p0="full", p0_sum=0.5)
    seen = [(own.p0, own.p0_sum) for own in map(task.in_training, (0, 0.24, 0.25, 0.49, 0.5, 1.0))]
    assert seen == [("high", 0.8)] * 2 + [("full", 0.75)] * 2 + [("full", 0.5)] * 2
    assert MonkeyJuice(p0="full").in_training(0.0) == MonkeyJuice(p0="full")
