"""The adjustments to Streamlit reach the names that the pinned version really uses, and change nothing but time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from streamlit import net_util
from streamlit.proto.NewSession_pb2 import Config, CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app import tuning
from app.components import turn
from tests.conftest import ROOT

PLACES = [
    (AutoHTTPProtocol, "connection_made"),
    (net_util, "get_internal_ip"),
    (net_util, "get_external_ip"),
    (app_session, "_populate_theme_msg"),
    (app_session, "_populate_config_msg"),
    (ScriptRunner, "_run_script"),
]


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streamlit as it was, after each test."""
    for owner, name in PLACES:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    yield


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_each_adjustment_takes_the_place_of_something(owner: Any, name: str) -> None:
    before = getattr(owner, name)
    tuning.adjust()
    assert getattr(owner, name) is not before


# How much of two arrays, the second of which comes after the first was freed, lies outside of the heaps.
ARRAYS = """
import ctypes
from app import tuning
if {}:
    assert tuning.give_memory_back()
class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks a b c".split()]
told = ctypes.CDLL(None).mallinfo2
told.restype = Told
first = bytearray(16 << 20)
del first
before = told().hblkhd
second = bytearray(16 << 20)
print(told().hblkhd - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc raises its limit")
@pytest.mark.parametrize("is_given_back", [True, False])
def test_a_large_array_is_the_system_s_again_when_it_is_freed(is_given_back: bool) -> None:
    command = [sys.executable, "-c", ARRAYS.format(is_given_back)]
    outside = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert (outside >= 16 << 20) is is_given_back


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux lists a process's threads")
@pytest.mark.parametrize(("given", "n_threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_numpy_spins_in_no_threads_of_its_own_unless_it_is_told_to(given: dict[str, str], n_threads: int) -> None:
    if n_threads > len(os.sched_getaffinity(0)):
        pytest.skip("OpenBLAS starts no more threads than there are processors")
    code = "import app, numpy, os; print(len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | given
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) == n_threads


def test_what_is_remembered_is_what_streamlit_would_build() -> None:
    def build() -> list[bytes]:
        messages: list[Any] = [Config(), CustomThemeConfig(), CustomThemeConfig()]
        app_session._populate_config_msg(messages[0])
        app_session._populate_theme_msg(messages[1])
        app_session._populate_theme_msg(messages[2], "theme.dark")
        return [message.SerializeToString() for message in messages]

    before = build()
    tuning.remember_constants()
    assert build() == before
    assert build() == before


def test_nobody_outside_is_asked_for_our_address() -> None:
    tuning.ask_no_other_host()
    assert net_util.get_external_ip() is None
    assert net_util.get_internal_ip() is None


def test_a_turn_ends_with_the_run_also_of_a_script_that_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_runner: object, rerun_data: RerunData) -> None:
        turn.take()
        if rerun_data.query_string:
            raise RuntimeError("the script broke")

    monkeypatch.setattr(ScriptRunner, "_run_script", run)
    tuning.end_turns()
    monkeypatch.setattr(turn, "PATIENCE_S", 30)
    monkeypatch.setattr(turn, "_turns", threading.Semaphore(1))
    began = time.monotonic()
    for query in ("", "breaks", "", ""):
        with contextlib.suppress(RuntimeError):
            ScriptRunner._run_script(cast(ScriptRunner, None), RerunData(query_string=query))
    assert time.monotonic() - began < 10
