"""The raters of a study who vote unlike the others, computed once for all who look at the same votes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.errors import BakeoffError
from app.services import slices
from app.services.computed import Computed
from app.services.slices import Slice
from app.services.vote_store import StudyVotes
from app.stats.raters import RaterDiagnostics, rater_diagnostics
from app.stats.vote_columns import SKIPPED, UNKNOWN, VoteColumns, to_comparisons

_diagnoses: Computed[RaterDiagnostics | str] = Computed()


def flagged_raters(study: StudyVotes) -> NDArray[np.bool_]:
    """Whether each rater of a study is flagged by any diagnostic of all their overall votes, by the rater's code.

    The last entry, one more than there are raters, is for unknown raters (code -1) and False. Nobody is flagged where
    raters can't be compared (a single rater, no votes). Staff, whose votes aren't blind, are neither compared nor
    flagged. Takes some seconds for a million votes that nobody looked at before.
    """
    found = np.zeros(len(study.raters) + 1, dtype=np.bool_)
    told = diagnose(study, Slice())
    if not isinstance(told, str):
        found[told.rater[told.flagged]] = True
    return found


def without_flagged(study: StudyVotes, chosen: Slice) -> Slice:
    """The slice without the flagged raters, too."""
    flagged = np.flatnonzero(flagged_raters(study)).tolist()
    return replace(chosen, without=tuple(sorted({*chosen.without, *flagged})))


def diagnose(study: StudyVotes, chosen: Slice) -> RaterDiagnostics | str:
    """The diagnostics of the known raters of a slice; in words why there are none."""
    sliced = slices.take(study, chosen)
    return _diagnoses.get(study, (chosen, sliced.left_out), lambda: _diagnose(study, sliced.votes))


def _diagnose(study: StudyVotes, votes: VoteColumns) -> RaterDiagnostics | str:
    votes = of_known_raters(votes)
    dwell_ms = np.where(votes.dwell_ms == UNKNOWN, np.nan, votes.dwell_ms.astype(np.float64))
    comparisons = to_comparisons(votes, study.models, single=True, ordered=True)
    rater = votes.rater.astype(np.int64)
    if not (votes.is_timed and all(part.columns.is_timed for part in study.parts)):
        # A file that doesn't say when: all have the time of the import, and runs of one answer mean nothing.
        comparisons = replace(comparisons, ordered=False)
    try:
        return rater_diagnostics(comparisons, rater, dwell_ms=dwell_ms)
    except BakeoffError as error:
        return str(error)


def of_known_raters(votes: VoteColumns) -> VoteColumns:
    """The votes with an outcome whose rater is known, in the order in which they were cast."""
    return votes.select((votes.rater != UNKNOWN) & (votes.outcome != SKIPPED)).in_order()
