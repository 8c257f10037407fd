"""Training: what it writes, that it goes on with the same bits, and what it does when numbers run away."""

import csv
import dataclasses
import multiprocessing
import operator
import os
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pfc_da import train
from pfc_da.agent import RULES, build_agent
from pfc_da.dopamine import DopamineCells, UnequalErrors
from pfc_da.errors import InputError
from pfc_da.paradigms.bandit import Bandit
from pfc_da.plasticity.synaptic_step import sgd_step
from pfc_da.plasticity.three_factor import ThreeFactor
from pfc_da.recording_schema import CLAMPED
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout
from pfc_da.settings import resolve
from pfc_da.train import GIVE_UP_AFTER, Training, shorten, train_animal
from pfc_da.trained import animal_seed, load_trained

TASK = Bandit(n_trials=5)
TINY = {
    "paradigm": "bandit",
    "network": {"n_units": 6},
    "rule": {"learning_rate": 0.01},
    "train": {"updates": 12, "sessions": 4, "checkpoint_every": 3, "slowest": 0.6},
}
KINDS = [("rate", "three-factor"), ("rate", "bptt"), ("lstm", "bptt")]


def settings_of(*sets):
    return resolve([], options=TINY, sets=sets)


def silent(update, note):
    pass


def run(settings, folder, animal=0, report=silent):
    train_animal(settings, TASK, animal, folder, report)
    return load_file(folder / "weights.safetensors")


def same_bits(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def read_curve(folder):
    with (folder / "learning_curve.csv").open() as file:
        return list(csv.DictReader(file))


def without_time(curve):
    return [{name: number for name, number in row.items() if name != "cpu_s"} for row in curve]


def test_an_animal_is_its_seed(tmp_path):
    settings = settings_of()
    first, again = run(settings, tmp_path / "a"), run(settings, tmp_path / "b")
    assert same_bits(first, again)
    assert not same_bits(first, run(settings, tmp_path / "c", animal=1))
    assert not same_bits(first, run(settings_of("seed=1"), tmp_path / "d"))
    assert without_time(read_curve(tmp_path / "a")) == without_time(read_curve(tmp_path / "b"))


def test_an_animal_does_not_depend_on_how_many_there_are_nor_on_its_tests(tmp_path):
    """Nor do its files: a run that grows keeps them."""
    more = settings_of("animals=40", "replay.sessions=300", "replay.unit_sessions=50", "test_task.n_trials=9")
    for name, settings in (("alone", settings_of("animals=1")), ("of many", more)):
        run(settings, tmp_path / name)
    one, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("alone", "of many"))
    assert one == other
    load_trained(more, TASK, 0, tmp_path / "alone")
    with pytest.raises(InputError, match="it is of another animal or other settings"):
        load_trained(settings_of("rule.discount=0.5"), TASK, 0, tmp_path / "alone")


class Stopped(Exception):
    pass


