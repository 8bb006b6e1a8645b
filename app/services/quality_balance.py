"""Whether all was shown alike: pairs, sides, prompts, and the chances with which battles were drawn."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from app.formats._csv import guarded
from app.services.vote_store import StudyVotes
from app.stats.comparisons import SIDE_UNKNOWN
from app.stats.vote_columns import UNKNOWN, VoteColumns
from db import propensities
from db.engine import database


@dataclass(frozen=True)
class Spread:
    """Counts over n things: the smallest, the median and the largest, and X2 against all alike with its p."""

    n: int
    smallest: float
    median: float
    largest: float
    chi2: float
    df: int
    p: float


@dataclass(frozen=True)
class Propensities:
    """Chances of the ``n`` battles that were voted on, and how many evenly drawn ones they are worth (Kish 1965)."""

    n: int
    lowest: float
    highest: float
    effective: float


@dataclass(frozen=True)
class Balance:
    """What was shown: ``shown[i, j]`` votes with model i on the left of model j, ``unknown[i, j]`` without a side.

    ``pairs`` are over all pairs of models, met or not; ``prompts`` over prompts with votes, None where votes name none.
    ``left`` is each model's share on the left (NaN without a known side), ``left_chi2`` and so on whether all are 1/2.
    """

    models: tuple[str, ...]
    shown: NDArray[np.float64]
    unknown: NDArray[np.float64]
    pairs: Spread
    n_met: int
    prompts: Spread | None
    left: NDArray[np.float64]
    left_chi2: float
    left_df: int
    left_p: float
    propensities: Propensities | None

    @property
    def met(self) -> NDArray[np.float64]:
        """Votes between each two models, symmetric."""
        found = self.shown + self.unknown
        return np.asarray(found + found.T, dtype=np.float64)


def spread_of(counts: NDArray[Any]) -> Spread:
    """X2 = sum (n_k - mean)^2 / mean on K - 1 degrees of freedom (Pearson 1900), if all K were equally likely."""
    mean, df = float(counts.mean()), len(counts) - 1
    chi2 = float(((counts - mean) ** 2).sum() / mean) if mean > 0 else 0.0
    ends = float(counts.min()), float(np.median(counts)), float(counts.max())
    return Spread(len(counts), *ends, chi2, df, float(chdtrc(df, chi2)) if df > 0 else 1.0)


def balance_of(study: StudyVotes, votes: VoteColumns) -> Balance:
    """The balance of votes with an outcome; chances are those of the whole study."""
    m = len(study.models)
    is_known = votes.a_is_left != SIDE_UNKNOWN
    left = np.where(votes.a_is_left == 0, votes.model_b, votes.model_a).astype(np.int64)
    right = np.where(votes.a_is_left == 0, votes.model_a, votes.model_b).astype(np.int64)

    def table(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        cells = left[rows] * m + right[rows]
        return np.bincount(cells, weights=votes.weight[rows], minlength=m * m).reshape(m, m).astype(np.float64)

    shown, unknown = table(is_known), table(~is_known)
    met = (shown + unknown + (shown + unknown).T)[np.triu_indices(m, 1)]
    n_left, n_right = shown.sum(axis=1), shown.sum(axis=0)
    n = n_left + n_right
    share = np.divide(n_left, n, out=np.full(m, np.nan), where=n > 0)
    # Both models of a pair are one draw of sides, so that sides are tested by pair: X2 = sum (s_ij - s_ji)^2 / n_ij.
    i, j = np.nonzero(np.triu(shown + shown.T, 1))
    chi2 = float(((shown[i, j] - shown[j, i]) ** 2 / (shown[i, j] + shown[j, i])).sum())
    named = votes.prompt != UNKNOWN
    by_prompt = np.bincount(votes.prompt[named], weights=votes.weight[named])
    return Balance(
        models=study.models,
        shown=shown,
        unknown=unknown,
        pairs=spread_of(met if len(met) else np.zeros(1)),
        n_met=int((met > 0).sum()),
        prompts=spread_of(by_prompt[by_prompt > 0]) if named.any() else None,
        left=share,
        left_chi2=chi2,
        left_df=len(i),
        left_p=float(chdtrc(len(i), chi2)) if len(i) else 1.0,
        propensities=_propensities(study),
    )


def _propensities(study: StudyVotes) -> Propensities | None:
    """None where no battle says with which chance it was drawn: imported votes."""
    with database().read() as session:
        row = propensities.sum_propensities(session, experiment_id=study.experiment_id)
    if not row.n:
        return None
    return Propensities(row.n, row.lowest, row.highest, float(row.total) ** 2 / float(row.squares))


def write_pairs_shown(balance: Balance) -> bytes:
    """CSV of each two models: votes, and how often each of them stood on the left."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("model_a", "model_b", "votes", "a_left", "b_left", "side_unknown"))
    unknown = balance.unknown + balance.unknown.T
    for i, j in zip(*(side.tolist() for side in np.triu_indices(len(balance.models), 1)), strict=True):
        counts = (balance.met[i, j], balance.shown[i, j], balance.shown[j, i], unknown[i, j])
        writer.writerow((guarded(balance.models[i]), guarded(balance.models[j]), *(int(count) for count in counts)))
    return stream.getvalue().encode()
