"""The documentation against the code: links lead somewhere, snippets parse, options and keys are real."""

import ast
import re
import textwrap
from pathlib import Path

import pytest
import typer

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


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_python_snippets_parse(page):
    for snippet in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        ast.parse(textwrap.dedent(snippet))


def test_every_command_and_option_is_on_its_page_and_no_other():
    from pfc_da.cli import app

    page = (ROOT / "docs" / "command-line.md").read_text()
    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"^\| `pfc-da (\w+)", page, flags=re.MULTILINE)) == set(commands)
    options = {option for command in commands.values() for each in command.params for option in each.opts}
    options = {option for option in options if option.startswith("--")} - {"--help"}
    assert set(re.findall(r"`(--[\w-]+)", page)) == options
