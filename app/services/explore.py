"""Looking into a study's battles: which ones match, in which order, where raters disagree, and what raters said."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Identity, Outcome, Role
from app.errors import InvalidInputError
from app.services.sign_in import require
from app.services.slices import Slice, choose_rows
from app.services.vote_store import StudyVotes
from app.stats.comparisons import OUTCOMES, SIDE_UNKNOWN
from app.stats.disagreement import SplitCells, split_cells
from app.stats.vote_columns import SKIPPED, UNKNOWN
from app.study import OVERALL
from db import experiments, explore, prompt_search
from db.engine import Session, database

PER_PAGE = 20
MOST_REASONS = 10_000  # votes whose reasons are counted, the newest ones
MOST_WORDS = 8
PLACES = ("anywhere", "prompts", "outputs", "comments")
_FRESH_S = 60  # how long the outputs that have some words are kept
_A, _B = OUTCOMES.index(Outcome.MODEL_A), OUTCOMES.index(Outcome.MODEL_B)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which battles to show. ``model`` and ``against`` are places among the study's models, ``rater`` is a code.

    ``outcome`` is ``won`` or ``lost`` (by ``model``), ``decided``, ``tie``, ``both_bad``, ``skip`` or blank; ``kind``
    is ``normal``, ``repeat`` or ``gold``; ``order`` is ``newest``, ``split``, ``longest`` or ``shortest``. ``words``
    are looked for in ``place``.
    """

    criterion: str = OVERALL
    model: int | None = None
    against: int | None = None
    outcome: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    rater: int | None = None
    prompt: int | None = None
    has_comment: bool = False
    kind: str = "normal"
    since: date | None = None
    until: date | None = None
    with_staff: bool = False
    words: str = ""
    place: str = "anywhere"
    order: str = "newest"


@dataclass(frozen=True)
class Found:
    """A page of battles by id and how many match; ``n_pages`` is at least one."""

    n_found: int
    battles: tuple[UUID, ...]

    @property
    def n_pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.n_found // PER_PAGE))


@dataclass(frozen=True, slots=True)
class SplitCell:
    """Votes of several raters on the same prompt and pair: by outcome in the order of ``OUTCOMES``."""

    prompt: int
    model_a: int
    model_b: int
    counts: tuple[int, ...]
    against: int
    disagreement: float


@dataclass(frozen=True)
class Reasons:
    """How often each reason was given to each model, in ``n_votes`` votes; ``is_cut`` when older ones are left out."""

    by_model: dict[str, Counter[str]]
    n_votes: int
    is_cut: bool


def find_battles(actor: Identity | None, study: StudyVotes, wanted: Wanted, *, page: int = 1) -> Found:
    """A page of the battles that match, in the wanted order. Raises InvalidInputError for words about checks."""
    require(actor, Role.RESEARCHER)
    if wanted.kind == "gold":
        return _find_checks(study, wanted, page)
    rows = in_order(study, find_rows(study, wanted), wanted)
    return Found(len(rows), tuple(study.battles_of(rows[part(page, len(rows))])))


def find_rows(study: StudyVotes, wanted: Wanted) -> NDArray[np.int64]:
    """The rows of the study's columns that match, in no particular order."""
    votes = study.columns
    is_in = choose_rows(study, _slice(wanted))
    if wanted.kind == "repeat":
        is_in &= votes.is_repeat
    if wanted.rater is not None:
        is_in &= votes.rater == wanted.rater
    if wanted.prompt is not None:
        is_in &= votes.prompt == wanted.prompt
    is_in &= _has_models(study, wanted) & _has_outcome(study, wanted)
    if wanted.has_comment or wanted.words.strip():
        is_in &= _has_said(study, wanted)
    return np.flatnonzero(is_in)


def in_order(study: StudyVotes, rows: NDArray[np.int64], wanted: Wanted) -> NDArray[np.int64]:
    """These rows in the wanted order, equal ones the newest first."""
    votes = study.columns
    rows = rows[np.argsort(votes.voted_at[rows], kind="stable")[::-1]]
    if wanted.order == "split":
        whole, cells = _cells(study, wanted)
        rank = np.full(len(votes), len(cells.cell), dtype=np.int64)
        rank[whole] = cells.rank_of
        return rows[np.argsort(rank[rows], kind="stable")]
    if wanted.order in {"longest", "shortest"}:
        dwell = votes.dwell_ms[rows].astype(np.int64)
        sign = -1 if wanted.order == "longest" else 1
        rows = rows[np.argsort(sign * dwell, kind="stable")]
        is_known = votes.dwell_ms[rows] != UNKNOWN
        return np.concatenate([rows[is_known], rows[~is_known]])
    return rows


