"""The exact sign test: against scipy's binomial test, who counts in it, and its level where votes are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from app.stats.contrasts import Votes
from app.stats.pairwise import holm
from app.stats.sign_test import field_sign_test, pair_sign_test, sign_p


def votes(rows: list[tuple[int, int, int, int]], m: int = 3, *, is_known: bool = True) -> Votes:
    """Votes from (first, second, kind, rater); kind 0: the first won, 1: the second did, 2: neither."""
    a, b, kind, rater = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    cluster = rater if is_known else None
    n_raters = len(set(rater.tolist())) if is_known else 0
    return Votes(m, (a * m + b) * 3 + kind, np.ones(len(a)), cluster, n_raters, True)


@given(st.integers(0, 4000), st.integers(0, 4000))
def test_p_is_that_of_scipys_binomial_test(n_for: int, n_against: int) -> None:
    [p] = sign_p(np.array([n_for]), np.array([n_against]))
    n = n_for + n_against
    assert p == pytest.approx(binomtest(n_for, n).pvalue if n else 1.0, rel=1e-9)


def test_each_rater_counts_once_for_whom_they_preferred_more_often() -> None:
    rows = [(0, 1, 0, 0)] * 5 + [(1, 0, 0, 0)] * 2  # rater 0: five to two for model 0, whichever stood first
    rows += [(0, 1, 1, 1), (0, 1, 2, 1)]  # rater 1: for model 1, a tie says nothing
    rows += [(0, 1, 0, 2), (1, 0, 0, 2)]  # rater 2: even
    rows += [(0, 1, 2, 3), (0, 2, 0, 3)]  # rater 3 decided nothing between the two
    found = pair_sign_test(votes(rows), 0, 1)
    assert (found.n_for, found.n_against, found.n_even, found.is_by_rater) == (1, 1, 1, True)
    swapped = pair_sign_test(votes(rows), 1, 0)
    assert (swapped.n_for, swapped.n_against, swapped.p) == (1, 1, found.p)
    alone = pair_sign_test(votes(rows, is_known=False), 0, 1)
    assert (alone.n_for, alone.n_against, alone.is_by_rater) == (6, 4, False)
    assert alone.p == pytest.approx(binomtest(6, 10).pvalue)


def test_it_is_corrected_for_all_pairs_and_with_a_champion_for_its_pairs_alone() -> None:
    rows = [(0, 1, 0, i) for i in range(12)] + [(1, 2, 0, i) for i in range(7)] + [(2, 0, 1, i) for i in range(9)]
    p = np.array([2 * 0.5**12, 2 * 0.5**9, 2 * 0.5**7, 1.0, 1.0, 1.0])  # model 3 met nobody
    wanted = dict(zip([(0, 1), (0, 2), (1, 2)], holm(p).tolist(), strict=False))
    for (i, j), p_holm in wanted.items():
        assert pair_sign_test(votes(rows, 4), i, j).p_holm == pytest.approx(p_holm)
    with_champion = pair_sign_test(votes(rows, 4), 1, 2, champion=1)
    assert with_champion.p_holm == pytest.approx(holm(np.array([p[0], p[2], 1.0]))[1])
    assert pair_sign_test(votes(rows, 4), 1, 2, champion=0).p_holm == pytest.approx(wanted[1, 2])
    nothing = pair_sign_test(votes(rows, 4), 3, 0)
    assert (nothing.n_for, nothing.n_against, nothing.p, nothing.p_holm) == (0, 0, 1.0, 1.0)


def test_against_the_field_a_rater_counts_once_over_all_opponents() -> None:
    rows = [(0, 1, 0, i) for i in range(10)] + [(2, 0, 0, i) for i in range(5)] + [(2, 0, 1, i) for i in range(5, 10)]
    found = field_sign_test(votes(rows), 0)
    assert (found.n_for, found.n_against, found.n_even) == (5, 0, 5)
    p = sign_p(np.array([5, 0, 5]), np.array([0, 10, 5]))
    assert found.p == pytest.approx(p[0]) and found.p_holm == pytest.approx(holm(p)[0])
    beaten = field_sign_test(votes(rows), 1)
    assert (beaten.n_for, beaten.n_against) == (0, 10)


def test_it_keeps_its_level_where_votes_of_a_rater_are_alike_and_one_by_vote_does_not() -> None:
    rng = np.random.default_rng(1)
    false = {True: 0, False: 0}
    for _ in range(400):
        taste = rng.beta(0.5, 0.5, 24)  # strong tastes, none better on the whole
        rater = np.repeat(np.arange(24), 15)
        won = (rng.random(len(rater)) >= taste[rater]).astype(int)
        rows = [(0, 1, int(kind), int(who)) for kind, who in zip(won, rater, strict=True)]
        for is_known in false:
            false[is_known] += pair_sign_test(votes(rows, 2, is_known=is_known), 0, 1).p <= 0.05
    assert false[True] <= 0.05 * 400 + 3 * np.sqrt(0.05 * 0.95 * 400)
    assert false[False] > 0.3 * 400
