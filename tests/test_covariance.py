"""Standard errors against R, arena-rank, sums over single votes, and simulation."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from app.errors import NotConvergedError
from app.stats.covariance import model_covariance, pseudo_inverse, sandwich_covariance
from app.stats.newton import fit_bradley_terry, information, laplacian, win_probabilities

# BradleyTerry2 1.1-2 on citations.csv (oracle 01): wins of row over column; Biometrika, Comm Statist, JASA, JRSS-B
CITATIONS = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], dtype=float)
CITATIONS_SE = [0.043330468687, 0.07257974346, 0.04164101552, 0.053046988193]
CITATIONS_REF = np.array(
    [
        [0.010515545806, 0.0022745471189, 0.0014604193992],
        [0.0022745471189, 0.0036709941109, 0.0016835576783],
        [0.0014604193992, 0.0016835576783, 0.0050168839569],
    ]
)


def random_board(rng, m=6, n=200):
    wins = rng.poisson(n / m**2, (m, m)).astype(float) + 1
    ties = np.triu(rng.poisson(n / m**2, (m, m)).astype(float), 1)
    np.fill_diagonal(wins, 0)
    return wins, ties + ties.T


def test_citations_matrix_is_that_of_the_file(shared):
    names = ["Biometrika", "Comm Statist", "JASA", "JRSS-B"]
    wins = np.zeros((4, 4))
    with (shared / "data/citations.csv").open() as file:
        for row in csv.DictReader(file):
            i, j = names.index(row["item1"]), names.index(row["item2"])
            wins[i, j], wins[j, i] = float(row["win1"]), float(row["win2"])
    assert np.array_equal(wins, CITATIONS)


def test_model_covariance_equals_r_centred_and_against_a_reference():
    covariance = model_covariance(fit_bradley_terry(CITATIONS), CITATIONS)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(CITATIONS_SE, abs=1e-5)
    against = covariance - covariance[:1] - covariance[:, :1] + covariance[0, 0]
    assert against[1:, 1:] == pytest.approx(CITATIONS_REF, abs=1e-8)


@pytest.mark.parametrize(
    ("oracle", "data"), [("06_springall_ties", "springall_ties"), ("09_football0809_ties", "football_2008_9")]
)
def test_half_win_standard_errors_equal_r_and_the_sandwich_is_narrower(shared, oracle, data):
    found = json.loads((shared / f"oracles/{oracle}.json").read_text())
    names = found["expected"]["items"]
    wins, ties = np.zeros((2, len(names), len(names)))
    with (shared / f"data/{data}.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    for first, second, *numbers in rows:
        i, j = names.index(first), names.index(second)
        won, lost, tied = (float(number) for number in numbers)
        wins[i, j] += won
        wins[j, i] += lost
        ties[i, j] += tied
        ties[j, i] += tied
    theta = fit_bradley_terry(wins + ties / 2)
    expected = found["expected"]["half_win"]
    assert theta == pytest.approx(list(expected["ability_centered"].values()), abs=found["tol"]["ability"])
    naive = np.sqrt(np.diag(model_covariance(theta, wins + ties / 2)))
    assert naive == pytest.approx(list(expected["se_centered_naive"].values()), abs=found["tol"]["se"])
    share = np.sqrt(np.diag(sandwich_covariance(theta, wins, ties))) / naive
    assert 1 / 1.30 < np.median(share) < 1 / 1.05  # "too wide by 6-23 %"


def test_pseudo_inverse_is_moore_penrose():
    hessian = information(np.array([0.3, -1.0, 0.7]), np.array([[0, 5, 2], [5, 0, 1], [2, 1, 0.0]]))
    assert pseudo_inverse(hessian) == pytest.approx(np.linalg.pinv(hessian), abs=1e-12)


def test_pseudo_inverse_with_further_parameters_is_moore_penrose():
    """Four models, a position effect and a covariate."""
    rng = np.random.default_rng(0)
    design = np.zeros((50, 6))
    first = rng.integers(0, 4, 50)
    design[np.arange(50), first] = 1
    design[np.arange(50), (first + rng.integers(1, 4, 50)) % 4] = -1
    design[:, 4], design[:, 5] = 1, rng.normal(size=50)
    hessian = design.T @ design
    assert pseudo_inverse(hessian, 4) == pytest.approx(np.linalg.pinv(hessian, rcond=1e-10), abs=1e-10)


def test_pseudo_inverse_does_not_shrink_the_error_of_a_sparse_model():
    """50 votes on a board of a million give 1/sqrt(50 / 4) beside a negligible rest; a ridge would not."""
    votes = np.full((10, 10), 20_000.0)
    np.fill_diagonal(votes, 0)
    votes[9, :] = votes[:, 9] = 0
    votes[9, 0] = votes[0, 9] = 50
    covariance = pseudo_inverse(laplacian(votes / 4))
    variance = covariance[9, 9] + covariance[0, 0] - 2 * covariance[0, 9]
    assert variance == pytest.approx(4 / 50, rel=1e-9)


def test_votes_that_do_not_link_the_models_raise():
    with pytest.raises(NotConvergedError):
        pseudo_inverse(np.zeros((2, 2)))


def test_sandwich_from_counts_equals_the_sum_over_single_votes():
    rng = np.random.default_rng(3)
    wins, ties = random_board(rng)
    theta = fit_bradley_terry(wins + ties / 2)
    chances = win_probabilities(theta)
    meat = np.zeros((6, 6))
    for i, j in np.argwhere(wins + np.triu(ties) > 0):
        unit = np.eye(6)[i] - np.eye(6)[j]
        for _ in range(int(wins[i, j])):
            meat += np.outer(unit, unit) * (1 - chances[i, j]) ** 2
        for _ in range(int(np.triu(ties)[i, j])):
            meat += np.outer(unit, unit) * (0.5 - chances[i, j]) ** 2
    bread = model_covariance(theta, wins + ties / 2)
    assert sandwich_covariance(theta, wins, ties) == pytest.approx(bread @ meat @ bread, abs=1e-12)


def test_both_covariances_halve_when_all_votes_are_doubled_and_rows_sum_to_zero():
    wins, ties = random_board(np.random.default_rng(4))
    theta = fit_bradley_terry(wins + ties / 2)
    once, twice = sandwich_covariance(theta, wins, ties), sandwich_covariance(theta, 2 * wins, 2 * ties)
    assert twice == pytest.approx(once / 2, rel=1e-9)
    assert once.sum(axis=0) == pytest.approx(np.zeros(6), abs=1e-12)
    half = wins + ties / 2
    assert model_covariance(theta, 2 * half) == pytest.approx(model_covariance(theta, half) / 2, rel=1e-9)


def test_a_model_marked_for_the_expected_variance_gets_that_of_the_model():
    """With all models marked the sandwich is the model-based covariance."""
    wins, ties = random_board(np.random.default_rng(5))
    theta = fit_bradley_terry(wins + ties / 2)
    marked = sandwich_covariance(theta, wins, ties, by_model=np.ones(6, dtype=bool))
    assert marked == pytest.approx(model_covariance(theta, wins + ties / 2), abs=1e-12)


def test_sandwich_intervals_cover_the_truth_95_percent_of_the_time():
    """800 boards of 8 models and 400 votes, up to 40 % ties; the half-win expectation is exactly Bradley-Terry."""
    rng = np.random.default_rng(11)
    truth = np.linspace(-1.2, 1.2, 8)
    i, j = np.triu_indices(8, 1)
    p = win_probabilities(truth)[i, j]
    tie = 0.8 * np.minimum(p, 1 - p)
    votes = rng.multinomial(400, np.full(len(i), 1 / len(i)), size=800)
    hits = []
    for n in votes:
        won, lost, tied = rng.multinomial(n, np.column_stack([p - tie / 2, 1 - p - tie / 2, tie])).T
        wins, ties = np.zeros((2, 8, 8))
        wins[i, j], wins[j, i], ties[i, j], ties[j, i] = won, lost, tied, tied
        theta = fit_bradley_terry(wins + ties / 2)
        se = np.sqrt(np.diag(sandwich_covariance(theta, wins, ties)))
        hits.append(np.abs(theta - truth) < 1.96 * se)
    assert 0.93 < np.mean(hits) < 0.97
