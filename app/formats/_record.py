"""One row of a file before it is a row of the glossary: named values, checked as they are asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from app.errors import RowProblem
from app.formats._text import EMPTY, identifier, shown

R = TypeVar("R")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASIC_DATE = re.compile(r"[0-9]{8}")
FIRST_MILLISECOND_STAMP = 1e11  # as seconds this would be the year 5138
_MAX_WHOLE = 2**31 - 1


class RowError(ValueError):
    """Raised where a row is bad; str() is the reason."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The column names of a kind of file: ``required`` holds alternatives, and "a|b" in one means either name."""

    required: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """All names that mean something, however they are joined."""
        groups = [group for alternative in (*self.required, self.optional) for group in alternative]
        return frozenset(name for group in groups for name in group.split("|"))

    def folded(self, name: str) -> str:
        """A name as it is compared: one that we know in lower case."""
        return name.lower() if name.lower() in self.known else name

    def accepts(self, names: Collection[str]) -> bool:
        """Whether these names hold all that one of the alternatives requires."""
        return any(
            all(any(name in names for name in group.split("|")) for group in alternative)
            for alternative in self.required
        )

    def __str__(self) -> str:
        return "; or: ".join(
            ", ".join(group.replace("|", " or ") for group in alternative) for alternative in self.required
        )


@dataclass(slots=True)
class Record:
    """The named values of one row; ``typed`` values come from JSON, the others are the texts of CSV cells."""

    line: int
    row_number: int  # 1 for the first row of data
    values: Mapping[str, object]
    typed: bool
    taken: set[str] = field(default_factory=set)

    def text(self, *names: str) -> str | None:
        """The first of these values that is there, exactly as written."""
        for name in names:
            self.taken.add(name)
            value = self.values.get(name)
            if value is not None:
                return _text(name, value)
        return None

    def filled(self, *names: str) -> str | None:
        """The same, where a blank text counts as none."""
        return not_blank(self.text(*names))

    def identifier(self, *names: str) -> str | None:
        """The first of these values that is not blank, as a name; JSON may write a name as a whole number."""
        return self._name(names, whole_numbers=True)

    def name(self, *names: str) -> str | None:
        """The first of these values that is not blank, as a name; a number is refused."""
        return self._name(names, whole_numbers=False)

    def required_name(self, *names: str) -> str:
        """The same, and blank or missing is a problem."""
        found = self.name(*names)
        if found is None:
            raise RowError(f"{names[0]} is missing or blank")
        return found

    def _name(self, names: tuple[str, ...], *, whole_numbers: bool) -> str | None:
        for name in names:
            self.taken.add(name)
            value = self.values.get(name)
            if value is None:
                continue
            if whole_numbers and isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            if found := identifier(_text(name, value)):
                return found
        return None

    def number(self, name: str, *, negative: bool = False) -> float | None:
        """A finite number, which is not negative unless such are meant."""
        self.taken.add(name)
        value = self.values.get(name)
        if isinstance(value, str) and not self.typed:
            number = _parsed(value) if value.strip() else None
            value = value.strip() or None
        else:
            number = _as_number(value)
        if value is None:
            return None
        if number is None or not math.isfinite(number) or (number < 0 and not negative):
            kind = "a number" if negative else "a number that is not negative"
            raise RowError(f"{name} must be {kind}, not {shown(value)}")
        return number

    def whole(self, name: str) -> int | None:
        """A whole number that is not negative; 12.0 is one too, since spreadsheets write it so."""
        number = self.number(name)
        if number is None:
            return None
        if number != int(number) or number > _MAX_WHOLE:
            raise RowError(f"{name} must be a whole number up to {_MAX_WHOLE}, not {shown(self.values[name])}")
        return int(number)

    def time(self, *names: str) -> datetime | None:
        """A point in time in UTC: ISO 8601 (UTC unless it says otherwise), or seconds or milliseconds since 1970."""
        for name in names:
            self.taken.add(name)
            value = self.values.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            try:
                return as_time(value)
            except (ValueError, OverflowError, OSError):
                raise RowError(f"{name} must be a time such as 2026-01-31T12:00:00Z, not {shown(value)}") from None
        return None

    def rest(self) -> dict[str, object]:
        """The values that nobody has asked for."""
        return {name: value for name, value in self.values.items() if name not in self.taken}


def not_blank(text: str | None) -> str | None:
    """The text, or None where it is blank."""
    return text if text and text.strip() else None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(f"{name} must be text, not {shown(value)}")
    return value


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _parsed(text: str) -> float | None:
    # Python's own float() also takes "1_000", "nan" and the digits of other scripts.
    return float(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def as_time(value: object) -> datetime:
    """A point in time as ``Record.time`` reads it; ValueError, OverflowError or OSError for what is none."""
    number = _as_number(value)
    stamp = value if isinstance(value, datetime) else None  # Parquet has a type for it
    if isinstance(value, str):
        text = value.strip()
        number = _parsed(text) if is_stamp(text) else None
        stamp = datetime.fromisoformat(text) if number is None else None
    if stamp is not None:
        return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    if number is None:
        raise ValueError
    return datetime.fromtimestamp(number / 1000 if number >= FIRST_MILLISECOND_STAMP else number, UTC)


def is_stamp(text: str) -> bool:
    """Whether this is a time as seconds or milliseconds; eight digits are a date."""
    return _NUMBER.fullmatch(text) is not None and not _BASIC_DATE.fullmatch(text)


def built_rows(records: Iterable[Record | RowProblem], build: Callable[[Record], R]) -> Iterator[R | RowProblem]:
    """Each record as a row or as what is wrong with it; a file without any is one problem."""
    return built_lists(records, lambda record: [build(record)])


def built_lists(
    records: Iterable[Record | RowProblem], build: Callable[[Record], Iterable[R]]
) -> Iterator[R | RowProblem]:
    """The same for records that hold several rows each."""
    is_empty = True
    for record in records:
        is_empty = False
        if isinstance(record, RowProblem):
            yield record
            continue
        try:
            rows: Iterable[R | RowProblem] = build(record)
        except RowError as error:
            rows = [RowProblem(record.line, str(error))]
        yield from rows
    if is_empty:
        yield RowProblem(0, EMPTY)
