"""The package as a whole: what its import costs, and that what it lists is there and described."""

import ast
import importlib
import inspect
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest

import revolve_ad

ROOT = pathlib.Path(__file__).parent.parent

OPTIONAL = [
    "checkpoint_schedules",
    "hypothesis",
    "jax",
    "matplotlib",
    "memory_profiler",
    "numba",
    "psutil",
    "pytest",
    "tqdm",
]


def python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def modules() -> list[str]:
    found = pkgutil.walk_packages(revolve_ad.__path__, "revolve_ad.")
    return ["revolve_ad", *(module.name for module in found)]


def packages() -> list[str]:
    found = pkgutil.walk_packages(revolve_ad.__path__, "revolve_ad.")
    return ["revolve_ad", *(module.name for module in found if module.ispkg)]


def loaded(then: str) -> set[str]:
    """Return the modules that are loaded beyond those of ``import numpy, scipy``."""
    code = f"import sys, numpy, scipy\nbefore = set(sys.modules)\n{then}\n"
    return set(python(code + "print(*(set(sys.modules) - before))").split())


def test_importing_loads_one_module_until_a_name_is_used() -> None:
    assert loaded("import revolve_ad") == {"revolve_ad"}


def test_every_name_loads_no_part_of_scipy_and_little_of_the_standard_library() -> None:
    others = {name for name in loaded("from revolve_ad import *") if "revolve_ad" not in name}
    parts = {name.rpartition(".")[0] for name in others if "." in name}
    foreign = {name.partition(".")[0] for name in others} - sys.stdlib_module_names
    assert foreign == {"numpy"}
    assert not parts & {"numpy.linalg", "numpy.ma", "numpy.polynomial"}
    assert len(others) < 80
    dear = {"asyncio", "concurrent", "email", "http", "multiprocessing", "unittest", "xml"}
    assert not dear & {name.partition(".")[0] for name in others}


def test_what_is_imported_late_is_what_the_type_checker_sees() -> None:
    source = (ROOT / "revolve_ad" / "__init__.py").read_text()
    (guarded,) = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    seen = {}
    exec(compile(ast.Module(guarded.body, []), "names", "exec"), seen)
    assert {name: seen[name] for name in revolve_ad.__all__} == {
        name: getattr(revolve_ad, name) for name in revolve_ad.__all__
    }
    assert set(revolve_ad.__all__) <= set(dir(revolve_ad))


def test_importing_loads_nothing_optional() -> None:
    loaded = python("import sys\nfrom revolve_ad import *\nprint(*sys.modules)").split()
    assert "revolve_ad" in loaded
    assert not set(OPTIONAL) & set(loaded)


def test_importing_prints_nothing_and_leaves_no_thread() -> None:
    code = "import threading\nfrom revolve_ad import *\nassert threading.active_count() == 1"
    assert python(code) == ""


def imported(name: str) -> ModuleType:
    """Import a module; skip the test where the optional package that it adapts isn't there."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in OPTIONAL:
            pytest.skip(f"{name} needs {error.name}")
        raise


@pytest.mark.parametrize("name", modules())
def test_every_module_says_its_idea_in_its_first_line(name: str) -> None:
    module = imported(name)
    assert module.__doc__, f"{name} has no docstring"
    first = module.__doc__.partition("\n\n")[0].strip()
    assert first[-1] in ".:", f"{name} begins without a sentence: {first!r}"


@pytest.mark.parametrize("name", packages())
def test_every_package_lists_its_public_names(name: str) -> None:
    module = imported(name)
    listed = module.__all__
    assert len(set(listed)) == len(listed)
    for public in listed:
        assert hasattr(module, public), f"{name}.__all__ names {public}, which is not there"


@pytest.mark.parametrize("name", modules())
def test_what_a_module_lists_is_there(name: str) -> None:
    module = imported(name)
    missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
    assert not missing


@pytest.mark.parametrize("name", packages())
def test_every_public_name_has_a_docstring(name: str) -> None:
    bare = []
    module = imported(name)
    for public in module.__all__:
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or callable(thing) or isinstance(thing, ModuleType)):
            continue  # a constant or a type alias
        if not described(thing):
            bare.append(public)
        if inspect.isclass(thing) and str(thing.__module__).startswith("revolve_ad"):
            bare += [f"{public}.{method}" for method in undescribed_methods(thing)]
    assert not bare, f"without a docstring in {name}: {', '.join(bare)}"


def described(thing: object) -> bool:
    """Tell whether a thing has a docstring of its own; a dataclass makes one, its signature."""
    doc = inspect.getdoc(thing) or ""
    if inspect.isclass(thing):
        # What a class inherits from object or Exception says nothing of it.
        own = thing.__dict__.get("__doc__") or ""
        return bool(own) and not own.startswith(f"{thing.__name__}(")
    return bool(doc)


def undescribed_methods(cls: type) -> list[str]:
    return [
        name
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and (
            inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod))
        )
        and not inspect.getdoc(member)
        and not any(inspect.getdoc(getattr(base, name, None)) for base in cls.__mro__[1:])
    ]


def test_every_error_of_ours_is_a_builtin_one_too() -> None:
    from revolve_ad import errors

    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.RevolveError)
        builtin = [base for base in error.__mro__ if base.__module__ == "builtins"]
        if error is not errors.RevolveError:
            assert builtin[0] not in (Exception, BaseException, object), name


def test_the_readme_commands_use_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    readme = (ROOT / "README.md").read_text()
    for marker in ("demo-command", "test-command"):
        block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```\n<!-- /{marker} -->", readme, re.S)
        assert block, f"README.md holds no {marker}"
        for extra in re.findall(r'"\.\[(\w+)\]"', block[1]):
            assert extra in project["optional-dependencies"]
