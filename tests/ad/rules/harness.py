"""One call tests a rule: `check(f, *operands)` holds a NumPy function against every oracle we have.

The recorded value must be NumPy's, bit for bit, and so must a run of the tape, at the recorded
operands and at others.  The derivatives are held against each other (dot product of both modes)
and against central differences of sixth order; second derivatives against differences of the
gradient.  `check` does this for operands of double precision, of which the tapes are run as
`Program`s; the first order also for other layouts of them and for float32, of which the
`Interpreter` runs the tapes; and all of it, where asked, for complex numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.passes import transform
from revolve_ad.ad.recording.call import Recording, trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.running.program import Program

__all__ = ["Case", "around", "check", "integers", "one", "positive", "spread", "unit"]

Operand = Any
Run = Callable[[Any], list[Any]]


# -- operands ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """How to draw an operand: a shape and a map from normal numbers to where the function lives."""

    shape: tuple[int, ...]
    shaped: Callable[[Any], Any] = field(default=lambda x: x)
    kind: str = "f"

    def __call__(self, rng: np.random.Generator, dtype: Any, shape: Any = None) -> Any:
        shape = self.shape if shape is None else shape
        if self.kind == "i":
            return np.asarray(self.shaped(rng.integers(0, 1000, shape)))
        x = rng.normal(size=shape)
        if np.dtype(dtype).kind == "c":
            return np.asarray(self.shaped(x) + 0.3j * rng.normal(size=shape)).astype(dtype)[...]
        return np.asarray(self.shaped(x)).astype(dtype)


def one(*shape: int) -> Draw:
    """Normal numbers."""
    return Draw(shape)


def positive(*shape: int, low: float = 0.3) -> Draw:
    """Numbers above `low`."""
    return Draw(shape, lambda x: low + np.abs(x))


def unit(*shape: int) -> Draw:
    """Numbers well inside (0, 1)."""
    return Draw(shape, lambda x: 0.5 + 0.4 * np.tanh(x))


def around(*shape: int, centre: float = 0.0, width: float = 0.4) -> Draw:
    """Numbers within `width` of `centre`."""
    return Draw(shape, lambda x: centre + width * np.tanh(x))


def spread(*shape: int) -> Draw:
    """Numbers no two of which are near each other, or near a half or a whole one."""

    def apart(x: Any) -> Any:
        n = np.argsort(np.argsort(np.ravel(x), kind="stable"), kind="stable")
        return ((n - np.size(x) // 2) * 0.5 + 0.2 + 0.02 * np.tanh(np.ravel(x))).reshape(
            np.shape(x)
        )

    return Draw(shape, apart)


def integers(*shape: int, below: int = 3) -> Draw:
    """Whole numbers from 0 to `below` − 1; carried along, without derivative."""
    return Draw(shape, lambda n: n % below, "i")


def drawn(operand: Operand, rng: np.random.Generator, dtype: Any) -> Any:
    """Return an operand: drawn, or the given array in `dtype`, or anything else as it is."""
    if isinstance(operand, Draw):
        return operand(rng, dtype)
    if isinstance(operand, np.ndarray) and operand.dtype.kind == "f":
        operand = operand + 0.01 * rng.normal(size=operand.shape)
        return operand.astype(dtype)
    return operand


# -- layouts: what the function is given is a view of what was drawn ---------------------------


LAYOUTS: dict[str, Callable[[Any], tuple[Any, Callable[[Any], Any]]]] = {
    "transposed": lambda x: (np.ascontiguousarray(x.T), lambda w: w.T),
    "every second, backwards": lambda x: (
        np.repeat(x[::-1], 2, axis=-1),
        lambda w: w[..., ::2][::-1],
    ),
}


# -- the check ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A function and the operands to test it on.

    Attributes
    ----------
    f : callable
        A function of NumPy arrays; plain NumPy.
    operands : tuple
        `Draw`s, arrays or numbers.
    complex : bool
        Also with complex operands.
    single : bool
        Also with float32 operands, of which float32 results must come where NumPy gives them.
    layouts : bool
        Also with transposed, strided and reversed operands.
    second : bool
        Also the second order.
    rtol : float
        Relative tolerance of the differences.
    step : float
        Step of the differences.
    dot : float
        Relative tolerance of the dot-product test.
    looks : bool
        Whether the function may look at values, so that its tape holds for these operands alone.
    """

    f: Callable[..., Any]
    operands: tuple[Any, ...]
    complex: bool = False
    single: bool = True
    layouts: bool = True
    second: bool = True
    rtol: float = 2e-7
    step: float = 2e-3
    dot: float = 1e-12
    looks: bool = False


