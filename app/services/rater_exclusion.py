"""The board without some raters beside the board with all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.discovery import find_plugins
from app.domain import ModelRating, Ranking
from app.errors import BakeoffError
from app.services import slices
from app.services.computed import Computed
from app.services.slices import Slice, Sliced
from app.services.vote_store import StudyVotes
from app.stats.vote_columns import SKIPPED

METHOD = "bradley_terry"


@dataclass(frozen=True)
class Exclusion:
    """Both rankings, and the votes that went; ``without`` is None, with the reason, where the rest can't be ranked."""

    full: Ranking
    without: Ranking | None
    problem: str
    n_votes_gone: int

    def pairs(self, n: int) -> list[tuple[ModelRating, ModelRating | None]]:
        """The first n models with votes of the full board, each with its row in the other one."""
        others = {} if self.without is None else {model.model: model for model in self.without.models if model.n_votes}
        return [(model, others.get(model.model)) for model in self.full.models if model.n_votes][:n]


_rankings: Computed[Ranking | str] = Computed()


def ask_exclusion(study: StudyVotes, chosen: Slice, sliced: Sliced) -> Exclusion | str | None:
    """The boards with and without ``chosen.without``; None while they are computed, or why there is no board.

    ``sliced`` are the votes with those raters.
    """
    full, without = (_ask(study, one, sliced.left_out) for one in (replace(chosen, without=()), chosen))
    if full is None or without is None:
        return None
    if isinstance(full, str):
        return full
    left = without if isinstance(without, Ranking) else None
    gone = np.isin(sliced.votes.rater, np.array(chosen.without)) & (sliced.votes.outcome != SKIPPED)
    n_gone = int(sliced.votes.weight[gone].sum())
    return Exclusion(full, left, without if isinstance(without, str) else "", n_gone)


def _ask(study: StudyVotes, chosen: Slice, left_out: tuple[int, int]) -> Ranking | str | None:
    def rank() -> Ranking | str:
        sliced = slices.take(study, chosen)
        if not sliced.n_votes:
            return "No vote is left."
        try:
            found: Ranking = find_plugins("app.ranking")[METHOD].rank(slices.compare(study, sliced))
        except BakeoffError as error:
            return f"The votes that are left can't be ranked: {error}."
        return found

    return _rankings.ask(study, (chosen, left_out), rank)
