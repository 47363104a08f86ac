"""Every ufunc of NumPy with every method that NumPy lets it have, against every oracle."""

import functools

import numpy as np
import pytest

from revolve_ad.ad.recording.call import trace
from tests.ad.rules.harness import Draw, check, drawn, integers, one, positive, spread
from tests.ad.rules.test_elementwise import BINARY, UNARY, between

UFUNCS = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc)}
# Results of such are complex, or the steps between them too coarse for differences.
COARSE = {"nextafter", "spacing"}
WHOLE = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    "gcd",
    "lcm",
    "invert",
    "bitwise_count",
    "ldexp",
]


def apart(*shape):
    """Positive numbers, of which no quotient of neighbours is near a whole number."""
    return Draw(shape, lambda x: spread(*shape).shaped(x) + 0.37 + np.size(x))


DRAWS = {
    **{name: draw for name, draw, _ in UNARY},
    **{name: left for name, left, _, _ in BINARY},
    **dict.fromkeys(("fmod", "remainder", "mod", "divmod", "floor_divide"), apart),
    **dict.fromkeys(("power", "float_power", "divide", "arctan2", "hypot"), positive),
    **dict.fromkeys(("heaviside",), spread),
}


def method_calls(ufunc):
    """Return what may be called: a function of the operands and how they are drawn, by name."""
    name = ufunc.__name__
    whole = name in WHOLE
    draw = (lambda *n: integers(*n, below=4)) if whole else DRAWS.get(name, one)
    second = (lambda *n: integers(*n, below=3)) if whole else draw
    if name in ("maximum", "minimum", "fmax", "fmin", "heaviside", "less", "greater"):
        second = between
    if name in ("fmod", "remainder", "mod", "floor_divide"):
        second = functools.partial(positive, low=20.0)
    f = ufunc
    calls = {}
    if ufunc.nin == 2:
        calls |= {
            "reduce": (lambda x: f.reduce(x), [draw(3, 2)]),
            "reduce axis": (lambda x: f.reduce(x, axis=1, keepdims=True), [draw(2, 3)]),
            "reduce axes": (lambda x: f.reduce(x, axis=(0, 2)), [draw(2, 3, 2)]),
            "reduce one": (lambda x: f.reduce(x, axis=1), [draw(3, 1)]),
            "accumulate": (lambda x: f.accumulate(x, axis=1), [draw(2, 3)]),
            "reduceat": (lambda x: f.reduceat(x, [0, 2, 1]), [draw(4)]),
            "outer": (lambda x, y: f.outer(x, y), [draw(3), second(2)]),
            "outer constant": (lambda x: f.outer(x, x[:2] * 0 + 1), [draw(3)]),
        }
    if name in ("power", "arctan2"):
        # Along an axis that lies in memory one after the other, NumPy 2.4 skips all but the first
        # and the last element where the processor has AVX512.
        del calls["reduce axis"], calls["reduce axes"], calls["reduceat"]
    if ufunc.nin <= 2 and ufunc.nout == 1:

        def at(x, *y):
            x = x * 1
            f.at(x, [0, 2, 0] if y else [0, 2], *y)
            return x

        calls["at"] = (at, [draw(3), *[second(3)] * (ufunc.nin - 1)])
        calls["at number"] = (lambda x, *y: at(x, *(v[1] for v in y)), calls["at"][1])
    return calls


CALLS = [
    (name, call)
    for name, ufunc in sorted(UFUNCS.items())
    if ufunc.signature is None
    for call in method_calls(ufunc)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({name for name, _ in CALLS}))
def test_methods(name):
    for call, (f, operands) in method_calls(UFUNCS[name]).items():
        rng = np.random.default_rng(7)
        values = [drawn(o, rng, float) for o in operands]
        try:
            with np.errstate(all="ignore"):
                f(*values)
        except Exception as error:
            with pytest.raises(type(error)):
                trace(f, tuple(values))
            continue
        try:
            rng = np.random.default_rng(0)
            f(*(drawn(o, rng, np.float32) for o in operands))
            single = True
        except Exception:
            single = False
        try:
            check(
                f,
                *operands,
                single=single,
                layouts=call in ("reduce axes", "accumulate", "outer", "at"),
                second=name not in COARSE and call in ("reduce", "accumulate", "at"),
                looks=True,
                rtol=1e-6,
            )
        except Exception as error:
            error.add_note(f"np.{name}.{call}")
            raise
