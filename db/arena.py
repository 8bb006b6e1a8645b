"""Arenas: what raters asked, and the two answers that are being written or were written for each of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, case, func, insert, or_, select, update
from sqlmodel import Session

from app.domain import BattleStatus, ExperimentStatus, GenerationStatus, Kind
from app.errors import NotFoundError
from db.tables import Battle, Experiment, Generation, Model, Pair, Prompt, Vote, tables_of

battle, experiment, generation, model, pair, prompt, vote = tables_of(
    Battle, Experiment, Generation, Model, Pair, Prompt, Vote
)
_a, _b = generation.alias("a"), generation.alias("b")
_before = battle.alias("before")
_OPEN_TO_RATERS = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)
_ROUND = (
    select(
        battle.c.id,
        battle.c.status,
        battle.c.is_a_left,
        battle.c.pair_id,
        battle.c.prompt_id,
        battle.c.lease_until,
        battle.c.generation_a_id,
        battle.c.generation_b_id,
        prompt.c.messages,
        _a.c.parts.label("parts_a"),
        _b.c.parts.label("parts_b"),
        _a.c.status.label("status_a"),
        _b.c.status.label("status_b"),
        select(func.count())
        .where(
            _before.c.rater_id == bindparam("rater_id"),
            _before.c.experiment_id == bindparam("experiment_id"),
            _before.c.prompt_id == battle.c.prompt_id,
        )
        .correlate(battle)
        .scalar_subquery()
        .label("n_rounds"),
    )
    .select_from(
        battle.join(prompt, battle.c.prompt_id == prompt.c.id)
        .join(_a, battle.c.generation_a_id == _a.c.id)
        .join(_b, battle.c.generation_b_id == _b.c.id)
    )
    .where(battle.c.rater_id == bindparam("rater_id"), battle.c.experiment_id == bindparam("experiment_id"))
    .order_by(battle.c.id.desc())
    .limit(1)
)


def find_study(session: Session, *, experiment_id: UUID | None) -> Row[Any] | None:
    """The experiment if it is an arena; without an id the open arena that started last, running ones first."""
    wanted = select(*experiment.c).where(experiment.c.kind == Kind.ARENA)
    if experiment_id is not None:
        return session.execute(wanted.where(experiment.c.id == experiment_id)).one_or_none()
    is_paused = case((experiment.c.status == ExperimentStatus.RUNNING, 0), else_=1)
    newest = wanted.where(experiment.c.status.in_(_OPEN_TO_RATERS)).order_by(is_paused, experiment.c.started_at.desc())
    return session.execute(newest.limit(1)).one_or_none()


def find_round(session: Session, *, rater_id: UUID, experiment_id: UUID) -> Any:
    """The battle that this rater was served last, with what it shows; ``n_rounds`` is how many its prompt had."""
    return session.execute(_ROUND, {"rater_id": rater_id, "experiment_id": experiment_id}).first()


def count_voted(session: Session, *, rater_id: UUID, experiment_id: UUID) -> int:
    """How many battles of an arena this rater voted on."""
    wanted = select(func.count()).where(
        battle.c.rater_id == rater_id,
        battle.c.experiment_id == experiment_id,
        battle.c.status == BattleStatus.VOTED,
    )
    return int(session.execute(wanted).scalar_one())


def get_names(session: Session, *, battle_id: UUID) -> Row[Any]:
    """Who made the two sides (name_a, name_b, version_a, version_b), and the live vote's act and outcome."""
    model_a, model_b = model.alias("ma"), model.alias("mb")
    wanted = (
        select(
            model_a.c.name.label("name_a"),
            model_b.c.name.label("name_b"),
            model_a.c.version.label("version_a"),
            model_b.c.version.label("version_b"),
            vote.c.act,
            vote.c.outcome,
        )
        .select_from(
            battle.join(pair, battle.c.pair_id == pair.c.id)
            .join(model_a, pair.c.model_a_id == model_a.c.id)
            .join(model_b, pair.c.model_b_id == model_b.c.id)
            .join(vote, vote.c.battle_id == battle.c.id)
        )
        .where(battle.c.id == battle_id, vote.c.superseded_by.is_(None), vote.c.criterion == "overall")
    )
    return session.execute(wanted).one()


