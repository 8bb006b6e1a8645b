"""Votes as preferences of HelpSteer3 whose models stand beside: huggingface.co/datasets/nvidia/HelpSteer3.

Each of ``individual_preference`` is one vote, or ``overall_preference`` where a row has none: below 0 is for
``response1``, above for ``response2``, 0 is a tie; 1 is slightly better, 3 clearly. What the rows can't carry:
both-bad, sides, raters, times and criteria.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _vote_flat
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown
from app.study import BAD_REASONS, GOOD_REASONS, Strength

KIND = "votes"
LABEL = "HelpSteer3 preferences with the names of the models (JSON)"
SUFFIXES = (".jsonl", ".json")
ACCEPTED = Columns(
    required=(("response1", "response2", "overall_preference", *("|".join(names) for names in _vote_flat.MODELS)),)
)
NEEDS = "preferences of HelpSteer3 with the keys response1, response2, overall_preference, model1, model2"
_STRENGTHS = {1: Strength.SLIGHTLY.value, 3: Strength.CLEARLY.value}
_REASONS = frozenset((*GOOD_REASONS, *BAD_REASONS))


def matches(head: bytes, renamed: Mapping[str, str] | None = None) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _vote_flat.matches(head, ACCEPTED, renamed)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows."""
    return _vote_flat.rows(flattened(stream, renamed))


def flattened(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Record | RowProblem]:
    """Each preference as a record in our own words."""
    return _vote_flat.records(stream, _votes, renamed)


def _votes(record: Record) -> Iterator[dict[str, object]]:
    values = record.values
    shared = _vote_flat.pair(values, "this row")
    given = _vote_flat.objects("individual_preference", values.get("individual_preference"))
    if not given:
        yield shared | _outcome("overall_preference", values.get("overall_preference"))
    for one in given:
        reasons = {f"reasons_{side}": _reasons(one.get(f"feedback{number}")) for side, number in (("a", 1), ("b", 2))}
        yield shared | _outcome("score", one.get("score")) | reasons | {"comment": one.get("reasoning") or None}


def _outcome(name: str, score: object) -> dict[str, object]:
    if isinstance(score, bool) or not isinstance(score, int | float) or score not in range(-3, 4):
        raise RowError(f"{name} must be a whole number from -3 to 3, not {shown(score)}")
    outcome = "model_a" if score < 0 else "model_b" if score else "tie"
    return {"outcome": outcome, "strength": _STRENGTHS.get(abs(int(score)))}


def _reasons(feedback: object) -> list[str]:
    """The reasons of ours that a text lists; none in any other text."""
    words = feedback.split(", ") if isinstance(feedback, str) else []
    return words if _REASONS.issuperset(words) else []
