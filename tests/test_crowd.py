"""Crowd-BT and Luce spectral ranking: optimality, recovery of reliable raters, agreement with others."""

from __future__ import annotations

from dataclasses import replace

import choix
import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from scipy.stats import spearmanr

from app.domain import Comparison, Outcome
from app.ranking import bradley_terry, crowd_bt, lsr
from app.ranking.crowd_bt import SCALE, fit_reliability
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.counts import outcome_counts, win_matrix
from app.stats.crowd import PRIOR, VIRTUAL, Verdicts, fit_crowd
from tests.oracles import errors, ratings, simulated


def crowd(m, n_raters, n_each, *, seed, share_random=0.3, share_reversed=0.1):
    """Votes of honest raters (95 % right), random and reversed ones, each with its true reliability."""
    comparisons, theta = simulated(m, n_raters * n_each, seed=seed, spread=1.2)
    rng = np.random.default_rng(seed + 1)
    kind = rng.random(n_raters)
    eta = np.where(kind < share_random, 0.5, np.where(kind < share_random + share_reversed, 0.05, 0.95))
    rater = np.repeat(np.arange(n_raters), n_each)
    flipped = rng.random(len(rater)) > eta[rater]
    outcome = np.where(flipped, 1 - comparisons.outcome, comparisons.outcome)
    return replace(comparisons, outcome=outcome, rater=rater), theta, eta


def posterior(votes, theta, eta):
    """The log posterior written out vote by vote."""
    p = expit(theta[votes.winner] - theta[votes.loser])
    chance = eta[votes.rater] * p + (1 - eta[votes.rater]) * (1 - p)
    prior = ((PRIOR[0] - 1) * np.log(eta) + (PRIOR[1] - 1) * np.log(1 - eta)).sum()
    return votes.count @ np.log(chance) + prior + VIRTUAL * np.log(expit(theta) * expit(-theta)).sum()


def some_verdicts(seed=0, n=400, m=4, n_raters=6):
    rng = np.random.default_rng(seed)
    winner = rng.integers(0, m, n)
    loser = (winner + rng.integers(1, m, n)) % m
    keep = rng.random(n) < np.where(winner < loser, 0.8, 0.2)
    rater = rng.integers(0, n_raters, n)
    return Verdicts(winner[keep], loser[keep], rater[keep], rng.integers(1, 4, keep.sum()) / 2, m, n_raters)


def test_the_fit_is_at_a_maximum_and_its_covariance_the_inverse_curvature():
    votes = some_verdicts()
    fit = fit_crowd(votes)
    at = np.concatenate([fit.theta, fit.reliability])

    def value(x):
        return posterior(votes, x[:4], x[4:])

    assert approx_fprime(at, value, 1e-6) == pytest.approx(np.zeros(10), abs=2e-3)
    for direction in np.eye(10):
        assert max(value(at + 0.003 * direction), value(at - 0.003 * direction)) < value(at)
    step = 1e-3 * np.eye(10)

    def curvature(a, b):
        return (value(at + a + b) - value(at + a - b) - value(at - a + b) + value(at - a - b)) / 4e-6

    information = -np.array([[curvature(a, b) for a in step] for b in step])
    assert fit.covariance == pytest.approx(np.linalg.inv(information)[:4, :4], rel=1e-3, abs=1e-5)


def test_em_by_its_formulas_does_not_move_from_the_fit():
    """STATISTICS.md d: gamma = eta p / (eta p + (1 - eta)(1 - p)), eta = (a - 1 + sum gamma) / (a + b - 2 + n)."""
    votes = some_verdicts(seed=3)
    fit = fit_crowd(votes)
    p, eta = expit(fit.theta[votes.winner] - fit.theta[votes.loser]), fit.reliability[votes.rater]
    gamma = votes.count * eta * p / (eta * p + (1 - eta) * (1 - p))
    n, right = (np.bincount(votes.rater, values, votes.n_raters) for values in (votes.count, gamma))
    assert (PRIOR[0] - 1 + right) / (sum(PRIOR) - 2 + n) == pytest.approx(fit.reliability, abs=1e-10)
    slope = np.bincount(votes.winner, gamma * (1 - p), 4) - np.bincount(votes.loser, gamma * (1 - p), 4)
    wrong = (votes.count - gamma) * p
    slope = slope - np.bincount(votes.winner, wrong, 4) + np.bincount(votes.loser, wrong, 4)
    assert slope + VIRTUAL * (1 - 2 * expit(fit.theta)) == pytest.approx(np.zeros(4), abs=1e-8)


def test_bad_raters_are_recognised_and_the_order_survives_them():
    comparisons, theta, eta = crowd(10, 60, 60, seed=5)
    fit, codes = fit_reliability(comparisons, np.arange(10))
    assert codes.tolist() == list(range(60))
    assert fit.reliability[eta > 0.9].mean() > 0.85
    assert fit.reliability[eta < 0.1].max() < 0.5
    assert fit.reliability[eta == 0.5].mean() < 0.75
    weighed, plain = ratings(crowd_bt.rank(comparisons)), ratings(bradley_terry.rank(comparisons))
    names = comparisons.models
    off = {
        key: np.abs(np.array([found[n] for n in names]) - theta).mean() for key, found in (("w", weighed), ("p", plain))
    }
    assert off["w"] < 0.6 * off["p"]


