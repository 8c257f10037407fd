"""Every paradigm found in the folder is a Gymnasium environment, single and batched, with NeuroGym's info keys."""

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from pfc_da import paradigms
from pfc_da.agent import build_agent
from pfc_da.clock import cut_evenly, draw_durations
from pfc_da.gymnasium_env import build_task, name_env
from pfc_da.rng import torch_stream
from pfc_da.rollout import rollout

TRIALS, SESSIONS = 12, 40


@pytest.fixture(scope="module", params=paradigms.names())
def paradigm(request):
    return request.param


@pytest.fixture
def env(paradigm):
    return gymnasium.make(name_env(paradigm), n_trials=TRIALS)


@pytest.fixture
def envs(paradigm):
    return gymnasium.make_vec(name_env(paradigm), num_envs=SESSIONS, n_trials=TRIALS)


def test_registering_loads_no_torch_and_importing_the_package_no_gymnasium():
    code = (
        "import sys, pfc_da; assert 'gymnasium' not in sys.modules; import pfc_da.gymnasium_env as registry; "
    )
    code += "assert 'torch' not in sys.modules; print(*registry.gymnasium.registry)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    registered = {name for name in done.stdout.split() if name.startswith("pfc_da/")}
    assert registered == {name_env(name) for name in paradigms.names()}


@pytest.mark.parametrize("module", ["pfc_da.gymnasium_env", "pfc_da.task_env"])
def test_without_gymnasium_the_error_says_what_to_install_and_tasks_work(module, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "gymnasium"] + ["gymnasium"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=r"need gymnasium; pip install 'pfc_da\[tasks\]'"):
        importlib.import_module(module)
    experiment = paradigms.load("bandit")
    state, _ = experiment.build_task(experiment.settings()).reset(torch_stream(0, "task"), 2)
    assert len(state.p_reward) == 2


@pytest.mark.parametrize("test", [False, True])
def test_the_checker_finds_nothing(paradigm, test):
    checked = gymnasium.make(name_env(paradigm), test=test).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(checked)


def simulate(env, choose, seed=0):
    """Observations, rewards and infos of one session; `choose` gets the last info."""
    observation, info = env.reset(seed=seed)
    seen, rewards, infos, ended = [observation], [], [info], False
    while not ended:
        observation, reward, ended, truncated, info = env.step(choose(infos[-1]))
        assert not truncated
        seen.append(observation)
        rewards.append(reward)
        infos.append(info)
    return np.array(seen), np.array(rewards), infos


def sample(env, seed=0):
    env.action_space.seed(seed)
    return lambda info: env.action_space.sample(mask=info["action_mask"])


def test_a_session_is_as_long_as_its_trials_and_stays_within_the_spaces(env, paradigm):
    task = build_task(paradigm, n_trials=TRIALS)
    seen, rewards, infos = simulate(env, sample(env))
    assert len(rewards) == task.n_steps
    assert all(observation in env.observation_space for observation in seen)
    new_trials = [info["new_trial"] for info in infos[1:]]
    assert new_trials == [(t + 1) % len(task.phases) == 0 for t in range(task.n_steps)]


def test_infos_have_the_keys_of_neurogym(env, paradigm):
    task = build_task(paradigm, n_trials=TRIALS)
    _, _, infos = simulate(env, sample(env))
    counts = [task.phase(t).choice for t in range(task.n_steps)]
    for t, info in enumerate(infos[1:]):
        assert {"new_trial", "gt", "action_mask", "seconds"} <= info.keys()
        assert (info["seconds"] > 0) == (t + 1 < task.n_steps)
        assert (info["gt"] >= 0) == counts[t]
        assert ({"performance", "trial"} <= info.keys()) == info["new_trial"]
    ends = [info for info in infos[1:] if info["new_trial"]]
    for info in ends:
        assert info["performance"] in (0.0, 1.0)
        assert info["performance"] == (info["trial"]["regret"] < 1e-6)
        assert set(info["trial"]) == set(task.session_labels) | set(task.step_labels)
    assert 0 < np.mean([info["performance"] for info in ends]) <= 1


def test_who_takes_the_ground_truth_never_regrets_and_earns_more_than_chance(paradigm):
    def earn(informed):
        total, performances = 0.0, []
        envs = gymnasium.make_vec(name_env(paradigm), num_envs=400, n_trials=TRIALS)
        envs.action_space.seed(1)
        envs.reset(seed=5)
        session = envs.unwrapped._sessions
        for t in range(session.task.n_steps):
            actions = envs.action_space.sample()
            if informed and session.task.phase(t).choice:
                actions = session._regrets().argmin(1).numpy()
            _, reward, _, _, info = envs.step(actions)
            if informed and session.task.phase(t).choice:
                np.testing.assert_array_equal(info["gt"], actions)
            if info["new_trial"].all():
                performances.append(info["performance"].mean())
            total += reward.mean()
        return total / TRIALS, performances

    (best, performances), (chance, others) = earn(True), earn(False)
    assert performances == [1.0] * TRIALS
    assert 0.2 < np.mean(others) < 1
    assert best > chance + 0.03


