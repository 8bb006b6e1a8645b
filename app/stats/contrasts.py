"""One difference between models, or one model against the rest, from Bradley-Terry with errors clustered by rater.

theta and G as in ``app.stats.covariance``, ties and both-bad as half-wins. For a contrast c (sum zero) the estimate is
c'theta. With v = G c the influence of a vote on it is u = w (outcome share of a - P) (v_a - v_b), and the variance is
g/(g-1) sum over g raters of (sum of their u)^2 (Liang & Zeger 1986, Biometrika 73), with t(g - 1): the same number as
c'Sc of ``app.stats.cluster``, without making S. So a look at a million votes takes 30 ms, and many looks a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError, NotConvergedError
from app.stats.cluster import FEW_CLUSTERS, clustered_covariance, pair_scores
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.covariance import model_covariance, sandwich_covariance
from app.stats.firth import fit_firth
from app.stats.newton import fit_bradley_terry, information, newton_step, win_probabilities

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
_SHARE = np.array([1.0, 0.0, 0.5])  # of model_a, by outcome: it won, it lost, neither
_KINDS = 3


@dataclass(frozen=True)
class Contrast:
    """``difference`` in logits with its ``variance`` after ``n_votes``, and t's ``df`` (infinite: errors per vote).

    ``n_clusters`` raters were told apart (0 where none are known). ``n_own`` is the number of votes on the rarer of
    the compared models. ``is_reduced`` says that a model won or lost everything, so that the fit is Firth's and the
    errors are per vote. ``per_vote`` is the variance that they would give.
    """

    difference: float
    variance: float
    df: float
    n_votes: float
    n_clusters: int
    n_own: float
    is_reduced: bool
    per_vote: float

    @property
    def design_effect(self) -> float:
        """By how much votes of one rater, which are alike, multiply the votes that are needed (Kish 1965); at least 1.

        It is 1 where errors are per vote, and where all votes are one rater's, of whose habits nothing is known.
        """
        if not (self.per_vote > 0 and np.isfinite(self.variance)):
            return 1.0
        return max(self.variance / self.per_vote, 1.0)

    @property
    def se(self) -> float:
        """The standard error in logits."""
        return float(self.variance**0.5)


@dataclass(frozen=True)
class Ratings:
    """The ratings (m,) of one group of linked ``models`` (their indices) with covariance (m, m) and t's ``df``."""

    models: Codes
    theta: Array
    covariance: Array
    df: float
    n_clusters: int


@dataclass(frozen=True)
class Votes:
    """The N votes in their order: the cell (model_a, model_b, kind) of each, its weight, and its rater's code.

    ``cluster`` is None where raters are unknown or too few: then errors are per vote. ``is_single`` says that every
    row is one vote.
    """

    m: int
    cell: Codes
    weight: Array
    cluster: Codes | None
    n_raters: int
    is_single: bool

    def __len__(self) -> int:
        return len(self.cell)

    def select(self, rows: NDArray[np.bool_], *, few: int = FEW_CLUSTERS) -> Votes:
        """Only these votes; clustered by rater if at least ``few`` cast them."""
        cluster = None if self.cluster is None else self.cluster[rows]
        n_raters = 0 if cluster is None else int(np.count_nonzero(np.bincount(cluster)))
        kept = cluster if n_raters >= few else None
        return Votes(self.m, self.cell[rows], self.weight[rows], kept, n_raters, self.is_single)


def votes_of(comparisons: Comparisons, *, few: int = FEW_CLUSTERS) -> Votes:
    """The votes as this file counts them; clustered by rater where at least ``few`` raters are known.

    A vote without a rater is a rater of its own.
    """
    m = len(comparisons.models)
    kind = np.minimum(comparisons.outcome, _KINDS - 1)
    cell = (comparisons.model_a * m + comparisons.model_b) * _KINDS + kind
    cluster, n_raters = comparisons.rater, 0
    if cluster is not None:
        n_raters = len(np.unique(cluster[cluster != NOBODY]))
        unknown = cluster == NOBODY
        if unknown.any():
            cluster = cluster.copy()
            cluster[unknown] = int(cluster.max(initial=0)) + 1 + np.arange(int(unknown.sum()))
    is_single = bool((comparisons.weight == 1).all())
    return Votes(m, cell, comparisons.weight, cluster if n_raters >= few else None, n_raters, is_single)


