"""The documentation against the code: links lead somewhere, snippets parse, options and keys are real."""

import ast
import dataclasses
import re
import textwrap
from pathlib import Path

import pytest
import typer

from pfc_da import paradigms
from pfc_da.experiment.result import Result

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")


def names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as repositories' web pages make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    broken = []
    for target, anchor in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target + anchor)
    assert broken == []


TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names files that are gone


@pytest.mark.parametrize("page", TODAY, ids=names(TODAY))
def test_named_files_exist(page):
    """Files named by their path; pages that tell how to add one name files of an example."""
    paths = set(
        re.findall(
            r"`((?:pfc_da|analysis|circuits|paradigms|benchmarks|tests)/[\w/]+\.\w+)", page.read_text()
        )
    )
    own = {"docs/add-a-plasticity-rule.md": ("my_rule",)}
    examples = own.get(str(page.relative_to(ROOT)), ())
    missing = [each for each in sorted(paths) if not (ROOT / each).exists()]
    assert [each for each in missing if not any(name in each for name in examples)] == []


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_python_snippets_parse(page):
    for snippet in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        ast.parse(textwrap.dedent(snippet))


def test_every_command_and_option_is_on_its_page_and_no_other():
    from pfc_da.cli import app

    page = (ROOT / "docs" / "command-line.md").read_text()
    group = typer.main.get_command(app)
    commands = group.commands
    assert set(re.findall(r"^\| `pfc-da (\w+)", page, flags=re.MULTILINE)) == set(commands)
    options = {
        option for command in (group, *commands.values()) for each in command.params for option in each.opts
    }
    options = {option for option in options if option.startswith("--")} - {"--help"}
    assert set(re.findall(r"`(--[\w-]+)", page)) == options


def test_the_page_of_python_names_what_a_result_has():
    page = (ROOT / "docs" / "python.md").read_text()
    table = page.split("## The result")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    fields = {field.name for field in dataclasses.fields(Result)} - {"find_experiment"}
    assert named == fields | {name for name in vars(Result) if not name.startswith("_")}


@pytest.fixture(scope="module", params=paradigms.names())
def run(request, tmp_path_factory):
    """Everything a run writes, from one animal that was hardly trained."""
    small = ["train.updates=3", "train.sessions=2", "network.n_units=12", "task.n_trials=40"]
    small += [f"replay.{name}=12" for name in ("held_out_sessions", "sessions", "unit_sessions")]
    out = tmp_path_factory.mktemp("run")
    return paradigms.load(request.param).run(animals=1, sets=small, out=out)


def test_every_key_and_condition_is_on_its_page(run):
    page = (ROOT / "docs" / "statistics.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    documented = {key for row in rows for key in re.findall(r"`([\w.]+)`", row.split("|")[1])}
    assert set(run.statistics["key"]) - documented == set()
    fractions = next(row for row in rows if "`fraction_selective`" in row)
    variables = run.statistics.query("key == 'fraction_selective'")["condition"]
    assert set(variables) - set(re.findall(r"`(\w+)`", fractions.split("|")[2])) == set()


def test_every_variable_of_a_recording_is_on_its_page_with_its_dimensions(run):
    page = (ROOT / "docs" / "recording.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")
    ]
    for name, variable in run.recording.data_vars.items():
        dimensions = ", ".join(map(str, variable.dims))
        assert any(f"`{name}`" in row and dimensions in row for row in rows), (name, dimensions)
    for name in run.recording.coords:
        assert f"`{name}" in page, name


def test_no_other_variable_is_on_the_page_of_the_recording(run):
    """The table of all paradigms, and of the second table the rows of this one, which begin with its name."""
    page = (ROOT / "docs" / "recording.md").read_text()
    common, labels = page.split("## Variables")[1].split("## ")[0].split("| paradigm |")
    own = re.search(rf"^\| `{run.settings.paradigm}` .*\n(\| \| .*\n)*", labels, flags=re.MULTILINE)[0]
    named = re.findall(r"^\| `(\w+)`", common, flags=re.MULTILINE)
    named += re.findall(r"^\| (?:`\w+` )?\| `(\w+)`", own, flags=re.MULTILINE)
    assert set(named) == set(run.recording.data_vars)
