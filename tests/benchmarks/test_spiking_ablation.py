"""The ablation of the conversion leaves out what it says, and nothing afterwards."""

from benchmarks.spiking_ablation import VARIANTS, measure
from pfc_da import paradigms
from pfc_da.circuits import spiking_pfc
from pfc_da.circuits.codegen import TARGET_VARIABLE
from pfc_da.jobs.progress import Progress
from pfc_da.storage.run_folder import RunFolder


def test_every_variant_is_simulated_with_its_own_neurons(tmp_path, monkeypatch):
    monkeypatch.setenv(TARGET_VARIABLE, "numpy")
    small = [
        "train.updates=1",
        "train.sessions=2",
        "network.n_units=16",
        "network.input_gain=3",
        "task.n_trials=6",
        "test_task.n_trials=6",
    ]
    small += [f"replay.{name}=12" for name in ("held_out_sessions", "sessions", "unit_sessions")]
    small += ["network.recurrent_gain=3", "network.read_out_gain=10"]
    experiment = paradigms.load("bandit")
    settings = experiment.settings(sets=small, animals=1)
    config = settings.model_dump(mode="json")
    with RunFolder.open(tmp_path / "run", config) as folder, folder.doing("train"), Progress() as progress:
        experiment.train(settings, folder, progress, 1)
    used, build = [], spiking_pfc.SpikingPFC._build

    def record(neurons):
        network = build(neurons)
        used.append(neurons._neurons.namespace["e_inh"])
        return network

    monkeypatch.setattr(spiking_pfc.SpikingPFC, "_build", record)
    lost = measure(tmp_path / "run", sessions=12, animals=4)
    assert list(lost) == list(VARIANTS) and len(lost) == 1 and lost.notna().all(axis=None)
    assert used == [*VARIANTS.values()]  # in so short a run no choice depends on it
    assert spiking_pfc.INHIBITION == VARIANTS["as shipped"]
