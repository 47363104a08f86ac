"""Ram keeps the contract, and its buffers are used again and counted."""

import gc
import pathlib
import tracemalloc

import numpy as np
import pytest

from revolve_ad import errors
from revolve_ad.storage import Ram
from tests.storage.contract import StorageContract


class TestRam(StorageContract):
    def make(self, folder: pathlib.Path) -> Ram:
        return Ram()


def test_idle_buffers_are_counted_and_used_again() -> None:
    storage = Ram()
    storage.save(0, [np.zeros(100)])
    storage.save(1, [np.zeros(100)])
    storage.discard(0)
    storage.discard(1)
    assert storage.nbytes == 1600
    storage.save(2, [np.ones(100)])
    assert storage.nbytes == storage.peak_bytes == 1600


def test_idle_buffers_that_do_not_fit_are_given_back() -> None:
    storage = Ram()
    storage.save(0, [np.zeros(100)])
    storage.save(1, [np.zeros(50)])
    storage.discard(0)
    storage.save(2, [np.zeros(10)])
    assert storage.nbytes == 400 + 80
    assert storage.peak_bytes == 1200
    assert storage.restore(1)[0].shape == (50,)


def test_the_count_is_what_tracemalloc_sees() -> None:
    state = [np.zeros(100_000), np.zeros((10, 10_000), np.float32)]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        storage = Ram()
        for gradient in range(3):
            for key in range(4):
                storage.save((gradient, key), state)
            for key in range(4):
                storage.discard((gradient, key))
        now, peak = tracemalloc.get_traced_memory()
        assert storage.nbytes == 4 * 1_200_000
        assert abs(now - before - storage.nbytes) < 20_000
        assert peak - before < storage.peak_bytes + 20_000
        del storage
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_saving_and_restoring_into_buffers_allocates_no_array() -> None:
    state, out = [np.zeros(100_000)], [np.zeros(100_000)]
    storage = Ram()
    storage.save(0, state)
    tracemalloc.start()
    try:
        for _ in range(3):
            storage.restore(0, out)
            storage.discard(0)
            storage.save(0, state)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_a_failed_allocation_is_a_full_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Ram()
    storage.save(0, [np.zeros(10)])

    def no_memory(*args: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(np, "empty", no_memory)
        with pytest.raises(errors.StorageFullError, match=r"160 bytes: 1 are held, 80 bytes"):
            storage.save(1, [np.zeros(20)])
    assert storage.nbytes == 80
    assert storage.restore(0)[0].shape == (10,)
