"""Online Elo against evalica and by hand."""

from __future__ import annotations

import csv
import json
import math

import pytest

from app.domain import Comparison, Outcome
from app.errors import NotOrderedError
from app.ranking import elo
from app.stats.comparisons import Comparisons

POINT = math.log(10) / 400  # one Elo point in logits


def ordered(*votes):
    return Comparisons.from_rows([Comparison(a, b, Outcome(o)) for a, b, o in votes], ordered=True)


def ratings(ranking):
    return {row.model: None if row.rating is None else row.rating / POINT for row in ranking.models}


def test_one_win_among_equals_moves_half_of_k():
    assert ratings(elo.rank(ordered(("a", "b", "model_a")))) == pytest.approx({"a": 16, "b": -16})
    assert ratings(elo.rank(ordered(("a", "b", "model_b")), k=4)) == pytest.approx({"a": -2, "b": 2})


def test_a_tie_moves_the_leader_down_and_dropping_it_does_not():
    votes = ordered(("a", "b", "model_a"), ("b", "a", "tie"), ("a", "b", "both_bad"))
    expected = 1 / (1 + 10 ** (-32 / 400))
    after = 16 + 32 * (0.5 - expected)
    assert ratings(elo.rank(votes, both_bad="drop"))["a"] == pytest.approx(after)
    assert ratings(elo.rank(votes))["a"] < after
    assert ratings(elo.rank(votes, ties="drop"))["a"] == pytest.approx(16)


def test_another_order_gives_another_rating():
    won, lost = ("a", "b", "model_a"), ("a", "b", "model_b")
    first, last = elo.rank(ordered(won, lost)), elo.rank(ordered(lost, won))
    assert ratings(first)["a"] == pytest.approx(-ratings(last)["a"])
    assert ratings(first)["a"] != pytest.approx(0)


def test_unordered_votes_are_refused():
    with pytest.raises(NotOrderedError):
        elo.rank(Comparisons.from_rows([Comparison("a", "b", Outcome.TIE)]))


def test_no_interval_is_claimed_and_the_label_says_so():
    row = elo.rank(ordered(("a", "b", "model_a"))).models[0]
    assert (row.model, row.rank) == ("a", 1)
    assert (row.se, row.lower, row.upper, row.rank_lower, row.rank_upper) == (None,) * 5
    assert "order" in elo.LABEL
    assert "no intervals" in elo.LABEL


def test_a_model_whose_votes_are_all_dropped_is_not_rated():
    ranking = elo.rank(ordered(("a", "b", "model_a"), ("a", "c", "tie")), ties="drop")
    assert ratings(ranking)["c"] is None
    assert ranking.components == (("a", "b"), ("c",))


def test_llmfao_equals_evalica(shared):
    expected = json.loads((shared / "oracles/20_llmfao_peers.json").read_text())["expected"]["evalica_elo_sequential"]
    outcome = {"left": Outcome.MODEL_A, "right": Outcome.MODEL_B, "tie": Outcome.TIE}
    with (shared / "data/llmfao/votes.csv").open() as file:
        rows = [Comparison(row["left"], row["right"], outcome[row["winner"]]) for row in csv.DictReader(file)]
    found = ratings(elo.rank(Comparisons.from_rows(rows, ordered=True), k=4))  # evalica's default K
    assert {model: 1000 + points for model, points in found.items()} == pytest.approx(expected, abs=0.01)