def pair_contrast(a: int, b: int) -> Callable[[Codes], Array | None]:
    """theta_a - theta_b in a group of models, None where the group hasn't got both."""

    def of(group: Codes) -> Array | None:
        return (group == a).astype(np.float64) - (group == b) if a in group and b in group else None

    return of


def field_contrast(a: int) -> Callable[[Codes], Array | None]:
    """theta_a less the mean of the other models of its group, None where it is alone."""

    def of(group: Codes) -> Array | None:
        if a not in group or len(group) < 2:
            return None
        return np.where(group == a, 1.0, -1.0 / (len(group) - 1))

    return of


def contrast_path(
    votes: Votes, contrast: Callable[[Codes], Array | None], ends: Sequence[int]
) -> list[Contrast | None]:
    """The contrast after the first n votes for each n of ``ends`` (ascending); None where those votes can't tell it.

    They can't where no chain of votes links the models, or where the fit does not converge; and before the last end
    where some model has won or lost everything so far, since bias-reduced fits of what is passing take long. Raises
    ``InvalidInputError`` if the ends do not ascend within the votes.
    """
    if list(ends) != sorted(ends) or (len(ends) and not 0 <= ends[0] <= ends[-1] <= len(votes)):
        raise InvalidInputError("the looks must ascend within the votes")
    counts, begin = np.zeros(votes.m**2 * _KINDS), 0
    found: list[Contrast | None] = []
    for end in ends:
        counts += np.bincount(votes.cell[begin:end], votes.weight[begin:end], len(counts))
        begin = end
        found.append(_contrast_at(votes, contrast, counts, end, may_reduce=end == ends[-1]))
    return found


def contrast_of(votes: Votes, contrast: Callable[[Codes], Array | None]) -> Contrast | None:
    """The contrast from all votes."""
    return contrast_path(votes, contrast, [len(votes)])[0]


def _contrast_at(
    votes: Votes, contrast: Callable[[Codes], Array | None], counts: Array, end: int, *, may_reduce: bool
) -> Contrast | None:
    table = counts.reshape(votes.m, votes.m, _KINDS)
    halves = _halves(table)
    for group in weak_components(halves):
        direction = contrast(group)
        if direction is None:
            continue
        own = halves[np.ix_(group, group)]
        if not may_reduce and unbounded_models(own).any():
            return None
        try:
            theta, is_reduced = _fit(own)
            if is_reduced:
                covariance = _per_vote(table, group, theta, unbounded_models(own), model_covariance(theta, own))
                variance, df, g = float(direction @ covariance @ direction), np.inf, votes.n_raters
                per_vote = variance
            else:
                # G c alone is solved for; to invert the whole matrix at each look would take longer than all else.
                v = newton_step(information(theta, own + own.T), direction)
                influence = _influences(votes.m, group, theta, v)
                variance, df, g = _spread(votes, influence, counts, end)
                per_vote = float(counts @ influence**2)
        except NotConvergedError:
            return None
        n_by_model = own.sum(axis=0) + own.sum(axis=1)
        own_votes = float(n_by_model[direction > 0].min())
        if (direction < 0).sum() == 1:
            own_votes = min(own_votes, float(n_by_model[direction < 0].min()))
        n_votes = float(counts.sum())
        return Contrast(float(direction @ theta), variance, df, n_votes, g, own_votes, is_reduced, per_vote)
    return None


