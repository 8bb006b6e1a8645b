"""Which votes of a study a result looks at: by criterion, prompts' tags, raters, and days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.services.computed import Computed
from app.services.vote_store import StudyVotes
from app.stats.comparisons import Comparisons
from app.stats.vote_columns import SKIPPED, VoteColumns, to_comparisons
from app.study import OVERALL
from db import vote_columns
from db.engine import database

INVITED = "invited"
MOST_VALUES = 50  # of a tag that is offered to slice by; one with more names prompts rather than kinds of them


@dataclass(frozen=True, slots=True)
class Slice:
    """A choice of votes. ``tags`` are (name, value) that a prompt has all of; ``since`` and ``until`` are days in UTC.

    ``group`` is where raters came from (a key of ``Choices.groups``), ``without`` are numbers of raters left out by
    hand. Votes of raters who were screened out or withdrew are never in; repeats only ``with_repeats``.
    """

    criterion: str = OVERALL
    tags: tuple[tuple[str, str], ...] = ()
    group: str = ""
    since: date | None = None
    until: date | None = None
    with_staff: bool = False
    with_repeats: bool = False
    without: tuple[int, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether nothing but the criterion was chosen."""
        return not (self.tags or self.group or self.since or self.until or self.with_staff or self.without)


@dataclass(frozen=True)
class Choices:
    """What can be chosen in a study: each tag with its values and votes, groups of raters with theirs, and the days."""

    criteria: tuple[str, ...]
    tags: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True)
class Sliced:
    """The votes that were chosen, and how many of the study's stand outside of every choice."""

    votes: VoteColumns
    n_staff_votes: int
    left_out: tuple[int, int]  # votes and raters that don't count: screened out, or withdrawn
    ends: tuple[int, ...] = ()  # of the rows of each study, where several are pooled

    @property
    def n_votes(self) -> int:
        """Votes with an outcome."""
        return int(self.votes.weight[self.votes.outcome != SKIPPED].sum())

    @property
    def parts(self) -> list[VoteColumns]:
        """The chosen votes of each study, where several are pooled."""
        return [self.votes.select(slice(start, end)) for start, end in pairwise((0, *self.ends))]


# One result asks several times for its slice, which of a million votes is 40 MB; two are all and a choice of them.
_taken: Computed[Sliced] = Computed(most=2)
_choices: Computed[Choices] = Computed()


def take(study: StudyVotes, chosen: Slice) -> Sliced:
    """The votes of a slice; none may be left. Raises InvalidInputError for a criterion or group that isn't there.

    Of pooled studies, a rater who was screened out of one, or withdrew from it, loses the votes of that one alone.
    """
    left_out = _is_left_out(study)
    return _taken.get(study, (chosen, left_out.tobytes()), lambda: _take(study, chosen, left_out))


def _take(study: StudyVotes, chosen: Slice, left_out_raters: NDArray[np.bool_]) -> Sliced:
    votes = study.columns
    is_asked = votes.criterion == _criterion(study, chosen.criterion)
    is_out = _of_rows(study, left_out_raters)
    is_in = is_asked & ~is_out
    if not chosen.with_repeats:
        is_in &= ~votes.is_repeat
    has_outcome = is_in & (votes.outcome != SKIPPED)
    n_staff = int(votes.weight[has_outcome & votes.is_staff].sum())
    if not chosen.with_staff:
        is_in &= ~votes.is_staff
    is_in &= _matches(study, chosen)
    out = is_asked & is_out & (votes.outcome != SKIPPED)
    left_out = int(votes.weight[out].sum()), len(np.unique(votes.rater[out]))
    ends = tuple(np.cumsum([np.count_nonzero(is_in[rows]) for rows in _rows_of(study)]).tolist()) if study.parts else ()
    return Sliced(votes if is_in.all() else votes.select(is_in), n_staff, left_out, ends)


def choose_rows(study: StudyVotes, chosen: Slice) -> NDArray[np.bool_]:
    """Which rows of the study's columns ``take`` takes, for those who need more of them than their columns."""
    votes = study.columns
    is_in = (votes.criterion == _criterion(study, chosen.criterion)) & ~_of_rows(study, _is_left_out(study))
    if not chosen.with_repeats:
        is_in &= ~votes.is_repeat
    if not chosen.with_staff:
        is_in &= ~votes.is_staff
    return np.asarray(is_in & _matches(study, chosen))


def compare(
    study: StudyVotes, sliced: Sliced, *, single: bool = False, ordered: bool = False, with_singles: bool = False
) -> Comparisons:
    """The votes with an outcome as the maths takes them (``to_comparisons``)."""
    return to_comparisons(sliced.votes, study.models, single=single, ordered=ordered, with_singles=with_singles)


def list_choices(study: StudyVotes, *, criterion: str = OVERALL) -> Choices:
    """What there is to choose from, with the number of votes on this criterion behind each choice."""
    sliced = take(study, Slice(criterion))
    return _choices.get(study, (criterion, sliced.left_out), lambda: _list_choices(study, sliced))


