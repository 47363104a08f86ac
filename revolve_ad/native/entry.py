"""The machine code between Python and a compiled function: it reads arrays out of a tuple.

Numba's own wrappers need Numba, and take a sixth of the time of compiling; this one is called from
any process that has the object file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.native.machine import HEAD, ITEMS

__all__ = ["ENTRY", "entry_module", "results_of"]

ENTRY = "revolve_ad_entry"
"""The name of the function that an object file offers."""

_FLAGS = 0x1 | 0x100 | 0x400
"""``NPY_ARRAY_C_CONTIGUOUS``, ``NPY_ARRAY_ALIGNED``, ``NPY_ARRAY_WRITEABLE``."""

_FOREIGN = np.dtype(np.float64).newbyteorder("S").byteorder
"""How a dtype says that its bytes are in the other order than this machine's."""


def results_of(kind: Any) -> list[Any]:
    """Return the types of the numbers that a function returns."""
    from numba.core import types

    if kind == types.none:
        return []
    many: Any = types.BaseTuple
    return list(kind) if isinstance(kind, many) else [kind]


def entry_module(context: Any, description: Any) -> Any:
    """Return the code of an entry: it reads its arrays out of a tuple, and calls a function.

    ``int32 entry(PyObject *tuple, void *type of arrays, int64 *results, int64 numbers...)`` returns
    0, or -1 and in `results` where an exception is described, or k if item k - 1 of the tuple isn't
    an array as the function takes it.  It doesn't need the GIL: the caller holds the arrays.
    """
    from llvmlite import ir
    from numba.core import types

    kinds = description.argtypes
    arrays = [isinstance(kind, types.Array) for kind in kinds]
    module = context.create_module("entry")
    callee = ir.Function(
        module,
        context.call_conv.get_function_type(description.restype, kinds),
        description.llvm_func_name,
    )
    word, long = context.get_value_type(types.intp), ir.IntType(64)
    parameters = [word, word, long.as_pointer(), *[long] * arrays.count(False)]
    entry = ir.Function(module, ir.FunctionType(ir.IntType(32), parameters), ENTRY)
    items, array_type, out, *numbers = entry.args
    writer = _Writer(context, ir.IRBuilder(entry.append_basic_block("entry")), word)
    writer.require(kinds, items, array_type)
    values = [
        writer.array(kind, writer.item(items, k)) if flag else writer.number(kind, numbers.pop(0))
        for k, (kind, flag) in enumerate(zip(kinds, arrays, strict=True))
    ]
    writer.call(callee, description, values, out)
    return module


