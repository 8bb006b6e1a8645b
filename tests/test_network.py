"""Nothing leaves this machine: neither the browsers of raters and staff nor the server talk to another host."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from websockets.exceptions import InvalidStatus

from app.discovery import find_plugins
from tests.ballot_page import IDLE, BallotPage
from tests.protocol import Tab
from tests.server import ROOT, Server, Study

# Python runs this module at its start and reports every connection, datagram and name look-up to the hook.
SITECUSTOMIZE = """
import json, os, sys

_calls = os.open(os.environ["BAKEOFF_TEST_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

def _hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        called = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        called = arguments[0]
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.system"):
        called = str(arguments[0])
    else:
        return
    os.write(_calls, json.dumps([event, called], default=repr).encode() + b"\\n")

sys.addaudithook(_hook)
os.write(_calls, b'["start", ""]\\n')
"""


@dataclass(frozen=True)
class Session:
    """What was called while a rater, a researcher and an admin used their pages."""

    server: Server
    requests: list[str]
    calls: Path

    def list_calls(self) -> list[tuple[str, object]]:
        return [tuple(json.loads(line)) for line in self.calls.read_text().splitlines()]


@pytest.fixture(scope="module")
def watched(new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, Study, Path]:
    folder = tmp_path_factory.mktemp("hook")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    calls = folder / "calls"
    path = os.pathsep.join((str(folder), str(ROOT)))
    server = new_server(environment={"PYTHONPATH": path, "BAKEOFF_TEST_CALLS": str(calls)})
    [study] = server.seed({"min_dwell_ms": 0, "votes_per_rater": 5})
    server.start()
    return server, study, calls


@pytest.fixture(scope="module")
def session(watched: tuple[Server, Study, Path], browser: Browser) -> Iterator[Session]:
    server, study, calls = watched
    requests: list[str] = []
    contexts = [browser.new_context() for _ in range(3)]
    for context, link in zip(contexts, (study.rater, study.researcher, study.admin), strict=True):
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("websocket", lambda socket: requests.append(socket.url))
        page.goto(server.base_url + link)
        page.locator(IDLE).wait_for()
        if link == study.rater:
            vote_to_the_end(BallotPage(page, server))
        visit(page, server, find_plugins("pages") if link == study.admin else ["vote", "leaderboard"])
    yield Session(server, requests, calls)
    for context in contexts:
        context.close()


def vote_to_the_end(ballot: BallotPage) -> None:
    ballot.wait_for_battle()
    ballot.read_guidelines()
    for key in ("ArrowLeft", "ArrowUp", "s", "u", "ArrowDown", "d"):
        ballot.press(key)
    ballot.page.keyboard.press("a")
    ballot.page.get_by_text("That was all for you").wait_for()


def visit(page: Page, server: Server, names: Iterable[str]) -> None:
    for name in names:
        page.goto(f"{server.base_url}/{name}")
        page.get_by_test_id("stMain").locator("h1, h2, p, button").first.wait_for()
        page.locator(IDLE).wait_for()


def is_loopback(host: object) -> bool:
    """Whether this is this machine's name or a loopback address; None and "" mean "listen here"."""
    if host in {None, "", "localhost"}:
        return True
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("8.8.8.8", False), ("example.org", False)],
)
def test_loopback_is_told_from_the_rest(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local


def test_the_browsers_ask_no_other_host(session: Session) -> None:
    assert {"http", "ws"} <= {urlsplit(url).scheme for url in session.requests}
    outside = [url for url in session.requests if urlsplit(url).scheme in {"http", "https", "ws", "wss"}]
    assert {urlsplit(url).netloc for url in outside} == {f"127.0.0.1:{session.server.port}"}
    assert {urlsplit(url).scheme for url in session.requests} <= {"http", "ws", "data", "blob"}


def test_the_server_asks_no_other_host_and_starts_no_program(session: Session) -> None:
    assert calls_outside(session) == []
    assert ("start", "") in session.list_calls(), "the hook was not there"


def calls_outside(session: Session) -> list[tuple[str, object]]:
    found = []
    for event, called in session.list_calls():
        host = called[0] if isinstance(called, list) else called
        if event != "start" and not is_loopback(host):
            found.append((event, called))
    return found


def test_the_log_of_a_session_is_empty(session: Session) -> None:
    """No warning, no traceback: an operator who reads something has something to do."""
    assert session.server.warnings() == []


def test_a_foreign_origin_is_refused_without_asking_anybody(session: Session) -> None:
    """Streamlit would ask checkip.amazonaws.com whether the foreign name may be this machine's."""
    with pytest.raises(InvalidStatus):
        Tab(session.server.base_url, origin="http://evil.example")
    assert calls_outside(session) == []


def test_the_hook_sees_a_server_that_asks(session: Session) -> None:
    """The test can fail: a look-up in a process under the same hook is found."""
    before = len(session.list_calls())
    session.server.run("-c", "import socket\ntry: socket.getaddrinfo('bakeoff.invalid', 80)\nexcept OSError: pass")
    assert ("socket.getaddrinfo", "bakeoff.invalid") in session.list_calls()[before:]
