"""Write the README's table from a finished run, misses included: ``python benchmarks/readme_table.py RUN``.

Every row of the run's comparison.csv that holds a simulated number becomes a row of the table, in its order;
those without one are counted below it. The n of the simulated number comes from statistics.csv. Nothing is
chosen by hand.
"""

import csv
import sys
from pathlib import Path

BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
HEAD = ["statistic", "simulated", "n", "reference", "kind", "verdict", "source"]


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as one dictionary a row."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text: str) -> str:
    """Three digits of a number; a dash where there is none."""
    return "–" if text in ("", "nan") else f"{float(text):.3g}"


def with_interval(estimate: str, low: str, high: str) -> str:
    """``0.64 [0.61, 0.66]``, or the estimate alone where there is no interval."""
    bounds = [number(low), number(high)]
    return number(estimate) if "–" in bounds else f"{number(estimate)} [{', '.join(bounds)}]"


def source(row: dict[str, str]) -> str:
    """The source as a link to its DOI, with the place in it where the number stands."""
    linked = f"[{row['source']}](https://doi.org/{row['doi']})" if row["doi"] else row["source"]
    return ", ".join(part for part in (linked, row["locator"]) if part)


def table(run: Path) -> str:
    """Markdown table of a run folder's comparisons, and one line that counts them."""
    statistics = rows(run / "statistics.csv")
    counted = {(row["key"], row["condition"]): f"{row['n']} {row['n_of']}" for row in statistics}
    references = rows(run / "comparison.csv")
    compared = [row for row in references if (row["key"], row["condition"]) in counted]
    lines = [HEAD, ["---"] * len(HEAD)]
    for row in compared:
        lines.append(
            [
                " ".join(part for part in (f"`{row['key']}`", row["condition"]) if part),
                with_interval(row["simulated"], row["sim_low"], row["sim_high"]),
                counted[row["key"], row["condition"]],
                with_interval(row["reference"], row["ref_low"], row["ref_high"]),
                row["kind"],
                row["verdict"] + (f": {row['why']}" if row["verdict"] == "not comparable" else ""),
                source(row),
            ]
        )
    text = "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
    return f"{text}\n\n{summary([row['verdict'] for row in compared], len(references) - len(compared))}"


def summary(verdicts: list[str], missing: int) -> str:
    """One line that counts the verdicts, and the references the run has no number for."""
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("inside", "outside", "not comparable"))
    rest = f"{missing} more references have no simulated number in this run"
    return f"{len(verdicts)} comparisons: {counts}; {rest}."


def replace_table(readme: str, new: str) -> str:
    """Return the README's text with everything between its two markers replaced."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md must hold the lines {BEGIN} and {END}, in this order.")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main() -> None:
    """Rewrite README.md in place from the run folder given."""
    if len(sys.argv) != 2:
        sys.exit("error: give one finished run folder, such as runs/demo")
    readme = Path(__file__).resolve().parents[1] / "README.md"
    readme.write_text(replace_table(readme.read_text("utf-8"), table(Path(sys.argv[1]))), "utf-8")


if __name__ == "__main__":
    main()
