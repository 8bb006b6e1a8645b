"""A file of our own votes comes back as the study that it was: ids, times, propensities, and what counts for nobody."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import utc_now
from app.formats._vote_columns import VoteColumns, microseconds
from app.formats._vote_own import INPUTS, OwnColumns
from app.stats.comparisons import MISSING
from db import imports
from db.engine import Session
from db.imports import Coded, Column, Each, Ids, Times

_PSEUDONYM = re.compile(r"rater-([1-9][0-9]{0,8})")
_FROM_AHEAD = timedelta(days=1)  # so far may the clock of another server be before ours


@dataclass(frozen=True, slots=True)
class NewIds:
    """The ids of a file's votes and battles. ``mask`` has the bits that differ from those in the file, if any do."""

    votes: NDArray[np.uint8]
    battles: NDArray[np.uint8]
    mask: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(16, dtype=np.uint8))


def make_ids(session: Session, votes: VoteColumns, first: NDArray[np.int64]) -> NewIds:
    """Ids for the votes, and for the battles whose ``first`` rows these are: those of a file of ours, else new ones.

    Where the database has one of them, because the study is still there, all get other random bits at their end. So
    they stay in order, and what refers to one can be moved alike.
    """
    battles, own = imports.new_ids(len(first)), votes.own
    if own is None or _is_from_ahead(own):
        return NewIds(imports.new_ids(len(votes)), battles)
    given = own.battle_id[first]
    has_id = given.any(axis=1)
    battles[has_id] = given[has_id]
    found = NewIds(own.vote_id, battles)
    if imports.has_any(session, vote_ids=_uuids(found.votes), battle_ids=_uuids(battles[has_id])):
        found.mask[9:] = np.frombuffer(secrets.token_bytes(7), dtype=np.uint8)
        return NewIds(found.votes ^ found.mask, found.battles ^ found.mask, found.mask)
    return found


def _is_from_ahead(own: OwnColumns) -> bool:
    """Whether an id says that it was made in the future: readers of new votes take the greatest id for the newest."""
    made_ms = own.vote_id[:, :6].astype(np.int64) @ (256 ** np.arange(5, -1, -1, dtype=np.int64))
    return bool(made_ms.max(initial=0) > (utc_now() + _FROM_AHEAD).timestamp() * 1000)


def _uuids(ids: NDArray[np.uint8]) -> list[UUID]:
    data = ids.tobytes()
    return [UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]


def battle_columns(own: OwnColumns, first: NDArray[np.int64]) -> dict[str, Column]:
    """What the battles have of a file of ours."""
    shown = Times(own.shown_at[first])
    return {"assigned_at": shown, "shown_at": shown, "propensity": coded(own.propensity[first], np.nan)}


def vote_columns(own: OwnColumns) -> dict[str, Column]:
    """What the votes have of a file of ours."""
    return {"dwell_ms": coded(own.dwell_ms, MISSING), "input": Coded(INPUTS, own.input)}


def coded(values: NDArray[Any], missing: float) -> Coded:
    """Numbers as a column, of which ``missing`` is no value."""
    distinct, codes = np.unique(values, return_inverse=True)
    is_missing = np.isnan(values) if np.isnan(missing) else values == missing
    return Coded(distinct.tolist(), np.where(is_missing, MISSING, codes))


def number_raters(votes: VoteColumns) -> dict[str, int]:
    """The number under which a rater stands from now on, by the name in the file.

    Our own pseudonyms keep theirs, so that who withdrew leaves a gap in every file; others are numbered as they come.
    """
    kept = [] if votes.own is None else [one.rater for one in votes.own.kept if one.rater is not None]
    codes, at = np.unique(votes.rater, return_index=True)
    order = codes[np.argsort(at)]
    names = dict.fromkeys([*(votes.raters[code] for code in order.tolist() if code != MISSING), *kept])
    found = [_PSEUDONYM.fullmatch(name) for name in names]
    if all(found):
        return {name: int(one[1]) for name, one in zip(names, found, strict=True) if one}
    return {name: number for number, name in enumerate(names, start=1)}


def add_kept(
    session: Session, own: OwnColumns, ids: NewIds, numbers: Mapping[str, int], *, experiment_id: UUID, has_set: bool
) -> None:
    """Store what counts for no model, so that it goes out again beside the other votes."""
    n = len(own.kept)
    if not n:
        return
    vote_ids = np.frombuffer(b"".join(one.vote_id for one in own.kept), dtype=np.uint8).reshape(-1, 16) ^ ids.mask
    texts = {}
    for place, one in enumerate(own.kept):
        columns = json.loads(one.columns)
        if not has_set:
            columns |= {"has_prompts": False, "prompt_id": columns["prompt_id"] if columns["is_gold"] else None}
        columns |= {name: _moved(columns[name], ids.mask) for name in ("battle_id", "repeat_of", "superseded_by")}
        texts[place] = json.dumps(columns | {"rater": one.rater and f"rater-{numbers[one.rater]}"}, ensure_ascii=False)
    columns_of_table: dict[str, Column] = {
        "id": Ids(imports.new_ids(n)),
        "vote_id": Ids(vote_ids),
        "voted_at": Times(np.array([microseconds(one.voted_at) for one in own.kept], dtype=np.int64)),
        "columns": Each(texts),
    }
    imports.add_kept(session, n=n, columns=columns_of_table, experiment_id=experiment_id)


def _moved(text: str | None, mask: NDArray[np.uint8]) -> str | None:
    """What refers to a vote or battle of the file, after these got other ids."""
    if text is None or not mask.any():
        return text
    try:
        old = UUID(text)
    except ValueError:
        return text
    return str(UUID(int=old.int ^ int.from_bytes(mask.tobytes(), "big")))
