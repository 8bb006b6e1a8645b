"""A file of bare votes read and stored column by column is what reading it row by row makes of it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect

from app.errors import BadFileError
from app.formats._vote_bulk import read_bare
from app.formats._vote_columns import VoteColumns
from app.services import vote_export, vote_files, vote_rows
from app.services.vote_export import Wanted
from app.services.vote_rows import read_votes
from db.columns import new_ids
from db.engine import database
from tests.stored import fresh_database, n_rows

COLUMNS = (
    "models",
    "model_a",
    "model_b",
    "outcome",
    "left",
    "prompts",
    "prompt",
    "raters",
    "rater",
    "voted_at",
    "weight",
)
NAMES = st.sampled_from(["A", "B", " B", "é", "e\u0301", "model_a", "left", "=C", "NA", "null", "1"])
WINNERS = st.sampled_from(["model_a", "model_b", "tie", "both_bad", "bothbad", "tie (bothbad)", "left", "right"])
MAYBE = st.sampled_from(["", " ", "x", "7", "x "])
TIMES = st.sampled_from(
    ["", "1700000000", "1700000000123", "1.5", "20240131", "2026-01-31T12:00:00Z", "2026-01-31 12:00", "-3", "1e3"]
)
ODD = st.sampled_from(["", "draw", "A", "0", "2.5", "tie", "1"])


@pytest.fixture(autouse=True)
def small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few rows are read in bulk here, which otherwise only large ones are."""
    monkeypatch.setattr(vote_rows, "FEWEST_BYTES", 0)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Rows with the same columns, most of them good."""
    ends = draw(st.sampled_from([("model_a", "model_b"), ("left", "right"), ("model_a", "model_b", "left")]))
    columns: dict[str, st.SearchStrategy[str]] = {ends[0]: NAMES, ends[1]: NAMES}
    if len(ends) == 3:
        columns["left"] = st.sampled_from(["model_a", "model_b", "", "A", "B"])
    columns[draw(st.sampled_from(["winner", "outcome"]))] = WINNERS
    beside = {
        "prompt_id": MAYBE,
        "question_id": MAYBE,
        "rater": MAYBE,
        "judge": MAYBE,
        "evaluation_session_id": MAYBE,
        "voted_at": TIMES,
        "tstamp": TIMES,
        "weight": st.sampled_from(["", "1", "3", "2.0"]),
        "id": MAYBE,
        "criterion": st.sampled_from(["", "overall"]),
        "is_gold": st.sampled_from(["", "false", " "]),
        "superseded_by": st.sampled_from(["", " "]),
    }
    columns |= {name: beside[name] for name in draw(st.sets(st.sampled_from(sorted(beside)), max_size=5))}
    rows = draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=6))
    if draw(st.integers(0, 3)) == 0:
        draw(st.sampled_from(rows))[draw(st.sampled_from(sorted(columns)))] = draw(ODD)
    return rows


def as_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def typed(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    numbers = {"weight", "tstamp"}
    return [
        {name: json.loads(cell) if name in numbers and _is_number(cell) else cell for name, cell in row.items() if cell}
        for row in rows
    ]


def _is_number(cell: str) -> bool:
    try:
        return bool(json.dumps(json.loads(cell)))
    except ValueError:
        return False


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in typed(rows)).encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{k: v or None for k, v in row.items()} for row in rows]), stream)
    return stream.getvalue()


def row_by_row(data: bytes) -> VoteColumns | BadFileError:
    with patch.object(vote_rows, "read_bare", lambda _: None):
        try:
            return read_votes(io.BytesIO(data))
        except BadFileError as error:
            return error


@settings(max_examples=400, deadline=None)
@given(rows=tables(), write=st.sampled_from([as_csv, as_jsonl, as_parquet]))
def test_what_is_read_in_bulk_is_what_row_by_row_makes_of_it(rows: list[dict[str, str]], write: Any) -> None:
    data = write(rows)
    found, wanted = read_bare(data), row_by_row(data)
    if found is None:
        return  # left to the other reader
    assert isinstance(wanted, VoteColumns), wanted.problems
    for name in COLUMNS:
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert found.n_votes == wanted.n_votes and wanted.battle is None and wanted.criterion is None


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet])
def test_bare_votes_of_every_kind_of_file_are_read_in_bulk(write: Any) -> None:
    row = {"model_a": "A", "model_b": "B", "winner": "tie", "rater": "r", "prompt_id": "p", "tstamp": "1700000000"}
    found = read_bare(write([row, {**row, "winner": "both_bad"}] * 3))
    assert found is not None and found.n_votes == 6 and found.row(1).outcome == "both_bad"


@pytest.mark.parametrize(
    "more",
    [
        {"comment": "Good."},
        {"criterion": "clarity"},
        {"battle_id": "b"},
        {"superseded_by": "v"},
        {"is_gold": "true"},
        {"rater_group": "staff"},
        {"input": "simulated"},
    ],
)
def test_a_file_that_says_more_is_left_to_the_reader_of_rows(more: dict[str, str]) -> None:
    row = {"model_a": "A", "model_b": "B", "winner": "tie"}
    for write in (as_csv, as_jsonl, as_parquet):
        assert read_bare(write([{**row, **more}])) is None
    late = as_jsonl([row] * 2000 + [{**row, **more}])  # beyond what a format is recognised by
    assert read_bare(late) is None


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """An exported vote without what another import stores otherwise: ids, and the moment of the import."""
    for name in ("vote_id", "battle_id", "experiment"):
        del row[name]
    for name in ("voted_at", "shown_at"):
        if row[name] >= "2025":
            del row[name]
    return row


def stored(title: str, data: bytes) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What an import stored: every vote as an export has it, and how many rows there are now."""
    done = vote_files.import_votes(None, io.BytesIO(data), title=title)
    out = io.BytesIO()
    vote_export.export_votes(None, done.experiment_id, out, Wanted("jsonl"))
    return [_known(json.loads(line)) for line in out.getvalue().splitlines()], n_rows()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables())
