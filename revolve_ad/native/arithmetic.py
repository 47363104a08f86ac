"""NumPy's elementwise functions as source text over scalars, one a line, and what each costs.

The text must give NumPy's bits for + − × ÷, roots, comparisons, minima and maxima; transcendental
functions and powers may differ by a few ulp.  A function that is missing here isn't compiled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["LIBRARY", "flops", "literal", "reads_twice", "refusal", "text"]

_BINARY = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}

_FORMS: dict[str, str] = {
    **{name: f"({{0}} {sign} {{1}})" for name, sign in _BINARY.items()},
    "negative": "(-{0})",
    "positive": "{0}",
    "absolute": "abs({0})",
    "fabs": "abs({0})",
    "square": "({0} * {0})",
    "cube": "({0} * {0} * {0})",
    "reciprocal": "(1.0 / {0})",
    "where": "({1} if {0} else {2})",
    # NaN wins, as in NumPy's own definition.
    "maximum": "({0} if ({0} >= {1} or {0} != {0}) else {1})",
    "minimum": "({0} if ({0} <= {1} or {0} != {0}) else {1})",
    "fmax": "({0} if ({0} >= {1} or {1} != {1}) else {1})",
    "fmin": "({0} if ({0} <= {1} or {1} != {1}) else {1})",
    "sign": "(1.0 if {0} > 0.0 else (-1.0 if {0} < 0.0 else (0.0 if {0} == 0.0 else {0})))",
    "isnan": "({0} != {0})",
    "logical_and": "({0} and {1})",
    "logical_or": "({0} or {1})",
    "logical_not": "(not {0})",
    "logical_xor": "({0} != {1})",
    "deg2rad": f"({{0}} * {math.pi / 180!r})",
    "radians": f"({{0}} * {math.pi / 180!r})",
    "rad2deg": f"({{0}} * {180 / math.pi!r})",
    "degrees": f"({{0}} * {180 / math.pi!r})",
    "conjugate": "np.conj({0})",
    "real": "{0}.real",
    "imag": "{0}.imag",
    "power": "({0} ** {1})",
    "power_minus_1_5": "(1.0 / ({0} * np.sqrt({0})))",
}

_ONE = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
)
_TWO = ("arctan2", "hypot", "logaddexp", "logaddexp2", "copysign")
LIBRARY = frozenset((*_ONE, *_TWO))
"""Functions of the mathematical library: dear, and equal to NumPy's up to a few ulp."""

_FORMS |= {name: f"np.{name}({{0}})" for name in _ONE}
_FORMS |= {name: f"np.{name}({{0}}, {{1}})" for name in _TWO}
_FORMS |= {name: f"np.{name}({{0}})" for name in ("sqrt", "floor", "ceil", "trunc", "rint")}
_FORMS |= {name: f"np.{name}({{0}})" for name in ("isfinite", "isinf", "signbit")}

_TRUTH = frozenset(("logical_and", "logical_or", "logical_not", "logical_xor"))
_BITS = {"bitwise_and": "({0} & {1})", "bitwise_or": "({0} | {1})", "bitwise_xor": "({0} ^ {1})"}
_INTEGER = frozenset(
    ["add", "subtract", "multiply", "negative", "positive", "absolute", "square", "where"]
) | frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"))
_COMPLEX = frozenset(
    ["add", "subtract", "multiply", "negative", "positive", "conjugate", "where"]
) | frozenset(("real", "imag", "equal", "not_equal"))
_BOOL = (
    frozenset(("where", "equal", "not_equal", "logical_and", "logical_or", "logical_xor"))
    | frozenset(_BITS)
    | frozenset(("logical_not", "invert"))
)


