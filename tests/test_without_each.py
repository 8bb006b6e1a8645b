"""The board without each rater: the one step of many raters against fits of the others' votes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Comparison, Outcome
from app.stats.comparisons import Comparisons
from app.stats.influence import leave_one_rater_out
from app.stats.leave_out import half_wins, largest_part, rows_by_rater
from app.stats.raters import median_by_rater
from app.stats.without_each import WithoutEach


def many_votes(
    rng: np.random.Generator, n_raters: int, each: int, m: int = 6, spread: float = 0.7
) -> tuple[Comparisons, np.ndarray]:
    theta = rng.normal(0, spread, m)
    a = rng.integers(0, m, n_raters * each)
    b = (a + rng.integers(1, m, len(a))) % m
    won = rng.random(len(a)) < 1 / (1 + np.exp(theta[b] - theta[a]))
    outcome = np.where(rng.random(len(a)) < 0.2, rng.integers(2, 4, len(a)), np.where(won, 0, 1))
    weight = rng.integers(1, 3, len(a)).astype(float)
    rater = rng.permutation(np.repeat(np.arange(n_raters), each))
    return Comparisons(tuple("abcdefghij"[:m]), a, b, outcome, weight, np.ones(len(a), dtype=int)), rater


def by_fits(comparisons: Comparisons, rater: np.ndarray) -> np.ndarray:
    """Each rater's votes left out of the table, and the rest fitted from nothing."""
    found = []
    for name in np.unique(rater):
        halves = half_wins(comparisons, np.flatnonzero(rater != name))
        found.append(largest_part(halves, np.zeros(len(halves))))
    return np.array(found)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_step_is_as_good_as_a_fit_where_it_stands_for_one(seed: int) -> None:
    comparisons, rater = many_votes(np.random.default_rng(seed), n_raters=300, each=20)
    boards = WithoutEach(comparisons, rows_by_rater(comparisons, rater))
    parts = list(boards.all())
    theta = np.concatenate([part.theta for part in parts])
    is_exact = np.concatenate([part.is_exact for part in parts])
    expected = by_fits(comparisons, rater)
    moved = np.abs(expected - boards.theta).max(axis=1)
    error = np.abs(theta - expected).max(axis=1)
    assert (~is_exact).mean() > 0.9
    assert (error < 0.02 * moved).all()
    assert error[is_exact] == pytest.approx(0, abs=1e-8)


def test_the_boards_in_parts_are_the_boards_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    comparisons, rater = many_votes(np.random.default_rng(2), n_raters=50, each=30)
    boards = WithoutEach(comparisons, rows_by_rater(comparisons, rater))
    (whole,) = boards.all()
    monkeypatch.setattr("app.stats.without_each.NUMBERS_AT_ONCE", 7 * 6)
    parts = list(boards.all())
    assert [part.first for part in parts] == list(range(0, 50, 7))
    assert np.concatenate([part.theta for part in parts]) == pytest.approx(whole.theta)


def test_who_alone_holds_the_board_together_is_left_out_by_a_fit() -> None:
    """Rater 0 cast the only vote that model g lost, rater 1 the only ones on h; 400 others made the rest."""
    comparisons, rater = many_votes(np.random.default_rng(3), n_raters=400, each=30)
    rows = [(6, 0, 0)] * 40 + [(6, 0, 1)] + [(7, 0, 0), (7, 0, 1)]
    who = [r % 400 for r in range(5, 45)] + [0] + [1, 1]
    a, b, outcome = (np.array(column) for column in zip(*rows, strict=True))
    more = Comparisons(
        tuple("abcdefgh"),
        np.concatenate([comparisons.model_a, a]),
        np.concatenate([comparisons.model_b, b]),
        np.concatenate([comparisons.outcome, outcome]),
        np.concatenate([comparisons.weight, np.ones(len(rows))]),
        np.ones(len(comparisons) + len(rows), dtype=int),
    )
    names = np.concatenate([rater, who])
    (found,) = WithoutEach(more, rows_by_rater(more, names)).all()
    assert found.is_exact[:2].all()
    assert found.is_exact.mean() < 0.3
    expected = by_fits(more, names)
    assert found.theta[:2] == pytest.approx(expected[:2], abs=1e-8, nan_ok=True)
    assert np.isnan(found.theta[1, 7])
    assert np.isfinite(found.theta[0]).all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_leader_without_each_rater_is_the_leader_of_a_fit(seed: int) -> None:
    """Two models that are about level, so that many raters decide between them."""
    rng = np.random.default_rng(seed)
    comparisons, rater = many_votes(rng, n_raters=200, each=15, m=3, spread=0.0)
    found = leave_one_rater_out(comparisons, rater)
    expected = by_fits(comparisons, rater)
    gaps = expected[:, found.leader] - np.delete(expected, found.leader, axis=1).max(axis=1)
    assert found.changes_leader.tolist() == (gaps < -1e-8).tolist()
    moved = np.abs(gaps - found.gap)
    full = largest_part(half_wins(comparisons), np.zeros(3))
    assert (np.abs(found.gap_without - gaps) <= 0.02 * np.abs(expected - full).max(axis=1)).all()
    assert found.is_exact[np.argsort(-moved)[:10]].all(), "those who move it most are fitted"


def test_a_rater_of_two_groups_of_models_may_leave_the_smaller_the_larger_one() -> None:
    rows = [Comparison("x", "y", outcome) for outcome in (Outcome.MODEL_A, Outcome.MODEL_B) * 3]
    rows += [Comparison("u", "v", outcome) for outcome in (Outcome.MODEL_A, Outcome.MODEL_B) * 2]
    comparisons, rater = Comparisons.from_rows(rows), np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 3])
    (found,) = WithoutEach(comparisons, rows_by_rater(comparisons, rater)).all()
    assert np.isfinite(found.theta[0]).tolist() == [True, True, False, False]
    assert np.isfinite(found.theta[2]).tolist() == [False, False, True, True]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_medians_by_rater_are_numpys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    rater = np.concatenate([[0, 1], rng.integers(0, 6, n - 2)])
    values = np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 9, n).astype(float))
    zeros = np.zeros(n, dtype=int)
    comparisons = Comparisons(("x", "y"), zeros, zeros + 1, zeros, np.ones(n), zeros)
    found, n_known = median_by_rater(values, rows_by_rater(comparisons, rater))
    for place, name in enumerate(np.unique(rater)):
        known = values[(rater == name) & np.isfinite(values)]
        assert n_known[place] == len(known)
        assert found[place] == pytest.approx(np.median(known) if len(known) else np.nan, nan_ok=True)
