"""`bakeoff rank`: from a file of votes to the result that it prints, the numbers in plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from app.domain import ModelRating, Ranking
from app.errors import BadFileError, InvalidInputError
from app.formats._vote_table import VoteTable, read_vote_table
from app.services.board_claims import (
    FEWEST_CLUSTERS,
    against_champion,
    find_tiers,
    marginal_ranks,
    quasi_errors,
    whether_to_stop,
)
from app.services.ranking_fit import describe_fit
from app.services.ranking_options import CLUSTERS, RankOptions, can_cluster, find_method, method_arguments
from app.stats.comparisons import MISSING, Comparisons
from app.stats.covariates import contrast
from app.stats.intervals import quantile
from app.stats.sequential import BURN_IN, anytime_p, normal_log_evidence, variance_behind
from app.stats.stopping import ROPE

ELO_PER_LOGIT = 400 / math.log(10)
ELO_ZERO = 1000.0
ODD_FIT = 0.01
Result: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class FileRanking:
    """A ranking of a file: what the method found, with all warnings, and the options that it was asked with."""

    ranking: Ranking
    options: RankOptions
    fit: dict[str, Any] = field(default_factory=dict)


def rank_file(path: Path, options: RankOptions) -> FileRanking:
    """Rank the models of a file of votes.

    Raises ``BadFileError`` naming each bad row, ``InvalidInputError`` for options or votes that make no sense,
    ``RankingError`` where no believable number exists.
    """
    method = find_method(options)
    try:
        table = read_vote_table(path.read_bytes(), covariates=options.covariates, with_staff=options.with_staff)
    except BadFileError as error:
        raise BadFileError(error.problems, undone="Nothing was ranked.") from None
    _check_votes(table, options)
    warnings = _warnings(table, options, method)
    if options.position and not table.has_sides:
        table = replace(table, a_is_left=np.ones_like(table.a_is_left))
    comparisons = to_comparisons(table)
    ranking: Ranking = method.rank(comparisons, **method_arguments(options, method, comparisons))
    _check_anchor(ranking, options)
    fit = describe_fit(comparisons)
    if fit and fit["df"] and fit["p"] < ODD_FIT:
        warnings.append(
            f"One strength per model does not describe these votes well (G2 {fit['g2']:.1f} on {fit['df']} degrees of "
            f"freedom, p {fit['p']:.2g}); the ranking is an average over comparisons that disagree."
        )
    return FileRanking(replace(ranking, warnings=(*ranking.warnings, *warnings)), options, fit)


def to_comparisons(table: VoteTable) -> Comparisons:
    """The table as the maths takes it, with raters, prompts and covariates as far as ``Comparisons`` holds them."""
    known = {field.name for field in fields(Comparisons)}
    extra: dict[str, Any] = {"rater": table.rater, "prompt": table.prompt}
    if table.covariates:
        contrasts = [contrast(*pair) for pair in table.covariates.values()]
        extra |= {"covariates": np.column_stack(contrasts), "covariate_names": tuple(table.covariates)}
    return Comparisons(
        models=table.models,
        model_a=table.model_a,
        model_b=table.model_b,
        outcome=table.outcome,
        weight=table.weight,
        a_is_left=table.a_is_left,
        ordered=bool((table.weight == 1).all()),
        **{name: value for name, value in extra.items() if name in known},
    )


def _check_votes(table: VoteTable, options: RankOptions) -> None:
    if not len(table):
        staff = " --with-staff counts those of staff." if table.n_staff else ""
        raise InvalidInputError(
            f"No vote in this file counts: all were replaced by later ones, are of people left out, or have weight 0."
            f"{staff}"
        )
    for name in options.cluster:
        if getattr(table, name) is None:
            raise InvalidInputError(f"--cluster {name} needs a column {name}, which the file doesn't have.")


def _warnings(table: VoteTable, options: RankOptions, method: ModuleType) -> list[str]:
    found = []
    if table.n_staff:
        found.append(
            f"{table.n_staff:,} votes of staff, who may know the models, are left out, as on the Leaderboard; "
            "--with-staff counts them."
        )
    if (table.weight != np.round(table.weight)).any():
        found.append(
            "Some weights are not whole numbers. A weight counts as so many votes; standard errors rest on that."
        )
    if method.NEEDS_ORDER:
        found.append("The votes are taken in the order of the rows of the file; another order gives other ratings.")
    if options.position and not table.has_sides:
        found.append("The file does not say who stood on the left; model_a is taken as the side shown first.")
    for name in options.cluster:
        if n_missing := float(table.weight[getattr(table, name) == MISSING].sum()):
            found.append(f"{n_missing:,.10g} votes have no {name}; each is taken as having one of its own.")
    named = [name for name in CLUSTERS if getattr(table, name) is not None]
    if named and can_cluster(method) and not options.cluster and options.interval == "sandwich":
        found.append(
            f"Intervals take every vote as independent. The file names each vote's {' and '.join(named)}; with "
            f"--cluster {','.join(named)} they hold as well where votes of one resemble each other."
        )
    return found


def _check_anchor(ranking: Ranking, options: RankOptions) -> None:
    if options.anchor is None:
        return
    row = next((row for row in ranking.models if row.model == options.anchor), None)
    if row is None:
        raise InvalidInputError(f"--anchor {options.anchor!r} is no model of this file.")
    if row.rating is None:
        raise InvalidInputError(f"--anchor {options.anchor!r} has no rating by {ranking.method}.")


# ------------------------------------------------------------------------------------------------ the result


def to_result(found: FileRanking, *, with_pairs: bool = True) -> Result:
    """The result as `bakeoff rank --json` prints it; its numbers are on the scale that was asked for.

    Ratings sum to zero (1000 on the Elo scale: have this mean) in each component. With an anchor, that of its component
    are differences to it, with the errors of these differences. Errors, differences and bounds of pairs are on the
    same scale; effects of position, ties and covariates are in logits.
    """
    ranking, options = found.ranking, found.options
    scale = ELO_PER_LOGIT if options.scale == "elo" else 1.0
    zero = ELO_ZERO if options.scale == "elo" else 0.0
    steps = find_tiers(ranking)
    rows = anchored(ranking, options.anchor)
    position, ties = getattr(ranking, "position", None), getattr(ranking, "ties", None)
    warnings = list(ranking.warnings)
    if options.sequential and ranking.df < FEWEST_CLUSTERS - 1:
        warnings.append(f"Below {FEWEST_CLUSTERS} clusters no p-value holds at any time, so all of them are 1.")
    if options.anchor is not None and not ranking.connected:
        warnings.append("The anchor moves only the models that votes connect with it; the others sum to zero by group.")
    claims = _claims(ranking, options, scale)
    warnings += claims.pop("warnings")
    more = claims.pop("models")
    return {
        "method": ranking.method,
        "n_votes": ranking.n_votes,
        "n_models": len(ranking.models),
        "connected": ranking.connected,
        "components": [list(group) for group in ranking.components],
        "confidence": ranking.confidence,
        "log_likelihood": ranking.log_likelihood,
        "models": [_model(row, scale, zero, steps.get(row.model)) | more.get(row.model, {}) for row in rows],
        "position": position and {"estimate": position.estimate, "se": position.se},
        "ties": ties and {ties.name: ties.estimate, "se": ties.se},
        "covariates": [
            {"name": effect.name, "estimate": effect.estimate, "se": effect.se}
            for effect in getattr(ranking, "covariates", ())
        ],
        "pairs": _pairs(ranking, scale, sequential=options.sequential) if with_pairs else [],
        "fit": found.fit,
        "warnings": warnings,
        **claims,
    }


def _claims(ranking: Ranking, options: RankOptions, scale: float) -> Result:
    """What was asked for beyond the table: keys of their own, keys of "models" by model, and warnings."""
    found: Result = {"models": {}, "warnings": []}
    rope = ROPE if options.rope is None else options.rope
    if options.champion is not None:
        found["champion"] = against_champion(ranking, options.champion, rope=rope, scale=scale)
    if options.champion is not None or options.rope is not None or options.budget is not None:
        found["stopping"] = whether_to_stop(ranking, options.champion, rope=rope, budget=options.budget)
    if options.marginal:
        ranks = marginal_ranks(ranking)
        for row in ranking.models:
            lower, upper = ranks.get(row.model, (None, None))
            found["models"][row.model] = {"marginal_rank_lower": lower, "marginal_rank_upper": upper}
    if options.quasi:
        errors, found["quasi"], found["warnings"] = quasi_errors(ranking, scale)
        for row in ranking.models:
            found["models"][row.model] = {**found["models"].get(row.model, {}), "quasi_se": errors.get(row.model)}
    return found


def _model(row: ModelRating, scale: float, zero: float, tier: int | None) -> Result:
    def scaled(x: float | None, origin: float = 0.0) -> float | None:
        return None if x is None else origin + scale * x

    return {
        "model": row.model,
        "rating": scaled(row.rating, zero),
        "se": scaled(row.se),
        "lower": scaled(row.lower, zero),
        "upper": scaled(row.upper, zero),
        "rank": row.rank,
        "rank_lower": row.rank_lower,
        "rank_upper": row.rank_upper,
        "tier": tier,
        "n_votes": row.n_votes,
        "wins": row.wins,
        "losses": row.losses,
        "ties": row.ties,
        "both_bad": row.both_bad,
        "bounded": row.bounded,
    }


def _pairs(ranking: Ranking, scale: float, *, sequential: bool) -> list[Result]:
    z = quantile(ranking.confidence, ranking.df)
    anytime = _anytime(ranking) if sequential else [None] * len(ranking.pairs)
    return [
        {
            "model_a": pair.model_a,
            "model_b": pair.model_b,
            "difference": scale * pair.difference,
            "se": scale * pair.se,
            "p": pair.p,
            "p_adjusted": pair.p_adjusted,
            "p_anytime": p_anytime,
            "lower": scale * (pair.difference - z * pair.se),
            "upper": scale * (pair.difference + z * pair.se),
        }
        for pair, p_anytime in zip(ranking.pairs, anytime, strict=True)
    ]


def _anytime(ranking: Ranking) -> list[float]:
    """p-values of each pair that hold however often one looks (``sequential``); 1 while there are too few votes.

    Too few are fewer than ``BURN_IN`` of a model, or fewer than ``FEWEST_CLUSTERS`` clusters.
    """
    if ranking.df < FEWEST_CLUSTERS - 1:
        return [1.0] * len(ranking.pairs)
    n_votes = {row.model: row.n_votes for row in ranking.models}
    few = np.array([min(n_votes[pair.model_a], n_votes[pair.model_b]) < BURN_IN for pair in ranking.pairs], np.bool_)
    p = np.array([pair.p for pair in ranking.pairs])
    difference = np.array([pair.difference for pair in ranking.pairs])
    variance = np.where(few, np.inf, variance_behind(difference, p))
    return [float(found) for found in np.maximum(anytime_p(normal_log_evidence(difference, variance)), p)]


def anchored(ranking: Ranking, anchor: str | None) -> list[ModelRating]:
    """The rows; those of the anchor's component as differences to it."""
    if anchor is None:
        return list(ranking.models)
    base = next(row for row in ranking.models if row.model == anchor)
    errors = {
        pair.model_b if pair.model_a == anchor else pair.model_a: pair.se
        for pair in ranking.pairs
        if anchor in (pair.model_a, pair.model_b)
    }
    errors[anchor] = 0.0
    z = quantile(ranking.confidence, ranking.df)
    rows = []
    for row in ranking.models:
        if row.component != base.component or row.rating is None or base.rating is None:
            rows.append(row)
            continue
        rating, se = row.rating - base.rating, errors.get(row.model) if row.se is not None else None
        bounds = (None, None) if se is None else (rating - z * se, rating + z * se)
        rows.append(replace(row, rating=rating, se=se, lower=bounds[0], upper=bounds[1]))
    return rows
