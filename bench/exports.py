"""How long 1,000,000 votes take to be written, and how much memory.

    python bench/exports.py                # SQLite
    python bench/exports.py --postgres     # PostgreSQL from the wheel that the tests use
    python bench/exports.py --votes 100000

100 models, 20,000 raters, 2,000 prompts with outputs of 500 bytes, written straight into the tables of a new database.
The limits for our own JSON Lines and Parquet are 30 seconds and 300 MB, the whole process with its imports included.
What the manifest tells of the ranking is measured apart, last: first where nobody looked at the study's results yet,
then where a page or an earlier export did. It has the votes in memory once, as the results pages have, who share them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

MAX_S, MAX_MB = 30, 300
LIMITED = ("jsonl", "parquet")
FORMATS = (*LIMITED, "csv", "comparisons", "lmarena_140k", "trl_preference", "helpsteer3", "dataset")
N_MODELS, N_RATERS, N_PROMPTS = 100, 20_000, 2_000
TEXT = "The quick brown fox jumps over the lazy dog, again and again. " * 8


def fill(n_votes: int) -> None:
    """Make the database and its votes."""
    from app.services import system
    from db import experiments, models
    from db.engine import database

    system.prepare_database()
    with database().write() as session:
        for table, rows in _rows(n_votes):
            waiting = iter(rows)
            while batch := list(islice(waiting, 10_000)):
                session.execute(table.insert(), batch)
        [study] = experiments.list_experiments(session)
        experiments.set_arms(session, experiment_id=study.id, model_ids=list(models.list_model_names(session).values()))


def _rows(n_votes: int) -> Iterator[tuple[Any, Iterator[Mapping[str, Any]]]]:
    from app.domain import ExperimentStatus, GenerationStatus, Role
    from db.columns import new_id
    from db.tables import Account, Battle, Experiment, Generation, Model, Pair, Prompt, PromptSet, Vote, tables_of

    tables = (Account, Battle, Experiment, Generation, Model, Pair, Prompt, PromptSet, Vote)
    account, battle, experiment, generation, model, pair, prompt, prompt_set, vote = tables_of(*tables)
    now, rng = datetime.now(UTC), random.Random(1)
    set_id, study, prompts, models = new_id(), new_id(), *([new_id() for _ in range(n)] for n in (N_PROMPTS, N_MODELS))
    raters = [new_id() for _ in range(N_RATERS)]
    pairs = [(new_id(), a, b) for a in range(N_MODELS) for b in range(a + 1, N_MODELS)]
    outputs = {(m, p): new_id() for m in range(N_MODELS) for p in range(N_PROMPTS)}
    battles = [new_id() for _ in range(n_votes)]

    def drawn(number: int) -> tuple[int, int]:
        return number * 7919 % len(pairs), number * 104729 % N_PROMPTS

    yield prompt_set, iter([{"id": set_id, "name": "Prompts", "version": 1, "content_hash": "0", "created_at": now}])
    yield prompt, (
        {"id": id_, "prompt_set_id": set_id, "external_id": f"p{n}", "position": n, "tags": {}, "attachments": [],
         "messages": [{"role": "user", "content": f"{n} {TEXT}"}], "content_hash": str(n)}
        for n, id_ in enumerate(prompts)
    )  # fmt: skip
    yield model, ({"id": id_, "name": f"Model {n:03}", "created_at": now} for n, id_ in enumerate(models))
    yield generation, (
        {"id": id_, "model_id": models[m], "prompt_id": prompts[p], "settings_hash": "", "sample": 0, "leaks": [],
         "status": GenerationStatus.OK, "parts": [{"type": "text", "text": f"{m} {p} {TEXT}"}], "created_at": now}
        for (m, p), id_ in outputs.items()
    )  # fmt: skip
    yield experiment, iter([
        {"id": study, "key": "measured", "title": "Measured", "status": ExperimentStatus.RUNNING, "created_at": now,
         "prompt_set_id": set_id, "asks": {}, "flow": {}, "shows": {}, "arena": {}, "started_at": now}
    ])  # fmt: skip
    yield account, ({"id": id_, "name": f"r{n}", "role": Role.RATER, "created_at": now} for n, id_ in enumerate(raters))
    yield (
        pair,
        (
            {"id": id_, "experiment_id": study, "position": n, "model_a_id": models[a], "model_b_id": models[b]}
            for n, (id_, a, b) in enumerate(pairs)
        ),
    )
    outcomes = ("model_a", "model_b", "model_a", "tie", "both_bad")
    times = [now + timedelta(milliseconds=250 * n) for n in range(n_votes)]

    def battle_row(n: int) -> dict[str, Any]:
        pair_id, a, b = pairs[drawn(n)[0]]
        place = drawn(n)[1]
        return {
            "id": battles[n], "experiment_id": study, "pair_id": pair_id, "prompt_id": prompts[place],
            "generation_a_id": outputs[a, place], "generation_b_id": outputs[b, place], "is_a_left": bool(n % 2),
            "rater_id": raters[rng.randrange(N_RATERS)], "purpose": "normal", "propensity": 1 / len(pairs),
            "status": "voted", "assigned_at": times[n], "shown_at": times[n], "n_revisions": 1,
        }  # fmt: skip

    yield battle, map(battle_row, range(n_votes))
    yield vote, (
        {"id": new_id(), "battle_id": battles[n], "revision": 0, "act": "vote", "input": "screen", "dwell_ms": 4_000,
         "outcome": rng.choice(outcomes), "voted_at": times[n], "comment": ""}
        for n in range(n_votes)
    )  # fmt: skip


def run(file_format: str, path: str) -> None:
    """Write the votes in this process; print the seconds, the megabytes and the size."""
    from app.services import experiments, system, vote_export

    system.prepare_database()
    id_ = experiments.find_experiment(None, "measured")
    begin = time.perf_counter()
    with Path(path).open("wb") as stream:
        done = vote_export.export_votes(None, id_, stream, vote_export.Wanted(file_format), tells_ranking=False)
    seconds = time.perf_counter() - begin
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, time.process_time(), megabytes, done.files[0].n_bytes / 1e6, done.n_rows]))


def describe() -> None:
    """Tell of the ranking twice in this process; print the seconds of each and the megabytes."""
    from app.services import experiments, export_methods, system

    system.prepare_database()
    id_, times = experiments.find_experiment(None, "measured"), [time.perf_counter()]
    for _ in range(2):
        export_methods.describe_ranking(None, id_)
        times.append(time.perf_counter())
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([times[1] - times[0], times[2] - times[1], time.process_time(), megabytes]))


def child(*arguments: str) -> list[float]:
    """What a process of its own printed."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def measure(n_votes: int, folder: str) -> bool:
    """Measure every format; whether one is over a limit."""
    begin, is_over = time.perf_counter(), False
    child("fill", str(n_votes))
    print(f"{n_votes:,} votes made in {time.perf_counter() - begin:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"{'':16} seconds  of CPU     MB  MB file       rows   (limits {MAX_S} s, {MAX_MB} MB: {', '.join(LIMITED)})")
    for key in FORMATS:
        path = Path(folder) / "out"
        seconds, of_cpu, megabytes, size, n_rows = child("run", key, str(path))
        is_over |= key in LIMITED and (seconds > MAX_S or megabytes > MAX_MB)
        print(f"{key:16} {seconds:7.1f} {of_cpu:7.1f} {megabytes:6.0f} {size:8.0f} {n_rows:10,}", flush=True)
        path.unlink()
    first, again, of_cpu, megabytes = child("describe")
    print(f"{'ranking methods':16} {first:7.1f} {of_cpu:7.1f} {megabytes:6.0f}   (again: {again:.1f} s)", flush=True)
    return is_over


def main() -> None:
    """Measure; exit code 1 when something is over a limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
        os.environ["BAKEOFF_DATA"] = folder
        if not options.postgres:
            sys.exit(measure(options.votes, folder))
        from tests.postgres import Postgres

        server = Postgres()
        try:
            os.environ["BAKEOFF_DATABASE_URL"] = server.url(server.create_database())
            is_over = measure(options.votes, folder)
        finally:
            server.stop()
    sys.exit(is_over)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:])
    elif sys.argv[1:2] == ["describe"]:
        describe()
    elif sys.argv[1:2] == ["fill"]:
        fill(int(sys.argv[2]))
        print("[]")
    else:
        main()
