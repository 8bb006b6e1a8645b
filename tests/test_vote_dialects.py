"""Votes in the forms in which other projects publish them, good and bad, each found by what is in it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.domain import Outcome
from app.errors import BadFileError
from app.file_rows import VoteRow
from app.formats._registry import detect, read_all
from app.services.vote_rows import read_votes

SAID = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}]
SHARED = {"model_a": "x", "model_b": "y"}
L140 = {
    **SHARED,
    "id": "1",
    "winner": "both_bad",
    "evaluation_session_id": "s1",
    "evaluation_order": 1,
    "conversation_a": PARTS,
    "conversation_b": PARTS,
    "language": "en",
    "timestamp": "2025-07-01T10:00:00Z",
}
L33 = {
    **SHARED,
    "question_id": "q1",
    "winner": "tie (bothbad)",
    "judge": "j1",
    "conversation_a": SAID,
    "conversation_b": json.dumps(SAID),
    "turn": 1,
    "anony": True,
    "tstamp": 1682351591.1322,
}
MTBENCH = {**SHARED, "question_id": 81, "winner": "model_a", "judge": "expert_1", "conversation_a": SAID, "turn": 2}
ALPACA = {
    "instruction": "Why?",
    "output_1": "a",
    "generator_1": "x",
    "output_2": "b",
    "generator_2": "y",
    "annotator": "ann",
    "preference": 2.0,
}


def jsonl(*rows: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def as_list(*rows: dict[str, Any]) -> bytes:
    return json.dumps(rows).encode()


def parquet(*rows: dict[str, Any], **columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), stream)
    return stream.getvalue()


def only(data: bytes) -> VoteRow:
    """The one vote of a file, read by its format and by what the import makes of it alike."""
    [row] = read_all("votes", io.BytesIO(data))
    votes = read_votes(io.BytesIO(data))
    assert len(votes) == 1 and votes.row(0).outcome == row.outcome and votes.row(0).voted_at == row.voted_at
    return row


@pytest.mark.parametrize("write", [jsonl, as_list, parquet])
def test_the_140k_file_has_sessions_and_both_bad(write: Any) -> None:
    row = only(write(L140))
    assert (row.outcome, row.rater, row.voted_at) == (Outcome.BOTH_BAD, "s1", datetime(2025, 7, 1, 10, tzinfo=UTC))


def test_a_time_of_parquet_has_a_type_of_its_own() -> None:
    moments = datetime(2025, 7, 1, 10, tzinfo=UTC), datetime(2025, 7, 1, 10)  # noqa: DTZ001 - as pandas writes it
    for moment in moments:
        assert only(parquet({**L140, "timestamp": moment})).voted_at == datetime(2025, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("write", [jsonl, as_list])
def test_the_33k_file_has_judges_and_ties_in_which_both_are_bad(write: Any) -> None:
    row = only(write(L33))
    assert (row.outcome, row.rater, row.prompt_id) == (Outcome.BOTH_BAD, "j1", "q1")
    assert row.voted_at is not None and row.voted_at.year == 2023


@pytest.mark.parametrize("write", [jsonl, as_list, parquet])
def test_judgments_of_mt_bench_have_a_question_and_a_judge(write: Any) -> None:
    row = only(write(MTBENCH))
    assert (row.outcome, row.rater, row.prompt_id) == (Outcome.MODEL_A, "expert_1", "81")


KAGGLE = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"


@pytest.mark.parametrize(
    ("flags", "outcome"), [("1,0,0", Outcome.MODEL_A), ("0,1,0", Outcome.MODEL_B), ("0,0,1", Outcome.TIE)]
)
def test_the_kaggle_file_has_three_columns_for_the_outcome(flags: str, outcome: Outcome) -> None:
    assert only(f'{KAGGLE}1,x,y,"[""Hi?\n""]","[""a""]","[""b""]",{flags}\n'.encode()).outcome == outcome


@pytest.mark.parametrize("flags", ["1,1,0", "0,0,0", "2,0,0", ",,", "yes,0,0"])
def test_three_columns_that_do_not_name_one_outcome_are_refused_by_line(flags: str) -> None:
    with pytest.raises(BadFileError) as caught:
        read_votes(io.BytesIO(f"{KAGGLE}1,x,y,p,a,b,1,0,0\n2,x,y,p,a,b,{flags}\n".encode()))
    [problem] = caught.value.problems
    assert problem.line == 3 and "winner_" in problem.reason


@pytest.mark.parametrize("write", [jsonl, as_list])
@pytest.mark.parametrize(("said", "outcome"), [(1, Outcome.MODEL_A), (2.0, Outcome.MODEL_B), (1.5, Outcome.TIE)])
def test_annotations_of_alpacaeval_name_both_generators(write: Any, said: float, outcome: Outcome) -> None:
    row = only(write({**ALPACA, "preference": said}))
    assert (row.model_a, row.model_b, row.outcome, row.rater) == ("x", "y", outcome, "ann")


def test_annotations_with_long_outputs_are_known_by_their_first_keys() -> None:
    long = {**ALPACA, "output_1": "a" * 40_000, "output_2": "b" * 40_000}
    assert only(as_list(long)).outcome == Outcome.MODEL_B


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**ALPACA, "preference": 1.37}, "preference must be 1 (output_1), 2 (output_2) or 1.5"),
        ({**ALPACA, "preference": None}, "preference is missing"),
        ({**ALPACA, "generator_2": "x"}, "the same model"),
        ({**L140, "winner": "neither"}, "'neither' is not an outcome"),
        ({**L33, "model_b": None}, "model_b is missing or blank"),
        ({**MTBENCH, "judge": ["a", 1]}, "judge must be text"),
    ],
)
def test_a_bad_row_of_each_is_named_by_its_line(row: dict[str, Any], words: str) -> None:
    good = {**ALPACA} if "generator_1" in row else {**L33}
    with pytest.raises(BadFileError) as caught:
        read_votes(io.BytesIO(jsonl(good, row)))
    [problem] = caught.value.problems
    assert problem.line == 2 and words in problem.reason


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "chosen": "a", "rejected": "b"},
        {"context": [], "response1": "a", "response2": "b", "overall_preference": -2},
    ],
)
def test_preferences_without_models_are_refused_in_a_sentence(row: dict[str, Any]) -> None:
    with pytest.raises(BadFileError, match="preferences without the names of their models"):
        read_votes(io.BytesIO(jsonl(row)))


def test_a_parquet_file_without_the_columns_is_refused_with_its_own() -> None:
    with pytest.raises(BadFileError, match="model_a, model_b"):
        read_votes(io.BytesIO(parquet({"chosen": "a", "rejected": "b"})))


def test_a39_a_parquet_file_that_unpacks_to_too_much_is_refused() -> None:
    """A64, A39: two kilobytes that stand for a hundred million rows."""
    stream = io.BytesIO()
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000_000, pa.int8()), pa.array(["x"]))
    other = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000_000, pa.int8()), pa.array(["y"]))
    ties = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000_000, pa.int8()), pa.array(["tie"]))
    table = pa.table({"model_a": names, "model_b": other, "winner": ties})
    pq.write_table(table, stream, compression="zstd", row_group_size=500_000)
    from app.formats._vote_bulk import read_bare

    assert len(stream.getvalue()) < 100_000 and read_bare(stream.getvalue()) is None


def test_a_file_of_each_kind_is_found_by_its_content() -> None:
    found = {
        detect("votes", data[:65536]).__name__.rpartition(".")[2]
        for data in (jsonl(L140), as_list(ALPACA), parquet(MTBENCH), KAGGLE.encode())
    }
    assert found == {"votes_jsonl", "votes_alpacaeval", "votes_parquet", "votes_csv"}
