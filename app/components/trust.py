"""How far a board can be trusted: what the votes themselves tell about it, each with one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components import quality_tiles, session, tiles
from app.components.axis import SHARE
from app.components.board import counted
from app.components.tiles import Tile
from app.domain import Role
from app.services import board_trust
from app.services.guesses import Guessed
from app.services.leaderboard import Board
from app.services.methods_data import count_in_several
from app.stats.inference import FEW_VOTES
from app.stats.influence import FewestVotes

HEADING = "How far can I trust this?"
POLL_S = 1.0


def show(board: Board, *, with_staff: bool, guessed: Guessed | None = None) -> None:
    """The panel: a heading, a number or word for each check, and what it means; slower checks follow when done."""
    checks = board_trust.ask_checks(board)
    tiles.show(HEADING, [*list_tiles(board, with_staff=with_staff, guessed=guessed), *list_slower(board, checks)])
    if not checks:
        whose = ", for each study on its own" if board.studies else ""
        st.caption(f"Biases, agreement and the fit of so many votes are on the Quality page{whose}.")
    elif any(found is None for found in checks.values()):
        st.fragment(_wait, run_every=POLL_S)(board)


def list_tiles(board: Board, *, with_staff: bool, guessed: Guessed | None = None) -> list[Tile]:
    """What the board itself tells at once."""
    checks = [_connection(board), _fewest(board), _undecided(board), _raters(board), _staff(board, with_staff)]
    if board.left_out[1]:
        checks.append(_left_out(board))
    if board.leaks:
        checks.append(_leaks(board))
    if guessed is not None:
        checks.append(_blinding(guessed))
    return [*_studies(board), *checks]


def _studies(board: Board) -> list[Tile]:
    """That a board is of several studies, and what of each can't be told of all."""
    if not board.studies:
        return []
    n, several = count_in_several(board), "Nobody is known to have voted in two of them."
    if n:
        several = f"{counted(n, 'rater')} voted in several of them and {'is' if n == 1 else 'are'} counted once."
    tiles = [("Studies", f"{len(board.studies)} pooled", f"A model is taken to be as strong in each. {several}")]
    asked = [one.title for one in board.studies if one.design.asks.guess]
    if asked:
        where = f"It is on the board of {' and of '.join(f'“{title}”' for title in asked)} alone"
        tiles.append(("Blinding index", "not pooled", f"{where}: what could be guessed differs from study to study."))
    return tiles


def _wait(board: Board) -> None:
    """Look whether the slower checks are done, and draw the page again when all are."""
    session.require(Role.RESEARCHER)
    checks = board_trust.ask_checks(board)
    if all(found is not None for found in checks.values()):
        st.rerun()
    n_done = sum(found is not None for found in checks.values())
    st.progress(n_done / len(checks), text="Computing: biases, agreement, fit, the footing of the lead ...")


def list_slower(board: Board, checks: Mapping[str, Any]) -> list[Tile]:
    """What the slower checks tell, as far as they are done."""
    found: list[Tile] = []
    if (bias := checks.get("bias")) is not None:
        found += quality_tiles.bias(bias)
    if (agreement := checks.get("agreement")) is not None:
        found += quality_tiles.agreement(agreement, None)
    if (fit := checks.get("fit")) is not None:
        found += quality_tiles.fit(fit)
    if (fewest := checks.get(board_trust.FEWEST)) is not None:
        found.append(_footing(board, fewest))
    return found


def _footing(board: Board, found: FewestVotes | str) -> Tile:
    """On how few votes the lead stands (arXiv 2508.11847)."""
    if isinstance(found, str):
        return "Lead rests on", "unknown", found
    assert board.study is not None  # noqa: S101 - checks are of a board with votes
    leader, rival = board.study.models[found.leader], board.study.models[found.rival]
    said = f"of all votes; without so few, chosen for it, {rival} would lead instead of {leader}."
    return "Lead rests on", counted(found.n_removed, "vote"), f"{SHARE.write(100 * found.share, 2)} {said}"


