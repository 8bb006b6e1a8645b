"""Votes as bare columns for the maths: the driver's own rows, a batch at a time, without an object for each vote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Dialect, Integer, String, cast, func, literal_column, select, text, type_coerce
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


class Mark(NamedTuple):
    """How far a look has read: nothing that comes later has an id up to ``after``, or lies before ``horizon``.

    That is a rowid of SQLite, or a transaction of PostgreSQL. ``place`` is where the database has the row ``vote_id``
    (its rowid, or the number of its table): in one that was put back from a backup it is another one.
    """

    vote_id: UUID
    place: int
    horizon: int
    after: UUID


def find_mark(session: Session, *, settled: UUID) -> Mark | None:
    """Where a look that begins now ends, None without any vote; rows with ids up to ``settled`` are there for all."""
    newest = select(vote.c.id, _place(session)).limit(1)
    if dialect_of(session).name == "sqlite":  # one writer at a time, so rows have their rowids in the order of commits
        row = session.execute(newest.order_by(text("vote.rowid DESC"))).first()
        return None if row is None else Mark(row[0], row[1], row[1], min(row[0], settled))
    horizon = int(session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one())
    row = session.execute(newest.order_by(vote.c.id.desc())).first()
    return None if row is None else Mark(row[0], row[1], horizon, min(row[0], settled))


def still_holds(session: Session, mark: Mark) -> bool:
    """Whether the database still has what had been read, in the same place, and hasn't gone back in time."""
    if session.execute(select(_place(session)).where(vote.c.id == mark.vote_id)).scalar() != mark.place:
        return False
    if dialect_of(session).name == "sqlite":
        return True
    return (
        int(session.execute(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")).scalar_one()) >= mark.horizon
    )


def _place(session: Session) -> ColumnElement[int]:
    is_sqlite = dialect_of(session).name == "sqlite"
    return literal_column("vote.rowid" if is_sqlite else "vote.tableoid::bigint", Integer)


def _is_later(mark: Mark, dialect: Dialect) -> ColumnElement[bool]:
    """Whether a row may have come after a look; ids alone don't tell, since long transactions end late."""
    if dialect.name == "sqlite":
        return text(f"vote.rowid > {mark.horizon}")  # type: ignore[return-value]
    # The age of a transaction is how many began since; xmin has the lower half of a transaction's number.
    begun = text(f"age(vote.xmin) <= age('{mark.horizon % 2**32}'::xid)")
    return (vote.c.id > mark.after) & begun


def stream_columns(
    session: Session, *, experiment_id: UUID, after: Mark | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """Batches of rows (``COLUMNS``): ids as 32 hexadecimal digits, ``voted_at`` as text or seconds since 1970.

    Without ``after`` the live votes and skips of an experiment; with it the live rows that came later, which may be
    the news that an older one was taken back.
    """
    dialect = dialect_of(session)
    later = vote.c.act != Act.UNDO if after is None else _is_later(after, dialect)
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
