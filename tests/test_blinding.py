"""Bang's blinding index by hand and by enumeration of the trinomial."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multinomial

from app.errors import InvalidInputError
from app.stats.blinding import bang_index

COUNT = st.integers(0, 60)


def test_by_hand():
    """30 right, 10 wrong, 10 don't know: (2 x .75 - 1) x 40/50 = .4, variance (.8 - .16) / 50."""
    found = bang_index(30, 10, 10)
    assert found.index == pytest.approx(0.4)
    assert found.se == pytest.approx(sqrt(0.64 / 50))
    assert found.is_unblinded
    assert found.lower == pytest.approx(20 / 52 - 1.959963985 * sqrt((42 / 52 - (20 / 52) ** 2) / 52))


def test_extremes_keep_an_interval_with_width():
    all_right = bang_index(12, 0)
    assert (all_right.index, all_right.se, all_right.upper) == (1.0, 0.0, 1.0)
    assert all_right.lower < 0.95
    nobody_knows = bang_index(0, 0, 12)
    assert (nobody_knows.index, nobody_knows.is_unblinded) == (0.0, False)
    assert nobody_knows.lower < 0 < nobody_knows.upper


@given(right=COUNT, wrong=COUNT, unknown=COUNT)
def test_wrong_guesses_mirror_right_ones(right, wrong, unknown):
    if right + wrong + unknown == 0:
        return
    one, other = bang_index(right, wrong, unknown), bang_index(wrong, right, unknown)
    assert one.index == pytest.approx(-other.index)
    assert (one.lower, one.upper) == pytest.approx((-other.upper, -other.lower))
    assert -1 <= one.lower <= one.index + 1e-12
    assert one.index - 1e-12 <= one.upper <= 1


@pytest.mark.parametrize("chances", [(0.5, 0.5, 0.0), (0.3, 0.3, 0.4), (0.6, 0.2, 0.2), (0.9, 0.05, 0.05)])
def test_the_interval_covers_by_enumeration(chances):
    n, covered = 25, 0.0
    for right in range(n + 1):
        for wrong in range(n + 1 - right):
            found = bang_index(right, wrong, n - right - wrong)
            if found.lower <= chances[0] - chances[1] <= found.upper:
                covered += multinomial.pmf([right, wrong, n - right - wrong], n, chances)
    assert 0.93 < covered < 0.99


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 2, 0), (1.5, 2, 0), (np.nan, 1, 0)])
def test_what_makes_no_sense_is_refused(counts):
    with pytest.raises(InvalidInputError):
        bang_index(*counts)
    with pytest.raises(InvalidInputError):
        bang_index(1, 1, confidence=1.0)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_a_choice_from_k_names_is_zero_by_chance_and_one_if_all_know(k: int) -> None:
    assert bang_index(10, 10 * (k - 1), n_options=k).index == pytest.approx(0.0)
    assert bang_index(50, 0, n_options=k).index == 1.0
    assert bang_index(0, 50, n_options=k).index == pytest.approx(-1 / (k - 1))
    assert not bang_index(10, 10 * (k - 1), 7, n_options=k).is_unblinded


def test_the_interval_of_a_choice_from_k_names_holds_the_truth_as_often_as_it_says() -> None:
    """2,000 simulated studies each, of 60 guesses from four names, by chance and with half of them known."""
    rng = np.random.default_rng(5)
    for known in (0.0, 0.5):
        p = known + (1 - known) / 4
        right = rng.binomial(60, p, size=2000)
        held = [
            found.lower <= known <= found.upper
            for found in (bang_index(int(r), 60 - int(r), n_options=4) for r in right)
        ]
        assert 0.93 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("k", [1, 0, 2.5])
def test_a_guess_needs_two_options(k: float) -> None:
    with pytest.raises(InvalidInputError, match="two options"):
        bang_index(1, 1, n_options=k)  # type: ignore[arg-type]
