"""Rater diagnostics: by hand, on planted raters, and on real ones."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError
from app.stats.comparisons import Comparisons
from app.stats.leave_out import half_wins, largest_part, refit
from app.stats.newton import fit_bradley_terry
from app.stats.raters import benjamini_hochberg, davidson_shape, rater_diagnostics

THETA = np.array([1.2, 0.6, 0.0, -0.6, -1.2])


def davidson_votes(rng, n, theta=THETA, log_nu=-0.3):
    """Codes (a, b, outcome, a_is_left) of n votes that Davidson's model made."""
    a = rng.integers(0, len(theta), n)
    b = (a + rng.integers(1, len(theta), n)) % len(theta)
    d = theta[a] - theta[b]
    weights = np.exp(np.stack([d / 2, -d / 2, np.full(n, log_nu)]))
    drawn = rng.random(n) * weights.sum(axis=0)
    outcome = (drawn > weights[0]).astype(int) + (drawn > weights[:2].sum(axis=0))
    return a, b, outcome, rng.integers(0, 2, n)


def crowd(rng, n_raters=40, each=40, odd=None):
    """Comparisons by honest raters; ``odd(a, b, outcome, left)`` rewrites the outcomes of rater 0."""
    a, b, outcome, left = davidson_votes(rng, n_raters * each)
    rater = np.repeat(np.arange(n_raters), each)
    if odd is not None:
        outcome[:each] = odd(a[:each], b[:each], outcome[:each], left[:each])
    names = tuple("abcde")
    return Comparisons(names, a, b, outcome, np.ones(len(a)), left, ordered=True), rater


def reversed_votes(a, b, outcome, left):
    return np.where(outcome < 2, 1 - outcome, outcome)


def always_left(a, b, outcome, left):
    return 1 - left


def always_tie(a, b, outcome, left):
    return np.full(len(a), 2)


def at_random(a, b, outcome, left):
    return np.random.default_rng(9).integers(0, 2, len(a))


@pytest.mark.parametrize(
    ("odd", "check"),
    [
        (reversed_votes, "agreement"),
        (at_random, "agreement"),
        (always_left, "left"),
        (always_left, "run"),
        (always_tie, "ties"),
        (always_tie, "run"),
    ],
)
def test_a_planted_rater_is_flagged_and_the_honest_are_not(odd, check):
    comparisons, rater = crowd(np.random.default_rng(1), each=60, odd=odd)
    found = rater_diagnostics(comparisons, rater)
    assert getattr(found, check).flagged[0]
    assert found.flagged[0]
    assert found.flagged[1:].mean() < 0.1


def test_a_hasty_rater_is_flagged_and_missing_times_are_allowed():
    rng = np.random.default_rng(2)
    comparisons, rater = crowd(rng)
    dwell = rng.lognormal(9, 0.5, len(rater)) * np.exp(rng.normal(0, 0.3, 40))[rater]
    dwell[rater == 0] /= 60
    dwell[::7] = np.nan
    found = rater_diagnostics(comparisons, rater, dwell_ms=dwell)
    assert found.speed.flagged.tolist() == [True] + [False] * 39
    assert found.speed.value[0] == pytest.approx(np.nanmedian(dwell[rater == 0]))
    unknown = rater_diagnostics(comparisons, rater, dwell_ms=np.full(len(rater), np.nan))
    assert not unknown.speed.flagged.any()


def test_honest_raters_have_standard_normal_agreement():
    rng = np.random.default_rng(3)
    z = np.concatenate([rater_diagnostics(*crowd(rng)).agreement.z for _ in range(12)])
    assert z.mean() == pytest.approx(0, abs=0.2)
    assert z.std() == pytest.approx(1, abs=0.12)


def test_odd_raters_are_told_from_honest_ones_by_21_votes():
    """The research had an AUC of .93 for random and .98 for reversed raters at a median of 21 votes."""
    rng = np.random.default_rng(4)
    score = {"honest": [], "random": [], "reversed": []}
    for _ in range(40):
        for kind, odd in (("random", at_random), ("reversed", reversed_votes)):
            comparisons, rater = crowd(rng, n_raters=30, each=21, odd=odd)
            z = rater_diagnostics(comparisons, rater).agreement.z
            score[kind].append(z[0])
            score["honest"] += z[1:].tolist()
    for kind, least in (("random", 0.85), ("reversed", 0.95)):
        assert np.mean(np.array(score[kind])[:, None] < np.array(score["honest"])[None, :]) > least


def test_differing_tastes_widen_the_cut():
    """Raters who each have a taste of their own would be flagged by the dozen without the correction."""
    rng = np.random.default_rng(5)
    parts = [davidson_votes(rng, 80, THETA * 0.5 + rng.normal(0, 1.0, 5)) for _ in range(40)]
    a, b, outcome, left = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    comparisons = Comparisons(tuple("abcde"), a, b, outcome, np.ones(len(a)), left, ordered=True)
    found = rater_diagnostics(comparisons, np.repeat(np.arange(40), 80)).agreement
    assert found.spread > 1.5
    assert found.flagged.sum() <= 2
    assert (found.z < -1.645).sum() >= 6


