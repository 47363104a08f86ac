"""The structure of a value: everything but its leaves, comparable, hashable, picklable."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, final

from revolve_ad.errors import StructureError
from revolve_ad.trees.kinds import Container, kind_of

__all__ = ["LEAF", "Leaf", "Structure"]


class Leaf:
    """Stands as the type in the structure of a bare leaf."""


@final
class Structure:
    """What remains of a structured value when its leaves are taken out.

    Made by `flatten`, not by hand.  Two structures are equal when the leaves of one fit the other
    one by one: the same types, the same keys in the same order, equal static fields.  What kind of
    leaf stands where (array or number), its shape and its dtype are no part of the structure.

    Attributes
    ----------
    type : type
        The container type at the root; NoneType for None, a marker class for a bare leaf.
    rest : object
        What the container holds besides its children: the keys of a dict, the static fields of a
        dataclass, else None.
    children : tuple of Structure
        The structures of the parts, in the order of the leaves.
    n_leaves : int
        How many leaves there are in all.
    """

    __slots__ = ("_hash", "children", "container", "flat", "n_leaves", "rest", "type")

    def __init__(
        self,
        cls: type,
        container: Container | None,
        rest: Any,
        children: "tuple[Structure, ...]",
        n_leaves: int,
        flat: bool,
    ) -> None:
        self.type: type = cls
        self.container: Container | None = container
        self.rest: Any = rest
        self.children: tuple[Structure, ...] = children
        self.n_leaves: int = n_leaves
        self.flat: bool = flat  # all children are leaves
        self._hash: int | None = None

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """Put leaves into this structure.

        Parameters
        ----------
        leaves : sequence of n_leaves objects
            Any objects, in the order in which `flatten` gives leaves.

        Returns
        -------
        value
            A new value of the types that were flattened; the leaves themselves are not copied.

        Raises
        ------
        StructureError
            If the number of leaves is not `n_leaves`.
        """
        if len(leaves) != self.n_leaves:
            raise StructureError(
                f"{len(leaves)} leaves were given for {self!r}, which holds {self.n_leaves}; "
                "give one for each place."
            )
        if self.container is None:
            return leaves[0]
        if self.flat:
            return self.container.join(self.rest, leaves)
        return _rebuild(self, self.container, iter(leaves))

    def paths(self, name: str = "value") -> list[str]:
        """Return where each leaf stands, such as ``state['u'][0]``, in the order of the leaves."""
        found: list[str] = []
        _collect_paths(self, name, found)
        return found

    def labels(self) -> list[str]:
        """Return what each child adds to the path: ``['u']``, ``[0]`` or ``.field``."""
        if self.container is None:
            return []
        return self.container.labels(self.rest, len(self.children))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not Structure:
            return NotImplemented
        return (
            self.type is other.type
            and self.n_leaves == other.n_leaves
            and bool(self.rest == other.rest)
            and self.children == other.children
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.type, self.rest, self.children))
        return self._hash

    def __repr__(self) -> str:
        return f"Structure({_show(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.container is None:
            return _leaf, ()
        return _node, (self.type, self.rest, self.children)


LEAF: Final = Structure(Leaf, None, None, (), 1, False)
"""The structure of a bare leaf; there is only this one."""


def _leaf() -> Structure:
    return LEAF


def _node(cls: type, rest: object, children: tuple[Structure, ...]) -> Structure:
    container = kind_of(cls)
    if not isinstance(container, Container):
        raise StructureError(
            f"a saved structure holds a {cls.__qualname__}, which is no container any more; "
            "make it a named tuple or a dataclass again, or drop what was saved."
        )
    n_leaves = sum(child.n_leaves for child in children)
    return Structure(cls, container, rest, children, n_leaves, all(c is LEAF for c in children))


def _rebuild(structure: Structure, container: Container, leaves: Iterator[Any]) -> Any:
    children = [
        next(leaves) if child.container is None else _rebuild(child, child.container, leaves)
        for child in structure.children
    ]
    return container.join(structure.rest, children)


def _collect_paths(structure: Structure, prefix: str, found: list[str]) -> None:
    if structure.container is None:
        found.append(prefix)
        return
    for label, child in zip(structure.labels(), structure.children, strict=True):
        _collect_paths(child, prefix + label, found)


def _show(structure: Structure) -> str:
    if structure.container is None:
        return "*"
    parts = [_show(child) for child in structure.children]
    if structure.type is type(None):
        return "None"
    if structure.type is list:
        return f"[{', '.join(parts)}]"
    if structure.type is tuple:
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if structure.container.keyed:
        pairs = zip(structure.rest, parts, strict=True)
        inside = "{" + ", ".join(f"{key!r}: {part}" for key, part in pairs) + "}"
        return inside if structure.type is dict else f"{structure.type.__name__}({inside})"
    named = (f"{label[1:]}={part}" for label, part in zip(structure.labels(), parts, strict=True))
    return f"{structure.type.__name__}({', '.join(named)})"
