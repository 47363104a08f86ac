"""NumPy's elementwise functions as source text over scalars, one a line, and what each costs.

The text must give NumPy's bits for + − × ÷, roots, comparisons, minima and maxima; transcendental
functions and powers may differ by a few ulp.  A function that is missing here isn't compiled.
"""

from __future__ import annotations

import math
import re
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
    # NaN wins, as in NumPy's own definition; of two zeros the second, as in its loops on x86.
    "maximum": "({0} if ({0} > {1} or {0} != {0}) else {1})",
    "minimum": "({0} if ({0} < {1} or {0} != {0}) else {1})",
    "fmax": "({0} if ({0} >= {1} or {1} != {1}) else {1})",
    "fmin": "({0} if ({0} <= {1} or {1} != {1}) else {1})",
    "sign": "(1.0 if {0} > 0.0 else (-1.0 if {0} < 0.0 else (0.0 if {0} == 0.0 else {0})))",
    "isnan": "({0} != {0})",
    "logical_and": "({0} and {1})",
    "logical_or": "({0} or {1})",
    "logical_not": "(not {0})",
    "logical_xor": "({0} != {1})",
    **dict.fromkeys(("deg2rad", "radians"), f"({{0}} * {math.pi / 180!r})"),
    **dict.fromkeys(("rad2deg", "degrees"), f"({{0}} * {180 / math.pi!r})"),
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

_COMPARE = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")

_FLOATS: dict[str, str] = {
    "floor_divide": "float_floor_divide({0}, {1})",
    "remainder": "float_remainder({0}, {1})",
    "fmod": "np.fmod({0}, {1})",
    "float_power": "({0} ** {1})",
    "heaviside": "({0} if {0} != {0} else (0.0 if {0} < 0.0 else (1.0 if {0} > 0.0 else {1})))",
}

_INTEGERS: dict[str, str] = {
    **{name: _FORMS[name] for name in ("add", "subtract", "multiply", "square", "where")},
    **{name: _FORMS[name] for name in ("negative", "positive", *_COMPARE)},
    **dict.fromkeys(("floor", "ceil", "trunc", "rint", "conjugate"), "{0}"),
    **dict.fromkeys(("maximum", "fmax"), "({0} if {0} >= {1} else {1})"),
    **dict.fromkeys(("minimum", "fmin"), "({0} if {0} <= {1} else {1})"),
    "absolute": "abs({0})",
    "sign": "(1 if {0} > 0 else (-1 if {0} < 0 else 0))",
    "isfinite": "({0} == {0})",
    "isnan": "({0} != {0})",
    "isinf": "({0} != {0})",
    "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})",
    "bitwise_xor": "({0} ^ {1})",
    "invert": "(~{0})",
    "floor_divide": "integer_floor_divide({0}, {1}, {zero})",
    "remainder": "integer_remainder({0}, {1}, {zero})",
    "fmod": "integer_fmod({0}, {1}, {zero})",
    "left_shift": "left_shifted({0}, {1}, {bits}, {zero})",
    "right_shift": "right_shifted({0}, {1}, {bits}, {zero})",
    "power": "integer_power({0}, {1}, {one})",
    "wrapped_index": "wrapped_index({0}, {1})",
}

_BOOLEANS: dict[str, str] = {
    "where": _FORMS["where"],
    **dict.fromkeys(("equal",), "({0} == {1})"),
    **dict.fromkeys(("not_equal", "bitwise_xor"), "({0} != {1})"),
    **dict.fromkeys(("bitwise_and", "multiply", "minimum", "fmin"), "({0} and {1})"),
    **dict.fromkeys(("bitwise_or", "add", "maximum", "fmax"), "({0} or {1})"),
    **dict.fromkeys(("absolute", "conjugate"), "{0}"),
    "invert": "(not {0})",
    "less": "((not {0}) and {1})",
    "less_equal": "((not {0}) or {1})",
    "greater": "({0} and (not {1}))",
    "greater_equal": "({0} or (not {1}))",
}

_COMPLEX: dict[str, str] = {
    **{name: _FORMS[name] for name in ("add", "subtract", "multiply", "negative", "positive")},
    **{name: _FORMS[name] for name in ("conjugate", "where", "real", "imag", "square")},
    **{name: _FORMS[name] for name in ("equal", "not_equal", "isnan")},
    # Others of Numba's functions lose digits near their zeros.
    **{name: f"np.{name}({{0}})" for name in ("sin", "cos", "sqrt", "isfinite")},
    "isinf": "(np.isinf({0}.real) or np.isinf({0}.imag))",
    "absolute": "np.hypot({0}.real, {0}.imag)",
    "divide": "complex_divide({0}, {1}, {one})",
    "reciprocal": "complex_reciprocal({0}, {one})",
    "exp": "complex_exp({0})",
}

