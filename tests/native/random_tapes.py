"""Random tapes of overlapping boxes: scatters, gathers, arithmetic, sums, broadcasts, reshapes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.strided import box_map
from revolve_ad.ad.tape import Tape

__all__ = ["random_tape", "random_values"]

FLOAT = np.dtype(float)


def random_box(rng: Any, shape: tuple[int, ...], steps: bool) -> Any:
    """Return the map of a random box of an array, with steps and flips if `steps`."""
    axes = []
    for n in shape:
        step = int(rng.choice([1, 1, 1, 2, 3, -1, -2])) if steps else 1
        length = int(rng.integers(1, (n - 1) // abs(step) + 2))
        reach = abs(step) * (length - 1)
        low = int(rng.integers(0, n - reach))
        axes.append((low if step > 0 else low + reach, step, length))
    return box_map(shape, tuple(axes))


def random_tape(
    rng: Any, *, shape: tuple[int, ...] = (7, 6), n_nodes: int = 12, steps: bool = True
) -> Tape:
    """Return a tape of two inputs of `shape` and one number, with two outputs."""
    b = Builder()
    inputs = [b.input(shape, FLOAT, "u"), b.input(shape, FLOAT, "v"), b.input((), FLOAT, "a")]
    values = [Symbol(b, i) for i in inputs]
    for _ in range(n_nodes):
        kind = rng.integers(0, 10)
        x = values[rng.integers(0, len(values))]
        same = [y for y in values if y.shape == x.shape]
        y = same[rng.integers(0, len(same))]
        if kind <= 2:
            new = [x + y, x - 0.5 * y, x * y][kind]
        elif kind == 3 and x.ndim:
            new = s.gather(x, random_box(rng, x.shape, steps))
        elif kind in (4, 5, 6) and x.ndim:
            index = random_box(rng, x.shape, steps)
            fitting = [z for z in values if z.shape in (index.shape, ())]
            if not fitting or rng.integers(0, 2):
                fitting = [s.gather(y, random_shift(rng, index))]
            z = fitting[rng.integers(0, len(fitting))]
            new = (s.scatter if kind < 6 else s.scatter_add)(x, z, index)
        elif kind == 7 and x.ndim:
            axes = tuple(d for d in range(x.ndim) if rng.integers(0, 2))
            new = s.sum_over(x, axes) * 0.25
        elif kind == 8 and x.ndim == 2:
            new = s.transpose(x) if rng.integers(0, 2) else s.reshape(x, (prod(x.shape),))
        elif kind == 9:
            new = s.where(x < y, x, s.ufunc(np.maximum)(x, 0.1))
        else:
            big = values[rng.integers(0, len(values))]
            if x.ndim > big.ndim or (
                x.ndim
                and any(
                    m not in (1, n) for m, n in zip(x.shape[::-1], big.shape[::-1], strict=False)
                )
            ):
                continue
            new = s.broadcast_to(x, big.shape) + big
        values.append(new)
    chosen = rng.choice(np.arange(3, len(values)), 2) if len(values) > 3 else [0, 1]
    return b.tape(inputs, [values[-1].id, values[int(chosen[0])].id], None)


def random_shift(rng: Any, index: Any) -> Any:
    """Return a map of the same shape, moved as far as it goes."""
    axes = []
    box = index.box
    for n, axis in zip(index.source, box.axes, strict=True):
        length = 1 if axis.view_axis is None else index.shape[axis.view_axis]
        step = axis.step
        reach = abs(step) * (length - 1)
        low = int(rng.integers(0, n - reach))
        axes.append((low if step > 0 else low + reach, step, length))
    return box_map(index.source, tuple(axes))


def random_values(rng: Any, tape: Tape) -> list[Any]:
    """Return normal values for the inputs."""
    return [rng.standard_normal(tape.nodes[i].shape) for i in tape.inputs]
