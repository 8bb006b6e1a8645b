"""Our style sheet and script, served from our own origin so that the content security policy can forbid all others."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).resolve().parents[1] / "assets"
_FILES = {
    "bakeoff.css": (_FOLDER.joinpath("bakeoff.css").read_bytes(), "text/css; charset=utf-8"),
    "bakeoff.js": (_FOLDER.joinpath("bakeoff.js").read_bytes(), "text/javascript; charset=utf-8"),
}


async def asset(request: Request) -> Response:
    """GET /assets/NAME: one of our two files; its address carries the version, so it may be kept."""
    found = _FILES.get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("Not found", 404)
    body, media_type = found
    return Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


routes = [Route("/assets/{name}", asset)]
