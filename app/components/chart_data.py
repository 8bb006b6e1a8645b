"""What the charts of a leaderboard draw, and what each says in words: the same on the page and in a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from app.components.axis import Scale
from app.services.board_history import Point
from app.services.leaderboard import Board

MATRIX, RATINGS, BATTLES, OVER_TIME, PER_DAY = "Who beats whom", "Ratings", "Battles", "Over time", "Votes per day"
MOST_LINES = 8
NO_RATINGS = "This method gives no ratings."
NO_COURSE = "There are too few votes yet, or no ratings by this method, to show how they came to be."
_UNTIMED = "The file that the votes came from doesn't say when they were cast"
_SOME_UNTIMED = "Votes from a file that doesn't say when they were cast"


def list_pairs(board: Board) -> tuple[list[str], dict[str, list[Any]]]:
    """The models with votes in the order of the ranking, and the cells of a matrix of them, whose places are from 1."""
    names = [model.model for model in board.ranking.models if model.n_votes]
    met = board.wins + board.wins.T
    i, j = np.nonzero(met[: len(names), : len(names)])
    votes, won = met[i, j], board.wins[i, j]
    columns = {"row": i + 1, "column": j + 1, "share": np.round(won / votes, 4), "won": won, "votes": votes}
    return names, {name: column.tolist() for name, column in columns.items()}


def say_wins(names: Sequence[str], columns: Mapping[str, list[Any]]) -> str:
    """The pair that met most often."""
    best = max(
        (k for k, (i, j) in enumerate(zip(columns["row"], columns["column"], strict=True)) if i != j),
        key=lambda k: (columns["votes"][k], columns["share"][k]),
    )
    winner, other = names[columns["row"][best] - 1], names[columns["column"][best] - 1]
    share, n = columns["share"][best], columns["votes"][best]
    return (
        f"The pair with the most votes: {winner} won {percent(share)} of {n:,.0f} votes against {other}, "
        "a tie counting half."
    )


def say_battles(names: Sequence[str], columns: Mapping[str, list[Any]]) -> str:
    """How many pairs met, and how often."""
    pairs = [n for n, i, j in zip(columns["votes"], columns["row"], columns["column"], strict=True) if i < j]
    n_all = len(names) * (len(names) - 1) // 2
    return (
        f"{len(pairs):,} of {n_all:,} pairs met; of those, from {min(pairs):,.0f} to {max(pairs):,.0f} votes, "
        f"{sum(pairs) / len(pairs):,.1f} on average."
    )


def percent(share: float) -> str:
    """As the cell says it: browsers round a half up, Python to the even number."""
    return f"{math.floor(100 * round(share, 4) + 0.5)} %"


def list_ratings(board: Board, scale: Scale) -> list[dict[str, Any]]:
    """A row for each rated model, the best first; bounds are None where the method gives none."""
    return [
        {
            "model": row.model,
            "rating": scale.of(row.rating),
            "lower": None if row.lower is None else scale.of(row.lower),
            "upper": None if row.upper is None else scale.of(row.upper),
        }
        for row in board.ranking.models
        if row.rating is not None and row.n_votes
    ]


def say_ratings(board: Board, rows: Sequence[Mapping[str, Any]], scale: Scale) -> str:
    """The highest and the lowest rating."""
    first, last = rows[0], rows[-1]
    level, between = f"{board.ranking.confidence * 100:.0f} %", ""
    if first["lower"] is not None:
        between = f" ({level} interval {scale.write(first['lower'])} to {scale.write(first['upper'])})"
    return (
        f"{first['model']} has the highest rating, {scale.write(first['rating'])}{between}, "
        f"{last['model']} the lowest, {scale.write(last['rating'])}."
    )


def list_lines(board: Board, last: Point, chosen: Sequence[str] = ()) -> list[str]:
    """The models that get a line: the first ones, and in the place of the last of these who was chosen below them."""
    names = [row.model for row in board.ranking.models if row.n_votes]
    below = [name for name in names[MOST_LINES:] if name in chosen and name in last.ratings]
    return names[: MOST_LINES - len(below)] + below


def list_course(points: Sequence[Point], leaders: Sequence[str], scale: Scale) -> list[dict[str, Any]]:
    """A row for each model at each point."""
    return [
        {
            "model": name,
            "votes": point.n_votes,
            "rating": scale.of(point.ratings[name]),
            "day": point.at.strftime("%Y-%m-%d"),
        }
        for point in points
        for name in leaders
        if name in point.ratings
    ]


def list_names(point: Point, rows: Sequence[Mapping[str, Any]], scale: Scale) -> list[dict[str, Any]]:
    """A row for the name of each model beside the last point of its line."""
    drawn = {row["model"] for row in rows}
    last = {name: scale.of(rating) for name, rating in point.ratings.items() if name in drawn}
    return [{"model": name, "votes": point.n_votes, "label": place} for name, place in _apart(last, rows).items()]


def _apart(last: Mapping[str, float], rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Where each name stands beside its line's end: in its height, or so far below the one above that both are read."""
    drawn = [row["rating"] for row in rows]
    gap, above, places = 0.05 * (max(drawn) - min(drawn)), math.inf, {}
    for name, rating in sorted(last.items(), key=lambda item: -item[1]):
        above = places[name] = min(rating, above - gap)
    return places


def say_course(board: Board, points: Sequence[Point]) -> str:
    """What the lines are, and whether the lead changed."""
    leaders = {max(point.ratings, key=lambda name: point.ratings[name]) for point in points}
    led = "The same model led at each of them." if len(leaders) == 1 else f"{len(leaders)} models led at one of them."
    said = f"The ratings after each of {len(points)} stretches of the votes; early points rest on few and swing. {led}"
    said += " The form of the outputs is not held equal here." if board.ranking.covariates else ""
    return said + (f" {_UNTIMED}, so the order is the file's." if _is_untimed(board) else "")


def say_days(board: Board, days: Sequence[tuple[date, int]]) -> str:
    """On how many days votes were cast, and on which most."""
    if _is_untimed(board):
        return f"{_UNTIMED}; all of them stand on the day of its import, {days[0][0].isoformat()}."
    most = max(days, key=lambda item: item[1])
    said = (
        f"Votes on {len(days):,} {'day' if len(days) == 1 else 'days'} (UTC), "
        f"{sum(n for _, n in days) / len(days):,.0f} a day on average; most on {most[0].isoformat()}, {most[1]:,}."
    )
    some = any(one.n_votes and not one.is_timed for one in board.studies)
    return said + (f" {_SOME_UNTIMED} stand on the day of its import." if some else "")


def _is_untimed(board: Board) -> bool:
    """Whether it isn't known of any vote of these studies when it was cast."""
    study = board.study
    return study is not None and not any(part.columns.is_timed for part in study.parts or (study,))
