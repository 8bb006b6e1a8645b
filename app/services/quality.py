"""What may stand between the votes and the truth: sides, length, raters who disagree, and what was shown how often.

Each part takes up to some seconds for a million votes and is computed on another thread, once for all who look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import BakeoffError
from app.services import slices
from app.services.computed import Computed
from app.services.quality_balance import Balance, balance_of
from app.services.quality_bias import Bias, bias_of
from app.services.ranking_fit import describe_fit
from app.services.rater_board import numbers
from app.services.rater_flags import of_known_raters
from app.services.slices import Slice, Sliced
from app.services.vote_store import StudyVotes
from app.stats.agreement import Agreement, agreement_of_counts, item_codes, oriented_codes, value_counts
from app.stats.influence import leave_one_rater_out
from app.stats.vote_columns import SKIPPED, UNKNOWN, VoteColumns, to_comparisons

N_BOOT = 400  # for the interval of alpha; its ends move by less than its second digit with more
MOST_TOLD = 10  # raters who move the lead most
FEWEST_ITEMS = 2
MOST_AT_ONCE = 100_000  # votes whose items are told apart together, which takes a hundred bytes each


@dataclass(frozen=True)
class SliceAgreement:
    """How far raters agree on the votes of one value of a tag; both are blank for all votes."""

    tag: str
    value: str
    found: Agreement


@dataclass(frozen=True)
class LeftOut:
    """The board without one rater (a number): who then leads, blank for nobody, and the old leader's lead in logits."""

    number: int
    n_votes: int
    leader: str
    gap: float | None
    changes_leader: bool


@dataclass(frozen=True)
class LeaveOneOut:
    """The leader with all raters and their lead in logits; the raters who move it most, those who change it first.

    ``n_changing`` counts all raters without whom another model leads; ``n_exact`` those of the ``n_raters`` for whom
    the board was fitted anew rather than moved by one Newton step.
    """

    leader: str
    gap: float
    raters: tuple[LeftOut, ...]
    n_changing: int
    n_raters: int
    n_exact: int


_parts: Computed[Any] = Computed()
PARTS = ("bias", "agreement", "balance", "fit", "influence")


def ask_part(study: StudyVotes, chosen: Slice, sliced: Sliced, part: str) -> Any:
    """One of ``PARTS`` of a slice and its votes, None while it is computed, or in words why it can't be told.

    They are ``Bias``, a list of ``SliceAgreement``, ``Balance``, the mapping of ``describe_fit`` and ``LeaveOneOut``.
    The caller has checked the role.
    """
    work: Callable[[], Any] = partial(_told, _WORK[part], study, sliced.votes)
    return _parts.ask(study, (part, chosen, sliced.left_out), work)


def get_part(study: StudyVotes, chosen: Slice, sliced: Sliced, part: str) -> Any:
    """The same, computed here and now unless it is known."""
    work: Callable[[], Any] = partial(_told, _WORK[part], study, sliced.votes)
    return _parts.get(study, (part, chosen, sliced.left_out), work)


def _told(work: Callable[[StudyVotes, VoteColumns], Any], study: StudyVotes, votes: VoteColumns) -> Any:
    try:
        return work(study, votes.select(votes.outcome != SKIPPED))
    except BakeoffError as error:
        return str(error)


def _agreements(study: StudyVotes, votes: VoteColumns) -> list[SliceAgreement] | str:
    """Over all votes first, then by each value of each tag, the least agreement first."""
    votes = of_known_raters(votes.select(votes.prompt != UNKNOWN))
    if not len(votes):
        return "No vote names both its rater and its prompt."
    parts_of = [_judgements(study, votes.select(rows)) for rows in _by_prompts(votes)]
    counts, prompts = (np.concatenate(column) for column in zip(*parts_of, strict=True))
    if not len(counts):
        return "No item was judged by two raters, so nothing shows whether they agree."
    found = [SliceAgreement("", "", agreement_of_counts(counts, n_boot=N_BOOT))]
    parts = []
    for tag, values in slices.list_choices(study).tags.items():
        for value in values:
            rows = slices.has_tags(study, ((tag, value),))[prompts]
            if rows.sum() >= FEWEST_ITEMS:
                parts.append(SliceAgreement(tag, value, agreement_of_counts(counts[rows], n_boot=N_BOOT)))
    return found + sorted(parts, key=lambda one: (one.tag, one.found.alpha is None, one.found.alpha or 0.0))


def _by_prompts(votes: VoteColumns) -> Iterator[NDArray[np.bool_]]:
    """The rows of some prompts after the other's, about ``MOST_AT_ONCE`` votes each, so that memory stays small."""
    stretch = np.cumsum(np.bincount(votes.prompt)) // MOST_AT_ONCE
    for one in np.unique(stretch[votes.prompt]).tolist():
        yield stretch[votes.prompt] == one


def _judgements(study: StudyVotes, votes: VoteColumns) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """How many raters gave each verdict on each item (a prompt and a pair) that two judged, and the items' prompts."""
    comparisons = to_comparisons(votes, study.models, single=True)
    item, code = item_codes(comparisons, votes.prompt), oriented_codes(comparisons)
    if not len(items := _judged_twice(item, votes.rater)):
        return np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int32)
    prompt_of = np.zeros(item.max() + 1, dtype=np.int32)
    prompt_of[item] = votes.prompt
    return value_counts(item, votes.rater, code), prompt_of[items]


def _judged_twice(item: NDArray[np.int64], rater: NDArray[np.int32]) -> NDArray[np.int64]:
    """The items that two raters judged, ascending: those of the rows of ``value_counts``."""
    n_raters = int(rater.max()) + 1
    judged = np.unique(item * n_raters + rater) // n_raters
    items, n = np.unique(judged, return_counts=True)
    return np.asarray(items[n >= 2], dtype=np.int64)


def _influence(study: StudyVotes, votes: VoteColumns) -> LeaveOneOut:
    votes = of_known_raters(votes)
    comparisons = to_comparisons(votes, study.models, single=True)
    found = leave_one_rater_out(comparisons, votes.rater.astype(np.int64))
    moved = np.abs(found.gap_without - found.gap)
    order = np.lexsort((-np.where(np.isfinite(moved), moved, np.inf), ~found.changes_leader))[:MOST_TOLD]
    n_votes = np.bincount(votes.rater, weights=votes.weight, minlength=len(study.raters))
    number = numbers(study)
    return LeaveOneOut(
        leader=study.models[found.leader],
        gap=found.gap,
        raters=tuple(
            LeftOut(
                number=int(number[found.rater[k]]),
                n_votes=int(n_votes[found.rater[k]]),
                leader="" if found.leader_without[k] < 0 else study.models[found.leader_without[k]],
                gap=float(found.gap_without[k]) if np.isfinite(found.gap_without[k]) else None,
                changes_leader=bool(found.changes_leader[k]),
            )
            for k in order.tolist()
        ),
        n_changing=int(found.changes_leader.sum()),
        n_raters=len(found.rater),
        n_exact=int(found.is_exact.sum()),
    )


def _fit(study: StudyVotes, votes: VoteColumns) -> dict[str, Any] | str:
    return describe_fit(to_comparisons(votes, study.models)) or (
        "There is no decided vote, or there are too many models, to test the fit with."
    )


_WORK: dict[str, Callable[[StudyVotes, VoteColumns], Any]] = {
    "bias": bias_of,
    "agreement": _agreements,
    "balance": balance_of,
    "fit": _fit,
    "influence": _influence,
}

__all__ = ["PARTS", "Balance", "Bias", "LeaveOneOut", "LeftOut", "SliceAgreement", "ask_part", "get_part"]
