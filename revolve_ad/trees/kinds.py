"""What each Python type is in a structured value: a leaf, a container, or neither.

The answer is looked up by ``type(x)``, never by ``isinstance`` on the value: a traced array tells
through its ``__class__`` that it is an ndarray, and a dict lookup costs 30 ns.
"""

import collections
import dataclasses
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import numpy as np

from revolve_ad.errors import LeafError

__all__ = ["KINDS", "Container", "is_leaf", "kind_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """How values of one container type are taken apart and put together again."""

    split: Callable[[Any], tuple[Collection[Any], Any]]
    """value -> (children, the rest), where the rest is hashable: keys, static fields."""
    join: Callable[[Any, Sequence[Any]], Any]
    """(the rest, children) -> value."""
    labels: Callable[[Any, int], list[str]]
    """(the rest, number of children) -> what each child's path adds, such as ``['u']``."""
    keyed: bool = False
    """The rest is the tuple of the keys, and children may come in another order."""


def is_leaf(value: object) -> bool:
    """Tell whether a value is a leaf by its type: an array, a number, or an array-like object."""
    return kind_of(type(value)) is None


def kind_of(cls: type) -> Container | type | None:
    """Return the `Container` of a type, None for a type of leaves, `Unknown` for any other."""
    try:
        return KINDS[cls]
    except KeyError:
        return KINDS.setdefault(cls, _classify(cls))


class Unknown:
    """Stands in the table for types that are neither a leaf nor a container."""


def _classify(cls: type) -> Container | type | None:
    if _is_leaf_type(cls):
        return None
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make"):
        return _named_tuple(cls)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls)
    return Unknown


def _is_leaf_type(cls: type) -> bool:
    if issubclass(cls, np.ndarray):
        # Masked arrays and matrices have other semantics than the array that a copy would be.
        return cls in (np.ndarray, np.memmap)
    if issubclass(cls, np.generic):
        return issubclass(cls, (np.number, np.bool_)) and not issubclass(cls, np.timedelta64)
    if issubclass(cls, (bool, int, float, complex)):
        return True
    protocol = ("__array_ufunc__", "__array_function__", "dtype", "shape")
    return all(getattr(cls, name, None) is not None for name in protocol)


def _indices(rest: object, n: int) -> list[str]:
    return [f"[{i}]" for i in range(n)]


def _keys(rest: tuple[Any, ...], n: int) -> list[str]:
    return [f"[{key!r}]" for key in rest]


def _named_tuple(cls: Any) -> Container:
    labels = [f".{name}" for name in cls._fields]
    return Container(
        split=lambda value: (value, None),
        join=lambda rest, children: cls._make(children),
        labels=lambda rest, n: labels,
    )


def _dataclass(cls: Any) -> Container:
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields if not field.metadata.get("static")]
    static = [field.name for field in fields if field.metadata.get("static")]
    labels = [f".{name}" for name in names]
    parts = _getter(names)
    rest_of = _getter(static)

    def join(rest: tuple[Any, ...] | None, children: Sequence[Any]) -> Any:
        # Past __init__ and __post_init__, which may refuse or convert a traced array, and past
        # __setattr__, which a frozen dataclass forbids.
        value = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(value, name, child)
        for name, thing in zip(static, rest or (), strict=True):
            object.__setattr__(value, name, thing)
        return value

    def split_static(value: Any) -> tuple[Collection[Any], Any]:
        rest = rest_of(value)
        try:
            hash(rest)
        except TypeError as error:
            raise LeafError(
                f"a static field of {cls.__qualname__} is not hashable ({error}): its static "
                f"fields are {', '.join(static)}. Use a hashable value, such as a tuple instead of "
                "a list, or let arrays be ordinary fields."
            ) from None
        return parts(value), rest

    if static:
        return Container(split_static, join, lambda rest, n: labels)
    return Container(lambda value: (parts(value), None), join, lambda rest, n: labels)


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return operator.attrgetter(*names)
    if names:
        one = operator.attrgetter(names[0])
        return lambda value: (one(value),)
    return lambda value: ()


KINDS: Final[dict[type, Container | type | None]] = {
    np.ndarray: None,
    float: None,
    int: None,
    bool: None,
    complex: None,
    type(None): Container(
        split=lambda value: ((), None),
        join=lambda rest, children: None,
        labels=lambda rest, n: [],
    ),
    tuple: Container(
        split=lambda value: (value, None),
        join=lambda rest, children: tuple(children),
        labels=_indices,
    ),
    list: Container(
        split=lambda value: (value, None),
        join=lambda rest, children: list(children),
        labels=_indices,
    ),
    dict: Container(
        split=lambda value: (value.values(), tuple(value)),
        join=lambda rest, children: dict(zip(rest, children, strict=True)),
        labels=_keys,
        keyed=True,
    ),
    collections.OrderedDict: Container(
        split=lambda value: (value.values(), tuple(value)),
        join=lambda rest, children: collections.OrderedDict(zip(rest, children, strict=True)),
        labels=_keys,
        keyed=True,
    ),
}
"""type -> its `Container`, None for a leaf, `Unknown` for neither; grows as types are met."""
