"""What services use: find the format of a file by its content, and read a file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO, Literal, TypeAlias, cast, overload

from app.discovery import find_plugins
from app.errors import BadFileError, RowProblem
from app.file_rows import GenerationRow, ModelRow, PromptRow, VoteRow
from app.formats import _csv, _jsonl, _record, _votes
from app.formats._found import description
from app.formats._gold import GoldRow
from app.formats._record import RowError
from app.formats._text import EMPTY, MOST_BYTES, PARQUET, Rejoined, head_text, identifier, read_head, shown

Kind: TypeAlias = Literal["prompts", "models", "generations", "votes", "gold"]
Row: TypeAlias = PromptRow | ModelRow | GenerationRow | VoteRow | GoldRow
Renamed: TypeAlias = Mapping[str, str]  # a column of the file -> the name that we know, or "" to leave it aside

# What fits into memory beside all else.
MOST_ROWS = {"prompts": 250_000, "generations": 250_000, "gold": 10_000, "votes": 5_000_000}
MAX_PROBLEMS = 100
MORE_PROBLEMS = RowProblem(0, f"There are more problems; these are the first {MAX_PROBLEMS}.")
_OWN = ("_jsonl", "_csv", "_parquet")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, and whether their names are already ones that some format knows."""

    names: tuple[str, ...]
    is_known: bool


def formats_of(kind: Kind) -> dict[str, ModuleType]:
    """The formats of one kind of file, by key."""
    return {key: plugin for key, plugin in find_plugins("app.formats").items() if kind == plugin.KIND}


def detect(kind: Kind, head: bytes) -> ModuleType:
    """The format of a file, by its first 64 kB; BadFileError says what would be right and what was found."""
    known = formats_of(kind)
    # A key of another format in our own file is only one more key; so our own formats are asked first.
    for plugin in _ordered(known, head):
        if plugin.matches(head):
            return plugin
    found = description(head)
    if found == EMPTY:
        raise BadFileError([RowProblem(0, found)])
    if kind == "votes" and (lacks := _votes.hint(_names_in(head))):
        raise BadFileError([RowProblem(0, f"{found}{lacks}")])
    needed = ", or ".join(plugin.NEEDS for plugin in known.values())
    raise BadFileError([RowProblem(0, f"{found} A file of {kind} is {needed}.")])


def _ordered(known: Mapping[str, ModuleType], head: bytes) -> list[ModuleType]:
    """The formats as they are asked: those whose first object begins as no other's does, our own, the others."""

    def place(key: str) -> tuple[bool, bool]:
        begins = getattr(known[key], "begins", None)
        return begins is None or not begins(head), not key.endswith(_OWN)

    return [known[key] for key in sorted(known, key=place)]


def flat_format(head: bytes, renamed: Renamed | None = None) -> ModuleType | None:
    """The format of a file of votes whose records have to be flattened (``_vote_flat``); None for any other file."""
    for plugin in _ordered(formats_of("votes"), head):
        if hasattr(plugin, "flattened"):
            if plugin.matches(head, renamed):
                return plugin
        elif not renamed and plugin.matches(head):
            return None
    return None


def _names_in(head: bytes) -> frozenset[str]:
    keys = _jsonl.keys_of(head)
    return frozenset(_csv.header_of(head, _record.Columns(required=()))) if keys is None else keys


def own_format(kind: Kind, head: bytes) -> ModuleType:
    """Our own format of a file whose columns are mapped: Parquet, JSON, or else a table of text."""
    is_json = _jsonl.keys_of(head) is not None
    ending = "parquet" if head.startswith(PARQUET) else "jsonl" if is_json else "csv"
    return formats_of(kind)[f"{kind}_{ending}"]


def find_columns(kind: Kind, stream: BinaryIO) -> Columns | None:
    """The columns of a table (CSV, TSV, Parquet); None where the file is none or cannot be read."""
    head = read_head(stream)
    if head.startswith(PARQUET):
        from app.formats import _parquet  # noqa: PLC0415 - Arrow is 20 MB, which a server without such files never needs

        try:
            names = _parquet.column_names(Rejoined(head, stream))
        except RowError:
            return None
        accepted: _record.Columns = own_format(kind, head).ACCEPTED
        return Columns(tuple(names), accepted.accepts([accepted.folded(name) for name in names]))
    if _jsonl.keys_of(head) is not None or b"\0" in head or head_text(head).lstrip().startswith(("<", "[")):
        return None
    names = [name.strip() for name in _csv.header_of(head, _record.Columns(required=()))]
    is_known = any(plugin.matches(head) for plugin in formats_of(kind).values())
    return Columns(tuple(name for name in names if name), is_known) if len(names) > 1 or is_known else None


