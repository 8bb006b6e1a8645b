"""Agreement against Krippendorff 2011, the krippendorff package, statsmodels and by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError
from app.stats.agreement import (
    agreement,
    fleiss_kappa,
    item_codes,
    krippendorff_alpha,
    oriented_codes,
    self_consistency,
    value_counts,
)
from app.stats.comparisons import Comparisons

ORACLE = json.loads((Path(__file__).parent / "data/23_krippendorff.json").read_text())
EXPECTED, TOLERANCE = ORACLE["expected"], ORACLE["tol"]["kripp"]
PROPERTY = settings(max_examples=80, deadline=None)
LEVELS = ["nominal", "ordinal", "interval", "ratio"]

_ = None
CODINGS = [  # Krippendorff 2011, section C: four observers, twelve units, values 1 to 5, some missing
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


def rows(codings):
    """Columns item, rater, code of a table with a row for each rater."""
    found = [
        (item, rater, code) for rater, line in enumerate(codings) for item, code in enumerate(line) if code is not None
    ]
    return [np.array(column) for column in zip(*found, strict=True)]


@st.composite
def count_tables(draw, per_item=None):
    n_codes = draw(st.integers(2, 5))
    cells = st.lists(st.integers(0, 4), min_size=n_codes, max_size=n_codes)
    table = np.array(draw(st.lists(cells, min_size=1, max_size=12)))
    if per_item:
        table[:, 0] += np.maximum(table.sum(axis=1).max(), 2) - table.sum(axis=1)
    return table


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_krippendorffs_example(level):
    item, rater, code = rows(CODINGS)
    counts = value_counts(item, rater, code, n_codes=6)[:, 1:]
    alpha = krippendorff_alpha(counts, level=level, values=[1, 2, 3, 4, 5])
    assert alpha == pytest.approx(EXPECTED["kripp2011"][level], abs=1e-12)
    published = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849, "ratio": 0.797}
    assert alpha == pytest.approx(published[level], abs=TOLERANCE)


def test_alpha_equals_krippendorffs_binary_example():
    found = agreement(*rows(EXPECTED["binary_data"]), n_codes=2)
    assert found.alpha == pytest.approx(EXPECTED["binary"], abs=1e-12)
    assert found.raw == pytest.approx(0.6)
    assert found.lower < found.alpha < found.upper


@PROPERTY
@given(table=count_tables(), level=st.sampled_from(LEVELS))
def test_alpha_equals_the_krippendorff_package(table, level):
    rated = table[table.sum(axis=1) >= 2]
    if not len(rated):
        with pytest.raises(InvalidInputError):
            krippendorff_alpha(table, level=level)
        return
    found = krippendorff_alpha(table, level=level)
    if (rated.sum(axis=0) > 0).sum() == 1:
        assert found is None
        return
    assert found == pytest.approx(krippendorff.alpha(value_counts=table, level_of_measurement=level), abs=1e-9)


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_alpha_of_the_llmfao_raters(shared, level):
    with (shared / "data/llmfao/votes.csv").open() as file:
        votes = list(csv.DictReader(file))
    code = [{"left": 0, "tie": 1, "right": 2}[vote["winner"]] for vote in votes]
    item, rater = ([int(vote[name]) for vote in votes] for name in ("id", "worker"))
    found = agreement(item, rater, code, level=level, n_boot=200)
    assert found.alpha == pytest.approx(EXPECTED["llmfao"][level], abs=1e-8)
    assert found.lower < found.alpha < found.upper
    assert found.upper - found.lower < 0.1
    assert found.fleiss is None  # unequal numbers of raters


def test_what_raters_agree_on_does_not_depend_on_the_screen():
    """The same verdict for the same model is agreement, whichever side it stood on and whichever was called a."""
    seen = Comparisons.from_rows(
        [
            Comparison("x", "y", Outcome.MODEL_A, left="model_a"),
            Comparison("y", "x", Outcome.MODEL_B, left="model_a"),
            Comparison("y", "x", Outcome.TIE),
            Comparison("x", "y", Outcome.BOTH_BAD),
            Comparison("y", "z", Outcome.MODEL_B),
        ]
    )
    assert oriented_codes(seen).tolist() == [0, 0, 1, 1, 2]
    assert oriented_codes(seen, both_bad="apart").tolist() == [0, 0, 1, 3, 2]
    items = item_codes(seen, [7, 7, 7, 8, 7])
    assert items[0] == items[1] == items[2]
    assert len(set(items.tolist())) == 3


@PROPERTY
@given(table=count_tables(per_item=True))
def test_fleiss_kappa_by_its_formula(table):
    n = table.sum(axis=1)[0]
    share = table.sum(axis=0) / table.sum()
    observed = ((table * (table - 1)).sum(axis=1) / (n * (n - 1))).mean()
    found = fleiss_kappa(table)
    if share.max() == 1:
        assert found is None
    else:
        chance = share @ share
        assert found == pytest.approx((observed - chance) / (1 - chance), abs=1e-12)


def test_fleiss_kappa_of_fleiss_1971():
    """Fleiss 1971: 14 raters, 10 subjects, 5 categories, kappa .210."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(np.array(table)) == pytest.approx(0.210, abs=5e-4)
    item = np.repeat(np.arange(10), 14)
    code = np.concatenate([np.repeat(np.arange(5), row) for row in table])
    found = agreement(item, np.tile(np.arange(14), 10), code, n_codes=5)
    assert found.fleiss == pytest.approx(0.210, abs=5e-4)
    assert found.raw == pytest.approx(0.378, abs=5e-4)  # his mean P


