"""The votes of a study as files, for researchers and admins: the file, its manifest, or both in one .zip.

GET /api/v1/experiments/KEY/votes?format=jsonl&criterion=...&staff=true&row=pair&reference=...; the same below
``/votes/manifest`` and ``/votes/bundle``. Only a bundle's manifest is certain to be of the same moment as its file;
the header ``Repr-Digest`` (RFC 9530) of a file lets one check.
"""

from __future__ import annotations

import base64
import tempfile
import zipfile
from collections.abc import Callable
from typing import IO, BinaryIO, Literal, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.api.cookies import HEADER
from app.api.downloads import CONTENT_TYPES, HEADERS, disposition, file_chunks
from app.domain import Identity, Role
from app.errors import BakeoffError, InvalidInputError, NotAllowedError, NotFoundError
from app.services import experiments, sign_in, vote_export
from app.services.export_manifest import Manifest
from app.services.sign_in import require

What = Literal["file", "manifest", "bundle"]
_FLAGS = {"true": True, "false": False, "": None}


def _wanted(request: Request) -> vote_export.Wanted:
    said = request.query_params
    known = {"format", "criterion", "staff", "row", "reference"}
    if unknown := sorted(set(said) - known):
        raise InvalidInputError(f"Nothing is known as {unknown[0]!r}; known: {', '.join(sorted(known))}.")
    staff = said.get("staff", "")
    if staff not in _FLAGS:
        raise InvalidInputError(f"staff is true or false, not {staff!r}.")
    return vote_export.Wanted(
        said.get("format", "jsonl"),
        said.get("criterion") or None,
        _FLAGS[staff],
        said.get("row") or None,
        said.get("reference") or None,
    )


def _identified(token_hash: str | None) -> Identity:
    who = sign_in.identify(token_hash)
    if who is None:
        raise NotAllowedError("Sign in first.")
    require(who, Role.RESEARCHER)
    return who


def _write(who: Identity, key: str, wanted: vote_export.Wanted, what: What) -> tuple[IO[bytes], Manifest]:
    """The file, from its beginning, and its manifest."""
    known = {row.key: row.id for row in experiments.list_experiments(who)}
    if key not in known:
        raise NotFoundError("There is no such experiment.")
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    try:
        manifest = vote_export.export_votes(
            who, known[key], cast("BinaryIO", stream), wanted, tells_ranking=what != "file"
        )
        stream.seek(0)
        return (_bundled(stream, manifest) if what == "bundle" else stream), manifest
    except BaseException:
        stream.close()
        raise


def _bundled(stream: IO[bytes], manifest: Manifest) -> IO[bytes]:
    """A .zip of the file and its manifest."""
    name, packed = manifest.files[0].name, tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    try:
        with stream, zipfile.ZipFile(packed, "w", _packing(name)) as archive:
            with archive.open(name, "w", force_zip64=True) as entry:
                for chunk in file_chunks(stream):
                    entry.write(chunk)
            archive.writestr(f"{name}.manifest.json", manifest.to_json(), zipfile.ZIP_DEFLATED)
        packed.seek(0)
    except BaseException:
        packed.close()
        raise
    return packed


def _packing(name: str) -> int:
    is_packed = name.endswith((".parquet", ".zip"))
    return zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED


def _answer(what: What) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        try:
            who = await run_in_threadpool(_identified, request.headers.get(HEADER.decode()))
            stream, manifest = await run_in_threadpool(_write, who, request.path_params["key"], _wanted(request), what)
        except BakeoffError as error:
            known = {NotAllowedError: 403, NotFoundError: 404, InvalidInputError: 422}
            return JSONResponse({"error": str(error)}, known.get(type(error), 503), headers=HEADERS)
        if what == "manifest":
            stream.close()
            return Response(manifest.to_json(), media_type=CONTENT_TYPES["json"], headers=HEADERS)
        return _sent(stream, manifest, what)

    return answer


def _sent(stream: IO[bytes], manifest: Manifest, what: What) -> StreamingResponse:
    file = manifest.files[0]
    name = f"{file.name}.bundle.zip" if what == "bundle" else file.name
    headers = {**HEADERS, "Content-Disposition": disposition(name)}
    if what == "file":
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        headers |= {"Repr-Digest": f"sha-256=:{digest}:", "Content-Length": str(file.n_bytes)}
    kind = CONTENT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return StreamingResponse(file_chunks(stream), media_type=kind, headers=headers)


routes = [
    Route("/api/v1/experiments/{key}/votes", _answer("file")),
    Route("/api/v1/experiments/{key}/votes/manifest", _answer("manifest")),
    Route("/api/v1/experiments/{key}/votes/bundle", _answer("bundle")),
]
