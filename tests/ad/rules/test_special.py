"""All of `scipy.special`: each ufunc has a tested derivative, or says by what it has none."""

import inspect

import numpy as np
import pytest
import scipy
import scipy.special as sp

import revolve_ad as ra
from revolve_ad.ad.core import elementwise
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.rules.special import MANY, ONE
from revolve_ad.ad.rules.table import FREE, VJP, Missing
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.errors import TracedValueError, UnsupportedOperationError
from tests.ad.rules.harness import Draw, check, positive
from tests.ad.rules.special import COMPLEX, DOUBLE_ONLY, IMPRECISE, POINTS, WITHOUT_SECOND, draws

UFUNCS = sorted(
    name
    for name, f in vars(sp).items()
    if isinstance(f, np.ufunc) and getattr(np, name, None) is not f
)
if tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15):
    UFUNCS = [name for name in UFUNCS if not name.startswith(IMPRECISE)]


def partials(name):
    """Return what the tables hold for a ufunc: a row of partials a result."""
    name = getattr(sp, name).__name__
    return MANY[name] if name in MANY else (ONE[name],)


def is_free(name):
    op = elementwise(getattr(sp, name))
    return VJP.get(op) is None and op in FREE


def missing(partial):
    try:
        return isinstance(partial(), Missing)
    except Exception:
        return False


def operands_without_derivative(name):
    return [k for k, column in enumerate(zip(*partials(name), strict=True)) if missing(column[0])]


def with_draws(name):
    """Return the function of those operands that are drawn, and how they are."""
    operands = draws(name)
    drawn = [k for k, o in enumerate(operands) if isinstance(o, Draw)]

    def f(*xs):
        values = list(operands)
        for k, x in zip(drawn, xs, strict=True):
            values[k] = x
        return getattr(sp, name)(*values)

    return f, [operands[k] for k in drawn]


def shaped(draw, *shape):
    return Draw(shape, draw.shaped)


def test_every_ufunc_has_rules():
    rules = {name: VJP.get(elementwise(getattr(sp, name))) for name in UFUNCS}
    free = {name for name in UFUNCS if elementwise(getattr(sp, name)) in FREE}
    assert {name for name, rule in rules.items() if rule is None} == free
    assert free == {"gammasgn", "round"}


@pytest.mark.parametrize("name", UFUNCS)
def test_derivatives_of_special_functions(name):
    if is_free(name):
        check(lambda x: x * getattr(sp, name)(x), positive(3))
        return
    if len(operands_without_derivative(name)) == getattr(sp, name).nin:
        return  # the next test calls it
    f, operands = with_draws(name)
    single = not name.startswith(DOUBLE_ONLY)
    second = name not in WITHOUT_SECOND
    check(f, *operands, rtol=2e-6, step=1e-3, single=single, second=second, complex=name in COMPLEX)
    first = {"rtol": 2e-6, "step": 1e-3, "layouts": False, "second": False, "single": single}
    check(f, *(shaped(d) for d in operands), **first)
    check(f, *(shaped(d, 0, 2) for d in operands), **first)
    if len(operands) > 1:
        check(f, shaped(operands[0], 2, 1), *(shaped(d, 3) for d in operands[1:]), **first)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in UFUNCS if not is_free(n)])
def test_operands_without_a_derivative_raise_and_name_themselves(name):
    f = getattr(sp, name)
    values = [0.5] * f.nin
    if name in POINTS:
        rng = np.random.default_rng(0)
        values = [o(rng, float, (2,)) if isinstance(o, Draw) else o for o in draws(name)]
    for k in operands_without_derivative(name):
        if k == 0 and f.types == ["ld->d"]:
            continue  # the degree is a whole number, or NumPy raises

        def by_k(x, k=k):
            found = f(*values[:k], x, *values[k + 1 :])
            return np.real(found[0] if isinstance(found, tuple) else found)

        at = np.full(2, float(np.ravel(values[k])[0]))
        with np.errstate(all="ignore"):
            for derivative in (
                lambda at=at: ra.vjp(by_k, at)[1](np.ones(2)),
                lambda at=at: ra.jvp(by_k, (at,), (np.ones(2),)),
            ):
                with pytest.raises(UnsupportedOperationError, match=r"no derivative by its"):
                    derivative()
            # As a constant the same operand is no obstacle.
            assert ra.grad(lambda x: np.sum(by_k(ra.stop_gradient(x))))(at).tolist() == [0, 0]


def test_a_ufunc_that_nobody_knows_raises_at_the_call():
    odd = np.frompyfunc(lambda x: x * x, 1, 1)
    with pytest.raises(UnsupportedOperationError, match="has no rule(.|\n)*@ra.primitive"):
        trace(lambda x: odd(x), (np.ones(2),))

    def of_a_constant(x):
        return np.sum(
            x * odd(np.full(2, 3.0)).astype(float) * odd(ra.stop_gradient(x)).astype(float)
        )

    assert ra.grad(of_a_constant)(np.array([1.0, 2.0])).tolist() == [9.0, 36.0]


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_degrees_from_zero_on(n):
    for name in POINTS:
        if name.startswith("eval_"):
            f = getattr(sp, name)
            others = draws(name)[1:-1]
            x = draws(name)[-1]
            check(
                lambda x, f=f, others=others: f(n, *others, x),
                shaped(x, 3),
                rtol=2e-6,
                layouts=False,
                single=False,
            )
    check(lambda x: sp.expn(n, x), positive(3), rtol=2e-6, layouts=False, single=False)


def at(x0):
    """Return a draw of the one point `x0`, where a formula is 0/0 or infinite."""
    return Draw((2,), lambda x: 0 * x + x0)


