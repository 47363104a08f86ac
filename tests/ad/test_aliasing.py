"""Every way to make a view × every way to write × every way to read afterwards, as NumPy does it.

A program makes an array, takes views and copies of it, writes through a view or the array, and
reads something that shares memory or doesn't.  Its value is NumPy's bit for bit, its derivative
that of a complex step (of differences where the array is complex); where NumPy refuses a write,
recording does.
"""

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.program import Program

X = np.array(
    [
        [0.31, -1.2, 0.6, 0.7],
        [1.1, -0.4, 0.25, 0.9],
        [-0.8, 0.45, 1.3, -0.15],
        [0.05, 0.85, -0.55, 0.2],
    ]
)
DIRECTION = np.cos(np.arange(16.0)).reshape(4, 4)
K = 1  # a number that the tape knows, as the number of a step

windows = np.lib.stride_tricks.sliding_window_view

# From an array `a` of shape (4, 4), and k.
VIEWS = {
    "the array": lambda a, k: a,
    "all": lambda a, k: a[...],
    "rows": lambda a, k: a[1:3],
    "reversed": lambda a, k: a[::-1],
    "every second column from the end": lambda a, k: a[:, ::-2],
    "row": lambda a, k: a[1],
    "column": lambda a, k: a[:, 2],
    "new axis": lambda a, k: a[:, None, 1:],
    "view of a view": lambda a, k: a[::2][::-1, 1:][:, ::2],
    "transposed": lambda a, k: a.T,
    "swapaxes": lambda a, k: np.swapaxes(a, 0, 1)[1:],
    "moveaxis": lambda a, k: np.moveaxis(a, 1, 0),
    "flip": lambda a, k: np.flip(a, axis=1),
    "rot90": lambda a, k: np.rot90(a),
    "squeezed": lambda a, k: np.squeeze(a[2:3]),
    "expand_dims": lambda a, k: np.expand_dims(a, 0),
    "atleast_3d": lambda a, k: np.atleast_3d(a),
    "view": lambda a, k: a.view(),
    "asarray": lambda a, k: np.asarray(a),
    "one of a split": lambda a, k: np.split(a, 2, axis=1)[1],
    "walked to": lambda a, k: [*a][2],
    "reshape of what lies in one piece": lambda a, k: a.reshape(2, 8),
    "reshape to blocks": lambda a, k: a.reshape(2, 2, 2, 2)[1, :, 1],
    "reshape of rows": lambda a, k: a[1:3].reshape(-1),
    "reshape that copies": lambda a, k: a.T.reshape(2, 8),
    "reshape in the other order": lambda a, k: a.reshape((2, 8), order="F"),
    "ravel": lambda a, k: a.ravel(),
    "ravel that copies": lambda a, k: a[:, 1:].ravel(),
    "ravel in the other order": lambda a, k: a.T.ravel(order="F"),
    "ravel as it lies": lambda a, k: a.T.ravel(order="K"),
    "flatten": lambda a, k: a.flatten(),
    "copy": lambda a, k: a.copy(),
    "in the other order": lambda a, k: np.asfortranarray(a),
    "integers": lambda a, k: a[[0, 2, 2]],
    "mask": lambda a, k: a[np.array([True, False, True, True])],
    "part of the flat elements": lambda a, k: a.flat[2:9],
    "diagonal": lambda a, k: np.diagonal(a, 1),
    "broadcast": lambda a, k: np.broadcast_to(a[1:3], (2, 2, 4)),
    "windows": lambda a, k: windows(a, 2, axis=0),
    "row k": lambda a, k: a[k],
    "rows k to k + 2": lambda a, k: a[k : k + 2],
    "block at k": lambda a, k: a.T[k : k + 2, k : k + 3],
    "column k of rows": lambda a, k: a[1:][::-1, k],
}
OF_COMPLEX = {
    "real parts": lambda a, k: a.real,
    "imaginary parts of rows": lambda a, k: a[1:3].imag,
    "real parts reversed": lambda a, k: np.real(a.T)[::-1],
    "imaginary parts of row k": lambda a, k: a[k].imag,
    "windows on real parts": lambda a, k: windows(a.real, 2, axis=0),
}


def augmented(v, x):
    v += x[0, 1]


def multiplied(v, x):
    v *= v


def by_out(v, x):
    np.multiply(v, x[1, 1], out=v)


