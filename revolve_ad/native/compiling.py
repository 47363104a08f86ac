"""Compiles generated functions with Numba, to machine code that stands alone.

Numba would keep each function that another one calls as machine code too, and make wrappers that
unpack its arguments; here called functions only become a part of those that call them, and an entry
has one wrapper, which reads the memory of arrays out of a tuple of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from revolve_ad.native.entry import ENTRY, entry_module, results_of
from revolve_ad.native.machine import Argument, Code, undefined_symbols

__all__ = ["compiled", "kernel", "threads_range", "views"]


def kernel(
    *,
    apart: bool = False,
    sums: bool = False,
    adds: bool = False,
    contracts: bool = False,
    threads: bool = False,
) -> Callable[[Any], Any]:
    """Return the decorator that lets generated functions be compiled, and call each other.

    `apart`: LLVM is told that the arrays don't overlap.  It then keeps values in registers across
    statements.
    `sums`: it may add in any order, so that sums become vector code; for adjoints.
    `adds`: the same, and nothing else is relaxed.
    `contracts`: products are added without being rounded first; for adjoints of a few numbers, in
    which each operation waits for the one before.
    `threads`: loops over rows are shared between threads.
    """
    import numba

    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    options["pipeline_class"] = _numba().apart if apart else _numba().pipeline
    if sums:
        options["fastmath"] = {"reassoc", "nsz", "contract"}
    if adds:
        options["fastmath"] = {"reassoc"}
    if contracts:
        options["fastmath"] = {"contract"}
    if threads:
        options["parallel"] = True
    found: Callable[[Any], Any] = numba.njit(error_model="numpy", nogil=True, **options)
    return found


def threads_range() -> Any:
    """Return what loops that are shared between threads run over."""
    import numba

    return numba.prange


@lru_cache(maxsize=1)
def views() -> dict[str, Any]:
    """Return functions that source calls: one that rounds once, where the processor can, and some
    that name an array, or look at it as one axis, uncounted.

    Numba counts references to arrays by atomic operations whenever a name moves from one to another
    or a row is taken.  In a loop whose steps take a tenth of a microsecond, they are most of it.
    What is named so must be held elsewhere: by the caller.
    """
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic
    from numba.np import arrayobj

    arrays: Any = arrayobj
    null: Any = types.MemInfoPointer(types.voidptr)  # type: ignore[no-untyped-call]

    @intrinsic
    def borrowed(typing: Any, array: Any) -> Any:
        def build(context: Any, builder: Any, made: Any, arguments: Any) -> Any:
            found = context.make_array(array)(context, builder, arguments[0])
            found.meminfo = context.get_constant_null(null)
            found.parent = context.get_constant_null(types.pyobject)
            return found._getvalue()

        return array(array), build

    @intrinsic
    def flat(typing: Any, array: Any) -> Any:
        flattened = array.copy(ndim=1)

        def build(context: Any, builder: Any, made: Any, arguments: Any) -> Any:
            given = context.make_array(array)(context, builder, arguments[0])
            found = context.make_array(flattened)(context, builder)
            arrays.populate_array(
                found,
                data=given.data,
                shape=[given.nitems],
                strides=[given.itemsize],
                itemsize=given.itemsize,
                meminfo=context.get_constant_null(null),
            )
            return found._getvalue()

        return flattened(array), build

    @intrinsic
    def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
        # Asked for by name, not left to LLVM: the same operations are one in each function that
        # has them, so that a step has the same bits wherever it is run from.
        def build(context: Any, builder: Any, made: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            function = builder.module.declare_intrinsic(
                "llvm.fmuladd", [kind], ir.FunctionType(kind, [kind] * 3)
            )
            return builder.call(function, arguments)

        if not a == b == c or a not in (types.float32, types.float64):
            return None
        return a(a, b, c), build

    return {"borrowed": borrowed, "flat": flat, "multiply_add": multiply_add}


def compiled(function: Any, arguments: Sequence[Argument]) -> Code:
    """Compile a function that `kernel` decorated, with all that it calls.

    Parameters
    ----------
    function : numba dispatcher
        What `kernel` returned.
    arguments : sequence of Argument
        The types of its parameters.
    """
    from numba.core.compiler_lock import global_compiler_lock

    types = _signature(arguments)
    with global_compiler_lock:
        function.compile(types)
        made = function.overloads[types]
        context = function.targetctx
        made.library.optimized = False  # here it is, with the code that reads its arguments
        library = _numba().library(context.codegen(), ENTRY)
        library.only_called = made.fndesc.llvm_func_name
        library.add_linking_library(made.library)
        library.add_ir_module(entry_module(context, made.fndesc))
        library.finalize()
        machine: bytes = library._codegen._tm.emit_object(library._final_module)
    n_results = len(results_of(made.fndesc.restype))
    return Code(machine, ENTRY, undefined_symbols(machine), n_results)


def _signature(arguments: Sequence[Argument]) -> Any:
    """Return the Numba types of the parameters of an entry."""
    from numba.core import types
    from numba.np.numpy_support import from_dtype

    return tuple(
        from_dtype(a.dtype)
        if a.ndim is None
        else types.Array(from_dtype(a.dtype), max(a.ndim, 1), "C")
        for a in arguments
    )


_WIDE = '"prefer-vector-width"="512"'
"""An attribute of functions: vectors as wide as the processor has.

