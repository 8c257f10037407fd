"""Tables of cells: planted cells come back, recorded cells give the packaged numbers by area."""

import numpy as np
import pandas as pd
import pytest

from pfc_da.analysis.cells.summary import (
    UNITS,
    bin_baseline,
    load_firing_by_area,
    summarise_firing,
    summarise_population,
    tabulate_firing,
)
from pfc_da.analysis.cells.timescale import compute_timescales
from pfc_da.analysis.comparison.published import compare
from pfc_da.analysis.readers.juice_choice import WINDOW_S, WINDOWS
from pfc_da.analysis.readers.juice_tables import load_ofc
from pfc_da.analysis.statistic import Statistic

WINDOW, BASELINE = (-1.0, 1.0), (-1.0, 0.0)


def poisson_cells(rates, *, trials=300, seed=0):
    rng = np.random.default_rng(seed)
    return [[np.sort(rng.uniform(-1.5, 1.5, rng.poisson(3 * rate))) for _ in range(trials)] for rate in rates]


def wandering_cells(tau, *, cells=30, trials=200, rate=10.0, seed=0):
    """Spike times of cells whose rate is a mean of four squared Ornstein-Uhlenbeck processes, which forget with tau."""
    rng = np.random.default_rng(seed)
    dt, n_steps = 0.01, 200
    keep = np.exp(-dt / (2 * tau))
    x = rng.standard_normal((4, cells, trials))
    found = [[[] for _ in range(trials)] for _ in range(cells)]
    for t in range(n_steps):
        for cell, trial in zip(
            *np.nonzero(rng.random((cells, trials)) < rate * (x**2).mean(0) * dt), strict=True
        ):
            found[cell][trial].append(-1 + (t + rng.random()) * dt)
        x = keep * x + np.sqrt(1 - keep**2) * rng.standard_normal(x.shape)
    return found


def test_poisson_cells_have_their_rates_and_no_timescale():
    table = tabulate_firing(poisson_cells([2.0, 10.0, 30.0]), window=WINDOW, baseline=BASELINE)
    assert list(table) == list(UNITS)
    np.testing.assert_allclose(table["firing_rate"], [2, 10, 30], rtol=0.1)
    np.testing.assert_allclose(table[["cv", "cv2", "lv"]].iloc[1:], 1, atol=0.06)
    np.testing.assert_allclose(table["fano"], 1, atol=0.3)
    assert table["timescale"].isna().sum() >= 2


def test_the_timescale_and_fano_of_wandering_cells_come_back_in_table_and_statistics():
    cells = wandering_cells(0.15)
    table = tabulate_firing(cells, window=WINDOW, baseline=BASELINE)
    rng = np.random.default_rng(0)
    found = {
        statistic.key: statistic
        for statistic in summarise_firing([table], labels={"area": "planted"}, rng=rng)
    }
    assert found.keys() == UNITS.keys()
    assert found["timescale"].estimate == pytest.approx(0.15, rel=0.2)
    assert found["timescale"].low < 0.15 < found["timescale"].high
    assert found["firing_rate"].estimate == pytest.approx(10, rel=0.1)
    # Variance of the mean rate over T: 2 c (tau / T) (1 - (1 - exp(-T/tau)) tau / T), c = 1/2 of the squared rate.
    share = 0.15 / 0.5
    excess = 10 * 0.5 * 0.5 * 2 * share * (1 - share * (1 - np.exp(-1 / share)))
    assert found["fano"].estimate == pytest.approx(1 + excess, rel=0.15)
    assert all((s.condition, s.n_of) == ("planted", "units") for s in found.values())
    assert found["fano"].interval == "95 % bootstrap over cells"
    population = summarise_population(compute_timescales(bin_baseline(cells, BASELINE)), rng=rng)
    assert (population.key, population.units, population.n) == ("timescale_population", "s", 30)
    assert population.low < 0.15 < population.high


