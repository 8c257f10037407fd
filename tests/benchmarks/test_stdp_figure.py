"""Table and figure of the plasticity circuit, from planted agents."""

from types import SimpleNamespace

import numpy as np

from benchmarks import stdp_figure as bench
from pfc_da.circuits.stdp import Learning


def planted(p_late, seed):
    """Agents that choose rightly at .5 for 60 trials and at `p_late` after, whose right weights end at twice the wrong."""
    rng, shape = np.random.default_rng(seed), (bench.TRIALS, bench.AGENTS)
    right = rng.permuted(np.tile([0, 1], (bench.AGENTS, 1)), axis=1)
    is_correct = rng.random(shape) < np.where(np.arange(bench.TRIALS) < 60, 0.5, p_late)[:, None]
    size = np.where(np.arange(2) == right[..., None], 0.06, 0.03)  # (copy, stimulus, action)
    grown = np.linspace(0, 1, bench.TRIALS)[:, None, None, None] * (size - 0.03)
    reward, zero = (rng.random(shape) < 0.5).astype(float), np.zeros(shape)
    learned = Learning(
        zero, zero, is_correct, reward, zero, 4 * reward - 2, np.zeros((*shape, 2)), 0.03 + grown
    )
    return SimpleNamespace(right_action=right), learned


def test_planted_agents_come_back():
    right, wrong = bench.split_weights(*planted(0.9, 0))
    np.testing.assert_allclose(right[-1], 0.06)
    np.testing.assert_allclose(wrong, 0.03)
    rows = {name: values for name, (values, _) in bench.tabulate(*planted(0.9, 0)).items()}
    assert abs(rows["P(correct), trials 61 to 80"].mean() - 0.9) < 0.03
    assert abs(rows["P(correct), trials 1 to 20"].mean() - 0.5) < 0.06
    np.testing.assert_allclose(rows["change of the mean weight, first to last trial (thresholds)"], 0.015)


def test_every_row_has_a_number_and_its_interval_in_both_columns_and_all_is_drawn():
    measured = dict(zip(bench.COLORS, (planted(0.9, 0), planted(0.5, 1)), strict=True))
    lines = bench.format_table(measured).splitlines()
    assert len(lines) == 2 + len(bench.tabulate(*planted(0.9, 0)))
    assert all(line.count("[") == 2 for line in lines[2:])
    choices, weights, dopamine = bench.draw(measured).axes
    last = [line.get_ydata()[-1] for line in choices.lines if line.get_linewidth() == 2]
    assert last[0] > 0.8 > 0.6 > last[1]
    assert [line.get_ydata()[-1].round(3) for line in weights.lines] == [0.06, 0.03]
    assert [line.get_ydata()[0] for line in dopamine.lines[:2]] == [2, -2]
