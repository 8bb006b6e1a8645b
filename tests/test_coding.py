"""From label columns to codes: the same votes whatever holds the labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from app.domain import Comparison, Outcome
from app.errors import InvalidInputError
from app.ranking import bradley_terry
from app.stats.coding import MISSING, comparisons_from_labels, encode
from app.stats.comparisons import SIDE_UNKNOWN, Comparisons
from app.stats.counts import outcome_counts

A = ["heron", "plover", "heron", "wren", "wren"]
B = ["plover", "wren", "wren", "plover", "heron"]
WINNER = ["model_a", "tie", "model_b", "both_bad", "model_a"]


@pytest.mark.parametrize(
    "column",
    [
        list,
        np.array,
        lambda values: np.array(values, dtype=object),
        pd.Series,
        lambda values: pd.Series(values, dtype=object),
        lambda values: pd.Series(values, dtype="category"),
        pa.array,
        lambda values: pa.chunked_array([values[:2], values[2:]]),
        lambda values: pa.chunked_array([pa.array(values[:2]), pa.array(values[2:])]).dictionary_encode(),
    ],
    ids=["list", "numpy", "objects", "pandas", "pandas objects", "categorical", "arrow", "chunks", "coded chunks"],
)
def test_every_kind_of_column_gives_the_votes_of_its_rows(column):
    coded = comparisons_from_labels(column(A), column(B), column(WINNER))
    rows = Comparisons.from_rows(Comparison(a, b, Outcome(winner)) for a, b, winner in zip(A, B, WINNER, strict=True))
    assert coded.models == rows.models
    assert np.array_equal(outcome_counts(coded), outcome_counts(rows))
    assert (coded.a_is_left == SIDE_UNKNOWN).all()


def test_left_and_right_say_that_model_a_stood_on_the_left():
    coded = comparisons_from_labels(["x", "y"], ["y", "x"], ["left", "right"])
    assert coded.outcome.tolist() == [0, 1] and coded.a_is_left.tolist() == [1, 1]


def test_the_name_of_a_model_is_an_outcome_of_its_own_row_only():
    coded = comparisons_from_labels(["x", "x"], ["y", "z"], ["y", "x"])
    assert coded.outcome.tolist() == [1, 0]
    with pytest.raises(InvalidInputError, match="unknown in row 1"):
        comparisons_from_labels(["x", "x"], ["y", "z"], ["y", "y"])


@pytest.mark.parametrize(
    ("a", "b", "winner", "words"),
    [
        (["x", None], ["y", "y"], ["tie", "tie"], "model_a is missing or unknown in row 1"),
        (["x"], ["y"], ["draw?"], "winner is missing or unknown in row 0"),
        (["x"], ["y", "y"], ["tie"], "differ in length"),
        ([1], [2], ["tie"], "must be text"),
        (["x", 2], ["y", "y"], ["tie", "tie"], "mixes text"),
    ],
)
def test_labels_that_make_no_sense_are_refused(a, b, winner, words):
    with pytest.raises(InvalidInputError, match=words):
        comparisons_from_labels(a, b, winner)


def test_a_missing_label_has_the_code_of_nothing():
    names, codes = encode(pd.Series(["x", None, "y", "x"]))
    assert [names[code] if code != MISSING else None for code in codes] == ["x", None, "y", "x"]


def test_votes_counted_in_blocks_are_the_votes_counted_one_by_one():
    """More rows than one block, weights and turned sides included."""
    random = np.random.default_rng(5)
    n, m = 150_000, 4
    a = random.integers(0, m, n)
    b = (a + random.integers(1, m, n)) % m
    outcome, side = random.integers(0, 4, n), random.integers(-1, 2, n)
    weight = random.integers(1, 4, n).astype(float)
    counts = outcome_counts(Comparisons(tuple("abcd"), a, b, outcome, weight, side))
    expected = np.zeros((m, m, 4))
    turned = side == 0
    flipped = np.where(turned & (outcome < 2), 1 - outcome, outcome)
    np.add.at(expected, (np.where(turned, b, a), np.where(turned, a, b), flipped), weight)
    assert np.array_equal(counts, expected)


def test_a_bad_code_or_weight_is_found_in_any_block():
    n = 150_000
    good = {"model_a": np.zeros(n, np.int64), "model_b": np.ones(n, np.int64), "outcome": np.zeros(n, np.int64)}
    for name, bad in (("model_a", 2), ("model_b", -1), ("outcome", 4), ("weight", np.nan), ("weight", -1)):
        columns = {**{key: value.copy() for key, value in good.items()}, "weight": np.ones(n)}
        columns[name][n - 1] = bad
        with pytest.raises(InvalidInputError, match=name):
            outcome_counts(Comparisons(("x", "y"), **columns, a_is_left=np.full(n, -1)))


def test_ratings_from_labels_are_those_of_the_real_votes_row_by_row(shared):
    votes = pd.read_csv(shared / "data" / "llmfao" / "votes.csv")
    fast = bradley_terry.rank(comparisons_from_labels(votes["left"], votes["right"], votes["winner"]))
    words = {"left": Outcome.MODEL_A, "right": Outcome.MODEL_B, "tie": Outcome.TIE}
    slow = bradley_terry.rank(
        Comparisons.from_rows(
            Comparison(row.left, row.right, words[row.winner], left="model_a") for row in votes.itertuples()
        )
    )
    assert fast.models == slow.models and fast.n_votes == 8931
