"""What is known of each rater of a study: how much, how fast and how like the others they voted, and why flagged."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.services import rater_checks, rater_flags
from app.services.computed import Computed
from app.services.export_kept import numbers_given
from app.services.slices import Slice, Sliced
from app.services.vote_store import StudyVotes
from app.stats.intervals import wilson_interval
from app.stats.leave_out import grouped
from app.stats.raters import RaterDiagnostics, median_by_rater
from app.stats.vote_columns import SKIPPED, UNKNOWN, VoteColumns
from db import vote_columns
from db.engine import database

SORTS = {
    "flags": "Flags",
    "rater": "Rater",
    "votes": "Votes",
    "skips": "Skips",
    "time": "Median time",
    "agreement": "Agreement",
    "self": "Self-consistency",
    "left": "Side bias",
    "checks": "Checks failed",
}
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RaterTable:
    """The R raters with votes or skips in a slice, arrays of shape (R,), NaN where something isn't known.

    ``code`` is the rater's in the columns, ``number`` what researchers see of them ("Rater 12"). ``agreement`` is the
    share of decided votes for the model that the others rate higher, ``left`` the share of decided votes for the left
    side with ``left_lower`` and ``left_upper`` (Wilson, 95 %). ``reasons`` are one sentence for each flag. ``problem``
    says why raters could not be compared, blank where they were.
    """

    code: NDArray[np.int64]
    number: NDArray[np.int64]
    n_votes: NDArray[np.int64]
    n_skips: NDArray[np.int64]
    median_ms: Numbers
    agreement: Numbers
    n_repeats: NDArray[np.int64]
    n_same: NDArray[np.int64]
    n_decided: NDArray[np.int64]
    left: Numbers
    left_lower: Numbers
    left_upper: Numbers
    n_passed: NDArray[np.int64]
    n_failed: NDArray[np.int64]
    reasons: tuple[tuple[str, ...], ...]
    problem: str

    def __len__(self) -> int:
        return len(self.code)

    @property
    def is_flagged(self) -> NDArray[np.bool_]:
        """Whether each rater has a flag."""
        return np.array([bool(own) for own in self.reasons], dtype=np.bool_)

    @property
    def has_checks(self) -> bool:
        """Whether anybody was shown an attention check."""
        return bool((self.n_passed + self.n_failed).any())


_tables: Computed[RaterTable] = Computed()
_numbers: Computed[NDArray[np.int64]] = Computed()


def numbers(study: StudyVotes) -> NDArray[np.int64]:
    """By code, the number from 1 under which a rater is shown, in the order of the first battles that they answered.

    So a new rater has the next number, and exports, which number by the same, name the same people. Codes follow the
    order in which rows are read, which another process need not share; ids of battles sort by time. The raters of an
    import have the numbers that they came with, and whoever votes beside them has the next ones. Of pooled studies only
    the raters of the first have numbers, those that they have there: their codes are the same too.
    """
    study = study.parts[0] if study.parts else study
    return _numbers.get(study, (), lambda: _number(study))


def _number(study: StudyVotes) -> NDArray[np.int64]:
    with database().read() as session:
        given = numbers_given(session, study.experiment_id)
    found = np.array([given.get(UUID(digits), 0) for digits in study.raters], dtype=np.int64)
    new = _by_first_battle(study)
    new = new[found[new] == 0]
    found[new] = max(given.values(), default=0) + np.arange(1, len(new) + 1)
    return found


def _by_first_battle(study: StudyVotes) -> NDArray[np.int64]:
    """The codes of raters in the order of the first battles that they answered."""
    rater, heads, tails = study.columns.rater, study.battle_heads, study.battle_tails
    known = rater != UNKNOWN
    first_head = np.full(len(study.raters), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first_head, rater[known], heads[known])
    known &= heads == np.append(first_head, np.uint64(0))[rater]
    first_tail = np.full(len(study.raters), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first_tail, rater[known], tails[known])
    return np.lexsort((first_tail, first_head))


def codes_of_numbers(study: StudyVotes, wanted: Sequence[int]) -> tuple[int, ...]:
    """The codes of raters by number; numbers that nobody has are passed over."""
    if not wanted:
        return ()
    code = {number: code for code, number in enumerate(numbers(study).tolist())}
    return tuple(code[number] for number in wanted if number in code)


def ask_raters(study: StudyVotes, chosen: Slice, sliced: Sliced) -> RaterTable | None:
    """The raters of a slice, or None while they are examined on another thread; the caller has checked the role."""
    return _tables.ask(study, (chosen, sliced.left_out), lambda: _examine(study, chosen, sliced.votes))


def _examine(study: StudyVotes, chosen: Slice, votes: VoteColumns) -> RaterTable:
    votes = votes.select(votes.rater != UNKNOWN)
    n_raters = len(study.raters)
    is_vote = votes.outcome != SKIPPED

    def total(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(votes.rater[rows], weights=votes.weight[rows], minlength=n_raters).astype(np.int64)

    n_votes, n_skips = total(is_vote), total(~is_vote)
    there = np.flatnonzero(n_votes + n_skips)
    is_left = votes.a_is_left == np.where(votes.outcome == 0, 1, 0)
    is_decided = is_vote & (votes.outcome < 2) & (votes.a_is_left != UNKNOWN)
    n_decided, n_left = total(is_decided)[there], total(is_decided & is_left)[there]
    lower, upper = wilson_interval(n_left, n_decided)
    diagnosis = rater_flags.diagnose(study, chosen)
    problem = diagnosis if isinstance(diagnosis, str) else ""
    checks = _checks(study)
    number = numbers(study)
    return RaterTable(
        code=there,
        number=number[there],
        n_votes=n_votes[there],
        n_skips=n_skips[there],
        median_ms=_medians(votes.select(is_vote), n_raters)[there],
        agreement=_agreement(diagnosis, n_raters)[there],
        n_repeats=checks[2, there],
        n_same=checks[3, there],
        n_decided=n_decided,
        left=np.where(n_decided > 0, n_left / np.maximum(n_decided, 1), np.nan),
        left_lower=np.where(n_decided > 0, lower, np.nan),
        left_upper=np.where(n_decided > 0, upper, np.nan),
        n_passed=checks[0, there],
        n_failed=checks[1, there],
        reasons=_reasons(diagnosis, n_raters, there),
        problem=problem,
    )


def _medians(votes: VoteColumns, n_raters: int) -> Numbers:
    found = np.full(n_raters, np.nan)
    raters = grouped(votes.rater.astype(np.int64))
    times = np.where(votes.dwell_ms == UNKNOWN, np.nan, votes.dwell_ms.astype(np.float64))
    if len(raters):
        found[raters.names] = median_by_rater(times, raters)[0]
    return found


def _agreement(diagnosis: RaterDiagnostics | str, n_raters: int) -> Numbers:
    found = np.full(n_raters, np.nan)
    if not isinstance(diagnosis, str):
        found[diagnosis.rater] = diagnosis.agreement.value
    return found


def _checks(study: StudyVotes) -> NDArray[np.int64]:
    """Checks passed and failed, repeats and those answered as before, by code."""
    found = np.zeros((4, len(study.raters)), dtype=np.int64)
    place = {rater: code for code, rater in enumerate(study.raters)}
    for row in rater_checks.list_rater_checks(None, study.experiment_id):
        if (code := place.get(row.account_id.hex)) is not None:
            found[:, code] = row.n_passed, row.n_failed, row.n_repeats, row.n_same
    return found


def _reasons(diagnosis: RaterDiagnostics | str, n_raters: int, there: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    said: list[list[str]] = [[] for _ in range(n_raters)]
    if not isinstance(diagnosis, str):
        found = diagnosis
        for check, factor, text in (
            (found.agreement, 100, "votes against the others: with them in {:.0f} % of decided votes"),
            (found.left, 100, "prefers a side: left in {:.0f} % of decided votes"),
            (found.ties, 100, "ties out of line with the others: {:.0f} %"),
            (found.speed, 0.001, "much faster than the others: {:.1f} s a vote"),
            (found.run, 1, "{:.0f} equal answers in a row"),
        ):
            if check is not None:
                for place in np.flatnonzero(check.flagged).tolist():
                    said[found.rater[place]].append(text.format(factor * check.value[place]))
    return tuple(tuple(said[code]) for code in there.tolist())


def in_order(table: RaterTable, *, sort: str, search: str = "", flagged_only: bool = False) -> NDArray[np.int64]:
    """The places of the raters to be shown: those whose number or reasons hold ``search``, sorted by a key of SORTS.

    What calls for a look comes first: most flags, least agreement, fastest; unknown values come last.
    """
    by = {
        "flags": -np.array([len(own) for own in table.reasons], dtype=np.float64),
        "rater": table.number.astype(np.float64),
        "votes": -table.n_votes.astype(np.float64),
        "skips": -table.n_skips.astype(np.float64),
        "time": table.median_ms,
        "agreement": table.agreement,
        "self": np.where(table.n_repeats > 0, table.n_same / np.maximum(table.n_repeats, 1), np.nan),
        "left": -np.abs(table.left - 0.5),
        "checks": -table.n_failed.astype(np.float64),
    }[sort]
    order = np.lexsort((table.number, table.agreement, by))
    keep = table.is_flagged if flagged_only else np.ones(len(table), dtype=np.bool_)
    wanted = search.strip().casefold().removeprefix("rater").strip()
    if wanted:
        numbers_ = table.number.tolist()
        matches = [
            str(numbers_[place]).startswith(wanted) if wanted.isdigit() else any(wanted in one for one in own)
            for place, own in enumerate(table.reasons)
        ]
        keep = keep & np.array(matches, dtype=np.bool_)
    return np.asarray(order[keep[order]], dtype=np.int64)


COLUMNS = (
    *("rater", "votes", "skips", "median_seconds", "agreement", "repeats", "repeats_same", "decided_votes"),
    *("left_share", "left_lower", "left_upper", "checks_passed", "checks_failed", "flags"),
)


def write_raters(table: RaterTable) -> bytes:
    """All raters as CSV, by number; nobody's name."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)

    def known(value: float, digits: int) -> str:
        return f"{value:.{digits}f}" if np.isfinite(value) else ""

    for i in np.argsort(table.number).tolist():
        shares = [known(value[i], 4) for value in (table.left, table.left_lower, table.left_upper)]
        counts = (table.n_repeats[i], table.n_same[i], table.n_decided[i])
        first = (f"Rater {table.number[i]}", table.n_votes[i], table.n_skips[i], known(table.median_ms[i] / 1000, 2))
        last = (table.n_passed[i], table.n_failed[i], "; ".join(table.reasons[i]))
        writer.writerow([*first, known(table.agreement[i], 4), *counts, *shares, *last])
    return stream.getvalue().encode()


def names_of(study: StudyVotes, codes: Sequence[int]) -> dict[int, str]:
    """The names of a few raters by code, for admins."""
    with database().read() as session:
        found = vote_columns.list_names(session, account_ids=[UUID(study.raters[code]) for code in codes])
    return {code: found.get(UUID(study.raters[code]), "") for code in codes}