@pytest.mark.parametrize("kind, rule", KINDS)
@pytest.mark.parametrize("step", ["adam", "sgd"])
def test_stopped_anywhere_it_goes_on_with_the_same_bits(kind, rule, step, tmp_path):
    settings = settings_of(f"network.kind={kind}", f"rule.kind={rule}", f"rule.synaptic_step={step}")
    whole = run(settings, tmp_path / "whole")
    for stop in (0, 6, 9):

        def stop_there(update, note, stop=stop):
            if update == stop and (stop == 0 or note):
                raise Stopped

        folder = tmp_path / str(stop)
        with pytest.raises(Stopped):
            run(settings, folder, report=stop_there)
        assert (folder / "state.safetensors").exists() == (stop > 0)
        said = []
        again = run(settings, folder, report=lambda *reported, said=said: said.append(reported))
        assert same_bits(again, whole)
        assert said[0] == (stop, "")
        assert without_time(read_curve(folder)) == without_time(read_curve(tmp_path / "whole"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_write_it_goes_on_with_the_same_bits(when, tmp_path, monkeypatch):
    """Every file is put in its place by one rename: die right before or after each in turn."""
    settings, replace = settings_of("train.checkpoint_every=6"), os.replace
    whole = run(settings, tmp_path / "whole")
    left = 0

    def dying(source, target):
        nonlocal left
        left -= 1
        if when == "after" or left:
            replace(source, target)
        if not left:
            raise KeyboardInterrupt

    n_deaths = 0
    for write in range(1, 100):
        folder, left = tmp_path / str(write), write
        monkeypatch.setattr(os, "replace", dying)
        try:
            run(settings, folder)
            break
        except KeyboardInterrupt:
            n_deaths += 1
        monkeypatch.setattr(os, "replace", replace)
        assert same_bits(run(settings, folder), whole)
        left_over = sorted(file.name for file in folder.iterdir())
        assert left_over == ["clamped.safetensors", "learning_curve.csv", "weights.safetensors"]
    assert (
        n_deaths == 8
    )  # state and curve after updates 6, 12 and at the end, then the weights; those without dopamine


def test_sigkill_at_random_moments_and_the_same_bits(tmp_path):
    settings = settings_of("train.updates=300", "train.checkpoint_every=5")
    whole = run(settings, tmp_path / "whole")
    folder, rng, n_kills = tmp_path / "killed", np.random.default_rng(0), 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pfc_da.train", "pfc_da.paradigms.bandit"])
    state = folder / "state.safetensors"

    def stamp():
        return state.stat().st_mtime_ns if state.exists() else None

    deadline = time.monotonic() + 60
    while not (folder / "weights.safetensors").exists() and time.monotonic() < deadline:
        before = stamp()
        # any function of two arguments that a new process can import will do as a report
        worker = context.Process(target=train_animal, args=(settings, TASK, 0, folder, operator.eq))
        worker.start()
        while n_kills < 8 and worker.is_alive() and stamp() == before:
            time.sleep(0.001)
        if n_kills < 8:
            time.sleep(rng.uniform(0, 0.03))  # anywhere between one checkpoint and some later one
            worker.kill()
        worker.join(60)
        n_kills += worker.exitcode == -9
    assert n_kills >= 5
    assert same_bits(load_file(folder / "weights.safetensors"), whole)
    assert without_time(read_curve(folder)) == without_time(read_curve(tmp_path / "whole"))
    assert not state.exists()


def test_a_trained_animal_is_left_alone(tmp_path):
    settings, said = settings_of(), []
    run(settings, tmp_path)
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    run(settings, tmp_path, report=lambda update, note: said.append((update, note)))
    assert said == [(12, "trained before")]
    assert before == {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}


def test_without_updates_an_animal_has_its_initial_weights(tmp_path):
    settings = settings_of("train.updates=0")
    run(settings, tmp_path)
    trained = load_trained(settings, TASK, 0, tmp_path)
    assert same_bits(trained.after[None], trained.after[0])
    assert not trained.diverged


def test_learning_rate_zero_changes_nothing(tmp_path):
    settings = settings_of("rule.learning_rate=0")
    run(settings, tmp_path)
    trained = load_trained(settings, TASK, 0, tmp_path)
    assert same_bits(trained.after[None], trained.after[0])


def test_learning_curve_tells_what_happened(tmp_path):
    settings = settings_of(
        "rule.learning_rate=0", "rule.entropy=0"
    )  # so that every update meets the initial weights
    run(settings, tmp_path)
    curve = read_curve(tmp_path)
    assert list(curve[0]) == list(train.CURVE_COLUMNS)
    assert [int(row["update"]) for row in curve] == list(range(1, 13))
    assert [int(row["trials"]) for row in curve] == [4 * 5 * update for update in range(1, 13)]
    assert all(float(row["skipped"]) == 0 for row in curve)
    spent = [float(row["cpu_s"]) for row in curve]
    assert all(0 < one <= other for one, other in zip(spent, spent[1:], strict=False))

    agent, seed = build_agent(settings, TASK), animal_seed(settings, 0)
    initial = agent.network.init(torch_stream(seed, "birth"))
    for update, row in enumerate(curve):
        streams = {
            f"{name}_rng": torch_stream(seed, "train", name, update) for name in ("task", "choice", "noise")
        }
        time_rng = torch_stream(seed, "train", "time", update)
        schedule = train.arrange_time(agent.network, TASK, settings, update / 12, time_rng)
        effective = agent.network.effective(initial)
        with torch.no_grad():
            batch = rollout(agent.network, effective, TASK, agent.dopamine, schedule=schedule, **streams)
        policy = torch.softmax(batch.logits[batch.is_choice], -1).double().numpy()
        expected = {
            "reward_per_trial": batch.reward.sum().item() / 20,
            "rpe_sd": np.std(batch.rpe.double().numpy(), ddof=1),
            "policy_entropy": -(policy * np.log(policy)).sum(-1).mean(),
            "rate_mean_hz": agent.network.activity(batch.drive[-train.RATE_BINS :]).double().mean().item(),
        }
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def planted(monkeypatch):
    """Let chosen updates (by number, from 0) ask for a change that is not finite."""

    def plant(bad, value=torch.nan):
        honest, count = ThreeFactor.change, iter(range(10_000))

        def change(self, network, weights, batch, entropy):
            wanted = honest(self, network, weights, batch, entropy)
            if next(count) in bad:
                wanted["w_in"][0, 0] = value
            return wanted

        monkeypatch.setattr(ThreeFactor, "change", change)

    return plant


def train_updates(settings, n):
    """Every state of a training of n updates."""
    agent, seed = build_agent(settings, TASK), animal_seed(settings, 0)
    states = [Training(agent.network.init(torch_stream(seed, "birth")), {})]
    for _ in range(n):
        states.append(train.train_update(agent, settings, TASK, states[-1], seed))
    return states


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_change_that_is_not_finite_is_skipped_and_counted(planted, value):
    planted({2, 3, 5}, value)
    states = train_updates(settings_of(), 7)
    assert [int(row[-1]) for row in states[-1].curve] == [0, 0, 1, 2, 2, 3, 3]
    for update in range(7):
        before, after = states[update], states[update + 1]
        unchanged = same_bits(before.weights, after.weights) and same_bits(before.memory, after.memory)
        assert unchanged == (update in {2, 3, 5})
        assert all(torch.isfinite(tensor).all() for tensor in after.weights.values())


@pytest.mark.parametrize("first", [0, 4])
def test_an_animal_has_diverged_after_as_many_bad_updates_in_a_row(planted, first):
    planted(set(range(first, 1000)))
    states = train_updates(settings_of("train.updates=1000"), first + GIVE_UP_AFTER)
    assert [state.diverged for state in states] == [False] * (first + GIVE_UP_AFTER) + [True]


def test_one_good_update_in_between_is_no_divergence(planted):
    planted(set(range(1000)) - {GIVE_UP_AFTER - 1})
    states = train_updates(settings_of("train.updates=1000"), 2 * GIVE_UP_AFTER - 1)
    assert not any(state.diverged for state in states)


def test_divergence_is_reported_and_kept(planted, tmp_path):
    planted(set(range(4, 1000)))
    settings, said = settings_of("train.updates=1000"), []
    run(settings, tmp_path, report=lambda update, note: said.append((update, note)))
    assert said[-1] == (1000, "diverged")
    trained = load_trained(settings, TASK, 0, tmp_path)
    assert trained.diverged
    assert all(torch.isfinite(tensor).all() for tensor in trained.after[None].values())
    curve = read_curve(tmp_path)
    assert len(curve) == 4 + GIVE_UP_AFTER
    assert float(curve[-1]["skipped"]) == GIVE_UP_AFTER


def test_an_absurd_learning_rate_is_survived(tmp_path):
    settings = settings_of("rule.learning_rate=10", "rule.max_norm=1e6", "train.updates=80")
    weights = run(settings, tmp_path)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_learning_rate_entropy_and_norm_follow_the_settings(monkeypatch):
    settings = settings_of(
        "rule.learning_rate=0.2",
        "rule.final_learning_rate=0.1",
        "rule.entropy=0.3",
        "rule.entropy_until=0.5",
        "rule.max_norm=0.01",
        "train.updates=10",
    )
    rates, norms, entropies = [], [], []

    def step(weights, change, memory, learning_rate):
        rates.append(learning_rate)
        norms.append(torch.cat([tensor.flatten() for tensor in change.values()]).norm().item())
        return sgd_step(weights, change, memory, learning_rate)

    honest = ThreeFactor.change

    def change(self, network, weights, batch, entropy):
        entropies.append(entropy)
        return honest(self, network, weights, batch, entropy)

    monkeypatch.setitem(train.STEPS, "adam", step)
    monkeypatch.setattr(ThreeFactor, "change", change)
    train_updates(settings, 10)
    assert rates == pytest.approx([0.2 * (1 - 0.9 * update / 10) for update in range(10)])
    assert entropies == pytest.approx([0.3 * max(0, 1 - update / 5) for update in range(10)])
    assert norms == pytest.approx([0.01] * 10)


def spoil(path, how):
    """Damage a file in one of the ways files are damaged."""
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-40], "empty": b"", "other": b"not safetensors at all" * 9}[how])
    return path.read_bytes()


