"""Both-bad as a board of its own, against a dense logistic regression and its graph of who can be compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from app.domain import Comparison, Outcome
from app.ranking import both_bad
from app.stats.comparisons import Comparisons
from app.stats.quality import comparable_groups, double_cover, unbounded_qualities
from tests.oracles import ratings, simulated

PROPERTY = settings(max_examples=40, deadline=None)


def judged(cells, models=()):
    """Comparisons from (model, model, both-bad votes, other votes)."""
    rows = []
    for a, b, bad, others in cells:
        rows += [Comparison(a, b, Outcome.BOTH_BAD, weight=float(bad))] * (bad > 0)
        rows += [Comparison(a, b, Outcome.MODEL_A, weight=float(others))] * (others > 0)
    return Comparisons.from_rows(rows, models=models)


def with_true_quality(m, n, *, seed, a=-1.0):
    comparisons, _ = simulated(m, n, seed=seed)
    rng = np.random.default_rng(seed + 1)
    quality = np.linspace(-0.8, 0.8, m)
    bad = rng.random(n) < expit(a - quality[comparisons.model_a] - quality[comparisons.model_b])
    comparisons.outcome[bad] = 3
    return comparisons, quality


@PROPERTY
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=6, max_size=6))
def test_the_qualities_equal_a_dense_logistic_regression(counts):
    """With an intercept and one column per model but the last, four models that all met."""
    pairs = [(i, j) for i in range(4) for j in range(i)]
    comparisons = judged([(f"m{i}", f"m{j}", *count) for (i, j), count in zip(pairs, counts, strict=True)])
    design = np.array([[1.0, *(-np.eye(4)[i] - np.eye(4)[j])[:3]] for i, j in pairs])
    design[:, 1:] -= np.array([-np.eye(4)[i] - np.eye(4)[j] for i, j in pairs])[:, 3:]  # q4 = -(q1 + q2 + q3)
    bad, total = np.array([count[0] for count in counts]), np.array([sum(count) for count in counts])
    beta = np.zeros(4)
    for _ in range(50):
        p = expit(design @ beta)
        hessian = design.T @ (design * (total * p * (1 - p))[:, None])
        beta = beta + np.linalg.solve(hessian, design.T @ (bad - total * p))
    assume(np.abs(beta).max() < 8)
    ranking = both_bad.rank(comparisons)
    assert [ratings(ranking)[f"m{i}"] for i in range(3)] == pytest.approx(beta[1:], abs=1e-7)
    p = expit(design @ beta)
    meat = design.T @ (design * (bad * (1 - p) ** 2 + (total - bad) * p**2)[:, None])
    bread = np.linalg.inv(hessian)
    se = np.sqrt(np.diag(bread @ meat @ bread))[1:]
    assert [row.se for row in sorted(ranking.models, key=lambda row: row.model)][:3] == pytest.approx(se, rel=1e-5)


def test_true_qualities_are_found_and_the_intervals_cover():
    """40 boards of 3,000 votes: binomial bounds for 95 % of 240 intervals are 215 to 238 (p = 0.001 each side)."""
    hits = 0
    for seed in range(40):
        comparisons, quality = with_true_quality(6, 3000, seed=seed)
        for row in both_bad.rank(comparisons).models:
            hits += row.lower <= quality[int(row.model[1:])] <= row.upper
    assert 215 <= hits <= 238


def test_quality_is_not_strength():
    """b beats a always, yet pairs with b are the bad ones."""
    rows = [Comparison("b", "a", Outcome.MODEL_A, 30.0), Comparison("c", "a", Outcome.MODEL_A, 25.0)]
    rows += [Comparison("b", "c", Outcome.MODEL_A, 20.0), Comparison("b", "c", Outcome.BOTH_BAD, 20.0)]
    rows += [Comparison("a", "b", Outcome.BOTH_BAD, 10.0), Comparison("a", "c", Outcome.BOTH_BAD, 4.0)]
    ranking = both_bad.rank(Comparisons.from_rows(rows))
    assert [row.model for row in ranking.models] == ["a", "c", "b"]
    assert ranking.components == (("a", "c", "b"),)


def test_two_models_alone_can_not_be_compared():
    ranking = both_bad.rank(judged([("a", "b", 4, 6)]))
    assert {row.rating for row in ranking.models} == {None}
    assert "no two models can be compared" in " ".join(ranking.warnings)


def test_opponents_of_one_model_are_compared_with_each_other_only():
    """A star has no odd cycle: the leaves' sums with the centre are known, so their differences are."""
    ranking = both_bad.rank(judged([("hub", "a", 30, 70), ("hub", "b", 50, 50), ("c", "hub", 20, 80)]))
    assert {frozenset(group) for group in ranking.components} == {frozenset("abc"), frozenset({"hub"})}
    found = ratings(ranking)
    assert found["c"] - found["b"] == pytest.approx(math.log(0.8 / 0.2), abs=1e-8)
    assert found["a"] - found["b"] == pytest.approx(math.log(0.7 / 0.3), abs=1e-8)
    assert found["hub"] is None
    assert "form no odd cycle" in " ".join(ranking.warnings)
    assert {frozenset((pair.model_a, pair.model_b)) for pair in ranking.pairs} == set(
        map(frozenset, ("ab", "bc", "ac"))
    )


