"""The rest of an endpoint that keeps failing in an arena: it is left out of draws for a while, longer each time.

It follows from what is stored of its last answers, so every process knows of it, and so does the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.connectors._problems import OF_QUESTION
from db import arena_faults
from db.engine import Session

BROKEN_OFF = "Broken off, since the other side of the battle gave no answer that can be shown."
UNWATCHED = "Broken off, since the rater had gone."
ENDED = "Broken off, since Bakeoff ended."
TOO_LONG = "The answer is longer than answers may be here."
HARMLESS = (BROKEN_OFF, UNWATCHED, ENDED, TOO_LONG)  # reasons that say nothing about the model
LEAK = "The answer names its maker, and this model's leak choice doesn't show such answers."
FAILURES = 3  # in a row, after which an endpoint rests
FIRST_S, LONGEST_S = 30.0, 600.0
_NEWEST = 100  # refused questions whose raters are counted


@dataclass(frozen=True, slots=True)
class Rest:
    """A model that is left out of draws until then, after so many failures in a row."""

    name: str
    n_failed: int
    until: datetime


def rest_s(n_failed: int) -> float:
    """How many seconds an endpoint rests after so many failures in a row: twice as long for each, up to a limit."""
    if n_failed < FAILURES:
        return 0.0
    return min(LONGEST_S, FIRST_S * 2.0 ** min(n_failed - FAILURES, 16))


def find_resting(session: Session, *, prompt_set_id: UUID, now: datetime) -> dict[UUID, Rest]:
    """The models of an arena that rest at this moment. An answer that names its maker is no endpoint's failure.

    What an endpoint refused may lie in the question. It counts once for each rater who asked, so that nobody alone can
    send a model to rest.
    """
    rows = arena_faults.list_failing(
        session, prompt_set_id=prompt_set_id, harmless=(*HARMLESS, LEAK), of_question=OF_QUESTION
    )
    found = {}
    for row in rows:
        n = row.n_failed
        if n + row.n_refused >= FAILURES and row.n_refused:
            n += arena_faults.count_refused_raters(
                session, prompt_set_id=prompt_set_id, model_id=row.model_id, of_question=OF_QUESTION, most=_NEWEST
            )
        found[row.model_id] = Rest(row.name, n, row.last_at + timedelta(seconds=rest_s(n)))
    return {model_id: rest for model_id, rest in found.items() if rest.until > now}
