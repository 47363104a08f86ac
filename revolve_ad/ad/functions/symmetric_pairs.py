"""Eigenvalues and vectors of symmetric and Hermitian matrices by `scipy.linalg`, and of pairs.

The values are SciPy's, so that signs and phases are those of its own vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.factors import refused
from revolve_ad.ad.functions.foreign import Keywords, bound, foreign, scipy_function
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_tangents
from revolve_ad.ad.functions.linalg import INV, _adjoint, _eigh_tangent, _from_triangle
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.linalg"


def _eigh(a: Any, keywords: Any) -> Any:
    return scipy_function(_MODULE, "eigh")(a, **keywords.values)


EIGH = Primitive("eigh", _eigh, params=("keywords",))
define_by_tangents(
    EIGH,
    lambda t, w, v, a, keywords: _eigh_tangent(
        t, w, v, a, "L" if keywords.values["lower"] else "U"
    ),
)


EIGVALSH = Primitive(
    "eigvalsh",
    lambda a, keywords: scipy_function(_MODULE, "eigvalsh")(a, **keywords.values),
    params=("keywords",),
)
define_by_equal(EIGVALSH, lambda a, keywords: apply(EIGH, (a,), (keywords,))[0])


# The generalized problem, and a part of the eigenvalues: of each, a and the identity is a case.


def _with_b(a: Any, b: Any, keywords: Any) -> Any:
    values = {**keywords.values}
    if values.pop("plain"):
        b = None
    return scipy_function(_MODULE, "eigh")(a, b, **values)


EIGH_B = Primitive("eigh", _with_b, params=("keywords",))


def _all_pairs(a: Any, b: Any, keywords: Any) -> Any:
    """Return all eigenvalues and vectors, of which the call may want some only."""
    values = {**keywords.values, "subset_by_index": None}
    if values["driver"] not in ("gv", "gvd", "ev", "evd"):  # those that can find some
        values["driver"] = None
    return apply(EIGH_B, (a, b), (Keywords(values),))


def _pair_tangent(da: Any, db: Any, w: Any, v: Any, a: Any, b: Any, keywords: Any) -> Any:
    """Return the tangents of w and v, a v = w b v and vᴴ b v = 1, along symmetric da and db.

    vᵢᴴ (da − wⱼ db) vⱼ / (wⱼ − wᵢ) is how much of vᵢ comes to vⱼ, and −½ vⱼᴴ db vⱼ of itself;
    for the two other types b or its inverse takes both places.
    """
    lower = keywords.values["lower"]
    da, db = _from_triangle(da, lower), _from_triangle(db, lower)
    if keywords.values["type"] == 2:  # a b v = w v: b a b v = w b v
        a, b = _from_triangle(a, lower), _from_triangle(b, lower)
        turned = np.matmul(np.matmul(db, a), b)
        da = turned + _adjoint(turned) + np.matmul(np.matmul(b, da), b)
    elif keywords.values["type"] == 3:  # b a v = w v: a v = w b⁻¹ v
        inverse = apply(INV, (_from_triangle(b, lower),))
        db = -np.matmul(np.matmul(inverse, db), inverse)
    all_w, all_v = w, v
    first = 0
    if keywords.values["subset_by_index"] is not None:
        all_w, all_v = _all_pairs(a, b, keywords)
        first = int(keywords.values["subset_by_index"][0])
    by_a, by_b = np.matmul(da, v), np.matmul(db, v)
    own = (np.arange(all_w.shape[0])[:, None] - first) == np.arange(w.shape[0])
    gap = w - all_w[:, None]
    equal = own | (gap == 0)
    mixed = np.matmul(_adjoint(all_v), by_a - by_b * w)
    mixed = np.where(equal, 0.0, mixed / np.where(equal, 1.0, gap))
    itself = np.sum(np.conjugate(v) * by_b, axis=0).real
    slopes = np.sum(np.conjugate(v) * by_a, axis=0).real - itself * w
    return slopes, np.matmul(all_v, mixed) - 0.5 * itself * v


define_by_tangents(
    EIGH_B,
    lambda t, w, v, a, b, keywords: _pair_tangent(t, 0 * b, w, v, a, b, keywords),
    lambda t, w, v, a, b, keywords: _pair_tangent(0 * a, t, w, v, a, b, keywords),
)

EIGVALSH_B = Primitive(
    "eigvalsh",
    lambda a, b, keywords: _with_b(a, b, Keywords({**keywords.values, "eigvals_only": True})),
    params=("keywords",),
)
define_by_equal(EIGVALSH_B, lambda a, b, keywords: apply(EIGH_B, (a, b), (keywords,))[0])


@foreign(_MODULE, "eigh", "eigvalsh")
def eigh(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a, b), rest = bound(rec, original, ("a", "b"), args, kwargs)
    if rest["subset_by_value"] is not None:
        raise refused(f"{original.__name__} with subset_by_value=")
    values_alone = original.__name__ == "eigvalsh" or rest["eigvals_only"]
    keywords = {"lower": rest["lower"], "driver": rest.get("driver")}
    plain_b = b.dtype == object  # None
    if plain_b and rest["subset_by_index"] is None:
        return apply(EIGVALSH if values_alone else EIGH, (a,), (Keywords(keywords),))
    keywords["plain"] = plain_b
    keywords["type"] = rest["type"]
    keywords["subset_by_index"] = rest["subset_by_index"]
    operands = (a, np.eye(a.shape[-1], dtype=a.dtype) if plain_b else b)
    return apply(EIGVALSH_B if values_alone else EIGH_B, operands, (Keywords(keywords),))
