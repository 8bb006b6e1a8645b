"""How many votes a comparison of two models needs before it begins, and how many more would decide who leads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.domain import Ranking
from app.errors import InvalidInputError
from app.services.board_claims import boards_of
from app.stats.group_sequential import inflation, obrien_fleming
from app.stats.power import decisive_votes, exact_decisive_votes, sequential_plan
from app.stats.power_board import critical_difference, votes_for_leader

MOST_EXACT, MOST_SEQUENTIAL = 2_500, 20_000  # decisive votes; a second or two each
MOST_SIMULATED = 40  # models whose critical value is simulated in a tenth of a second
POWER = 0.8  # of finding the difference that is seen now


@dataclass(frozen=True, slots=True)
class VotesNeeded:
    """``n_decisive`` votes that prefer one side, within ``n_votes`` in all, for a true ``win_share`` of these.

    ``n_exact`` are the decisive votes that the exact sign test needs, ``n_sequential`` those that a test with a look
    after every vote takes on average, with a budget that keeps the power; None where they take too long to count.
    """

    gap: float
    win_share: float
    n_decisive: int
    n_votes: int
    n_exact: int | None
    n_sequential: float | None


def count_votes_needed(
    *,
    gap: float | None = None,
    win_share: float | None = None,
    tie_rate: float = 0.0,
    both_bad_rate: float = 0.0,
    design_effect: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> VotesNeeded:
    """Votes on one pair for a two-sided test of "as often better as worse" at level ``alpha``.

    n = ((z_{1-alpha/2} / 2 + z_power sqrt(p (1 - p))) / (p - 1/2))^2 decisive votes for a win share p among them
    (p = expit(gap), gap in logits), and n * design_effect / (1 - tie_rate - both_bad_rate) in all. Raises
    ``InvalidInputError`` unless exactly one of gap and win share is given and every number is in its range.
    """
    if (gap is None) == (win_share is None):
        raise InvalidInputError("Say either the gap in logits or the win share, not both.")
    share = float(expit(gap)) if win_share is None else win_share
    if not 0 < share < 1 or share == 0.5:
        raise InvalidInputError("The win share must lie between 0 and 1 and not be 0.5 (the gap not 0).")
    if not (tie_rate >= 0 and both_bad_rate >= 0 and tie_rate + both_bad_rate < 1):
        raise InvalidInputError("Tie rate and both-bad rate must not be negative, and be less than 1 together.")
    if not 1 <= design_effect <= 1e6:
        raise InvalidInputError("The design effect must be at least 1, and no more than a million.")
    if not (0 < alpha < 1 and 0 < power < 1 and power > alpha / 2):
        raise InvalidInputError("Alpha and power must lie between 0 and 1, and the power above alpha / 2.")
    n = decisive_votes(share, power=power, alpha=alpha)
    if n > 1e15:
        raise InvalidInputError("This gap is too small to count the votes that it needs.")
    return VotesNeeded(
        gap=float(logit(share)) if gap is None else gap,
        win_share=share,
        n_decisive=math.ceil(n),
        n_votes=math.ceil(n * design_effect / (1 - tie_rate - both_bad_rate)),
        n_exact=exact_decisive_votes(share, power=power, alpha=alpha) if n <= MOST_EXACT else None,
        n_sequential=_mean_sequential(share, n, power=power, alpha=alpha),
    )


def decisive_share(points: float, tie_rate: float, both_bad_rate: float) -> float | None:
    """The share p of decisive votes behind a win probability of 50 + ``points`` % that counts ties and both-bad half.

    p = 1/2 + (points / 100) / (1 - tie rate - both-bad rate); None where no p below 1 gives so much.
    """
    decisive = 1 - tie_rate - both_bad_rate
    return 0.5 + points / 100 / decisive if points / 100 < decisive / 2 else None


def _mean_sequential(share: float, n: float, *, power: float, alpha: float) -> float | None:
    budget = 1.9 * n
    while budget <= MOST_SEQUENTIAL:
        plan = sequential_plan(share, n_max=math.ceil(budget), alpha=alpha)
        if plan.power >= power:
            return plan.mean_votes
        budget = 1.2 * budget + 1
    return None


def plan_looks(needed: VotesNeeded, n_looks: int, *, alpha: float = 0.05, power: float = 0.8) -> dict[str, Any]:
    """O'Brien and Fleming's plan of so many looks with the power that ``needed`` has with one: when and at which |z|.

    At each look stop if |z| of the sign test, (wins - losses) / sqrt(wins + losses), reaches its bound. The votes of
    ``needed`` times ``inflation`` are planned in all; ``mean_votes`` are taken on average if the difference is true.
    """
    plan = obrien_fleming(n_looks, alpha=alpha)
    factor, share = inflation(plan, power=power)
    total, decisive = math.ceil(needed.n_votes * factor), math.ceil(needed.n_decisive * factor)
    columns = zip(plan.votes_at(total), plan.votes_at(decisive), plan.bounds, plan.nominal_p, strict=True)
    return {
        "inflation": factor,
        "n_votes": total,
        "n_decisive": decisive,
        "mean_votes": share * total,
        "looks": [
            {"look": k, "n_votes": int(votes), "n_decisive": int(told), "z": float(z), "p": float(p)}
            for k, (votes, told, z, p) in enumerate(columns, start=1)
        ],
    }


def count_more_votes(ranking: Ranking) -> float | None:
    """Votes beyond those cast after which the first model is ahead of all others, with 80 % power; else None.

    Were the ratings of now the truth and votes spread as so far (``power_board.votes_for_leader``, over the models
    that the first can't be told apart from now). Infinite where one is rated as high as the first. None where nothing
    is open, where models don't all connect, where a rating has no bound (its gap says nothing), and where the method
    has no errors of differences.
    """
    rated = [row for row in ranking.models if row.n_votes]
    alpha = 1 - ranking.confidence
    if len(rated) < 2 or len({row.component for row in rated}) > 1 or not all(row.bounded for row in rated):
        return None
    first = rated[0].model
    peers = {test.model_b for test in ranking.pairs if test.model_a == first and test.p_adjusted > alpha}
    if not peers:
        return None
    try:
        [board] = boards_of(ranking, "a count of votes")
        critical = _critical_value(ranking, board.covariance, board.df)
        kept = [place for place, name in enumerate(board.models) if name == first or name in peers]
        theta, covariance = board.theta[kept], board.covariance[np.ix_(kept, kept)]
        total = votes_for_leader(theta, covariance, ranking.n_votes, critical=critical, power=POWER, df=board.df)
    except InvalidInputError:  # a difference without any variance, which no number of votes explains
        return None
    return max(total - ranking.n_votes, 1.0)


def _critical_value(ranking: Ranking, covariance: NDArray[np.float64], df: float) -> float:
    """The number of standard errors from which a difference counts.

    Simulated for few models; of many, there are pairs on either side of the bound, so that it is read off the tests.
    """
    alpha = 1 - ranking.confidence
    if len(covariance) <= MOST_SIMULATED:
        return critical_difference(covariance, alpha=alpha, df=df)
    sizes = [(abs(test.difference) / test.se, test.p_adjusted <= alpha) for test in ranking.pairs if test.se > 0]
    below = max((z for z, is_clear in sizes if not is_clear), default=0.0)
    above = min((z for z, is_clear in sizes if is_clear), default=0.0)
    return (below + above) / 2 if below and above else critical_difference(covariance, alpha=alpha, df=df)
