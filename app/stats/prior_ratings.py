"""Ratings that exist from the first vote on, for choosing what to ask next; boards are fitted without any prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.stats.connectivity import weak_components
from app.stats.covariance import model_covariance
from app.stats.newton import fit_bradley_terry

PRIOR_VOTES = 1.0  # for each model, spread over the pairs in which it can stand, half of them won


def ratings_with_prior(
    wins: NDArray[np.float64], n_open: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings theta (m,) in logits and their covariance (m, m) in logits^2, from votes and a little prior.

    ``wins`` (m, m) are half-wins W. ``n_open`` (m, m), symmetric, is minus one for models that never meet and else the
    battles of a pair that are on somebody's screen: they will bring information, so they count in the covariance, and
    nobody knows their outcome, so they don't count in theta. The prior is c = m / (2 K) votes for each of the K pairs
    that can meet, half of them won by each side: one vote per model on average, which links all that can be linked, so
    that Ford's condition holds from the start. It is the conjugate prior of Bradley-Terry by pseudo-votes (Davidson &
    Solomon 1973, Biometrika 60). Between groups of models that never meet the covariance is zero. Raises
    ``NotConvergedError`` as ``newton.fit_bradley_terry``.
    """
    can_meet = n_open >= 0
    np.fill_diagonal(can_meet, False)
    share = PRIOR_VOTES * len(wins) / max(int(can_meet.sum()), 1)
    halves = wins + can_meet * (share / 2)
    expected = halves + np.where(can_meet, n_open, 0.0) / 2
    theta, covariance = np.zeros(len(wins)), np.zeros_like(wins)
    for group in weak_components(can_meet.astype(np.float64)):
        if len(group) > 1:
            cells = np.ix_(group, group)
            theta[group] = fit_bradley_terry(halves[cells])
            covariance[cells] = model_covariance(theta[group], expected[cells])
    return theta, covariance
