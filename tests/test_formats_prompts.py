"""Files of prompts."""

from __future__ import annotations

import csv
import io
import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from app.domain import Message
from app.errors import BadFileError, RowProblem
from app.file_rows import PromptRow
from app.formats import prompts_csv, prompts_jsonl
from app.formats._registry import read_all
from app.services.garbage import collected_rarely
from tests.machine import patience


def from_jsonl(*lines: str | dict[str, object]) -> list[Any]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return list(prompts_jsonl.read(io.BytesIO(text.encode())))


def from_csv(text: str) -> list[Any]:
    return list(prompts_csv.read(io.BytesIO(text.encode())))


def problem(line: str | dict[str, object]) -> str:
    [found] = from_jsonl(line)
    assert isinstance(found, RowProblem) and found.line == 1
    return found.reason


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def test_the_13_real_prompts_are_read(shared: Path) -> None:
    with (shared / "data/llmfao/prompts.jsonl").open("rb") as stream:
        rows = read_all("prompts", stream)
    assert len(rows) == 13
    assert rows[0] == PromptRow(
        1,
        "8",
        user("Argue for and against the use of kubernetes in the style of a haiku."),
        None,
        {"category": "reflexion", "slug": "k8s"},
    )


def test_a_row_without_an_id_is_called_by_its_row_number() -> None:
    assert [row.id for row in from_jsonl('{"prompt": "a"}', "", '{"prompt": "b"}')] == ["1", "2"]
    assert [row.id for row in from_csv('prompt\n"a\nb"\n\nc\n')] == ["1", "2"]
    assert [row.id for row in from_csv("id,prompt\nx,a\n,b\n")] == ["x", "2"]


def test_a_whole_number_may_be_an_id() -> None:
    assert from_jsonl({"id": 81, "prompt": "a"}) == [PromptRow(1, "81", user("a"))]


def test_a_chat_keeps_all_its_messages() -> None:
    messages = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]
    [row] = from_jsonl({"id": "c", "messages": [{"role": role, "content": text} for role, text in messages]})
    assert row == PromptRow(1, "c", tuple(Message(*message) for message in messages))


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "messages must be a list with at least one message"),
        ("hi", "messages must be a list"),
        (["hi"], "message 1 must be an object"),
        ([{"role": "tool", "content": "x"}], "message 1: role must be one of system, user, assistant, not 'tool'"),
        ([{"role": ["user"], "content": "x"}], "message 1: role must be one of"),
        ([{"role": "user", "content": 3}], "message 1: content must be text, not 3"),
        ([{"role": "user", "content": [{"type": "text"}]}], "content must be text"),
        ([{"role": "assistant", "content": "x"}], "must have the role user, not assistant"),
        ([{"role": "user", "content": " \n"}], "the last of the messages is blank"),
    ],
)
def test_a_bad_chat_is_named(messages: object, words: str) -> None:
    assert words in problem({"messages": messages})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "prompt is missing or blank"),
        ({"prompt": None}, "prompt is missing or blank"),
        ({"prompt": " \t"}, "prompt is missing or blank"),
        ({"prompt": 3}, "prompt must be text, not 3"),
        ({"prompt": ["a"]}, "prompt must be text, not ['a']"),
        ({"prompt": "a", "messages": []}, "both prompt and messages"),
        ({"prompt": "a", "id": 1.5}, "id must be text, not 1.5"),
        ({"prompt": "a", "id": True}, "id must be text, not True"),
        ({"prompt": "a", "reference": 4}, "reference must be text, not 4"),
        ({"prompt": "a", "tags": "x"}, "tags must be an object or a list"),
        ({"prompt": "a", "tags": {"x": []}}, "tags: x must be text, not []"),
        ({"prompt": "a", "tags": [{}]}, "tags must be text, not {}"),
        ({"prompt": "a", "tags": {" ": "x"}}, "tags: a name is blank"),
        ({"prompt": "a", "attachments": "cat.png"}, "attachments must be a list of file names"),
    ],
)
def test_a_bad_value_is_named_by_its_key(row: dict[str, object], words: str) -> None:
    assert words in problem(row)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": "a"', "this is not valid JSON"),
        ('{"prompt": "a"} x', "this is not valid JSON: Extra data at column 17"),
        ("[1]", "there must be a JSON object"),
        ('"prompt"', "there must be a JSON object"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' appears twice"),
        ('{"prompt": "a", "tags": {"x": "1", "x": "2"}}', "the key 'x' appears twice"),
        ('{"prompt": "a", "tags": {"x": NaN}}', "NaN is not a number"),
        ('{"prompt": "a", "tags": {"x": -Infinity}}', "-Infinity is not a number"),
        ('{"prompt": "a", "tags": {"x": 1e400}}', "the number '1e400' is too large"),
        ('{"prompt": "a", "x": ' + "9" * 5000 + "}", "too many digits"),
        ('{"prompt": "a", "x": ' + "[" * 100_000, "nested too deeply"),
        ('{"prompt": "a", "x": ' + "[" * 200 + "]" * 200 + "}", "nested too deeply"),
        ('{"prompt": "a\\u0000"}', "NUL character"),
        ('{"prompt": "a\\ud800"}', "surrogate"),
        ('{"prompt": "a", "x": [{"\\uDFFF": 1}]}', "surrogate"),
        ('{"prompt": "a\tb"}', "Invalid control character"),
    ],
)
def test_bad_json_is_a_problem_of_its_line(line: str, words: str) -> None:
    assert words in problem(line)
    assert [type(row) for row in from_jsonl(line, '{"prompt": "good"}')] == [RowProblem, PromptRow]


