"""The plan of a gradient: from a budget of bytes to a schedule, with a forecast of the cost."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from revolve_ad.errors import BudgetError, ScheduleError
from revolve_ad.schedule import Counts, Level, OnlineSchedule, check
from revolve_ad.simulation.arrays.levels import uses_disk
from revolve_ad.simulation.memory import format_bytes
from revolve_ad.simulation.planning.choosing import all_on_disk, peak_in_ram, ways
from revolve_ad.simulation.planning.costs import Costs, format_seconds
from revolve_ad.simulation.planning.overlap import Overlap, overlap
from revolve_ad.simulation.planning.problem import Disk, Problem, Way
from revolve_ad.simulation.planning.reasons import reason
from revolve_ad.simulation.planning.sizes import Sizes

__all__ = ["Plan", "Sizes", "given_plan", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a gradient will do and need; made by ``sim.plan`` and ``ra.plan``, prints as a table.

    Attributes
    ----------
    n_steps : int or None
        Number of steps; None where only `until` knows.
    budget : int
        The bytes of memory that it may hold.
    sizes : Sizes
        The bytes of a state, a tape and all that is fixed.
    schedule : Schedule
        What will be played.
    counts : Counts or None
        What that costs in steps, saves and restores; None where the number of steps isn't known.
    kind : str
        ``"store all"``, ``"mixed"`` (checkpoints and tapes in memory), ``"multilevel"`` (both
        levels), ``"streaming"`` (a checkpoint on disk every so many steps), ``"heterogeneous"``
        (steps that differ), ``"online"`` (unknown number of steps) or ``"given"`` (by the user).
    why : str
        Why that one, in a sentence.
    problem : Problem
        The run as the planner sees it: its costs, the room on disk.
    ways : tuple of Way
        All that was compared, the cheapest first.
    all_on_disk : bool
        Whether a schedule that knows no levels has its checkpoints on disk: on the first storage
        that has room.
    remarks : tuple of str
        What one should know, such as the line that makes a tape depend on values.
    """

    n_steps: int | None
    budget: int
    sizes: Sizes
    schedule: Any
    counts: Counts | None
    kind: str
    why: str
    problem: Problem = field(repr=False)
    ways: tuple[Way, ...] = field(default=(), repr=False)
    all_on_disk: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def smallest_budget(self) -> int:
        """The smallest number of bytes that works."""
        return self.problem.smallest_budget

    @property
    def disk(self) -> Disk | None:
        """The room on disk; None where there is no disk."""
        return self.problem.disk

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The room on each storage, the fastest first; empty where there is none."""
        return self.problem.disks

    @property
    def costs(self) -> Costs | None:
        """What the parts take in seconds; None if nothing was measured."""
        return self.problem.costs

    @property
    def step_seconds(self) -> float | None:
        """Seconds of a plain step."""
        return None if self.costs is None else self.costs.step

    @property
    def reverse_seconds(self) -> float | None:
        """Seconds of a step that is recorded and reversed."""
        return None if self.costs is None else self.costs.reverse

    @property
    def write_seconds(self) -> float | None:
        """Seconds that writing a checkpoint on disk takes; None without a disk."""
        return None if self.costs is None or self.disk is None else self.costs.write

    @property
    def read_seconds(self) -> float | None:
        """Seconds that reading a checkpoint from disk takes; None without a disk."""
        return None if self.costs is None or self.disk is None else self.costs.read

    @property
    def advanced(self) -> int | None:
        """Plain steps; None where the number of steps isn't known, as below."""
        return None if self.counts is None else self.counts.advanced

    @property
    def recorded(self) -> int | None:
        """Recorded steps."""
        return None if self.counts is None else self.counts.recorded

    @property
    def saved(self) -> int | None:
        """Checkpoints saved, in memory and on disk."""
        return None if self.counts is None else self.counts.saved

    @property
    def restored(self) -> int | None:
        """Checkpoints restored, from memory and from disk."""
        return None if self.counts is None else self.counts.restored

    @property
    def disk_saved(self) -> int | None:
        """Checkpoints written to disk."""
        return None if self.counts is None else self.counts.disk_saved

    @property
    def disk_restored(self) -> int | None:
        """Checkpoints read from disk."""
        return None if self.counts is None else self.counts.disk_restored

    @property
    def n_checkpoints(self) -> int:
        """The most checkpoints that will be held at a time, in memory and on disk together."""
        if self.counts is not None:
            return self.counts.peak_checkpoints
        return int(getattr(self.schedule, "n_checkpoints", 0))

    @property
    def n_on_disk(self) -> int:
        """The most checkpoints that will be on disk at a time."""
        if self.counts is not None:
            return self.counts.peak_disk
        return self.n_checkpoints if self.all_on_disk else 0

    def n_on(self, level: Level) -> int:
        """Return the most checkpoints that will be on one level at a time.

        Parameters
        ----------
        level : Level
            `Level.DISK`, `Level.REMOTE` or `Level.ARCHIVE`: the first, second or third storage.
        """
        if self.all_on_disk:
            return self.n_on_disk if level == self.problem.first_level else 0
        return 0 if self.counts is None else self.counts.on(level).peak

    @property
    def disk_bytes(self) -> int:
        """The most bytes of checkpoints on disk at a time."""
        return self.n_on_disk * self.sizes.state

    @property
    def peak_bytes(self) -> int:
        """The forecast of the most bytes of memory held at a time."""
        if self.counts is None:
            return self.budget
        if self.problem.uneven is not None:
            return self.sizes.all_fixed + self.ways[0].in_ram
        in_ram = peak_in_ram(self.schedule, self.counts, self.sizes.state, self.sizes.tape)
        return self.sizes.all_fixed + in_ram

    @property
    def recomputation(self) -> float | None:
        """Executed steps, plain and recorded, for each step of the run."""
        if self.counts is None or not self.n_steps:
            return None
        return (self.counts.advanced + self.counts.recorded) / self.n_steps

    @property
    def seconds(self) -> float | None:
        """The forecast of the time of a gradient; None if nothing was measured."""
        if self.counts is None:
            return None
        if self.problem.uneven is not None:
            return self.ways[0].seconds
        return self.problem.seconds(self.counts, self.peak_bytes - self.sizes.all_fixed)

    @property
    def io_seconds(self) -> float | None:
        """The part of it that is spent on writing to the disk and reading from it."""
        if self.counts is None or self.costs is None:
            return None
        return self.costs.io_seconds(self.counts)

    @property
    def in_memory(self) -> bool:
        """Whether the planner leaves the disk unused, though there is one."""
        return self.kind != "given" and self.disk is not None and self.n_on_disk == 0

    @property
    def overlap(self) -> Overlap | None:
        """What a disk that is written beside the computation would be worth; here it is waited for.

        None without a disk or with several, without seconds, or where all tapes fit into memory.
        """
        if self.kind in ("store all", "given"):
            return None
        return overlap(self.problem, self.budget - self.sizes.all_fixed)

    @property
    def half(self) -> "Plan | None":
        """The plan for half the budget; None if that is too small."""
        return self._with(self.budget // 2)

    @property
    def double(self) -> "Plan | None":
        """The plan for twice the budget."""
        return self._with(2 * self.budget)

    def with_budget(self, budget: int) -> "Plan":
        """Return the plan for the same run under another budget.

        Raises
        ------
        BudgetError
            If that budget is below the smallest that works.
        """
        return replace(make_plan(self.problem, budget), remarks=self.remarks)

    def for_steps(self, n_steps: int) -> "Plan":
        """Return the forecast of a run of unknown length, if it ends after so many steps."""
        if self.n_steps is not None:
            return self
        counts = self.schedule.counts(n_steps)
        if self.all_on_disk:
            counts = all_on_disk(counts)
        return replace(self, n_steps=n_steps, counts=counts)

    def _with(self, budget: int) -> "Plan | None":
        try:
            return self.with_budget(budget)
        except BudgetError:
            return None

    def __str__(self) -> str:
        sizes, most = self.sizes, self.problem.max_steps
        steps = f"at most {most:,}" if self.n_steps is None else f"{self.n_steps:,}"
        lines = [
            f"{'steps':<22}{steps:>14}",
            f"{'state':<22}{format_bytes(sizes.state):>14}",
            f"{'tape of a step':<22}{format_bytes(sizes.tape):>14}",
        ]
        lines += [
            f"{name:<22}{format_bytes(size):>14}" for name, size in sizes.fixed.items() if size
        ]
        lines.append(f"{'smallest budget':<22}{format_bytes(self.smallest_budget):>14}")
        for level, disk in zip(self.problem.slots_by_level, self.disks, strict=True):
            room = "unbounded" if disk.nbytes is None else format_bytes(disk.nbytes)
            lines.append(f"{level.name.lower():<22}{room:>14}")
        timed = [("a plain step", self.step_seconds), ("recorded, reversed", self.reverse_seconds)]
        if self.costs is not None:
            rooms, io = self.problem.slots_by_level, (self.costs.writes, self.costs.reads)
            for (level, slots), write, read in zip(rooms.items(), *io, strict=False):
                name = level.name.lower()
                if slots != 0:
                    timed += [(f"written to {name}", write), (f"read from {name}", read)]
        for name, seconds in timed:
            if seconds is not None:
                lines.append(f"{name:<22}{format_seconds(seconds):>14}")
        sentence = f"{self.kind}: {self.why}"
        rows = [self.half, self, self.double]
        lines += [
            "",
            *textwrap.wrap(sentence, 88),
            "",
            _HEAD,
            *(plan._row() for plan in rows if plan is not None),
        ]
        if self.counts is not None and len(self.disks) > 1 and not self.all_on_disk:
            lines += ["", *_storages(self.counts, list(self.problem.slots_by_level))]
        lines += [f"note: {remark}" for remark in self.remarks]
        if self.overlap is not None:
            lines += textwrap.wrap(f"note: {self.overlap}", 88, subsequent_indent="      ")
        return "\n".join(lines)

    def _row(self) -> str:
        # Of a run of unknown length, the longest, about.
        at_most, longest = self, self.problem.max_steps
        if self.n_steps is None and longest:
            counts = self.ways[0].counts if self.ways else self.for_steps(longest).counts
            at_most = replace(self, n_steps=longest, counts=counts)
        recomputation, seconds = at_most.recomputation, at_most.seconds
        return (
            f"{format_bytes(self.budget):>12} {format_bytes(self.peak_bytes):>12} "
            f"{at_most.n_checkpoints:>12,} {at_most.n_on_disk:>10,} "
            f"{'' if recomputation is None else f'{recomputation:.3f}':>14} "
            f"{'' if seconds is None else _number(seconds):>10}  {self.kind}"
        )


def _storages(counts: Counts, levels: Sequence[Level]) -> list[str]:
    """Return a line for each storage: what is written, read and held there."""
    lines = [f"{'storage':<12} {'at most held':>12} {'written':>10} {'read':>10}"]
    for level in levels:
        on = counts.on(level)
        lines.append(f"{level.name.lower():<12} {on.peak:>12,} {on.saved:>10,} {on.restored:>10,}")
    return lines


_HEAD = (
    f"{'budget':>12} {'peak':>12} {'checkpoints':>12} {'on disk':>10} {'recomputation':>14} "
    f"{'seconds':>10}"
)


def _number(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 999.5 else f"{seconds:.3g}"


_NOTHING = Counts(advanced=0, recorded=0, saved=0, restored=0, peak_checkpoints=0, peak_tapes=0)


def make_plan(problem: Problem, budget: int) -> Plan:
    """Return the cheapest plan that the budget allows.

    Parameters
    ----------
    problem : Problem
        The run.
    budget : int
        Bytes of memory.

    Raises
    ------
    BudgetError
        If the budget is below the smallest one that works.
    """
    sizes = problem.sizes
    if budget < problem.smallest_budget:
        raise BudgetError(_too_small(problem, budget))
    if problem.n_steps == 0:
        return Plan(
            n_steps=0,
            budget=budget,
            sizes=sizes,
            schedule=(),
            counts=_NOTHING,
            kind="store all",
            why="there is no step.",
            problem=problem,
        )
    free = budget - sizes.all_fixed
    found = ways(problem, free)
    best = found[0]
    return Plan(
        n_steps=problem.n_steps,
        budget=budget,
        sizes=sizes,
        schedule=best.schedule,
        counts=best.counts if problem.n_steps is not None else None,
        kind=best.kind,
        why=reason(problem, free, found),
        problem=problem,
        ways=tuple(found),
        all_on_disk=best.kind == "online" and best.counts.disk_saved > 0,
    )


def given_plan(problem: Problem, budget: int, given: Any, *, bounded: bool) -> Plan:
    """Return the plan for a schedule that the user gave.

    Parameters
    ----------
    problem : Problem
        The run.
    budget : int
        Bytes of memory.
    given : schedule or callable
        The schedule, or a function ``n_steps -> schedule``.
    bounded : bool
        Whether it must keep to the budget.

    Raises
    ------
    BudgetError
        If the budget is below what the schedule needs.
    ScheduleError
        If it breaks a rule, or is for another number of steps.
    """
    n_steps, sizes = problem.n_steps, problem.sizes
    schedule: Any = given(n_steps) if _is_maker(given) else given
    if not hasattr(schedule, "__iter__") or hasattr(schedule, "__next__"):
        raise ScheduleError(
            f"schedule({n_steps}) returned {schedule!r}; it must return a schedule, such as "
            "ra.schedule.binomial(n, 10), or a list of actions."
        )
    counts: Counts | None = None
    on_disk = False
    online_given = isinstance(schedule, OnlineSchedule) and not hasattr(schedule, "n_steps")
    most = getattr(schedule, "recorded_at_once", None)
    longest = problem.max_steps if n_steps is None else n_steps
    if most is not None and longest is not None and longest > most:
        raise ScheduleError(
            f"the schedule is for at most {most} steps, but this run "
            f"{'may take' if n_steps is None else 'has'} {longest}; give "
            f"online(max_steps={longest}) or more, with a budget that holds so many tapes, or "
            "leave max_steps out there."
        )
    if n_steps is None:
        if not online_given:
            raise ScheduleError(
                f"{schedule!r} is for a known number of steps, but only until= ends this run; use "
                "schedule.online, or give steps=."
            )
        on_disk = problem.disk is not None
        needed = sizes.all_fixed + _most_of_online(schedule, sizes, on_disk=on_disk)
        if bounded and needed > budget:
            raise BudgetError(_too_large(needed, budget))
    elif n_steps == 0:
        schedule, counts = (), _NOTHING
    else:
        if online_given:
            counts = schedule.counts(n_steps)
        else:
            announced = getattr(schedule, "n_steps", n_steps)
            if announced != n_steps:
                raise ScheduleError(
                    f"the schedule is for {announced} steps, but this run has {n_steps}; give a "
                    "function of the number of steps, such as "
                    "schedule=lambda n: ra.schedule.binomial(n, 10)."
                )
            # Our own schedules count in closed form; anything else is played on paper first.
            known = getattr(schedule, "counts", None)
            counts = known() if callable(known) else check(schedule, n_steps)
        on_disk = problem.disk is not None and not uses_disk(schedule, counts)
        if on_disk:
            counts = all_on_disk(counts)
        needed = sizes.all_fixed + peak_in_ram(schedule, counts, sizes.state, sizes.tape)
        if bounded and needed > budget:
            raise BudgetError(_too_large(needed, budget))
    return Plan(
        n_steps=n_steps,
        budget=budget,
        sizes=sizes,
        schedule=schedule,
        counts=counts,
        kind="given",
        why="schedule= was given.",
        problem=problem,
        all_on_disk=on_disk,
    )


def _most_of_online(schedule: Any, sizes: Sizes, *, on_disk: bool) -> int:
    """Return the bytes of checkpoints and tapes that a run of unknown length may come to."""
    at_once = getattr(schedule, "recorded_at_once", None)
    if at_once is not None:
        return int(at_once) * sizes.tape
    capacity = getattr(schedule, "capacity", None)
    if capacity is None:
        return sizes.tape + (0 if on_disk else sizes.state)
    state = 0 if on_disk else sizes.state
    return int(max(i * state + k * sizes.tape for i, k in enumerate(capacity.leaves)))


def _too_small(problem: Problem, budget: int) -> str:
    sizes, least = problem.sizes, problem.smallest_budget
    held = [f"{name} {size:,}" for name, size in sizes.fixed.items() if size]
    rest = least - sizes.all_fixed
    if rest == sizes.state + sizes.tape:
        held = [f"one checkpoint {sizes.state:,}", f"one tape {sizes.tape:,}", *held]
    else:
        held = [f"{'one tape' if rest == sizes.tape else 'all tapes'} {rest:,}", *held]
    without = ""
    if problem.disk is None and rest == sizes.state + sizes.tape:
        without = (
            f" With checkpoints on disk, storage=ra.storage.Disk(path), {least - sizes.state:,} "
            "are enough."
        )
    return (
        f"memory is {budget:,} bytes ({format_bytes(budget)}), but the smallest budget that works "
        f"is {least:,} bytes: {', '.join(held)}. Give at least that; its plan says what more would "
        f"gain.{without}"
    )


def _too_large(needed: int, budget: int) -> str:
    return (
        f"the schedule needs {needed:,} bytes ({format_bytes(needed)}), but memory is {budget:,} "
        f"({format_bytes(budget)}); leave out schedule= or memory=, or give that much."
    )


def _is_maker(given: Any) -> bool:
    return isinstance(given, Callable) and not hasattr(given, "__iter__")  # type: ignore[arg-type]
