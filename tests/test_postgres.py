"""The databases that the tests run on are real, empty, apart from each other, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from tests.conftest import ROOT
from tests.postgres import Postgres


def test_postgres_is_version_18(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.scalar(text("show server_version")).startswith("18.")
    engine.dispose()


def test_each_test_gets_an_empty_database(database_url: str) -> None:
    engine = create_engine(database_url)
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("create table vote (n integer)"))
    assert inspect(engine).get_table_names() == ["vote"]
    engine.dispose()


def test_two_databases_of_one_server_do_not_share_tables(postgres: Postgres) -> None:
    first, second = postgres.create_database(), postgres.create_database()
    engines = [create_engine(postgres.url(name)) for name in (first, second)]
    with engines[0].begin() as connection:
        connection.execute(text("create table vote (n integer)"))
    assert inspect(engines[1]).get_table_names() == []
    for engine in engines:
        engine.dispose()
    for name in (first, second):
        postgres.drop_database(name)


def test_the_server_ends_when_the_test_process_is_killed() -> None:
    script = "import time; from tests.postgres import Postgres; print(Postgres().folder, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        server = int((folder / "data/postmaster.pid").read_text().split()[0])
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
    assert not _is_alive(server)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
