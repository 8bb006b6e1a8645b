"""The methods section of a paper, from what was computed for a board and nothing else."""

from __future__ import annotations

import math

from app import __version__
from app.domain import ExperimentStatus
from app.services.board_view import find_method, is_resampled
from app.services.leaderboard import Board
from app.services.method_words import (
    cited,
    counted,
    describe_allocation,
    describe_method,
    listed_sources,
    percent_of,
    plain,
)
from app.services.methods_data import describe_data
from app.services.ranking_options import can_cluster
from app.services.study_design import StudyDesign
from app.services.votes_needed import POWER
from app.stats.uncertainty import N_REPLICATES

WITH_TIES = {"davidson", "rao_kupper"}  # methods in which a tie is an outcome of its own
FIRTH = {"bradley_terry", "davidson", "rao_kupper", "both_bad"}
_LEFT, _SECOND = 1, 1  # codes of ``a_is_left`` and of outcomes


def methods_text(board: Board) -> str:
    """How a board came to be, as Markdown: numbers, formulas and, at the end, the sources that it names."""
    parts = [
        ("Data", describe_data(board)),
        *_how_each_was_held(board),
        ("Ratings", _ratings(board)),
        ("Ties", _ties(board)),
        ("Uncertainty", _uncertainty(board)),
        ("Claims", _claims(board)),
        ("When these numbers hold", _horizon(board)),
        ("Remarks of the computation", [plain(note) for note in (*board.notes, *board.ranking.warnings)]),
        ("Software", [f"Computed with Bakeoff {__version__}; its docs/methods.md gives each formula in full."]),
    ]
    paragraphs = [f"**{name}.** {' '.join(sentences)}" for name, sentences in parts if sentences]
    raw = "\n\n".join(paragraphs)
    sources = "\n".join(f"- {source}" for source in listed_sources(raw))
    text = f"# Methods: {plain(board.title)}\n\n{cited(raw)}\n"
    return f"{text}\n## Sources\n\n{sources}\n" if sources else text


# ---------------------------------------------------------------------------------------------- voting and pairs


def _how_each_was_held(board: Board) -> list[tuple[str, list[str]]]:
    """Voting and selection of pairs: of the study, or of each of those that are pooled."""
    if not board.studies:
        return [("Voting", _voting(board)), ("Selection of pairs", _selection(board))]
    parts = []
    for one in board.studies:
        own, name = board.of_study(one), plain(one.title)
        parts += [(f"Voting in “{name}”", _voting(own)), (f"Selection of pairs in “{name}”", _selection(own))]
    return parts


def _voting(board: Board) -> list[str]:
    design = board.design
    if design is None:
        return []
    if design.is_imported:
        said = [
            "The votes were cast elsewhere and imported as a file; whether raters were blind and how sides were "
            "assigned are not known to Bakeoff."
        ]
        return said + _sides(board)
    said = [
        "Raters saw a prompt with two outputs side by side, without any name, number or other sign of the models "
        "behind them, and chose left, right, tie, both bad, or that they can't judge.",
        "The left side went to the model that had had less of it on this prompt, then in this pair, then for this "
        "rater, then by chance.",
    ]
    flow = design.flow
    extras = (
        (flow.consent, "Raters agreed to a text of consent first."),
        (flow.needs_practice, "They went through a practice round with feedback, which isn't counted."),
        (flow.gold_every, f"One battle in {flow.gold_every} was an attention check with a known answer."),
        (flow.most_failed_checks is not None, f"Who failed more than {flow.most_failed_checks} was screened out."),
        (flow.repeat_every, f"One battle in {flow.repeat_every} was repeated with the sides swapped."),
        (design.min_dwell_ms, f"A vote within {design.min_dwell_ms:,} ms of being shown its battle was refused."),
        (design.shows.is_normalised, "All outputs were shown in one flavour of Markdown."),
        (design.asks.guess, "Raters could guess who made an output; the blinding index stands on the board."),
    )
    return said + [text for is_so, text in extras if is_so] + _named_outputs(board) + _sides(board)


def _named_outputs(board: Board) -> list[str]:
    words = {"kept": "shown as they are", "masked": "masked", "dropped": "dropped", "flagged": "not shown"}
    became = ", ".join(f"{board.leaks[state]:,} {word}" for state, word in words.items() if board.leaks.get(state))
    return [f"Outputs that name their maker: {became}."] if became else []


