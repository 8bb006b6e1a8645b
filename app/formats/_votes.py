"""What all files of votes share: the columns of our own export, and the dialects in which votes come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from app.domain import Outcome, VoteRow
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown

EXPORTED = (
    "vote_id",
    "experiment",
    "prompt_set",
    "prompt_set_version",
    "prompt_id",
    "turn",
    "model_a",
    "model_b",
    "version_a",
    "version_b",
    "left",
    "outcome",
    "strength",
    "criterion",
    "reasons_a",
    "reasons_b",
    "comment",
    "rater",
    "rater_group",
    "session",
    "shown_at",
    "voted_at",
    "dwell_ms",
    "input",
    "is_gold",
    "repeat_of",
    "propensity",
    "allocation",
    "leak_flag",
    "superseded_by",
    "app_version",
)
ACCEPTED = Columns(
    required=(("model_a", "model_b", "winner|outcome"), ("left", "right", "winner|outcome")),
    optional=(*EXPORTED, "id", "prompt|question_id", "worker|judge", "weight", "timestamp|tstamp"),
)
_OUTCOMES = {
    "model_a": Outcome.MODEL_A,
    "model_b": Outcome.MODEL_B,
    "tie": Outcome.TIE,
    "both_bad": Outcome.BOTH_BAD,
    "bothbad": Outcome.BOTH_BAD,
    "tie (bothbad)": Outcome.BOTH_BAD,
}
_OPPOSITE = {"model_a": "model_b", "model_b": "model_a"}


def vote(record: Record) -> VoteRow:
    """One vote; without the names model_a and model_b the file has sides, and the left one becomes model_a."""
    has_models = not {"model_a", "model_b"}.isdisjoint(record.values)
    names = ("model_a", "model_b") if has_models else ("left", "right")
    model_a, model_b = record.required_name(names[0]), record.required_name(names[1])
    if model_a == model_b:
        raise RowError(f"{names[0]} and {names[1]} are the same model, {shown(model_a)}")
    left = _left(record, model_a, model_b) if has_models else "model_a"
    weight = record.number("weight")
    if weight == 0:
        raise RowError("weight must be more than 0")
    return VoteRow(
        line=record.line,
        model_a=model_a,
        model_b=model_b,
        outcome=_outcome(record, left),
        left=left,
        prompt_id=record.identifier("prompt_id", "question_id", "prompt"),
        rater=record.identifier("rater", "worker", "judge"),
        voted_at=record.time("voted_at", "timestamp", "tstamp"),
        weight=1.0 if weight is None else weight,
        columns=record.rest(),
    )


def _left(record: Record, model_a: str, model_b: str) -> str | None:
    left = record.name("left")
    if left is None or left in _OPPOSITE:
        return left
    if left not in (model_a, model_b):
        raise RowError(f"left must be model_a or model_b, not {shown(left)}")
    return "model_a" if left == model_a else "model_b"


def _outcome(record: Record, left: str | None) -> Outcome:
    word = record.name("winner", "outcome")
    if word is None:
        raise RowError("winner is missing or blank")
    if word in ("left", "right"):
        if left is None and "left" in record.values and "model_a" in record.values:
            raise RowError(f"winner says {word}, but the row does not say who stood on the left")
        word = (left or "model_a") if word == "left" else _OPPOSITE[left or "model_a"]
    if word not in _OUTCOMES:
        known = ", ".join(["left", "right", *_OUTCOMES])
        raise RowError(f"{shown(word)} is not an outcome; the outcomes are {known}")
    return _OUTCOMES[word]


def exported(row: Mapping[str, object]) -> dict[str, object]:
    """A vote for our own export: all its columns in their order, each value one that JSON knows."""
    unknown = [name for name in row if name not in EXPORTED]
    if unknown:
        raise ValueError(f"the export of votes has no column {unknown[0]!r}")
    return {name: _plain(name, row.get(name)) for name in EXPORTED}


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} has no time zone")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    is_finite = not isinstance(value, float) or math.isfinite(value)
    if is_finite and (value is None or isinstance(value, str | int | float | list | tuple | dict)):
        return value
    raise ValueError(f"{name} cannot be written to a file: {shown(value)}")