def test_animals_are_the_sample_where_there_are_several():
    tables = [pd.DataFrame({key: np.full(5, value) for key in UNITS}) for value in (1.0, 2.0, np.nan)]
    found = summarise_firing(tables, rng=np.random.default_rng(0))
    assert {(s.estimate, s.n, s.n_of, s.interval) for s in found} == {
        (1.5, 2, "animals", "95 % t over animals")
    }


def test_a_baseline_too_short_leaves_fano_and_timescale_out_and_says_so_by_nan():
    cells = poisson_cells([10.0, 10.0], trials=20)
    table = tabulate_firing(cells, window=(0, 1), baseline=(-0.3, 0))
    assert table[["fano", "timescale"]].isna().all(axis=None)
    keys = {statistic.key for statistic in summarise_firing([table], rng=np.random.default_rng(0))}
    assert keys == UNITS.keys() - {"fano", "timescale"}
    assert summarise_population(compute_timescales([np.zeros((9, 20))]), rng=np.random.default_rng(0)) is None
    with pytest.raises(ValueError, match="baseline must begin before it ends, got 0 to 0 s"):
        tabulate_firing(cells, window=(0, 1), baseline=(0, 0))


@pytest.fixture(scope="module")
def by_area():
    return {(row.condition, row.key): row for row in load_firing_by_area("bandit") if not row.unlike}


def test_every_area_has_every_key_with_source_and_sample(by_area):
    assert set(by_area) == {(area, key) for area in ("DLPFC", "ACC", "OFC") for key in UNITS}
    for (_, key), row in by_area.items():
        assert (row.kind, row.paradigm, row.n_of, row.units) == ("recorded", "bandit", "units", UNITS[key])
        assert row.doi and row.locator and row.read_off and row.n > 50
        if not row.interval.startswith("none"):
            assert row.low < row.estimate < row.high and "quartiles over cells" in row.source


def test_the_numbers_are_those_of_cortex(by_area):
    for area in ("DLPFC", "ACC", "OFC"):
        assert 1 < by_area[area, "firing_rate"].estimate < 15
        assert 0.8 < by_area[area, "cv2"].estimate < 1.1
        assert 1.5 < by_area[area, "fano"].estimate < 2.5
        assert 0.05 < by_area[area, "timescale"].estimate < 0.35  # the range of Murray et al. 2014
    assert by_area["DLPFC", "timescale"].estimate < by_area["ACC", "timescale"].estimate


def test_other_methods_say_so():
    others = [row for row in load_firing_by_area("bandit") if row.unlike]
    assert others and all("another method" in row.unlike for row in others)


def test_the_ofc_rows_are_those_of_the_recorded_cells(by_area):
    recording = load_ofc()
    grouped = recording.spikes.groupby("cell", sort=False)["spike_times_ms"]
    cells = [[times / 1000 for times in trains] for _, trains in grouped]  # a third of the cells of the rows
    table = tabulate_firing(cells, window=WINDOW, baseline=BASELINE)
    for key in UNITS:
        row = by_area["OFC", key]
        assert row.low < table[key].median() < row.high
    # Counts are there of all the cells: quartiles of the Fano factor to the digit.
    counts = recording.counts.groupby("cell", sort=False)["pre_offer"]
    fano = (counts.var() / counts.mean()).dropna()
    row = by_area["OFC", "fano"]
    assert WINDOWS["pre_offer"] == ("offer", -500, 0) and WINDOW_S == 0.5
    assert len(fano) == row.n
    assert fano.quantile([0.25, 0.5, 0.75]).tolist() == pytest.approx(
        [row.low, row.estimate, row.high], rel=2e-3
    )


def test_a_number_is_compared_with_the_middle_half_of_the_cells(by_area):
    def simulated(rate):
        return Statistic(
            key="firing_rate",
            labels={"area": "DLPFC"},
            estimate=rate,
            low=rate - 0.5,
            high=rate + 0.5,
            interval="95 % t over animals",
            n=4,
            n_of="animals",
            units="Hz",
        )

    verdicts = [compare([simulated(rate)], [by_area["DLPFC", "firing_rate"]])[0].verdict for rate in (7, 30)]
    assert verdicts == ["inside", "outside"]
