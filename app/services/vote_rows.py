"""A file of votes as rows: read whole or refused, counted, and known again by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from app.domain import VoteRow
from app.errors import BadFileError, RowProblem
from app.formats._registry import read_all
from app.services.typed_text import length_problems

MOST_WEIGHT = 1_000_000


@dataclass(frozen=True, slots=True)
class VotesPreview:
    """What a file of votes would store; ``new_models`` are those that nobody knows yet."""

    rows: tuple[VoteRow, ...]
    n_votes: int
    n_raters: int
    models: tuple[str, ...]
    new_models: tuple[str, ...]


def read_votes(stream: BinaryIO) -> list[VoteRow]:
    """The live votes of a file; raises BadFileError."""
    rows = read_all("votes", stream)
    problems = [problem for row in rows for problem in _row_problems(row)]
    if problems:
        raise BadFileError(problems)
    # Our own export also has the votes that a rater changed later; they don't count twice.
    live = [row for row in rows if not row.columns.get("superseded_by")]
    if not live:
        raise BadFileError([RowProblem(0, "Every vote in this file was changed by a later one that is missing.")])
    return live


def _row_problems(row: VoteRow) -> list[RowProblem]:
    names = ("model_a", row.model_a, 200), ("model_b", row.model_b, 200)
    problems = length_problems(row.line, names)
    if row.weight != int(row.weight) or row.weight > MOST_WEIGHT:
        reason = f"weight {row.weight:g} is not a whole number of votes up to {MOST_WEIGHT:,}"
        problems.append(RowProblem(row.line, reason))
    return problems


def count_raters(rows: list[VoteRow]) -> int:
    """How many raters the file names."""
    return len({row.rater for row in rows if row.rater is not None})


def list_names(rows: list[VoteRow]) -> list[str]:
    """The models of the file, by name."""
    return sorted({row.model_a for row in rows} | {row.model_b for row in rows})


def count_votes(rows: list[VoteRow]) -> int:
    """How many votes the rows stand for; one row may stand for several."""
    return sum(int(row.weight) for row in rows)


class Hashed:
    """A stream that remembers the hash of what was read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        """SHA-256 of all that was read, in hex."""
        return self._hash.hexdigest()
