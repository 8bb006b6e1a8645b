"""Taking single outputs out of running studies, and putting them back; the votes on them are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain import GenerationStatus, Identity, Role, utc_now
from app.errors import ConflictError, InvalidInputError, NotFoundError
from app.services import leak_check
from app.services.sign_in import actor_id, require
from db import audit, experiments, leaks
from db.engine import Row, Session, database

LONGEST_REASON = 500


def withdraw_output(actor: Identity | None, generation_id: UUID, reason: str) -> None:
    """Show an output to no rater any more, now and in what is generated or looked through later.

    Who has it on the screen gets another pair, with a word about it. Raises InvalidInputError without a reason,
    NotFoundError for an unknown output and ConflictError for one that raters aren't shown anyway.
    """
    require(actor, Role.ADMIN)
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise InvalidInputError(f"The reason needs 1 to {LONGEST_REASON} characters.")
    with database().write() as session:
        row = _find(session, generation_id)
        if row.status == GenerationStatus.ASKING:
            raise ConflictError("Its model is being asked further about it. Try again in a moment.")
        if row.status != GenerationStatus.OK:
            raise ConflictError("Raters aren't shown this output anyway.")
        _store(session, actor, row, {"status": GenerationStatus.WITHDRAWN, "error": reason})


def put_back_output(actor: Identity | None, generation_id: UUID) -> GenerationStatus:
    """Show a withdrawn output again, wherever a study that was started has shown it.

    It is looked through by what is known now. One that names its maker, with no mask over it, becomes what is chosen
    for its model; where that isn't to show it, it waits for an admin: it is ``flagged``.

    Raises NotFoundError, and ConflictError for one that wasn't withdrawn.
    """
    require(actor, Role.ADMIN)
    with database().write() as session:
        leaks.hold_rules(session)
        row = _find(session, generation_id)
        if row.status != GenerationStatus.WITHDRAWN:
            raise ConflictError("This output wasn't withdrawn.")
        checked = leak_check.check_again(session, row)
        _store(session, actor, row, {**checked._asdict(), "error": ""})
        if checked.status == GenerationStatus.OK:
            experiments.count_put_back(session, generation_id=row.id)
    return checked.status


def _find(session: Session, generation_id: UUID) -> Row:
    if not (rows := leaks.list_by_ids(session, generation_ids=[generation_id])):
        raise NotFoundError("There is no such output.")
    leaks.hold_drafts(session, model_ids={rows[0].model_id})
    return leaks.list_by_ids(session, generation_ids=[generation_id])[0]


def _store(session: Session, actor: Identity | None, row: Row, columns: Mapping[str, Any]) -> None:
    leaks.update_leaks(session, generation_id=row.id, columns=columns)
    name = leaks.list_makers(session, model_ids={row.model_id})[row.model_id].name
    audit.add_event(
        session,
        at=utc_now(),
        actor_id=actor_id(actor),
        action="output.withdraw" if columns["error"] else "output.put_back",
        subject=f"{name}, prompt {row.external_id}",
        details={"generation": str(row.id), "reason": columns["error"]},
    )
