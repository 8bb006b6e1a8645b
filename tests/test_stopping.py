"""Each rule, its order, and its words."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.stats.sequential import anytime_tests
from app.stats.stopping import Verdict, decide

NAMES = ("ada", "bert", "coco")


def verdict(theta, variance, *, n_votes=3000.0, per_model=2000.0, **settings):
    theta = np.array(theta)
    tests = anytime_tests(theta, np.eye(len(theta)) * variance, np.full(len(theta), per_model))
    return decide(tests, theta, NAMES[: len(theta)], n_votes=n_votes, **settings)


def test_a_leader_above_everyone_wins():
    found = verdict([0.0, 1.0, -0.2], 0.005)
    assert found.verdict == Verdict.WINNER
    assert found.stops
    assert (found.leader, found.contenders) == (1, (1,))
    assert found.reason == "bert is clearly better than each of the 2 others (adjusted any-time p at most 0.05)."
    assert "the other model" in verdict([1.0, 0.0], 0.005).reason


def test_contenders_inside_the_range_are_equivalent_whatever_the_rest():
    found = verdict([0.0, 0.01, -1.0], 0.0002)
    assert found.verdict == Verdict.EQUIVALENT
    assert found.contenders == (0, 1)
    assert (
        found.reason == "ada and bert differ by less than 0.1 logits (2.5 points of preference), too little to matter."
    )


def test_all_contenders_must_be_equivalent_to_one_another():
    """Both ends lie within the range of the middle one, but not of each other."""
    tests = anytime_tests(np.array([0.0, 0.07, -0.07]), np.eye(3) * 1e-5, np.full(3, 9e5), tau=1e-6)
    wide = decide(tests, np.array([0.0, 0.07, -0.07]), NAMES, n_votes=1, alpha=1e-9)
    assert wide.contenders == (0, 1, 2)
    assert wide.verdict == Verdict.KEEP_GOING


def test_an_open_question_goes_on_until_the_budget_is_spent():
    going = verdict([0.0, 0.3, 0.2], 0.02, budget=3001)
    assert going.verdict == Verdict.KEEP_GOING
    assert not going.stops
    assert going.reason == "Keep going: ada, bert and coco may each still be the best."
    spent = verdict([0.0, 0.3, 0.2], 0.02, budget=3000)
    assert spent.verdict == Verdict.BUDGET
    assert spent.reason == "The budget of 3,000 votes is spent: ada, bert and coco may each still be the best."


def test_a_winner_at_the_end_of_the_budget_is_a_winner():
    assert verdict([0.0, 1.0, -0.2], 0.005, budget=10).verdict == Verdict.WINNER


def test_nobody_is_judged_before_the_burn_in():
    found = verdict([0.0, 3.0, -3.0], 0.0001, per_model=99.0)
    assert found.verdict == Verdict.KEEP_GOING
    assert found.reason.endswith("and some have too few votes to be judged.")


@pytest.mark.parametrize("settings", [{"alpha": 0}, {"rope": 0}])
def test_senseless_settings_are_refused(settings):
    with pytest.raises(InvalidInputError):
        verdict([0.0, 1.0], 0.01, **settings)


def test_one_model_cannot_be_decided():
    with pytest.raises(InvalidInputError):
        verdict([0.0], 0.01)
