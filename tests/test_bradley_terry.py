"""Bradley-Terry against R, choix, arena-rank and its own invariants."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import time

import choix
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError, NotConvergedError
from app.ranking import bradley_terry
from app.stats.comparisons import Comparisons
from app.stats.connectivity import is_strongly_connected, strong_components, unbounded_models, weak_components
from app.stats.counts import outcome_counts, win_matrix
from app.stats.firth import adjusted_wins, fit_firth, penalised_log_likelihood
from app.stats.newton import fit_bradley_terry, gradient, log_likelihood
from tests.machine import patience

CITATIONS = np.array([[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]], dtype=float)
ELO = 400 / math.log(10)
PROPERTY = settings(max_examples=60, deadline=None)


@st.composite
def win_matrices(draw, connected=False):
    m = draw(st.integers(2, 6))
    cells = st.integers(0, 8).map(lambda halves: halves / 2)
    wins = np.array(draw(st.lists(st.lists(cells, min_size=m, max_size=m), min_size=m, max_size=m)))
    np.fill_diagonal(wins, 0)
    if connected:
        wins += np.roll(np.eye(m), 1, axis=1)
    return wins


@st.composite
def votes(draw):
    m = draw(st.integers(2, 6))
    pair = st.tuples(st.integers(0, m - 1), st.integers(0, m - 1)).filter(lambda ends: ends[0] != ends[1])
    drawn = draw(st.lists(st.tuples(pair, st.sampled_from(list(Outcome))), max_size=40))
    return [Comparison(f"m{a}", f"m{b}", outcome) for (a, b), outcome in drawn]


def comparisons_of(wins, names=None):
    names = names or [f"m{i}" for i in range(len(wins))]
    cells = np.argwhere(wins > 0)
    rows = [Comparison(names[i], names[j], Outcome.MODEL_A, weight=wins[i, j]) for i, j in cells]
    return Comparisons.from_rows(rows, models=names)


def by_model(ranking):
    return {row.model: row for row in ranking.models}


def llmfao(shared):
    outcome = {"left": Outcome.MODEL_A, "right": Outcome.MODEL_B, "tie": Outcome.TIE}
    with (shared / "data/llmfao/votes.csv").open() as file:
        rows = [
            Comparison(row["left"], row["right"], outcome[row["winner"]], left="model_a")
            for row in csv.DictReader(file)
        ]
    return Comparisons.from_rows(rows, ordered=True)


def file_wins(path, winner, loser, result=None):
    """Half-wins from a file of games, by name; ``result`` is the winner column's points where there are draws."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[winner] for row in rows} | {row[loser] for row in rows})
    wins = np.zeros((len(names), len(names)))
    for row in rows:
        points = float(row[result]) if result else 1.0
        wins[names.index(row[winner]), names.index(row[loser])] += points
        wins[names.index(row[loser]), names.index(row[winner])] += 1 - points
    return names, wins


# ------------------------------------------------------------------------------------------------ others' answers


def test_citations_equal_r():
    """BradleyTerry2 1.1-2, oracle 01."""
    theta = fit_bradley_terry(CITATIONS)
    assert theta == pytest.approx([0.78992205269, -2.1591504441, 0.31035228294, 1.0588761085], abs=1e-9)


def test_citations_log_likelihood_equals_r_up_to_binomial_coefficients():
    theta = fit_bradley_terry(CITATIONS)
    i, j = np.triu_indices(4, 1)
    votes_per_pair = (CITATIONS + CITATIONS.T)[i, j]
    ways = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        for n, k in zip(votes_per_pair, CITATIONS[i, j], strict=True)
    ]
    assert log_likelihood(theta, CITATIONS) + sum(ways) == pytest.approx(-20.1969403272, abs=1e-8)


def test_small_data_equal_choix():
    data = [(0, 1)] * 5 + [(1, 0)] * 2 + [(1, 2)] * 4 + [(2, 0)] * 3 + [(0, 2)]
    wins = np.zeros((3, 3))
    for winner, loser in data:
        wins[winner, loser] += 1
    theta = fit_bradley_terry(wins)
    assert theta == pytest.approx(choix.ilsr_pairwise_dense(wins, tol=1e-12), abs=1e-9)
    assert theta == pytest.approx(choix.opt_pairwise(3, data), abs=1e-4)


