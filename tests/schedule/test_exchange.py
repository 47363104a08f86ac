"""Our schedules obey the rules of checkpoint_schedules and cost the same there."""

import itertools
import random

import pytest

pytest.importorskip("checkpoint_schedules")

from checkpoint_schedules import (
    Copy,
    EndForward,
    EndReverse,
    Forward,
    Move,
    Revolve,
    StorageType,
)
from checkpoint_schedules import Reverse as ReverseTheirs

from revolve_ad.errors import ParameterError, ScheduleError
from revolve_ad.schedule.actions import Advance, Level, Record, Restore, Reverse, Save
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.exchange import to_checkpoint_schedules
from revolve_ad.schedule.heterogeneous_bytes import heterogeneous_bytes
from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.multilevel import multilevel
from revolve_ad.schedule.online import online
from revolve_ad.schedule.references import none, periodic, store_all


def play(schedule, n: int) -> tuple[int, int, int]:  # type: ignore[no-untyped-def]
    """Play by the rules that checkpoint_schedules documents; return the counts.

    A forward run clears the working memory, a checkpoint holds the restart data of the steps of
    its own forward run only, and one is brought back only into an empty working memory.

    Returns
    -------
    tuple of int
        Plain steps, taped steps and the most checkpoints held.
    """
    position, reversed_, plain, taped, most = 0, 0, 0, 0, 0
    restart: set[int] = set()
    tapes: set[int] = set()
    held: dict[StorageType, dict[int, set[int]]] = {StorageType.RAM: {}, StorageType.DISK: {}}
    kept: dict[int, set[int]] = {}
    ended = False
    for action in schedule:
        match action:
            case Forward():
                assert action.n0 == position < action.n1 <= n - reversed_
                position = action.n1
                steps = set(range(action.n0, action.n1))
                restart.clear()
                tapes.clear()
                assert not (action.write_ics and action.write_adj_deps)
                if action.write_ics:
                    assert action.n0 not in held[action.storage]
                    held[action.storage][action.n0] = steps
                if action.write_adj_deps and action.storage == StorageType.WORK:
                    tapes |= steps
                elif action.write_adj_deps:
                    assert action.n0 not in held[action.storage]
                    kept[action.n0] = steps
                if action.write_adj_deps:
                    taped += len(steps)
                else:
                    plain += len(steps)
                if position == n:
                    schedule.finalize(n)
            case EndForward():
                assert position == n
                assert reversed_ == 0
                ended = True
            case ReverseTheirs():
                assert ended
                assert action.n1 == n - reversed_
                assert tapes >= set(range(action.n0, action.n1))
                reversed_ += action.n1 - action.n0
                if action.clear_adj_deps:
                    tapes.clear()
            case Move() if action.n in kept:
                assert not tapes
                assert action.n < n - reversed_
                tapes = kept.pop(action.n)
                position = schedule.n  # no state is restored
            case Copy() | Move():
                assert not tapes
                assert action.to_storage == StorageType.WORK
                steps = held[action.from_storage][action.n]
                assert steps >= set(range(action.n, n - reversed_))
                position = action.n
                restart = set(steps)
                if isinstance(action, Move):
                    del held[action.from_storage][action.n]
            case EndReverse():
                assert reversed_ == n
                assert schedule.is_exhausted
                assert not any(held.values())
                assert not kept
                return plain, taped, most
        assert (schedule.n, schedule.r, schedule.max_n) == (position, reversed_, n)
        most = max(most, sum(map(len, held.values())))
    raise AssertionError("no EndReverse")


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 100, 250])
def test_ours_plays_by_their_rules(n: int) -> None:
    for ours in [store_all(n), none(n), periodic(n, 3), *(binomial(n, s) for s in range(1, 9))]:
        counts = ours.counts()
        plain, taped, most = play(to_checkpoint_schedules(ours), n)
        assert (plain, taped) == (counts.advanced, counts.recorded)
        assert n == 1 or most == counts.peak_checkpoints


def test_leaves_of_many_tapes_are_expressed_too() -> None:
    for n, budget in [(10, 4), (40, 9), (100, 20), (100, 100)]:
        ours = mixed(n, budget, state_bytes=2, tape_bytes=1)
        plain, taped, _ = play(to_checkpoint_schedules(ours), n)
        assert (plain, taped) == (ours.counts().advanced, n)


def test_checkpoints_on_disk_are_expressed_too() -> None:
    for n, ram, disk, io in [(10, 2, 2, 1.0), (60, 3, 4, 0.5), (100, 2, None, 5.0), (60, 0, 5, 0)]:
        ours = multilevel(n, ram, disk, write=io, read=io)
        counts = ours.counts()
        plain, taped, most = play(to_checkpoint_schedules(ours), n)
        assert (plain, taped, most) == (counts.advanced, n, counts.peak_checkpoints)
        uses_disk = to_checkpoint_schedules(ours).uses_storage_type(StorageType.DISK)
        assert uses_disk or counts.disk_saved == 0


def test_tapes_that_wait_while_others_are_made_are_expressed_too() -> None:
    rng, waiting, refused = random.Random(3), 0, 0
    for _ in range(60):
        n = rng.randrange(2, 25)
        costs = [rng.choice([1, 2, 5]) for _ in range(n)]
        states, tapes = ([rng.randrange(1, 6) for _ in range(m)] for m in (n + 1, n))
        ours = heterogeneous_bytes(costs, rng.randrange(11, 40), states, tapes)
        counts = ours.counts()
        try:
            list(to_checkpoint_schedules(ours))
        except ScheduleError:
            with pytest.raises(ScheduleError, match="must not be replaced by a later one"):
                list(to_checkpoint_schedules(ours))
            refused += 1
            continue
        plain, taped, _ = play(to_checkpoint_schedules(ours), n)
        assert (plain, taped) == (counts.advanced, n)
        waiting += any(
            isinstance(action, Record) and not isinstance(following, Reverse)
            for action, following in itertools.pairwise(ours)
        )
    assert waiting > 10
    assert refused < 15


def test_ours_runs_as_many_steps_as_their_revolve() -> None:
    for n, s in [(10, 3), (20, 3), (50, 4), (100, 5)]:
        ours = play(to_checkpoint_schedules(binomial(n, s)), n)
        theirs = play(Revolve(n, s), n)
        assert ours[:2] == theirs[:2]


def test_it_says_which_storage_it_uses() -> None:
    adapter = to_checkpoint_schedules(binomial(9, 3))
    assert adapter.uses_storage_type(StorageType.RAM)
    assert not adapter.uses_storage_type(StorageType.DISK)
    assert not to_checkpoint_schedules(store_all(9)).uses_storage_type(StorageType.RAM)


def test_what_cannot_be_expressed_is_refused() -> None:
    with pytest.raises(ParameterError, match="online schedule can't be expressed"):
        to_checkpoint_schedules(online(3))  # type: ignore[arg-type]
    both = [Save(0, Level.RAM), Record(0, 1), Record(1, 2), Restore(0, Level.RAM), Reverse(0, 2)]
    with pytest.raises(ParameterError, match="n_steps is missing"):
        to_checkpoint_schedules(both)
    with pytest.raises(ScheduleError, match="saved and taped from at once"):
        list(to_checkpoint_schedules(both, 2))
    both[1:2] = [Advance(0, 2), Restore(0, Level.RAM), Record(0, 1)]
    with pytest.raises(ScheduleError, match="keeps the tape of step 0 beside the checkpoint"):
        list(to_checkpoint_schedules(both, 2))
