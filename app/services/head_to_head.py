"""Two models of a study, or one against the field: who wins how often, by how much, and how sure that is.

While a study runs only what holds at any time is told: confidence sequences, and no p-value. At its planned end there
are fixed-horizon p-values too. Every number says for how many others like it its error is shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import ExperimentStatus, Identity, Role
from app.errors import InvalidInputError
from app.services import slices
from app.services.chosen_votes import Chosen, choose_votes
from app.services.estimates import FEWEST_RATERS, Estimate, anytime_p_of, corrected, estimated
from app.services.model_labels import model_labels
from app.services.shared_work import Say
from app.services.sign_in import require
from app.services.slices import Slice
from app.services.vote_store import StudyVotes
from app.stats import contrasts
from app.stats.cluster import FEW_CLUSTERS
from app.stats.clustered_share import Share, clustered_share
from app.stats.comparisons import OUTCOMES
from app.stats.contrasts import Contrast
from app.stats.pairwise import benjamini_hochberg
from app.stats.sequential import BURN_IN
from app.stats.sign_test import SignTest, field_sign_test, pair_sign_test
from db import experiments
from db.engine import database

MOST_LOOKS, MOST_DAYS = 30, 60
MANY_VOTES = 200_000  # from which on there are fewer looks, so that a page stays quick
FEWEST_IN_SLICE = 20  # votes; fewer say nothing
FALSE_SHARE = 0.05  # of what is marked as clear among the parts, at most (Benjamini-Hochberg)
_A, _B, _TIE, _BAD = range(len(OUTCOMES))
_ContrastOf = Callable[[NDArray[np.int64]], "NDArray[np.float64] | None"]


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes between the two, or on the one: how they ended, with intervals; ``n_raters`` is 0 where none is known.

    ``is_clustered`` says that the intervals take each rater's votes together.
    """

    n_votes: int
    n_raters: int
    is_clustered: bool
    wins: Share
    losses: Share
    ties: Share
    both_bad: Share


@dataclass(frozen=True, slots=True)
class Look:
    """The difference as it stood at a moment, with what held at any time until then."""

    at: datetime
    n_votes: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Part:
    """The difference in a part of the votes; ``is_clear`` by Benjamini-Hochberg over all parts, as ``q`` at the end."""

    kind: str
    name: str
    n_votes: int
    estimate: Estimate
    is_clear: bool = False
    q: float | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """The study and the question: ``models`` are names; ``opponent`` None is the field.

    ``family`` says for how many comparisons the corrected intervals hold together.
    """

    experiment_id: UUID
    title: str
    key: str
    status: ExperimentStatus
    is_simulated: bool
    prompt_set_id: UUID | None
    models: tuple[str, ...]
    model: str
    opponent: str | None
    champion: str | None
    n_family: int
    family: str

    @property
    def is_at_end(self) -> bool:
        """Whether the planned end was reached, so that fixed-horizon numbers may be told."""
        return self.status == ExperimentStatus.COMPLETED

    @property
    def against(self) -> str:
        """The opponent in words."""
        return self.opponent or "the field"


@dataclass(frozen=True)
class HeadToHead:
    """All that the Compare page says of the votes; ``votes_by`` raters cast all of them, 0 where none is known.

    ``sign`` is the exact test of the votes between the two, told at the planned end only. ``votes_per_day`` is the pace
    of the last seven days, None for a study that takes no votes; ``usual_per_day`` that from the first vote to the
    last, None where no two days are told apart. ``rates_of_all`` are the shares of ties and both-bad in all votes.
    """

    setting: Setting
    tally: Tally
    estimate: Estimate | None
    whole: Contrast | None
    looks: tuple[Look, ...]
    parts: tuple[Part, ...]
    n_too_small: int
    notes: tuple[str, ...]
    votes_by: int
    votes_per_day: float | None
    usual_per_day: float | None
    rates_of_all: tuple[float, float]
    sign: SignTest | None


