"""The cheapest schedule of all, found by walking every memory state: slow, and hard to fool.

A memory state is what the machine holds between two moves: how many steps are still to be
reversed, which state is live, and which states and tapes are kept where.  Every legal move is an
edge with its cost, and the cheapest path from "nothing held but the live x_0" to "no step is
left" is the optimum over all schedules, whatever their structure.  Nothing here knows of splits,
persistence or dynamic programmes, and nothing is imported from the library.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

# unreversed steps, live state or -1, checkpoints, tapes (bit masks)
State = tuple[int, int, int, int]


@dataclass(frozen=True)
class Machine:
    """What each move costs and what fits; one entry a step in each of the lists.

    With `tape_bytes` None a step is recorded and reversed in one move, and its tape counts
    nowhere (convention C1); otherwise every tape counts against `ram_bytes`, and tapes may be
    kept in any order for any time.
    """

    step: list[float]
    record_and_reverse: list[float]
    ram_bytes: int
    state_bytes: list[int]
    tape_bytes: list[int] | None = None
    ram_write: float = 0.0
    ram_read: float = 0.0

    sizes: tuple[list[int], list[int]] = field(init=False, repr=False)
    """Bytes of each set of checkpoints, and of each set of tapes, by its bit mask."""

    def __post_init__(self) -> None:
        tapes = [0] * len(self.step) if self.tape_bytes is None else self.tape_bytes
        object.__setattr__(self, "sizes", (sums(self.state_bytes), sums(tapes)))

    def moves(self, state: State) -> Iterator[tuple[float, State]]:
        """Every legal move from `state`: its cost and where it leads."""
        left, live, ram, tapes = state
        free = self.ram_bytes - self.sizes[0][ram] - self.sizes[1][tapes]
        if live >= 0:
            # A live state at or beyond `left` serves no more.
            after = live + 1 if live + 1 < left else -1
            yield self.step[live], (left, after, ram, tapes)
            if self.tape_bytes is None:
                if live == left - 1:
                    yield self.record_and_reverse[live], tidy(left - 1, -1, ram, 0)
            elif self.tape_bytes[live] <= free and not tapes >> live & 1:
                yield self.record_and_reverse[live], (left, after, ram, tapes | 1 << live)
            if self.state_bytes[live] <= free and not ram >> live & 1:
                yield self.ram_write, (left, live, ram | 1 << live, tapes)
        if self.tape_bytes is not None and tapes >> (left - 1) & 1:
            yield 0.0, tidy(left - 1, live, ram, tapes)
        # Freeing is put off until something doesn't fit, which loses nothing.
        full = free < max(self.state_bytes) or free < max(self.tape_bytes or [0])
        for k in range(left):
            bit = 1 << k
            if ram & bit:
                if k != live:
                    yield self.ram_read, (left, k, ram, tapes)
                if full:
                    yield 0.0, (left, live, ram & ~bit, tapes)
            if full and tapes & bit:
                yield 0.0, (left, live, ram, tapes & ~bit)


def sums(sizes: Sequence[int]) -> list[int]:
    """Return the sum of each subset, by its bit mask."""
    found = [0]
    for size in sizes:
        found += [size + total for total in found]
    return found


def tidy(left: int, live: int, ram: int, tapes: int) -> State:
    """The same state without what can't serve any more: all that lies at or beyond `left`."""
    useful = (1 << left) - 1
    return (left, live if live < left else -1, ram & useful, tapes & useful)


def cheapest(machine: Machine) -> list[float]:
    """The least cost of reversing the first n steps, for n = 1 … N; infinite where impossible.

    One graph serves every n: reversing the first n steps is the state with n steps left, the
    live x_0 and nothing held.  Its distance to "nothing left" is found from the goal backwards.
    """
    n_steps = len(machine.step)
    starts: list[State] = [(n, 0, 0, 0) for n in range(1, n_steps + 1)]
    reached = set(starts)
    into: defaultdict[State, list[tuple[float, State]]] = defaultdict(list)
    pending = list(starts)
    while pending:
        here = pending.pop()
        for cost, there in machine.moves(here):
            into[there].append((cost, here))
            if there not in reached and there[0] > 0:
                reached.add(there)
                pending.append(there)
    goal: State = (0, -1, 0, 0)
    distance = {goal: 0.0}
    heap = [(0.0, goal)]
    done: set[State] = set()
    while heap:
        so_far, here = heapq.heappop(heap)
        if here in done:
            continue
        done.add(here)
        for cost, before in into.get(here, []):
            if so_far + cost < distance.get(before, float("inf")):
                distance[before] = so_far + cost
                heapq.heappush(heap, (so_far + cost, before))
    return [distance.get(start, float("inf")) for start in starts]