def check(f: Callable[..., Any], *operands: Operand, **options: Any) -> None:
    """Test a function on operands of each kind; see `Case` for the options."""
    case = Case(f, operands, **options)
    rng = np.random.default_rng(7)
    plain = [drawn(o, rng, np.float64) for o in operands]
    others = [drawn(o, rng, np.float64) for o in operands]
    full(case, plain, others)
    if case.layouts:
        for viewed, wide in layouts(case, plain):
            first_order(viewed, wide)
    if case.single:
        small = [drawn(o, rng, np.float32) for o in operands]
        with np.errstate(all="ignore"):
            first_order(case, small)
    if case.complex:
        full(case, *([drawn(o, rng, np.complex128) for o in operands] for _ in "12"))


def layouts(case: Case, plain: Sequence[Any]) -> Iterator[tuple[Case, list[Any]]]:
    """Yield the case with operands that are views, in each layout."""
    for change in LAYOUTS.values():
        wide, views = [], []
        for x in plain:
            if isinstance(x, np.ndarray) and x.ndim and x.dtype.kind in "fc":
                w, view = change(x)
            else:
                w, view = x, lambda w: w
            wide.append(w)
            views.append(view)

        def f(*ws: Any, views: Sequence[Any] = tuple(views)) -> Any:
            return case.f(*(view(w) for view, w in zip(views, ws, strict=True)))

        yield Case(f, case.operands, dot=case.dot), wide


@dataclass(frozen=True)
class First:
    """What the first order came to, for whoever goes on from there.

    Attributes
    ----------
    recording : Recording
        Of the function, at its operands.
    rerun : callable
        Runs the tape at other operands.
    wrt : list of int
        The leaves of the operands that have a derivative.
    tangents, weights : list
        A random direction of those, and a random cotangent of each output.
    backward : Tape
        The vjp with respect to those; `pull` runs it.
    pull : callable
        Takes all leaves of the operands and the weights.
    pushed : list
        The jvp along the direction.
    """

    recording: Recording
    rerun: Run
    wrt: list[int]
    tangents: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    backward: Any = None
    pull: Run = list
    pushed: list[Any] = field(default_factory=list)


def full(case: Case, plain: Sequence[Any], others: Sequence[Any]) -> None:
    """Check the first order at two operands, against differences, and the second order."""
    is_complex = any(np.asarray(x).dtype.kind == "c" for x in numbers(plain))
    first = first_order(case, plain, Program, Interpreter if is_complex else Program)
    tape = first.recording.tape
    looked = tape.depends_on_values
    assert case.looks is not False or looked is None, looked
    if looked is None:
        values_are_numpys(case.f, first.rerun, others)
    wrt, tangents = first.wrt, first.tangents
    if not wrt or not any(tape.type_of(o).dtype.kind in "fc" for o in tape.outputs):
        return
    slope = differences(lambda e: values(case.f, moved(plain, wrt, tangents, e)), case.step)
    for found, expected in zip(first.pushed, slope, strict=True):
        close(found, expected, case.rtol, "jvp against differences")
    if case.second:
        second_order(case, first, plain)


def first_order(
    case: Case, plain: Sequence[Any], again: Any = Interpreter, derived: Any = Interpreter
) -> First:
    """Check values bit for bit, and both modes against each other.

    Parameters
    ----------
    case : Case
        The function.
    plain : sequence
        Its operands.
    again, derived : type, optional
        What runs the tape, and what those of derivatives: `Program` or `Interpreter`.
    """
    recording = recorded(case.f, plain)
    tape, leaves = recording.tape, numbers(plain)
    expected = values(case.f, plain)
    for a, b in zip(trees.flatten(recording.value)[0], expected, strict=True):
        same_bits(a, b, "the recorded value")
    rerun = quiet(again(tape).run)
    for a, b in zip(rerun(leaves), expected, strict=True):
        same_bits(a, b, "a run of the tape")
    wrt = differentiable(leaves)
    if not wrt:
        return First(recording, rerun, wrt)
    rng = np.random.default_rng(3)
    tangents = [random_like(leaves[k], rng) for k in wrt]
    weights = [random_like(zero(tape, o), rng) for o in tape.outputs]
    backward = transform.vjp(tape, wrt)
    pull = quiet(derived(backward).run)
    pulled = pull([*leaves, *weights])
    for k, g in zip(wrt, pulled, strict=True):
        same_type(g, leaves[k], "a gradient has the type of its operand")
    push = quiet(derived(transform.jvp(tape, wrt)).run)
    pushed = push([*leaves, *tangents])[len(tape.outputs) :]
    there, here = inner(weights, pushed), inner(pulled, tangents)
    size = np.sqrt(inner(weights, weights) * inner(pushed, pushed)) + abs(here)
    single = any(np.asarray(x).dtype.char in "fF" for x in [*leaves, *pushed])
    if not abs(there - here) <= (3e-5 if single else case.dot) * size + 1e-300:
        raise AssertionError(f"the modes differ: {there} by jvp, {here} by vjp")
    return First(recording, rerun, wrt, tangents, weights, backward, pull, pushed)


