"""What every ranking method keeps, whichever files lie in app/ranking."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.discovery import find_plugins
from app.domain import Comparison, Outcome, Ranking
from app.errors import InvalidInputError
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons

METHODS = find_plugins("app.ranking")
every_method = pytest.mark.parametrize("key", METHODS)
PROPERTY = settings(max_examples=25, deadline=None)


@st.composite
def boards(draw):
    """2 to 5 models, up to 30 votes in order, sides known or not."""
    m = draw(st.integers(2, 5))
    pair = st.tuples(st.integers(0, m - 1), st.integers(0, m - 1)).filter(lambda ends: ends[0] != ends[1])
    side = st.sampled_from(["model_a", "model_b", None])
    drawn = draw(st.lists(st.tuples(pair, st.sampled_from(list(Outcome)), side), max_size=30))
    rows = [Comparison(f"m{a}", f"m{b}", outcome, left=left) for (a, b), outcome, left in drawn]
    return Comparisons.from_rows(rows, models=[f"m{i}" for i in range(m)], ordered=True)


def numbers(ranking):
    """All that a ranking says of each model, and the pairs, by name; component numbers of equals may differ."""
    rows = {row.model: row for row in ranking.models}
    pairs = {
        frozenset((pair.model_a, pair.model_b)): (abs(pair.difference), pair.se, pair.p_adjusted)
        for pair in ranking.pairs
    }
    return rows, pairs, {frozenset(group) for group in ranking.components}, ranking.log_likelihood


def assert_same(one, other, rename=lambda name: name):
    rows, pairs, groups, likelihood = numbers(one)
    other_rows, other_pairs, other_groups, other_likelihood = numbers(other)
    assert {frozenset(map(rename, group)) for group in groups} == other_groups
    assert likelihood == pytest.approx(other_likelihood, abs=1e-7)
    for model, row in rows.items():
        twin = other_rows[rename(model)]
        for name in ("rating", "se", "lower", "upper"):
            assert getattr(row, name) == pytest.approx(getattr(twin, name), abs=1e-6), name
        for name in ("rank", "n_votes", "wins", "losses", "ties", "both_bad", "bounded"):
            assert getattr(row, name) == getattr(twin, name), name
    for pair, values in pairs.items():
        assert values == pytest.approx(other_pairs[frozenset(map(rename, pair))], abs=1e-6)


def test_the_methods_are_found():
    assert {"bradley_terry", "elo", "win_rate"} <= set(METHODS)


@every_method
def test_the_method_says_in_words_what_it_is_and_assumes(key):
    module = METHODS[key]
    assert 0 < len(module.LABEL) < 80
    assert module.DESCRIPTION.endswith(".")
    assert ". " not in module.DESCRIPTION
    assert "assumes" in module.DESCRIPTION
    assert isinstance(module.NEEDS_ORDER, bool)


@every_method
def test_the_call_has_the_one_shape(key):
    first, *rest = inspect.signature(METHODS[key].rank).parameters.values()
    assert first.name == "comparisons"
    defaults = {parameter.name: parameter.default for parameter in rest}
    assert {name: defaults.get(name) for name in ("confidence", "ties", "both_bad")} == {
        "confidence": 0.95,
        "ties": "half",
        "both_bad": "tie",
    }
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in rest)


@every_method
def test_no_votes_and_no_models_are_an_empty_board(key):
    ranking = METHODS[key].rank(Comparisons.from_rows([], ordered=True))
    assert isinstance(ranking, Ranking)
    assert (ranking.method, ranking.models, ranking.n_votes, ranking.components) == (key, (), 0, ())


@every_method
def test_wrong_options_are_refused(key):
    comparisons = Comparisons.from_rows([Comparison("a", "b", Outcome.TIE)], ordered=True)
    for wrong in ({"confidence": 95.0}, {"ties": "win"}, {"both_bad": "half"}):
        with pytest.raises(InvalidInputError):
            METHODS[key].rank(comparisons, **wrong)


@every_method
@PROPERTY
@given(comparisons=boards(), data=st.data())
def test_new_names_for_the_models_change_nothing_else(key, comparisons, data):
    names = comparisons.models
    new = data.draw(st.permutations(names))
    rename = dict(zip(names, new, strict=True))
    place = np.array([sorted(new).index(rename[name]) for name in names])
    renamed = replace(
        comparisons, models=tuple(sorted(new)), model_a=place[comparisons.model_a], model_b=place[comparisons.model_b]
    )
    assert_same(METHODS[key].rank(comparisons), METHODS[key].rank(renamed), rename.__getitem__)


@every_method
@PROPERTY
@given(boards())
def test_writing_each_vote_from_the_other_side_changes_nothing(key, comparisons):
    swapped = replace(
        comparisons,
        model_a=comparisons.model_b,
        model_b=comparisons.model_a,
        outcome=np.where(comparisons.outcome < 2, 1 - comparisons.outcome, comparisons.outcome),
        a_is_left=np.where(comparisons.a_is_left == SIDE_UNKNOWN, SIDE_UNKNOWN, 1 - comparisons.a_is_left),
    )
    assert_same(METHODS[key].rank(comparisons), METHODS[key].rank(swapped))


@every_method
@PROPERTY
@given(boards())
def test_the_screen_side_changes_nothing(key, comparisons):
    mirrored = replace(comparisons, a_is_left=1 - np.abs(comparisons.a_is_left))
    assert_same(METHODS[key].rank(comparisons), METHODS[key].rank(mirrored))


@every_method
@PROPERTY
@given(boards())
def test_the_board_lists_every_model_once_best_first_within_its_group(key, comparisons):
    ranking = METHODS[key].rank(comparisons)
    assert sorted(row.model for row in ranking.models) == list(comparisons.models)
    assert tuple(row.model for row in ranking.models) == sum(ranking.components, ())
    assert ranking.n_votes == len(comparisons)
    for number, group in enumerate(ranking.components):
        rows = [row for row in ranking.models if row.component == number]
        assert tuple(row.model for row in rows) == group
        ranks = [row.rank for row in rows]
        assert ranks == [None] or ranks == sorted(ranks)
        ratings = [row.rating for row in rows if row.rating is not None]
        assert sum(ratings) == pytest.approx(0, abs=1e-8)


@every_method
def test_a_model_without_votes_has_no_rank(key):
    rows = [Comparison("a", "b", Outcome.MODEL_A), Comparison("b", "a", Outcome.MODEL_A)]
    ranking = METHODS[key].rank(Comparisons.from_rows(rows, models=["new"], ordered=True))
    last = ranking.models[-1]
    assert (last.model, last.rank, last.rating, last.n_votes) == ("new", None, None, 0)
    assert any("new" in warning for warning in ranking.warnings)
