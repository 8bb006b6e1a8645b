"""The audit log: append-only, each row's hash covering the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlmodel import Session

from db.columns import new_id
from db.prepared import Peek, Prepared, dialect_of
from db.tables import AuditEvent, tables_of

(event,) = tables_of(AuditEvent)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(7203916)))
_LAST = Prepared(select(event.c.sequence, event.c.hash).order_by(event.c.sequence.desc()).limit(1))
_INSERT = Prepared(insert(event))


def _hash(event: Mapping[str, Any]) -> str:
    actor = str(event["actor_id"] or "")
    row = [event["sequence"], event["at"].isoformat(), actor]
    row += [event[name] for name in ("action", "subject", "details", "previous_hash")]
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def add_event(
    session: Session | Peek,
    *,
    at: datetime,
    actor_id: UUID | None,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one event; it stands or falls with the transaction that it describes."""
    if dialect_of(session).name == "postgresql":
        _LOCK.all(session)
    last = _LAST.first(session)
    values: dict[str, Any] = {
        "sequence": last.sequence + 1 if last else 1,
        "at": at,
        "actor_id": actor_id,
        "action": action,
        "subject": subject[:300],
        "details": dict(details or {}),
        "previous_hash": last.hash if last else "",
    }
    _INSERT.all(session, id=new_id(), **values, hash=_hash(values))


def find_broken_link(session: Session) -> int | None:
    """The sequence number of the first event whose hash doesn't fit, or None when the whole log holds."""
    previous = ""
    for row in session.execute(select(*event.c).order_by(event.c.sequence)).mappings():
        if row["previous_hash"] != previous or row["hash"] != _hash(dict(row)):
            return int(row["sequence"])
        previous = row["hash"]
    return None
