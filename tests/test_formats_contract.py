"""What every file format promises, for all that discovery finds."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import sys
from datetime import UTC
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.discovery import find_plugins
from app.domain import Message, Outcome
from app.errors import BadFileError, RowProblem
from app.file_rows import GenerationRow, ModelRow, PromptRow, VoteRow
from app.formats import _csv
from app.formats._gold import GoldRow
from app.formats._registry import detect, formats_of, read_all
from app.formats._text import HAS_NUL, IS_UTF16, NOT_UTF8, TOO_LONG, identifier
from app.study import OVERALL, Remarks
from tests.vote_tools import ONE_VOTE

FORMATS = {key: plugin for key, plugin in find_plugins("app.formats").items() if plugin.KIND != "export"}
TEXT_FORMATS = [key for key in FORMATS if not key.endswith("_parquet")]
WRITERS = [key for key, plugin in FORMATS.items() if hasattr(plugin, "write")]
ROWS = {"prompts": PromptRow, "models": ModelRow, "generations": GenerationRow, "votes": VoteRow, "gold": GoldRow}


def parquet(key: str, row: Any) -> bytes:
    stream = io.BytesIO()
    FORMATS[key].write([row], stream)
    return stream.getvalue()


GOOD = {
    "prompts_alpaca": b'{"instruction": "Say p1", "dataset": "d"}\n',
    "prompts_evals": b'{"input": "Say p1", "ideal": ["a", "b"]}\n',
    "prompts_mtbench": b'{"question_id": "p1", "category": "writing", "turns": ["Hello"]}\n',
    "prompts_parquet": parquet("prompts_parquet", PromptRow(1, "p1", (Message("user", "Hello"),))),
    "generations_alpacaeval": b'{"instruction": "Say p1", "output": "Hi", "generator": "m1"}\n',
    "generations_autoarena": b"prompt,response\nSay p1,Hi\n",
    "generations_mtbench": b'{"question_id": "p1", "model_id": "m1", "choices": [{"turns": ["Hi"]}]}\n',
    "generations_parquet": parquet("generations_parquet", GenerationRow(1, "m1", "Hi", "p1")),
    "prompts_jsonl": b'{"id": "p1", "prompt": "Hello"}\n',
    "prompts_csv": b"id,prompt\np1,Hello\n",
    "gold_jsonl": b'{"prompt": "Say p1", "left": "m1", "right": "m2", "gold": "left"}\n',
    "models_jsonl": b'{"name": "m1"}\n',
    "models_csv": b"name,version\nm1,2\n",
    "generations_jsonl": b'{"prompt_id": "p1", "model": "m1", "output": "Hi"}\n',
    "generations_csv": b"prompt_id,model,output\np1,m1,Hi\n",
    **ONE_VOTE,
    "votes_parquet": parquet("votes_parquet", {"model_a": "m1", "model_b": "m2", "outcome": "tie"}),
}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_SPREAD = ["\t=1", "\r=1", "\n=1", "a\r\nb", "a\rb"]
NASTY = st.sampled_from(["=1+1", "+1", "-1", "@A1", "'=1", "''-1", '"=1', "1", *_SPREAD])
ANY_TEXT = TEXT | NASTY
FILLED = ANY_TEXT.filter(lambda text: bool(text.strip()))
NAME = ANY_TEXT.map(identifier).filter(bool)
MAYBE = st.none() | FILLED
COUNT = st.none() | st.integers(0, 2**31 - 1)
AMOUNT = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)
USER = FILLED.map(lambda text: Message("user", text))
CHAT = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), ANY_TEXT), max_size=3)
TAG = NAME.filter(lambda name: name.lower() not in {"id", "prompt", "reference"})


def prompts(messages: st.SearchStrategy[Any], reference: st.SearchStrategy[Any], tags: Any) -> st.SearchStrategy[Any]:
    return st.builds(PromptRow, line=st.just(0), id=NAME, messages=messages, reference=reference, tags=tags)


ONE_TAG = st.dictionaries(st.just("topic"), ANY_TEXT.filter(bool), min_size=1)
TABLE_PROMPTS = TAG.flatmap(
    lambda tag: st.lists(
        prompts(st.tuples(USER), MAYBE, st.fixed_dictionaries({tag: ANY_TEXT.filter(bool)})), min_size=1
    )
)
PRICE = st.none() | st.floats(0, 1e6)
LIMIT = st.none() | st.integers(0, 2**31 - 1)
SETTINGS = st.dictionaries(NAME, NAME | st.booleans() | st.integers(-5, 5) | st.lists(st.floats(-1, 1)), max_size=3)
MODEL = st.builds(ModelRow, st.just(0), NAME, *[NAME | st.just("")] * 4) | st.builds(
    ModelRow, st.just(0), NAME, NAME, NAME, NAME, NAME, NAME, SETTINGS, NAME, PRICE, PRICE, LIMIT, LIMIT
)
GENERATION = st.tuples(NAME, FILLED, st.booleans()).flatmap(
    lambda it: st.builds(
        GenerationRow,
        line=st.just(0),
        model=NAME,
        output=ANY_TEXT,
        prompt_id=st.just(it[0] if it[2] else None),
        prompt=st.just(None if it[2] else it[1]),
        latency_ms=AMOUNT,
        input_tokens=COUNT,
        output_tokens=COUNT,
        cost=AMOUNT,
        sample=st.integers(0, 999),
        version=NAME | st.just(""),
    )
)
TURNS = st.lists(ANY_TEXT, min_size=2, max_size=3).map(tuple)
SEVERAL = st.tuples(GENERATION, TURNS).map(
    lambda it: dataclasses.replace(it[0], output="\n\n".join(it[1]), turns=it[1]) if it[1] else it[0]
)
ANY_GENERATION = GENERATION | SEVERAL
ANSWER = st.tuples(ANY_GENERATION, NAME).map(
    lambda it: GenerationRow(0, it[0].model, it[0].output, it[1], sample=it[0].sample, turns=it[0].turns)
)
ANY_PROMPT = prompts(
    st.tuples(USER) | st.tuples(CHAT, USER).map(lambda it: (*it[0], it[1])),
    MAYBE,
    st.dictionaries(NAME, ANY_TEXT, max_size=3),
)
VOTE = st.fixed_dictionaries(
    {"model_a": NAME.map("a{}".format), "model_b": NAME.map("b{}".format), "outcome": st.sampled_from(Outcome)},
    optional={
        "left": st.sampled_from(["model_a", "model_b", None]),
        "prompt_id": st.none() | NAME,
        "turn": st.none() | st.integers(1, 9),
        "rater": st.none() | NAME,
        "comment": NAME,
        "propensity": st.floats(-1, 1),
        "is_gold": st.booleans(),
        "voted_at": st.none() | st.datetimes(timezones=st.just(UTC)),
    },
)
WRITABLE = {
    "prompts_jsonl": st.lists(ANY_PROMPT),
    "prompts_mtbench": st.lists(
        prompts(
            st.lists(USER, min_size=1, max_size=3).map(tuple),
            MAYBE,
            st.dictionaries(NAME, ANY_TEXT, max_size=3),
        )
    ),
    "prompts_parquet": st.lists(ANY_PROMPT),
    "prompts_evals": st.lists(ANY_PROMPT),
    "prompts_alpaca": st.lists(
        prompts(st.tuples(USER), MAYBE, st.dictionaries(st.just("dataset"), ANY_TEXT, max_size=1))
    ),
    "generations_alpacaeval": st.lists(st.builds(GenerationRow, st.just(0), NAME, ANY_TEXT, st.none(), FILLED)),
    "prompts_csv": TABLE_PROMPTS,
    "models_jsonl": st.lists(MODEL),
    "models_csv": st.lists(MODEL),
    "generations_jsonl": st.lists(ANY_GENERATION),
    "generations_csv": st.lists(ANY_GENERATION),
    "generations_mtbench": st.lists(ANSWER),
    "generations_parquet": st.lists(ANY_GENERATION),
    "votes_jsonl": st.lists(VOTE),
    "votes_csv": st.lists(VOTE),
    "votes_parquet": st.lists(VOTE),
}


def read(plugin: ModuleType, data: bytes) -> list[Any]:
    return list(plugin.read(io.BytesIO(data)))


def without_line(row: Any) -> Any:
    """What two rows must share to be the same row; of a vote only what VoteRow names."""
    fields = [getattr(row, name) for name in row.__slots__ if name not in {"line", "columns"}]
    return [dict(value) if hasattr(value, "items") else value for value in fields]


def expected_vote(row: dict[str, Any]) -> list[Any]:
    keys = ("model_a", "model_b", "outcome", "left", "prompt_id", "rater", "voted_at")
    said, own = Remarks(comment=row.get("comment", "")), None  # without a vote_id it is none of ours
    return [*(row.get(key) for key in keys), 1.0, None, OVERALL, said, row.get("turn"), own]


every_format = pytest.mark.parametrize("key", FORMATS)
every_text_format = pytest.mark.parametrize("key", TEXT_FORMATS)
every_writer = pytest.mark.parametrize("key", WRITERS)


@every_format
def test_a_format_says_what_it_is(key: str) -> None:
    plugin = FORMATS[key]
    assert plugin.KIND in ROWS and key.startswith(plugin.KIND)
    assert isinstance(plugin.LABEL, str) and plugin.LABEL
    assert isinstance(plugin.NEEDS, str) and plugin.NEEDS
    assert all(suffix.startswith(".") for suffix in plugin.SUFFIXES)


@every_format
def test_a_format_knows_no_other_format_and_no_framework(key: str) -> None:
    tree = ast.parse(inspect.getsource(FORMATS[key]))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    assert not any(name.startswith(f"app.formats.{other}") for name in names for other in (*FORMATS, "_registry"))
    pure = ("app.domain.", "app.errors.", "app.file_rows.", "app.formats._", "app.study.")
    assert all(name.startswith(pure) for name in names if name.startswith("app."))
    roots = {node.module.split(".")[0] for node in imports if node.module}
    assert roots <= {"__future__", "app", *sys.stdlib_module_names}


@every_format
def test_a_format_reads_its_own_example(key: str) -> None:
    [row] = read(FORMATS[key], GOOD[key])
    assert isinstance(row, ROWS[FORMATS[key].KIND])


@every_format
def test_a_format_is_recognised_by_its_content(key: str) -> None:
    plugin = FORMATS[key]
    assert detect(plugin.KIND, GOOD[key]) is plugin
    if key in TEXT_FORMATS:
        assert detect(plugin.KIND, b"\xef\xbb\xbf\r\n" + GOOD[key]) is plugin
    assert not any(other.matches(GOOD[key]) for name, other in formats_of(plugin.KIND).items() if name != key)


@every_text_format
@pytest.mark.parametrize("data", [b"", b"\n\r\n  \r", b"\xef\xbb\xbf"])
def test_an_empty_file_is_one_problem_of_the_whole_file(key: str, data: bytes) -> None:
    [problem] = read(FORMATS[key], data)
    assert problem.line == 0 and "empty" in problem.reason
    with pytest.raises(BadFileError, match="empty") as caught:
        read_all(FORMATS[key].KIND, io.BytesIO(data))
    assert [problem.line for problem in caught.value.problems] == [0]


@every_text_format
@pytest.mark.parametrize(("bad", "reason"), [(b"\0", HAS_NUL), (b"\xe9", NOT_UTF8), (b"\xed\xa0\x80", NOT_UTF8)])
def test_a_bad_character_is_named_by_line_and_reading_goes_on(key: str, bad: bytes, reason: str) -> None:
    row = GOOD[key].splitlines()[-1]
    rows = read(FORMATS[key], GOOD[key] + row.replace(b"m1", b"m" + bad).replace(b"p1", b"p" + bad) + b"\n" + row)
    assert rows[1] == RowProblem(GOOD[key].count(b"\n") + 1, reason)
    assert not isinstance(rows[0], RowProblem) and not isinstance(rows[2], RowProblem)


@every_text_format
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_is_one_problem_that_says_what_to_do(key: str, encoding: str) -> None:
    assert read(FORMATS[key], GOOD[key].decode().encode(encoding)) == [RowProblem(1, IS_UTF16)]
    with pytest.raises(BadFileError, match="save the file as UTF-8"):
        read_all(FORMATS[key].KIND, io.BytesIO(GOOD[key].decode().encode(encoding)))


@every_text_format
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_recognised_too(key: str, encoding: str) -> None:
    with pytest.raises(BadFileError, match="save the file as UTF-8"):
        read_all(FORMATS[key].KIND, io.BytesIO(GOOD[key].decode().encode(encoding)))


@every_text_format
@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n\n", b"\r\r\n"])
def test_line_ends_make_no_difference(key: str, end: bytes) -> None:
    [row] = read(FORMATS[key], b"\xef\xbb\xbf" + GOOD[key].replace(b"\n", end))
    [plain] = read(FORMATS[key], GOOD[key])
    assert without_line(row) == without_line(plain)


@every_text_format
def test_a_line_of_17_megabytes_is_a_problem_and_reading_goes_on(key: str) -> None:
    row = GOOD[key].splitlines()[-1]
    long = row.replace(b"m1", b"m" * 17_000_000).replace(b"p1", b"p" * 17_000_000)
    rows = read(FORMATS[key], GOOD[key] + long + b"\r\n" + row)
    assert rows[1] == RowProblem(GOOD[key].count(b"\n") + 1, TOO_LONG)
    assert len(rows) == 3 and rows[2].line == rows[1].line + 1


@every_format
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300), keeps_beginning=st.booleans())
def test_random_bytes_give_rows_or_problems_and_never_an_exception(
    key: str, data: bytes, keeps_beginning: bool
) -> None:
    plugin = FORMATS[key]
    plugin.matches(data)
    rows = read(plugin, GOOD[key] + data if keeps_beginning else data)
    assert rows and all(isinstance(row, RowProblem | ROWS[plugin.KIND]) for row in rows)


@every_format
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_gives_rows_or_problems_and_never_an_exception(key: str, data: st.DataObject) -> None:
    good = GOOD[key] * 2
    at = data.draw(st.integers(0, len(good)))
    rows = read(FORMATS[key], good[:at] + data.draw(st.text('",;\t\r\n{}[]:1e\\u', max_size=9)).encode() + good[at:])
    assert rows and all(isinstance(row, RowProblem | ROWS[FORMATS[key].KIND]) for row in rows)


@every_writer
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back(key: str, data: st.DataObject) -> None:
    plugin = FORMATS[key]
    rows = data.draw(WRITABLE[key])
    stream = io.BytesIO()
    assert plugin.write(iter(rows), stream) == len(rows)
    back = read(plugin, stream.getvalue()) if rows else []
    wanted = [expected_vote(row) if isinstance(row, dict) else without_line(row) for row in rows]
    assert [row if isinstance(row, RowProblem) else without_line(row) for row in back] == wanted


@pytest.mark.parametrize("key", [key for key in FORMATS if key.endswith("_csv")])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_written_cell_of_text_begins_a_formula(key: str, data: st.DataObject) -> None:
    import csv

    rows = data.draw(WRITABLE[key])
    stream = io.BytesIO()
    FORMATS[key].write(rows, stream)
    for cells in csv.reader(io.StringIO(stream.getvalue().decode(), newline="")):
        for cell in cells:
            assert not cell.lstrip('"\n').startswith(("=", "+", "@", "\t", "\r")), cell
            assert not cell.startswith("-") or float(cell) < 0 or cell == "-0.0"


@given(text=st.text("'\"=+-@\t\r\na", max_size=6))
def test_guarding_a_cell_is_reversible(text: str) -> None:
    assert _csv.unguarded(_csv.guarded(text)) == text


@every_writer
def test_a_writer_takes_a_million_rows_one_at_a_time(key: str) -> None:
    """The writer asks for the next row only after it has written the last one."""
    [example] = read(FORMATS[key], GOOD[key])
    row = {"model_a": "m1", "model_b": "m2", "outcome": "tie"} if key.startswith("votes") else example
    sizes: list[int] = []
    stream = io.BytesIO()

    def rows() -> Any:
        at_once = getattr(FORMATS[key], "AT_ONCE", 1000 if key.endswith("_parquet") else 1)  # Parquet is in groups
        for number in range(2 * at_once + 1):
            if number % at_once == 0:
                sizes.append(stream.tell())
            yield row

    FORMATS[key].write(rows(), stream)
    assert sizes[0] < sizes[1] < sizes[2] < stream.tell()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04\x14\0[Content_Types].xml", "Excel file; save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel file; save it as CSV"),
        (b"PK\x03\x04\x14\0votes.csv", "ZIP"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"MZ\x90\0", "program"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a text file"),
        (b'[{"model_a": "x"}]', "JSON list"),
        (b'{"foo": 1, "bar": 2}', "JSON with the keys bar, foo"),
        (b"<html>", "web page"),
        (b"foo;bar\n1;2\n", "a table with the columns foo, bar"),
        (b"Dear reader", "begins with 'Dear reader'"),
    ],
)
def test_a_foreign_file_is_named_and_the_right_columns_too(head: bytes, words: str) -> None:
    with pytest.raises(BadFileError) as caught:
        detect("votes", head)
    [problem] = caught.value.problems
    assert problem.line == 0 and words in problem.reason and "model_a, model_b, winner or outcome" in problem.reason


def test_a_file_is_taken_whole_or_not_at_all() -> None:
    data = b"name\na\na,b\nb\nc,d\n"
    with pytest.raises(BadFileError) as caught:
        read_all("models", io.BytesIO(data))
    assert [problem.line for problem in caught.value.problems] == [3, 5]
    assert str(caught.value).startswith(
        "Nothing was imported. line 3: this row has 2 cells, but the header has 1 columns"
    )


def test_problems_are_listed_up_to_a_limit_which_is_said() -> None:
    data = b'{"name": "a"}\n' + b"{}\n" * 500
    with pytest.raises(BadFileError) as caught:
        read_all("models", io.BytesIO(data), max_problems=7)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5, 6, 7, 8, 0]
    assert "more problems" in caught.value.problems[-1].reason


def test_a_stream_that_gives_few_bytes_at_a_time_and_cannot_seek_is_read_whole() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size or 3))

        def seek(self, *args: int) -> int:
            raise io.UnsupportedOperation

    data = b"name\r\n" + b"".join(b"m%d\r\n" % number for number in range(20_000))
    rows = read_all("models", Trickle(data))
    assert len(rows) == 20_000 and rows[-1] == ModelRow(20_001, "m19999")


def test_reading_closes_no_stream_of_the_caller() -> None:
    read_all("votes", stream := io.BytesIO(GOOD["votes_csv"]))
    assert not stream.closed
