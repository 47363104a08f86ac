"""The programs in README and docs run, in order, and links lead somewhere."""

import contextlib
import functools
import io
import pathlib
import re
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)


@functools.cache
def run(page: pathlib.Path) -> tuple[dict[str, Any], str]:
    """Run a page's blocks one after the other; return their names and what they printed."""
    names: dict[str, Any] = {"__name__": "page"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, block in enumerate(blocks(page)):
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)
    return names, printed.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_the_programs_of_a_page_run(name: str) -> None:
    run(ROOT / name)


def test_the_readmes_program_is_short_and_finds_the_conductivity() -> None:
    program = blocks(ROOT / "README.md")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    names, printed = run(ROOT / "README.md")
    assert names["fit"].fun < 1e-5
    assert names["sim"].report.peak_bytes <= 50_000
    assert "gradient check: good" in printed
    assert "good" in printed.partition("step check")[2].splitlines()[0]


@pytest.mark.parametrize("name", NAMES)
def test_links_within_the_project_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{name} links to {target}"