def test_an_agent_sees_what_a_network_sees_in_a_rollout(paradigm, envs):
    experiment = paradigms.load(paradigm)
    settings = experiment.settings(sets=["network.n_units=8", "network.feedback=reward"])
    task = build_task(paradigm, n_trials=TRIALS)
    agent = build_agent(settings, task)
    drawn = torch.Generator().manual_seed(int(np_random(3)[0].integers(2**63)))
    batch = rollout(
        agent.network,
        agent.network.effective(agent.network.init(torch_stream(0, "birth"))),
        task,
        agent.dopamine,
        schedule=cut_evenly(draw_durations(task.phases, TRIALS, SESSIONS, torch_stream(0, "time")), 0.1),
        task_rng=drawn,
        choice_rng=torch_stream(0, "choice"),
        noise_rng=torch_stream(0, "noise"),
        feedback="reward",
    )
    observation, _ = envs.reset(seed=3)
    for t in range(task.n_steps):
        np.testing.assert_array_equal(observation, batch.x[t].detach().numpy())
        observation, reward, *_ = envs.step(np.maximum(batch.action[t].numpy(), 0))
        np.testing.assert_array_equal(reward, batch.reward[t].numpy())


def test_the_same_seed_is_the_same_session(env):
    one, again, other = (simulate(env, sample(env), seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one[0], again[0]) and np.array_equal(one[1], again[1])
    assert not (np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1]))


def test_a_batch_of_one_is_the_single_session(env, paradigm):
    envs = gymnasium.make_vec(name_env(paradigm), num_envs=1, n_trials=TRIALS)
    seen, rewards, infos = simulate(env, sample(env))
    env.action_space.seed(0)
    observation, info = envs.reset(seed=0)
    for t, reward in enumerate(rewards):
        action = env.action_space.sample(mask=infos[t]["action_mask"])
        np.testing.assert_array_equal(observation[0], seen[t])
        observation, batch_reward, ended, _, info = envs.step(np.array([action]))
        assert batch_reward[0] == reward
        for key, value in infos[t + 1].items():
            if key != "trial":
                np.testing.assert_array_equal(info[key][0], value)
        for label, value in infos[t + 1].get("trial", {}).items():
            np.testing.assert_array_equal(info["trial"][label][0], value)
    assert ended.all()


def test_a_batch_begins_new_sessions_on_the_step_after_the_last(envs):
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    counted = RecordEpisodeStatistics(envs)
    counted.action_space.seed(0)
    first, _ = counted.reset(seed=0)
    n_steps, ends = envs.unwrapped.task.n_steps, []
    for t in range(2 * n_steps + 1):
        observation, reward, ended, truncated, info = counted.step(counted.action_space.sample())
        assert observation in counted.observation_space
        assert ended.all() == ended.any() and not truncated.any()
        if t == n_steps:  # the step that only begins
            assert (reward == 0).all() and not info["new_trial"].any() and not ended.any()
        if ended.all():
            ends.append(t)
            assert (info["episode"]["l"] == n_steps).all()
    assert ends == [n_steps - 1, 2 * n_steps]


def test_gymnasiums_own_batches_work_too(paradigm):
    envs = gymnasium.make_vec(name_env(paradigm), num_envs=3, vectorization_mode="sync", n_trials=TRIALS)
    observation, info = envs.reset(seed=0)
    for _ in range(envs.envs[0].unwrapped.task.n_steps):
        observation, reward, ended, _, info = envs.step(envs.action_space.sample())
    assert ended.all() and info["performance"].shape == (3,)


AUTORESETS = {
    "own": {},
    "sync": {"vectorization_mode": "sync"},
    "sync, same step": {
        "vectorization_mode": "sync",
        "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP},
    },
    "async": {"vectorization_mode": "async"},
}


@pytest.mark.parametrize("mode", AUTORESETS)
def test_keys_of_every_step_are_there_on_every_step(mode):
    envs = gymnasium.make_vec(name_env("bandit"), num_envs=2, n_trials=2, **AUTORESETS[mode])
    envs.action_space.seed(0)
    task = build_task("bandit", n_trials=2)
    _, info = envs.reset(seed=0)
    begins, ends, before = [True], 0, False
    for _ in range(2 * task.n_steps + 1):
        for key, none in (("new_trial", False), ("gt", -1), ("action_mask", 1)):
            assert info[key].shape[0] == 2 and info[f"_{key}"].all()
            assert not begins[-1] or (info[key] == none).all()
        *_, ended, _, info = envs.step(envs.action_space.sample())
        ends += ended.all()
        of_last = info["final_info"] if mode.endswith("same step") and ended.all() else info
        assert not ended.any() or (of_last["new_trial"].all() and of_last["performance"].shape == (2,))
        begins.append(ended.all() if mode.endswith("same step") else before)
        before = ended.all()
    envs.close()
    assert ends == 2 and sum(begins) == (3 if mode.endswith("same step") else 2)


def test_settings_reach_the_task_and_a_wrong_one_is_reported(paradigm):
    env = gymnasium.make(name_env(paradigm), n_trials=7, test=True)
    assert env.unwrapped.task.n_trials == 7
    with pytest.raises(ValueError, match=r"no setting 'task.n_trial'. Did you mean 'n_trials'"):
        gymnasium.make(name_env(paradigm), n_trial=7)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "gymnasium.md"


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
def test_the_snippets_of_the_page_run(snippet):
    exec(compile(snippet, str(PAGE), "exec"), {})