def _list_choices(study: StudyVotes, sliced: Sliced) -> Choices:
    votes = sliced.votes.answered()
    tags: dict[str, Counter[str]] = {}
    n_of_prompt = votes.n_by_prompt.tolist() + [0] * (len(study.prompts) - len(votes.n_by_prompt))
    for place, own in enumerate(_tags(study)):
        for name, value in own.items():
            tags.setdefault(name, Counter())[value] += int(n_of_prompt[place])
    offered = {name: dict(values.most_common()) for name, values in tags.items() if 1 < len(values) <= MOST_VALUES}
    names, group = _groups(study)
    n_by_group = np.zeros(len(names))
    for own, part in zip(group, sliced.parts or (votes,), strict=True):
        n_by_group += np.bincount(own[: len(part.n_by_rater)], weights=part.n_by_rater, minlength=len(names))
    groups = {name: int(n) for name, n in zip(names, n_by_group, strict=True) if n}
    days = (votes.voted_at.min(), votes.voted_at.max()) if len(votes) else (None, None)
    first, last = (None if day is None else day.astype("datetime64[D]").item() for day in days)
    return Choices(study.criteria, offered, groups if len(groups) > 1 else {}, first, last)


def list_tags(study: StudyVotes) -> Sequence[Mapping[str, str]]:
    """The tags of each prompt, in the order of the study's prompts."""
    return _tags(study)


def _matches(study: StudyVotes, chosen: Slice) -> NDArray[np.bool_]:
    votes = study.columns
    is_in = np.ones(len(votes), dtype=np.bool_)
    if chosen.tags:
        is_in &= has_tags(study, chosen.tags)[votes.prompt]
    if chosen.group:
        names, group = _groups(study)
        if chosen.group not in names:
            raise InvalidInputError(f"No rater of this study came from {chosen.group!r}. Known: {', '.join(names)}.")
        is_asked = np.zeros((len(group), len(study.raters) + 1), dtype=np.bool_)
        is_asked[:, :-1] = group == names.index(chosen.group)
        is_in &= _of_rows(study, is_asked)
    if chosen.since is not None:
        is_in &= votes.voted_at >= np.datetime64(chosen.since, "us")
    if chosen.until is not None:
        is_in &= votes.voted_at < np.datetime64(chosen.until + timedelta(days=1), "us")
    if chosen.without:
        is_in &= ~np.isin(votes.rater, np.array(chosen.without))
    return is_in


def has_tags(study: StudyVotes, tags: tuple[tuple[str, str], ...]) -> NDArray[np.bool_]:
    """Whether each prompt has all these tags, by code; the last entry is for unknown prompts."""
    wanted = dict(tags).items()
    return np.array([wanted <= own.items() for own in _tags(study)] + [False])


def _criterion(study: StudyVotes, criterion: str) -> int:
    """Its code; of one without any vote yet, a code that no vote has."""
    return study.criteria.index(criterion) if criterion in study.criteria else len(study.criteria)


def _rows_of(study: StudyVotes) -> list[slice]:
    """The rows of each study whose votes these are."""
    if not study.parts:
        return [slice(len(study.columns))]
    return [slice(start, end) for start, end in pairwise(accumulate((len(p.columns) for p in study.parts), initial=0))]


def _of_rows(study: StudyVotes, by_rater: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For each row what is said of its rater in its study, of shape (studies, raters + 1)."""
    rater = study.columns.rater
    found = [own[rater[rows]] for own, rows in zip(by_rater, _rows_of(study), strict=True)]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _is_left_out(study: StudyVotes) -> NDArray[np.bool_]:
    """By study and rater, and at the end for unknown raters."""
    found = np.zeros((len(study.experiment_ids), len(study.raters) + 1), dtype=np.bool_)
    with database().read() as session:
        for own, experiment_id in zip(found, study.experiment_ids, strict=True):
            if out := {id_.hex for id_ in vote_columns.list_left_out(session, experiment_id=experiment_id)}:
                own[:-1] = [rater in out for rater in study.raters]
    return found


def _tags(study: StudyVotes) -> Sequence[Mapping[str, str]]:
    """By prompt; a prompt that votes are about doesn't change any more."""
    return _tags_of(database().url, study.prompts)


@lru_cache(maxsize=8)
def _tags_of(_url: str, prompts: tuple[str, ...]) -> Sequence[Mapping[str, str]]:
    with database().read() as session:
        tags = vote_columns.list_tags(session, prompt_ids=[UUID(prompt) for prompt in prompts])
    return [tags.get(UUID(prompt), {}) for prompt in prompts]


def _groups(study: StudyVotes) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The groups' names, and by study and rater the place among them: the panel, or how else they came to it."""
    with database().read() as session:
        listed = [vote_columns.list_groups(session, experiment_id=id_) for id_ in study.experiment_ids]
    names = tuple(sorted({*(panel for found in listed for panel in found.values()), INVITED}))
    group = np.full((len(listed), len(study.raters)), names.index(INVITED), dtype=np.int64)
    place = {rater: i for i, rater in enumerate(study.raters)} if any(listed) else {}
    for own, found in zip(group, listed, strict=True):
        for rater, panel in found.items():
            if rater.hex in place:
                own[place[rater.hex]] = names.index(panel)
    return names, group