def test_a_model_that_was_never_bad_is_flagged_and_stays_finite():
    cells = [("a", "b", 5, 15), ("b", "c", 6, 14), ("a", "c", 7, 13), ("a", "d", 4, 16)]
    cells += [("good", other, 0, 20) for other in "abcd"] + [("b", "d", 5, 15)]
    ranking = both_bad.rank(judged(cells))
    top = ranking.models[0]
    assert (top.model, top.bounded) == ("good", False)
    assert all(row.bounded for row in ranking.models[1:])
    assert 1 < top.rating < 8
    assert "good: never, or always, both bad" in " ".join(ranking.warnings)


def test_without_any_both_bad_vote_there_is_no_board():
    ranking = both_bad.rank(simulated(4, 60, seed=0)[0])
    assert {row.rank for row in ranking.models} == {None}
    assert "there is no board" in " ".join(ranking.warnings)


def test_dropped_ties_leave_the_other_votes():
    comparisons, _ = with_true_quality(4, 800, seed=3)
    comparisons.outcome[:100] = 2
    kept = comparisons.select(comparisons.outcome != 2)
    assert ratings(both_bad.rank(comparisons, ties="drop")) == pytest.approx(ratings(both_bad.rank(kept)), abs=1e-9)
    assert ratings(both_bad.rank(comparisons)) != pytest.approx(ratings(both_bad.rank(kept)), abs=1e-3)


@PROPERTY
@given(st.integers(2, 6), st.data())
def test_comparable_groups_are_those_that_the_design_can_tell(m, data):
    """Of any two models of a group the difference lies in the row space of X = e_i + e_j, of others it does not."""
    pairs = [(i, j) for i in range(m) for j in range(i) if data.draw(st.booleans())]
    bad = np.zeros((m, m))
    for i, j in pairs:
        bad[i, j] = bad[j, i] = 1
    groups, free = comparable_groups(double_cover(bad, bad))
    group_of = {int(i): number for number, group in enumerate(groups) for i in group}
    rows = np.array([np.eye(m)[i] + np.eye(m)[j] for i, j in pairs]).reshape(-1, m)
    rank = np.linalg.matrix_rank(rows) if pairs else 0
    assert free.shape[1] == m - rank
    assert np.abs(rows @ free).max(initial=0) < 1e-12
    assert free.T @ free == pytest.approx(np.eye(m - rank))
    for i in range(m):
        for j in range(i):
            difference = (np.eye(m)[i] - np.eye(m)[j])[None, :]
            is_told = np.linalg.matrix_rank(np.vstack([rows, difference])) == rank
            assert is_told == (group_of[i] == group_of[j])


def test_all_are_unbounded_where_nothing_is_on_both_sides():
    bad, others = np.ones((3, 3)) - np.eye(3), np.zeros((3, 3))
    assert unbounded_qualities(double_cover(bad, others)).all()
    assert not unbounded_qualities(double_cover(bad, bad)).any()
