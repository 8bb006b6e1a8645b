"""Which two models answer what a rater asks: drawn by the arena's allocation, as pairs of studies are."""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta
from functools import partial
from random import SystemRandom
from typing import Any
from uuid import UUID

import numpy as np

from app.domain import BattleStatus, GenerationStatus, Purpose, utc_now
from app.sampling._draw import draw
from app.sampling._protocol import Moment
from app.sampling._registry import get_strategies
from app.services import arena_rest, quota
from app.services.design import get_design
from app.services.plans import get_plan
from app.stats.balance import least_used
from db import battles, experiments, models
from db.columns import new_id
from db.engine import Row, Session

ALIVE_S = 20  # how long a battle is held for answers that nobody says are still being written
_RNG = SystemRandom()  # sides and pairs must not be foreseeable by anybody


def start_round(
    session: Session, study: Any, *, rater_id: UUID, prompt_id: UUID, number: int, without: Set[UUID]
) -> UUID | None:
    """Store a battle of two models that are to answer a prompt, neither of them in ``without``; None when none can.

    Nor is one of them a model whose endpoint rests, see ``arena_rest``.
    ``number`` counts the battles that this prompt had before. The caller holds the arena's voting.
    """
    now = utc_now()
    battles.release_expired(session, experiment_id=study.id, now=now)
    pairs = experiments.list_pairs(session, experiment_id=study.id)
    resting = arena_rest.find_resting(session, prompt_set_id=study.prompt_set_id, now=now)
    drawn = _draw_pair(session, study, pairs, rater_id=rater_id, without=without | resting.keys())
    if drawn is None:
        return None
    position, propensity = drawn
    chosen = pairs[position]
    rows = [_waiting(id_, prompt_id, number, now) for id_ in (chosen.model_a_id, chosen.model_b_id)]
    models.add_generations(session, rows=rows)
    return battles.add_battle(
        session,
        experiment_id=study.id,
        rater_id=rater_id,
        pair_id=chosen.id,
        prompt_id=prompt_id,
        generation_a_id=rows[0]["id"],
        generation_b_id=rows[1]["id"],
        is_a_left=_side_of_a(session, chosen.id),
        status=BattleStatus.OPEN,
        purpose=Purpose.NORMAL,
        propensity=propensity,
        assigned_at=now,
        shown_at=now,
        lease_until=now + timedelta(seconds=ALIVE_S),
    )


def _draw_pair(
    session: Session, study: Any, pairs: list[Row], *, rater_id: UUID, without: Set[UUID]
) -> tuple[int, float] | None:
    """A pair's position and its propensity, with one vote of its quota taken."""
    design, rules = get_design(study.id, study.n_put_back), study._asdict()
    n_seen = np.zeros(len(pairs), np.int64)
    for served in battles.list_served(session, rater_id=rater_id, experiment_id=study.id):
        n_seen[design.position[served.pair_id]] += 1
    n_taken = np.array([row.n_taken for row in pairs], np.int64)
    refused = np.array([row.model_a_id in without or row.model_b_id in without for row in pairs], np.bool_)
    strategy, plan = get_strategies()[study.allocation], partial(get_plan, study.id, study.allocation, design)
    while (able := np.flatnonzero(~(refused | quota.full_pairs(rules, n_taken)))).size:
        moment = Moment(design.board, n_taken, n_seen, able, plan)
        position, propensity = draw(
            strategy, moment, exploration=study.exploration, floor_votes=study.floor_votes, rng=_RNG
        )
        if quota.take_pair(session, rules, pairs[position].id):
            return position, propensity
        refused[position] = True
    return None


def _side_of_a(session: Session, pair_id: UUID) -> bool:
    """Model a stands on the side where this pair's model a stood less often."""
    sides = battles.count_sides(session, pair_id=pair_id).values()
    n, n_left = sum(n for n, _ in sides), sum(left for _, left in sides)
    is_left, _ = least_used((True, False), {True: n_left, False: n - n_left}, {}, rng=_RNG)
    return is_left


def _waiting(model_id: UUID, prompt_id: UUID, number: int, now: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "model_id": model_id,
        "prompt_id": prompt_id,
        "part_id": None,
        "sample": number,  # both sides begin anew when a pair is replaced, the model that didn't fail too
        "settings_hash": "",
        "status": GenerationStatus.ASKING,
        "parts": [],
        "original_parts": None,
        "leaks": [],
        "error": "",
        "n_tries": 1,
        "latency_ms": None,
        "first_token_ms": None,
        "input_tokens": None,
        "output_tokens": None,
        "cost": None,
        "created_at": now,
        "asked_at": now,
        "retry_at": None,
        "ready_at": None,
    }
