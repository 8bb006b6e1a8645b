"""Whether raters favour a side of the screen, or the longer output, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from app.errors import BakeoffError, NotConvergedError
from app.ranking import bradley_terry
from app.services.vote_store import StudyVotes
from app.stats.cells import make_cells
from app.stats.clustered_share import clustered_share
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import outcome_counts, win_matrix
from app.stats.covariates import contrast
from app.stats.effects import Estimate, effect
from app.stats.intervals import quantile
from app.stats.joint import JointFit, fit_jointly
from app.stats.links import HALF_WIN
from app.stats.uncertainty import clustered
from app.stats.vote_columns import UNKNOWN, VoteColumns, to_comparisons
from db import output_lengths
from db.engine import database

LENGTH = "length"
CONFIDENCE = 0.95
FEWEST_RATERS = 10  # of whom a leaning to one side tells anything of others
TWICE = 1 / 3  # the contrast (2n - n) / (2n + n) of an output that is twice as long as the other
MOST_PENALISED = 20_000  # cells: Firth's fit takes a minute beyond


@dataclass(frozen=True)
class Bias:
    """Shares between 0 and 1 with 95 % intervals, None with a reason in words where they can't be told.

    ``left``: of the decided votes, those for the left side. ``position``: the chance that the left one of two equally
    good models wins. ``length``: the chance that of two equally good models the one with the twice as long output wins.
    ``n_raters`` is 0 where intervals couldn't allow for raters; ``n_with_length`` are votes with both lengths known.
    """

    left: Estimate | None
    n_decided: int
    position: Estimate | None
    position_problem: str
    length: Estimate | None
    length_problem: str
    n_with_length: int
    n_raters: int


def bias_of(study: StudyVotes, votes: VoteColumns) -> Bias:
    """Both biases of votes with an outcome."""
    is_known = votes.a_is_left != SIDE_UNKNOWN
    is_decided = is_known & (votes.outcome < 2)
    position, position_problem = _position(study, votes.select(is_known))
    length, length_problem, n_with_length = _length(study, votes)
    return Bias(
        left=_left(votes, is_decided),
        n_decided=int(votes.weight[is_decided].sum()),
        position=position,
        position_problem=position_problem,
        length=length,
        length_problem=length_problem,
        n_with_length=n_with_length,
        n_raters=int(np.count_nonzero(votes.n_by_rater)),
    )


def _left(votes: VoteColumns, is_decided: NDArray[np.bool_]) -> Estimate | None:
    rows = is_decided & (votes.rater != UNKNOWN)
    rater = votes.rater[rows]
    if np.count_nonzero(np.bincount(rater)) < FEWEST_RATERS:
        return None
    is_left = (votes.outcome[rows] == 0) == (votes.a_is_left[rows] == 1)
    found = clustered_share(is_left, votes.weight[rows].astype(np.float64), rater.astype(np.int64))
    return Estimate(found.share, found.lower, found.upper)


def _position(study: StudyVotes, votes: VoteColumns) -> tuple[Estimate | None, str]:
    if not len(votes):
        return None, "No vote says which model stood on which side."
    known = votes.select(votes.rater != UNKNOWN)
    if np.count_nonzero(known.n_by_rater) < FEWEST_RATERS:
        return None, f"It takes {FEWEST_RATERS} known raters: a leaning to one side is a rater's own."
    comparisons = to_comparisons(known, study.models, with_singles=True)
    try:
        ranking = bradley_terry.rank(comparisons, position=True, covariance=clustered(comparisons, ("rater",)))
    except BakeoffError as error:
        return None, f"The effect of the side can't be told: {error}."
    if ranking.position is None:
        return None, "The effect of the side can't be told from these votes."
    value, half = ranking.position.estimate, quantile(CONFIDENCE, ranking.df) * ranking.position.se
    return _as_share(Estimate(value, value - half, value + half), 1.0), ""


def _length(study: StudyVotes, votes: VoteColumns) -> tuple[Estimate | None, str, int]:
    characters = _characters(study)
    votes = votes.select((votes.prompt != UNKNOWN) & (votes.rater != UNKNOWN))
    a, b = characters[votes.prompt, votes.model_a], characters[votes.prompt, votes.model_b]
    is_known = np.isfinite(a) & np.isfinite(b)
    if not is_known.any():
        return None, "No vote is about two stored outputs, so nothing is known of their length.", 0
    votes, difference = votes.select(is_known), contrast(a[is_known], b[is_known])
    n = int(votes.weight.sum())
    plain = to_comparisons(votes, study.models, single=True)
    comparisons = Comparisons(
        models=plain.models,
        model_a=plain.model_a,
        model_b=plain.model_b,
        outcome=plain.outcome,
        weight=plain.weight,
        a_is_left=plain.a_is_left,
        covariates=difference[:, None],
        covariate_names=(LENGTH,),
    )
    assert plain.rater is not None  # noqa: S101 - ``single`` keeps the raters
    try:
        fit = _fitted(comparisons, covariates=True)
        several = len(np.unique(plain.rater)) > 1
        found = effect(fit, 0, cluster=plain.rater if several else None)
    except BakeoffError as error:
        return None, f"The effect of length can't be told: {error}.", n
    spread = float(np.sqrt(plain.weight @ difference**2 / plain.weight.sum()))
    return _as_share(found, TWICE / spread), "", n


def _fitted(comparisons: Comparisons, *, position: bool = False, covariates: bool = False) -> JointFit:
    """The joint fit; Firth's where there is no finite one and the votes aren't too many for it."""
    groups = weak_components(win_matrix(outcome_counts(comparisons)))
    cells = make_cells(comparisons, groups, position=position, covariates=covariates)
    try:
        return fit_jointly(cells, HALF_WIN)
    except NotConvergedError:
        if len(cells.first) > MOST_PENALISED:
            raise
        return fit_jointly(cells, HALF_WIN, penalised=True)


def _as_share(found: Estimate, factor: float) -> Estimate:
    """The chance of winning against an equal that an advantage in logits means."""
    return Estimate(*(float(expit(factor * x)) for x in (found.value, found.lower, found.upper)))


def _characters(study: StudyVotes) -> NDArray[np.float64]:
    """Characters of the output of each model (column) for each prompt (row), NaN where none is stored."""
    found = np.full((len(study.prompts) + 1, len(study.models)), np.nan)
    prompts = {prompt: row for row, prompt in enumerate(study.prompts)}
    models = {model_id: column for column, model_id in enumerate(study.model_ids)}
    with database().read() as session:
        for part in study.parts or (study,):
            for prompt_id, model_id, characters in output_lengths.list_lengths(
                session, experiment_id=part.experiment_id, prompt_ids=[UUID(prompt) for prompt in part.prompts]
            ):
                found[prompts[prompt_id.hex], models[model_id]] = characters
    return found
