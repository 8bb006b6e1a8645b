"""The images of prompts, under random names, for people who are signed in."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.api.cookies import HEADER
from app.errors import BakeoffError, NotFoundError
from app.services import media, sign_in

# Whatever a file turns out to be, a browser that opens its address alone runs nothing of it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=31536000, immutable",
    # When a file was written tells files of one model, which came together, from those of another.
    "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
}


def _find(token_hash: str | None, place: str) -> tuple[Path, str]:
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotFoundError("There is no such image.")
    return media.read_media(who, place)


async def image(request: Request) -> Response:
    """GET /m/PLACE: the image; 404 for nobody who is signed in as for what isn't there."""
    try:
        path, media_type = await run_in_threadpool(
            _find, request.headers.get(HEADER.decode()), request.path_params["place"]
        )
    except NotFoundError:
        return PlainTextResponse("Not found", 404)
    except BakeoffError as error:
        return PlainTextResponse(str(error), 503)
    return FileResponse(path, media_type=media_type, headers=_HEADERS | {"ETag": f'"{path.stem}"'})


routes = [Route("/m/{place}", image)]