def list_split_cells(
    actor: Identity | None, study: StudyVotes, wanted: Wanted, *, page: int = 1
) -> tuple[int, list[SplitCell]]:
    """How many cells of prompt and pair have several votes, and a page of them, the most split first.

    The filters choose the cells with at least one vote that matches; the counts are of all votes on the criterion.
    """
    require(actor, Role.RESEARCHER)
    votes = study.columns
    whole, cells = _cells(study, wanted)
    rank = np.full(len(votes), len(cells.cell), dtype=np.int64)
    rank[whole] = cells.rank_of
    chosen = np.zeros(len(cells.cell) + 1, dtype=np.bool_)
    chosen[rank[find_rows(study, wanted)]] = True
    places = np.flatnonzero(chosen[:-1] & (cells.against > 0))
    first = np.full(len(cells.cell) + 1, -1, dtype=np.int64)
    first[cells.rank_of] = whole
    found = []
    for place in places[part(page, len(places))].tolist():
        row = int(first[place])
        found.append(
            SplitCell(
                prompt=int(votes.prompt[row]),
                model_a=int(votes.model_a[row]),
                model_b=int(votes.model_b[row]),
                counts=tuple(int(n) for n in cells.counts[place]),
                against=int(cells.against[place]),
                disagreement=float(cells.disagreement[place]),
            )
        )
    return len(places), found


