"""Takes structured values apart; written for speed, since a step given by the user runs it often.

The fast walk only finds that something is wrong; where and what, a second, slow walk finds out.
"""

import reprlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from revolve_ad.errors import LeafError, StructureError
from revolve_ad.trees.differences import difference
from revolve_ad.trees.kinds import KINDS, Container, kind_of
from revolve_ad.trees.structure import LEAF, Structure

__all__ = ["flatten", "flatten_like", "map", "paths"]

_NUMERIC: Final = frozenset("biufc")
_ndarray: Final = np.ndarray


def flatten(value: Any, name: str = "value") -> tuple[list[Any], Structure]:
    """Take a structured value apart.

    Parameters
    ----------
    value
        Arrays and numbers, nested in tuples, lists, dicts, named tuples and dataclasses.
    name : str
        What the value is called in messages, such as ``"state"``.

    Returns
    -------
    leaves : list
        The arrays and numbers themselves, not copied, in a fixed order: dicts by insertion, fields
        by declaration.
    structure : Structure
        The rest; ``structure.unflatten(leaves)`` is the way back.

    Raises
    ------
    LeafError
        If a part is neither a leaf nor a container, or an array doesn't hold numbers; the message
        names the path and what to do.
    StructureError
        If a container holds itself.
    """
    if type(value) is _ndarray and value.dtype.kind in _NUMERIC:
        return [value], LEAF
    leaves: list[Any] = []
    try:
        structure = _walk(value, leaves)
    except RecursionError:
        raise StructureError(
            f"{name} is nested too deep to be taken apart; it may hold itself: "
            f"{reprlib.repr(value)}"
        ) from None
    if structure is None:
        raise LeafError(_complaint(value, name) or f"{name} changed while it was read.")
    return leaves, structure


def flatten_like(structure: Structure, value: Any, name: str = "value") -> list[Any]:
    """Return the leaves of a value that must have a known structure.

    Faster than `flatten`, and more tolerant in one thing: a dict may hold its keys in another
    order.  The leaves' shapes and dtypes are not looked at.

    Parameters
    ----------
    structure : Structure
        What the value must have.
    value
        A structured value.
    name : str
        What the value is called in messages, such as ``"state"``.

    Returns
    -------
    leaves : list of ``structure.n_leaves`` leaves
        In the order of `structure`, not copied.

    Raises
    ------
    StructureError
        If `value` has another structure; the message names the first place that differs.
    LeafError
        If a part of it is neither a leaf nor a container.
    """
    if structure is LEAF and type(value) is _ndarray:
        return [value]
    leaves: list[Any] = []
    if not _collect(structure, value, leaves):
        found = flatten(value, name)[1]
        text = difference(structure, found, name) or f"{name} changed while it was read"
        raise StructureError(f"{text}; the structure must be {structure!r}, and it is {found!r}.")
    return leaves


def map(function: Callable[..., Any], value: Any, *others: Any, name: str = "value") -> Any:
    """Apply a function to each leaf, or to the leaves of several values of one structure.

    Parameters
    ----------
    function : callable
        Called with a leaf of `value` and the leaves that stand in its place in `others`.
    value, *others
        Structured values; the structure of the first one counts.
    name : str
        What the values are called in messages.

    Returns
    -------
    value
        The structure of the first value with the results as leaves.
    """
    leaves, structure = flatten(value, name)
    rows = [flatten_like(structure, other, name) for other in others]
    return structure.unflatten([function(*row) for row in zip(leaves, *rows, strict=True)])


def paths(value: Any, name: str = "state") -> list[str]:
    """Return where each leaf of a value, or of a `Structure`, stands.

    >>> paths({"u": (1.0, 2.0), "dt": 0.1})
    ["state['u'][0]", "state['u'][1]", "state['dt']"]
    """
    structure = value if type(value) is Structure else flatten(value, name)[1]
    return structure.paths(name)