def refusal(name: str, dtypes: tuple[np.dtype[Any], ...]) -> str | None:
    """Say why `name` of operands of `dtypes` can't be compiled; None if it can."""
    kinds = {d.kind for d in dtypes}
    known = name in _FORMS or name in _BITS or name == "invert"
    if not known:
        return f"{name} has no compiled form"
    if kinds - set("fcbi"):
        return f"{name} of {', '.join(map(str, dtypes))} has no compiled form"
    if any(d.itemsize not in (4, 8) for d in dtypes if d.kind == "f"):
        return f"{name} of {', '.join(map(str, dtypes))} has no compiled form"
    # The condition of `where` may be of any kind.
    kinds = {d.kind for d in (dtypes[1:] if name == "where" else dtypes)}
    if name in _TRUTH:
        return None
    allowed = (
        (_COMPLEX, "c") if "c" in kinds else (_INTEGER | set(_BITS), "i") if "i" in kinds else None
    )
    if allowed is not None and name not in allowed[0]:
        return f"{name} of {', '.join(map(str, dtypes))} has no compiled form"
    if kinds == {"b"} and name not in _BOOL:
        return f"{name} of booleans has no compiled form"
    if "f" in kinds and (name in _BITS or name == "invert"):
        return f"{name} of {', '.join(map(str, dtypes))} has no compiled form"
    return None


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """Return the source text of a number of `dtype`."""
    if dtype.kind == "b":
        return repr(bool(value))
    if dtype.kind == "c":
        body = f"complex({literal(value.real, _FLOAT)}, {literal(value.imag, _FLOAT)})"
        return body if dtype.itemsize == 16 else f"np.complex64({body})"
    if dtype.kind == "f":
        number = float(value)
        body = repr(number)
        if math.isnan(number):
            body = "np.nan"
        elif math.isinf(number):
            body = "np.inf" if number > 0 else "(-np.inf)"
        elif body.startswith("-"):
            body = f"({body})"
        return body if dtype == _FLOAT else f"np.{dtype.name}({body})"
    body = repr(int(value))
    body = f"({body})" if body.startswith("-") else body
    return body if dtype == np.dtype(np.int64) else f"np.{dtype.name}({body})"


_FLOAT = np.dtype(np.float64)


def text(name: str, dtype: np.dtype[Any], operand: np.dtype[Any], args: list[str]) -> str:
    """Return the source text of one operation with a result of `dtype`."""
    if name == "cast":
        return f"np.{dtype.name}({args[0]})" if dtype.kind != "b" else f"({args[0]} != 0)"
    if name == "invert":
        form = "(not {0})" if operand.kind == "b" else "(~{0})"
    elif name in _TRUTH and operand.kind != "b":
        form = _FORMS[name]
        args = [f"({a} != 0)" for a in args]
    elif operand.kind == "b" and name in _BITS:
        form = {"bitwise_and": "({0} and {1})", "bitwise_or": "({0} or {1})"}.get(
            name, "({0} != {1})"
        )
    elif name in _BITS:
        form = _BITS[name]
    elif name == "conjugate" and dtype.kind != "c":
        form = "{0}"
    else:
        form = _FORMS[name]
        if dtype.kind == "f" and dtype.itemsize == 4:
            # A double literal would make the whole expression double.
            form = form.replace("1.0", "np.float32(1.0)").replace("0.0", "np.float32(0.0)")
            if name in ("deg2rad", "radians", "rad2deg", "degrees"):
                form = f"np.float32({form})"
    body = form.format(*args)
    # Small integers wrap around in their own width; Numba computes with 64 bits.
    return f"np.{dtype.name}({body})" if dtype.kind == "i" and dtype.itemsize < 8 else body


def reads_twice(name: str) -> bool:
    """Whether the text names an operand more than once, so that it should be a variable."""
    form = _FORMS.get(name, "")
    return form.count("{0}") > 1 or form.count("{1}") > 1


def flops(name: str) -> float:
    """Return the cost of an operation, in additions of a vector loop."""
    if name in LIBRARY or name == "power":
        return 40.0
    if name in ("divide", "sqrt", "reciprocal", "power_minus_1_5"):
        return 8.0
    return 0.0 if name in ("positive", "real", "imag", "cast") else 1.0
