"""Random programs in plain NumPy: views of views, writes through them, reductions, fancy indices.

A program is drawn once as a list of instructions and then played on arrays of any kind: plain
ones, complex ones for the complex step, traced ones.  Every operation is analytic, but for
comparisons, which look at real parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

UNARY = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": lambda x: np.tanh(x),
    "square": np.square,
    "neg": lambda x: -x,
    "exp": lambda x: np.exp(-0.1 * x * x),
    "sqrt": lambda x: np.sqrt(1 + x * x),
    "power": lambda x: (2 + np.sin(x)) ** 1.7,
    "recip": lambda x: 1 / (2 + np.cos(x)),
    "arctan": lambda x: np.arctan(0.3 * x),
    "log1p": lambda x: np.log(3 + np.sin(x)),
    "cube": lambda x: 0.1 * x**3,
    "scaled": lambda x: 0.5 * x - 0.25,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: 0.5 * a * b,
    "div": lambda a, b: a / (2 + np.cos(b)),
    "where": lambda a, b: np.where(np.real(a) > np.real(b), a, 0.5 * b),
}


@dataclass
class Program:
    """Instructions and the shape of the argument."""

    shape: tuple[int, ...]
    steps: list[tuple[Any, ...]]

    def __call__(self, x: Any) -> Any:
        """Play the program; returns one number."""
        values = [x * 1.0, np.ones(self.shape, x.dtype)]
        for step in self.steps:
            play(step, values, x.dtype)
        total = 0.0
        for k, v in enumerate(values):
            total = total + np.sum(np.sin(v) * (1 + 0.1 * k)) / (1 + np.size(v))
        return total


def play(step: tuple[Any, ...], values: list[Any], dtype: Any) -> None:
    """Execute one instruction."""
    kind, *args = step
    if kind == "unary":
        values.append(UNARY[args[0]](values[args[1]]))
    elif kind == "binary":
        values.append(BINARY[args[0]](values[args[1]], values[args[2]]))
    elif kind == "view":
        values.append(values[args[0]][args[1]])
    elif kind == "transpose":
        values.append(values[args[0]].transpose(args[1]))
    elif kind == "reshape":
        values.append(values[args[0]].reshape(args[1]))
    elif kind == "ravel":
        values.append(values[args[0]].ravel())
    elif kind == "copy":
        values.append(values[args[0]].copy())
    elif kind == "write":
        target, index, source = args
        values[target][index] = values[source]
    elif kind == "write_number":
        target, index, number = args
        values[target][index] = number
    elif kind == "iadd":
        target, index, source = args
        values[target][index] += 0.3 * values[source]
    elif kind == "imul":
        target, index, source = args
        values[target][index] *= np.cos(values[source])
    elif kind == "whole_iadd":
        v = values[args[0]]
        v += 0.1 * np.sin(v)
    elif kind == "out":
        target, a, b = args
        np.multiply(np.cos(values[a]), values[b], out=values[target])
    elif kind == "copyto":
        np.copyto(values[args[0]], values[args[1]])
    elif kind == "sum":
        values.append(np.sum(values[args[0]], axis=args[1], keepdims=args[2]))
    elif kind == "mean":
        values.append(values[args[0]].mean(axis=args[1], keepdims=args[2]))
    elif kind == "concatenate":
        values.append(np.concatenate([values[k] for k in args[0]], axis=args[1]))
    elif kind == "stack":
        values.append(np.stack([values[k] for k in args[0]], axis=args[1]))
    elif kind == "fancy":
        values.append(values[args[0]][args[1]])
    elif kind == "fancy_write":
        target, index, source = args
        values[target][index] = values[source]
    elif kind == "add_at":
        target, index, number = args
        np.add.at(values[target], index, number)
    elif kind == "masked":
        target, number = args
        v = values[target]
        v[np.real(v) > number] = 0.25
    elif kind == "zeros":
        made = np.zeros(args[0], dtype)
        made[args[1]] = values[args[2]]
        values.append(made)
    elif kind == "numbers":
        v = values[args[0]].reshape(-1)
        values.append(np.array([v[k] * (k + 1) for k in args[1]]))
    elif kind == "loop":
        v = values[args[0]]
        for k in range(1, v.shape[0]):
            v[k] = 0.5 * v[k - 1] + np.sin(v[k])
    elif kind == "matmul":
        values.append(values[args[0]] @ values[args[1]])
    elif kind == "swap":
        a, b = args
        values[a], values[b] = values[b], values[a]
    else:
        raise AssertionError(kind)


def draw(rng: np.random.Generator, n_steps: int) -> Program:
    """Draw a program of about `n_steps` instructions; shapes are tracked by playing it on NumPy."""
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4)))
    program = Program(shape, [])
    values: list[Any] = [np.ones(shape), np.ones(shape)]
    limit = 40 * n_steps
    while len(program.steps) < n_steps and (limit := limit - 1):
        step = _draw_step(rng, values)
        if step is None:
            continue
        before = list(values)
        try:
            with np.errstate(all="ignore"):
                play(step, values, np.dtype(float))
        except (ValueError, IndexError, TypeError):
            values[:] = before
            continue
        program.steps.append(step)
    return program


def _index(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    out: list[Any] = []
    for n in shape:
        kind = rng.integers(0, 7)
        if kind == 0 and n:
            out.append(int(rng.integers(-n, n)))
        elif kind == 1:
            out.append(slice(None, None, int(rng.choice([-1, 2, -2, 3]))))
        elif kind == 2:
            a, b = sorted(int(k) for k in rng.integers(0, n + 1, 2))
            out.append(slice(a, b))
        elif kind == 3:
            out.append(slice(1, None))
        elif kind == 4:
            out.append(slice(None, -1))
        elif kind == 5 and rng.random() < 0.3:
            out.append(None)
            out.append(slice(None))
        else:
            out.append(slice(None))
    if rng.random() < 0.2:
        out = [*out[: int(rng.integers(0, len(out) + 1))], Ellipsis]
    return tuple(out)


# Kinds of steps; those that stand twice are drawn twice as often.
KINDS = (
    *("unary", "binary", "binary", "view", "view", "transpose", "reshape", "ravel", "copy"),
    *("write", "write", "write_number", "iadd", "iadd", "imul", "whole_iadd", "out", "copyto"),
    *("sum", "mean", "concatenate", "stack", "fancy", "fancy_write", "add_at", "masked", "zeros"),
    *("numbers", "loop", "matmul", "swap"),
)


def _draw_step(rng: np.random.Generator, values: list[Any]) -> tuple[Any, ...] | None:
    def pick(condition: Any = lambda v: True) -> int:
        some = [k for k, v in enumerate(values) if condition(v)]
        recent = some[-8:] if rng.random() < 0.7 else some
        return int(rng.choice(recent)) if recent else -1

    def array(v: Any) -> bool:
        return isinstance(v, np.ndarray) and v.size <= 64

    def fits(target: Any, index: Any) -> int:
        shape = target[index].shape if index is not None else target.shape
        return pick(lambda v: _broadcasts(np.shape(v), shape))

    kind = str(rng.choice(KINDS))
    k = pick(array)
    v = values[k]
    if kind == "unary":
        return kind, str(rng.choice(list(UNARY))), pick()
    if kind == "binary":
        j = pick()
        return kind, str(rng.choice(list(BINARY))), j, pick(lambda w: _pair(values[j], w))
    if kind in ("view", "write", "write_number", "iadd", "imul"):
        index = _index(rng, v.shape)
        if kind == "view":
            return kind, k, index
        if kind == "write_number":
            return kind, k, index, 0.75
        j = fits(v, index)
        return (kind, k, index, j) if j >= 0 else None
    if kind == "transpose":
        return kind, k, tuple(int(d) for d in rng.permutation(v.ndim))
    if kind == "reshape":
        n = v.size
        shapes = [(n,), (-1, 1), (1, n)] + [(a, n // a) for a in range(2, n) if n % a == 0]
        return kind, k, shapes[int(rng.integers(len(shapes)))]
    if kind in ("ravel", "copy", "whole_iadd"):
        return kind, k
    if kind in ("out", "copyto"):
        a, b = fits(v, None), fits(v, None)
        if a < 0 or b < 0:
            return None
        return (kind, k, a, b) if kind == "out" else (kind, k, a)
    if kind in ("sum", "mean"):
        if not v.size:
            return None
        axes = [None, *range(v.ndim), tuple(range(v.ndim))]
        return kind, k, axes[int(rng.integers(len(axes)))], bool(rng.random() < 0.5)
    if kind in ("concatenate", "stack"):
        j = pick(lambda w: array(w) and w.shape == v.shape)
        return kind, (k, j), int(rng.integers(-v.ndim, v.ndim)) if v.ndim else 0
    if kind in ("fancy", "fancy_write", "add_at"):
        if not v.ndim or not v.shape[0]:
            return None
        index = rng.integers(-v.shape[0], v.shape[0], int(rng.integers(1, 4)))
        if kind == "fancy":
            return kind, k, index
        if kind == "add_at":
            return kind, k, index, 0.5
        j = fits(v, index)
        return (kind, k, index, j) if j >= 0 else None
    if kind == "masked":
        return kind, k, float(rng.normal())
    if kind == "zeros":
        index = _index(rng, v.shape)
        j = fits(v, index)
        return (kind, v.shape, index, j) if j >= 0 else None
    if kind == "numbers":
        return (kind, k, tuple(int(i) for i in rng.integers(0, v.size, 3))) if v.size else None
    if kind == "loop":
        return (kind, k) if v.ndim else None
    if kind == "matmul":
        if not v.ndim:
            return None
        j = pick(lambda w: array(w) and w.ndim and w.shape[-2 if w.ndim > 1 else 0] == v.shape[-1])
        return (kind, k, j) if j >= 0 else None
    return kind, pick(), pick()


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _pair(a: Any, b: Any) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(np.shape(a), np.shape(b)))) <= 64
    except ValueError:
        return False
