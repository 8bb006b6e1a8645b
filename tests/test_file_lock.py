"""The lock between processes: one at a time, given back by whoever dies, and of the file that stands there now."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.file_lock import Timeout, open_lock

HOLD = """
import sys, time
from db.file_lock import open_lock
lock = open_lock(sys.argv[1], timeout=5)
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock ``x.lock``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_another_process_waits_and_says_when_it_took_too_long(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    lock = open_lock(tmp_path / "x.lock", timeout=0.2)
    began = time.monotonic()
    with pytest.raises(Timeout):
        lock.acquire()
    assert time.monotonic() - began >= 0.2
    holder.kill()
    holder.wait()
    with lock.acquire(), pytest.raises(Timeout):
        open_lock(tmp_path / "x.lock", timeout=0).acquire()


def test_a_file_put_in_place_anew_is_the_one_that_is_locked(tmp_path: Path) -> None:
    """A backup that is put back brings its own lock file: who kept the old one open would lock out nobody."""
    path = tmp_path / "x.lock"
    old, new = open_lock(path, timeout=0), open_lock(path, timeout=0)
    with old.acquire():
        pass
    path.unlink()
    with new.acquire(), pytest.raises(Timeout):
        old.acquire()
    with old.acquire(timeout=0.1):
        pass


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        open_lock(tmp_path / "no such" / "x.lock", timeout=0).acquire()
