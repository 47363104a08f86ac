"""One line of a tape: an elementary operation on earlier lines, and the type of its value."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ArrayType", "Kind", "Node", "Primitive", "live_nodes"]


class Kind(Enum):
    """What a primitive does, for those who run or compile it."""

    INPUT = auto()
    CONSTANT = auto()
    ELEMENTWISE = auto()  # one value for each point of the broadcast operands
    STRUCTURE = auto()  # gather, scatter, broadcast: moves elements
    REDUCTION = auto()
    OPAQUE = auto()  # anything else: runs as one call


class ArrayType(NamedTuple):
    """Shape and dtype of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Primitive:
    """An elementary operation.

    Parameters
    ----------
    name : str
        What a printed tape shows.
    evaluate : callable
        ``evaluate(*operands, *params)`` computes the value with NumPy.
    infer : callable, optional
        ``infer(*types, *params)`` gives the `ArrayType` of the value, or a tuple of them for
        several results.  Without it, `evaluate` is tried on arrays of ones.
    kind : Kind
        How the operation acts on its operands' elements.
    params : tuple of str
        Names of the static parameters, hashable values that follow the operands.
    ufunc : numpy.ufunc, optional
        The ufunc that computes an elementwise primitive (it can write to ``out=``).
    reads_operands, reads_result : bool
        Whether the derivative rules read the operands' values, and the result's.  A recording
        whose gradient will be asked for keeps what is read; what turns out to be missing is
        computed again.
    together : callable, optional
        ``together(list of operands, *params)`` computes as many values at once, where that costs
        less than one after the other.
    into : callable, optional
        ``into(*operands, out)`` computes the value of vectors and matrices of one dtype, with the
        same bits, into an array in C order; without `out` the value is in C order too.
    """

    __slots__ = (
        "evaluate",
        "infer",
        "into",
        "kind",
        "name",
        "params",
        "reads_operands",
        "reads_result",
        "together",
        "ufunc",
    )

    def __init__(
        self,
        name: str,
        evaluate: Callable[..., Any],
        *,
        infer: Callable[..., Any] | None = None,
        kind: Kind = Kind.OPAQUE,
        params: tuple[str, ...] = (),
        ufunc: np.ufunc | None = None,
        reads_operands: bool = True,
        reads_result: bool = True,
        together: Callable[..., Any] | None = None,
        into: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.evaluate = evaluate
        self.infer = infer
        self.kind = kind
        self.params = params
        self.ufunc = ufunc
        self.reads_operands = reads_operands
        self.reads_result = reads_result
        self.together = together
        self.into = into

    def __repr__(self) -> str:
        return self.name


class Node(NamedTuple):
    """One line of a tape.

    Attributes
    ----------
    op : Primitive
        The operation.
    args : tuple of int
        Positions of the operands in the tape.
    params : tuple
        Static parameters, in the order of ``op.params``.
    shape : tuple of int
        Shape of the value; of the first result if there are several.
    dtype : numpy.dtype
        Its dtype.
    results : tuple of ArrayType, optional
        The types of all results, for a primitive with several; None for one.
    """

    op: Primitive
    args: tuple[int, ...]
    params: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    results: tuple[ArrayType, ...] | None = None


def live_nodes(
    nodes: Sequence[Node], outputs: Iterable[int], known: Container[int] = ()
) -> list[bool]:
    """Return for each node whether one of `outputs` needs it; what is known needs no operands."""
    live = [False] * len(nodes)
    for i in outputs:
        live[i] = True
    for i in range(len(nodes) - 1, -1, -1):
        if live[i] and i not in known:
            for a in nodes[i].args:
                live[a] = True
    return live
