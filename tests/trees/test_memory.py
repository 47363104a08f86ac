"""A copy of a structured value owns its memory, leaf by leaf."""

import pathlib

import numpy as np

from revolve_ad import trees


def test_a_copy_owns_contiguous_writeable_memory_for_each_leaf() -> None:
    base = np.arange(12.0).reshape(3, 4)
    base.flags.writeable = False
    tree = {"a": base[:, ::2], "b": base.T, "c": (base, base), "d": np.broadcast_to(1.0, (2, 2))}
    copied = trees.copy(tree)
    leaves = trees.flatten(copied)[0]
    for leaf, original in zip(leaves, trees.flatten(tree)[0], strict=True):
        assert leaf.flags.c_contiguous
        assert leaf.flags.writeable
        assert leaf.flags.owndata
        assert leaf.dtype == original.dtype
        np.testing.assert_array_equal(leaf, original)
        assert not np.shares_memory(leaf, base)
    assert not np.shares_memory(*copied["c"])


def test_a_copy_keeps_numbers_and_byte_order_and_drops_memory_maps(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "map"
    mapped = np.memmap(path, dtype=">f4", mode="w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    copied = trees.copy((mapped, 1, 2.0, np.float32(3)))
    assert type(copied[0]) is np.ndarray
    assert copied[0].dtype == np.dtype(">f4")
    assert copied[1:] == (1, 2.0, np.float32(3))


def test_nbytes_counts_every_leaf_as_an_array() -> None:
    tree = (np.zeros((2, 3), np.float32), True, 1, 1.5, 1j, np.float32(0), None, np.zeros((0, 9)))
    assert trees.nbytes(tree) == 24 + 1 + 8 + 8 + 16 + 4
