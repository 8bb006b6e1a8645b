"""How long 100,000 prompts or outputs and a million votes take to come in, and how much memory.

    python bench/imports.py                   # each kind of file in a process of its own, on SQLite
    python bench/imports.py --postgres        # on the PostgreSQL of the tests
    python bench/imports.py votes             # only the kinds that begin so
    BAKEOFF_DATABASE_URL=postgresql://... python bench/imports.py

A prompt or output is about 500 bytes. Bare votes name two models, the winner, the rater, the prompt and the time; rich
ones also have a battle, a criterion, reasons and a comment. "Check" is the preview on the page. The seconds are those
of the import alone, the megabytes those of the whole process; on PostgreSQL its server is not counted.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_ROWS = 100_000
N_VOTES = 1_000_000
MAX_S, MAX_MB = 20, 400
# Seconds and megabytes: a million bare votes may take a minute, a rich one 120 microseconds.
LIMITS = {"votes bare": (60, 600), "votes check": (60, 600), "votes rich": (12, 600)}
KINDS = (
    *("prompts jsonl", "prompts csv", "prompts parquet", "outputs jsonl", "outputs alpacaeval", "outputs csv"),
    *("votes bare-csv", "votes bare-jsonl", "votes bare-parquet", "votes check-csv", "votes rich-jsonl"),
)
TEXT = "The quick brown fox jumps over the lazy dog, again and again. " * 7


def write_votes(form: str, path: Path) -> None:
    """A file of votes: 100 models, 20,000 raters, 2,000 prompts."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    rng, rich = np.random.default_rng(1), form.startswith("rich")
    n = N_ROWS if rich else N_VOTES
    one = rng.integers(0, 100, n)
    two = (one + rng.integers(1, 100, n)) % 100
    winners = np.array(["model_a", "model_b", "tie", "both_bad"])[rng.integers(0, 4, n)]
    columns: dict[str, object] = {
        "model_a": np.char.add("model-", one.astype(str)),
        "model_b": np.char.add("model-", two.astype(str)),
        "winner": winners,
        "rater": np.char.add("r", rng.integers(0, 20_000, n).astype(str)),
        "prompt_id": np.char.add("p", rng.integers(0, 2_000, n).astype(str)),
        "timestamp": 1_700_000_000 + np.arange(n) * 7,
    }
    if rich:
        columns |= {"battle_id": np.arange(n).astype(str), "criterion": ["overall"] * n, "reasons_a": [["clear"]] * n}
        columns["comment"] = ["Better by far."] * n
    table = pa.table(columns)
    if form.endswith("parquet"):
        parquet.write_table(table, path)
    elif form.endswith("csv"):
        csv.write_csv(table, path, csv.WriteOptions(quoting_style="none"))
    else:
        with path.open("w") as stream:
            for batch in table.to_batches(10_000):
                stream.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())


def write_file(kind: str, path: Path) -> None:
    """A file of rows of the kind."""
    if kind.startswith("votes"):
        write_votes(kind.split()[1], path)
        return
    from app.domain import Message
    from app.file_rows import GenerationRow, PromptRow
    from app.formats._registry import formats_of

    what, ending = kind.split()
    with path.open("wb") as stream:
        if ending == "alpacaeval":
            rows = ({"instruction": f"{n} {TEXT}", "output": TEXT[:60], "generator": "M"} for n in range(N_ROWS))
            stream.write(b"[" + b",\n".join(json.dumps(row).encode() for row in rows) + b"]")
        elif what == "prompts":
            prompts = (
                PromptRow(
                    n, f"p{n}", (Message("user", f"{n} {TEXT}"),), "Yes.", {"category": "ab"[n % 2], "language": "en"}
                )
                for n in range(N_ROWS)
            )
            formats_of("prompts")[f"prompts_{ending}"].write(prompts, stream)
        else:
            outputs = (GenerationRow(n, "M", f"{n} {TEXT}", f"p{n}") for n in range(N_ROWS))
            formats_of("generations")[f"generations_{ending}"].write(outputs, stream)


def run(kind: str, path: str) -> None:
    """Import the file in this process; print the seconds and the megabytes."""
    from app.services import generations, prompt_sets, system, vote_files

    system.prepare_database()
    name = f"{kind} {time.time_ns()}"
    set_id = None
    if kind.startswith("outputs"):
        set_id = prompt_sets.list_prompt_sets(None)[0].id
    begin = time.perf_counter()
    with Path(path).open("rb") as stream:
        if kind.startswith("votes check"):
            assert vote_files.check_votes(None, stream).n_votes == N_VOTES
        elif kind.startswith("votes"):
            assert vote_files.import_votes(None, stream, title=name).n_models == 100
        elif set_id is None:
            prompt_sets.import_prompts(None, stream, name=name)
        else:
            done = generations.import_generations(None, stream, prompt_set_id=set_id)
            assert done.n_stored == N_ROWS, done
    seconds = time.perf_counter() - begin
    print(json.dumps([seconds, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def child(data: str, *arguments: str) -> list[float]:
    """What ``run`` printed in a process of its own."""
    environment = {**os.environ, "BAKEOFF_DATA": data}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def main() -> bool:
    """Measure every kind; whether one is over a limit."""
    is_over = False
    arguments = [one for one in sys.argv[1:] if one != "--postgres"]
    print(f"{'100,000 rows of':22} seconds  of CPU     MB   limits        load {os.getloadavg()[0]:.1f}")
    for kind in (one for one in KINDS if one.startswith(tuple(arguments or KINDS))):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            if kind.startswith("outputs"):
                child(folder, "write", "prompts jsonl", str(path))
                child(folder, "run", "prompts jsonl", str(path))
            child(
                folder, "write", kind, str(path)
            )  # what this process had at its peak, each of its children would count
            seconds, of_cpu, megabytes = child(folder, "run", kind, str(path))
        most_s, most_mb = LIMITS.get(kind.partition("-")[0], (MAX_S, MAX_MB))
        is_over |= seconds > most_s or megabytes > most_mb
        limits = f"{most_s} s, {most_mb} MB"
        load = os.getloadavg()[0]
        print(f"{kind:22} {seconds:7.1f} {of_cpu:7.1f} {megabytes:6.0f}   {limits:13} {load:.1f}", flush=True)
    return is_over


def on_postgres() -> bool:
    """The same on a PostgreSQL of its own."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.postgres import Postgres

    server = Postgres()
    try:
        os.environ["BAKEOFF_DATABASE_URL"] = server.url(server.create_database())
        return main()
    finally:
        server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:])
    elif sys.argv[1:2] == ["write"]:
        write_file(sys.argv[2], Path(sys.argv[3]))
        print("[]")
    else:
        sys.exit(on_postgres() if "--postgres" in sys.argv else main())
