"""What somebody without a browser can do at the websocket and around it: nothing that the pages don't offer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus

from app.api.guard import CLOSED_PATHS, Guard
from app.discovery import plugin_names
from app.services.sign_in import hash_token
from tests.protocol import Tab, sign_in
from tests.server import Server, Study

SIGNED_OUT = "Open the link that you were given to sign in."


@pytest.fixture(scope="module")
def served(new_server: Callable[..., Server]) -> tuple[Server, Study]:
    server = new_server()
    [study] = server.seed({"min_dwell_ms": 0})
    server.start()
    return server, study


@pytest.fixture
def cookies(served: tuple[Server, Study]) -> dict[str, str]:
    """The cookies of a new rater."""
    server, study = served
    return sign_in(server.base_url, study.rater)


@pytest.fixture
def url(served: tuple[Server, Study]) -> str:
    return served[0].base_url


def n_votes(server: Server) -> int:
    return int(server.rows("SELECT count(*) AS n FROM vote")[0].n)


# ------------------------------------------------------------------------------------------------ sessions


@pytest.mark.parametrize("state", ["connected", "closed"])
@pytest.mark.parametrize("thief", ["nobody", "another rater"])
def test_a_stolen_session_id_gives_a_new_session(
    served: tuple[Server, Study], cookies: dict[str, str], state: str, thief: str
) -> None:
    """A4: who presents the id of somebody else's session sees nothing of that person's page."""
    server, study = served
    own = sign_in(server.base_url, study.rater) if thief == "another rater" else {}
    with Tab(server.base_url, cookies) as victim:
        victim.load()
        if state == "closed":
            victim.close()
        with Tab(server.base_url, own, resume=victim.session_id) as tab:
            tab.load()
            assert tab.session_id != victim.session_id
            assert tab.battle != victim.battle
            assert tab.says(SIGNED_OUT) == (thief == "nobody")
            assert victim.battle is not None
            assert not any(victim.battle.encode() in frame for frame in tab.frames)


def test_the_owner_of_a_session_comes_back_to_it(cookies: dict[str, str], url: str) -> None:
    """F13: after a broken connection the same person has the same session and the same battle."""
    with Tab(url, cookies) as before:
        before.load()
    with Tab(url, cookies, resume=before.session_id) as after:
        after.load()
        assert (after.session_id, after.battle) == (before.session_id, before.battle)


def test_a_click_on_somebody_elses_battle_stores_nothing(served: tuple[Server, Study], cookies: dict[str, str]) -> None:
    server, study = served
    with Tab(server.base_url, cookies) as victim, Tab(server.base_url, sign_in(server.base_url, study.rater)) as other:
        victim.load()
        other.load()
        before = n_votes(server)
        other.press_widget(*victim.widget("Left is better"))
        other.wait()
        assert n_votes(server) == before


@pytest.mark.parametrize("how", ["signed out in another tab", "blocked by an admin"])
def test_a_vote_after_the_end_of_a_sign_in_is_denied_at_once(
    served: tuple[Server, Study], cookies: dict[str, str], how: str
) -> None:
    """A6: the page that is still open stores nothing more and says so."""
    server, _ = served
    with Tab(server.base_url, cookies) as tab:
        tab.load().click("Left is better")
        assert tab.says("Saved")
        before = n_votes(server)
        if how == "blocked by an admin":
            block_everybody(server)
        else:
            assert httpx.get(f"{server.base_url}/auth/leave", cookies=cookies, trust_env=False).status_code == 200
        tab.click("Right is better")
        assert tab.says("You are signed out") and not tab.says("Saved ·")
        assert tab.battle is None
    assert n_votes(server) == before
    with Tab(server.base_url, cookies) as tab:
        assert tab.load().says(SIGNED_OUT)


def block_everybody(server: Server) -> None:
    server.run(
        "-c",
        "from app.services import sign_in\n"
        "for person in sign_in.list_people(None):\n"
        "    sign_in.block_person(None, account_id=person.id, is_blocked=True)",
    )


def test_anonymous_visitors_see_only_how_to_sign_in_on_every_page(url: str) -> None:
    """A1"""
    for page in ["", *plugin_names("pages"), "no-such-page"]:
        with Tab(url, page=page) as tab:
            tab.load()
            assert tab.labels == []
            assert [text for text in tab.texts if "bo-assets" not in text] == ["Bakeoff", f"{SIGNED_OUT} {STAYS}"]


STAYS = "It signs in this browser and keeps it signed in."


# ------------------------------------------------------------------------------------------------ headers


@pytest.mark.parametrize("name", ["X-Bakeoff-Session", "x-bakeoff-session", "X-BAKEOFF-SESSION"])
def test_a_forged_identity_header_is_taken_off(cookies: dict[str, str], url: str, name: str) -> None:
    forged = {name: hash_token(cookies["bakeoff_session"])}
    with Tab(url, headers=forged) as tab:
        assert tab.load().says(SIGNED_OUT)


def test_a_forged_header_signs_nobody_out(cookies: dict[str, str], url: str) -> None:
    forged = {"X-Bakeoff-Session": hash_token(cookies["bakeoff_session"])}
    httpx.get(f"{url}/auth/leave", headers=forged, trust_env=False)
    with Tab(url, cookies) as tab:
        assert tab.load().battle is not None


def test_a_foreign_page_gets_no_websocket(cookies: dict[str, str], url: str) -> None:
    """A15: cross-site websocket"""
    with pytest.raises(InvalidStatus) as refused:
        Tab(url, cookies, origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_a_foreign_name_for_this_machine_gets_no_websocket_and_no_page(cookies: dict[str, str], url: str) -> None:
    """S8: DNS rebinding, where Host and Origin agree"""
    with pytest.raises(InvalidStatus) as refused:
        Tab(url, cookies, origin="http://evil.example", host="evil.example")
    assert refused.value.response.status_code == 403
    for path in ("/", "/healthz", "/auth/join", "/_stcore/host-config", "/assets/bakeoff.js"):
        answer = httpx.get(url + path, headers={"Host": "evil.example"}, trust_env=False)
        assert (answer.status_code, answer.text) == (400, "Unknown host")


# ------------------------------------------------------------------------------------------------ messages and paths

FORBIDDEN = [
    BackMsg(clear_cache=True),
    BackMsg(load_git_info=True),
    BackMsg(set_run_on_save=True),
    BackMsg(debug_disconnect_websocket=True),
    BackMsg(debug_shutdown_runtime=True),
]


def test_messages_that_no_page_needs_are_answered_with_nothing(url: str) -> None:
    """A stranger can't clear caches, read git's state or end the server; the answers are those of the rerun alone."""
    with Tab(url) as tab:
        tab.load()
        tab.frames.clear()
        expected = [tab.kind_of(frame) for frame in tab.load().frames]
        tab.frames.clear()
        for message in FORBIDDEN:
            tab.send(message)
        tab.socket.send(b"\xff no message")
        assert [tab.kind_of(frame) for frame in tab.load().frames] == expected


def test_forbidden_messages_do_not_reach_streamlit() -> None:
    """So caches stay as they are: the application behind the guard receives only what is allowed."""
    allowed = BackMsg()
    allowed.rerun_script.page_name = "vote"
    sent = [*(message.SerializeToString() for message in FORBIDDEN), b"", b"\xff", allowed.SerializeToString()]
    received: list[bytes] = []

    async def application(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            received.append(message["bytes"])

    async def receive() -> Message:
        return {"type": "websocket.receive", "bytes": sent.pop(0)} if sent else {"type": "websocket.disconnect"}

    async def send(_message: Message) -> None: ...

    asyncio.run(Guard(application)({"type": "websocket"}, receive, send))
    assert received == [allowed.SerializeToString()]


@pytest.mark.parametrize(
    "path", [*CLOSED_PATHS, "/_stcore/agent/openapi.json", "/_stcore/%6detrics", "/_stcore/metrics/"]
)
def test_paths_for_debugging_are_closed(url: str, path: str) -> None:
    """A60"""
    answers = [httpx.get(url + path, trust_env=False), httpx.post(url + path, json={}, trust_env=False)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(404, "Not found")] * 2


def test_no_attempt_ends_in_a_traceback(served: tuple[Server, Study]) -> None:
    """The log names refused hosts, origins and stolen sessions, in one line each."""
    lines = served[0].warnings()
    assert [line for line in lines if not re.search("[Oo]rigin|[Hh]ost|user identity mismatch", line)] == []
