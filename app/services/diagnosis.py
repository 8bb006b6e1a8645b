"""`bakeoff diagnose`: how far a file of votes can be trusted, beside what it says about the models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from app.errors import BakeoffError, InvalidInputError
from app.formats._vote_table import VoteTable, read_vote_table
from app.services.blinding_check import describe_blinding, has_guesses
from app.services.ranking_file import to_comparisons
from app.services.ranking_fit import describe_fit
from app.stats.agreement import agreement, item_codes, oriented_codes, self_consistency
from app.stats.comparisons import MISSING, Comparisons
from app.stats.counts import outcome_counts
from app.stats.influence import fewest_votes, leave_one_rater_out
from app.stats.raters import RaterCheck, rater_diagnostics

Result: TypeAlias = dict[str, Any]
MOST_RATERS = 500  # beyond, leaving each out in turn takes minutes
CHECKS = ("agreement", "left", "ties")


def diagnose_file(path: Path) -> Result:
    """Fit, agreement, raters, blinding and the leader's footing of a file; what can't be had is None and noted.

    Raises ``BadFileError`` naming each bad row, ``InvalidInputError`` for a file without votes that count.
    """
    data = path.read_bytes()
    table = read_vote_table(data)
    if not len(table):
        raise InvalidInputError("No vote in this file counts: all were replaced by later ones, or have weight 0.")
    # The rows of a file need not be in the order of time, without which runs of one answer mean nothing.
    comparisons, notes = replace(to_comparisons(table), ordered=False), list[str]()
    return {
        "n_votes": len(table),
        "n_models": len(table.models),
        "fit": describe_fit(comparisons),
        "leader": _leader(comparisons, notes),
        "agreement": _agreement(table, comparisons, notes, read_vote_table(data, with_repeats=True)),
        "raters": _raters(table, comparisons, notes),
        **({"blinding": describe_blinding(table, notes)} if has_guesses(table) else {}),
        "notes": notes,
    }


def _leader(comparisons: Comparisons, notes: list[str]) -> Result | None:
    """On how few votes the lead depends (arXiv 2508.11847)."""
    try:
        found = fewest_votes(outcome_counts(comparisons))
    except BakeoffError as error:
        notes.append(f"The lead was not examined: {error}.")
        return None
    if found is None:
        notes.append("No removal of votes was found that would change the leader.")
        return None
    names = comparisons.models
    return {
        "model": names[found.leader],
        "rival": names[found.rival],
        "gap": found.gap,
        "n_removed": found.n_removed,
        "share_removed": found.share,
    }


def _agreement(table: VoteTable, comparisons: Comparisons, notes: list[str], with_repeats: VoteTable) -> Result | None:
    if table.rater is None or table.prompt is None:
        notes.append("Agreement needs columns rater and prompt.")
        return None
    try:
        found = agreement(*_judgements(table, comparisons))
        own = self_consistency(*_judgements(with_repeats, replace(to_comparisons(with_repeats), ordered=False)))
    except InvalidInputError as error:
        notes.append(f"Agreement can't be told: {error}.")
        return None
    if not found.n_items:
        notes.append("No pair of outputs was judged by two raters, so their agreement is unknown.")
        return None
    return {
        "alpha": found.alpha,
        "lower": found.lower,
        "upper": found.upper,
        "raw": found.raw,
        "fleiss": found.fleiss,
        "n_items": found.n_items,
        "n_ratings": found.n_ratings,
        "self_consistency": own and {"same": own.same, "n_repeats": own.n_repeats, "expected": own.expected},
    }


def _judgements(table: VoteTable, comparisons: Comparisons) -> tuple[Any, Any, Any]:
    """Item, rater and what was said, of each vote that names both."""
    assert table.rater is not None and table.prompt is not None  # noqa: S101 - the caller looked
    known = np.flatnonzero((table.rater != MISSING) & (table.prompt != MISSING))
    named = comparisons.select(known)
    return item_codes(named, table.prompt[known]), table.rater[known], oriented_codes(named)


def _raters(table: VoteTable, comparisons: Comparisons, notes: list[str]) -> Result | None:
    if table.rater is None:
        notes.append("Raters can't be examined without a column rater.")
        return None
    known = np.flatnonzero(table.rater != MISSING)
    named, rater = comparisons.select(known), table.rater[known]
    try:
        found = rater_diagnostics(named, rater)
        without = leave_one_rater_out(named, rater) if len(found.rater) <= MOST_RATERS else None
    except BakeoffError as error:
        notes.append(f"Raters were not examined: {error}.")
        return None
    if without is None:
        notes.append(f"With more than {MOST_RATERS} raters, leaving each out in turn is left undone.")
    places = np.flatnonzero(found.flagged).tolist()
    return {
        "n": len(found.rater),
        "flagged": [_flagged(table.raters[found.rater[k]], found.n_votes[k], found, k) for k in places],
        "decisive": (
            None if without is None else [table.raters[code] for code in without.rater[without.changes_leader].tolist()]
        ),
    }


def _flagged(name: str, n_votes: Any, found: Any, place: int) -> Result:
    checks: dict[str, RaterCheck] = {check: getattr(found, check) for check in CHECKS}
    return {
        "rater": name,
        "n_votes": int(n_votes),
        "because": [check for check, numbers in checks.items() if numbers.flagged[place]],
        **{check: _number(numbers.value[place]) for check, numbers in checks.items()},
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
