"""From stored votes to a board: counts, a ranking and what it says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import ModuleType
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.discovery import find_plugins
from app.domain import Identity, Ranking, Role
from app.services import board_studies, pooled_votes, rater_flags, slices
from app.services.board_studies import PooledStudy, StudyFacts
from app.services.board_view import Ranked, View, clusters, find_method, needs_votes, rank
from app.services.computed import Computed
from app.services.model_labels import model_labels
from app.services.output_form import stamp, with_form
from app.services.ranking_options import can_hold_form
from app.services.sign_in import require
from app.services.slices import Sliced
from app.services.study_design import StudyDesign
from app.services.vote_store import StudyVotes
from app.services.votes_needed import count_more_votes
from app.stats.comparisons import Comparisons
from app.stats.counts import outcome_counts, win_matrix
from app.stats.vote_columns import VoteColumns
from app.study import asks_of
from db import experiments, leaks
from db.engine import database


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the board says of a model beside its numbers."""

    version: str
    organisation: str
    licence: str


@dataclass(frozen=True)
class Board:
    """A leaderboard: the study, or the ``studies`` that it pools, how much it rests on, the ranking, who beat whom.

    ``wins[i, j]`` is the number of votes in which model i of ``names`` beat model j, a tie or both-bad counting half;
    ``names`` stand in the order of the ranking. ``leaks`` counts the outputs that name their maker, by what became of
    them (kept, masked, dropped, or flagged: nobody chose yet). ``criterion`` is blank for the overall
    votes. Of several studies ``title``, ``key`` and ``status`` are of all of them, and there is no ``design``.
    """

    title: str
    key: str
    status: str
    is_simulated: bool
    n_votes: int
    n_raters: int
    n_staff_votes: int
    last_vote_at: datetime | None
    ranking: Ranking
    cards: dict[str, ModelCard]
    names: tuple[str, ...]
    wins: NDArray[np.float64]
    leaks: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[int, int] = (0, 0)  # votes and raters that don't count: screened out, or withdrawn
    criterion: str = ""
    view: View = field(default_factory=View)
    clusters: tuple[str, ...] = ()  # what the intervals are clustered by
    notes: tuple[str, ...] = ()
    study: StudyVotes | None = None
    sliced: Sliced | None = None
    design: StudyDesign | None = None
    more_votes: float | None = None  # how many would decide who leads, where that is open and can be known
    studies: tuple[PooledStudy, ...] = ()  # where there are several

    def of_study(self, one: PooledStudy) -> Board:
        """What is said of one of the ``studies``, with its own votes and design; the ranking stays that of all."""
        return replace(
            self,
            title=one.title,
            key=one.key,
            status=one.status,
            n_votes=one.n_votes,
            n_raters=one.n_raters,
            leaks=one.leaks,
            sliced=Sliced(one.votes, 0, (0, 0)),
            design=one.design,
            studies=(),
        )


@dataclass(frozen=True)
class _Found:
    """What is kept of a ranking: the ranking itself, the wins in its order, and the votes that it lacks."""

    ranked: Ranked
    wins: NDArray[np.float64]
    more_votes: float | None


_rankings: Computed[_Found] = Computed()


def get_leaderboard(
    actor: Identity | None,
    experiment_id: UUID,
    view: View | None = None,
    *,
    also: Sequence[UUID] = (),
    study: StudyVotes | None = None,
) -> Board:
    """Rank the models of an experiment by its live votes as the ``view`` says; ``study`` has them if they were read.

    The votes of the experiments ``also`` are counted with its own. Raises NotFoundError for an unknown experiment,
    ResultsHiddenError while results of one are hidden, InvalidInputError for an unknown method, interval, criterion or
    group and for simulated votes among those of people, RankingError when the method can't answer.
    """
    require(actor, Role.RESEARCHER)
    view, ids = view or View(), tuple(dict.fromkeys((experiment_id, *also)))
    find_method(view.method)
    with database().read() as session:
        told = [board_studies.get_facts(session, id_) for id_ in ids]
        n_named = told[0].leaks if len(ids) == 1 else leaks.count_for_experiments(session, experiment_ids=ids)
    board_studies.require_alike(told)
    label = board_studies.find_criterion(told, view.slice.criterion)
    study = study or pooled_votes.read(ids)
    assert study.experiment_ids == ids  # noqa: S101 - else one study's votes would stand under another's name
    chosen = rater_flags.without_flagged(study, view.slice) if view.without_flagged else view.slice
    sliced = slices.take(study, chosen)
    prompt_set_ids = dict.fromkeys(one.row.prompt_set_id for one in told if one.row.prompt_set_id is not None)
    found = _ranked(study, sliced, replace(view, slice=chosen), tuple(prompt_set_ids))
    board = _board_of(told, study, sliced, found)
    notes = (*board_studies.list_notes(told, board.studies, view.slice.criterion), *board.notes)
    return replace(board, leaks=n_named, criterion=label, view=view, notes=notes)


