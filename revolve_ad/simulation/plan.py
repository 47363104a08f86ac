"""The plan of a gradient: from a budget of bytes to a schedule, with a forecast of the cost."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from revolve_ad.errors import BudgetError, ScheduleError
from revolve_ad.schedule import (
    Counts,
    OnlineSchedule,
    binomial,
    check,
    mixed,
    online,
    store_all,
)
from revolve_ad.simulation.memory import format_bytes

__all__ = ["Plan", "Sizes", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The bytes of what a gradient holds.

    Attributes
    ----------
    state : int
        One checkpoint, in memory; 0 where checkpoints are on disk.
    tape : int
        One tape.
    most_checkpoints : int or None
        As many fit on disk; None: any number.
    fixed : dict of str to int
        What doesn't depend on the schedule: working copies, the final state and its cotangent,
        observations and theirs, sums of the gradient.
    """

    state: int
    tape: int
    most_checkpoints: int | None = None
    fixed: dict[str, int] = field(default_factory=dict)

    @property
    def smallest(self) -> int:
        """The smallest budget that works: one checkpoint and one tape."""
        return sum(self.fixed.values()) + self.state + self.tape


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a gradient will do and need; made by ``sim.plan``, it prints as a table.

    Attributes
    ----------
    n_steps : int or None
        Number of steps; None where only `until` knows.
    budget : int
        The bytes that it may hold.
    sizes : Sizes
        The bytes of a state, a tape and all that is fixed.
    schedule : Schedule
        What will be played.
    counts : Counts or None
        What that costs in steps, saves and restores; None where the number of steps isn't known.
    step_seconds, reverse_seconds : float or None
        Measured seconds of a plain step, and of a step recorded and reversed.
    remarks : tuple of str
        What one should know, such as the line that makes a tape depend on values.
    """

    n_steps: int | None
    budget: int
    sizes: Sizes
    schedule: Any
    counts: Counts | None
    step_seconds: float | None = None
    reverse_seconds: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def smallest_budget(self) -> int:
        """The smallest number of bytes that works."""
        return self.sizes.smallest

    @property
    def n_checkpoints(self) -> int:
        """The most checkpoints that will be held at a time."""
        if self.counts is not None:
            return self.counts.peak_checkpoints
        return int(getattr(self.schedule, "n_checkpoints", 0))

    @property
    def peak_bytes(self) -> int:
        """The forecast of the most bytes held at a time."""
        if self.counts is None:
            return self.budget
        return _peak(self.sizes, self.counts)

    @property
    def recomputation(self) -> float | None:
        """Executed steps, plain and recorded, for each step of the run."""
        if self.counts is None or not self.n_steps:
            return None
        return (self.counts.advanced + self.counts.recorded) / self.n_steps

    @property
    def seconds(self) -> float | None:
        """The forecast of the time of a gradient; None if nothing was measured."""
        if self.counts is None or self.step_seconds is None or self.reverse_seconds is None:
            return None
        return (
            self.counts.advanced * self.step_seconds + self.counts.recorded * self.reverse_seconds
        )

    def with_budget(self, budget: int) -> "Plan":
        """Return the plan for the same run under another budget."""
        return replace(
            make_plan(self.n_steps, budget, self.sizes, None),
            step_seconds=self.step_seconds,
            reverse_seconds=self.reverse_seconds,
            remarks=self.remarks,
        )

    def __str__(self) -> str:
        steps = "until it ends" if self.n_steps is None else f"{self.n_steps:,}"
        lines = [
            f"steps                 {steps:>14}",
            f"state                 {format_bytes(self.sizes.state):>14}",
            f"tape of a step        {format_bytes(self.sizes.tape):>14}",
        ]
        lines += [
            f"{name:<22}{format_bytes(size):>14}" for name, size in self.sizes.fixed.items() if size
        ]
        lines += [
            f"smallest budget       {format_bytes(self.smallest_budget):>14}",
            "",
            _HEAD,
            *(_row(plan) for plan in self._around()),
        ]
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])

    def _around(self) -> "list[Plan]":
        plans = [self]
        for budget in (self.budget // 2, self.budget * 2):
            try:
                plans.append(self.with_budget(budget))
            except BudgetError:
                continue
        return sorted(plans, key=lambda plan: plan.budget)


_EFFORT = 0.05
"""Seconds that may be spent on finding a schedule."""

_HEAD = f"{'budget':>12} {'peak':>12} {'checkpoints':>12} {'recomputation':>14} {'seconds':>10}"


def _row(plan: Plan) -> str:
    recomputation = "" if plan.recomputation is None else f"{plan.recomputation:.3f}"
    seconds = "" if plan.seconds is None else f"{plan.seconds:.3g}"
    return (
        f"{format_bytes(plan.budget):>12} {format_bytes(plan.peak_bytes):>12} "
        f"{plan.n_checkpoints:>12,} {recomputation:>14} {seconds:>10}"
    )


def make_plan(
    n_steps: int | None,
    budget: int,
    sizes: Sizes,
    given: Any,
    *,
    bounded: bool = True,
    max_steps: int | None = None,
) -> Plan:
    """Return the plan with the least recomputation that the budget allows.

    Parameters
    ----------
    n_steps : int or None
        Number of steps, None where it isn't known.
    budget : int
        Bytes.
    sizes : Sizes
        Bytes of what is held.
    given : schedule, callable or None
        The user's schedule, or a function ``n_steps -> schedule``; None to choose one.
    bounded : bool
        Whether a given schedule must keep to the budget.
    max_steps : int or None
        The most steps of a run whose number of steps isn't known.

    Raises
    ------
    BudgetError
        If the budget is below the smallest one that works, or below what a given schedule needs.
    ScheduleError
        If a given schedule breaks a rule, or is for another number of steps.
    """
    if given is not None:
        return _given_plan(n_steps, budget, sizes, given, bounded=bounded)
    if budget < sizes.smallest:
        parts = ", ".join(f"{name} {size:,}" for name, size in sizes.fixed.items() if size)
        raise BudgetError(
            f"memory is {budget:,} bytes ({format_bytes(budget)}), but the smallest budget that "
            f"works is {sizes.smallest:,} bytes: one checkpoint {sizes.state:,}, one tape "
            f"{sizes.tape:,}, {parts}. Give at least that; sim.plan says what more would gain."
        )
    free = budget - sum(sizes.fixed.values())
    schedule: Any
    if n_steps is None:
        schedule = online(
            state_bytes=max(1, sizes.state),
            tape_bytes=max(1, sizes.tape),
            budget=max(2, free),
            max_steps=max_steps,
        )
        return Plan(n_steps=None, budget=budget, sizes=sizes, schedule=schedule, counts=None)
    schedule = _choose(n_steps, free, sizes)
    counts = schedule.counts() if n_steps else _NOTHING
    return Plan(n_steps=n_steps, budget=budget, sizes=sizes, schedule=schedule, counts=counts)


def _choose(n_steps: int, free: int, sizes: Sizes) -> Any:
    if n_steps == 0:
        return ()
    if n_steps * sizes.tape <= free:
        return store_all(n_steps)
    if sizes.state == 0:  # checkpoints are on disk
        most = n_steps if sizes.most_checkpoints is None else sizes.most_checkpoints
        return binomial(n_steps, max(1, min(n_steps, most)))
    return _mixed(n_steps, free, sizes.state, sizes.tape)


@lru_cache(maxsize=256)
def _mixed(n_steps: int, free: int, state: int, tape: int) -> Any:
    # To find the schedule may not cost more than it saves.
    return mixed(n_steps, free, state, tape, effort=_EFFORT)


def _given_plan(
    n_steps: int | None, budget: int, sizes: Sizes, given: Any, *, bounded: bool
) -> Plan:
    schedule = given(n_steps) if _is_maker(given) else given
    counts: Counts | None = None
    online_given = isinstance(schedule, OnlineSchedule) and not hasattr(schedule, "n_steps")
    if n_steps is None:
        if not online_given:
            raise ScheduleError(
                f"{schedule!r} is for a known number of steps, but only until= ends this run; use "
                "schedule.online, or give steps=."
            )
        slots = getattr(schedule, "n_checkpoints", 0)
        needed = sizes.smallest + (slots - 1) * sizes.state
        if bounded and needed > budget and getattr(schedule, "sizes", None) is None:
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
        needed = _peak(sizes, counts)
        if bounded and needed > budget:
            raise BudgetError(_too_large(needed, budget))
    return Plan(n_steps=n_steps, budget=budget, sizes=sizes, schedule=schedule, counts=counts)


def _too_large(needed: int, budget: int) -> str:
    return (
        f"the schedule needs {needed:,} bytes ({format_bytes(needed)}), but memory is {budget:,} "
        f"({format_bytes(budget)}); leave out schedule= or memory=, or give that much."
    )


def _is_maker(given: Any) -> bool:
    return isinstance(given, Callable) and not hasattr(given, "__iter__")  # type: ignore[arg-type]


def _peak(sizes: Sizes, counts: Counts) -> int:
    in_memory = counts.peak_checkpoints - counts.peak_disk
    apart = in_memory * sizes.state + max(1, counts.peak_tapes) * sizes.tape
    # Checkpoints and tapes need not peak at the same time: a schedule that knows its bytes knows.
    together = min(apart, counts.peak_bytes) if counts.peak_bytes else apart
    return sum(sizes.fixed.values()) + together


_NOTHING = Counts(advanced=0, recorded=0, saved=0, restored=0, peak_checkpoints=0, peak_tapes=0)
