"""What a leaderboard's reader should know of its votes: how many raters really stand behind it, and slower checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.errors import BakeoffError
from app.services import quality, slices, steady_votes
from app.services.computed import Computed
from app.services.leaderboard import Board
from app.services.slices import Sliced
from app.services.vote_store import StudyVotes
from app.stats.counts import outcome_counts
from app.stats.effective_size import effective_sample_size
from app.stats.influence import FewestVotes, fewest_votes

MOST_VOTES = 2_000_000  # beyond, the slower checks take many seconds, and stand on the Quality page and in the report
MANY_VOTES = 100_000  # beyond, one check is computed after the other, since each takes some 100 MB while it is
PARTS = ("bias", "agreement", "fit")
FEWEST = "fewest"
_fewest: Computed[FewestVotes | str] = Computed()
NOTHING = "No removal of votes was found that would change the leader."


@dataclass(frozen=True, slots=True)
class RaterShares:
    """``n_effective`` raters of equal diligence would say as much; ``top`` is the share of votes of the busiest one."""

    n_effective: float
    top: float


def rater_shares(board: Board) -> RaterShares | None:
    """How the votes of known raters are spread over them; None where nobody is known."""
    if board.sliced is None:
        return None
    n = board.sliced.votes.n_by_rater
    if not n.any():
        return None
    return RaterShares(effective_sample_size(n), float(n.max() / n.sum()))


def ask_checks(board: Board) -> Mapping[str, Any]:
    """The slower checks by name, ``PARTS`` of ``quality`` and ``FEWEST``: None until one is done; empty for many votes.

    The fewest votes whose removal changes the leader are ``FewestVotes``, or in words why they can't be told.
    """
    if board.study is None or not 0 < board.n_votes <= MOST_VOTES:
        return {}
    study = steady_votes.read_steady(*board.study.experiment_ids)
    chosen = board.view.slice
    sliced = slices.take(study, chosen)
    asks: dict[str, Callable[[], Any]] = {
        part: partial(quality.ask_part, study, chosen, sliced, part) for part in PARTS
    }
    asks[FEWEST] = lambda: _fewest.ask(study, (chosen, sliced.left_out), lambda: _find_fewest(study, sliced))
    found: dict[str, Any] = dict.fromkeys(asks)
    for name, ask in asks.items():
        found[name] = ask()
        if found[name] is None and board.n_votes > MANY_VOTES:
            break
    if any(value is None for value in found.values()):
        steady_votes.keep_waiting(study)
    return found


def get_checks(board: Board) -> Mapping[str, Any]:
    """All of them, of the votes of the board itself and however many these are, computed here and now."""
    if board.study is None or not board.n_votes:
        return {}
    study, chosen = board.study, board.view.slice
    sliced = slices.take(study, chosen)
    found = {part: quality.get_part(study, chosen, sliced, part) for part in PARTS}
    return found | {FEWEST: _fewest.get(study, (chosen, sliced.left_out), lambda: _find_fewest(study, sliced))}


def _find_fewest(study: StudyVotes, sliced: Sliced) -> FewestVotes | str:
    try:
        return fewest_votes(outcome_counts(slices.compare(study, sliced))) or NOTHING
    except BakeoffError as error:
        return str(error)
