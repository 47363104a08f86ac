"""A tape under construction, and symbols that write on it.

Rules are formulas over `Symbol`: each operator and each function of `symbolic` appends a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import BROADCAST, CONSTANT, FULL, INPUT, ITEM, Frozen, elementwise
from revolve_ad.ad.tape import ArrayType, Node, Primitive, Tape

__all__ = ["Builder", "Symbol"]

_NEGATIVE, _ADD = elementwise(np.negative), elementwise(np.add)
_SUBTRACT, _MULTIPLY = elementwise(np.subtract), elementwise(np.multiply)


class Builder:
    """Appends nodes; equal nodes are made once.

    Parameters
    ----------
    nodes : sequence of Node, optional
        Nodes to begin with; their positions stay.
    """

    __slots__ = ("known", "nodes")

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self.nodes: list[Node] = list(nodes)
        self.known: dict[Any, int] = {
            (n.op, n.args, n.params): i for i, n in enumerate(self.nodes) if n.op is not INPUT
        }

    def append(
        self,
        op: Primitive,
        args: tuple[int, ...],
        params: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> int:
        """Append a node of a known type, or return the equal one that stands already."""
        key = (op, args, params)
        i = self.known.get(key)
        if i is None:
            i = len(self.nodes)
            self.nodes.append(Node(op, args, params, shape, dtype))
            self.known[key] = i
        return i

    def apply(self, op: Primitive, args: Sequence[int], params: tuple[Any, ...] = ()) -> int:
        """Append a node; its type is inferred."""
        key = (op, tuple(args), params)
        i = self.known.get(key)
        if i is not None:
            return i
        types = [self._operand_type(a) for a in args]
        found = op.infer(*types, *params) if op.infer else _tried(op, types, params)
        i = len(self.nodes)
        if isinstance(found, ArrayType):
            self.nodes.append(Node(op, key[1], params, found.shape, found.dtype))
        else:
            self.nodes.append(
                Node(op, key[1], params, found[0].shape, found[0].dtype, tuple(found))
            )
        self.known[key] = i
        return i

    def _operand_type(self, i: int) -> ArrayType:
        node = self.nodes[i]
        return ArrayType(node.shape, node.dtype)

    def input(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "") -> int:
        """Append an input."""
        self.nodes.append(Node(INPUT, (), (name,), shape, dtype))
        return len(self.nodes) - 1

    def literal(self, value: complex, dtype: np.dtype[Any], shape: tuple[int, ...] = ()) -> int:
        """Append an array of one value."""
        number = dtype.type(value).item()
        # -0.0 == 0.0 and nan != nan: the key holds the sign and spells nan.
        key = (FULL, repr(number), shape, dtype)
        i = self.known.get(key)
        if i is None:
            i = self.known[key] = len(self.nodes)
            self.nodes.append(Node(FULL, (), (number, shape, dtype), shape, dtype))
        return i

    def constant(self, value: np.ndarray | np.generic) -> int:
        """Append a constant; arrays are copied."""
        if value.ndim == 0:
            return self.literal(value.item(), value.dtype)
        return self.append(CONSTANT, (), (Frozen(value),), value.shape, value.dtype)

    def item(self, i: int, k: int) -> int:
        """Append result `k` of node `i`, which has several."""
        results = self.nodes[i].results
        assert results is not None
        return self.append(ITEM, (i,), (k,), *results[k])

    def symbol(self, i: int) -> Symbol:
        """Return a symbol for node `i`."""
        return Symbol(self, i)

    def tape(self, inputs: Sequence[int], outputs: Sequence[int], where: str | None) -> Tape:
        """Return what was built."""
        return Tape(tuple(self.nodes), tuple(inputs), tuple(outputs), where)


def _tried(op: Primitive, types: Sequence[ArrayType], params: tuple[Any, ...]) -> Any:
    """Find the type of a result by evaluating on ones."""
    value = op.evaluate(*[np.ones(t.shape, t.dtype) for t in types], *params)
    if isinstance(value, tuple):
        return tuple(ArrayType(np.shape(v), np.asarray(v).dtype) for v in value)
    return ArrayType(np.shape(value), np.asarray(value).dtype)


class Symbol:
    """A node of a tape under construction, with NumPy's operators."""

    __slots__ = ("builder", "id")
    __array_ufunc__ = None  # NumPy arrays leave their operators to ours

    def __init__(self, builder: Builder, i: int) -> None:
        self.builder = builder
        self.id = i

    @property
    def node(self) -> Node:
        """The node."""
        return self.builder.nodes[self.id]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.builder.nodes[self.id].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the value."""
        return self.builder.nodes[self.id].dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def literal(self) -> Any:
        """The number, if the value is one number everywhere; else None."""
        node = self.builder.nodes[self.id]
        return node.params[0] if node.op is FULL else None

    def item(self, k: int) -> Symbol:
        """Return result `k` of an operation with several."""
        return Symbol(self.builder, self.builder.item(self.id, k))

    def apply(self, op: Primitive, *others: Any, params: tuple[Any, ...] = ()) -> Symbol:
        """Return ``op(self, *others)``."""
        args = [self.id, *[self.lift(o).id for o in others]]
        return Symbol(self.builder, self.builder.apply(op, args, params))

    def lift(self, other: Any) -> Symbol:
        """Return a number or array as a symbol beside this one; Python numbers take its dtype."""
        if type(other) is Symbol:
            return other
        if isinstance(other, bool | int | float | complex) and not isinstance(other, np.generic):
            dtype = np.result_type(self.dtype, other)
            return Symbol(self.builder, self.builder.literal(other, dtype))
        return Symbol(self.builder, self.builder.constant(np.asarray(other)))

    def _alike(self, other: Any, op: Primitive) -> Symbol | None:
        """Return ``op(self, other)`` if the types are alike, so that nothing must be inferred."""
        if type(other) is not Symbol:
            return None
        builder = self.builder
        a, b = builder.nodes[self.id], builder.nodes[other.id]
        if a.dtype is not b.dtype or a.op is FULL or b.op is FULL or a.dtype.kind not in "fc":
            return None
        if a.shape == b.shape or b.shape == ():
            shape = a.shape
        elif a.shape == ():
            shape = b.shape
        else:
            return None
        return Symbol(builder, builder.append(op, (self.id, other.id), (), shape, a.dtype))

    def __add__(self, other: Any) -> Symbol:
        if (
            type(other) is Symbol
            and other.node.op is not _NEGATIVE
            and self.node.op is not _NEGATIVE
            and (alike := self._alike(other, _ADD)) is not None
        ):
            return alike
        that = self.lift(other)
        if _absorbs(self, that, 0):
            return self
        if _absorbs(that, self, 0):
            return that
        # x + (−y) and x − y are the same number, bit for bit.
        if that.node.op is _NEGATIVE and that.dtype == self.dtype:
            return self - Symbol(self.builder, that.node.args[0])
        if self.node.op is _NEGATIVE and that.dtype == self.dtype:
            return that - Symbol(self.builder, self.node.args[0])
        return self.apply(_ADD, that)

    def __radd__(self, other: Any) -> Symbol:
        return self.lift(other) + self

    def __sub__(self, other: Any) -> Symbol:
        if type(other) is Symbol and other.dtype == self.dtype:
            # Signs go outwards, where they may meet a sum or another sign.
            if other.node.op is _NEGATIVE:
                return self + Symbol(self.builder, other.node.args[0])
            if self.node.op is _NEGATIVE:
                return -(Symbol(self.builder, self.node.args[0]) + other)
        if (alike := self._alike(other, _SUBTRACT)) is not None:
            return alike
        other = self.lift(other)
        if _absorbs(self, other, 0):
            return self
        return self.apply(_SUBTRACT, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.lift(other) - self

    def __mul__(self, other: Any) -> Symbol:
        if type(other) is Symbol:
            if (negated := self._negated_product(other)) is not None:
                return negated
            if other.node.op is BROADCAST or self.node.op is BROADCAST:
                return self._by_number(other)
        return self._product(other)

    def _by_number(self, other: Symbol) -> Symbol:
        """Return the product with an array that is one number everywhere as that by the number."""
        for repeated, whole in ((self, other), (other, self)):
            node, beside = repeated.node, whole.node
            if node.op is BROADCAST is not beside.op and node.shape == beside.shape:
                number = Symbol(self.builder, node.args[0])
                if number.shape == ():
                    return whole._product(number)
        return self._product(other)

    def _product(self, other: Any) -> Symbol:
        if (alike := self._alike(other, _MULTIPLY)) is not None:
            return alike
        that = self.lift(other)
        if _absorbs(self, that, 1):
            return self
        if _absorbs(that, self, 1):
            return that
        if _absorbs(self, that, -1):
            return -self
        if _absorbs(that, self, -1):
            return -that
        return self.apply(_MULTIPLY, that)

    def _negated_product(self, other: Symbol) -> Symbol | None:
        """Return ``a * (-b)`` as ``-(a * b)`` if that product stands already: the same bits."""
        if other.node.op is not _NEGATIVE or self.dtype.kind != "f":
            return None
        builder, (b,) = self.builder, other.node.args
        product = builder.known.get((_MULTIPLY, (self.id, b), ()))
        return None if product is None else -Symbol(builder, product)

    def __rmul__(self, other: Any) -> Symbol:
        return self.lift(other) * self

    def __truediv__(self, other: Any) -> Symbol:
        other = self.lift(other)
        if _absorbs(self, other, 1):
            return self
        return self.apply(elementwise(np.true_divide), other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.lift(other) / self

    def __pow__(self, other: Any) -> Symbol:
        return self.apply(elementwise(np.power), other)

    def __neg__(self) -> Symbol:
        if self.node.op is _NEGATIVE:
            return Symbol(self.builder, self.node.args[0])
        return self.apply(_NEGATIVE)

    def __lt__(self, other: Any) -> Symbol:
        return self.apply(elementwise(np.less), other)

    def __le__(self, other: Any) -> Symbol:
        return self.apply(elementwise(np.less_equal), other)

    def __gt__(self, other: Any) -> Symbol:
        return self.apply(elementwise(np.greater), other)

    def __ge__(self, other: Any) -> Symbol:
        return self.apply(elementwise(np.greater_equal), other)

    def equals(self, other: Any) -> Symbol:
        """Return ``self == other``, point by point."""
        return self.apply(elementwise(np.equal), other)


def _absorbs(kept: Symbol, neutral: Symbol, number: int) -> bool:
    """Whether `kept` combined with `neutral`, which is `number` everywhere, is `kept` as it is."""
    if neutral.literal != number or isinstance(neutral.literal, bool):
        return False
    if neutral.dtype != kept.dtype and np.promote_types(kept.dtype, neutral.dtype) != kept.dtype:
        return False
    return neutral.shape in ((), kept.shape)
