"""Two-arm outcome tests against R 4.2.2, Newcombe's tables, and by enumeration."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, fisher_exact, nchypergeom_fisher

from app.errors import InvalidInputError
from app.stats.means import compare_means
from app.stats.proportions import _difference_score, difference_interval, lift_interval, proportion_interval
from app.stats.two_arm import barnard, boschloo, chi_square, compare_arms, fisher, odds_ratio, sign_test, split_check

DATA = Path(__file__).parent / "data"
R = json.loads((DATA / "18_twoarm_R.json").read_text())["expected"]
NEWCOMBE = json.loads((DATA / "21_wilson_newcombe1998a.json").read_text())
SCIPY = json.loads((DATA / "25_tests_power.json").read_text())["expected"]
EXAMPLE = (56, 70, 48, 80)
TIGHT = {"abs": 1e-6, "rel": 1e-6}
SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
PROPERTY = settings(max_examples=60, deadline=None)


@st.composite
def tables(draw):
    n, n_control = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    return draw(st.integers(0, n)), n, draw(st.integers(0, n_control)), n_control


def bounds(interval):
    return [interval.lower, interval.upper]


def test_chi_square_equals_r_with_and_without_yates():
    found = chi_square(*EXAMPLE)
    assert found.statistic == pytest.approx(R["chisq"], **TIGHT)
    assert found.p == pytest.approx(R["chisq_p"], **TIGHT)
    assert chi_square(*EXAMPLE, yates=True).p == pytest.approx(R["chisq_cc_p"], **TIGHT)


def test_fisher_equals_r():
    found = fisher(*EXAMPLE)
    assert found.p == pytest.approx(R["fisher_p"], **TIGHT)
    assert found.statistic == pytest.approx(R["fisher_or"], rel=1e-4)


def test_the_exact_odds_ratio_is_nearer_to_its_definition_than_r():
    """R stops its search at a tolerance of 1.2e-4, so agreement ends there; the tails of 2.5 % say who is nearer."""
    found = odds_ratio(*EXAMPLE)
    assert bounds(found) == pytest.approx(R["fisher_or_ci"], rel=2e-4)

    def tails(low, high):
        return [nchypergeom_fisher.sf(55, 150, 104, 70, low), nchypergeom_fisher.cdf(56, 150, 104, 70, high)]

    assert tails(*bounds(found)) == pytest.approx([0.025, 0.025], abs=1e-9)
    assert abs(tails(*R["fisher_or_ci"])[1] - 0.025) > 1e-6
    assert nchypergeom_fisher.mean(150, 104, 70, found.estimate) == pytest.approx(56, abs=1e-6)


def test_intervals_of_one_and_two_proportions_equal_r():
    assert bounds(difference_interval(*EXAMPLE, method="wald")) == pytest.approx(R["wald_ci"], **TIGHT)
    assert bounds(proportion_interval(56, 70)) == pytest.approx(R["wilson_56_70"], **TIGHT)
    assert bounds(proportion_interval(56, 70, method="clopper_pearson")) == pytest.approx(R["clopper_56_70"], **TIGHT)


@pytest.mark.parametrize("row", NEWCOMBE["expected"], ids=lambda row: f"{row['x']}/{row['n']}")
def test_wilson_equals_newcombes_table(row):
    for method in ("wilson", "wilson_cc"):
        found = bounds(proportion_interval(row["x"], row["n"], method=method))
        assert found == pytest.approx(row[method], abs=NEWCOMBE["tol"])


@pytest.mark.parametrize(
    ("table", "mn", "hybrid"),
    [
        ((56, 70, 48, 80), (0.0528, 0.3382), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1700, 0.8406), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.7156, 1.0000), (0.6791, 1.0000)),
        ((5, 56, 0, 29), (-0.0326, 0.1933), (-0.0381, 0.1926)),
        ((0, 10, 0, 10), (-0.2879, 0.2879), (-0.2775, 0.2775)),
    ],
)
def test_differences_equal_newcombes_table_of_1998b(table, mn, hybrid):
    """Newcombe 1998, Statistics in Medicine 17:873-890, Table II, methods 6 and 10."""
    assert bounds(difference_interval(*table, method="miettinen_nurminen")) == pytest.approx(mn, abs=6e-5)
    assert bounds(difference_interval(*table)) == pytest.approx(hybrid, abs=6e-5)


@PROPERTY
@given(table=tables(), d=st.floats(-0.95, 0.95))
def test_the_score_uses_the_maximum_likelihood_rates(table, d):
    """A search over the control's rate finds the same variance as the closed form of the cubic."""
    k, n, k_control, n_control = table

    def loss(rate):
        chances = np.clip([rate + d, rate], 1e-300, 1 - 1e-16)
        return -sum(
            x * np.log(p) + (t - x) * np.log1p(-p)
            for x, t, p in zip((k, k_control), (n, n_control), chances, strict=True)
        )

    best = minimize_scalar(loss, bounds=(max(0.0, -d), min(1.0, 1 - d)), method="bounded", options={"xatol": 1e-11})
    p, total = best.x + d, n + n_control
    variance = (p * (1 - p) / n + best.x * (1 - best.x) / n_control) * total / (total - 1)
    gap = k / n - k_control / n_control - d
    found = _difference_score(table, d)
    if abs(gap) > 1e-6 and variance > 1e-6:
        assert found == pytest.approx(gap / np.sqrt(variance), rel=1e-3)


