"""Standard errors from the model, from clusters and from resampling, each against another way to the same number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.domain import Ranking
from app.errors import InvalidInputError
from app.ranking import bradley_terry, davidson
from app.stats.comparisons import NOBODY, Comparisons
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.covariance import model_covariance
from app.stats.newton import fit_bradley_terry
from app.stats.scores import Uncertainty, VoteScores
from app.stats.uncertainty import clustered, model_based, resampled
from app.stats.vote_columns import VoteColumns, to_comparisons

M, N = 5, 3000
THETA = np.linspace(1, -1, M)


def votes(*, n_raters: int = 30, n_prompts: int = 25, taste: float = 0.8, seed: int = 1) -> Comparisons:
    """Votes of raters who each have a taste of their own, so that votes of one rater resemble each other."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, M, N)
    b = (a + rng.integers(1, M, N)) % M
    rater, prompt = rng.integers(0, n_raters, N), rng.integers(0, n_prompts, N)
    tastes = rng.normal(0, taste, (n_raters, M))
    gap = THETA[a] - THETA[b] + tastes[rater, a] - tastes[rater, b]
    outcome = np.where(rng.random(N) < 0.1, 2, (rng.random(N) > 1 / (1 + np.exp(-gap))).astype(np.int64))
    names = tuple(f"Model {i}" for i in range(M))
    return Comparisons(names, a, b, outcome, np.ones(N), np.ones(N, np.int64), rater=rater, prompt=prompt)


def errors(ranking: Ranking) -> np.ndarray:
    return np.array([row.se for row in sorted(ranking.models, key=lambda row: row.model)], np.float64)