def fewest_advances(
    step: list[float],
    budget: int,
    state_bytes: list[int],
    tape_bytes: list[int],
) -> list[float]:
    """The least sum of plain step costs under one budget of bytes, for every prefix of the chain.

    A taped step costs what a plain one does, so that taping is never a free way to advance; each
    step is taped at least once, and that part is taken off again.
    """
    machine = Machine(
        step=step,
        record_and_reverse=list(step),
        ram_bytes=budget,
        state_bytes=state_bytes,
        tape_bytes=tape_bytes,
    )
    taped, answers = 0.0, []
    for cost, total in zip(step, cheapest(machine), strict=True):
        taped += cost
        answers.append(total - taped)
    return answers


# What a move costs: a step, the last one recorded and reversed, a save on a level, a restore from
# it, nothing.  Levels are numbered from 0, RAM, on.
STEP, LAST, FREE = ("step", 0), ("last", 0), ("free", 0)
Holding = tuple[int, int, tuple[int, ...]]


def moves_on_levels(
    state: Holding, slots: Sequence[int]
) -> Iterator[tuple[tuple[str, int], Holding]]:
    """Every legal move with checkpoints on several levels: its kind and where it leads.

    A state says how many steps are left, which state is live (or -1), and which checkpoints are
    held on each level (bit masks).  A step is recorded and reversed in one move.
    """
    left, live, held = state

    def changed(level: int, mask: int) -> tuple[int, ...]:
        return (*held[:level], mask, *held[level + 1 :])

    if live >= 0:
        yield STEP, (left, live + 1 if live + 1 < left else -1, held)
        if live == left - 1:
            useful = (1 << left - 1) - 1
            yield LAST, (left - 1, -1, tuple(mask & useful for mask in held))
    for level, mask in enumerate(held):
        is_full = mask.bit_count() == slots[level]
        if live >= 0 and not is_full and not mask >> live & 1:
            yield ("save", level), (left, live, changed(level, mask | 1 << live))
        for k in range(left):
            if mask >> k & 1 and k != live:
                yield ("restore", level), (left, k, held)
            if mask >> k & 1 and is_full:  # freeing is put off until a slot is needed
                yield FREE, (left, live, changed(level, mask & ~(1 << k)))


def cheapest_on_levels(
    n_steps: int, slots: Sequence[int], costs: Sequence[dict[tuple[str, int], float]]
) -> np.ndarray:
    """The least cost of reversing 1 … n_steps steps for several costs of the moves.

    The graph is that of all memory states, as above; one graph serves all costs, and the distances
    to the goal are found by relaxing all edges until nothing changes (Bellman and Ford).

    Returns
    -------
    ndarray, shape (len(costs), n_steps)
        Infinite where it is impossible.
    """
    nothing = (0,) * len(slots)
    starts: list[Holding] = [(n, 0, nothing) for n in range(1, n_steps + 1)]
    number: dict[Holding, int] = {(0, -1, nothing): 0}
    states = [(0, -1, nothing)]
    for start in starts:
        number[start] = len(states)
        states.append(start)
    edges: list[tuple[int, int]] = [(0, 0)]  # kind of the move, state that it leads to
    first = [0]  # where the edges of each state begin
    kinds: dict[tuple[str, int], int] = {FREE: 0}
    for at, state in enumerate(states):  # grows on the way
        if at == 0:
            continue
        first.append(len(edges))
        for kind, there in moves_on_levels(state, slots):
            if there not in number:
                number[there] = len(states)
                states.append(there)
            edges.append((kinds.setdefault(kind, len(kinds)), number[there]))
        if first[-1] == len(edges):
            edges.append((0, at))  # a dead end
    kind, there = np.array(edges).T
    weights = np.array([[cost.get(one, 0.0) for one in kinds] for cost in costs])[:, kind]
    distance = np.full((len(costs), len(states)), np.inf)
    distance[:, 0] = 0.0
    while True:
        relaxed = np.minimum.reduceat(weights + distance[:, there], first, axis=1)
        if np.array_equal(relaxed, distance):
            return distance[:, 1 : n_steps + 1]
        distance = relaxed
