"""The votes of studies in memory as columns, shared by all viewers and brought up to date by what is new.

The first look at a study reads all its votes, in batches; each later look reads only the rows since. A million votes
take 60 MB.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Act, Outcome, Purpose
from app.services import vote_snapshot
from app.services.model_labels import model_labels
from app.stats.comparisons import OUTCOMES, SIDE_UNKNOWN
from app.stats.growing import GrowingRows
from app.stats.vote_columns import SKIPPED, UNKNOWN, VoteColumns
from db import experiments, vote_columns
from db.engine import Session, database

OVERLAP_MS = 300_000  # so far back are rows looked for whose transaction ended after newer ones were read
MOST_STUDIES = 8  # in memory at once; the one that nobody looked at longest goes first
KINDS = {
    "pair": "int32",
    "outcome": "int8",
    "a_is_left": "int8",
    "rater": "int32",
    "prompt": "int32",
    "criterion": "int16",
    "weight": "int32",
    "voted_at": "datetime64[us]",
    "dwell_ms": "int32",
    "is_staff": "bool",
    "is_repeat": "bool",
    "battle_head": "uint64",  # the first half of the battle's id; the other one is in the row's key
}
_OF_KIND = ("is_there", "outcome", "criterion", "is_repeat", "is_staff", "a_is_left")
_CRITERION_KEY = 0x9E3779B97F4A7C15  # odd, so that each criterion of a battle has a key of its own
Progress = Callable[[int], None]


class Codes(dict[str | None, int]):
    """Numbers for names in the order of their coming; none is ``UNKNOWN``."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__({name: i for i, name in enumerate(names)} | {None: UNKNOWN})

    def __missing__(self, name: str | None) -> int:
        self[name] = code = len(self) - 1
        return code

    @property
    def names(self) -> tuple[str, ...]:
        """The names by number."""
        return tuple(name for name in self if name is not None)


@dataclass(frozen=True)
class StudyVotes:
    """All live votes of a study, as its results read them.

    ``models`` are labels and ``model_ids`` ids, in the order of the codes in ``columns``; so are ``raters`` and
    ``prompts`` (ids as hexadecimal digits) and ``criteria`` (keys). ``version`` changes with every change of the votes.
    ``battle_heads`` are the first halves of the ids of the battles, ``keys`` are the rows' own. ``parts`` are the votes
    of each study where several are pooled (``pooled_votes``), in the order of the rows.
    """

    experiment_id: UUID
    version: int
    models: tuple[str, ...]
    model_ids: tuple[UUID, ...]
    raters: tuple[str, ...]
    prompts: tuple[str, ...]
    criteria: tuple[str, ...]
    columns: VoteColumns
    battle_heads: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    parts: tuple[StudyVotes, ...] = ()

    @property
    def experiment_ids(self) -> tuple[UUID, ...]:
        """The study whose votes these are, or each of those that are pooled."""
        return tuple(part.experiment_id for part in self.parts) or (self.experiment_id,)

    @cached_property
    def battle_tails(self) -> NDArray[np.uint64]:
        """The second halves of the ids of the battles."""
        return self.keys ^ criterion_keys(self.columns.criterion)

    def battles_of(self, rows: NDArray[np.int64]) -> list[UUID]:
        """The ids of the battles of these rows, in their order."""
        halves = zip(self.battle_heads[rows].tolist(), self.battle_tails[rows].tolist(), strict=True)
        return [UUID(int=head << 64 | tail) for head, tail in halves]


_NO_ENDS: tuple[tuple[UUID, ...], NDArray[np.int16]] = ((), np.empty((2, 0), dtype=np.int16))


