"""Position, covariates and per-vote scores: against R, a dense logistic regression, and their invariants."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError, NotConvergedError
from app.ranking import bradley_terry, davidson, rao_kupper
from app.stats.cells import make_cells
from app.stats.comparisons import NOBODY, Comparisons, codes_of
from app.stats.covariates import contrast, standardised
from app.stats.joint import fit_jointly
from app.stats.links import DAVIDSON, HALF_WIN, RAO_KUPPER
from app.stats.scores import Uncertainty, joint_sandwich, vote_scores
from tests.oracles import errors, mirrored, oracle, ratings, simulated, votes_of

LINKS = {"half_win": HALF_WIN, "davidson": DAVIDSON, "rao_kupper": RAO_KUPPER}
PROPERTY = settings(max_examples=25, deadline=None)


def styled(m=5, n=600, *, seed=2, **options):
    """Simulated votes that carry two covariates, the second one skewed."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack([rng.normal(0, 2, n), rng.exponential(1, n) - 0.5])
    return simulated(m, n, seed=seed, covariates=columns, covariate_names=("chars", "lists"), **options)[0]


def whole(comparisons, **options):
    return make_cells(comparisons, [np.arange(len(comparisons.models))], **options)


def with_features(shared):
    outcome = {"left": Outcome.MODEL_A, "right": Outcome.MODEL_B, "tie": Outcome.TIE}
    with (shared / "data/llmfao/votes.csv").open() as file:
        rows = list(csv.DictReader(file))
    features = {
        name: contrast(*([float(row[f"{name}_{side}"]) for row in rows] for side in ("left", "right")))
        for name in ("chars", "headers", "lists", "bold")
    }
    votes = [Comparison(row["left"], row["right"], outcome[row["winner"]], left="model_a") for row in rows]
    return Comparisons.from_rows(votes, raters=[row["worker"] for row in rows], covariates=features)


# ------------------------------------------------------------------------------------------------ others' answers


def test_the_home_advantage_in_baseball_equals_r():
    """Oracle 04: glm; Agresti 2002 p. 438 gives 0.302."""
    found = oracle("04_baseball_home")
    expected, tol = found["expected"], found["tol"]
    comparisons = votes_of(found["votes"])
    ranking = bradley_terry.rank(comparisons, position=True)
    assert ratings(ranking) == pytest.approx(expected["ability_centered"], abs=tol["ability"])
    assert ranking.position.estimate == pytest.approx(expected["home"], abs=tol["home"])
    fit = fit_jointly(whole(comparisons, position=True), HALF_WIN)
    assert math.sqrt(fit.bread[-1, -1]) == pytest.approx(expected["home_se"], abs=tol["se"])
    se = dict(zip(comparisons.models, np.sqrt(np.diag(fit.bread)), strict=False))
    assert se == pytest.approx(expected["se_centered"], abs=tol["se"])
    without = bradley_terry.rank(comparisons).log_likelihood
    assert 2 * (ranking.log_likelihood - without) == pytest.approx(expected["LRT_home"], abs=1e-6)


def test_citations_covariance_equals_r():
    """Oracle 01: vcov of BradleyTerry2 against the first journal."""
    found = oracle("01_citations_bt")
    comparisons = votes_of(found["votes"])
    fit = fit_jointly(whole(comparisons), HALF_WIN)
    against = np.eye(4) - np.eye(4)[0]
    expected = np.array(found["expected"]["vcov_ref"]["matrix"])
    assert against @ fit.bread @ against.T == pytest.approx(expected, abs=1e-9)
    assert ratings(bradley_terry.rank(comparisons)) == pytest.approx(
        found["expected"]["ability_centered"], abs=found["tol"]["ability"]
    )
    se = dict(zip(comparisons.models, np.sqrt(np.diag(fit.bread)), strict=True))
    assert se == pytest.approx(found["expected"]["se_centered"], abs=found["tol"]["se"])


def test_the_position_effect_of_llmfao_is_the_known_one(shared):
    """STATISTICS.md d: 0.091 logits, z 5.3 with the per-vote sandwich."""
    position = bradley_terry.rank(with_features(shared), position=True).position
    assert position.estimate == pytest.approx(0.091, abs=5e-4)
    assert position.estimate / position.se == pytest.approx(5.3, abs=0.05)


