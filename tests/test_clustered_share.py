"""Shares of votes with raters who repeat themselves, ratios over prompts, and how long a decision still takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from app.errors import InvalidInputError
from app.stats.clustered_share import clustered_share, share_difference
from app.stats.intervals import wilson_interval
from app.stats.paired_ratio import paired_ratio
from app.stats.pairwise import benjamini_hochberg
from app.stats.sequential import normal_half_width
from app.stats.votes_to_decide import votes_to_decide


def test_without_raters_a_share_has_wilsons_interval() -> None:
    hit = np.arange(40) < 13
    found = clustered_share(hit, np.ones(40), None)
    assert (found.lower, found.upper) == pytest.approx(tuple(float(x) for x in wilson_interval(13, 40)))


def test_a_rater_who_repeats_one_answer_counts_as_one_vote() -> None:
    """100 raters who say the same ten times over: the interval of 100 votes (by t), not of 1,000."""
    said = np.arange(100) < 30
    found = clustered_share(np.repeat(said, 10), np.ones(1000), np.repeat(np.arange(100), 10))
    lower, upper = wilson_interval(30, 100)
    assert found.share == 0.3
    assert (found.lower, found.upper) == pytest.approx((float(lower), float(upper)), abs=0.006)


def test_where_all_say_the_same_the_number_of_raters_counts() -> None:
    found = clustered_share(np.ones(600, bool), np.ones(600), np.repeat(np.arange(12), 50))
    assert found.upper == 1
    assert found.lower < float(wilson_interval(12, 12)[0]) + 1e-9


def test_the_intervals_of_a_share_cover_it() -> None:
    rng, n_in, n_runs = np.random.default_rng(0), 0, 400
    for _ in range(n_runs):
        own = np.clip(0.3 + 0.2 * rng.standard_normal(30), 0, 1)
        rater = rng.integers(30, size=600)
        found = clustered_share(rng.random(600) < own[rater], np.ones(600), rater)
        n_in += found.lower <= 0.302 <= found.upper  # clipping moves the mean by 0.002
    assert 0.92 <= n_in / n_runs <= 0.98


def test_a_difference_of_two_sets_apart_is_that_of_two_proportions() -> None:
    hit = np.concatenate([np.arange(50) < 20, np.arange(80) < 12])
    first = np.arange(130) < 50
    found = share_difference(hit, first, ~first, np.ones(130), None)
    assert found is not None
    assert found.difference == pytest.approx(0.4 - 0.15)
    assert found.variance == pytest.approx(0.4 * 0.6 / 50 + 0.15 * 0.85 / 80)
    alone = share_difference(hit, first, ~first, np.ones(130), np.arange(130))
    assert alone is not None and alone.variance == pytest.approx(found.variance * 130 / 129)
    assert share_difference(hit, first, np.zeros(130, bool), np.ones(130), None) is None


def test_votes_that_are_in_both_sets_say_nothing_of_their_difference() -> None:
    both = np.ones(30, bool)
    found = share_difference(np.arange(30) < 9, both, both, np.ones(30), None)
    assert found is not None
    assert (found.difference, found.variance) == (0, 0)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="one weight"):
        clustered_share(np.ones(3, bool), np.ones(4), None)


def test_the_interval_of_a_ratio_covers_it() -> None:
    rng, n_in, n_runs = np.random.default_rng(4), 0, 200
    for run in range(n_runs):
        hard = rng.lognormal(size=120)
        a, b = (1.2 * hard * rng.lognormal(sigma=0.3, size=120), hard * rng.lognormal(sigma=0.3, size=120))
        found = paired_ratio(a, b, quantile=0.5, seed=run)
        n_in += found.lower <= 1.2 <= found.upper
    assert 0.9 <= n_in / n_runs <= 0.99


def test_ratios_with_nothing_below_are_endless_or_one() -> None:
    zeros, ones = np.zeros(30), np.ones(30)
    assert (paired_ratio(zeros, zeros).ratio, paired_ratio(ones, zeros).ratio) == (1, np.inf)
    assert paired_ratio(zeros, ones).upper == 0
    with pytest.raises(InvalidInputError, match="two prompts"):
        paired_ratio(ones[:1], ones[:1])
    with pytest.raises(InvalidInputError, match="not negative"):
        paired_ratio(-ones, ones)


def test_benjamini_and_hochberg_as_scipy_has_it() -> None:
    p = np.random.default_rng(2).random(25) ** 3
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    assert len(benjamini_hochberg(np.zeros(0))) == 0


def test_after_the_votes_that_were_foretold_the_interval_is_as_narrow_as_needed() -> None:
    n = votes_to_decide(0.2, 0.01, 500, rope=0.05)
    assert n is not None and n > 500
    variance = 0.01 * 500 / n
    assert float(normal_half_width(variance)) + 0.8416 * variance**0.5 == pytest.approx(0.2, rel=1e-4)
    fixed = votes_to_decide(0.2, 0.01, 500, rope=0.05, is_anytime=False)
    assert fixed == pytest.approx(500 * ((1.95996 + 0.84162) * 0.1 / 0.2) ** 2, rel=1e-4)
    assert fixed is not None and fixed < n


def test_a_small_difference_is_decided_by_lying_within_the_range() -> None:
    apart = votes_to_decide(0.001, 0.01, 500, rope=0.1)
    assert apart is not None and apart == pytest.approx(votes_to_decide(0.099, 0.01, 500, rope=1e-9) or 0, rel=1e-3)


def test_what_is_decided_needs_no_more_votes_and_what_never_will_be_has_no_number() -> None:
    assert votes_to_decide(2.0, 0.0001, 500, rope=0.1) == 500
    assert votes_to_decide(0.00001, 1.0, 500, rope=0.00002) is None
    with pytest.raises(InvalidInputError, match="forecast"):
        votes_to_decide(0.1, 0.0, 500, rope=0.1)
