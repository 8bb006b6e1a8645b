"""Where standard errors come from, for the methods that take a ``covariance``: the model, clusters, or resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.bootstrap import bootstrap_clusters, bootstrap_votes
from app.stats.cells import is_used
from app.stats.cluster import FEW_CLUSTERS, Scores, clustered_covariance, two_way_covariance, vote_meat
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.connectivity import unbounded_models, weak_components
from app.stats.counts import SECOND, TIE, outcome_counts, win_matrix, wins_and_ties
from app.stats.newton import fit_bradley_terry
from app.stats.scores import Covariance, Uncertainty, VoteScores

N_REPLICATES = 1000


def model_based(scores: VoteScores) -> Uncertainty:
    """G, the inverse information: right if the model is, and too wide where ties count as half-wins."""
    return Uncertainty(scores.bread)


def clustered(comparisons: Comparisons, by: tuple[str, ...]) -> Covariance:
    """Clustered by "rater", "prompt" or both (``cluster``); a vote without one is a cluster of its own.

    One rater alone says nothing about others, so per-vote intervals are given instead, and a note says so. Raises
    ``InvalidInputError`` if the votes name no such clusters.
    """
    codes = {name: _codes(comparisons, name) for name in by}
    met = win_matrix(outcome_counts(comparisons))
    n_boards = sum(len(group) > 1 for group in weak_components(met))

    def of(scores: VoteScores) -> Uncertainty:
        found = _as_cluster_scores(scores, scores.weight)
        given = {name: code[scores.vote] for name, code in codes.items()}
        single = [name for name, code in given.items() if (code == code[0]).all()]
        if single:
            meat = vote_meat(_as_cluster_scores(scores, np.sqrt(scores.weight)))
            note = f"All votes are of one {single[0]}, so intervals cannot be clustered by it; these are per vote."
            return Uncertainty(scores.bread @ meat @ scores.bread, notes=(note,))
        if len(given) == 2:
            (name_1, code_1), (name_2, code_2) = given.items()
            result = two_way_covariance(scores.bread, found, code_1, code_2, names=(name_1, name_2))
        else:
            ((name_1, code_1),) = given.items()
            result = clustered_covariance(scores.bread, found, code_1, name=name_1)
        notes = _few(dict(zip(given, result.n_clusters, strict=True)))
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
        if not by:
            found = bootstrap_votes(theta, wins, tied, n_replicates=N_REPLICATES, seed=seed)
        else:
            used = comparisons.select(np.flatnonzero(is_used(comparisons, ties, both_bad)))
            share = np.where(used.outcome < TIE, (SECOND - used.outcome).astype(np.float64), 0.5)
            votes = (used.model_a, used.model_b, share, used.weight)
            codes = _codes(used, by[0])
            found = bootstrap_clusters(theta, votes, codes, n_replicates=N_REPLICATES, seed=seed)
            n_clusters = len(np.unique(codes))
            df, notes = n_clusters - 1, _few({by[0]: n_clusters})
        return Uncertainty(np.atleast_2d(np.cov(found.replicates, rowvar=False)), df, tuple(notes))

    return of


def _as_cluster_scores(scores: VoteScores, times: NDArray[np.float64]) -> Scores:
    """Scores times the weights for sums over clusters, times their roots for sums of squares over votes."""
    by_a = scores.residual * times
    return Scores(scores.m, scores.first, scores.second, by_a, -by_a, scores.others * times[:, None])


def _few(n_clusters: dict[str, int]) -> list[str]:
    return [
        f"Only {n} {name}s voted: an interval clustered by {name} is rough with so few."
        for name, n in n_clusters.items()
        if n < FEW_CLUSTERS
    ]


def _codes(comparisons: Comparisons, name: str) -> NDArray[np.int64]:
    """The clusters' codes, those of unknown ones made different from all others."""
    codes = comparisons.rater if name == "rater" else comparisons.prompt
    if codes is None:
        raise InvalidInputError(f"the votes do not say by which {name} they are")
    codes = np.asarray(codes, dtype=np.int64)
    unknown = codes == NOBODY
    if unknown.any():
        codes = codes.copy()
        codes[unknown] = int(codes.max(initial=0)) + 1 + np.arange(int(unknown.sum()))
    return codes
