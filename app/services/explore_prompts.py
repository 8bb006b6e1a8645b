"""Prompts as results show them: how often each was judged, and one of them with every model's output beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.discovery import find_plugins
from app.domain import BlindBattle, GenerationStatus, Identity, Kind, Role
from app.errors import NotFoundError, RankingError
from app.services.design import get_design
from app.services.explore import Wanted, find_prompts, find_rows, part, split_words
from app.services.explore_battles import NO_PARTS, status_note
from app.services.shown import blind
from app.services.sign_in import require
from app.services.slices import Slice, compare, take
from app.services.vote_store import StudyVotes
from app.stats.intervals import wilson_interval
from app.stats.vote_columns import SKIPPED, UNKNOWN
from db import experiments, explore
from db.engine import Row, database
from db.screens import Content

RATED_BY = "bradley_terry"
_LONGEST = 240  # characters of a prompt in a list
_POINTS = np.array([1.0, 0.0, 0.5, 0.5])  # of model a, by the place of the outcome in OUTCOMES


@dataclass(frozen=True, slots=True)
class PromptText:
    """How a prompt begins."""

    id: UUID
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class JudgedPrompt:
    """A prompt in the list: the beginning of its text, its votes and how many models were voted on."""

    number: int
    name: str
    text: str
    tags: Mapping[str, str]
    n_votes: int
    n_models: int


@dataclass(frozen=True, slots=True)
class OnPrompt:
    """One model on one prompt. ``screen`` has its output on the left; ``points`` are wins, ties and both bad half.

    ``rating`` is the model's in the whole study, in logits; None where the ranking has none. The bounds are Wilson's.
    ``is_shown`` says that raters may be shown its output, ``is_withdrawn`` that an admin took it out by hand.
    """

    model: str
    rating: float | None
    screen: BlindBattle
    has_output: bool
    note: str
    output_id: UUID | None
    is_shown: bool
    is_withdrawn: bool
    n_votes: int
    points: float
    win_rate: float | None
    lower: float
    upper: float


@dataclass(frozen=True)
class PromptAcrossModels:
    """A prompt, and its models with the highest rating first; ``screen`` has the prompt and its images."""

    id: UUID
    name: str
    tags: Mapping[str, str]
    screen: BlindBattle
    n_votes: int
    models: tuple[OnPrompt, ...]


def list_prompts(
    actor: Identity | None, study: StudyVotes, wanted: Wanted, *, page: int = 1
) -> tuple[int, list[JudgedPrompt]]:
    """How many prompts have votes that match, and a page of them, those with most votes first.

    Words are looked for in the prompts alone.
    """
    require(actor, Role.RESEARCHER)
    rows = _judged(study, wanted)
    votes = study.columns
    n_votes = np.bincount(votes.prompt[rows], weights=votes.weight[rows], minlength=len(study.prompts))
    is_in, words = n_votes > 0, split_words(wanted.words)
    with database().read() as session:
        if words:
            prompt_set_id = experiments.get_experiment(session, experiment_id=study.experiment_id).prompt_set_id
            found = find_prompts(session, study, prompt_set_id, words) if prompt_set_id else np.zeros(1, np.bool_)
            is_in = is_in & found[: len(is_in)]
        places = np.flatnonzero(is_in)
        places = places[np.argsort(-n_votes[places], kind="stable")]
        shown = places[part(page, len(places))].tolist()
        texts = explore.list_prompts(session, prompt_ids=[UUID(study.prompts[place]) for place in shown])
    listed = []
    for place in shown:
        text = texts[UUID(study.prompts[place])]
        here = rows[votes.prompt[rows] == place]
        listed.append(
            JudgedPrompt(
                number=place,
                name=text.external_id,
                text=_beginning(text.messages),
                tags=text.tags,
                n_votes=int(n_votes[place]),
                n_models=len(np.union1d(votes.model_a[here], votes.model_b[here])),
            )
        )
    return len(places), listed


def read_texts(actor: Identity | None, study: StudyVotes, numbers: Sequence[int]) -> dict[int, PromptText]:
    """What these prompts of the study begin with, by number."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        rows = explore.list_prompts(session, prompt_ids=[UUID(study.prompts[number]) for number in numbers])
    found = {}
    for number in numbers:
        row = rows[UUID(study.prompts[number])]
        found[number] = PromptText(row.id, row.external_id, _beginning(row.messages))
    return found


