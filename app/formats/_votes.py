"""What all files of votes share: the columns of our own export, and the dialects in which votes come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.domain import Outcome
from app.file_rows import VoteRow
from app.formats import _vote_own, _vote_remarks
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
    "battle_id",
    "skip_reason",
    "guess_left",
    "guess_right",
)
WINNER, RATER = ("winner", "outcome"), ("rater", "worker", "judge", "judge_hash", "evaluation_session_id")
PROMPT, TIME = ("prompt_id", "question_id", "prompt"), ("voted_at", "timestamp", "tstamp")
KAGGLE = {"winner_model_a": Outcome.MODEL_A, "winner_model_b": Outcome.MODEL_B, "winner_tie": Outcome.TIE}
# What a row may say beside the bare vote that changes what becomes of it.
APART = frozenset(("superseded_by", "is_gold", "repeat_of", "rater_group", "input", "battle_id", *KAGGLE))
_NAMES = frozenset(EXPORTED)
ACCEPTED = Columns(
    required=(
        ("model_a", "model_b", "winner|outcome"),
        ("left", "right", "winner|outcome"),
        ("model_a", "model_b", *KAGGLE),
    ),
    optional=(*EXPORTED, "id", "prompt|question_id", "|".join(RATER[1:]), "weight", "timestamp|tstamp"),
)
KNOWN = ACCEPTED.known
OUTCOMES = {
    "model_a": Outcome.MODEL_A,
    "model_b": Outcome.MODEL_B,
    "tie": Outcome.TIE,
    "both_bad": Outcome.BOTH_BAD,
    "bothbad": Outcome.BOTH_BAD,
    "tie (bothbad)": Outcome.BOTH_BAD,
}
# The columns of preferences for training, and where the names of the models would stand.
_UNNAMED = {
    frozenset(("chosen", "rejected")): ("chosen_model", "rejected_model"),
    frozenset(("preferred_output", "non_preferred_output")): ("preferred_model", "non_preferred_model"),
    frozenset(("response1", "response2", "overall_preference")): ("model1", "model2"),
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
    beside: dict[str, Any] = {}
    if _vote_remarks.has_remarks(record):
        beside["criterion"] = _vote_remarks.criterion(record)
        beside["remarks"] = _vote_remarks.remarks(record, is_a_left=left != "model_b")
    found = VoteRow(
        line=record.line,
        model_a=model_a,
        model_b=model_b,
        outcome=_outcome(record, left),
        left=left,
        prompt_id=record.identifier(*PROMPT),
        rater=record.identifier(*RATER),  # a session without a rater's name is one person's sitting
        voted_at=record.time(*TIME),
        weight=1.0 if weight is None else weight,
        battle=record.identifier("battle_id"),
        **beside,
        turn=_turn(record),
        columns=record.rest(),
    )
    return found if record.values.get("vote_id") is None else replace(found, own=_vote_own.own(record))


def _turn(record: Record) -> int | None:
    turn = record.whole("turn")
    if turn == 0:
        raise RowError("turn must be 1 or more; the first turn of a conversation is 1")
    return turn


def _left(record: Record, model_a: str, model_b: str) -> str | None:
    left = record.name("left")
    if left is None or left in _OPPOSITE:
        return left
    if left not in (model_a, model_b):
        raise RowError(f"left must be model_a or model_b, not {shown(left)}")
    return "model_a" if left == model_a else "model_b"


def _outcome(record: Record, left: str | None) -> Outcome | None:
    """The outcome; None only where the rater said why they couldn't judge."""
    word = record.name(*WINNER)
    if word is None:
        if not KAGGLE.keys().isdisjoint(record.values):
            return _flagged(record)
        if record.name("skip_reason") is not None or record.values.get("skipped") is True:
            return None
        raise RowError("winner is missing or blank")
    if word in ("left", "right"):
        if left is None and "left" in record.values and "model_a" in record.values:
            raise RowError(f"winner says {word}, but the row does not say who stood on the left")
        word = (left or "model_a") if word == "left" else _OPPOSITE[left or "model_a"]
    if word not in OUTCOMES:
        known = ", ".join(["left", "right", *OUTCOMES])
        raise RowError(f"{shown(word)} is not an outcome; the outcomes are {known}")
    return OUTCOMES[word]


def _flagged(record: Record) -> Outcome:
    """Three columns of 0 and 1, one of them 1: the file of the Kaggle contest."""
    said = [outcome for name, outcome in KAGGLE.items() if _is_one(record, name)]
    if len(said) != 1:
        raise RowError(f"exactly one of {', '.join(KAGGLE)} must be 1, the others 0")
    return said[0]


def _is_one(record: Record, name: str) -> bool:
    number = record.number(name)
    if number not in (0, 1):
        raise RowError(f"{name} must be 0 or 1, not {shown(record.values.get(name))}")
    return number == 1


def hint(names: Set[str]) -> str:
    """What a file of preferences lacks to be votes on models; "" for any other."""
    for columns, models in _UNNAMED.items():
        if names >= columns:
            return (
                " These are preferences without the names of their models, so they can't be votes on models: "
                f"add the columns {models[0]} and {models[1]}, or say which columns they are with "
                f"--map {models[0]}=COLUMN,{models[1]}=COLUMN."
            )
    if names >= {"completion", "label"}:
        return " These are single outputs with a label, which don't say what was compared with what."
    return ""


def exported(row: Mapping[str, object]) -> Mapping[str, object]:
    """A vote for our own export: all its columns in their order, each value one that JSON knows."""
    if _is_plain(row):
        return row
    if unknown := row.keys() - _NAMES:
        raise ValueError(f"the export of votes has no column {min(unknown)!r}")
    return {name: _plain(name, row.get(name)) for name in EXPORTED}


def _is_plain(row: Mapping[str, object]) -> bool:
    """Whether a row is already as it is written; asked a million times, so that it is worth to ask for all at once."""
    types = set(map(type, row.values()))
    if tuple(row) != EXPORTED or not types <= _PLAIN_TYPES:
        return False
    return float not in types or all(math.isfinite(value) for value in row.values() if type(value) is float)


_JSON_TYPES = frozenset((type(None), str, bool, int))
_PLAIN_TYPES = _JSON_TYPES | {float, list}


def _plain(name: str, value: object) -> object:
    if type(value) in _JSON_TYPES:
        return value
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
