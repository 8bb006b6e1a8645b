"""Votes as annotated tasks of Label Studio, its export as JSON: labelstud.io/guide/export, labelstud.io/tags/pairwise.

Read are the answers of a Pairwise tag, and of a Choices tag whose options name a side, a tie or a model. A cancelled or
blank annotation is a skip. ``predictions`` and drafts are no votes. What the file can't carry: ties and both-bad with
Pairwise; and our own export, whose answer1 is always model a, says nothing of sides. ``lead_time`` isn't kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _jsonl, _vote_flat
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown

KIND = "votes"
LABEL = "Label Studio, annotated tasks (JSON)"
SUFFIXES = (".json", ".jsonl")
ACCEPTED = Columns(required=(("data", "annotations"),))
NEEDS = f"tasks of Label Studio with the keys {ACCEPTED}"
_CONTROLS = ("pairwise", "choices")


def matches(head: bytes, renamed: Mapping[str, str] | None = None) -> bool:
    """Whether the first bytes of a file look like this format, whatever the names of what is in a task."""
    del renamed
    return _vote_flat.matches(head, ACCEPTED) or begins(head)


def begins(head: bytes) -> bool:
    """Whether the first task begins as none of another format does, however long it is."""
    return _vote_flat.begins_with(head, ("data", "annotations"))


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad tasks."""
    return _vote_flat.rows(flattened(stream, renamed))


def flattened(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Record | RowProblem]:
    """Each annotation as a record in our own words; ``renamed`` are the keys of ``data``, or the name of a control."""
    return _vote_flat.records(stream, partial(_votes, renamed or {}))


def _votes(renamed: Mapping[str, str], task: Record) -> Iterator[dict[str, object]]:
    if not isinstance(task.values.get("data"), dict):
        raise RowError(f"data must be an object, not {shown(task.values.get('data'))}")
    annotations = _vote_flat.objects("annotations", task.values.get("annotations"))
    if not annotations:
        return
    data = _jsonl.with_names(_vote_flat.fields("data", task.values["data"]), renamed)
    shared = _vote_flat.pair(data, "the data of this task")
    for number, annotation in enumerate(annotations, start=1):
        try:
            yield shared | _vote(annotation, shared, renamed)
        except RowError as error:
            raise RowError(f"annotation {number}: {error}") from None


def _vote(annotation: _vote_flat.Values, shared: _vote_flat.Values, renamed: Mapping[str, str]) -> dict[str, object]:
    result = _chosen(_vote_flat.objects("result", annotation.get("result")), renamed)
    meta = _vote_flat.fields("meta", result.get("meta"))
    is_ours = "rater" in meta
    said = Record(0, 0, annotation, typed=True)
    said.number("lead_time")  # only looked at
    found: dict[str, object] = {
        "rater": meta["rater"] if is_ours else _who(annotation.get("completed_by")),
        "voted_at": said.time("created_at"),
        **({"comment": meta["comment"]} if is_ours and meta.get("comment") else {}),
    }
    is_cancelled = annotation.get("was_cancelled") or False
    if not isinstance(is_cancelled, bool):
        raise RowError(f"was_cancelled must be true or false, not {shown(is_cancelled)}")
    if is_cancelled or not result:
        return found | {"skipped": True}
    question, value = str(result.get("from_name")), _vote_flat.fields("value", result.get("value"))
    if result["type"] == "choices":
        return found | {"outcome": _vote_flat.outcome(_only(value.get("choices"), question), shared, question)}
    selected = value.get("selected")
    if selected not in ("left", "right"):
        raise RowError(f"selected must be left or right, not {shown(selected)}")
    return found | {
        "outcome": "model_a" if selected == "left" else "model_b",
        "left": None if is_ours else "model_a",
    }


def _chosen(results: list[_vote_flat.Values], renamed: Mapping[str, str]) -> _vote_flat.Values:
    """The answer to the question of the votes: of the mapped control, else of Pairwise, else of the only Choices."""
    answers = [one for one in results if one.get("type") in _CONTROLS]
    names = {str(one.get("from_name")): one for one in answers}
    if not names.keys() & renamed.keys():
        answers = [one for one in answers if one.get("type") == "pairwise"] or answers
    question = _vote_flat.question_of({str(one.get("from_name")): None for one in answers}, renamed)
    found = [one for one in answers if str(one.get("from_name")) == question]
    if len(found) > 1:
        raise RowError(f"{question} is answered {len(found)} times")
    return found[0] if found else {}


def _only(choices: object, question: str) -> object:
    if not isinstance(choices, list) or len(choices) != 1:
        raise RowError(f"{question} must have one choice, not {shown(choices)}")
    return choices[0]


def _who(completed_by: object) -> object:
    """The annotator: a number, or an object with one and an address."""
    if not isinstance(completed_by, dict):
        return completed_by
    found = completed_by.get("id")
    return completed_by.get("email") if found is None else found
