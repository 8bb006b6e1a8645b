"""One difference from all votes: the same numbers as the whole covariance gives, and errors that hold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.ranking import bradley_terry
from app.stats.comparisons import NOBODY, SIDE_UNKNOWN, Comparisons
from app.stats.contrasts import contrast_of, contrast_path, field_contrast, pair_contrast, ratings_of, votes_of
from app.stats.sequential import normal_half_width, student_half_width
from app.stats.style_contrast import style_contrast
from app.stats.uncertainty import clustered

THETA = np.array([0.8, 0.2, 0.0, -0.4, -0.6])


def simulated(
    rng: np.random.Generator, n: int, *, n_raters: int = 40, taste: float = 0.0, theta: NDArray[np.float64] = THETA
) -> Comparisons:
    """Votes of raters who each prefer models a little differently, with a fifth of ties."""
    m = len(theta)
    a = rng.integers(m, size=n)
    b = (a + rng.integers(1, m, size=n)) % m
    rater = rng.integers(n_raters, size=n)
    own = theta + taste * rng.standard_normal((n_raters, m))
    p = 1 / (1 + np.exp(own[rater, b] - own[rater, a]))
    outcome = np.where(rng.random(n) < 0.2, 2 + rng.integers(2, size=n), (rng.random(n) > p).astype(int))
    return Comparisons(
        models=tuple(f"M{i}" for i in range(m)),
        model_a=a,
        model_b=b,
        outcome=outcome,
        weight=np.ones(n),
        a_is_left=np.full(n, SIDE_UNKNOWN),
        ordered=True,
        rater=rater,
    )


@pytest.fixture
def votes() -> Comparisons:
    return simulated(np.random.default_rng(1), 1500, taste=0.5)


def test_a_contrast_is_what_the_board_says_of_its_clustered_pair(votes: Comparisons) -> None:
    ranking = bradley_terry.rank(votes, covariance=clustered(votes, ("rater",)))
    for test in ranking.pairs:
        i, j = (votes.models.index(name) for name in (test.model_a, test.model_b))
        found = contrast_of(votes_of(votes), pair_contrast(i, j))
        assert found is not None
        assert (found.difference, found.se) == pytest.approx((test.difference, test.se), abs=1e-9)
        assert (found.df, found.n_clusters) == (ranking.df, 40)


def test_the_field_is_the_mean_of_the_others(votes: Comparisons) -> None:
    (board,) = ratings_of(votes_of(votes))
    c = np.array([-0.25, 1, -0.25, -0.25, -0.25])
    found = contrast_of(votes_of(votes), field_contrast(1))
    assert found is not None
    assert found.difference == pytest.approx(c @ board.theta, abs=1e-9)
    assert found.variance == pytest.approx(c @ board.covariance @ c, rel=1e-9)


def test_a_look_is_the_contrast_of_the_votes_until_then(votes: Comparisons) -> None:
    looks = contrast_path(votes_of(votes), pair_contrast(0, 3), [400, 900, 1500])
    for end, look in zip([400, 900, 1500], looks, strict=True):
        alone = contrast_of(votes_of(votes.select(np.arange(end))), pair_contrast(0, 3))
        assert look is not None and alone is not None
        assert (look.difference, look.variance, look.n_own) == pytest.approx(
            (alone.difference, alone.variance, alone.n_own)
        )


def test_it_turns_its_sign_with_the_models_and_not_with_the_sides(votes: Comparisons) -> None:
    one, other = (contrast_of(votes_of(votes), pair_contrast(*pair)) for pair in ((0, 1), (1, 0)))
    assert one is not None and other is not None
    assert (one.difference, one.variance) == pytest.approx((-other.difference, other.variance))
    swapped = np.array([1, 0, 2, 3])[votes.outcome]
    turned = Comparisons(
        votes.models, votes.model_b, votes.model_a, swapped, votes.weight, votes.a_is_left, rater=votes.rater
    )
    again = contrast_of(votes_of(turned), pair_contrast(0, 1))
    assert again is not None
    assert (again.difference, again.variance) == pytest.approx((one.difference, one.variance))


def test_few_or_unknown_raters_give_errors_per_vote(votes: Comparisons) -> None:
    unclustered = bradley_terry.rank(votes)
    expected = {(test.model_a, test.model_b): test.se for test in unclustered.pairs}
    few = Comparisons(**{**vars(votes), "rater": votes.rater % 9})  # type: ignore[operator]
    nobody = Comparisons(**{**vars(votes), "rater": np.full(len(votes), NOBODY)})
    for changed, n_raters in ((few, 9), (nobody, 0)):
        found = contrast_of(votes_of(changed), pair_contrast(0, 4))
        assert found is not None
        assert found.se == pytest.approx(expected["M0", "M4"])
        assert (found.df, found.n_clusters) == (np.inf, n_raters)


def test_models_that_nothing_links_have_no_difference() -> None:
    parts = Comparisons(
        ("A", "B", "C", "D"),
        np.array([0, 0, 2, 2]),
        np.array([1, 1, 3, 3]),
        np.array([0, 1, 0, 1]),
        np.ones(4),
        np.full(4, SIDE_UNKNOWN),
    )
    assert contrast_of(votes_of(parts), pair_contrast(0, 2)) is None
    within = contrast_of(votes_of(parts), pair_contrast(2, 3))
    assert within is not None and within.difference == pytest.approx(0, abs=1e-12)


def test_who_won_everything_has_a_finite_difference_that_says_so() -> None:
    swept = Comparisons(
        ("A", "B"), np.zeros(8, int), np.ones(8, int), np.zeros(8, int), np.ones(8), np.full(8, SIDE_UNKNOWN)
    )
    found = contrast_of(votes_of(swept), pair_contrast(0, 1))
    assert found is not None
    assert found.is_reduced and 0 < found.difference < 10 and 0 < found.variance < np.inf
    assert contrast_path(votes_of(swept), pair_contrast(0, 1), [4, 8])[0] is None


def test_looks_out_of_order_are_refused(votes: Comparisons) -> None:
    with pytest.raises(InvalidInputError, match="ascend"):
        contrast_path(votes_of(votes), pair_contrast(0, 1), [100, 50])


def test_watched_at_every_look_equal_models_are_seldom_called_different() -> None:
    """Type I error over 20 looks at most 5 %, with raters who have tastes of their own."""
    rng, n_wrong, n_runs = np.random.default_rng(7), 0, 200
    for _ in range(n_runs):
        found = simulated(rng, 1200, n_raters=60, taste=0.6, theta=np.zeros(3))
        path = contrast_path(votes_of(found), pair_contrast(0, 1), list(range(300, 1201, 45)))
        n_wrong += any(
            look is not None and abs(look.difference) > student_half_width(np.array([look.se]), look.df)[0]
            for look in path
        )
    assert n_wrong <= 0.05 * n_runs + 2 * (0.05 * 0.95 * n_runs) ** 0.5


def test_the_interval_of_many_raters_is_the_normal_one_and_of_few_is_wider() -> None:
    se = np.array([0.05, 0.2])
    normal = normal_half_width(se**2)
    assert student_half_width(se, np.inf) == pytest.approx(normal)
    assert student_half_width(se, 1e7) == pytest.approx(normal, rel=1e-4)
    assert (student_half_width(se, 29) > 1.05 * normal).all()


def test_length_held_equal_takes_away_what_only_length_had_won() -> None:
    """Model 0 wins by its length alone; with length in the fit nothing of its lead is left."""
    rng = np.random.default_rng(3)
    votes = simulated(rng, 6000, theta=np.zeros(3))
    length = rng.normal(size=len(votes)) + 1.5 * ((votes.model_a == 0).astype(float) - (votes.model_b == 0))
    p = 1 / (1 + np.exp(-0.6 * length))
    outcome = np.where(rng.random(len(votes)) < p, 0, 1)
    seen = Comparisons(
        **{**vars(votes), "outcome": outcome, "covariates": length[:, None], "covariate_names": ("characters",)}
    )
    counted = votes_of(seen)
    raw = contrast_of(counted, pair_contrast(0, 1))
    held = style_contrast(seen, pair_contrast(0, 1), counted.cluster)
    assert raw is not None and held is not None
    assert raw.difference > 8 * raw.se
    assert abs(held.difference) < 3 * held.variance**0.5
    assert held.effects[0].estimate / np.sqrt((length**2).mean()) == pytest.approx(0.6, abs=0.1)


def test_without_a_covariate_that_matters_the_controlled_difference_is_the_raw_one(votes: Comparisons) -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=len(votes))
    seen = Comparisons(**{**vars(votes), "covariates": noise[:, None], "covariate_names": ("noise",)})
    ranking = bradley_terry.rank(seen, covariates=True, covariance=clustered(seen, ("rater",)))
    counted = votes_of(seen)
    for test in ranking.pairs[:3]:
        i, j = (seen.models.index(name) for name in (test.model_a, test.model_b))
        found = style_contrast(seen, pair_contrast(i, j), counted.cluster)
        assert found is not None
        assert (found.difference, found.variance**0.5) == pytest.approx((test.difference, test.se), abs=1e-9)
        assert found.effects[0].se == pytest.approx(ranking.covariates[0].se)
