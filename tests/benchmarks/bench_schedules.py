"""Schedules side by side: ``python -m tests.benchmarks.bench_schedules [--quick]``.

Ours, every class of checkpoint_schedules, and pyrevolve, as far as they are installed, on chains of
10² … 10⁶ steps: evaluations of the step, seconds to make all actions, memory to hold meanwhile.
Each one has a fresh process; one that needs more time or memory than the limit, or dies, is given
up, and not asked for longer chains.  At the end there is a table for each task, a column a length.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from math import isqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
_MOST_MEMORY = 4 * 2**30  # bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What one schedule of one length costs.

    Attributes
    ----------
    evaluations : float
        Steps run, plain and taped; NaN where there was no time left to count them.
    io : float
        Checkpoints written to and read from a disk.
    seconds : float
        To make the schedule and all of its actions, in CPU time; the mean of several passes where
        one is short.
    megabytes : float
        Growth of the process meanwhile.
    error : str
        Why there is no result.
    """

    evaluations: float = float("nan")
    io: float = float("nan")
    seconds: float = float("nan")
    megabytes: float = float("nan")
    error: str = ""


Make = Callable[[int], Iterable[Any]]
Count = Callable[[Iterable[Any], int], tuple[int, int]]


# --- ours -----------------------------------------------------------------------------------------


def ours() -> dict[str, Make]:
    """Our schedules by task and name."""
    from revolve_ad import schedule as s

    return {
        "10 checkpoints | binomial": lambda n: s.binomial(n, 10),
        "unknown length | online, 10 checkpoints": lambda n: Ended(s.online(10), n),
        "reference | store_all": s.store_all,
        "reference | periodic, √N": lambda n: s.periodic(n, isqrt(n)),
        "10 states or tapes | mixed, 10 and the tape in use": lambda n: s.mixed(n, 11, 1, 1),
        "unknown length | online, 11 states or tapes": lambda n: Ended(
            s.online(state_bytes=1, tape_bytes=1, budget=11), n
        ),
        "5 in RAM, 20 on disk | multilevel": lambda n: s.multilevel(n, 5, 20, 1, 1, 2, 2),
        "5 in RAM, any on disk | multilevel": lambda n: s.multilevel(n, 5, None, 1, 1, 2, 2),
        "beside the computation | streaming": lambda n: s.streaming(n, 40, 1, 4, 1, 1, 8, 8),
        "costs differ | heterogeneous, 10 checkpoints": lambda n: s.heterogeneous(
            [1.0 + k % 7 for k in range(n)], 10
        ),
    }


class Ended:
    """An online schedule whose loop ends after `n_steps` steps."""

    def __init__(self, schedule: Any, n_steps: int) -> None:
        self.schedule, self.n_steps = schedule, n_steps

    def __iter__(self) -> Iterator[Any]:
        from revolve_ad.schedule.referee import play_until

        return play_until(self.n_steps, iter(self.schedule))


def count_ours(schedule: Any, n: int) -> tuple[int, int]:
    """Return evaluations and disk accesses, as forecast: tests hold that against what is played."""
    counts = schedule.schedule.counts(n) if isinstance(schedule, Ended) else schedule.counts()
    return counts.advanced + counts.recorded, counts.disk_saved + counts.disk_restored


# --- checkpoint_schedules -------------------------------------------------------------------------