@PROPERTY
@given(data=st.data())
def test_agreement_does_not_depend_on_names_or_order(data):
    n = data.draw(st.integers(4, 30))
    column = st.lists(st.integers(0, 5), min_size=n, max_size=n)
    item, rater = (np.array(data.draw(column)) for _ in range(2))
    code = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    _, first = np.unique(np.stack([item, rater]), axis=1, return_index=True)
    item, rater, code = item[first], rater[first], code[first]
    if np.bincount(item).max() < 2:
        return
    order = np.array(data.draw(st.permutations(range(len(item)))))
    one = value_counts(item, rater, code)
    other = value_counts((5 - item)[order], (rater * 7 + 3)[order], code[order])
    for level in ("nominal", "ordinal"):
        left, right = krippendorff_alpha(one, level=level), krippendorff_alpha(other[:, ::-1], level=level)
        assert left == right if left is None else left == pytest.approx(right, abs=1e-9)


def simulated(rng, n_items, alike):
    """Three raters; with chance ``alike`` a rater sees the item's truth, else guesses: alpha is alike^2."""
    truth = np.repeat(rng.integers(0, 3, n_items), 3)
    code = np.where(rng.random(3 * n_items) < alike, truth, rng.integers(0, 3, 3 * n_items))
    return np.repeat(np.arange(n_items), 3), np.tile(np.arange(3), n_items), code


def test_the_bootstrap_interval_covers_the_true_alpha():
    rng = np.random.default_rng(4)
    runs = [agreement(*simulated(rng, 100, 0.7), n_boot=200, seed=k) for k in range(300)]
    assert np.mean([run.alpha for run in runs]) == pytest.approx(0.49, abs=0.01)
    assert 0.90 < np.mean([run.lower <= 0.49 <= run.upper for run in runs]) < 0.98


def test_no_variation_leaves_alpha_undefined_and_full_agreement_is_one():
    same = agreement([0, 0, 1, 1], [0, 1, 0, 1], [2, 2, 2, 2])
    assert (same.alpha, same.lower, same.fleiss, same.raw) == (None, None, None, 1.0)
    full = agreement([0, 0, 1, 1], [0, 1, 0, 1], [2, 2, 0, 0])
    assert (full.alpha, full.fleiss, full.raw) == (1.0, 1.0, 1.0)
    one = agreement([0, 0, 0], [0, 1, 2], [2, 2, 0])
    assert (one.n_items, one.lower, one.upper) == (1, None, None)


def test_a_second_rating_of_an_item_by_the_same_rater_is_left_to_self_consistency():
    item, rater, code = [0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 0], [0, 2, 0, 1, 1, 1]
    assert value_counts(item, rater, code).tolist() == [[2, 0, 0], [0, 2, 0]]
    found = self_consistency(item, rater, code)
    assert (found.n_repeats, found.n_same, found.n_reversed, found.same) == (2, 1, 1, 0.5)
    assert found.lower < 0.5 < found.upper
    assert found.expected == pytest.approx(0.5 * 0.5)  # before: 0, 1; after: 2, 1
    assert self_consistency([0, 1], [0, 0], [1, 1]) is None
    assert self_consistency([], [], []) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: agreement([], [], []),
        lambda: agreement([0, 1], [0, 0], [1, 1]),  # one rater
        lambda: agreement([0, 0], [0, 1], [1, 3]),
        lambda: agreement([0, 0], [0, 1], [1, float("nan")]),
        lambda: agreement([0, 0], [0, 1], [1]),
        lambda: agreement([0, 0], ["a", "b"], [1, 1]),
        lambda: agreement([0, 0], [0, 1], [1, 0], level="guess"),
        lambda: agreement([0, 0], [0, 1], [1, 0], n_boot=1),
        lambda: agreement([0, 0], [0, 1], [1, 0], confidence=0),
        lambda: krippendorff_alpha([[1, -1]]),
        lambda: krippendorff_alpha([[1, 0]]),
        lambda: krippendorff_alpha([[1, 1]], values=[1]),
        lambda: fleiss_kappa(np.array([[2, 0], [2, 1]])),
        lambda: self_consistency([0, 0], [0, 0], [0, 9]),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(InvalidInputError):
        call()
