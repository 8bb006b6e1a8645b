"""What a ranking says in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain import ModelRating, Ranking
from app.services.verdict import describe, describe_more, listed


def rated(name: str, rank: int, lower: int | None, upper: int | None, *, n: int = 40, group: int = 0) -> ModelRating:
    return ModelRating(name, 1.0 / rank, 0.1, 0.0, 1.0, rank, lower, upper, n, n // 2, n // 2, 0, 0, component=group)


def idle(name: str, group: int) -> ModelRating:
    return ModelRating(name, None, None, None, None, None, None, None, 0, 0, 0, 0, 0, component=group)


def ranking(*models: ModelRating, method: str = "bradley_terry", confidence: float = 0.95) -> Ranking:
    numbers = sorted({model.component for model in models})
    groups = tuple(tuple(m.model for m in models if m.component == number) for number in numbers)
    return Ranking(method, models, sum(m.n_votes for m in models) // 2, confidence, groups)


def test_without_models_there_are_no_votes() -> None:
    assert describe(ranking()).title == "No votes yet"


def test_models_without_votes_are_no_ranking() -> None:
    assert describe(ranking(idle("A", 0), idle("B", 1))).title == "No votes yet"


def test_one_model_alone_leads_nobody() -> None:
    said = describe(ranking(rated("A", 1, 1, 1), idle("B", 1)))
    assert said.title == "Nothing to compare yet"
    assert "Only A has votes" in said.text
    assert "1 model without votes stands apart." in said.text


def test_one_leader_is_named_with_the_confidence_and_the_number_of_the_others() -> None:
    said = describe(ranking(rated("A", 1, 1, 1), rated("B", 2, 2, 3), rated("C", 3, 2, 3), confidence=0.9))
    assert said.title == "A leads"
    assert said.text == "It is ahead of every one of the other 2 models at 90 % confidence for the whole board."


def test_of_two_models_the_leader_is_ahead_of_the_other() -> None:
    said = describe(ranking(rated("A", 1, 1, 1), rated("B", 2, 2, 2)))
    assert said.text == "It is ahead of the other model at 95 % confidence for the whole board."


def test_all_tied_is_no_winner() -> None:
    said = describe(ranking(rated("A", 1, 1, 3), rated("B", 2, 1, 3), rated("C", 3, 1, 3)))
    assert said.title == "No winner yet"
    assert "none of the other 2 models is clearly behind it" in said.text


def test_two_tied_models_cannot_be_told_apart() -> None:
    said = describe(ranking(rated("A", 1, 1, 2), rated("B", 1, 1, 2)))
    assert (said.title, said.text) == ("No winner yet", "A and B can't be told apart at 95 % confidence.")


def test_a_few_leaders_are_all_named() -> None:
    said = describe(ranking(rated("A", 1, 1, 2), rated("B", 2, 1, 2), rated("C", 3, 3, 3)))
    assert said.title == "A and B lead; they can't be told apart yet"
    assert said.text == (
        "Of 3 models, 1 is behind the leader at 95 % confidence for the whole board; the other can't be told apart "
        "from it."
    )


def test_of_many_leaders_the_first_is_named_and_the_others_are_counted() -> None:
    models = [rated(f"M{i}", i, 1 if i < 6 else 6, 7) for i in range(1, 8)]
    said = describe(ranking(*models))
    assert said.title == "No single winner yet: M1 is on top, 4 others may be as good"
    assert said.text.startswith("Of 7 models, 2 are behind the leader")


def test_groups_that_never_met_get_no_common_winner() -> None:
    said = describe(
        ranking(rated("A", 1, 1, 1), rated("B", 2, 2, 2), rated("C", 1, 1, 1, group=1), rated("D", 2, 2, 2, group=1))
    )
    assert said.title == "No ranking yet: the models fall into groups that never met"
    assert "4 of 4 models in 2 groups" in said.text
    assert "A leads" not in said.text


@pytest.mark.parametrize("method", ["elo", "win_rate"])
def test_a_method_without_tests_of_differences_claims_no_certainty(method: str) -> None:
    models = [replace(rated(name, rank, None, None)) for rank, name in enumerate("AB", start=1)]
    said = describe(ranking(*models, method=method))
    assert said.title == "A is on top"
    assert "doesn't test whether that is more than chance" in said.text


def test_two_on_top_are_both_named() -> None:
    said = describe(ranking(rated("A", 1, None, None), rated("B", 1, None, None), rated("C", 3, None, None)))
    assert said.title == "A and B are on top"


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (["A", "B", "C"], "A, B and C"),
        (["A", "B", "C", "D", "E"], "A, B and 3 others"),
    ],
)
def test_names_read_as_a_phrase(names: list[str], phrase: str) -> None:
    assert listed(names) == phrase


def test_without_a_winner_it_says_how_many_votes_would_decide() -> None:
    open_ = ranking(rated("A", 1, 1, 2), rated("B", 1, 1, 2))
    assert describe(open_, more_votes=1234.5).text.endswith(
        "About 1,300 more votes, spread as so far, would decide with a chance of 80 % if the differences are as large "
        "as they look now."
    )
    assert "more votes" not in describe(open_).text
    certain = ranking(rated("A", 1, 1, 1), rated("B", 2, 2, 2))
    assert "more votes" not in describe(certain, more_votes=10).text


def test_as_good_as_equal_is_said_where_no_number_of_votes_would_do() -> None:
    assert "as good as equal" in describe_more(float("inf"), 40)
    assert "as good as equal" in describe_more(4001, 40)
    assert "About 4,000 more" in describe_more(4000, 40)
    assert "About 7 more" in describe_more(6.2, 40)
