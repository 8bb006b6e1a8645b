"""Our style sheets and scripts, from our own origin, so that the content security policy can forbid all others."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).resolve().parents[1] / "assets"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FILES = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in _FOLDER.iterdir() if path.suffix in _TYPES}


async def asset(request: Request) -> Response:
    """GET /assets/NAME: one of our files; its address carries the version, so it may be kept."""
    found = _FILES.get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("Not found", 404)
    body, media_type = found
    return Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


routes = [Route("/assets/{name}", asset)]
