"""The criteria beside the overall answer: checked with it, and stored as one vote each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain import Act, Answer, Identity, Input, Role
from app.errors import VoteRefusedError
from app.services.sides import to_outcome
from app.study import OVERALL, Asks
from db import votes
from db.engine import Peek, Row, Session


def checked_criteria(asks: Asks, answer: Answer, given: Mapping[str, Answer]) -> dict[str, Answer]:
    """What is stored beside ``answer``; raises VoteRefusedError for what isn't asked, or is needed and missing.

    Who can't judge a pair is asked nothing else about it.
    """
    known = {criterion.key: criterion for criterion in asks.criteria}
    for key, said in given.items():
        if key not in known:
            raise VoteRefusedError(f"Not saved: this study doesn't ask for {key!r}.")
        if said == Answer.SKIP:
            raise VoteRefusedError(f"Not saved: {known[key].label} takes left, right, tie or both bad.")
    if answer == Answer.SKIP:
        return {}
    missing = [criterion.label for criterion in asks.criteria if criterion.is_required and criterion.key not in given]
    if missing:
        rest = f"{', '.join(missing[:-1])} and {missing[-1]}" if len(missing) > 1 else missing[0]
        raise VoteRefusedError(f"Not saved yet: answer {rest} first, below the two sides. What you chose stays.")
    return dict(given)


def add_criteria(
    session: Session | Peek,
    rater: Identity,
    battle: Any,
    given: Mapping[str, Answer],
    *,
    voted_at: datetime,
    dwell_ms: int | None,
    input_: Input = Input.SCREEN,
    is_late: bool = False,
) -> None:
    """Store one vote for each criterion that was answered, as the battle's revision of this moment."""
    for key, answer in given.items():
        votes.add_vote(
            session,
            battle_id=battle.id,
            revision=battle.n_revisions,
            act=Act.VOTE,
            outcome=to_outcome(answer, is_a_left=battle.is_a_left),
            voted_at=voted_at,
            dwell_ms=dwell_ms,
            input_=input_,
            is_staff=rater.role != Role.RATER,
            is_late=is_late,
            criterion=key,
        )


def withdraw_criteria(
    session: Session | Peek, rater: Identity, battle: Any, live: list[Row], *, now: datetime, only: str | None = None
) -> None:
    """Take back what was said of the criteria (of ``only`` one), since its vote was, or the rater can't judge."""
    for row in live:
        is_meant = row.criterion == only if only else row.criterion != OVERALL
        if is_meant and row.act == Act.VOTE:
            votes.add_undo(
                session,
                battle_id=battle.id,
                revision=battle.n_revisions,
                at=now,
                is_staff=rater.role != Role.RATER,
                criterion=row.criterion,
            )
