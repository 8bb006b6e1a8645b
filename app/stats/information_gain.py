"""What a further vote on a pair is expected to teach about the ratings, and the pairs to ask about next.

theta in logits with covariance S; the difference of a pair is taken as N(d, V), d = theta_i - theta_j and
V = S_ii + S_jj - 2 S_ij.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import entr, expit

N_NODES = 21
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(N_NODES)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def expected_information_gain(difference: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """H(E p) - E H(p) in nats, shape (K,), for p = expit(d), d ~ N(difference, variance), both of shape (K,).

    H(p) = -p log p - (1 - p) log(1 - p). This is the mutual information between the next decisive vote on a pair and
    its true difference: zero where the difference is known, and the larger the closer it may be. The expectations are
    Gauss-Hermite quadratures with 21 nodes. Sources: Lindley 1956 (Annals of Mathematical Statistics 27); for pairs
    Mikhailiuk et al. 2020 (arXiv 2004.05691).
    """
    at = difference[:, None] + np.sqrt(np.maximum(variance, 0.0))[:, None] * _NODES
    chances = expit(at)
    gain = _entropy(chances @ _WEIGHTS) - _entropy(chances) @ _WEIGHTS
    return np.asarray(np.maximum(gain, 0.0), dtype=np.float64)  # rounding may leave a hair less than nothing


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(entr(p) + entr(1 - p), dtype=np.float64)


def spanning_batch(
    gain: NDArray[np.float64],
    model_a: NDArray[np.int64],
    model_b: NDArray[np.int64],
    n_models: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """The pairs (positions in ``gain``) of a spanning forest whose gains are the largest, in ascending order.

    Asking only about the pair with the largest gain would ask about the same few models until the next fit; a spanning
    tree asks about every model once at least and about no pair twice, with m - 1 votes to a batch. A tree of the
    largest gains depends on their order alone; equal ones are ordered by chance. Source: Mikhailiuk et al. 2020, who
    minimise the sum of 1 / gain, which is the same tree.
    """
    shuffled = rng.permutation(len(gain))
    cost = np.empty(len(gain))
    cost[shuffled[np.argsort(-gain[shuffled], kind="stable")]] = np.arange(1, len(gain) + 1)
    graph = csr_array((cost, (model_a, model_b)), shape=(n_models, n_models))  # type: ignore[no-untyped-call]
    tree = minimum_spanning_tree(graph)
    return np.flatnonzero(np.isin(cost, tree.data))
