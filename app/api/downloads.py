"""Prompts and outputs as files, for researchers and admins; Streamlit's own downloads would ask nobody who they are."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, Protocol, cast
from urllib.parse import quote
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.api.cookies import HEADER
from app.domain import Identity
from app.errors import BakeoffError, InvalidInputError, NotAllowedError, NotFoundError
from app.services import generation_files, page_files, prompt_files, prompt_sets, sign_in

_CHUNK = 2**18
MADE_AT_ONCE = 2  # files of pages, of this process
CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "parquet": "application/octet-stream",
    "zip": "application/zip",
}
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; sandbox"}


class _Export(Protocol):
    def __call__(self, actor: Identity | None, prompt_set_id: UUID, stream: BinaryIO, *, file_format: str) -> int: ...


def disposition(name: str) -> str:
    """RFC 6266: a plain name for old browsers and the whole one, neither with signs that end a header or a path."""
    safe = re.sub(r"[^\w .()+-]", "_", name).strip(". ") or "file"
    plain = re.sub(r"[^A-Za-z0-9 .()+-]", "_", safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _written(export: _Export, token_hash: str | None, set_id: str, file_format: str) -> tuple[IO[bytes], str]:
    """The file, from its beginning, and the name of its set."""
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotAllowedError("Sign in first.")
    try:
        prompt_set_id = UUID(set_id)
    except ValueError:
        raise NotFoundError("There is no such prompt set.") from None
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    try:
        export(who, prompt_set_id, cast("BinaryIO", stream), file_format=file_format)
        listed = prompt_sets.list_prompt_sets(who, with_archived=True)
        row = next(row for row in listed if row.id == prompt_set_id)
    except BaseException:
        stream.close()
        raise
    stream.seek(0)
    return stream, f"{row.name} v{row.version}"


def file_chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """A file a piece at a time; it is closed at its end."""
    with stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _route(what: str, export: _Export) -> Callable[[Request], object]:
    async def download(request: Request) -> Response:
        file_format = request.query_params.get("format", "jsonl")
        token_hash = request.headers.get(HEADER.decode())
        try:
            stream, name = await run_in_threadpool(
                _written, export, token_hash, request.path_params["set_id"], file_format
            )
        except BakeoffError as error:
            return _refusal(error)
        ending = prompt_files.ENDINGS[file_format]
        return StreamingResponse(
            file_chunks(stream),
            media_type=CONTENT_TYPES[ending],
            headers={**HEADERS, "Content-Disposition": disposition(f"{name} {what}.{ending}")},
        )

    return download


def _refusal(error: BakeoffError) -> Response:
    known = {NotAllowedError: 403, NotFoundError: 404, InvalidInputError: 422}
    return PlainTextResponse(str(error), known.get(type(error), 503), headers=HEADERS)


@functools.cache
def _making() -> CapacityLimiter:
    """Files that take seconds are made few at a time, so that no vote, text or image waits for a thread."""
    return CapacityLimiter(MADE_AT_ONCE)


async def _page_file(request: Request) -> Response:
    """GET /export/page/<token>: a file that a page offers, for the browser that saw the page."""
    token_hash = request.headers.get(HEADER.decode())
    try:
        file = await run_in_threadpool(page_files.get_file, token_hash, request.path_params["token"])
        name, make = file.written
        text = await to_thread.run_sync(make, limiter=_making())
    except BakeoffError as error:
        return _refusal(error)
    headers = {**HEADERS, "Content-Disposition": disposition(name)}
    return Response(text, media_type=CONTENT_TYPES[name.rpartition(".")[2]], headers=headers)


routes = [
    Route(page_files.PATH + "{token}", _page_file),
    Route("/export/prompts/{set_id}", _route("prompts", prompt_files.export_prompts)),
    Route("/export/generations/{set_id}", _route("outputs", generation_files.export_generations)),
]
