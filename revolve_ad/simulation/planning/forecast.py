"""`plan` forecasts a gradient from a few numbers, without a simulation."""

from collections.abc import Sequence
from typing import Any, Final, SupportsFloat, SupportsIndex

from revolve_ad.errors import ParameterError
from revolve_ad.schedule import Level
from revolve_ad.schedule.arguments import cost, count
from revolve_ad.simulation.memory import budget_bytes, parse_bytes
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.plan import Plan, make_plan
from revolve_ad.simulation.planning.planner import disk_room
from revolve_ad.simulation.planning.problem import Disk, Problem, Uneven
from revolve_ad.simulation.planning.sizes import Sizes

__all__ = ["plan"]

Size = str | SupportsFloat
"""A number of bytes, or a text such as ``"2 MB"``."""

Storages = Sequence[Any]
"""An entry for each of several storages, the fastest first."""


def plan(
    n_steps: SupportsIndex | None = None,
    *,
    max_steps: SupportsIndex | None = None,
    state_bytes: Size | Sequence[Size],
    tape_bytes: Size | Sequence[Size] | None = None,
    other_bytes: Size = 0,
    memory: Size | None = None,
    disk: Size | Storages | None = None,
    step_seconds: float | Sequence[float] | None = None,
    adjoint_seconds: float | Sequence[float] | None = None,
    write_seconds: float | Storages | None = None,
    read_seconds: float | Storages | None = None,
    write_bandwidth: Size | Storages | None = None,
    read_bandwidth: Size | Storages | None = None,
) -> Plan:
    """Return the plan of a gradient for a run that only these numbers describe.

    The planner is that of `Simulation`; ``sim.plan`` measures the numbers itself.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    max_steps : int
        Instead of `n_steps`: the most steps of a run that ends by itself.
    state_bytes : str, int, or sequence of them, length N + 1
        Bytes of a checkpoint, such as ``"2 MB"``; where states differ, of each.
    tape_bytes : str, int, or sequence of them, length N, optional
        Bytes of the tape of a step; by default those of a checkpoint.
    other_bytes : str or int, optional
        What is held besides: working copies, observations, sums of the gradient.
    memory : str or int, optional
        The budget; by default a quarter of what is free on this machine.
    disk : str, int, or sequence of them, optional
        The most bytes of checkpoints on disk; by default any number.  There is a disk only where
        it is told what writing takes.  For several storages, at most three, each argument about
        the disk is a sequence with one entry for each, the fastest first; None in `disk` is any
        number of bytes.
    step_seconds : float or sequence of float, length N, optional
        Seconds of a plain step.  Without it nothing is forecast in seconds.
    adjoint_seconds : float or sequence of float, length N, optional
        Seconds of the adjoint of a step, beside the step itself; by default twice the step.
    write_seconds, read_seconds : float, optional
        Seconds that a checkpoint takes to the disk and back; reading takes as long as writing
        where only one is given.
    write_bandwidth, read_bandwidth : str or float, optional
        The same as bytes a second, such as ``"500 MB"``.

    Returns
    -------
    Plan
        It prints as a table; all its numbers are attributes.

    Raises
    ------
    BudgetError
        If the memory is below the smallest budget that works, or the disk holds no checkpoint.
    ParameterError
        If an argument is missing, contradicts another, or isn't a number of the kind above.

    Examples
    --------
    A wave field of 2 GB, a step of 0.4 s, and a solid state disk:

    >>> found = plan(
    ...     10_000,
    ...     state_bytes="2 GB",
    ...     memory="64 GB",
    ...     step_seconds=0.4,
    ...     write_bandwidth="1 GB",
    ... )
    >>> found.kind, found.counts.disk_saved, round(found.recomputation, 2)
    ('streaming', 312, 2.0)
    >>> in_memory = plan(10_000, state_bytes="2 GB", memory="64 GB", step_seconds=0.4)
    >>> in_memory.kind, round(in_memory.recomputation, 2), in_memory.seconds > found.seconds
    ('mixed', 3.41, True)

    The same with a fast disk of 100 GB before a slow one:

    >>> both = plan(
    ...     10_000,
    ...     state_bytes="2 GB",
    ...     memory="64 GB",
    ...     step_seconds=0.4,
    ...     disk=("100 GB", None),
    ...     write_bandwidth=("4 GB", "1 GB"),
    ... )
    >>> both.n_on(Level.DISK), both.n_on(Level.REMOTE)
    (50, 262)
    """
    n, most = _length(n_steps, max_steps)
    states = _sizes("state_bytes", state_bytes, n, 1)
    tapes = states if tape_bytes is None else _sizes("tape_bytes", tape_bytes, n, 0)
    if tape_bytes is None and isinstance(states, tuple):
        tapes = states[:-1]
    steps, adjoints = _seconds(step_seconds, adjoint_seconds, n)
    state = max(states[:-1]) if isinstance(states, tuple) else states
    sizes = Sizes(
        state=state,
        tape=max(tapes) if isinstance(tapes, tuple) else tapes,
        fixed={"other": parse_bytes(other_bytes, "other_bytes")},
    )
    io = _io_of_storages(state, (write_seconds, read_seconds), (write_bandwidth, read_bandwidth))
    rooms: tuple[Disk, ...] = ()
    if io:
        several = any(
            map(_is_several, (write_seconds, read_seconds, write_bandwidth, read_bandwidth))
        )
        rooms = _rooms(disk, len(io) if several else None, state)
        if steps is None:
            raise ParameterError(
                "a disk is worth what the steps that it saves would take, but step_seconds isn't "
                "given; give it, or leave out what the disk takes."
            )
    elif disk is not None:
        raise ParameterError(
            f"disk is {disk!r}, but not what it takes to write a checkpoint there; give "
            'write_seconds= or write_bandwidth=, such as "500 MB" (a second).'
        )
    problem = Problem(
        n_steps=n,
        max_steps=most,
        sizes=sizes,
        costs=_costs(steps, adjoints, io, n),
        disk=rooms[0] if rooms else None,
        beyond=rooms[1:],
        uneven=_uneven(states, tapes, steps, adjoints, n),
    )
    wanted = sizes.all_fixed + (n or most or 0) * max(sizes.tape, sizes.state)
    return make_plan(problem, budget_bytes(memory, wanted))


