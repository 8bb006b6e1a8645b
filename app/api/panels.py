"""The links of panels such as Prolific: /join/<experiment>?PROLIFIC_PID=..., beside Streamlit and on its port."""

from __future__ import annotations

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.auth import WRONG_LINKS, redirect_home, show_page
from app.api.cookies import HEADER
from app.errors import BakeoffError, ConflictError, InvalidInputError, NotFoundError, SignInError
from app.services import panels

NEW_PEOPLE = parse("300/minute")  # a panel sends many at once, and a laboratory has one address for all
_limiter = MovingWindowRateLimiter(MemoryStorage())
_REFUSED: dict[type[BakeoffError], tuple[str, int]] = {
    NotFoundError: ("This link doesn't work", 404),
    InvalidInputError: ("This link names nobody", 400),
    SignInError: ("This link doesn't work", 403),
    ConflictError: ("Not now", 409),
}


async def join(request: Request) -> Response:
    """GET /join/<key>: sign in the person whom the link names, or say in words why not."""
    who = request.client.host if request.client else "unknown"
    if not _limiter.test(WRONG_LINKS, "wrong", who) or not _limiter.test(NEW_PEOPLE, "new", who):
        return show_page("Too many tries", "Too many links were opened from here. Wait a minute.", 429)
    cookie = request.headers.get(HEADER.decode())
    try:
        fresh, _ = await run_in_threadpool(
            panels.join_study, request.path_params["key"], dict(request.query_params), cookie
        )
    except BakeoffError as error:
        title, status = _REFUSED.get(type(error), ("Not available right now", 503))
        if status < 409:
            _limiter.hit(WRONG_LINKS, "wrong", who)
        return show_page(title, str(error), status)
    if fresh is not None:  # a new person, or a known one on a browser that hadn't been theirs
        _limiter.hit(NEW_PEOPLE, "new", who)
    return redirect_home(fresh)


routes = [Route("/join/{key}", join)]
