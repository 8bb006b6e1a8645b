"""Is the process alive, and can it take votes."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.services import system


async def healthz(_request: Request) -> JSONResponse:
    """200 while the process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(_request: Request) -> JSONResponse:
    """200 when the database answers with this version's schema, else 503."""
    is_ready = await run_in_threadpool(system.is_ready)
    return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
