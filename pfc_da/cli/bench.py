"""The command bench: how fast animals are trained."""

import os

from pfc_da.cli.options import Json, Seeds, Workers
from pfc_da.errors import InputError


def bench(
    seeds: Seeds = 10,
    json: Json = None,
    workers: Workers = None,
) -> None:
    """Measure training speed, that of the floor and of an LSTM peer."""
    if json and (os.path.isdir(json) or not os.path.isdir(json.parent)):
        raise InputError(f"--json {json} must be a file in a folder that exists.")
    import pandas as pd

    from pfc_da.bench import AGENTS, run_bench, summarise_bench, write_json
    from pfc_da.jobs.progress import Progress

    with Progress() as progress, progress.stage("bench"):
        found = run_bench(seeds, workers, progress.task("seeds", seeds * len(AGENTS)))
    if json:
        write_json(found, json)
    table = pd.DataFrame(summarise_bench(found)).set_index("agent").T
    print(table.to_string(float_format="{:.4g}".format))
