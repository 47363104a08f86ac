"""How NumPy's functions are recorded, by kind; importing this package fills the tables."""

from revolve_ad.ad.functions import (
    creation,
    filters,
    formulas,
    fourier,
    indexing,
    linalg,
    order,
    products,
    queries,
    rearranging,
    reductions,
    selection,
    shapes,
    source,
    ufunc_methods,
    without_nan,
)

__all__ = [
    "creation",
    "filters",
    "formulas",
    "fourier",
    "indexing",
    "linalg",
    "order",
    "products",
    "queries",
    "rearranging",
    "reductions",
    "selection",
    "shapes",
    "source",
    "ufunc_methods",
    "without_nan",
]
