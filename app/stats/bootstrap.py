"""Poisson bootstrap of a Bradley-Terry fit: a check of the sandwich, and intervals for skewed, sparse boards.

Each vote (or whole cluster of votes) gets an independent Poisson(1) weight per replicate, and the fit is repeated by
chord-Newton: theta <- theta + G g(theta) with the pseudo-inverse G of the original information held fixed, many
replicates at once. Sources: Efron & Tibshirani 1993; Hanley & MacGibbon 2006 for Poisson weights; Cameron, Gelbach &
Miller 2008 (Review of Economics and Statistics 90) for resampling clusters. Everything is in logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from app.errors import InvalidInputError, NotConvergedError
from app.stats.covariance import model_covariance
from app.stats.newton import fit_bradley_terry

CHORD_STEPS = 30
CHORD_TOLERANCE = 1e-5  # logits of the last step; what remains is about a tenth of it, far below the resampling noise
BATCH_CELLS = 1 << 18  # replicates x pairs at a time: small enough for the processor's cache
CLUSTER_BATCH = 32  # the same when whole clusters are drawn
MOST_FAILURES = 0.05  # a larger share of replicates without a fit says that the votes are too sparse for this method
FARTHEST = 50.0  # logits: a replicate that gets there runs away
LARGE = 12.0  # from this mean on, Poisson numbers come from their Cornish-Fisher expansion

Resample = Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Bootstrap:
    """``replicates`` of shape (B, m) in logits, each summing to zero, and how many more had no finite fit."""

    replicates: NDArray[np.float64]
    n_failed: int

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance of the replicates, shape (m, m), in logits^2."""
        return np.asarray(np.cov(self.replicates, rowvar=False, ddof=1), dtype=np.float64).reshape(
            self.replicates.shape[1], -1
        )

    @property
    def se(self) -> NDArray[np.float64]:
        """The standard deviation of the replicates, shape (m,)."""
        return np.asarray(self.replicates.std(axis=0, ddof=1), dtype=np.float64)

    def interval(self, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Percentile bounds of each rating, two arrays of shape (m,).

        Raises ``InvalidInputError`` unless 0 < confidence < 1.
        """
        if not 0 < confidence < 1:
            raise InvalidInputError(f"confidence must lie between 0 and 1, not {confidence}")
        tail = (1 - confidence) / 2
        lower, upper = np.quantile(self.replicates, [tail, 1 - tail], axis=0)
        return lower, upper


def bootstrap_votes(
    theta: NDArray[np.float64],
    wins: NDArray[np.float64],
    ties: NDArray[np.float64],
    *,
    n_replicates: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Resample single votes: a cell of n equal votes gets Poisson(n) of them.

    ``theta`` is the fit to the half-wins A + T/2, ``wins`` A and ``ties`` T (symmetric) have shape (m, m). Raises
    ``InvalidInputError`` for fewer than two replicates, ``NotConvergedError`` if more than 5 % of them have no finite
    fit (a model won or lost everything): the votes are then too sparse for a bootstrap.
    """
    rng = np.random.default_rng(seed)
    i, j = np.nonzero(np.triu(wins + wins.T + ties, 1))
    won_by, lost_by, tied_by = (_poisson(rng, cell[i, j]) for cell in (wins, wins.T, ties))
    has_ties = bool(ties.any())

    def resample(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        won, total = won_by(size), lost_by(size)
        total += won
        if has_ties:
            tied = tied_by(size)
            total += tied
            tied *= 0.5
            won += tied
        return won, total

    return _refit(theta, wins + ties / 2, (i, j), resample, _batches(n_replicates, BATCH_CELLS // max(len(i), 1)))


def bootstrap_clusters(
    theta: NDArray[np.float64],
    votes: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    clusters: NDArray[np.int64],
    *,
    n_replicates: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Resample whole clusters (raters or prompts) with all their votes.

    ``votes`` are N-arrays: model_a, model_b, the share of a (1, 1/2 or 0), and the weight; ``clusters`` holds a code
    per vote. Errors are those of ``bootstrap_votes``; besides ``InvalidInputError`` for a single cluster.
    """
    model_a, model_b, share, weight = votes
    m = len(theta)
    _, codes = np.unique(clusters, return_inverse=True)
    n_clusters = int(codes.max(initial=-1)) + 1
    if n_clusters < 2:
        raise InvalidInputError(f"a bootstrap of clusters needs at least two of them; the votes have {n_clusters}")
    turned = model_a > model_b
    low, high = np.where(turned, model_b, model_a), np.where(turned, model_a, model_b)
    pairs, place = np.unique(low * m + high, return_inverse=True)
    i, j = pairs // m, pairs % m
    shape = len(pairs), n_clusters
    won, used = (
        csr_array((column.astype(np.float32), (place, codes)), shape=shape)  # type: ignore[no-untyped-call]
        for column in (weight * np.where(turned, 1 - share, share), weight)
    )
    wins = np.zeros((m, m))
    np.add.at(wins, (model_a, model_b), weight * share)
    np.add.at(wins, (model_b, model_a), weight * (1 - share))
    rng = np.random.default_rng(seed)

    def resample(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Halves of counts below 2^24 are exact in single precision, which is three times as fast here.
        drawn = rng.poisson(1.0, (n_clusters, size)).astype(np.float32)
        return (won @ drawn).astype(np.float64), (used @ drawn).astype(np.float64)

    return _refit(theta, wins, (i, j), resample, _batches(n_replicates, CLUSTER_BATCH))


def _poisson(rng: np.random.Generator, mean: NDArray[np.float64]) -> Callable[[int], NDArray[np.float64]]:
    """A source of Poisson numbers, shape (K, size), with these means (K,).

    From a mean of 12 on by rounding mean + sqrt(mean) z + (z^2 - 1)/6 (Cornish-Fisher), whose first three moments are
    the Poisson's up to the rounding, which adds 1/12 to the variance and is allowed for; exact below.
    """
    large = mean >= LARGE
    centre = mean[large, None] - 1 / 6
    scale = np.sqrt(mean[large, None] - 1 / 12 - 1 / 18).astype(np.float32)
    small = np.flatnonzero(~large & (mean > 0))

    def draw(size: int) -> NDArray[np.float64]:
        numbers = np.zeros((len(mean), size))
        if large.any():
            z = rng.standard_normal((len(centre), size), dtype=np.float32)
            found = z * z
            found /= 6
            z *= scale
            found += z
            exact: NDArray[np.float64] = np.add(
                found, centre, dtype=np.float64
            )  # sums in double: means may be beyond 2^24
            np.rint(exact, out=exact)
            np.maximum(exact, 0.0, out=exact)
            if len(centre) == len(mean):
                return exact
            numbers[large] = exact
        if len(small):
            numbers[small] = rng.poisson(mean[small, None], (len(small), size))
        return numbers

    return draw


def _batches(n_replicates: int, size: int) -> list[int]:
    """How many replicates to make at a time. Raises ``InvalidInputError`` for fewer than two altogether."""
    if n_replicates < 2:
        raise InvalidInputError("a bootstrap needs at least two replicates")
    size = max(1, size)
    return [min(size, n_replicates - start) for start in range(0, n_replicates, size)]


def _refit(
    theta: NDArray[np.float64],
    wins: NDArray[np.float64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    resample: Resample,
    batches: list[int],
) -> Bootstrap:
    bread = model_covariance(theta, wins)
    kept, n_failed = [], 0
    for size in batches:
        won, total = resample(size)
        found, is_done = _chord(theta, bread, pairs, won, total)
        for replicate in np.flatnonzero(~is_done).tolist():
            again = _exact(len(theta), pairs, won[:, replicate], total[:, replicate])
            if again is None:
                n_failed += 1
            else:
                found[:, replicate], is_done[replicate] = again, True
        kept.append(found[:, is_done].T)
    if n_failed > MOST_FAILURES * sum(batches):
        raise NotConvergedError(
            f"{n_failed} of {sum(batches)} bootstrap replicates have no finite fit: the votes are too sparse for it"
        )
    return Bootstrap(np.concatenate(kept), n_failed)


def _chord(
    theta: NDArray[np.float64],
    bread: NDArray[np.float64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    won: NDArray[np.float64],
    total: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fits of shape (m, B) for ``won`` and ``total`` votes per pair (K, B), and which of them converged."""
    i, j = pairs
    k = len(i)
    ends = np.concatenate([i, j]), np.tile(np.arange(k), 2)
    to_models = csr_array((np.repeat([1.0, -1.0], k), ends), shape=(len(theta), k))  # type: ignore[no-untyped-call]
    found = np.tile(theta[:, None], won.shape[1])
    is_done = np.zeros(won.shape[1], dtype=np.bool_)
    active = np.arange(won.shape[1])
    for _ in range(CHORD_STEPS):
        odds = np.exp(found[:, active])  # P = odds_i / (odds_i + odds_j), which needs no exponential per pair
        residual, both = odds[i], odds[j]
        both += residual
        residual /= both
        residual *= total
        np.subtract(won, residual, out=residual)
        step = bread @ (to_models @ residual)
        found[:, active] += step
        size = np.abs(step).max(axis=0)
        is_done[active] = size < CHORD_TOLERANCE
        going = (size >= CHORD_TOLERANCE) & (np.abs(found[:, active]).max(axis=0) < FARTHEST)
        if not going.any():
            break
        if going.mean() < 0.5:  # copying what is left costs more than a step that is not needed
            active, won, total = active[going], won[:, going], total[:, going]
    return found - found.mean(axis=0), is_done


def _exact(
    m: int, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], won: NDArray[np.float64], total: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Newton's fit of a replicate on which the chord failed, None where no finite fit exists."""
    wins = np.zeros((m, m))
    wins[pairs] = won
    wins[pairs[::-1]] = total - won
    try:
        return fit_bradley_terry(wins)
    except NotConvergedError:
        return None
