"""The planner of the Compare page: votes and days for a gap, by the ties, the raters and the pace of a study."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from app.domain import ExperimentStatus
from app.errors import InvalidInputError
from app.services import pair_plan
from db.engine import Database
from tests.test_head_to_head import compared, stored, votes


def test_the_planner_counts_ties_raters_and_days(store: Database) -> None:
    del store
    found = compared(stored(votes(1200)), "Birch", "Cedar")
    plan = pair_plan.plan_pair(found, points=3.0)
    assert [one.points for one in plan.gaps] == [1.0, 2.5, 3.0, 5.0, 10.0, 15.0] and plan.chosen.points == 3.0
    assert found.whole is not None and plan.design_effect == found.whole.design_effect >= 1
    assert not plan.is_recent and plan.per_day == pytest.approx(100, rel=0.02)
    five = next(one for one in plan.gaps if one.points == 5)
    decisive = 1 - plan.tie_rate - plan.both_bad_rate
    assert 0.8 < decisive < 0.9 and five.needed is not None
    assert five.needed.win_share == pytest.approx(0.5 + 0.05 / decisive)
    n = (
        (1.959964 / 2 + 0.841621 * (five.needed.win_share * (1 - five.needed.win_share)) ** 0.5) / (0.05 / decisive)
    ) ** 2
    assert five.needed.n_votes == pytest.approx(n / decisive * plan.design_effect, abs=2)
    needs = [one.n_more for one in plan.gaps]
    assert needs == sorted(needs, reverse=True) and needs[0] > 0 and needs[-1] == 0  # type: ignore[type-var,operator]
    stronger = pair_plan.plan_pair(found, points=3.0, power=0.95)
    assert stronger.chosen.needed is not None and plan.chosen.needed is not None
    assert stronger.chosen.needed.n_votes > plan.chosen.needed.n_votes
    for points in (0, 50, float("nan")):
        with pytest.raises(InvalidInputError, match="between 0 and 50"):
            pair_plan.plan_pair(found, points=points)


def test_the_planner_of_a_running_study_goes_by_the_last_week_and_says_where_it_knows_nothing(store: Database) -> None:
    del store
    id_ = stored(votes(1200), ExperimentStatus.RUNNING)
    recent = pair_plan.plan_pair(compared(id_, "Birch", "Cedar", now=datetime(2026, 3, 13, tzinfo=UTC)), points=5)
    assert recent.is_recent and recent.per_day == pytest.approx(100, rel=0.02)
    asleep = pair_plan.plan_pair(compared(id_, "Birch", "Cedar"), points=5)
    assert asleep.is_recent and asleep.per_day is None
    field = pair_plan.plan_pair(compared(id_, "Ash", None), points=5)
    assert field.chosen.needed is None and field.chosen.n_sequential is None and field.chosen.n_more is not None
    ties = [row | {"winner": "tie"} if i % 20 else row for i, row in enumerate(votes(1200))]
    tied = pair_plan.plan_pair(compared(stored(ties), "Birch", "Cedar"), points=5)
    assert tied.chosen.needed is None  # 95 % ties leave no gap of 5 points


def test_votes_that_are_alike_multiply_those_that_are_needed(store: Database) -> None:
    del store
    rng = np.random.default_rng(3)
    taste = {f"r{i}": rng.random() < 0.5 for i in range(60)}
    rows = votes(900)
    for row in rows:  # each rater always prefers the same of two
        row["winner"] = "left" if taste[row["rater"]] == (row["left"] < row["right"]) else "right"
    effect = pair_plan.plan_pair(compared(stored(rows), "Ash", "Birch"), points=5).design_effect
    assert 3 < effect < 15  # 15 votes a rater, of whom each says the same 5 times on a pair
