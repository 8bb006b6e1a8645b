"""Generations as MT-bench has its answers: ``{"question_id", "model_id", "choices": [{"index", "turns"}]}``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import GenerationRow
from app.formats import _jsonl
from app.formats._generations import by_turns, one_version, without_media
from app.formats._record import Columns, Record, RowError, built_lists
from app.formats._text import shown

KIND = "generations"
LABEL = "MT-bench model answers, JSON Lines"
SUFFIXES = (".jsonl",)
ACCEPTED = Columns(required=(("question_id", "model_id", "choices"),), optional=("answer_id", "tstamp"))
NEEDS = f"MT-bench answers with the keys {ACCEPTED}"
_MOST_SAMPLES = 1000


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _jsonl.matches(head, ACCEPTED)


def read(stream: BinaryIO) -> Iterator[GenerationRow | RowProblem]:
    """The generations of a file, one for each choice, and in their place the problems of bad rows."""
    return built_lists(_jsonl.records(stream), _generations)


def write(rows: Iterable[GenerationRow], stream: BinaryIO) -> int:
    """Write generations whose prompts have ids, each as a choice of its own; how many."""
    return _jsonl.write_objects(map(_object, one_version(without_media(rows, "MT-bench"), "MT-bench")), stream)


def _generations(record: Record) -> list[GenerationRow]:
    prompt_id, model = record.identifier("question_id"), record.required_name("model_id")
    choices = record.values.get("choices")
    if prompt_id is None:
        raise RowError("question_id is missing or blank")
    if not isinstance(choices, list) or not choices:
        raise RowError(f"choices must be a list with at least one answer, not {shown(choices)}")
    rows = []
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise RowError(f"choice {place + 1} must be an object with turns, not {shown(choice)}")
        index = choice.get("index", place)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MOST_SAMPLES:
            raise RowError(f"choice {place + 1}: index must be a whole number from 0, not {shown(index)}")
        output, turns = by_turns(f"choice {place + 1}: turns", choice.get("turns"))
        rows.append(GenerationRow(record.line, model, output, prompt_id, sample=index, turns=turns))
    return rows


def _object(row: GenerationRow) -> dict[str, object]:
    if row.prompt_id is None:
        raise ValueError("MT-bench names a prompt by its id; write JSON Lines instead")
    name = "\0".join((row.prompt_id, row.model, str(row.sample)))
    return {
        "question_id": int(row.prompt_id) if _is_number(row.prompt_id) else row.prompt_id,
        "answer_id": hashlib.sha256(name.encode()).hexdigest()[:22],
        "model_id": row.model,
        "choices": [{"index": row.sample, "turns": list(row.texts)}],
    }


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 19 and str(int(name)) == name