_TRUTH = ("logical_and", "logical_or", "logical_not", "logical_xor")

_OF_KIND: dict[str, dict[str, str]] = {
    "f": {k: v for k, v in _FORMS.items() if k not in ("real", "imag")} | _FLOATS,
    "c": _COMPLEX,
    "i": _INTEGERS,
    "u": _INTEGERS,
    "b": _BOOLEANS,
}
for _kind in _OF_KIND.values():
    for _name in _TRUTH:
        _kind[_name] = _FORMS[_name]
_OF_KIND["u"] = _INTEGERS | {"absolute": "{0}", "sign": "(1 if {0} > 0 else 0)"}


def _form(name: str, operand: np.dtype[Any]) -> str | None:
    """Return the text of an operation on operands of a dtype; None if there is none."""
    return _OF_KIND.get(operand.kind, {}).get(name)


def refusal(name: str, dtypes: tuple[np.dtype[Any], ...]) -> str | None:
    """Say why `name` of operands of `dtypes` can't be compiled; None if it can."""
    # The condition of `where` may be of any kind.
    operands = dtypes[1:] if name == "where" else dtypes
    if all(_form(name, d) is not None and d.char not in "eg" for d in operands):
        if len({d.kind for d in operands}) == 1:
            return None
    if not any(name in forms for forms in _OF_KIND.values()):
        return f"{name} has no compiled form"
    return f"{name} of {', '.join(map(str, dtypes))} has no compiled form"


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
# NumPy's own constants, which are rounded twice.
_DEGREES = {
    **dict.fromkeys(("deg2rad", "radians"), np.float32(math.pi) / np.float32(180)),
    **dict.fromkeys(("rad2deg", "degrees"), np.float32(180) / np.float32(math.pi)),
}


_DOUBLE_LITERAL = re.compile(r"(?<![\w.])[01]\.0(?!\d)")


def text(name: str, dtype: np.dtype[Any], operand: np.dtype[Any], args: list[str]) -> str:
    """Return the source text of one operation with a result of `dtype`."""
    if name == "cast":
        return f"np.{dtype.name}({args[0]})" if dtype.kind != "b" else f"({args[0]} != 0)"
    form = _form(name, operand)
    assert form is not None, "refused before"
    if name in _TRUTH and operand.kind != "b":
        args = [f"({a} != 0)" for a in args]
    if dtype.kind == "f" and dtype.itemsize == 4:
        # A double literal would make the whole expression double.
        form = _DOUBLE_LITERAL.sub(lambda m: f"np.float32({m[0]})", form)
        if name in _DEGREES:
            form = f"({{0}} * {literal(_DEGREES[name], dtype)})"
        elif form.startswith("float_"):
            form = f"np.float32({form})"
    parts = operand if operand.kind != "c" else np.dtype(f"f{operand.itemsize // 2}")
    body = form.format(
        *args,
        zero=literal(0, parts),
        one=literal(1, parts),
        bits=literal(8 * operand.itemsize, parts),
    )
    if dtype.kind in "iu" and (dtype.itemsize < 8 or dtype.kind == "u" or "if" in form):
        # Small integers wrap around in their own width; Numba computes with 64 bits.
        return f"np.{dtype.name}({body})"
    if dtype == np.dtype(np.complex64) and "complex_" in form:
        return f"np.complex64({body})"
    if dtype == np.dtype(np.float32) and operand.kind == "c" and name == "absolute":
        return f"np.float32({body})"
    return body


def reads_twice(name: str) -> bool:
    """Whether the text names an operand more than once, so that it should be a variable."""
    forms = [kind[name] for kind in _OF_KIND.values() if name in kind]
    return any(form.count("{0}") > 1 or form.count("{1}") > 1 for form in forms)


def flops(name: str) -> float:
    """Return the cost of an operation, in additions of a vector loop."""
    if name in LIBRARY or name in ("power", "float_power", "floor_divide", "remainder", "fmod"):
        return 40.0
    if name in ("divide", "sqrt", "reciprocal", "power_minus_1_5"):
        return 8.0
    return 0.0 if name in ("positive", "real", "imag", "cast") else 1.0
