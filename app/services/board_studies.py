"""The studies behind a leaderboard that pools several: what each brings to it, and what to say of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain import ExperimentStatus
from app.errors import InvalidInputError
from app.services.hidden_results import require_visible
from app.services.slices import Sliced
from app.services.study_design import StudyDesign, get_design
from app.services.vote_store import StudyVotes
from app.stats.vote_columns import VoteColumns
from app.study import OVERALL, Asks
from db import experiments, leaks
from db.engine import Session

# Those that are furthest from their end first: what is true of one study of a pool is true of the pool.
_BY_END = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED, ExperimentStatus.STOPPED, ExperimentStatus.COMPLETED)


@dataclass(frozen=True)
class StudyFacts:
    """What the database says of a study beside its votes; ``row`` and ``arms`` are its rows."""

    row: Any
    design: StudyDesign
    arms: Sequence[Any]
    leaks: Mapping[str, int]

    @property
    def criteria(self) -> dict[str, str]:
        """The labels of its criteria by key, but for the overall one."""
        return {one.key: one.label for one in self.design.asks.criteria}


@dataclass(frozen=True)
class PooledStudy:
    """One of the studies whose votes a board pools: its design, and the votes (with an outcome) that are its own.

    ``leaks`` counts its outputs that name their maker, by what became of them.
    """

    title: str
    key: str
    status: str
    design: StudyDesign
    leaks: Mapping[str, int]
    votes: VoteColumns
    is_timed: bool

    @property
    def n_votes(self) -> int:
        """How many of the board's votes it brings."""
        return int(self.votes.weight.sum())

    @property
    def n_raters(self) -> int:
        """By how many raters; 0 where none is known."""
        return self.votes.n_clusters["rater"]


def get_facts(session: Session, experiment_id: UUID) -> StudyFacts:
    """The facts of a study; raises NotFoundError, and ResultsHiddenError while it hides its results."""
    row = experiments.get_experiment(session, experiment_id=experiment_id)
    require_visible(session, row)
    return StudyFacts(
        row=row,
        design=get_design(session, row),
        arms=experiments.list_arms(session, experiment_id=experiment_id),
        leaks=leaks.count_for_experiments(session, experiment_ids=[experiment_id]),
    )


def require_alike(told: Sequence[StudyFacts]) -> None:
    """Raise InvalidInputError where some of these votes are of people and some are simulated.

    A board of both would be evidence of nothing, whatever its label says.
    """
    simulated = [one.row.title for one in told if one.row.is_simulated]
    if simulated and len(simulated) < len(told):
        raise InvalidInputError(f"The votes of “{simulated[0]}” are simulated; people's votes aren't pooled with them.")


def join_criteria(asked: Sequence[Asks]) -> dict[str, str]:
    """What votes are about, key and label, the overall vote first; of two labels that of the first study stands."""
    found = {OVERALL: "Overall"}
    for asks in asked:
        found |= {one.key: one.label for one in asks.criteria if one.key not in found}
    return found


def find_criterion(told: Sequence[StudyFacts], criterion: str) -> str:
    """The label of a criterion, blank for the overall one; raises InvalidInputError where no study asks for it."""
    known = join_criteria([one.design.asks for one in told])
    if criterion not in known:
        asks = "This study asks for no criterion" if len(told) == 1 else "None of these studies asks for a criterion"
        raise InvalidInputError(f"{asks} {criterion!r}. Known: {', '.join(known)}.")
    return "" if criterion == OVERALL else known[criterion]


def list_pooled(told: Sequence[StudyFacts], study: StudyVotes, sliced: Sliced) -> tuple[PooledStudy, ...]:
    """What each study brings; nothing for a board of one."""
    if not study.parts:
        return ()
    return tuple(
        PooledStudy(
            title=one.row.title,
            key=one.row.key,
            status=one.row.status,
            design=one.design,
            leaks=one.leaks,
            votes=votes.answered(),
            is_timed=part.columns.is_timed,
        )
        for one, part, votes in zip(told, study.parts, sliced.parts, strict=True)
    )


def name_together(told: Sequence[StudyFacts]) -> tuple[str, str, str]:
    """Title, key (for names of files) and status of a board of these studies."""
    first, *others = (one.row for one in told)
    if not others:
        return first.title, first.key, first.status
    title = " + ".join(one.row.title for one in told)
    there = {ExperimentStatus(one.row.status) for one in told}
    status = next((status for status in _BY_END if status in there), first.status)
    return title, f"{first.key}-and-{len(others)}-more", status


def list_notes(told: Sequence[StudyFacts], pooled: Sequence[PooledStudy], criterion: str) -> tuple[str, ...]:
    """What a reader has to know of the studies beside each other, in words; nothing of a board of one."""
    if not pooled:
        return ()
    untimed = [one.title for one in pooled if one.n_votes and not one.is_timed]
    notes = [
        f"The file of “{title}” doesn't say when its votes were cast. They count as cast when it was imported: in "
        "days, in the course of the ratings, and in methods that take votes in their order."
        for title in untimed
    ]
    if criterion != OVERALL:
        notes += [
            f"“{one.row.title}” doesn't ask for this criterion, so it brings no votes."
            for one in told
            if criterion not in one.criteria
        ]
        label = join_criteria([one.design.asks for one in told])[criterion]
        notes += [
            f"“{one.row.title}” calls this criterion “{one.criteria[criterion]}”."
            for one in told
            if one.criteria.get(criterion, label) != label
        ]
    return tuple(notes)
