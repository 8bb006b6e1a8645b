"""What a row of a votes file says beside the outcome: the criterion, strength, reasons, comment, guesses."""

from __future__ import annotations

import json
from collections.abc import Collection
from enum import StrEnum
from typing import TypeVar

from app.formats._record import Record, RowError
from app.formats._text import shown
from app.study import BAD_REASONS, GOOD_REASONS, LONGEST_COMMENT, OVERALL, Remarks, SkipReason, Strength

COLUMNS = frozenset(
    ("strength", "reasons_a", "reasons_b", "comment", "skip_reason", "guess_left", "guess_right", "criterion")
)
LONGEST_CRITERION = 64
_REASONS = (*GOOD_REASONS, *BAD_REASONS)
_Word = TypeVar("_Word", bound=StrEnum)


def has_remarks(record: Record) -> bool:
    """Whether the file has any of these columns."""
    return not COLUMNS.isdisjoint(record.values)


def criterion(record: Record) -> str:
    """What the vote is about; overall where the row doesn't say."""
    found = record.filled("criterion") or OVERALL
    if len(found.strip()) > LONGEST_CRITERION:
        raise RowError(f"criterion has {len(found.strip())} characters; {LONGEST_CRITERION} are the most")
    return found.strip()


def remarks(record: Record, *, is_a_left: bool) -> Remarks:
    """What was said about the sides; raises RowError for a word that is none."""
    of_a, of_b = _reasons(record, "reasons_a"), _reasons(record, "reasons_b")
    comment = record.filled("comment") or ""
    if len(comment) > LONGEST_COMMENT:
        raise RowError(f"comment has {len(comment):,} characters; {LONGEST_COMMENT:,} are the most")
    return Remarks(
        strength=_word(record, "strength", Strength),
        left=of_a if is_a_left else of_b,
        right=of_b if is_a_left else of_a,
        comment=comment,
        skip_reason=_word(record, "skip_reason", SkipReason),
        guess_left=record.name("guess_left"),
        guess_right=record.name("guess_right"),
    )


def _word(record: Record, name: str, kind: type[_Word]) -> _Word | None:
    found = record.name(name)
    if found is None:
        return None
    try:
        return kind(found)
    except ValueError:
        raise RowError(f"{name} must be {_listed(kind)}, not {shown(found)}") from None


def _listed(words: Collection[str] | type[StrEnum]) -> str:
    names = [str(word) for word in words]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _reasons(record: Record, name: str) -> tuple[str, ...]:
    """A list of reasons; in a table without types it is written as JSON."""
    record.taken.add(name)
    value = record.values.get(name)
    if isinstance(value, str):
        if not value.strip():
            return ()
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RowError(f'{name} must be a list such as ["clear", "wrong"], not {shown(value)}') from None
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise RowError(f'{name} must be a list such as ["clear", "wrong"], not {shown(value)}')
    for word in value:
        if word not in _REASONS:
            raise RowError(f"{name} has {shown(word)}; the reasons are {', '.join(_REASONS)}")
    return tuple(dict.fromkeys(value))
