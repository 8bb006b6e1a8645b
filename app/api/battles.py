"""What a rater's browser asks about a battle beside the page: its texts as written, and whether an answer arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.api.cookies import HEADER
from app.domain import Identity
from app.errors import BakeoffError, NotFoundError
from app.services import own_votes, shown, sign_in


def _read(read: Callable[[Identity, UUID], Any], token_hash: str | None, battle: str) -> Any:
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotFoundError("There is no such battle.")
    try:
        battle_id = UUID(battle)
    except ValueError:
        raise NotFoundError("There is no such battle.") from None
    return read(who, battle_id)


async def _answer(request: Request, read: Callable[[Identity, UUID], Any]) -> Response:
    """404 for nobody who is signed in as for somebody else's battle."""
    try:
        found = await run_in_threadpool(
            _read, read, request.headers.get(HEADER.decode()), request.path_params["battle"]
        )
    except NotFoundError:
        return JSONResponse({"error": "Not found"}, 404)
    except BakeoffError as error:
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


async def texts(request: Request) -> Response:
    """GET /texts/BATTLE: {prompt, left, right}."""
    return await _answer(request, shown.read_as_written)


async def answers(request: Request) -> Response:
    """GET /answers/BATTLE: {is_answered}, for a browser whose connection was lost in the moment of a click."""
    return await _answer(request, lambda who, battle: {"is_answered": own_votes.is_answered(who, battle)})


routes = [Route("/texts/{battle}", texts), Route("/answers/{battle}", answers)]
