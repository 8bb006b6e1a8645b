"""Max-T against R's multcomp, Dunnett in scipy, by hand, and in simulation."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.errors import InvalidInputError
from app.stats.covariance import model_covariance
from app.stats.max_t import max_t_tests, step_down_tests
from app.stats.newton import fit_bradley_terry
from app.stats.pairwise import holm, pairwise_tests
from app.stats.rank_sets import compare_with_champion
from tests.machine import patience

CITATIONS = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], dtype=float)


def board(rng, m, votes=60):
    theta = rng.normal(0, 0.4, m)
    n = rng.poisson(votes, (m, m)) + 1.0
    np.fill_diagonal(n, 0)
    return theta, model_covariance(theta, n)


def test_pairs_of_citations_equal_multcomp(shared):
    """Single-step p, critical value and intervals of glht (oracle 02); a million draws to meet its tolerance."""
    oracle = json.loads((shared / "oracles/02_citations_allpairs.json").read_text())
    expected = oracle["expected"]
    theta = fit_bradley_terry(CITATIONS)
    found = max_t_tests(theta, model_covariance(theta, CITATIONS), n_draws=1_000_000, seed=1)
    assert found.tests.difference == pytest.approx(expected["estimate"], abs=oracle["tol"]["estimate"])
    assert found.critical == pytest.approx(expected["crit_maxT"], abs=oracle["tol"]["crit"])
    assert found.p_single_step == pytest.approx(expected["p_maxT"], abs=1e-4)
    assert found.lower == pytest.approx(expected["lwr"], abs=1e-3)
    assert found.upper == pytest.approx(expected["upr"], abs=1e-3)
    assert (found.tests.p_adjusted <= found.p_single_step).all()


def test_the_default_draws_give_multcomp_within_their_monte_carlo_error():
    """multcomp 1.4-22: critical value 2.5465513567, p 0.00078693871 for Biometrika - JRSS-B."""
    theta = fit_bradley_terry(CITATIONS)
    found = max_t_tests(theta, model_covariance(theta, CITATIONS))
    assert found.critical == pytest.approx(2.5465513567, abs=0.06)  # four standard errors of a 10,000 draws' quantile
    assert found.p_single_step[2] == pytest.approx(0.00078693871, abs=0.0012)


def test_independent_equal_models_give_the_studentised_range():
    """All pairs of equal, uncorrelated means: Tukey's test, whose law scipy computes by quadrature."""
    theta = np.array([0.0, 1.0, 2.2, 3.1, 3.3])
    for df in (np.inf, 8):
        found = max_t_tests(theta, np.eye(5), df=df, n_draws=400_000, seed=3)
        q = np.abs(found.tests.difference)  # = sqrt(2) |z|
        assert found.p_single_step == pytest.approx(stats.studentized_range.sf(q, 5, df), abs=0.004)
        assert found.critical * np.sqrt(2) == pytest.approx(stats.studentized_range.ppf(0.95, 5, df), rel=0.006)


def test_champion_comparison_equals_dunnett():
    """Four groups of 12 against a control: scipy's Dunnett test integrates the multivariate t."""
    rng = np.random.default_rng(5)
    groups = [rng.normal(shift, 1, 12) for shift in (0.0, 0.2, 0.9, 1.1, -0.5)]
    expected = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(1))
    pooled = np.mean([group.var(ddof=1) for group in groups])
    theta = np.array([group.mean() for group in groups])
    found = compare_with_champion(theta, np.eye(5) * pooled / 12, 0, df=55, n_draws=400_000)
    assert found.tests.i.tolist() == [1, 2, 3, 4]
    assert found.p_single_step == pytest.approx(expected.pvalue, abs=0.004)
    interval = expected.confidence_interval(0.95)
    assert found.lower == pytest.approx(interval.low, abs=0.01)
    assert found.upper == pytest.approx(interval.high, abs=0.01)


