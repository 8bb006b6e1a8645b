"""Cells of votes by how split they are, against counting by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.disagreement import SplitCells, split_cells


def split(votes: list[tuple[int, int]], weights: list[int] | None = None) -> SplitCells:
    cell, outcome = (np.array([vote[i] for vote in votes], dtype=np.int64) for i in (0, 1))
    weight = np.array(weights or [1] * len(votes), dtype=np.int32)
    return split_cells(cell, outcome.astype(np.int8), weight)


def test_half_of_ten_comes_before_half_of_two_and_before_a_clear_majority() -> None:
    votes = [(7, 0), (7, 1)] + [(3, 0)] * 5 + [(3, 1)] * 5 + [(9, 2)] * 9 + [(9, 3)] + [(1, 0)] * 4 + [(5, 0)]
    found = split(votes)
    assert found.cell.tolist() == [3, 7, 9, 1]  # a vote alone in cell 5 disagrees with nobody
    assert found.against.tolist() == [5, 1, 1, 0]
    assert found.counts[0].tolist() == [5, 5, 0, 0]
    assert found.rank_of.tolist() == [1, 1, *[0] * 10, *[2] * 10, *[3] * 4, 4]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_disagreement_is_the_share_of_pairs_of_votes_that_differ(votes: list[tuple[int, int]]) -> None:
    found = split(votes)
    for cell, disagreement in zip(found.cell.tolist(), found.disagreement.tolist(), strict=True):
        pairs = list(combinations([outcome for of, outcome in votes if of == cell], 2))
        assert disagreement == pytest.approx(sum(one != other for one, other in pairs) / len(pairs))
    several = {cell for cell, _ in votes if sum(of == cell for of, _ in votes) > 1}
    assert set(found.cell.tolist()) == several


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=15))
def test_a_vote_of_weight_n_is_n_votes(votes: list[tuple[int, int, int]]) -> None:
    heavy = split([vote[:2] for vote in votes], [vote[2] for vote in votes])
    single = split([vote[:2] for vote in votes for _ in range(vote[2])])
    assert heavy.cell.tolist() == single.cell.tolist()
    assert heavy.counts.tolist() == single.counts.tolist()


def test_no_vote_is_no_cell() -> None:
    assert split([]).cell.tolist() == []