def _connection(board: Board) -> Tile:
    met = board.wins + board.wins.T
    n = len(board.names)
    n_pairs = n * (n - 1) // 2
    n_met = int((met > 0).sum()) // 2
    groups = {model.component for model in board.ranking.models if model.n_votes}
    if len(groups) > 1:
        return "Connection", f"{len(groups)} groups", "No vote links them, so ranks of two groups can't be compared."
    pairs = (
        f"all {n_pairs:,} pairs met" if n_met == n_pairs else f"{n_met:,} of {counted(n_pairs, 'pair')} met directly"
    )
    return "Connection", "connected", f"Votes link every rated model with every other; {pairs}."


def _fewest(board: Board) -> Tile:
    rated = [model for model in board.ranking.models if model.n_votes]
    least = min(rated, key=lambda model: model.n_votes)
    advice = ", too few for firm intervals" if least.n_votes < FEW_VOTES else ""
    return "Fewest votes", f"{least.n_votes:,}", f"{least.model} has the fewest votes of all rated models{advice}."


def _undecided(board: Board) -> Tile:
    models, n = board.ranking.models, board.ranking.n_votes
    ties, bad = (sum(getattr(model, name) for model in models) / 2 / n for name in ("ties", "both_bad"))
    parts = f"{SHARE.write(100 * ties, 1)} ties and {SHARE.write(100 * bad, 1)} both bad"
    return "Without a winner", SHARE.text(ties + bad), f"{parts}; each counts as half a win for both sides."


def _raters(board: Board) -> Tile:
    if not board.n_raters:
        return "Raters", "unknown", "The votes came from a file that doesn't name who cast them."
    each = round(board.n_votes / board.n_raters)
    shares = board_trust.rater_shares(board)
    more = ""
    if shares is not None and board.n_raters > 1:
        more = (
            f" The busiest gave {SHARE.write(100 * shares.top, 1)} of the votes; "
            f"{shares.n_effective:,.0f} equally busy ones would tell as much."
        )
    return "Raters", f"{board.n_raters:,}", f"{counted(each, 'vote')} each on average; one person is one taste.{more}"


def _staff(board: Board, with_staff: bool) -> Tile:
    n = board.n_staff_votes
    if not n:
        return "Staff votes", "none", "Nobody voted who could see the results."
    if with_staff:
        return "Staff votes", f"{n:,} counted", "They were cast by people who can see the results, so not blind."
    return "Staff votes", f"{n:,} left out", "They were cast by people who can see the results, so not blind."


def _left_out(board: Board) -> Tile:
    n_votes, n_raters = board.left_out
    raters = counted(n_raters, "rater")
    text = f"They are of {raters} who failed attention checks or withdrew; the votes are stored and not counted."
    return "Screened out", f"{counted(n_votes, 'vote')} left out", text


def _leaks(board: Board) -> Tile:
    n = sum(board.leaks.values())
    words = {"kept": "shown as they are", "masked": "masked", "dropped": "dropped", "flagged": "waiting, not shown"}
    became = ", ".join(f"{board.leaks[state]:,} {word}" for state, word in words.items() if board.leaks.get(state))
    named = "output named its maker" if n == 1 else "outputs named their maker"
    return "Named outputs", f"{n:,}", f"{n:,} {named}: {became}."


def _blinding(guessed: Guessed) -> Tile:
    """Bang's index: 0 is what chance gives, 1 that everybody knew who made what."""
    found, n = guessed.overall, guessed.right + guessed.wrong
    told = "Raters could tell models apart" if found.is_unblinded else "No sign that raters could tell models apart"
    most = max(guessed.by_model.items(), key=lambda item: item[1].index)
    known = f" {most[0]} was known best ({most[1].index:+.2f})." if found.is_unblinded else ""
    return (
        "Blinding index",
        f"{found.index:+.2f}",
        f"{told}: {guessed.right:,} of {n:,} {'guess' if n == 1 else 'guesses'} were right, "
        f"{guessed.dont_know:,} said they don't know. 95 % interval {found.lower:+.2f} to {found.upper:+.2f}; 0 is "
        f"chance, 1 is that all know.{known}",
    )