def test_real_raters_spread_as_the_research_says(shared):
    """STATISTICS d: on LLMFAO the z of honest raters have a standard deviation of 2.2 to 3.0."""
    outcome = {"left": Outcome.MODEL_A, "right": Outcome.MODEL_B, "tie": Outcome.TIE}
    with (shared / "data/llmfao/votes.csv").open() as file:
        votes = list(csv.DictReader(file))
    rows = [Comparison(v["left"], v["right"], outcome[v["winner"]], left="model_a") for v in votes]
    rater = np.array([int(v["worker"]) for v in votes])
    found = rater_diagnostics(Comparisons.from_rows(rows), rater)
    assert len(found.rater) == 124
    assert found.n_votes.sum() == 8931
    assert 2.0 < np.nanstd(found.agreement.z) < 3.0
    assert 0 < found.agreement.flagged.sum() < 12
    assert found.run is None  # the file does not say in which order they voted


def test_by_hand_left_share_and_longest_run():
    """Rater 1 on the screen: left left left tie right, with model_a on either side."""
    outcome = np.array([0, 1, 0, 2, 1, 0, 1, 1, 3, 0])
    left = np.array([1, 0, 1, 1, 1, 1, 1, 1, 0, 0])
    comparisons = Comparisons(("x", "y"), np.zeros(10, int), np.ones(10, int), outcome, np.ones(10), left, ordered=True)
    found = rater_diagnostics(comparisons, np.repeat([1, 2], 5))
    assert found.left.value.tolist() == [0.75, 0.25]
    assert found.run.value.tolist() == [3, 2]
    assert found.ties.value.tolist() == [0.2, 0.2]
    assert np.isnan(found.left.p).all()  # too few votes to say anything
    assert not found.flagged.any()


def test_davidsons_shape_is_recovered_and_its_score_is_zero():
    rng = np.random.default_rng(6)
    a, b, outcome, _ = davidson_votes(rng, 40_000)
    d = THETA[a] - THETA[b]
    slope, log_nu = davidson_shape(d / 2, outcome)
    assert slope == pytest.approx(2, abs=0.06)
    assert log_nu == pytest.approx(-0.3, abs=0.03)
    none_tied = outcome < 2
    slope, log_nu = davidson_shape(d[none_tied], outcome[none_tied])
    assert slope == pytest.approx(1, abs=0.04)
    assert log_nu == -np.inf


@pytest.mark.parametrize("outcome", [0, 2])
def test_where_all_always_agree_agreement_says_nothing(outcome):
    comparisons = Comparisons(
        ("x", "y"), np.zeros(40, int), np.ones(40, int), np.full(40, outcome), np.ones(40), np.ones(40, int)
    )
    found = rater_diagnostics(comparisons, np.repeat([0, 1], 20))
    assert np.isnan(found.agreement.p).all()
    assert not found.agreement.flagged.any()


def test_swapping_the_sides_mirrors_the_left_share_only():
    comparisons, rater = crowd(np.random.default_rng(7))
    turned = Comparisons(
        comparisons.models,
        comparisons.model_a,
        comparisons.model_b,
        comparisons.outcome,
        comparisons.weight,
        1 - comparisons.a_is_left,
        ordered=True,
    )
    one, other = rater_diagnostics(comparisons, rater), rater_diagnostics(turned, rater)
    assert other.left.value == pytest.approx(1 - one.left.value)
    assert other.left.z == pytest.approx(-one.left.z)
    assert other.agreement.z == pytest.approx(one.agreement.z)


@settings(max_examples=60, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_equals_scipy(p):
    adjusted = benjamini_hochberg(np.array([*p, np.nan]))
    assert np.isnan(adjusted[-1])
    assert adjusted[:-1] == pytest.approx(false_discovery_control(p))


def test_refits_equal_fits_from_nothing():
    rng = np.random.default_rng(8)
    comparisons, rater = crowd(rng, n_raters=6)
    own = np.flatnonzero(rater == 3)
    rest = half_wins(comparisons, np.flatnonzero(rater != 3))
    assert half_wins(comparisons) - half_wins(comparisons, own) == pytest.approx(rest)
    expected = fit_bradley_terry(rest)
    assert refit(rest, THETA) == pytest.approx(expected, abs=1e-9)
    assert refit(rest, -5 * THETA) == pytest.approx(expected, abs=1e-9)
    apart = np.zeros((6, 6))
    apart[:5, :5] = rest
    assert largest_part(apart, np.zeros(6))[:5] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(largest_part(apart, np.zeros(6))[5])


def test_a_rater_who_alone_links_a_model_is_judged_on_the_rest():
    comparisons, rater = crowd(np.random.default_rng(9), n_raters=5)
    more = Comparisons(
        (*comparisons.models, "f"),
        np.append(comparisons.model_a, [5, 0]),
        np.append(comparisons.model_b, [0, 5]),
        np.append(comparisons.outcome, [0, 0]),
        np.ones(len(rater) + 2),
        np.append(comparisons.a_is_left, [0, 1]),
        ordered=True,
    )
    found = rater_diagnostics(more, np.append(rater, [2, 2]))
    assert np.isfinite(found.agreement.z).all()


def test_what_makes_no_sense_is_refused():
    comparisons, rater = crowd(np.random.default_rng(1), n_raters=3)
    empty = Comparisons.from_rows([])
    for call in (
        lambda: rater_diagnostics(empty, np.zeros(0, int)),
        lambda: rater_diagnostics(comparisons, np.zeros(len(rater), int)),
        lambda: rater_diagnostics(comparisons, rater[:-1]),
        lambda: rater_diagnostics(comparisons, np.where(rater == 0, np.nan, rater)),
        lambda: rater_diagnostics(comparisons, rater, dwell_ms=np.full(len(rater), -1.0)),
        lambda: rater_diagnostics(comparisons, rater, dwell_ms=[1.0]),
        lambda: rater_diagnostics(comparisons, rater, fdr=0),
    ):
        with pytest.raises(InvalidInputError):
            call()
