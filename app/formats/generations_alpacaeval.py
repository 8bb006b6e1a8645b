"""Generations as AlpacaEval has them: ``{"instruction", "input", "output", "generator"}``, mostly as one list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats import _jsonl
from app.formats._alpaca import instruction
from app.formats._generations import one_version
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import shown

KIND = "generations"
LABEL = "AlpacaEval model outputs, JSON"
SUFFIXES = (".json", ".jsonl")
ACCEPTED = Columns(required=(("instruction", "output", "generator"),), optional=("input", "dataset"))
NEEDS = f"AlpacaEval outputs with the keys {ACCEPTED}"


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _generation)


def write(rows: Iterable[GenerationRow], stream: BinaryIO) -> int:
    """Write generations whose prompts are given by their text, one of each model for each of them; how many."""
    return _jsonl.write_list(_objects(one_version(rows, "AlpacaEval")), stream)


def _objects(rows: Iterable[GenerationRow]) -> Iterator[dict[str, object]]:
    for row in rows:
        if row.prompt is None:
            raise ValueError("AlpacaEval names a prompt by its text; write JSON Lines instead")
        if row.content:
            raise ValueError(
                f"an output of {row.model!r} has media, which AlpacaEval cannot carry; write JSON Lines instead"
            )
        if row.sample or row.turns:
            what = "a second sample" if row.sample else "several turns"
            raise ValueError(f"{row.model!r} has {what} for {shown(row.prompt)}, which AlpacaEval cannot carry")
        yield {"instruction": row.prompt, "output": row.output, "generator": row.model}


def _generation(record: Record) -> GenerationRow:
    output = record.text("output")
    if output is None:
        raise RowError("output is missing")
    return GenerationRow(record.line, record.required_name("generator"), output, prompt=instruction(record))
