"""Files of votes."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from app.domain import Outcome
from app.errors import RowProblem
from app.file_rows import VoteRow
from app.formats import votes_csv, votes_jsonl
from app.formats._registry import read_all
from tests.machine import patience


def from_csv(text: str) -> list[VoteRow | RowProblem]:
    return list(votes_csv.read(io.BytesIO(text.encode())))


def from_json(**values: object) -> VoteRow | RowProblem:
    row = {"model_a": "x", "model_b": "y", "winner": "tie", **values}
    [found] = votes_jsonl.read(io.BytesIO(json.dumps(row).encode()))
    return found


@pytest.mark.timed
def test_the_8931_real_votes_of_124_raters_are_read_within_half_a_second(shared: Path) -> None:
    """Seconds of the processor, so that a busy machine does not fail the test."""
    data = (shared / "data/llmfao/votes.csv").read_bytes()
    start = time.process_time()
    rows = read_all("votes", io.BytesIO(data))
    seconds = time.process_time() - start
    assert len(rows) == 8931 and len({row.rater for row in rows}) == 124
    assert Counter(row.outcome for row in rows).keys() == {"model_a", "model_b", "tie"}
    assert {row.left for row in rows} == {"model_a"}
    assert seconds < 0.5 * patience()


def test_a_real_vote_keeps_what_it_says(shared: Path) -> None:
    with (shared / "data/llmfao/votes.csv").open("rb") as stream:
        row = read_all("votes", stream)[2]
    sides = {"chars_left": "79", "chars_right": "1585"}
    zeros = ["headers_left", "headers_right", "lists_left", "lists_right", "bold_left", "bold_right"]
    columns = {"id": "0", **sides, **dict.fromkeys(zeros, "0")}
    assert row == VoteRow(
        4, "Airoboros L2 70B", "Weaver 12k", Outcome.MODEL_B, "model_a", prompt_id="8", rater="14", columns=columns
    )


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("model_a", Outcome.MODEL_A),
        ("model_b", Outcome.MODEL_B),
        ("left", Outcome.MODEL_A),
        ("right", Outcome.MODEL_B),
        ("tie", Outcome.TIE),
        ("tie (bothbad)", Outcome.BOTH_BAD),
        ("both_bad", Outcome.BOTH_BAD),
        ("bothbad", Outcome.BOTH_BAD),
    ],
)
def test_every_known_word_for_an_outcome_is_read(word: str, outcome: Outcome) -> None:
    for header in ("left,right,winner", "model_a,model_b,winner", "model_a,model_b,outcome"):
        [row] = from_csv(f"{header}\nx,y,{word}\n")
        assert isinstance(row, VoteRow) and row.outcome == outcome and (row.model_a, row.model_b) == ("x", "y")


@pytest.mark.parametrize("word", ["Tie", "draw", "0", "x", "skip", "model_c", "tie(bothbad)"])
def test_an_unknown_outcome_is_a_problem_that_names_it_and_never_a_tie(word: str) -> None:
    [row] = from_csv(f"model_a,model_b,winner\nx,y,{word}\n")
    assert isinstance(row, RowProblem) and row.line == 2 and row.reason.startswith(f"'{word}' is not an outcome")


def test_the_left_model_is_known_only_where_the_file_says_so() -> None:
    sides = from_csv("left,right,winner\nx,y,tie\n")
    models = from_csv("model_a,model_b,winner\nx,y,tie\n")
    stated = from_csv("model_a,model_b,outcome,left\nx,y,tie,model_b\nx,y,tie,\nx,y,tie,y\n")
    found = [row.left for row in [*sides, *models, *stated] if isinstance(row, VoteRow)]
    assert found == ["model_a", None, "model_b", None, "model_b"]


def test_a_vote_for_the_left_side_goes_to_the_model_that_stood_there() -> None:
    [row] = from_csv("model_a,model_b,outcome,left\nx,y,left,model_b\n")
    assert isinstance(row, VoteRow) and row.outcome == Outcome.MODEL_B


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"model_b": "x"}, "model_a and model_b are the same model, 'x'"),
        ({"model_b": " x "}, "model_a and model_b are the same model, 'x'"),
        ({"model_a": None}, "model_a is missing or blank"),
        ({"model_b": 7}, "model_b must be text, not 7"),
        ({"winner": None}, "winner is missing or blank"),
        ({"winner": 1}, "winner must be text, not 1"),
        ({"left": "z"}, "left must be model_a or model_b, not 'z'"),
        ({"weight": 0}, "weight must be more than 0"),
        ({"weight": -1}, "weight must be a number that is not negative, not -1"),
        ({"weight": "2"}, "weight must be a number that is not negative, not '2'"),
        ({"rater": 1.5}, "rater must be text, not 1.5"),
        ({"voted_at": "yesterday"}, "voted_at must be a time such as 2026-01-31T12:00:00Z, not 'yesterday'"),
        ({"tstamp": 1e300}, "tstamp must be a time"),
        ({"timestamp": [1]}, "timestamp must be a time"),
        ({"voted_at": "0001-01-01T00:00:00+14:00"}, "voted_at must be a time"),
    ],
)
def test_a_bad_value_is_named_by_its_key(values: dict[str, object], reason: str) -> None:
    row = from_json(**values)
    assert isinstance(row, RowProblem) and row.reason.startswith(reason)


@pytest.mark.parametrize("cell", ["nan", "inf", "1e400", "two", "0", "-0.0", "-1"])
def test_a_weight_is_finite_and_positive(cell: str) -> None:
    [row] = from_csv(f"left,right,winner,weight\nx,y,tie,{cell}\n")
    assert isinstance(row, RowProblem) and row.reason.startswith("weight must be")


@pytest.mark.parametrize(
    "stamp",
    ["2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-14T23:13:20+01:00", 1700000000, 1700000000000, 1.7e9],
)
def test_a_time_is_read_in_all_its_forms_as_utc(stamp: object) -> None:
    expected = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    [cell] = from_csv(f"left,right,winner,tstamp\nx,y,tie,{stamp}\n")
    typed = from_json(timestamp=stamp)
    assert isinstance(cell, VoteRow) and isinstance(typed, VoteRow)
    assert cell.voted_at == typed.voted_at == expected


def test_eight_digits_are_a_date() -> None:
    [row] = from_csv("left,right,winner,voted_at\nx,y,tie,20240131\n")
    assert isinstance(row, VoteRow) and row.voted_at == datetime(2024, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(("prompt", "rater"), [("prompt", "worker"), ("prompt_id", "rater"), ("question_id", "judge")])
def test_prompt_and_rater_go_by_several_names(prompt: str, rater: str) -> None:
    [row] = from_csv(f"{prompt}\tleft\tright\twinner\t{rater}\tweight\tid\np\tx\ty\ttie\tann\t2.5\t7\n")
    assert row == VoteRow(
        2, "x", "y", Outcome.TIE, "model_a", prompt_id="p", rater="ann", weight=2.5, columns={"id": "7"}
    )


def test_remaining_columns_are_kept_as_they_were_read() -> None:
    row = from_json(question_id=81, turn=1, conversation_a=[{"role": "user", "content": "hi"}], judge="j")
    assert isinstance(row, VoteRow) and row.prompt_id == "81"
    assert row.turn == 1 and row.columns == {"conversation_a": [{"role": "user", "content": "hi"}]}


def test_a_blank_row_of_cells_and_blank_lines_are_no_votes() -> None:
    assert len(from_csv("left,right,winner\n,,\n\nx,y,tie\n , ,\n")) == 1


EXPORT = {
    "vote_id": UUID(int=1),
    "model_a": "=x",
    "model_b": "y",
    "left": "model_b",
    "outcome": Outcome.BOTH_BAD,
    "strength": -3.5,
    "reasons_a": ["wrong", "shallow"],
    "comment": '-"no"\r\nélan',
    "rater": "r1",
    "voted_at": datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
    "is_gold": False,
}
COLUMNS = (
    "vote_id, experiment, prompt_set, prompt_set_version, prompt_id, turn, model_a, model_b, version_a, version_b, "
    "left, outcome, strength, criterion, reasons_a, reasons_b, comment, rater, rater_group, session, shown_at, "
    "voted_at, dwell_ms, input, is_gold, repeat_of, propensity, allocation, leak_flag, superseded_by, app_version, "
    "battle_id, skip_reason, guess_left, guess_right"
)


def test_the_columns_of_an_export_are_the_documented_ones() -> None:
    assert ", ".join(votes_csv.COLUMNS) == ", ".join(votes_jsonl.COLUMNS) == COLUMNS


def test_an_export_as_json_is_exact() -> None:
    stream = io.BytesIO()
    assert votes_jsonl.write([EXPORT], stream) == 1
    found = json.loads(stream.getvalue())
    assert tuple(found) == votes_jsonl.COLUMNS
    assert found["voted_at"] == "2026-01-31T12:00:00Z" and found["vote_id"] == str(UUID(int=1))
    assert found["comment"] == EXPORT["comment"] and found["strength"] == -3.5 and found["session"] is None


def test_an_export_as_csv_disarms_text_but_not_numbers() -> None:
    stream = io.BytesIO()
    votes_csv.write([EXPORT], stream)
    header, row = stream.getvalue().decode().split("\r\n", 1)
    assert header == COLUMNS.replace(", ", ",")
    assert row == (
        "00000000-0000-0000-0000-000000000001,,,,,,'=x,y,,,model_b,both_bad,-3.5,,"
        '"[""wrong"", ""shallow""]",,"\'-""no""\r\nélan",r1,,,,2026-01-31T12:00:00Z,,,false,,,,,,,,,,\r\n'
    )


def test_an_export_is_read_back_by_both_formats() -> None:
    for plugin in (votes_csv, votes_jsonl):
        stream = io.BytesIO()
        plugin.write([{**EXPORT, "strength": "slightly"}], stream)
        stream.seek(0)
        [row] = read_all("votes", stream)
        assert (row.model_a, row.outcome, row.left, row.rater) == ("=x", Outcome.BOTH_BAD, "model_b", "r1")
        assert row.voted_at == EXPORT["voted_at"] and row.remarks.comment == EXPORT["comment"]
        assert (row.remarks.strength, row.remarks.right) == ("slightly", ("wrong", "shallow"))  # a stood on the right


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"winner": "tie"}, "no column 'winner'"),
        ({"voted_at": datetime(2026, 1, 1)}, "voted_at has no time zone"),  # noqa: DTZ001 - that is the point
        ({"strength": float("nan")}, "strength cannot be written"),
        ({"comment": object()}, "comment cannot be written"),
    ],
)
def test_an_export_refuses_what_it_does_not_know(values: dict[str, object], words: str) -> None:
    for plugin in (votes_csv, votes_jsonl):
        with pytest.raises(ValueError, match=words):
            plugin.write([values], io.BytesIO())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strength": "very"}, "strength must be slightly or clearly, not 'very'"),
        ({"skip_reason": "bored"}, "skip_reason must be not_my_field, wrong_language, broken or unsafe"),
        ({"reasons_a": ["clear", "blue"]}, "reasons_a has 'blue'; the reasons are accurate"),
        ({"reasons_b": "clear"}, "reasons_b must be a list"),
        ({"reasons_b": [1]}, "reasons_b must be a list"),
        ({"comment": "x" * 5001}, "comment has 5,001 characters"),
        ({"criterion": "x" * 65}, "criterion has 65 characters"),
        ({"guess_left": 7}, "guess_left"),
    ],
)
def test_a48_a_word_beside_the_outcome_that_is_none_is_named(values: dict[str, object], words: str) -> None:
    row = from_json(**values)
    assert isinstance(row, RowProblem) and words in row.reason


def test_who_couldnt_judge_is_a_row_without_an_outcome_only_with_a_reason() -> None:
    said = from_json(winner=None, skip_reason="broken")
    assert isinstance(said, VoteRow) and said.outcome is None and said.remarks.skip_reason == "broken"
    silent = from_json(winner=None)
    assert isinstance(silent, RowProblem) and silent.reason == "winner is missing or blank"
