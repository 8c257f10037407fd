"""The midbrain circuit: wiring, cells, reward prediction errors, stimulation, copies."""

import dataclasses
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx

from pfc_da.circuits import midbrain
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.circuits.midbrain import EVENT_S, REST_S, SETTLE_S, WINDOW_S, MidbrainCircuit, split_error
from pfc_da.circuits.midbrain_parameters import POPULATIONS, PORTS, STIMULATION_MV, MidbrainParameters
from pfc_da.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SMALL = MidbrainParameters(n_lh=20, n_gaba=20, n_lhb=10, n_rmtg=10, n_da=20)
PATHWAYS = {("lh", "da"): 2.1, ("lhb", "rmtg"): 6.0, ("gaba", "da"): 2.1, ("rmtg", "da"): 0.8}


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")


def small(**arguments):
    return MidbrainCircuit(**{"copies": 2, "seed": 1, "parameters": SMALL, **arguments})


def test_every_target_is_connected_to_its_share_of_every_source_of_its_own_copy(circuit):
    p = circuit.parameters
    found = {}
    for synapses, tau in ((circuit.excitation, p.tau_e), (circuit.inhibition, p.tau_i)):
        (pre_copy, pre), (post_copy, post) = (
            np.divmod(np.array(index), p.n_cells) for index in (synapses.i, synapses.j)
        )
        assert (pre_copy == post_copy).all()
        for source, target in PATHWAYS:
            first, second = p.cells(source), p.cells(target)
            own = (pre >= first.start) & (pre < first.stop) & (post >= second.start) & (post < second.stop)
            if own.any():
                effect = np.zeros((circuit.copies, p.n_cells))
                np.add.at(
                    effect, (post_copy[own], post[own]), np.array(synapses.w)[own] * 1e3 * 10 * tau * 1e-3
                )
                found[source, target] = effect[:, second], own.sum()
                pairs = set(zip(pre_copy[own], pre[own], post[own], strict=True))
                assert len(pairs) == own.sum()  # no pair is connected twice
    assert set(found) == set(PATHWAYS)
    for (source, target), (effect, n) in found.items():
        np.testing.assert_allclose(
            effect, PATHWAYS[source, target]
        )  # mean mV at 10 Hz, whichever cells are connected
        assert n == circuit.copies * p.sizes[target] * p.sizes[source] / 2
    assert len(circuit.excitation) + len(circuit.inhibition) == sum(n for _, n in found.values())


def siegert(drive, sigma, p):
    """Rate in Hz of a LIF neuron in white noise (Siegert 1951), with the threshold of discrete time."""
    threshold = p.v_threshold - p.e_leak + 0.5826 * sigma * np.sqrt(2 * p.dt / p.tau_m)
    ends = [(level - drive) / (sigma * np.sqrt(2)) for level in (0, threshold)]
    area = quad(lambda u: erfcx(-u), *ends)[0]
    return 1e3 / (p.t_refractory + p.tau_m * np.sqrt(np.pi) * area)


def test_cells_without_synapses_fire_as_theory_has_it(circuit):
    p, response = circuit.parameters, circuit.respond(np.zeros((3, 1)), 0)
    for population in ("lh", "gaba", "lhb"):
        expected = siegert(getattr(p, f"drive_{population}"), p.sigma, p)
        assert response.rate(population).mean() == pytest.approx(expected, rel=0.08)


def test_current_goes_to_the_cells_it_is_meant_for(circuit):
    current = circuit.event_current(
        np.array([0.5]), np.array([0.25]), lhb=np.array([7.0]), vta=np.array([-3.0])
    )
    assert dict(zip(POPULATIONS, current[0].tolist(), strict=True)) == {
        "lh": 6.0, "gaba": 3.0, "lhb": -3.0 + 7.0, "rmtg": 0.0, "da": -3.0,
    }  # fmt: skip
    circuit.set_current(np.tile(np.arange(5.0), (8, 1)) + 10 * np.arange(8)[:, None])
    by_cell = np.array(circuit.neurons.current).reshape(8, -1) * 1e3
    for index, population in enumerate(POPULATIONS):
        np.testing.assert_allclose(by_cell[3, circuit.parameters.cells(population)], 30 + index)
    circuit.set_current(np.zeros((8, 5)))