def dense_logistic(design, won, weight):
    """Weighted logistic regression by Newton on the full design; estimate, bread and HC0 sandwich."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(design @ beta)
        hessian = design.T @ (design * (weight * p * (1 - p))[:, None])
        beta = beta + np.linalg.solve(hessian, design.T @ (weight * (won - p)))
    bread = np.linalg.inv(hessian)
    scores = design * (won - expit(design @ beta))[:, None]
    return beta, bread, bread @ (scores.T * weight) @ scores @ bread


@pytest.mark.parametrize("position", [False, True])
def test_covariates_equal_a_dense_logistic_regression(position):
    """Unpenalised: the estimate, its errors and its sandwich, ties as half-wins, sides known for half of the votes."""
    comparisons = styled(tie=0.2, position=0.3)
    comparisons = replace(comparisons, a_is_left=np.where(np.arange(600) % 2, comparisons.a_is_left, -1))
    rows, m = np.arange(600), 5
    design = np.zeros((600, m))
    design[rows, comparisons.model_a] += 1
    design[rows, comparisons.model_b] -= 1
    z = comparisons.covariates / np.sqrt((comparisons.covariates**2).mean(axis=0))
    side = np.where(comparisons.a_is_left < 0, 0, 2 * comparisons.a_is_left - 1)[:, None]
    columns = [design[:, 1:], *([side] if position else []), z]
    won = np.array([1.0, 0.0, 0.5])[comparisons.outcome]
    beta, _, sandwich = dense_logistic(np.hstack(columns), won, np.ones(600))
    ranking = bradley_terry.rank(comparisons, covariates=True, position=position)
    theta = np.append(0, beta[: m - 1])
    found = ratings(ranking)
    assert [found[name] for name in comparisons.models] == pytest.approx(theta - theta.mean(), abs=1e-8)
    effects = [*([ranking.position] if position else []), *ranking.covariates]
    assert [effect.name for effect in effects][-2:] == ["chars", "lists"]
    assert [effect.estimate for effect in effects] == pytest.approx(beta[m - 1 :], abs=1e-8)
    assert [effect.se for effect in effects] == pytest.approx(np.sqrt(np.diag(sandwich))[m - 1 :], rel=1e-6)


def test_style_of_llmfao_is_not_shrunk_away(shared):
    """A dense regression of the 8,931 votes gives the same; arena-rank's default penalty leaves a sixth or less."""
    comparisons = with_features(shared)
    ranking = bradley_terry.rank(comparisons, covariates=True)
    n, m = len(comparisons), len(comparisons.models)
    design = np.zeros((n, m))
    design[np.arange(n), comparisons.model_a] += 1
    design[np.arange(n), comparisons.model_b] -= 1
    z = comparisons.covariates / np.sqrt((comparisons.covariates**2).mean(axis=0))
    won = np.array([1.0, 0.0, 0.5])[comparisons.outcome]
    beta, _, _ = dense_logistic(np.hstack([design[:, 1:], z]), won, np.ones(n))
    assert [effect.estimate for effect in ranking.covariates] == pytest.approx(beta[-4:], abs=1e-8)
    assert max(abs(effect.estimate) for effect in ranking.covariates) > 0.2


# ------------------------------------------------------------------------------------------------ scores


@pytest.mark.parametrize("key", LINKS)
@pytest.mark.parametrize("options", [{}, {"position": True}, {"position": True, "covariates": True}])
def test_scores_sum_to_zero_and_their_squares_to_the_sandwich(key, options):
    comparisons = styled(tie=0.2, bad=0.1)
    comparisons = replace(
        comparisons,
        weight=np.arange(600) % 3.0,
        a_is_left=np.where(np.arange(600) % 5, comparisons.a_is_left, -1),
    )
    fit = fit_jointly(whole(comparisons, both_bad="drop", **options), LINKS[key])
    found = vote_scores(fit, comparisons, both_bad="drop", **options)
    dense = found.dense()
    assert len(found.vote) == ((comparisons.outcome < 3) & (comparisons.weight > 0)).sum()
    assert comparisons.weight[found.vote] == pytest.approx(found.weight)
    assert found.weight @ dense == pytest.approx(np.zeros(dense.shape[1]), abs=1e-6)
    meat = (dense.T * found.weight) @ dense
    assert found.bread @ meat @ found.bread == pytest.approx(joint_sandwich(fit), abs=1e-10)


