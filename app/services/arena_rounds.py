"""What becomes of the two answers of an arena's battle while they are written: checked, stored, or another pair's.

The thread that writes them asks these functions; nothing here knows of time or of who looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.connectors._protocol import Counted, Reply
from app.domain import ExperimentStatus, GenerationStatus, LeakChoice, utc_now
from app.errors import InvalidInputError, NotFoundError
from app.services import leak_check
from app.services.arena_draw import ALIVE_S, start_round
from app.services.arena_rest import BROKEN_OFF, HARMLESS, LEAK
from app.services.asking import AskedModel, answered_replies, asked_model, status_of, total
from app.services.leak_check import Checked, Watch
from app.services.models import cost_of
from app.study import Arena, arena_of
from db import arena, arena_faults, battles, experiments, models
from db.engine import Session, database

SHORTEST_NAME = 80
MOST_ROUNDS = 4  # pairs that one prompt is tried with


@dataclass(frozen=True, slots=True)
class PlannedSide:
    """One model that answers: what it has answered so far, and ``problem`` if it can't even be asked."""

    generation_id: UUID
    model_id: UUID
    model: AskedModel | None
    problem: str
    replies: tuple[Reply, ...]
    watch: Watch
    concurrency: int
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the writing of a battle's answers needs to know; ``sides`` are a and b, ``texts`` what the rater said."""

    battle_id: UUID
    experiment_id: UUID
    prompt_id: UUID
    rater_id: UUID
    is_a_left: bool
    lease_minutes: int
    texts: tuple[str, ...]
    sides: tuple[PlannedSide, PlannedSide]
    rules: Arena
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Written:
    """How far a side has come; ``problem`` is why it can't be shown, blank where all is well so far.

    ``unfinished`` is what was counted of a turn that was asked and broke off, None where there is no such turn.
    """

    replies: tuple[Reply, ...]
    text: str = ""
    problem: str = ""
    unfinished: Counted | None = None


def load_plan(battle_id: UUID) -> Plan:
    """All about a battle whose answers are to be written."""
    with database().read() as session:
        row = arena.get_battle(session, battle_id=battle_id)
        sides = arena.list_sides(session, battle_id=battle_id)
        watches = leak_check.load_watches(session, [side.id for side in sides])
        allowed = models.list_allowed_addresses(session)
    first, second = (_planned(side, watches[side.id]) for side in sides)
    return Plan(
        battle_id=row.id,
        experiment_id=row.experiment_id,
        prompt_id=row.prompt_id,
        rater_id=row.rater_id,
        is_a_left=row.is_a_left,
        lease_minutes=row.lease_minutes,
        texts=tuple(message["content"] for message in row.messages),
        sides=(first, second),
        rules=arena_of(row.arena),
        allowed=frozenset(allowed),
    )


def _planned(row: Any, watch: Watch) -> PlannedSide:
    model, problem = None, ""
    try:
        model = asked_model(row)
    except (InvalidInputError, NotFoundError) as error:
        problem = str(error)
    replies = answered_replies(row)
    return PlannedSide(row.generation_id, row.id, model, problem, replies, watch, row.concurrency, row.per_minute)


def names_maker(plan: Plan, side: PlannedSide, text: str) -> bool:
    """Whether a text, whole or not yet, says who wrote it and may therefore not be shown."""
    if side.watch.choice == LeakChoice.KEEP:
        return False
    return bool(leak_check.find_leaks(side.watch, "\n".join(plan.texts), _parts([text])))


def longest_name(plan: Plan) -> int:
    """How many characters the end of a growing answer must have before all before it is known to name nobody."""
    makers = [side.watch.maker for side in plan.sides]
    names = [name for maker in makers for name in (maker.name, maker.organisation, maker.provider_id)]
    phrases = [phrase for side in plan.sides for phrase in side.watch.phrases]
    return max(SHORTEST_NAME, *(len(name) + 20 for name in (*names, *phrases)))


def checkpoint(written: Sequence[tuple[UUID, Sequence[str]]], held: Sequence[UUID]) -> set[UUID]:
    """Store how far these generations are, and say that these battles are being worked on.

    Returns those battles of which raters may not be shown an answer any more that was whole.
    """
    rows = [{"generation": generation_id, "written": _parts(texts)} for generation_id, texts in written]
    with database().write() as session:
        arena.checkpoint(session, written=rows, held=held, until=utc_now() + timedelta(seconds=ALIVE_S))
        return arena.find_taken_out(session, battle_ids=held)