@overload
def read_all(
    kind: Literal["prompts"], stream: BinaryIO, *, max_problems: int = 100, renamed: Renamed | None = None
) -> list[PromptRow]: ...
@overload
def read_all(kind: Literal["models"], stream: BinaryIO, *, max_problems: int = 100) -> list[ModelRow]: ...
@overload
def read_all(
    kind: Literal["generations"], stream: BinaryIO, *, max_problems: int = 100, renamed: Renamed | None = None
) -> list[GenerationRow]: ...
@overload
def read_all(
    kind: Literal["votes"], stream: BinaryIO, *, max_problems: int = 100, renamed: Renamed | None = None
) -> list[VoteRow]: ...
@overload
def read_all(kind: Literal["gold"], stream: BinaryIO, *, max_problems: int = 100) -> list[GoldRow]: ...
def read_all(
    kind: Kind, stream: BinaryIO, *, max_problems: int = 100, renamed: Renamed | None = None
) -> list[PromptRow] | list[ModelRow] | list[GenerationRow] | list[VoteRow] | list[GoldRow]:
    """All rows of a file; if any is bad or there twice, none: BadFileError names the first ``max_problems``.

    ``renamed`` gives the columns of a file of prompts, generations or votes the names that we know.
    """
    rows: list[Any] = []
    read_each(kind, stream, rows.append, max_problems=max_problems, renamed=renamed)
    return rows


def read_each(
    kind: Kind,
    stream: BinaryIO,
    take: Callable[[Any], None],
    *,
    max_problems: int = MAX_PROBLEMS,
    renamed: Renamed | None = None,
) -> None:
    """Give each row of a file to ``take``, which may keep less of it; BadFileError in the end if any row is bad."""
    head = read_head(stream)
    plugin = _mapped_format(kind, head, renamed) if renamed else detect(kind, head)
    counted = _Counted(stream, len(head))
    rejoined = Rejoined(head, cast("BinaryIO", counted))
    problems: list[RowProblem] = []
    first_lines: dict[tuple[str, ...], int] = {}
    most, n_rows = MOST_ROWS.get(kind), 0
    for item in plugin.read(rejoined, renamed) if renamed else plugin.read(rejoined):
        row = item if isinstance(item, RowProblem) else _repeated(item, first_lines) or item
        if not isinstance(row, RowProblem):
            n_rows += 1
            take(row)
        elif len(problems) == max_problems:
            problems.append(RowProblem(0, f"There are more problems; these are the first {max_problems}."))
            break
        else:
            problems.append(row)
        if most is not None and n_rows > most:
            problems.append(RowProblem(0, f"The file has more than {most:,} {kind}; split it."))
            break
    if counted.is_too_long:
        problems.append(RowProblem(0, f"The file is larger than {MOST_BYTES // 2**20:,} MB; split it."))
    if problems:
        raise BadFileError(problems)


def _mapped_format(kind: Kind, head: bytes, renamed: Renamed) -> ModuleType:
    flat = flat_format(head, renamed) if kind == "votes" else None
    return own_format(kind, head) if flat is None else flat


class _Counted:
    """A stream that ends where it becomes too long."""

    def __init__(self, stream: BinaryIO, n_read: int) -> None:
        self._stream, self._n_read = stream, n_read
        self.is_too_long = False

    def read(self, size: int = -1) -> bytes:
        data = b"" if self.is_too_long else self._stream.read(size)
        self._n_read += len(data)
        self.is_too_long = self._n_read > MOST_BYTES
        return data


def _repeated(row: Row, first_lines: dict[tuple[str, ...], int]) -> RowProblem | None:
    """What is wrong if a row with the same name came before; votes and known pairs have no name."""
    if isinstance(row, VoteRow | GoldRow):
        return None
    name, n_known = _name(row), len(first_lines)
    first = first_lines.setdefault(name, row.line)
    return RowProblem(row.line, f"{_called(row)} was already on line {first}") if len(first_lines) == n_known else None


def _name(row: PromptRow | ModelRow | GenerationRow) -> tuple[str, ...]:
    if isinstance(row, PromptRow):
        return (identifier(row.id),)
    if isinstance(row, ModelRow):
        return identifier(row.name), identifier(row.version) if row.connector else ""
    return row.model, row.version, identifier(row.prompt_id or ""), identifier(row.prompt or ""), str(row.sample)


def _called(row: PromptRow | ModelRow | GenerationRow) -> str:
    if isinstance(row, PromptRow):
        return f"the id {shown(row.id)}"
    if isinstance(row, ModelRow):
        return f"the model {shown(row.name)}"
    return f"a generation of {shown(row.model)} for the prompt {shown(row.prompt_id or row.prompt)}"
