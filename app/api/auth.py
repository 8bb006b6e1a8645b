"""Sign-in links and sign-out, beside Streamlit and on its port."""

from __future__ import annotations

import html

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.api.cookies import HEADER, delete_session_cookie, set_session_cookie
from app.errors import BakeoffError, ConflictError, SignInError
from app.services import sign_in

WRONG_LINKS = parse("20/minute")
_limiter = MovingWindowRateLimiter(MemoryStorage())
_QUIET = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bakeoff</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.6 Inter, system-ui, sans-serif; margin: 0; background: light-dark(#FBFBFA, #161618);
color: light-dark(#1B1B18, #ECECEA) }}
main {{ max-width: 32rem; margin: 18vh auto 0; padding: 0 1.5rem }} h1 {{ font-size: 1.5rem; font-weight: 650 }}
</style></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"""


def show_page(title: str, text: str, status: int) -> HTMLResponse:
    """A page of its own that says one thing."""
    return HTMLResponse(_PAGE.format(title=html.escape(title), text=html.escape(text)), status, headers=_QUIET)


async def join(request: Request) -> Response:
    """GET /auth/join?token=...: hand out a cookie for a link that works; 403 and a plain page for one that doesn't."""
    who = request.client.host if request.client else "unknown"
    token, cookie = request.query_params.get("token", ""), request.headers.get(HEADER.decode())
    try:
        fresh = await run_in_threadpool(sign_in.follow_link, token, cookie)
    except SignInError as error:
        if not _limiter.hit(WRONG_LINKS, who):
            return show_page("Too many tries", "Too many wrong links came from here. Wait a minute.", 429)
        return show_page("This link doesn't work", str(error), 403)
    except ConflictError as error:
        return show_page("Somebody else is signed in", str(error), 409)
    except BakeoffError as error:
        return show_page("Not available right now", str(error), 503)
    return redirect_home(fresh)


def redirect_home(fresh: str | None) -> Response:
    """To the app itself, with a fresh cookie where there is one."""
    response = RedirectResponse("/", 303, headers=_QUIET)
    if fresh is not None:
        set_session_cookie(response, fresh)
    return response


async def leave(request: Request) -> Response:
    """GET /auth/leave: sign this browser out everywhere. A foreign page can at most sign a person out (SameSite)."""
    if token_hash := request.headers.get(HEADER.decode()):
        await run_in_threadpool(sign_in.sign_out, token_hash)
    response = show_page("Signed out", "You can close this tab. To come back, use your link or ask for a new one.", 200)
    delete_session_cookie(response)
    return response


routes = [Route("/auth/join", join), Route("/auth/leave", leave)]