def test_llmfao_board_equals_evalica_and_the_exact_sandwich(shared):
    oracle = json.loads((shared / "oracles/20_llmfao_peers.json").read_text())
    ranking = bradley_terry.rank(llmfao(shared))
    found = by_model(ranking)
    assert {model: row.rating for model, row in found.items()} == pytest.approx(
        oracle["expected"]["bt_log_centered"], abs=oracle["tol"]["bt_log"]
    )
    for model, bounds in oracle["expected"]["elo_ci95_sandwich"].items():
        row = found[model]
        assert (1000 + ELO * row.lower, 1000 + ELO * row.upper) == pytest.approx(bounds, abs=oracle["tol"]["ci"])
    assert (ranking.n_votes, len(ranking.pairs), ranking.connected, ranking.warnings) == (8931, 1711, True, ())


def test_ice_hockey_equals_brglm2_and_glm(shared):
    oracle = json.loads((shared / "oracles/15_icehockey_firth.json").read_text())
    names, wins = file_wins(shared / "data/icehockey.csv", "visitor", "opponent", "result")
    firth = dict(zip(names, fit_firth(wins), strict=True))
    assert firth == pytest.approx(oracle["expected"]["firth_centered"], abs=1e-8)
    exact = dict(zip(names, fit_bradley_terry(wins), strict=True))
    assert exact == pytest.approx(oracle["expected"]["mle_centered"], abs=oracle["tol"]["mle"])


def test_chameleons_without_a_finite_maximum_equal_brglm2(shared):
    oracle = json.loads((shared / "oracles/16_chameleons_firth.json").read_text())
    names, wins = file_wins(shared / "data/chameleons.csv", "winner", "loser")
    assert not is_strongly_connected(wins)
    theta = fit_firth(wins)
    found = dict(zip(names, theta - theta[names.index("C01")], strict=True))
    assert found == pytest.approx(oracle["expected"]["firth_ref"], abs=1e-7)


# ------------------------------------------------------------------------------------------------ the fit


@PROPERTY
@given(win_matrices(connected=True))
def test_the_fit_is_at_the_maximum(wins):
    assume(is_strongly_connected(wins))
    theta = fit_bradley_terry(wins)
    assert np.abs(gradient(theta, wins)).max() < 1e-9
    assert abs(theta.sum()) < 1e-9


@PROPERTY
@given(win_matrices())
def test_the_bias_reduced_fit_is_at_the_maximum_of_the_penalised_likelihood(wins):
    assume(len(weak_components(wins)) == 1)
    theta = fit_firth(wins)
    assert np.abs(gradient(theta, adjusted_wins(theta, wins))).max() < 1e-9
    best = penalised_log_likelihood(theta, wins)
    for i in range(len(theta)):
        for shift in (-0.01, 0.01):
            moved = theta.copy()
            moved[i] += shift
            assert penalised_log_likelihood(moved, wins) < best


@PROPERTY
@given(win_matrices(connected=True))
def test_the_fit_from_counts_equals_the_fit_vote_by_vote(wins):
    """Logistic regression by iterated least squares on one row per half vote, first model as the reference."""
    cells = [(i, j) for i, j in np.argwhere(wins > 0) for _ in range(int(2 * wins[i, j]))]
    design = np.array([np.eye(len(wins))[i] - np.eye(len(wins))[j] for i, j in cells])[:, 1:]
    beta = np.zeros(len(wins) - 1)
    for _ in range(60):
        p = expit(design @ beta)
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (1 - p))
        beta += step * min(1.0, 2 / max(np.abs(step).max(), 1.0))
    expected = np.append(0, beta)
    assert fit_bradley_terry(wins) == pytest.approx(expected - expected.mean(), abs=1e-7)


def test_a_chain_of_60_models_is_exact():
    """Where iterative peers stop early (evalica off by 3.9 logits): each beats the next 99 : 1."""
    wins = 99 * np.eye(60, k=1) + np.eye(60, k=-1)
    theta = fit_bradley_terry(wins)
    assert theta[:-1] - theta[1:] == pytest.approx(np.full(59, math.log(99)), abs=1e-10)


def test_a_million_votes_beside_a_few_converge():
    rng = np.random.default_rng(0)
    wins = rng.uniform(1e4, 1e6, (20, 20))
    wins[0], wins[:, 0] = rng.uniform(0.5, 3, (2, 20))
    np.fill_diagonal(wins, 0)
    theta = fit_bradley_terry(wins)
    assert abs(gradient(theta, wins)[0]) < 1e-9
    assert np.abs(gradient(theta, wins)).max() < 1e-12 * wins.sum()


def test_no_finite_maximum_raises_instead_of_a_number():
    with pytest.raises(NotConvergedError, match="not strongly connected"):
        fit_bradley_terry(np.array([[0, 3.0], [0, 0]]))
    with pytest.raises(NotConvergedError, match="do not link"):
        fit_firth(np.zeros((2, 2)))


