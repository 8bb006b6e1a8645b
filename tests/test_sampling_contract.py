"""What every sampling strategy keeps, whichever files lie in app/sampling."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from app.discovery import plugin_names
from app.sampling._draw import draw, mixed_chances
from app.sampling._protocol import Board, Evidence, LearningStrategy, Moment, Plan
from app.sampling._registry import find_learning, get_strategies
from app.services import allocations

STRATEGIES = get_strategies()
every_strategy = pytest.mark.parametrize("name", STRATEGIES)
FREE = [name for name, one in STRATEGIES.items() if not one.IS_EVEN]


def board_of(m: int, weight: np.ndarray | None = None) -> Board:
    a, b = np.triu_indices(m, 1)
    return Board(a, b, np.ones(m) if weight is None else weight)


def moment_of(name: str, m: int, seed: int, *, has_plan: bool = True, n_able: int | None = None) -> Moment:
    """Any state of a study: counts, what a rater saw, which pairs can be shown, a plan from made-up votes."""
    rng = np.random.default_rng(seed)
    board = board_of(m, rng.uniform(0.1, 5, m))
    k = len(board.model_a)
    wins = np.zeros((m, m))
    wins[board.model_a, board.model_b] = rng.integers(0, 6, k) / 2
    wins[board.model_b, board.model_a] = rng.integers(0, 6, k) / 2
    n_taken = np.ceil(wins + wins.T)[board.model_a, board.model_b].astype(np.int64)
    plan = None
    if has_plan and STRATEGIES[name].LEARNS:
        learning = cast("LearningStrategy", STRATEGIES[name])
        plan = Plan(learning.plan(Evidence(board, wins, rng.integers(0, 2, k)), rng), n_taken.copy())
    able = np.sort(rng.choice(k, n_able or int(rng.integers(1, k + 1)), replace=False))
    n_taken = n_taken + rng.integers(0, 2, k)
    return Moment(board, n_taken, rng.integers(0, 3, k), able, lambda: plan)


def test_all_files_of_the_folder_are_strategies() -> None:
    assert sorted(STRATEGIES) == plugin_names("app.sampling")
    assert {"uniform", "weighted", "active", "thompson"} <= set(STRATEGIES)
    assert all(len(name) <= 32 for name in STRATEGIES)  # what the column of the database takes


@every_strategy
def test_it_says_what_it_is(name: str) -> None:
    it = STRATEGIES[name]
    assert re.fullmatch(r"[A-Z].*", it.LABEL)
    assert it.DESCRIPTION.endswith(".")
    assert {type(flag) for flag in (it.IS_EVEN, it.USES_WEIGHTS, it.LEARNS)} == {bool}
    assert hasattr(it, "plan") is it.LEARNS
    assert (find_learning(name) is not None) is it.LEARNS
    assert allocations.list_allocations()[name].label == it.LABEL == allocations.label_of(name)


def test_no_two_have_the_same_label() -> None:
    assert len({it.LABEL for it in STRATEGIES.values()}) == len(STRATEGIES)


@every_strategy
@settings(max_examples=60, deadline=None)
@given(m=st.integers(2, 7), seed=st.integers(0, 10**6), has_plan=st.booleans())
def test_its_chances_are_a_distribution_over_what_can_be_shown(name: str, m: int, seed: int, has_plan: bool) -> None:
    moment = moment_of(name, m, seed, has_plan=has_plan)
    chances = STRATEGIES[name].chances(moment)
    assert chances.shape == moment.able.shape
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1, abs=1e-9)


@every_strategy
@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(2, 7),
    seed=st.integers(0, 10**6),
    exploration=st.sampled_from([0.0, 0.1, 1.0]),
    floor=st.sampled_from([0, 5, 50]),
)
def test_a_draw_is_able_and_its_propensity_a_probability(
    name: str, m: int, seed: int, exploration: float, floor: int
) -> None:
    moment = moment_of(name, m, seed)
    position, propensity = draw(STRATEGIES[name], moment, exploration=exploration, floor_votes=floor, rng=Random(seed))
    assert position in moment.able
    assert 0 < propensity <= 1 + 1e-9


@every_strategy
@pytest.mark.parametrize("has_plan", [True, False])
@pytest.mark.parametrize("exploration", [0.0, 0.1])
def test_the_stored_propensity_is_the_frequency(name: str, has_plan: bool, exploration: float) -> None:
    """10,000 draws from one state: every pair within what chance allows of what is stored with its battles."""
    moment, rng = moment_of(name, 5, 11, has_plan=has_plan, n_able=8), Random(5)
    drawn = Counter(
        draw(STRATEGIES[name], moment, exploration=exploration, floor_votes=0, rng=rng) for _ in range(10_000)
    )
    chances = mixed_chances(STRATEGIES[name], moment, exploration)
    expected = {(int(at), float(p)): p for at, p in zip(moment.able, chances, strict=True) if p > 0}
    assert set(drawn) <= set(expected)
    if len(expected) > 1:
        seen = [drawn[key] for key in expected]
        wanted = np.array(list(expected.values()))
        assert chisquare(seen, 10_000 * wanted / wanted.sum()).pvalue > 0.001


@pytest.mark.parametrize("name", FREE)
def test_exploration_gives_every_pair_a_chance(name: str) -> None:
    """So that any vote can be weighted by its propensity."""
    moment = moment_of(name, 6, 3)
    assert mixed_chances(STRATEGIES[name], moment, 0.1).min() >= 0.1 / len(moment.able) - 1e-12
    assert mixed_chances(STRATEGIES[name], moment, 1.0) == pytest.approx(1 / len(moment.able))


@pytest.mark.parametrize("name", FREE)
def test_a_model_below_the_floor_comes_first(name: str) -> None:
    board = board_of(5)
    is_new = (board.model_a == 2) | (board.model_b == 2)
    n_taken = np.where(is_new, 3, 40)
    rng, found = Random(2), set()
    for _ in range(300):
        moment = Moment(board, n_taken, np.zeros(10, np.int64), np.arange(10), lambda: None)
        found.add(draw(STRATEGIES[name], moment, exploration=0.5, floor_votes=50, rng=rng)[0])
    assert found <= set(np.flatnonzero(is_new).tolist())
    assert len(found) > 1


@pytest.mark.parametrize("name", FREE)
def test_the_floor_never_keeps_a_rater_waiting(name: str) -> None:
    """Who has seen all pairs of the new model gets another one."""
    board = board_of(4)
    able = np.flatnonzero((board.model_a != 3) & (board.model_b != 3))
    moment = Moment(board, np.where(board.model_b == 3, 0, 100), np.zeros(6, np.int64), able, lambda: None)
    assert draw(STRATEGIES[name], moment, exploration=0.1, floor_votes=50, rng=Random(1))[0] in able


@every_strategy
def test_when_nothing_can_be_shown_there_is_no_draw(name: str) -> None:
    nothing = np.zeros(0, np.int64)
    moment = Moment(board_of(3), np.zeros(3, np.int64), np.zeros(3, np.int64), nothing, lambda: None)
    with pytest.raises(ValueError, match="no pair has room"):
        draw(STRATEGIES[name], moment, exploration=0.1, floor_votes=50, rng=Random(1))