@PROPERTY
@given(table=tables())
def test_intervals_hold_the_estimate_and_turn_with_the_arms(table):
    k, n, k_control, n_control = table
    for method in ("newcombe", "miettinen_nurminen"):
        found = difference_interval(*table, method=method)
        assert -1 - 1e-9 <= found.lower <= found.estimate + 1e-9
        assert found.estimate - 1e-9 <= found.upper <= 1 + 1e-9
        turned = difference_interval(k_control, n_control, k, n, method=method)
        assert bounds(turned) == pytest.approx([-found.upper, -found.lower], abs=1e-7)
    lift, back = lift_interval(*table), lift_interval(k_control, n_control, k, n)
    assert lift.lower <= (inf if lift.estimate is None else lift.estimate) + 1e-9 <= lift.upper + 2e-9
    if lift.lower > -1 and lift.upper < inf:
        assert (back.upper + 1) * (lift.lower + 1) == pytest.approx(1, rel=1e-6)


def test_the_ratio_interval_equals_koopmans_by_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    expected = confint_proportions_2indep(*EXAMPLE, compare="ratio", method="score")
    found = lift_interval(*EXAMPLE)
    assert bounds(found) == pytest.approx([bound - 1 for bound in expected], abs=1e-8)
    assert found.estimate == pytest.approx(1 / 3)


@pytest.mark.parametrize("method", ["newcombe", "miettinen_nurminen"])
def test_difference_intervals_cover_what_they_promise(method):
    """By enumeration of all tables of 30 and 40 units, 25 pairs of rates: never below .92, on average .945."""
    n, n_control = 30, 40
    found = {
        (k, j): bounds(difference_interval(k, n, j, n_control, method=method))
        for k in range(n + 1)
        for j in range(n_control + 1)
    }
    low, high = (np.array([v[i] for v in found.values()]).reshape(n + 1, n_control + 1) for i in (0, 1))
    covered = []
    for p in (0.1, 0.3, 0.5, 0.7, 0.9):
        for q in (0.15, 0.3, 0.45, 0.6, 0.8):
            weight = np.outer(binom.pmf(range(n + 1), n, p), binom.pmf(range(n_control + 1), n_control, q))
            covered.append(weight[(low <= p - q) & (p - q <= high)].sum())
    assert min(covered) > 0.92
    assert 0.945 < np.mean(covered) < 0.97


def test_the_choice_of_test_is_named():
    large = compare_arms(*EXAMPLE)
    assert (large.test.method, large.instead_of) == ("chi-square", "Boschloo")
    assert "150 units" in large.reason
    small = compare_arms(7, 15, 12, 15)
    assert (small.test.method, small.instead_of) == ("Boschloo", "chi-square")
    rare = compare_arms(3, 5000, 1, 5000)
    assert rare.test.method == "Fisher"
    assert large.newcombe.estimate == large.miettinen_nurminen.estimate == pytest.approx(0.2)


def test_boschloo_equals_the_example_of_scipys_documentation():
    """The documentation's [[7, 12], [8, 3]] has the arms in its columns: 7 of 15 and 12 of 15."""
    expected, found = SCIPY["barnard_scipy_doc"], barnard(7, 15, 12, 15)
    assert found.statistic == pytest.approx(expected["statistic"], abs=1e-6)
    assert found.p == pytest.approx(expected["p"], abs=1e-6)
    assert found.p / 2 == pytest.approx(expected["published_p_less"], abs=1e-5)  # the documentation's one-sided p


