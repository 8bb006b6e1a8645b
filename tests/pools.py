"""Studies for tests of boards that pool several: some people voted in two of them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import delete, insert, select, update

from app.domain import utc_now
from app.services import experiments, prompt_sets, vote_files
from app.services.experiments import ExperimentSummary
from app.study import Ending
from db.columns import new_id
from db.engine import database
from db.tables import Account, Battle, Participation, tables_of
from tests.studies import jsonl

account, battle, taking_part = tables_of(Account, Battle, Participation)
Rows = list[dict[str, Any]]
N_RATERS, N_PROMPTS = 12, 11
START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def votes_on(models: Sequence[str], *, seed: int, n: int = 240, every_min: int = 7, is_timed: bool = True) -> Rows:
    """Votes of r00 to r11 on p0 to p10; the earlier of two models in the alphabet tends to win, ties and all."""
    rng, rows = np.random.default_rng(seed), Rows()
    for k in range(n):
        i, j = rng.choice(len(models), 2, replace=False).tolist()
        outcome = rng.choice(["tie", "both_bad"]) if rng.random() < 0.2 else None
        is_first = rng.random() < 1 / (1 + np.exp(-(ord(models[j][0]) - ord(models[i][0])) / 3))
        rows.append(
            {
                "left": models[i],
                "right": models[j],
                "winner": outcome or ("left" if is_first else "right"),
                "rater": f"r{k % N_RATERS:02}",
                "prompt_id": f"p{rng.integers(N_PROMPTS)}",
            }
            | ({"voted_at": (START + timedelta(minutes=every_min * k + seed)).isoformat()} if is_timed else {})
        )
    return rows


def add_prompts() -> UUID:
    """The prompts of all rows, half of them of one category."""
    rows = [{"id": f"p{i}", "prompt": f"Ask {i}?", "tags": {"category": "ab"[i % 2]}} for i in range(N_PROMPTS)]
    return prompt_sets.import_prompts(None, jsonl(*rows), name="Shared").id


def import_rows(rows: Rows, title: str, **options: Any) -> UUID:
    """Rows as a study of their own."""
    stream = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    return vote_files.import_votes(None, stream, title=title, **options).experiment_id


def two_studies(**options: Any) -> tuple[UUID, UUID, Rows]:
    """“Trees” on Ash, Birch and Cedar, “Woods” on Birch, Cedar and Dune, by the same people; and all their rows."""
    trees, woods = votes_on(("Ash", "Birch", "Cedar"), seed=1), votes_on(("Birch", "Cedar", "Dune"), seed=2, n=180)
    prompt_set = add_prompts()
    a, b = (
        import_rows(rows, title, prompt_set_id=prompt_set, **options)
        for rows, title in ((trees, "Trees"), (woods, "Woods"))
    )
    same_people(a, b)
    return a, b, sorted(trees + woods, key=lambda row: str(row["voted_at"]))


def raters_of(experiment_id: UUID) -> list[UUID]:
    """The accounts of a study's raters in the order of a file."""
    with database().read() as session:
        rows = session.execute(select(account.c.id, account.c.name).where(account.c.experiment_id == experiment_id))
        return [row.id for row in sorted(rows, key=lambda row: int(row.name.rpartition(".")[2]))]


def same_people(a: UUID, b: UUID) -> None:
    """Let the raters of b be those of a, one by one, as people who voted in both."""
    with database().write() as session:
        for own, other in zip(raters_of(a), raters_of(b), strict=True):
            session.execute(update(battle).where(battle.c.rater_id == other).values(rater_id=own))
            session.execute(delete(account).where(account.c.id == other))


def take_part(experiment_id: UUID, rater: UUID, *, panel: str = "", ended_as: Ending | None = None) -> None:
    """That a rater came by a panel, or that the study ended for them so."""
    with database().write() as session:
        session.execute(
            insert(taking_part).values(
                id=new_id(),
                experiment_id=experiment_id,
                account_id=rater,
                panel=panel,
                external_id=rater.hex if panel else "",
                panel_values={},
                created_at=utc_now(),
                ended_at=utc_now() if ended_as else None,
                ended_as=ended_as,
            )
        )


def listed(experiment_id: UUID) -> ExperimentSummary:
    """A study as lists have it."""
    return next(row for row in experiments.list_experiments(None) if row.id == experiment_id)