def test_firth_of_two_models_adds_half_a_vote_to_each():
    theta = fit_firth(np.array([[0, 10.0], [0, 0]]))
    assert theta[0] - theta[1] == pytest.approx(math.log(10.5 / 0.5), abs=1e-9)


# ------------------------------------------------------------------------------------------------ connectivity


@PROPERTY
@given(win_matrices())
def test_components_are_what_paths_of_wins_connect(wins):
    """The powers of the win graph: a path from i to j has at most m - 1 edges."""
    reach = np.linalg.matrix_power((wins > 0) + np.eye(len(wins)), len(wins)) > 0
    labels = strong_components(wins)
    assert np.array_equal(labels[:, None] == labels, reach & reach.T)
    assert is_strongly_connected(wins) == reach.all()
    linked = np.linalg.matrix_power((wins + wins.T > 0) + np.eye(len(wins)), len(wins)) > 0
    assert sorted(map(tuple, weak_components(wins))) == sorted({tuple(np.flatnonzero(row)) for row in linked})


@pytest.mark.parametrize("odds", [1.0, 1e3, 1e6])
def test_a_long_chain_of_lopsided_pairs_is_fitted_exactly(odds):
    """In a chain each pair decides its own difference: theta_i - theta_(i + 1) = log(W[i, i + 1] / W[i + 1, i])."""
    wins = np.diag(np.full(39, odds), 1) + np.diag(np.full(39, 0.5), -1)
    assert -np.diff(fit_bradley_terry(wins)) == pytest.approx(np.full(39, math.log(2 * odds)), abs=1e-9)


def test_weak_components_come_by_votes_and_idle_models_alone():
    wins = np.zeros((6, 6))
    wins[0, 3] = 1
    wins[1, 4] = wins[4, 5] = 2
    assert [group.tolist() for group in weak_components(wins)] == [[1, 4, 5], [0, 3], [2]]
    assert weak_components(np.zeros((0, 0))) == []


def test_models_outside_the_largest_strong_component_are_unbounded():
    wins = np.zeros((5, 5))
    wins[0, 1] = wins[1, 2] = wins[2, 0] = 1
    assert not unbounded_models(wins[:3, :3]).any()
    wins[3, 0] = wins[1, 4] = 1  # 3 only won, 4 only lost
    assert unbounded_models(wins).tolist() == [False, False, False, True, True]


def test_without_a_largest_strong_component_no_model_is_bounded():
    assert unbounded_models(np.array([[0, 10.0], [0, 0]])).all()
    two_pairs = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0.0]])
    assert unbounded_models(two_pairs).all()
    two_pairs[0, 1] += 1  # more votes within the first pair make it the reference
    assert unbounded_models(two_pairs).tolist() == [False, False, True, True]


# ------------------------------------------------------------------------------------------------ the board


@PROPERTY
@given(votes(), st.sampled_from(["half", "drop"]), st.sampled_from(["tie", "drop"]))
def test_whatever_the_votes_the_board_is_finite_and_says_what_is_wrong(rows, ties, both_bad):
    comparisons = Comparisons.from_rows(rows)
    ranking = bradley_terry.rank(comparisons, ties=ties, both_bad=both_bad)
    wins = win_matrix(outcome_counts(comparisons), ties=ties, both_bad=both_bad)
    found = by_model(ranking)
    for group in weak_components(wins):
        here = [found[comparisons.models[i]] for i in group]
        if len(group) == 1:
            assert (here[0].rating, here[0].rank) == (None, None)
            continue
        assert sum(row.rating for row in here) == pytest.approx(0, abs=1e-8)
        assert all(0 < row.se < math.inf for row in here)
        assert all(1 <= row.rank_lower <= row.rank <= row.rank_upper <= len(group) for row in here)
        connected = not strong_components(wins[np.ix_(group, group)]).any()
        assert all(row.bounded for row in here) == connected
        if not connected:
            assert "set no upper or lower limit" in " ".join(ranking.warnings)
    assert all(pair.se > 0 and pair.difference > -1e-7 for pair in ranking.pairs)
    linked = sum(len(group) > 1 for group in weak_components(wins))
    assert ("no vote connects" in " ".join(ranking.warnings)) == (linked > 1)