@pytest.mark.parametrize(
    ("f", "x0"),
    [
        (sp.ellipk, 0.0),
        (sp.ellipe, 0.0),
        (lambda m: sp.ellipkinc(0.7, m), 0.0),
        (lambda m: sp.ellipeinc(0.7, m), 0.0),
        (sp.exprel, 0.0),
        (sp.spence, 1.0),
        (lambda x: sp.sici(x)[0], 0.0),
        (lambda x: sp.shichi(x)[0], 0.0),
        (lambda x: sp.eval_legendre(3, x), 1.0),
        (lambda x: sp.eval_chebyu(3, x), -1.0),
        (lambda p: sp.boxcox(1.7, p), 0.0),
        (lambda p: sp.boxcox1p(0.7, p), 0.0),
        (lambda p: sp.inv_boxcox(0.7, p), 0.0),
        (lambda a: sp.agm(a, 1.3), 1.3),
        (lambda x: sp.elliprc(x, 1.3), 1.3),
        (lambda p: sp.ellipkm1(p), 1.0),
    ],
)
def test_removable_singularities(f, x0):
    check(f, at(x0), rtol=1e-5, step=1e-2, second=False, single=False, layouts=False)


# -- functions that aren't ufuncs ------------------------------------------------------------------

PYTHON = {
    "logsumexp": lambda x: sp.logsumexp(x, axis=1, keepdims=True),
    "logsumexp b": lambda x: sp.logsumexp(x, b=np.array([1.0, 2.0, 0.5])),
    "logsumexp traced b": lambda x: sp.logsumexp(2 * x, axis=0, b=x[1]),
    "logsumexp sign": lambda x: sp.logsumexp(x, b=-x, axis=0, return_sign=True),
    "softmax": lambda x: sp.softmax(x, axis=0),
    "log_softmax": lambda x: sp.log_softmax(x, axis=-1),
    "sinc": sp.sinc,
    "lambertw": sp.lambertw,
    "lambertw branch": lambda x: sp.lambertw(-0.1 * x, -1).real,
    "polygamma": lambda x: sp.polygamma(2, x),
    "zeta": lambda x: sp.zeta(2.5, x),
    "multigammaln": lambda x: sp.multigammaln(x[0] + 2, 2),
    **{
        f"{name} {n}": lambda x, f=name, n=n: getattr(sp, f)(1.5, x, n)
        for name in ("jvp", "yvp", "ivp", "kvp", "h1vp", "h2vp")
        for n in (1, 2)
    },
    **{
        f"{name} {derivative}": lambda x, f=name, d=derivative: getattr(sp, f)(2, x, d)
        for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn")
        for derivative in (False, True)
    },
}
if hasattr(sp, "softplus"):
    PYTHON["softplus"] = sp.softplus


@pytest.mark.parametrize("name", PYTHON)
def test_functions_that_are_not_ufuncs(name):
    second = not name.startswith("sinc")
    check(PYTHON[name], positive(2, 3), rtol=2e-6, single=False, second=second)


OTHERS = sorted(
    name
    for name, f in vars(sp).items()
    if callable(f)
    and not isinstance(f, np.ufunc | type)
    and not name.startswith("_")
    and name not in ("test", "geterr", "seterr")
    and name not in {n.split()[0] for n in PYTHON}
    and name not in FOREIGN["scipy.special"]  # tested in test_scipy.py
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OTHERS)
def test_no_other_function_is_silently_constant(name):
    """Each is called with traced numbers where it takes some; what comes back must be traced."""
    f = getattr(sp, name)
    try:
        arity = len(
            [
                p
                for p in inspect.signature(f).parameters.values()
                if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            ]
        )
    except (TypeError, ValueError):
        arity = 2
    for k in range(max(arity, 1)):

        def call(x, k=k):
            return f(*[2] * k, x, *[2] * (arity - k - 1))

        try:
            recording = trace(call, (np.full(2, 1.5),))
        except TracedValueError as error:
            if name not in str(error):
                raise
            continue
        except (UnsupportedOperationError, TypeError, ValueError, IndexError):
            continue
        looked = recording.tape.depends_on_values or ""
        if "int()" in looked or "integer" in looked or "math." in looked:
            continue  # a whole number: what lies between makes no difference
        try:
            check(call, positive(2), single=False, second=False, rtol=1e-5, looks=True)
        except UnsupportedOperationError as error:
            if "no derivative by its argument" not in str(error):
                raise


def test_orders_are_not_silently_constant_in_python_functions():
    with pytest.raises(TracedValueError, match=r"scipy.special.jvp has no rule"):
        ra.grad(lambda v: sp.jvp(v, 2.0, 1))(1.5)


@pytest.mark.parametrize("kind", ["legendre", "chebyt", "chebyu", "chebyc", "chebys"])
def test_polynomials_of_the_lowest_degrees_and_below_have_finite_derivatives(kind):
    # Of second order a derivative of degree n asks SciPy for degree n − 2.
    f = getattr(sp, f"eval_{kind}")
    for n in (0, 1, 0.0, 1.0, -1, -3, -4.0, -0.3):
        slope = ra.grad(lambda x, n=n: f(n, x))
        first = (f(n, 0.3 + 1e-4) - f(n, 0.3 - 1e-4)) / 2e-4
        second = (slope(0.3 + 1e-4) - slope(0.3 - 1e-4)) / 2e-4
        assert slope(0.3) == pytest.approx(first, rel=1e-6, abs=1e-7)
        assert ra.hvp(lambda x, n=n: f(n, x), 0.3, 1.0) == pytest.approx(second, rel=1e-6, abs=1e-7)
