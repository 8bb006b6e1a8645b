"""Files of models."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.errors import BadFileError, RowProblem
from app.file_rows import ModelRow
from app.formats import models_csv, models_jsonl
from app.formats._registry import read_all


def test_the_59_real_models_are_read(shared: Path) -> None:
    with (shared / "data/llmfao/models.jsonl").open("rb") as stream:
        rows = read_all("models", stream)
    assert len(rows) == 59
    assert rows[0] == ModelRow(
        1, "Airoboros L2 70B", organisation="Jon Durbin", provider_id="jondurbin/airoboros-l2-70b-2.1"
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"name": " m ", "version": 2, "organization": "O", "license": "MIT", "provider_id": "o/m", "extra": [1]}',
        b'{"name": "m", "version": "2", "organisation": "O", "licence": "MIT", "api_id": "o/m"}',
        b"Name,version,organization,license,provider_id,extra\nm,2,O,MIT,o/m,x\n",
        b"name\tversion\torganisation\tlicence\tapi_id\nm\t2\tO\tMIT\to/m\n",
    ],
)
def test_both_spellings_are_read_and_unknown_keys_are_ignored(data: bytes) -> None:
    [row] = read_all("models", io.BytesIO(data))
    assert (row.name, row.version, row.organisation, row.licence, row.provider_id) == ("m", "2", "O", "MIT", "o/m")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"version": "1"}', "name is missing or blank"),
        (b'{"name": null}', "name is missing or blank"),
        (b'{"name": "\\u00a0 "}', "name is missing or blank"),
        (b'{"name": 4}', "name must be text, not 4"),
        (b'{"name": "m", "version": 1.10}', "version must be text, not 1.1"),
        (b'{"name": "m", "licence": ["MIT"]}', "licence must be text, not ['MIT']"),
    ],
)
def test_a_bad_value_is_named_by_its_key(line: bytes, reason: str) -> None:
    assert list(models_jsonl.read(io.BytesIO(line))) == [RowProblem(1, reason)]


def test_a_blank_name_in_a_table_is_named_by_line() -> None:
    assert list(models_csv.read(io.BytesIO(b"name,version\n ,1\n"))) == [RowProblem(2, "name is missing or blank")]


def test_a_name_given_twice_is_a_problem_that_names_the_first_line() -> None:
    with pytest.raises(BadFileError) as caught:
        read_all("models", io.BytesIO(b"name\na\nA\n\n a \n"))
    assert caught.value.problems == [RowProblem(5, "the model 'a' was already on line 2")]


def test_models_are_written_with_the_names_that_we_use() -> None:
    stream = io.BytesIO()
    models_csv.write([ModelRow(0, "=m", version="-1")], stream)
    header, row = stream.getvalue().decode().splitlines()
    assert header == (
        "name,version,organisation,licence,provider_id,"
        "connector,settings,secret,input_price,output_price,concurrency,per_minute"
    )
    assert row == "'=m,'-1,,,,,,,,,,"


def test_a_table_says_how_models_are_asked() -> None:
    asked = ModelRow(
        *(2, "m", "2", "O", "MIT", "o/m", "openai_compatible", {"base_url": "https://a.example/v1", "extra": {"n": 1}}),
        *("LAB", 0.5, 1.5, 4, 60),
    )
    stream = io.BytesIO()
    models_csv.write([asked], stream)
    stream.seek(0)
    assert read_all("models", stream) == [asked]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"name": "m", "secret": "LAB"}', "secret is for a model that is asked, so connector is needed too"),
        (b'{"name": "m", "connector": "echo", "concurrency": 1.5}', "concurrency must be a whole number"),
        (b'{"name": "m", "connector": "echo", "input_price": -1}', "input_price must be a number that is not negative"),
        (b'{"name": "m", "connector": "echo", "settings": ["a"]}', "settings must be a JSON object such as"),
    ],
)
def test_what_is_wrong_with_how_a_model_is_asked_is_named(line: bytes, reason: str) -> None:
    [problem] = models_jsonl.read(io.BytesIO(line))
    assert isinstance(problem, RowProblem)
    assert problem.reason.startswith(reason)


def test_two_versions_of_one_model_may_stand_in_a_file_if_it_says_how_each_is_asked() -> None:
    rows = b"name,version,connector\nm,1,echo\nm,2,echo\n"
    assert [row.version for row in read_all("models", io.BytesIO(rows))] == ["1", "2"]
    with pytest.raises(BadFileError, match="already on line 2"):
        read_all("models", io.BytesIO(rows.replace(b"m,2", b"m,1")))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1e999}', "too large"),
        (r'{"a": "\u0000"}', "NUL"),
        (r'{"a": "\ud800"}', "surrogate"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[" * 5000, "settings must be a JSON object"),
    ],
)
def test_a_cell_of_json_is_read_as_strictly_as_a_line_of_it(cell: str, words: str) -> None:
    quoted = cell.replace('"', '""')
    for kind, columns, row in (
        ("models", "name,connector,settings", f'E,echo,"{quoted}"'),
        ("generations", "prompt_id,model,content", f'1,M,"[{quoted}]"'),
    ):
        with pytest.raises(BadFileError) as caught:
            read_all(kind, io.BytesIO(f"{columns}\n{row}\n".encode()))  # type: ignore[call-overload]
        [problem] = caught.value.problems
        assert problem.line == 2
        assert words.replace("settings must be a JSON object", "must be a JSON") in problem.reason
