"""Votes and users needed, against R, exact sums and simulation."""

from __future__ import annotations

import json
from math import asin, sin, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import binomtest, studentized_range

from app.errors import InvalidInputError
from app.stats.covariance import model_covariance
from app.stats.newton import information
from app.stats.power import (
    arms_power,
    decisive_votes,
    design_effect,
    exact_decisive_votes,
    sequential_plan,
    sign_test_power,
    users_per_arm,
    vote_plan,
)
from app.stats.power_board import board_power, critical_difference, votes_to_separate

DATA = Path(__file__).parent / "data"
R = json.loads((DATA / "18_twoarm_R.json").read_text())["expected"]
SCIPY = json.loads((DATA / "25_tests_power.json").read_text())["expected"]
PROPERTY = settings(max_examples=50, deadline=None)


def rate_at(h, start=0.5):
    """The rate whose Cohen's h from ``start`` is h."""
    return sin(asin(sqrt(start)) + h / 2) ** 2


@pytest.mark.parametrize(("p", "n"), SCIPY["n_normal_approx"].items())
def test_decisive_votes_equal_the_oracle(p, n):
    assert decisive_votes(float(p)) == pytest.approx(n, rel=1e-6)
    assert decisive_votes(1 - float(p)) == pytest.approx(n, rel=1e-6)


@pytest.mark.parametrize("row", SCIPY["exact_power_sign"], ids=lambda row: f"{row['n']}-{row['p']}")
def test_exact_power_equals_the_oracle(row):
    assert sign_test_power(row["n"], row["p"], alpha=row["alpha"]) == pytest.approx(row["power"], abs=1e-9)


@PROPERTY
@given(n=st.integers(1, 120), p=st.floats(0.02, 0.98), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_exact_power_is_the_chance_that_scipys_test_rejects(n, p, alpha):
    rejects = [k for k in range(n + 1) if binomtest(k, n).pvalue <= alpha * (1 + 1e-9)]
    chance = sum(np.exp(-betaln(k + 1, n - k + 1)) / (n + 1) * p**k * (1 - p) ** (n - k) for k in rejects)
    assert sign_test_power(n, p, alpha=alpha) == pytest.approx(chance, abs=1e-9)


def test_the_exact_number_is_enough_and_one_less_is_not():
    n = exact_decisive_votes(0.6)
    assert n == 210
    assert min(sign_test_power(k, 0.6) for k in range(n, n + 60)) >= 0.8 > sign_test_power(n - 1, 0.6)
    assert decisive_votes(0.6) < n < 1.15 * decisive_votes(0.6)


def test_pandalms_design_effect_is_its_clustered_variance():
    """STATISTICS g: 1 + 2 x .864 = 2.73 = 1.65^2, the ratio of PandaLM's clustered to its per-vote SE."""
    assert design_effect(3, 0.8642206851960816) == pytest.approx(1.65**2, rel=0.01)
    assert design_effect(5, -0.3) == 1.0


def test_a_plan_allows_for_ties_both_bad_and_repeats():
    plan = vote_plan(0.6, tie_rate=0.2, both_bad_rate=0.1, votes_per_item=3, agreement=0.5)
    assert plan.design_effect == 2.0
    assert plan.total == int(np.ceil(SCIPY["n_normal_approx"]["0.6"] / 0.7 * 2))
    assert vote_plan(0.6).total == 194


def test_users_per_arm_equal_r():
    expected = R["power_prop_test"]
    assert users_per_arm(0.5, 0.75, power=0.9) == pytest.approx(expected["n"], rel=1e-6)
    assert users_per_arm(0.1, 0.12) == pytest.approx(R["power_prop_test_80"]["n"], rel=1e-6)
    assert users_per_arm(0.1, 0.12, method="arcsine") == pytest.approx(SCIPY["two_prop_n_per_arm_10_12"], rel=1e-6)


def test_cohens_h_equals_rs_pwr():
    """pwr.p.test(h = .2, power = .95) is one sample: half of what each of two arms takes."""
    found = users_per_arm(0.5, rate_at(0.2), power=0.95, method="arcsine")
    assert found / 2 == pytest.approx(R["pwr_p_h02"], rel=1e-6)
    power = arms_power(0.5, rate_at(0.3), 80, alternative="greater")
    assert power == pytest.approx(R["pwr_2p_h03_n80_greater"], abs=1e-6)
    assert arms_power(0.5, rate_at(-0.3), 80, alternative="less") == pytest.approx(power)
    assert arms_power(0.5, rate_at(0.3), 80) < power


def simulated_runs(p, n_max, runs, seed):
    """When each simulated run decides (0: never), straight from the formula of E_n."""
    wins = np.cumsum(np.random.default_rng(seed).random((runs, n_max)) < p, axis=1)
    n = np.arange(1, n_max + 1)
    log_e = betaln(10 + wins, 10 + n - wins) - betaln(10, 10) + n * np.log(2)
    crossed = log_e >= np.log(20)
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, 0)


