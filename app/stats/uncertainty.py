"""Where standard errors come from, for the methods that take a ``covariance``: the model, clusters, or resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.bootstrap import bootstrap_clusters, bootstrap_votes
from app.stats.cluster import FEW_CLUSTERS, Scores, clustered_covariance, two_way_covariance, vote_meat
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import SECOND, TIE, outcome_counts, win_matrix, wins_and_ties
from app.stats.newton import fit_bradley_terry
from app.stats.scores import Covariance, Uncertainty, VoteScores

N_REPLICATES = 1000
Places = NDArray[np.int32] | NDArray[np.int64]
MOST_SEPARATED = 20_000_000  # votes, half a gigabyte
ONLY_ONE = (
    "There is only one {0}, so no interval can be clustered by {0}; the votes are taken as independent of it. Nothing "
    "here tells whether another {0} would agree."
)
NO_CLUSTERS = (
    "Where a bias-reduced fit (Firth) is needed, standard errors are per vote, not clustered: votes that all fall one "
    "way show no spread."
)


def model_based(scores: VoteScores) -> Uncertainty:
    """G, the inverse information: right if the model is, and too wide where ties count as half-wins."""
    return Uncertainty(scores.bread)


def clustered(comparisons: Comparisons, by: tuple[str, ...]) -> Covariance:
    """Clustered by "rater", "prompt" or both (``cluster``); a vote without one is a cluster of its own.

    So a row of weight w that names none stands for w clusters, and w must be a whole number. A single rater (or prompt)
    tells nothing about others, so that way is left out, and a note says so; with none left, and where the fit is
    bias-reduced, the errors are per vote. Raises ``InvalidInputError`` if the votes name no such clusters.
    """
    for name in by:
        _known_codes(comparisons, name)
    n_boards = sum(len(group) > 1 for group in weak_components(win_matrix(outcome_counts(comparisons))))

    def of(scores: VoteScores) -> Uncertainty:
        if scores.is_reduced:
            return Uncertainty(scores.sandwich, notes=(NO_CLUSTERS,))
        rows, weight, given = _votes_behind(comparisons, scores, by)
        usable = {name: code for name, code in given.items() if (code != code[0]).any()}
        notes = [ONLY_ONE.format(name) for name in given if name not in usable]
        if not usable:
            return Uncertainty(scores.sandwich, notes=tuple(notes))
        found = _as_cluster_scores(scores, rows, weight)
        if len(usable) == 2:
            of_votes = _vote_meat(scores, rows, weight)
            first, second = usable
            result = two_way_covariance(
                scores.bread, found, usable[first], usable[second], names=(first, second), of_votes=of_votes
            )
        else:
            ((name, code),) = usable.items()
            result = clustered_covariance(scores.bread, found, code, name=name)
        notes += _few(dict(zip(usable, result.n_clusters, strict=True)))
        if n_boards > 1:
            notes.append("Clusters are counted over all groups of models together, which is too many for a small one.")
        if result.is_clipped:
            notes.append("The two-way clustered covariance had a negative eigenvalue, which was set to zero.")
        return Uncertainty(result.covariance, result.df, tuple(notes))

    return of


def resampled(comparisons: Comparisons, by: tuple[str, ...], *, ties: str, both_bad: str, seed: int = 0) -> Covariance:
    """The covariance of Bradley-Terry ratings in 1,000 Poisson bootstraps of votes, or of whole clusters.

    For a check of the sandwich. Raises ``InvalidInputError`` where it cannot be had: with two ways of clustering, with
    effects beside the ratings, or where the votes don't compare all models in both directions.
    """
    if comparisons.singles is not None:
        raise InvalidInputError("a bootstrap needs every vote in a row of its own")
    if len(by) > 1:
        raise InvalidInputError("a bootstrap resamples raters or prompts, not both: name one of them")
    wins, tied = wins_and_ties(outcome_counts(comparisons), ties=ties, both_bad=both_bad)
    halves = wins + tied / 2
    if len(weak_components(halves)) > 1 or unbounded_models(halves).any():
        raise InvalidInputError("a bootstrap needs votes that compare all models with each other in both directions")
    theta = fit_bradley_terry(halves)

    def of(scores: VoteScores) -> Uncertainty:
        if scores.others.shape[1]:
            raise InvalidInputError("a bootstrap is for ratings alone, without position, ties or covariates")
        df, notes = np.inf, list[str]()
        known = _known_codes(comparisons, by[0])[scores.vote] if by else np.zeros(0, dtype=np.int64)
        rows, weight = _separated([known], scores.weight) if by else (slice(None), scores.weight)
        codes = _codes(known[rows])
        is_single = bool(by) and len(np.unique(codes)) < 2
        if is_single:
            notes.append(ONLY_ONE.format(by[0]))
        if not by or is_single:
            found = bootstrap_votes(theta, wins, tied, n_replicates=N_REPLICATES, seed=seed)
        else:
            used = comparisons.select(scores.vote[rows])
            share = np.where(used.outcome < TIE, (SECOND - used.outcome).astype(np.float64), 0.5)
            votes = (used.model_a, used.model_b, share, weight)
            found = bootstrap_clusters(theta, votes, codes, n_replicates=N_REPLICATES, seed=seed)
            n_clusters = len(np.unique(codes))
            df, notes = n_clusters - 1, _few({by[0]: n_clusters})
        return Uncertainty(np.atleast_2d(np.cov(found.replicates, rowvar=False)), df, tuple(notes))

    return of


def _votes_behind(
    comparisons: Comparisons, scores: VoteScores, by: tuple[str, ...]
) -> tuple[Places, NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Of every single vote the place of its score, its weight, and its codes by name, no unknown ones like others."""
    singles = comparisons.singles
    if singles is None:
        rows: Places = np.arange(len(scores.vote), dtype=np.int32)
        weight = scores.weight
        known = {name: _known_codes(comparisons, name)[scores.vote] for name in by}
    else:
        place = np.full(len(comparisons), -1, dtype=np.int32)
        place[scores.vote] = np.arange(len(scores.vote), dtype=np.int32)
        rows, weight = place[singles.row], singles.weight.astype(np.float64)
        known = {name: _known_codes(comparisons, name) for name in by}
        if len(scores.vote) < len(comparisons):  # rows that the fit leaves aside, such as ties
            used = rows >= 0
            rows, weight, known = rows[used], weight[used], {name: codes[used] for name, codes in known.items()}
    again, weight = _separated([*known.values()], weight)
    return rows[again], weight, {name: _codes(codes[again]) for name, codes in known.items()}


