"""The audit log: append-only, each row's hash covering the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import Session, col

from db.tables import AuditEvent


def _hash(event: AuditEvent) -> str:
    actor = str(event.actor_id or "")
    row = [event.sequence, event.at.isoformat(), actor, event.action, event.subject, event.details, event.previous_hash]
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def add_event(
    session: Session,
    *,
    at: datetime,
    actor_id: UUID | None,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one event; it stands or falls with the transaction that it describes."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(7203916)"))
    last = session.execute(select(AuditEvent).order_by(col(AuditEvent.sequence).desc()).limit(1)).scalar_one_or_none()
    event = AuditEvent(
        sequence=last.sequence + 1 if last else 1,
        at=at,
        actor_id=actor_id,
        action=action,
        subject=subject[:300],
        details=dict(details or {}),
        previous_hash=last.hash if last else "",
        hash="",
    )
    event.hash = _hash(event)
    session.add(event)
    session.flush()


def find_broken_link(session: Session) -> int | None:
    """The sequence number of the first event whose hash doesn't fit, or None when the whole log holds."""
    previous = ""
    for event in session.execute(select(AuditEvent).order_by(col(AuditEvent.sequence))).scalars():
        if event.previous_hash != previous or event.hash != _hash(event):
            return int(event.sequence)
        previous = event.hash
    return None
