"""What a person typed or a file names, checked against what the database can hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.errors import InvalidInputError, RowProblem

# PostgreSQL takes no NUL in text, and half of a surrogate pair is no text at all.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_BLANK = re.compile(r"\s+")


def checked_name(text: str, *, what: str, longest: int = 200) -> str:
    """A name or title on one line, without outer blanks; raises InvalidInputError."""
    name = _BLANK.sub(" ", text).strip()
    if not 1 <= len(name) <= longest:
        raise InvalidInputError(f"{what[:1].upper()}{what[1:]} needs 1 to {longest} characters.")
    return checked_text(name, what=what, longest=longest)


def checked_text(text: str, *, what: str, longest: int) -> str:
    """A text as it was typed, without outer blanks; raises InvalidInputError."""
    if len(text) > longest:
        raise InvalidInputError(f"{what[:1].upper()}{what[1:]} may have {longest:,} characters at most.")
    if _UNFIT.search(text):
        raise InvalidInputError(f"{what[:1].upper()}{what[1:]} has a character that can't be stored; type it again.")
    return text.strip()


def length_problems(line: int, fields: Iterable[tuple[str, str | None, int]]) -> list[RowProblem]:
    """The fields (name, value, longest) of one row that are longer than the database stores."""
    return [
        RowProblem(line, f"{name} has {len(value):,} characters; {longest} are the most")
        for name, value, longest in fields
        if value is not None and len(value) > longest
    ]
