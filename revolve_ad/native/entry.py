"""The machine code between Python and a compiled function: it reads arrays out of a tuple.

Numba's own wrappers need Numba, and take a sixth of the time of compiling; this one is called from
any process that has the object file.
"""

from __future__ import annotations

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
    from numba.core import cgutils, types
    from numba.np import arrayobj
    from numba.np.numpy_support import as_dtype

    tools: Any = cgutils
    arrays: Any = arrayobj

    word = context.get_value_type(types.intp)
    integer, long = ir.IntType(32), ir.IntType(64)
    size = word.width // 8
    kinds = description.argtypes
    is_array = [isinstance(kind, types.Array) for kind in kinds]
    module = context.create_module("entry")
    callee = ir.Function(
        module,
        context.call_conv.get_function_type(description.restype, kinds),
        description.llvm_func_name,
    )
    numbers = [long] * is_array.count(False)
    entry = ir.Function(
        module, ir.FunctionType(integer, [word, word, long.as_pointer(), *numbers]), ENTRY
    )
    items, array_type, out, *given = entry.args
    builder = ir.IRBuilder(entry.append_basic_block("entry"))

    def read(address: Any, offset: int, kind: Any) -> Any:
        place = builder.add(address, ir.Constant(word, offset))
        return builder.load(builder.inttoptr(place, kind.as_pointer()))

    def item(k: Any) -> Any:
        return read(builder.add(items, builder.mul(k, ir.Constant(word, size))), ITEMS, word)

    # The arrays must be what the code was made for: were they not, it would spoil memory.
    wanted = []
    for kind, flag in zip(kinds, is_array, strict=True):
        dtype = as_dtype(kind.dtype) if flag else None
        same = [np.dtype(c).num for c in np.typecodes["All"] if dtype == c] if flag else [0]
        wanted.append([kind.ndim if flag else -1, same[0], same[-1]])
    row = ir.ArrayType(integer, 3)
    table_type = ir.ArrayType(row, len(kinds))
    table = tools.add_global_variable(module, table_type, "wanted")
    table.initializer = ir.Constant(
        table_type, [ir.Constant(row, [ir.Constant(integer, n) for n in line]) for line in wanted]
    )
    table.global_constant, table.linkage = True, "internal"
    with tools.for_range(builder, ir.Constant(word, len(kinds))) as loop:
        bad = builder.add(builder.trunc(loop.index, integer), ir.Constant(integer, 1))
        ndim, number, other = (
            builder.load(
                builder.gep(table, [ir.Constant(integer, 0), loop.index, ir.Constant(integer, c)])
            )
            for c in range(3)
        )
        with builder.if_then(builder.icmp_signed(">=", ndim, ir.Constant(integer, 0))):
            array = item(loop.index)
            with builder.if_then(
                builder.icmp_unsigned("!=", read(array, HEAD - size, word), array_type)
            ):
                builder.ret(bad)
            # PyArrayObject: data, nd, dimensions, strides, base, descr, flags.
            descr = read(array, HEAD + 5 * size, word)
            flags = builder.and_(
                read(array, HEAD + 6 * size, integer), ir.Constant(integer, _FLAGS)
            )
            # PyArray_Descr: typeobj, kind, type, byteorder, former flags, type_num.
            order = read(descr, HEAD + size + 2, ir.IntType(8))
            type_num = read(descr, HEAD + size + 4, integer)
            wrong = [
                builder.icmp_signed("!=", read(array, HEAD + size, integer), ndim),
                builder.icmp_signed("!=", flags, ir.Constant(integer, _FLAGS)),
                builder.icmp_signed("==", order, ir.Constant(ir.IntType(8), ord(_FOREIGN))),
                builder.and_(
                    builder.icmp_signed("!=", type_num, number),
                    builder.icmp_signed("!=", type_num, other),
                ),
            ]
            while len(wrong) > 1:
                wrong.append(builder.or_(wrong.pop(), wrong.pop()))
            with builder.if_then(wrong[0]):
                builder.ret(bad)

    values = []
    for k, (kind, flag) in enumerate(zip(kinds, is_array, strict=True)):
        if not flag:
            value = given.pop(0)
            if kind == types.boolean:
                value = builder.icmp_signed("!=", value, ir.Constant(long, 0))
            elif kind != types.int64:
                raise NotImplementedError(f"a number of type {kind}")
            values.append(value)
            continue
        array = item(ir.Constant(word, k))
        made = context.make_array(kind)(context, builder)
        extents = [read(array, HEAD + (2 + axis) * size, word) for axis in range(2)]
        shape, strides = (
            [read(extent, d * size, word) for d in range(kind.ndim)] for extent in extents
        )
        data = read(array, HEAD, word)
        arrays.populate_array(
            made,
            data=builder.inttoptr(data, made.data.type),
            shape=shape,
            strides=strides,
            itemsize=as_dtype(kind.dtype).itemsize,
            meminfo=None,
        )
        values.append(made._getvalue())
    status, result = context.call_conv.call_function(
        builder, callee, description.restype, kinds, values, attrs=("noinline",)
    )
    with builder.if_then(status.is_error, likely=False):
        builder.store(builder.ptrtoint(status.excinfoptr, long), out)
        builder.ret(ir.Constant(integer, -1))
    results = results_of(description.restype)
    for k, kind in enumerate(results):
        value = builder.extract_value(result, k) if len(results) > 1 else result
        if isinstance(value.type, ir.IntType) and value.type.width < 64:
            value = (
                builder.zext(value, long) if kind == types.boolean else builder.sext(value, long)
            )
        builder.store(value, builder.gep(out, [ir.Constant(integer, k + 1)]))
    builder.ret(ir.Constant(integer, 0))
    return module