def test_both_ways_store_the_same_rows(database_url, rows: list[dict[str, str]]) -> None:
    data = as_csv(rows)
    if read_bare(data) is None:
        return
    with pytest.MonkeyPatch.context() as monkeypatch, fresh_database(monkeypatch, database_url):
        before = n_rows()
        in_bulk, n_after = stored("One", data + b"\n")
        with patch.object(vote_rows, "read_bare", lambda _: None):
            one_by_one, n_last = stored("Two", data)
    assert in_bulk == one_by_one
    made = {name: n - before.get(name, 0) for name, n in n_after.items()}
    again = {name: n - n_after.get(name, 0) for name, n in n_last.items()}
    assert {**made, "model": 0} == {**again, "model": 0}


def test_a_million_ids_are_unique_ascending_and_of_version_7() -> None:
    ids = new_ids(1_000_000)
    keys = ids.view("V16").ravel()
    assert len(np.unique(keys)) == len(ids)
    some = [UUID(bytes=one.tobytes()) for one in ids[::50_000]]
    assert some == sorted(some) and {(one.version, one.variant) for one in some} == {(7, some[0].variant)}
    assert new_ids(1)[0, :6].tobytes() >= ids[-1, :6].tobytes()


def test_a_large_file_is_stored_with_its_indexes_made_anew(monkeypatch, database_url) -> None:
    """Above 50,000 rows SQLite's plain indexes are left away meanwhile; all of them are there again."""
    header = "model_a,model_b,winner,rater\n"
    data = (header + "".join(f"A,B,{'tie' if i % 2 else 'model_a'},r{i % 99}\n" for i in range(60_000))).encode()
    with fresh_database(monkeypatch, database_url):
        before = _indexes()
        done = vote_files.import_votes(None, io.BytesIO(data), title="Large")
        assert (done.n_votes, done.n_raters, done.n_models) == (60_000, 99, 2)
        assert n_rows()["battle"] == n_rows()["vote"] == 60_000
        assert _indexes() == before
        bad = data + b"A,B,draw,r1\n"
        with pytest.raises(BadFileError) as caught:
            vote_files.import_votes(None, io.BytesIO(bad), title="Bad")
        assert [problem.line for problem in caught.value.problems] == [60_002]
        assert n_rows()["vote"] == 60_000 and _indexes() == before


def _indexes() -> set[str]:
    inspector = inspect(database().engine)
    return {str(index["name"]) for table in ("battle", "vote") for index in inspector.get_indexes(table)}
