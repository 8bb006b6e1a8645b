"""What readers share of files whose records hold several votes or none, or name models and answers otherwise.

Each vote becomes a record in our own words (``_votes.vote`` reads it, ``_vote_texts`` finds its texts in it). Such a
format has ``flattened(stream, renamed)``, which gives these records, and ``matches(head, renamed)``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import _jsonl, _votes
from app.formats._record import Columns, Record, RowError, built_rows
from app.formats._text import head_text, shown

Values = Mapping[str, object]
Renamed = Mapping[str, str]
MODELS = (
    ("model_a", "model1", "model_1", "model_left", "left_model"),
    ("model_b", "model2", "model_2", "model_right", "right_model"),
)
ANSWERS = (
    ("response_a", "response1", "response_1", "answer1", "answer_1", "answer_a", "output_a", "output_1", "text1"),
    ("response_b", "response2", "response_2", "answer2", "answer_2", "answer_b", "output_b", "output_2", "text2"),
)
PROMPT = ("prompt", "instruction", "question", "context", "input")
PROMPT_ID = ("prompt_id", "question_id")
BESIDE = (*_votes.RATER, *_votes.TIME, *PROMPT_ID)  # of a row that is one vote
NO_VOTES = "There is no vote in this file: none of its records has an answer that was handed in."
_LONGEST_NAME = 150  # of a prompt by its text
_THING = r"(?:(?:model|response|answer|output|option|completion|text|reply|assistant|side)[ _-]*)?"
_SIDES = {
    "model_a": re.compile(rf"{_THING}(?:a|1|left|first)"),
    "model_b": re.compile(rf"{_THING}(?:b|2|right|second)"),
}
_NEITHER = {**_votes.OUTCOMES, "draw": "tie", "equal": "tie", "both bad": "both_bad", "both-bad": "both_bad"}
_SAID = "model_a, model_b, left, right, tie, both_bad, or the name of one of the two models"


def records(
    stream: BinaryIO, flatten: Callable[[Record], Iterable[Values]], renamed: Renamed | None = None
) -> Iterator[Record | RowProblem]:
    """Each vote of a file of JSON as a record in our own words, on the line of the record that holds it.

    ``flatten`` gives the votes of a record; where it raises RowError, the record is a problem instead. A file of
    records without any vote is one problem.
    """
    number, is_empty = 0, True
    for record in _jsonl.records(stream, renamed):
        is_empty = False
        if isinstance(record, RowProblem):
            number += 1
            yield record
            continue
        try:
            found = list(flatten(record))
        except RowError as error:
            number += 1
            yield RowProblem(record.line, str(error))
            continue
        for values in found:
            number += 1
            yield Record(record.line, number, values, typed=True)
    if not number and not is_empty:
        yield RowProblem(0, NO_VOTES)


def rows(found: Iterable[Record | RowProblem]) -> Iterator[VoteRow | RowProblem]:
    """The votes of such records, and in their place the problems of bad ones."""
    return built_rows(found, _votes.vote)


def matches(head: bytes, columns: Columns, renamed: Renamed | None = None) -> bool:
    """Whether a file is of JSON objects with these keys, once they have their new names."""
    keys = _jsonl.keys_of(head)
    if keys is None:
        return False
    return columns.accepts(_jsonl.with_names(dict.fromkeys(keys), renamed or {}).keys())


def begins_with(head: bytes, names: Collection[str]) -> bool:
    """Whether the first object of a file begins with one of these keys, perhaps after its id, as a list or object."""
    found = re.match(r'\s*\[?\s*\{\s*(?:"id"\s*:\s*[^,{\[]{0,100},\s*)?"(\w+)"\s*:\s*[\[{]', head_text(head))
    return found is not None and found[1] in names


def objects(name: str, value: object) -> list[Values]:
    """A list of objects, which may be missing; RowError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RowError(f"{name} must be a list of objects, not {shown(value)}")
    return value


