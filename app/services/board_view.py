"""What somebody may ask of a leaderboard, and the ranking that it makes of a study's votes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import ModuleType

from app.discovery import find_plugins
from app.domain import Ranking
from app.errors import InvalidInputError
from app.services.ranking_options import RankOptions, can_cluster, method_arguments
from app.services.slices import Slice
from app.stats.comparisons import Comparisons
from app.stats.intervals import quantile
from app.stats.vote_columns import VoteColumns

DEFAULT = "bradley_terry"
FEWEST_CLUSTERS = 10  # of raters or prompts, before intervals can be clustered by them
AUTO, PER_VOTE, BY_RATER, BY_PROMPT, BY_BOTH, BOOTSTRAP = "auto", "votes", "raters", "prompts", "both", "bootstrap"
INTERVALS = (AUTO, BY_BOTH, BY_RATER, BY_PROMPT, PER_VOTE, BOOTSTRAP)
_CLUSTERS = {BY_RATER: ("rater",), BY_PROMPT: ("prompt",), BY_BOTH: ("rater", "prompt")}


@dataclass(frozen=True, slots=True)
class View:
    """A leaderboard that somebody asks for.

    ``interval`` is one of ``INTERVALS``; "auto" clusters by raters, prompts or both, where there are ten of them and
    more than models: of fewer clusters than parameters a covariance is singular, and ranks from it mean nothing.
    ``position`` fits an advantage of the left side, ``style`` what the form of the outputs is worth, ``anchor`` names
    the model at zero, ``without_flagged`` leaves raters out whom a check flags.
    """

    method: str = DEFAULT
    interval: str = AUTO
    position: bool = False
    style: bool = False
    anchor: str = ""
    confidence: float = 0.95
    ties: str = "half"
    both_bad: str = "tie"
    without_flagged: bool = False
    slice: Slice = field(default_factory=Slice)


@dataclass(frozen=True)
class Ranked:
    """A ranking, what its intervals were clustered by ("rater", "prompt"), and what to say of it."""

    ranking: Ranking
    clusters: tuple[str, ...]
    notes: tuple[str, ...]


def find_method(method: str) -> ModuleType:
    """The plug-in of a ranking method; raises InvalidInputError for an unknown one."""
    methods = find_plugins("app.ranking")
    if method not in methods:
        raise InvalidInputError(f"There is no ranking method {method!r}. Known: {', '.join(methods)}.")
    return methods[method]


def needs_votes(view: View, method: ModuleType) -> bool:
    """Whether a view asks for each vote and not only for how many of a kind there are."""
    of_method = bool(method.NEEDS_ORDER) or bool(getattr(method, "NEEDS_RATERS", False))
    return of_method or is_resampled(view, method)


def is_resampled(view: View, method: ModuleType) -> bool:
    """Whether the intervals are a bootstrap's, which knows of ratings alone: not of what else is fitted with them."""
    return view.interval == BOOTSTRAP and can_cluster(method) and not (view.position or view.style)


def rank(view: View, comparisons: Comparisons, votes: VoteColumns) -> Ranked:
    """Rank these votes as the view says; RankingError when the method can't answer.

    ``comparisons`` are those of ``votes``, single where ``needs_votes`` says so, with singles where there are
    ``clusters``.
    """
    method = find_method(view.method)
    if view.interval not in INTERVALS:
        raise InvalidInputError(f"There is no interval {view.interval!r}. Known: {', '.join(INTERVALS)}.")
    by = clusters(view, method, votes)
    options = RankOptions(
        method=view.method,
        ties=view.ties,
        both_bad=view.both_bad,
        interval=BOOTSTRAP if is_resampled(view, method) else "sandwich",
        cluster=by,
        position=view.position,
        covariates=comparisons.covariate_names,
        confidence=view.confidence,
    )
    ranking: Ranking = method.rank(comparisons, **method_arguments(options, method, comparisons))
    notes = [*_notes(view, method, votes), *_of_form(ranking, view.confidence)]
    if view.interval == BOOTSTRAP and can_cluster(method) and not is_resampled(view, method):
        notes.append("A bootstrap is for ratings alone, so these intervals are of every vote alone.")
    if view.anchor:
        from app.services.ranking_file import anchored  # noqa: PLC0415 - it reads files by Arrow, 40 MB

        named = {row.model: row for row in ranking.models}
        if view.anchor not in named or named[view.anchor].rating is None:
            notes.append(f"{view.anchor} has no rating here, so the ratings keep their mean as zero.")
        else:
            ranking = replace(ranking, models=tuple(anchored(ranking, view.anchor)))
    return Ranked(ranking, by, tuple(notes))


def _of_form(ranking: Ranking, confidence: float) -> list[str]:
    if not ranking.covariates:
        return []
    z = quantile(confidence, ranking.df)
    worth = (
        f"{one.name} {one.estimate:+.2f} ± {z * one.se:.2f} logits".replace("-", "−") for one in ranking.covariates
    )
    return [
        "Rated with the length and marks of the outputs held equal, another question than which output people prefer. "
        f"What one typical difference in form is worth: {'; '.join(worth)}."
    ]


def clusters(view: View, method: ModuleType, votes: VoteColumns) -> tuple[str, ...]:
    """What the intervals are to be clustered by ("rater", "prompt")."""
    if not can_cluster(method) or view.interval in (PER_VOTE, BOOTSTRAP):
        return ()
    there = votes.n_clusters
    if view.interval == AUTO:
        return tuple(name for name, n in there.items() if n >= max(FEWEST_CLUSTERS, votes.n_models + 1))
    return tuple(name for name in _CLUSTERS[view.interval] if there[name] > 1)


def _notes(view: View, method: ModuleType, votes: VoteColumns) -> list[str]:
    there = votes.n_clusters
    if not can_cluster(method):
        return []
    if view.interval == AUTO:
        left = [name for name, n in there.items() if 0 < n < max(FEWEST_CLUSTERS, votes.n_models + 1)]
        said = {"rater": "by only {} rater{}", "prompt": "on only {} prompt{}"}
        few = [said[name].format(there[name], "" if there[name] == 1 else "s") for name in left]
        return [f"The votes are {' and '.join(few)}; the intervals hold for these alone."] if few else []
    wished = _CLUSTERS.get(view.interval, ())
    lacking = [name for name in wished if there[name] < 2]
    if lacking:
        return [f"Fewer than two {' and '.join(f'{name}s' for name in lacking)} are known, so nothing is clustered so."]
    return []
