"""On how few votes, or on which single rater, the leader of the board depends.

Half-wins of one connected board. Removing few votes that change the leader means a fragile result (Huang, Shen, Wei &
Broderick 2025, arXiv 2508.11847), whatever the p-values say: they speak of chance, this of single votes. Removing vote
n of (a, b) with half-win y changes c' theta by about -(y - P_ab) c' G (e_a - e_b) / (1 - h), h = P_ab P_ba
(e_a - e_b)' G (e_a - e_b): the influence function with its leverage, the first Newton step of the fit without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError, NotConvergedError
from app.stats.comparisons import Comparisons
from app.stats.connectivity import weak_components
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.covariance import model_covariance
from app.stats.leave_out import refit, rows_by_rater
from app.stats.newton import win_probabilities
from app.stats.without_each import WithoutEach

SAME = 1e-8  # ratings closer than this are the same
DOUBT = 0.1  # of the change of a gap: by this much a step may be wrong about it
MOST_SHOWN = 20  # raters who move the leader most and are refitted for that alone
MOST_REFITS = 500
RIVALS = 5  # challengers for whom the removal is followed to its end, after the first guess has ordered them all
CLOSE = 2  # votes within which a rival's first answer is worth refining
MOST_ROUNDS = 200
MOST_TRIES = 100  # refits spent in vain on giving votes back


@dataclass(frozen=True)
class RemovedVotes:
    """``n`` votes on i and j: i won them, or (``is_tie``) they were ties."""

    i: int
    j: int
    is_tie: bool
    n: int


@dataclass(frozen=True)
class FewestVotes:
    """Without these ``n_removed`` votes, a share of all, ``rival`` leads instead of ``leader``.

    Gaps are theta_leader - theta_rival in logits with all votes and without the removed; the second, from a full refit,
    is below zero. No smaller number was found, but the search is greedy: the true minimum may be lower, never higher.
    """

    leader: int
    rival: int
    n_removed: int
    share: float
    gap: float
    gap_without: float
    removed: tuple[RemovedVotes, ...]


@dataclass(frozen=True)
class LeaveOneOut:
    """What the board is without each of R raters, arrays of shape (R,) in the order of ``rater`` (codes, ascending).

    ``leader_without`` is -1 where the other votes rate nobody; ``gap_without`` is then NaN, as it is where the leader
    of all votes is not linked to the rest any more. The gap is the leader's theta less that of the best other model.
    """

    rater: NDArray[np.int64]
    leader: int
    gap: float
    leader_without: NDArray[np.int64]
    gap_without: NDArray[np.float64]
    changes_leader: NDArray[np.bool_]
    is_exact: NDArray[np.bool_]


def leave_one_rater_out(comparisons: Comparisons, rater: NDArray[np.int64]) -> LeaveOneOut:
    """Refit the largest connected board without each rater in turn; ties and both-bad are half-wins.

    Most of many raters are left out by one Newton step (``without_each``); those for whom that step doesn't settle who
    leads, and those who move the gap most, by a fit of their own, which ``is_exact`` says. A tie for the lead goes to
    the model that comes first, so that a gap of zero is no change. Raises ``InvalidInputError`` for no votes, one rater
    or votes that ``outcome_counts`` refuses.
    """
    outcome_counts(comparisons)
    raters = rows_by_rater(comparisons, rater)
    boards = WithoutEach(comparisons, raters)
    leader, gap = _lead(boards.theta)
    if leader < 0:
        raise InvalidInputError("there is no vote that counts")
    leaders, gaps = np.full(len(raters), -1), np.full(len(raters), np.nan)
    is_exact = np.zeros(len(raters), dtype=np.bool_)
    for without in boards.all():
        rows = slice(without.first, without.first + len(without.theta))
        leaders[rows], gaps[rows] = _leads(without.theta, leader)
        is_exact[rows] = without.is_exact
    for r in _worth_refitting(gap, gaps, is_exact):
        leaders[[r]], gaps[[r]] = _leads(boards.exactly(r)[None], leader)
        is_exact[r] = True
    changes = (leaders != leader) & ~(gaps >= -SAME)
    return LeaveOneOut(raters.names, leader, gap, leaders, gaps, changes, is_exact)


def _worth_refitting(gap: float, gaps: NDArray[np.float64], is_exact: NDArray[np.bool_]) -> list[int]:
    """The raters of whom one step doesn't tell whether they change the leader, and those who move it most."""
    moved = np.abs(gaps - gap)
    open_ = np.flatnonzero(~is_exact & (np.abs(gaps) <= DOUBT * moved + SAME))
    most = np.argsort(np.where(np.isfinite(gaps), -moved, 0.0), kind="stable")[:MOST_SHOWN]
    return sorted({*open_[np.argsort(np.abs(gaps[open_]))][:MOST_REFITS].tolist(), *most[~is_exact[most]].tolist()})