def test_dopamine_cells_fire_with_the_error_and_not_with_reward(circuit):
    """Burst and pause as the bars of the model page, and none at rewards that were expected, however large."""
    received = np.array([0, 0.5, 1, 1, 0], float)[:, None]
    expected = np.array([0, 0.5, 1, 0, 1], float)[:, None]
    response = circuit.respond(np.tile(received, (2, 1)), np.tile(expected, (2, 1)))
    baseline, half, whole, burst, pause = response.rate("da").reshape(2, 5, 8).mean((0, 2))
    assert 3 < baseline < 8 and 11 < burst < 20 and pause < 1
    assert (
        abs(half - baseline) < 1.2 and abs(whole - baseline) < 1.2
    )  # small compared with the 10 Hz of the burst
    assert burst - baseline > 1.5 * (baseline - pause)
    lhb, rmtg = (response.rate(name).reshape(2, 5, 8).mean((0, 2)) for name in ("lhb", "rmtg"))
    assert lhb[4] > 2 * lhb[0] > 4 * lhb[3] and rmtg[4] > 2 * rmtg[0] > 4 * rmtg[3]


def test_stimulation_undoes_a_burst_and_makes_one(circuit):
    on = {port: np.zeros((5, 1)) for port in PORTS}
    on["lhb"][1], on["rmtg"][2], on["vta"][4] = (STIMULATION_MV[port] for port in ("lhb", "rmtg", "vta"))
    received = np.array([1, 1, 1, 0, 0], float)[:, None]
    reward, lhb, rmtg, omission, vta = circuit.respond(received, 0.5, on).rate("da").mean(1)
    nothing = circuit.respond([[0.0]], 0).rate("da").mean()
    assert reward - nothing > 4 and max(lhb, rmtg) < nothing + 0.6
    assert nothing - omission > 3 and vta - nothing > 4 and abs(vta - reward) < 1.8


def test_copies_do_not_hear_one_another():
    """With the same seed, what happens to one copy leaves every spike of the other where it was."""
    quiet, busy = (small().respond([[received, 0.3]], [[0.0, 0.1]]).counts for received in (0.0, 1.0))
    assert np.array_equal(quiet[:, 1], busy[:, 1])
    assert not np.array_equal(quiet[:, 0], busy[:, 0])


def test_a_seed_gives_the_same_spikes_and_another_others():
    first, again, other = (small(seed=seed).respond([[0.5]], [[0.2]]).counts for seed in (4, 4, 5))
    assert first.sum() > 0
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_counts_are_the_spikes_of_the_window():
    kept = small(record=True)
    counts = kept.respond([[1.0], [0.0]], 0.5).counts
    copy, cell, time = kept.spikes()
    for event in range(2):
        since = time - event * (EVENT_S + REST_S)
        # a spike of the step that ends at a border is counted with that step
        inside = (since >= WINDOW_S[0] - 1e-6) & (since < WINDOW_S[1] - 1e-6)
        expected = np.zeros_like(counts[event])
        np.add.at(expected, (copy[inside], cell[inside]), 1)
        assert np.array_equal(counts[event], expected)
    assert time.min() < 0 and time.min() >= -SETTLE_S  # the rest before the first event is kept too


def test_a_drive_receives_the_spikes_of_its_bins_and_sets_their_current():
    circuit, kept, currents = small(record=True), [], []

    def drive():
        for place in range(4):
            current = np.full((2, 5), 3.0 * place)
            kept.append((yield current))
            currents.append(np.array(circuit.neurons.current) * 1e3)
        return "done"

    assert circuit.follow(drive(), 0.02, 4) == "done"
    copy, cell, time = circuit.spikes()
    for place, counts in enumerate(kept):
        inside = (time >= 0.02 * place - 1e-6) & (time < 0.02 * (place + 1) - 1e-6)
        expected = np.zeros_like(counts)
        np.add.at(expected, (copy[inside], cell[inside]), 1)
        assert np.array_equal(counts, expected)
    # as they are when the spikes of a bin are sent: still those of the bin, and none after the last
    assert [np.unique(each).round(9).tolist() for each in currents] == [[0.0], [3.0], [6.0], [0.0]]
    assert sum(each.sum() for each in kept) > 0


def test_a_drive_that_does_not_end_with_its_bins_is_refused():
    def endless():
        while True:
            yield np.zeros((2, 5))

    def early():
        yield np.zeros((2, 5))

    for drive in (endless, early):
        with pytest.raises(ValueError, match="drive must return after 2 bins"):
            small().follow(drive(), 0.05, 2)


