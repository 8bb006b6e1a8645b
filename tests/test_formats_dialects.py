"""The dialects of others: MT-bench, evals, Alpaca, AlpacaEval, autoarena; JSON lists; Parquet; mapped columns."""

from __future__ import annotations

import io
import json
import time
import tracemalloc

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from app.domain import Message
from app.errors import BadFileError, RowProblem
from app.file_rows import GenerationRow, PromptRow
from app.formats import (
    _parquet,
    generations_jsonl,
    generations_mtbench,
    prompts_csv,
    prompts_jsonl,
    prompts_mtbench,
)
from app.formats._registry import MOST_ROWS, detect, find_columns, read_all


def lines(*rows: object) -> io.BytesIO:
    return io.BytesIO("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode())


def table(**columns: list[object]) -> io.BytesIO:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    stream.seek(0)
    return stream


def user(*texts: str) -> tuple[Message, ...]:
    return tuple(Message("user", text) for text in texts)


def problems(kind: str, stream: io.BytesIO) -> list[tuple[int, str]]:
    with pytest.raises(BadFileError) as caught:
        read_all(kind, stream)  # type: ignore[call-overload]
    return [(problem.line, problem.reason) for problem in caught.value.problems]


def test_mt_bench_questions_keep_their_turns_category_and_references() -> None:
    [row] = read_all(
        "prompts",
        lines({"question_id": 81, "category": "maths", "turns": ["2+2?", "And 3+3?"], "reference": ["4", "6"]}),
    )
    assert row == PromptRow(1, "81", user("2+2?", "And 3+3?"), "4\n\n6", {"category": "maths"})
    written = io.BytesIO()
    prompts_mtbench.write([row], written)
    assert json.loads(written.getvalue())["question_id"] == 81


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question_id": 1, "turns": "x"}, "turns must be a list"),
        ({"question_id": 1, "turns": []}, "turns must be a list with at least one text"),
        ({"question_id": 1, "turns": ["a", " "]}, "turn 2 must be text that is not blank"),
        ({"question_id": 1, "turns": ["a"], "reference": [1]}, "reference must be text or a list of texts"),
    ],
)
def test_a_bad_mt_bench_question_is_named(row: dict[str, object], words: str) -> None:
    assert words in problems("prompts", lines(row))[0][1]


def test_mt_bench_cannot_carry_a_system_message_and_says_so() -> None:
    row = PromptRow(1, "a", (Message("system", "Be brief."), *user("Hi")))
    with pytest.raises(ValueError, match="messages that are not the user's"):
        prompts_mtbench.write([row], io.BytesIO())


def test_evals_samples_are_chats_or_texts_with_an_ideal() -> None:
    rows = read_all(
        "prompts",
        lines(
            {"input": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}], "ideal": ["a", "b"]},
            {"input": "Plain", "ideal": "c"},
        ),
    )
    assert rows[0] == PromptRow(1, "1", (Message("system", "S"), *user("U")), "a\n\nb")
    assert rows[1] == PromptRow(2, "2", user("Plain"), "c")


def test_alpaca_instructions_join_their_input_and_their_output_is_the_reference() -> None:
    listed = json.dumps(
        [
            {"instruction": "Translate", "input": "Haus", "output": "house", "dataset": "d"},
            {"instruction": "Sing", "input": "", "output": ""},
        ],
        indent=2,
    )
    rows = read_all("prompts", io.BytesIO(listed.encode()))
    assert rows == [
        PromptRow(2, "1", user("Translate\n\nHaus"), "house", {"dataset": "d"}),
        PromptRow(8, "2", user("Sing"), None),
    ]


def test_alpaca_eval_outputs_name_their_prompt_by_its_text() -> None:
    [row] = read_all("generations", io.BytesIO(b'[{"instruction": "Sing", "output": "La", "generator": "m"}]'))
    assert row == GenerationRow(1, "m", "La", prompt="Sing")


