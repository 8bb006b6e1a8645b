"""However Bakeoff is started, from any folder, it runs with the configuration that we ship or not at all."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from streamlit.proto.NewSession_pb2 import Config

from tests.conftest import ROOT
from tests.processes import BAKEOFF, LINK, PROGRAMS, Server, first_page, free_port, run, shown_text

SERVE = (BAKEOFF, "serve", "--port", "{port}")
STREAMLIT = (str(PROGRAMS / "streamlit"), "run", str(ROOT / "app/main.py"), "--server.port", "{port}")
UVICORN = (str(PROGRAMS / "uvicorn"), "app.main:app", "--port", "{port}")
SIGNED_OUT = "Open the link that you were given to sign in"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to start from."""
    empty = tmp_path / "empty"
    empty.mkdir()
    return empty


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder into which our wheel, and nothing else, was installed."""
    folder = tmp_path_factory.mktemp("installed")
    wheels, target = folder / "wheels", folder / "target"
    for command in (
        ["hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        [
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--find-links",
            str(wheels),
            "--target",
            str(target),
            "bakeoff",
        ],
    ):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    yield target
    shutil.rmtree(folder)


def check_configuration(server: Server) -> None:
    """Check what the server tells a browser; what it doesn't tell, it would have refused to start without."""
    told = next(message.new_session for message in server.first_page if message.HasField("new_session"))
    assert told.config.gather_usage_stats is False
    assert told.config.toolbar_mode == Config.ToolbarMode.MINIMAL
    assert [font.family for font in told.custom_theme.font_faces] == ["Inter", "JetBrains Mono"]


def check(server: Server) -> str:
    """Check what holds in every mode; returns the token of the first admin's link."""
    readyz = httpx.get(f"{server.url}/readyz")
    assert (readyz.status_code, readyz.json()) == (200, {"status": "ready"})
    page = httpx.get(server.url)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert httpx.get(f"{server.url}/_stcore/metrics").status_code == 404
    assert httpx.get(server.url, headers={"Host": "evil.example"}).status_code == 400
    assert SIGNED_OUT in shown_text(server.first_page)

    check_configuration(server)
    # Judged by the processor's time, since other programs on the machine have a say in the time that passes.
    cpu_s, memory_mb = server.cpu_s(), server.memory_mb()
    shown = f"{server.seconds_to_first_page:.1f} s to the first page ({cpu_s:.0f} s of processor), {memory_mb:.0f} MB"
    print(f"{shown}: {Path(server.command[0]).name}")
    assert cpu_s <= 10
    assert memory_mb <= 200
    assert (server.folder / "data/bakeoff.db").is_file()
    assert list(Path(server.environment["HOME"]).iterdir()) == []
    (token,) = LINK.findall(server.output())
    joined = httpx.get(f"{server.url}/auth/join", params={"token": token})
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    assert not any(word in server.output().lower() for word in ("warn", "traceback", "error", "deprecat"))
    return str(token)


def test_bakeoff_serve(folder: Path) -> None:
    with Server(*SERVE, folder=folder) as server:
        token = check(server)
        assert f"{server.url}/auth/join?token={token}" in server.output()
        assert f"Bakeoff  {server.url}\nData     {folder / 'data'}\nStop     Ctrl+C\n" in server.output()


def test_streamlit_run(folder: Path) -> None:
    with Server(*STREAMLIT, folder=folder) as server:
        assert f"{server.url}/auth/join?token={check(server)}" in server.output()


def test_uvicorn(folder: Path) -> None:
    """Plain uvicorn writes a log of requests, and the tokens of links are not in it."""
    with Server(*UVICORN, folder=folder) as server:
        token = check(server)
        assert '"GET /auth/join HTTP/1.1" 303' in server.output()
        assert server.output().count(token) == 1


def test_an_installed_wheel(folder: Path, installed: Path) -> None:
    command = (str(installed / "bin/bakeoff"), "serve", "--port", "{port}")
    with Server(*command, folder=folder, code=installed) as server:
        check(server)