def _halves(table: Array) -> Array:
    tied = table[:, :, 2] + table[:, :, 2].T
    return np.asarray(table[:, :, 0] + table[:, :, 1].T + tied / 2, dtype=np.float64)


def _fit(halves: Array) -> tuple[Array, bool]:
    is_reduced = bool(unbounded_models(halves).any())
    return (fit_firth if is_reduced else fit_bradley_terry)(halves), is_reduced


def _per_vote(table: Array, group: Codes, theta: Array, unbounded: NDArray[np.bool_], bread: Array) -> Array:
    """The sandwich of a bias-reduced fit, as the board has it: the model's variance where the votes show none."""
    part = table[np.ix_(group, group)]
    wins = part[:, :, 0] + part[:, :, 1].T
    ties = part[:, :, 2] + part[:, :, 2].T
    only_ties = (wins + wins.T).sum(axis=1) == 0
    return sandwich_covariance(theta, wins, ties, by_model=unbounded | only_ties, bread=bread)


def _influences(m: int, group: Codes, theta: Array, v: Array) -> Array:
    """The influence of one vote of each cell on the contrast, shape (m * m * kinds,)."""
    found = np.zeros((m, m, _KINDS))
    chance, slope = win_probabilities(theta), v[:, None] - v[None, :]
    found[np.ix_(group, group)] = (_SHARE - chance[:, :, None]) * slope[:, :, None]
    return found.reshape(-1)


def _spread(votes: Votes, influence: Array, counts: Array, end: int) -> tuple[float, float, int]:
    """The variance of the contrast, its degrees of freedom and the raters behind it."""
    if votes.cluster is None:
        return float(counts @ influence**2), np.inf, votes.n_raters
    cluster, cell = votes.cluster[:end], votes.cell[:end]
    own = influence[cell]
    if not votes.is_single:
        own *= votes.weight[:end]
    sums = np.bincount(cluster, own)
    g = int(np.count_nonzero(np.bincount(cluster)))
    if g < 2:
        return np.inf, np.inf, g
    return float(sums @ sums) * g / (g - 1), float(g - 1), g


def ratings_of(votes: Votes) -> list[Ratings]:
    """All ratings with their covariance, one group of linked models after the other; what all pairs are tested from.

    Raises ``NotConvergedError`` where the votes leave no believable fit.
    """
    counts = np.asarray(np.bincount(votes.cell, votes.weight, votes.m**2 * _KINDS), dtype=np.float64)
    table = counts.reshape(votes.m, votes.m, _KINDS)
    halves, found = _halves(table), []
    for group in weak_components(halves):
        if len(group) < 2:
            continue
        own = halves[np.ix_(group, group)]
        theta, is_reduced = _fit(own)
        bread = model_covariance(theta, own)
        if is_reduced:
            covariance = _per_vote(table, group, theta, unbounded_models(own), bread)
            found.append(Ratings(group, theta, covariance, np.inf, votes.n_raters))
        else:
            found.append(_clustered(votes, group, theta, bread, table))
    return found


def _clustered(votes: Votes, group: Codes, theta: Array, bread: Array, table: Array) -> Ratings:
    if votes.cluster is None:
        nobody = np.zeros(len(group), dtype=np.bool_)
        return Ratings(group, theta, _per_vote(table, group, theta, nobody, bread), np.inf, votes.n_raters)
    place = np.full(votes.m, -1)
    place[group] = np.arange(len(group))
    pair, kind = np.divmod(votes.cell, _KINDS)
    a, b = place[pair // votes.m], place[pair % votes.m]
    here = a >= 0
    residual = _SHARE[kind] - win_probabilities(theta)[a, b]
    if not here.all():
        a, b, residual = a[here], b[here], residual[here]
    scores = pair_scores(len(group), a, b, residual, votes.weight[here])
    made = clustered_covariance(bread, scores, votes.cluster[here])
    return Ratings(group, theta, made.covariance, made.df, made.n_clusters[0])