def theirs() -> dict[str, Make]:
    """Every class of checkpoint_schedules; none where it isn't installed."""
    try:
        import checkpoint_schedules as cs
    except ImportError:
        return {}
    disk = cs.StorageType.DISK
    return {
        "10 checkpoints | cs Revolve": lambda n: cs.Revolve(n, 10),
        "10 checkpoints | cs Multistage": lambda n: cs.MultistageCheckpointSchedule(n, 10, 0),
        "10 checkpoints | cs Multistage, revolve": lambda n: cs.MultistageCheckpointSchedule(
            n, 10, 0, trajectory="revolve"
        ),
        "10 states or tapes | cs Mixed": lambda n: cs.MixedCheckpointSchedule(n, 10),
        "5 in RAM, 20 on disk | cs HRevolve": lambda n: cs.HRevolve(n, 5, 20),
        "5 in RAM, 20 on disk | cs Multistage": lambda n: cs.MultistageCheckpointSchedule(n, 5, 20),
        "5 in RAM, any on disk | cs DiskRevolve": lambda n: cs.DiskRevolve(n, 5),
        "5 in RAM, any on disk | cs PeriodicDiskRevolve": lambda n: cs.PeriodicDiskRevolve(n, 5),
        "unknown length | cs TwoLevel, 10 checkpoints, period √N": lambda n: Finalised(
            cs.TwoLevelCheckpointSchedule(isqrt(n), 10, binomial_storage=disk), n
        ),
        "reference | cs SingleMemory": lambda n: Finalised(cs.SingleMemoryStorageSchedule(), n),
        "reference | cs SingleDisk": lambda n: Finalised(cs.SingleDiskStorageSchedule(), n),
        "reference | cs None, no adjoint": lambda n: Finalised(cs.NoneCheckpointSchedule(), n),
    }


class Finalised:
    """A schedule of theirs that is told of the end after `n_steps` steps."""

    def __init__(self, schedule: Any, n_steps: int) -> None:
        self.schedule, self.n_steps = schedule, n_steps

    def __iter__(self) -> Iterator[Any]:
        from checkpoint_schedules import Forward

        running = True
        for action in self.schedule:
            yield action
            if running and type(action) is Forward and action.n1 >= self.n_steps:
                self.schedule.finalize(self.n_steps)
                running = False


def count_theirs(schedule: Iterable[Any], n: int) -> tuple[int, int]:
    """Return evaluations and disk accesses."""
    from checkpoint_schedules import Copy, EndReverse, Forward, Move, StorageType

    evaluations = io = 0
    for action in schedule:
        if isinstance(action, Forward):
            evaluations += min(action.n1, n) - action.n0
            io += action.storage == StorageType.DISK and (action.write_ics or action.write_adj_deps)
        elif isinstance(action, Copy | Move):
            io += action.from_storage == StorageType.DISK
        elif isinstance(action, EndReverse):
            break
    return evaluations, io


# --- pyrevolve ------------------------------------------------------------------------------------


def pyrevolve() -> dict[str, Make]:
    """The schedulers of pyrevolve; none where it isn't installed."""
    try:
        from pyrevolve.schedulers import Architecture, CRevolve, HRevolve, Revolve
    except ImportError:
        return {}

    def hierarchical(n: int) -> Iterable[Any]:
        ram, disk = SimpleNamespace(wd=0, rd=0, nckp=5), SimpleNamespace(wd=2, rd=2, nckp=20)
        levels = Architecture([ram, disk])
        return UntilTerminated(HRevolve(n, n, architecture=levels))

    return {
        "10 checkpoints | pyrevolve CRevolve": lambda n: UntilTerminated(CRevolve(10, n)),
        "10 checkpoints | pyrevolve Revolve": lambda n: UntilTerminated(Revolve(10, n)),
        "5 in RAM, 20 on disk | pyrevolve HRevolve": hierarchical,
    }


