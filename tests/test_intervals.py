"""Wilson intervals against the published table and scipy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from app.errors import InvalidInputError
from app.stats.intervals import normal_quantile, wilson_interval


def test_bounds_equal_newcombe_1998_table_1():
    lower, upper = wilson_interval([81, 15, 0, 1], [263, 148, 20, 29])
    assert lower == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=6e-5)
    assert upper == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=6e-5)


def test_bounds_equal_the_oracle_file(shared):
    oracle = json.loads((shared / "oracles/21_wilson_newcombe1998a.json").read_text())
    for row in oracle["expected"]:
        bounds = wilson_interval(row["x"], row["n"])
        assert np.array(bounds) == pytest.approx(row["wilson"], abs=oracle["tol"])


@pytest.mark.parametrize(("k", "n", "confidence"), [(0, 1, 0.9), (7, 7, 0.95), (3, 11, 0.99)])
def test_bounds_equal_scipy(k, n, confidence):
    lower, upper = wilson_interval(k, n, confidence=confidence)
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert (float(lower), float(upper)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_trials_leave_everything_possible():
    assert [float(bound) for bound in wilson_interval(0, 0)] == [0.0, 1.0]


def test_impossible_arguments_are_refused():
    with pytest.raises(InvalidInputError):
        wilson_interval(3, 2)
    for confidence in (0.0, 1.0, 95):
        with pytest.raises(InvalidInputError):
            normal_quantile(confidence)