class _Study:
    """One study's votes as they grow."""

    def __init__(self, experiment_id: UUID) -> None:
        self.lock = threading.Lock()
        self.experiment_id = experiment_id
        self.rows = GrowingRows(KINDS)
        self.codes = {name: Codes() for name in ("pair", "rater", "prompt", "criterion")}
        self.mark: vote_columns.Mark | None = None  # where the last look ended
        self.version = 0
        self._is_changed = False  # since the columns were handed out last
        self._kinds: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._votes: StudyVotes | None = None
        self._ends = _NO_ENDS

    def refreshed(self, progress: Progress | None) -> StudyVotes:
        """The votes as the database has them; the caller holds the lock."""
        with database().read() as session:
            if self.mark is None and (kept := vote_snapshot.load(session, self.experiment_id)) is not None:
                self._take(kept)
            # Rows from before the overlap have been there for all to see.
            mark = vote_columns.find_mark(session, settled=first_of(time.time() * 1000 - OVERLAP_MS))
            if self.mark is None or not vote_columns.still_holds(session, self.mark):
                self._read_all(session, progress)
            else:
                self._read_since(session)
            votes = self._votes
            if votes is None or self._is_changed:
                self.version = next_version()
                votes = self._votes = self._finished(session)
                self._is_changed = False
            self.mark = mark
        if mark is not None and vote_snapshot.is_worth_keeping(len(self.rows), self.n_kept):
            self.n_kept = len(self.rows)
            names = {name: codes.names for name, codes in self.codes.items()}
            vote_snapshot.keep(self.experiment_id, mark, self.rows, names)
        return votes

    n_kept = 0  # how many votes the snapshot on disk has

    def _take(self, kept: vote_snapshot.Kept) -> None:
        self.rows, self._kinds, self._is_changed = GrowingRows(KINDS), {}, True  # an interrupted look may have begun
        self.rows.take(kept.keys, kept.columns)
        self.rows.settle()
        self.codes = {name: Codes(names) for name, names in kept.names.items()}
        self._ends = _NO_ENDS
        self.mark, self.n_kept = kept.mark, len(kept.keys)

    def _read_all(self, session: Session, progress: Progress | None) -> None:
        self.rows, self._is_changed = GrowingRows(KINDS), True  # what an interrupted look left is read again
        for batch in vote_columns.stream_columns(session, experiment_id=self.experiment_id):
            keys, columns, _ = self._coded(batch)
            self.rows.extend(keys, columns)
            if progress is not None:
                progress(len(self.rows))
        self.rows.settle()

    def _read_since(self, session: Session) -> None:
        for batch in vote_columns.stream_columns(session, experiment_id=self.experiment_id, after=self.mark):
            self._is_changed |= self.rows.put(*self._coded(batch))

    def _coded(
        self, batch: list[tuple[Any, ...]]
    ) -> tuple[NDArray[np.uint64], dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """Keys, columns and whether each row is there (not taken back)."""
        raw = dict(zip(vote_columns.COLUMNS, zip(*batch, strict=True), strict=True))
        n = len(batch)
        columns = {
            name: np.fromiter(map(self.codes[name].__getitem__, raw[name]), dtype=KINDS[name], count=n)
            for name in ("pair", "rater", "prompt")
        }
        kinds_of_rows = zip(*(raw[name] for name in vote_columns.KIND), strict=True)
        places = np.fromiter(map(self._kind_place, kinds_of_rows), dtype=np.int64, count=n)
        kinds = list(self._kinds.values())
        for i, name in enumerate(_OF_KIND, start=1):
            columns[name] = np.array([kind[i] for kind in kinds], dtype=KINDS.get(name, "bool"))[places]
        columns["weight"] = np.array(raw["weight"], dtype="int32")
        columns["dwell_ms"] = np.array([UNKNOWN if ms is None else ms for ms in raw["dwell_ms"]], dtype="int64").clip(
            max=2**31 - 1
        )
        columns["voted_at"] = _moments(raw["voted_at"])
        battles = np.frombuffer(bytes.fromhex("".join(raw["battle"])), dtype=">u8").reshape(-1, 2).astype(np.uint64)
        columns["battle_head"] = battles[:, 0]
        keys = battles[:, 1] ^ criterion_keys(columns["criterion"])
        return keys, columns, columns.pop("is_there")

    def _kind_place(self, kind: tuple[Any, ...]) -> int:
        known = self._kinds.get(kind)
        if known is None:
            act, outcome, criterion, purpose, is_staff, is_a_left = kind
            known = self._kinds[kind] = (
                len(self._kinds),
                act != Act.UNDO,
                OUTCOMES.index(Outcome(outcome)) if outcome else SKIPPED,
                self.codes["criterion"][criterion],
                purpose == Purpose.REPEAT,
                bool(is_staff),
                SIDE_UNKNOWN if is_a_left is None else int(is_a_left),
            )
        return int(known[0])

    def _finished(self, session: Session) -> StudyVotes:
        arms = experiments.list_arms(session, experiment_id=self.experiment_id)
        labels = model_labels(arms)
        by_label = tuple(sorted(labels, key=lambda id_: labels[id_]))
        ends = self._ends_of_pairs(session, by_label)
        columns: dict[str, Any] = self.rows.columns()
        heads = columns.pop("battle_head")
        return StudyVotes(
            experiment_id=self.experiment_id,
            version=self.version,
            models=tuple(labels[id_] for id_ in by_label),
            model_ids=by_label,
            raters=self.codes["rater"].names,
            prompts=self.codes["prompt"].names,
            criteria=self.codes["criterion"].names,
            columns=VoteColumns(
                model_a=ends[0][columns["pair"]], model_b=ends[1][columns["pair"]], **columns
            ),
            battle_heads=heads,
            keys=self.rows.keys(),
        )  # fmt: skip

    def _ends_of_pairs(self, session: Session, models: tuple[UUID, ...]) -> NDArray[np.int16]:
        """The places of both models of each pair among these, shape (2, pairs).

        Read again only when a pair is new or models moved.
        """
        if self._ends[0] != models or self._ends[1].shape[1] != len(self.codes["pair"]) - 1:
            place = {id_: i for i, id_ in enumerate(models)}
            pairs = {row.id.hex: row for row in experiments.list_pairs(session, experiment_id=self.experiment_id)}
            rows = [pairs[name] for name in self.codes["pair"].names]
            ends = [(place[row.model_a_id], place[row.model_b_id]) for row in rows]
            self._ends = (models, np.array(ends, dtype=np.int16).reshape(-1, 2).T.copy())
        return self._ends[1]


def criterion_keys(criterion: NDArray[Any]) -> NDArray[np.uint64]:
    """What is mixed into the key of a battle's row on each criterion."""
    return criterion.astype(np.uint64) * np.uint64(_CRITERION_KEY)


def _moments(values: Sequence[Any]) -> NDArray[np.datetime64]:
    """Times as the driver gives them: text in UTC, or seconds since 1970."""
    if values and isinstance(values[0], str):
        return np.array(values, dtype="datetime64[us]")
    return np.array([round(float(value) * 1e6) for value in values], dtype="int64").astype("datetime64[us]")


def first_of(ms: float) -> UUID:
    """The smallest UUIDv7 of a moment, in milliseconds since 1970."""
    return UUID(int=int(ms) << 80)


_versions = itertools.count(1)
_studies: OrderedDict[tuple[str, UUID], _Study] = OrderedDict()
_lock = threading.Lock()


def next_version() -> int:
    """A version that no votes had; those that were let go and read again have a later one than before."""
    return next(_versions)


def read(experiment_id: UUID, *, progress: Progress | None = None) -> StudyVotes:
    """The live votes of a study as they are now; ``progress`` is told how many were read at the first look."""
    place = (database().url, experiment_id)
    with _lock:
        study = _studies.setdefault(place, _Study(experiment_id))
        _studies.move_to_end(place)
        while len(_studies) > MOST_STUDIES:
            _studies.popitem(last=False)
    with study.lock:
        return study.refreshed(progress)


def forget() -> None:
    """Let go of all that was read; the next look reads it again."""
    with _lock:
        _studies.clear()