def _sides(board: Board) -> list[str]:
    """How often the side shown first was preferred, in votes with a winner whose sides are known."""
    if board.sliced is None:
        return []
    votes = board.sliced.votes.answered()
    is_told = (votes.a_is_left >= 0) & (votes.outcome <= _SECOND)
    n = int(votes.weight[is_told].sum())
    if not n:
        return []
    is_left = is_told & ((votes.outcome == 0) == (votes.a_is_left == _LEFT))
    n_left = int(votes.weight[is_left].sum())
    return [f"The left side was preferred in {n_left:,} of {n:,} votes with a winner ({percent_of(n_left, n)})."]


def _selection(board: Board) -> list[str]:
    design = board.design
    if design is None or design.is_imported:
        return []
    said = [describe_allocation(design.allocation)]
    if design.allocation != "uniform":
        said.append(
            f"With a share of {100 * design.exploration:.0f} % every pair that could be shown was as likely as every "
            f"other, and as long as a model had fewer than {design.floor_votes:,} votes, only pairs with such a model "
            "were drawn."
        )
    if design.weights and design.allocation == "weighted":
        weights = ", ".join(f"{plain(name)} {weight:g}" for name, weight in design.weights.items())
        said.append(f"Weights other than 1: {weights}.")
    said.append("The probability with which a battle was drawn is stored with each vote (its propensity).")
    if design.n_wanted is not None:
        said.append(
            f"{counted(design.n_wanted, 'vote')} were planned: {design.votes_per_pair:,} for each of "
            f"{counted(design.n_pairs, 'pair')}"
            + (f", at most {design.votes_per_prompt:,} of them on one prompt" if design.votes_per_prompt else "")
            + (f", at most {design.votes_per_rater:,} by one rater" if design.votes_per_rater else "")
            + "."
        )
    return said


# ---------------------------------------------------------------------------------------------- ratings


def _ratings(board: Board) -> list[str]:
    ranking, view = board.ranking, board.view
    said = [describe_method(ranking.method)]
    has_ratings = any(row.rating is not None for row in ranking.models)
    if has_ratings:
        zero = f"{plain(view.anchor)} is the zero of the scale" if _is_anchored(board) else "Ratings sum to zero"
        said.append(f"{zero} in each group of connected models; on the Elo scale a rating is 1000 + 173.7178 θ.")
    if ranking.position is not None:
        said.append(
            "An advantage δ of the side shown first is estimated with the ratings [beaver1977]: "
            f"{ranking.position.estimate:+.3f} logits (standard error {ranking.position.se:.3f})."
        )
    if ranking.covariates:
        worth = ", ".join(f"{one.name} {one.estimate:+.3f} ({one.se:.3f})" for one in ranking.covariates)
        said.append(
            "What the form of two outputs is worth is estimated with the ratings, over the votes whose outputs are "
            "stored: the difference of their lengths and marks, each by its sum and scaled to a root mean square of "
            f"one, in logits (standard error): {worth}."
        )
    if ranking.ties is not None:
        name = {"log_nu": "log ν", "theta": "κ"}.get(ranking.ties.name, ranking.ties.name)
        said.append(f"The estimate of {name} is {ranking.ties.estimate:.3f} (standard error {ranking.ties.se:.3f}).")
    n_groups = len({row.component for row in ranking.models if row.n_votes})
    if n_groups > 1 and (has_ratings or ranking.method == "win_rate"):
        said.append(f"No votes connect {n_groups} groups of models, which are rated apart and can't be compared.")
    endless = [plain(row.model) for row in ranking.models if row.n_votes and not row.bounded]
    if endless and ranking.method in FIRTH:
        said.append(
            f"{', '.join(endless)} won or lost everything that would bound the rating; where that happened, the "
            "maximum of the likelihood times Jeffreys' prior is taken instead, a bias reduction that stays finite "
            "[firth1993]."
        )
    elif ranking.method in FIRTH and has_ratings:
        said.append("All ratings are finite, so no bias reduction was needed.")
    return said


def _is_anchored(board: Board) -> bool:
    zero = next((row for row in board.ranking.models if row.model == board.view.anchor), None)
    return zero is not None and zero.rating == 0.0


def _ties(board: Board) -> list[str]:
    view, method = board.view, board.ranking.method
    if method == "both_bad":
        dropped = " Ties are left out." if view.ties == "drop" else ""
        return [f"All votes count, each as both bad or not.{dropped}"]
    if view.ties == "drop":
        return ["Ties and votes that say both are bad are left out of the fit."]
    if method in WITH_TIES:
        tie = "Ties are an outcome of their own in the model"
    else:
        tie = "A tie counts as half a win for each side"
    return [f"{tie}; a vote that both are bad {'is left out' if view.both_bad == 'drop' else 'counts as a tie'}."]


# ---------------------------------------------------------------------------------------------- uncertainty


