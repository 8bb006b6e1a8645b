"""Rows that grow at their end: what was handed out stays as it was, and nothing is copied without need."""

from __future__ import annotations

import numpy as np

from app.stats.growing import GrowingRows


def test_columns_that_were_handed_out_stay_as_they_were() -> None:
    rows = GrowingRows({"x": "int64"})
    keys, there = np.arange(5, dtype=np.uint64), np.ones(5, dtype=np.bool_)
    assert rows.put(keys, {"x": np.arange(5)}, there)
    before = rows.columns()["x"]
    assert rows.put(keys[:2], {"x": np.array([10, 11])}, there[:2])
    assert not rows.put(keys[:2], {"x": np.array([10, 11])}, there[:2])
    assert rows.put(keys[4:], {"x": np.array([0])}, np.array([False]))
    assert before.tolist() == [0, 1, 2, 3, 4]
    assert sorted(rows.columns()["x"].tolist()) == [2, 3, 10, 11]
    rows.settle()
    assert sorted(rows.columns()["x"].tolist()) == [2, 3, 10, 11]
    assert rows.put(keys[2:3], {"x": np.array([7])}, there[:1])
    assert sorted(rows.columns()["x"].tolist()) == [3, 7, 10, 11]
    assert len(rows) == 4


def test_rows_that_are_taken_empty_what_they_came_in_and_leave_room_for_more() -> None:
    rows, given = GrowingRows({"x": "int64", "y": "int8"}), {"x": np.arange(8), "y": np.ones(8, dtype=np.int8)}
    rows.take(np.arange(8, dtype=np.uint64), given)
    rows.settle()
    assert given == {} and rows.columns()["x"].tolist() == list(range(8))
    before = rows.columns()["x"]
    more = {"x": np.array([80]), "y": np.array([2], dtype=np.int8)}
    assert rows.put(np.array([8], dtype=np.uint64), more, np.array([True]))
    after = rows.columns()["x"]
    assert np.shares_memory(before, after) and before.tolist() == list(range(8)) and after.tolist() == [*range(8), 80]
    assert rows.put(np.array([3], dtype=np.uint64), more, np.array([True]))  # a key that was taken is known
    assert sorted(rows.columns()["x"].tolist()) == [0, 1, 2, 4, 5, 6, 7, 80, 80] and len(rows) == 9
