"""Bradley-Terry with ties as half-wins, per-vote sandwich intervals and simultaneous rank intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain import PairTest, Ranking
from app.stats.board import Estimates, chosen, connection_warnings, make_ranking, naming
from app.stats.comparisons import Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.covariance import model_covariance, sandwich_covariance
from app.stats.firth import fit_firth
from app.stats.intervals import normal_quantile
from app.stats.newton import fit_bradley_terry, log_likelihood
from app.stats.pairwise import PairTests, difference_errors, pairwise_tests, rank_sets

LABEL = "Bradley-Terry"
NEEDS_ORDER = False  # whether the order in which votes were cast matters
DESCRIPTION = (
    "Estimates how strongly people prefer each model from all votes at once, whatever their order; it assumes that "
    "each model has one strength, that a tie counts as half a win for each side, and that votes are independent."
)
FEW_VOTES = 30  # below this the normal approximation behind the intervals is rough
NO_SPREAD = 1e-6  # a sandwich variance below this share of the model-based one is rounding, not knowledge


def rank(comparisons: Comparisons, *, confidence: float = 0.95, ties: str = "half", both_bad: str = "tie") -> Ranking:
    """Ratings in logits with sandwich intervals, one board per group of models that votes connect.

    Within a group ratings sum to zero, and ranks, rank intervals and pair tests (Holm over the pairs of the group) are
    its own. Maximum likelihood where it exists (``newton.fit_bradley_terry``); where it does not, Firth's bias-reduced
    fit, with ``bounded=False`` on the models of ``connectivity.unbounded_models`` and a warning. Standard errors are
    those of G M G, except that votes on unbounded models, and on models with nothing but ties, enter M with the
    variance that the model expects: their own spread is zero, which is no knowledge (should a difference still show
    none, as across a bridge of nothing but ties, the group gets G). A model without a used vote gets neither rating nor
    rank. ``log_likelihood`` is summed over the groups, in nats.

    Raises ``InvalidInputError`` for arguments or votes that make no sense, ``NotConvergedError`` rather than returning
    a fit that missed its tolerance.
    """
    normal_quantile(confidence)
    counts = outcome_counts(comparisons)
    wins, tied = wins_and_ties(counts, ties=ties, both_bad=both_bad)
    used = (wins + wins.T + tied).sum(axis=1)
    groups = weak_components(wins + tied / 2)
    estimates = Estimates.blank(len(comparisons.models))
    linked = [group for group in groups if len(group) > 1]
    total = sum(_rate(estimates, group, (wins, tied), comparisons.models, confidence) for group in linked)
    return make_ranking(
        "bradley_terry",
        comparisons,
        counts,
        groups,
        estimates,
        confidence=confidence,
        log_likelihood=total if linked else None,
        warnings=_warnings(comparisons.models, groups, used, estimates.bounded),
    )


def _rate(
    estimates: Estimates,
    group: NDArray[np.int64],
    votes: tuple[NDArray[np.float64], NDArray[np.float64]],
    models: Sequence[str],
    confidence: float,
) -> float:
    """Fill in the estimates of one group of connected models; the log-likelihood of its votes."""
    wins, tied = (matrix[np.ix_(group, group)] for matrix in votes)
    halves = wins + tied / 2
    unbounded = unbounded_models(halves)
    theta = fit_firth(halves) if unbounded.any() else fit_bradley_terry(halves)
    covariance = _covariance(theta, wins, tied, unbounded)
    half_width = normal_quantile(confidence) * np.sqrt(np.diag(covariance))
    estimates.score[group] = estimates.rating[group] = theta
    estimates.se[group] = np.sqrt(np.diag(covariance))
    estimates.lower[group], estimates.upper[group] = theta - half_width, theta + half_width
    estimates.bounded[group] = ~unbounded
    best_first = np.array(sorted(range(len(group)), key=lambda i: (-theta[i].round(8), models[int(group[i])])))
    tests = pairwise_tests(theta[best_first], covariance[np.ix_(best_first, best_first)])
    ranked = group[best_first]
    lower, upper = rank_sets(tests, len(group), alpha=1 - confidence)
    estimates.rank_lower[ranked], estimates.rank_upper[ranked] = lower, upper
    estimates.pairs += _pair_tests(tests, [models[i] for i in ranked])
    return log_likelihood(theta, halves)


def _covariance(
    theta: NDArray[np.float64], wins: NDArray[np.float64], tied: NDArray[np.float64], unbounded: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The sandwich, with the model's own variance wherever the votes show none."""
    only_ties = (wins + wins.T).sum(axis=1) == 0
    covariance = sandwich_covariance(theta, wins, tied, by_model=unbounded | only_ties)
    expected = model_covariance(theta, wins + tied / 2)
    if (difference_errors(covariance) < NO_SPREAD**0.5 * difference_errors(expected)).any():
        return expected
    return covariance


def _pair_tests(tests: PairTests, models: Sequence[str]) -> list[PairTest]:
    """The tests by name; the models come best first, so no difference is negative (beyond rounding)."""
    names = np.array(models, dtype=object)
    columns = (names[tests.i], names[tests.j], tests.difference, tests.se, tests.p, tests.p_adjusted)
    return list(map(PairTest._make, zip(*(column.tolist() for column in columns), strict=True)))


def _warnings(
    models: Sequence[str],
    groups: Sequence[NDArray[np.int64]],
    used: NDArray[np.float64],
    bounded: NDArray[np.bool_],
) -> list[str]:
    found = connection_warnings(models, groups, used > 0)
    endless = chosen(models, ~bounded)
    if endless:
        found.append(
            f"{naming(endless)} won everything or lost everything against the rest, alone or as a group, so the votes "
            "set no upper or lower limit on the difference. Such a group is rated by a bias-reduced fit (Firth), which "
            "stays finite; take these ratings and intervals with caution."
        )
    few = chosen(models, (used > 0) & (used < FEW_VOTES))
    if few:
        found.append(f"Fewer than {FEW_VOTES} votes, so the intervals are rough: {naming(few)}.")
    return found