def fields(name: str, value: object) -> Values:
    """An object, which may be missing; RowError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RowError(f"{name} must be an object, not {shown(value)}")
    return value


def pair(values: Values, where: str) -> dict[str, object]:
    """Who met whom on which prompt and with what answers; RowError where ``where`` names no models."""
    model_a, model_b = (_first(values, names) for names in MODELS)
    if model_a is None or model_b is None:
        raise RowError(
            f"{where} doesn't name the two models: add model_a and model_b to it, or say which of its keys they are "
            "with --map model_a=KEY,model_b=KEY"
        )
    texts = told(_first(values, PROMPT), *(_first(values, names) for names in ANSWERS))
    return {"model_a": model_a, "model_b": model_b, **_beside(values, PROMPT_ID), **texts}


def _beside(values: Values, names: Sequence[str]) -> dict[str, object]:
    return {name: values[name] for name in names if name in values}


def told(prompt: object, answer_a: object, answer_b: object) -> dict[str, object]:
    """Both conversations, each of them a text or a list of messages; nothing where an answer is missing.

    Without a prompt the answers are whole conversations. Where the file gives the prompt no id, its text names it, a
    long one by its beginning and a digest.
    """
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt or []
    found: dict[str, object] = {"prompt": text} if (text := _text(asked)) else {}
    for name, answer in (("conversation_a", answer_a), ("conversation_b", answer_b)):
        said = [{"role": "assistant", "content": answer}] if isinstance(answer, str) and asked else answer
        if isinstance(asked, list) and isinstance(said, list):
            found[name] = [*asked, *said]
    return found


def _text(asked: object) -> str:
    messages = [message for message in asked if isinstance(message, dict)] if isinstance(asked, list) else []
    text = "\n\n".join(message["content"] for message in messages if isinstance(message.get("content"), str))
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[:_LONGEST_NAME]} {hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def _first(values: Values, names: Sequence[str]) -> object:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def outcome(label: object, values: Values, question: str) -> str:
    """The outcome that an answer stands for; ``values`` are those of ``pair``. RowError for one that is none."""
    if not isinstance(label, str):
        raise RowError(f"{question} must be answered with {_SAID}, not {shown(label)}")
    word = label.strip().lower()
    found = {side for side, pattern in _SIDES.items() if pattern.fullmatch(word)}
    found |= {str(_NEITHER[word])} if word in _NEITHER else set()
    found |= {side for side in _SIDES if label.strip() == str(values[side]).strip()}
    if not found:
        raise RowError(f"{shown(label)} is not an answer to {question}; the answers are {_SAID}")
    if len(found) > 1:
        raise RowError(
            f"{shown(label)} is an answer to {question} and also the name of another model; rename the model"
        )
    return found.pop()


def question_of(questions: Collection[str], renamed: Renamed, usual: str = "") -> str | None:
    """Which question the votes answer: the one mapped to winner, the usual one, or the only one; None without any.

    Raises RowError where there are several to choose from.
    """
    mapped = [name for name in questions if renamed.get(name) in _votes.WINNER]
    found = mapped or [name for name in questions if name == usual] or list(questions)
    if len(found) > 1:
        names = ", ".join(sorted(found)[:5])
        raise RowError(f"there are several questions ({names}); say which one the votes answer with --map winner=NAME")
    return found[0] if found else None


def preferred(record: Record, models: Sequence[str], texts: Sequence[str], prompt: object) -> dict[str, object]:
    """A row that is one vote for the first of two models; each goes by any of the names "a|b"."""
    values = record.values
    winner, loser = (_first(values, name.split("|")) for name in models)
    for name, model in zip(models, (winner, loser), strict=True):
        if model is None:
            raise RowError(f"{name.split('|')[0]} is missing or blank")
    found = told(prompt, *(values.get(name) for name in texts))
    return {"model_a": winner, "model_b": loser, "outcome": "model_a", **_beside(values, BESIDE), **found}
