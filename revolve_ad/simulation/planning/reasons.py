"""Says in a sentence why a plan is the one that it is."""

from collections.abc import Sequence

from revolve_ad.schedule import Counts
from revolve_ad.schedule.trace import WHERE
from revolve_ad.simulation.memory import format_bytes
from revolve_ad.simulation.planning.costs import Costs, format_seconds
from revolve_ad.simulation.planning.problem import Problem, Uneven, Way

__all__ = ["reason"]


def reason(problem: Problem, free: int, found: Sequence[Way]) -> str:
    """Return why the first of the ways was chosen.

    Parameters
    ----------
    problem : Problem
        The run.
    free : int
        Bytes for checkpoints and tapes.
    found : sequence of Way
        What was compared, the cheapest first.
    """
    best = found[0]
    room = format_bytes(free)
    if best.kind == "online":
        return _online(problem, best, room)
    n = problem.n_steps
    assert n is not None
    if problem.uneven is not None:
        return _uneven(problem.uneven, found, room)
    tapes = format_bytes(n * problem.sizes.tape)
    if best.kind == "store all":
        return f"all {n:,} tapes take {tapes}, and {room} are free for them; no step is run twice."
    if best.kind == "mixed":
        times = (best.counts.advanced + n) / n
        text = (
            f"all {n:,} tapes would take {tapes}, and {room} are free; checkpoints and tapes share "
            f"them, and each step is run {times:.3g} times"
        )
        others = [way for way in found[1:] if way.counts.disk_saved]
        if problem.costs is not None and others:
            return f"{text}. With the disk it would take {_against(problem.costs, others[0], best)}"
        return text + "."
    return _on_disk(problem, best, found[1:], room)


def _online(problem: Problem, best: Way, room: str) -> str:
    most = problem.max_steps
    assert most is not None
    counts = best.counts
    unknown = "the number of steps isn't known before the run"
    if not counts.advanced:
        tapes = format_bytes(most * problem.sizes.tape)
        return f"{unknown}, but {most:,} tapes take {tapes}, and {room} are free; all are recorded."
    where = f"in {room} of memory"
    if counts.peak_disk:
        where = "on disk"
    return (
        f"{unknown}; up to {best.schedule.n_checkpoints:,} checkpoints {where} are placed as it "
        f"goes. A run of {most:,} steps would run each {(counts.advanced + most) / most:.3g} times."
    )


def _on_disk(problem: Problem, best: Way, others: Sequence[Way], room: str) -> str:
    counts = best.counts
    io = "" if problem.costs is None else f" in {format_seconds(problem.costs.io_seconds(counts))}"
    text = (
        f"{counts.disk_saved:,} checkpoints are written to disk and {counts.disk_restored:,} "
        f"read{io}{_on_each(problem, counts)}"
    )
    if best.kind == "streaming":
        text = f"a checkpoint goes to disk every {best.schedule.period:,} steps: {text}"
    in_memory = [way for way in others if way.kind == "mixed"]
    if not in_memory:
        return f"{text}; the {room} that are free can't hold a checkpoint beside a tape."
    if problem.costs is None:
        return f"{text}."
    saved = in_memory[0].counts.advanced - counts.advanced
    if saved > 0:
        text += f", which saves {saved:,} plain steps of {format_seconds(problem.costs.step)}"
    against = _against(problem.costs, in_memory[0], best)
    return f"{text}; memory alone, with {room} free, would take {against}"


def _on_each(problem: Problem, counts: Counts) -> str:
    """Say how many go to which of several storages."""
    if len(problem.disks) < 2:
        return ""
    parts = [
        f"{counts.on(level).saved:,} {WHERE[level]}"
        for level in problem.slots_by_level
        if counts.on(level).saved
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _against(costs: Costs, other: Way, best: Way) -> str:
    theirs, ours = (format_seconds(costs.seconds(way.counts, way.in_ram)) for way in (other, best))
    return f"{theirs} instead of {ours}."


def _uneven(uneven: Uneven, found: Sequence[Way], room: str) -> str:
    best = found[0]
    tapes = format_bytes(sum(uneven.tapes))
    if best.kind == "store all":
        return f"all tapes take {tapes}, and {room} are free for them; no step is run twice."
    text = f"all tapes would take {tapes}, and {room} are free"
    as_if_even = [way for way in found if way.kind == "mixed"]
    if best.kind == "mixed" or not as_if_even:
        return f"{text}; checkpoints and tapes share them."
    again, even = (_steps_again(uneven, way) for way in (best, as_if_even[0]))
    return (
        f"{text}. Steps differ: this schedule runs steps again for {again:.3g} times what all of "
        f"them take, one for steps that are alike for {even:.3g} times."
    )


def _steps_again(uneven: Uneven, way: Way) -> float:
    return way.advance_cost / max(sum(uneven.steps), 1e-300)
