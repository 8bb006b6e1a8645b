"""Votes as AlpacaEval has its annotations: two outputs with their generators, and which one the annotator preferred."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from app.domain import Outcome
from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _jsonl
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import shown

KIND = "votes"
LABEL = "AlpacaEval annotations, JSON"
SUFFIXES = (".json", ".jsonl")
ACCEPTED = Columns(
    required=(("generator_1", "generator_2", "preference"),),
    optional=("instruction", "output_1", "output_2", "annotator", "prompt_id"),
)
NEEDS = f"AlpacaEval annotations with the keys {ACCEPTED}"
_OUTCOMES = {1.0: Outcome.MODEL_A, 1.5: Outcome.TIE, 2.0: Outcome.MODEL_B}


def matches(head: bytes) -> bool:
    """Whether the first bytes of a file look like this format."""
    keys = _jsonl.keys_of(head)
    # Its texts may be longer than what is looked at; so the first generator is enough.
    return keys is not None and (ACCEPTED.accepts(keys) or {"generator_1", "output_1"} <= keys)


def read(stream: BinaryIO) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows."""
    return built_rows(_jsonl.records(stream), _vote)


def _vote(record: Record) -> VoteRow:
    model_a, model_b = record.required_name("generator_1"), record.required_name("generator_2")
    if model_a == model_b:
        raise RowError(f"generator_1 and generator_2 are the same model, {shown(model_a)}")
    preference = record.number("preference")
    if preference is None:
        raise RowError("preference is missing")
    if preference not in _OUTCOMES:
        raise RowError(
            f"preference must be 1 (output_1), 2 (output_2) or 1.5 (a tie), not {shown(record.values['preference'])}; "
            "what lies between is how sure a judge was and no vote"
        )
    return VoteRow(
        line=record.line,
        model_a=model_a,
        model_b=model_b,
        outcome=_OUTCOMES[preference],
        prompt_id=record.identifier("prompt_id"),
        rater=record.identifier("annotator"),
    )
