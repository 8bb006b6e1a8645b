"""The real server as a process of its own: started, killed and started again by the end-to-end tests."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Executable, create_engine, text
from sqlalchemy.pool import NullPool

from db.engine import Database

ROOT = Path(__file__).resolve().parents[1]
START_S = 60
GONE_PART = re.compile(r"The fragment with id \w+ does not exist anymore")
STOP_S = 10  # how long the server may take to end after SIGTERM


@dataclass(frozen=True, slots=True)
class Study:
    """A study made by ``Server.seed``, and sign-in links; each browser that follows the rater's is another rater."""

    experiment_id: UUID
    key: str
    rater: str
    researcher: str
    admin: str


class Server:
    """``bakeoff serve`` on a free port in an empty folder; its data lie in ``folder`` or behind ``database_url``."""

    def __init__(self, folder: Path, *, database_url: str = "", environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.database_url = database_url or f"sqlite:///{folder / 'data/bakeoff.db'}"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._cwd = folder / "empty"
        self._cwd.mkdir()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BAKEOFF_", "STREAMLIT_"))}
        # The checkout before any installed copy: these tests are about the code beside them.
        self.environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "BAKEOFF_DATA": str(folder / "data"),
            "BAKEOFF_DATABASE_URL": self.database_url,
            **(environment or {}),
        }

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id; the command becomes Streamlit and keeps its id."""
        assert self.process is not None, "the server was not started"
        return self.process.pid

    def seed(self, *studies: dict[str, Any]) -> list[Study]:
        """Start studies: each has the experiment's rules, and "folder" unless it is about the sample data."""
        made = json.loads(self.run("-m", "tests.seed", json.dumps(studies, default=str)))
        return [Study(UUID(study.pop("experiment_id")), **study) for study in made]

    def run(self, *arguments: str) -> str:
        """What a Python process prints that runs under the server's environment."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self._cwd, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Start, and wait until votes can be taken."""
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        with httpx.Client(base_url=self.base_url, trust_env=False, timeout=5) as client:
            while not _is_ready(client):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
                time.sleep(0.03)

    def stop(self) -> float:
        """End it with SIGTERM; returns the seconds that took."""
        assert self.process is not None, "the server was not started"
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_S)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut or the kernel's memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again on the same data and the same port."""
        self.kill()
        self.start()

    def rows(self, query: str, **values: Any) -> list[Any]:
        """The rows of a query to the server's database; UUIDs come as 32 hex digits."""
        engine = create_engine(self.database_url, poolclass=NullPool)
        try:
            with engine.connect() as connection:
                found = connection.execute(text(query), values)
                found_row = namedtuple("Row", found.keys())
                return [found_row(*map(_plain, row)) for row in found]
        finally:
            engine.dispose()

    def execute(self, statement: Executable) -> None:
        """Change something behind the server's back, as another process of the app would."""
        store = Database(self.database_url)
        try:
            with store.write() as session:
                session.execute(statement)
        finally:
            store.close()

    def warnings(self) -> list[str]:
        """The lines of the log that are more than those of the start.

        Streamlit notes, as information, that a browser asked once more for a part of a page that has just gone.
        """
        known = ("Bakeoff  http", "Data     ", "Stop     ", "First admin, one use")
        lines = [line for line in self.log.read_text().splitlines() if line.strip() and not line.startswith(known)]
        return [line for line in lines if not GONE_PART.search(line)]


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _plain(value: Any) -> Any:
    # Ids are CHAR(32) on SQLite and UUID on PostgreSQL.
    return value.hex if isinstance(value, UUID) else value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