def count_reasons(actor: Identity | None, study: StudyVotes, wanted: Wanted) -> Reasons:
    """The reasons that raters gave to each model's outputs in the battles that match."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        given = explore.list_reasons(session, experiment_id=study.experiment_id, limit=MOST_REASONS)
    rows = find_rows(study, wanted)
    tails = study.battle_tails[rows]
    order = np.argsort(tails)
    asked = np.array([row.battle_id.int & (2**64 - 1) for row in given], dtype=np.uint64)
    at = np.searchsorted(tails, asked, sorter=order).clip(max=max(len(rows) - 1, 0))
    hit = np.flatnonzero(tails[order[at]] == asked) if len(rows) else np.empty(0, dtype=np.int64)
    votes, by_model, n_votes = study.columns, {name: Counter[str]() for name in study.models}, 0
    for i in hit.tolist():
        row = int(rows[order[at[i]]])
        if (side := int(votes.a_is_left[row])) == SIDE_UNKNOWN:
            continue  # a reason is about a side of the screen
        ends = int(votes.model_a[row]), int(votes.model_b[row])
        left, right = ends if side else ends[::-1]
        by_model[study.models[left]].update(given[i].reasons.get("left", ()))
        by_model[study.models[right]].update(given[i].reasons.get("right", ()))
        n_votes += 1
    by_model = {name: counts for name, counts in by_model.items() if counts}
    return Reasons(by_model, n_votes, len(given) == MOST_REASONS)


def part(page: int, n_found: int) -> slice:
    """The rows of a page, numbered from 1; of the last one for a page behind it."""
    first = (min(max(page, 1), max(1, -(-n_found // PER_PAGE))) - 1) * PER_PAGE
    return slice(first, first + PER_PAGE)


def _slice(wanted: Wanted) -> Slice:
    return Slice(
        criterion=wanted.criterion,
        tags=wanted.tags,
        since=wanted.since,
        until=wanted.until,
        with_staff=wanted.with_staff,
        with_repeats=wanted.kind == "repeat",
    )


def _has_models(study: StudyVotes, wanted: Wanted) -> NDArray[np.bool_]:
    votes = study.columns
    is_in = np.ones(len(votes), dtype=np.bool_)
    for model in (wanted.model, wanted.against):
        if model is not None:
            is_in &= (votes.model_a == model) | (votes.model_b == model)
    return is_in


def _has_outcome(study: StudyVotes, wanted: Wanted) -> NDArray[np.bool_]:
    votes = study.columns
    if not wanted.outcome:
        return np.ones(len(votes), dtype=np.bool_)
    if wanted.outcome in {"won", "lost"}:
        if wanted.model is None:
            raise InvalidInputError("Choose the model that won or lost.")
        mine, theirs = (_A, _B) if wanted.outcome == "won" else (_B, _A)
        as_a = (votes.model_a == wanted.model) & (votes.outcome == mine)
        found: NDArray[np.bool_] = as_a | ((votes.model_b == wanted.model) & (votes.outcome == theirs))
        return found
    if wanted.outcome == "decided":
        return np.isin(votes.outcome, (_A, _B))
    if wanted.outcome == "skip":
        return np.asarray(votes.outcome == SKIPPED)
    if wanted.outcome not in {Outcome.TIE, Outcome.BOTH_BAD}:
        raise InvalidInputError(f"{wanted.outcome!r} is no outcome.")
    return np.asarray(votes.outcome == OUTCOMES.index(Outcome(wanted.outcome)))


def _has_said(study: StudyVotes, wanted: Wanted) -> NDArray[np.bool_]:
    """Which rows have a comment if one is wanted, and all the wanted words in one of the wanted places."""
    votes, words = study.columns, split_words(wanted.words)
    is_in = np.ones(len(votes), dtype=np.bool_)
    with database().read() as session:
        if wanted.has_comment:
            is_in &= _is_among(study, explore.list_commented(session, experiment_id=study.experiment_id))
        if not words:
            return is_in
        has_words = np.zeros(len(votes), dtype=np.bool_)
        prompt_set_id = experiments.get_experiment(session, experiment_id=study.experiment_id).prompt_set_id
        is_known = votes.prompt != UNKNOWN
        if wanted.place in {"anywhere", "prompts"} and prompt_set_id is not None:
            has_words |= find_prompts(session, study, prompt_set_id, words)[votes.prompt] & is_known
        if wanted.place in {"anywhere", "outputs"} and prompt_set_id is not None:
            cells = _output_cells(database().url, study.prompts, study.model_ids, prompt_set_id, words, _minute())
            for model in (votes.model_a, votes.model_b):
                has_words |= cells[votes.prompt, model] & is_known
        if wanted.place in {"anywhere", "comments"}:
            commented = explore.list_commented(session, experiment_id=study.experiment_id, words=words)
            has_words |= _is_among(study, commented)
    return is_in & has_words


def split_words(text: str) -> tuple[str, ...]:
    """What was typed into a search field, as words that the database can look for."""
    words = text.replace("\0", " ").split()[:MOST_WORDS]
    return tuple(word for word in words if word.isprintable())


def find_prompts(session: Session, study: StudyVotes, prompt_set_id: UUID, words: Sequence[str]) -> NDArray[np.bool_]:
    """By prompt, and at the end for an unknown one: whether it has all words."""
    found = prompt_search.find_prompt_ids(session, prompt_set_ids=[prompt_set_id], words=words)
    digits = {id_.hex for id_ in found}
    return np.array([prompt in digits for prompt in study.prompts] + [False], dtype=np.bool_)


def _minute() -> int:
    return int(time.time() // _FRESH_S)


@lru_cache(maxsize=4)
def _output_cells(
    _url: str,
    prompts: tuple[str, ...],
    models: tuple[UUID, ...],
    prompt_set_id: UUID,
    words: tuple[str, ...],
    _at: int,
) -> NDArray[np.bool_]:
    """By prompt and model: whether a stored output has all words. Kept a minute, since all texts are read for it."""
    prompt_place = {digits: i for i, digits in enumerate(prompts)}
    model_place = {id_: i for i, id_ in enumerate(models)}
    found = np.zeros((len(prompts) + 1, max(len(models), 1)), dtype=np.bool_)
    with database().read() as session:
        for row in explore.list_output_cells(session, prompt_set_id=prompt_set_id, words=words):
            place = prompt_place.get(row.prompt_id.hex), model_place.get(row.model_id)
            if place[0] is not None and place[1] is not None:
                found[place[0], place[1]] = True
    return found


def _is_among(study: StudyVotes, battles: Sequence[UUID]) -> NDArray[np.bool_]:
    if not battles:
        return np.zeros(len(study.columns), dtype=np.bool_)
    tails = np.sort(np.array([id_.int & (2**64 - 1) for id_ in battles], dtype=np.uint64))
    at = np.searchsorted(tails, study.battle_tails).clip(max=len(tails) - 1)
    return np.asarray(tails[at] == study.battle_tails)


def _cells(study: StudyVotes, wanted: Wanted) -> tuple[NDArray[np.int64], SplitCells]:
    """The votes on the criterion whose prompt is known, as rows, and their cells of prompt and pair."""
    votes = study.columns
    is_in = choose_rows(study, Slice(criterion=wanted.criterion, with_staff=wanted.with_staff))
    rows = np.flatnonzero(is_in & (votes.outcome != SKIPPED) & (votes.prompt != UNKNOWN) & (votes.pair != UNKNOWN))
    cell = votes.pair[rows].astype(np.int64) * len(study.prompts) + votes.prompt[rows]
    return rows, split_cells(cell, votes.outcome[rows], votes.weight[rows])


def _find_checks(study: StudyVotes, wanted: Wanted, page: int) -> Found:
    """Attention checks: they are about no model and no prompt of the study, so filters by these leave none."""
    is_about_models = wanted.model is not None or wanted.against is not None or bool(wanted.tags)
    if is_about_models or wanted.prompt is not None or wanted.words.strip() or wanted.criterion != OVERALL:
        return Found(0, ())
    outcomes = {
        "decided": (Outcome.MODEL_A, Outcome.MODEL_B),
        "tie": (Outcome.TIE,),
        "both_bad": (Outcome.BOTH_BAD,),
    }.get(wanted.outcome)
    last = wanted.until + timedelta(days=1) if wanted.until else None
    with database().read() as session:
        battles, n = explore.list_checks(
            session,
            experiment_id=study.experiment_id,
            rater_id=UUID(study.raters[wanted.rater]) if wanted.rater is not None else None,
            outcomes=outcomes,
            is_skip=wanted.outcome == "skip",
            has_comment=wanted.has_comment,
            with_staff=wanted.with_staff,
            since=_start_of(wanted.since),
            until=_start_of(last),
            order=wanted.order,
            limit=PER_PAGE,
            offset=(max(page, 1) - 1) * PER_PAGE,
        )
    return Found(n, tuple(battles))


def _start_of(day: date | None) -> datetime | None:
    return datetime.combine(day, clock(), tzinfo=UTC) if day else None
