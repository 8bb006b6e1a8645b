"""Simulated votes have the properties that they were asked to have."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.services.simulated_votes import Truth, simulate_votes, spaced_strengths
from app.services.votes_needed import count_votes_needed

N = 100_000


def test_rates_and_position_are_those_asked_for():
    truth = Truth(spaced_strengths(4, 1.0), tie_rate=0.2, both_bad_rate=0.1, position=0.5)
    left, right, winner, _, _ = simulate_votes(truth, n_votes=N, seed=1)
    share = {word: float((winner == word).mean()) for word in ("left", "right", "tie", "both_bad")}
    # four standard errors of a share of 100,000
    assert share["tie"] == pytest.approx(0.2, abs=0.006) and share["both_bad"] == pytest.approx(0.1, abs=0.004)
    assert np.log(share["left"] / share["right"]) > 0.4
    assert (left != right).all()


def test_two_models_win_as_their_strengths_say():
    truth = Truth({"x": 0.4, "y": -0.4}, tie_rate=0.0, both_bad_rate=0.0)
    left, _, winner, _, _ = simulate_votes(truth, n_votes=N, seed=2)
    x_won = ((left == "x") == (winner == "left")).mean()
    assert x_won == pytest.approx(1 / (1 + np.exp(-0.8)), abs=0.006)
    assert not np.isin(winner, ["tie", "both_bad"]).any()


def test_raters_with_tastes_differ_more_than_chance():
    def spread(taste):
        truth = Truth({"x": 0.0, "y": 0.0}, tie_rate=0.0, both_bad_rate=0.0, taste=taste, n_raters=20)
        left, _, winner, rater, _ = simulate_votes(truth, n_votes=20_000, seed=3)
        x_won = (left == "x") == (winner == "left")
        return np.std([x_won[rater == name].mean() for name in np.unique(rater)])

    assert spread(0.0) < 0.03 and spread(1.0) > 0.1


def test_the_same_seed_gives_the_same_votes_and_another_does_not():
    truth = Truth(spaced_strengths(3, 1.0))
    one, two, other = (np.stack(simulate_votes(truth, n_votes=50, seed=seed)) for seed in (7, 7, 8))
    assert (one == two).all() and (one != other).any()


@pytest.mark.parametrize(
    ("strengths", "options", "n_votes"),
    [
        ({"x": 0.0}, {}, 10),
        ({"x": 0.0, "y": 99.0}, {}, 10),
        ({"x": 0.0, "y": 1.0}, {"tie_rate": 0.6, "both_bad_rate": 0.4}, 10),
        ({"x": 0.0, "y": 1.0}, {"tie_rate": -0.1}, 10),
        ({"x": 0.0, "y": 1.0}, {"n_raters": 0}, 10),
        ({"x": 0.0, "y": 1.0}, {"taste": -1.0}, 10),
        ({"x": 0.0, "y": 1.0}, {}, 0),
    ],
)
def test_a_truth_that_cannot_be_is_refused(strengths, options, n_votes):
    with pytest.raises(InvalidInputError):
        simulate_votes(Truth(strengths, **options), n_votes=n_votes, seed=0)


@pytest.mark.parametrize(("share", "n"), [(0.52, 4903), (0.55, 783), (0.60, 194), (0.65, 85), (0.70, 47)])
def test_decisive_votes_needed_are_the_published_ones(share, n):
    """The table of the two-sided test at level .05 with power .8; we round up."""
    assert count_votes_needed(win_share=share).n_decisive in (n, n + 1)
    assert count_votes_needed(win_share=1 - share).n_decisive in (n, n + 1)


def test_ties_and_repeats_ask_for_more_votes():
    plain = count_votes_needed(win_share=0.55).n_votes
    assert count_votes_needed(win_share=0.55, tie_rate=0.5).n_votes == pytest.approx(2 * plain, abs=2)
    assert count_votes_needed(win_share=0.55, design_effect=2.73).n_votes == pytest.approx(2.73 * plain, abs=3)
    assert count_votes_needed(gap=float(np.log(0.55 / 0.45))).n_votes == plain


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gap": 0.1, "win_share": 0.6},
        {"gap": 0.0},
        {"gap": float("nan")},
        {"gap": 1e-12},
        {"win_share": 1.0},
        {"win_share": 0.6, "tie_rate": 1.0},
        {"win_share": 0.6, "design_effect": 0.5},
        {"win_share": 0.6, "alpha": 0.0},
        {"win_share": 0.6, "power": 1.0},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(options):
    with pytest.raises(InvalidInputError):
        count_votes_needed(**options)


@pytest.mark.parametrize("share", [0.55, 0.6, 0.9, 0.99])
def test_the_sequential_plan_keeps_its_power(share):
    from app.stats.power import sequential_plan

    needed = count_votes_needed(win_share=share)
    assert needed.n_sequential is not None
    # A test that often decides early takes fewer votes than one that never could.
    assert sequential_plan(share, n_max=int(4 * needed.n_sequential) + 20).power >= 0.8
    assert needed.n_sequential >= 7  # fewer votes can't reach 1 / 0.05, whoever wins them
