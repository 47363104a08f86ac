"""One gradient of one run: forward now, in reverse when the cotangents come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from revolve_ad.errors import BudgetError
from revolve_ad.schedule import Action, Advance, Level
from revolve_ad.simulation.arrays.finiteness import require_finite_state
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.arrays.levels import on_levels, storages_by_level
from revolve_ad.simulation.arrays.replay import Replays, sampled_states
from revolve_ad.simulation.arrays.shelf import Shelf
from revolve_ad.simulation.counted import report_maker
from revolve_ad.simulation.kernels.dynamic import DynamicKernel
from revolve_ad.simulation.kernels.loop import LoopKernel
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.kernels.native import NativeKernel
from revolve_ad.simulation.kernels.observations import Observations
from revolve_ad.simulation.kernels.protocol import Gradients, Kernel, Observer
from revolve_ad.simulation.kernels.seeing import DynamicObserver, ObserveCheck
from revolve_ad.simulation.kernels.stepcheck import StepCheck
from revolve_ad.simulation.kernels.user import UserKernel
from revolve_ad.simulation.planning.allowance import allowance, allowing
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.plan import Plan, make_plan
from revolve_ad.simulation.planning.planner import (
    INSIDE,
    fitted,
    is_planned_on_the_way,
)
from revolve_ad.simulation.progress import Progress
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.run import Record
from revolve_ad.simulation.settings import Settings
from revolve_ad.simulation.steps.stepping import Stepper
from revolve_ad.simulation.sweeps.crew import Crew
from revolve_ad.simulation.sweeps.ending import Ending
from revolve_ad.simulation.sweeps.lookout import Look, Lookout
from revolve_ad.simulation.sweeps.opening import TIMED_STEPS, Opening
from revolve_ad.simulation.sweeps.replanner import Replanner
from revolve_ad.simulation.sweeps.several import SeveralKernels, SeveralObservers, bytes_of_more
from revolve_ad.simulation.sweeps.sweep import Sweep
from revolve_ad.storage import Ram

if TYPE_CHECKING:
    from revolve_ad.simulation.sweeps.brief import BriefSweep
    from revolve_ad.simulation.sweeps.native import NativeSweep

__all__ = ["Arguments", "Gradient", "Pulled"]

_MANY: Final = 1000
"""Restored checkpoints from which reading the schedule as rows is worth it."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The plain leaves that one call was given."""

    state: list[Any]
    params: list[Any]
    inputs: list[Any]
    hidden: list[Any]


class Pulled(NamedTuple):
    """What a reverse sweep returns: a cotangent for each leaf of the arguments."""

    state: Leaves
    params: Leaves
    inputs: Leaves
    hidden: Leaves