@pytest.mark.parametrize("how", ["cut", "empty", "other"])
def test_damaged_weights_are_named_and_left_as_they_are(how, tmp_path):
    settings = settings_of()
    run(settings, tmp_path)
    content = spoil(tmp_path / "weights.safetensors", how)
    for read in (load_trained, lambda *arguments: train_animal(*arguments, silent)):
        with pytest.raises(
            InputError, match=r"weights\.safetensors is damaged: it cannot be read.*left as it is"
        ):
            read(settings, TASK, 0, tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == content


def stopped_at_6(settings, folder):
    def stop(update, note):
        if update == 6:
            raise Stopped

    with pytest.raises(Stopped):
        run(settings, folder, report=stop)
    return folder / "state.safetensors"


@pytest.mark.parametrize("how", ["cut", "empty", "other"])
def test_a_damaged_state_is_named_and_left_as_it_is(how, tmp_path):
    settings = settings_of()
    state = stopped_at_6(settings, tmp_path)
    content = spoil(state, how)
    with pytest.raises(InputError, match=r"state\.safetensors is damaged: it cannot be read.*left as it is"):
        run(settings, tmp_path)
    assert state.read_bytes() == content


@pytest.mark.parametrize("missing", ["curve", "weights.w", "column", "kind"])
def test_a_state_that_is_not_of_this_network_is_refused(missing, tmp_path):
    settings = settings_of()
    state = stopped_at_6(settings, tmp_path)
    tensors = load_file(state)
    if missing == "column":
        tensors["curve"] = tensors["curve"][:, 1:].contiguous()
    elif missing == "kind":
        tensors["other.w"] = torch.zeros(2)
    else:
        del tensors[missing]
    save_file(tensors, state)
    with pytest.raises(
        InputError, match=r"state\.safetensors is damaged: it is no training state of the conf"
    ):
        run(settings, tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    run(settings_of(), tmp_path)
    with pytest.raises(InputError, match="its weights are not those of the configured network"):
        load_trained(settings_of("network.n_units=7"), TASK, 0, tmp_path)
    with pytest.raises(InputError, match="its weights are not those of the configured network"):
        load_trained(settings_of("network.kind=lstm", "rule.kind=bptt"), TASK, 0, tmp_path)


def test_missing_weights_are_reported_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"clamped\.safetensors .*No such file") as caught:
        load_trained(settings_of(), TASK, 0, tmp_path)
    assert "\n" not in str(caught.value)


def test_the_three_factor_rule_needs_the_rate_network():
    with pytest.raises(
        InputError, match="rule 'three-factor' needs .*'rate', got network 'lstm'.*--rule bptt"
    ):
        build_agent(settings_of("network.kind=lstm", "rule.kind=three-factor"), TASK)


def test_the_discount_is_per_second():
    agent = build_agent(settings_of("rule.discount=0.64", "rule.trace_decay=0.81"), TASK)
    assert agent.dopamine.discount == 0.64
    one, nothing = torch.ones(()), torch.zeros(())
    assert agent.dopamine.rpe(nothing, nothing, one, 0.5 * one).item() == pytest.approx(0.8)


def draw_pace(settings, done, updates=150):
    """Pace (update, session) at a share of training, from the durations of an unpaced and of a paced phase."""
    network, paces = build_agent(settings, TASK).network, []
    for update in range(updates):
        schedule = train.arrange_time(network, TASK, settings, done, torch_stream(0, "time", update))
        seconds = schedule.duration_ticks.unflatten(0, (TASK.n_trials, -1)).double() / 100
        assert (seconds[:, 2] == 0.3).all()  # feedback has no pace
        paces.append(seconds[:, 3].mean(0) / 0.2)  # rest lasts .2 s, to 10 ms
    return torch.stack(paces).numpy()


def test_paces_are_drawn_on_a_logarithmic_scale_up_to_one_that_grows():
    settings = settings_of("train.fastest=.5", "train.slowest=8", "train.whole_from=.8")
    for done, slowest in ((0.0, 0.5), (0.4, 2.0), (0.8, 8.0), (1.0, 8.0)):
        pace = draw_pace(settings, done)
        assert pace.min() >= 0.5 - 0.03 and pace.max() <= slowest + 0.03
        assert pace.max() >= 0.85 * slowest
        middle = np.sqrt(0.5 * slowest)
        assert (pace < middle).mean() == pytest.approx(0.5, abs=0.1) or done == 0


def test_three_quarters_of_the_range_of_paces_are_common_to_the_sessions_of_an_update():
    settings = settings_of(
        "train.fastest=1", "train.slowest=16", "train.whole_from=0.1", "train.sessions=100"
    )
    octaves = np.log2(draw_pace(settings, 1.0))
    spread = np.ptp(octaves, axis=1)
    assert spread.max() < 1.1  # a quarter of 4 octaves, and durations are counted in 10 ms
    assert spread.min() > 0.8
    common = octaves.min(1)
    assert common.min() == pytest.approx(0, abs=0.2) and common.max() == pytest.approx(3, abs=0.2)
    assert common.mean() == pytest.approx(1.5, abs=0.25)


@pytest.mark.parametrize("longest_s", [0.4, 0.1])
def test_bins_of_training_are_as_long_as_the_setting_says(longest_s):
    settings = settings_of(f"train.longest_bin={longest_s}", "train.slowest=5", "train.fastest=5")
    network = build_agent(settings, TASK).network
    ticks = train.arrange_time(network, TASK, settings, 0.5, torch_stream(0, "time")).ticks
    longest = int(ticks.max()) / 100
    assert (
        0.9 * max(longest_s, 0.2) < longest <= 1.3 * max(longest_s, 0.2) + 0.01
    )  # .2: of the first bins of a step


def test_an_update_trains_on_the_task_that_the_curriculum_has_then():
    seen = []

    class Recording(Bandit):
        def in_training(self, done):
            seen.append(done)
            return dataclasses.replace(self, arms="correlated_easy")

        def reset(self, rng, batch):
            assert self.arms == "correlated_easy"
            return super().reset(rng, batch)

    settings = settings_of("train.updates=4")
    agent, task = build_agent(settings, TASK), Recording(n_trials=5)
    training = train.Training(agent.network.init(torch_stream(0, "birth")), {})
    for _ in range(3):
        training = train.train_update(agent, settings, task, training, 0)
    assert seen == [0, 0.25, 0.5]


def test_a_network_without_time_is_trained_with_one_bin_a_phase():
    settings = settings_of("network.kind=lstm", "rule.kind=bptt")
    network = build_agent(settings, TASK).network
    schedule = train.arrange_time(network, TASK, settings, 0.5, torch_stream(0, "time"))
    assert len(schedule.ticks) == TASK.n_steps


def test_durations_of_training_move_no_other_draw(monkeypatch):
    """At learning rate 0, and a policy that is the same, rewards of every update are the same at any pace."""

    def rewards(*sets):
        settings = settings_of("network.read_out_gain=0", "rule.learning_rate=0", *sets)
        return [row[3] for row in train_updates(settings, 4)[-1].curve]

    assert rewards() == rewards("train.slowest=5") == rewards("train.longest_bin=.1")
    assert len(set(rewards())) > 1


def test_the_control_without_dopamine_is_the_same_training_with_errors_of_zero(tmp_path):
    """A fifth of the updates, in full: its weights change by entropy and homeostasis alone."""
    settings = settings_of("train.updates=20")
    run(settings, tmp_path)
    agent, seed = build_agent(settings, TASK, animal_seed(settings, 0)), animal_seed(settings, 0)
    clamped = dataclasses.replace(agent, dopamine=dataclasses.replace(agent.dopamine, clamped=True))
    training = Training(agent.network.init(torch_stream(seed, "birth")), {})
    initial = training.weights
    for _ in range(4):
        training = train.train_update(clamped, settings, TASK, training, seed)
    kept = load_trained(settings, TASK, 0, tmp_path).after
    assert same_bits(kept[CLAMPED], training.weights)
    assert not same_bits(kept[CLAMPED], initial)
    assert not same_bits(kept[CLAMPED], kept[None])
    without = ("rule.entropy=0", "rule.rate_penalty=0", "rule.peak_penalty=0")
    quiet = settings_of("train.updates=20", *without)
    assert same_bits(train.train_clamped(agent_of(quiet), quiet, TASK, initial, seed, silent), initial)


def agent_of(settings):
    return build_agent(settings, TASK, animal_seed(settings, 0))


def test_the_control_without_dopamine_learns_nothing_of_reward(tmp_path):
    """Whatever the rewards are, its weights are the same where the network does not receive them."""
    settings = settings_of("network.feedback=none", "train.updates=20")
    seed = animal_seed(settings, 0)
    agent = agent_of(settings)
    initial = agent.network.init(torch_stream(seed, "birth"))

    class Generous(Bandit):
        def step(self, state, action):
            state, step = super().step(state, action)
            return state, dataclasses.replace(step, reward=1 + step.reward)

    one, other = (
        train.train_clamped(agent, settings, task, initial, seed, silent)
        for task in (TASK, Generous(n_trials=5))
    )
    assert same_bits(one, other)


def test_curriculum_grows_sessions_linearly_until_they_are_whole():
    task = dataclasses.replace(TASK, n_trials=100)
    settings = settings_of("train.first_trials=20", "train.whole_from=0.5")
    lengths = [shorten(task, settings, done).n_trials for done in (0.0, 0.25, 0.5, 1.0)]
    assert lengths == [20, 60, 100, 100]
    assert shorten(task, settings_of("train.first_trials=0"), 0.0) is task
    assert shorten(task, settings_of("train.first_trials=200"), 0.0) is task


def test_short_sessions_count_fewer_trials(tmp_path):
    run(settings_of("train.first_trials=1", "train.whole_from=1"), tmp_path)
    trials = [float(row["trials"]) for row in read_curve(tmp_path)]
    lengths = np.diff([0.0, *trials]) / 4
    assert lengths[0] == 1 and lengths.max() <= 5 and (np.diff(lengths) >= 0).all()
    assert trials[-1] < 12 * 4 * 5


def test_weights_are_kept_at_the_shares_of_training_asked_for(tmp_path):
    settings = settings_of("train.snapshots=[.25,.5]")
    n = settings.train.updates
    assert settings.train.snapshot_updates == (round(n / 4), round(n / 2))
    run(settings, tmp_path)
    trained = load_trained(settings, TASK, 0, tmp_path)
    assert list(trained.after) == [0, round(n / 4), round(n / 2), CLAMPED, None]
    shorter = settings_of(f"train.updates={n}", "train.snapshots=[.25,.5]", "rule.learning_rate=0")
    run(shorter, tmp_path / "still")
    still = load_trained(shorter, TASK, 0, tmp_path / "still")
    assert all(same_bits(weights, still.after[0]) for weights in still.after.values())
    kept = list(trained.after.values())
    assert not any(same_bits(*pair) for pair in zip(kept, kept[1:], strict=False))


def test_weights_kept_on_the_way_are_those_a_stopped_training_had(tmp_path):
    settings = settings_of("train.snapshots=[.5]", "train.checkpoint_every=1")
    half = settings.train.snapshot_updates[0]

    def stop_there(update, note):
        if update == half and note:
            raise Stopped

    with pytest.raises(Stopped):
        run(settings, tmp_path, report=stop_there)
    state = load_file(tmp_path / "state.safetensors")
    kept = load_file(tmp_path / f"after_{half:07d}.safetensors")
    assert kept
    assert all(torch.equal(state[f"weights.{name}"], tensor) for name, tensor in kept.items())
    whole = run(settings, tmp_path / "whole")
    assert same_bits(run(settings, tmp_path), whole)


def test_a_lost_snapshot_is_reported(tmp_path):
    settings = settings_of("train.snapshots=[.5]")
    run(settings, tmp_path)
    path = tmp_path / f"after_{settings.train.snapshot_updates[0]:07d}.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=rf"{path.name} is damaged"):
        load_trained(settings, TASK, 0, tmp_path)


class Silent:
    """A channel that tells nothing."""

    def draw_noise(self, rng, n_steps, sessions):
        return torch.zeros(n_steps, sessions)

    def deliver(self, rpe, injected, noise):
        return torch.zeros_like(rpe)


@pytest.mark.parametrize("rule", RULES)
def test_synapses_change_by_what_the_channel_delivers(rule):
    penalties = (f"rule.{name}_penalty=0" for name in ("rate", "peak"))
    actor_alone = (
        "rule.value_weight=0",
        "rule.trace_decay=1",
    )  # bins within a step have errors that add up to its own
    without = (*penalties, *actor_alone) if rule == "three-factor" else ()
    settings = settings_of(f"rule.kind={rule}", "network.kind=rate", *without)
    agent = build_agent(settings, TASK)
    weights = agent.network.init(torch_stream(0, "birth"))
    if agent.rule.needs_autograd:
        weights = {name: tensor.requires_grad_() for name, tensor in weights.items()}

    def change(channel):
        streams = {f"{name}_rng": torch_stream(0, name) for name in ("task", "choice", "noise")}
        dopamine = dataclasses.replace(agent.dopamine, channel=channel)
        effective = agent.network.effective(weights)
        schedule = train.arrange_time(agent.network, TASK, settings, 0.0, torch_stream(0, "time"))
        batch = rollout(agent.network, effective, TASK, dopamine, schedule=schedule, **streams)
        return agent.rule.change(agent.network, weights, batch, 0.0)

    heard = change(None)
    for name, tensor in change(Silent()).items():
        assert heard[name].abs().max() > 1e-4
        assert tensor.abs().max() <= 1e-4 * heard[name].abs().max()


def test_the_setting_puts_dopamine_cells_in_between():
    assert build_agent(settings_of(), TASK).dopamine.channel is None
    cells = build_agent(settings_of("dopamine.channel=cells", "dopamine.scale=4"), TASK).dopamine.channel
    assert cells.scale == 4
    assert float(cells.rate(torch.tensor(4.0))) == float(DopamineCells.calibrated().rate(torch.tensor(1.0)))


def test_settings_put_unequal_and_noisy_errors_in_between():
    channel = build_agent(settings_of("dopamine.asymmetry=-.5", "dopamine.noise=.2"), TASK).dopamine.channel
    assert channel == UnequalErrors(-0.5, 0.2)
    with pytest.raises(InputError, match="asymmetry and noise are for channel none"):
        settings_of("dopamine.channel=cells", "dopamine.noise=.2")


@pytest.mark.parametrize("name", ["dopamine.asymmetry=.5", "dopamine.noise=.5", "rule.dopamine_gain=2"])
@pytest.mark.parametrize("network, rule", KINDS)
def test_what_dopamine_is_like_shows_in_the_weights(tmp_path, network, rule, name):
    kinds = f"network.kind={network}", f"rule.kind={rule}"
    plain = run(settings_of(*kinds), tmp_path / "plain")
    assert not same_bits(run(settings_of(*kinds, name), tmp_path / "other"), plain)


@pytest.mark.parametrize("name", ["weights.safetensors", "after_0000006.safetensors", "state.safetensors"])
def test_a_flipped_bit_or_the_file_of_another_animal_is_refused(name, tmp_path):
    """Bits of the header that mean nothing aside: the same content is the same."""
    settings, rng = settings_of("train.snapshots=[.5]"), np.random.default_rng(0)
    if name == "state.safetensors":
        stopped_at_6(settings, tmp_path)
    else:
        run(settings, tmp_path)
    file, refused = tmp_path / name, 0
    content, whole = file.read_bytes(), load_file(file)
    for _ in range(60):
        spoilt = bytearray(content)
        spoilt[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        file.write_bytes(spoilt)
        try:
            run_one(settings, tmp_path, 0)
            assert same_bits(load_file(file), whole)
        except InputError as error:
            assert str(file) in str(error) and "\n" not in str(error)
            refused += 1
    assert refused >= 55
    file.write_bytes(content)
    with pytest.raises(InputError, match="is damaged: .*of another animal or other settings"):
        run_one(settings, tmp_path, 1)


def run_one(settings, folder, animal):
    """Read what is there of an animal, and train nothing: the first report stops it."""
    if (folder / "weights.safetensors").exists():
        train_animal(settings, TASK, animal, folder, silent)
    else:
        with pytest.raises(Stopped):
            train_animal(settings, TASK, animal, folder, lambda *_: raise_stopped())


def raise_stopped():
    raise Stopped


def test_a_learning_curve_cut_before_the_run_knew_it_is_refused(tmp_path):
    settings = settings_of()
    run(settings, tmp_path)
    curve = tmp_path / "learning_curve.csv"
    curve.write_text("".join(curve.read_text().splitlines(keepends=True)[:-3]))
    with pytest.raises(InputError, match=r"learning_curve\.csv is damaged: it is not what was written"):
        run(settings, tmp_path)
    curve.unlink()  # as the line says
    run(settings, tmp_path)
    assert len(read_curve(tmp_path)) == settings.train.updates