def test_the_models_own_covariance_is_the_inverse_information() -> None:
    given = votes()
    wins, ties = wins_and_ties(outcome_counts(given))
    theta = fit_bradley_terry(wins + ties / 2)
    expected = np.sqrt(np.diag(model_covariance(theta, wins + ties / 2)))
    assert errors(bradley_terry.rank(given, covariance=model_based)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("method", [bradley_terry, davidson])
def test_clusters_are_sums_of_scores(method: object) -> None:
    """G (g / (g - 1) sum U U') G with the scores written out as one matrix."""
    given, kept = votes(), list[Uncertainty]()

    def by_hand(scores: VoteScores) -> Uncertainty:
        assert given.rater is not None
        dense, raters = scores.dense() * scores.weight[:, None], given.rater[scores.vote]
        sums = np.array([dense[raters == r].sum(axis=0) for r in np.unique(raters)])
        meat = len(sums) / (len(sums) - 1) * sums.T @ sums
        kept.append(Uncertainty(scores.bread @ meat @ scores.bread))
        return kept[0]

    rank = method.rank  # type: ignore[attr-defined]
    expected, found = rank(given, covariance=by_hand), rank(given, covariance=clustered(given, ("rater",)))
    assert errors(found) == pytest.approx(errors(expected), rel=1e-9)
    assert found.df == 29
    assert expected.df == np.inf
    width = [(row.upper - row.lower) / row.se for row in found.models]
    assert width == pytest.approx([2 * 2.0452296] * M, rel=1e-6)  # t(29), as tables have it


def test_raters_with_tastes_make_intervals_wider_and_the_bootstrap_agrees() -> None:
    given = votes()
    alone = errors(bradley_terry.rank(given))
    by_rater = errors(bradley_terry.rank(given, covariance=clustered(given, ("rater",))))
    assert (by_rater > 1.5 * alone).all()
    options = {"ties": "half", "both_bad": "tie"}
    drawn = errors(bradley_terry.rank(given, covariance=resampled(given, ("rater",), **options)))
    assert drawn == pytest.approx(by_rater, rel=0.2)
    single = errors(bradley_terry.rank(given, covariance=resampled(given, (), **options)))
    assert single == pytest.approx(alone, rel=0.12)


def test_two_ways_are_at_least_about_the_wider_of_the_two() -> None:
    given = votes()
    both = bradley_terry.rank(given, covariance=clustered(given, ("rater", "prompt")))
    by_rater = bradley_terry.rank(given, covariance=clustered(given, ("rater",)))
    assert errors(both) == pytest.approx(errors(by_rater), rel=0.25)
    assert both.df == 24


def test_one_rater_cannot_be_clustered_and_that_is_said() -> None:
    given = votes(n_raters=1)
    found = bradley_terry.rank(given, covariance=clustered(given, ("rater",)))
    assert any("only one rater" in warning for warning in found.warnings)
    assert errors(found) == pytest.approx(errors(bradley_terry.rank(given)), rel=1e-6)
    both = bradley_terry.rank(given, covariance=clustered(given, ("rater", "prompt")))
    by_prompt = bradley_terry.rank(given, covariance=clustered(given, ("prompt",)))
    assert errors(both) == pytest.approx(errors(by_prompt), rel=1e-9)
    options = {"ties": "half", "both_bad": "tie"}
    drawn = bradley_terry.rank(given, covariance=resampled(given, ("rater",), **options))
    assert any("only one rater" in warning for warning in drawn.warnings)
    assert errors(drawn) == pytest.approx(errors(bradley_terry.rank(given)), rel=0.12)


def test_few_raters_are_named() -> None:
    given = votes(n_raters=4)
    found = bradley_terry.rank(given, covariance=clustered(given, ("rater",)))
    assert any("Only 4 raters" in warning for warning in found.warnings)


def test_votes_without_a_rater_are_clusters_of_their_own() -> None:
    given = votes()
    assert given.rater is not None
    given.rater[:] = NOBODY
    found = errors(bradley_terry.rank(given, covariance=clustered(given, ("rater",))))
    assert found == pytest.approx(errors(bradley_terry.rank(given)) * np.sqrt(N / (N - 1)), rel=1e-6)


def summed(given: Comparisons) -> Comparisons:
    """The same votes, those of nobody summed up by pair and outcome into rows with a weight."""
    assert given.rater is not None
    named, nobody = given.select(given.rater != NOBODY), given.select(given.rater == NOBODY)
    keys = np.column_stack([nobody.model_a, nobody.model_b, nobody.outcome])
    _, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
    cells = replace(nobody.select(first), weight=counts.astype(float))

    def joined(name: str) -> Any:
        one, two = getattr(named, name), getattr(cells, name)
        return None if one is None else np.concatenate([one, two])

    columns = ("model_a", "model_b", "outcome", "weight", "a_is_left", "rater")
    return replace(named, prompt=None, **{name: joined(name) for name in columns})


def test_the_votes_of_a_weighted_row_without_a_rater_are_clusters_of_their_own() -> None:
    """Not one cluster of votes that all fell alike, which made intervals several times too wide."""
    given = votes()
    assert given.rater is not None
    given.rater[::2] = NOBODY
    counted = summed(given)
    assert len(counted) < len(given) and counted.weight.sum() == len(given)
    one = bradley_terry.rank(given, covariance=clustered(given, ("rater",)))
    other = bradley_terry.rank(counted, covariance=clustered(counted, ("rater",)))
    assert errors(other) == pytest.approx(errors(one), rel=1e-9)
    assert other.df == one.df > N / 2 - 1
    options = {"ties": "half", "both_bad": "tie"}
    drawn = bradley_terry.rank(counted, covariance=resampled(counted, ("rater",), **options))
    assert errors(drawn) == pytest.approx(errors(one), rel=0.15)
    assert drawn.df == one.df


def test_a_fractional_weight_without_a_rater_cannot_be_clustered() -> None:
    given = votes()
    assert given.rater is not None
    given.rater[0], given.weight[0] = NOBODY, 2.5
    for covariance in (clustered(given, ("rater",)), resampled(given, ("rater",), ties="half", both_bad="tie")):
        with pytest.raises(InvalidInputError, match=r"a vote of weight 2\.5 names no rater"):
            bradley_terry.rank(given, covariance=covariance)


def test_what_a_bootstrap_cannot_do_is_an_error() -> None:
    given, options = votes(), {"ties": "half", "both_bad": "tie"}
    with pytest.raises(InvalidInputError, match="not both"):
        resampled(given, ("rater", "prompt"), **options)
    with pytest.raises(InvalidInputError, match="ratings alone"):
        bradley_terry.rank(given, position=True, covariance=resampled(given, (), **options))
    swept = given.select(np.flatnonzero((given.model_a != 0) & (given.model_b != 0)))
    with pytest.raises(InvalidInputError, match="both directions"):
        resampled(swept, (), **options)


def test_a_file_that_names_nobody_has_no_clusters() -> None:
    given = votes()
    bare = Comparisons(given.models, given.model_a, given.model_b, given.outcome, given.weight, given.a_is_left)
    with pytest.raises(InvalidInputError, match="by which rater"):
        clustered(bare, ("rater",))


def test_max_t_claims_at_least_as_much_as_holm() -> None:
    given = votes().select(np.arange(150))
    holm, max_t = (
        {pair[:2]: pair.p_adjusted for pair in bradley_terry.rank(given, multiplicity=how).pairs}
        for how in ("holm", "max_t")
    )
    assert holm.keys() == max_t.keys()
    assert all(max_t[pair] <= holm[pair] + 1e-12 for pair in holm)
    assert any(max_t[pair] < holm[pair] for pair in holm)
    with pytest.raises(InvalidInputError, match="multiplicity"):
        bradley_terry.rank(given, multiplicity="none")


def test_a_swept_model_keeps_its_wide_interval_when_clustered() -> None:
    """Votes that all fall one way show no spread within clusters, which is no knowledge."""
    n = 40
    swept = Comparisons(
        ("A", "B"),
        np.zeros(n, np.int64),
        np.ones(n, np.int64),
        np.zeros(n, np.int64),
        np.ones(n),
        np.ones(n, np.int64),
        rater=np.arange(n),
    )
    plain, by_rater = bradley_terry.rank(swept), bradley_terry.rank(swept, covariance=clustered(swept, ("rater",)))
    assert errors(by_rater) == pytest.approx(errors(plain), rel=1e-6)
    assert any("not clustered" in warning for warning in by_rater.warnings)


def test_a_group_judged_by_one_rater_leaves_the_clusters_of_the_others_alone() -> None:
    given = votes(n_raters=20)
    alone = bradley_terry.rank(given, covariance=clustered(given, ("rater",)))
    more = 20
    wider = Comparisons(
        (*given.models, "X", "Y"),
        np.append(given.model_a, np.full(more, M)),
        np.append(given.model_b, np.full(more, M + 1)),
        np.append(given.outcome, np.arange(more) % 2),
        np.append(given.weight, np.ones(more)),
        np.append(given.a_is_left, np.ones(more, np.int64)),
        rater=np.append(given.rater, np.full(more, 99)),
    )
    found = bradley_terry.rank(wider, covariance=clustered(wider, ("rater",)))
    before = {row.model: row.se for row in alone.models}
    after = {row.model: row.se for row in found.models}
    for model in given.models:
        assert after[model] == pytest.approx(before[model], rel=0.02)
    assert any("X and Y" in warning and "one rater" in warning for warning in found.warnings)
    assert any("over all groups" in warning for warning in found.warnings)


def test_a_weight_counts_as_so_many_votes_where_clusters_fail() -> None:
    counted = Comparisons(
        ("A", "B"),
        np.zeros(2, np.int64),
        np.ones(2, np.int64),
        np.array([0, 1]),
        np.array([60.0, 40.0]),
        np.ones(2, np.int64),
        rater=np.zeros(2, np.int64),
    )
    found = bradley_terry.rank(counted, covariance=clustered(counted, ("rater",)))
    assert errors(found) == pytest.approx(errors(bradley_terry.rank(counted)), rel=1e-6)


def test_a_bootstrap_of_few_raters_says_so() -> None:
    given = votes(n_raters=4)
    found = bradley_terry.rank(given, covariance=resampled(given, ("rater",), ties="half", both_bad="tie"))
    assert found.df == 3
    assert any("Only 4 raters" in warning for warning in found.warnings)


def test_votes_counted_in_rows_have_the_errors_of_single_ones():
    """With weights, skips, unknown raters and prompts, ties left out, a position effect, and two boards."""
    rng, n = np.random.default_rng(5), 900
    a, step = rng.integers(0, 4, n), rng.integers(1, 4, n)
    board = 4 * (rng.random(n) < 0.4)
    codes = {
        name: np.where(rng.random(n) < 0.1, -1, rng.integers(0, size, n))
        for name, size in (("rater", 60), ("prompt", 25))
    }
    votes = VoteColumns(
        model_a=(a + board).astype(np.int16),
        model_b=((a + step) % 4 + board).astype(np.int16),
        pair=np.zeros(n, np.int32),
        outcome=rng.integers(-1, 4, n).astype(np.int8),
        a_is_left=rng.integers(0, 2, n).astype(np.int8),
        criterion=np.zeros(n, np.int16),
        weight=rng.integers(1, 4, n).astype(np.int32),
        voted_at=np.arange(n).astype("datetime64[us]"),
        dwell_ms=np.full(n, -1, np.int32),
        is_staff=np.zeros(n, np.bool_),
        is_repeat=np.zeros(n, np.bool_),
        **{name: column.astype(np.int32) for name, column in codes.items()},
    )
    names = tuple(f"m{i}" for i in range(8))
    single, counted = to_comparisons(votes, names, single=True), to_comparisons(votes, names, with_singles=True)
    assert len(counted) < len(single) / 2
    for by in (("rater",), ("prompt",), ("rater", "prompt")):
        for options in ({}, {"ties": "drop"}, {"both_bad": "drop", "position": True}):
            one, other = (bradley_terry.rank(x, covariance=clustered(x, by), **options) for x in (single, counted))
            assert errors(other) == pytest.approx(errors(one), rel=1e-9) and other.df == one.df
            assert (other.position is None) == (one.position is None)
    with pytest.raises(InvalidInputError, match="row of its own"):
        resampled(counted, ("rater",), ties="half", both_bad="tie")
