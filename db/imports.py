"""The raters, battles and votes of a file that was held elsewhere, stored column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session

from db.bulk import Coded, Column, Each, Ids, Times, add_rows, with_large_cache
from db.columns import new_ids
from db.prepared import dialect_of
from db.tables import Account, Battle, KeptVote, Vote, tables_of

__all__ = [
    "Coded",
    "Column",
    "Each",
    "Ids",
    "Times",
    "add_battles",
    "add_kept",
    "add_raters",
    "add_votes",
    "has_any",
    "hold",
    "new_ids",
    "quickly",
]

account, battle, kept_vote, vote = tables_of(Account, Battle, KeptVote, Vote)
_LOOKED_UP_AT_ONCE = 5_000
quickly = with_large_cache


def hold(session: Session) -> None:
    """Let no other import of votes store anything until this transaction ends."""
    if dialect_of(session).name != "sqlite":  # there one transaction writes at a time
        session.execute(select(func.pg_advisory_xact_lock(7203919)))


def add_raters(session: Session, *, n: int, columns: Mapping[str, Column], **fixed: Any) -> None:
    """Store the accounts of ``n`` raters; a column is either in ``columns`` or has one value for all."""
    add_rows(session, table=account, n=n, columns=columns, fixed=fixed)


def add_battles(session: Session, *, n: int, columns: Mapping[str, Column], **fixed: Any) -> None:
    """Store ``n`` battles."""
    add_rows(session, table=battle, n=n, columns=columns, fixed=fixed)


def add_votes(session: Session, *, n: int, columns: Mapping[str, Column], **fixed: Any) -> None:
    """Store ``n`` votes."""
    add_rows(session, table=vote, n=n, columns=columns, fixed=fixed)


def add_kept(session: Session, *, n: int, columns: Mapping[str, Column], **fixed: Any) -> None:
    """Store ``n`` votes that only go out again."""
    add_rows(session, table=kept_vote, n=n, columns=columns, fixed=fixed)


def has_any(session: Session, *, vote_ids: Sequence[UUID], battle_ids: Collection[UUID]) -> bool:
    """Whether any of these votes or battles is stored."""
    for column, ids in ((vote.c.id, [*vote_ids]), (battle.c.id, [*battle_ids])):
        for at in range(0, len(ids), _LOOKED_UP_AT_ONCE):
            found = select(column).where(column.in_(ids[at : at + _LOOKED_UP_AT_ONCE])).limit(1)
            if session.execute(found).first() is not None:
                return True
    return False
