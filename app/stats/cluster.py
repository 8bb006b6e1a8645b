"""Covariance that stays right when votes of one rater, or on one prompt, resemble each other.

A fit with parameters beta (m ratings, then k further ones) has a score s_v per vote v, shape (m + k,). With
U_c = sum of s_v over the votes of cluster c, the covariance is G M G with M = g/(g-1) sum_c U_c U_c' over g clusters
and G the pseudo-inverse of the information; intervals use t(g - 1) (Liang & Zeger 1986, Biometrika 73). Two ways at
once: M = M_rater + M_prompt - M_(rater and prompt), each with its own g/(g-1), t(min g - 1) (Cameron, Gelbach & Miller
2011, JBES 29). Covariances are in logits^2, scores in votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import stdtrit

from app.errors import InvalidInputError

BLOCK_CELLS = 1 << 22  # 32 MB of doubles: cluster sums are made in blocks of at most this many numbers
DENSE_FROM = 20  # clusters of at least 1/20 as many votes as parameters are summed in dense blocks
ROUNDING = 1e-9  # a negative eigenvalue below this share of the largest is rounding
FEW_CLUSTERS = 10  # with fewer, the numbers say little about raters (or prompts) in general


@dataclass(frozen=True)
class Scores:
    """The scores of N votes: ``score_a`` on model_a, ``score_b`` on model_b, ``extra`` (N, k) on further parameters.

    Bradley-Terry: r and -r with r = weight (outcome share of a - P); the additive logit of both-bad: r and r. Extra
    columns hold the scores themselves: r x for a covariate or a position effect x, y_tie - P_tie for log nu.
    """

    n_models: int
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    score_a: NDArray[np.float64]
    score_b: NDArray[np.float64]
    extra: NDArray[np.float64]

    @property
    def n_parameters(self) -> int:
        """The number of parameters, m + k."""
        return self.n_models + int(self.extra.shape[1])

    def at(self, rows: NDArray[np.int64]) -> Scores:
        """The scores of these votes only."""
        return Scores(
            self.n_models,
            self.model_a[rows],
            self.model_b[rows],
            self.score_a[rows],
            self.score_b[rows],
            self.extra[rows],
        )


@dataclass(frozen=True)
class ClusteredCovariance:
    """S of shape (m + k, m + k) in logits^2, the number of clusters each way, and the degrees of freedom of its t.

    ``is_clipped`` says that the two-way matrix had a negative eigenvalue, which was set to zero.
    """

    covariance: NDArray[np.float64]
    n_clusters: tuple[int, ...]
    df: int
    is_clipped: bool = False

    @property
    def has_few_clusters(self) -> bool:
        """Whether there are too few raters (or prompts) to speak about others than these."""
        return min(self.n_clusters) < FEW_CLUSTERS

    def quantile(self, confidence: float = 0.95) -> float:
        """The t(df) quantile of a two-sided interval. Raises ``InvalidInputError`` unless 0 < confidence < 1."""
        if not 0 < confidence < 1:
            raise InvalidInputError(f"confidence must lie between 0 and 1, not {confidence}")
        return float(stdtrit(self.df, 0.5 + confidence / 2))


def pair_scores(
    n_models: int,
    model_a: NDArray[np.int64],
    model_b: NDArray[np.int64],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
    columns: NDArray[np.float64] | None = None,
) -> Scores:
    """Bradley-Terry scores w r (e_a - e_b, x): ``residual`` r is the outcome of a (1, 1/2, 0) minus P(a beats b).

    ``columns`` x of shape (N, k) are further regressors whose sign is that of model_a's side. A row of weight w counts
    as w equal votes of one rater. Raises ``InvalidInputError`` if lengths differ or a number is not finite.
    """
    score = residual if weight is None else residual * weight
    extra = np.zeros((len(residual), 0)) if columns is None else columns * score[:, None]
    if not len(model_a) == len(model_b) == len(score) == len(extra):
        raise InvalidInputError("scores need one number per vote")
    if not (np.isfinite(score).all() and np.isfinite(extra).all()):
        raise InvalidInputError("the residual of a vote is not a finite number")
    return Scores(n_models, model_a, model_b, score, -score, extra)


def vote_meat(scores: Scores) -> NDArray[np.float64]:
    """The sum of s_v s_v' over single votes (HC0), shape (m + k, m + k)."""
    m, a, b = scores.n_models, scores.model_a, scores.model_b
    meat = np.zeros((scores.n_parameters, scores.n_parameters))
    cross = np.bincount(a * m + b, scores.score_a * scores.score_b, minlength=m * m).reshape(m, m)
    own = np.bincount(a, scores.score_a**2, minlength=m) + np.bincount(b, scores.score_b**2, minlength=m)
    meat[:m, :m] = cross + cross.T + np.diag(own)
    for column, extra in enumerate(scores.extra.T, start=m):
        mixed = np.bincount(a, scores.score_a * extra, minlength=m) + np.bincount(
            b, scores.score_b * extra, minlength=m
        )
        meat[:m, column] = meat[column, :m] = mixed
    meat[m:, m:] = scores.extra.T @ scores.extra
    return meat


