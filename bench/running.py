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
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
LOAD = SHARED / "tools" / "load.py"
_SEED = """
import json, sys
from pathlib import Path
from app.domain import Purpose, Role
from app.services import experiments, generations, gold_files, prompt_sets, sign_in
from app.study import USUAL_CRITERIA, Asks, Criterion, Flow, Shows
prompts = prompt_sets.list_prompt_sets(None)[0]
models = [row.id for row in generations.list_models(None)]
gold, everything = sys.argv[1], {}
if gold:
    criteria = tuple(Criterion(label.lower(), label) for label in USUAL_CRITERIA[:3])
    everything = {
        "allocation": "active",
        "asks": Asks(criteria, strength=True, reasons=True, comment=True, skip_reason=True, guess=True),
        "flow": Flow(gold_every=10, repeat_every=15, shows_agreement=True, code_done="DONE"),
        "shows": Shows(is_normalised=True),
    }
study = experiments.create_experiment(
    None, title="Measured", prompt_set_id=prompts.id, model_ids=models, votes_per_pair=50, min_dwell_ms=0, **everything)
if gold:
    with Path(gold).open("rb") as stream:
        gold_files.import_gold(None, stream, experiment_id=study, purpose=Purpose.GOLD)
experiments.start_experiment(None, study)
print(json.dumps({role.value: sign_in.create_invite(None, role=role, max_uses=2000 if role == Role.RATER else 1)
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


def run(data: Path, *arguments: str, url: str = "") -> str:
    """Run ``python ARGUMENTS`` with this data folder, and database if it is another; its output."""
    beside = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "BAKEOFF_DATA": str(data), "PYTHONPATH": beside}
    if url:
        environment["BAKEOFF_DATABASE_URL"] = url
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments[:6])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def bakeoff(data: Path, *arguments: str) -> float:
    """Run a bakeoff command; how many seconds it took as a whole process."""
    begin = time.perf_counter()
    run(data, "-m", "app.cli", *arguments)
    return time.perf_counter() - begin


@contextlib.contextmanager
def serving(*, everything: bool = False, command: Sequence[str] = ("-m", "app.cli")) -> Iterator[Server]:
    """The llmfao data in a new folder, a running study of its 59 models with dwell 0, and a server on it.

    With ``everything`` the study has switched on all that raters can meet on the vote page. ``command`` is what Python
    runs as ``bakeoff``.
    """
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
        links = json.loads(run(data, "-c", _SEED, str(real / "gold.jsonl") if everything else ""))
        port = free_port()
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command, "serve", "--port", str(port)],
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
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
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
