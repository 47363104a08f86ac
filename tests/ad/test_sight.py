"""What a function reads is known, or counts as unknown: no change of it goes unseen."""

import functools
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.random as noise
import pytest
from numpy import roll
from numpy.random import rand

import revolve_ad as ra
from revolve_ad.ad.recording.sight import sight_of
from revolve_ad.ad.recording.stateless import is_stateless

FACTOR = 2.0
TABLE = np.linspace(0.0, 1.0, 4)
WEIGHTS = [1.0, 2.0]
OPTIONS = {"a": 1.0}
NESTED = ((1.0, np.ones(2)), "centred")
MODULE = ModuleType("settings")
MODULE.rate = 0.5  # type: ignore[attr-defined]


def helper(x: Any) -> Any:
    return deeper(x) + 1.0


def deeper(x: Any) -> Any:
    return FACTOR * x


class Model:
    rate = 2.0

    def __init__(self) -> None:
        self.dt = 0.1
        self.table = np.ones(3)

    @property
    def clock(self) -> float:
        return time.time()

    def step(self, x: Any) -> Any:
        return x * self.dt


class Slotted:
    __slots__ = ("dt",)

    def __init__(self) -> None:
        self.dt = 0.1


MODEL, SLOTTED = Model(), Slotted()


def known_functions() -> Iterator[Callable[..., Any]]:
    """Yield functions of which all that they read can be looked up."""
    scale = 3.0
    inner = np.arange(3.0)

    def closure(x: Any) -> Any:
        return scale * np.sum(inner * x[:3])

    def with_helpers(x: Any) -> Any:
        return helper(closure(x))

    def comprehension(x: Any) -> Any:
        return np.array([scale * a for a in x]) + sum(b * FACTOR for b in x)

    def counts_within_a_call(x: Any) -> Any:
        n = 0

        def count() -> int:
            nonlocal n
            n += 1
            return n

        return count() * x + count()

    def in_place(x: Any) -> Any:
        x[1:-1] += 0.5 * np.diff(x, 2)
        x *= TABLE[0]
        return x

    yield closure
    yield with_helpers
    yield comprehension
    yield counts_within_a_call
    yield in_place
    yield lambda x: roll(x, 1) * np.pi + math.pi
    yield lambda x: np.linalg.norm(x) + np.fft.rfft(x).real.sum()
    yield lambda x: np.add.reduce(x) + TABLE.T[0] + NESTED[0][0]
    yield lambda x: WEIGHTS[0] * x + OPTIONS["a"]
    yield lambda x: MODULE.rate * x
    yield lambda x: MODEL.dt * x + MODEL.table[0] + SLOTTED.dt
    yield lambda x, factor=2.0, *, offset=TABLE: factor * x + offset[0]


@pytest.mark.parametrize("f", list(known_functions()))
def test_numbers_arrays_and_functions_of_numpy_are_known(f: Callable[..., Any]) -> None:
    sight = sight_of(f)
    assert sight is not None
    f(np.arange(4.0))
    assert sight.unchanged()