def test_an_emoji_written_as_a_pair_of_escapes_is_fine() -> None:
    assert from_jsonl('{"id": "e", "prompt": "\\ud83d\\ude00 \\\\u0000"}') == [PromptRow(1, "e", user("😀 \\u0000"))]


def test_tags_may_be_a_list_and_plain_values() -> None:
    [row] = from_jsonl({"prompt": "a", "tags": ["hard", "maths"]})
    assert isinstance(row, PromptRow) and row.tags == {"hard": "true", "maths": "true"}
    [row] = from_jsonl({"prompt": "a", "tags": {"level": 3, "new": False, "none": None}})
    assert isinstance(row, PromptRow) and row.tags == {"level": "3", "new": "false"}


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_delimiter_is_seen_from_the_header(delimiter: str) -> None:
    text = 'ID,Prompt,reference,Category\np1,"a,b;c\td",r,x\n'
    table = io.StringIO()
    csv.writer(table, delimiter=delimiter).writerows(csv.reader(io.StringIO(text)))
    assert from_csv(table.getvalue()) == [PromptRow(2, "p1", user("a,b;c\td"), "r", {"Category": "x"})]


def test_a_single_column_is_a_table() -> None:
    assert from_csv("prompt\nHello; you\n") == [PromptRow(2, "1", user("Hello; you"))]


def test_a_column_without_a_name_is_passed_over() -> None:
    """pandas writes its index so."""
    assert from_csv(",prompt\n0,a\n") == [PromptRow(2, "1", user("a"))]


def test_a_cell_may_hold_any_line_end_and_lines_are_counted_through_it() -> None:
    rows = from_csv('id,prompt\r\na,"1\r\n2\r3\n4"\r\n\r\nb,x,y\r\nc,z\r\n')
    assert rows[0] == PromptRow(2, "a", user("1\r\n2\r3\n4"))
    assert rows[1] == RowProblem(7, "this row has 3 cells, but the header has 2 columns")
    assert rows[2] == PromptRow(8, "c", user("z"))


def test_a_bad_header_is_one_problem_that_names_both_sides() -> None:
    [bad] = from_csv("question,answer\na,b\nc,d\n")
    assert bad == RowProblem(1, "the header must name these columns: prompt; it names 'question', 'answer'")