class UntilTerminated:
    """The actions of a pyrevolve scheduler."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def __iter__(self) -> Iterator[Any]:
        from pyrevolve.schedulers import Action

        while (action := self.scheduler.next()).type != Action.TERMINATE:
            yield action


def count_pyrevolve(schedule: Iterable[Any], n: int) -> tuple[int, int]:
    """Return evaluations and disk accesses."""
    from pyrevolve.schedulers import Action

    evaluations = io = 0
    for action in schedule:
        if action.type == Action.ADVANCE:
            evaluations += action.capo - action.old_capo
        elif action.type in (Action.LASTFW, Action.REVERSE):
            evaluations += 1  # both tape a step
        elif action.type in (Action.TAKESHOT, Action.RESTORE):
            io += action.storageIndex() == 1
    return evaluations, io


# --- the race -------------------------------------------------------------------------------------


def entries() -> dict[str, tuple[Make, Count]]:
    """All contestants by task and name."""
    return {
        **{name: (make, count_ours) for name, make in ours().items()},
        **{name: (make, count_theirs) for name, make in theirs().items()},
        **{name: (make, count_pyrevolve) for name, make in pyrevolve().items()},
    }


def measure(name: str, n: int) -> Iterator[Result]:
    """Measure one contestant in this process: first the time, then the counts too."""
    make, count = entries()[name]
    _play(make(50))  # imports, and what Numba compiles for them
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, passes, seconds = time.process_time(), 0, 0.0
    while seconds < 0.2:  # the clock of a process may be a coarse one
        _play(make(n))
        passes += 1
        seconds = time.process_time() - begin
    seconds /= passes
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size) / 1024
    yield Result(seconds=seconds, megabytes=megabytes)
    evaluations, io = count(make(n), n)
    yield Result(int(evaluations), int(io), seconds, megabytes)


def _play(schedule: Iterable[Any]) -> None:
    for action in schedule:
        if type(action).__name__ == "EndReverse":  # some of theirs would begin again
            break


def measure_apart(name: str, n: int, limit: int) -> Result:
    """Measure one contestant in a process of its own, ended after `limit` seconds of CPU time."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_schedules", "--one", name, str(n)]
    done = subprocess.run(
        [*command, "--limit", str(limit)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # Some of theirs print too.
    if lines := [line for line in done.stdout.splitlines() if line.startswith("{")]:
        return Result(**json.loads(lines[-1]))  # perhaps without counts
    if done.returncode == -signal.SIGXCPU:
        return Result(error=f"> {limit} s")
    reason = done.stderr.strip().splitlines() or [f"killed by signal {-done.returncode}"]
    return Result(error=reason[-1].split(":")[0][:30])


def race(lengths: Iterable[int], limit: int, tasks: str) -> Iterator[tuple[str, str, int, Result]]:
    """Yield task, name, length and result, task by task."""
    names = sorted(name for name in entries() if tasks in name)
    given_up: set[str] = set()
    for task in dict.fromkeys(name.split(" | ")[0] for name in names):
        for n in lengths:
            for name in names:
                if name.split(" | ")[0] != task or name in given_up:
                    continue
                result = measure_apart(name, n, limit)
                if result.error:
                    given_up.add(name)
                yield task, name.split(" | ")[1], n, result


def main(arguments: list[str] | None = None) -> list[tuple[str, str, int, Result]]:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 steps, 20 s each")
    parser.add_argument("--limit", type=int, help="CPU seconds for each, by default 120")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--task", default="", help="only those with this in their name")
    options = parser.parse_args(arguments)
    lengths = LENGTHS[:3] if options.quick else LENGTHS
    limit = options.limit or (20 if options.quick else 120)
    if options.one:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        for result in measure(options.one[0], int(options.one[1])):
            print(json.dumps(asdict(result)), flush=True)
        return []
    rows = []
    for row in race(lengths, limit, options.task):
        task, name, n, r = row
        print(f"{task:24} {name:48} {n:8} {_cell(r, n)}", file=sys.stderr, flush=True)
        rows.append(row)
    print("\n".join(_tables(rows)))
    return rows


def _cell(r: Result, n: int) -> str:
    """Return evaluations and disk accesses a step, seconds and megabytes."""
    if r.error:
        return r.error
    counted = "not counted" if r.evaluations != r.evaluations else f"{r.evaluations / n:.4g}"
    if r.io > 0:
        counted += f" + {r.io / n:.3g} io"
    seconds = f"{r.seconds:.2g}" if r.seconds < 10 else f"{r.seconds:.0f}"
    return f"{counted}; {seconds} s; {max(0.0, r.megabytes):.1f} MB"


def _tables(rows: list[tuple[str, str, int, Result]]) -> Iterator[str]:
    """Return the lines of a table for each task."""
    lengths = sorted({n for _, _, n, _ in rows})
    for task in dict.fromkeys(task for task, *_ in rows):
        yield ""
        yield f"| {task} | {' | '.join(f'n = {n:,}' for n in lengths)} |"
        yield "|---" * (len(lengths) + 1) + "|"
        for name in dict.fromkeys(name for of, name, *_ in rows if of == task):
            cells = {n: _cell(r, n) for of, who, n, r in rows if (of, who) == (task, name)}
            yield f"| {name} | {' | '.join(cells.get(n, '') for n in lengths)} |"


if __name__ == "__main__":
    main()
