"""Adjustments to Streamlit itself, and to the process, each with its reason and what it was worth on two cores.

They are measured by ``bench/vote.py`` and ``bench/results.py``. Most reach into private names of the pinned version, so
``tests/test_tuning.py`` holds each of them.
"""

from __future__ import annotations

import ctypes
import socket
from typing import Any

from streamlit import net_util
from streamlit.runtime import app_session
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app.components import turn

_M_MMAP_THRESHOLD = -3  # of mallopt(3)
_MMAP_BYTES = 12 << 20


def adjust() -> None:
    """Make all the adjustments; once per process."""
    give_memory_back()
    send_without_delay()
    ask_no_other_host()
    remember_constants()
    end_turns()


def give_memory_back() -> bool:
    """Have the system take back an array of 12 MB or more as soon as it is freed; whether the C library can.

    glibc raises that limit to the largest array that was ever freed, so that all columns of votes come to lie in heaps
    that keep what was freed between them. A server that shows boards of a million votes takes 566 to 580 MB at its peak
    so, and 564 to 588 with a limit of 32 MB. With one of a megabyte it is 562, but each new page of memory is cleared
    first: a board with 100 new votes took 290 ms instead of 250. One heap for all threads took 650 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES) == 1


def send_without_delay() -> None:
    """Set TCP_NODELAY on every connection: on the socket of `streamlit run` asyncio does not, which costs 40 ms."""
    original = AutoHTTPProtocol.connection_made

    def connection_made(self: Any, transport: Any) -> None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        original(self, transport)

    AutoHTTPProtocol.connection_made = connection_made  # type: ignore[method-assign]


def ask_no_other_host() -> None:
    """Keep Streamlit from asking checkip.amazonaws.com for this machine's address before it refuses a foreign origin.

    Anybody could have made it ask, and everybody would have waited up to two seconds for the answer each time.
    """
    net_util.get_internal_ip = net_util.get_external_ip = lambda: None


def remember_constants() -> None:
    """Build the parts of the message that opens every rerun once that never change: the theme and the settings."""
    for name in ("_populate_theme_msg", "_populate_config_msg"):
        setattr(app_session, name, _built_once(getattr(app_session, name)))


def _built_once(populate: Any) -> Any:
    kept: dict[tuple[Any, ...], bytes] = {}

    def from_memory(msg: Any, *section: str) -> None:
        if section not in kept:
            fresh = type(msg)()
            populate(fresh, *section)
            kept[section] = fresh.SerializeToString()
        if kept[section]:
            msg.MergeFromString(kept[section])

    return from_memory


def end_turns() -> None:
    """Let the next click have its turn when a run of the script ends, however it ends; ``turn.take`` begins it."""
    original = ScriptRunner._run_script

    def run_script(self: Any, rerun_data: Any) -> None:
        try:
            original(self, rerun_data)
        finally:
            turn.give_back()

    ScriptRunner._run_script = run_script  # type: ignore[method-assign]
