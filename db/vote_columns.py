"""Votes as bare columns for the maths: the driver's own rows, a batch at a time, without an object for each vote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Dialect, Integer, String, cast, func, select, type_coerce
from sqlmodel import Session

from app.domain import Act, Purpose
from db import participation
from db.prepared import dialect_of
from db.tables import Account, Battle, Participation, Prompt, Vote, tables_of

account, battle, prompt, taking_part, vote = tables_of(Account, Battle, Prompt, Participation, Vote)
_before = battle.alias("before")
BATCH = 20_000
# What counts as a vote about the models, and repeats, which tell how far a rater agrees with themselves.
PURPOSES = (Purpose.NORMAL, Purpose.CALIBRATION, Purpose.IMPORTED, Purpose.REPEAT)
KIND = ("act", "outcome", "criterion", "purpose", "is_staff", "is_a_left")  # few combinations of all these
COLUMNS = ("battle", *KIND, "pair", "rater", "prompt", "voted_at", "weight", "dwell_ms")


def find_newest(session: Session) -> UUID | None:
    """The id of the newest row of all votes; ids sort by the time of their making."""
    found: UUID | None = session.execute(select(vote.c.id).order_by(vote.c.id.desc()).limit(1)).scalar_one_or_none()
    return found


def has_vote(session: Session, *, vote_id: UUID) -> bool:
    """Whether this row is there; a database put back from a backup has lost its newest ones."""
    return session.execute(select(vote.c.id).where(vote.c.id == vote_id)).first() is not None


def stream_columns(
    session: Session, *, experiment_id: UUID, after: UUID | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """Batches of rows (``COLUMNS``): ids as 32 hexadecimal digits, ``voted_at`` as text or seconds since 1970.

    Without ``after`` the live votes and skips of an experiment; with it the live rows with a later id, which may be
    the news that an older one was taken back.
    """
    dialect = dialect_of(session)
    later = vote.c.id > after if after is not None else vote.c.act != Act.UNDO
    statement = (
        select(
            _digits(vote.c.battle_id, dialect),
            type_coerce(vote.c.act, String),
            type_coerce(vote.c.outcome, String),
            vote.c.criterion,
            type_coerce(battle.c.purpose, String),
            type_coerce(vote.c.is_staff, Integer),
            type_coerce(battle.c.is_a_left, Integer),
            _digits(func.coalesce(battle.c.pair_id, _before.c.pair_id), dialect),
            _digits(battle.c.rater_id, dialect),
            _digits(battle.c.prompt_id, dialect),
            type_coerce(vote.c.voted_at, String)
            if dialect.name == "sqlite"
            else func.extract("epoch", vote.c.voted_at),
            vote.c.weight,
            vote.c.dwell_ms,
        )
        .select_from(
            vote.join(battle, vote.c.battle_id == battle.c.id).outerjoin(_before, battle.c.repeat_of == _before.c.id)
        )
        .where(battle.c.experiment_id == experiment_id, battle.c.purpose.in_(PURPOSES), later)
        .where(vote.c.superseded_by.is_(None))
    )
    sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    driver: Any = session.connection().connection
    # PostgreSQL's driver would fetch all rows at once but for a cursor with a name.
    cursor = driver.cursor() if dialect.name == "sqlite" else driver.cursor(name="vote_columns")
    try:
        cursor.execute(sql)
        while rows := cursor.fetchmany(BATCH):
            yield rows
    finally:
        cursor.close()


def _digits(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    """An id as its hexadecimal digits, which is how SQLite stores it."""
    if dialect.name == "sqlite":
        return type_coerce(column, String)
    return func.replace(cast(column, String), "-", "")


def _moment(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    return type_coerce(column, String) if dialect.name == "sqlite" else func.extract("epoch", column)


def list_left_out(session: Session, *, experiment_id: UUID) -> list[UUID]:
    """The raters who failed their checks or withdrew; none of their votes counts."""
    return list(session.execute(participation.left_out(experiment_id)).scalars())


def list_groups(session: Session, *, experiment_id: UUID) -> dict[UUID, str]:
    """Where raters came from: the panel of those who came by one, by account."""
    rows = session.execute(
        select(taking_part.c.account_id, taking_part.c.panel).where(
            taking_part.c.experiment_id == experiment_id, taking_part.c.panel != ""
        )
    )
    return {row.account_id: row.panel for row in rows}


def list_tags(session: Session, *, prompt_ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """The tags of these prompts."""
    found: dict[UUID, dict[str, str]] = {}
    for at in range(0, len(prompt_ids), BATCH):
        rows = session.execute(select(prompt.c.id, prompt.c.tags).where(prompt.c.id.in_(prompt_ids[at : at + BATCH])))
        found |= {row.id: row.tags for row in rows}
    return found


def list_names(session: Session, *, account_ids: list[UUID]) -> dict[UUID, str]:
    """Raters' names, for those who may see them."""
    rows = session.execute(select(account.c.id, account.c.name).where(account.c.id.in_(account_ids)))
    return {row.id: row.name for row in rows}