def test_a_column_named_twice_is_a_problem() -> None:
    assert from_csv("prompt,Prompt\na,b\n") == [RowProblem(1, "the header names the column 'prompt' more than once")]


def test_a_quote_that_is_never_closed_is_named_by_the_line_where_it_opens() -> None:
    rows = from_csv('prompt\ngood\n"open\nmore\nmore\n')
    assert rows[1:] == [RowProblem(3, "a quote that opens in this row is never closed")]


def test_text_after_a_closing_quote_is_a_problem_of_its_row_only() -> None:
    rows = from_csv('prompt\n"a"b\ngood\n')
    assert isinstance(rows[0], RowProblem) and rows[0].line == 2 and "written twice" in rows[0].reason
    assert rows[1] == PromptRow(3, "2", user("good"))


def test_a_quote_that_swallows_the_file_does_not_fill_the_memory() -> None:
    rows = from_csv('prompt\n"open\n' + "x" * 1_000_000 + "\n" + ("y" * 999_999 + "\n") * 20)
    assert isinstance(rows[0], RowProblem) and rows[0].line == 2 and "longer than 16 MB" in rows[0].reason


def test_a_bad_byte_inside_a_quoted_cell_is_named_by_its_own_line() -> None:
    rows = list(prompts_csv.read(io.BytesIO(b'prompt\n"a\nb\xff\nc"\ngood\n')))
    assert rows[0] == RowProblem(3, "this is not valid UTF-8; save the file as UTF-8")
    assert rows[1] == PromptRow(5, "2", user("good"))


def test_an_apostrophe_of_our_own_is_taken_off_and_others_stay() -> None:
    rows = from_csv("prompt\n'=1+1\n'-x\n'tis\n''=1\n'\n")
    assert [row.messages[0].content for row in rows if isinstance(row, PromptRow)] == ["=1+1", "-x", "'tis", "'=1", "'"]


def test_ids_are_the_same_after_nfc_and_without_blanks_and_the_first_line_is_named() -> None:
    one, two = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    text = "".join(json.dumps({"id": id_, "prompt": "a"}) + "\n" for id_ in (one, "e", f" {two}\t", "E"))
    with pytest.raises(BadFileError) as caught:
        read_all("prompts", io.BytesIO(text.encode()))
    assert caught.value.problems == [RowProblem(3, "the id 'é' was already on line 1")]


def test_a_row_number_may_not_meet_an_id_of_another_row() -> None:
    with pytest.raises(BadFileError, match="line 3: the id '2' was already on line 2"):
        read_all("prompts", io.BytesIO(b"id,prompt\n2,a\n,b\n"))


def test_the_same_text_under_two_ids_is_fine() -> None:
    assert len(read_all("prompts", io.BytesIO(b"prompt\na\na\n"))) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [PromptRow(0, "a", (Message("system", "s"), Message("user", "u")))],
        [PromptRow(0, "a", user("u")), PromptRow(0, "b", user("u"), None, {"late": "x"})],
        [PromptRow(0, "a", user("u"), None, {"Prompt": "x"})],
        [PromptRow(0, "a", user("u"), None, {" x": "x"})],
    ],
)
def test_csv_refuses_to_write_what_it_could_not_read_back(rows: list[PromptRow]) -> None:
    with pytest.raises(ValueError, match=r"tag|column|several"):
        prompts_csv.write(rows, io.BytesIO())


@pytest.mark.timed
def test_100_000_prompts_are_read_within_5_seconds() -> None:
    """Seconds of the processor, so that a busy machine does not fail the test; collected as rarely as imports are."""
    data = b"".join(b'{"id": "p%d", "prompt": "Say %d", "tags": {"topic": "x"}}\n' % (n, n) for n in range(100_000))
    limit = 5 * patience()
    start = time.process_time()
    with collected_rarely():
        rows = read_all("prompts", io.BytesIO(data))
    assert len(rows) == 100_000 and time.process_time() - start < limit