def cluster_meat(scores: Scores, clusters: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """The sum of U_c U_c' over clusters, shape (m + k, m + k), without correction, and the number of clusters.

    ``clusters`` holds one non-negative code per vote. Raises ``InvalidInputError`` for negative or missing codes.
    """
    if len(clusters) != len(scores.model_a):
        raise InvalidInputError("clusters need one code per vote")
    if not len(clusters):
        return np.zeros((scores.n_parameters, scores.n_parameters)), 0
    if clusters.min() < 0:
        raise InvalidInputError("a cluster code is negative")
    codes, sizes = _dense_codes(clusters)
    n_clusters = len(sizes)
    alone = sizes[codes] == 1
    if not alone.any():
        return _summed_meat(scores, codes, n_clusters), n_clusters
    meat = vote_meat(scores.at(np.flatnonzero(alone)))
    together = np.flatnonzero(~alone)
    if len(together):
        places = np.cumsum(sizes > 1) - 1
        meat += _summed_meat(scores.at(together), places[codes[together]], int(places[-1]) + 1)
    return meat, n_clusters


def _dense_codes(clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes renumbered 0..g-1 in ascending order, and the number of votes of each."""
    if clusters.max() <= 4 * len(clusters):
        counts = np.bincount(clusters)
        used = counts > 0
        if used.all():
            return clusters, counts
        return (np.cumsum(used) - 1)[clusters], counts[used]
    _, codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    return codes, sizes


def _summed_meat(scores: Scores, codes: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    width = scores.n_parameters
    if len(codes) * DENSE_FROM < n_clusters * width:
        return _sparse_meat(scores, codes, n_clusters)
    per_block = max(1, BLOCK_CELLS // width)
    if n_clusters <= per_block:
        sums = _cluster_sums(scores, codes, n_clusters)
        return np.asarray(sums.T @ sums, dtype=np.float64)
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(0, n_clusters + per_block, per_block))
    meat = np.zeros((width, width))
    for block, (start, end) in enumerate(pairwise(edges.tolist())):
        rows = order[start:end]
        sums = _cluster_sums(scores.at(rows), codes[rows] - block * per_block, per_block)
        meat += sums.T @ sums
    return meat


def _cluster_sums(scores: Scores, codes: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    """U, shape (n_clusters, m + k)."""
    m, first = scores.n_models, codes * scores.n_models
    cells = n_clusters * m
    sums = np.bincount(first + scores.model_a, scores.score_a, minlength=cells)
    sums += np.bincount(first + scores.model_b, scores.score_b, minlength=cells)
    extra = [np.bincount(codes, column, minlength=n_clusters) for column in scores.extra.T]
    models = np.asarray(sums, dtype=np.float64).reshape(n_clusters, m)
    return np.column_stack([models, *extra]) if extra else models


def _sparse_meat(scores: Scores, codes: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    k = scores.extra.shape[1]
    rows = np.concatenate([codes, codes, np.repeat(codes, k)])
    columns = np.concatenate([scores.model_a, scores.model_b, np.tile(np.arange(k) + scores.n_models, len(codes))])
    values = np.concatenate([scores.score_a, scores.score_b, scores.extra.ravel()])
    sums = csr_array(  # type: ignore[no-untyped-call]
        (values, (rows, columns)), shape=(n_clusters, scores.n_parameters)
    )
    return np.asarray((sums.T @ sums).toarray(), dtype=np.float64)


def clustered_covariance(
    bread: NDArray[np.float64], scores: Scores, clusters: NDArray[np.int64], *, name: str = "rater"
) -> ClusteredCovariance:
    """g/(g-1) G (sum_c U_c U_c') G with t(g - 1), one way.

    ``bread`` G has shape (m + k, m + k). Raises ``InvalidInputError``, naming the clusters by ``name``, if there is
    only one: independence between raters cannot be seen in one rater.
    """
    meat, n_clusters = _corrected_meat(scores, clusters, name)
    return ClusteredCovariance(_sandwich(bread, meat), (n_clusters,), n_clusters - 1)


def two_way_covariance(
    bread: NDArray[np.float64],
    scores: Scores,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    *,
    names: tuple[str, str] = ("rater", "prompt"),
) -> ClusteredCovariance:
    """Clustered by two things at once: G (M_1 + M_2 - M_12) G, t(min(g_1, g_2) - 1).

    M_12 clusters by the pairs of codes that occur. The difference may have negative eigenvalues; these are set to zero
    as Cameron, Gelbach & Miller (2011, section 2.3) advise, and ``is_clipped`` says so. Raises ``InvalidInputError`` if
    either way has only one cluster.
    """
    meat_1, n_1 = _corrected_meat(scores, first, names[0])
    meat_2, n_2 = _corrected_meat(scores, second, names[1])
    both = np.asarray(first, dtype=np.int64) * (int(second.max()) + 1) + second
    meat_12, n_12 = cluster_meat(scores, both)
    covariance = _sandwich(bread, meat_1 + meat_2 - meat_12 * (n_12 / (n_12 - 1)))
    values, vectors = np.linalg.eigh(covariance)
    is_clipped = bool(values[0] < -ROUNDING * max(float(values[-1]), 0.0))
    if is_clipped:
        covariance = (vectors * np.maximum(values, 0.0)) @ vectors.T
        covariance = (covariance + covariance.T) / 2
    return ClusteredCovariance(covariance, (n_1, n_2), min(n_1, n_2) - 1, is_clipped)


def _corrected_meat(scores: Scores, clusters: NDArray[np.int64], name: str) -> tuple[NDArray[np.float64], int]:
    meat, n_clusters = cluster_meat(scores, clusters)
    if n_clusters < 2:
        raise InvalidInputError(
            f"an interval clustered by {name} needs at least two {name}s; the votes have {n_clusters}"
        )
    return meat * (n_clusters / (n_clusters - 1)), n_clusters


def _sandwich(bread: NDArray[np.float64], meat: NDArray[np.float64]) -> NDArray[np.float64]:
    covariance = bread @ meat @ bread
    return np.asarray((covariance + covariance.T) / 2, dtype=np.float64)