def _parts(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def settle(plan: Plan, written: Sequence[Written]) -> list[str]:
    """Store both whole answers if both can be shown; else nothing, and why each can't, blank where it can."""
    rows = [_columns(plan, side, one) for side, one in zip(plan.sides, written, strict=True)]
    problems = [row["error"] for row in rows]
    if not any(problems):
        with database().write() as session:
            arena.settle(session, rows=rows)
    return problems


def open_for_votes(plan: Plan) -> None:
    """All is on the screen: from now on the battle can be judged."""
    now = utc_now()
    with database().write() as session:
        until = now + timedelta(minutes=plan.lease_minutes)
        arena.hold(session, battle_id=plan.battle_id, lease_until=until, shown_at=now)


def swap(plan: Plan, written: Sequence[Written]) -> UUID | None:
    """Store why a pair gave no two answers that can be shown, and draw another one for the same prompt.

    None when there is none, or the arena goes no further. The side that did nothing wrong is stored as broken off.
    """
    rows = [_columns(plan, side, one) for side, one in zip(plan.sides, written, strict=True)]
    with database().write() as session:
        battles.lock_voting(session, experiment_id=plan.experiment_id)
        _close(session, plan, rows)
        study = experiments.get_experiment(session, experiment_id=plan.experiment_id)
        latest = arena.find_round(session, rater_id=plan.rater_id, experiment_id=plan.experiment_id)
        number, is_latest = latest.n_rounds, latest.id == plan.battle_id  # else the rater has begun anew elsewhere
        may_go_on = is_latest and study.status == ExperimentStatus.RUNNING and not is_spent(session, study)
        if number >= MOST_ROUNDS or not may_go_on:
            return None
        faulty = arena_faults.list_faulty_models(session, prompt_id=plan.prompt_id, harmless=HARMLESS)
        return start_round(
            session, study, rater_id=plan.rater_id, prompt_id=plan.prompt_id, number=number, without=faulty
        )


def give_up(plan: Plan, written: Sequence[Written], reason: str) -> None:
    """Store that the writing was broken off for ``reason``, one of HARMLESS."""
    rows = [
        _columns(plan, side, replace(one, problem=one.problem or reason))
        for side, one in zip(plan.sides, written, strict=True)
    ]
    with database().write() as session:
        battles.lock_voting(session, experiment_id=plan.experiment_id)
        _close(session, plan, rows)


def _close(session: Session, plan: Plan, rows: Sequence[Mapping[str, Any]]) -> None:
    arena.settle(session, rows=rows)
    if (pair_id := arena.close_round(session, battle_id=plan.battle_id)) is not None:
        battles.count_pair(session, pair_id=pair_id, taken=-1, votes=0)


def is_spent(session: Session, study: Any) -> bool:
    """Whether an arena has spent what it may."""
    most = arena_of(study.arena).most_cost
    return most is not None and arena.sum_costs(session, prompt_set_id=study.prompt_set_id) >= most


def _columns(plan: Plan, side: PlannedSide, written: Written) -> dict[str, Any]:
    """What is stored of a side: its whole answer, or what came of it and why it can't be shown."""
    replies = written.replies
    parts = _parts([reply.text for reply in replies] + ([written.text] if written.text else []))
    status, error = status_of(replies) if replies else (GenerationStatus.OK, "")
    checked = Checked(status, [], parts, None)
    if written.problem:
        error, checked = written.problem[:2000], checked._replace(status=GenerationStatus.FAILED)
    elif status == GenerationStatus.OK and len(replies) < len(plan.texts):
        error, checked = BROKEN_OFF, checked._replace(status=GenerationStatus.FAILED)
    elif status == GenerationStatus.OK:
        checked = leak_check.check(side.watch, "\n".join(plan.texts), parts)
        error = LEAK if checked.leaks and side.watch.choice != LeakChoice.KEEP else ""
    return {
        "generation_id": side.generation_id,
        **checked._asdict(),
        "error": error,
        "latency_ms": sum(one.latency_ms for one in replies) if replies else None,
        "first_token_ms": replies[0].first_token_ms if replies else None,
        **_spent(side, written),
        "ready_at": utc_now() if checked.status == GenerationStatus.OK else None,
    }


def _spent(side: PlannedSide, written: Written) -> dict[str, Any]:
    """The tokens of a side, each None where some are unknown, and what those cost that its endpoint counted."""
    model, begun = side.model, written.unfinished
    if model is None or (begun is None and not written.replies):  # it was never asked
        return {"input_tokens": None, "output_tokens": None, "cost": 0.0}
    counts = [(one.input_tokens, one.output_tokens) for one in written.replies]
    costs = [
        cost_of(model.input_price, model.output_price, total([n for n, _ in counts]), total([n for _, n in counts]))
    ]
    if begun is not None:
        counts.append((begun.input_tokens, begun.output_tokens))
        # What broke off is charged as far as it went, so either count says something by itself.
        costs += [cost_of(model.input_price, None, begun.input_tokens, None)]
        costs += [cost_of(None, model.output_price, None, begun.output_tokens)]
    known = [cost for cost in costs if cost is not None]
    return {
        "input_tokens": total([n for n, _ in counts]),
        "output_tokens": total([n for _, n in counts]),
        "cost": sum(known) if known else None,
    }
