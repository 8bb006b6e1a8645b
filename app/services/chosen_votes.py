"""The votes of a slice as comparisons of its models take them: in order, with their raters, and kept in memory."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.services import slices
from app.services.slices import Slice
from app.services.vote_store import StudyVotes
from app.stats import contrasts
from app.stats.contrasts import Ratings, Votes
from app.stats.max_t import MaxT, max_t_tests
from app.stats.vote_columns import SKIPPED
from db.engine import database

MOST_KEPT, MOST_VOTES = 64, 3_000_000  # slices and counts kept, and votes in them; each takes 50 bytes
CONFIDENCE = 0.95
_kept: OrderedDict[Hashable, Any] = OrderedDict()
_lock = threading.Lock()
T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """The votes of a slice in their order, as the maths takes them, with when each was cast and its prompt."""

    votes: Votes
    model_a: NDArray[np.int16]
    model_b: NDArray[np.int16]
    outcome: NDArray[np.int8]
    voted_at: NDArray[np.datetime64]
    prompt: NDArray[np.int32]

    @functools.cached_property
    def boards(self) -> list[tuple[Ratings, MaxT]]:
        """Each group of linked models with the tests of all its pairs; made when first asked for.

        Raises ``RankingError`` where the votes leave no believable fit.
        """
        return [
            (board, max_t_tests(board.theta, board.covariance, df=board.df, confidence=CONFIDENCE))
            for board in contrasts.ratings_of(self.votes)
        ]


def list_by_strength(study: StudyVotes) -> list[str]:
    """The study's models, those who win most of their overall votes first: what to compare unless somebody chose."""

    def count() -> list[str]:
        votes = slices.take(study, Slice()).votes
        weight, m = votes.weight.astype(np.float64), len(study.models)
        share = np.array([1.0, 0.0, 0.5, 0.5, 0.0])[votes.outcome]  # the last is a skip's, which doesn't count
        known = votes.outcome != SKIPPED
        won = np.bincount(votes.model_a[known], (weight * share)[known], m)
        won += np.bincount(votes.model_b[known], (weight * (1 - share))[known], m)
        n = np.bincount(votes.model_a[known], weight[known], m) + np.bincount(votes.model_b[known], weight[known], m)
        return [study.models[i] for i in np.lexsort((np.arange(m), -(won + 1) / (n + 2))).tolist()]

    return _once((database().url, study.experiment_id, study.version, "strength"), count)


def place_of(study: StudyVotes, chosen: Slice) -> tuple[Hashable, ...]:
    """What results of these votes depend on, to keep them by."""
    sliced = slices.take(study, chosen)
    return database().url, study.experiment_id, study.version, chosen, sliced.n_votes, sliced.left_out


def choose_votes(study: StudyVotes, chosen: Slice) -> Chosen:
    """The votes of a slice, ready to be compared; kept for the slices looked at last."""

    def make() -> Chosen:
        sliced = slices.take(study, chosen)
        votes = sliced.votes.select(sliced.votes.outcome != SKIPPED).in_order()
        comparisons = slices.compare(study, replace(sliced, votes=votes), single=True)
        counted = contrasts.votes_of(comparisons)
        return Chosen(counted, votes.model_a, votes.model_b, votes.outcome, votes.voted_at, votes.prompt)

    return _once(place_of(study, chosen), make)


def _once(place: Hashable, make: Callable[[], T]) -> T:
    """What was made for this place before, or is made now; the places looked at last are kept."""
    with _lock:
        if place in _kept:
            _kept.move_to_end(place)
            found: T = _kept[place]
            return found
    made = make()
    with _lock:
        _kept[place] = made
        while len(_kept) > MOST_KEPT or (len(_kept) > 1 and _n_votes() > MOST_VOTES):
            _kept.popitem(last=False)
    return made


def _n_votes() -> int:
    return sum(len(one.votes) for one in _kept.values() if isinstance(one, Chosen))
