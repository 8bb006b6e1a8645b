"""Uniform allocation: every pair gets the same number of votes, whatever raters said so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from app.sampling import uniform
from app.sampling._draw import draw as draw_pair
from app.sampling._protocol import Board, Moment


def draw(taken: list[int], excluded: Set[int], seen: Mapping[int, int], rng: Random) -> tuple[int, float]:
    """One draw with the excluded and what was seen by position; exploration and floor must not touch it."""
    able = np.array([i for i in range(len(taken)) if i not in excluded], np.int64)
    n_seen = np.array([seen.get(i, 0) for i in range(len(taken))], np.int64)
    ends = np.arange(len(taken))
    board = Board(ends, ends + 1, np.ones(len(taken) + 1))
    moment = Moment(board, np.array(taken, np.int64), n_seen, able, lambda: None)
    return draw_pair(uniform, moment, exploration=0.5, floor_votes=50, rng=rng)


def test_pairs_with_equal_counts_are_drawn_with_equal_chance() -> None:
    """A52: 10,000 draws among ten pairs; the chi-square test finds no favourite."""
    rng = Random(20261122)
    drawn = Counter(draw([3] * 10, frozenset(), {}, rng) for _ in range(10_000))
    assert set(drawn) == {(position, 0.1) for position in range(10)}
    assert chisquare(list(drawn.values())).pvalue > 0.001


def test_a_pair_behind_the_others_comes_next_for_sure() -> None:
    assert draw([4, 3, 4], frozenset(), {}, Random(1)) == (1, 1.0)


def test_among_equals_comes_what_this_rater_has_not_met() -> None:
    assert draw([2, 2, 2], frozenset(), {0: 1, 2: 1}, Random(1)) == (1, 1.0)


def test_among_equals_that_this_rater_met_comes_what_they_met_least() -> None:
    assert draw([2, 2, 2], frozenset(), {0: 3, 1: 2, 2: 2}, Random(1))[0] in {1, 2}
    assert draw([2, 2, 2], frozenset(), {0: 3, 1: 2, 2: 2}, Random(1))[1] == 0.5


def test_the_quota_goes_before_the_rater() -> None:
    """What the study lacks counts more than variety for one rater."""
    assert draw([5, 4], frozenset(), {1: 7}, Random(1)) == (1, 1.0)


@pytest.mark.parametrize("n_taken", [[], [1, 2]])
def test_when_no_pair_can_be_shown_there_is_no_draw(n_taken: list[int]) -> None:
    with pytest.raises(ValueError, match="no pair has room"):
        draw(n_taken, frozenset(range(len(n_taken))), {}, Random(1))


CASES = st.lists(st.integers(0, 4), min_size=1, max_size=12).flatmap(
    lambda taken: st.tuples(
        st.just(taken),
        st.frozensets(st.integers(0, len(taken) - 1), max_size=len(taken) - 1),
        st.dictionaries(st.integers(0, len(taken) - 1), st.integers(1, 3)),
    )
)


@given(CASES, st.randoms(use_true_random=False))
def test_the_excluded_are_never_drawn_and_the_propensity_is_that_of_the_ties(
    case: tuple[list[int], frozenset[int], dict[int, int]], rng: Random
) -> None:
    n_taken, excluded, n_seen = case
    position, propensity = draw(n_taken, excluded, n_seen, rng)
    keys = {i: (n, n_seen.get(i, 0)) for i, n in enumerate(n_taken) if i not in excluded}
    assert position not in excluded
    assert keys[position] == min(keys.values())
    assert propensity == 1 / list(keys.values()).count(keys[position])


def test_the_propensity_is_the_frequency() -> None:
    """Stored with every battle, so that the votes can be weighted again later: three ties of five, one excluded."""
    rng = Random(7)
    drawn = Counter(draw([1, 1, 2, 1, 1], frozenset({4}), {}, rng) for _ in range(9_000))
    assert {position for position, _ in drawn} == {0, 1, 3}
    assert {propensity for _, propensity in drawn} == {1 / 3}
    assert chisquare(list(drawn.values())).pvalue > 0.001


def test_a_whole_study_ends_with_equal_counts() -> None:
    rng, n_taken = Random(3), [0] * 15
    for _ in range(15 * 6):
        n_taken[draw(n_taken, frozenset(), {}, rng)[0]] += 1
    assert n_taken == [6] * 15