@pytest.mark.parametrize("method", [bradley_terry, davidson, rao_kupper])
def test_a_covariance_of_the_caller_replaces_the_sandwich(method):
    """Clusters of one vote each are the sandwich; clusters by rater are another matter."""
    rng = np.random.default_rng(0)
    comparisons, _ = simulated(5, 600, seed=4, tie=0.2, rater=rng.integers(0, 20, 600))

    def clustered(codes):
        def covariance(scores):
            sums = np.zeros((codes.max() + 1, scores.bread.shape[0]))
            np.add.at(sums, codes[scores.vote], scores.dense() * scores.weight[:, None])
            return Uncertainty(scores.bread @ sums.T @ sums @ scores.bread)

        return covariance

    default = errors(method.rank(comparisons))
    assert errors(method.rank(comparisons, covariance=clustered(np.arange(600)))) == pytest.approx(default, rel=1e-6)
    by_rater = errors(method.rank(comparisons, covariance=clustered(comparisons.rater)))
    assert max(abs(by_rater[model] / default[model] - 1) for model in default) > 0.02


# ------------------------------------------------------------------------------------------------ invariants


@PROPERTY
@given(st.integers(0, 10_000), st.booleans())
def test_left_and_right_exchanged_turn_the_position_effect_round_and_nothing_else(seed, covariates):
    comparisons = styled(4, 200, seed=seed, tie=0.2, position=0.5)
    one = bradley_terry.rank(comparisons, position=True, covariates=covariates)
    other = bradley_terry.rank(mirrored(comparisons), position=True, covariates=covariates)
    assert other.position.estimate == pytest.approx(-one.position.estimate, abs=1e-7)
    assert ratings(other) == pytest.approx(ratings(one), abs=1e-7)
    assert [e.estimate for e in other.covariates] == pytest.approx([e.estimate for e in one.covariates], abs=1e-7)


@PROPERTY
@given(st.integers(0, 10_000))
def test_writing_each_vote_from_the_other_side_changes_no_effect(seed):
    comparisons = styled(4, 200, seed=seed, tie=0.2, position=0.5)
    swapped = replace(
        comparisons,
        model_a=comparisons.model_b,
        model_b=comparisons.model_a,
        outcome=np.where(comparisons.outcome < 2, 1 - comparisons.outcome, comparisons.outcome),
        a_is_left=1 - comparisons.a_is_left,
        covariates=-comparisons.covariates,
    )
    one, other = (bradley_terry.rank(votes, position=True, covariates=True) for votes in (comparisons, swapped))
    for a, b in zip([one.position, *one.covariates], [other.position, *other.covariates], strict=True):
        assert (b.estimate, b.se) == pytest.approx((a.estimate, a.se), rel=1e-6, abs=1e-8)


@PROPERTY
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_a_weight_is_that_many_votes(seed, times):
    comparisons = styled(4, 200, seed=seed, position=0.5)
    weighted = bradley_terry.rank(replace(comparisons, weight=np.full(200, float(times))), position=True)
    repeated = bradley_terry.rank(comparisons.select(np.repeat(np.arange(200), times)), position=True)
    assert ratings(weighted) == pytest.approx(ratings(repeated), abs=1e-8)
    assert weighted.position.se == pytest.approx(repeated.position.se, rel=1e-6)


def test_the_joint_fit_without_effects_is_the_plain_one():
    comparisons, _ = simulated(8, 2000, seed=5, tie=0.2, bad=0.1)
    plain = bradley_terry.rank(comparisons)
    joint = bradley_terry.rank(comparisons, covariance=_hc0)
    assert ratings(joint) == pytest.approx(ratings(plain), abs=1e-9)
    assert errors(joint) == pytest.approx(errors(plain), rel=1e-7)
    assert joint.log_likelihood == pytest.approx(plain.log_likelihood)


def _hc0(scores):
    dense = scores.dense()
    return Uncertainty(scores.bread @ (dense.T * scores.weight) @ dense @ scores.bread)


def test_two_boards_share_one_position_effect():
    one, _ = simulated(3, 400, seed=6, position=0.5)
    votes = replace(
        one,
        models=tuple("abcxyz"),
        model_a=one.model_a + 3 * (np.arange(400) % 2),
        model_b=one.model_b + 3 * (np.arange(400) % 2),
    )
    ranking = bradley_terry.rank(votes, position=True)
    assert {frozenset(group) for group in ranking.components} == {frozenset("abc"), frozenset("xyz")}
    for group in ranking.components:
        assert sum(ratings(ranking)[model] for model in group) == pytest.approx(0, abs=1e-9)
    assert ranking.position.estimate == pytest.approx(0.5, abs=4 * ranking.position.se)


