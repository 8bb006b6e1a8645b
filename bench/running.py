"""A real server on real data for the measurements here: a new folder, a free port, ended when done."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
LOAD = SHARED / "tools" / "load.py"
_SEED = """
import json, sys
from app.domain import Role
from app.services import experiments, generations, prompt_sets, sign_in
prompts = prompt_sets.list_prompt_sets(None)[0]
models = [row.id for row in generations.list_models(None)]
study = experiments.create_experiment(
    None, title="Measured", prompt_set_id=prompts.id, model_ids=models, votes_per_pair=50, min_dwell_ms=0)
experiments.start_experiment(None, study)
print(json.dumps({role.value: sign_in.create_invite(None, role=role, max_uses=1000 if role == Role.RATER else 1)
                  for role in Role}))
"""


@dataclass
class Server:
    """Where it listens, its process, its data folder, a link for each role, and how long things took (s)."""

    url: str
    pid: int
    data: Path
    links: dict[str, str]
    seconds: dict[str, float]


def run(data: Path, *arguments: str) -> str:
    """Run ``python ARGUMENTS`` with this data folder; its output."""
    environment = {**os.environ, "BAKEOFF_DATA": str(data)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments[:6])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def bakeoff(data: Path, *arguments: str) -> float:
    """Run a bakeoff command; how many seconds it took as a whole process."""
    begin = time.perf_counter()
    run(data, "-m", "app.cli", *arguments)
    return time.perf_counter() - begin


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The llmfao data in a new folder, a running study of its 59 models with dwell 0, and a server on it."""
    if not LOAD.exists():
        sys.exit(f"These measurements need the shared folder beside the checkout ({SHARED} is missing).")
    real, seconds = SHARED / "data" / "llmfao", {}
    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
        data = Path(folder)
        bakeoff(data, "import", "prompts", str(real / "prompts.jsonl"), "--name", "llmfao")
        bakeoff(data, "import", "models", str(real / "models.jsonl"))
        bakeoff(data, "import", "generations", str(real / "generations.jsonl"), "--prompt-set", "llmfao")
        votes = ("import", "votes", str(real / "votes.csv"), "--title", "Real votes", "--prompt-set", "llmfao")
        seconds["import of 8,931 votes (whole command)"] = bakeoff(data, *votes)
        links = json.loads(run(data, "-c", _SEED))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
            env={**os.environ, "BAKEOFF_DATA": str(data)},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz")
            seconds["start-up to ready"] = time.perf_counter() - begin
            yield Server(f"http://127.0.0.1:{port}", process.pid, data, links, seconds)
        finally:
            process.terminate()
            process.wait(10)


def wait_for(url: str, seconds: float = 30) -> None:
    """Wait until ``url`` answers 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    sys.exit(f"no answer from {url}")


def describe_machine() -> str:
    """What the figures were measured on, with a yardstick: the time of ten million additions in this Python."""
    begin, total = time.perf_counter(), 0
    for number in range(10_000_000):
        total += number
    yardstick = time.perf_counter() - begin
    versions = ", ".join(f"{name} {version(name)}" for name in ("streamlit", "sqlalchemy", "sqlmodel", "starlette"))
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}; {os.cpu_count()} cores, "
        f"10 million additions in {yardstick:.2f} s"
    )
