"""What results look up by battle: texts, what was said, comments and reasons; always a page, or what an index holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlmodel import Session

from app.domain import Act, GenerationStatus, Message, Outcome, Purpose
from app.study import OVERALL
from db import participation, prompt_search
from db.screens import COLUMNS, SHOWN_BY, output_a, output_b
from db.tables import Account, Battle, Experiment, Generation, Gold, Pair, Prompt, Vote, tables_of

account, battle, experiment, generation, gold, pair, prompt, vote = tables_of(
    Account, Battle, Experiment, Generation, Gold, Pair, Prompt, Vote
)
_before = battle.alias("before")
_LIVE = (vote.c.superseded_by.is_(None), vote.c.act != Act.UNDO)
# A waiting output has no text yet, and one that failed never got one.
_HAS_TEXT = (GenerationStatus.OK, GenerationStatus.FLAGGED, GenerationStatus.DROPPED, GenerationStatus.WITHDRAWN,
             GenerationStatus.TRUNCATED, GenerationStatus.REFUSED)  # fmt: skip

# Nobody signs in as a rater of a file or of a simulation, so their accounts are blocked from the start.
_WAS_BLOCKED = and_(account.c.is_blocked.is_(True), account.c.origin.not_in(("import", "simulated")))


def list_battles(session: Session, *, experiment_id: UUID, battle_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """What these battles of a study showed, and to whom, by id; ``is_blocked`` where an admin blocked the rater.

    Practice is no vote, and who withdrew or was screened out is in no result: such battles are left out.
    """
    rows = session.execute(
        select(
            battle.c.id,
            battle.c.purpose,
            pair.c.model_a_id,
            pair.c.model_b_id,
            battle.c.rater_id,
            battle.c.prompt_id,
            battle.c.generation_a_id,
            battle.c.generation_b_id,
            prompt.c.external_id,
            prompt.c.tags,
            gold.c.answer.label("expected"),
            output_a.c.status.label("status_a"),
            output_b.c.status.label("status_b"),
            func.coalesce(_WAS_BLOCKED, False).label("is_blocked"),
            *COLUMNS,
        )
        .select_from(
            # A repeat takes no place in the quota of a pair and so has none of its own.
            SHOWN_BY.outerjoin(account, battle.c.rater_id == account.c.id)
            .outerjoin(_before, battle.c.repeat_of == _before.c.id)
            .outerjoin(pair, func.coalesce(battle.c.pair_id, _before.c.pair_id) == pair.c.id)
        )
        .where(
            battle.c.id.in_(battle_ids),
            battle.c.experiment_id == experiment_id,
            battle.c.purpose != Purpose.PRACTICE,
            battle.c.rater_id.is_(None) | battle.c.rater_id.not_in(participation.left_out(experiment_id)),
        )
    )
    return {row.id: row for row in rows}


def list_votes(session: Session, *, battle_ids: Sequence[UUID]) -> list[Row[Any]]:
    """The live answers to these battles, one for each criterion, with all that was said beside them."""
    return list(session.execute(select(vote).where(vote.c.battle_id.in_(battle_ids), *_LIVE).order_by(vote.c.id)))


def list_outputs(
    session: Session, *, prompt_ids: Sequence[UUID], model_ids: Sequence[UUID], shown: Collection[UUID] | None = ()
) -> dict[tuple[UUID, UUID], Row[Any]]:
    """An output (id, parts, status, error) of each of these models for each of these prompts.

    That is one of ``shown`` (None: any that raters may be shown), else one that was withdrawn, else the newest.
    """
    rows = session.execute(
        select(
            *(generation.c[name] for name in ("id", "prompt_id", "model_id", "parts", "status", "error")),
        )
        .where(
            generation.c.prompt_id.in_(prompt_ids),
            generation.c.model_id.in_(model_ids),
            generation.c.status.in_(_HAS_TEXT),
        )
        .order_by(generation.c.id)
    )

    def rank(row: Row[Any]) -> tuple[bool, bool]:
        is_shown = row.status == GenerationStatus.OK if shown is None else row.id in shown
        return is_shown, row.status == GenerationStatus.WITHDRAWN

    return {(row.prompt_id, row.model_id): row for row in sorted(rows, key=rank)}


def list_prompts(session: Session, *, prompt_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """These prompts with their texts, by id."""
    columns = (prompt.c.id, prompt.c.external_id, prompt.c.messages, prompt.c.attachments, prompt.c.tags)
    return {row.id: row for row in session.execute(select(*columns).where(prompt.c.id.in_(prompt_ids)))}


def messages_of(stored: Sequence[Mapping[str, str]] | None) -> tuple[Message, ...]:
    """The messages of a prompt as they are stored; none where nobody told what was asked."""
    return tuple(Message(one["role"], one["content"]) for one in stored or ())


def get_shows(session: Session, *, experiment_id: UUID) -> dict[str, Any]:
    """How a study shows generations, as it is stored."""
    found: dict[str, Any] = session.execute(
        select(experiment.c.shows).where(experiment.c.id == experiment_id)
    ).scalar_one()
    return found


def _commented(experiment_id: UUID) -> Select[Any]:
    """Live comments, by those whose comments may be read: who withdrew, was screened out or is blocked is left out."""
    return (
        select(battle.c.id)
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(
            vote.c.comment != "",
            vote.c.criterion == OVERALL,
            *_LIVE,
            battle.c.experiment_id == experiment_id,
            battle.c.rater_id.is_(None)
            | and_(
                battle.c.rater_id.not_in(select(account.c.id).where(_WAS_BLOCKED)),
                battle.c.rater_id.not_in(participation.left_out(experiment_id)),
            ),
        )
    )


def list_commented(session: Session, *, experiment_id: UUID, words: Sequence[str] = ()) -> list[UUID]:
    """The battles with a comment that has all the words."""
    is_sqlite = _is_sqlite(session)
    has_words = (prompt_search.has_text(vote.c.comment, word, is_sqlite=is_sqlite) for word in words)
    return list(session.execute(_commented(experiment_id).where(*has_words)).scalars())


def list_reasons(session: Session, *, experiment_id: UUID, limit: int) -> list[Row[Any]]:
    """Rows (battle_id, reasons) of live votes with reasons, the newest first."""
    return list(
        session.execute(
            select(vote.c.battle_id, vote.c.reasons)
            .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
            .where(
                vote.c.reasons.is_not(None),
                vote.c.criterion == OVERALL,
                *_LIVE,
                battle.c.experiment_id == experiment_id,
            )
            .order_by(vote.c.battle_id.desc())
            .limit(limit)
        )
    )


def list_output_cells(session: Session, *, prompt_set_id: UUID, words: Sequence[str]) -> list[Row[Any]]:
    """Rows (prompt_id, model_id) of stored outputs for this set with all the words."""
    is_sqlite = _is_sqlite(session)
    return list(
        session.execute(
            select(generation.c.prompt_id, generation.c.model_id)
            .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
            .where(
                prompt.c.prompt_set_id == prompt_set_id,
                generation.c.status.in_(_HAS_TEXT),
                *(prompt_search.has_part(generation.c.parts, word, is_sqlite=is_sqlite) for word in words),
            )
            .distinct()
        )
    )


def list_checks(
    session: Session,
    *,
    experiment_id: UUID,
    rater_id: UUID | None,
    outcomes: Sequence[Outcome] | None,
    is_skip: bool,
    has_comment: bool,
    with_staff: bool,
    since: datetime | None,
    until: datetime | None,
    order: str,
    limit: int,
    offset: int,
) -> tuple[list[UUID], int]:
    """The answered attention checks of a study that match, a page of them, and how many there are.

    ``order`` is ``newest``, ``longest`` or ``shortest``; ``outcomes`` None leaves all in.
    """
    conditions: list[ColumnElement[bool]] = [
        battle.c.gold_id.in_(select(gold.c.id).where(gold.c.experiment_id == experiment_id)),
        battle.c.purpose == Purpose.GOLD,
        vote.c.criterion == OVERALL,
        *_LIVE,
        battle.c.rater_id.not_in(participation.left_out(experiment_id)),
    ]
    if rater_id is not None:
        conditions.append(battle.c.rater_id == rater_id)
    if is_skip:
        conditions.append(vote.c.act == Act.SKIP)
    elif outcomes is not None:
        conditions.append(vote.c.outcome.in_(outcomes))
    if has_comment:
        conditions.append(battle.c.id.in_(_commented(experiment_id)))
    if not with_staff:
        conditions.append(vote.c.is_staff.is_(False))
    if since is not None:
        conditions.append(vote.c.voted_at >= since)
    if until is not None:
        conditions.append(vote.c.voted_at < until)
    dwell = func.coalesce(vote.c.dwell_ms, -1 if order == "longest" else 2**31)
    first = {"longest": dwell.desc(), "shortest": dwell.asc()}.get(order, vote.c.voted_at.desc())
    found = select(battle.c.id).select_from(vote.join(battle, vote.c.battle_id == battle.c.id)).where(*conditions)
    n: int = session.execute(select(func.count()).select_from(found.subquery())).scalar_one()
    last = max(n - 1, 0) // limit * limit  # a page behind the last one is the last one
    page = session.execute(found.order_by(first, vote.c.id.desc()).limit(limit).offset(min(offset, last)))
    return list(page.scalars()), n


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
