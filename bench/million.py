"""A database with a study of many votes, for measuring: by default 1,000,000 of 100 models by 20,000 raters.

    python bench/million.py URL [N_VOTES] [N_MODELS]

Models, prompts and the study are made by Bakeoff itself; battles and votes are written in bulk, as raters would have
left them: strengths from a normal law, 15 % ties, 10 % both bad, raters of unequal diligence, times over 90 days.
"""

from __future__ import annotations

import io
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from app.domain import Act, BattleStatus, ExperimentStatus, Input, Outcome, Purpose, Role
from app.services import generations, prompt_sets
from db import experiments, models
from db.columns import new_id
from db.engine import Database, open_database
from db.migrate import migrate
from db.tables import Account, Battle, Pair, Prompt, Vote, tables_of

account, battle, pair, prompt, vote = tables_of(Account, Battle, Pair, Prompt, Vote)
OUTCOMES = np.array([Outcome.MODEL_A, Outcome.MODEL_B, Outcome.TIE, Outcome.BOTH_BAD])
CATEGORIES = ("writing", "coding", "maths", "roleplay", "reasoning")
LANGUAGES = ("English", "German", "Chinese")
CHUNK = 50_000
START = datetime(2026, 8, 1, tzinfo=UTC)


def fill(url: str, *, n_votes: int = 1_000_000, n_models: int = 100, n_raters: int = 20_000) -> str:
    """Fill the database behind ``url`` and return the key of its study."""
    store, rng = open_database(url), np.random.default_rng(7)
    migrate(store)
    set_id = add_prompts(2000)
    add_models(n_models)
    with store.write() as session:
        study = experiments.add_experiment(
            session, key="million", title="A million votes", status=ExperimentStatus.COMPLETED, prompt_set_id=set_id,
            votes_per_pair=1_000_000, min_dwell_ms=0, is_simulated=True, created_at=START, started_at=START,
            ended_at=START + timedelta(days=90), stop_reason="the end of the simulation",
        )  # fmt: skip
        model_ids = list(models.list_model_names(session).values())[:n_models]
        experiments.set_arms(session, experiment_id=study.id, model_ids=model_ids)
        raters = [new_id() for _ in range(n_raters)]
        session.execute(sa.insert(account), [
            {"id": id_, "name": f"sim-{i}", "role": Role.RATER, "origin": "simulated", "experiment_id": study.id,
             "is_blocked": True, "created_at": START} for i, id_ in enumerate(raters)
        ])  # fmt: skip
        a, b = np.triu_indices(n_models, 1)
        rows = [
            {"id": new_id(), "experiment_id": study.id, "position": i, "model_a_id": model_ids[j],
             "model_b_id": model_ids[k], "n_taken": 0, "n_votes": 0}
            for i, (j, k) in enumerate(zip(a, b, strict=True))
        ]  # fmt: skip
        experiments.add_pairs(session, rows=rows)
        prompts = list(session.execute(sa.select(prompt.c.id).order_by(prompt.c.position)).scalars())
    pairs = [row["id"] for row in rows]
    drawn = draw(rng, n_votes, n_models, (a, b), (len(raters), len(prompts)))
    for at in range(0, n_votes, CHUNK):
        write(store, study.id, slice(at, min(at + CHUNK, n_votes)), drawn, (pairs, raters, prompts))
    with store.write() as session:
        n = np.bincount(drawn["pair"], minlength=len(pairs))
        changed = [{"of": id_, "n": int(k)} for id_, k in zip(pairs, n, strict=True)]
        session.connection().execute(
            sa.update(pair).where(pair.c.id == sa.bindparam("of")).values(
                n_taken=sa.bindparam("n"), n_votes=sa.bindparam("n")
            ), changed,
        )  # fmt: skip
    return "million"


