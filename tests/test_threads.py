"""Threads for background work: they end when told to, and later work gets new ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.services import shared_work, threads
from tests.conftest import ROOT


def test_what_has_begun_is_waited_for_and_what_has_not_is_given_up() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(number: int) -> int:
        begun.set()
        go_on.wait(10)
        return number

    first, second = (threads.submit("tried", 1, wait, number) for number in (1, 2))
    assert begun.wait(10)
    threading.Timer(0.1, go_on.set).start()
    threads.stop()
    assert first.result(0) == 1 and second.cancelled()
    assert threads.submit("tried", 1, wait, 3).result(10) == 3


def test_a_shared_result_that_was_given_up_is_begun_anew() -> None:
    go_on = threading.Event()
    held = [shared_work.begin(("held", i), lambda _say: go_on.wait(10)) for i in range(shared_work.N_THREADS)]
    queued = shared_work.begin("queued", lambda _say: "first")
    threading.Timer(0.1, go_on.set).start()
    threads.stop()
    assert queued.is_done() and all(one.result() for one in held)
    assert shared_work.begin("queued", lambda _say: "second").result() == "second"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
def test_heavy_work_gives_way_to_pages_and_so_do_the_threads_that_it_starts() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def inside() -> tuple[int, int]:
        with ThreadPoolExecutor(1) as beside:
            return niceness(), beside.submit(niceness).result()

    usual = niceness()
    assert threads.submit("tried", 1, inside).result(10) == (max(usual, threads.NICENESS),) * 2
    assert niceness() == usual


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
def test_a_server_that_was_started_lower_still_stays_there_and_computes() -> None:
    """A priority can't be raised by an ordinary user, which would leave no thread to compute with."""
    code = "import os; from app.services import threads; print(threads.submit('t', 1, os.getpriority, 0, 0).result(20))"
    command = ["nice", "-n", "15", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "15"), done.stderr
