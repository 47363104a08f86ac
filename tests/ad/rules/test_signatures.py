"""Every argument of every function: what a signature has is in the table of calls, or refused."""

import inspect

import numpy as np
import pytest

from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.errors import RevolveError
from tests.ad.rules.keywords import LINES, VERSION, keywords_of, parameters_of

# Arguments that say where memory lies, how fast a result comes, or what an array of records is.
NOT_NUMBERS = {"overwrite_input", "subok", "order", "casting", "like", "device", "signature"}

# What is answered in plain numbers or text: the arguments only shape the text.
TEXT = {"np.array_repr", "np.array_str", "np.array2string"}
QUESTIONS = {
    *("np.can_cast", "np.min_scalar_type", "np.may_share_memory", "np.shares_memory"),
    *("np.iscomplexobj", "np.isrealobj", "np.einsum_path", "np.result_type", "np.common_type"),
}

# Tested elsewhere, with what stands there for a reason.
ELSEWHERE = {
    ("np.lib.stride_tricks.sliding_window_view", "writeable"),  # refused below
    ("np.packbits", "a"),
    ("np.unpackbits", "a"),
}

REFUSED = [
    lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, writeable=True),
    lambda x: np.linalg.qr(np.outer(x, x), mode="raw"),
    lambda x: np.clip(x, 0, 1, where=x > 0),
    lambda x: np.sin(x, where=x > 0),
    lambda x: np.sort(x, order="field"),
    lambda x: np.sin(x, order="F", signature="d->d"),
]


def dotted(function):
    """Return the public name of a function of NumPy's; None for a function of another module."""
    name = getattr(function, "__name__", "")
    spaces = ("np.linalg", np.linalg), ("np.fft", np.fft), ("np", np)
    for prefix, space in (*spaces, ("np.lib.stride_tricks", np.lib.stride_tricks)):
        if getattr(space, name, None) is function:
            return f"{prefix}.{name}"
    return None


def arguments_given():
    """Return for each function the parameters that the table of calls gives it."""
    found = {}
    for lines in LINES.values():
        for line in lines:
            for name, given in keywords_of(line).items():
                found.setdefault(name, set()).update(given)
    return found


def supported():
    """Return the public names of all functions of NumPy that are recorded and have a signature."""
    names = {dotted(f) for f in FUNCTIONS if callable(f) and not isinstance(f, np.ufunc)}
    return sorted(names - {None} - TEXT - QUESTIONS)


@pytest.mark.skipif(VERSION < (2, 4), reason="the table is of NumPy 2.4's signatures")
def test_every_argument_of_every_function_is_tested():
    given = arguments_given()
    left = {}
    for name in supported():
        try:
            parameters = parameters_of(name)
        except (TypeError, ValueError):
            continue
        missing = {
            p
            for p in parameters
            if p not in given.get(name, set())
            and p not in NOT_NUMBERS
            and (name, p) not in ELSEWHERE
        }
        if missing:
            left[name] = missing
    assert left == {}


def test_the_table_covers_more_than_two_hundred_functions():
    assert len(supported()) > 200
    assert sum(map(len, arguments_given().values())) > 700


@pytest.mark.parametrize("call", REFUSED)
def test_what_has_no_rule_is_refused(call):
    with pytest.raises((RevolveError, ValueError, TypeError)):
        trace(call, (np.array([0.3, 0.7, 0.5]),))


def test_unknown_arguments_raise_as_numpy_does():
    """No argument is swallowed: one that NumPy doesn't have raises TypeError in a recording too."""
    swallowed = []
    for name in supported():
        function = np
        for part in name.split(".")[1:]:
            function = getattr(function, part)
        try:
            inspect.signature(function)
        except ValueError:
            continue
        try:
            trace(lambda x, f=function: f(x, no_such_argument=1), (np.eye(3),))
        except Exception:
            continue
        swallowed.append(name)
    assert swallowed == []


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "full"])
def test_creation_functions_refuse_unknown_arguments(name):
    assert name in CREATION
    with pytest.raises(TypeError):
        trace(lambda x: getattr(np, name)(x, no_such_argument=1), (np.ones(3),))