# ------------------------------------------------------------------------------------------------ asking


def add_prompt(session: Session, *, prompt_id: UUID, prompt_set_id: UUID, text: str, content_hash: str) -> None:
    """Store what a rater asked as the last prompt of the arena's set."""
    last = select(func.coalesce(func.max(prompt.c.position), -1) + 1).where(prompt.c.prompt_set_id == prompt_set_id)
    session.execute(
        insert(prompt).values(
            id=prompt_id,
            prompt_set_id=prompt_set_id,
            external_id=str(prompt_id),
            position=session.execute(last).scalar_one(),
            messages=[{"role": "user", "content": text}],
            reference=None,
            tags={},
            attachments=[],
            content_hash=content_hash,
        )
    )


def set_messages(
    session: Session, *, prompt_id: UUID, messages: Sequence[Mapping[str, str]], content_hash: str
) -> None:
    """Store what a rater asked further."""
    session.execute(
        update(prompt).where(prompt.c.id == prompt_id).values(messages=list(messages), content_hash=content_hash)
    )


def ask_again(session: Session, *, generation_ids: Iterable[UUID], now: datetime) -> int:
    """Note that answers are being continued; returns how many of them there still are to continue."""
    done = session.execute(
        update(generation)
        .where(generation.c.id.in_(list(generation_ids)), generation.c.status == GenerationStatus.OK)
        .values(status=GenerationStatus.ASKING, asked_at=now, ready_at=None)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def hold(session: Session, *, battle_id: UUID, lease_until: datetime, shown_at: datetime | None = None) -> None:
    """Keep a battle for its rater until then; ``shown_at`` is when it could first be judged, where that is now."""
    values = {"lease_until": lease_until} | ({"shown_at": shown_at} if shown_at else {})
    session.execute(update(battle).where(battle.c.id == battle_id).values(values))


def close_round(session: Session, *, battle_id: UUID) -> UUID | None:
    """End a battle that nobody will judge; returns its pair if it still held a place of the pair's quota."""
    was_open = session.execute(
        update(battle)
        .where(battle.c.id == battle_id, battle.c.status == BattleStatus.OPEN)
        .values(status=BattleStatus.EXPIRED, lease_until=None)
        .returning(battle.c.pair_id)
    ).scalar_one_or_none()
    if was_open is None:  # its lease ran out, so its place was given back already
        session.execute(
            update(battle)
            .where(battle.c.id == battle_id, battle.c.status == BattleStatus.EXPIRED)
            .values(lease_until=None)
        )
    return was_open


def list_sides(session: Session, *, battle_id: UUID) -> list[Row[Any]]:
    """The two sides of a battle, a first: the generation's columns, and its model's as what it is asked with."""
    return list(
        session.execute(
            select(
                generation.c.id.label("generation_id"),
                generation.c.status,
                generation.c.parts,
                generation.c.input_tokens,
                generation.c.output_tokens,
                generation.c.latency_ms,
                generation.c.first_token_ms,
                *(column for column in model.c if column.name not in ("created_at", "archived_at", "card")),
            )
            .select_from(
                battle.join(
                    generation,
                    or_(battle.c.generation_a_id == generation.c.id, battle.c.generation_b_id == generation.c.id),
                ).join(model, generation.c.model_id == model.c.id)
            )
            .where(battle.c.id == battle_id)
            .order_by(case((battle.c.generation_a_id == generation.c.id, 0), else_=1))
        )
    )


def get_battle(session: Session, *, battle_id: UUID) -> Row[Any]:
    """A battle with its prompt's messages and its experiment's rules; raises NotFoundError."""
    row = session.execute(
        select(
            battle.c.id,
            battle.c.experiment_id,
            battle.c.prompt_id,
            battle.c.rater_id,
            battle.c.is_a_left,
            battle.c.status,
            prompt.c.messages,
            experiment.c.lease_minutes,
            experiment.c.arena,
        )
        .select_from(
            battle.join(prompt, battle.c.prompt_id == prompt.c.id).join(
                experiment, battle.c.experiment_id == experiment.c.id
            )
        )
        .where(battle.c.id == battle_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError("There is no such battle.")
    return row


_TAKEN_OUT = (GenerationStatus.FLAGGED, GenerationStatus.DROPPED, GenerationStatus.WITHDRAWN)
_STORE_PARTS = (
    update(generation)
    .where(generation.c.id == bindparam("generation"), generation.c.status == GenerationStatus.ASKING)
    .values(parts=bindparam("written"))
)
_HOLD = update(battle).where(battle.c.id == bindparam("battle")).values(lease_until=bindparam("until"))


def checkpoint(
    session: Session, *, written: Sequence[Mapping[str, Any]], held: Iterable[UUID], until: datetime
) -> None:
    """Store what was written so far ({generation, written}), and that these battles are being worked on."""
    if written:
        session.execute(_STORE_PARTS, list(written))
    if held := list(held):
        session.execute(_HOLD, [{"battle": battle_id, "until": until} for battle_id in held])


def find_taken_out(session: Session, *, battle_ids: Collection[UUID]) -> set[UUID]:
    """Those of these battles of which an answer was whole and may not be shown any more."""
    is_one = or_(generation.c.id == battle.c.generation_a_id, generation.c.id == battle.c.generation_b_id)
    rows = session.execute(
        select(battle.c.id)
        .join(generation, is_one)
        .where(battle.c.id.in_(list(battle_ids)), generation.c.status.in_(_TAKEN_OUT))
    )
    return set(rows.scalars())


def settle(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store what became of generations; each row has ``generation_id`` and the columns to set.

    What was taken out since it was whole stays so.
    """
    for row in rows:
        values = {name: value for name, value in row.items() if name != "generation_id"}
        is_this = (generation.c.id == row["generation_id"], generation.c.status.not_in(_TAKEN_OUT))
        session.execute(update(generation).where(*is_this).values(values))


# ------------------------------------------------------------------------------------------------ limits and troubles


def list_asked(session: Session, *, rater_id: UUID, experiment_id: UUID, since: datetime) -> list[Row[Any]]:
    """The prompts of a rater that were asked about since then: rows (messages, n_rounds, first_at)."""
    return list(
        session.execute(
            select(
                prompt.c.messages,
                func.count(battle.c.id).label("n_rounds"),
                func.min(battle.c.assigned_at).label("first_at"),
            )
            .select_from(
                battle.join(prompt, battle.c.prompt_id == prompt.c.id).join(
                    generation, battle.c.generation_a_id == generation.c.id
                )
            )
            .where(
                battle.c.rater_id == rater_id,
                battle.c.experiment_id == experiment_id,
                or_(battle.c.assigned_at > since, generation.c.asked_at > since),
            )
            .group_by(prompt.c.id)
        )
    )


def sum_costs(session: Session, *, prompt_set_id: UUID) -> float:
    """What all answers of an arena cost, as far as that is known."""
    wanted = (
        select(func.coalesce(func.sum(generation.c.cost), 0.0))
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(prompt.c.prompt_set_id == prompt_set_id)
    )
    return float(session.execute(wanted).scalar_one())


def count_unknown_costs(session: Session, *, prompt_set_id: UUID) -> int:
    """How many answers that broke off cost something that their endpoint never told; one never asked cost nothing."""
    has_price = or_(model.c.input_price > 0, model.c.output_price > 0)
    is_untold = or_(generation.c.input_tokens.is_(None), generation.c.output_tokens.is_(None))
    wanted = (
        select(func.count())
        .select_from(
            generation.join(prompt, generation.c.prompt_id == prompt.c.id).join(
                model, generation.c.model_id == model.c.id
            )
        )
        .where(
            prompt.c.prompt_set_id == prompt_set_id,
            generation.c.status == GenerationStatus.FAILED,
            has_price,
            is_untold,
            or_(generation.c.cost.is_(None), generation.c.cost > 0),
        )
    )
    return int(session.execute(wanted).scalar_one())
