"""How many more votes would decide who leads: against the plan of a board, by simulation, and where none helps."""

from __future__ import annotations

import numpy as np
import pytest

from app.domain import Comparison, Outcome, Ranking
from app.ranking import bradley_terry, win_rate
from app.services.board_claims import boards_of
from app.services.votes_needed import count_more_votes
from app.stats.comparisons import Comparisons
from app.stats.power_board import critical_difference, votes_for_board, votes_for_leader


def votes(*rows: tuple[str, str, int, int], times: int = 1) -> Comparisons:
    """Rows of (model, model, wins of the first, wins of the second)."""
    return Comparisons.from_rows(
        [
            Comparison(a, b, outcome, float(times * n))
            for a, b, first, second in rows
            for outcome, n in ((Outcome.MODEL_A, first), (Outcome.MODEL_B, second))
            if n
        ]
    )


OPEN = (("A", "B", 54, 46), ("B", "C", 60, 40), ("A", "C", 62, 38))


def ranked(comparisons: Comparisons) -> Ranking:
    return bradley_terry.rank(comparisons, multiplicity="max_t")


def test_for_a_leader_with_all_models_open_it_is_the_plan_of_the_board() -> None:
    found = ranked(votes(("A", "B", 54, 46), ("B", "C", 54, 46), ("A", "C", 55, 45)))
    [board] = boards_of(found, "a test")
    leader, _ = votes_for_board(board.theta, board.covariance, found.n_votes)
    assert count_more_votes(found) == pytest.approx(leader - found.n_votes)


def test_with_that_many_votes_of_the_same_kind_the_leader_is_told_apart() -> None:
    found = ranked(votes(*OPEN))
    more = count_more_votes(found)
    assert more is not None
    times = int(np.ceil((found.n_votes + more) / found.n_votes))
    assert count_more_votes(ranked(votes(*OPEN, times=times))) is None
    assert count_more_votes(ranked(votes(*OPEN, times=max(1, times // 4)))) is not None


def test_the_power_is_what_it_says_it_is() -> None:
    """New votes from the ratings of now, as many as are named: the first model is ahead of all in four of five runs."""
    truth = ranked(votes(*OPEN))
    more = count_more_votes(truth)
    assert more is not None
    theta = {row.model: row.rating or 0.0 for row in truth.models}
    each, rng, ahead = round((truth.n_votes + more) / 3), np.random.default_rng(1), 0
    for _ in range(200):
        rows = []
        for a, b, *_ in OPEN:
            wins = int(rng.binomial(each, 1 / (1 + np.exp(theta[b] - theta[a]))))
            rows.append((a, b, wins, each - wins))
        row = next(row for row in ranked(votes(*rows)).models if row.model == "A")
        ahead += row.rank_upper == 1
    assert 0.7 < ahead / 200 < 0.92


@pytest.mark.parametrize(
    "comparisons",
    [
        pytest.param(votes(("A", "B", 90, 10)), id="decided"),
        pytest.param(votes(("A", "B", 9, 0), ("B", "C", 5, 5)), id="no bound"),
        pytest.param(votes(("A", "B", 9, 8), ("C", "D", 5, 5)), id="groups"),
    ],
)
def test_where_it_says_nothing(comparisons: Comparisons) -> None:
    assert count_more_votes(ranked(comparisons)) is None


def test_methods_without_tests_say_nothing() -> None:
    assert count_more_votes(win_rate.rank(votes(*OPEN))) is None


def test_between_equals_no_number_of_votes_decides() -> None:
    assert count_more_votes(ranked(votes(("A", "B", 50, 50)))) == float("inf")


def test_of_many_models_the_bound_is_read_off_the_tests() -> None:
    """It is near the one that is simulated, at which the pairs of the board are told apart or not."""
    rng = np.random.default_rng(3)
    names = [f"m{i:02d}" for i in range(50)]
    strength = np.sort(rng.normal(0, 0.8, 50))[::-1]
    strength[:3] = strength[0] + np.array([0.1, 0.0, -0.1])
    rows = []
    for i in range(50):
        for j in range(i):
            wins = int(rng.binomial(20, 1 / (1 + np.exp(strength[j] - strength[i]))))
            rows.append((names[i], names[j], wins, 20 - wins))
    found = ranked(votes(*rows))
    [board] = boards_of(found, "a test")
    first = found.models[0].model
    peers = {test.model_b for test in found.pairs if test.model_a == first and test.p_adjusted > 0.05}
    kept = [k for k, name in enumerate(board.models) if name == first or name in peers]
    exact = votes_for_leader(
        board.theta[kept],
        board.covariance[np.ix_(kept, kept)],
        found.n_votes,
        critical=critical_difference(board.covariance),
    )
    more = count_more_votes(found)
    assert more is not None
    assert more + found.n_votes == pytest.approx(exact, rel=0.15)