def _as_cluster_scores(scores: VoteScores, rows: Places, weight: NDArray[np.float64]) -> Scores:
    times = None if (weight == 1).all() else weight
    by_a = scores.residual
    return Scores(scores.m, scores.first, scores.second, by_a, -by_a, scores.others, rows, times)


def _vote_meat(scores: VoteScores, rows: Places, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """``cluster.vote_meat`` of these votes, from how many there are of each score."""
    squares = None if (weight == 1).all() else weight * weight  # to count alone takes half as long
    times = np.sqrt(np.bincount(rows, squares, minlength=len(scores.residual)))
    by_a = scores.residual * times
    return vote_meat(Scores(scores.m, scores.first, scores.second, by_a, -by_a, scores.others * times[:, None]))


def _separated(
    known: Sequence[NDArray[np.int64]], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64] | slice, NDArray[np.float64]]:
    """Which rows (indices, or all), and their weights: one of weight 1 for each vote of a row that lacks a code.

    The votes of such a row are of nobody knows whom; as one cluster they would count as one rater's, all alike.
    """
    lacks = weight != 1
    if lacks.any():
        lacks &= np.logical_or.reduce([codes == NOBODY for codes in known])
    if not lacks.any():
        return slice(None), weight
    odd = weight[lacks]
    if (odd != np.round(odd)).any():
        raise InvalidInputError(
            f"a vote of weight {odd[odd != np.round(odd)][0]:g} names no rater or prompt, so it can't be told how many "
            "it stands for: name them, give whole weights, or leave clustering out"
        )
    times = np.where(lacks, weight, 1).astype(np.int64)
    if times.sum() > MOST_SEPARATED:
        raise InvalidInputError(
            f"weights of votes without a rater or prompt add up to more than {MOST_SEPARATED:,}; leave clustering out"
        )
    rows = np.repeat(np.arange(len(weight)), times)
    return rows, np.where(lacks, 1.0, weight)[rows]


def _few(n_clusters: dict[str, int]) -> list[str]:
    return [
        f"Only {n} {name}s voted: an interval clustered by {name} is rough with so few."
        for name, n in n_clusters.items()
        if n < FEW_CLUSTERS
    ]


def _known_codes(comparisons: Comparisons, name: str) -> NDArray[np.int64]:
    origin = comparisons.singles or comparisons
    codes = origin.rater if name == "rater" else origin.prompt
    if codes is None:
        raise InvalidInputError(f"the votes do not say by which {name} they are")
    return codes


def _codes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The clusters' codes, those of unknown ones made different from all others."""
    unknown = codes == NOBODY
    if unknown.any():
        codes = codes.copy()
        codes[unknown] = int(codes.max(initial=0)) + 1 + np.arange(int(unknown.sum()))
    return codes
