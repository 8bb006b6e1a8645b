"""What all files of generations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain import Part
from app.file_rows import GenerationRow
from app.formats._objects import value_of_cell
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown

KINDS = ("text", "image", "audio", "video")
COUNTS = ("latency_ms", "input_tokens", "output_tokens", "cost")
WRITTEN = ("prompt_id", "prompt", "model", "version", "sample", "output", "content", *COUNTS)
ACCEPTED = Columns(
    required=(("prompt_id|prompt", "model", "output|response|content"),),
    optional=("version", "sample", *COUNTS),
)


def generation(record: Record) -> GenerationRow:
    """One generation; its text may be empty but not missing, and an id of its prompt goes before the text of it."""
    output, turns, content = _output(record)
    prompt_id, prompt = named_prompt(record)
    return GenerationRow(
        line=record.line,
        model=record.required_name("model"),
        output=output,
        prompt_id=prompt_id,
        prompt=prompt,
        latency_ms=record.number("latency_ms"),
        input_tokens=record.whole("input_tokens"),
        output_tokens=record.whole("output_tokens"),
        cost=record.number("cost"),
        sample=record.whole("sample") or 0,
        turns=turns,
        version=record.identifier("version") or "",
        content=content,
    )


def named_prompt(record: Record) -> tuple[str | None, str | None]:
    """The prompt of a row, by its id or else by its text."""
    prompt_id = record.identifier("prompt_id")
    prompt = None if prompt_id else record.text("prompt")
    if not prompt_id and not (prompt and prompt.strip()):
        raise RowError("prompt_id and prompt are both missing or blank")
    return prompt_id, prompt


def _output(record: Record) -> tuple[str, tuple[str, ...], tuple[Part, ...]]:
    """The whole text, the texts of its turns where there are several, and all in order where there are media."""
    content = record.values.get("content")
    if isinstance(content, str) and not record.typed:
        content = value_of_cell("content", content, "a JSON list of parts") if content.strip() else None
    if content is None:
        output = record.text("output", "response")
        if output is None:
            raise RowError("output is missing")
        return output, (), ()
    if record.values.get("output") or record.values.get("response"):
        raise RowError("there are both output and content; leave one out")
    parts = tuple(map(_part, content)) if isinstance(content, list) else ()
    texts = [part.content for part in parts if part.kind == "text"]
    if len(texts) == len(parts):
        return *by_turns("content", texts if isinstance(content, list) else content), ()
    return "\n\n".join(texts), tuple(texts) if len(texts) > 1 else (), parts


def _part(part: object) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    value = part.get("text" if kind == "text" else "file") if isinstance(part, dict) else None
    if kind not in KINDS or not isinstance(value, str) or (kind != "text" and not value.strip()):
        raise RowError(
            'a part of content must be {"type": "text", "text": ...} or {"type": "image", "file": ...} (or audio, '
            f"video), not {shown(part)}"
        )
    return Part(str(kind), value)


def by_turns(name: str, turns: object) -> tuple[str, tuple[str, ...]]:
    """The turns of an output as one text, and each of them where there are several."""
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise RowError(f"{name} must be a list with at least one text, not {shown(turns)}")
    return "\n\n".join(turns), tuple(turns) if len(turns) > 1 else ()


def values(row: GenerationRow) -> tuple[object, ...]:
    """The values of a generation in the order of ``WRITTEN``."""
    parts = row.content or [Part("text", text) for text in row.turns]
    content = [{"type": kind, "text" if kind == "text" else "file": value} for kind, value in parts] or None
    output = None if content else row.output
    counts = (row.latency_ms, row.input_tokens, row.output_tokens, row.cost)
    return row.prompt_id, row.prompt, row.model, row.version or None, row.sample or None, output, content, *counts


def without_media(rows: Iterable[GenerationRow], what: str) -> Iterator[GenerationRow]:
    """The same rows; ValueError for one with media, which this kind of file cannot carry."""
    for row in rows:
        if row.content:
            raise ValueError(
                f"an output of {row.model!r} has media, which {what} cannot carry; write JSON Lines instead"
            )
        yield row


def one_version(rows: Iterable[GenerationRow], what: str) -> Iterator[GenerationRow]:
    """The same rows; ValueError where a model has answered in two versions, which ``what`` cannot tell apart."""
    versions: dict[str, str] = {}
    for row in rows:
        if versions.setdefault(row.model, row.version) != row.version:
            raise ValueError(f"{row.model!r} has answered in two versions, which {what} cannot tell apart")
        yield row
