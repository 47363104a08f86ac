"""How NumPy's functions are recorded, by kind; importing this package fills the tables."""

from revolve_ad.ad.functions import (
    creation,
    indexing,
    products,
    queries,
    reductions,
    selection,
    shapes,
    source,
    ufunc_methods,
)

__all__ = ["creation", "indexing", "products", "queries", "reductions", "selection", "shapes", "source", "ufunc_methods"]
