"""Double Thompson sampling for dueling bandits: which two models to compare when the best one is looked for.

Wu & Liu 2016 (Advances in Neural Information Processing Systems 29). B[i, j] are half-wins of i over j, each pair has
the posterior Beta(B_ij + 1, B_ji + 1) of its own, so nothing is assumed about strengths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.51  # the paper's alpha, which must be more than a half
MOST_SAMPLES = 512
_WORK = 1_000_000  # samples times pairs


def double_thompson_chances(
    wins: NDArray[np.float64], model_a: NDArray[np.int64], model_b: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """How likely double Thompson sampling compares each of K pairs next, shape (K,), summing to one.

    The first model is, among those whose optimistic Copeland score #{j : u_ij > 1/2} / #{j} is largest, the one that
    beats most others in a sample of all posteriors; u_ij = B_ij / n_ij + sqrt(alpha log t / n_ij) after t votes. The
    second is the one with the largest sampled chance to beat the first, among those with l_i1 <= 1/2 (all of them,
    should there be none). The paper lets the first meet itself when nobody else might beat it; a battle needs two
    models, so here it never does. Both steps are sampled so often that what comes out is a distribution: whoever draws
    from it knows the probability of the draw exactly.

    ``model_a`` and ``model_b`` (K,) index the m models of ``wins`` (m, m); pairs that are not named are never compared.
    """
    m, n_pairs = len(wins), len(model_a)
    n_samples = max(min(MOST_SAMPLES, _WORK // max(n_pairs, 1)), 32)
    upper = _upper_bounds(wins)
    first = _first_chances(wins, upper, (model_a, model_b), n_samples, rng)
    meets = np.zeros((m, m), dtype=np.bool_)
    meets[model_a, model_b] = meets[model_b, model_a] = True
    chances = np.zeros((m, m))
    for best in np.flatnonzero(first):
        others = np.flatnonzero(meets[best])
        rivals = others[1 - upper[best, others] <= 0.5]
        if not len(rivals):
            rivals = others
        sampled = rng.beta(wins[rivals, best] + 1, wins[best, rivals] + 1, (n_samples, len(rivals)))
        picked = np.bincount(rivals[sampled.argmax(axis=1)], minlength=m)
        chances[best] += first[best] * picked / n_samples
    return np.asarray(chances[model_a, model_b] + chances[model_b, model_a], dtype=np.float64)


def _upper_bounds(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The u_ij, shape (m, m), 1 for pairs without votes; l_ij = 1 - u_ji."""
    n_votes = wins + wins.T
    radius = np.sqrt(CONFIDENCE * np.log(max(n_votes.sum() / 2, 1.0)) / np.maximum(n_votes, 1e-9))
    upper = wins / np.maximum(n_votes, 1e-9) + radius
    return np.where(n_votes > 0, upper, 1.0)


def _first_chances(
    wins: NDArray[np.float64],
    upper: NDArray[np.float64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    n_samples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """How likely each model is the first of the two, shape (m,)."""
    m, (a, b) = len(wins), pairs
    degree = np.maximum(np.bincount(a, minlength=m) + np.bincount(b, minlength=m), 1)
    hopeful = np.bincount(a, upper[a, b] > 0.5, m) + np.bincount(b, upper[b, a] > 0.5, m)
    is_candidate = hopeful / degree == (hopeful / degree).max()
    a_wins = rng.beta(wins[a, b] + 1, wins[b, a] + 1, (n_samples, len(a))) > 0.5
    cells = np.arange(n_samples)[:, None] * m
    beaten = np.bincount((cells + np.where(a_wins, a, b)).ravel(), minlength=n_samples * m).reshape(n_samples, m)
    score = np.where(is_candidate, beaten + rng.random((n_samples, m)) / 2, -1.0)  # the fraction breaks ties by chance
    return np.asarray(np.bincount(score.argmax(axis=1), minlength=m) / n_samples, dtype=np.float64)
