"""Generations as autoarena has them: a CSV or TSV table ``prompt, response`` of one model, which it doesn't name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats import _csv
from app.formats._generations import named_prompt
from app.formats._record import Columns, Record, RowError, built_rows

KIND = "generations"
LABEL = "Outputs of one model (autoarena), CSV or TSV"
SUFFIXES = (".csv", ".tsv")
ACCEPTED = Columns(required=(("prompt_id|prompt", "response|output"),))
NEEDS = f"a CSV or TSV table of one model with the columns {ACCEPTED}"
_NAMED = Columns(required=(("model",),))


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _csv.matches(head, ACCEPTED) and not _csv.matches(head, _NAMED)


def read(stream: BinaryIO) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, without their model, and in their place the problems of bad rows."""
    return built_rows(_csv.records(stream, ACCEPTED), _generation)


def _generation(record: Record) -> GenerationRow:
    output = record.text("response", "output")
    if output is None:
        raise RowError("response is missing")
    prompt_id, prompt = named_prompt(record)
    return GenerationRow(record.line, "", output, prompt_id, prompt)
