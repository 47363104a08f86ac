"""Programs give the bits of the interpreter: in blocks, in given arrays, run after run."""

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.builder import Builder
from revolve_ad.ad.core import INPUT
from revolve_ad.ad.passes import regroup
from revolve_ad.ad.passes.simplify import simplify
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running import blocks, lifetimes, writing
from revolve_ad.ad.running.arena import Arena
from revolve_ad.ad.running.blocks import is_blockwise
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.running.ordering import made_late, results_first
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.ad.traced import operations, value
from tests.ad.random_programs import draw
from tests.work import work

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Let everything run in blocks of one row or a few, and in the place that it is for."""
    monkeypatch.setattr(lifetimes, "REUSE_BYTES", 0)
    monkeypatch.setattr(writing, "REUSE_BYTES", 0)
    monkeypatch.setattr(blocks, "LEAST_BYTES", 0)
    monkeypatch.setattr(regroup, "LEAST_BYTES", 0)
    monkeypatch.setattr(blocks, "LEAST_OPERATIONS", 1)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 16)


def reverse_tape(f, *args):
    return simplify(vjp(simplify(trace(f, args).tape), range(len(args))))


def same(found, expected):
    return [np.asarray(x).tobytes() for x in found] == [np.asarray(x).tobytes() for x in expected]


def other_order(rng, tape):
    """Return a tape that comes to any of its nodes first; its outputs are the same."""
    some = [int(i) for i in rng.integers(0, len(tape.nodes), 3)]
    n = len(tape.outputs)
    found = results_first(replace(tape, outputs=(*tape.outputs, *some)), range(n, n + 3))
    return replace(found, outputs=found.outputs[:n])


def test_a_reverse_tape_takes_no_pass_for_a_sign_a_number_or_a_shape():
    def f(x):
        u = np.reshape(x, (2, 3))
        return np.sum(np.exp(-u * u))

    tape = reverse_tape(f, np.ones(6))
    behind = [node.op.name for node in tape.nodes if node.op.name != "input"][4:]
    # The cotangent by e^(-u²), by u, twice that, and one sign for both factors of -u·u.
    assert behind == ["multiply", "multiply", "add", "negative", "gather"]


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("part", range(4))
def test_random_programs_and_their_reverse_have_the_same_bits_in_blocks(part):
    in_blocks = 0
    for seed in range(7000 + 30 * part, 7030 + 30 * part):
        rng = np.random.default_rng(seed)
        function = draw(rng, int(rng.integers(5, 40)))
        x, y = rng.normal(size=function.shape), rng.normal(size=function.shape)
        tape = trace(function, (x,)).tape
        if tape.depends_on_values:
            continue
        reverse = simplify(vjp(tape, [0]))
        grouped = regroup.regroup(reverse)
        for made, values in (
            (simplify(tape), [y]),
            (reverse, [y, np.float64(1.5)]),
            (grouped, [y, np.float64(1.5)]),
            (other_order(rng, reverse), [y, np.float64(1.5)]),
        ):
            program = Program(made)
            in_blocks += "low:high" in program.source
            expected = Interpreter(made).run([np.copy(v)[()] for v in values])
            for _ in range(2):
                assert same(program.run(values), expected), f"seed {seed}"
        ordered, other = (Interpreter(t).run(values)[0] for t in (reverse, grouped))
        scale = np.max(np.abs(ordered), initial=0.0)
        np.testing.assert_allclose(other, ordered, rtol=1e-9, atol=1e-9 * scale)
    assert in_blocks > 10


def test_which_values_a_recording_keeps_decides_no_bit_of_a_gradient(monkeypatch):
    def gradients():
        for seed in range(7200, 7240):
            rng = np.random.default_rng(seed)
            function = draw(rng, int(rng.integers(5, 40)))
            x, c = rng.normal(size=function.shape), rng.normal(size=function.shape)

            def objective(x, function=function, c=c):
                weights = np.exp(np.where(c > 0.0, c, 0.5 * c) * np.cos(c.copy() * np.ones_like(x)))
                return np.sum(function(x) * weights) + np.sum(np.where(weights > 1.0, x, x * x))

            yield ra.grad(objective)(x)

    small = list(gradients())
    for module in (operations, value):
        monkeypatch.setattr(module, "LARGE_BYTES", 0)
    assert same(list(gradients()), small)


def test_a_recording_keeps_no_large_value_without_a_derivative():
    def function(x):
        grid = np.arange(x.size) / x.size
        bump = np.exp(-((grid - 0.4) ** 2)) * np.sqrt(1.0 + grid)
        return np.sum((x - bump) ** 2)

    x = np.zeros(1 << 16)
    found = trace(function, (x,), keep=True)
    large = [i for i, v in found.values.items() if getattr(v, "nbytes", 0) == x.nbytes]
    kept = [found.tape.nodes[i].op.name for i in large]
    assert kept == ["input", "constant", "subtract"]  # what is squared, beside what came


def test_what_is_made_again_is_made_where_it_is_read():
    def waves(x):
        y = x
        for _ in range(20):
            y = np.sin(y) * x + np.exp(-y * y) * 0.5
        return np.sum(y * y)

    x = np.linspace(0.1, 1.0, 1 << 15)
    recording = trace(waves, (x,), keep=True)
    tape = vjp(recording.tape, [0])
    kept = [i for i, v in recording.values.items() if getattr(v, "nbytes", 0) == x.nbytes]
    assert len(kept) == 1 + 2 * 20  # x, each sine and each exponential
    inputs = [*kept, *tape.inputs[1:]]
    nodes = list(tape.nodes)
    for i in kept:
        nodes[i] = Node(INPUT, (), ("known",), nodes[i].shape, nodes[i].dtype)
    tape = Tape(tuple(nodes), tuple(inputs), tape.outputs)
    values = [*[recording.values[i] for i in kept], np.float64(1.0)]
    late, early = Program(made_late(tape, kept)), Program(tape)
    assert same(late.run(values), early.run(values))
    assert late.bytes < early.bytes / 3


def test_no_register_begins_where_another_ends():
    # Else NumPy 2.0.0 gives other bits for exp, power and more, as it takes them to overlap.
    sizes = [0, 1, 63, 64, 65, 128, 4096]
    arena = Arena()
    arena.reserve(sizes)
    registers = arena.take().registers(sizes)
    assert [r.nbytes for r in registers] == sizes
    starts = [r.__array_interface__["data"][0] for r in registers]
    assert not any(start % 64 for start in starts[1:])  # else wide vectors touch two lines each
    ends = [start + n for start, n in zip(starts, sizes, strict=True)]
    assert all(end < start for end, start in zip(ends[:-1], starts[1:], strict=True))


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("in_turn", [False, True])
def test_inputs_that_are_given_away_take_results_and_the_bits_stay(in_turn):
    rng = np.random.default_rng(11)
    for seed in range(8000, 8050):
        rng = np.random.default_rng(seed)
        first = draw(rng, int(rng.integers(5, 25)))
        shape = first.shape

        def function(x, y, first=first):
            z = x * 0.5
            z[1:] += y[:-1]
            y = y + first(x)
            return z, x, y * 2.0 - x if in_turn else y

        arguments = [rng.normal(size=shape) for _ in range(2)]
        tape = trace(function, tuple(arguments)).tape
        if tape.depends_on_values:
            continue
        tape = simplify(tape)
        expected = Interpreter(tape).run([a.copy() for a in arguments])
        found = Program(tape, donated=(0, 1)).run([a.copy() for a in arguments])
        assert same(found, expected), f"seed {seed}"
        assert len({id(x) for x in found}) == len(found)
        for a in range(3):
            for b in range(a):
                assert not np.shares_memory(found[a], found[b]), f"seed {seed}"


def stencil(rng, shape):
    """Return a function whose reverse adds products to random boxes of few different shapes."""
    inner = [tuple(max(1, n - int(rng.integers(1, 4))) for n in shape) for _ in range(2)]
    terms = []
    for _ in range(12):
        size = inner[int(rng.random() < 0.2)]
        starts = [int(rng.integers(0, n - m + 1)) for n, m in zip(shape, size, strict=True)]
        box = tuple(slice(a, a + m) for a, m in zip(starts, size, strict=True))
        terms.append((size, box, float(rng.normal())))

    def function(x):
        y = np.sin(x) * x[::-1]
        sums = {size: np.ones(size) for size in inner}
        for size, box, weight in terms:
            sums[size] = sums[size] + weight * y[box]
        return sum(np.sum(total * total) for total in sums.values())

    return function


@pytest.mark.parametrize("shape", [(40,), (17, 5), (9, 4, 6)])
@pytest.mark.usefixtures("tiny_blocks")
def test_shifted_additions_run_in_blocks_to_the_same_bits(shape):
    longest = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=shape)
        tape = reverse_tape(stencil(rng, shape), x)
        grouped = regroup.regroup(tape)
        program = Program(grouped)
        values = [x, np.float64(1.0)]
        found = Interpreter(grouped).run(values)
        for _ in range(2):
            assert same(program.run(values), found), f"seed {seed}"
        expected = Interpreter(tape).run(values)
        assert same(Program(tape).run(values), expected), f"seed {seed}"
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-12)
        loops = program.source.partition("def run(")[0].split("for low")[1:]
        longest = max(longest, *(loop.count("add") for loop in loops))
    assert longest >= 5


def test_only_what_a_write_leaves_is_filled_or_copied():
    def bordered(x):
        new = np.zeros_like(x)
        new[2:-2, 1:] = x[2:-2, 1:] * 2.0
        other = x.copy()
        other[:, :-1] = x[:, 1:] + x[:, :-1]
        return new, other

    x = np.random.default_rng(4).normal(size=(200, 100))
    program = Program(simplify(trace(bordered, (x,)).tape))
    assert same(program.run([x]), bordered(x))
    assert "copyto(" not in program.source.split("def run(")[0]
    assert program.source.count(".fill(0.0)") == 3  # two strips of rows, one of a column


def test_sums_over_the_steps_come_first_so_that_less_is_held():
    def function(u, k):
        flux = k * np.diff(u, axis=0)
        new = u.copy()
        new[:-1] += flux
        new[1:] -= flux
        return new

    u, k = np.ones((256, 256)), np.ones((255, 256))
    tape = vjp(simplify(trace(function, (u, k)).tape), [0, 1])
    builder = Builder(tape.nodes)
    total = builder.symbol(builder.input(k.shape, k.dtype, "sum"))
    outputs = [tape.outputs[0], (total + builder.symbol(tape.outputs[1])).id]
    tape = simplify(builder.tape([*tape.inputs, total.id], outputs, None))
    program = Program(tape, donated=(2, 3))
    assert program.bytes < 1.6 * u.nbytes  # the flux, and a few blocks
    values = [np.random.default_rng(3).normal(size=tape.nodes[i].shape) for i in tape.inputs]
    expected = Interpreter(tape).run(values)
    assert same(program.run([v.copy() for v in values]), expected)


def test_products_of_matrices_are_computed_into_registers_to_the_same_bits():
    def function(a, b, v):
        c = np.tanh(a @ b + np.dot(a, a.T)[:, :40])
        return np.dot(c.T, a[::-1]) @ v, np.dot(v, a.T), a[:0] @ b

    rng = np.random.default_rng(5)
    values = [rng.normal(size=shape) for shape in ((60, 50), (50, 40), (50,))]
    tape = simplify(trace(function, tuple(values)).tape)
    seeds = [rng.normal(size=tape.nodes[i].shape) for i in tape.outputs]
    for made, given in ((tape, values), (simplify(vjp(tape, [0, 1, 2])), [*values, *seeds])):
        program = Program(made)
        assert same(program.run(given), Interpreter(made).run(given))
        assert same(program.run(given), Interpreter(made).run(given))
        assert program.source.count("into") >= 3


def test_a_sum_that_is_given_away_grows_in_place():
    def function(total, x):
        return total + np.sin(x) * x

    x = np.linspace(0.0, 1.0, 100_000)
    tape = simplify(trace(function, (x, x)).tape)
    program = Program(tape, donated=(0,))
    total = np.ones_like(x)
    (found,) = program.run([total, x])
    assert found is total
    np.testing.assert_array_equal(found, 1.0 + np.sin(x) * x)


def test_ieee_operations_are_blockwise_and_others_are_tried():
    double = np.dtype(float)
    assert is_blockwise(np.multiply, (double, double))
    x = np.random.default_rng(1).normal(size=10_007)
    for ufunc in (np.sin, np.cos, np.exp, np.tanh, np.log1p, np.arctan):
        if is_blockwise(ufunc, (double,)):
            whole = ufunc(np.abs(x))
            parts = [ufunc(np.abs(x)[low : low + 511]) for low in range(0, x.size, 511)]
            assert whole.tobytes() == np.concatenate(parts).tobytes()


def large(x):
    y = np.sin(x[1:-1]) * 0.5
    x[1:-1] += y * y - 0.25 * (x[2:] + x[:-2])
    return np.sum(x * x)


def test_a_repeated_run_allocates_its_outputs_alone():
    x = np.linspace(0.0, 1.0, 100_000)
    program = Program(reverse_tape(large, x))
    values = [x, np.float64(1.0)]
    (first,) = program.run(values)
    tracemalloc.start()
    try:
        for _ in range(3):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            (found,) = program.run(values)
            peak = tracemalloc.get_traced_memory()[1]
            assert peak - before <= found.nbytes + 20_000
            assert found.tobytes() == first.tobytes()
            del found
    finally:
        tracemalloc.stop()


def test_no_run_of_many_takes_memory_that_stays():
    def f(x):
        y = np.where(x > 0.5, np.sin(x), x * x)
        y[1:] += np.cumsum(x)[:-1] * 1e-6
        return np.sum(y.reshape(100, -1) @ np.ones(x.size // 100)) + x[3] * np.max(y)

    x = np.linspace(0.0, 1.0, 50_000)
    program = Program(reverse_tape(f, x))
    values = [x, np.float64(1.0)]
    program.run(values)
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        program.run(values)
        before = tracemalloc.take_snapshot().filter_traces([arrays])
        peaks = []
        for _ in range(20):
            tracemalloc.reset_peak()
            now = tracemalloc.get_traced_memory()[0]
            program.run(values)
            peaks.append(tracemalloc.get_traced_memory()[1] - now)
        after = tracemalloc.take_snapshot().filter_traces([arrays])
    finally:
        tracemalloc.stop()
    assert max(peaks) <= min(peaks) + 10_000
    grown = sum(s.size_diff for s in after.compare_to(before, "filename"))
    assert grown == 0


def test_a_repeated_gradient_of_a_simulation_allocates_no_more_than_the_one_before():
    def step(u, c, k):
        new = u.copy()
        new[1:-1] += c[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
        return new

    u, c = np.linspace(0.0, 1.0, 40_000) ** 2, np.full(40_000, 0.2)
    sim = ra.Simulation(step, steps=12, schedule=ra.schedule.binomial(12, 3), native=False)
    gradient = ra.grad(lambda c: np.sum(sim(u, c).state ** 2))
    first = gradient(c)
    gradient(c)
    gc.collect()
    gc.disable()  # nothing may wait for it
    tracemalloc.start()
    try:
        seen = []
        for _ in range(5):
            tracemalloc.reset_peak()
            assert gradient(c).tobytes() == first.tobytes()
            seen.append(tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
        gc.enable()
    held, peaks = zip(*seen[1:], strict=True)
    assert max(held) - min(held) < u.nbytes / 10
    assert max(peaks) - min(peaks) < u.nbytes / 10


def scattered(n):
    """Return a function of `n` products that are all made before the first is written."""

    def function(x):
        parts = [x[k : k + 1100] * 2.0 for k in range(n)]
        for k, part in enumerate(parts):
            x[k : k + 1100] = part
        return x

    return function


def test_planning_takes_linear_work_when_writes_stand_far_from_their_products():
    def lines(n):
        tape = trace(scattered(n), (np.ones(n + 1100),)).tape
        return work(lambda: Program(tape)).lines

    assert lines(800) < 4 * 1.2 * lines(200)  # 16 times, were it quadratic
