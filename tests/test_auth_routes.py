"""What stands beside Streamlit on its port: sign-in links, sign-out, health, assets, and the guard before it all."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit import config

from app import settings
from app.api import assets, auth, health
from app.api.cookies import HEADER, SessionHeader
from app.api.guard import CLOSED_PATHS, HEADERS, Guard, is_allowed
from app.domain import Role
from app.services import sign_in
from db.engine import Database, DatabaseUnavailable


async def show_headers(request: Request) -> JSONResponse:
    """Stands where Streamlit stands, and tells what it would get."""
    return JSONResponse([[name, value] for name, value in request.headers.items()])


class Browser:
    """Keeps its cookies and doesn't follow redirects by itself."""

    def __init__(self, url: str) -> None:
        self.url, self.cookies = url, httpx.Cookies()
        self._app = Starlette(
            routes=[*auth.routes, *assets.routes, *health.routes, Route("/{path:path}", show_headers)],
            middleware=[Middleware(Guard), Middleware(SessionHeader)],
        )

    def get(self, path: str, headers: Mapping[str, str | bytes] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    def request(self, method: str, path: str, headers: Mapping[str, str | bytes] | None = None) -> httpx.Response:
        return asyncio.run(self._request(method, path, headers))

    async def _request(self, method: str, path: str, headers: Mapping[str, str | bytes] | None) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url=self.url, cookies=self.cookies) as client:
            response = await client.request(method, path, headers=headers)  # type: ignore[arg-type]
            self.cookies = client.cookies
            return response


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limiter without a past, and Streamlit's list of hosts as we ship it."""
    original = config.get_option
    hosts = ["localhost", "127.0.0.1", "::1"]
    monkeypatch.setattr(config, "get_option", lambda key: hosts if key == "server.allowedHosts" else original(key))
    monkeypatch.setattr(auth, "_limiter", MovingWindowRateLimiter(MemoryStorage()))


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite only: what the routes ask is proved on both databases by test_sign_in.py."""
    return f"sqlite:///{tmp_path / 'bakeoff.db'}"


@pytest.fixture
def anybody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser of somebody, without a database behind the app."""
    monkeypatch.delenv("BAKEOFF_PUBLIC_URL", raising=False)
    settings.get_settings.cache_clear()
    yield Browser("http://localhost")
    settings.get_settings.cache_clear()


@pytest.fixture
def client(store: Database) -> Browser:
    """A browser of somebody who reaches the app in clear, on this machine."""
    return Browser("http://localhost")


