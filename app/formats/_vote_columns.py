"""The votes of a file as coded columns: a million of them take less memory than their file."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import Outcome
from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats._vote_own import OwnColumns, OwnGatherer
from app.stats.comparisons import MISSING, OUTCOMES, SIDE_UNKNOWN
from app.study import DONT_KNOW, OVERALL, Remarks

NEVER = np.iinfo(np.int64).min  # the time of a row that doesn't say; NumPy reads it as "not a time", too
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OUTCOME_CODES: dict[Outcome | None, int] = {outcome: code for code, outcome in enumerate(OUTCOMES)} | {None: MISSING}
_SIDES = {"model_a": 1, "model_b": 0, None: SIDE_UNKNOWN}
_SAID_NOTHING = Remarks()
MOST_BYTES = 160 * 2**20  # a million bare votes are 50 to 110 MB; more is read piece by piece
MOST_WEIGHT = 1_000_000
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class VoteColumns:
    """N votes; names are in alphabetical order, and a code is a place among them or ``MISSING``.

    ``outcome`` is a place in ``OUTCOMES`` (``MISSING``: the rater couldn't judge), ``left`` is 1 where model_a stood
    there, 0 or ``SIDE_UNKNOWN``; ``voted_at`` counts microseconds since 1970 in UTC, or is ``NEVER``. ``battle`` has
    the same number for rows of one battle, None where each row is a battle of its own; ``remarks`` has only the rows
    that say something. ``turn`` is ``MISSING`` where a row says none, and None where no row says one. ``lines`` is None
    where the file was read too fast to know them; ``own`` is there for a file that we wrote.
    """

    models: Sequence[str]
    model_a: NDArray[np.int32]
    model_b: NDArray[np.int32]
    outcome: NDArray[np.int8]
    left: NDArray[np.int8]
    prompts: Sequence[str]
    prompt: NDArray[np.int32]
    raters: Sequence[str]
    rater: NDArray[np.int32]
    voted_at: NDArray[np.int64]
    weight: NDArray[np.int32]
    lines: NDArray[np.int64] | None = None
    battle: NDArray[np.int32] | None = None
    criteria: Sequence[str] = (OVERALL,)
    criterion: NDArray[np.int16] | None = None  # None: all are overall
    remarks: Mapping[int, Remarks] = field(default_factory=dict)
    is_staff: NDArray[np.bool_] | None = None
    is_simulated: bool = False
    turn: NDArray[np.int32] | None = None
    own: OwnColumns | None = None

    def __len__(self) -> int:
        return len(self.model_a)

    @property
    def is_overall(self) -> NDArray[np.bool_]:
        """The rows that are about the overall criterion."""
        if self.criterion is None:
            return np.ones(len(self), dtype=np.bool_)
        place = self.criteria.index(OVERALL) if OVERALL in self.criteria else MISSING
        return np.asarray(self.criterion == place)

    @property
    def is_counted(self) -> NDArray[np.bool_]:
        """The rows that are a vote of their pair: overall, and with an outcome."""
        return np.asarray(self.is_overall & (self.outcome != MISSING))

    @property
    def n_votes(self) -> int:
        """How many votes the rows stand for; one may stand for several, one on a criterion or a skip for none."""
        return int(self.weight[self.is_counted].sum(dtype=np.int64))

    def row(self, place: int) -> VoteRow:
        """One row in our own words, as a preview shows it."""
        outcome, prompt, rater = (int(column[place]) for column in (self.outcome, self.prompt, self.rater))
        at = int(self.voted_at[place])
        return VoteRow(
            line=0 if self.lines is None else int(self.lines[place]),
            model_a=self.models[self.model_a[place]],
            model_b=self.models[self.model_b[place]],
            outcome=None if outcome == MISSING else OUTCOMES[outcome],
            left={code: side for side, code in _SIDES.items()}[int(self.left[place])],
            prompt_id=None if prompt == MISSING else self.prompts[prompt],
            rater=None if rater == MISSING else self.raters[rater],
            voted_at=None if at == NEVER else EPOCH + at * _MICROSECOND,
            weight=float(self.weight[place]),
            criterion=OVERALL if self.criterion is None else self.criteria[self.criterion[place]],
            remarks=self.remarks.get(place, _SAID_NOTHING),
            turn=None if self.turn is None or self.turn[place] == MISSING else int(self.turn[place]),
        )


def microseconds(moment: datetime | None) -> int:
    """A moment as ``VoteColumns`` has it."""
    return NEVER if moment is None else (moment - EPOCH) // _MICROSECOND


class _Names:
    """Names in the order in which they come, and the code of each row."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.codes = array("i")

    def add(self, name: str | None) -> int:
        code = MISSING if name is None else self.places.setdefault(name, len(self.places))
        self.codes.append(code)
        return code

    def sorted(self) -> tuple[list[str], NDArray[np.int32]]:
        names = sorted(self.places)
        return names, _turned(self.places, names)[np.array(self.codes, dtype=np.int32)]


def _turned(places: Mapping[str, int], names: Sequence[str]) -> NDArray[np.int32]:
    """For each code as it was given while reading, the place of its name; the last entry is that of MISSING."""
    turned = np.full(len(places) + 1, MISSING, dtype=np.int32)
    for code, name in enumerate(names):
        turned[places[name]] = code
    return turned


class Gatherer:
    """Makes columns of rows that come one by one, so that no row outlives the next."""

    def __init__(self) -> None:
        self._models: dict[str, int] = {}
        self._a, self._b, self._weight = array("i"), array("i"), array("i")
        self._outcome, self._left, self._is_staff = array("b"), array("b"), array("b")
        self._at, self._lines = array("q"), array("q")
        self._prompts, self._raters, self._criteria = _Names(), _Names(), _Names()
        self._battles: dict[object, int] = {}
        self._battle = array("i")
        self._remarks: dict[int, Remarks] = {}
        self._turn = array("i")
        self._own: OwnGatherer | None = OwnGatherer()  # until a row is none of ours
        self._last: VoteRow | None = None
        self.is_simulated = False

    def __len__(self) -> int:
        return len(self._a)

    def add(self, row: VoteRow, *, is_staff: bool) -> None:
        """Take a row in; one of ours that stands there again is one vote more of the same, as we write them."""
        if row.own is not None:
            if self._is_last(row):
                self._weight[-1] += 1
                return
            self._last = row
        self._take_own(row)
        models, place = self._models, len(self._a)
        self._a.append(models.setdefault(row.model_a, len(models)))
        self._b.append(models.setdefault(row.model_b, len(models)))
        self._outcome.append(_OUTCOME_CODES[row.outcome])
        self._left.append(_SIDES[row.left])
        self._prompts.add(row.prompt_id)
        self._raters.add(row.rater)
        self._criteria.add(row.criterion)
        self._at.append(microseconds(row.voted_at))
        self._weight.append(int(row.weight))
        self._lines.append(row.line)
        self._is_staff.append(is_staff)
        self._turn.append(MISSING if row.turn is None else row.turn)
        self._battle.append(self._battles.setdefault(place if row.battle is None else row.battle, len(self._battles)))
        if row.remarks != _SAID_NOTHING:
            self._remarks[place] = row.remarks
            for guess in (row.remarks.guess_left, row.remarks.guess_right):
                if guess and guess != DONT_KNOW:
                    models.setdefault(guess, len(models))

    def keep(self, row: VoteRow) -> None:
        """Take a row in that counts for no model, if it is one of ours."""
        if row.own is None:
            self._own = None
        elif self._own is not None:
            self._own.keep(row, row.own)

    def _is_last(self, row: VoteRow) -> bool:
        last = self._last
        if last is None or last.own is None or row.own is None or row.own.vote_id != last.own.vote_id:
            return False
        return row.own.battle_id is None and replace(row, line=last.line) == last

    def _take_own(self, row: VoteRow) -> None:
        if row.own is None:
            self._own = None
        elif self._own is not None:
            self._own.add(row, row.own, microseconds(row.own.shown_at))

    @property
    def clashes(self) -> list[RowProblem]:
        """Where a model of one of our files has two versions."""
        return [] if self._own is None else self._own.clashes

    def columns(self) -> VoteColumns:
        """All rows so far."""
        names = sorted(self._models)
        turned = _turned(self._models, names)
        (prompts, prompt), (raters, rater) = self._prompts.sorted(), self._raters.sorted()
        criteria, criterion = self._criteria.sorted()
        return VoteColumns(
            models=names,
            model_a=turned[np.array(self._a, dtype=np.int32)],
            model_b=turned[np.array(self._b, dtype=np.int32)],
            outcome=np.array(self._outcome, dtype=np.int8),
            left=np.array(self._left, dtype=np.int8),
            prompts=prompts,
            prompt=prompt,
            raters=raters,
            rater=rater,
            voted_at=np.array(self._at, dtype=np.int64),
            weight=np.array(self._weight, dtype=np.int32),
            lines=np.array(self._lines, dtype=np.int64),
            battle=None if len(self._battles) == len(self) else np.array(self._battle, dtype=np.int32),
            criteria=criteria,
            criterion=None if criteria == [OVERALL] else criterion.astype(np.int16),
            remarks=self._remarks,
            is_staff=np.array(self._is_staff, dtype=np.bool_) if any(self._is_staff) else None,
            is_simulated=self.is_simulated,
            turn=np.array(self._turn, dtype=np.int32) if max(self._turn, default=MISSING) != MISSING else None,
            own=None if self._own is None else self._own.columns(),
        )


def coalesced(*coded: tuple[Sequence[Any], NDArray[np.int32]]) -> tuple[list[Any], NDArray[np.int32]]:
    """Several columns as one: each row has the first of its values that is there."""
    values: list[Any] = []
    codes: NDArray[np.int32] | None = None
    for some, theirs in coded:
        shifted = np.where(theirs == MISSING, np.int32(MISSING), theirs + np.int32(len(values)))
        codes = shifted if codes is None else np.where(codes == MISSING, shifted, codes)
        values.extend(some)
    return values, np.zeros(0, dtype=np.int32) if codes is None else codes
