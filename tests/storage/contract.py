"""The contract that every storage passes: subclass it and say how one is made."""

import gc
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

from revolve_ad import errors
from revolve_ad.storage import Storage

DTYPES = [
    *("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g", "c8", "c16"),
    *(">i4", ">f8", ">c16", "<f8"),
]


def bits(array: np.ndarray) -> bytes:
    """The bytes in C order, which tell -0.0 from 0.0 and one NaN from another."""
    return array.tobytes(order="C")


def arrays_of(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3, 4)), rng.integers(0, 9, size=5), np.array(rng.normal())]


def same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    return len(one) == len(two) and all(
        a.shape == b.shape and a.dtype == b.dtype and bits(a) == bits(b)
        for a, b in zip(one, two, strict=True)
    )


class StorageContract:
    """Claims on any `Storage`; `make` gives an empty one."""

    def make(self, folder: pathlib.Path) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def storage(self, tmp_path: pathlib.Path) -> Any:
        return self.make(tmp_path)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (4, 5), (2, 3, 4)])
    def test_every_dtype_and_shape_comes_back_bit_for_bit(
        self, storage: Storage, dtype: str, shape: tuple[int, ...]
    ) -> None:
        rng = np.random.default_rng(7)
        array = np.asarray(100 * rng.normal(size=shape)).astype(dtype)
        storage.save(3, [array])
        for back in (storage.restore(3), storage.restore(3, [np.empty(shape, dtype)])):
            assert same(back, [array])
            assert back[0].dtype.str == array.dtype.str
            assert back[0].flags.c_contiguous
            assert back[0].flags.writeable

    @pytest.mark.parametrize("seed", range(20))
    def test_every_view_comes_back_bit_for_bit(self, storage: Storage, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shape = rng.integers(1, 5, size=rng.integers(1, 5))
        base = (100 * rng.normal(size=shape)).astype(rng.choice(["f8", ">f4", "c16", "i4", "?"]))
        for _ in range(10):
            starts, steps = (
                rng.integers(-3, 4, size=base.ndim),
                rng.choice([-2, -1, 1, 2], base.ndim),
            )
            cut = tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))
            view = base[cut].transpose(rng.permutation(base.ndim))
            storage.save(0, [view, np.asfortranarray(view), view[..., None, :]])
            assert same(storage.restore(0), [view, view, view[..., None, :]])

    @pytest.mark.parametrize("value", [np.nan, -0.0, np.inf, 5e-324])
    def test_special_values_keep_their_bits(self, storage: Storage, value: float) -> None:
        payload = np.array([0x7FF8DEADBEEF0001], np.uint64).view(np.float64)
        leaves = [np.array([value]), payload, np.array(complex(value, -0.0))]
        storage.save(0, leaves)
        assert same(storage.restore(0), leaves)

    def test_a_broadcast_and_a_reversed_array_come_back_whole(self, storage: Storage) -> None:
        leaves = [np.broadcast_to(np.arange(3.0), (4, 3)), np.arange(10.0)[::-2]]
        storage.save(0, leaves)
        assert same(storage.restore(0), leaves)

    def test_writing_after_a_save_does_not_reach_the_checkpoint(self, storage: Storage) -> None:
        leaves = arrays_of(1)
        storage.save(0, leaves)
        for leaf in leaves:
            leaf[...] = 0
        assert same(storage.restore(0), arrays_of(1))

    def test_writing_into_a_restored_state_does_not_reach_the_checkpoint(
        self, storage: Storage
    ) -> None:
        storage.save(0, arrays_of(1))
        storage.save(1, arrays_of(2))
        out = [np.empty_like(leaf) for leaf in arrays_of(0)]
        for restored in (storage.restore(0), storage.restore(0, out)):
            for leaf in restored:
                leaf[...] = 0
            assert same(storage.restore(0), arrays_of(1))
        storage.discard(0)
        storage.save(0, arrays_of(3))
        restored[0][...] = 7
        assert same(storage.restore(0), arrays_of(3))
        assert same(storage.restore(1), arrays_of(2))

    def test_restore_fills_the_very_arrays_that_it_is_given(self, storage: Storage) -> None:
        leaves = arrays_of(1)
        storage.save(0, leaves)
        for order in ("C", "F"):
            out = [np.empty_like(leaf, order=order) for leaf in leaves]
            back = storage.restore(0, tuple(out))
            assert type(back) is list
            assert all(a is b for a, b in zip(back, out, strict=True))
            assert same(back, leaves)

    def test_restore_refuses_arrays_that_do_not_fit(self, storage: Storage) -> None:
        storage.save(0, [np.zeros(3), np.zeros((2, 2))])
        with pytest.raises(errors.ShapeError, match=r"array 1 .* shape \(4,\), but \(2, 2\)"):
            storage.restore(0, [np.zeros(3), np.zeros(4)])
        with pytest.raises(errors.ShapeError, match=r"array 0 .* shape \(1,\), but \(3,\)"):
            storage.restore(0, [np.zeros(1), np.zeros((2, 2))])
        with pytest.raises(errors.DtypeError, match="array 0 .* float32, but float64"):
            storage.restore(0, [np.zeros(3, np.float32), np.zeros((2, 2))])
        with pytest.raises(errors.DtypeError, match="array 0"):
            storage.restore(0, [np.zeros(3, ">f8"), np.zeros((2, 2))])
        with pytest.raises(errors.ShapeError, match="1 arrays were given .* holds 2"):
            storage.restore(0, [np.zeros(3)])
        assert same(storage.restore(0), [np.zeros(3), np.zeros((2, 2))])

    def test_a_checkpoint_can_be_restored_many_times(self, storage: Storage) -> None:
        storage.save(5, arrays_of(1))
        assert all(same(storage.restore(5), arrays_of(1)) for _ in range(4))

    def test_keys_are_kept_apart(self, storage: Storage) -> None:
        keys = [0, 1, 10**12, -1, (0,), (1, 0), (10,), (1, -1), ()]
        for i, key in enumerate(keys):
            storage.save(key, [np.array([i])])
        for i, key in enumerate(keys):
            assert storage.restore(key)[0][0] == i

    def test_saving_under_a_held_key_replaces_the_checkpoint(self, storage: Storage) -> None:
        storage.save(0, arrays_of(1))
        storage.save(0, [np.arange(3)])
        assert same(storage.restore(0), [np.arange(3)])
        storage.save(0, arrays_of(2))
        assert same(storage.restore(0), arrays_of(2))
        storage.discard(0)
        with pytest.raises(errors.StorageError):
            storage.restore(0)

    def test_what_is_not_held_is_refused_with_what_is(self, storage: Storage) -> None:
        storage.save(3, arrays_of(1))
        for verb in (storage.restore, storage.discard):
            with pytest.raises(errors.StorageError, match=r"under 4; held are 1: 3"):
                verb(4)
        storage.discard(3)
        for verb in (storage.restore, storage.discard):
            with pytest.raises(errors.StorageError, match=r"under 3; held are 0: none"):
                verb(3)

    def test_a_checkpoint_may_hold_no_array(self, storage: Storage) -> None:
        storage.save(0, [])
        assert storage.restore(0) == []
        storage.discard(0)

    @pytest.mark.parametrize(
        "bad", [np.array([None]), np.array(["a"]), np.zeros(2, "M8[s]"), np.zeros(2, "f8,i4")]
    )
    def test_arrays_of_no_numbers_are_refused(self, storage: Storage, bad: np.ndarray) -> None:
        with pytest.raises(errors.DtypeError, match="leaf 1 has dtype"):
            storage.save(0, [np.zeros(2), bad])
        with pytest.raises(errors.StorageError):
            storage.restore(0)

    def test_a_random_life_agrees_with_a_dict_of_copies(self, storage: Storage) -> None:
        rng = np.random.default_rng(3)
        model: dict[int, list[np.ndarray]] = {}
        for i in range(300):
            key = int(rng.integers(6))
            verb = rng.integers(3)
            if verb == 0:
                model[key] = arrays_of(i)[: int(rng.integers(1, 4))]
                storage.save(key, model[key])
            elif key in model and verb == 1:
                assert same(storage.restore(key), model[key])
            elif key in model:
                del model[key]
                storage.discard(key)
        assert model

    def test_memory_is_flat_over_many_gradients(self, storage: Storage) -> None:
        def gradient(seed: int) -> int:
            for key in range(5):
                storage.save(key, arrays_of(seed + key))
            for key in reversed(range(5)):
                storage.restore(key)
                storage.discard(key)
            return storage.nbytes

        first = gradient(0)
        peak = storage.peak_bytes
        assert all(gradient(seed) == first for seed in range(20))
        assert storage.peak_bytes == peak

    def test_counts_are_no_less_than_what_is_held_in_memory(self, storage: Storage) -> None:
        assert storage.nbytes == 0
        assert storage.peak_bytes == 0
        storage.save(0, [np.zeros(1000)])
        assert storage.nbytes in (0, 8000)
        assert storage.peak_bytes >= storage.nbytes

    def test_it_pickles_without_its_checkpoints(self, storage: Storage) -> None:
        storage.save(0, arrays_of(1))
        copy = pickle.loads(pickle.dumps(storage))
        assert type(copy) is type(storage)
        with pytest.raises(errors.StorageError):
            copy.restore(0)
        copy.save(0, arrays_of(2))
        assert same(storage.restore(0), arrays_of(1))
        del copy
        gc.collect()
        assert same(storage.restore(0), arrays_of(1))

    def test_clear_forgets_everything(self, storage: Any) -> None:
        storage.save(0, arrays_of(1))
        storage.save(1, arrays_of(1))
        assert len(storage) == 2
        assert 1 in storage
        storage.clear()
        assert len(storage) == 0
        assert 1 not in storage
        assert storage.nbytes == 0
        storage.save(1, arrays_of(2))
        assert same(storage.restore(1), arrays_of(2))
