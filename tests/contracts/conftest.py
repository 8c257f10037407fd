"""Files that a page of the documentation tells to save."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def guide_folder(tmp_path_factory):
    """A folder with the files that the guides tell to save; one for all tests, as a module is imported from one place."""
    folder = tmp_path_factory.mktemp("guides")
    for page in DOCS.glob("add-*.md"):
        text = page.read_text()
        for name, code in re.findall(r"as `(\w+\.py)`:\n\n```python\n(.*?)```", text, flags=re.DOTALL):
            (folder / name).write_text(code)
    return folder
