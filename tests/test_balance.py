"""The next turn goes to what had the fewest, and chance decides only between equals."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from app.stats.balance import least_used

COUNTS = st.dictionaries(st.integers(0, 9), st.integers(0, 5))


def test_the_least_used_is_taken_for_sure() -> None:
    assert least_used("abc", {"a": 2, "b": 1, "c": 3}, rng=Random(1)) == ("b", 1.0)


def test_what_was_never_used_counts_as_zero() -> None:
    assert least_used("ab", {"a": 1}, rng=Random(1)) == ("b", 1.0)


def test_the_second_count_decides_between_equals_of_the_first() -> None:
    assert least_used("abc", {"a": 1, "b": 1, "c": 5}, {"a": 9, "b": 2, "c": 0}, rng=Random(1)) == ("b", 1.0)


def test_without_options_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="nothing to choose from"):
        least_used([], {}, rng=Random(1))


def test_equals_are_drawn_with_equal_chance() -> None:
    """A52: 10,000 draws among five equals; the chi-square test finds no favourite."""
    rng = Random(20261122)
    drawn = Counter(least_used(range(7), {5: 1, 6: 3}, rng=rng)[0] for _ in range(10_000))
    assert set(drawn) == set(range(5))
    assert chisquare(list(drawn.values())).pvalue > 0.001


@given(st.sets(st.integers(0, 9), min_size=1), COUNTS, COUNTS, st.randoms(use_true_random=False))
def test_the_choice_is_a_smallest_one_and_the_probability_that_of_its_ties(
    options: set[int], first: dict[int, int], second: dict[int, int], rng: Random
) -> None:
    chosen, probability = least_used(options, first, second, rng=rng)
    keys = {option: (first.get(option, 0), second.get(option, 0)) for option in options}
    assert keys[chosen] == min(keys.values())
    assert probability == 1 / list(keys.values()).count(keys[chosen])


@given(st.integers(1, 8), st.integers(1, 40), st.randoms(use_true_random=False))
def test_turn_after_turn_no_option_is_ever_two_ahead(n_options: int, n_turns: int, rng: Random) -> None:
    """Whoever comes and goes: the counts differ by at most one at every moment."""
    counts = Counter(dict.fromkeys(range(n_options), 0))
    for _ in range(n_turns):
        counts[least_used(range(n_options), counts, rng=rng)[0]] += 1
        assert max(counts.values()) - min(counts.values()) <= 1
