"""How long the choice of the next battle takes with 100 models (4,950 pairs) and a million votes behind it.

Run by ``bench/sampling.py --time``. SQLite in a new folder; the votes are written straight into its file.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np

M, N_PROMPTS, N_VOTES, N_RATERS = 100, 24, 1_000_000, 2_000
N_DRAWS = 1_000
BUDGET_MS = 5.0


def make_study() -> UUID:
    """A running study of 100 models, each with an output for each of 24 prompts."""
    from app.services import experiments, generations, prompt_sets, system

    system.prepare_database()
    asked = "\n".join(json.dumps({"id": f"p{j}", "prompt": f"question {j}"}) for j in range(N_PROMPTS))
    prompts = prompt_sets.import_prompts(None, io.BytesIO(asked.encode()), name="Questions")
    rows = (
        {"prompt_id": f"p{j}", "model": f"Model {i}", "output": f"answer {i} {j}"}
        for i in range(M)
        for j in range(N_PROMPTS)
    )
    answered = "\n".join(map(json.dumps, rows))
    generations.import_generations(None, io.BytesIO(answered.encode()), prompt_set_id=prompts.id)
    study = experiments.create_experiment(
        None,
        title="Measured",
        prompt_set_id=prompts.id,
        model_ids=[row.id for row in generations.list_models(None)],
        votes_per_pair=2 * N_VOTES // (M * (M - 1) // 2),
        min_dwell_ms=0,
        allocation="active",
    )
    experiments.start_experiment(None, study)
    return study


def fill(file: Path, study: UUID) -> None:
    """A million votes by 2,000 raters, spread over all pairs and prompts, from strengths that are equally spaced."""
    from app.services.design import get_design

    design, rng = get_design(study), np.random.default_rng(1)
    raters = [f"{i:032x}" for i in range(1, N_RATERS + 1)]
    at = "2026-01-01 00:00:00.000000"
    strength = np.linspace(1, -1, M)
    position = np.arange(N_VOTES) % len(design.pairs)
    a, b = design.board.model_a[position], design.board.model_b[position]
    wins = rng.random(N_VOTES) < 1 / (1 + np.exp(strength[b] - strength[a]))
    is_tie, is_left = rng.random(N_VOTES) < 0.15, rng.random(N_VOTES) < 0.5
    pairs = [(pair.hex, model_a, model_b) for pair, model_a, model_b in design.pairs]

    def battle_rows() -> Iterator[tuple[object, ...]]:
        for i, place in enumerate(position.tolist()):
            pair, model_a, model_b = pairs[place]
            prompt = design.prompts[place][(i // len(pairs)) % N_PROMPTS]
            sides = (design.generation[model_a, prompt].hex, design.generation[model_b, prompt].hex)
            yield (f"{i + 1:032x}", study.hex, pair, prompt.hex, *sides, raters[i % N_RATERS], bool(is_left[i]), at, at)

    def vote_rows() -> Iterator[tuple[object, ...]]:
        for i in range(N_VOTES):
            yield (f"{i + 1:032x}", f"{i + 1:032x}", "tie" if is_tie[i] else ("model_a" if wins[i] else "model_b"), at)

    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(
            "INSERT INTO account (id, name, role, origin, is_blocked, created_at) "
            "VALUES (?, ?, 'rater', 'bench', 0, ?)",
            [(id_, f"rater {id_}", at) for id_ in raters],
        )
        connection.executemany(
            "INSERT INTO battle (id, experiment_id, pair_id, prompt_id, generation_a_id, generation_b_id, rater_id, "
            "is_a_left, status, purpose, propensity, assigned_at, shown_at, n_revisions) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'voted', 'normal', 0.001, ?, ?, 1)",
            battle_rows(),
        )
        connection.executemany(
            "INSERT INTO vote (id, battle_id, criterion, revision, act, outcome, weight, voted_at, input, is_staff, "
            "is_late, comment) VALUES (?, ?, 'overall', 0, 'vote', ?, 1, ?, 'screen', 0, 0, '')",
            vote_rows(),
        )
        counts = np.bincount(position, minlength=len(pairs)).tolist()
        connection.executemany(
            "UPDATE pair SET n_taken = ?, n_votes = ? WHERE id = ?",
            [(n, n, pair[0]) for n, pair in zip(counts, pairs, strict=True)],
        )
    connection.close()


def measure(study: UUID, allocation: str) -> None:
    """The time of many draws, each as a part of a vote's transaction; plans are made meanwhile as in the app."""
    from app.services import drawing, plans
    from app.services.design import get_design
    from app.services.history import get_history
    from db import battles, experiments
    from db.engine import database

    design, took, cpu, planned = get_design(study), [], [], 0
    with database().read() as session:
        rules = experiments.get_experiment(session, experiment_id=study)._asdict() | {"allocation": allocation}
    plans._kept.clear()
    begin = time.perf_counter()
    for number in range(N_DRAWS):
        rater = UUID(int=1 + number % 50)
        mine = {"rater_id": rater, "experiment_id": study}
        with database().act() as session:
            n_served = battles.count_served(session, **mine).n_served
            history = get_history(session, design, **mine, n_served=n_served)
            start, worked = time.perf_counter(), time.thread_time()
            drawn = drawing.draw_battle(session, design, rules, history)
            took.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (time.thread_time() - worked))
            assert drawn is not None
            history.n_battles -= 1  # the battle itself is not stored here
        planned += plans._kept[study].plan is not None if study in plans._kept else 0
        time.sleep(0.004)  # so that it lasts for several readings of the counts, as votes would
    plans.settle(study)
    seconds = time.perf_counter() - begin
    print(
        f"{allocation:10} {' '.join(f'{x:6.2f}' for x in (*np.percentile(took, [50, 95, 99]), max(took)))}   "
        f"{' '.join(f'{x:6.2f}' for x in (*np.percentile(cpu, [50, 95, 99]), max(cpu)))}   "
        f"{planned / N_DRAWS:5.0%}   {N_DRAWS} draws in {seconds:.0f} s",
        flush=True,
    )


def time_plan(study: UUID, allocation: str) -> None:
    """What a plan costs, in the thread where nobody waits for it."""
    from app.sampling._registry import find_learning
    from app.services.design import get_design
    from app.services.plans import read_evidence
    from app.settings import get_settings

    begin = time.perf_counter()
    evidence, _ = read_evidence(get_settings().database_url, study, get_design(study))
    read = time.perf_counter() - begin
    strategy = find_learning(allocation)
    assert strategy is not None
    begin = time.perf_counter()
    strategy.plan(evidence, np.random.default_rng(1))
    print(f"{allocation:10} {read:6.2f} s to count the votes, {1000 * (time.perf_counter() - begin):6.1f} ms to plan")


def main() -> None:
    from app.sampling._registry import get_strategies

    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
        os.environ["BAKEOFF_DATA"] = folder
        study = make_study()
        begin = time.perf_counter()
        fill(Path(folder) / "bakeoff.db", study)
        print(
            f"{M} models, {M * (M - 1) // 2:,} pairs, {N_VOTES:,} votes ({time.perf_counter() - begin:.0f} s to write)"
        )
        print(
            f"a draw, in ms (budget {BUDGET_MS}); the time of its thread is what it takes on an idle machine",
            flush=True,
        )
        print("              p50    p95    p99    max   thread: p50    p95    p99    max   with a plan")
        for allocation in get_strategies():
            measure(study, allocation)
        print("a plan, beside the raters' way:")
        for allocation in (key for key, one in get_strategies().items() if one.LEARNS):
            time_plan(study, allocation)


if __name__ == "__main__":
    main()