def test_mt_bench_answers_are_one_generation_for_each_choice_with_its_turns() -> None:
    answer = {
        "question_id": 81,
        "answer_id": "x",
        "model_id": "m",
        "choices": [{"index": 0, "turns": ["a", "b"]}, {"index": 1, "turns": ["c"]}],
        "tstamp": 1.0,
    }
    rows = read_all("generations", lines(answer))
    assert rows == [
        GenerationRow(1, "m", "a\n\nb", "81", sample=0, turns=("a", "b")),
        GenerationRow(1, "m", "c", "81", sample=1),
    ]
    assert [row.texts for row in rows] == [("a", "b"), ("c",)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"choices": []}, "choices must be a list"),
        ({"choices": [3]}, "choice 1 must be an object"),
        ({"choices": [{"turns": "x"}]}, "choice 1: turns must be a list"),
        ({"choices": [{"turns": ["x"], "index": -1}]}, "index must be a whole number"),
        ({"choices": [{"turns": ["x"], "index": True}]}, "index must be a whole number"),
        ({"choices": [{"turns": ["x"], "index": 0}] * 2}, "was already on line 1"),
        ({"model_id": ""}, "model_id is missing"),
        ({"question_id": None}, "question_id is missing"),
    ],
)
def test_a_bad_mt_bench_answer_is_named(changes: dict[str, object], words: str) -> None:
    row = {"question_id": 1, "model_id": "m", "choices": [{"turns": ["x"]}], **changes}
    assert words in problems("generations", lines(row))[0][1]


def test_mt_bench_answers_need_the_id_of_their_prompt() -> None:
    with pytest.raises(ValueError, match="names a prompt by its id"):
        generations_mtbench.write([GenerationRow(1, "m", "x", prompt="Sing")], io.BytesIO())


def test_an_autoarena_table_leaves_its_model_open_and_one_with_models_is_ours() -> None:
    assert read_all("generations", io.BytesIO(b"prompt,response\nSing,La\n")) == [
        GenerationRow(2, "", "La", prompt="Sing")
    ]
    assert read_all("generations", io.BytesIO(b"prompt,response,model\nSing,La,m\n"))[0].model == "m"


def test_parts_of_our_own_files_are_turns() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    [row] = generations_jsonl.read(lines({"prompt_id": "p", "model": "m", "content": parts, "sample": 2}))
    assert row == GenerationRow(1, "m", "a\n\nb", "p", sample=2, turns=("a", "b"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "image", "url": "x"}], "a part of content must be"),
        ([], "content must be a list with at least one text"),
        ("text", "content must be a list"),
    ],
)
def test_a_part_that_is_no_text_is_refused(content: object, words: str) -> None:
    [row] = generations_jsonl.read(lines({"prompt_id": "p", "model": "m", "content": content}))
    assert isinstance(row, RowProblem) and words in row.reason


def test_category_and_language_beside_the_prompt_are_tags() -> None:
    [row] = prompts_jsonl.read(lines({"prompt": "a", "category": "maths", "language": "de", "tags": ["x"]}))
    assert isinstance(row, PromptRow) and row.tags == {"category": "maths", "language": "de", "x": "true"}


# ------------------------------------------------------------------------------------------------ one JSON list


