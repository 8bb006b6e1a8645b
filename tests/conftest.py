"""Fixtures that all tests share."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, BrowserContext, Error, expect, sync_playwright

from app import tuning
from app.jobs.arena import stop_streams
from app.services import shared_work, threads, vote_store
from app.services.system import prepare_database
from app.settings import get_settings
from db.engine import Database, database, open_database
from db.migrate import migrate
from tests.browser import find_chromium
from tests.postgres import Postgres
from tests.server import Server

ROOT = Path(__file__).resolve().parents[1]
Elsewhere = Callable[[], contextlib.AbstractContextManager[None]]
tuning.end_turns()  # as in the app; else a click in Streamlit's tester would keep its turn, and the next one wait

# The same texts and numbers in every run: a failure that comes and goes says nothing. Look for new ones by
# `pytest --hypothesis-profile=default`.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

# Chromium must not look for updates or other services: its own traffic would blur what the tests capture. Playwright
# itself turns the sandbox off, which root and most containers need; the only pages that are opened are ours.
CHROMIUM_ARGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """No thread outlives its test, or it would read the settings of the next one, and keep them."""
    threads.stop()
    shared_work.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Whoever reads of a failure sees what stood on the screens, which on another machine nobody can look at."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and browser is not None:
        for page in [page for context in browser.contexts for page in context.pages]:
            try:
                text = page.locator("body").inner_text(timeout=3_000)
            except Error as error:
                text = str(error)
            report.sections.append((f"The page {page.url}", text[:3_000]))
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and oracles beside the checkout; required in CI, elsewhere its absence skips the test."""
    folder = Path(os.environ.get("BAKEOFF_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the shared folder with real data is required in CI and is missing at {folder}")
        pytest.skip("the shared folder with real data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server of this test process; a test that breaks its server starts a ``Postgres()`` of its own."""
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """The SQLAlchemy URL of the server's maintenance database."""
    return postgres.url()


def _migrated(url: str) -> None:
    made = Database(url)
    migrate(made)
    made.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables and nothing in them: to copy it takes a fiftieth of what migrating takes."""
    path = tmp_path_factory.mktemp("template") / "bakeoff.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """The name of a database with our tables and nothing in them."""
    name = postgres.create_database()
    _migrated(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The SQLAlchemy URL of a new database; the test runs once on SQLite and once on PostgreSQL.

    It is empty, but for a test that uses ``store``.
    """
    get, has_tables = request.getfixturevalue, "store" in request.fixturenames
    if request.param == "sqlite":
        if has_tables:
            shutil.copy(get("sqlite_template"), tmp_path / "bakeoff.db")
        yield f"sqlite:///{tmp_path / 'bakeoff.db'}"
        return
    server: Postgres = get("postgres")
    name = server.create_database(get("postgres_template")) if has_tables else server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def store(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The application's own database, made new; what services read and write, on SQLite and on PostgreSQL."""
    monkeypatch.setenv("BAKEOFF_DATABASE_URL", database_url)
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    get_settings.cache_clear()
    prepare_database()
    yield database()
    database().close()
    open_database.cache_clear()
    get_settings.cache_clear()


@pytest.fixture
def empty(store: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Elsewhere:
    """What makes another, empty database of the same kind the app's own for a while."""

    numbers = itertools.count()

    @contextlib.contextmanager
    def elsewhere() -> Iterator[None]:
        before = get_settings().database_url
        server = None if store.is_sqlite else request.getfixturevalue("postgres")
        name = server.create_database() if server else ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(
                "BAKEOFF_DATABASE_URL", server.url(name) if server else f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
            )
            get_settings.cache_clear()
            prepare_database()
            try:
                yield
            finally:
                database().close()
        get_settings.cache_clear()
        assert get_settings().database_url == before
        if server:
            server.drop_database(name)

    return elsewhere


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Iterator[None]:
    """A new, empty SQLite database, for pages in Streamlit's own tester."""
    shutil.copy(sqlite_template, tmp_path / "bakeoff.db")
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    monkeypatch.delenv("BAKEOFF_DATABASE_URL", raising=False)
    get_settings.cache_clear()
    prepare_database()
    vote_store.forget()
    yield
    database().engine.dispose()
    get_settings.cache_clear()


@pytest.fixture
def seeded_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws at every run, for tests of what chance allows: else one in a thousand of them would fail."""
    monkeypatch.setattr("app.services.drawing._RNG", Random(20261122))


@pytest.fixture
def quick_arena(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arenas take the same steps, closer to each other; what the pace is at its own speed, tests/test_pacer.py says."""
    monkeypatch.setattr("app.jobs.arena.TICK_S", 0.02)
    monkeypatch.setattr("app.jobs.pacer.FASTEST", 2000.0)
    yield
    stop_streams()


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Call it for a server on an empty database, to be seeded and started; all are killed at the end."""
    servers = []

    def make(**options: Any) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("server"), **options))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; installing one is left to the Makefile, since two test processes must not both do it."""
    path = find_chromium()
    if not path:
        pytest.fail("no Chromium found: `python -m tests.browser` installs one")
    return path


# Not for the whole session: as long as Playwright runs, its event loop counts as running in this thread, and
# asyncio.run() in any later test would fail.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium for the tests of one file; on a busy machine its pages may take their time."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Call it once per person in the test: each context has its own cookies; all are closed at the end."""
    contexts = []

    def open_context(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(**options))
        return contexts[-1]

    yield open_context
    for context in contexts:
        context.close()


@pytest.fixture
def bakeoff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in an empty folder and 80 columns, in this process: exit code, what it printed, its errors."""
    from app import cli

    monkeypatch.delenv("BAKEOFF_TRACEBACK", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bakeoff", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return call
