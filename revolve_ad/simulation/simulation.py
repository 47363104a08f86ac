"""The checkpointed time loop that users build: `Simulation`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from revolve_ad.ad.recording.sight import IMMUTABLE
from revolve_ad.ad.traced import apply, is_traced, node_and_value, plain
from revolve_ad.ad.traced.recorder import Recorder, active, paused
from revolve_ad.errors import (
    DivergedReplayError,
    IndexRangeError,
    ShapeError,
    StructureError,
    TracedValueError,
)
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.arrays.pool import Pool
from revolve_ad.simulation.arrays.replay import ReplayCheck
from revolve_ad.simulation.evaluation import evaluate
from revolve_ad.simulation.gradient import Gradient
from revolve_ad.simulation.kernels.met import Met
from revolve_ad.simulation.kernels.observations import PlainObserver
from revolve_ad.simulation.kernels.stepcheck import StaleTapeError, changed
from revolve_ad.simulation.models import Models
from revolve_ad.simulation.operation import SIMULATE, Call
from revolve_ad.simulation.planning.measuring import measure
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.progress import ProgressOption
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.run import Record, Run
from revolve_ad.simulation.settings import Settings, make_settings
from revolve_ad.simulation.steps.stepping import Stepper
from revolve_ad.simulation.steps.user_step import Step
from revolve_ad.storage import Storage

__all__ = ["Simulation"]

NOTHING_OBSERVED = (
    "revolve_ad: Run.observed is None, since the Simulation has no observe=; the final state is "
    "Run.state"
)


@final
class Simulation:
    """A time loop whose gradient fits into the memory that you give it.

    Called inside of a function that is differentiated, it is one operation of it: it keeps
    checkpoints in the forward run, and reverses them when the cotangents of its results come.
    Called anywhere else, it only runs.

    Parameters
    ----------
    step : callable
        ``(state, params, k) -> state``, or with inputs ``(state, params, k, inputs_k) -> state``:
        makes state k + 1 from state k, in plain NumPy.  It may update the state in place and return
        it.  For code that NumPy doesn't see, decorate it with `step` and give it a vjp.
    steps : int
        Number of steps N, 0 or more.
    until : callable
        ``(state, params, k) -> bool``, instead of `steps`: asked after each step, with the new
        state k; ends the run when true.
    max_steps : int
        With `until`: the most steps.
    observe : callable, optional
        ``(state, params, k) -> observation`` of state k, k = 0 … N; pure, since it is called again
        in reverse.
    observe_at : sequence of int, optional
        The states to observe, strictly increasing; by default all.  With `until`, those beyond the
        end are left out.
    memory : str or int, optional
        The budget for all arrays that the library holds for a gradient, such as ``"200 MB"``;
        by default a quarter of what is free.  Within a budget that you give, the memory of compiled
        steps' checkpoints is kept from gradient to gradient, until the simulation is deleted.
    disk : str or int, or sequence of them, optional
        The most bytes of checkpoints in a `storage` that isn't memory; by default unbounded.  With
        several storages one entry for each, None for any number, or one that holds for each.
    schedule : schedule or callable, optional
        Overrides the planner: a schedule, or a function of the number of steps that returns one.
    storage : Storage, or sequence of Storage, optional
        Where checkpoints live; by default in memory.  Several storages, at most three, are given
        the fastest first, such as ``[Disk("/nvme/x"), Disk("/nfs/y")]``; each is measured, and used
        where it is worth what it takes.
    native : "auto", True or False
        Whether recorded steps are compiled.
    replay_check : "sampled", "all" or "off"
        How many replayed states are compared with the first sweep, and how often the step itself is
        called to compare with its tape.  Under "sampled" it isn't called in later gradients as long
        as all that it reads is known and unchanged.
    progress : bool or callable
        True for a bar (needs tqdm), or ``progress(done, total)``, called with the number of steps
        executed and to be executed, plain ones and recorded ones together.

    Attributes
    ----------
    settings : Settings
        The arguments above; immutable.
    report : Report or None
        What the last finished gradient in this process did.  Several threads that use one
        simulation overwrite each other's: ``Run.report`` is the same without races.

    Notes
    -----
    The gradient doesn't depend, bit for bit, on the memory, the schedule, the storage or the
    checks.  Params, inputs and captured arrays are never written.
    """

    __slots__ = ("__weakref__", "_last", "_models", "_pool", "settings")

    settings: Settings
    _last: Record
    _pool: Pool
    _models: Models

    def __init__(
        self,
        step: Callable[..., Any],
        *,
        steps: int | None = None,
        until: Callable[..., Any] | None = None,
        max_steps: int | None = None,
        observe: Callable[..., Any] | None = None,
        observe_at: Iterable[int] | None = None,
        memory: str | int | None = None,
        disk: str | int | Sequence[str | int | None] | None = None,
        schedule: Any = None,
        storage: Storage | Sequence[Storage] | None = None,
        native: str | bool = "auto",
        replay_check: ReplayCheck = "sampled",
        progress: ProgressOption = False,
    ) -> None:
        settings = make_settings(
            step=step,
            steps=steps,
            until=until,
            max_steps=max_steps,
            observe=observe,
            observe_at=observe_at,
            memory=memory,
            disk=disk,
            schedule=schedule,
            storage=storage,
            native=native,
            replay_check=replay_check,
            progress=progress,
        )
        self.__setstate__(settings)

    def __call__(self, state: Any, params: Any = None, inputs: Any = None) -> Run:
        """Run the simulation.

        Parameters
        ----------
        state
            State 0: an array or a number, or nested tuples, lists, dicts, named tuples, dataclasses
            of them.
        params
            What all steps share, of the same kinds.
        inputs
            Arrays with a leading axis of N (with `until`, at least `max_steps`) rows, of which step
            k is given row k.

        Returns
        -------
        Run
            The final state, the observations and the number of steps.

        Raises
        ------
        BudgetError
            Before the run, if the memory is below the smallest budget that works.
        NonFiniteError
            If a state holds NaN or Inf; it names the first step and leaf.
        DivergedReplayError
            If a step isn't a function of its arguments.
        StepLimitError
            If `until` is still false after `max_steps` steps.
        """
        form, leaves = self._form(state, params, inputs)
        recorder = active()
        try:
            return self._called(recorder, form, leaves)
        except TracedValueError:
            # A step may have come to a traced value that none read at state 0.
            met = None if recorder is None else self._models.met(form, leaves)
            if met is None:
                raise
        return self._called(recorder, form, leaves, met)

    def _called(
        self, recorder: Recorder | None, form: Form, leaves: list[list[Any]], met: Met | None = None
    ) -> Run:
        if recorder is not None:
            run = self._record(recorder, form, leaves, met)
            if run is not None:
                return run
        with paused():
            return self._evaluate(form, leaves)

    def release(self) -> None:
        """Let go of the memory that a gradient left for the next one.

        It goes with the simulation by itself.  The next gradient asks the system for it afresh,
        which takes longer.
        """
        self._pool.clear()

    def plan(self, state: Any, params: Any = None, inputs: Any = None) -> Plan:
        """Tell what a gradient will need and cost, without running it.

        A few steps are run forward and in reverse, to measure, and a checkpoint is saved and
        restored; the gradients of this simulation are planned by the same measurement.

        Parameters
        ----------
        state, params, inputs
            As for a call.

        Returns
        -------
        Plan
            It prints as a table.
        """
        form, leaves = self._form(state, params, inputs)
        self.release()  # the measurement needs memory too
        with paused():
            plains = [[plain(leaf) for leaf in group] for group in leaves]
            model, _ = self._models.record(form, plains)
            grown = self._last.grown.get(model.form, 0)
            plan = measure(self.settings, model, *plains, grown=grown)
        if plan.costs is not None:
            self._last.costs[model.form] = plan.costs  # gradients are planned by the same
        return plan

    @property
    def report(self) -> Report | None:
        """What the last finished gradient did; None as long as there was none."""
        return self._last.report

    def _form(self, state: Any, params: Any, inputs: Any) -> tuple[Form, list[list[Any]]]:
        state_leaves, state_layout = Layout.of(state, "state")
        params_leaves, params_layout = Layout.of(params, "params")
        inputs_leaves: list[Any] = []
        inputs_layout: Layout | None = None
        if inputs is not None:
            inputs_leaves, inputs_layout = Layout.of(inputs, "inputs")
            self._require_rows(inputs_layout)
        form = Form(state_layout, params_layout, inputs_layout)
        return form, [state_leaves, params_leaves, inputs_leaves]

    def _require_rows(self, inputs: Layout) -> None:
        steps, most = self.settings.steps, self.settings.max_steps
        for path, shape in zip(inputs.paths, inputs.shapes, strict=True):
            if not shape:
                raise StructureError(
                    f"{path} is a number; inputs are arrays with a row a step. Pass it in params."
                )
            if shape[0] != steps if steps is not None else shape[0] < most:
                wanted = f"{steps}" if steps is not None else f"at least {most}"
                raise ShapeError(
                    f"{path} has shape {shape}; its leading axis must have {wanted} rows, one for "
                    "each step."
                )

    def _record(
        self, recorder: Recorder, form: Form, leaves: list[list[Any]], met: Met | None
    ) -> Run | None:
        """Enter the run as one operation; return None if nothing of it is traced."""
        flat = [leaf for group in leaves for leaf in group]
        left: IndexRangeError | None = None
        for attempt in range(3):
            # A tape is taken from an earlier call only where it will be compared with the step.
            again = not attempt and recorder.keep
            model, hidden, fresh = self._models.for_gradient(
                form, leaves, met, again=again, slices_leave=left is not None
            )
            if left is not None and not model.branches:
                raise left
            operands = [*flat, *hidden]
            if not any(map(is_traced, operands)):
                return None
            call = Call(self.settings, model, recorder.keep, fresh=fresh, last=self._last)
            if self.settings.until is not None and self.settings.observe is not None:
                recorder.mark_dependent("until= ends the run, and so decides how much is observed")
            for operand in operands if model.branches else ():  # so that the run alone adds nodes
                node_and_value(recorder, operand)
            n_nodes = len(recorder.nodes)
            try:
                results = apply(SIMULATE, operands, (call,))
            except StaleTapeError as error:
                if fresh:
                    raise DivergedReplayError(changed(error.k, error.leaves)) from None
                continue  # something captured has changed since
            except IndexRangeError as error:
                if left is not None or self.settings.native is True:
                    raise
                left = error
                continue  # a slice may leave its array, but not by this tape
            if met is None and model.branches and len(recorder.nodes) > n_nodes + 1 + len(results):
                if isinstance(results[-1], Gradient):
                    results[-1].abandon()
                raise TracedValueError(
                    "a step looks at a traced value of the function around the simulation that "
                    "none reads at step 0. Pass that value to the simulation in params="
                )
            return self._run(call, results)
        raise AssertionError("a fresh tape is never stale, and one that branches raises itself")

    def _run(self, call: Call, results: tuple[Any, ...]) -> Run:
        form, row = call.model.form, call.model.observation
        n = call.n_final
        observed = None
        recorder = active()
        if row is None and recorder is not None:
            recorder.hints.append(NOTHING_OBSERVED)
        if row is not None:
            observed = row.structure.unflatten(results[n : n + call.n_seen])
        assert call.n_steps is not None
        record = Record()
        if isinstance(results[-1], Gradient):
            results[-1].record = record
        return Run(form.state.structure.unflatten(results[:n]), observed, call.n_steps, record)

    def _evaluate(self, form: Form, leaves: list[list[Any]]) -> Run:
        state, params, inputs = leaves
        stepper = Stepper(self.settings.step, form, params, inputs)
        native = self._models.advance(form, leaves)
        advance = stepper.advance if native is None else native
        observer = None
        if self.settings.observe is not None:
            observer = PlainObserver(self.settings.observe, form, params)
        try:
            found = evaluate(self.settings, form, advance, observer, state, params)
        except IndexRangeError:  # of native code; the step itself may cut the slice off
            if native is None or self.settings.native is True:
                raise
            found = evaluate(self.settings, form, stepper.advance, observer, state, params)
        final, seen, report = found
        observed = None
        if observer is not None and observer.layout is not None:
            observed = observer.layout.structure.unflatten(seen)
        return Run(form.state.result(final), observed, report.steps, Record(report))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Simulation):
            return NotImplemented
        return self.settings == other.settings

    def __hash__(self) -> int:
        return hash((self.settings.step, self.settings.steps, self.settings.max_steps))

    def __repr__(self) -> str:
        given = self.settings
        name = getattr(given.step, "__qualname__", repr(given.step))
        ends = f"steps={given.steps}" if given.steps is not None else f"max_steps={given.max_steps}"
        return f"Simulation({name}, {ends})"

    def __getstate__(self) -> Settings:
        return self.settings

    def __setstate__(self, settings: Settings) -> None:
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "_pool", Pool())
        object.__setattr__(self, "_last", Record(pool=self._pool))
        object.__setattr__(self, "_models", Models(settings))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a Simulation is immutable; build a new one instead of setting {name!r}."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Simulation is immutable.")


def _called_by(simulation: Simulation) -> tuple[Any, ...] | None:
    """Return what a simulation calls; None if it does more: tells of progress, writes files."""
    given = simulation.settings
    if given.progress or given.storages or given.until is not None or given.replay_check == "all":
        return None
    step = given.step
    if isinstance(step, Step):
        if step.has_vjp:
            return None
        step = step.function
    return (step,) if given.observe is None else (step, given.observe)


IMMUTABLE[Simulation] = _called_by
