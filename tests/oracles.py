"""Other people's answers: tables and numbers of tests/data (each names its source), and how to read them."""

from __future__ import annotations

import csv
import json

import numpy as np

from app.domain import Comparison, Outcome
from app.stats.comparisons import Comparisons
from tests.conftest import ROOT

RESULTS = (Outcome.MODEL_A, Outcome.MODEL_B, Outcome.TIE)


def oracle(name):
    return json.loads((ROOT / "tests/data" / f"{name}.json").read_text())


def votes_of(rows):
    """Comparisons of (first, second, votes for the first, for the second[, ties]); the first stood on the left."""
    return Comparisons.from_rows(
        Comparison(first, second, outcome, weight=float(n), left="model_a")
        for first, second, *counts in rows
        for outcome, n in zip(RESULTS, counts, strict=False)
        if n
    )


def games(path, *columns):
    """The same from a CSV file's columns."""
    with path.open() as file:
        return votes_of(
            [row[columns[0]], row[columns[1]], *(float(row[name]) for name in columns[2:])]
            for row in csv.DictReader(file)
        )


def ratings(ranking):
    return {row.model: row.rating for row in ranking.models}


def errors(ranking):
    return {row.model: row.se for row in ranking.models}


def simulated(m, n, *, seed, spread=1.0, position=0.0, tie=0.0, bad=0.0, **columns):
    """``n`` votes on ``m`` models with normal strengths, side known, and the true strengths."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, spread, m)
    theta -= theta.mean()
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    is_left = rng.integers(0, 2, n)
    won = rng.random(n) < 1 / (1 + np.exp(theta[b] - theta[a] - position * (2 * is_left - 1)))
    u = rng.random(n)
    outcome = np.where(u < tie, 2, np.where(u < tie + bad, 3, np.where(won, 0, 1)))
    models = tuple(f"m{i:03}" for i in range(m))
    return Comparisons(models, a, b, outcome, np.ones(n), is_left, **columns), theta


def mirrored(comparisons):
    """The same votes with left and right exchanged: whoever stood on the left now stands on the right."""
    from dataclasses import replace

    return replace(comparisons, a_is_left=np.where(comparisons.a_is_left < 0, -1, 1 - comparisons.a_is_left))