def masked(v, x):
    v[np.real(v) > 0.23] = x[0, 0]


def masked_in_place(v, x):
    v[np.real(v) > 0.23] *= 2.0


def put(v, i, x):
    v[i] = x


# Through a view `v`, or the array `a` itself; x is the argument.
WRITES = {
    "number": lambda a, v, x: put(v, ..., 0.5),
    "traced number": lambda a, v, x: put(v, 0, x[2, 2]),
    "itself reversed": lambda a, v, x: put(v, ..., v[::-1]),
    "shifted onto itself": lambda a, v, x: put(v, slice(1, None), v[:-1] * 1),
    "overlapping": lambda a, v, x: put(v, slice(1, None), v[:-1]),
    "augmented": lambda a, v, x: augmented(v, x),
    "augmented part": lambda a, v, x: augmented(v[1:], x),
    "augmented by what overlaps": lambda a, v, x: put(v, slice(1, None), v[1:].__iadd__(v[:-1])),
    "multiplied by itself": lambda a, v, x: multiplied(v, x),
    "out": lambda a, v, x: by_out(v, x),
    "out onto what overlaps": lambda a, v, x: np.add(v[1:], v[:-1], out=v[1:]),
    "out of the reversed": lambda a, v, x: np.sin(v[::-1], out=v),
    "copyto": lambda a, v, x: np.copyto(v, v[::-1]),
    "copyto where": lambda a, v, x: np.copyto(v, x[3, 0], where=np.real(v) < 0.33),
    "fill": lambda a, v, x: v.fill(0.75),
    "flat": lambda a, v, x: put(v.flat, slice(1, None, 2), x[1, 0]),
    "repeated integers": lambda a, v, x: put(v, [0, -1, 0], x[0, 0]),
    "augmented at integers": lambda a, v, x: put(v, [0, 0], v[[0, 0]] + x[0, 0]),
    "add.at": lambda a, v, x: np.add.at(v, [0, 0, -1], x[0, 3]) if v.flags.writeable else 1 / 0,
    "mask": lambda a, v, x: masked(v, x),
    "mask in place": lambda a, v, x: masked_in_place(v, x),
    "cumsum": lambda a, v, x: np.cumsum(v, axis=0, out=v),
    "sum": lambda a, v, x: np.sum(v, axis=0, out=v[0]),
    "the array": lambda a, v, x: multiplied(a, x),
    "rows of the array": lambda a, v, x: put(a, slice(1, 3), x[1:3] * x[:2]),
    "an element of the array": lambda a, v, x: put(a, (1, 2), x[0, 0] * x[1, 1]),
    "the array transposed": lambda a, v, x: np.add(a, a.T, out=a),
    "the view into the array": lambda a, v, x: put(a, ..., v) if v.shape == a.shape else 1 / 0,
}


def weighted(v):
    return np.sum(v * v * (1 + np.arange(v.size).reshape(v.shape)))


# Of the array, the view, and what was taken before the write: a view, a copy, a part of the view.
READS = {
    "array": lambda a, v, other, copy, part: weighted(a),
    "view": lambda a, v, other, copy, part: weighted(v),
    "earlier": lambda a, v, other, copy, part: weighted(other) + 2 * weighted(copy),
    "part": lambda a, v, other, copy, part: weighted(part),
    "later": lambda a, v, other, copy, part: weighted(a[1:].T) + weighted(v[::-1] * 1),
}


def all_of(reads):
    """Return a read of the sum of some, each with a weight of its own."""

    def read(*given):
        return sum((k + 0.7) * read(*given) for k, read in enumerate(reads))

    return read


def program(view, write, read, of_complex=False):
    def f(x, k=K):
        a = x * (1 + 0.5j) if of_complex else x * 1
        other, copy, v = a.T[1:], a.copy(), view(a, k)
        part = v[1:]
        write(a, v, x)
        found = read(a, v, other, copy, part)
        a[...] = 7.0  # what was read stays
        return np.real(found) + 2 * np.imag(found) if of_complex else found

    return f


def slope(f, of_complex):
    if not of_complex:
        return np.imag(f(X + 1e-30j * DIRECTION)) / 1e-30
    h = 1e-3
    ends = [f(X + k * h * DIRECTION) - f(X - k * h * DIRECTION) for k in (1, 2, 3)]
    return (45 * ends[0] - 9 * ends[1] + ends[2]) / (60 * h)


