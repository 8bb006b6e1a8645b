"""Win rates count halves, rank within a group, and claim nothing more."""

from __future__ import annotations

from app.domain import Comparison, Outcome
from app.ranking import win_rate
from app.stats.comparisons import Comparisons

VOTES = Comparisons.from_rows(
    [
        Comparison("a", "b", Outcome.MODEL_A, weight=2),
        Comparison("a", "b", Outcome.TIE, weight=2),
        Comparison("b", "c", Outcome.MODEL_A, weight=3),
        Comparison("b", "c", Outcome.BOTH_BAD),
        Comparison("x", "y", Outcome.MODEL_A),
    ],
    models=["new"],
)


def by_model(**options):
    return {row.model: row for row in win_rate.rank(VOTES, **options).models}


def test_models_are_ranked_by_the_share_of_votes_won_within_their_group():
    ranks = {model: (row.component, row.rank) for model, row in by_model().items()}
    assert ranks == {"a": (0, 1), "b": (0, 2), "c": (0, 3), "x": (1, 1), "y": (1, 2), "new": (2, None)}


def test_no_rating_in_logits_is_given():
    for row in by_model().values():
        assert (row.rating, row.se, row.lower, row.upper, row.rank_lower, row.rank_upper) == (None,) * 6


def test_win_rate_counts_ties_and_both_bad_as_half():
    assert by_model()["b"].win_rate == (3 + 0.5 * 3) / 8
    assert by_model()["new"].win_rate is None


def test_equal_shares_share_a_rank():
    tie = Comparisons.from_rows([Comparison("a", "b", Outcome.TIE), Comparison("b", "c", Outcome.TIE)])
    assert [row.rank for row in win_rate.rank(tie).models] == [1, 1, 1]


def test_dropping_ties_ranks_by_decisive_votes():
    rows = [
        Comparison("a", "b", Outcome.MODEL_A, weight=3),
        Comparison("b", "a", Outcome.MODEL_A),
        Comparison("a", "c", Outcome.TIE, weight=20),
        Comparison("b", "c", Outcome.MODEL_B, weight=2),
        Comparison("b", "c", Outcome.MODEL_A),
    ]
    votes = Comparisons.from_rows(rows)
    half = [row.model for row in win_rate.rank(votes).models]
    dropped = [row.model for row in win_rate.rank(votes, ties="drop").models]
    assert half[0] == "a"
    assert dropped == ["a", "c", "b"]
    assert by_model(ties="drop")["c"].losses == 3


def test_separate_groups_and_idle_models_are_named_in_plain_words():
    found = " ".join(win_rate.rank(VOTES).warnings)
    assert "2 groups that no vote connects" in found
    assert "without a rank: new." in found