def test_a_list_gives_the_rows_that_lines_give_whatever_the_pieces_it_is_read_in(monkeypatch) -> None:
    from app.formats import _json_list

    rows = [{"id": f"é{n}", "prompt": "ä" * (n % 7) + '"[{' + str(n), "tags": {"n": 1.5}} for n in range(50)]
    wanted = read_all("prompts", lines(*rows))
    for size in (1, 2, 3, 7, 1000):
        monkeypatch.setattr(_json_list, "_CHUNK", size)
        for text in (json.dumps(rows, ensure_ascii=False), json.dumps(rows, indent=1)):
            found = read_all("prompts", io.BytesIO(text.encode()))
            assert [(row.id, row.messages, row.tags) for row in found] == [
                (row.id, row.messages, row.tags) for row in wanted
            ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[{"prompt": "a"}', 1, "the file ends before the list does"),
        ('[{"prompt": "a"},]', 1, "this is not valid JSON"),
        ('[{"prompt": "a"} {"prompt": "b"}]', 1, "this is not valid JSON"),
        ('[{"prompt": "a"}] x', 1, "more after the end"),
        ('[{"prompt": "a"},\n3]', 2, "there must be a JSON object"),
        ('[{"prompt": "a"},\n{"prompt": }]', 2, "this is not valid JSON: Expecting value"),
        ('[{"prompt": "a"},\n{"prompt": "b', 2, "this is not valid JSON: Unterminated string"),
        ('[{"prompt": "a", "prompt": "b"}]', 1, "the key 'prompt' appears twice"),
        ('[{"prompt": "a"},\n{"prompt": "b", "x": NaN}]', 2, "NaN is not a number"),
        ('[{"prompt": "a", "x": 1e400}]', 1, "too large"),
        ('[{"prompt": "a", "x": ' + "9" * 5000 + "}]", 1, "too many digits"),
        ('[{"prompt": "a", "x": ' + "[" * 100_000, 1, "nested too deeply"),
        ('[{"prompt": "a", "x": ' + "[" * 200 + "]" * 200 + "}]", 1, "nested too deeply"),
        ('[{"prompt": "a\\u0000"}]', 1, "NUL character"),
        ('[{"prompt": "a\0"}]', 1, "NUL character"),
        ('[{"prompt": "a\\ud800"}]', 1, "surrogate"),
        ("[]", 0, "empty"),
    ],
)
def test_a_bad_list_is_named_by_line(text: str, line: int, words: str) -> None:
    if text == "[]":
        [found] = prompts_jsonl.read(io.BytesIO(text.encode()))
        assert isinstance(found, RowProblem) and (found.line, words in found.reason) == (0, True)
        return
    [(found_line, reason)] = problems("prompts", io.BytesIO(text.encode()))
    assert found_line == line and words in reason


def test_bytes_that_are_no_utf_8_are_named_and_the_list_goes_on() -> None:
    rows = list(prompts_jsonl.read(io.BytesIO(b'[{"prompt": "a"},\n{"prompt": "\xe9"},\n{"prompt": "c"}]')))
    assert isinstance(rows[1], RowProblem) and rows[1].line == 2 and "UTF-8" in rows[1].reason
    assert [type(row) for row in rows] == [PromptRow, RowProblem, PromptRow]


def test_one_object_of_50_megabytes_is_refused_in_bounded_memory() -> None:
    class Long:
        left = 50 * 2**20

        def read(self, size: int = -1) -> bytes:
            begin = b'[{"prompt": "' if self.left == 50 * 2**20 else b""
            data = (begin + b"x" * size)[: min(size, self.left)]
            self.left -= len(data)
            return data

    tracemalloc.start()
    try:
        [(line, reason)] = problems("prompts", Long())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (line, "longer than 16 MB" in reason) == (1, True)
    assert peak < 150 * 2**20


# ------------------------------------------------------------------------------------------------ Parquet


def test_columns_of_parquet_are_read_and_others_are_tags() -> None:
    stream = table(id=["a", "b"], prompt=["Say a", "Say b"], topic=["x", None], level=[1, 2])
    assert read_all("prompts", stream) == [
        PromptRow(1, "a", user("Say a"), None, {"topic": "x", "level": "1"}),
        PromptRow(2, "b", user("Say b"), None, {"level": "2"}),
    ]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (table(question=["a"]), "the table must have these columns: prompt; or: messages; it has 'question'"),
        (io.BytesIO(b"PAR1" + b"\0" * 100 + b"PAR1"), "this Parquet file cannot be read"),
        (io.BytesIO(b"PAR1"), "this Parquet file cannot be read"),
        (table(prompt=["a"], extra=[[1, 2]]), "the column 'extra' must be text"),
        (table(prompt=["a\0b"]), "NUL character"),
        (table(prompt=[""]), "prompt is missing or blank"),
        (table(prompt=[b"\xff"]), "prompt must be text"),
        (table(prompt=pa.array([], pa.string())), "empty"),
    ],
)
def test_a_bad_table_is_refused(stream: io.BytesIO, words: str) -> None:
    assert words in problems("prompts", stream)[0][1]


def test_a_table_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch) -> None:
    monkeypatch.setattr(_parquet, "MAX_ROW_GROUP", 1000)
    big = table(prompt=["x" * 100_000])
    assert len(big.getvalue()) < 10_000
    assert "unpacks to" in problems("prompts", big)[0][1]


