"""What the methods text says of the votes: whose they are, when they were cast, and what of them isn't counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.domain import Kind
from app.services import slices
from app.services.leaderboard import Board
from app.services.method_words import counted, percent_of, plain
from app.stats.comparisons import OUTCOMES
from app.stats.vote_columns import SKIPPED, VoteColumns

_TIE = 2  # its code among the outcomes


def describe_data(board: Board) -> list[str]:
    """The votes in sentences."""
    if board.sliced is None or not board.n_votes:
        return _whose(board)
    votes = board.sliced.votes.answered()
    said = [*_whose(board), *_period(board), *_spread(board, votes), *_outcomes(votes)]
    return [*said, *_left_out(board), *_slice(board)]


def _whose(board: Board) -> list[str]:
    simulated = "simulated votes, not cast by people," if board.is_simulated else "votes"
    about = f" on the criterion “{plain(board.criterion)}”" if board.criterion else ""
    rated = [row for row in board.ranking.models if row.n_votes]
    models = f"{counted(len(rated), 'model')}{_prompts(board)}"
    have = f"{board.n_votes:,} {simulated}{about}{_raters(board)} on {models}."
    if not board.studies:
        return [f"The study “{plain(board.title)}” has {have}"]
    each = "; ".join(
        f"“{plain(one.title)}” has {counted(one.n_votes, 'vote')}{_raters(own)} on "
        f"{counted(one.votes.n_models, 'model')}{_prompts(own)}"
        for one, own in ((one, board.of_study(one)) for one in board.studies)
    )
    return [
        f"The votes of {len(board.studies)} studies are pooled, {have} Of these, {each}.",
        "A model, a rater (an account), a prompt or a criterion of several studies counts as one, and a model is taken "
        "to be as strong in each of them.",
        *_in_several(board),
    ]


def _in_several(board: Board) -> list[str]:
    n = count_in_several(board)
    return [f"{counted(n, 'rater')} voted in several of them."] if n else []


def count_in_several(board: Board) -> int:
    """How many raters voted in more than one of the studies that a board pools."""
    there = np.zeros(0 if board.study is None else len(board.study.raters), dtype=np.int64)
    for one in board.studies:
        there[: len(one.votes.n_by_rater)] += one.votes.n_by_rater > 0
    return int((there > 1).sum())


def _raters(board: Board) -> str:
    return f" by {counted(board.n_raters, 'rater')}" if board.n_raters else " by raters who are not known"


def _prompts(board: Board) -> str:
    design = board.design
    if board.sliced is None or (design is None and not board.studies):
        return ""
    n = board.sliced.votes.n_clusters["prompt"]
    if design is not None and design.kind == Kind.ARENA:
        return ", which answered prompts that the raters wrote themselves"
    named = f" of the set “{plain(design.prompt_set)}”" if design is not None and design.prompt_set else ""
    return f" and {counted(n, 'prompt')}{named}" if n else ""


def _period(board: Board) -> list[str]:
    """When they were cast; what a pool's files don't say stands among its remarks."""
    if board.last_vote_at is None or board.sliced is None:
        return ["The file that they came from doesn't say when they were cast."] if not board.studies else []
    timed = [one.votes for one in board.studies if one.is_timed and one.n_votes] or [board.sliced.votes.answered()]
    ends = min(votes.voted_at.min() for votes in timed), max(votes.voted_at.max() for votes in timed)
    first, last = (day.astype("datetime64[D]").item() for day in ends)
    return [f"They were cast on {first} (UTC)." if first == last else f"They were cast from {first} to {last} (UTC)."]


def _spread(board: Board, votes: VoteColumns) -> list[str]:
    """How evenly pairs and raters were covered."""
    said = []
    met = (board.wins + board.wins.T)[np.triu_indices(len(board.wins), 1)]
    n_pairs, met = len(met), met[met > 0]
    if n_pairs > 1 and len(met):
        said.append(
            f"{len(met):,} of {n_pairs:,} pairs of models met, with {met.min():,.0f} to {met.max():,.0f} votes each."
        )
    known = votes.rater >= 0
    if board.n_raters > 1:
        each = np.bincount(votes.rater[known], weights=votes.weight[known])
        each = each[each > 0]
        said.append(
            f"A rater cast {each.min():,.0f} to {each.max():,.0f} of them, {np.median(each):,.0f} in the median."
        )
    return said


def _outcomes(votes: VoteColumns) -> list[str]:
    n = votes.weight.sum()
    ties, bad = (votes.weight[votes.outcome == code].sum() for code in (_TIE, len(OUTCOMES) - 1))
    return [f"{percent_of(ties, n)} of the votes are ties and {percent_of(bad, n)} say that both are bad."]


def _left_out(board: Board) -> list[str]:
    """What was stored and isn't counted, with the reason."""
    if board.sliced is None or board.study is None:
        return []
    chosen, all_votes = board.view.slice, board.study.columns
    n_skipped = int(board.sliced.votes.weight[board.sliced.votes.outcome == SKIPPED].sum())
    with_repeats = slices.choose_rows(board.study, replace(chosen, with_repeats=True))
    is_repeat = with_repeats & all_votes.is_repeat & (all_votes.outcome != SKIPPED)
    n_repeats = int(all_votes.weight[is_repeat].sum()) if not chosen.with_repeats else 0
    n_out, raters_out = board.left_out[0], counted(board.left_out[1], "rater")
    reasons = [
        (n_skipped, f"{counted(n_skipped, 'answer')} “can't judge”"),
        (n_repeats, f"{counted(n_repeats, 'repeat')}, which measure how consistent raters are"),
        (
            n_out,
            f"{counted(n_out, 'vote')} of {raters_out} who failed attention checks or withdrew",
        ),
    ]
    if not chosen.with_staff:
        n = board.n_staff_votes
        reasons.append((n, f"{counted(n, 'vote')} of staff, who can see results"))
    named = [text for n, text in reasons if n]
    said = [f"Not counted: {'; '.join(named)}."] if named else []
    if chosen.with_staff and board.n_staff_votes:
        said.append(
            f"{counted(board.n_staff_votes, 'vote')} of staff, who can see results and so are not blind, are counted."
        )
    return said


def _slice(board: Board) -> list[str]:
    chosen = board.view.slice
    parts = [f"prompts with {plain(name)} “{plain(value)}”" for name, value in chosen.tags]
    parts += [f"raters of the group “{plain(chosen.group)}”"] if chosen.group else []
    parts += [f"votes from {chosen.since} on"] if chosen.since else []
    parts += [f"votes up to {chosen.until}"] if chosen.until else []
    parts += [f"all but {counted(len(chosen.without), 'rater')} left out by hand"] if chosen.without else []
    whole = "these studies" if board.studies else "the study"
    said = [f"This is a part of {whole}: {', '.join(parts)}."] if parts else []
    over = f", by checks of their votes in all of {whole}," if board.studies else ""
    return [*said, f"Raters whom a check flags{over} are left out."] if board.view.without_flagged else said