def test_the_circuit_can_be_part_of_a_larger_network():
    """Cells and timing of one's own, as a plasticity circuit has them: a current that comes 100 ms into a run."""
    import brian2

    circuit, counts = small(), []

    @brian2.network_operation(dt=50 * brian2.ms, name="own_events")
    def own_events():
        counts.append(circuit.count_spikes())
        if len(counts) == 3:
            circuit.set_current(circuit.event_current(np.array([2.0, 0.0]), np.zeros(2)))

    heard = brian2.NeuronGroup(2, "n : integer", name="own_cells")
    ears = brian2.Synapses(circuit.neurons, heard, on_pre="n_post += 1", name="own_ears")
    da = SMALL.cells("da")
    ears.connect(
        i=np.arange(da.start, da.stop), j=np.zeros(SMALL.n_da, int)
    )  # the first copy's dopamine cells
    circuit.network.add(own_events, heard, ears)
    circuit.network.run(0.65 * brian2.second)
    lh = (counts[12] - counts[2])[:, SMALL.cells("lh")].mean(1) / 0.5
    assert lh[0] == pytest.approx(siegert(9 + 24, 4, SMALL), rel=0.08) and lh[1] < 15
    assert int(heard.n[0]) == (circuit.count_spikes() - counts[0])[0, da].sum() > 0
    assert (counts[2] - counts[0])[:, SMALL.cells("lh")].mean() / 0.1 < 15


def test_split_error_tells_the_temporal_difference():
    rng = np.random.default_rng(0)
    reward, value, following = rng.normal(size=(3, 50))
    received, expected = split_error(reward, value, following)
    np.testing.assert_allclose(received - expected, reward + following - value)
    assert (received >= 0).all() and (expected >= 0).all()
    # a reward that comes as expected, its omission, a cue that promises it
    cases = {(1, 0.7, 0): (1, 0.7), (0, 0.7, 0): (0, 0.7), (0, 0, 0.7): (0.7, 0), (-1, 0, 0): (0, 1)}
    for case, expected in cases.items():
        assert tuple(map(float, split_error(*case))) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ([[1.0]], [[0.0]], {"lbh": 16.0}),
            r"^no port 'lbh' to stimulate\. Did you mean 'lhb'\? There are: lhb,",
        ),
        (([[-0.1]], 0), "^received must be finite and not negative"),
        (([[0.1]], [[np.nan]]), "^expected must be finite and not negative"),
        (([[0.1]], 0, {"vta": np.inf}), r"^vta must be finite\.$"),
        ((np.ones((2, 3)), 0), r"^inputs must be \(event, copy\) with 8 copies, got received \(2, 3\)"),
        ((np.ones((1, 1, 8)), 0), r"^inputs must be \(event, copy\) with 8 copies"),
        ((np.ones((2, 1)), np.ones((3, 1))), r"got received \(2, 1\), expected \(3, 1\)\.$"),
    ],
)
def test_bad_inputs_are_reported_in_one_line(circuit, arguments, words):
    with pytest.raises(InputError, match=words):
        circuit.respond(*arguments)


def test_what_a_circuit_cannot_do_is_refused(circuit):
    with pytest.raises(InputError, match="^copies must be 1 or more, got 0"):
        MidbrainCircuit(0)
    with pytest.raises(InputError, match="record=True"):
        circuit.spikes()


@pytest.fixture
def _interrupts():
    """SIGINT raises; a process in the background may have been started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts")
def test_an_interrupt_ends_an_event_with_an_error_and_not_half_counted(monkeypatch):
    circuit, count = small(), MidbrainCircuit.count_spikes

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return count(circuit)

    monkeypatch.setattr(circuit, "count_spikes", interrupt)
    with pytest.raises(KeyboardInterrupt, match="^$"):
        circuit.respond([[0.0]], [[0.0]])


def test_the_page_lists_every_parameter_with_units_and_source():
    page = (ROOT / "docs" / "midbrain-circuit.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines() if row.startswith("| `")
    ]
    expected = [
        [
            f"`{field.name}`",
            f"{field.default:g}",
            *(field.metadata[name] for name in ("units", "what", "source")),
        ]
        for field in dataclasses.fields(MidbrainParameters)
    ]
    assert rows == expected
    assert all(all(cell for cell in row) for row in rows)


def test_equations_name_no_number():
    """Every constant is a parameter with units and source, but for those of the noise's definition."""
    numbers = re.findall(r"(?<![\w.])\d+(?:\.\d+)?", midbrain.EQUATIONS + midbrain.RESET)
    assert numbers == ["2", "1"]  # sqrt(2 / tau_m), n_spikes += 1
