"""Votes as OpenAI's preferences for DPO whose models were put beside: platform.openai.com/docs/guides/fine-tuning.

Each row is one vote for ``preferred_model``. OpenAI documents no place for the models, so that our own export doesn't
name them; such a file is refused until the two columns are added. What the rows can't carry: ties, both-bad, sides,
raters and times (unless ``rater`` and ``voted_at`` were added), criteria, reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _vote_flat
from app.formats._record import Columns, Record

KIND = "votes"
LABEL = "OpenAI DPO with the names of the models (JSON)"
SUFFIXES = (".jsonl", ".json")
MODELS = ("preferred_model", "non_preferred_model")
TEXTS = ("preferred_output", "non_preferred_output")
ACCEPTED = Columns(required=((*TEXTS, *MODELS),))
NEEDS = f"preferences for OpenAI's DPO with the keys {ACCEPTED}"


def matches(head: bytes, renamed: Mapping[str, str] | None = None) -> bool:
    """Whether the first bytes of a file look like this format."""
    return _vote_flat.matches(head, ACCEPTED, renamed)


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad rows."""
    return _vote_flat.rows(flattened(stream, renamed))


def flattened(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Record | RowProblem]:
    """Each row as a record in our own words."""
    return _vote_flat.records(stream, _vote, renamed)


def _vote(record: Record) -> list[dict[str, object]]:
    asked = _vote_flat.fields("input", record.values.get("input")).get("messages")
    return [_vote_flat.preferred(record, MODELS, TEXTS, asked)]
