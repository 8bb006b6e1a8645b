"""A file of votes as columns: read whole or refused, counted, and known again by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Input
from app.errors import BadFileError, RowProblem
from app.file_rows import VoteRow
from app.formats._registry import MAX_PROBLEMS, MORE_PROBLEMS, Renamed, read_each
from app.formats._text import Rejoined
from app.formats._vote_columns import LONGEST_NAME, MOST_BYTES, MOST_WEIGHT, Gatherer, VoteColumns
from app.formats._vote_own import is_true
from app.services.typed_text import length_problems
from app.stats.comparisons import MISSING
from app.study import OVERALL, Ending

MOST_PREVIEWED = 8
_CHUNK = 2**20
FEWEST_BYTES = 500_000  # a smaller file is read row by row in a second, without Arrow


def read_bare(data: bytes) -> VoteColumns | None:
    """The votes of a large bare file column by column, None for any other (``_vote_bulk``)."""
    if len(data) < FEWEST_BYTES:
        return None
    from app.formats import _vote_bulk  # noqa: PLC0415 - Arrow is 40 MB, which a server that imports nothing never needs

    return _vote_bulk.read_bare(data)


@dataclass(frozen=True, slots=True)
class VotesPreview:
    """What a file of votes would store and its first rows; ``new_models`` are those that nobody knows yet.

    ``has_texts`` says that prompts and outputs can be taken in from it, too.
    """

    rows: tuple[VoteRow, ...]
    n_votes: int
    n_raters: int
    models: tuple[str, ...]
    new_models: tuple[str, ...]
    has_texts: bool = False


def read_votes(
    stream: BinaryIO,
    *,
    known_prompts: Collection[str] | None = None,
    with_lines: bool = False,
    renamed: Renamed | None = None,
) -> VoteColumns:
    """The live votes of a file, whose prompts are all among ``known_prompts``; raises BadFileError.

    A file of bare votes is read column by column. One that says more, or has something wrong with it, is read row by
    row, which takes longer and names each bad row by its line; so is any ``with_lines``, or whose columns are
    ``renamed``.
    """
    data = _beginning(stream)
    votes = None if with_lines or renamed else read_bare(data)
    if votes is not None and (known_prompts is None or set(votes.prompts) <= set(known_prompts)):
        return votes
    votes = _gathered(Rejoined(data, stream), renamed)
    if known_prompts is not None and (unknown := set(votes.prompts) - set(known_prompts)):
        raise BadFileError(_unknown_prompts(votes, unknown))
    return votes


def _beginning(stream: BinaryIO) -> bytes:
    """As much of a file as can be read in bulk, and a byte more where there is more."""
    parts, missing = [], MOST_BYTES + 1
    while missing and (part := stream.read(min(missing, _CHUNK))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _unknown_prompts(votes: VoteColumns, unknown: Collection[str]) -> list[RowProblem]:
    assert votes.lines is not None  # noqa: S101 - a file that was read row by row has them
    found = zip(votes.lines.tolist(), votes.prompt.tolist(), strict=True)
    named = ((line, votes.prompts[code]) for line, code in found if code != MISSING)
    return _some(
        RowProblem(line, f"prompt {name!r} is not in this prompt set") for line, name in named if name in unknown
    )


def _some(problems: Iterable[RowProblem]) -> list[RowProblem]:
    """The first problems, and a last one that says when there are more."""
    found = list(islice(problems, MAX_PROBLEMS + 1))
    return found if len(found) <= MAX_PROBLEMS else [*found[:MAX_PROBLEMS], MORE_PROBLEMS]


def _gathered(stream: BinaryIO, renamed: Renamed | None) -> VoteColumns:
    """The live votes of a file row by row; raises BadFileError."""
    rows, problems = Gatherer(), _Problems()

    def take(row: VoteRow) -> None:
        if bad := _row_problems(row):
            problems.of_rows.extend(bad if len(problems.of_rows) <= MAX_PROBLEMS else ())
            return
        # Our own export also has the votes that a rater changed later, and those that tell about the rater: on pairs
        # with a known answer, and planned repeats. They only go out again.
        if row.columns.get("superseded_by") or _is_check(row):
            rows.keep(row)
            return
        problems.see(row)
        rows.is_simulated |= row.columns.get("input") == Input.SIMULATED
        rows.add(row, is_staff=row.columns.get("rater_group") == "staff")

    read_each("votes", stream, take, renamed=renamed)
    if problems.of_rows:
        raise BadFileError(_some(problems.of_rows))
    if not len(rows):
        raise BadFileError(
            [RowProblem(0, "Every vote in this file is a check, or was changed by a later one that is missing.")]
        )
    if not problems.has_overall:
        reason = "no vote in this file is overall; leave the column criterion out, or write overall in it"
        raise BadFileError([RowProblem(0, reason)])
    if problems.of_battles or rows.clashes:
        raise BadFileError(_some(problems.of_battles or rows.clashes))
    votes = rows.columns()
    if votes.own is not None and len(places := votes.own.repeated()):
        raise BadFileError(_some(_repeated(votes, places)))
    return votes


def _repeated(votes: VoteColumns, places: NDArray[np.int64]) -> Iterator[RowProblem]:
    assert votes.lines is not None and votes.own is not None  # noqa: S101 - as a file of ours is read
    for place in places.tolist():
        vote_id = UUID(bytes=votes.own.vote_id[place].tobytes())
        yield RowProblem(int(votes.lines[place]), f"the vote {vote_id} stands in an earlier line, too")


class _Problems:
    """What is wrong with the rows of a file, one by one and as battles."""

    def __init__(self) -> None:
        self.of_rows: list[RowProblem] = []
        self.of_battles: list[RowProblem] = []
        self.has_overall = False
        self._first: dict[str, tuple[int, tuple[object, ...]]] = {}
        self._seen: set[tuple[str, str]] = set()

    def see(self, row: VoteRow) -> None:
        """Look at a live row among those of its battle."""
        self.has_overall |= row.criterion == OVERALL
        if row.battle is None or len(self.of_battles) > MAX_PROBLEMS:
            return
        shown = row.model_a, row.model_b, row.left, row.prompt_id, row.rater
        line, first = self._first.setdefault(row.battle, (row.line, shown))
        if (row.battle, row.criterion) in self._seen:
            reason = f"battle_id {row.battle} has two votes on {row.criterion}"
            self.of_battles.append(RowProblem(row.line, reason))
        elif shown != first:
            self.of_battles.append(RowProblem(row.line, f"battle_id {row.battle} is another pair in line {line}"))
        self._seen.add((row.battle, row.criterion))


def _is_check(row: VoteRow) -> bool:
    """Whether a row tells about its rater, or is of one whom attention checks screened out."""
    if row.columns.get("rater_group") == Ending.SCREENED_OUT:
        return True
    return bool(row.columns.get("repeat_of")) or is_true(row.columns.get("is_gold"))


def _row_problems(row: VoteRow) -> list[RowProblem]:
    guesses = ("guess_left", row.remarks.guess_left), ("guess_right", row.remarks.guess_right)
    names = ("model_a", row.model_a), ("model_b", row.model_b), *guesses
    problems = length_problems(row.line, ((name, value, LONGEST_NAME) for name, value in names))
    if row.weight != int(row.weight) or row.weight > MOST_WEIGHT:
        reason = f"weight {row.weight:g} is not a whole number of votes up to {MOST_WEIGHT:,}"
        problems.append(RowProblem(row.line, reason))
    return problems


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
