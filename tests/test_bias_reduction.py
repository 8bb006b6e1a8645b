"""When Bradley-Terry may use maximum likelihood, when Firth's fit, and that both end converged or in an error."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError, NotConvergedError
from app.ranking import bradley_terry, davidson
from app.stats.comparisons import Comparisons
from app.stats.counts import outcome_counts, win_matrix
from app.stats.newton import fit_bradley_terry, gradient
from app.stats.uncertainty import model_based
from tests.conftest import ROOT
from tests.machine import patience
from tests.oracles import ratings, simulated, votes_of


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12))
def test_choix_and_newton_agree(seed, m):
    """Two algorithms, one maximum: choix's spectral iteration to its end, and ours."""
    comparisons, _ = simulated(m, 60 * m, seed=seed, tie=0.2)
    wins = win_matrix(outcome_counts(comparisons)) + 0.1 * (1 - np.eye(m))
    assert fit_bradley_terry(wins) == pytest.approx(choix.ilsr_pairwise_dense(wins, tol=1e-10), abs=1e-8)


def test_a_board_of_300_models_is_converged():
    comparisons, _ = simulated(300, 60_000, seed=1, spread=1.5, tie=0.2)
    wins = win_matrix(outcome_counts(comparisons))
    theta = fit_bradley_terry(wins)
    assert np.abs(gradient(theta, wins)).max() < 1e-9
    ranking = davidson.rank(comparisons, position=True)
    assert sum(row.rating for row in ranking.models) == pytest.approx(0, abs=1e-8)
    assert abs(ranking.position.estimate) < 4 * ranking.position.se


def test_a_chain_of_60_models_is_exact_with_a_position_effect_too():
    """Each beats the next 99 : 1 wherever it stands, so the position effect is nil and each step log 99."""
    rows = [[f"m{i:02}", f"m{i + 1:02}", 99, 1] for i in range(59)] + [
        [f"m{i + 1:02}", f"m{i:02}", 1, 99] for i in range(59)
    ]
    ranking = bradley_terry.rank(votes_of(rows), position=True)
    steps = -np.diff([row.rating for row in ranking.models])
    assert steps == pytest.approx(np.full(59, math.log(99)), abs=1e-9)
    assert ranking.position.estimate == pytest.approx(0, abs=1e-9)


def test_ice_hockey_by_the_options_equals_brglm2_and_glm(shared):
    """Oracle 15: Firth's fit on demand, maximum likelihood by default, since a finite maximum exists."""
    found = json.loads((shared / "oracles/15_icehockey_firth.json").read_text())
    expected, tol = found["expected"], found["tol"]
    comparisons = hockey(shared)
    assert ratings(bradley_terry.rank(comparisons)) == pytest.approx(expected["mle_centered"], abs=tol["mle"])
    assert ratings(bradley_terry.rank(comparisons, bias_reduction="none")) == pytest.approx(
        expected["mle_centered"], abs=tol["mle"]
    )
    firth = bradley_terry.rank(comparisons, bias_reduction="firth")
    assert ratings(firth) == pytest.approx(expected["firth_centered"], abs=1e-7)
    assert all(row.bounded for row in firth.models)


def test_the_joint_bias_reduced_fit_equals_brglm2(shared):
    """Oracles 15 and 16 by the way that position and covariates take."""
    for name, comparisons in (("15_icehockey", hockey(shared)), ("16_chameleons", chameleons(shared))):
        expected = json.loads((shared / f"oracles/{name}_firth.json").read_text())["expected"]
        ranking = bradley_terry.rank(comparisons, bias_reduction="firth", covariance=model_based)
        found = ratings(ranking)
        wanted = expected.get("firth_centered") or expected["firth_ref"]
        shift = np.mean(list(wanted.values()))
        assert found == pytest.approx({model: value - shift for model, value in wanted.items()}, abs=1e-6)


def test_chameleons_by_default_are_bias_reduced_and_flagged(shared):
    """Oracle 16; without bias reduction there is no answer, and the error names who is to blame."""
    expected = json.loads((shared / "oracles/16_chameleons_firth.json").read_text())["expected"]["firth_ref"]
    ranking = bradley_terry.rank(chameleons(shared))
    found = ratings(ranking)
    assert {model: value - found["C01"] for model, value in found.items()} == pytest.approx(expected, abs=1e-6)
    loose = [row.model for row in ranking.models if not row.bounded]
    assert loose
    with pytest.raises(NotConvergedError, match=sorted(loose)[0]):
        bradley_terry.rank(chameleons(shared), bias_reduction="none")


def hockey(shared):
    """``result`` is the visitor's points: 1, 1/2 or 0."""
    with (shared / "data/icehockey.csv").open() as file:
        rows = list(csv.DictReader(file))
    points = [[row["visitor"], row["opponent"], float(row["result"])] for row in rows]
    return votes_of([first, second, won == 1, won == 0, won == 0.5] for first, second, won in points)


def chameleons(shared):
    with (shared / "data/chameleons.csv").open() as file:
        return votes_of([row["winner"], row["loser"], 1] for row in csv.DictReader(file))


@pytest.mark.parametrize("options", [{}, {"position": True}])
def test_a_swept_model_is_flagged_or_refused(options):
    rows = [["top", other, 6, 0] for other in "abc"] + [[other, "top", 0, 6] for other in "abc"]
    rows += [[x, y, 8, 5] for x, y in ("ab", "bc", "ca", "ba", "cb", "ac")]
    comparisons = votes_of(rows)
    ranking = bradley_terry.rank(comparisons, **options)
    assert (ranking.models[0].model, ranking.models[0].bounded) == ("top", False)
    assert all(row.bounded for row in ranking.models[1:])
    assert ranking.warnings[0].startswith("top won everything")
    with pytest.raises(NotConvergedError, match="top won everything"):
        bradley_terry.rank(comparisons, bias_reduction="none", **options)


def test_an_unknown_option_is_refused():
    with pytest.raises(InvalidInputError, match="auto, firth, none"):
        bradley_terry.rank(votes_of([["a", "b", 2, 1]]), bias_reduction="ridge")


def test_both_bad_as_a_tie_or_dropped():
    rows = [Comparison("a", "b", Outcome.MODEL_A, 30.0), Comparison("b", "a", Outcome.MODEL_A, 10.0)]
    rows += [Comparison("a", "b", Outcome.BOTH_BAD, 20.0)]
    gaps = {}
    for both_bad in ("tie", "drop"):
        found = ratings(bradley_terry.rank(Comparisons.from_rows(rows), both_bad=both_bad))
        gaps[both_bad] = found["a"] - found["b"]
    assert gaps == pytest.approx({"tie": math.log(40 / 20), "drop": math.log(3)})


MILLION = """
import time
from app.stats.counts import outcome_counts, wins_and_ties
from app.stats.covariance import sandwich_covariance
from app.stats.newton import fit_bradley_terry
from tests.conftest import ROOT
from tests.oracles import simulated

comparisons, _ = simulated(100, 1_000_000, seed=0, tie=0.2)
took = []
for _ in range(15):
    start = time.process_time()
    wins, tied = wins_and_ties(outcome_counts(comparisons))
    sandwich_covariance(fit_bradley_terry(wins + tied / 2), wins, tied)
    took.append(time.process_time() - start)
print(min(took))
"""


@pytest.mark.timed
def test_a_million_coded_votes_are_fast():
    """Counts, fit and sandwich of 100 models: processor time of one thread, with room for a machine that is shared."""
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MILLION]
    result = subprocess.run(command, env=one_thread, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(result.stdout) < 0.1 * patience()
