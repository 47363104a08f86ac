"""What a simulation computes for arguments of one form: it makes kernels and observers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, final

from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.kernels.account import Account
from revolve_ad.simulation.kernels.afresh import Afresh, observe_afresh, step_afresh
from revolve_ad.simulation.kernels.dynamic import DynamicKernel
from revolve_ad.simulation.kernels.given import Given
from revolve_ad.simulation.kernels.kept import equal_tape
from revolve_ad.simulation.kernels.loop import LoopKernel
from revolve_ad.simulation.kernels.met import Met, plainly
from revolve_ad.simulation.kernels.native import NativeKernel, native_loop
from revolve_ad.simulation.kernels.observations import PlainObserver
from revolve_ad.simulation.kernels.protocol import Kernel, Observer
from revolve_ad.simulation.kernels.seeing import Seeing
from revolve_ad.simulation.kernels.tape import TapeKernel
from revolve_ad.simulation.kernels.unrecorded import Unrecorded
from revolve_ad.simulation.kernels.user import UserKernel
from revolve_ad.simulation.kernels.user_tangent import UserTangentModel, refuse_forward
from revolve_ad.simulation.steps.lines import Lines, lines_of
from revolve_ad.simulation.steps.recording import (
    RoleTape,
    record_observe,
    record_step,
    step_arguments,
)
from revolve_ad.simulation.steps.stepping import Stepper
from revolve_ad.simulation.steps.trust import Trust, trust_in
from revolve_ad.simulation.steps.user_step import Step

if TYPE_CHECKING:  # the compiler is loaded where it is first of use
    from revolve_ad.native import Loop

__all__ = ["Model", "TapeModel", "UserModel", "record_model"]


class Model(Protocol):
    """The step and the observation of one call."""

    @property
    def form(self) -> Form:
        """The layouts of the arguments."""

    @property
    def observation(self) -> Layout | None:
        """The layout of one observation; None without `observe`."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the plan should say about it."""

    def kernel(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """Return the steps, bound to these leaves."""

    def observer(self, params: list[Any], hidden: list[Any]) -> Observer | None:
        """Return the observation, bound to these leaves; None without `observe`."""

    def interpreter(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """Return the steps by the tape itself, which `original` is compared with."""

    def original(self, params: list[Any], inputs: list[Any]) -> Stepper | None:
        """Return the user's step to compare a tape with; None where there is nothing to compare."""

    def original_observer(self, params: list[Any]) -> PlainObserver | None:
        """Return the user's `observe` to compare its tape with; None where it can't be."""

    @property
    def is_native(self) -> bool:
        """Whether its kernels run native code."""

    @property
    def account(self) -> Account | None:
        """What became of the step as native code; None for a step that isn't recorded."""

    @property
    def tape_bytes(self) -> int:
        """The bytes that each step of a recorded stretch takes."""

    @property
    def workspace_bytes(self) -> int:
        """The bytes of arrays, beside states and cotangents, that one call holds at its peak."""

    @property
    def inside(self) -> list[Any]:
        """The calls of simulations inside of a step or an observation."""

    @property
    def is_compared(self) -> bool:
        """Whether there is a user's step to compare a tape with."""

    @property
    def is_current(self) -> bool | None:
        """Whether what was recorded is what the functions do now; None if that can't be told."""

    def equals(self, other: Model) -> bool:
        """Tell whether another recording of the same functions gave the same tapes."""

    @property
    def branches(self) -> bool:
        """Whether the step or `observe` has another tape in some states than in others."""

    def tangent(self) -> Model:
        """Return the model of the pairs (value, tangent)."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class TapeModel:
    """A recorded step.

    Attributes
    ----------
    form : Form
        The layouts of the arguments.
    step : RoleTape
        The tape of a step.
    seen : Seeing or None
        The observation.
    function : callable or None
        The step itself; None for a derived model, which has no Python function.
    loop : Loop or None
        The step as native code.
    why_not : str
        Why there is none.
    lines : Lines or None
        Which lines of the step do what, where that was looked up.
    afresh : Afresh or None
        Records the step again, where it depends on values.
    trust : Trust or None
        What may spare the step plain calls.
    writes : bool
        Whether the step was seen to write into its state.
    kept : bool
        Whether to record the same functions again would give the same tapes, as objects.
    """

    form: Form
    step: RoleTape
    seen: Seeing | None
    function: Callable[..., Any] | None
    loop: Loop | None = None
    why_not: str = ""
    lines: Lines | None = None
    afresh: Afresh | None = None
    trust: Trust | None = None
    writes: bool = True
    kept: bool = False

    @property
    def observation(self) -> Layout | None:
        """See `Model.observation`."""
        return None if self.seen is None else self.seen.tape.result

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `Model.remarks`."""
        where = self.step.tape.depends_on_values
        if where is None:
            return self.account.remarks
        return (
            f"the step depends on values ({where}), so it is recorded once for each way that a run "
            "takes through it. If that line indexes an array by k, pass the array as inputs=.",
        )

    def kernel(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.kernel`."""
        if self.afresh is not None:
            return DynamicKernel(self.afresh, self.function, self.form, params, inputs, hidden)
        if self.loop is not None:
            return NativeKernel(self.loop, self.form, params, inputs, hidden)
        if self.step.loop is not None:
            return LoopKernel(self.step, self.step.loop, self.form, params, inputs, hidden)
        return TapeKernel(self.step, self.form, params, inputs, hidden)

    def interpreter(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.interpreter`."""
        if self.loop is not None and self.loop.bitwise:
            # The same bits; a loop over single elements is a tape that takes seconds to interpret.
            return NativeKernel(self.loop, self.form, params, inputs, hidden)
        return TapeKernel(self.step, self.form, params, inputs, hidden)

    def observer(self, params: list[Any], hidden: list[Any]) -> Observer | None:
        """See `Model.observer`."""
        return None if self.seen is None else self.seen.observer(self.form, params, hidden)

    def original_observer(self, params: list[Any]) -> PlainObserver | None:
        """See `Model.original_observer`."""
        return None if self.seen is None else self.seen.original(self.form, params)

    def original(self, params: list[Any], inputs: list[Any]) -> Stepper | None:
        """See `Model.original`."""
        if not self.is_compared:
            return None
        assert self.function is not None
        stepper = Stepper(self.function, self.form, params, inputs)
        stepper.trust = self.trust
        stepper.writes = self.writes
        return stepper

    @property
    def is_native(self) -> bool:
        """See `Model.is_native`."""
        return self.loop is not None

    @property
    def account(self) -> Account:
        """See `Model.account`."""
        loop, lines = self.loop, self.lines
        if loop is None:
            return Account(compiled=False, why_not=self.why_not)
        from revolve_ad.native.threads import n_threads

        return _account_of(
            loop.operations,
            loop.nests,
            tuple([r + ("" if lines is None else lines.of_called(r)) for r in loop.called]),
            loop.plan_seconds + loop.compile_seconds,
            1 if loop.threaded is None else n_threads(),
        )

    @property
    def tape_bytes(self) -> int:
        """A state: the step's intermediates are computed again from it."""
        return self.form.state.nbytes

    @property
    def workspace_bytes(self) -> int:
        """What the interpreter holds; where tapes depend on values, a later one may need more."""
        sizes = [0]
        if self.seen is not None:
            sizes.append(self.seen.workspace_bytes)
        if self.loop is None:
            sizes += [self.step.workspace_bytes, self.step.forward.bytes]
            return max(sizes)
        loop = self.loop
        native = loop.prepared_bytes + loop.forward_bytes + loop.sum_bytes + loop.reverse_bytes
        own = loop.forward_bytes if loop.bitwise else self.step.forward.bytes
        return native + max(*sizes, own)

    @property
    def inside(self) -> list[Any]:
        """See `Model.inside`."""
        return self.step.inside + ([] if self.seen is None else self.seen.tape.inside)

    @property
    def is_compared(self) -> bool:
        """See `Model.is_compared`."""
        # With hidden params the function reads traced values, which are gone after the recording;
        # it was recorded for this very call then.
        fixed = self.step.tape.depends_on_values is None and not self.form.hidden.shapes
        return self.function is not None and fixed

    @property
    def is_current(self) -> bool | None:
        """See `Model.is_current`."""
        trusts = [self.trust] if self.seen is None else [self.trust, self.seen.trust]
        found = [trust.is_unchanged for trust in trusts if trust is not None]
        if not all(found):
            return False
        return True if len(found) == len(trusts) or not self.kept else None

    def equals(self, other: Model) -> bool:
        """See `Model.equals`."""
        if not isinstance(other, TapeModel) or other.step is not self.step:
            return False
        mine, its = self.seen, other.seen
        return mine is its if mine is None or its is None else mine.tape is its.tape

    @property
    def branches(self) -> bool:
        """See `Model.branches`."""
        return self.afresh is not None or (self.seen is not None and self.seen.afresh is not None)

    def tangent(self) -> TapeModel:
        """See `Model.tangent`."""
        seen = None if self.seen is None else self.seen.tangent
        form, step = self.form.doubled, self.step.tangent
        if self.loop is None:
            afresh = None if self.afresh is None else self.afresh.tangent
            return TapeModel(form, step, seen, None, None, self.why_not, afresh=afresh)
        # Compiled as the step is; what can't be compiled is interpreted.
        from revolve_ad.native import Loop

        found = step.native(None if seen is None else seen.tape)
        if isinstance(found, Loop):
            return TapeModel(form, step, seen, None, found)
        return TapeModel(form, step, seen, None, None, found.reason)


@final
@dataclass(frozen=True, eq=False, slots=True)
class UserModel(Unrecorded):
    """A step whose derivative the user gives; `observe` is recorded."""

    def kernel(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.kernel`."""
        return UserKernel(self.step, self.form, params, inputs)

    def interpreter(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.interpreter`."""
        return self.kernel(params, inputs, hidden)

    def original_observer(self, params: list[Any]) -> PlainObserver | None:
        """See `Model.original_observer`."""
        return None if self.seen is None else self.seen.original(self.form, params)

    @property
    def workspace_bytes(self) -> int:
        """The cotangents of params and of a row of inputs, which the user's vjp returns."""
        rows = 0 if self.form.inputs is None else self.form.inputs.rows.nbytes
        seen = 0 if self.seen is None else self.seen.workspace_bytes
        return max(self.form.params.nbytes + rows, seen)

    def tangent(self) -> Model:
        """See `Model.tangent`."""
        if self.step._jvp is None:
            raise refuse_forward(self.step)
        seen = None if self.seen is None else self.seen.tangent
        return UserTangentModel(self.form.doubled, self.step, seen, self.form)


@lru_cache(maxsize=64)
def _account_of(
    operations: int, loops: int, called: tuple[str, ...], seconds: float, threads: int
) -> Account:
    """Return what every report on a compiled step says: one object for all gradients."""
    return Account(
        compiled=True,
        operations=operations,
        loops=loops,
        called=called,
        compile_seconds=seconds,
        threads=threads,
    )


def record_model(
    given: Given,
    *,
    n_steps: int = 1,
    native: str | bool = False,
    slices_leave: bool = False,
    met: Met | None = None,
) -> tuple[Model, tuple[Any, ...]]:
    """Record a step and an observation at state 0; compile the step if that is worth it.

    With `slices_leave`, a slice that moves with k or with the state was found to leave its array
    at another state, where NumPy cuts it off: then no one tape holds for all.  With `met`, the
    functions read these traced values, some of them not at state 0.

    Returns
    -------
    model : Model
        What they compute.
    hidden : tuple
        The traced values of an outer recording that they read, the step's first.
    """
    step, observe, form = given.step, given.observe, given.form
    state, params, inputs = given.state, given.params, given.inputs
    hidden: tuple[Any, ...] = ()
    in_step = 0
    recorded: RoleTape | None = None
    afresh: Afresh | None = None
    trust: Trust | None = None
    writes = kept = True
    if not (isinstance(step, Step) and step.has_vjp):
        function = step.function if isinstance(step, Step) else step
        trust = trust_in(function, form.state, form.params, form.inputs)
        read = None if met is None else plainly(met.step)
        recorded, _, around = record_step(
            function, form, state, params, inputs, 0, read, slices_leave=slices_leave
        )
        if met is not None:
            around = met.step
        writes = recorded.writes  # that of an equal tape may be another function's
        (recorded, kept), hidden = equal_tape(recorded), around.values
        in_step = len(hidden)
        if recorded.tape.depends_on_values is not None:
            afresh = step_afresh(function, form, around)
    seen: Seeing | None = None
    if observe is not None:
        sure = trust_in(observe, form.state, form.params)
        read = None if met is None else plainly(met.observe)
        tape, _, around = record_observe(
            observe, form, state, params, 0, None, read, slices_leave=slices_leave
        )
        if met is not None:
            around = met.observe
        again: Afresh | None = None
        if tape.tape.depends_on_values is not None:
            again = observe_afresh(observe, form, tape.result, around)
        tape, tape_kept = equal_tape(tape)
        kept = kept and tape_kept
        seen = Seeing(tape, observe, again, sure)
        hidden += around.values
    form = Form(form.state, form.params, form.inputs, Layout.of(hidden, "hidden")[1], in_step)
    if recorded is None:
        assert isinstance(step, Step)
        return UserModel(form, step, seen, kept=kept), hidden

    def lines() -> Lines:
        return lines_of(function, *step_arguments(form, state, params, inputs, 0))

    compiled = native_loop(
        recorded,
        n_steps,
        native,
        None if seen is None else seen.tape,
        None if hidden else lines,
    )
    model = TapeModel(
        form,
        recorded,
        seen,
        step,
        *compiled,
        afresh=afresh,
        trust=trust,
        writes=writes,
        kept=kept,
    )
    return model, hidden
