"""Random steps of loops over single elements, rows and whole arrays, as users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["random_loops"]


def random_loops(rng: Any, n: int = 6) -> Callable[[Any, Any, Any], Any]:
    """Return a step of a state of shape (n, n), with params of shapes (n, n) and (n,)."""
    plans = [
        (int(rng.integers(0, 13)), rng.integers(0, 1 << 30)) for _ in range(rng.integers(1, 4))
    ]
    last = bool(rng.integers(0, 2))

    def step(u: Any, params: Any, k: Any) -> Any:
        a, b = params
        v = 0.5 * u if len(plans) % 2 else np.zeros((n, n))
        for kind, seed in plans:
            draw = np.random.default_rng(seed)
            u, v = _part(kind, draw, n, u, v, a, b, k)
        if last:
            # The reverse then has the final elements, and those before them are in its own arrays.
            return u
        w = u + 0.1 * v
        # Bounded, so that some steps in a row don't overflow.
        return w / (1.0 + w * w)

    return step


def _range(draw: Any, n: int, margin: int = 1) -> range:
    step = int(draw.choice([1, 1, 1, 2, -1, -1, -2]))
    low, high = margin, n - margin
    return range(low, high, step) if step > 0 else range(high - 1, low - 1, step)


def _part(kind: int, draw: Any, n: int, u: Any, v: Any, a: Any, b: Any, k: Any) -> Any:
    d = [int(x) for x in draw.integers(-1, 2, 4)]
    nonlinear = bool(draw.integers(0, 2))
    rows, columns = _range(draw, n), _range(draw, n)
    target, other = (u, v) if draw.integers(0, 2) else (v, u)
    if kind == 0:  # a recurrence in both directions
        for i in rows:
            for j in columns:
                x = target[i + d[0], j + d[1]]
                x = x * other[i, j] if nonlinear else x
                target[i, j] = 0.5 * target[i, j] + 0.3 * a[i, j] * x + 0.1 * b[j]
    elif kind == 1:  # carried locals
        total = 0.0
        for i in rows:
            before = total
            for j in columns:
                total = 0.7 * total + (target[i, j] * b[i] if nonlinear else target[i, j])
                other[i, j] = total + 0.1 * before
        other[0, 0] = total
    elif kind == 2:  # a triangle
        for i in range(n):
            for j in range(i):
                target[i, j] += 0.2 * a[j, i] * target[j, i]
                if nonlinear:
                    other[j, i] = 0.5 * other[j, i] * target[i, j]
    elif kind == 3:  # a swap, and a copy that is read later
        old = target.copy()
        for i in range(n // 2):
            for j in range(n):
                kept = target[i, j]
                target[i, j] = target[n - 1 - i, j] * b[j]
                target[n - 1 - i, j] = kept
        other[1:] = other[1:] + 0.3 * old[:-1] * target[1:]
    elif kind == 4:  # rows
        for i in rows:
            x = target[i + d[0]] * a[i] if nonlinear else target[i + d[0]]
            target[i] = 0.6 * target[i] + 0.2 * x
            other[:, i] += 0.1 * target[i]
    elif kind == 5:  # repeated sweeps of shifted boxes
        for _ in range(4):
            target[1:-1, 1:-1] = 0.25 * (
                target[2:, 1:-1] + target[:-2, 1:-1] + a[1:-1, 2:] * target[1:-1, :-2]
            )
            target[0] = target[1]
            if nonlinear:
                other = other + 0.1 * target * other
        return (target, other) if draw.integers(0, 2) else (other, target)
    elif kind == 6:  # red and black, periodic
        for start in (0, 1):
            for i in range(n):
                for j in range((i + start) % 2, n, 2):
                    x = target[i - 1, j] + target[(i + 1) % n, j]
                    target[i, j] = 0.4 * x * (b[j] if nonlinear else 1.0) + 0.1 * other[i, j]
    elif kind == 7:  # new arrays in each pass
        w = target
        for _ in range(5):
            slope = a * w[::-1] - (w * w if nonlinear else w)
            w = w + 0.1 * slope + 0.01 * k
        return w, other
    elif kind == 8:  # two passes back
        x, y = target[0, 0], other[0, 1]
        for i in range(n):
            x, y = y, 0.5 * x + (0.3 * y * b[i] if nonlinear else 0.3 * y)
            target[i, 0] = y
    elif kind == 9:  # a solve along an axis, level by level, whole planes at once
        x = target.reshape(n, 2, n // 2) if n % 2 == 0 else target.reshape(1, n, n)
        c = np.zeros(x.shape)
        for z in range(1, x.shape[-1]):
            y = 0.2 + 0.1 * a[0, z] * c[:, :, z - 1]
            c[:, :, z] = y + (0.3 * x[:, :, z] * x[:, :, z - 1] if nonlinear else x[:, :, z])
            x[:, :, z] -= 0.1 * y * c[:, :, z]
        for z in range(x.shape[-1] - 2, -1, -1):
            x[:, :, z] += 0.2 * c[:, :, z] * x[:, :, z + 1]
    elif kind == 10:  # sweeps of a stencil in all directions, of fluxes too
        for _ in range(3):
            flux = a[:-1, 1:-1] * (target[1:, 1:-1] - target[:-1, 1:-1])
            flux = flux * target[:-1, :-2] if nonlinear else flux
            target[1:-1, 1:-1] += 0.1 * (flux[1:] - flux[:-1])
            near = target[1:-1, 2:] + target[1:-1, :-2] + target[2:, 1:-1] + target[:-2, 1:-1]
            target[1:-1, 1:-1] = 0.2 * near - 0.1 * other[2:, 2:]
            target[:, 0] = target[:, 1]
    elif kind == 11:  # a solve in place, down and up
        for i in range(1, n):
            for j in range(n):
                x = target[i - 1, j] * (target[i, j] if nonlinear else a[i, j])
                target[i, j] = (target[i, j] + 0.3 * b[i] * x) / (1.5 + b[i] * a[0, i])
        for i in range(n - 2, -1, -1):
            for j in range(n):
                target[i, j] += 0.2 * b[i] * target[i + 1, j] * a[i, j]
    else:  # a minimum, and a scratch array used again
        w = np.zeros(n)
        for i in range(1, n):
            for j in range(n):
                w[j] = np.minimum(w[j] + target[i, j], other[i, j])
            for j in range(1, n):
                target[i, j] = 0.5 * w[j] * w[j - 1] if nonlinear else w[j] - w[j - 1]
    return u, v
