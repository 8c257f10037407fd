"""Write measured numbers into the pages, misses included: ``python benchmarks/readme_table.py RUN [RUN ...]``.

The first run gives the table of the README, all runs give ``docs/results.md``, the first of each paradigm the figures of the
pages. Each row is one simulated number, in the order of statistics.csv, with every number of comparison.csv that it is
compared with. The README shows at most ten rows (`choose_rows`), and below them counts all comparisons of the run, and the
references without a simulated number. Nothing is selected by hand.
"""

import csv
import json
import shutil
import statistics
import sys
from pathlib import Path

from pfc_da.errors import plural
from pfc_da.storage.tables import MISSES, VERDICTS, is_control

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {
    "bandit": ("spiking_share", "spiking_raster", "spiking_membrane"),
    "monkey_juice": ("matching",),
    "volatility": ("volatility_rates", "volatility_training"),
    "lever_stimulation": ("p_risky", "p_risky_plastic"),
}
"""Figures of the pages, from the first given run of each paradigm."""
BY_ANIMAL = ("reward_per_trial", "regret", "matching_slope", "firing_rate", "firing_rate_max")
REPLAYS = {
    "replays/spiking": "the same animals as spiking neurons (`replay --spiking`; `rate_`: the rate network, same sessions)",
    "replays/circuit": "dopamine from the spiking midbrain circuit (`replay --circuit`)",
}
"""Other replays of a run: their folders, and descriptions."""
MACHINES = """\
Simulated numbers are one draw. The same seed gives the same bits only on the same kind of processor with the same
versions of libraries. Another processor gives other weights, and so another draw of animals, which the intervals
cover."""
QUICK = "**A quick run (`--quick`), made to see that the program works: its numbers have no verdicts.**"
RESULTS_HEAD = f"""# Results

Written by `benchmarks/readme_table.py` from run folders, misses included; each heading says what the run was. Weights
are frozen in every number but `p_risky_shift_plastic` (weights change during the test) and `updates_to_criterion` (of
training). Intervals are 95 %; [statistics.md](statistics.md#intervals) says over what.

{MACHINES}"""
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
COLUMN = {"published": 0, "unverified": 0, "recorded": 1, "derived": 2}
MOST_ROWS = 10
"""Of the table of the README."""
HEAD = ["statistic", "simulated", "published", "recorded", "chance and observers"]


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as one dictionary a row."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def with_interval(estimate: str, low: str, high: str) -> str:
    """``0.64 [0.61, 0.66]`` to three digits; missing numbers are left out.

    Parameters
    ----------
    estimate, low, high : str
        Numbers as text, or empty.

    Returns
    -------
    str

    Examples
    --------
    >>> with_interval("0.6412", "0.61", "0.66"), with_interval("0.6412", "", "")
    ('0.641 [0.61, 0.66]', '0.641')
    """
    numbers = [f"{float(text):.3g}" if text not in ("", "nan") else "" for text in (estimate, low, high)]
    if numbers[0] and numbers[0] == numbers[1] == numbers[2]:
        return numbers[0]  # exact
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]".removesuffix(" [, ]").strip()


def describe_source(row: dict[str, str]) -> str:
    """Publication with its DOI and the place in it, recording with its DOI, or observer."""
    linked = f"[{row['source']}](https://doi.org/{row['doi']})" if row["doi"] else row["source"]
    return f"{linked}, {row['locator']}" if COLUMN[row["kind"]] == 0 and row["locator"] else linked


def table(run: Path, everything: bool = False, kind: str = ".") -> str:
    """Markdown table of the comparisons of a run folder, one line that counts them, and their sources.

    Parameters
    ----------
    run : Path
    everything : bool
        Show all statistics, not only those of the README.
    kind : str
        Folder of another replay, a key of `REPLAYS`; "." for the main one.

    Returns
    -------
    str
    """
    compared_to = run / kind / "comparison.csv"
    references, sources = rows(compared_to) if compared_to.exists() else [], Sources()
    lines, compared = [HEAD, ["---"] * len(HEAD)], []
    chosen = [] if everything else choose_rows(run)
    for statistic in rows(run / kind / "statistics.csv"):
        name = (statistic["key"], statistic["condition"])
        found = [row for row in references if (row["key"], row["condition"]) == name]
        compared += found
        if not everything and name not in chosen:
            continue
        simulated = with_interval(*(statistic[column] for column in ("estimate", "low", "high")))
        cells: list[list[str]] = [[], [], []]
        for row in found:
            value = with_interval(row["reference"], row["ref_low"], row["ref_high"])
            cells[COLUMN[row["kind"]]].append(f"{value} {verdict(row)} ({sources.number(row)})")
        label = " ".join(part for part in (f"`{name[0]}`", name[1]) if part)
        sample = f"{simulated}, n = {statistic['n']} {statistic['n_of']}"
        lines.append([label, sample, *map("<br>".join, cells)])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    if not references:
        return text
    verdicts = [row["verdict"] for row in compared if not is_control(row)]
    counts = summary(verdicts, len(references) - len(compared), compared_to.name)
    return f"{text}\n\n{counts}\n\n{sources}"


