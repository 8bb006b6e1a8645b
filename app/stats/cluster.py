"""Covariance that stays right when votes of one rater, or on one prompt, resemble each other.

A fit with parameters beta (m ratings, then k further ones) has a score s_v per vote v, shape (m + k,). With
U_c = sum of s_v over the votes of cluster c, the covariance is G M G with M = g/(g-1) sum_c U_c U_c' over g clusters
and G the pseudo-inverse of the information; intervals use t(g - 1) (Liang & Zeger 1986, Biometrika 73). Two ways at
once: M = M_rater + M_prompt - M_(rater and prompt), each with its own g/(g-1), t(min g - 1) (Cameron, Gelbach & Miller
2011, JBES 29). Covariances are in logits^2, scores in votes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import stdtrit

from app.errors import InvalidInputError

BLOCK_CELLS = 1 << 22  # 32 MB of doubles: cluster sums are made in blocks of at most this many numbers
DENSE_FROM = 20  # clusters of at least 1/20 as many votes as parameters are summed in dense blocks
MOST_PAIRS = 2  # of votes of one cluster, for each vote: so small clusters are summed pair by pair
ROUNDING = 1e-9  # a negative eigenvalue below this share of the largest is rounding
FEW_CLUSTERS = 10  # with fewer, the numbers say little about raters (or prompts) in general


@dataclass(frozen=True)
class Scores:
    """The scores of N votes: ``score_a`` on model_a, ``score_b`` on model_b, ``extra`` (N, k) on further parameters.

    Bradley-Terry: r and -r with r = weight (outcome share of a - P); the additive logit of both-bad: r and r. Extra
    columns hold the scores themselves: r x for a covariate or a position effect x, y_tie - P_tie for log nu.

    Votes that are alike may share a row of these arrays: then ``place`` (N,) is each vote's row, and ``weight`` (N,)
    what its score is multiplied by (None: 1). A million votes on 100 models then take a tenth of the memory.
    """

    n_models: int
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    score_a: NDArray[np.float64]
    score_b: NDArray[np.float64]
    extra: NDArray[np.float64]
    place: NDArray[np.int32] | NDArray[np.int64] | None = None
    weight: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.model_a if self.place is None else self.place)

    @property
    def n_parameters(self) -> int:
        """The number of parameters, m + k."""
        return self.n_models + int(self.extra.shape[1])

    def at(self, votes: NDArray[np.int64] | slice) -> Scores:
        """The scores of these votes only, a row each."""
        rows = votes if self.place is None else self.place[votes]
        found = Scores(
            self.n_models,
            self.model_a[rows],
            self.model_b[rows],
            self.score_a[rows],
            self.score_b[rows],
            self.extra[rows],
        )
        if self.weight is None:
            return found
        times = self.weight[votes]
        by_a, by_b = found.score_a * times, found.score_b * times
        return replace(found, score_a=by_a, score_b=by_b, extra=found.extra * times[:, None])

    def apart(self) -> Scores:
        """The same with a row for each vote."""
        return self if self.place is None and self.weight is None else self.at(slice(None))

    def ends(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Of each vote its model and its score, by model_a and then by model_b."""
        for model, score in ((self.model_a, self.score_a), (self.model_b, self.score_b)):
            yield (model if self.place is None else model[self.place]), self._of_votes(score)

    def columns(self) -> Iterator[NDArray[np.float64]]:
        """Of each vote its score on each of the k further parameters."""
        return (self._of_votes(column) for column in self.extra.T)

    def _of_votes(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        own = score if self.place is None else score[self.place]
        return own if self.weight is None else own * self.weight


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
    scores = scores.apart()
    m, a, b = scores.n_models, scores.model_a, scores.model_b
    score_a, score_b, extra_columns = scores.score_a, scores.score_b, scores.extra
    meat = np.zeros((scores.n_parameters, scores.n_parameters))
    # Three sums by pair of models; sums by model follow from them.
    pair, cells = a * m + b, m * m
    cross = np.bincount(pair, score_a * score_b, minlength=cells).reshape(m, m)
    squares_a = np.bincount(pair, score_a * score_a, minlength=cells).reshape(m, m)
    is_mirrored = bool((score_a == -score_b).all())  # as in Bradley-Terry, where both squares are the same
    squares_b = squares_a if is_mirrored else np.bincount(pair, score_b * score_b, minlength=cells).reshape(m, m)
    meat[:m, :m] = cross + cross.T + np.diag(squares_a.sum(axis=1) + squares_b.sum(axis=0))
    for column, extra in enumerate(extra_columns.T, start=m):
        mixed = np.bincount(a, score_a * extra, minlength=m) + np.bincount(b, score_b * extra, minlength=m)
        meat[:m, column] = meat[column, :m] = mixed
    meat[m:, m:] = extra_columns.T @ extra_columns
    return meat


def cluster_meat(
    scores: Scores, clusters: NDArray[np.int64], *, of_votes: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], int]:
    """The sum of U_c U_c' over clusters, shape (m + k, m + k), without correction, and the number of clusters.

    ``clusters`` holds one non-negative code per vote; ``of_votes`` is the ``vote_meat`` of the same votes where it is
    known already. Raises ``InvalidInputError`` for negative or missing codes.
    """
    if len(clusters) != len(scores):
        raise InvalidInputError("clusters need one code per vote")
    if not len(clusters):
        return np.zeros((scores.n_parameters, scores.n_parameters)), 0
    if clusters.min() < 0:
        raise InvalidInputError("a cluster code is negative")
    largest = int(clusters.max())
    if (largest + 1) * scores.n_parameters <= DENSE_FROM * len(clusters):
        return _dense_meat(scores, clusters, largest + 1), int(np.count_nonzero(np.bincount(clusters)))
    order, is_new = _grouped(np.asarray(clusters, dtype=np.int64))
    n_clusters = int(np.count_nonzero(is_new))
    sizes = np.diff(np.append(np.flatnonzero(is_new), len(clusters)))
    if int((sizes * (sizes - 1) // 2).sum()) <= MOST_PAIRS * len(clusters):
        meat = vote_meat(scores) if of_votes is None else of_votes
        return meat + _meat_between(scores, order, is_new), n_clusters
    codes = np.empty(len(clusters), dtype=np.int64)
    codes[order] = np.cumsum(is_new) - 1
    is_dense = n_clusters * scores.n_parameters <= DENSE_FROM * len(clusters)
    return (_dense_meat if is_dense else _sparse_meat)(scores, codes, n_clusters), n_clusters


def _grouped(clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The votes in an order in which those of a cluster stand together, and where in it a new cluster begins."""
    bits = len(clusters).bit_length()
    if int(clusters.max()).bit_length() + bits < 63:
        # One sort of numbers made of code and place takes half as long as sorting places by their codes.
        packed = clusters << bits
        packed |= np.arange(len(clusters))
        packed.sort()
        order = packed & ((1 << bits) - 1)
        packed >>= bits
        codes = packed
    else:
        order = np.argsort(clusters, kind="stable")
        codes = clusters[order]
    return order, np.append(True, codes[1:] != codes[:-1])


def _meat_between(scores: Scores, order: NDArray[np.int64], is_new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The sum of s_v s_w' over all votes v and other votes w of the same cluster."""
    between, distance = np.zeros((scores.n_parameters, scores.n_parameters)), 1
    at = np.flatnonzero(~is_new)  # places whose vote has another one of its cluster before it
    while len(at):  # first next neighbours, then neighbours but one, ...
        between += _products(scores.at(order[at]), scores.at(order[at - distance]))
        at = at[~is_new[at - distance]]
        distance += 1
    return between + between.T


def _products(one: Scores, other: Scores) -> NDArray[np.float64]:
    """The sum of s_v s_w' over votes v of the one and w of the other in the same places; of a mixed block both halves.

    The other half of each mixed block is left at zero, for whoever adds the transpose.
    """
    m, k = one.n_models, one.extra.shape[1]
    found = np.zeros((m + k, m + k))
    ends = [[(part.model_a, part.score_a), (part.model_b, part.score_b)] for part in (one, other)]
    for (i, x), (j, y) in product(*ends):
        found[:m, :m] += np.bincount(i * m + j, x * y, minlength=m * m).reshape(m, m)
    for column in range(k):
        for mine, theirs in ((ends[0], other), (ends[1], one)):
            for i, x in mine:
                found[:m, m + column] += np.bincount(i, x * theirs.extra[:, column], minlength=m)
    found[m:, m:] = one.extra.T @ other.extra
    return found


def _dense_meat(scores: Scores, codes: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    """Of codes below ``n_clusters``, some of which no vote may have."""
    width = scores.n_parameters
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
    m, first = scores.n_models, np.multiply(codes, scores.n_models, dtype=np.int64)
    sums = np.zeros(n_clusters * m)
    for model, score in scores.ends():
        first += model
        sums += np.bincount(first, score, minlength=len(sums))
        first -= model
    extra = [np.bincount(codes, column, minlength=n_clusters) for column in scores.columns()]
    models = sums.reshape(n_clusters, m)
    return np.column_stack([models, *extra]) if extra else models


def _sparse_meat(scores: Scores, codes: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    scores, k = scores.apart(), scores.extra.shape[1]
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
    of_votes: NDArray[np.float64] | None = None,
) -> ClusteredCovariance:
    """Clustered by two things at once: G (M_1 + M_2 - M_12) G, t(min(g_1, g_2) - 1).

    ``of_votes`` is as for ``cluster_meat``. M_12 clusters by the pairs of codes that occur. The difference may have
    negative eigenvalues; these are set to zero as Cameron, Gelbach & Miller (2011, section 2.3) advise, and
    ``is_clipped`` says so. Raises ``InvalidInputError`` if either way has only one cluster.
    """
    both = np.asarray(first, dtype=np.int64) * (int(second.max()) + 1) + second
    with ThreadPoolExecutor(2) as beside:  # sorting and counting leave other threads the interpreter
        crossed = beside.submit(cluster_meat, scores, both, of_votes=of_votes)
        ways = [
            beside.submit(_corrected_meat, scores, codes, name)
            for codes, name in zip((second, first), names[::-1], strict=True)
        ]
        (meat_2, n_2), (meat_1, n_1) = (way.result() for way in ways)
        meat_12, n_12 = crossed.result()
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
