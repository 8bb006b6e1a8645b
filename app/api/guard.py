"""What may reach Streamlit: known hosts, public paths, and the messages that a page needs.

Any anonymous websocket client could otherwise clear every user's caches or read the checkout's git state.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/agent")
ALLOWED_MESSAGES = {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat"}
ALLOWED_OPERATIONS = {"deferred_file", "dataframe_chunk"}
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "object-src 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Checks Host, closes paths that nobody needs, adds security headers, filters websocket messages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or websocket."""
        if scope["type"] == "websocket":
            await self.app(scope, _filtered(receive), send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not is_host_allowed(Headers(scope=scope).get("host")):
            await PlainTextResponse("Unknown host", 400)(scope, receive, send)
        elif scope["path"].startswith(CLOSED_PATHS):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def _filtered(receive: Receive) -> Receive:
    async def receive_allowed() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive" or is_allowed(message.get("bytes") or b""):
                return message

    return receive_allowed


def is_allowed(payload: bytes) -> bool:
    """Whether a page needs this message from the browser."""
    message = BackMsg()
    try:
        message.ParseFromString(payload)
    except DecodeError:
        return False
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload") in ALLOWED_OPERATIONS
    return kind in ALLOWED_MESSAGES
