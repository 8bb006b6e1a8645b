"""From strengths and their covariance to intervals, pair tests and rank intervals, one group of models at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.domain import PairTest
from app.errors import InvalidInputError, NotConvergedError
from app.stats.board import Estimates, chosen, connection_warnings, naming
from app.stats.intervals import quantile
from app.stats.max_t import step_down_tests
from app.stats.pairwise import PairTests, difference_errors, pairwise_tests, rank_sets

FEW_VOTES = 30  # below this the normal approximation behind the intervals is rough
BIAS_REDUCTION = ("auto", "firth", "none")
MULTIPLICITY = ("holm", "max_t")
NO_SPREAD = 1e-6  # a sandwich variance below this share of the model-based one is rounding, not knowledge


def fill_group(
    estimates: Estimates,
    group: NDArray[np.int64],
    theta: NDArray[np.float64],
    covariance: NDArray[np.float64],
    models: Sequence[str],
    confidence: float,
    *,
    df: float = np.inf,
    multiplicity: str = "holm",
) -> None:
    """Write the group's ratings, errors, bounds, pair tests and rank intervals.

    ``theta`` (logits) and ``covariance`` are those of the group's models alone, in the order of ``group``; intervals
    and tests are those of Student's t with ``df`` degrees of freedom. Pairs are adjusted within the group by ``holm``
    or by step-down ``max_t``, which finds more differences and takes a second on a board of 100 models.
    """
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    half_width = quantile(confidence, df) * se
    estimates.score[group] = estimates.rating[group] = theta
    estimates.se[group] = se
    estimates.lower[group], estimates.upper[group] = theta - half_width, theta + half_width
    by_rating = zip((-theta.round(8)).tolist(), (models[i] for i in group.tolist()), range(len(group)), strict=True)
    best_first = np.array([place for *_, place in sorted(by_rating)])
    ordered = theta[best_first], covariance[np.ix_(best_first, best_first)]
    tests = (step_down_tests if multiplicity == "max_t" else pairwise_tests)(*ordered, df=df)
    ranked = group[best_first]
    lower, upper = rank_sets(tests, len(group), alpha=1 - confidence)
    estimates.rank_lower[ranked], estimates.rank_upper[ranked] = lower, upper
    estimates.pairs.append(partial(_pair_tests, tests, [models[i] for i in ranked]))


def shows_no_spread(covariance: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    """Whether the sandwich calls some difference certain of which the model-based covariance is not."""
    return bool((difference_errors(covariance) < NO_SPREAD**0.5 * difference_errors(expected)).any())


def fit_warnings(
    models: Sequence[str],
    groups: Sequence[NDArray[np.int64]],
    used: NDArray[np.float64],
    bounded: NDArray[np.bool_],
) -> list[str]:
    """Plain words on groups, models without a finite rating, and models with few used votes (``used``, shape (m,))."""
    found = connection_warnings(models, groups, used > 0)
    endless = chosen(models, ~bounded)
    if endless:
        found.append(
            f"{naming(endless)} won everything or lost everything against the rest, alone or as a group, so the votes "
            "set no upper or lower limit on the difference. Such a group is rated by a bias-reduced fit (Firth), which "
            "stays finite; take these ratings and intervals with caution."
        )
    return found + few_votes_warnings(models, used)


def few_votes_warnings(models: Sequence[str], used: NDArray[np.float64]) -> list[str]:
    """A sentence naming the models with few used votes, if there are any."""
    few = chosen(models, (used > 0) & (used < FEW_VOTES))
    return [f"Fewer than {FEW_VOTES} votes, so the intervals are rough: {naming(few)}."] if few else []


def check_multiplicity(option: str) -> None:
    """Raise ``InvalidInputError`` unless this is a way to adjust pair tests."""
    if option not in MULTIPLICITY:
        raise InvalidInputError(f"multiplicity must be one of {', '.join(MULTIPLICITY)}, not {option!r}")


def check_bias_reduction(option: str) -> None:
    """Raise ``InvalidInputError`` unless ``option`` is "auto", "firth" or "none"."""
    if option not in BIAS_REDUCTION:
        raise InvalidInputError(f"bias_reduction must be one of {', '.join(BIAS_REDUCTION)}, not {option!r}")


def is_reduced(option: str, models: Sequence[str], unbounded: NDArray[np.bool_]) -> bool:
    """Whether to fit by Firth: always for "firth", for "auto" where a model is unbounded.

    With "none" an unbounded model raises ``NotConvergedError`` naming it, since no finite maximum exists.
    """
    if option == "none" and unbounded.any():
        raise NotConvergedError(
            f"No finite ratings exist without bias reduction: {naming(chosen(models, unbounded))} won everything or "
            "lost everything against the rest, alone or as a group."
        )
    return option == "firth" or bool(unbounded.any())


def _pair_tests(tests: PairTests, models: Sequence[str]) -> list[PairTest]:
    """The tests by name; the models come best first, so no difference is negative (beyond rounding)."""
    names = np.array(models, dtype=object)
    columns = (names[tests.i], names[tests.j], tests.difference, tests.se, tests.p, tests.p_adjusted)
    return list(map(PairTest._make, zip(*(column.tolist() for column in columns), strict=True)))
