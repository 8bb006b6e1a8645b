"""Live traffic: error rates of the sequential tests under fixed and adaptive allocation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.stats.conversions import aipw_sequence, conversion_tests, converter_log_evidence
from app.stats.sequential import beta_log_evidence, normal_half_width, normal_log_evidence, running_p


def test_one_look_is_the_normal_mixture_of_the_difference():
    """Newcombe's example, 48 of 80 against 56 of 70: d = 0.2."""
    found = conversion_tests(48, 80, 56, 70, tau=0.1, fewest=10)
    variance = 0.6 * 0.4 / 80 + 0.8 * 0.2 / 70
    assert found.difference == pytest.approx(0.2)
    assert found.variance == pytest.approx(variance)
    assert found.log_evidence == pytest.approx(float(normal_log_evidence(0.2, variance, tau=0.1)))
    assert found.upper - found.lower == pytest.approx(2 * float(normal_half_width(variance, tau=0.1)))
    assert found.p == pytest.approx(min(1.0, math.exp(-float(found.log_evidence))))


def test_too_few_conversions_say_nothing():
    found = conversion_tests([19, 20], [400, 400], [90, 90], [400, 400])
    assert found.p.tolist()[0] == 1
    assert (found.lower[0], found.upper[0]) == (-1, 1)
    assert found.p[1] < 0.05


def streams(rng, n_runs, n_looks, batch, p):
    """Cumulative conversions and units of two equal arms at each look."""
    n = np.arange(1, n_looks + 1) * batch
    return rng.binomial(batch, p, (2, n_runs, n_looks)).cumsum(axis=2), np.broadcast_to(n, (n_runs, n_looks))


def test_100_looks_at_equal_arms_err_at_most_5_percent_of_the_time_and_naive_ones_far_more():
    won, n = streams(np.random.default_rng(0), 4000, 100, 200, 0.1)
    found = conversion_tests(won[0], n, won[1], n)
    exact = converter_log_evidence(won[0], won[1])
    naive = np.abs(found.difference) / np.sqrt(found.variance) >= 1.96
    assert (running_p(found.log_evidence)[:, -1] <= 0.05).mean() < 0.05
    assert (running_p(exact)[:, -1] <= 0.05).mean() < 0.05
    assert naive.any(axis=1).mean() > 0.3
    covered = (found.lower < 0) & (found.upper > 0)
    assert covered.all(axis=1).mean() > 0.95


def test_both_tests_find_a_real_lift():
    """10 % against 13 %, 20,000 units per arm."""
    rng = np.random.default_rng(1)
    won_0, n = streams(rng, 300, 100, 200, 0.10)
    won_1, _ = streams(rng, 300, 100, 200, 0.13)
    assert (conversion_tests(won_0[0], n, won_1[0], n).p[:, -1] <= 0.05).mean() > 0.95
    assert (np.exp(-converter_log_evidence(won_0[0], won_1[0])[:, -1]) <= 0.05).mean() > 0.95


def test_the_exact_test_counts_converters_by_the_share_of_traffic():
    assert converter_log_evidence(30, 10, share=0.2) == beta_log_evidence(10, 30, share=0.2)
    assert converter_log_evidence(80, 20, share=0.2) < 0  # just what a fifth of the traffic should bring


def epsilon_greedy(rng, n, p, epsilon=0.4):
    """Outcomes, arms and logged propensities of one run that favours the arm which looks better so far."""
    won, seen = [1.0, 1.0], [2.0, 2.0]
    outcome, arm, propensity = np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n)
    draws = rng.random((n, 2))
    for t in range(n):
        best = won[1] / seen[1] >= won[0] / seen[0]
        propensity[t] = 1 - epsilon / 2 if best else epsilon / 2
        arm[t] = draws[t, 0] < propensity[t]
        outcome[t] = draws[t, 1] < p[arm[t]]
        won[arm[t]] += outcome[t]
        seen[arm[t]] += 1
    return outcome, arm, propensity


def test_adaptive_allocation_is_unbiased_and_its_sequence_covers_at_every_unit():
    """300 runs of 2,000 units whose traffic follows the leader; equal arms are rarely told apart at any unit."""
    rng = np.random.default_rng(2)
    found = [aipw_sequence(*epsilon_greedy(rng, 2000, (0.3, 0.3))) for _ in range(300)]
    misses = np.mean([((one.lower > 0) | (one.upper < 0)).any() for one in found])
    assert misses < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    ends = np.array([one.estimate[-1] for one in found])
    assert abs(ends.mean()) < 3 * ends.std() / math.sqrt(300)
    assert np.isinf(found[0].upper[:60]).all()
    assert np.isfinite(found[0].upper[-1])


def test_a_real_difference_under_adaptive_allocation_is_found_and_covered():
    rng = np.random.default_rng(4)
    found = [aipw_sequence(*epsilon_greedy(rng, 4000, (0.3, 0.45))) for _ in range(60)]
    assert np.mean([one.lower[-1] > 0 for one in found]) > 0.9
    assert np.mean([one.lower[-1] < 0.15 < one.upper[-1] for one in found]) > 0.9


def test_the_sequence_by_hand():
    """Three units; the arms' means are those of the past (1/2 before there is one)."""
    outcome, arm, propensity = np.array([1.0, 0.0, 1.0]), np.array([1, 0, 1]), np.array([0.5, 0.4, 0.8])
    z = [0 + 0.5 / 0.5, (1 - 0.5) - (0 - 0.5) / 0.6, (1 - 0) + 0 / 0.8]
    found = aipw_sequence(outcome, arm, propensity, fewest=0, aim=100)
    assert found.estimate == pytest.approx(np.cumsum(z) / [1, 2, 3])
    r2 = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 100
    width = np.std(z) * math.sqrt(2 * (3 * r2 + 1) / (9 * r2) * math.log(math.sqrt(3 * r2 + 1) / 0.05))
    assert found.upper[2] - found.estimate[2] == pytest.approx(width)
    assert found.estimate[2] - found.lower[2] == pytest.approx(width)


@pytest.mark.parametrize(
    ("outcome", "arm", "propensity", "words"),
    [
        ([1.0], [2], [0.5], "arm"),
        ([2.0], [1], [0.5], "outcome"),
        ([np.nan], [1], [0.5], "outcome"),
        ([1.0], [1], [0.05], "propensity"),
        ([1.0, 1.0], [1], [0.5], "every unit"),
    ],
)
def test_senseless_units_are_refused(outcome, arm, propensity, words):
    with pytest.raises(InvalidInputError, match=words):
        aipw_sequence(np.array(outcome), np.array(arm), np.array(propensity))


def test_more_conversions_than_units_are_refused():
    with pytest.raises(InvalidInputError):
        conversion_tests(5, 4, 1, 4)
