"""A board as a CSV file: every number of its table, unrounded enough to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from app.formats._csv import guarded
from app.services.board_claims import find_tiers
from app.services.leaderboard import Board, ModelCard

COLUMNS = (
    "group",
    "rank",
    "rank_lower",
    "rank_upper",
    "tier",
    "model",
    "version",
    "organisation",
    "licence",
    "rating_logits",
    "standard_error",
    "lower",
    "upper",
    "is_bounded",
    "win_rate",
    "both_bad_rate",
    "n_votes",
    "wins",
    "losses",
    "ties",
    "both_bad",
)
PAIR_COLUMNS = ("model", "opponent", "n_votes", "won", "share")


def write_board(board: Board) -> str:
    """The models in the order of the board; ratings, errors and bounds in logits, empty where there is none.

    ``tier`` is the model's step by ``rank_sets.tiers``, 1 for the best, where the method tests differences.
    A board that pools studies names them (their keys) in a last column.
    """
    rows: list[list[object]] = []
    steps = find_tiers(board.ranking)
    for model in board.ranking.models:
        card = board.cards.get(model.model, ModelCard("", "", ""))
        names = [guarded(text) for text in (model.model, card.version, card.organisation, card.licence)]
        numbers = [model.rating, model.se, model.lower, model.upper]
        shares = [model.win_rate, model.both_bad_rate]
        place = [model.component + 1, model.rank, model.rank_lower, model.rank_upper, steps.get(model.model)]
        tallies = [model.n_votes, model.wins, model.losses, model.ties, model.both_bad]
        estimates = [*map(_rounded, numbers), int(model.bounded), *map(_rounded, shares)]
        rows.append([*place, *names, *estimates, *tallies])
    return _to_csv(COLUMNS, rows, board)


def write_pairs(board: Board) -> str:
    """Each model against each opponent that it met: the votes between the two, those won (ties half), and the share."""
    rows: list[list[object]] = []
    for i, name in enumerate(board.names):
        for j, opponent in enumerate(board.names):
            if n := float(board.wins[i, j] + board.wins[j, i]):
                won = float(board.wins[i, j])
                rows.append([guarded(name), guarded(opponent), f"{n:g}", f"{won:g}", _rounded(won / n)])
    return _to_csv(PAIR_COLUMNS, rows, board)


def write_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """The numbers behind a chart; each row has the same names."""
    cells = [[guarded(value) if isinstance(value, str) else value for value in row.values()] for row in rows]
    return _to_csv(tuple(rows[0]), cells)


def _rounded(x: float | None) -> str:
    return "" if x is None else f"{x:.6g}"


def _to_csv(header: tuple[str, ...], rows: list[list[object]], board: Board | None = None) -> str:
    if board is not None and board.studies:
        pooled = " ".join(one.key for one in board.studies)
        header, rows = (*header, "studies"), [[*row, pooled] for row in rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