def check(view, write, turn, of_complex=False):
    """Check all reads that NumPy allows in one program; after every third write one alone too."""
    allowed = []
    for name, read in READS.items():
        f = program(view, write, read, of_complex)
        try:
            f(X)
            allowed.append((name, read))
        except (ValueError, TypeError, IndexError, ZeroDivisionError):
            with pytest.raises((ValueError, TypeError, IndexError, ZeroDivisionError)):
                ra.grad(f)(X)
    if not allowed:
        return 0
    together = "all", all_of([read for _, read in allowed])
    alone = [] if turn % 3 else [allowed[turn // 3 % len(allowed)]]
    for name, read in (together, *alone):
        f = program(view, write, read, of_complex)
        value, gradient = ra.value_and_grad(f)(X)
        assert value == f(X), name
        derivative = slope(f, of_complex)
        tolerance = 1e-8 if of_complex else 1e-12
        assert abs(np.sum(gradient * DIRECTION) - derivative) <= tolerance * (
            1 + abs(derivative)
        ), name
    return len(allowed)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("view", VIEWS)
def test_writes_and_reads_of_a_view_are_numpys(view):
    first = [*VIEWS].index(view)
    assert sum(check(VIEWS[view], write, first + k) for k, write in enumerate(WRITES.values())) > 0


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("view", OF_COMPLEX)
def test_writes_and_reads_of_parts_of_complex_arrays_are_numpys(view):
    ways = enumerate(WRITES.values())
    assert sum(check(OF_COMPLEX[view], write, k, of_complex=True) for k, write in ways) > 0


@pytest.mark.parametrize("view", [name for name in VIEWS if " k" in name])
def test_a_view_that_moves_is_the_one_of_each_number(view):
    for write in WRITES.values():
        for read in READS.values():
            f = program(VIEWS[view], write, read)
            try:
                expected = f(X, 0)
            except (ValueError, TypeError, ZeroDivisionError):
                continue
            tape = trace(f, (X, K)).tape
            if tape.depends_on_values is None:
                assert Program(tape).run([X, np.int64(0)])[0] == expected


def double_buffered(x):
    a, b = x * 1, np.zeros_like(x)
    for _ in range(3):
        b[1:-1] = 0.3 * (a[2:] + a[:-2]) + a[1:-1] ** 2 * 0.1
        b[0], b[-1] = a[-1], a[0]
        a, b = b, a
    return weighted(a) + weighted(b)


def swapped_in_a_list(x):
    fields = [x * 1, x * 2, (x * 3).T]
    fields[0], fields[2] = fields[2], fields[0]
    fields[0][1] = fields[1][0]
    return weighted(fields[2]) + weighted(fields[0])


def a_view_of_its_own_name(x):
    a = x * 1
    a = a[1:]
    a[0] += a[1]
    a = a.T
    a[0] *= a[2]
    return weighted(a)


def rows_exchanged(x):
    a = x * 1
    a[[0, 1]] = a[[1, 0]]
    a[0], a[3] = a[3], a[0].copy()  # without the copy, NumPy loses a row
    a[1], a[2] = a[2], a[1]
    return weighted(a)


def given_away(x):
    def fill(target, source):
        target[...] = source**2
        target[0] -= 1

    a = np.empty((3, 4))
    for part in (a[1:], a[:2].T[1:]):
        fill(part, x[: part.shape[0], : part.shape[1]])
    a[0, 0] = 0
    a[:2, 0] = a[1, 1]
    return weighted(a)


@pytest.mark.parametrize(
    "f", [double_buffered, swapped_in_a_list, a_view_of_its_own_name, rows_exchanged, given_away]
)
def test_names_that_change_hands_are_numpys(f):
    value, gradient = ra.value_and_grad(f)(X)
    assert value == f(X)
    if f is given_away:  # its array is of real numbers
        h = 1e-4
        derivative = (f(X + h * DIRECTION) - f(X - h * DIRECTION)) / (2 * h)
        assert np.sum(gradient * DIRECTION) == pytest.approx(derivative, rel=1e-6)
    else:
        assert np.sum(gradient * DIRECTION) == pytest.approx(slope(f, False), rel=1e-12)


def test_the_matrix_has_the_size_that_it_claims():
    assert (len(VIEWS) + len(OF_COMPLEX)) * len(WRITES) * len(READS) > 6000