def _length(n_steps: Any, max_steps: Any) -> tuple[int | None, int | None]:
    if (n_steps is None) == (max_steps is None):
        given = "neither is given"
        if n_steps is not None:
            given = f"n_steps is {n_steps!r} and max_steps {max_steps!r}"
        raise ParameterError(
            f"either n_steps or max_steps is needed, and {given}; give n_steps where the number of "
            "steps is known, max_steps where the run ends by itself."
        )
    if max_steps is not None:
        return None, _steps("max_steps", max_steps)
    return _steps("n_steps", n_steps), None


_MOST_STEPS: Final = 10**15


def _steps(name: str, given: Any) -> int:
    n = count(name, given, 1, "a run without steps needs no plan")
    if n > _MOST_STEPS:
        raise ParameterError(f"{name} has {len(str(n))} digits; give at most 10**15 steps.")
    return n


def _sizes(name: str, given: Any, n: int | None, more: int) -> int | tuple[int, ...]:
    if isinstance(given, str) or not hasattr(given, "__len__"):
        return _size(name, given)
    if n is None:
        raise _unknown_length(name, given)
    _require_length(name, given, n + more)
    return tuple([_size(f"{name}[{k}]", one) for k, one in enumerate(given)])


def _size(name: str, given: Any) -> int:
    size = parse_bytes(given, name)
    if size < 1:
        raise ParameterError(f"{name} is {given!r}; give 1 byte or more.")
    if not isinstance(given, str) and size != given:
        raise ParameterError(f"{name} is {given!r}; bytes are counted: give {size} or {size + 1}.")
    return size


def _require_length(name: str, given: Sequence[Any], length: int) -> None:
    if len(given) != length:
        raise ParameterError(
            f"{name} has {len(given)} entries, but {length} are needed, one for each "
            f"{'state' if name == 'state_bytes' else 'step'}; give so many, or one for all."
        )


def _unknown_length(name: str, given: Sequence[Any]) -> ParameterError:
    return ParameterError(
        f"{name} has {len(given)} entries, one a step, but with max_steps the number of steps "
        "isn't known; give one for all."
    )


Seconds = float | tuple[float, ...]


def _seconds(step: Any, adjoint: Any, n: int | None) -> tuple[Seconds | None, Seconds | None]:
    if step is None:
        if adjoint is not None:
            raise ParameterError(
                f"adjoint_seconds is {adjoint!r}, and step_seconds isn't given; give both, or none."
            )
        return None, None
    steps = _each("step_seconds", step, n, positive=True)
    if adjoint is not None:
        return steps, _each("adjoint_seconds", adjoint, n, positive=False)
    twice = tuple([2 * one for one in steps]) if isinstance(steps, tuple) else 2 * steps
    return steps, twice


def _each(name: str, given: Any, n: int | None, *, positive: bool) -> Seconds:
    if isinstance(given, str) or not hasattr(given, "__len__"):
        return cost(name, given, positive=positive)
    if n is None:
        raise _unknown_length(name, given)
    _require_length(name, given, n)
    return tuple([cost(f"{name}[{k}]", one) for k, one in enumerate(given)])


_MOST_STORAGES: Final = len(Level) - 1


