"""The session cookie: its name, its flags, and the header that carries its hash to the Streamlit script."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.services.sign_in import COOKIE_LIFE, hash_token
from app.settings import get_settings

HEADER = b"x-bakeoff-session"  # named in server.trustedUserHeaders; the script reads it as st.user["session"]
_OURS = b"x-bakeoff-"


def cookie_name() -> str:
    """Over TLS the ``__Host-`` prefix makes the browser insist on Secure, Path=/ and no Domain."""
    return "__Host-bakeoff_session" if get_settings().is_https else "bakeoff_session"


def set_session_cookie(response: Response, token: str) -> None:
    """Sign the browser in with a fresh token, replacing whatever cookie it sent."""
    response.set_cookie(
        cookie_name(),
        token,
        max_age=int(COOKIE_LIFE.total_seconds()),
        path="/",
        secure=get_settings().is_https,
        httponly=True,
        samesite="lax",
    )


def delete_session_cookie(response: Response) -> None:
    """Take the cookie back."""
    response.delete_cookie(cookie_name(), path="/", secure=get_settings().is_https, httponly=True, samesite="lax")


def read_session_cookie(header: str) -> str | None:
    """The token in a Cookie header."""
    try:
        morsel = SimpleCookie(header).get(cookie_name())
    except CookieError:
        return None
    return morsel.value if morsel else None


class SessionHeader:
    """Strips forged ``X-Bakeoff-*`` headers and puts the hash of the session cookie in their place.

    The hash is looked up in the database on every rerun and every vote, so nothing is decided here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or websocket."""
        if scope["type"] in {"http", "websocket"}:
            headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(_OURS)]
            sent = "; ".join(value.decode("latin-1") for name, value in headers if name.lower() == b"cookie")
            if token := read_session_cookie(sent):
                headers.append((HEADER, hash_token(token).encode()))
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)
