"""Votes as records of Argilla: as ``dataset.records.to_json`` writes them, or flat, as we and its data sets do.

Read are the answers to one question, by label or by rank; a draft is no vote, a discarded answer is a skip, suggestions
are those of models and no votes. The answers to a question named remarks or comment are comments. What the records
can't carry: times, sides, strength, criteria and propensities, and reasons other than as words of the comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _jsonl, _vote_flat
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown

KIND = "votes"
LABEL = "Argilla, records (JSON)"
SUFFIXES = (".json", ".jsonl")
ACCEPTED = Columns(required=(("fields", "responses"),))
NEEDS = f"records of Argilla with the keys {ACCEPTED}, or with a key such as preference.responses"
USUAL = "preference"
_COMMENTS = ("remarks", "comment")
_FLAT, _USERS, _STATUS = ".responses", ".responses.users", ".responses.status"
_STATES = ("submitted", "draft", "discarded")


class _Answer(NamedTuple):
    """What one user answered; ``value`` is None where nothing is."""

    question: str
    value: object
    user: object
    status: object = None


def matches(head: bytes, renamed: Mapping[str, str] | None = None) -> bool:
    """Whether the first bytes of a file look like this format, whatever the names of what is in a record."""
    del renamed
    is_flat = any(key.endswith(_FLAT) for key in _jsonl.keys_of(head) or ())
    return is_flat or _vote_flat.matches(head, ACCEPTED) or begins(head)


def begins(head: bytes) -> bool:
    """Whether the first record begins as none of another format does, however long it is."""
    return _vote_flat.begins_with(head, ("fields",))


def read(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[VoteRow | RowProblem]:
    """The votes of a file, and in their place the problems of bad records."""
    return _vote_flat.rows(flattened(stream, renamed))


def flattened(stream: BinaryIO, renamed: Mapping[str, str] | None = None) -> Iterator[Record | RowProblem]:
    """Each answer as a record in our own words; ``renamed`` are fields and metadata, or the name of a question."""
    return _vote_flat.records(stream, partial(_votes, renamed or {}))


def _votes(renamed: Mapping[str, str], record: Record) -> Iterator[dict[str, object]]:
    values = record.values
    is_nested = "fields" in values
    answers = [*(_nested(values.get("responses")) if is_nested else _flat(values))]
    comments = {str(one.user): one.value for one in answers if one.question in _COMMENTS and one.status != "draft"}
    questions = dict.fromkeys(one.question for one in answers if one.question not in _COMMENTS)
    question = _vote_flat.question_of(questions, renamed, USUAL)
    given = [one for one in answers if one.question == question and _is_given(one)]
    if not given:
        return
    names = {key.removeprefix("metadata."): value for key, value in values.items()}
    if is_nested:
        names = {
            **_vote_flat.fields("fields", values["fields"]),
            **_vote_flat.fields("metadata", values.get("metadata")),
        }
    shared = _vote_flat.pair(_jsonl.with_names(names, renamed), "this record")
    for one in given:
        comment = comments.get(str(one.user))
        found = shared | {"rater": one.user} | ({"comment": comment} if comment else {})
        if one.status == "discarded":
            yield found | {"skipped": True}
        else:
            yield found | {"outcome": _outcome(one, shared)}


def _is_given(answer: _Answer) -> bool:
    """Whether an answer was handed in, or refused; RowError where its status is none of Argilla's."""
    if answer.status not in (None, *_STATES):
        known = ", ".join(_STATES)
        raise RowError(f"{answer.question}: status must be one of {known}, not {shown(answer.status)}")
    return answer.status == "discarded" or (answer.status != "draft" and answer.value is not None)


def _nested(responses: object) -> Iterator[_Answer]:
    """{question: [{value, user_id}]}, or before version 2 [{user_id, status, values: {question: {value}}}]."""
    if isinstance(responses, list):
        for one in _vote_flat.objects("responses", responses):
            for question, said in _vote_flat.fields("values", one.get("values")).items():
                value = _vote_flat.fields(question, said).get("value")
                yield _Answer(question, value, one.get("user_id"), one.get("status"))
        return
    for question, said in _vote_flat.fields("responses", responses).items():
        for one in _vote_flat.objects(question, said):
            yield _Answer(question, one.get("value"), one.get("user_id", one.get("user")), one.get("status"))


def _flat(values: Mapping[str, object]) -> Iterator[_Answer]:
    """``question.responses`` with ``.users`` and ``.status`` as parallel lists."""
    for name in values:
        if not name.endswith(_FLAT) or values[name] is None:
            continue
        question = name.removesuffix(_FLAT)
        answers = _list(name, values[name])
        users, states = (
            _list(question + end, values.get(question + end)) or [None] * len(answers) for end in (_USERS, _STATUS)
        )
        if not len(answers) == len(users) == len(states):
            raise RowError(f"{name} has {len(answers)} answers, {len(users)} users and {len(states)} states")
        for value, user, status in zip(answers, users, states, strict=True):
            yield _Answer(question, value, user, status)


def _list(name: str, value: object) -> Sequence[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowError(f"{name} must be a list, not {shown(value)}")
    return value


def _outcome(answer: _Answer, shared: _vote_flat.Values) -> str:
    """The outcome of a label, or of two in the order of preference, with their ranks where the record gives them."""
    value, question = answer.value, answer.question
    if not isinstance(value, list):
        return _vote_flat.outcome(value, shared, question)
    labels = [one.get("value") if isinstance(one, dict) else one for one in value]
    words = [_vote_flat.outcome(label, shared, question) for label in labels]
    if len(words) == 1 and not isinstance(value[0], dict):
        return words[0]
    if sorted(words) != ["model_a", "model_b"]:
        raise RowError(f"{question} must rank the two answers, not {shown(value)}")
    given = [one.get("rank") if isinstance(one, dict) else place for place, one in enumerate(value)]
    ranks = [rank for rank in given if isinstance(rank, int)]
    if len(ranks) < len(given):
        raise RowError(f"{question}: a rank must be a whole number, not {shown(given)}")
    return "tie" if ranks[0] == ranks[1] else words[ranks.index(min(ranks))]
