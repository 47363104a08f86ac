"""Says in words where two structures differ first."""

import reprlib

from revolve_ad.errors import StructureError
from revolve_ad.trees.structure import LEAF, Structure

__all__ = ["difference", "require_same"]


def difference(expected: Structure, found: Structure, name: str = "value") -> str | None:
    """Return a sentence on the first place where two structures differ, None if they are equal.

    Dicts are compared by key, so that two that hold the same keys in another order don't differ
    here, though the structures aren't equal.

    >>> from revolve_ad.trees import flatten
    >>> one = flatten({"u": (1.0, 2.0)})[1]
    >>> two = flatten({"u": (1.0, 2.0, 3.0)})[1]
    >>> difference(one, two, "state")
    "state['u'] is a tuple of 3 instead of 2"
    """
    if expected is found:
        return None
    if expected.type is not found.type:
        return f"{name} is {_kind(found)} instead of {_kind(expected)}"
    pairs = list(zip(expected.labels(), expected.children, strict=True))
    others = dict(zip(found.labels(), found.children, strict=True))
    if expected.container is not None and expected.container.keyed:
        missing = [key for key in expected.rest if key not in found.rest]
        surplus = [key for key in found.rest if key not in expected.rest]
        if missing or surplus:
            lacks = [f"lacks the key {key!r}" for key in missing[:3]]
            holds = [f"has the key {key!r} that is not expected" for key in surplus[:3]]
            return f"{name} {' and '.join(lacks + holds)}"
    elif len(expected.children) != len(found.children):
        return f"{name} is {_kind(found)} instead of {len(expected.children)}"
    elif expected.rest != found.rest:
        came, allowed = reprlib.repr(found.rest), reprlib.repr(expected.rest)
        return f"{name} has the static fields {came} instead of {allowed}"
    for label, child in pairs:
        text = difference(child, others[label], name + label)
        if text is not None:
            return text
    return None


def require_same(expected: Structure, found: Structure, name: str = "value") -> None:
    """Raise `StructureError` with the first difference, unless two structures are equal.

    Raises
    ------
    StructureError
        Names the path, what stands there, and what is expected.
    """
    if expected == found:
        return
    text = difference(expected, found, name)
    if text is None:
        text = f"{name} holds the keys of a dict in another order"
    raise StructureError(f"{text}; the structure must be {expected!r}, and it is {found!r}.")


def _kind(structure: Structure) -> str:
    if structure is LEAF:
        return "an array or a number"
    if structure.type is type(None):
        return "None"
    if structure.type in (tuple, list):
        return f"a {structure.type.__name__} of {len(structure.children)}"
    return f"a {structure.type.__name__}"
