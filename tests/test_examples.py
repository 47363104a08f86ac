"""Every example says what it shows, and has a test that runs it and looks at its numbers."""

import ast
import pathlib

import pytest

from tests.examples.running import EXAMPLES

NAMES = sorted(file.stem for file in EXAMPLES.glob("[0-9][0-9]_*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_test_looks_at_its_numbers(name: str) -> None:
    test = pathlib.Path(__file__).parent / "examples" / f"test_{name}.py"
    assert test.exists(), f"write {test.name}: it asserts the numbers of {name}.py"
    assert f'numbers_of("{name}")' in test.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_shows_and_draws_only_as_a_script(name: str) -> None:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
    assert ast.get_docstring(tree)
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert "matplotlib" not in " ".join(ast.unparse(node) for node in top)
    assert any("__main__" in ast.unparse(node) for node in tree.body if isinstance(node, ast.If))
