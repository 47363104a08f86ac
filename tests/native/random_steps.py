"""Random steps of simulations in plain NumPy, of all that people write: a list of instructions.

A step is drawn by playing it on plain arrays; every value stays small, whatever is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["OPERATIONS", "Step", "draw_step"]

Operation = Callable[..., Any]

MOST = 60
"""Elements of the largest array."""

WAVES = np.linspace(0.5, 1.5, 7)


def _signs(x: Any) -> Any:
    return np.where(x > 0, 1, 0)


def _integers(x: Any) -> Any:
    return np.floor(4 * np.tanh(x)).astype(np.int64)


def _square_matrix(x: Any) -> Any:
    n = min(np.size(x), 3)
    return 3.0 * np.eye(n) + 0.1 * np.outer(np.ravel(x)[:n], np.ravel(x)[:n])


def _written(x: Any, y: Any, index: Any) -> Any:
    out = x.copy()
    out[index] = 0.5 * out[index] + np.sum(y) / (1 + np.size(y))
    return out


def _masked(x: Any, limit: Any) -> Any:
    out = x * 1.0
    out[out > limit] = 0.5
    return out


def _added_at(x: Any, where: Any) -> Any:
    out = x.copy()
    np.add.at(out, where, 0.25)
    return out


def _swept(x: Any) -> Any:
    out = x.copy()
    for i in range(1, out.shape[0]):
        out[i] = 0.5 * out[i - 1] + np.sin(out[i])
    return out


def _relaxed(x: Any) -> Any:
    out = x.copy()
    for _ in range(3):
        out[1:-1] = 0.5 * (out[2:] + out[:-2])
    return out


def _phases(x: Any) -> Any:
    return np.exp(1j * x)


ELEMENTWISE: dict[str, Operation] = {
    "sin": np.sin,
    "tanh": np.tanh,
    "bell": lambda x: np.exp(-x * x),
    "root": lambda x: np.sqrt(1 + x * x),
    "log": lambda x: np.log1p(x * x),
    "abs": np.abs,
    "sign": lambda x: x * np.sign(x - 0.1),
    "floor": lambda x: x - np.floor(x),
    "rint": lambda x: x - 0.5 * np.rint(x),
    "clip": lambda x: np.clip(x, -0.3, 0.4),
    "cube": lambda x: 0.1 * x**3,
    "power": lambda x: (2 + np.sin(x)) ** -1.5,
    "power2": lambda x: 2.0 ** np.tanh(x),
    "recip": lambda x: 1 / (2 + np.cos(x)),
    "remainder": lambda x: np.remainder(x, 0.7),
    "floor_divide": lambda x: x * (x // 0.7),
    "heaviside": lambda x: x * np.heaviside(x, 0.5),
    "single": lambda x: (0.5 * x.astype(np.float32)).astype(np.float64),
    "nan_to_num": np.nan_to_num,
    "cbrt": lambda x: np.cbrt(1 + x * x),
    "degrees": lambda x: 0.01 * np.rad2deg(x),
    "integers": lambda x: 0.1 * _integers(x) * x,
    "quotients": lambda x: (_integers(x) // 3 + _integers(x) % 3) * x,
    "bits": lambda x: ((_integers(x) << 1) & 5 ^ 3) * 0.1 * x,
    "shifts": lambda x: ((_integers(x).astype(np.uint8) >> 1) % np.uint8(3)) * x,
    "truths": lambda x: np.logical_and(x > 0, np.logical_not(x > 1)) * x,
    "angle": lambda x: np.angle(_phases(x) + 2) * x,
    "rotated": lambda x: np.real(_phases(x) * (1 + 2j)),
    "modulus": lambda x: np.abs(_phases(x) + 0.5j),
    "quotient": lambda x: np.imag(_phases(x) / (2 + 1j * np.sin(x))),
    "conjugate": lambda x: np.imag(np.conj(_phases(x)) * x),
    "complex_root": lambda x: np.real(np.sqrt(_phases(x) + 3)),
}
ARRAYS: dict[str, Operation] = {
    "sum": np.sum,
    "mean": lambda x: np.mean(x, axis=0),
    "var": lambda x: np.var(x, axis=-1),
    "std": lambda x: np.sqrt(0.1 + np.var(x)),
    "max": lambda x: np.max(x, axis=0),
    "min": lambda x: np.min(x, axis=-1, keepdims=True),
    "prod": lambda x: np.prod(1 + 0.1 * np.sin(x), axis=0),
    "any": lambda x: np.where(np.any(x > 0.5), x, 0.9 * x),
    "all": lambda x: np.where(np.all(x > -0.5, axis=0), x, 0.9 * x),
    "argmax": lambda x: x.ravel() * np.argmax(x),
    "argmin": lambda x: x * np.argmin(x, axis=0),
    "count": lambda x: 0.1 * x * np.count_nonzero(x > 0),
    "ptp": lambda x: np.ptp(x, axis=0),
    "norm": lambda x: np.linalg.norm(x + 0.1),
    "cumsum": lambda x: 0.2 * np.cumsum(x, axis=-1),
    "cumprod": lambda x: np.cumprod(1 + 0.1 * np.sin(x), axis=0),
    "running_max": lambda x: np.maximum.accumulate(x, axis=0),
    "reverse": lambda x: x[::-1],
    "every_other": lambda x: x[::2],
    "backwards": lambda x: x[::-2],
    "inner": lambda x: x[1:-1],
    "last": lambda x: x[-1],
    "new_axis": lambda x: x[..., None],
    "ravel": np.ravel,
    "transpose": np.transpose,
    "roll": lambda x: np.roll(x, 1),
    "roll_back": lambda x: np.roll(x, -2, axis=-1),
    "pad": lambda x: np.pad(x, 1),
    "pad_edge": lambda x: np.pad(x, 1, mode="edge"),
    "pad_wrap": lambda x: np.pad(x, 1, mode="wrap"),
    "pad_reflect": lambda x: np.pad(x, 1, mode="reflect"),
    "pad_mean": lambda x: np.pad(x, 1, mode="mean"),
    "diff": lambda x: np.diff(x, axis=-1),
    "gradient": lambda x: np.gradient(x, axis=0),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "tile": lambda x: np.tile(x, 2),
    "flip": np.flip,
    "tril": lambda x: np.tril(np.outer(x, x)),
    "trace": lambda x: np.trace(_square_matrix(x)),
    "outer": lambda x: 0.1 * np.outer(x, x),
    "sort": lambda x: np.sort(x, axis=-1),
    "order": lambda x: x[np.argsort(x, axis=0)] if x.ndim == 1 else x,
    "median": lambda x: np.median(x),
    "solve": lambda x: np.linalg.solve(_square_matrix(x), np.ones(min(np.size(x), 3))),
    "inv": lambda x: np.linalg.inv(_square_matrix(x)),
    "det": lambda x: 0.03 * np.linalg.det(_square_matrix(x)),
    "eigh": lambda x: 0.3 * np.linalg.eigh(_square_matrix(x) + np.diag(WAVES[: min(x.size, 3)]))[0],
    "fft": lambda x: 0.3 * np.fft.fft(x).real,
    "spectral": lambda x: np.fft.irfft(np.fft.rfft(x, axis=-1) * 0.5j, x.shape[-1], axis=-1),
    "interp": lambda x: np.interp(np.tanh(x), np.linspace(-1, 1, 5), WAVES[:5]),
    "convolve": lambda x: np.convolve(np.ravel(x), [0.25, 0.5, 0.25], mode="same"),
    "fancy": lambda x: x[[0, -1, 0]],
    "grid": lambda x: x[np.array([[0], [-1]]), np.array([0, 0, -1])],
    "take": lambda x: np.take(x, [1, 0, 1]),
    "write": lambda x: _written(x, x, slice(1, None)),
    "write_steps": lambda x: _written(x, x, slice(None, None, 2)),
    "write_last": lambda x: _written(x, x, -1),
    "write_fancy": lambda x: _written(x, x, [0, 0, -1]),
    "write_ellipsis": lambda x: _written(x, x, (Ellipsis, 0)),
    "masked": lambda x: _masked(x, 0.2),
    "add_at": lambda x: _added_at(x, [0, 0, -1]),
    "sweep": _swept,
    "relax": _relaxed,
    "matvec": lambda x: 0.3 * (np.ones((2, x.shape[0])) @ x),
    "einsum": lambda x: 0.3 * np.einsum("...i,...i->...", x, x),
    "numbers": lambda x: np.array([x.ravel()[0], 2 * x.ravel()[-1], 0.5]),
    "empty": lambda x: x[:0],
    "sum_of_empty": lambda x: x * np.sum(x[:0]),
}
PAIRS: dict[str, Operation] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: 0.5 * a * b,
    "divide": lambda a, b: a / (2 + np.cos(b)),
    "where": lambda a, b: np.where(a > b, a, 0.5 * b),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "hypot": np.hypot,
    "arctan2": lambda a, b: np.arctan2(a, 1.5 + np.cos(b)),
    "modulo": lambda a, b: np.remainder(a, 1.5 + np.cos(b)),
    "fmod": lambda a, b: np.fmod(a, 1.5 + np.cos(b)),
    "copysign": lambda a, b: np.copysign(a, b + 0.01),
    "power": lambda a, b: 0.3 * (2 + np.sin(a)) ** np.tanh(b),
    "complex": lambda a, b: np.real((a + 1j * b) / (2 + 1j)),
    "logaddexp": lambda a, b: 0.3 * np.logaddexp(a, b),
}
ARRAY_PAIRS: dict[str, Operation] = {
    "matmul": lambda a, b: 0.2 * (a @ b),
    "tensordot": lambda a, b: 0.2 * np.tensordot(a, b, 1),
    "concatenate": lambda a, b: np.concatenate([a, b]),
    "stack": lambda a, b: np.stack([a, b], axis=-1),
    "write": lambda a, b: _written(a, b, slice(None, -1)),
    "compare": lambda a, b: (a <= b) * a + (a != b) * 0.1 * b,
}
OF_STEP: dict[str, Operation] = {
    "scaled by k": lambda a, k: a * np.cos(k),
    "element k": lambda a, k: a[k % a.shape[0]],
    "window k": lambda a, k: np.concatenate([a] * 5)[k : k + 2],  # within it in all steps
    "parity of k": lambda a, k: np.where(k % 2 == 0, a, 0.5 * a),
    "row k": lambda a, k: _written(a, a, k % a.shape[0]),
    "power of k": lambda a, k: a * 0.5 ** (k + 1),
}
_SCALARS = {**ELEMENTWISE, **{f"{n} of two": f for n, f in PAIRS.items()}}
OPERATIONS = {
    **_SCALARS,
    **ARRAYS,
    **{f"{n} of two": f for n, f in ARRAY_PAIRS.items()},
    **OF_STEP,
}


@dataclass
class Step:
    """A step of a vector, a matrix and a number; its params are a vector and a number."""

    instructions: list[tuple[str, tuple[int, ...]]]
    shapes: tuple[tuple[int, ...], ...]

    def start(self, rng: Any) -> tuple[Any, Any]:
        """Return a state and params."""
        arrays = [rng.standard_normal(shape) for shape in self.shapes]
        vector, matrix, other = arrays
        return (vector, matrix, np.float64(0.3)), (other, 0.7)

    def __call__(self, state: Any, params: Any, k: Any) -> Any:
        """Advance the state."""
        values = [*state, *params]
        for name, operands in self.instructions:
            values.append(_play(name, [values[i] for i in operands], k))
        total = 0.0
        for n, v in enumerate(values[5:]):
            total = total + np.sum(np.tanh(v) * (1 + 0.1 * n)) / (1 + np.size(v))
        vector, matrix, number = state
        return (
            0.5 * vector + 0.1 * np.tanh(_fitted(values, vector) + total),
            0.5 * matrix + 0.1 * np.tanh(_fitted(values, matrix) - total),
            0.5 * number + 0.1 * np.tanh(total * params[1]),
        )


def _play(name: str, operands: list[Any], k: Any) -> Any:
    return OPERATIONS[name](*operands, k) if name in OF_STEP else OPERATIONS[name](*operands)


def _fitted(values: list[Any], like: Any) -> Any:
    """Return the last of the values that has the shape of `like`."""
    return next(v for v in reversed(values) if np.shape(v) == np.shape(like))


def draw_step(rng: Any, n_instructions: int, allowed: Any = None) -> Step:
    """Draw a step of so many operations, of those `allowed` or of all."""
    shapes = (
        (int(rng.integers(2, 7)),),
        (int(rng.integers(2, 5)), int(rng.integers(2, 5))),
        (int(rng.integers(2, 7)),),
    )
    step = Step([], shapes)
    state, params = step.start(np.random.default_rng(0))
    values: list[Any] = [*state, *params]
    names = sorted(OPERATIONS if allowed is None else allowed)
    limit = 30 * n_instructions
    while len(step.instructions) < n_instructions and (limit := limit - 1):
        name = str(rng.choice(names))
        operands = tuple(int(i) for i in rng.integers(0, len(values), 2))
        operands = operands if name.endswith(" of two") else operands[:1]
        if name not in _SCALARS and any(np.ndim(values[i]) == 0 for i in operands):
            continue
        try:
            with np.errstate(all="ignore"):
                found = _play(name, [values[i] for i in operands], np.int64(1))
        except (ValueError, IndexError, TypeError, AttributeError, np.linalg.LinAlgError):
            continue
        if np.asarray(found).dtype != np.float64 or np.size(found) > MOST:
            continue
        if not np.all(np.abs(found) < 1e3):
            continue
        values.append(found)
        step.instructions.append((name, operands))
    return step