def test_equal_models_are_seldom_called_different_whatever_the_raters():
    """60 boards of 5 equal models: a false claim (Holm, 5 %) on at most 9 of them (binomial, p = 0.002)."""
    false_claims = 0
    for seed in range(60):
        comparisons, _, _ = crowd(5, 20, 40, seed=seed)
        comparisons = replace(comparisons, outcome=np.random.default_rng(seed).integers(0, 2, len(comparisons)))
        false_claims += any(pair.p_adjusted <= 0.05 for pair in crowd_bt.rank(comparisons).pairs)
    assert false_claims <= 9


def test_the_board_says_that_its_scale_is_not_to_be_trusted():
    """Differences come out too large by a tenth to a third, since reliability and spread trade off."""
    slopes = []
    for seed in range(10):
        comparisons, theta, _ = crowd(8, 30, 80, seed=seed)
        ranking = crowd_bt.rank(comparisons)
        assert SCALE in ranking.warnings
        found = np.array([ratings(ranking)[name] for name in comparisons.models])
        slopes.append(found @ theta / (theta @ theta))
    assert 1.05 < np.mean(slopes) < 1.6


def test_raters_may_have_any_codes():
    comparisons, _, _ = crowd(5, 20, 30, seed=9)
    shuffled = np.random.default_rng(0).permutation(1000)[:20]
    other = replace(comparisons, rater=shuffled[comparisons.rater])
    assert ratings(crowd_bt.rank(other)) == pytest.approx(ratings(crowd_bt.rank(comparisons)), abs=1e-7)


def test_a_tie_is_half_a_vote_for_each_side():
    rows = [Comparison("a", "b", Outcome.TIE, 4.0), Comparison("a", "b", Outcome.MODEL_A, 3.0)]
    halves = [Comparison("a", "b", Outcome.MODEL_A, 5.0), Comparison("b", "a", Outcome.MODEL_A, 2.0)]
    one, other = (crowd_bt.rank(Comparisons.from_rows(votes, raters=["r", "r"])) for votes in (rows, halves))
    assert ratings(one) == pytest.approx(ratings(other), abs=1e-9)
    assert errors(one) == pytest.approx(errors(other), abs=1e-9)


def test_without_raters_it_says_so_and_keeps_the_order_of_bradley_terry():
    comparisons, _ = simulated(6, 3000, seed=2)
    ranking = crowd_bt.rank(comparisons)
    assert "come without raters" in " ".join(ranking.warnings)
    found, plain = ratings(ranking), ratings(bradley_terry.rank(comparisons))
    assert spearmanr([found[n] for n in comparisons.models], [plain[n] for n in comparisons.models])[0] == 1
    known = replace(comparisons, rater=np.where(np.arange(3000) % 2, 7, NOBODY))
    assert crowd_bt.rank(known).warnings == (SCALE,)


def test_an_undefeated_model_is_flagged_and_kept_finite_by_the_prior():
    rows = [Comparison("top", other, Outcome.MODEL_A, 20.0) for other in "ab"]
    rows += [Comparison("a", "b", Outcome.MODEL_A, 20.0), Comparison("b", "a", Outcome.MODEL_A, 15.0)]
    ranking = crowd_bt.rank(Comparisons.from_rows(rows, raters=["r"] * 4))
    assert [(row.model, row.bounded) for row in ranking.models] == [("top", False), ("a", True), ("b", True)]
    assert "only the method's prior limits" in " ".join(ranking.warnings)


# ------------------------------------------------------------------------------------------------ spectral ranking


def test_spectral_ratings_equal_choix_and_come_near_maximum_likelihood():
    comparisons, theta = simulated(8, 20_000, seed=1, tie=0.2)
    found = lsr.rank(comparisons)
    listed = np.array([ratings(found)[name] for name in comparisons.models])
    wins = win_matrix(outcome_counts(comparisons))
    assert listed == pytest.approx(choix.lsr_pairwise_dense(wins), abs=1e-9)
    plain = bradley_terry.rank(comparisons)
    assert ratings(found) == pytest.approx(ratings(plain), abs=0.1)
    assert np.corrcoef(listed, theta)[0, 1] > 0.99
    assert plain.log_likelihood - 50 < found.log_likelihood < plain.log_likelihood
    assert {row.se for row in found.models} == {None}


def test_spectral_ranking_rates_only_models_that_beat_each_other():
    rows = [Comparison(a, b, Outcome.MODEL_A) for a, b in ("ab", "ba", "bc", "cb", "ta", "tb")]
    ranking = lsr.rank(Comparisons.from_rows(rows))
    assert ranking.components[0] == ("a", "b", "c") or set(ranking.components[0]) == set("abc")
    assert ratings(ranking)["t"] is None
    assert "Without a rating: t." in " ".join(ranking.warnings)