def _walk(value: Any, leaves: list[Any]) -> Structure | None:
    """Collect the leaves and return the structure; None if there is anything else in it."""
    cls = type(value)
    kind = KINDS[cls] if cls in KINDS else kind_of(cls)
    if kind is None:
        if cls is _ndarray and value.dtype.kind not in _NUMERIC:
            return None
        leaves.append(value)
        return LEAF
    if type(kind) is not Container:
        return None
    before = len(leaves)
    parts, rest = kind.split(value)
    children = []
    flat = True
    for part in parts:
        # Arrays are taken here: a call for each would cost more than all the rest.
        if type(part) is _ndarray:
            if part.dtype.kind not in _NUMERIC:
                return None
            leaves.append(part)
            children.append(LEAF)
            continue
        child = _walk(part, leaves)
        if child is None:
            return None
        if child is not LEAF:
            flat = False
        children.append(child)
    return Structure(cls, kind, rest, tuple(children), len(leaves) - before, flat)


def _collect(structure: Structure, value: Any, leaves: list[Any]) -> bool:
    """Append the leaves of a value that has this structure; return False if it hasn't."""
    cls = type(value)
    container = structure.container
    if container is None:
        leaves.append(value)
        return kind_of(cls) is None
    if cls is not structure.type:
        return False
    parts, rest = container.split(value)
    expected = structure.rest
    if rest is not expected and rest != expected:
        if not container.keyed or len(rest) != len(expected) or set(rest) != set(expected):
            return False
        parts = [value[key] for key in expected]
    children = structure.children
    if len(parts) != len(children):
        return False
    if structure.flat:
        leaves.extend(parts)
        for part in parts:
            if type(part) is not _ndarray and kind_of(type(part)) is not None:
                return False
        return True
    for child, part in zip(children, parts, strict=True):
        if child is LEAF and type(part) is _ndarray:
            leaves.append(part)
        elif not _collect(child, part, leaves):
            return False
    return True


def _complaint(value: Any, path: str) -> str | None:
    """Say what the first part that isn't allowed is, where it stands and what to do."""
    cls = type(value)
    kind = kind_of(cls)
    if kind is None:
        if cls is _ndarray and value.dtype.kind not in _NUMERIC:
            return (
                f"{path} is an array of dtype {value.dtype}; allowed are booleans, integers, "
                f"floats and complex numbers. {_remedy_for_dtype(value.dtype)}"
            )
        return None
    if type(kind) is not Container:
        return (
            f"{path} is a {_type_name(cls)} ({reprlib.repr(value)}), which is neither an array nor "
            "a number; allowed are these, nested in tuples, lists, dicts, named tuples, "
            f"dataclasses, and None. {_remedy(cls)}"
        )
    parts, rest = kind.split(value)
    for label, part in zip(kind.labels(rest, len(parts)), parts, strict=True):
        text = _complaint(part, path + label)
        if text is not None:
            return text
    return None


def _remedy_for_dtype(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "O":
        return "Make it numeric: np.array(x, dtype=float), with rows of one length."
    if dtype.names is not None:
        return "Pass its fields as a dict: {name: x[name] for name in x.dtype.names}."
    if dtype.kind in "mM":
        return "Pass a number of seconds: (x - x[0]) / np.timedelta64(1, 's')."
    return "Leave it out, and let the function read it as a captured variable."


def _remedy(cls: type) -> str:
    if issubclass(cls, _ndarray):
        return "Pass np.asarray(x), which has the semantics that the library reproduces."
    if issubclass(cls, dict):
        return "Pass dict(x)."
    if issubclass(cls, (list, tuple)):
        return "Pass list(x) or tuple(x)."
    if hasattr(cls, "tocsr"):
        return (
            "Pass the values of its entries, x.data, as an array, and let the function rebuild "
            "the matrix from captured indices."
        )
    if hasattr(cls, "to_numpy"):
        return "Pass x.to_numpy()."
    if hasattr(cls, "__float__"):
        return "Pass float(x) or np.asarray(x, dtype=float)."
    return (
        "Leave it out and let the function read it as a captured variable, or mark the field of "
        "a dataclass as static: field(metadata={'static': True})."
    )


def _type_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