@PROPERTY
@given(win_matrices(connected=True))
def test_all_votes_twice_leave_ratings_and_divide_errors_by_root_two(wins):
    assume(is_strongly_connected(wins))
    once, twice = (
        by_model(bradley_terry.rank(comparisons_of(wins))),
        by_model(bradley_terry.rank(comparisons_of(2 * wins))),
    )
    for model, row in once.items():
        assert twice[model].rating == pytest.approx(row.rating, abs=1e-8)
        assert twice[model].se == pytest.approx(row.se / math.sqrt(2), rel=1e-6)


def test_groups_that_never_met_stand_on_separate_boards():
    wins = np.zeros((5, 5))
    wins[0, 1], wins[1, 0], wins[2, 3], wins[3, 2] = 60, 40, 30, 20
    ranking = bradley_terry.rank(comparisons_of(wins, ["a", "b", "c", "d", "new"]))
    assert ranking.components == (("a", "b"), ("c", "d"), ("new",))
    assert not ranking.connected
    assert [row.rank for row in ranking.models] == [1, 2, 1, 2, None]
    assert {(pair.model_a, pair.model_b) for pair in ranking.pairs} == {("a", "b"), ("c", "d")}
    assert ranking.warnings[0].startswith("The models fall into 2 groups")
    assert ranking.warnings[1] == "Without a vote that counts, and so without a rank: new."


def test_an_undefeated_model_gets_a_finite_rating_a_wide_interval_and_a_flag():
    rng = np.random.default_rng(1)
    wins = rng.uniform(20, 40, (5, 5))
    np.fill_diagonal(wins, 0)
    wins[:, 4], wins[4, :4] = 0, 5
    ranking = bradley_terry.rank(comparisons_of(wins))
    top, *rest = ranking.models
    assert (top.model, top.bounded, [row.bounded for row in rest]) == ("m4", False, [True] * 4)
    assert top.se > 1 > 5 * max(row.se for row in rest) / 2
    assert ranking.warnings[0].startswith("m4 won everything or lost everything")


def test_at_most_three_models_are_named_in_a_warning():
    wins = np.triu(np.ones((6, 6)), 1)
    warnings = bradley_terry.rank(comparisons_of(wins)).warnings
    assert warnings[0].startswith("m0, m1, m2 and 3 more won everything or lost everything")
    assert warnings[1] == "Fewer than 30 votes, so the intervals are rough: m0, m1, m2 and 3 more."


def test_nothing_but_ties_is_no_certainty():
    """The sandwich alone would give a standard error of zero."""
    rows = [Comparison("a", "b", Outcome.TIE)] * 40
    found = bradley_terry.rank(Comparisons.from_rows(rows))
    assert [row.rank for row in found.models] == [1, 1]
    assert found.pairs[0].se == pytest.approx(math.sqrt(4 / 40))


def test_a_bridge_of_ties_between_two_groups_is_no_certainty():
    rows = [Comparison(*pair, outcome) for pair in (("a", "b"), ("c", "d")) for outcome in Outcome for _ in range(9)]
    rows += [Comparison("a", "c", Outcome.TIE)] * 9
    pairs = {
        frozenset((pair.model_a, pair.model_b)): pair for pair in bradley_terry.rank(Comparisons.from_rows(rows)).pairs
    }
    assert pairs[frozenset("ac")].se == pytest.approx(math.sqrt(4 / 9))


def test_models_without_any_vote_are_listed_but_not_ranked():
    ranking = bradley_terry.rank(Comparisons.from_rows([], models=["a", "b"]))
    assert [(row.model, row.rating, row.rank, row.n_votes) for row in ranking.models] == [
        ("a", None, None, 0),
        ("b", None, None, 0),
    ]
    assert (ranking.log_likelihood, ranking.pairs, ranking.warnings) == (None, (), ())
    assert bradley_terry.rank(Comparisons.from_rows([])).models == ()


def test_a_wider_confidence_gives_wider_bounds_and_rank_intervals():
    comparisons = comparisons_of(CITATIONS / 20)
    narrow, wide = (by_model(bradley_terry.rank(comparisons, confidence=c)) for c in (0.8, 0.999))
    for model, row in narrow.items():
        assert wide[model].lower < row.lower < row.rating < row.upper < wide[model].upper
        assert wide[model].rank_lower <= row.rank_lower <= row.rank_upper <= wide[model].rank_upper
    with pytest.raises(InvalidInputError):
        bradley_terry.rank(comparisons, confidence=95)


def test_importing_the_method_does_not_import_pandas():
    code = "import sys, app.ranking.bradley_terry; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.timed
def test_a_board_of_59_models_is_fast(shared):
    comparisons = llmfao(shared)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        bradley_terry.rank(comparisons)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1 * patience()  # 10-15 ms on a quiet machine
