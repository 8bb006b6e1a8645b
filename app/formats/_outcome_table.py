"""A file of outcomes, one row per unit of traffic, as columns for the maths: which arm, what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import BadFileError, RowProblem
from app.formats._cells import Table
from app.formats._coded import Reading, read_coded
from app.formats._found import description
from app.formats._record import Columns, Record
from app.formats._text import EMPTY, shown
from app.stats.comparisons import MISSING

COLUMNS = Columns(required=(("arm", "outcome"),), optional=("propensity", "unit", "time|timestamp", "order"))
ORDERS = ("time", "timestamp", "order")
LARGEST = 1e150  # the square of more is beyond a float
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class OutcomeTable:
    """N outcomes in the order of time; what the file does not tell is None.

    ``arm`` indexes ``arms``, which are in alphabetical order; ``propensity`` is the chance with which the row was given
    the arm that it was given; ``unit`` are codes of users or sessions, each row having one. ``is_ordered`` says whether
    the file tells the time; otherwise the rows are in its own order.
    """

    arms: tuple[str, ...]
    arm: NDArray[np.int64]
    outcome: NDArray[np.float64]
    propensity: NDArray[np.float64] | None
    unit: NDArray[np.int64] | None
    is_ordered: bool

    def __len__(self) -> int:
        return len(self.arm)

    def select(self, rows: NDArray[np.int64], outcome: NDArray[np.float64]) -> OutcomeTable:
        """These rows with other outcomes."""
        propensity = None if self.propensity is None else self.propensity[rows]
        unit = None if self.unit is None else self.unit[rows]
        return OutcomeTable(self.arms, self.arm[rows], outcome, propensity, unit, self.is_ordered)


def read_outcome_table(data: bytes) -> OutcomeTable:
    """The outcomes of a CSV, TSV, JSON Lines or Parquet file; ``BadFileError`` names each bad row.

    An outcome is a number, or true or false. A unit may have several rows, but all in one arm.
    """

    def understand(table: Table) -> tuple[OutcomeTable, list[RowProblem]]:
        reading = _Reading(table)
        return reading.outcomes(), reading.problems

    return read_coded(data, COLUMNS, COLUMNS.known, understand, refuse=_refuse)


def _refuse(head: bytes) -> None:
    found = description(head)
    needs = f" A file of outcomes is a table or JSON Lines with the columns {COLUMNS}."
    raise BadFileError([RowProblem(0, found if found == EMPTY else found + needs)])


class _Reading(Reading):
    """A table of outcomes being understood."""

    def outcomes(self) -> OutcomeTable:
        """The outcomes, good only if ``problems`` stays empty."""
        names, codes = self.names(("arm",), required=True, whole_numbers=True)
        arms = tuple(sorted(names))
        place = np.array([*(arms.index(name) for name in names), MISSING], dtype=np.int64)
        arm = place[codes]
        unit = self._units(arms, arm) if "unit" in self.table.names else None
        propensity = self._propensity() if "propensity" in self.table.names else None
        found = OutcomeTable(arms, arm, self._outcome(), propensity, unit, is_ordered=False)
        order = next((name for name in ORDERS if name in self.table.names), None)
        if order is None or self.problems:
            return found
        rows = np.argsort(self._moments(order), kind="stable")
        sorted_rows = found.select(rows, found.outcome[rows])
        return OutcomeTable(arms, sorted_rows.arm, sorted_rows.outcome, sorted_rows.propensity, sorted_rows.unit, True)

    def _outcome(self) -> NDArray[np.float64]:
        cells = self.table.columns.get("outcome")
        if cells is None:
            self.blame_rows(np.ones(self.table.n_rows, dtype=np.bool_), "outcome is missing or blank")
            return np.full(self.table.n_rows, np.nan)
        found = self.each("outcome", cells, _number)
        self.blame_rows(cells.codes == MISSING, "outcome is missing or blank")
        numbers = np.array([*(np.nan if number is None else number for number in found), np.nan])[cells.codes]
        self.blame_rows(np.abs(numbers) > LARGEST, f"outcome is beyond {LARGEST:g}, which no mean can be taken of")
        return numbers

    def _propensity(self) -> NDArray[np.float64]:
        chance = self.numbers("propensity", None)
        self.blame_rows((chance == 0) | (chance > 1), "propensity must lie above 0 and be at most 1")
        return chance

    def _units(self, arms: tuple[str, ...], arm: NDArray[np.int64]) -> NDArray[np.int64]:
        names, codes = self.names(("unit",), required=True, whole_numbers=True)
        unit = codes.astype(np.int64)
        _, first, back = np.unique(unit, return_index=True, return_inverse=True)
        own = arm[first][back]
        for row in self.rows((unit != MISSING) & (arm != MISSING) & (own != MISSING) & (arm != own)):
            reason = f"unit {shown(names[unit[row]])} is in arm {shown(arms[arm[row]])} here"
            self.blame(row, f"{reason} and in {shown(arms[own[row]])} before; a unit belongs to one arm")
        return unit

    def _moments(self, order: str) -> NDArray[np.float64]:
        """When each row happened, as numbers that rise with time."""
        if order == "order":
            return self.numbers("order", None, negative=True)
        cells = self.table.columns.get(order)
        if cells is None:
            self.blame_rows(np.ones(self.table.n_rows, dtype=np.bool_), f"{order} is missing or blank")
            return np.zeros(self.table.n_rows)
        found = self.each(order, cells, lambda record: record.time(order))
        self.blame_rows(cells.codes == MISSING, f"{order} is missing or blank")
        return np.array([*(0.0 if moment is None else moment.timestamp() for moment in found), 0.0])[cells.codes]


def _number(record: Record) -> float | None:
    """The outcome as a number; true and false are 1 and 0."""
    value = record.values.get("outcome")
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and not record.typed and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    return record.number("outcome", negative=True)
