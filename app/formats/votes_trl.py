"""Votes as preferences of TRL whose models stand beside: huggingface.co/docs/trl/dataset_formats.

``chosen`` and ``rejected`` as texts or as messages, with or without ``prompt``; each row is one vote for
``chosen_model``, also one that we wrote for a majority, since its ``n_votes`` and ``margin`` don't say how many of the
others were ties. What the rows can't carry: ties, both-bad, sides, raters and times (unless ``rater`` and ``voted_at``
were added), criteria, reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _vote_flat
from app.formats._record import Columns, Record

KIND = "votes"
LABEL = "TRL preferences with the names of the models (JSON)"
SUFFIXES = (".jsonl", ".json")
MODELS = ("chosen_model|chosen-model", "rejected_model|rejected-model")
ACCEPTED = Columns(required=(("chosen", "rejected", *MODELS),))
NEEDS = "preferences of TRL with the keys chosen, rejected, chosen_model, rejected_model"


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
    return [_vote_flat.preferred(record, MODELS, ("chosen", "rejected"), record.values.get("prompt"))]