def _io_of_storages(
    state: int, seconds: tuple[Any, Any], bandwidths: tuple[Any, Any]
) -> list[tuple[float, float]]:
    """Return the seconds of writing and of reading a checkpoint, for each storage."""
    names = "write_seconds", "read_seconds", "write_bandwidth", "read_bandwidth"
    given = dict(zip(names, (*seconds, *bandwidths), strict=True))
    lengths = {name: len(one) for name, one in given.items() if _is_several(one)}
    if not lengths:
        write, read = _io(state, seconds, bandwidths)
        return [] if write is None or read is None else [(write, read)]
    name, number = next(iter(lengths.items()))
    if not 1 <= number <= _MOST_STORAGES:
        raise ParameterError(
            f"{name} has {number} entries; give 1 to {_MOST_STORAGES}, one for each storage."
        )
    for other, one in given.items():
        if one is not None and lengths.get(other) != number:
            has = f"has {lengths[other]} entries" if other in lengths else f"is {one!r}"
            raise ParameterError(
                f"{other} {has}, but {name} has {number}, one for each storage; give as many."
            )
    found = []
    for i in range(number):
        write_s, read_s, write_b, read_b = (
            None if one is None else one[i] for one in given.values()
        )
        write, read = _io(state, (write_s, read_s), (write_b, read_b), f"[{i}]")
        if write is None or read is None:
            raise ParameterError(
                f"{name}[{i}] is None; give what writing to each storage takes, in seconds or as "
                "a bandwidth."
            )
        found.append((write, read))
    return found


def _is_several(given: Any) -> bool:
    return hasattr(given, "__len__") and not isinstance(given, str | bytes)


def _rooms(disk: Any, number: int | None, state: int) -> tuple[Disk, ...]:
    """Return the room on each of so many storages; None: on one that isn't given as a sequence."""
    if number is None and _is_several(disk) and len(disk) > 1:
        raise ParameterError(
            f"disk has {len(disk)} entries, but what writing takes is given for one storage; give "
            "one entry for each, such as write_seconds=(0.1, 2)."
        )
    if number is None:
        return (disk_room(None if disk is None else parse_bytes(disk, "disk"), state),)
    if disk is None:
        return (Disk(),) * number
    if not _is_several(disk) or len(disk) != number:
        has = f"has {len(disk)} entries" if _is_several(disk) else f"is {disk!r}"
        raise ParameterError(
            f"disk {has}, but what writing takes is given for {number} storages; give one entry "
            "for each, None where any number of bytes may be used."
        )
    return tuple(
        [
            disk_room(None if one is None else parse_bytes(one, f"disk[{i}]"), state, f"disk[{i}]")
            for i, one in enumerate(disk)
        ]
    )


def _io(
    state: int, seconds: tuple[Any, Any], bandwidths: tuple[Any, Any], at: str = ""
) -> tuple[float | None, float | None]:
    """Return the seconds of writing and of reading a checkpoint; None where there is no disk."""
    found: list[float | None] = []
    for verb, took, bandwidth in zip(("write", "read"), seconds, bandwidths, strict=True):
        if took is not None and bandwidth is not None:
            raise ParameterError(
                f"{verb}_seconds{at} is {took!r} and {verb}_bandwidth{at} is {bandwidth!r}, "
                "which say the same; give one of them."
            )
        if took is not None:
            found.append(cost(f"{verb}_seconds{at}", took))
        elif bandwidth is not None:
            name = f"{verb}_bandwidth{at}"
            text = bandwidth.removesuffix("/s") if isinstance(bandwidth, str) else bandwidth
            rate = parse_bytes(text, name)
            if rate == 0:
                raise ParameterError(f"{name} is {bandwidth!r}; give bytes a second, above 0.")
            found.append(state / rate)
        else:
            found.append(None)
    write, read = found
    return (read if write is None else write), (write if read is None else read)


def _costs(
    steps: Seconds | None,
    adjoints: Seconds | None,
    io: Sequence[tuple[float, float]],
    n: int | None,
) -> Costs | None:
    if steps is None or adjoints is None:
        return None
    step, adjoint = (
        sum(one) / (n or 1) if isinstance(one, tuple) else one for one in (steps, adjoints)
    )
    (write, read), *beyond = io or [(0.0, 0.0)]
    return Costs(step=step, reverse=step + adjoint, write=write, read=read, beyond=tuple(beyond))


def _uneven(
    states: int | tuple[int, ...],
    tapes: int | tuple[int, ...],
    steps: Seconds | None,
    adjoints: Seconds | None,
    n: int | None,
) -> Uneven | None:
    if n is None or not any(isinstance(one, tuple) for one in (states, tapes, steps, adjoints)):
        return None
    steps = 1.0 if steps is None else steps
    adjoints = 0.0 if adjoints is None else adjoints
    return Uneven(
        states=states if isinstance(states, tuple) else (states,) * (n + 1),
        tapes=tapes if isinstance(tapes, tuple) else (tapes,) * n,
        steps=steps if isinstance(steps, tuple) else (steps,) * n,
        adjoints=sum(adjoints) if isinstance(adjoints, tuple) else n * adjoints,
    )
