"""The exact sign test between models: each rater counts once, for the model that they preferred more often.

Under the null a rater who tells two models apart at all is as likely to prefer either, so of n such raters the number
for the first is Bin(n, 1/2), whatever a rater's own votes have in common (Dixon & Mood 1946, JASA 41; Conover 1999,
"Practical Nonparametric Statistics", 3.4). It is exact for the prompts that were judged: what raters share because
they saw the same prompts isn't in it. Ties and both-bad carry no information and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from app.stats.contrasts import Votes
from app.stats.pairwise import holm

_WON = np.array([1.0, -1.0, 0.0])  # by kind: the first won, the second won, neither
_NOTHING = 1e-9  # weights of a rater that cancel, but for rounding


@dataclass(frozen=True, slots=True)
class SignTest:
    """``n_for`` raters preferred the first model and ``n_against`` the second; ``n_even`` preferred each as often.

    ``p`` is two-sided, ``p_holm`` holds for a family of tests at once. ``is_by_rater`` is False where raters aren't
    known, or are too few: then each vote counts as one.
    """

    n_for: int
    n_against: int
    n_even: int
    p: float
    p_holm: float
    is_by_rater: bool


def sign_p(n_for: NDArray[np.int64], n_against: NDArray[np.int64]) -> NDArray[np.float64]:
    """Two-sided p = min(1, 2 P(Bin(n_for + n_against, 1/2) <= the smaller)), elementwise; 1 where there is nothing."""
    n = n_for + n_against
    return np.asarray(np.minimum(2 * bdtr(np.minimum(n_for, n_against), n, 0.5), 1.0), dtype=np.float64)


def pair_sign_test(votes: Votes, a: int, b: int, champion: int | None = None) -> SignTest:
    """The test of model ``a`` against ``b`` by their own votes, corrected by Holm over all pairs of the m models.

    With a ``champion`` that is one of the two, over the m - 1 pairs with it. Pairs without votes count in the family.
    """
    first, second, won = _decisive(votes)
    low, high = np.minimum(first, second), np.maximum(first, second)
    found = _count(votes, low * votes.m + high, np.where(first == low, won, -won), votes.m**2)
    i, j = np.triu_indices(votes.m, k=1)
    if champion in (a, b):
        i, j = (side[(i == champion) | (j == champion)] for side in (i, j))
    pairs = i * votes.m + j
    place = int(np.flatnonzero((i == min(a, b)) & (j == max(a, b)))[0])
    return _told(votes, [side[pairs] for side in found], place, is_swapped=a > b)


def field_sign_test(votes: Votes, a: int) -> SignTest:
    """The test of model ``a`` against those it met, corrected by Holm over the same tests of all m models."""
    first, second, won = _decisive(votes)
    found = _count(votes, np.concatenate([first, second]), np.concatenate([won, -won]), votes.m, n_sides=2)
    return _told(votes, found, a, is_swapped=False)


def _decisive(votes: Votes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The two models of each vote, and its weight for the first: negative where the second won, 0 for neither."""
    pair, kind = np.divmod(votes.cell, len(_WON))
    return pair // votes.m, pair % votes.m, _WON[kind] * votes.weight


def _count(
    votes: Votes, subject: NDArray[np.int64], won: NDArray[np.float64], n_subjects: int, n_sides: int = 1
) -> list[NDArray[np.int64]]:
    """For each subject how many raters are for it, against it, and even though they decided; else how many votes."""
    if votes.cluster is not None:
        told = won != 0
        who = np.tile(votes.cluster, n_sides)[told].astype(np.int64)
        keys, row = np.unique(who * n_subjects + subject[told], return_inverse=True)
        own, net = keys % n_subjects, np.asarray(np.bincount(row, won[told], len(keys)), dtype=np.float64)
        is_for, is_against = net > _NOTHING, net < -_NOTHING
        return [np.bincount(own[hit], minlength=n_subjects) for hit in (is_for, is_against, ~(is_for | is_against))]
    n_votes = votes.weight if n_sides == 1 else np.tile(votes.weight, n_sides)
    return [
        np.rint(np.bincount(subject[hit], n_votes[hit], n_subjects)).astype(np.int64) for hit in (won > 0, won < 0)
    ] + [np.zeros(n_subjects, dtype=np.int64)]


def _told(votes: Votes, found: list[NDArray[np.int64]], place: int, *, is_swapped: bool) -> SignTest:
    n_for, n_against, n_even = found
    p = sign_p(n_for, n_against)
    counts = int(n_for[place]), int(n_against[place])
    own = counts[::-1] if is_swapped else counts
    is_by_rater = votes.cluster is not None
    return SignTest(*own, int(n_even[place]), float(p[place]), float(holm(p)[place]), is_by_rater)
