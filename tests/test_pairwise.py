"""Pair tests and rank sets against R's multcomp, by hand, and in simulation."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.stats.covariance import model_covariance
from app.stats.newton import fit_bradley_terry, information
from app.stats.pairwise import PairTests, holm, pairwise_tests, rank_sets
from tests.machine import patience

CITATIONS = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], dtype=float)


def made_up(differences, p_adjusted, m):
    i, j = np.triu_indices(m, 1)
    values = np.array(p_adjusted)
    return PairTests(i, j, np.array(differences), np.ones(len(i)), values, values)


def test_pairs_of_citations_equal_multcomp(shared):
    oracle = json.loads((shared / "oracles/02_citations_allpairs.json").read_text())
    theta = fit_bradley_terry(CITATIONS)
    found = pairwise_tests(theta, model_covariance(theta, CITATIONS))
    expected = oracle["expected"]
    assert found.difference == pytest.approx(expected["estimate"], abs=oracle["tol"]["estimate"])
    assert found.se == pytest.approx(expected["se"], abs=1e-6)
    assert found.difference / found.se == pytest.approx(expected["z"], rel=1e-5)
    assert found.p == pytest.approx(expected["p_raw"], abs=1e-9)
    assert found.p_adjusted == pytest.approx(expected["p_holm"], abs=oracle["tol"]["p_holm"])


def test_holm_by_hand():
    """R: p.adjust(c(.01, .04, .03, .005), "holm") is .03 .06 .06 .02."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.zeros(0)).shape == (0,)


def test_rank_sets_count_the_models_clearly_above_and_below():
    found = made_up([1, 2, 1], [0.2, 0.01, 0.05], 3)  # only 0 > 2 and 1 > 2 are clear
    lower, upper = rank_sets(found, 3)
    assert lower.tolist() == [1, 1, 3]
    assert upper.tolist() == [2, 2, 3]


def test_rank_sets_do_not_depend_on_the_sign_of_a_pair():
    lower, upper = rank_sets(made_up([-1, -2, -1], [0.2, 0.01, 0.05], 3), 3)
    assert lower.tolist() == [2, 2, 1]
    assert upper.tolist() == [3, 3, 1]


def test_one_model_has_rank_one():
    found = pairwise_tests(np.zeros(1), np.zeros((1, 1)))
    assert [bound.tolist() for bound in rank_sets(found, 1)] == [[1], [1]]


def test_a_zero_standard_error_supports_no_claim():
    found = pairwise_tests(np.array([1.0, -1.0]), np.zeros((2, 2)))
    assert found.p.tolist() == [1.0]


def test_alpha_outside_0_1_is_refused():
    with pytest.raises(InvalidInputError):
        rank_sets(made_up([1], [0.5], 2), 2, alpha=0)


def test_false_claims_among_equal_models_stay_below_5_percent_of_boards():
    """2,000 boards of 10 equal models; without Holm most boards would hold one."""
    rng = np.random.default_rng(2)
    votes = 40.0 * (1 - np.eye(10))
    covariance = np.linalg.pinv(information(np.zeros(10), votes))
    boards = rng.multivariate_normal(np.zeros(10), covariance, size=2000, method="eigh")
    wrong = [(pairwise_tests(theta, covariance).p_adjusted <= 0.05).any() for theta in boards]
    assert 0.02 < np.mean(wrong) < 0.06


@pytest.mark.timed
def test_59_models_take_milliseconds():
    theta = np.random.default_rng(0).normal(size=59)
    covariance = model_covariance(theta, np.full((59, 59), 10.0) - 10 * np.eye(59))
    took = []
    for _ in range(5):
        start = time.perf_counter()
        rank_sets(pairwise_tests(theta, covariance), 59)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02 * patience()
