"""Disk keeps the contract; damage, full disks and other runs' files are found out."""

import errno
import gc
import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

from revolve_ad import errors
from revolve_ad.storage import Disk
from tests.storage.contract import StorageContract, arrays_of, same


class TestDisk(StorageContract):
    def make(self, folder: pathlib.Path) -> Disk:
        return Disk(folder / "made" / "on the way")


class TestDiskWithFsync(StorageContract):
    def make(self, folder: pathlib.Path) -> Disk:
        return Disk(folder, fsync=True)


def the_file(folder: pathlib.Path) -> pathlib.Path:
    (file,) = folder.iterdir()
    return file


def test_the_folder_is_made_at_the_first_save(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    storage.save(0, [np.zeros(3)])
    assert the_file(tmp_path / "a" / "b").suffix == ".checkpoint"


def test_every_damaged_byte_is_found(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    storage.save(0, [np.arange(3.0), np.arange(2)])
    file = the_file(tmp_path)
    sound = file.read_bytes()
    for i in range(len(sound)):
        file.write_bytes(sound[:i] + bytes([sound[i] ^ 0x10]) + sound[i + 1 :])
        with pytest.raises(errors.CheckpointCorruptError, match=file.name):
            storage.restore(0)
    file.write_bytes(sound)
    assert same(storage.restore(0), [np.arange(3.0), np.arange(2)])


def test_every_truncation_and_an_appended_byte_are_found(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    storage.save(0, [np.arange(3.0)])
    file = the_file(tmp_path)
    sound = file.read_bytes()
    for damaged in [*(sound[:i] for i in range(len(sound))), sound + b"\0"]:
        file.write_bytes(damaged)
        with pytest.raises(errors.CheckpointCorruptError, match=file.name):
            storage.restore(0, [np.empty(3)])


def test_a_deleted_file_is_a_corrupt_checkpoint(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    storage.save(0, [np.arange(3.0)])
    the_file(tmp_path).unlink()
    with pytest.raises(errors.CheckpointCorruptError, match="is gone"):
        storage.restore(0)
    storage.discard(0)


def test_another_version_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    storage.save(0, [np.arange(3.0)])
    file = the_file(tmp_path)
    file.write_bytes(file.read_bytes()[:8] + struct.pack("<H", 9) + file.read_bytes()[10:])
    with pytest.raises(errors.CheckpointCorruptError, match="version 9; this release reads 1"):
        storage.restore(0)


def test_a_checkpoint_of_another_key_or_run_is_refused(tmp_path: pathlib.Path) -> None:
    mine, yours = Disk(tmp_path), Disk(tmp_path)
    mine.save(0, [np.zeros(3)])
    file = the_file(tmp_path)
    sound = file.read_bytes()
    yours.save(0, [np.ones(3)])
    (other,) = set(tmp_path.iterdir()) - {file}
    file.write_bytes(other.read_bytes())
    with pytest.raises(errors.CheckpointCorruptError, match="holds checkpoint 0 of run"):
        mine.restore(0)
    mine.save(1, [np.ones(3)])
    (next_one,) = set(tmp_path.iterdir()) - {file, other}
    next_one.write_bytes(sound)
    with pytest.raises(errors.CheckpointCorruptError, match="checkpoint 1 of run"):
        mine.restore(1)


def test_the_file_is_what_the_format_says_and_needs_no_pickle(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    array = np.arange(6.0).reshape(2, 3)
    storage.save((4, 2), [array.T, np.array(7, ">i4")])
    data = the_file(tmp_path).read_bytes()
    magic, version, n_head, crc_head = struct.unpack_from("<8sHII", data)
    head, body, crc = data[18 : 18 + n_head], data[18 + n_head : -4], data[-4:]
    assert (magic, version) == (b"RVLV\r\n\x1a\n", 1)
    assert zlib.crc32(head) == crc_head
    content = json.loads(head)
    assert content["key"] == [4, 2]
    assert content["leaves"] == [["<f8", [3, 2]], [">i4", []]]
    assert body == array.T.tobytes() + b"\0\0\0\7"
    assert struct.unpack("<I", crc)[0] == zlib.crc32(body)
    assert storage.stored_bytes == len(data)


def test_a_large_array_takes_no_more_memory_than_itself(tmp_path: pathlib.Path) -> None:
    storage = Disk(tmp_path)
    big = np.random.default_rng(0).normal(size=(600, 1000))  # several chunks and a rest
    storage.save(0, [big, big.T])
    assert same(storage.restore(0), [big, big.T])
    assert storage.nbytes == 0
    assert storage.peak_bytes == big.nbytes


def test_a_full_disk_leaves_the_older_checkpoints_and_no_half_file(
    tmp_path: pathlib.Path,
) -> None:
    storage = Disk(tmp_path)
    storage.save(0, arrays_of(0))
    names = sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a real write that stops half-way
    try:
        for key in (0, 1):
            with pytest.raises(errors.StorageFullError, match=r"needs 800,\d+ bytes, .* free"):
                storage.save(key, [np.zeros(100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.iterdir()) == names
    assert same(storage.restore(0), arrays_of(0))
    with pytest.raises(errors.StorageError):
        storage.restore(1)
    storage.save(1, [np.zeros(100_000)])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_at_the_rename_is_a_full_storage(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    storage = Disk(tmp_path)

    def full(source: object, target: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(errors.StorageFullError, match="checkpoint 5 needs"):
        storage.save(5, [np.zeros(3)])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_no_half_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Disk(tmp_path)

    def interrupt(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.save(5, [np.zeros(3)])
    assert list(tmp_path.iterdir()) == []
    assert len(storage) == 0


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(errors.StorageError, match="can't be written to .* Give a folder"):
        Disk(tmp_path / "file").save(0, [np.zeros(3)])


def test_foreign_files_stay_and_own_files_go_with_the_object(tmp_path: pathlib.Path) -> None:
    foreign = [tmp_path / "notes.txt", tmp_path / "0123-0.checkpoint", tmp_path / "x.part"]
    for file in foreign:
        file.write_text("mine")
    other = Disk(tmp_path)
    other.save(0, arrays_of(1))
    storage = Disk(tmp_path)
    storage.save(0, arrays_of(2))
    storage.save(1, arrays_of(3))
    storage.clear()
    storage.save(0, arrays_of(2))
    assert len(list(tmp_path.iterdir())) == 5
    del storage
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 4
    assert all(file.read_text() == "mine" for file in foreign)
    assert same(other.restore(0), arrays_of(1))


def test_a_forked_process_touches_nothing_of_its_parent(tmp_path: pathlib.Path) -> None:
    script = """
import os, sys
import numpy as np
from revolve_ad.storage import Disk
from revolve_ad.errors import StorageError

storage = Disk(sys.argv[1])
storage.save(0, [np.zeros(3)])
child = os.fork()
if child == 0:
    try:
        storage.restore(0)
        os._exit(1)
    except StorageError:
        pass
    storage.save(0, [np.ones(3)])
    print(storage.restore(0)[0][0], flush=True)
    del storage
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(storage.restore(0)[0][0], len(os.listdir(sys.argv[1])))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1.0", "0.0", "1"]
    assert list(tmp_path.iterdir()) == []  # deleted when the process ended