By itself LLVM keeps to half of that on many processors, for programs that use few of them and would
be slowed down by the lower clock.  Steps of Burgers' equation take 0.75 to 0.85 of the time so, of
Lorenz' 0.85, and those that wait for memory what they took.
"""

_ALLOCATING = ("NRT_Allocate", "NRT_MemInfo_alloc", "NRT_MemInfo_new")
"""How the functions of Numba begin that make an array."""


def _nothing_to_free(codegen: Any) -> Any:
    """Return code that frees an array, for functions that are given all of theirs: none.

    They count references where the caller's arrays are counted by nobody; it isn't called.
    """
    import llvmlite.binding as llvm
    from llvmlite import ir

    module = codegen._create_empty_module("nothing to free")
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    free = ir.Function(module, kind, "NRT_MemInfo_call_dtor")
    free.linkage = "linkonce_odr"
    ir.IRBuilder(free.append_basic_block()).ret_void()
    return llvm.parse_assembly(str(module))


@lru_cache(maxsize=1)
def _numba() -> SimpleNamespace:
    """Return our classes of Numba's compiler; Numba is imported at first use."""
    from importlib import import_module

    from numba.core.codegen import CPUCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering, NativeParforLowering

    base: Any = CPUCodeLibrary
    register: Any = register_pass
    dynamic: Any = import_module("numba._dynfunc")

    class Library(base):  # type: ignore[misc]
        """Code that becomes a part of other code, or an object file; it isn't run from here."""

        only_called = ""
        """Of an object file, the function that its entry calls."""

        optimized = True

        def add_ir_module(self, module: Any) -> None:
            for function in module.functions:
                set.add(function.attributes, _WIDE)  # llvmlite's own `add` knows other names
            super().add_ir_module(module)

        def _optimize_final_module(self) -> None:
            if self.only_called:
                # What is known of its arguments is used.  Of what it calls in turn not: LLVM would
                # make it one long function, which takes a third longer.
                self._final_module.get_function(self.only_called).linkage = "internal"
                if not any(f.name.startswith(_ALLOCATING) for f in self._final_module.functions):
                    self._final_module.link_in(_nothing_to_free(self._codegen))
            if self.optimized:
                super()._optimize_final_module()

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._verify_declare_only_symbols()
            self._finalized = True

    def lowered(lower: Callable[[Any], Any], state: Any) -> bool:
        context, flags = state.targetctx, state.flags
        state.library = library = Library(context.codegen(), state.func_id.func_qualname)
        flags.no_compile = True
        lower(state)
        made = state["cr"]
        # A function in name only, for those that call it.
        name = made.fndesc.qualname.split(".")[-1]
        own = dynamic.make_function(made.fndesc.lookup_module(), name, "", 0, made.env, (library,))
        context.insert_user_function(own, made.fndesc, [library])
        state["cr"] = _LowerResult(made.fndesc, made.call_helper, cfunc=own, env=made.env)
        return True

    @register(mutates_CFG=True, analysis_only=False)
    class Lowering(NativeLowering):
        """Lowers a function to code that isn't run from here."""

        _name = "revolve_ad_lowering"

        def run_pass(self, state: Any) -> bool:
            return lowered(super().run_pass, state)

    @register(mutates_CFG=True, analysis_only=False)
    class ThreadsLowering(NativeParforLowering):
        """The same with threads."""

        _name = "revolve_ad_threads_lowering"

        def run_pass(self, state: Any) -> bool:
            return lowered(super().run_pass, state)

    ours = {NativeLowering: Lowering, NativeParforLowering: ThreadsLowering}

    class Pipeline(CompilerBase):
        """Numba's passes, but for the last."""

        def define_pipelines(self) -> list[Any]:
            builder: Any = DefaultPassBuilder
            made = builder.define_nopython_pipeline(self.state)
            made.passes = [(ours.get(one, one), about) for one, about in made.passes]
            return [made]

    class Apart(Pipeline):
        """The same for arrays that don't overlap."""

        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            return super().define_pipelines()

    return SimpleNamespace(library=Library, pipeline=Pipeline, apart=Apart)