def _beginning(messages: Sequence[Mapping[str, str]]) -> str:
    """The first words of what was asked last, on one line."""
    line = " ".join((messages[-1]["content"] if messages else "")[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else line[:_LONGEST].rstrip() + "…"


def get_prompt(actor: Identity | None, study: StudyVotes, prompt_id: UUID, wanted: Wanted) -> PromptAcrossModels:
    """One prompt across all models of the study. Raises NotFoundError for a prompt that it has no votes on."""
    require(actor, Role.RESEARCHER)
    if prompt_id.hex not in study.prompts:
        raise NotFoundError("There are no votes on such a prompt in this study.")
    rows = _judged(study, replace(wanted, prompt=study.prompts.index(prompt_id.hex), words=""))
    n_votes, points = _tally(study, rows)
    shown = _shown_outputs(study, prompt_id)
    with database().read() as session:
        row = explore.list_prompts(session, prompt_ids=[prompt_id])[prompt_id]
        outputs = explore.list_outputs(session, prompt_ids=[prompt_id], model_ids=study.model_ids, shown=shown)
        rules = {"shows": explore.get_shows(session, experiment_id=study.experiment_id), "flow": {"must_play": False}}
    ratings = _ratings(study, wanted)
    lower, upper = wilson_interval(points, n_votes)
    messages = explore.messages_of(row.messages)
    models = []
    for place, model in enumerate(study.models):
        stored = outputs.get((prompt_id, study.model_ids[place]))
        if stored is None and not n_votes[place]:
            continue
        parts = stored.parts if stored is not None and stored.parts else NO_PARTS
        models.append(
            OnPrompt(
                model=model,
                rating=ratings.get(model),
                screen=blind(prompt_id, Content(messages, parts, parts), rules),
                has_output=bool(stored is not None and stored.parts),
                note=_note(stored) if stored is not None else "",
                output_id=stored.id if stored is not None else None,
                is_shown=stored is not None and _is_shown(stored, shown),
                is_withdrawn=stored is not None and stored.status == GenerationStatus.WITHDRAWN,
                n_votes=int(n_votes[place]),
                points=float(points[place]),
                win_rate=float(points[place] / n_votes[place]) if n_votes[place] else None,
                lower=float(lower[place]),
                upper=float(upper[place]),
            )
        )
    models.sort(key=lambda one: (one.rating is None, -(one.rating or 0), one.model.casefold()))
    screen = blind(prompt_id, Content(messages, NO_PARTS, NO_PARTS, row.attachments or ()), rules)
    n_all = int(study.columns.weight[rows].sum())
    return PromptAcrossModels(prompt_id, row.external_id, row.tags, screen, n_all, tuple(models))


def _shown_outputs(study: StudyVotes, prompt_id: UUID) -> set[UUID] | None:
    """The outputs that a study of this server shows for a prompt; None for all of an arena's, which has no design."""
    with database().read() as session:
        experiment = experiments.get_experiment(session, experiment_id=study.experiment_id)
    if experiment.kind == Kind.ARENA:
        return None
    try:
        generation = get_design(experiment.id, experiment.n_put_back).generation
    except NotFoundError:
        return set()
    return {generation[key] for model_id in study.model_ids if (key := (model_id, prompt_id)) in generation}


def _is_shown(stored: Row, shown: Collection[UUID] | None) -> bool:
    return stored.status == GenerationStatus.OK and (shown is None or stored.id in shown)


def _note(stored: Row) -> str:
    if stored.status == GenerationStatus.WITHDRAWN:
        return f"An admin withdrew this output: {stored.error}"
    return status_note(stored.status)


def _judged(study: StudyVotes, wanted: Wanted) -> NDArray[np.int64]:
    """The votes with an outcome whose prompt is known; words choose among prompts, not among votes."""
    rows = find_rows(study, replace(wanted, words=""))
    votes = study.columns
    return np.asarray(rows[(votes.outcome[rows] != SKIPPED) & (votes.prompt[rows] != UNKNOWN)])


def _tally(study: StudyVotes, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By model: votes, and points (a win is 1, a tie or both bad one half)."""
    votes, n = study.columns, len(study.models)
    weight, points_a = votes.weight[rows], _POINTS[votes.outcome[rows]]
    total, points = np.zeros(n), np.zeros(n)
    for model, share in ((votes.model_a[rows], points_a), (votes.model_b[rows], 1 - points_a)):
        total += np.bincount(model, weights=weight, minlength=n)
        points += np.bincount(model, weights=weight * share, minlength=n)
    return total, points


def _ratings(study: StudyVotes, wanted: Wanted) -> Mapping[str, float]:
    """Each model's rating by the whole study's votes on the criterion, in logits; none where no fit is believed."""
    return _Rated(study, wanted.criterion, wanted.with_staff).ratings()


@dataclass(frozen=True)
class _Rated:
    """What is rated, compared by the version of the votes rather than by all of them."""

    study: StudyVotes
    criterion: str
    with_staff: bool

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rated) and self._key() == other._key()

    def _key(self) -> tuple[object, ...]:
        return database().url, self.study.experiment_id, self.study.version, self.criterion, self.with_staff

    def ratings(self) -> Mapping[str, float]:
        return _rate(self)


@lru_cache(maxsize=16)
def _rate(asked: _Rated) -> Mapping[str, float]:
    chosen = Slice(criterion=asked.criterion, with_staff=asked.with_staff)
    comparisons = compare(asked.study, take(asked.study, chosen))
    try:
        ranking = find_plugins("app.ranking")[RATED_BY].rank(comparisons)
    except RankingError:
        return {}
    return {row.model: row.rating for row in ranking.models if row.rating is not None}
