"""Pairs with a known answer, taken from a file while a study is a draft: for practice, or as attention checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from app.domain import ExperimentStatus, Identity, Purpose, Role, utc_now
from app.errors import BadFileError, ConflictError, InvalidInputError, RowProblem
from app.formats._gold import GoldRow
from app.formats._registry import read_all
from app.services.sign_in import actor_id, require
from app.services.typed_text import length_problems
from app.study import Flow
from db import audit, experiments, gold
from db.columns import new_id
from db.engine import database

PURPOSES = (Purpose.PRACTICE, Purpose.GOLD)
LONGEST_SIDE, LONGEST_REASON = 1_000_000, 5_000


@dataclass(frozen=True, slots=True)
class GoldPreview:
    """What a file of known answers would store."""

    rows: tuple[GoldRow, ...]
    n_without_reason: int


def check_gold(actor: Identity | None, stream: BinaryIO) -> GoldPreview:
    """Read a file without storing anything; raises BadFileError that names each bad row."""
    require(actor, Role.ADMIN)
    rows = _read(stream)
    return GoldPreview(tuple(rows), sum(not row.reason for row in rows))


def import_gold(actor: Identity | None, stream: BinaryIO, *, experiment_id: UUID, purpose: Purpose) -> int:
    """Put the pairs of a file in the place of those that a draft has for this purpose; returns how many there are.

    Raises BadFileError and stores nothing when any row is bad; ConflictError once the study was started.
    """
    require(actor, Role.ADMIN)
    if purpose not in PURPOSES:
        raise InvalidInputError("Known answers are for practice or for attention checks.")
    rows = _read(stream)
    _replace(actor, experiment_id, purpose, rows)
    return len(rows)


def remove_gold(actor: Identity | None, *, experiment_id: UUID, purpose: Purpose) -> None:
    """Take the pairs of one purpose out of a draft."""
    require(actor, Role.ADMIN)
    _replace(actor, experiment_id, purpose, [])


def count_gold(actor: Identity | None, experiment_id: UUID) -> dict[Purpose, int]:
    """How many pairs with a known answer a study has, by purpose."""
    require(actor, Role.ADMIN)
    with database().read() as session:
        return gold.count_gold(session, experiment_id=experiment_id)


def missing_gold(flow: Flow, counts: Mapping[Purpose, int]) -> list[str]:
    """What a study's flow asks for and its known answers lack, in words."""
    missing = []
    if flow.needs_practice and not counts.get(Purpose.PRACTICE):
        missing.append("Raters have to practise first, and there are no pairs for practice: add some.")
    if flow.gold_every and not counts.get(Purpose.GOLD):
        missing.append("There are to be attention checks, and there are no pairs for them: add some.")
    return missing


def _read(stream: BinaryIO) -> list[GoldRow]:
    rows = read_all("gold", stream)
    problems: list[RowProblem] = []
    for row in rows:
        fields = (("left", row.left, LONGEST_SIDE), ("right", row.right, LONGEST_SIDE))
        problems += length_problems(row.line, (*fields, ("reason", row.reason, LONGEST_REASON)))
    if problems:
        raise BadFileError(problems)
    return rows


def _replace(actor: Identity | None, experiment_id: UUID, purpose: Purpose, rows: list[GoldRow]) -> None:
    with database().write() as session:
        experiment = experiments.lock_experiment(session, experiment_id=experiment_id)
        if experiment.status != ExperimentStatus.DRAFT:
            raise ConflictError("This experiment was started already; its known answers are frozen.")
        first = gold.next_position(session, experiment_id=experiment_id, other_than=purpose)
        gold.replace_gold(
            session,
            experiment_id=experiment_id,
            purpose=purpose,
            rows=[
                {
                    "id": new_id(),
                    "experiment_id": experiment_id,
                    "position": position,
                    "purpose": purpose,
                    "messages": [{"role": message.role, "content": message.content} for message in row.messages],
                    "left": row.left,
                    "right": row.right,
                    "answer": row.answer,
                    "reason": row.reason,
                }
                for position, row in enumerate(rows, start=first)
            ],
        )
        audit.add_event(
            session,
            at=utc_now(),
            actor_id=actor_id(actor),
            action="experiment.gold",
            subject=experiment.key,
            details={"purpose": purpose.value, "n_pairs": len(rows)},
        )