class _Writer:
    """Writes the parts of an entry; addresses are numbers of a `word`."""

    def __init__(self, context: Any, builder: Any, word: Any) -> None:
        from llvmlite import ir

        self.context, self.builder, self.word = context, builder, word
        self.size = word.width // 8
        self.integer, self.long, self.constant = ir.IntType(32), ir.IntType(64), ir.Constant

    def read(self, address: Any, offset: int, kind: Any) -> Any:
        """Return the value of a type so many bytes behind an address."""
        place = self.builder.add(address, self.constant(self.word, offset))
        return self.builder.load(self.builder.inttoptr(place, kind.as_pointer()))

    def item(self, items: Any, k: Any) -> Any:
        """Return the address of item `k` of a tuple."""
        if isinstance(k, int):
            return self.read(items, ITEMS + k * self.size, self.word)
        offset = self.builder.mul(k, self.constant(self.word, self.size))
        return self.read(self.builder.add(items, offset), ITEMS, self.word)

    def require(self, kinds: Sequence[Any], items: Any, array_type: Any) -> None:
        """Return from the entry unless the arrays are those that the code was made for.

        It would spoil memory if they weren't.
        """
        from numba.core import cgutils

        tools: Any = cgutils
        b, word, integer = self.builder, self.word, self.integer
        table = self.table([_wanted(kind) for kind in kinds])
        with tools.for_range(b, self.constant(word, len(kinds))) as loop:
            bad = b.add(b.trunc(loop.index, integer), self.constant(integer, 1))
            ndim, number, other = (
                b.load(b.gep(table, [self.constant(integer, 0), loop.index, column]))
                for column in (self.constant(integer, c) for c in range(3))
            )
            with b.if_then(b.icmp_signed(">=", ndim, self.constant(integer, 0))):
                array = self.item(items, loop.index)
                found = self.read(array, HEAD - self.size, word)
                with b.if_then(b.icmp_unsigned("!=", found, array_type)):
                    b.ret(bad)
                with b.if_then(self.differs(array, ndim, number, other)):
                    b.ret(bad)

    def differs(self, array: Any, ndim: Any, number: Any, other: Any) -> Any:
        """Return whether an array has other axes, flags, or a type of none of two numbers."""
        b, size, integer = self.builder, self.size, self.integer
        # PyArrayObject: data, nd, dimensions, strides, base, descr, flags.
        descr = self.read(array, HEAD + 5 * size, self.word)
        wanted = self.constant(integer, _FLAGS)
        flags = b.and_(self.read(array, HEAD + 6 * size, integer), wanted)
        # PyArray_Descr: typeobj, kind, type, byteorder, former flags, type_num.
        order = self.read(descr, HEAD + size + 2, _byte())
        type_num = self.read(descr, HEAD + size + 4, integer)
        wrong = b.icmp_signed("!=", self.read(array, HEAD + size, integer), ndim)
        wrong = b.or_(wrong, b.icmp_signed("!=", flags, wanted))
        foreign = self.constant(_byte(), ord(_FOREIGN))
        wrong = b.or_(wrong, b.icmp_signed("==", order, foreign))
        neither = b.and_(
            b.icmp_signed("!=", type_num, number), b.icmp_signed("!=", type_num, other)
        )
        return b.or_(wrong, neither)

    def table(self, rows: Sequence[Sequence[int]]) -> Any:
        """Return a constant array of rows of integers."""
        from llvmlite import ir
        from numba.core import cgutils

        tools: Any = cgutils
        line = ir.ArrayType(self.integer, len(rows[0]) if rows else 1)
        kind = ir.ArrayType(line, len(rows))
        table = tools.add_global_variable(self.builder.module, kind, "wanted")
        table.initializer = ir.Constant(
            kind, [ir.Constant(line, [ir.Constant(self.integer, n) for n in row]) for row in rows]
        )
        table.global_constant, table.linkage = True, "internal"
        return table

    def array(self, kind: Any, array: Any) -> Any:
        """Return an array as Numba's functions take it, counted by nobody."""
        from numba.np import arrayobj
        from numba.np.numpy_support import as_dtype

        tools: Any = arrayobj
        made = self.context.make_array(kind)(self.context, self.builder)
        shape, strides = (
            [self.read(extents, d * self.size, self.word) for d in range(kind.ndim)]
            for extents in (
                self.read(array, HEAD + 2 * self.size, self.word),
                self.read(array, HEAD + 3 * self.size, self.word),
            )
        )
        tools.populate_array(
            made,
            data=self.builder.inttoptr(self.read(array, HEAD, self.word), made.data.type),
            shape=shape,
            strides=strides,
            itemsize=as_dtype(kind.dtype).itemsize,
            meminfo=None,
        )
        return made._getvalue()

    def number(self, kind: Any, value: Any) -> Any:
        """Return a number as Numba's functions take it."""
        from numba.core import types

        if kind == types.boolean:
            return self.builder.icmp_signed("!=", value, self.constant(self.long, 0))
        if kind != types.int64:
            raise NotImplementedError(f"a number of type {kind}")
        return value

    def call(self, callee: Any, description: Any, values: Sequence[Any], out: Any) -> None:
        """Call a function, and return its results or where its exception is described."""
        from numba.core import types

        b, integer, long = self.builder, self.integer, self.long
        status, result = self.context.call_conv.call_function(
            b, callee, description.restype, description.argtypes, values, attrs=("noinline",)
        )
        with b.if_then(status.is_error, likely=False):
            b.store(b.ptrtoint(status.excinfoptr, long), out)
            b.ret(self.constant(integer, -1))
        results = results_of(description.restype)
        for k, kind in enumerate(results):
            value = b.extract_value(result, k) if len(results) > 1 else result
            if value.type.width < long.width:
                value = b.zext(value, long) if kind == types.boolean else b.sext(value, long)
            b.store(value, b.gep(out, [self.constant(integer, k + 1)]))
        b.ret(self.constant(integer, 0))


def _byte() -> Any:
    from llvmlite import ir

    return ir.IntType(8)


def _wanted(kind: Any) -> tuple[int, int, int]:
    """Return the axes of an array, -1 for a number, and the numbers that NumPy gives its type.

    ``long`` and ``long long`` are two numbers, and may be the same type.
    """
    from numba.core import types
    from numba.np.numpy_support import as_dtype

    if not isinstance(kind, types.Array):
        return -1, 0, 0
    dtype = as_dtype(kind.dtype)
    same = [np.dtype(c).num for c in np.typecodes["All"] if dtype == c]
    return kind.ndim, same[0], same[-1]
