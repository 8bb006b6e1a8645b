"""The bootstrap against the sandwich, exact refits, and the Poisson law."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import expit

from app.errors import InvalidInputError, NotConvergedError
from app.stats import bootstrap
from app.stats.bootstrap import bootstrap_clusters, bootstrap_votes
from app.stats.cluster import clustered_covariance, pair_scores
from app.stats.covariance import model_covariance, sandwich_covariance
from app.stats.newton import fit_bradley_terry, win_probabilities


def board(seed, m, votes, tie=0.2):
    """Fitted theta, wins A and ties T of about this many votes."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 0.6, m)
    i, j = np.triu_indices(m, 1)
    n = rng.poisson(votes / len(i), len(i))
    p = win_probabilities(truth)[i, j]
    cell = rng.multinomial(n, np.column_stack([p * (1 - tie), (1 - p) * (1 - tie), np.full(len(i), tie)]))
    wins, ties = np.zeros((2, m, m))
    wins[i, j], wins[j, i], ties[i, j] = cell.T
    ties += ties.T
    return fit_bradley_terry(wins + ties / 2), wins, ties


@pytest.mark.parametrize(("m", "votes"), [(4, 400), (10, 20_000)])
def test_standard_errors_are_those_of_the_sandwich(m, votes):
    """Ties included, for which the model-based ones are wrong; 4,000 replicates have an error of 1.1 %.

    With 100 votes per model the bootstrap also shows the curvature of the logit, some 3 %.
    """
    theta, wins, ties = board(1, m, votes)
    found = bootstrap_votes(theta, wins, ties, n_replicates=4000)
    expected = np.sqrt(np.diag(sandwich_covariance(theta, wins, ties)))
    assert found.n_failed == 0
    assert found.replicates.shape == (4000, m)
    assert found.se == pytest.approx(expected, rel=0.08 if votes == 400 else 0.045)
    assert np.mean(found.se / expected) == pytest.approx(1, abs=0.06 if votes == 400 else 0.015)
    assert found.replicates.sum(axis=1) == pytest.approx(np.zeros(4000), abs=1e-9)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(found.se)
    lower, upper = found.interval()
    assert (upper - lower) / 3.92 == pytest.approx(expected, rel=0.1)
    assert ((lower < theta) & (theta < upper)).all()


def test_each_replicate_is_the_exact_fit_of_its_votes():
    theta, wins, _ = board(2, 6, 3000, tie=0)
    i, j = np.triu_indices(6, 1)
    rng = np.random.default_rng(0)
    won, lost = rng.poisson(wins[i, j][:, None], (15, 20)) * 1.0, rng.poisson(wins[j, i][:, None], (15, 20)) * 1.0
    found, is_done = bootstrap._chord(theta, model_covariance(theta, wins), (i, j), won, won + lost)
    assert is_done.all()
    for replicate in range(20):
        again = np.zeros((6, 6))
        again[i, j], again[j, i] = won[:, replicate], lost[:, replicate]
        assert found[:, replicate] == pytest.approx(fit_bradley_terry(again), abs=1e-5)


