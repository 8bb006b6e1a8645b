"""How many independent votes the votes are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError


def effective_sample_size(weight: NDArray[np.float64]) -> float:
    """(sum w)^2 / sum w^2, Kish's number of equally weighted votes with the same precision; 0 for no votes.

    ``weight`` holds one sampling weight per vote, not a count of equal votes (Kish 1965, Survey Sampling). Raises
    ``InvalidInputError`` for a negative or infinite weight.
    """
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise InvalidInputError("a weight is negative or not a number")
    largest = float(weight.max(initial=0.0))
    if largest == 0:
        return 0.0
    share = weight / largest  # so that tiny weights do not vanish when squared
    return float(share.sum() ** 2 / (share**2).sum())


def design_effects(clustered: NDArray[np.float64], independent: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of variances S_ii clustered / S_ii per vote, shape (m,): 1 where clustering makes no difference.

    NaN where the per-vote variance is zero. Kish 1965; n votes with design effect d are worth n / d independent ones.
    """
    per_vote = np.diag(independent)
    ratio = np.full(len(per_vote), np.nan)
    np.divide(np.diag(clustered), per_vote, out=ratio, where=per_vote > 0)
    return ratio


def effective_votes(n_votes: NDArray[np.float64], effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """n_i / max(d_i, 1), in votes: agreement only loses information; a gain is chance."""
    return np.asarray(n_votes / np.maximum(effects, 1.0), dtype=np.float64)


def planned_design_effect(votes_per_prompt: float, correlation: float) -> float:
    """1 + (n - 1) rho for n votes on each prompt that correlate by rho (about Krippendorff's alpha); Kish 1965.

    Raises ``InvalidInputError`` unless n >= 1 and 0 <= rho <= 1.
    """
    if not (votes_per_prompt >= 1 and 0 <= correlation <= 1):
        raise InvalidInputError("a design effect needs one or more votes per prompt and a correlation from 0 to 1")
    return 1 + (votes_per_prompt - 1) * correlation