def second_order(case: Case, first: First, plain: Sequence[Any]) -> None:
    """Check the vjp of the jvp, and the jvp of the vjp, against differences of the vjp."""
    tape, wrt, leaves = first.recording.tape, first.wrt, numbers(plain)
    tangents, weights = first.tangents, first.weights
    expected = differences(
        lambda e: first.pull([*numbers(moved(plain, wrt, tangents, e)), *weights]), case.step
    )
    forward = transform.jvp(tape, wrt)
    nothing = [zero(forward, o) for o in forward.outputs[: len(tape.outputs)]]
    both = transform.vjp(forward, wrt)
    found = Interpreter(both).run([*leaves, *tangents, *nothing, *weights])
    for a, b in zip(found, expected, strict=True):
        close(a, b, 10 * case.rtol, "second order against differences")
    swapped = transform.jvp(first.backward, wrt)
    again = Interpreter(swapped).run([*leaves, *weights, *tangents])[len(wrt) :]
    for a, b in zip(again, expected, strict=True):
        close(a, b, 10 * case.rtol, "jvp of the vjp against differences")


# -- parts -------------------------------------------------------------------------------------


def recorded(f: Callable[..., Any], plain: Sequence[Any]) -> Recording:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return trace(f, tuple(plain), keep=False)


def numbers(plain: Sequence[Any]) -> list[Any]:
    return [leaf for x in plain for leaf in trees.flatten(x)[0]]


def values(f: Callable[..., Any], plain: Sequence[Any]) -> list[Any]:
    """Return the leaves of what plain NumPy gives."""
    with np.errstate(all="ignore"):
        return list(trees.flatten(f(*[trees.copy(x) for x in plain]))[0])


def differentiable(leaves: Sequence[Any]) -> list[int]:
    return [k for k, x in enumerate(leaves) if np.asarray(x).dtype.kind in "fc"]


def quiet(run: Run) -> Run:
    """Return the same without NumPy's warnings."""

    def quietly(given: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            return run(given)

    return quietly


def values_are_numpys(f: Callable[..., Any], run: Run, plain: Sequence[Any]) -> None:
    """Check that a run of the tape gives what plain NumPy gives, bit for bit."""
    for a, b in zip(run(numbers(plain)), values(f, plain), strict=True):
        same_bits(a, b, "a run of the tape")


def same_type(a: Any, b: Any, what: str) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), (
        f"{what}: {a.dtype}{a.shape} for {b.dtype}{b.shape}"
    )


def same_bits(a: Any, b: Any, what: str) -> None:
    same_type(a, b, what)
    x, y = np.asarray(a), np.asarray(b)
    if x.tobytes() != y.tobytes() and not (
        np.array_equal(np.isnan(x), np.isnan(y))
        and np.where(np.isnan(x), 0, x).tobytes() == np.where(np.isnan(y), 0, y).tobytes()
    ):
        raise AssertionError(
            f"{what} is {x}, but NumPy gives {y}; difference {np.abs(x - y).max()}"
        )


def random_like(x: Any, rng: np.random.Generator) -> Any:
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        return np.zeros(x.shape)
    v = rng.normal(size=x.shape)
    if x.dtype.kind == "c":
        v = v + 1j * rng.normal(size=x.shape)
    return np.asarray(v).astype(x.dtype)[()]


def zero(tape: Any, i: int) -> Any:
    kind = tape.type_of(i)
    return np.zeros(kind.shape, kind.dtype)


def moved(plain: Any, wrt: Any, tangents: Any, e: float) -> list[Any]:
    flat, structures = [], []
    for x in plain:
        leaves, structure = trees.flatten(x)
        flat += leaves
        structures.append((len(leaves), structure))
    for k, t in zip(wrt, tangents, strict=True):
        flat[k] = flat[k] + e * t
    rest = iter(flat)
    return [s.unflatten([next(rest) for _ in range(n)]) for n, s in structures]


def differences(f: Callable[[float], list[Any]], h: float) -> list[Any]:
    """Return the derivative at 0 by central differences of sixth order."""
    parts = {k: f(k * h) for k in (-3, -2, -1, 1, 2, 3)}
    weights = {1: 45, 2: -9, 3: 1}
    return [
        sum(
            w * (np.asarray(parts[k][j], complex) - np.asarray(parts[-k][j], complex))
            for k, w in weights.items()
        )
        / (60 * h)
        for j in range(len(parts[1]))
    ]


def close(a: Any, b: Any, rtol: float, what: str) -> None:
    a, b = np.asarray(a), np.asarray(b)
    if a.size:
        size = max(np.abs(b).max(), np.abs(a).max(), 1e-3)
        error = np.abs(a - b).max()
        if not error <= rtol * size:
            raise AssertionError(f"{what}: {a} for {b}, relative {error / size:.1e}")


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """Return Re Σ conj(a) b."""
    return float(
        sum(
            np.sum(np.conj(np.asarray(x, complex)) * np.asarray(y, complex)).real
            for x, y in zip(xs, ys, strict=True)
        )
    )