@pytest.mark.parametrize(("p", "n_max"), [(0.6, 600), (0.5, 1500), (0.4, 300)])
def test_the_sequential_recursion_equals_simulation(p, n_max):
    runs = 4000
    stop = simulated_runs(p, n_max, runs, seed=3)
    plan = sequential_plan(p, n_max=n_max)
    assert plan.power == pytest.approx((stop > 0).mean(), abs=4 * sqrt(plan.power * (1 - plan.power) / runs) + 1e-3)
    assert plan.mean_votes_decided == pytest.approx(stop[stop > 0].mean(), rel=0.15 if p == 0.5 else 0.04)
    assert plan.mean_votes == pytest.approx(np.where(stop > 0, stop, n_max).mean(), rel=0.02)


def test_the_sequential_test_costs_what_the_research_says():
    """Mean 887 at .55 and 217 at .60 by simulation there; type I error below 5 % with 5,000 looks; power by the cap."""
    assert sequential_plan(0.55, n_max=6000).mean_votes == pytest.approx(887, rel=0.02)
    assert sequential_plan(0.60, n_max=3000).mean_votes == pytest.approx(217, rel=0.03)
    assert 0.03 < sequential_plan(0.5, n_max=5000).power < 0.05
    cap = int(1.9 * decisive_votes(0.55))
    assert sequential_plan(0.55, n_max=cap).power > 0.8


@PROPERTY
@given(p=st.floats(0, 1), n_max=st.integers(1, 400))
def test_sequential_plans_are_symmetric_in_the_sides(p, n_max):
    one, other = sequential_plan(p, n_max=n_max), sequential_plan(1 - p, n_max=n_max)
    assert one.power == pytest.approx(other.power, abs=1e-12)
    assert one.mean_votes == pytest.approx(other.mean_votes, abs=1e-8)
    assert 0 <= one.power <= 1 + 1e-12
    assert one.mean_votes <= n_max + 1e-9


def board(votes=40.0, theta=(0.6, 0.3, 0.0, -0.9)):
    """Ratings and covariance of a balanced board with ``votes`` per pair."""
    theta = np.array(theta) - np.mean(theta)
    n_votes = votes * (1 - np.eye(len(theta)))
    chances = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    return theta, model_covariance(theta, n_votes * chances), n_votes.sum() / 2


def test_two_models_need_the_normal_quantile():
    theta, covariance, n = board(theta=(0.2, -0.2))
    assert critical_difference(covariance) == pytest.approx(1.959963985, abs=1e-9)
    needed = votes_to_separate(theta, covariance, n)
    assert needed == pytest.approx(n * (1.959963985 * sqrt(4 * covariance[0, 0]) / 0.4) ** 2)


def test_the_critical_value_is_the_studentised_range():
    """For equal, independent variances max |Z_i - Z_j| / sd is q / sqrt 2; R: qtukey(.95, 10, Inf) = 4.474124."""
    assert critical_difference(np.eye(10)) == pytest.approx(4.474124 / sqrt(2), abs=0.06)  # three errors of simulation


def test_more_votes_separate_exactly_as_the_covariance_says():
    """With the number of votes that is named, z of the pair is the critical value."""
    theta, covariance, n = board()
    needed = votes_to_separate(theta, covariance, n, critical=3.0)
    i, j = np.triu_indices(4, 1)
    for k, votes in enumerate(needed):
        scaled = covariance * n / votes
        variance = scaled[i[k], i[k]] + scaled[j[k], j[k]] - 2 * scaled[i[k], j[k]]
        assert abs(theta[i[k]] - theta[j[k]]) / sqrt(variance) == pytest.approx(3.0)
    more = votes_to_separate(theta, covariance, n, critical=3.0, power=0.8)
    assert more / needed == pytest.approx(np.full(6, (1 + 0.8416212 / 3) ** 2), rel=1e-6)