@final
class Gradient:
    """One gradient under way.

    Parameters
    ----------
    settings : Settings
        Of the simulation.
    model : Model
        What it computes for arguments of this form.
    arguments : Arguments
        The leaves; they are read, not kept.
    past : Record, optional
        What was measured before; what this gradient measures is added.
    fresh : bool
        Whether the model was recorded for this very call.
    careful : bool
        Test every state and cotangent for NaN and Inf, to find the first.
    reserved : int
        Bytes beside the memory of the settings, for more cotangents than one.

    Attributes
    ----------
    plan : Plan
        What it will do.
    report : Report
        What it has done, so far.
    record : Record or None
        Where the report is put at the end.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        arguments: Arguments,
        past: Record | None = None,
        *,
        fresh: bool = True,
        careful: bool = False,
        reserved: int = 0,
    ) -> None:
        self._model = model
        form = model.form
        kernel = model.kernel(arguments.params, arguments.inputs, arguments.hidden)
        observer = model.observer(arguments.params, arguments.hidden)
        recorders = [
            x for x in (kernel, observer) if isinstance(x, DynamicKernel | DynamicObserver)
        ]
        n_steps = settings.steps
        self._kernel = kernel
        self._settings = settings
        self._storages = settings.storages
        self._past = Record() if past is None else past
        self.plan: Plan = self._past.plan(settings, model)
        self._inside = self.plan.sizes.fixed.get(INSIDE)
        # Without a budget, a schedule that was given is played whatever it needs.
        bounded = settings.schedule is None or settings.memory is not None
        limit = self.plan.budget + reserved if bounded else None
        self._ledger = Ledger(limit, self.plan.peak_bytes + reserved, self.plan.sizes.fixed)
        for one in recorders:
            one.ledger = self._ledger
        self._replays = Replays(form.state)
        check = settings.replay_check
        turn = next(self._past.turns)
        original: Stepper | None = None
        if check != "off":
            original = model.original(arguments.params, arguments.inputs)
        self._check = StepCheck(
            original,
            kernel,
            lambda: model.interpreter(arguments.params, arguments.inputs, arguments.hidden),
            form.state,
            fresh=fresh,
        )
        self._observations: Observations | None = None
        lookers: list[tuple[Any, Look]] = []
        if careful:
            lookers.append((range(settings.max_steps + 1), self._require_finite))
        if self._check.wanted:
            lookers.append((self._check.states(n_steps, check, turn), self._check.look))
        if observer is not None:
            seen = settings.observed(n_steps)
            plain = model.original_observer(arguments.params)
            if check != "off" and plain is not None:
                assert model.observation is not None
                seeing = ObserveCheck(plain, observer, model.observation.paths, fresh=fresh)
                lookers.append((seeing.states(seen, check, turn), seeing.look))
            self._observations = Observations(observer, seen, known=n_steps is not None)
            if isinstance(kernel, NativeKernel) and kernel.observes and not careful:
                if n_steps is not None:
                    assert model.observation is not None
                    self._observations.leave_to_kernel(n_steps, model.observation)
                    kernel.observe(self._observations.within, self._observations.stacked)
            lookers.append((self._observations.left, self._observations.see))
        if self.plan.counts is None or self.plan.counts.restored:
            alone = not fresh and isinstance(kernel, NativeKernel) and not kernel.calls_numpy
            sampled = sampled_states(n_steps, check, turn if alone else None)
            lookers.append((sampled, self._replays.remember))
        self._shelves: tuple[Shelf, ...] = ()
        crew = Crew(
            kernel=kernel,
            layout=form.state,
            ending=Ending(
                n_steps,
                settings.max_steps,
                form.state,
                settings.until,
                None if settings.until is None else form.params.build_read_only(arguments.params),
            ),
            lookout=Lookout(lookers, [self._check.look]),
            observations=self._observations,
            replays=self._replays,
            ledger=self._ledger,
            progress=Progress(settings.progress, _executed(self.plan)),
            tape_bytes=model.tape_bytes,
            pool=self._past.pool,
            keeps_pool=settings.memory is not None or settings.schedule is not None,
            careful=careful,
        )
        self._sweep: Sweep | NativeSweep | BriefSweep = (
            self._native_sweep(crew) or self._brief_sweep(crew) or self._any_sweep(crew)
        )
        self._reversed = False
        self.record: Record | None = None

    def _native_sweep(self, crew: Crew) -> NativeSweep | None:
        """Return what plays the schedule by compiled code, where that is possible and worth it."""
        plan = self.plan
        if self._storages or not isinstance(crew.kernel, NativeKernel):
            return None
        if self._observations is not None:
            if isinstance(self._observations.observer, DynamicObserver):
                return None  # its tape may grow
        from revolve_ad.simulation.sweeps.native import native_sweep

        return native_sweep(crew, plan)

    def _brief_sweep(self, crew: Crew) -> BriefSweep | None:
        """Return what plays many short actions, where steps may be as short."""
        plan, counts = self.plan, self.plan.counts
        if self._storages or not isinstance(crew.kernel, UserKernel):
            return None
        if counts is None or counts.restored < _MANY:
            return None
        from revolve_ad.simulation.sweeps.brief import brief_sweep

        return brief_sweep(crew, plan)

    def _any_sweep(self, crew: Crew) -> Sweep:
        self._past.pool.clear()  # these checkpoints lie elsewhere
        actions, storages = self._actions()
        if self.plan.disk is not None:
            shelves = [one for one in storages[Level.DISK :] if isinstance(one, Shelf)]
            self._shelves = tuple(dict.fromkeys(shelves))
        return Sweep(crew, actions, storages, self._replanner())

    def _actions(self) -> tuple[Iterator[Action], tuple[Ram | Shelf, ...]]:
        """Return what is played, and where the checkpoints of each level are kept."""
        plan, given = self.plan, self._storages
        if is_planned_on_the_way(plan):
            room = plan.budget - plan.sizes.all_fixed >= plan.sizes.state + plan.sizes.tape
            # The choice by costs will begin about as the one without them does.
            first = next(a for a in plan.schedule if isinstance(a, Advance))
            n_timed = min(TIMED_STEPS, first.stop)
            timed = [level for level, slots in plan.problem.slots_by_level.items() if slots != 0]
            opening = Opening(self._plan_by, in_memory=room, n_timed=n_timed, levels=timed)
            return opening, on_levels(given)
        if plan.all_on_disk:
            first = given[plan.problem.first_level - Level.DISK]
            return iter(plan.schedule), (Shelf(first),) * len(Level)
        if plan.in_memory:  # the disk is there for a plan that doesn't hold to the end
            return iter(plan.schedule), on_levels(given)
        return iter(plan.schedule), storages_by_level(plan.schedule, plan.counts, given)

    def _replanner(self) -> Replanner:
        plan, sizes = self.plan, self.plan.sizes
        disk = plan.problem.first_level
        slots: tuple[int | None, int | None] = None, plan.problem.slots_on(disk)
        if plan.all_on_disk:
            slots = plan.n_checkpoints, 0
        state = 0 if plan.all_on_disk else sizes.state
        return Replanner(
            ledger=self._ledger,
            state_bytes=state,
            tape_bytes=sizes.tape,
            slots=slots,
            disk=disk,
        )

    def _plan_by(self, costs: Costs) -> Iterable[Action]:
        """Plan anew, by what the first steps took."""
        self._past.costs[self._model.form] = costs
        plan = make_plan(replace(self.plan.problem, costs=costs), self.plan.budget)
        self.plan = fitted(plan, self._settings, self._model, running=True)
        self._ledger.planned = self._ledger.limit
        schedule: Iterable[Action] = self.plan.schedule
        return schedule

    def forward(self, state: list[Any]) -> tuple[Leaves, Leaves]:
        """Run from the leaves of state 0; return those of state N and of the observations."""
        form = self._model.form
        try:
            with allowing(self._inside):
                final = self._sweep.forward(form.state.copy_in(state))
        except BaseException:
            self.abandon()
            raise
        observed = (
            [] if self._observations is None else self._observations.finish(final, self.n_steps)
        )
        return final, observed

    @property
    def live(self) -> bool:
        """Whether it can be reversed: once."""
        return not self._reversed

    def abandon(self) -> None:
        """Let go of all that is held; a pullback begins afresh.

        Done at once when something is raised, however long the error is kept.
        """
        self._reversed = True
        self._sweep.abandon()

    @property
    def n_observed(self) -> int:
        """Number of observed states, before `reverse`."""
        return 0 if self._observations is None else self._observations.count

    @property
    def n_steps(self) -> int:
        """Number of steps of the run."""
        return self._sweep.n_steps

    def bytes_of_more(self, n_more: int) -> int:
        """Return the bytes that so many cotangents take beside the first."""
        n_observed = 0
        if self._observations is not None:
            n_observed = self._observations.count or self._observations.n_wanted
        return bytes_of_more(self._model, self.plan.sizes, n_more, n_observed)

    def most_cotangents(self, wanted: int) -> int:
        """Return how many cotangents, of so many, the budget lets one sweep reverse."""
        limit = self._ledger.limit
        if limit is None or wanted == 1:
            return wanted
        room = limit - self.plan.peak_bytes
        while wanted > 1 and self.bytes_of_more(wanted - 1) > room:
            wanted -= 1
        return wanted

    def reverse(self, arguments: Arguments, final: Leaves, observed: Leaves) -> Pulled:
        """Pull cotangents back.

        Parameters
        ----------
        arguments : Arguments
            Those of `forward` again, bit for bit.
        final : list of ndarray
            The cotangent of state N, in memory of our own.
        observed : list of ndarray
            The cotangents of the observations.
        """
        return self.reverse_several(arguments, [(final, observed)])[0]

    def reverse_several(
        self, arguments: Arguments, cotangents: Sequence[tuple[Leaves, Leaves]]
    ) -> list[Pulled]:
        """Pull several cotangents back in one sweep; see `reverse`.

        Parameters
        ----------
        arguments : Arguments
            Those of `forward` again, bit for bit.
        cotangents : sequence of (list of ndarray, list of ndarray)
            Each as for `reverse`; the lists are emptied.
        """
        self._reversed = True
        bound = [self._bound(arguments, again=i > 0) for i in range(len(cotangents))]
        kernels = [kernel for kernel, _, _ in bound]
        kernel = kernels[0]
        if self._observations is not None and self._observations.within:
            for one, (_, rows) in zip(kernels, cotangents, strict=True):
                assert isinstance(one, NativeKernel)
                one.add_observed(self._observations.within, rows)
        if len(kernels) > 1:
            more = self.bytes_of_more(len(kernels) - 1)
            self._ledger.set("further cotangents", more)
            self._ledger.planned = max(self._ledger.planned or 0, self.plan.peak_bytes + more)
            kernel = SeveralKernels(kernels, self.plan.sizes.tape)
        if self._observations is not None:
            observers = [observer for _, observer, _ in bound if observer is not None]
            self._observations.observer = (
                observers[0] if len(observers) == 1 else SeveralObservers(observers)
            )
        final = [leaf for one, _ in cotangents for leaf in one]
        observed = [leaf for _, one in cotangents for leaf in one]
        for pair in cotangents:
            for leaves in pair:
                leaves.clear()  # the sweep lets go of each array after its last use
        try:
            with allowing(self._inside):
                cotangent = self._sweep.reverse(kernel, final, observed)
        except BaseException as error:
            self.abandon()
            if isinstance(error, BudgetError) and allowance() == self.plan.budget:
                error.add_note(
                    "what it may hold is what the simulation around it leaves to those inside of "
                    "its steps, a quarter of its own memory: give that one more"
                )
            raise
        kernel.finish()
        operations = self._ledger.held("operations")
        if operations > self.plan.sizes.fixed["operations"]:
            self._past.note(self._model.form, operations)
        n = len(cotangent) // len(bound)
        parts = [cotangent[i * n : (i + 1) * n] for i in range(len(bound))]
        return [finish(part) for part, (_, _, finish) in zip(parts, bound, strict=True)]

    def _bound(
        self, arguments: Arguments, *, again: bool
    ) -> tuple[Kernel, Observer | None, Callable[[Leaves], Pulled]]:
        """Return kernel and observer bound to fresh sums, and what returns these at the end."""
        form = self._model.form
        gradients = Gradients(form)
        kernel = self._kernel
        if again or self._observations is not None or not _outlives(kernel):
            # The recorder may have lent the arrays of the first sweep to others since.
            kernel = self._model.kernel(arguments.params, arguments.inputs, arguments.hidden)
        if isinstance(kernel, LoopKernel):
            kernel.share(self._kernel)
        kernel.bind_gradients(gradients)
        if isinstance(kernel, DynamicKernel):
            kernel.ledger = self._ledger
        observer: Observer | None = None
        seen: Gradients | None = None
        if self._observations is not None:
            observer = self._model.observer(arguments.params, arguments.hidden)
            assert observer is not None
            # Sums of their own: under every schedule they are then added in the same order.
            if isinstance(observer, DynamicObserver):
                observer.ledger = self._ledger
            seen = Gradients(replace(form, inputs=None))
            observer.bind_gradients(seen)

        def finish(cotangent: Leaves) -> Pulled:
            if seen is not None:
                gradients.params.add_sums(seen.params)
                gradients.hidden.add_sums(seen.hidden)
            return Pulled(
                cotangent,
                gradients.params.result(),
                [] if gradients.inputs is None else gradients.inputs.result(),
                gradients.hidden.result(),
            )

        return kernel, observer, finish

    @property
    def report(self) -> Report:
        """What has been done so far."""
        return self.counted()

    @property
    def counted(self) -> Callable[[], Report]:
        """What makes the report of what has been done: few ask for it."""
        return report_maker(
            self._sweep.counters,
            self._ledger,
            self.plan,
            self._model,
            self._shelves,
            steps=self._sweep.n_steps,
            checked=self._check.count,
            compared=self._replays.compared,
        )

    def _require_finite(self, k: int, state: Leaves) -> None:
        require_finite_state(state, self._model.form.state, k)


def _outlives(kernel: Kernel) -> bool:
    """Tell whether a kernel serves the reverse sweep too, whatever became of the arguments."""
    return isinstance(kernel, NativeKernel) and kernel.keeps_arguments


def _executed(plan: Plan) -> int | None:
    if is_planned_on_the_way(plan):
        return None
    return None if plan.counts is None else plan.counts.advanced + plan.counts.recorded
