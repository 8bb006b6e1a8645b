"""My votes: what a rater said so far, page by page; nothing here knows a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain import Answer, BattleStatus, Identity
from app.services.shown import WITHDRAWN, blind
from app.services.sides import to_answer
from app.study import Remarks, remarks_of
from db import battles, own_votes
from db.engine import database
from db.screens import content_of

PER_PAGE = 20
_LONGEST = 240  # characters of a text in the list


@dataclass(frozen=True, slots=True)
class OwnVote:
    """One own vote in the list; the texts are the beginnings of what stood there."""

    battle_id: UUID
    study: str
    prompt: str
    left: str
    right: str
    answer: Answer
    remarks: Remarks
    voted_at: datetime
    dwell_ms: int | None


def count_own_votes(rater: Identity) -> int:
    """How many answers this rater has given in all studies, skips included."""
    with database().read() as session:
        return own_votes.count_own(session, rater_id=rater.account_id)


def is_answered(rater: Identity, battle_id: UUID) -> bool:
    """Whether an answer of this rater to this battle is stored, a skip included.

    Raises NotFoundError for somebody else's battle.
    """
    with database().read() as session:
        battle = battles.get_to_read(session, battle_id=battle_id, rater_id=rater.account_id)
    return battle.status in {BattleStatus.VOTED, BattleStatus.SKIPPED}


def list_own_votes(rater: Identity, *, page: int = 1) -> list[OwnVote]:
    """A page of this rater's votes, newest first, numbered from 1; a page that isn't there has none."""
    with database().read() as session:
        rows = own_votes.list_own(
            session, rater_id=rater.account_id, limit=PER_PAGE, offset=(max(page, 1) - 1) * PER_PAGE
        )
    found = []
    for row in rows:
        content = content_of(row)
        battle = blind(row.id, content, {"shows": row.shows, "flow": {}})
        found.append(
            OwnVote(
                battle_id=row.id,
                study=row.title,
                prompt=_beginning(battle.prompt[-1].content if battle.prompt else ""),
                left=WITHDRAWN if content.is_withdrawn else _beginning(battle.left),
                right=WITHDRAWN if content.is_withdrawn else _beginning(battle.right),
                answer=to_answer(row.outcome, is_a_left=row.is_a_left),
                remarks=remarks_of(row),
                voted_at=row.voted_at,
                dwell_ms=row.dwell_ms,
            )
        )
    return found


def _beginning(text: str) -> str:
    """The first words on one line."""
    line = " ".join(text[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else line[:_LONGEST].rstrip() + "…"