@PROPERTY
@given(k=st.integers(0, 12), j=st.integers(0, 15))
def test_boschloo_never_has_less_power_than_fisher(k, j):
    """Its p, twice the smaller one-sided one, is at most twice Fisher's (up to the accuracy of its maximisation)."""
    table = [[k, 12 - k], [j, 15 - j]]
    one_sided = min(fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    assert boschloo(k, 12, j, 15).p <= 2 * one_sided + 1e-3


@pytest.mark.parametrize("row", SCIPY["sign_test"], ids=lambda row: f"{row['w']}:{row['l']}")
def test_sign_test_equals_its_oracle(row):
    assert sign_test(row["w"], row["l"]).p == pytest.approx(row["p"], abs=1e-9)


def test_sign_test_equals_r():
    assert sign_test(60, 40).p == pytest.approx(R["binom_test_60_100"], **TIGHT)
    assert sign_test(0, 0).p == 1.0


def test_the_sleep_data_equal_r():
    found, expected = compare_means(*SLEEP), R["welch_sleep"]
    assert [found.t, found.df, found.p] == pytest.approx([expected[k] for k in ("t", "df", "p")], **TIGHT)
    assert bounds(found.difference) == pytest.approx(expected["ci"], **TIGHT)
    assert found.p_mann_whitney == pytest.approx(R["wilcox_sleep_normal_cc"], **TIGHT)
    assert found.superiority == pytest.approx(0.255)


def test_brunner_munzel_equals_its_paper():
    """Brunner & Munzel 2000, Biometrical Journal 42, pain scores; R lawstat: p = 0.005786, P = 0.788961."""
    x = [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1]
    y = [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4]
    found = compare_means(y, x)
    assert found.p_brunner_munzel == pytest.approx(0.005786208666, abs=1e-9)
    assert found.superiority == pytest.approx(0.7889610390, abs=1e-9)


def test_samples_that_do_not_overlap_have_no_brunner_munzel():
    assert compare_means([4, 5, 6], [1, 2, 3]).p_brunner_munzel is None


def test_the_lift_of_means_covers_the_truth():
    """2,000 experiments with a true lift of 20 %, gamma noise; and none over a control that may be zero."""
    rng = np.random.default_rng(5)
    lifts = [compare_means(rng.gamma(2, 1.2, 60), rng.gamma(2, 1.0, 60)).lift for _ in range(600)]
    inside = np.mean([lift.lower <= 0.2 <= lift.upper for lift in lifts])
    assert 0.925 < inside < 0.975
    assert compare_means([1.0, 2.0], [-1.0, 1.0]).lift is None


def test_srm_equals_r():
    found, expected = split_check([821588, 815482], [1, 1]), R["srm_chisq_5050_821588_815482"]
    assert found.statistic == pytest.approx(expected["stat"], **TIGHT)
    assert found.p == pytest.approx(expected["p"], rel=1e-6)
    assert found.is_mismatch
    assert not split_check([500, 520], [0.5, 0.5]).is_mismatch


def test_the_any_time_srm_e_value_is_a_fair_bet():
    """Its expectation under the plan is 1 exactly (by enumeration), and a gross mismatch is found."""
    chances = [binom.pmf(k, 40, 0.3) for k in range(41)]
    e = [split_check([k, 40 - k], [0.3, 0.7]).e_value for k in range(41)]
    assert np.dot(chances, e) == pytest.approx(1, abs=1e-9)
    assert split_check([9000, 10000], [1, 1]).is_mismatch_any_time
    assert split_check([10**6, 10**7], [1, 1]).is_mismatch_any_time


@pytest.mark.parametrize(
    "call",
    [
        lambda: proportion_interval(0, 0),
        lambda: proportion_interval(3, 2),
        lambda: proportion_interval(float("nan"), 2),
        lambda: proportion_interval(1, 2, method="guess"),
        lambda: proportion_interval(1, 2, confidence=1),
        lambda: difference_interval(1, 2, 1, 2, method="guess"),
        lambda: difference_interval(1, 2, 1.5, 2),
        lambda: compare_arms(1, 0, 1, 2),
        lambda: chi_square(1, 2, 3, 2),
        lambda: sign_test(-1, 2),
        lambda: compare_means([], [1, 2]),
        lambda: compare_means([1, 2], [1]),
        lambda: compare_means([1, float("nan")], [1, 2]),
        lambda: compare_means([1, 1], [2, 2]),
        lambda: split_check([1], [1]),
        lambda: split_check([0, 0], [1, 1]),
        lambda: split_check([1, 2], [0, 1]),
        lambda: split_check([1, -2], [1, 1]),
        lambda: split_check([1, 2], [1, 1], alpha=0),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(InvalidInputError):
        call()


def test_nobody_or_everybody_succeeding_is_no_difference():
    for k in (0, 20):
        found = compare_arms(k, 20, k, 20)
        assert found.test.p == 1.0
        assert found.miettinen_nurminen.lower < 0 < found.miettinen_nurminen.upper
    assert lift_interval(0, 20, 0, 20).estimate is None
