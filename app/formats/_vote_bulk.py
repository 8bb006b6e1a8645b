"""A file of bare votes read in bulk; whatever is unusual about it is left to the readers that go row by row.

What comes out is what those would have made of the file. So nothing is ever refused here: a file with a bad row, or one
that says more than who met whom, how it ended, who judged what and when, gives None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.formats import _vote_remarks, _votes
from app.formats._cells import Cells, Table, read_in_bulk
from app.formats._record import FIRST_MILLISECOND_STAMP, Record, RowError, as_time, is_stamp
from app.formats._vote_columns import LONGEST_NAME, MOST_BYTES, MOST_WEIGHT, NEVER, VoteColumns, coalesced, microseconds
from app.stats.coding import join_codes
from app.stats.comparisons import MISSING, OUTCOMES, SIDE_UNKNOWN

_NEEDED = {
    *("model_a", "model_b", "left", "right", "weight", "turn"),
    *(*_votes.WINNER, *_votes.PROMPT, *_votes.RATER, *_votes.TIME),
}
_SPECIAL = _vote_remarks.COLUMNS | _votes.APART  # who fills one of these says more than a bare vote
_LEFT, _RIGHT = 10, 11
_FAR = 6e10  # seconds; a calendar ends in the year 9999, and only goes back to the year 1
V = TypeVar("V")


class _Unusual(Exception):  # noqa: N818 - never leaves this file
    """The file is one for the readers that go row by row."""


def read_bare(data: bytes) -> VoteColumns | None:
    """The votes of a CSV, TSV, JSON Lines or Parquet file in which each row is a bare vote; None for any other."""
    if len(data) > MOST_BYTES:
        return None
    table = read_in_bulk(data, _votes.ACCEPTED, _NEEDED | _SPECIAL)
    if table is None or not table.n_rows:
        return None
    try:
        return _Reading(table, data).columns()
    except (_Unusual, RowError):
        return None


def _demand(is_usual: object) -> None:
    if not is_usual:
        raise _Unusual


class _Reading:
    """A table of bare votes being understood."""

    def __init__(self, table: Table, data: bytes) -> None:
        self.table = table
        self.data = data
        for name in _SPECIAL & set(table.columns):
            _demand(all(value is None or value == "" for value in table.columns[name].values))

    def columns(self) -> VoteColumns:
        """The votes."""
        has_models = not {"model_a", "model_b"}.isdisjoint(self.table.columns)
        # A row whose model_a is null is none of sides; but a column of nothing but nulls is not in the table.
        _demand(has_models or not self.table.typed or b'"model_' not in self.data)
        ends = ("model_a", "model_b") if has_models else ("left", "right")
        models, model_a, model_b = join_codes(*self._names(ends[:1]), *self._names(ends[1:]))
        _demand((model_a != MISSING).all() and (model_b != MISSING).all() and (model_a != model_b).all())
        _demand(max(map(len, models)) <= LONGEST_NAME)
        left = self._left(models, model_a, model_b) if has_models else np.ones(len(model_a), dtype=np.int8)
        prompts, prompt = self._sorted(_votes.PROMPT)
        raters, rater = self._sorted(_votes.RATER)
        return VoteColumns(
            models=models,
            model_a=model_a.astype(np.int32),
            model_b=model_b.astype(np.int32),
            outcome=self._outcome(left),
            left=left,
            prompts=prompts,
            prompt=prompt,
            raters=raters,
            rater=rater,
            voted_at=self._times(),
            weight=self._weight(),
            turn=self._turn(),
        )

    def _cells(self, names: Sequence[str]) -> tuple[list[object], NDArray[np.int32]]:
        """The distinct values of these columns, of which a row has the first that it fills."""
        found = [self.table.columns[name] for name in names if name in self.table.columns]
        if not found:
            return [], np.full(self.table.n_rows, MISSING, dtype=np.int32)
        return coalesced(*((list(cells.values), _filled(cells)) for cells in found))

    def _each(self, values: Sequence[object], ask: Callable[[Record], V]) -> list[V]:
        typed = self.table.typed
        return [ask(Record(0, 0, {"": value}, typed)) for value in values]

    def _names(
        self, columns: Sequence[str], ask: Callable[..., str | None] = Record.name
    ) -> tuple[list[str], NDArray[np.int32]]:
        """Distinct names, normalised, and the code of each row."""
        values, codes = self._cells(columns)
        names = [name or "" for name in self._each(values, lambda record: ask(record, ""))]
        _demand(not any("\0" in name for name in names))
        unique = list(dict.fromkeys(name for name in names if name))
        place = {name: code for code, name in enumerate(unique)} | {"": MISSING}
        return unique, np.array([*(place[name] for name in names), MISSING], dtype=np.int32)[codes]

    def _sorted(self, columns: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
        names, codes = self._names(columns, Record.identifier)
        used = set(np.unique(codes).tolist())  # a row that fills two of the columns is known by the first
        order = sorted((code for code in range(len(names)) if code in used), key=names.__getitem__)
        turned = np.full(len(names) + 1, MISSING, dtype=np.int32)
        turned[order] = np.arange(len(order), dtype=np.int32)
        return [names[code] for code in order], turned[codes]

    def _left(self, models: Sequence[str], model_a: NDArray[np.int64], model_b: NDArray[np.int64]) -> NDArray[np.int8]:
        """Who stood on the left, in a file that names model_a and model_b."""
        words, said = self._names(("left",))
        place = {name: code for code, name in enumerate(models)}
        named = np.array([*(place.get(word, -2) for word in words), -2], dtype=np.int64)[said]
        fixed = np.array([*({"model_a": 1, "model_b": 0}.get(word, -2) for word in words), SIDE_UNKNOWN])[said]
        side = np.where(fixed != -2, fixed, np.where(named == model_a, 1, np.where(named == model_b, 0, -2)))
        _demand((side != -2).all())
        return side.astype(np.int8)

    def _outcome(self, left: NDArray[np.int8]) -> NDArray[np.int8]:
        words, said = self._names(_votes.WINNER)
        known = {word: OUTCOMES.index(outcome) for word, outcome in _votes.OUTCOMES.items()}
        known |= {"left": _LEFT, "right": _RIGHT}
        _demand(all(word in known for word in words) and (said != MISSING).all())
        outcome = np.array([known[word] for word in words], dtype=np.int8)[said]
        of_sides = outcome >= _LEFT
        if of_sides.any():
            # Where the file has sides at all, a row has to say which; and JSON may name a side without giving it.
            tells = "left" in self.table.columns or self.table.typed
            _demand(not tells or (left[of_sides] != SIDE_UNKNOWN).all())
            a_won = (outcome == _LEFT) == (left != 0)
            outcome = np.where(of_sides, np.where(a_won, 0, 1), outcome).astype(np.int8)
        return outcome

    def _times(self) -> NDArray[np.int64]:
        values, codes = self._cells(_votes.TIME)
        return np.append(_moments(values), NEVER)[codes]

    def _weight(self) -> NDArray[np.int32]:
        values, codes = self._cells(("weight",))
        weights: list[float | None] = self._each(values, lambda record: record.number(""))
        _demand(all(number is not None and number == int(number) and 1 <= number <= MOST_WEIGHT for number in weights))
        found: list[Any] = [*weights, 1]
        return np.array(found, dtype=np.int32)[codes]

    def _turn(self) -> NDArray[np.int32] | None:
        values, codes = self._cells(("turn",))
        turns: list[int | None] = self._each(values, lambda record: record.whole(""))
        _demand(all(turn is not None and turn >= 1 for turn in turns))
        found: list[Any] = [*turns, MISSING]
        return np.array(found, dtype=np.int32)[codes] if turns else None


def _filled(cells: Cells) -> NDArray[np.int32]:
    """The codes of a column, where a blank text is no value."""
    blank = [code for code, value in enumerate(cells.values) if isinstance(value, str) and not value.strip()]
    return np.where(np.isin(cells.codes, blank), np.int32(MISSING), cells.codes) if blank else cells.codes


def _moments(values: Sequence[object]) -> NDArray[np.int64]:
    """Times in microseconds since 1970; there may be as many as rows, so none is kept as an object."""
    if all(type(value) in (int, float) or (isinstance(value, str) and is_stamp(value.strip())) for value in values):
        numbers = np.fromiter((float(value) for value in values), np.float64, len(values))  # type: ignore[arg-type]
        numbers = np.where(numbers >= FIRST_MILLISECOND_STAMP, numbers / 1000, numbers)
        _demand((np.abs(numbers) < _FAR).all())
        part, whole = np.modf(numbers)  # as datetime.fromtimestamp does it, so that both round alike
        return np.asarray(whole.astype(np.int64) * 1_000_000 + np.rint(part * 1e6).astype(np.int64))
    try:
        return np.fromiter((microseconds(as_time(value)) for value in values), np.int64, len(values))
    except (ValueError, OverflowError, OSError):
        raise _Unusual from None
