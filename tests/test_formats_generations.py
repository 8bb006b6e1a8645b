"""Files of generations."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from app.errors import BadFileError, RowProblem
from app.file_rows import GenerationRow
from app.formats import generations_csv, generations_jsonl
from app.formats._registry import read_all


def problem(**changes: object) -> str:
    row = {"prompt_id": "p", "model": "m", "output": "o", **changes}
    text = json.dumps({key: value for key, value in row.items() if value != "left out"})
    [found] = generations_jsonl.read(io.BytesIO(text.encode()))
    assert isinstance(found, RowProblem)
    return found.reason


def test_the_750_real_generations_are_read(shared: Path) -> None:
    with (shared / "data/llmfao/generations.jsonl").open("rb") as stream:
        rows = read_all("generations", stream)
    assert len(rows) == 750
    assert (rows[0].prompt_id, rows[0].model, rows[0].latency_ms) == ("8", "Airoboros L2 70B", 6837.0)
    assert rows[1].output.startswith("\nArguments for") and rows[1].output.endswith("long-term\n\n")


def test_real_generations_come_back_from_both_formats_unchanged(shared: Path) -> None:
    with (shared / "data/llmfao/generations.jsonl").open("rb") as stream:
        rows = read_all("generations", stream)
    for plugin in (generations_csv, generations_jsonl):
        written = io.BytesIO()
        plugin.write(rows, written)
        written.seek(0)
        back = read_all("generations", written)
        assert [(row.prompt_id, row.model, row.output, row.latency_ms) for row in back] == [
            (row.prompt_id, row.model, row.output, row.latency_ms) for row in rows
        ]


def test_all_keys_are_read() -> None:
    line = b'{"prompt_id": 3, "model": "m", "output": "o", "latency_ms": 1.5, "input_tokens": 2, "cost": 0}'
    assert list(generations_jsonl.read(io.BytesIO(line))) == [
        GenerationRow(1, "m", "o", "3", latency_ms=1.5, input_tokens=2, cost=0.0)
    ]


@pytest.mark.parametrize("data", [b"prompt_id,model,output\np,m,\n", b'{"prompt_id":"p","model":"m","output":""}'])
def test_an_empty_output_is_no_problem(data: bytes) -> None:
    assert [row.output for row in read_all("generations", io.BytesIO(data))] == [""]


def test_a_prompt_may_be_given_by_its_text_and_an_id_goes_first() -> None:
    rows = list(generations_csv.read(io.BytesIO(b"prompt_id,prompt,model,response\n,Say a,m,o\np,Say b,m,o\n")))
    assert rows == [GenerationRow(2, "m", "o", prompt="Say a"), GenerationRow(3, "m", "o", prompt_id="p")]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("output", "left out", "output is missing"),
        ("output", None, "output is missing"),
        ("output", 4, "output must be text, not 4"),
        ("output", [{"type": "text"}], "output must be text, not [{'type': 'text'}]"),
        ("model", "", "model is missing or blank"),
        ("model", 4, "model must be text, not 4"),
        ("prompt_id", " ", "prompt_id and prompt are both missing or blank"),
        ("latency_ms", -1, "latency_ms must be a number that is not negative, not -1"),
        ("latency_ms", "3", "latency_ms must be a number that is not negative, not '3'"),
        ("latency_ms", True, "latency_ms must be a number that is not negative, not True"),
        ("cost", 10**400, "cost must be a number"),
        ("input_tokens", 1.5, "input_tokens must be a whole number up to 2147483647, not 1.5"),
        ("output_tokens", 2**31, "output_tokens must be a whole number"),
    ],
)
def test_a_bad_value_is_named_by_its_key(key: str, value: object, reason: str) -> None:
    assert problem(**{key: value}).startswith(reason)


@pytest.mark.parametrize("cell", ["NaN", "inf", "1e400", "1_000", "３", "0x10", "1,5", "-1", "."])
def test_a_cell_that_only_python_takes_for_a_number_is_refused(cell: str) -> None:
    [row] = generations_csv.read(io.BytesIO(f'prompt_id,model,output,latency_ms\np,m,o,"{cell}"\n'.encode()))
    assert row == RowProblem(2, f"latency_ms must be a number that is not negative, not {cell!r}")


def test_a_whole_number_of_a_spreadsheet_is_a_count() -> None:
    [row] = generations_csv.read(io.BytesIO(b"prompt_id,model,output,input_tokens,cost\np,m,o,12.0, \n"))
    assert isinstance(row, GenerationRow) and row.input_tokens == 12 and row.cost is None


def test_a_file_is_recognised_even_if_its_first_output_is_longer_than_the_head() -> None:
    [row] = read_all("generations", io.BytesIO(b'{"output": "%s", "model": "m", "prompt_id": "p"}' % (b"x" * 100_000)))
    assert len(row.output) == 100_000


def test_a_model_answers_each_prompt_once() -> None:
    data = b"prompt_id,model,output\np,m,a\nq,m,b\np,n,c\n p ,m,d\n"
    with pytest.raises(BadFileError) as caught:
        read_all("generations", io.BytesIO(data))
    assert caught.value.problems == [RowProblem(5, "a generation of 'm' for the prompt 'p' was already on line 2")]


def test_an_id_and_a_text_that_look_alike_are_two_prompts() -> None:
    data = b"prompt_id,prompt,model,output\np,,m,a\n,p,m,b\n"
    assert len(read_all("generations", io.BytesIO(data))) == 2
