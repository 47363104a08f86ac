"""The page of functions names all that the tables hold, and nothing else."""

import importlib.util
import pathlib
import re

import numpy as np
import scipy

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "functions.md"


def maker():
    spec = importlib.util.spec_from_file_location(
        "make_functions", PAGE.parent / "make_functions.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_function_with_a_rule_is_on_the_page():
    text = PAGE.read_text()
    named = set(re.findall(r"`([\w.]+)`", text))
    for title, names in maker().sections().items():
        assert set(names) - {"sph_harm"} <= named, title  # which SciPy 1.17 has no more


def test_the_page_is_what_its_maker_makes_of_it():
    if np.__version__.startswith("2.4.") and scipy.__version__.startswith("1.17."):
        text = PAGE.read_text()
        assert maker().page(text) == text