def _leads(theta: NDArray[np.float64], leader: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The leaders of boards of shape (k, m), the first among equals, -1 for none; and the gap of ``leader``."""
    low = np.where(np.isfinite(theta), theta, -np.inf)
    best = low.max(axis=1)
    leaders = np.where(np.isfinite(best), np.argmax(low >= best[:, None] - SAME, axis=1), -1)
    own = theta[:, leader]
    low[:, leader] = -np.inf
    others = low.max(axis=1)
    return leaders, np.where(np.isfinite(own) & np.isfinite(others), own - others, np.nan)


def _lead(theta: NDArray[np.float64]) -> tuple[int, float]:
    """The leader (the first among equals) and the gap to the next, or (-1, NaN)."""
    if not np.isfinite(theta).any():
        return -1, float("nan")
    leader = int(np.flatnonzero(theta >= np.nanmax(theta) - SAME)[0])
    return leader, float(theta[leader] - np.nanmax(np.delete(theta, leader)))


def fewest_votes(counts: NDArray[np.float64], *, ties: str = "half", both_bad: str = "tie") -> FewestVotes | None:
    """The fewest votes found whose removal makes another model the leader; None if no removal was found to do so.

    ``counts`` are those of ``outcome_counts``; the largest connected board is used. For each rival the votes are
    ordered by their influence on theta_leader - theta_rival and as many taken as should do; the fit without them is
    computed and the rest ordered anew at it, until the rival leads; then votes are given back as long as it still
    does. Rivals with the fewest votes foreseen are followed first, five of them. Votes whose removal would disconnect
    the board are no answer. A leader that only shares its lead needs no removal: n_removed = 0. Raises
    ``InvalidInputError`` for no votes or fractional weights.
    """
    wins, tied = wins_and_ties(counts, ties=ties, both_bad=both_bad)
    if (wins != np.floor(wins)).any() or (tied != np.floor(tied)).any():
        raise InvalidInputError("votes of fractional weight cannot be removed one by one")
    group = weak_components(wins + tied / 2)[0] if len(wins) else np.zeros(0, dtype=np.int64)
    if len(group) < 2:
        raise InvalidInputError("there is no vote that counts")
    board = _Board.of(wins[np.ix_(group, group)], tied[np.ix_(group, group)])
    found = board.search()
    if found is None:
        return None
    rival, cells, gap_without = found
    removed = [
        RemovedVotes(int(group[board.i[c]]), int(group[board.j[c]]), bool(board.is_tie[c]), int(cells[c]))
        for c in np.flatnonzero(cells)
    ]
    return FewestVotes(
        leader=int(group[board.leader]),
        rival=int(group[rival]),
        n_removed=int(cells.sum()),
        share=float(cells.sum() / board.n.sum()),
        gap=float(board.theta[board.leader] - board.theta[rival]),
        gap_without=gap_without,
        removed=tuple(sorted(removed, key=lambda votes: -votes.n)),
    )


@dataclass(frozen=True)
class _Board:
    """The votes of a connected board as C cells (i, j, win of i or tie) of ``n`` equal votes, and their fit."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    is_tie: NDArray[np.bool_]
    n: NDArray[np.float64]
    theta: NDArray[np.float64]
    leader: int

    @classmethod
    def of(cls, wins: NDArray[np.float64], tied: NDArray[np.float64]) -> _Board:
        won, lost = np.nonzero(wins)
        first, second = np.nonzero(np.triu(tied, 1))
        theta = refit(wins + tied / 2, np.zeros(len(wins)))
        return cls(
            i=np.concatenate([won, first]),
            j=np.concatenate([lost, second]),
            is_tie=np.repeat([False, True], [len(won), len(first)]),
            n=np.concatenate([wins[won, lost], tied[first, second]]),
            theta=theta,
            leader=_lead(theta)[0],
        )

    def search(self) -> tuple[int, NDArray[np.float64], float] | None:
        """The best rival, votes to remove per cell, and the gap without them."""
        rivals = [r for r in range(len(self.theta)) if r != self.leader]
        level = [r for r in rivals if self.theta[r] >= self.theta[self.leader] - SAME]
        if level:
            return level[0], np.zeros(len(self.n)), 0.0
        nothing = np.zeros(len(self.n))
        bread = self._bread(nothing, self.theta)
        foreseen = {r: self._next(r, nothing, self.theta, bread).sum() or np.inf for r in rivals}
        nearest = sorted(rivals, key=lambda r: foreseen[r])[:RIVALS]
        followed = {rival: removed for rival in nearest if (removed := self._follow(rival)) is not None}
        if not followed:
            return None
        limit = min(removed.sum() for removed in followed.values()) + CLOSE
        refined = [(r, *self._thinned(r, removed)) for r, removed in followed.items() if removed.sum() <= limit]
        return min(refined, key=lambda answer: answer[1].sum())

    def _fit(self, removed: NDArray[np.float64]) -> NDArray[np.float64]:
        left = self.n - removed
        halves = np.zeros((len(self.theta), len(self.theta)))
        np.add.at(halves, (self.i, self.j), np.where(self.is_tie, left / 2, left))
        np.add.at(halves, (self.j, self.i), np.where(self.is_tie, left / 2, 0.0))
        return refit(halves, self.theta)

    def _bread(self, removed: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """G, the inverse information of the votes left at theta."""
        n_votes = np.zeros((len(theta), len(theta)))
        np.add.at(n_votes, (self.i, self.j), self.n - removed)
        return model_covariance(theta, n_votes)

    def _gain(self, rival: int, theta: NDArray[np.float64], bread: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much removing one more vote of each cell should lower the gap, shape (C,)."""
        chance = win_probabilities(theta)[self.i, self.j]
        reach = bread[self.leader] - bread[rival]
        spread = np.diag(bread)
        leverage = chance * (1 - chance) * (spread[self.i] + spread[self.j] - 2 * bread[self.i, self.j])
        residual = np.where(self.is_tie, 0.5, 1.0) - chance
        return np.asarray(residual * (reach[self.i] - reach[self.j]) / np.maximum(1 - leverage, 1e-6))

    def _next(
        self, rival: int, removed: NDArray[np.float64], theta: NDArray[np.float64], bread: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The votes of the most influential cells that should just turn the gap, or all that help if none do."""
        gain = self._gain(rival, theta, bread)
        left = np.where(gain > 0, self.n - removed, 0.0)
        order = np.argsort(-gain, kind="stable")
        order = order[left[order] > 0]
        take = np.zeros(len(gain))
        gap = theta[self.leader] - theta[rival] + SAME
        lowered = np.cumsum(left[order] * gain[order])
        whole = int(np.searchsorted(lowered, gap, side="right"))  # cells of which every vote is needed
        take[order[:whole]] = left[order[:whole]]
        if whole < len(order):
            cell, rest = order[whole], gap - (lowered[whole - 1] if whole else 0.0)
            take[cell] = min(left[cell], np.floor(rest / gain[cell]) + 1)
        return take

    def _follow(self, rival: int) -> NDArray[np.float64] | None:
        """Remove votes until the rival is above the leader; None where that disconnects the board."""
        removed, theta = np.zeros(len(self.n)), self.theta
        try:
            for _ in range(MOST_ROUNDS):
                if theta[rival] > theta[self.leader] + SAME:
                    return removed
                take = self._next(rival, removed, theta, self._bread(removed, theta))
                if not take.any():
                    return None
                removed = removed + take
                theta = self._fit(removed)
        except NotConvergedError:
            return None
        return None

    def _thinned(self, rival: int, removed: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Give votes back, those of the least influence first and in halving amounts, while the rival still leads."""
        theta, tries = self._fit(removed), 0
        gain = self._gain(rival, theta, self._bread(removed, theta))
        for cell in np.argsort(gain, kind="stable"):
            amount = removed[cell]
            while amount >= 1 and tries < MOST_TRIES:
                fewer = removed.copy()
                fewer[cell] -= min(amount, removed[cell])
                after = self._fit(fewer)
                if fewer[cell] < removed[cell] and after[rival] > after[self.leader] + SAME:
                    removed, theta = fewer, after
                else:
                    amount, tries = np.floor(amount / 2), tries + 1
        return removed, float(theta[self.leader] - theta[rival])
