"""Votes counted by pair and outcome: all that Bradley-Terry, ties, position and the per-vote sandwich need of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.comparisons import OUTCOMES, Comparisons

TIES = ("half", "drop")
BOTH_BAD = ("tie", "drop")
FIRST, SECOND, TIE, BOTH = range(len(OUTCOMES))  # the last axis of the counts


@dataclass(frozen=True)
class Tallies:
    """Votes per model, each an array of shape (m,) in votes; ``n_votes`` is the sum of the other four."""

    n_votes: NDArray[np.float64]
    wins: NDArray[np.float64]
    losses: NDArray[np.float64]
    ties: NDArray[np.float64]
    both_bad: NDArray[np.float64]


def outcome_counts(comparisons: Comparisons) -> NDArray[np.float64]:
    """The sum of weights C[i, j, o], shape (m, m, 4): i shown first (left), j second, o the outcome.

    o is 0 (the first won), 1 (the second won), 2 (tie) or 3 (both bad). A row with ``a_is_left == 0`` is turned round,
    so that i was on the left; a row whose sides are unknown counts as given, model_a as i. The counts are sufficient
    for every method here that does not depend on the order of votes, raters or prompts.

    Raises ``InvalidInputError`` if a code is out of range, a model meets itself, or a weight is negative or not finite.
    """
    _check(comparisons)
    m = len(comparisons.models)
    shape = (m, m, len(OUTCOMES))
    size = m * m * len(OUTCOMES)
    cell = comparisons.model_a * m  # in place from here: with millions of votes, allocation is most of the cost
    cell += comparisons.model_b
    cell *= len(OUTCOMES)
    cell += comparisons.outcome
    turned = comparisons.a_is_left == 0
    n_tables = 1 + bool(turned.any())
    if n_tables == 2:  # rows with model_b on the left are counted in a table of their own, which is then turned round
        cell += turned * size
    total = np.bincount(cell, weights=comparisons.weight, minlength=n_tables * size).astype(np.float64, copy=False)
    counts = np.asarray(total[:size]).reshape(shape)
    if n_tables == 2:
        counts = counts + total[size:].reshape(shape).transpose(1, 0, 2)[:, :, [SECOND, FIRST, TIE, BOTH]]
    if np.trace(counts).any():
        raise InvalidInputError("a vote compares a model with itself")
    return counts


def _check(comparisons: Comparisons) -> None:
    if not len(comparisons):
        return
    m = len(comparisons.models)
    for name, codes, top in (
        ("model_a", comparisons.model_a, m),
        ("model_b", comparisons.model_b, m),
        ("outcome", comparisons.outcome, len(OUTCOMES)),
    ):
        if codes.min() < 0 or codes.max() >= top:
            raise InvalidInputError(f"a vote's {name} is not one of the {top} known codes")
    if not (np.isfinite(comparisons.weight).all() and comparisons.weight.min() >= 0):
        raise InvalidInputError("a vote's weight is negative or not a number")


def wins_and_ties(
    counts: NDArray[np.float64], *, ties: str = "half", both_bad: str = "tie"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decisive wins A (A[i, j]: i beat j) and used ties T (symmetric), each of shape (m, m), in votes.

    ``both_bad="tie"`` makes both-bad whatever a tie is (so ``ties="drop"`` drops it too); ``"drop"`` leaves it out.
    ``counts`` is that of ``outcome_counts``; screen sides are summed over. Raises ``InvalidInputError`` for an unknown
    ``ties`` or ``both_bad``.
    """
    if ties not in TIES:
        raise InvalidInputError(f"ties must be one of {', '.join(TIES)}, not {ties!r}")
    if both_bad not in BOTH_BAD:
        raise InvalidInputError(f"both_bad must be one of {', '.join(BOTH_BAD)}, not {both_bad!r}")
    wins = counts[:, :, FIRST] + counts[:, :, SECOND].T
    if ties == "drop":
        return wins, np.zeros_like(wins)
    tied = counts[:, :, TIE] + counts[:, :, BOTH] if both_bad == "tie" else counts[:, :, TIE]
    return wins, tied + tied.T


def win_matrix(counts: NDArray[np.float64], *, ties: str = "half", both_bad: str = "tie") -> NDArray[np.float64]:
    """Half-wins W = A + T/2, shape (m, m), in votes: W[i, j] is how often i beat j, a tie counting 1/2 for each.

    W + W' is the number of used votes per pair. Arguments and errors are those of ``wins_and_ties``.
    """
    wins, tied = wins_and_ties(counts, ties=ties, both_bad=both_bad)
    return wins + tied / 2


def tallies(counts: NDArray[np.float64]) -> Tallies:
    """Votes per model by outcome, over all votes (dropped ones too), whichever side the model was on."""
    wins = counts[:, :, FIRST] + counts[:, :, SECOND].T
    both = counts + counts.transpose(1, 0, 2)
    return Tallies(
        n_votes=both.sum(axis=(1, 2)),
        wins=wins.sum(axis=1),
        losses=wins.sum(axis=0),
        ties=both[:, :, TIE].sum(axis=1),
        both_bad=both[:, :, BOTH].sum(axis=1),
    )
