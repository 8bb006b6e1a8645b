"""Bakeoff as people start it: a process of its own, in a folder of its own, with a home of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.conftest import ROOT

PROGRAMS = Path(sys.executable).parent
BAKEOFF = str(PROGRAMS / "bakeoff")
LINK = re.compile(r"/auth/join\?token=([\w-]+)")
DEADLINE_S = 120  # neighbours on the machine may need the processors too


def environment(folder: Path, code: Path = ROOT, **more: str) -> dict[str, str]:
    """An environment with nothing of the person who runs the tests; ``code`` is where ``app`` is imported from."""
    home = folder.with_name(f"{folder.name}-home")
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(code), "LANG": "C.UTF-8", **more}


def run(*command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; standard output and error apart."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
    )


def free_port() -> int:
    """A port on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running Bakeoff; the context manager waits until it is ready and ends it."""

    def __init__(self, *command: str, folder: Path, code: Path = ROOT, **more: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.command = [part.replace("{port}", str(self.port)) for part in command]
        self.folder, self.environment = folder, environment(folder, code, **more)
        self._output = folder.with_name(f"{folder.name}-{self.port}.log")
        self.seconds_to_first_page = 0.0

    def __enter__(self) -> Server:
        """Start it and wait for the first page."""
        began = time.monotonic()
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready(began + DEADLINE_S)
            self.first_page = first_page(self.port)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.seconds_to_first_page = time.monotonic() - began
        return self

    def __exit__(self, _type: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_ready(self, deadline: float) -> None:
        while True:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output()}"
            assert time.monotonic() < deadline, f"it was not ready in time:\n{self.output()}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)

    def output(self) -> str:
        """What it wrote on the console so far."""
        return self._output.read_text()

    def memory_mb(self) -> float:
        """Resident memory."""
        return int(self._ps("rss=")) / 1000

    def cpu_s(self) -> float:
        """Processor time that it used so far, in whole seconds."""
        hours, minutes, seconds = self._ps("cputime=").split("-")[-1].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(seconds)

    def _ps(self, column: str) -> str:
        command = ["ps", "-o", column, "-p", str(self.process.pid)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def first_page(port: int, cookie: str = "") -> list[ForwardMsg]:
    """All messages with which the server draws the first page for a new browser."""
    headers = {"Cookie": cookie} if cookie else {}
    stream = f"ws://localhost:{port}/_stcore/stream"
    with connect(stream, subprotocols=["streamlit"], additional_headers=headers, max_size=None) as socket_:  # type: ignore[list-item]
        start = BackMsg()
        start.rerun_script.query_string = ""
        socket_.send(start.SerializeToString())
        messages = []
        while not messages or messages[-1].WhichOneof("type") != "script_finished":
            messages.append(ForwardMsg.FromString(socket_.recv(timeout=DEADLINE_S)))  # type: ignore[arg-type]
        return messages


def shown_text(messages: list[ForwardMsg]) -> str:
    """All that the messages would show, as one text to search."""
    return "\n".join(str(message.delta) for message in messages if message.WhichOneof("type") == "delta")
