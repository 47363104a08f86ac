"""The settings of a simulation, checked where they are made."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from revolve_ad.errors import ParameterError
from revolve_ad.simulation.arrays.replay import ReplayCheck, require_replay_check
from revolve_ad.simulation.memory import parse_bytes
from revolve_ad.simulation.places import rooms_of, storage_of
from revolve_ad.simulation.progress import ProgressOption, require_progress
from revolve_ad.simulation.steps.signature import require_arguments
from revolve_ad.simulation.steps.user_step import Step
from revolve_ad.storage import Ram

__all__ = ["Settings", "make_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `Simulation` was given; the names are its arguments."""

    step: Callable[..., Any]
    steps: int | None
    until: Callable[..., Any] | None
    max_steps: int
    observe: Callable[..., Any] | None
    observe_at: Sequence[int] | None
    memory: int | None
    disk: int | tuple[int | None, ...] | None
    schedule: Any
    storage: Any
    native: str | bool
    replay_check: ReplayCheck
    progress: ProgressOption

    @property
    def storages(self) -> tuple[Any, ...]:
        """Where checkpoints live beyond RAM, the fastest first; none where nothing was given."""
        if self.storage is None:
            return ()
        return self.storage if isinstance(self.storage, tuple) else (self.storage,)

    @property
    def on_disk(self) -> bool:
        """Whether checkpoints may live anywhere but in memory."""
        return any(not isinstance(storage, Ram) for storage in self.storages)

    @property
    def rooms(self) -> tuple[int | None, ...]:
        """The most bytes of checkpoints in each of these; None: any number."""
        if isinstance(self.disk, tuple):
            return self.disk
        return (self.disk,) * len(self.storages)

    def observed(self, n_steps: int | None) -> Sequence[int]:
        """Return the indices of the states to observe in a run of `n_steps` steps."""
        if self.observe is None:
            return ()
        if self.observe_at is not None:
            return self.observe_at
        return range((self.max_steps if n_steps is None else n_steps) + 1)


def make_settings(**given: Any) -> Settings:
    """Check the arguments of `Simulation`.

    Raises
    ------
    ParameterError
        If one is of a wrong kind, out of its range, or contradicts another.
    """
    step, until, observe = given["step"], given["until"], given["observe"]
    _require_callable("step", step, "(state, params, k) -> state")
    steps, max_steps = given["steps"], given["max_steps"]
    if until is None:
        if steps is None:
            raise ParameterError("give steps=, the number of steps, or until= and max_steps=.")
        if max_steps is not None:
            raise ParameterError(
                "max_steps= bounds a run that until= ends; with steps= leave it out."
            )
        steps = max_steps = _count("steps", steps, 0)
    else:
        _require_callable("until", until, "(state, params, k) -> bool")
        if steps is not None:
            raise ParameterError("give steps= or until=, not both.")
        if max_steps is None:
            raise ParameterError("until= needs max_steps=, the most steps that may be run.")
        max_steps = _count("max_steps", max_steps, 1)
    if observe is not None:
        _require_callable("observe", observe, "(state, params, k) -> observation")
    elif given["observe_at"] is not None:
        raise ParameterError("observe_at= is given without observe=; give both.")
    if given["native"] not in ("auto", True, False):
        raise ParameterError(f'native is {given["native"]!r}; allowed are "auto", True, False.')
    schedule = given["schedule"]
    if schedule is not None and (
        isinstance(schedule, (str, bytes))
        or not (callable(schedule) or hasattr(schedule, "__iter__"))
    ):
        raise ParameterError(
            f"schedule is {schedule!r}; give a schedule, such as ra.schedule.binomial(n, 10), or a "
            "function of the number of steps that returns one."
        )
    if hasattr(schedule, "__next__"):
        raise ParameterError(
            "schedule is an iterator, which can be played only once; give a list of its actions."
        )
    storage = storage_of(given["storage"], schedule)
    disk = rooms_of(given["disk"], given["storage"])
    memory = given["memory"]
    return Settings(
        step=step,
        steps=steps,
        until=until,
        max_steps=max_steps,
        observe=observe,
        observe_at=_indices(given["observe_at"], max_steps),
        memory=None if memory is None else parse_bytes(memory),
        disk=disk,
        schedule=schedule,
        storage=storage,
        native=given["native"],
        replay_check=require_replay_check(given["replay_check"]),
        progress=require_progress(given["progress"]),
    )


def _require_callable(name: str, value: object, signature: str) -> None:
    if not callable(value):
        raise ParameterError(f"{name} is {value!r}; give a function {signature}.")
    require_arguments(name, value.function if isinstance(value, Step) else value)


def _count(name: str, value: Any, smallest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(f"{name} is {value!r}; give an integer.") from None
    if isinstance(value, bool):
        raise ParameterError(f"{name} is {value!r}; give an integer.")
    if number < smallest:
        raise ParameterError(f"{name} is {value!r}; it must be at least {smallest}.")
    return number


def _indices(asked: Any, last: int) -> Sequence[int] | None:
    if asked is None:
        return None
    given: Sequence[int] = asked
    if not isinstance(given, range):
        try:
            listed = list(given)
            if any(isinstance(k, (bool, np.bool_)) for k in listed):
                raise TypeError("a mask")
            given = tuple([operator.index(k) for k in listed])
        except TypeError:
            raise ParameterError(
                f"observe_at is {asked!r}; give the indices of states, integers from 0 to {last}."
            ) from None
    for i, k in enumerate(given):
        if not 0 <= k <= last:
            raise ParameterError(
                f"observe_at[{i}] is {k}; a run of {last} steps has the states 0 … {last}."
            )
        if i and k <= given[i - 1]:
            raise ParameterError(
                f"observe_at[{i}] is {k} after {given[i - 1]}; the indices must increase strictly."
            )
    return given
