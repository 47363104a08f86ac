"""Numbers below 1e-308 taken as zero, as XLA does on the CPU.

Ahead of a wave's front lie numbers so small that the processor computes them in microcode; on P5
they cost a third of the time.  What is lost is below 1e-308, but the bits are not NumPy's.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["flushed_subnormals"]

_DEFAULT, _FLUSH = 0x1F80, 0x9FC0
"""The x86 control word: all exceptions masked; and with flush-to-zero, denormals-are-zero."""


@intrinsic  # type: ignore[misc]
def _load_control_word(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = cgutils.alloca_once_value(builder, arguments[0])
        byte_pointer = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer]), "llvm.x86.sse.ldmxcsr"
        )
        builder.call(function, [builder.bitcast(pointer, byte_pointer)])
        return context.get_dummy_value()

    return types.void(types.uint32), generate


@numba.njit
def _set(word):  # type: ignore[no-untyped-def]
    _load_control_word(numba.uint32(word))


@contextmanager
def flushed_subnormals() -> Iterator[None]:
    """Flush subnormal numbers to zero in this thread; elsewhere than on x86 do nothing."""
    if platform.machine() not in ("x86_64", "AMD64"):
        yield
        return
    _set(_FLUSH)
    try:
        yield
    finally:
        _set(_DEFAULT)
