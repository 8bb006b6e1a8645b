"""Goodness of fit, residuals and cycles against R, by enumeration and in simulation."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from app.errors import InvalidInputError
from app.stats.cycles import cyclic_triads
from app.stats.fit import (
    CELLS_AT_ONCE,
    _refitted,
    _statistics,
    expected_wins,
    goodness_of_fit,
    pair_residuals,
    simulated_boards,
)
from app.stats.newton import fit_bradley_terry

ORACLE = json.loads((Path(__file__).parent / "data/26_celebrities_gof.json").read_text())
EXPECTED = ORACLE["expected"]
PROPERTY = settings(max_examples=40, deadline=None)


def read_board(path):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = list(dict.fromkeys(row[key] for row in rows for key in ("item1", "item2")))
    wins = np.zeros((len(names), len(names)))
    for row in rows:
        i, j = names.index(row["item1"]), names.index(row["item2"])
        wins[i, j] += float(row["win1"])
        wins[j, i] += float(row["win2"])
    return names, wins


def drawn(theta, n, rng):
    """A board of n votes per pair that Bradley-Terry made."""
    m = len(theta)
    i, j = np.triu_indices(m, 1)
    wins = np.zeros((m, m))
    wins[i, j] = rng.binomial(n, expit(np.subtract.outer(theta, theta)[i, j]))
    wins[j, i] = n - wins[i, j]
    return wins


def cycle_board(n=60, share=0.8):
    """0 beats 1, 1 beats 2, 2 beats 0, and 3 loses to all three."""
    wins = np.zeros((4, 4))
    for i, j in [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]:
        wins[i, j], wins[j, i] = n * share, n - n * share
    return np.rint(wins)


@st.composite
def boards(draw):
    m = draw(st.integers(3, 6))
    cells = st.lists(st.integers(0, 9), min_size=m, max_size=m)
    wins = np.array(draw(st.lists(cells, min_size=m, max_size=m)), dtype=float)
    np.fill_diagonal(wins, 0)
    wins[0, 1] += 1
    return wins


def test_celebrities_are_rejected_as_in_r(shared):
    names, wins = read_board(shared / "data/celebrities.csv")
    found = goodness_of_fit(wins)
    assert found.g2 == pytest.approx(EXPECTED["G2"], abs=ORACLE["tol"]["G2"])
    assert (found.df, found.method) == (EXPECTED["df"], "chi-square")
    assert found.p_g2 == pytest.approx(EXPECTED["p"], rel=1e-4)
    theta = dict(zip(names, fit_bradley_terry(wins), strict=True))
    assert theta == pytest.approx(EXPECTED["theta_centered"], abs=1e-6)
    assert cyclic_triads(wins, n_boot=99).d == EXPECTED["circular_triads"]
    assert goodness_of_fit(wins, method="bootstrap", n_boot=199).p_g2 == 1 / 200
    assert pair_residuals(wins).p_adjusted.min() < 0.001


def test_by_hand_three_models():
    """A perfect cycle of 8 : 2 fits at theta = 0: G2 = 3 x 2 (8 log 1.6 + 2 log .4), X2 = 3 x 2 x 9/5, one df."""
    wins = np.array([[0, 8, 2], [2, 0, 8], [8, 2, 0]], dtype=float)
    found = goodness_of_fit(wins)
    assert found.g2 == pytest.approx(6 * (8 * np.log(1.6) + 2 * np.log(0.4)))
    assert found.x2 == pytest.approx(6 * 9 / 5)
    assert (found.df, found.method, found.smallest_expected) == (1, "chi-square", 5.0)
    residuals = pair_residuals(wins)
    assert residuals.z**2 == pytest.approx(np.full(3, 6 * 9 / 5))  # one df: each pair shows the whole misfit
    assert residuals.z.round(6).tolist() == [3.286335, -3.286335, 3.286335]


@pytest.mark.parametrize(("n", "method"), [(40, "chi-square"), (3, "bootstrap")])
def test_the_test_keeps_its_level_where_the_model_holds(n, method):
    """With 3 votes per pair X2 is far from chi-square; the bootstrap is right all the same."""
    rng = np.random.default_rng(1)
    theta = np.array([0.9, 0.4, 0.0, -0.5, -0.8])
    found = [goodness_of_fit(drawn(theta, n, rng), method=method, n_boot=99, seed=k) for k in range(300)]
    for p in ([test.p_g2 for test in found], [test.p_x2 for test in found]):
        assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.085


def test_sparse_boards_are_bootstrapped_and_a_planted_misfit_is_found():
    rng = np.random.default_rng(2)
    wins = drawn(np.linspace(1, -1, 6), 4, rng)
    assert goodness_of_fit(wins, n_boot=50).method == "bootstrap"
    wins = drawn(np.linspace(1, -1, 6), 60, rng)
    wins[0, 5], wins[5, 0] = 20, 40
    found = pair_residuals(wins)
    worst = int(np.argmin(found.p))
    assert (found.i[worst], found.j[worst]) == (0, 5)
    assert found.z[worst] < -5
    assert found.p_adjusted[worst] < 1e-5
    assert goodness_of_fit(wins).p_g2 < 1e-4


def test_residuals_are_standard_normal_where_the_model_holds():
    rng = np.random.default_rng(3)
    found = [pair_residuals(drawn(np.array([0.7, 0.2, -0.2, -0.7]), 50, rng)) for _ in range(400)]
    z = np.array([residuals.z for residuals in found])
    assert np.abs(z.mean(axis=0)).max() < 0.2
    assert z.std(axis=0) == pytest.approx(np.ones(6), abs=0.12)
    assert 0.02 < np.mean([residuals.p_adjusted.min() <= 0.05 for residuals in found]) < 0.08


@PROPERTY
@given(wins=boards(), seed=st.integers(0, 99))
def test_relabelling_changes_nothing(wins, seed):
    order = np.random.default_rng(seed).permutation(len(wins))
    one = goodness_of_fit(wins, method="chi-square")
    other = goodness_of_fit(wins[np.ix_(order, order)], method="chi-square")
    assert other.g2 == pytest.approx(one.g2, abs=1e-6)
    assert other.x2 == pytest.approx(one.x2, abs=1e-5)
    assert other.df == one.df
    residuals, turned = pair_residuals(wins), pair_residuals(wins[np.ix_(order, order)])
    assert np.sort(np.abs(turned.z)) == pytest.approx(np.sort(np.abs(residuals.z)), abs=1e-5)


@PROPERTY
@given(wins=boards())
def test_every_vote_twice_doubles_the_misfit(wins):
    one, twice = goodness_of_fit(wins, method="chi-square"), goodness_of_fit(2 * wins, method="chi-square")
    assert twice.g2 == pytest.approx(2 * one.g2, abs=1e-6)
    assert twice.x2 == pytest.approx(2 * one.x2, abs=1e-5)
    assert pair_residuals(2 * wins).z == pytest.approx(np.sqrt(2) * pair_residuals(wins).z, abs=1e-5)


@PROPERTY
@given(wins=boards())
def test_all_boards_at_once_equal_one_fit_each(wins):
    """The batched Newton of the bootstrap reaches the likelihood of the exact fit, also where theta is infinite."""
    expected, _ = expected_wins(wins)
    g2 = _statistics(wins[None], expected[None])[0][0]
    batched = _statistics(wins[None], _refitted(wins[None]))[0][0]
    assert batched == pytest.approx(g2, abs=2e-5)


def test_a_swept_model_leaves_the_rest_to_be_tested():
    """Model 3 lost every vote: its pairs fit exactly, and the other three give the test of a three-model board."""
    wins = np.array([[0, 8, 2, 9], [2, 0, 8, 9], [8, 2, 0, 9], [0, 0, 0, 0]], dtype=float)
    found, core = goodness_of_fit(wins), goodness_of_fit(wins[:3, :3])
    assert (found.g2, found.x2, found.df) == pytest.approx((core.g2, core.x2, core.df))
    assert len(pair_residuals(wins).z) == 3


def test_two_models_cannot_disagree():
    found = goodness_of_fit(np.array([[0.0, 7], [3, 0]]))
    assert (found.df, found.p_g2, found.p_x2) == (0, 1.0, 1.0)
    assert len(pair_residuals(np.array([[0.0, 7], [3, 0]])).z) == 0


def test_a_clear_cycle_is_named_and_a_vague_one_is_not():
    found = cyclic_triads(cycle_board(), n_boot=199)
    assert (found.d, found.n_triads) == (1, 4)
    assert found.p == pytest.approx(0.25, abs=0.1)  # the fit has the three equal, and a quarter of such triads cycle
    assert goodness_of_fit(cycle_board()).p_g2 < 1e-9  # it is the sizes that tell
    assert [(c.i, c.j, c.k) for c in found.cycles] == [(0, 1, 2)]
    assert found.cycles[0].p < 0.001
    vague = cyclic_triads(cycle_board(n=10, share=0.6), n_boot=199)
    assert (vague.d, vague.cycles) == (1, ())
    assert vague.p > 0.05


@PROPERTY
@given(wins=boards())
def test_kendalls_d_by_counting(wins):
    def is_cycle(a, b, c):
        beats = wins > wins.T
        return (beats[a, b] and beats[b, c] and beats[c, a]) or (beats[b, a] and beats[c, b] and beats[a, c])

    triples = list(combinations(range(len(wins)), 3))
    found = cyclic_triads(wins, n_boot=9)
    assert found.d == sum(is_cycle(*triple) for triple in triples)
    directed = wins != wins.T
    assert found.n_triads == sum(directed[a, b] and directed[b, c] and directed[a, c] for a, b, c in triples)
    assert len(found.cycles) <= found.d


def test_false_cycles_are_named_on_at_most_5_percent_of_boards():
    rng = np.random.default_rng(6)
    named = [bool(cyclic_triads(drawn(np.zeros(8), 30, rng), n_boot=1).cycles) for _ in range(300)]
    assert np.mean(named) <= 0.05


def test_large_boards_are_simulated_in_blocks_of_bounded_memory():
    wins = drawn(np.linspace(1, -1, 120), 2, np.random.default_rng(7))
    blocks = [block.shape for block in simulated_boards(wins, expected_wins(wins)[0], 300, 0)]
    assert sum(shape[0] for shape in blocks) == 300
    assert len(blocks) == 3
    assert max(np.prod(shape) for shape in blocks) <= CELLS_AT_ONCE


def test_simulated_boards_keep_the_votes_and_follow_the_fit():
    wins = cycle_board(n=20, share=0.7)
    expected, _ = expected_wins(wins)
    (boards,) = simulated_boards(wins, expected, 2000, 1)
    assert (boards + boards.transpose(0, 2, 1) == wins + wins.T).all()
    assert boards.mean(axis=0) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("call", [goodness_of_fit, pair_residuals, cyclic_triads])
@pytest.mark.parametrize(
    "wins",
    [
        np.zeros((0, 0)),
        np.zeros((1, 1)),
        np.zeros((3, 3)),
        np.ones((2, 3)),
        np.array([[0, 0.5], [1, 0]]),
        np.array([[0, -1.0], [1, 0]]),
        np.array([[0, np.nan], [1, 0]]),
        np.array([[1.0, 1], [1, 0]]),
    ],
    ids=["empty", "one model", "no votes", "not square", "half-wins", "negative", "nan", "itself"],
)
def test_what_makes_no_sense_is_refused(call, wins):
    with pytest.raises(InvalidInputError):
        call(wins)


def test_unknown_arguments_are_refused():
    wins = np.array([[0.0, 7], [3, 0]])
    for call in (
        lambda: goodness_of_fit(wins, method="guess"),
        lambda: goodness_of_fit(wins, n_boot=0),
        lambda: cyclic_triads(wins, alpha=0),
    ):
        with pytest.raises(InvalidInputError):
            call()