def unknown_functions() -> Iterator[Callable[..., Any]]:
    """Yield functions that may do something else the next time, or do more than return."""
    total = 0.0
    seen: list[Any] = []
    stream = iter(range(100))
    partial = functools.partial(np.add, 1.0)
    rng = np.random.default_rng(0)

    def counts(x: Any) -> Any:
        nonlocal total
        total += 1.0
        return x * total

    def declares_a_global(x: Any) -> Any:
        global FACTOR
        FACTOR = 2.0
        return x

    def imports(x: Any) -> Any:
        import random as r

        return x * r.random()

    def counts_on_itself(x: Any) -> Any:
        counts_on_itself.calls = getattr(counts_on_itself, "calls", 0) + 1  # type: ignore[attr-defined]
        return x

    def cache(x: Any, kept: dict[int, Any] = {}) -> Any:  # noqa: B006
        kept[0] = kept.get(0, 0) + 1
        return x * kept[0]

    def toggles(x: Any, flag: list[bool] = [False]) -> Any:  # noqa: B006
        flag[0] = not flag[0]
        return x * flag[0]

    def extends(x: Any) -> Any:
        kept = seen
        kept += [1]
        return x * len(seen)

    def guards(x: Any) -> Any:
        try:
            return x * MODULE.missing
        except AttributeError:
            return x

    def with_context(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return x / 0.0

    def either(x: Any) -> Any:
        chosen = MODEL if len(x) else SLOTTED
        return chosen.dt * x

    def defines_a_class(x: Any) -> Any:
        class Local:
            rate = 1.0

        return x * Local.rate

    yield counts
    yield declares_a_global
    yield imports
    yield counts_on_itself
    yield cache
    yield toggles
    yield extends
    yield guards
    yield with_context
    yield defines_a_class
    yield lambda x: x * np.random.rand()  # noqa: NPY002
    yield lambda x: x * noise.rand()  # noqa: NPY002
    yield lambda x: x * rand()  # noqa: NPY002
    yield lambda x: x * rng.normal()
    yield lambda x: x * random.random()
    yield lambda x: x * time.time()
    yield lambda x: x * next(stream)
    yield lambda x: partial(x)
    yield lambda x: seen.append(x) or x  # type: ignore[func-returns-value]
    yield lambda x: WEIGHTS.pop() * x
    yield lambda x: print(x) or x  # type: ignore[func-returns-value]
    yield lambda x: eval("FACTOR") * x
    yield lambda x: globals()["FACTOR"] * x
    yield lambda x: getattr(MODEL, "d" + "t") * x
    yield lambda x: MODEL.clock * x
    yield lambda x: MODEL.rate * x
    yield lambda x: MODEL.step(x)
    yield lambda x: Model.rate * x
    yield either
    yield lambda x: (lambda m: m.dt)(MODEL) * x
    yield lambda x: (lambda m: m.sin)(np)(x)
    yield lambda x: np.empty(4) + x
    yield lambda x: np.loadtxt("file") + x
    yield lambda x: x.tofile("file")
    yield lambda x: threading.get_ident() * x
    yield lambda x: sys.modules["random"].random() * x
    yield lambda x: ra.stop_gradient(x)
    yield partial
    yield MODEL.step
    yield functools.lru_cache(deeper)
    yield functools.wraps(deeper)(lambda x: deeper(x))
    yield noise.rand


@pytest.mark.parametrize("f", list(unknown_functions()))
def test_what_may_have_a_state_or_an_effect_is_unknown(f: Callable[..., Any]) -> None:
    assert sight_of(f) is None


def changes() -> Iterator[tuple[Callable[..., Any], Callable[[pytest.MonkeyPatch], Any]]]:
    """Yield functions, and what makes each of them do something else."""
    here = sys.modules[__name__]
    scale = 3.0
    array = np.ones(3)
    view = array[::2]
    pair = [1.0, np.ones(2)]
    options = {"a": [1.0]}
    owner = SimpleNamespace(dt=0.1)

    def closure(x: Any) -> Any:
        return scale * x

    def rescale() -> None:
        nonlocal scale
        scale = 4.0

    def of_default(x: Any, a: Any = array) -> Any:
        return a * x

    def of_keyword(x: Any, *, a: Any = 1.0) -> Any:
        return a * x

    def replaced(x: Any) -> Any:
        return deeper(x)

    yield lambda x: FACTOR * x, lambda m: m.setattr(here, "FACTOR", 2.5)
    yield lambda x: helper(x), lambda m: m.setattr(here, "FACTOR", 2.5)
    yield lambda x: helper(x), lambda m: m.setattr(here, "deeper", lambda x: x)
    yield lambda x: helper(x), lambda m: m.setattr(deeper, "__code__", (lambda x: x).__code__)
    yield lambda x: helper(x), lambda m: m.setattr(deeper, "T", 1.0, raising=False)
    yield replaced, lambda m: m.setattr(here, "FACTOR", float("2.0") * 1.5)
    yield closure, lambda m: rescale()
    yield lambda x: array * x, lambda m: array.__setitem__(0, -0.0)
    yield lambda x: view * x, lambda m: array.__setitem__(2, np.nan)
    yield lambda x: NESTED[0][1] * x, lambda m: NESTED[0][1].fill(7.0)  # type: ignore[attr-defined]
    yield of_default, lambda m: m.setattr(of_default, "__defaults__", (2.0,))
    yield of_default, lambda m: array.__setitem__(1, 5.0)
    yield of_keyword, lambda m: m.setitem(of_keyword.__kwdefaults__, "a", 2.0)
    yield lambda x: pair[0] * x, lambda m: pair.__setitem__(0, 2.0)
    yield lambda x: pair[1] * x, lambda m: pair[1].fill(2.0)  # type: ignore[attr-defined]
    yield lambda x: len(pair) * x, lambda m: pair.append(1.0)
    yield lambda x: options["a"][0] * x, lambda m: options["a"].append(2.0)
    yield lambda x: options["a"][0] * x, lambda m: m.setitem(options, "a", [2.0])
    yield lambda x: len(options) * x, lambda m: m.setitem(options, "b", [2.0])
    yield lambda x: MODULE.rate * x, lambda m: m.setattr(MODULE, "rate", 0.25)
    yield lambda x: MODEL.dt * x, lambda m: m.setattr(MODEL, "dt", 0.2)
    yield (
        lambda x: MODEL.dt * x,
        lambda m: m.setattr(Model, "dt", property(lambda self: 0.2), raising=False),
    )
    yield lambda x: MODEL.table * x, lambda m: MODEL.table.fill(3.0)
    yield lambda x: SLOTTED.dt * x, lambda m: m.setattr(SLOTTED, "dt", 0.2)
    yield lambda x: owner.dt * x, lambda m: m.setattr(owner, "dt", 0.2)
    yield lambda x: np.sin(x), lambda m: m.setattr(np, "sin", np.cos)
    yield lambda x: np.roll(x, 1), lambda m: m.setattr(np, "roll", lambda x, n: x)
    yield lambda x: np.linalg.norm(x), lambda m: m.setattr(np, "linalg", np.fft)
    yield lambda x: np.sin(x), lambda m: m.setattr(here, "np", MODULE)
    yield lambda x: len(x) * x, lambda m: m.setattr(here, "len", lambda x: 1, raising=False)
    yield lambda x: abs(x), lambda m: m.setitem(globals()["__builtins__"], "abs", math.fabs)
    yield lambda x: math.exp(1.0) * x, lambda m: m.setattr(math, "exp", math.sin)


@pytest.mark.parametrize(("f", "change"), list(changes()))
def test_whatever_makes_a_function_do_something_else_is_seen(
    f: Callable[..., Any], change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sight = sight_of(f)
    assert sight is not None
    assert sight.unchanged()
    change(monkeypatch)
    assert not sight.unchanged()


def test_a_function_in_the_place_of_numpys_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @functools.wraps(np.sin)
    def other(x: Any) -> Any:
        return x * time.time()

    monkeypatch.setattr(np, "sin", other)
    assert not is_stateless(np.sin)
    assert sight_of(lambda x: np.sin(x)) is None


def test_large_arrays_are_not_compared() -> None:
    large = np.zeros(1 << 20)
    assert sight_of(lambda x: x + large[0]) is None


def test_numpy_is_known_by_its_stand_ins_while_a_recording_is_open() -> None:
    def inner(x: Any) -> Any:
        return np.sum(np.zeros(3) + x)

    before = sight_of(inner)
    assert before is not None

    def outer(x: Any) -> Any:
        found = sight_of(inner)
        assert found is not None
        assert found.unchanged()
        assert before.unchanged()
        return inner(x)

    ra.grad(outer)(1.0)
    assert before.unchanged()
