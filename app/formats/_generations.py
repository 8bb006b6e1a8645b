"""What all files of generations share."""

from __future__ import annotations

from app.domain import GenerationRow
from app.formats._record import Columns, Record, RowError

WRITTEN = ("prompt_id", "prompt", "model", "output", "latency_ms", "input_tokens", "output_tokens", "cost")
ACCEPTED = Columns(
    required=(("prompt_id|prompt", "model", "output|response"),),
    optional=("latency_ms", "input_tokens", "output_tokens", "cost"),
)


def generation(record: Record) -> GenerationRow:
    """One generation; its text may be empty but not missing, and an id of its prompt goes before the text of it."""
    output = record.text("output", "response")
    if output is None:
        raise RowError("output is missing")
    prompt_id = record.identifier("prompt_id")
    prompt = None if prompt_id else record.text("prompt")
    if not prompt_id and not (prompt and prompt.strip()):
        raise RowError("prompt_id and prompt are both missing or blank")
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
    )


def values(row: GenerationRow) -> tuple[object, ...]:
    """The values of a generation in the order of ``WRITTEN``."""
    counts = (row.latency_ms, row.input_tokens, row.output_tokens, row.cost)
    return row.prompt_id, row.prompt, row.model, row.output, *counts
