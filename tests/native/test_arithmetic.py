"""Every ufunc with a compiled form gives NumPy's values, at the corners of each dtype too."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.native import Compiled, compile_tape
from revolve_ad.native.passes.arithmetic import LIBRARY
from revolve_ad.native.passes.calls import why_called

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

UFUNCS = {u.__name__: u for u in vars(np).values() if isinstance(u, np.ufunc)}
REAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 3.7, -3.7, 1e30, -1e-30, 2.5, -2.5, 7.0, -8.0]
REAL += [np.nan, np.inf, -np.inf]
PARTS = [0.0, -0.0, 1.0, -1.0, 2.5, -3.5, 0.3]
# The sign of the greater of two zeros is left open by NumPy, whose loops take another one on other
# processors; `fmax` and `fmin` also within an array.
EXTREMES = ("fmax", "fmin")
if platform.machine() not in ("x86_64", "AMD64"):
    EXTREMES += ("maximum", "minimum")


def corners(dtype: str) -> np.ndarray:
    """Return numbers of a dtype at which functions are hard."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.array(REAL, kind)
    if kind.kind == "c":
        return np.array([complex(a, b) for a in PARTS for b in PARTS], kind)
    if kind.kind == "b":
        return np.array([True, False])
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    some = [0, 1, 2, 3, 5, 7, 63, 100, -1, -2, -3, -7, most, least, most - 1]
    return np.array([k for k in some if least <= k <= most], kind)


class Catalogue:
    """All ufuncs of one dtype that have a compiled form, as one tape; and NumPy's results."""

    def __init__(self, dtype: str, without: Iterable[str] = ()) -> None:
        a, b = np.meshgrid(corners(dtype), corners(dtype))
        self.values = [a.ravel(), b.ravel()]
        builder = Builder()
        inputs = [builder.input(v.shape, v.dtype, "x") for v in self.values]
        symbols = [Symbol(builder, i) for i in inputs]
        outputs = []
        self.names, self.expected, self.called = [], [], set()
        for name, ufunc in sorted(UFUNCS.items()):
            if ufunc.nout > 1 or ufunc.signature is not None or name in without:
                continue
            try:
                expected = ufunc(*self.values[: ufunc.nin])
            except (TypeError, ValueError):  # not of this dtype; negative integer powers
                continue
            found = s.ufunc(ufunc)(*symbols[: ufunc.nin])
            if why_called(builder.nodes, found.id) is not None:
                self.called.add(name)
                continue
            outputs.append(found.id)
            self.names.append(name)
            self.expected.append(expected)
        self.tape = builder.tape(inputs, outputs, None)

    def check(self, compiled: Any) -> None:
        assert isinstance(compiled, Compiled)
        results = compiled.run(self.values)
        for name, found, expected in zip(self.names, results, self.expected, strict=True):
            assert found.dtype == expected.dtype, name
            kind = found.dtype.kind
            if name in LIBRARY or name in ("power", "float_power") or kind == "c":
                assert ulps(found, expected) <= 4, name
            elif name == "absolute" and self.values[0].dtype.kind == "c":
                assert ulps(found, expected) <= 1, name
            else:
                np.testing.assert_array_equal(found, expected, err_msg=name)
                if kind == "f" and name not in EXTREMES:
                    signs = ~np.isnan(expected)
                    np.testing.assert_array_equal(
                        np.signbit(found[signs]), np.signbit(expected[signs]), err_msg=name
                    )


def ulps(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference in units of the last place; of complex numbers of their size.

    NumPy's product of complex numbers uses fused operations where the processor has them.
    """
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    if found.dtype.kind == "c":
        # An infinity with a part that isn't a number is an infinity all the same.
        same |= np.isinf(found) & np.isinf(expected)
    a, b = found[~same], expected[~same]
    return float((np.abs(a - b) / np.spacing(np.abs(b))).max(initial=0.0))


DTYPES = ["float64", "float32", "complex128", "complex64", "int64", "int32", "int16", "int8"]
DTYPES += ["uint64", "uint32", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_compiled_ufunc_gives_numpys_values(dtype: str) -> None:
    catalogue = Catalogue(dtype)
    catalogue.check(compile_tape(catalogue.tape, native=False, max_operations=1000))


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int16"])
def test_numba_gives_them_too(dtype: str) -> None:
    pytest.importorskip("numba")
    # Functions of the library are compiled as they are: no need to wait for them here.
    catalogue = Catalogue(dtype, without=LIBRARY if dtype != "complex64" else ())
    catalogue.check(compile_tape(catalogue.tape, max_operations=1000))


def test_nearly_all_ufuncs_of_reals_and_integers_have_a_compiled_form() -> None:
    assert Catalogue("float64").called == {"cbrt", "nextafter", "spacing"}
    assert Catalogue("int64").called <= {
        *("cbrt", "nextafter", "spacing", "bitwise_count", "gcd", "lcm", "ldexp", "reciprocal")
    }


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["int64", "int16", "uint8"])
def test_integer_powers_wrap_around_as_numpys_do(dtype: str, exponent: int) -> None:
    values = corners(dtype)
    builder = Builder()
    x = Symbol(builder, builder.input(values.shape, values.dtype, "x"))
    y = s.ufunc(np.power)(x, Symbol(builder, builder.literal(exponent, values.dtype)))
    compiled = compile_tape(builder.tape([x.id], [y.id], None), native=False)
    assert isinstance(compiled, Compiled)
    assert not compiled.called
    np.testing.assert_array_equal(compiled.run([values])[0], values ** values.dtype.type(exponent))