def _uncertainty(board: Board) -> list[str]:
    ranking, percent = board.ranking, f"{100 * board.ranking.confidence:g} %"
    if ranking.method == "win_rate":
        return [f"Win rates have Wilson's {percent} intervals [wilson1927], which take votes as independent."]
    if not any(row.se is not None for row in ranking.models):
        return ["The method gives no standard errors and so no intervals."]
    law = f"Student's t with {ranking.df:g} degrees of freedom" if _is_t(board) else "the normal distribution"
    return [*_errors(board), f"Intervals are {percent} intervals of {law}."]


def _is_t(board: Board) -> bool:
    return math.isfinite(board.ranking.df)


def _errors(board: Board) -> list[str]:
    method = board.ranking.method
    if method == "crowd_bt":
        return ["Standard errors are those of the model at the mode of the posterior."]
    if is_resampled(board.view, find_method(method)):
        return [f"Standard errors are from {N_REPLICATES:,} Poisson bootstraps of single votes."]
    if board.clusters and _is_t(board):
        counts = board.sliced.votes.n_clusters if board.sliced else {}
        named = " and ".join(f"{name} ({counts.get(name, 0):,})" for name in board.clusters)
        two_way = (
            "; two-way, the sum of both less that of their crossing [cameron2011]" if len(board.clusters) > 1 else ""
        )
        return [
            f"Standard errors are cluster-robust [huber1967] [liang1986], with votes clustered by {named}{two_way}: "
            "votes of one cluster may depend on each other."
        ]
    return [
        "Standard errors are those of the sandwich over single votes [huber1967], right also where the model isn't, "
        "for votes that are independent."
    ]


def _claims(board: Board) -> list[str]:
    ranking = board.ranking
    if not len(ranking.pairs):
        return ["The method tests no pairs, so nothing is claimed of differences."]
    alpha = 100 * (1 - ranking.confidence)
    is_max_t = can_cluster(find_method(ranking.method))
    how = (
        "the step-down max-T test [romano2005] [hothorn2008], whose critical values come from the joint distribution "
        "of all differences"
        if is_max_t
        else "Holm's step-down [holm1979]"
    )
    n = len(ranking.pairs)
    n_clear = sum(test.p_adjusted <= 1 - ranking.confidence for test in ranking.pairs)
    said = [
        f"All {counted(n, 'difference')} of two models of a group are tested at once by {how}; the chance of any false "
        f"claim is at most {alpha:.3g} %. {n_clear:,} of them are significant.",
        "The rank interval of a model is [1 + number of models significantly above it, number of models less those "
        "significantly below it]; all of them hold together [mogstad2024]. Significance is of differences, not of "
        "intervals that don't overlap.",
    ]
    if board.more_votes is not None and math.isfinite(board.more_votes):
        said.append(
            "The votes that are said to decide are those after which, were the ratings the truth and votes spread as "
            f"so far, the first model is ahead of all others with {100 * POWER:.0f} % power; N votes have the variance "
            "of the present n times n / N."
        )
    return said


def _horizon(board: Board) -> list[str]:
    if not any(row.se is not None for row in board.ranking.models):
        return []
    rule = (
        "Intervals and tests are for a fixed horizon: they hold for one look at the end, which was not chosen because "
        "of the results, and are not corrected for looking earlier."
    )
    if not board.studies:
        return [rule, *_end(board)] if board.design is not None else []
    ends = [f"“{plain(one.title)}”: {' '.join(_end(board.of_study(one)))}" for one in board.studies]
    return [rule, "Which studies are pooled was chosen by hand.", *ends]


def _end(board: Board) -> list[str]:
    design = board.design
    assert design is not None  # noqa: S101 - the board is of one study
    if design.is_imported:
        return ["When and why the voting ended is not known to Bakeoff."]
    hidden = "Results were hidden from everybody until then." if design.shows.hides_results else ""
    return [part for part in (_ending(board, design), hidden) if part]


def _ending(board: Board, design: StudyDesign) -> str:
    planned = "" if design.n_wanted is None else f" of {counted(design.n_wanted, 'planned vote')}"
    if design.status == ExperimentStatus.COMPLETED:
        return f"The study ended when its{planned.removeprefix(' of') or ' votes'} were cast."
    if design.status in (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED):
        return f"The study has not ended: this is a look at {counted(board.n_votes, 'vote')}{planned}."
    why = f": “{plain(design.stop_reason)}”" if design.stop_reason else ""
    return (
        f"The study was stopped by hand before its end was reached, at {counted(board.n_votes, 'vote')}{planned}{why}."
    )
