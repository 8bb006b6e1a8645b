"""The rows of a file of outputs: read, given the model that they don't name, and matched with the prompts of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from app.domain import GenerationStatus
from app.errors import BadFileError, RowProblem
from app.file_rows import GenerationRow
from app.formats._registry import Renamed, read_all
from app.services.typed_text import length_problems
from db import models, prompts
from db.engine import Row, Session

_MOST_PROBLEMS = 100
_STANDING = {
    GenerationStatus.OK,
    GenerationStatus.FLAGGED,
    GenerationStatus.DROPPED,
    GenerationStatus.WITHDRAWN,
}
_ASKED = {GenerationStatus.WAITING, GenerationStatus.ASKING}
REPLACEABLE = (
    GenerationStatus.FAILED,
    GenerationStatus.EMPTY,
    GenerationStatus.TRUNCATED,
    GenerationStatus.REFUSED,
)
ModelKey = tuple[str, str]  # name and version


@dataclass(frozen=True, slots=True)
class Sorted:
    """What becomes of the rows of a file: those that are new, and those in whose place nothing of use is stored.

    Each is the row, its model as ``models`` has it and its prompt; ``replacing`` has the id of the generation beside.
    """

    fresh: tuple[tuple[GenerationRow, ModelKey, UUID], ...]
    replacing: tuple[tuple[GenerationRow, ModelKey, UUID, UUID], ...]
    models: Mapping[ModelKey, UUID]
    unknown: tuple[ModelKey, ...]

    @property
    def n_new(self) -> int:
        """How many outputs the file would add."""
        return len(self.fresh) + len(self.replacing)


def read_generations(stream: BinaryIO, *, model: str = "", renamed: Renamed | None = None) -> list[GenerationRow]:
    """The outputs of a file; ``model`` is whose they are where the file is of one model and doesn't name it."""
    rows = read_all("generations", stream, renamed=renamed)
    if model:
        rows = [row if row.model else replace(row, model=model) for row in rows]
    if problems := [problem for row in rows for problem in _too_long(row)]:
        raise BadFileError(problems[:_MOST_PROBLEMS])
    return rows


def _too_long(row: GenerationRow) -> list[RowProblem]:
    return list(length_problems(row.line, [("model", row.model, 200), ("version", row.version, 100)]))


def _name(row: GenerationRow) -> ModelKey:
    return row.model, row.version


def match_prompts(session: Session, rows: Sequence[GenerationRow], prompt_set_id: UUID) -> list[UUID]:
    """The prompt of each row; BadFileError names the rows whose prompt is not in the set, or there twice."""
    prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
    by_id = {row.external_id: row.id for row in prompts.list_prompt_keys(session, prompt_set_id=prompt_set_id)}
    by_text = _by_text(session, prompt_set_id) if any(row.prompt_id is None for row in rows) else {}
    matched: list[UUID] = []
    seen: dict[tuple[ModelKey, UUID, int], int] = {}
    problems: list[RowProblem] = []
    for row in rows:
        if row.prompt_id is not None:
            what, found = f"prompt {row.prompt_id!r:.80}", [by_id[row.prompt_id]] if row.prompt_id in by_id else []
        else:
            what, found = f"prompt text {row.prompt!r:.60}", by_text.get(digest(row.prompt or ""), [])
        n_seen = len(seen)
        if len(found) != 1:
            reason = f"is in this prompt set {len(found)} times; name its prompt_id" if found else "is not in this set"
            problems.append(RowProblem(row.line, f"{what} {reason}"))
        elif (first := seen.setdefault((_name(row), found[0], row.sample), row.line)) and len(seen) == n_seen:
            problems.append(RowProblem(row.line, f"a second output of {row.model!r} for the prompt of line {first}"))
        matched += found[:1]
        if len(problems) == _MOST_PROBLEMS:
            problems.append(RowProblem(0, f"There are more problems; these are the first {_MOST_PROBLEMS}."))
            break
    if problems:
        raise BadFileError(problems)
    return matched


def _by_text(session: Session, prompt_set_id: UUID) -> dict[bytes, list[UUID]]:
    """The prompts by what their last message says; digests, since all texts together may not fit into memory."""
    found: dict[bytes, list[UUID]] = {}
    for row in prompts.stream_prompts(session, prompt_set_id=prompt_set_id):
        found.setdefault(digest(row.messages[-1]["content"]), []).append(row.id)
    return found


def digest(text: str) -> bytes:
    """What stands for the text of a prompt where it is compared."""
    return hashlib.blake2b(text.strip().encode(), digest_size=16).digest()


def unnamed(rows: Iterable[GenerationRow]) -> bool:
    """Whether any output is of a model that the file doesn't name."""
    return any(not row.model for row in rows)


def sort_rows(
    session: Session, rows: Sequence[GenerationRow], prompt_ids: Sequence[UUID], prompt_set_id: UUID
) -> Sorted:
    """What becomes of each row; BadFileError names those that a job asks for at this moment.

    An output that raters may see stands, as does one that an admin has yet to look at or took out. What failed, is
    empty, was cut short or refused makes room for an output that isn't blank.
    """
    known, newest = models.list_model_keys(session)
    stored: dict[tuple[UUID, UUID, int], list[Row]] = {}
    for found in models.list_generation_states(session, prompt_set_id=prompt_set_id):
        stored.setdefault((found.model_id, found.prompt_id, found.sample), []).append(found)
    fresh, replacing, unknown = [], [], dict[ModelKey, None]()
    problems: list[RowProblem] = []
    seen: dict[tuple[ModelKey, UUID, int], int] = {}
    for row, prompt_id in zip(rows, prompt_ids, strict=True):
        key = _model_key(row, known, newest)
        if (first := seen.setdefault((key, prompt_id, row.sample), row.line)) != row.line:
            problems.append(RowProblem(row.line, f"a second output of {row.model!r} for the prompt of line {first}"))
            continue
        if key not in known:
            unknown[key] = None
            fresh.append((row, key, prompt_id))
            continue
        beside = stored.get((known[key], prompt_id, row.sample), [])
        states = {found.status for found in beside}
        own = next((found.id for found in beside if not found.settings_hash), None)
        if states & _STANDING:
            continue
        if states & _ASKED:
            problems.append(RowProblem(row.line, f"the output of {row.model!r} is being asked for at this moment"))
        elif not beside or (own is None and not row.is_blank):
            fresh.append((row, key, prompt_id))
        elif own is not None and not row.is_blank:
            replacing.append((row, key, prompt_id, own))
    if problems:
        more = [RowProblem(0, f"There are more problems; these are the first {_MOST_PROBLEMS}.")]
        raise BadFileError(problems[:_MOST_PROBLEMS] + (more if len(problems) > _MOST_PROBLEMS else []))
    return Sorted(tuple(fresh), tuple(replacing), known, tuple(unknown))


def _model_key(row: GenerationRow, known: Mapping[ModelKey, UUID], newest: Mapping[str, str]) -> ModelKey:
    """The model of a row; where the file names no version it is the one without any, or else the newest of the name."""
    key = _name(row)
    return key if key in known or row.version or row.model not in newest else (row.model, newest[row.model])