def test_models_with_the_same_rating_never_separate():
    theta, covariance, n = board(theta=(0.5, 0.0, 0.0))
    assert np.isinf(votes_to_separate(theta, covariance, n)).tolist() == [False, False, True]


def test_board_power_is_what_refitted_boards_show():
    """1,000 boards drawn from their binomials, tested with the same critical value."""
    theta, covariance, n = board(votes=80.0)
    plan = board_power(theta, covariance, n, 2 * n)
    rng = np.random.default_rng(8)
    chances = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    inverse = np.linalg.pinv(information(theta, 160.0 * (1 - np.eye(4))))
    i, j = np.triu_indices(4, 1)
    found = []
    for _ in range(1000):
        wins = np.zeros((4, 4))
        wins[i, j] = rng.binomial(160, chances[i, j])
        wins[j, i] = 160 - wins[i, j]
        step = inverse @ (wins - 160 * chances * (1 - np.eye(4))).sum(axis=1)
        estimate = theta + step
        se = np.sqrt(inverse[i, i] + inverse[j, j] - 2 * inverse[i, j])
        found.append((estimate[i] - estimate[j]) / se > plan.critical)
    share = np.mean(found, axis=0)
    assert plan.pairs == pytest.approx(share, abs=0.05)
    assert plan.leader == pytest.approx(np.all(np.array(found)[:, :3], axis=1).mean(), abs=0.05)
    assert plan.all_pairs == pytest.approx(np.all(found, axis=1).mean(), abs=0.05)
    assert plan.all_pairs <= plan.leader <= plan.pairs[:3].min() + 0.02


def test_a_board_of_100_models_is_planned_in_bounded_memory():
    """10,000 draws of 4,950 pairs would be 400 MB at once."""
    import tracemalloc

    tracemalloc.start()
    critical = critical_difference(np.eye(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert critical == pytest.approx(studentized_range.ppf(0.95, 100, np.inf) / sqrt(2), abs=0.05)
    assert peak < 150e6


@pytest.mark.parametrize(
    "call",
    [
        lambda: decisive_votes(0.5),
        lambda: decisive_votes(1),
        lambda: decisive_votes(float("nan")),
        lambda: vote_plan(0.6, tie_rate=0.6, both_bad_rate=0.4),
        lambda: vote_plan(0.6, tie_rate=float("nan")),
        lambda: design_effect(0.5, 0.1),
        lambda: design_effect(2, 1.5),
        lambda: sign_test_power(0, 0.6),
        lambda: sign_test_power(10, 1.2),
        lambda: exact_decisive_votes(0.5001),
        lambda: sequential_plan(0.6, n_max=0),
        lambda: sequential_plan(0.6, n_max=10**9),
        lambda: sequential_plan(0.6, n_max=10, a=0),
        lambda: users_per_arm(0.1, 0.1),
        lambda: users_per_arm(0.1, 0.2, method="guess"),
        lambda: arms_power(0.1, 0.2, 1),
        lambda: arms_power(0.1, 0.2, 100, alternative="guess"),
        lambda: critical_difference(np.eye(1)),
        lambda: critical_difference(np.full((2, 2), np.nan)),
        lambda: critical_difference(np.zeros((3, 3))),
        lambda: critical_difference(np.array([[1.0, 2.0], [0.0, 1.0]])),
        lambda: critical_difference(np.eye(3), alpha=1),
        lambda: votes_to_separate(np.zeros(2), np.eye(3), 10),
        lambda: votes_to_separate(np.array([np.nan, 0, 0]), np.eye(3), 10),
        lambda: votes_to_separate(np.zeros(3), np.eye(3), 0),
        lambda: votes_to_separate(np.zeros(3), np.eye(3), 1, power=1),
        lambda: board_power(np.zeros(3), np.eye(3), 10, -1),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(InvalidInputError):
        call()