def test_more_rows_than_fit_are_refused(monkeypatch) -> None:
    monkeypatch.setitem(MOST_ROWS, "prompts", 10)
    assert problems("prompts", lines(*({"prompt": str(n)} for n in range(11)))) == [
        (0, "The file has more than 10 prompts; split it.")
    ]


def test_a_file_larger_than_may_be_is_read_no_further(monkeypatch) -> None:
    from app.formats import _registry

    monkeypatch.setattr(_registry, "MOST_BYTES", 3 * 2**20)
    text = lines(*({"prompt": "x" * 2**19} for _ in range(40)))
    assert problems("prompts", text)[-1] == (0, "The file is larger than 3 MB; split it.")
    assert text.tell() < 6 * 2**20


# ------------------------------------------------------------------------------------------------ other names


RENAMED = {"question": "prompt", "gold": "reference", "key": "id", "secret": ""}
WANTED = [("k1", "Why?", "Because.", {"topic": "x"})]


@pytest.mark.parametrize(
    "stream",
    [
        io.BytesIO(b"key,question,gold,secret,topic\nk1,Why?,Because.,no,x\n"),
        io.BytesIO(b"key\tquestion\tgold\tsecret\ttopic\nk1\tWhy?\tBecause.\tno\tx\n"),
        table(key=["k1"], question=["Why?"], gold=["Because."], secret=["no"], topic=["x"]),
        lines({"key": "k1", "question": "Why?", "gold": "Because.", "secret": "no", "tags": {"topic": "x"}}),
    ],
    ids=["csv", "tsv", "parquet", "jsonl"],
)
def test_columns_with_other_names_are_mapped(stream: io.BytesIO) -> None:
    stream.seek(0)
    rows = read_all("prompts", stream, renamed=RENAMED)
    assert [(row.id, row.messages[0].content, row.reference, dict(row.tags)) for row in rows] == WANTED


def test_a_column_whose_name_another_was_given_is_left_aside() -> None:
    rows = list(prompts_csv.read(io.BytesIO(b"prompt,question\nold,new\n"), {"question": "prompt"}))
    assert rows == [PromptRow(2, "1", user("new"))]


def test_the_columns_of_a_table_are_found_and_whether_they_are_known() -> None:
    assert find_columns("prompts", io.BytesIO(b"question;gold\na;b\n")).names == ("question", "gold")
    assert not find_columns("prompts", io.BytesIO(b"question,gold\na,b\n")).is_known
    assert find_columns("prompts", io.BytesIO(b"prompt\na\n")).is_known
    assert find_columns("prompts", table(question=["a"])).names == ("question",)
    assert find_columns("prompts", table(Prompt=["a"])).is_known
    for other in (b"", b'{"a": 1}', b"[1]", b"<html>", b"one line of text", b"PAR1xx", b"MZ\0\0"):
        assert find_columns("prompts", io.BytesIO(other)) is None


def test_our_own_format_goes_before_one_whose_keys_it_also_has() -> None:
    assert detect("prompts", b'{"prompt": "a", "turns": [], "question_id": 1, "instruction": "x"}') is prompts_jsonl


def test_a_list_of_100_000_outputs_is_read_in_seconds() -> None:
    text = json.dumps([{"instruction": f"Say {n}", "output": "x" * 400, "generator": "m"} for n in range(100_000)])
    start = time.process_time()
    assert len(read_all("generations", io.BytesIO(text.encode()))) == 100_000
    assert time.process_time() - start < 8


@pytest.mark.parametrize(
    "file",
    [
        lines({"prompt": "x", "reference": " "}),
        lines({"question_id": 1, "turns": ["x"], "reference": [""]}),
        lines({"input": "x", "ideal": ""}),
        lines({"instruction": "x", "output": " \n"}),
        io.BytesIO(b"prompt,reference\nx, \n"),
        table(prompt=["x"], reference=[""]),
    ],
    ids=["jsonl", "mtbench", "evals", "alpaca", "csv", "parquet"],
)
def test_a_blank_reference_is_none(file: io.BytesIO) -> None:
    [row] = read_all("prompts", file)
    assert row.reference is None