@pytest.fixture
def secure(store: Database, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """A browser of somebody who reaches the app over TLS."""
    monkeypatch.setenv("BAKEOFF_PUBLIC_URL", "https://localhost/")
    settings.get_settings.cache_clear()
    return Browser("https://localhost")


def flags(response: httpx.Response) -> tuple[str, str, set[str]]:
    """Name, value and flags of the one cookie that the response sets."""
    (header,) = response.headers.get_list("set-cookie")
    pair, *rest = header.split("; ")
    name, _, value = pair.partition("=")
    return name, value, {flag.lower() for flag in rest}


# ---------------------------------------------------------------------------------------------- links


def test_a_link_gives_a_cookie_and_leads_to_the_app(client: Browser) -> None:
    """A7: not for scripts, not for other sites' requests, and nothing of the link is kept or passed on."""
    response = client.get(sign_in.create_invite(None, role=Role.RATER))
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    name, value, found = flags(response)
    assert name == "bakeoff_session"
    assert found == {"httponly", "samesite=lax", "path=/", "max-age=2592000"}
    assert sign_in.identify(sign_in.hash_token(value)) is not None


def test_over_tls_the_cookie_is_bound_to_the_host(secure: Browser) -> None:
    """A7: the __Host- prefix makes the browser insist on Secure, Path=/ and no Domain."""
    name, value, found = flags(secure.get(sign_in.create_invite(None, role=Role.RATER)))
    assert name == "__Host-bakeoff_session"
    assert found == {"httponly", "secure", "samesite=lax", "path=/", "max-age=2592000"}
    seen = dict(secure.get("/anything").json())
    assert seen[HEADER.decode()] == sign_in.hash_token(value)


def test_over_tls_a_cookie_without_the_prefix_is_nobody(secure: Browser) -> None:
    """A neighbour on another port or sub-domain could set that one."""
    secure.cookies.set("bakeoff_session", "planted")
    assert HEADER.decode() not in dict(secure.get("/anything").json())


def test_a_link_replaces_the_cookie_that_the_browser_had(client: Browser) -> None:
    """A5."""
    client.cookies.set("bakeoff_session", "planted", domain="localhost.local")
    client.get(sign_in.create_invite(None, role=Role.RATER))
    _, value, _ = flags(client.get(sign_in.create_invite(None, role=Role.RATER)))
    assert value != "planted"
    assert sign_in.identify(sign_in.hash_token("planted")) is None


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?other=1", "?token=%00", "?token=" + "x" * 5000])
def test_a_wrong_link_is_a_plain_page_that_does_not_say_why(client: Browser, query: str) -> None:
    response = client.get(f"/auth/join{query}")
    assert response.status_code == 403
    assert "unknown, used up or expired" in response.text
    assert "set-cookie" not in response.headers
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_many_wrong_links_are_slowed_down_and_right_ones_still_work(client: Browser) -> None:
    """A9: guessing is hopeless anyway; this keeps it from being a load, and shuts nobody out at the same address."""
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=100)
    found = [client.get(f"/auth/join?token={secrets.token_urlsafe(32)}") for _ in range(25)]
    assert [response.status_code for response in found] == [403] * 20 + [429] * 5
    assert "Wait a minute" in found[-1].text
    assert client.get(path).status_code == 303


def test_right_links_are_not_counted_as_wrong_ones(client: Browser) -> None:
    """A class of a hundred raters behind one address comes in with one link."""
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=100)
    assert {client.get(path).status_code for _ in range(60)} == {303}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/auth/join", "/auth/leave", "/healthz", "/readyz"])
def test_other_methods_are_refused(anybody: Browser, method: str, path: str) -> None:
    assert anybody.request(method, path).status_code == 405


def test_what_a_page_says_is_escaped(monkeypatch: pytest.MonkeyPatch, client: Browser) -> None:
    def fail(_token: str) -> str:
        raise DatabaseUnavailable("<script>alert(1)</script>")

    monkeypatch.setattr(sign_in, "open_link", fail)
    response = client.get("/auth/join?token=<b>")
    assert response.status_code == 503
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text


# ---------------------------------------------------------------------------------------------- leaving


def test_leaving_ends_the_sign_in_and_takes_the_cookie_back(client: Browser) -> None:
    _, value, _ = flags(client.get(sign_in.create_invite(None, role=Role.RATER)))
    assert sign_in.identify(sign_in.hash_token(value)) is not None
    response = client.get("/auth/leave")
    assert response.status_code == 200
    name, emptied, found = flags(response)
    assert (name, emptied.strip('"')) == ("bakeoff_session", "")
    assert {"httponly", "samesite=lax", "path=/", "max-age=0"} <= found
    assert sign_in.identify(sign_in.hash_token(value)) is None


def test_leaving_over_tls_takes_the_bound_cookie_back(secure: Browser) -> None:
    secure.get(sign_in.create_invite(None, role=Role.RATER))
    name, _, found = flags(secure.get("/auth/leave"))
    assert name == "__Host-bakeoff_session"
    assert {"secure", "path=/", "max-age=0"} <= found


def test_leaving_without_having_come_is_no_error(client: Browser) -> None:
    assert client.get("/auth/leave").status_code == 200


def test_a_forged_header_signs_nobody_out(client: Browser, store: Database) -> None:
    """Knowing the hash of somebody's cookie, from a stolen database say, is worth nothing."""
    browser = sign_in.hash_token(sign_in.open_link(sign_in.create_invite(None, role=Role.RATER).partition("=")[2]))
    assert sign_in.identify(browser) is not None
    client.get("/auth/leave", headers={"X-Bakeoff-Session": browser})
    assert sign_in.identify(browser) is not None


# ---------------------------------------------------------------------------------------------- the guard


