"""Whether raters could tell which model stood where: Bang's index of the guesses in a file of votes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.formats._vote_table import GUESS_RIGHT, GUESS_UNKNOWN, GUESS_WRONG, VoteTable
from app.stats.blinding import bang_index
from app.stats.comparisons import MISSING, SIDE_UNKNOWN

Result: TypeAlias = dict[str, Any]
SAME_RATERS = "Guesses are taken as independent; where raters guessed several times, the interval is too narrow."


def has_guesses(table: VoteTable) -> bool:
    """Whether a file says anything of guesses: a column ``guess``, or one of a study's with anything in it."""
    by_side = [guess for guess in (table.guess_left, table.guess_right) if guess is not None]
    return table.guess is not None or any((guess != MISSING).any() for guess in by_side)


def describe_blinding(table: VoteTable, notes: list[str]) -> Result | None:
    """Bang's index over all guesses, and by arm: the model that truly stood there. None without guesses.

    A column ``guess`` is about two models, ``guess_left`` and ``guess_right`` are choices from all names of a study.
    """
    left = np.where(table.a_is_left == 0, table.model_b, table.model_a)
    right = np.where(table.a_is_left == 0, table.model_a, table.model_b)
    columns = [(table.guess, left, 2), (table.guess_left, left, table.n_options)]
    columns.append((table.guess_right, right, table.n_options))
    given = [(guess, stood, k) for guess, stood, k in columns if guess is not None and (guess != MISSING).any()]
    if len({k for *_, k in given}) > 1 and table.guess is not None:
        given = given[:1]  # the file's own answer to the question comes first
    if not given:
        notes.append("Nobody was asked for a guess, so blinding can't be examined.")
        return None
    asked = np.concatenate([guess != MISSING for guess, _, _ in given])
    guess = np.concatenate([guess for guess, _, _ in given])[asked]
    weight = np.tile(table.weight, len(given))[asked]
    if (weight != np.round(weight)).any():
        notes.append("Blinding was not examined: some weights are not whole numbers of guesses.")
        return None
    is_known = np.tile(table.a_is_left != SIDE_UNKNOWN, len(given))
    stood = np.where(is_known, np.concatenate([stood for _, stood, _ in given]), MISSING)[asked]
    if table.rater is not None:
        rater = np.tile(table.rater, len(given))[asked]
        known = rater[rater != MISSING]
        if len(np.unique(known)) < len(known):
            notes.append(SAME_RATERS)
    arms, n_options = [], given[0][2]
    for code in np.unique(stood[stood != MISSING]).tolist():
        here = stood == code
        arms.append({"model": table.models[code], **_index(guess[here], weight[here], n_options)})
    return {**_index(guess, weight, n_options), "models": arms}


def _index(guess: NDArray[np.int64], weight: NDArray[np.float64], n_options: int) -> Result:
    right, wrong, unknown = (int(weight[guess == code].sum()) for code in (GUESS_RIGHT, GUESS_WRONG, GUESS_UNKNOWN))
    found = bang_index(right, wrong, unknown, n_options=n_options)
    return {
        "index": found.index,
        "se": found.se,
        "lower": found.lower,
        "upper": found.upper,
        "n": found.n,
        "right": right,
        "wrong": wrong,
        "dont_know": unknown,
        "is_unblinded": found.is_unblinded,
    }
