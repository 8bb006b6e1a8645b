"""How a board came to be: the ratings after each stretch of the votes, and the votes of each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from app.domain import Ranking
from app.errors import RankingError
from app.services.board_view import View, find_method
from app.services.computed import Computed
from app.services.ranking_options import can_fit_position
from app.services.shared_work import Say
from app.services.slices import Sliced
from app.services.vote_store import StudyVotes
from app.stats.vote_columns import to_comparisons

MOST_POINTS = 20
FEWEST_PER_POINT = 25  # votes; fewer move a rating by chance alone


@dataclass(frozen=True)
class Point:
    """The ratings (logits) of the rated models after ``n_votes`` votes, the last of which was cast at ``at``."""

    at: datetime
    n_votes: int
    ratings: Mapping[str, float]


_histories: Computed[list[Point]] = Computed()


def get_history(
    study: StudyVotes, sliced: Sliced, view: View, *, say: Say = lambda _share, _doing: None
) -> list[Point]:
    """The board after each of up to 20 equal shares of the votes, in the order of their casting.

    The same method on fewer votes; where it has no answer yet there is no point. Early points rest on few votes and
    swing for that reason alone. The same asked again is not computed again.
    """
    return _histories.get(study, (view, sliced.left_out), lambda: _rank_stretches(study, sliced, view, say))


def _rank_stretches(study: StudyVotes, sliced: Sliced, view: View, say: Say) -> list[Point]:
    votes = sliced.votes.answered().in_order()
    n_points = min(MOST_POINTS, len(votes) // FEWEST_PER_POINT)
    method = find_method(view.method)
    options: dict[str, Any] = {"ties": view.ties, "both_bad": view.both_bad}
    if view.position and can_fit_position(method):
        options["position"] = True
    points = list[Point]()
    for k in range(1, n_points + 1):
        say((k - 1) / n_points, f"Ranking the first {k} of {n_points} parts of the votes")
        n = len(votes) * k // n_points
        part = votes.select(np.arange(n))
        comparisons = to_comparisons(
            part, study.models, single=bool(getattr(method, "NEEDS_RATERS", False)), ordered=method.NEEDS_ORDER
        )
        try:
            ranking: Ranking = method.rank(comparisons, **options)
        except RankingError:
            continue
        ratings = {row.model: row.rating for row in ranking.models if row.rating is not None and row.n_votes}
        zero = ratings.get(view.anchor, 0.0)
        ratings = {name: rating - zero for name, rating in ratings.items()}
        points.append(Point(_moment(part.voted_at[-1]), int(part.weight.sum()), ratings))
    return points


def count_by_day(sliced: Sliced, *, on: Sequence[int] | None = None) -> Sequence[tuple[date, int]]:
    """Votes with an outcome on each day (UTC) from the first to the last, days without any included.

    ``on`` are codes of models: then only votes on any of these are counted, on the same days.
    """
    votes = sliced.votes.answered()
    if not len(votes):
        return []
    days = votes.voted_at.astype("datetime64[D]")
    first = days.min()
    weight = votes.weight
    if on is not None:
        weight = weight * (np.isin(votes.model_a, on) | np.isin(votes.model_b, on))
    counts = np.bincount((days - first).astype(np.int64), weights=weight)
    return [((first + place).item(), int(n)) for place, n in enumerate(counts)]


def _moment(value: np.datetime64) -> datetime:
    moment: datetime = value.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
