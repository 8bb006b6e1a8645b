"""The texts of a battle as they were written, for the rater on whose screen it is."""

from __future__ import annotations

from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.api.cookies import HEADER
from app.errors import BakeoffError, NotFoundError
from app.services import shown, sign_in


def _read(token_hash: str | None, battle: str) -> dict[str, list[str]]:
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotFoundError("There is no such battle.")
    try:
        battle_id = UUID(battle)
    except ValueError:
        raise NotFoundError("There is no such battle.") from None
    return shown.read_as_written(who, battle_id)


async def texts(request: Request) -> Response:
    """GET /texts/BATTLE: {prompt, left, right}; 404 for nobody who is signed in as for somebody else's battle."""
    try:
        found = await run_in_threadpool(_read, request.headers.get(HEADER.decode()), request.path_params["battle"])
    except NotFoundError:
        return JSONResponse({"error": "Not found"}, 404)
    except BakeoffError as error:
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


routes = [Route("/texts/{battle}", texts)]
