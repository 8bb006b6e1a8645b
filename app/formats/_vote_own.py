"""What only our own export says of its votes: a file of ours comes in as it went out, and can go out the same again."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Input
from app.errors import RowProblem
from app.file_rows import OwnVote, VoteRow
from app.formats._record import Record, RowError
from app.formats._text import shown
from app.stats.comparisons import MISSING

INPUTS = tuple(Input)
NO_ID = bytes(16)
# An id of ours sorts by the time of its making, which readers of new votes rely on; no other one is taken over.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Kept(NamedTuple):
    """A vote that counts for no model and goes out again; ``columns`` are JSON."""

    vote_id: bytes
    voted_at: datetime
    rater: str | None
    columns: str


@dataclass(frozen=True, slots=True)
class OwnColumns:
    """What our own export says of N votes beside ``VoteColumns``, in the same order.

    Ids are 16 bytes each, those of a battle all zero where it has none; ``shown_at`` counts microseconds since 1970;
    ``dwell_ms`` is ``MISSING`` and ``propensity`` not a number where the file says none; ``input`` is a place in
    ``INPUTS``. ``versions`` are those of the models, by name; ``kept`` are the votes that count for none.
    """

    key: str
    allocation: str
    prompt_set: str
    vote_id: NDArray[np.uint8]
    battle_id: NDArray[np.uint8]
    shown_at: NDArray[np.int64]
    dwell_ms: NDArray[np.int32]
    input: NDArray[np.int8]
    propensity: NDArray[np.float64]
    versions: Mapping[str, str]
    kept: Sequence[Kept]

    def repeated(self) -> NDArray[np.int64]:
        """The places of votes whose id stands in an earlier row, too."""
        halves = self.vote_id.view(">u8").astype(np.uint64)
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        is_same = (halves[order][1:] == halves[order][:-1]).all(axis=1)
        return np.sort(order[1:][is_same])


def own(record: Record) -> OwnVote | None:
    """What a row says as one of our own export; None for any other, whose ids are not ours."""
    vote_id, voted_at = _id(record.values.get("vote_id")), record.time("voted_at")
    battle_id = record.values.get("battle_id") or None
    if vote_id is None or voted_at is None or (battle_id is not None and _id(battle_id) is None):
        return None
    for name in ("repeat_of", "superseded_by"):
        if not isinstance(record.values.get(name) or "", str):
            raise RowError(f"{name} must be an id, not {shown(record.values[name])}")
    word = record.name("input") or Input.FILE
    if word not in INPUTS:
        raise RowError(f"input must be one of {', '.join(INPUTS)}, not {shown(word)}")
    return OwnVote(
        vote_id=vote_id,
        battle_id=_id(battle_id),
        experiment=record.identifier("experiment") or "",
        allocation=record.identifier("allocation") or "",
        prompt_set=record.identifier("prompt_set") or "",
        version_a=record.identifier("version_a") or "",
        version_b=record.identifier("version_b") or "",
        shown_at=record.time("shown_at") or voted_at,
        dwell_ms=record.whole("dwell_ms"),
        input=Input(word),
        propensity=_propensity(record),
    )


def _propensity(record: Record) -> float | None:
    value = record.number("propensity")
    if value is not None and not 0 < value <= 1:
        raise RowError(f"propensity must be more than 0 and at most 1, not {value:g}")
    return value


def _id(value: object) -> bytes | None:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return None
    return bytes.fromhex(value.replace("-", ""))


def is_true(value: object) -> bool:
    """Whether a cell of a column of flags says yes."""
    return str(value).strip().lower() in {"true", "1"}


def _kept_columns(row: VoteRow, said: OwnVote) -> dict[str, object]:
    """The columns of our own export that are not the study's, the rater's or the row's id and time."""
    rest, remarks = row.columns, row.remarks
    of_a, of_b = (remarks.left, remarks.right) if row.left != "model_b" else (remarks.right, remarks.left)
    is_gold = is_true(rest.get("is_gold"))
    return {
        "has_prompts": bool(rest.get("prompt_set")),
        "prompt_id": row.prompt_id,
        "turn": row.turn or 1,
        "model_a": row.model_a,
        "model_b": row.model_b,
        "version_a": None if is_gold else said.version_a,
        "version_b": None if is_gold else said.version_b,
        "left": row.left,
        "outcome": row.outcome,
        "strength": remarks.strength,
        "criterion": row.criterion,
        "reasons_a": list(of_a) or None,
        "reasons_b": list(of_b) or None,
        "comment": remarks.comment or None,
        "rater_group": rest.get("rater_group") or None,
        "shown_at": said.shown_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "dwell_ms": said.dwell_ms,
        "input": said.input,
        "is_gold": is_gold,
        "repeat_of": rest.get("repeat_of") or None,
        "propensity": said.propensity,
        "superseded_by": rest.get("superseded_by") or None,
        "battle_id": None if said.battle_id is None else str(UUID(bytes=said.battle_id)),
        "skip_reason": remarks.skip_reason,
        "guess_left": remarks.guess_left,
        "guess_right": remarks.guess_right,
    }


class OwnGatherer:
    """Makes columns of the rows of our own export that come one by one."""

    def __init__(self) -> None:
        self._ids, self._battles = bytearray(), bytearray()
        self._shown, self._dwell, self._input, self._propensity = array("q"), array("i"), array("b"), array("d")
        self._studies: set[tuple[str, str, str]] = set()
        self._versions: dict[str, str] = {}
        self._kept: list[Kept] = []
        self.clashes: list[RowProblem] = []

    def add(self, row: VoteRow, said: OwnVote, shown_at: int) -> None:
        """Take a vote in, ``shown_at`` in microseconds."""
        self._ids += said.vote_id
        self._battles += said.battle_id or NO_ID
        self._shown.append(shown_at)
        self._dwell.append(MISSING if said.dwell_ms is None else said.dwell_ms)
        self._input.append(INPUTS.index(said.input))
        self._propensity.append(float("nan") if said.propensity is None else said.propensity)
        self._studies.add((said.experiment, said.allocation, said.prompt_set))
        for name, version in ((row.model_a, said.version_a), (row.model_b, said.version_b)):
            if (before := self._versions.setdefault(name, version)) != version:
                reason = f"{shown(name)} has version {shown(version)} here and {shown(before)} in a line before"
                self.clashes.append(RowProblem(row.line, reason))

    def keep(self, row: VoteRow, said: OwnVote) -> None:
        """Take a vote in that counts for no model."""
        columns = json.dumps(_kept_columns(row, said), ensure_ascii=False)
        assert row.voted_at is not None  # noqa: S101 - ``own`` asks for it
        self._kept.append(Kept(said.vote_id, row.voted_at, row.rater, columns))

    def columns(self) -> OwnColumns:
        """All rows so far; what is the study's is blank where the rows are of several."""
        key, allocation, prompt_set = next(iter(self._studies)) if len(self._studies) == 1 else ("", "", "")
        return OwnColumns(
            key=key,
            allocation=allocation,
            prompt_set=prompt_set,
            vote_id=np.frombuffer(bytes(self._ids), dtype=np.uint8).reshape(-1, 16),
            battle_id=np.frombuffer(bytes(self._battles), dtype=np.uint8).reshape(-1, 16),
            shown_at=np.array(self._shown, dtype=np.int64),
            dwell_ms=np.array(self._dwell, dtype=np.int32),
            input=np.array(self._input, dtype=np.int8),
            propensity=np.array(self._propensity, dtype=np.float64),
            versions=self._versions,
            kept=self._kept,
        )
