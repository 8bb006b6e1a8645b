"""The composition root: Streamlit's pages and our routes in one process on one port. Nothing else wires things."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from app import tuning
from app.api import assets, auth, battles, downloads, health, images, panels, votes
from app.api.cookies import SessionHeader
from app.api.guard import Guard
from app.errors import BakeoffError, ConfigurationError
from app.jobs import arena, worker
from app.services import garbage, leaderboard, threads
from app.services.sign_in import create_first_admin_link
from app.services.system import prepare_database
from app.settings import get_settings

# What must be in force in every launch mode; Streamlit silently falls back to its defaults when it finds no file.
REQUIRED = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "runner.postScriptGC": False,
    "server.enableAgentApi": False,
    "server.enableXsrfProtection": True,
}


def check_configuration() -> None:
    """Raise ConfigurationError when Streamlit runs with other settings than the ones that Bakeoff ships."""
    for name, wanted in REQUIRED.items():
        if (found := config.get_option(name)) != wanted:
            raise ConfigurationError(
                f"Streamlit's {name} is {found!r} and must be {wanted!r}; start with `bakeoff serve`."
            )
    if not config.get_option("server.allowedHosts"):
        raise ConfigurationError("Streamlit's server.allowedHosts is empty; start with `bakeoff serve`.")


def warm_up() -> None:
    """Import the ranking methods and SciPy, which takes a second, before the first researcher asks for them."""
    leaderboard.list_methods()
    garbage.spare_what_is_there()


def hide_tokens() -> None:
    """Keep the tokens of sign-in links and the ids of panels out of the log of requests that plain uvicorn writes."""

    def without_query(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                part.partition("?")[0] if isinstance(part, str) and part.startswith(("/auth/", "/join/")) else part
                for part in record.args
            )
        return True

    logging.getLogger("uvicorn.access").addFilter(without_query)


def announce_first_admin() -> None:
    """Print the link that makes the first admin, while there is none; the demo has links of its own."""
    if get_settings().is_demo or (path := create_first_admin_link()) is None:
        return
    base = os.environ.get("BAKEOFF_ADDRESS") or get_settings().public_url
    if base is None and config._server_mode == "starlette-app":  # `streamlit run`; a plain uvicorn has its own port
        base = f"http://localhost:{config.get_option('server.port')}"
    print(f"First admin, one use, 24 hours: {base or 'this address +'}{path}", flush=True)  # noqa: T201


def _refuse(error: BakeoffError) -> NoReturn:
    # Every gentler way out of a lifespan makes uvicorn print a traceback above the one line that says what to do.
    print(error, file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Refuse to start wrongly configured or on a newer database; else bring the schema up to date."""
    try:
        check_configuration()
        migration = prepare_database()
        if migration.backup:
            print(f"Database upgraded to {migration.after}; backup: {migration.backup}", flush=True)  # noqa: T201
        announce_first_admin()
    except BakeoffError as error:
        _refuse(error)
    tuning.adjust()
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    hide_tokens()
    worker.start_worker()
    yield
    await asyncio.to_thread(arena.stop_streams)
    await asyncio.to_thread(worker.stop_worker)
    await asyncio.to_thread(threads.stop)


app = st.App(
    Path(__file__).resolve().with_name("ui.py"),
    lifespan=lifespan,
    routes=[
        *auth.routes,
        *panels.routes,
        *assets.routes,
        *images.routes,
        *battles.routes,
        *downloads.routes,
        *votes.routes,
        *health.routes,
    ],
    middleware=[Middleware(Guard), Middleware(SessionHeader)],
)
