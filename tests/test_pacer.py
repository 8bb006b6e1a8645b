"""The pace of an arena: both sides grow alike, the slower one decides, and nothing tells which one that is."""

from __future__ import annotations

import random

import pytest

from app.jobs.pacer import FASTEST, Pacer


def shown(fast: list[int], slow: list[int], ends: tuple[int, int], step: float = 0.1) -> list[int]:
    """How much is shown at each step while two answers grow as listed, whole at their ends."""
    pacer, found = Pacer(), []
    for n in range(2000):
        lengths = fast[min(n, len(fast) - 1)], slow[min(n, len(slow) - 1)]
        whole = lengths[0] >= ends[0], lengths[1] >= ends[1]
        found.append(pacer.advance(n * step, lengths, whole))
        if pacer.is_done(lengths, whole):
            return found
    raise AssertionError("it never ends")


def growing(rate: float, end: int, begins: int = 0) -> list[int]:
    """Characters that are there after each tenth of a second."""
    return [min(end, max(0, round(rate * (n - begins) / 10))) for n in range(2000)]


def test_nothing_is_shown_before_both_have_something() -> None:
    found = shown(growing(1000, 500), growing(50, 500, begins=40), (500, 500))
    assert set(found[:41]) == {0}


def test_the_slower_side_sets_the_pace() -> None:
    slow = growing(50, 500)
    found = shown(growing(10_000, 500), slow, (500, 500))
    assert all(n <= limit for n, limit in zip(found, slow, strict=False))
    assert found[-1] == 500


def test_two_fast_sides_are_shown_at_a_readers_pace() -> None:
    found = shown([2000], [2000], (2000, 2000))
    assert len(found) == pytest.approx(2000 / FASTEST * 10, abs=3)


def test_what_is_shown_is_the_same_whichever_side_is_the_fast_one() -> None:
    """The function knows no sides: exchanged, it shows exactly the same."""
    rng = random.Random(5)
    for _ in range(200):
        ends = rng.randint(0, 900), rng.randint(0, 900)
        one = growing(rng.uniform(20, 3000), ends[0], rng.randint(0, 30))
        other = growing(rng.uniform(20, 3000), ends[1], rng.randint(0, 30))
        assert shown(one, other, ends) == shown(other, one, ends[::-1])


@pytest.mark.parametrize("longer", ["fast", "slow"])
def test_the_rest_of_a_longer_answer_goes_on_at_the_pace_of_both(longer: str) -> None:
    """The pace after the shorter side has ended is the same, be the longer one the fast or the slow model's."""
    ends = (900, 300) if longer == "fast" else (300, 900)
    found = shown(growing(5000, ends[0]), growing(60, ends[1]), ends)
    after = [n for n in found if n >= 300]
    rate = (after[-1] - after[0]) / (len(after) - 1) * 10
    assert rate == pytest.approx(60, rel=0.15)


def test_it_never_shows_more_than_there_is_and_never_takes_back() -> None:
    rng = random.Random(7)
    for _ in range(100):
        pacer, lengths, before, now = Pacer(), [0, 0], 0, 0.0
        for _ in range(100):
            lengths = [n + rng.choice((0, 0, 40)) for n in lengths]
            now += rng.choice((0.1, 0.1, 3.0))
            n = pacer.advance(now, (lengths[0], lengths[1]), (False, False))
            assert before <= n <= min(lengths)
            before = n


def test_an_empty_side_doesnt_hold_up_the_other() -> None:
    assert shown([0], growing(100, 50), (0, 50))[-1] == 50
