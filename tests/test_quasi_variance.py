"""Quasi-variances against R's qvcalc and where they are exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from app.errors import InvalidInputError
from app.stats.covariance import model_covariance
from app.stats.newton import fit_bradley_terry
from app.stats.quasi_variance import quasi_variances

CITATIONS = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], dtype=float)


def test_citations_equal_qvcalc(shared):
    """qvcalc 1.0.2 (oracle 01), which publishes 11 digits; its tolerance is 1e-4, ours 1e-8."""
    expected = json.loads((shared / "oracles/01_citations_bt.json").read_text())["expected"]
    theta = fit_bradley_terry(CITATIONS)
    found = quasi_variances(model_covariance(theta, CITATIONS))
    assert found.variance == pytest.approx(list(expected["quasiVar"].values()), abs=1e-8)
    assert np.sqrt(found.variance) == pytest.approx(list(expected["quasiSE"].values()), abs=1e-7)
    assert -0.04 < found.lowest_error < 0 < found.highest_error < 0.04


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=8))
def test_independent_ratings_have_their_own_variances(variances):
    """Whatever the reference: centring changes the covariance but no difference."""
    m = len(variances)
    centre = np.eye(m) - 1 / m
    found = quasi_variances(centre @ np.diag(variances) @ centre)
    expected = variances if m > 2 else [sum(variances) / 2] * 2
    assert found.variance == pytest.approx(expected, rel=1e-6)
    assert found.highest_error < 1e-6


def test_no_other_numbers_fit_the_differences_better():
    """A general minimiser started elsewhere ends at the same place."""
    rng = np.random.default_rng(1)
    votes = rng.poisson(20, (7, 7)) + 1.0
    votes[6] /= 10
    covariance = model_covariance(rng.normal(0, 1, 7), np.triu(votes, 1))
    i, j = np.triu_indices(7, 1)
    wanted = np.diag(covariance)[i] + np.diag(covariance)[j] - 2 * covariance[i, j]
    other = minimize(
        lambda root: np.sum((np.log(root[i] ** 2 + root[j] ** 2) - np.log(wanted)) ** 2),
        np.full(7, 0.5),
        options={"gtol": 1e-12},
    )
    assert quasi_variances(covariance).variance == pytest.approx(other.x**2, rel=1e-5)


def test_one_model_or_a_difference_without_variance_is_refused():
    for covariance in (np.zeros((1, 1)), np.zeros((3, 3))):
        with pytest.raises(InvalidInputError):
            quasi_variances(covariance)