def test_no_admin_link_once_there_is_an_admin(folder: Path) -> None:
    """The first start prints a link; after somebody used it, a start prints none, and who was signed in still is.

    A configuration that Streamlit finds in the folder meanwhile does not weaken ours.
    """
    with Server(*SERVE, folder=folder) as server:
        (token,) = LINK.findall(server.output())
        cookie = httpx.get(f"{server.url}/auth/join", params={"token": token}).headers["set-cookie"].split(";")[0]
        assert httpx.get(f"{server.url}/auth/join", params={"token": token}).status_code == 303  # not yet used up
        assert SIGNED_OUT not in shown_text(first_page(server.port, cookie))
        assert httpx.get(f"{server.url}/auth/join", params={"token": token}).status_code == 403
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit/config.toml").write_text(
        '[client]\nshowErrorDetails = "full"\n[browser]\ngatherUsageStats = true\n'
    )
    with Server(*UVICORN, folder=folder) as server:
        assert LINK.findall(server.output()) == []
        check_configuration(server)
        assert SIGNED_OUT not in shown_text(first_page(server.port, cookie))


def refused(*command: str, folder: Path, port: int | None = None, **more: str) -> str:
    """Start something that must end at once with exit code 1 and say why in one line, which is returned."""
    done = run(*(part.replace("{port}", str(port or free_port())) for part in command), folder=folder, **more)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("INFO: ")]
    assert (done.returncode, len(lines)) == (1, 1), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


MODES = [
    pytest.param(SERVE, id="bakeoff"),
    pytest.param(STREAMLIT, id="streamlit"),
    pytest.param(UVICORN, id="uvicorn"),
]


def test_a_bad_database_url_is_one_line(folder: Path) -> None:
    line = refused(*UVICORN, folder=folder, BAKEOFF_DATABASE_URL="mysql://me:secret@host/x")
    assert line.startswith("BAKEOFF_DATABASE_URL: expected sqlite:///")
    assert "secret" not in line


@pytest.mark.parametrize("command", MODES)
def test_a_newer_database_is_one_line_that_names_both_versions(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "data").mkdir()
    newer = sqlite3.connect(folder / "data/bakeoff.db")
    newer.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    newer.execute("INSERT INTO alembic_version VALUES ('9999_of_the_future')")
    newer.commit()
    newer.close()
    line = refused(*command, folder=folder)
    assert "written by a newer Bakeoff: its schema is 9999_of_the_future, this one knows up to 0" in line


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "Connection refused"),
        ("postgresql://me:secret@127.0.0.1:port/x", "expected postgresql://user:password@host:5432/name"),
    ],
)
def test_a_postgresql_that_cannot_be_reached_is_one_line(folder: Path, url: str, reason: str) -> None:
    line = refused(*SERVE, folder=folder, BAKEOFF_DATABASE_URL=url)
    assert reason in line
    assert "BAKEOFF_DATABASE_URL" in line
    assert "secret" not in line


def test_a_data_folder_that_cannot_be_made_is_one_line(folder: Path) -> None:
    (folder / "file").touch()
    line = refused(*SERVE, folder=folder, BAKEOFF_DATA="file/data")
    assert (
        line == f"The data folder {folder}/file/data cannot be used: Not a directory. Name another one in BAKEOFF_DATA."
    )


def test_a_damaged_database_is_one_line(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data/bakeoff.db").write_bytes(b"this is no database" * 1000)
    line = refused(*SERVE, folder=folder)
    assert line == f"{folder}/data/bakeoff.db is damaged (file is not a database). Put a backup in its place."
    assert (folder / "data/bakeoff.db").read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize(
    "command", [pytest.param((*SERVE[:1], name, *SERVE[2:]), id=name) for name in ("serve", "demo")]
)
def test_a_port_that_is_taken_is_one_line(folder: Path, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(*command, folder=folder, port=port)
    assert (
        line == f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Name others with --host and --port."
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("client.showErrorDetails", "full"),
        ("runner.postScriptGC", "true"),
        ("server.enableAgentApi", "true"),
    ],
)
def test_a_flag_that_weakens_the_configuration_stops_the_start(folder: Path, flag: str, value: str) -> None:
    line = refused(*STREAMLIT, f"--{flag}", value, folder=folder)
    assert line.startswith(f"Streamlit's {flag} is ")
    assert not (folder / "data").exists()


def test_a_variable_that_weakens_the_configuration_stops_the_start(folder: Path) -> None:
    line = refused(*SERVE, folder=folder, STREAMLIT_CLIENT_SHOW_ERROR_DETAILS="full")
    assert line.startswith("Streamlit's client.showErrorDetails is 'full' and must be 'none'")