def find_setting(actor: Identity | None, experiment_id: UUID, model: str, opponent: str | None) -> Setting:
    """What is asked, checked; raises InvalidInputError for a model that the study hasn't got."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        row = experiments.get_experiment(session, experiment_id=experiment_id)
        arms = experiments.list_arms(session, experiment_id=experiment_id)
    labels = model_labels(arms)
    models = tuple(sorted(labels.values()))
    for name in (model, opponent):
        if name is not None and name not in models:
            raise InvalidInputError(f"This study compares no model {name!r}.")
    if model == opponent:
        raise InvalidInputError("A model can't be compared with itself: choose another opponent.")
    champion = next((labels[arm.model_id] for arm in arms if arm.role == "champion"), None)
    m = len(models)
    if opponent is None:
        n_family, family = m, f"all {m:,} models against the field"
    elif champion in (model, opponent):
        n_family, family = m - 1, f"all {m - 1:,} comparisons with the champion, which was named in the plan"
    else:
        n_family = m * (m - 1) // 2
        family = f"all {n_family:,} pairs of models" if n_family > 1 else "the only pair of models"
    return Setting(
        experiment_id,
        row.title,
        row.key,
        ExperimentStatus(row.status),
        row.is_simulated,
        row.prompt_set_id,
        models,
        model,
        opponent,
        champion,
        n_family,
        family,
    )


def compare_models(
    setting: Setting, study: StudyVotes, chosen: Slice, *, now: datetime, say: Say = lambda _share, _doing: None
) -> HeadToHead:
    """All about the two; without votes there is a tally of none and no estimate.

    Raises RankingError where the votes leave no believable fit. Who may ask was checked by ``find_setting``.
    """
    say(0.05, "Choosing the votes")
    picked = choose_votes(study, chosen)
    places = _places(setting, study)
    a, b = places
    contrast = contrasts.field_contrast(a) if b is None else contrasts.pair_contrast(a, b)
    ends, whole, looks = _follow(setting, picked, _told(contrast, say, 0.2, "Following the difference over time"))
    estimate = None if whole is None else estimated(whole, setting.n_family, is_at_end=setting.is_at_end)
    sign = None
    if estimate is not None and setting.is_at_end:
        say(0.5, f"Correcting for {setting.family}")
        champion = None if setting.champion is None else study.models.index(setting.champion)
        estimate = corrected(estimate, picked, places, champion)
        sign = field_sign_test(picked.votes, a) if b is None else pair_sign_test(picked.votes, a, b, champion)
    told = _told(contrast, say, 0.8, "Looking at categories and criteria")
    parts, n_too_small = _parts(setting, study, chosen, picked, told)
    return HeadToHead(
        setting,
        _tally(picked, a, b),
        estimate,
        whole,
        looks,
        parts,
        n_too_small,
        tuple(_notes(setting, picked, whole, ends)),
        picked.votes.n_raters,
        _pace(setting, picked, now),
        _usual_pace(picked),
        _rates(picked),
        sign,
    )


def _places(setting: Setting, study: StudyVotes) -> tuple[int, int | None]:
    a = study.models.index(setting.model)
    return a, None if setting.opponent is None else study.models.index(setting.opponent)


def _told(contrast: _ContrastOf, say: Say, share: float, doing: str) -> _ContrastOf:
    """The same contrast, which says at each use what it is asked for."""

    def asked(codes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        say(share, doing)
        return contrast(codes)

    return asked


def _follow(
    setting: Setting, picked: Chosen, contrast: _ContrastOf
) -> tuple[list[int], Contrast | None, tuple[Look, ...]]:
    """When was looked, the difference after all votes, and what held at each look."""
    n, ends = len(picked.votes), looks_of(picked.voted_at)
    path = contrasts.contrast_path(picked.votes, contrast, ends or [n]) if n else []
    looks = tuple(
        Look(
            picked.voted_at[end - 1].astype("datetime64[us]").item(),
            round(found.n_votes),
            estimated(found, setting.n_family, is_at_end=False),
        )
        for end, found in zip(ends, path, strict=False)
        if found is not None
    )
    return ends, path[-1] if path else None, looks


def looks_of(voted_at: NDArray[np.datetime64]) -> list[int]:
    """After how many votes to look: at the end of each day, or evenly where there are too many or too few days.

    None where all votes carry one moment: they came in a file that doesn't say when they were cast.
    """
    n = len(voted_at)
    if n < 2 or voted_at[0] == voted_at[-1]:
        return []
    days = voted_at.astype("datetime64[D]")
    ends: list[int] = [*(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), n]
    n_looks = MOST_LOOKS * 2 // 3 if n > MANY_VOTES else MOST_LOOKS
    if not 5 <= len(ends) <= (n_looks if n > MANY_VOTES else MOST_DAYS):
        ends = sorted({math.ceil(n * k / n_looks) for k in range(1, n_looks + 1)})
    return ends


def _tally(picked: Chosen, a: int, b: int | None) -> Tally:
    """How the votes between the two ended, seen from the first."""
    is_a = picked.model_a == a
    both = is_a | (picked.model_b == a)
    if b is not None:
        both = (is_a & (picked.model_b == b)) | ((picked.model_a == b) & (picked.model_b == a))
    votes = picked.votes.select(both)
    outcome, is_first = picked.outcome[both], is_a[both]
    won = np.where(is_first, outcome == _A, outcome == _B)
    lost = np.where(is_first, outcome == _B, outcome == _A)
    shares = (
        clustered_share(np.asarray(hit, dtype=np.bool_), votes.weight, votes.cluster)
        for hit in (won, lost, outcome == _TIE, outcome == _BAD)
    )
    return Tally(round(float(votes.weight.sum())), votes.n_raters, votes.cluster is not None, *shares)


def _parts(
    setting: Setting, study: StudyVotes, chosen: Slice, picked: Chosen, contrast: _ContrastOf
) -> tuple[tuple[Part, ...], int]:
    """Each value of each tag and each further criterion, the clear ones marked; and how many had too few votes."""
    found, p_values, n_too_small = [], [], 0
    for kind, name, votes in _divided(study, chosen, picked):
        n = round(float(votes.weight.sum()))
        part = contrasts.contrast_of(votes, contrast) if n >= FEWEST_IN_SLICE else None
        if part is None:
            n_too_small += 1
            continue
        estimate = estimated(part, 1, is_at_end=setting.is_at_end)
        found.append(Part(kind, name, n, estimate))
        p_values.append(estimate.p if estimate.p is not None else anytime_p_of(part))
    q_values = benjamini_hochberg(np.array(p_values)).tolist()
    return tuple(
        replace(part, is_clear=q <= FALSE_SHARE, q=q if setting.is_at_end else None)
        for part, q in zip(found, q_values, strict=True)
    ), n_too_small


def _divided(study: StudyVotes, chosen: Slice, picked: Chosen) -> Iterator[tuple[str, str, contrasts.Votes]]:
    tags = [*slices.list_tags(study), {}]  # the last is for prompts that nobody knows
    fixed = {name for name, _ in chosen.tags}
    for name, values in slices.list_choices(study).tags.items():
        if name in fixed:
            continue
        for value in sorted(values):
            has_it = np.array([own.get(name) == value for own in tags])
            yield name, value, picked.votes.select(has_it[picked.prompt])
    for criterion in study.criteria:
        if criterion != chosen.criterion:
            yield "criterion", criterion, choose_votes(study, replace(chosen, criterion=criterion)).votes


def _notes(setting: Setting, picked: Chosen, whole: Contrast | None, ends: Sequence[int]) -> Iterator[str]:
    n, n_raters = len(picked.votes), picked.votes.n_raters
    if not n:
        return
    if whole is None:
        yield f"No chain of votes links {setting.model} with {setting.against}: their difference can't be told."
    elif whole.is_reduced:
        yield (
            "Some model won or lost everything, so the ratings come from a bias-reduced fit (Firth) with errors per "
            "vote; take them with caution."
        )
    if not n_raters:
        yield "The votes don't say who cast them, so each counts as a person of its own."
    elif n_raters < FEW_CLUSTERS:
        raters = "1 rater" if n_raters == 1 else f"{n_raters} raters"
        yield f"Only {raters} voted, too few to speak about others; intervals take votes as independent."
    if whole is not None and not setting.is_at_end:
        if 0 < n_raters < FEWEST_RATERS:
            yield (
                f"Intervals that hold at any time need {FEWEST_RATERS} raters; there are {n_raters} so far. Until then "
                "nothing can be claimed before the planned end."
            )
        elif whole.n_own < BURN_IN:
            yield f"Intervals that hold at any time begin at {BURN_IN} votes on each of the compared models."
    if not ends and n > 1:
        yield "All votes carry one date, so nothing can be said of how the difference developed."


def _pace(setting: Setting, picked: Chosen, now: datetime) -> float | None:
    """Votes a day over the last seven days, None for a study that takes no votes."""
    if setting.status != ExperimentStatus.RUNNING:
        return None
    week_ago = np.datetime64(now.replace(tzinfo=None), "us") - np.timedelta64(7, "D")
    return float(picked.votes.weight[picked.voted_at > week_ago].sum()) / 7


def _usual_pace(picked: Chosen) -> float | None:
    """Votes a day from the first to the last, if a day or more lies between."""
    if not len(picked.voted_at):
        return None
    days = float((picked.voted_at[-1] - picked.voted_at[0]) / np.timedelta64(1, "D"))
    return float(picked.votes.weight.sum()) / days if days >= 1 else None


def _rates(picked: Chosen) -> tuple[float, float]:
    """The shares of ties and of both-bad in all votes, whoever they are between."""
    weight = picked.votes.weight
    n = float(weight.sum()) or 1.0
    return float(weight[picked.outcome == _TIE].sum()) / n, float(weight[picked.outcome == _BAD].sum()) / n
