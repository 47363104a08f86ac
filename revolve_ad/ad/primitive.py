"""The user's own differentiable operations, and a cut that the user asks for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import CONSTANT, FULL, INPUT
from revolve_ad.ad.passes import transform
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.rules.table import JVP, VJP, no_derivative
from revolve_ad.ad.tape import ArrayType, Tape
from revolve_ad.ad.tape import Primitive as Operation
from revolve_ad.ad.traced import apply, is_traced
from revolve_ad.errors import ShapeError, UnsupportedOperationError

__all__ = ["Primitive", "custom_vjp", "primitive", "stop_gradient"]


class Primitive:
    """A function whose derivative the user gives; made by `primitive`.

    Called on plain arguments it is the function itself.  In a recording it is one operation: the
    function is called on plain arrays and may do anything (Fortran, C, a solver).

    Examples
    --------
    >>> @primitive
    ... def cube(x):
    ...     return x * x * x
    >>> @cube.vjp
    ... def cube_vjp(g, y, x):
    ...     return (3 * x * x * g,)
    """

    def __init__(self, f: Callable[..., Any], *, recordable: bool = False) -> None:
        self.f = f
        self._vjp: Callable[..., Any] | None = None
        self._jvp: Callable[..., Any] | None = None
        self._recordable = recordable
        self._operations: dict[Any, tuple[Operation, list[Any]]] = {}
        functools.update_wrapper(self, f)

    def vjp(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Give the reverse-mode derivative: ``f(g, y, *args)`` returns a cotangent an argument.

        `g` is the cotangent of the value `y`, with its structure.  None stands for zero.
        """
        self._vjp = f
        return f

    def jvp(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Give the forward-mode derivative: ``f(tangents, y, *args)`` returns a tangent of `y`.

        `tangents` is a tuple, one for each argument, with its structure.
        """
        self._jvp = f
        return f

    def __call__(self, *args: Any) -> Any:
        """Call the function; in a recording, record the call as one operation."""
        leaves, structure = trees.flatten(args, "args")
        if not any(map(is_traced, leaves)):
            return self.f(*args)
        op, result = self._operation(structure)
        found = apply(op, leaves)
        return result[0].unflatten(found if isinstance(found, tuple) else [found])

    def _operation(self, structure: trees.Structure) -> tuple[Operation, list[Any]]:
        known = self._operations.get(structure)
        if known is not None:
            return known
        result: list[Any] = [None]
        many: list[bool] = [False]

        def evaluate(*leaves: Any) -> Any:
            value = self.f(*structure.unflatten([_read_only(x) for x in leaves]))
            out, result[0] = trees.flatten(value, "result")
            out = [np.array(x) if isinstance(x, np.ndarray) else np.asarray(x)[()] for x in out]
            many[0] = len(out) != 1
            return tuple(out) if many[0] else out[0]

        op = Operation(getattr(self.f, "__name__", "primitive"), evaluate)

        def vjp_rule(g: Any, y: Symbol, xs: Sequence[Symbol], params: Any) -> Any:
            return self._pull(structure, result[0], many[0], g, y, xs)

        def jvp_rule(ts: Any, y: Symbol, xs: Sequence[Symbol], params: Any) -> Any:
            return self._push(structure, result[0], many[0], ts, y, xs)

        VJP[op], JVP[op] = vjp_rule, jvp_rule
        self._operations[structure] = op, result
        return op, result

    def _pull(
        self, structure: Any, out: Any, many: bool, g: Any, y: Symbol, xs: Sequence[Symbol]
    ) -> list[Symbol]:
        name = f"{getattr(self.f, '__name__', 'primitive')}.vjp"
        rule = self._vjp
        if rule is None:
            if not self._recordable:
                raise UnsupportedOperationError(
                    f"{name[:-4]} has no reverse-mode derivative; give it one with @{name}"
                )
            return _symbolic(
                self.f, structure, xs, lambda t, n: transform.vjp(t, range(n)), _all(g, y, many)
            )
        ys = [y.item(k) for k in range(len(y.node.results or ()))] if many else [y]
        gs = _all(g, y, many)
        n = len(gs)

        def pulled(*values: Any) -> Any:
            back = rule(
                out.unflatten(values[:n]),
                out.unflatten(values[n : 2 * n]),
                *structure.unflatten(values[2 * n :]),
            )
            return _each_argument(back, structure, values[2 * n :], name)

        return _derived(name, pulled, [*gs, *ys, *xs], [ArrayType(x.shape, x.dtype) for x in xs])

    def _push(
        self, structure: Any, out: Any, many: bool, ts: Any, y: Symbol, xs: Sequence[Symbol]
    ) -> Any:
        from revolve_ad.ad.symbolic import zeros

        name = f"{getattr(self.f, '__name__', 'primitive')}.jvp"
        rule = self._jvp
        filled = [
            zeros(x, x.shape, x.dtype) if t is None else t for t, x in zip(ts, xs, strict=True)
        ]
        if rule is None:
            if not self._recordable:
                raise UnsupportedOperationError(
                    f"{name[:-4]} has no forward-mode derivative, which ra.jvp and ra.hvp need; "
                    f"give it one with @{name}"
                )
            found = _symbolic(self.f, structure, xs, _tangents, filled)
            return dict(enumerate(found)) if many else found[0]
        ys = [y.item(k) for k in range(len(y.node.results or ()))] if many else [y]
        n = len(xs)

        def pushed(*values: Any) -> Any:
            value = rule(
                structure.unflatten(values[:n]),
                out.unflatten(values[2 * n :]),
                *structure.unflatten(values[n : 2 * n]),
            )
            leaves, given = trees.flatten(value, "tangent")
            trees.require_same(out, given, f"the tangent that {name} returned")
            for leaf, y in zip(leaves, ys, strict=True):
                if _value(leaf).shape != y.shape:
                    raise ShapeError(
                        f"{name} returned a tangent of shape {_value(leaf).shape} for a result of "
                        f"shape {y.shape}"
                    )
            return tuple(map(_value, leaves))

        found = _derived(
            name, pushed, [*filled, *xs, *ys], [ArrayType(s.shape, s.dtype) for s in ys]
        )
        return dict(enumerate(found)) if many else found[0]


def primitive(f: Callable[..., Any]) -> Primitive:
    """Make a function one differentiable operation, whose derivative is given with ``.vjp``.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, numbers or structures of them.  It isn't recorded: it is called
        on plain arrays, so that anything can stand behind it.

    Returns
    -------
    Primitive
        Called like `f`.  Decorate its derivatives with ``.vjp`` and, for `jvp` and `hvp`, ``.jvp``.
    """
    return Primitive(f)


def custom_vjp(f: Callable[..., Any], vjp: Callable[..., Any] | None = None) -> Primitive:
    """Give a function in plain NumPy another reverse-mode derivative than its own.

    Parameters
    ----------
    f : callable
        A function that could be recorded; forward mode records it.
    vjp : callable, optional
        ``vjp(g, y, *args)`` returns a cotangent for each argument; or give it with ``.vjp``.
    """
    made = Primitive(f, recordable=True)
    if vjp is not None:
        made.vjp(vjp)
    return made


STOP = Operation("stop_gradient", lambda x: np.array(x)[()], infer=lambda x: x)
no_derivative(STOP)


def stop_gradient(x: Any) -> Any:
    """Return a value as one that doesn't depend on anything: its derivative is zero.

    Structured values are cut leaf by leaf; outside of a recording `x` comes back as it is.
    """
    return trees.map(lambda leaf: apply(STOP, (leaf,)) if is_traced(leaf) else leaf, x)


def _read_only(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def _all(g: Any, y: Symbol, many: bool) -> list[Symbol]:
    """Return a cotangent for each result, zeros where there is none."""
    if not many:
        return [g]
    from revolve_ad.ad.symbolic import zeros

    results = y.node.results or ()
    return [g[k] if k in g else zeros(y, t.shape, t.dtype) for k, t in enumerate(results)]


def _each_argument(back: Any, structure: Any, leaves: Sequence[Any], name: str) -> tuple[Any, ...]:
    """Return the cotangents that a user's vjp gave, leaf by leaf."""
    args = structure.unflatten(leaves)
    if not isinstance(back, tuple) or len(back) != len(args):
        raise ShapeError(
            f"{name} returned {type(back).__name__}; it must return a tuple with a cotangent for "
            f"each of the {len(args)} arguments (None for zero)"
        )
    out = []
    for k, (part, arg) in enumerate(zip(back, args, strict=True)):
        arg_leaves, arg_structure = trees.flatten(arg, f"argument {k}")
        if part is None:
            found: list[Any] = [np.zeros(x.shape, _float(x)) for x in map(_value, arg_leaves)]
        else:
            trees.require_same(arg_structure, trees.flatten(part, "cotangent")[1], f"cotangent {k}")
            found = trees.flatten(part, "cotangent")[0]
        for x, c in zip(arg_leaves, found, strict=True):
            if np.shape(c) != np.shape(x):
                raise ShapeError(
                    f"{name} returned a cotangent of shape {np.shape(c)} for argument {k}, which "
                    f"has shape {np.shape(x)}"
                )
            out.append(c if is_traced(c) else np.array(c, dtype=_float(x))[()])
    return tuple(out)


def _value(x: Any) -> Any:
    return x if is_traced(x) else np.asarray(x)[()]


def _float(x: Any) -> Any:
    dtype = _value(x).dtype
    return dtype if dtype.kind in "fc" else np.dtype(float)


def _derived(
    name: str, f: Callable[..., Any], xs: list[Symbol], types: list[ArrayType]
) -> list[Symbol]:
    """Append the user's derivative as an operation; its own derivatives record it."""
    many = len(types) > 1
    op = Operation(
        name,
        f if many else lambda *v: f(*v)[0],
        infer=lambda *_: tuple(types) if many else types[0],
    )

    def second_vjp(g: Any, y: Symbol, operands: Sequence[Symbol], params: Any) -> Any:
        return _symbolic(
            f, None, operands, lambda t, n: transform.vjp(t, range(n)), _all(g, y, many)
        )

    def second_jvp(ts: Any, y: Symbol, operands: Sequence[Symbol], params: Any) -> Any:
        from revolve_ad.ad.symbolic import zeros

        filled = [
            zeros(x, x.shape, x.dtype) if t is None else t
            for t, x in zip(ts, operands, strict=True)
        ]
        found = _symbolic(f, None, operands, _tangents, filled)
        return dict(enumerate(found)) if many else found[0]

    VJP[op], JVP[op] = second_vjp, second_jvp
    node = xs[0].builder.apply(op, [x.id for x in xs])
    whole = Symbol(xs[0].builder, node)
    return [whole.item(k) for k in range(len(types))] if many else [whole]


def _tangents(tape: Tape, n: int) -> Tape:
    forward = transform.jvp(tape, range(n))
    return Tape(forward.nodes, forward.inputs, forward.outputs[len(tape.outputs) :])


def _symbolic(
    f: Callable[..., Any],
    structure: Any,
    xs: Sequence[Symbol],
    transformed: Callable[[Tape, int], Tape],
    extra: Sequence[Symbol],
) -> list[Symbol]:
    """Record `f` on ones, transform its tape, and append that to the tape under construction."""
    ones = [np.ones(x.shape, x.dtype)[()] for x in xs]

    def flat(*leaves: Any) -> Any:
        return f(*structure.unflatten(leaves)) if structure is not None else f(*leaves)

    with np.errstate(all="ignore"):
        tape = trace(flat, tuple(ones)).tape
    if tape.depends_on_values:
        raise UnsupportedOperationError(
            f"a second derivative through {getattr(f, '__name__', 'a primitive')} needs a "
            f"derivative that doesn't branch on values; {tape.depends_on_values}"
        )
    tape = transformed(tape, len(xs))
    builder = xs[0].builder
    env = dict(zip(tape.inputs, [s.id for s in (*xs, *extra)], strict=True))
    for i, node in enumerate(tape.nodes):
        if i in env or node.op is INPUT:
            continue
        if node.op in (CONSTANT, FULL):
            env[i] = builder.append(node.op, (), node.params, node.shape, node.dtype)
        else:
            env[i] = builder.apply(node.op, [env[a] for a in node.args], node.params)
    return [Symbol(builder, env[i]) for i in tape.outputs]