def _board_of(told: Sequence[StudyFacts], study: StudyVotes, sliced: Sliced, found: _Found) -> Board:
    arms = {arm.model_id: arm for one in told for arm in one.arms}
    labels = model_labels(list(arms.values()))
    votes = sliced.votes.answered()
    title, key, status = board_studies.name_together(told)
    pooled = board_studies.list_pooled(told, study, sliced)
    return Board(
        title=title,
        key=key,
        status=status,
        is_simulated=told[0].row.is_simulated,
        n_votes=sliced.n_votes,
        n_raters=votes.n_clusters["rater"],
        n_staff_votes=sliced.n_staff_votes,
        last_vote_at=_last_vote_at([one.votes for one in pooled if one.is_timed] if pooled else [votes]),
        ranking=found.ranked.ranking,
        cards={labels[id_]: ModelCard(arm.version, arm.organisation, arm.licence) for id_, arm in arms.items()},
        names=tuple(row.model for row in found.ranked.ranking.models),
        wins=found.wins,
        left_out=sliced.left_out,
        clusters=found.ranked.clusters,
        notes=found.ranked.notes,
        study=study,
        sliced=sliced,
        design=None if pooled else told[0].design,
        more_votes=found.more_votes,
        studies=pooled,
    )


def _ranked(study: StudyVotes, sliced: Sliced, view: View, prompt_set_ids: Sequence[UUID]) -> _Found:
    """The ranking of these votes; the same asked again is not computed again."""
    key = (view, sliced.left_out, stamp(prompt_set_ids) if view.style else ())
    return _rankings.get(study, key, lambda: _rank(study, sliced, view, prompt_set_ids))


def _rank(study: StudyVotes, sliced: Sliced, view: View, prompt_set_ids: Sequence[UUID]) -> _Found:
    method, notes = find_method(view.method), tuple[str, ...]()
    asked = comparisons = slices.compare(study, sliced, with_singles=bool(clusters(view, method, sliced.votes)))
    if needs_votes(view, method):
        asked = slices.compare(study, sliced, single=True, ordered=method.NEEDS_ORDER)
    if view.style and can_hold_form(method):
        held, notes = _with_form(study, sliced, prompt_set_ids)
        asked = held or asked
    ranked = rank(view, asked, sliced.votes)
    wins = _wins(comparisons, tuple(row.model for row in ranked.ranking.models))
    ranked = replace(ranked, notes=(*ranked.notes, *notes))
    return _Found(ranked, wins, count_more_votes(ranked.ranking))


def _with_form(
    study: StudyVotes, sliced: Sliced, prompt_set_ids: Sequence[UUID]
) -> tuple[Comparisons | None, tuple[str, ...]]:
    """The votes with the form of their outputs, and what to say of those that lack it, or of why there are none."""
    held = with_form(study, sliced, prompt_set_ids)
    if held.problem:
        return None, (f"The form of the outputs isn't held equal. {held.problem}",)
    if not held.n_unknown:
        return held.comparisons, ()
    return held.comparisons, (f"Votes on outputs that aren't stored are left out of the ratings: {held.n_unknown:,}.",)


def _wins(comparisons: Comparisons, names: Sequence[str]) -> NDArray[np.float64]:
    """The win matrix in this order of the models."""
    place = [comparisons.models.index(name) for name in names]
    found: NDArray[np.float64] = win_matrix(outcome_counts(comparisons))[np.ix_(place, place)]
    return found


def _last_vote_at(of_studies: Sequence[VoteColumns]) -> datetime | None:
    """None where all were cast at one moment: a file that doesn't say when, stored with the time of the import."""
    timed = [votes.voted_at.max() for votes in of_studies if len(votes) and votes.is_timed]
    if not timed:
        return None
    moment: datetime = max(timed).astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def list_criteria(actor: Identity | None, *experiment_ids: UUID) -> dict[str, str]:
    """What the votes of experiments are about: key and label, the overall vote first."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        rows = [experiments.get_experiment(session, experiment_id=id_) for id_ in experiment_ids]
    return board_studies.join_criteria([asks_of(row.asks) for row in rows])


def needs_raters(method: ModuleType) -> bool:
    """Whether a method asks who cast each vote."""
    return bool(getattr(method, "NEEDS_RATERS", False))


def list_methods() -> dict[str, str]:
    """The ranking methods: key and label."""
    return {key: module.LABEL for key, module in find_plugins("app.ranking").items()}


def describe_method(method: str) -> str:
    """What a method assumes, in one sentence."""
    return str(find_plugins("app.ranking")[method].DESCRIPTION)