def test_fewer_comparisons_give_more_power():
    theta, covariance = board(np.random.default_rng(1), 8)
    champion = compare_with_champion(theta, covariance, 2)
    every = max_t_tests(theta, covariance)
    assert champion.critical < every.critical
    with pytest.raises(InvalidInputError, match="no model number 8"):
        compare_with_champion(theta, covariance, 8)


def slow_step_down(theta, covariance, draws):
    """Romano & Wolf 2005, algorithm by definition: pass the largest, take the maximum over the rest."""
    i, j = np.triu_indices(len(theta), 1)
    se = np.sqrt(np.diag(covariance)[i] + np.diag(covariance)[j] - 2 * covariance[i, j])
    z, t = np.abs(theta[i] - theta[j]) / se, np.abs(draws[i] - draws[j]) / se[:, None]
    p, left, floor = np.ones(len(i)), list(range(len(i))), 0.0
    while left:
        top = max(left, key=lambda at: z[at])
        floor = max(floor, (1 + np.sum(t[left].max(axis=0) >= z[top])) / (1 + draws.shape[1]))
        p[top] = floor
        left.remove(top)
    return p


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(2, 7))
def test_step_down_is_that_of_the_definition_and_between_raw_and_holm(seed, m):
    rng = np.random.default_rng(seed)
    theta, covariance = board(rng, m)
    found = max_t_tests(theta, covariance, n_draws=500, seed=seed)
    values, vectors = np.linalg.eigh(covariance)
    normal = np.random.default_rng(seed).standard_normal((m, 500))
    slow = slow_step_down(theta, covariance, vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T @ normal)
    raw = pairwise_tests(theta, covariance).p
    assert found.tests.p_adjusted == pytest.approx(np.clip(slow, raw, holm(raw)), abs=2.1 / 501)
    assert (found.tests.p_adjusted >= raw).all()
    assert (found.tests.p_adjusted <= holm(raw) + 1e-15).all()
    assert (found.tests.p_adjusted <= found.p_single_step + 1e-12).all()


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    theta, covariance = board(np.random.default_rng(2), 6)
    first, again, other = (max_t_tests(theta, covariance, seed=seed) for seed in (0, 0, 1))
    assert first.critical == again.critical
    assert np.array_equal(first.tests.p_adjusted, again.tests.p_adjusted)
    assert first.critical != other.critical


def test_a_pair_without_a_standard_error_supports_no_claim_and_hides_no_other():
    covariance = np.diag([0.01, 0.01, 0.01])
    covariance[:2, :2] = 0.01  # models 0 and 1 move as one
    found = max_t_tests(np.array([1.0, 0.5, 0.0]), covariance)
    assert found.tests.p_adjusted[0] == 1
    assert found.tests.p_adjusted[1] < 1e-6
    nothing = max_t_tests(np.zeros(2), np.zeros((2, 2)))
    assert nothing.critical == np.inf
    assert nothing.tests.p_adjusted.tolist() == [1.0]


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"n_draws": 10}, {"df": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidInputError):
        max_t_tests(np.zeros(3), np.eye(3), **wrong)


@pytest.mark.timed
def test_100_models_take_less_than_a_second_of_processor_time():
    theta, covariance = board(np.random.default_rng(0), 100)
    took = []
    for _ in range(3):
        start = time.thread_time()
        max_t_tests(theta, covariance)
        took.append(time.thread_time() - start)
    assert min(took) < patience()


@pytest.mark.parametrize(("spread", "df"), [(0.0, np.inf), (0.3, 40), (1.5, np.inf), (1.5, 4), (8.0, 300)])
def test_the_steps_alone_are_those_of_the_whole(spread, df):
    rng = np.random.default_rng(8)
    root = rng.normal(size=(12, 30)) / 20
    theta, covariance = rng.normal(0, spread, 12), root @ root.T
    whole, steps = max_t_tests(theta, covariance, df=df).tests, step_down_tests(theta, covariance, df=df)
    assert steps.p_adjusted == pytest.approx(whole.p_adjusted, abs=1e-12)
    assert steps.p == pytest.approx(whole.p)