def caveats(run: Path) -> list[str]:
    """What a reader must know before the numbers of a run: that it is a quick one."""
    config = json.loads((run / "manifest.json").read_text("utf-8"))["config"]
    return [QUICK] if config.get("quick") else []


def choose_rows(run: Path) -> list[tuple[str, str]]:
    """Key and condition of the rows that the README shows.

    Those of headline.csv, then of every other statistic the first condition that is comparable to a published or recorded
    number.
    """
    chosen = [(row["key"], row["condition"]) for row in rows(run / "headline.csv")]
    for row in rows(run / "comparison.csv"):
        judged = COLUMN[row["kind"]] < 2 and row["verdict"] != "not comparable"
        if judged and row["key"] not in dict(chosen):
            chosen.append((row["key"], row["condition"]))
    return chosen[:MOST_ROWS]


class Sources:
    """Sources, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, row: dict[str, str]) -> int:
        """Number of the source of a comparison."""
        return self.numbers.setdefault(describe_source(row), len(self.numbers) + 1)

    def __str__(self) -> str:
        return "\n".join(f"{number}. {source}" for source, number in self.numbers.items())


def verdict(row: dict[str, str]) -> str:
    """The verdict, a miss in bold; "unverified" for a number quoted from memory."""
    if row["kind"] == "unverified":
        return "unverified"
    return f"**{row['verdict']}**" if row["verdict"] in MISSES else row["verdict"]


def summary(verdicts: list[str], missing: int, file: str) -> str:
    """One line that counts the verdicts, and the references without a simulated number.

    Parameters
    ----------
    verdicts : list of str
        Without those on controls at chance.
    missing : int
        References without a simulated number.
    file : str
        Name of the file with the reasons.

    Returns
    -------
    str
    """
    inside, outside, near, holds, fails, undecided, incomparable = map(verdicts.count, VERDICTS)
    counts = f"{inside} inside, {outside} outside, {near} open, {incomparable} not comparable"
    claims = f"Of claims in words, counted apart: {holds} hold, {fails} fail, {undecided} open."
    rest = f"{plural(missing, 'more reference')} without a simulated number in this run"
    n = plural(inside + outside + near + incomparable, "comparison")
    return f"{n}, controls at chance left out: {counts}; {rest}. {claims} Why is in {file} and in the report."


def replace_table(readme: str, new: str) -> str:
    """Return a text with everything between its two markers replaced.

    Parameters
    ----------
    readme : str
        Text with the lines `BEGIN` and `END`.
    new : str
        The table.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the markers are missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md must hold the lines {BEGIN} and {END}, in this order.")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def section(run: Path) -> str:
    """Settings of a run, the main numbers of every animal, and its table."""
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    config = manifest["config"]
    changed = {**config["task"], **{f"test {name}": value for name, value in config["test_task"].items()}}
    parts = [f"network {config['network']['kind']}", f"rule {config['rule']['kind']}"]
    if config["network"].get("critic") == "separate":  # earlier runs have no such setting
        parts.append(f"critic separate, actor receives {config['network']['feedback']}")
    parts += [f"{name} {value}" for name, value in changed.items()]
    parts += [f"{config['train']['updates']} updates of {config['train']['sessions']} sessions"]
    parts += [f"seed {config['seed']}", f"{manifest['cpu_s']:.0f} CPU-s in all"]
    if any((run / folder).exists() for folder in REPLAYS):
        parts[-1] += ", other replays included"
    by_animal = [row for row in rows(run / "statistics_by_animal.csv") if row["key"] in BY_ANIMAL]
    lines = []
    for key in BY_ANIMAL:
        own = [float(row["estimate"]) for row in by_animal if row["key"] == key]
        if own:
            numbers = ", ".join(f"{number:.4g}" for number in own)
            lines.append(f"- `{key}` of every animal: {numbers}; median {statistics.median(own):.4g}")
    replays = [
        f"### {config['paradigm']}, {words}\n\n{table(run, True, kind)}"
        for kind, words in REPLAYS.items()
        if (run / kind / "statistics.csv").exists()
    ]
    return "\n\n".join(
        [
            f"## {config['paradigm']}: {'; '.join(parts)}",
            *caveats(run),
            "\n".join(lines),
            table(run, everything=True),
            *replays,
        ]
    )


def main() -> None:
    """Rewrite README.md, docs/results.md and docs/figures in place from the run folders given."""
    if len(sys.argv) < 2:
        sys.exit("error: give one or more finished run folders, such as runs/demo")
    runs, readme = [Path(name) for name in sys.argv[1:]], ROOT / "README.md"
    shown = "\n\n".join([*caveats(runs[0]), MACHINES, table(runs[0])])
    shown = "\n\n".join([*caveats(runs[0]), MACHINES, table(runs[0])])
    readme.write_text(replace_table(readme.read_text("utf-8"), shown), "utf-8")
    for run in reversed(runs):  # the first of a paradigm is copied last
        paradigm = json.loads((run / "manifest.json").read_text("utf-8"))["paradigm"]
        for name in FIGURES.get(paradigm, ()):
            for drawing in run.glob(f"**/figures/{name}.svg"):  # of neurons only where they were replayed
                shutil.copy(drawing, ROOT / "docs" / "figures")
    text = "\n\n".join([RESULTS_HEAD, *map(section, runs)])
    (ROOT / "docs" / "results.md").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
