"""The adjustments to Streamlit reach the names that the pinned version really uses, and change nothing but time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import net_util
from streamlit.proto.NewSession_pb2 import Config, CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.web.server.starlette import starlette_websocket
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app import tuning

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
    assert hasattr(starlette_websocket, "is_host_allowed")


class Runs:
    """Stands in for the script: notes how many run at once."""

    def __init__(self) -> None:
        self.now = self.most = self.done = 0
        self.lock = threading.Lock()

    def run(self, _runner: object, rerun_data: Any) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(rerun_data.seconds)
        with self.lock:
            self.now -= 1
            self.done += 1
        if rerun_data.fails:
            raise RuntimeError("the script broke")


def start(runs: list[tuple[list[str], float, bool]]) -> list[threading.Thread]:
    def one(fragments: list[str], seconds: float, fails: bool) -> None:
        data = SimpleNamespace(fragment_id_queue=fragments, seconds=seconds, fails=fails)
        try:
            ScriptRunner._run_script(SimpleNamespace(), data)  # type: ignore[arg-type]
        except RuntimeError:
            assert fails

    threads = [threading.Thread(target=one, args=run) for run in runs]
    for thread in threads:
        thread.start()
    return threads


def test_fragments_run_one_after_the_other_also_after_one_that_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    monkeypatch.setattr(ScriptRunner, "_run_script", runs.run)
    tuning.run_fragments_in_turn()
    for thread in start([(["vote"], 0.02, i == 1) for i in range(8)]):
        thread.join(10)
    assert (runs.most, runs.done) == (1, 8)


def test_a_fragment_that_hangs_holds_nobody_for_long_and_whole_pages_never_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs()
    monkeypatch.setattr(ScriptRunner, "_run_script", runs.run)
    monkeypatch.setattr(tuning, "PATIENCE_S", 0.05)
    tuning.run_fragments_in_turn()
    hanging = start([(["hangs"], 3.0, False)])
    began = time.monotonic()
    for thread in start([(["vote"], 0, False), ([], 0, False), ([], 0, False)]):
        thread.join(10)
    assert time.monotonic() - began < 2
    assert runs.done == 3
    for thread in hanging:
        thread.join(10)
