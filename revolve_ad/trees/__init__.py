"""Structured values: arrays and numbers, nested in tuples, lists, dicts, named tuples, dataclasses.

`flatten` takes a value apart into its *leaves* (arrays and numbers) and its `Structure` (the rest),
and `Structure.unflatten` puts it together again, with the same types:

>>> import numpy as np
>>> leaves, structure = flatten({"u": np.zeros(3), "dt": 0.1})
>>> len(leaves), structure
(2, Structure({'u': *, 'dt': *}))
>>> structure.paths("state")
["state['u']", "state['dt']"]

The rules:

- A leaf is a NumPy array of booleans, integers, floats or complex numbers, a number of Python or
  NumPy, or an array-like object that speaks both of NumPy's protocols (``__array_ufunc__`` and
  ``__array_function__``) and has a ``dtype`` and a ``shape``.
- None is an empty structure: no leaf.  So are ``()``, ``[]`` and ``{}``.
- A dict keeps the order in which its keys were inserted, and its leaves come in that order.  Equal
  structures have equal keys *in the same order*, so that the leaves of one fit the other one by
  one; `Structure.flatten_like` matches keys by name, so that a function may return a dict that it
  filled in another order.
- A dataclass is rebuilt field by field, without its ``__init__`` and ``__post_init__``: each field
  is an independent part.  A field with ``metadata={"static": True}`` is no leaf: its value belongs
  to the structure, and must be hashable.
- Anything else raises `LeafError` with its path, such as ``state['u'][0]``, and says what to do.
"""

from revolve_ad.trees.differences import difference, require_same
from revolve_ad.trees.flattening import flatten, flatten_like, map, paths
from revolve_ad.trees.kinds import is_leaf
from revolve_ad.trees.memory import copy, nbytes
from revolve_ad.trees.structure import Structure

__all__ = [
    "Structure",
    "copy",
    "difference",
    "flatten",
    "flatten_like",
    "is_leaf",
    "map",
    "nbytes",
    "paths",
    "require_same",
]