def test_forged_headers_are_stripped(anybody: Browser) -> None:
    """Only the cookie makes the header that Streamlit trusts, however a client writes it."""
    forged = {"X-Bakeoff-Session": "forged", "x-BAKEOFF-session": "forged", "X-Bakeoff-Role": "admin"}
    seen = anybody.get("/anything", headers=forged).json()
    assert [name for name, _ in seen if name.startswith("x-bakeoff")] == []
    anybody.cookies.set("bakeoff_session", "mine")
    seen = anybody.get("/anything", headers=forged).json()
    ours = [(name, value) for name, value in seen if name.startswith("x-bakeoff")]
    assert ours == [("x-bakeoff-session", sign_in.hash_token("mine"))]


@pytest.mark.parametrize(
    "header", ["a=b; bakeoff_session=x; c", '"', "bakeoff_session", "=;=;", "bakeoff_session=\xe9"]
)
def test_odd_cookies_break_nothing(anybody: Browser, header: str) -> None:
    assert anybody.get("/anything", headers={"Cookie": header.encode("latin-1")}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/anything", "/auth/join", "/auth/leave", "/healthz", "/assets/bakeoff.css", "/assets/no"]
)
def test_every_answer_carries_the_security_headers(anybody: Browser, path: str) -> None:
    """S8, A34."""
    response = anybody.get(path)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert not any("https:" in value for value in policy.values()), "an image in an answer would call its maker's host"
    assert not any("http:" in value or "*" in value or "unsafe-eval" in value for value in policy.values())


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8501", "x/admin?", "", "localhost@evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/auth/join", "/healthz"])
def test_an_unknown_host_reaches_nothing(anybody: Browser, host: str, path: str) -> None:
    """S8, A15, A16: a foreign name that resolves to this machine."""
    response = anybody.get(path, headers={"Host": host})
    assert (response.status_code, response.text) == (400, "Unknown host")


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST"])
def test_this_machine_is_a_known_host(anybody: Browser, host: str) -> None:
    assert anybody.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "path", [*CLOSED_PATHS, "/_stcore/metrics/", "/_stcore/agent/interact", "/_stcore/agent/openapi.json"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_closed_paths_are_not_there(anybody: Browser, path: str, method: str) -> None:
    """S8, A50, A60."""
    assert anybody.request(method, path).status_code == 404


def test_what_is_not_a_message_of_streamlit_is_dropped() -> None:
    assert not is_allowed(b"")
    assert not is_allowed(b"\xff\xff\xff")


# ---------------------------------------------------------------------------------------------- health and assets


def test_health_tells_an_answering_process_from_a_usable_one(
    client: Browser, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    monkeypatch.setattr("app.services.system.head_revision", lambda: "9999")
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "not ready"})
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/assets/bakeoff.css", 200),
        ("/assets/bakeoff.js", 200),
        ("/assets/main.py", 404),
        ("/assets/.env", 404),
    ],
)
def test_only_our_two_assets_are_served(anybody: Browser, path: str, status: int) -> None:
    assert anybody.get(path).status_code == status


def test_a_link_opened_again_is_the_same_person_and_another_role_is_asked_to_sign_out(client: Browser) -> None:
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=100)
    client.get(path)
    first = sign_in.identify(sign_in.hash_token(client.cookies["bakeoff_session"]))
    again = client.get(path)
    assert again.status_code == 303
    assert "set-cookie" not in again.headers
    assert sign_in.identify(sign_in.hash_token(client.cookies["bakeoff_session"])) == first
    other = client.get(sign_in.create_invite(None, role=Role.ADMIN))
    assert other.status_code == 409
    assert "sign out first" in other.text


def test_a_blocked_person_does_not_come_back_by_the_same_link(client: Browser) -> None:
    path = sign_in.create_invite(None, role=Role.RATER, max_uses=100)
    client.get(path)
    person = sign_in.identify(sign_in.hash_token(client.cookies["bakeoff_session"]))
    assert person is not None
    sign_in.block_person(None, account_id=person.account_id, is_blocked=True)
    assert client.get(path).status_code == 403