# ------------------------------------------------------------------------------------------------ what can't be told


def test_a_position_effect_without_sides_is_refused():
    comparisons = Comparisons.from_rows([Comparison("a", "b", outcome) for outcome in Outcome])
    with pytest.raises(InvalidInputError, match="no vote says which model was shown first"):
        bradley_terry.rank(comparisons, position=True)


def test_a_model_that_always_stood_on_the_left_leaves_no_position_effect():
    with pytest.raises(InvalidInputError, match="position effect cannot be told apart"):
        bradley_terry.rank(votes_of([["a", "b", 5, 4, 0]]), position=True)


def test_constant_missing_and_repeated_covariates_are_refused():
    comparisons = styled()
    columns = comparisons.covariates.copy()
    columns[:, 1] = 3.0
    with pytest.raises(InvalidInputError, match="lists is the same in every vote"):
        constant = replace(comparisons, covariates=columns, a_is_left=np.ones(600, dtype=np.int64))
        bradley_terry.rank(constant, covariates=True)
    with pytest.raises(InvalidInputError, match="effect of lists cannot be told apart"):
        columns[:, 1] = 2 * columns[:, 0]
        bradley_terry.rank(replace(comparisons, covariates=columns), covariates=True)
    with pytest.raises(InvalidInputError, match="no covariates"):
        bradley_terry.rank(simulated(3, 50, seed=0)[0], covariates=True)


def test_a_covariate_that_decides_every_vote_has_no_finite_effect():
    rng = np.random.default_rng(7)
    a = rng.integers(0, 3, 90)
    outcome = np.arange(90) % 2
    column = np.where(outcome == 0, 1.0, -1.0) * rng.uniform(0.5, 2, 90)
    comparisons = Comparisons(
        tuple("abc"), a, (a + rng.integers(1, 3, 90)) % 3, outcome, np.ones(90), np.ones(90, dtype=np.int64),
        covariates=column[:, None], covariate_names=("x",),
    )  # fmt: skip
    with pytest.raises(NotConvergedError):
        bradley_terry.rank(comparisons, covariates=True, bias_reduction="none")
    ranking = bradley_terry.rank(comparisons, covariates=True)
    assert "no limit on it" in " ".join(ranking.warnings)
    assert 1 < ranking.covariates[0].estimate < 50


@pytest.mark.parametrize(
    "columns",
    [
        {"rater": np.zeros(599, dtype=np.int64)},
        {"prompt": np.full(600, NOBODY - 1)},
        {"rater": np.zeros(600)},
        {"covariates": np.zeros((600, 3))},
        {"covariates": None},
        {"covariate_names": ("chars", "chars")},
        {"covariates": np.full((600, 2), np.nan)},
    ],
)
def test_columns_that_do_not_fit_the_votes_are_refused(columns):
    with pytest.raises(InvalidInputError):
        replace(styled(), **columns)


def test_raters_and_covariates_come_with_their_rows():
    rows = [Comparison("a", "b", Outcome.TIE), Comparison("b", "a", Outcome.TIE), Comparison("a", "b", Outcome.TIE)]
    found = Comparisons.from_rows(rows, raters=["z", None, "y"], prompts=["p", "p", "q"], covariates={"x": [1, 2, 3]})
    assert found.rater.tolist() == [1, NOBODY, 0]
    assert found.prompt.tolist() == [0, 0, 1]
    assert found.select(np.array([2, 0])).covariates.tolist() == [[3.0], [1.0]]
    assert codes_of(["b", None, "a"])[0] == ("a", "b")
    with pytest.raises(InvalidInputError, match="one value per vote"):
        Comparisons.from_rows(rows, covariates={"x": [1.0]})


def test_a_contrast_is_odd_bounded_and_standardised_without_a_shift():
    a, b = np.array([0, 10, 79, 0]), np.array([0, 0, 1585, 3])
    assert contrast(a, b) == pytest.approx([0, 10 / 11, -1506 / 1665, -0.75])
    assert contrast(b, a) == pytest.approx(-contrast(a, b))
    z = standardised(contrast(a, b)[:, None], np.ones(4), ["chars"])
    assert (z**2).mean() == pytest.approx(1)
    assert z[0, 0] == 0
    with pytest.raises(InvalidInputError):
        contrast([-1], [2])
