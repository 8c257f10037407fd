"""One seed gives independent streams, found by name."""

import itertools

import numpy as np
import pytest
import torch

from pfc_da.rng import derive_seed, numpy_stream, torch_stream

NAMES = [
    ("task",),
    ("choice",),
    ("noise",),
    ("task", 0),
    ("task", 1),
    ("task", 10),
    ("t", "ask"),
    ("ask", "t"),
]


def test_same_name_gives_the_same_numbers_whatever_was_drawn_before():
    first = torch.rand(5, generator=torch_stream(3, "train", "task", 7))
    torch_stream(3, "other").seed()
    torch.rand(100, generator=torch_stream(3, "train", "task", 6))
    assert torch.equal(first, torch.rand(5, generator=torch_stream(3, "train", "task", 7)))
    assert (numpy_stream(3, "a").random(4) == numpy_stream(3, "a").random(4)).all()


def test_every_seed_and_name_has_its_own_stream():
    seeds = [derive_seed(seed, *names) for seed in range(50) for names in NAMES]
    assert len(set(seeds)) == len(seeds)
    assert derive_seed(1, "2") != derive_seed(12)  # the parts are told apart
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("stream", ["torch", "numpy"])
def test_streams_are_uncorrelated(stream):
    def draw(names):
        if stream == "torch":
            return torch.randn(20_000, generator=torch_stream(0, *names)).numpy()
        return numpy_stream(0, *names).standard_normal(20_000)

    drawn = [draw(names) for names in NAMES]
    for one, other in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / 20_000**0.5  # 28 pairs: p < 2e-4 in all


def test_derived_seeds_are_those_of_earlier_runs():
    """Frozen: with other seeds no old run could be continued or repeated."""
    assert derive_seed(0, "animal", 0) == 3373262962101084177
    assert derive_seed(7, "train", "task", 12) == 3600790838015766246


def test_no_stream_touches_the_global_generators():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 that is what is tested
    torch.rand(3, generator=torch_stream(0, "a"))
    numpy_stream(0, "a").random(3)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
