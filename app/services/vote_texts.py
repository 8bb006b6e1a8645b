"""Prompts and outputs from a file of votes: stored as a prompt set with its generations, to which the votes refer."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO, TypeVar, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Identity
from app.errors import BadFileError, ConflictError, RowProblem
from app.file_rows import GenerationRow, PromptRow
from app.formats import _vote_texts, generations_jsonl, prompts_jsonl
from app.formats._registry import MAX_PROBLEMS, MORE_PROBLEMS, Renamed
from app.formats._text import shown
from app.formats._vote_columns import LONGEST_NAME, VoteColumns
from app.formats._vote_texts import Told
from app.services import generations, prompt_sets
from app.stats.comparisons import MISSING
from db import models, prompts
from db.engine import Session, database

T = TypeVar("T")
MOST_CHARACTERS = 200_000_000  # of all distinct texts, which are in memory together
NO_TEXTS = (
    "No vote of this file has its texts: conversation_a and conversation_b; or prompt, response_a and response_b; or "
    "instruction, output_1 and output_2. Import it without them."
)
_MIXED = (
    "several votes stand in this line and not all of them count, so that nobody can tell which has which texts; write "
    "each on a line of its own"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The texts of a file: what is to be stored, and of each vote its prompt and both outputs, ``MISSING`` without.

    ``prompt`` is a place in ``prompts``, ``output_a`` and ``output_b`` are places in ``outputs``.
    """

    prompts: list[PromptRow]
    outputs: list[GenerationRow]
    prompt: NDArray[np.int32]
    output_a: NDArray[np.int32]
    output_b: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the texts went: the prompt set, and the ids of prompts and outputs in the order of ``Found``."""

    prompt_set_id: UUID
    prompt_ids: list[UUID]
    output_ids: list[UUID]


@dataclass(slots=True)
class _Gathering:
    """Texts as they come; one that comes again is known by its digest."""

    votes: VoteColumns
    prompts: list[PromptRow] = field(default_factory=list)
    outputs: list[GenerationRow] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    n_characters: int = 0
    _by_id: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _by_text: dict[bytes, int] = field(default_factory=dict)
    _samples: dict[tuple[int, int], dict[bytes, int]] = field(default_factory=dict)

    def prompt(self, told: Told, given: str | None) -> int | None:
        """The place of a prompt: known by its id in the file, or by its text where the file gives no id."""
        text = _digest(part for message in told.messages for part in (message.role, message.content))
        place = len(self.prompts)
        if given is None or len(given) > LONGEST_NAME:
            place = self._by_text.setdefault(text, place)
            id_ = _free_id(self._by_id, place) if place == len(self.prompts) else ""
        else:
            id_ = given
            place, first = self._by_id.get(id_, (place, text))
            if first != text:
                line = self.prompts[place].line
                self.problems.append(RowProblem(told.line, f"prompt {shown(id_)} asks something else in line {line}"))
                return None
        if place == len(self.prompts):
            self._by_id[id_] = place, text
            self.prompts.append(PromptRow(told.line, id_, told.messages, tags=dict(told.tags)))
            self._count(message.content for message in told.messages)
        return place

    def output(self, line: int, model: int, prompt: int, turns: tuple[str, ...]) -> int:
        """The place of an output: another text of the same model for the same prompt is its next sample."""
        samples = self._samples.setdefault((model, prompt), {})
        text = _digest(turns)
        if text not in samples:
            sample = len(samples)
            samples[text] = len(self.outputs)
            name, several = self.votes.models[model], turns if len(turns) > 1 else ()
            row = GenerationRow(line, name, "\n\n".join(turns), self.prompts[prompt].id, sample=sample, turns=several)
            self.outputs.append(row)
            self._count(turns)
        return samples[text]

    def _count(self, texts: Iterable[str]) -> None:
        self.n_characters += sum(map(len, texts))
        if self.n_characters > MOST_CHARACTERS:
            reason = (
                f"the texts are more than {MOST_CHARACTERS:,} characters; split the file, or import it without them"
            )
            raise BadFileError([*self.problems, RowProblem(0, reason)])


def _digest(parts: Iterable[str]) -> bytes:
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.digest()


def _free_id(taken: Mapping[str, object], place: int) -> str:
    number = place + 1
    while f"prompt-{number}" in taken:
        number += 1
    return f"prompt-{number}"


def gather(stream: BinaryIO, votes: VoteColumns, renamed: Renamed | None = None) -> Found:
    """The texts of these votes, which were read from the same file; BadFileError names every bad row."""
    assert votes.lines is not None  # noqa: S101 - the caller asked for them
    lines, found = votes.lines, _Gathering(votes)
    prompt, output_a, output_b = (np.full(len(votes), MISSING, dtype=np.int32) for _ in range(3))
    places = _Places(lines)
    for told in _vote_texts.read(stream, renamed):
        if isinstance(told, RowProblem):
            found.problems.append(told)
        elif (at := places.find(told.line)) == places.BEYOND:
            found.problems.append(RowProblem(told.line, _MIXED))
        elif told.messages and at != MISSING:
            code = int(votes.prompt[at])
            given = votes.prompts[code] if told.is_named and code != MISSING else None
            place = found.prompt(told, given)
            if place is not None:
                a, b = int(votes.model_a[at]), int(votes.model_b[at])
                prompt[at] = place
                output_a[at] = found.output(told.line, a, place, told.output_a)
                output_b[at] = found.output(told.line, b, place, told.output_b)
        if len(found.problems) > MAX_PROBLEMS:
            found.problems[MAX_PROBLEMS:] = [MORE_PROBLEMS]
            break
    if found.problems:
        raise BadFileError(found.problems)
    if not found.prompts:
        raise BadFileError([RowProblem(0, NO_TEXTS)])
    return Found(found.prompts, found.outputs, prompt, output_a, output_b)


class _Places:
    """The place of each vote by its line; a line may hold several, which come in the same order again."""

    BEYOND = -2  # the line has fewer votes

    def __init__(self, lines: NDArray[np.int64]) -> None:
        self._lines = lines
        self._line, self._number = -1, 0

    def find(self, line: int) -> int:
        """The place of the next vote of a line; ``MISSING`` for a line whose row became no vote."""
        self._number = self._number + 1 if line == self._line else 0
        self._line = line
        at = int(np.searchsorted(self._lines, line))
        if at == len(self._lines) or self._lines[at] != line:
            return MISSING
        at += self._number
        return at if at < len(self._lines) and self._lines[at] == line else self.BEYOND


def with_prompts(votes: VoteColumns, found: Found) -> VoteColumns:
    """The votes with the names of the prompts that their texts are stored under."""
    names = sorted(row.id for row in found.prompts)
    place = {name: code for code, name in enumerate(names)}
    codes = np.array([*(place[row.id] for row in found.prompts), MISSING], dtype=np.int32)
    return replace(votes, prompts=names, prompt=codes[found.prompt])


def store(actor: Identity | None, found: Found, *, name: str, models_of: Mapping[str, tuple[str, str]]) -> Stored:
    """Store the texts as any file of prompts and of outputs; ``models_of`` are name and version by name in the file.

    What is stored already is known again, so that an import that broke off can be done once more. Where the set of this
    name has another output for one of them, the prompts become a set of another name.
    """
    outputs = [replace(row, model=models_of[row.model][0], version=models_of[row.model][1]) for row in found.outputs]
    for number in itertools.count(1):
        prompt_set = _through_a_file(
            lambda stream: prompts_jsonl.write(found.prompts, stream),
            partial(_import_prompts, actor, name if number == 1 else f"{name} ({number})"),
        )
        with database().read() as session:
            if _places(session, prompt_set, outputs) is not None:
                break
    _through_a_file(
        lambda stream: generations_jsonl.write(outputs, stream),
        lambda stream: generations.import_generations(actor, stream, prompt_set_id=prompt_set),
    )
    with database().read() as session:
        ids = {row.external_id: row.id for row in prompts.list_prompt_keys(session, prompt_set_id=prompt_set)}
        places = _places(session, prompt_set, outputs)
    if places is None or None in places:
        raise ConflictError("Outputs of these prompts were stored by somebody else at this moment. Try again.")
    return Stored(prompt_set, [ids[row.id] for row in found.prompts], [id_ for id_ in places if id_ is not None])


def _import_prompts(actor: Identity | None, name: str, stream: BinaryIO) -> UUID:
    return prompt_sets.import_prompts(actor, stream, name=name).id


def _through_a_file(write: Callable[[BinaryIO], object], read: Callable[[BinaryIO], T]) -> T:
    with tempfile.TemporaryFile() as file:
        stream = cast("BinaryIO", file)
        write(stream)
        stream.seek(0)
        return read(stream)


def _places(session: Session, prompt_set_id: UUID, outputs: list[GenerationRow]) -> list[UUID | None] | None:
    """The generations that these outputs are stored as; None in all where the set has others in their place."""
    ids = {row.external_id: row.id for row in prompts.list_prompt_keys(session, prompt_set_id=prompt_set_id)}
    known, newest = models.list_model_keys(session)
    stored: dict[tuple[UUID, UUID, int], dict[bytes, UUID]] = {}
    for row in models.stream_outputs(session, prompt_set_id=prompt_set_id):
        text = "\n\n".join(part["text"] if part["type"] == "text" else "" for part in row.original_parts or row.parts)
        stored.setdefault((row.model_id, row.prompt_id, row.sample), {})[_digest([text])] = row.id
    places: list[UUID | None] = []
    for wanted in outputs:
        model_id = known.get((wanted.model, wanted.version)) or known.get((wanted.model, newest.get(wanted.model, "")))
        there = {} if model_id is None else stored.get((model_id, ids[wanted.prompt_id or ""], wanted.sample), {})
        place = there.get(_digest([wanted.output]))
        if there and place is None:
            return None
        places.append(place)
    return places