def add_votes(url: str, n: int) -> None:
    """So many more votes, cast now."""
    store, rng = open_database(url), np.random.default_rng()
    with store.read() as session:
        study = next(row.id for row in experiments.list_experiments(session) if row.key == "million")
        pairs = [row.id for row in experiments.list_pairs(session, experiment_id=study)]
        n_models = len(experiments.list_arms(session, experiment_id=study))
        raters = list(session.execute(sa.select(account.c.id).where(account.c.experiment_id == study)).scalars())
        prompts = list(session.execute(sa.select(prompt.c.id).order_by(prompt.c.position)).scalars())
    drawn = draw(rng, n, n_models, np.triu_indices(n_models, 1), (len(raters), len(prompts)))
    drawn["at"] = np.full(n, (datetime.now(UTC) - START).total_seconds())
    write(store, study, slice(0, n), drawn, (pairs, raters, prompts))


def add_prompts(n: int) -> Any:
    lines = (
        json.dumps({"id": f"p{i}", "prompt": f"Question number {i}?",
                    "tags": {"category": CATEGORIES[i % 5], "language": LANGUAGES[i % 3]}})
        for i in range(n)
    )  # fmt: skip
    stream = io.BytesIO("\n".join(lines).encode())
    return prompt_sets.import_prompts(None, stream, name="Simulated questions").id


def add_models(n: int) -> None:
    lines = (json.dumps({"name": f"sim-{i:03d}", "organisation": f"Maker {i % 12}"}) for i in range(n))
    generations.import_models(None, io.BytesIO("\n".join(lines).encode()))


def draw(rng: Any, n: int, n_models: int, ends: Any, sizes: tuple[int, int]) -> dict[str, Any]:
    """The votes as columns of codes."""
    theta = np.sort(rng.normal(0, 0.8, n_models))[::-1]
    at = rng.integers(len(ends[0]), size=n)
    p = 1 / (1 + np.exp(theta[ends[1][at]] - theta[ends[0][at]]))
    kind = rng.random(n)
    outcome = np.where(kind < 0.15, 2, np.where(kind < 0.25, 3, np.where(rng.random(n) < p, 0, 1)))
    diligence = rng.pareto(1.5, sizes[0]) + 0.2
    return {
        "pair": at,
        "outcome": outcome,
        "rater": rng.choice(sizes[0], size=n, p=diligence / diligence.sum()),
        "prompt": rng.integers(sizes[1], size=n),
        "is_a_left": rng.random(n) < 0.5,
        "at": np.sort(rng.random(n)) * 90 * 86400,
        "dwell": rng.gamma(2.0, 6000, n).astype(int) + 800,
    }


def write(store: Database, study: Any, part: slice, drawn: Any, ids: Any) -> None:
    """Store one stretch of the votes with their battles."""
    pairs, raters, prompts = ids
    battles, votes = [], []
    columns = zip(*(drawn[name][part].tolist() for name in drawn), strict=True)
    for which, outcome, rater, asked, is_a_left, seconds, dwell in columns:
        at, battle_id = START + timedelta(seconds=seconds), new_id()
        battles.append({
            "id": battle_id, "experiment_id": study, "pair_id": pairs[which], "prompt_id": prompts[asked],
            "rater_id": raters[rater], "is_a_left": is_a_left, "status": BattleStatus.VOTED,
            "purpose": Purpose.IMPORTED, "assigned_at": at, "shown_at": at, "n_revisions": 1,
        })  # fmt: skip
        votes.append({
            "id": new_id(), "battle_id": battle_id, "criterion": "overall", "revision": 0, "act": Act.VOTE,
            "outcome": OUTCOMES[outcome], "weight": 1, "voted_at": at, "dwell_ms": dwell, "input": Input.SIMULATED,
            "is_staff": False, "is_late": False, "comment": "",
        })  # fmt: skip
    with store.write() as session:
        session.connection().execute(sa.insert(battle), battles)
        session.connection().execute(sa.insert(vote), votes)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    import os

    os.environ["BAKEOFF_DATABASE_URL"] = sys.argv[1]
    began = time.perf_counter()
    sizes = dict(zip(("n_votes", "n_models"), map(int, sys.argv[2:]), strict=False))
    print(fill(sys.argv[1], **sizes), f"{time.perf_counter() - began:.0f} s")