def test_the_seed_decides_the_numbers():
    theta, wins, ties = board(3, 5, 1000)
    first, again, other = (bootstrap_votes(theta, wins, ties, n_replicates=50, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.replicates, again.replicates)
    assert not np.array_equal(first.replicates, other.replicates)


def test_poisson_numbers_have_the_moments_and_tail_of_the_law():
    """Means around the change from the exact generator to the expansion, 400,000 numbers each."""
    mean = np.array([0.0, 0.5, 11.9, 12.0, 40.0, 1000.0])
    numbers = bootstrap._poisson(np.random.default_rng(0), mean)(400_000)
    assert (numbers == np.rint(numbers)).all()
    assert numbers.min() >= 0
    assert numbers.mean(axis=1) == pytest.approx(mean, rel=0.004)
    assert numbers.var(axis=1) == pytest.approx(mean, rel=0.012)
    third = ((numbers - numbers.mean(axis=1, keepdims=True)) ** 3).mean(axis=1)
    assert third[1:5] == pytest.approx(mean[1:5], rel=0.12)


def clustered_votes(seed=0, n_raters=60, each=30, m=4):
    rng = np.random.default_rng(seed)
    rater = np.repeat(np.arange(n_raters), each)
    taste = np.linspace(-0.5, 0.5, m) + rng.normal(0, 0.8, (n_raters, m))
    a = rng.integers(0, m, len(rater))
    b = (a + rng.integers(1, m, len(rater))) % m
    share = (rng.random(len(rater)) < expit(taste[rater, a] - taste[rater, b])).astype(float)
    wins = np.zeros((m, m))
    np.add.at(wins, (a, b), share)
    np.add.at(wins, (b, a), 1 - share)
    return fit_bradley_terry(wins), wins, (a, b, share, np.ones(len(a))), rater


def test_whole_raters_resampled_give_the_clustered_standard_errors():
    theta, wins, votes, rater = clustered_votes()
    found = bootstrap_clusters(theta, votes, rater * 1000 + 3, n_replicates=2000)
    scores = pair_scores(4, votes[0], votes[1], votes[2] - win_probabilities(theta)[votes[0], votes[1]])
    clustered = clustered_covariance(model_covariance(theta, wins), scores, rater).covariance
    assert found.se == pytest.approx(np.sqrt(np.diag(clustered)), rel=0.08)
    per_vote = np.sqrt(np.diag(sandwich_covariance(theta, wins, np.zeros((4, 4)))))
    assert (found.se > 1.2 * per_vote).all()


def test_single_votes_as_clusters_and_votes_give_the_same_standard_errors():
    theta, wins, votes, _ = clustered_votes(1)
    by_vote = bootstrap_votes(theta, wins, np.zeros((4, 4)), n_replicates=3000)
    by_cluster = bootstrap_clusters(theta, votes, np.arange(len(votes[0])), n_replicates=3000)
    assert by_cluster.se == pytest.approx(by_vote.se, rel=0.06)


def test_replicates_without_a_fit_are_counted_or_refused():
    """10 of 12 wins: 2 Poisson(1) losses vanish together in 13.5 % of replicates; of 7 losses in 0.1 %."""
    for losses, is_too_sparse in ((2.0, True), (7.0, False)):
        wins = np.array([[0, 10.0], [losses, 0]])
        theta = fit_bradley_terry(wins)
        if is_too_sparse:
            with pytest.raises(NotConvergedError, match="too sparse"):
                bootstrap_votes(theta, wins, np.zeros((2, 2)))
        else:
            found = bootstrap_votes(theta, wins, np.zeros((2, 2)), n_replicates=5000)
            assert 0 < found.n_failed < 20
            assert len(found.replicates) == 5000 - found.n_failed
            assert np.isfinite(found.replicates).all()


def test_senseless_calls_are_refused():
    theta, wins, votes, rater = clustered_votes()
    with pytest.raises(InvalidInputError, match="two replicates"):
        bootstrap_votes(theta, wins, np.zeros((4, 4)), n_replicates=1)
    with pytest.raises(InvalidInputError, match="at least two"):
        bootstrap_clusters(theta, votes, np.zeros_like(rater))
    with pytest.raises(InvalidInputError, match="confidence"):
        bootstrap_votes(theta, wins, np.zeros((4, 4)), n_replicates=2).interval(1.0)


def test_1000_replicates_of_100_models_take_about_a_second_of_processor_time():
    theta, wins, ties = board(5, 100, 1_000_000, tie=0)
    took = []
    for _ in range(2):
        start = time.thread_time()
        bootstrap_votes(theta, wins, ties)
        took.append(time.thread_time() - start)
    assert min(took) < 1.5  # less than 1 on an idle machine; a busy one shares its caches
