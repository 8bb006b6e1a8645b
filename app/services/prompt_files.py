"""Files of prompts: read from any format, alone or in a .zip with their images, and written again."""

from __future__ import annotations

import base64
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast
from uuid import UUID

from app.domain import Identity, Message, Role
from app.errors import BadFileError, InvalidInputError
from app.file_rows import PromptRow
from app.formats import _archive
from app.formats._registry import Columns, Renamed, find_columns, formats_of, read_all
from app.formats._text import Rejoined, identifier, read_head
from app.services import attachments, media
from app.services.attachments import Beside
from app.services.sign_in import require
from app.services.typed_text import length_problems
from db import media as media_rows
from db import prompt_search, prompts
from db.engine import Row, Session, database

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Likeness:
    """Prompts that may be one by mistake: how many, and the first few as pairs of ids."""

    n: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PromptsPreview:
    """What a file of prompts would store. Prompts with the same text, or ids that differ in case alone, are allowed."""

    n_prompts: int
    n_images: int
    rows: tuple[PromptRow, ...]
    same_text: Likeness
    like_ids: Likeness


@contextlib.contextmanager
def opened(stream: BinaryIO, beside: Beside | None = None) -> Iterator[tuple[BinaryIO, Beside | None]]:
    """The table of a file, and where its attachments are: a .zip has both."""
    head = read_head(stream)
    whole = Rejoined(head, stream)
    if not _archive.begins(head):
        yield cast("BinaryIO", whole), beside
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(whole, copy)
        copy.seek(0)
        archive = _archive.Archive(copy)
        try:
            with archive.open_table() as table:
                yield cast("BinaryIO", table), archive
        except _archive.DAMAGED:
            raise _archive.damaged(archive.table) from None


def read_rows(table: BinaryIO, renamed: Renamed | None) -> list[PromptRow]:
    """The prompts of a table; raises BadFileError naming every bad row."""
    rows = read_all("prompts", table, renamed=renamed)
    if problems := [problem for row in rows for problem in length_problems(row.line, [("id", row.id, 200)])]:
        raise BadFileError(problems[:100])
    return rows


def find_table_columns(stream: BinaryIO) -> Columns | None:
    """The columns of a table of prompts, alone or in a .zip; None where there are none to choose among."""
    with opened(stream) as (table, _):
        return find_columns("prompts", table)


def check_prompts(
    actor: Identity | None, stream: BinaryIO, *, renamed: Renamed | None = None, most_rows: int = 8
) -> PromptsPreview:
    """What ``import_prompts`` would do with a file; raises BadFileError naming every bad row."""
    require(actor, Role.ADMIN)
    with opened(stream) as (table, beside):
        rows = read_rows(table, renamed)
        if problems := attachments.each(rows, beside, media.check_image):
            raise BadFileError(problems)
    return PromptsPreview(
        len(rows),
        sum(len(row.attachments) for row in rows),
        tuple(rows[:most_rows]),
        _alike([(row.id, "\0".join(message.content for message in row.messages)) for row in rows]),
        _alike([(row.id, identifier(row.id).casefold()) for row in rows]),
    )


def _alike(named: Sequence[tuple[str, str]]) -> Likeness:
    first: dict[str, str] = {}
    pairs = [(before, name) for name, key in named if (before := first.setdefault(key, name)) != name]
    return Likeness(len(pairs), tuple(pairs[:_SHOWN]))


_BOTH = {"jsonl": "JSON Lines", "mtbench": "MT-bench", "csv": "CSV", "tsv": "TSV", "parquet": "Parquet"}
WRITTEN = {**_BOTH, "evals": "OpenAI evals", "alpaca": "Alpaca"}
WRITTEN_OUTPUTS = {**_BOTH, "alpacaeval": "AlpacaEval"}
_TABLES = {"csv": ",", "tsv": "\t"}
ENDINGS = {
    **{name: name for name in ("jsonl", "csv", "tsv", "parquet")},
    **{"mtbench": "jsonl", "evals": "jsonl", "alpaca": "json", "alpacaeval": "json"},
}


def writer_of(kind: Literal["prompts", "generations"], file_format: str) -> Callable[..., int]:
    """What writes rows to a stream in this format; TSV is our CSV with tabs."""
    plugin = formats_of(kind)[f"{kind}_{'csv' if file_format in _TABLES else file_format}"]
    more = {"delimiter": _TABLES[file_format]} if file_format in _TABLES else {}
    return functools.partial(plugin.write, **more)


def export_prompts(actor: Identity | None, prompt_set_id: UUID, stream: BinaryIO, *, file_format: str) -> int:
    """Write the prompts of a set in the order of its file; how many.

    ``file_format`` is a key of ``WRITTEN``. Images go along as data: URLs. InvalidInputError says what a format
    cannot carry.
    """
    require(actor, Role.RESEARCHER)
    if file_format not in WRITTEN:
        raise InvalidInputError(f"Prompts can be written as {', '.join(WRITTEN)}; not as {file_format!r}.")
    write = writer_of("prompts", file_format)
    with database().read() as session:
        prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
        more = {}
        if file_format in _TABLES:
            more["tags"] = prompt_search.list_tag_names(session, prompt_set_id=prompt_set_id)
        try:
            with contextlib.closing(_rows(session, prompt_set_id)) as rows:
                written: int = write(rows, stream, **more)
        except ValueError as error:
            raise InvalidInputError(f"This can't be written as {WRITTEN[file_format]}: {error}.") from None
    return written


def _rows(session: Session, prompt_set_id: UUID) -> Generator[PromptRow, None, None]:
    with contextlib.closing(prompts.stream_prompts(session, prompt_set_id=prompt_set_id)) as stored:
        for row in stored:
            images = _data_urls(session, row.attachments) if row.attachments else ()
            yield PromptRow(row.position + 1, row.external_id, messages_of(row), row.reference, row.tags, images)


def _data_urls(session: Session, items: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    places = media_rows.list_places(session, media_ids=[UUID(item["media_id"]) for item in items])
    urls = []
    for item in items:
        data = (media.folder() / places[UUID(item["media_id"])]).read_bytes()
        urls.append(f"data:{item['media_type']};base64,{base64.b64encode(data).decode()}")
    return tuple(urls)


def messages_of(row: Row) -> tuple[Message, ...]:
    """The chat of a stored prompt."""
    return tuple(Message(message["role"], message["content"]) for message in row.messages)
