"""What every format promises that is only written: the columns that readers document, each vote once, in batches."""

from __future__ import annotations

import ast
import csv
import inspect
import io
import json
import sys
import zipfile
from typing import Any

import pyarrow.parquet as pa_parquet
import pytest

from app.discovery import find_plugins
from app.domain import Message, Outcome
from app.file_rows import Judged, VoteRow
from app.formats._judged import Carries, chat, majority, parted
from app.formats._registry import read_all
from app.formats._votes import EXPORTED

EXPORTS = {key: plugin for key, plugin in find_plugins("app.formats").items() if plugin.KIND == "export"}
every_export = pytest.mark.parametrize("key", EXPORTS)
PROMPT = (Message("user", "What is the tallest tree?"),)
# The columns of each format as its makers document them; see the address in the first line of each plug-in.
COLUMNS = {
    "export_alpacaeval": "instruction output_1 generator_1 output_2 generator_2 annotator preference",
    "export_argilla": "id prompt response_a response_b model_a model_b prompt_id preference.responses "
    "preference.responses.users preference.responses.status remarks.responses remarks.responses.users "
    "remarks.responses.status",
    "export_comparisons": "model_a model_b winner",
    "export_comparisons_sides": "left right winner",
    "export_dataset": " ".join((*EXPORTED, "conversation_a", "conversation_b", "language")),
    "export_fastchat": "question_id model_a model_b winner judge turn anony language tstamp",
    "export_helpsteer3": "domain language context response1 response2 overall_preference individual_preference "
    "model1 model2 prompt_id",
    "export_kaggle_55k": "id model_a model_b prompt response_a response_b winner_model_a winner_model_b winner_tie",
    "export_labelstudio": "data annotations",
    "export_lmarena_100k": "question_id model_a model_b winner conversation_a conversation_b turn anony language "
    "tstamp conv_metadata is_code is_refusal dedup_tag category_tag judge_hash",
    "export_lmarena_140k": "id model_a model_b winner evaluation_session_id evaluation_order conversation_a "
    "conversation_b full_conversation conv_metadata category_tag language is_code timestamp",
    "export_lmarena_33k": "question_id model_a model_b winner judge conversation_a conversation_b turn anony language "
    "tstamp",
    "export_mtbench": "question_id model_a model_b winner judge conversation_a conversation_b turn",
    "export_openai_dpo": "input preferred_output non_preferred_output",
    "export_trl_preference": "prompt chosen rejected chosen_model rejected_model prompt_id margin n_votes",
    "export_trl_preference_chat": "prompt chosen rejected chosen_model rejected_model prompt_id margin n_votes",
    "export_trl_unpaired": "prompt completion label model prompt_id",
    "export_trl_unpaired_chat": "prompt completion label model prompt_id",
}


def vote(outcome: str = "model_a", number: int = 1, **values: object) -> dict[str, Any]:
    """A vote in our own columns."""
    row = {
        "vote_id": f"v{number}",
        "prompt_id": "81",
        "model_a": "=A1",
        "model_b": "B, the second",
        "left": "model_b",
        "outcome": outcome,
        "criterion": "overall",
        "rater": f"rater-{number}",
        "voted_at": "2026-01-31T12:00:00.250000Z",
    }
    return {**dict.fromkeys(EXPORTED), **row, **values}


def judged(*votes: dict[str, Any], **values: Any) -> Judged:
    told = {"prompt": PROMPT, "output_a": ("A sequoia.",), "output_b": ("An oak.",), "tags": {"language": "en"}}
    return Judged(votes or (vote(),), **{**told, "is_told": True, **values})


def read(key: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a file, by what its ending says it is."""
    suffix = EXPORTS[key].SUFFIX
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            shards = [name for name in packed.namelist() if name.endswith(".parquet")]
            return [row for name in shards for row in pa_parquet.read_table(io.BytesIO(packed.read(name))).to_pylist()]
    if suffix == ".parquet":
        return list(pa_parquet.read_table(io.BytesIO(data)).to_pylist())
    if suffix == ".json":
        return list(json.loads(data))
    if suffix == ".jsonl":
        return [json.loads(line) for line in data.splitlines()]
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def written(key: str, *rows: Judged) -> bytes:
    stream = io.BytesIO()
    EXPORTS[key].write(iter(rows), stream)
    return stream.getvalue()


def rows_of(key: str, *rows: Judged) -> list[dict[str, Any]]:
    return read(f"export_{key}", written(f"export_{key}", *rows))


@every_export
def test_a_format_says_what_it_is_and_what_it_leaves_out(key: str) -> None:
    plugin = EXPORTS[key]
    assert key.startswith("export_") and plugin.SUFFIX.startswith(".")
    assert isinstance(plugin.CARRIES, Carries) and plugin.CARRIES.units
    for text in (plugin.LABEL, plugin.ABOUT, plugin.CARRIES.not_carried):
        assert isinstance(text, str) and text
    assert plugin.ABOUT.endswith(".") and plugin.CARRIES.not_carried.endswith(".")


@every_export
def test_a_format_knows_no_other_format_and_no_framework(key: str) -> None:
    tree = ast.parse(inspect.getsource(EXPORTS[key]))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    pure = ("app.domain.", "app.errors.", "app.file_rows.", "app.formats._", "app.study.")
    assert all(name.startswith(pure) for name in names if name.startswith("app."))
    assert {node.module.split(".")[0] for node in imports if node.module} <= {
        "__future__",
        "app",
        *sys.stdlib_module_names,
    }


@every_export
def test_a_row_has_the_columns_that_its_readers_document(key: str) -> None:
    [row, *_] = read(key, written(key, judged()))
    assert list(row) == COLUMNS[key].split()


@every_export
def test_no_votes_are_a_file_without_rows_that_still_opens(key: str) -> None:
    data = written(key)
    assert EXPORTS[key].write(iter(()), io.BytesIO()) == 0
    assert (read(key, data) if data else []) == []


@every_export
def test_a_writer_takes_a_million_rows_one_at_a_time(key: str) -> None:
    """The writer asks for the next thousand only after it has written the last one."""
    sizes, stream = list[int](), io.BytesIO()

    def rows() -> Any:
        for number in range(2001):
            if number % 1000 == 0:
                sizes.append(stream.tell())
            yield judged(vote(number=number))

    EXPORTS[key].write(rows(), stream)
    assert sizes[0] < sizes[1] < sizes[2] < stream.tell()


@every_export
def test_every_outcome_that_a_format_carries_is_written_and_told_from_the_others(key: str) -> None:
    outcomes = sorted(EXPORTS[key].CARRIES.outcomes)
    blank = dict.fromkeys(("id", "vote_id"))
    rows = [[{**row, **blank} for row in read(key, written(key, judged(vote(one))))] for one in outcomes]
    assert all(one for one in rows)
    assert len({json.dumps(one, default=str) for one in rows}) == len(outcomes)


READ_BACK = ("comparisons", "comparisons_sides", "fastchat", "lmarena_33k", "lmarena_100k", "lmarena_140k", "mtbench")


@pytest.mark.parametrize("key", READ_BACK)
def test_our_own_reader_takes_what_the_formats_of_votes_wrote(key: str) -> None:
    outcomes = sorted(EXPORTS[f"export_{key}"].CARRIES.outcomes)
    data = written(f"export_{key}", *(judged(vote(one, number)) for number, one in enumerate(outcomes)))
    found: list[VoteRow] = read_all("votes", io.BytesIO(data))
    swapped = {"model_a": "model_b", "model_b": "model_a"} if key == "comparisons_sides" else {}
    assert [row.outcome for row in found] == [swapped.get(one, one) for one in outcomes]
    assert {frozenset((row.model_a, row.model_b)) for row in found} == {frozenset(("=A1", "B, the second"))}
    if key not in ("comparisons", "comparisons_sides"):
        assert [row.rater for row in found] == [f"rater-{n}" for n in range(len(found))]


@pytest.mark.parametrize("key", [key for key, plugin in EXPORTS.items() if plugin.SUFFIX == ".csv"])
def test_no_written_cell_begins_a_formula(key: str) -> None:
    text = "@SUM(1)"
    row = judged(prompt=(Message("user", text),), output_a=(text,), output_b=("\t=1",))
    for cells in csv.reader(io.StringIO(written(key, row).decode(), newline="")):
        assert not any(
            cell.lstrip("\"'\n").startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells if cell[0] != "'"
        )
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


# ----------------------------------------------------------------------------------------------- what each of them says


def test_the_arena_of_2025_has_parts_and_the_whole_exchange() -> None:
    two = judged(prompt=(*PROMPT, Message("user", "And the oldest?")), output_a=("A1", "A2"), output_b=("B1", "B2"))
    [first, second] = rows_of("lmarena_140k", two, judged(vote("both_bad")))

    def said(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "text": text, "image": None, "mimeType": None}]}

    assert first["conversation_a"] == [
        said("user", "What is the tallest tree?"),
        said("assistant", "A1"),
        said("user", "And the oldest?"),
        said("assistant", "A2"),
    ]
    assert [turn["model_side_b"] for turn in first["full_conversation"]] == [
        said("assistant", "B1"),
        said("assistant", "B2"),
    ]
    assert (first["evaluation_order"], second["evaluation_order"]) == (1, 2)
    assert (first["conv_metadata"], second["winner"], second["language"]) == ({"turns": 2}, "both_bad", "en")


@pytest.mark.parametrize("key", ["lmarena_100k", "lmarena_33k", "fastchat"])
def test_the_arena_until_2024_calls_both_bad_a_tie_in_brackets(key: str) -> None:
    rows = rows_of(key, *(judged(vote(one)) for one in sorted(Outcome)))
    assert [row["winner"] for row in rows] == ["tie (bothbad)", "model_a", "model_b", "tie"]
    assert rows[0]["tstamp"] == 1769860800.25 and rows[0]["anony"] is True


def test_kaggle_has_json_lists_and_one_column_for_each_result() -> None:
    rows = rows_of("kaggle_55k", *(judged(vote(one)) for one in ("model_a", "model_b", "tie")))
    assert [[row[f"winner_{one}"] for one in ("model_a", "model_b", "tie")] for row in rows] == [
        ["1", "0", "0"],
        ["0", "1", "0"],
        ["0", "0", "1"],
    ]
    assert json.loads(rows[0]["prompt"]) == ["What is the tallest tree?"]
    assert json.loads(rows[0]["response_a"]) == ["A sequoia."] and rows[0]["model_a"] == "'=A1"


def test_mt_bench_numbers_its_questions_and_its_turns() -> None:
    rows = rows_of("mtbench", judged(), judged(vote(prompt_id="p1"), output_a=("1", "2"), output_b=("1", "2")))
    assert [(row["question_id"], row["turn"]) for row in rows] == [(81, 1), ("p1", 2)]
    assert rows[0]["conversation_b"][1] == {"role": "assistant", "content": "An oak."}


def test_sides_are_those_of_the_screen() -> None:
    rows = rows_of("comparisons_sides", judged(vote("model_a")), judged(vote("model_a", left="model_a")))
    assert [(row["left"], row["winner"]) for row in rows] == [("B, the second", "right"), ("'=A1", "left")]


def test_trl_prefers_what_most_votes_prefer_and_says_by_how_many() -> None:
    votes = [vote(one, n) for n, one in enumerate(("model_b", "model_b", "model_a", "tie", "both_bad"))]
    [row] = rows_of("trl_preference", judged(*votes))
    assert (row["chosen"], row["rejected"], row["margin"], row["n_votes"]) == ("An oak.", "A sequoia.", 1, 5)
    assert (row["chosen_model"], row["prompt"]) == ("B, the second", "What is the tallest tree?")
    assert majority(votes[1:3]).winner is None


def test_trl_messages_end_the_prompt_before_the_first_answer() -> None:
    system = Message("system", "Be brief.")
    two = judged(prompt=(system, *PROMPT, Message("user", "Why?")), output_a=("A1", "A2"), output_b=("B1", "B2"))
    [row] = rows_of("trl_preference_chat", two)
    assert [message["content"] for message in row["prompt"]] == ["Be brief.", "What is the tallest tree?"]
    assert [message["role"] for message in row["chosen"]] == ["assistant", "user", "assistant"]
    assert [message["content"] for message in row["rejected"]] == ["B1", "Why?", "B2"]


def test_trl_unpaired_has_two_rows_of_a_vote_and_both_false_where_both_were_bad() -> None:
    rows = rows_of("trl_unpaired", judged(vote("model_b")), judged(vote("both_bad")))
    assert [(row["completion"], row["label"]) for row in rows] == [
        ("A sequoia.", False),
        ("An oak.", True),
        ("A sequoia.", False),
        ("An oak.", False),
    ]


def test_helpsteer_is_negative_where_the_first_response_is_better() -> None:
    votes = (vote(strength="clearly"), vote(strength="slightly"), vote("tie"), vote("model_b", comment="Nice."))
    [row] = rows_of("helpsteer3", judged(*votes))
    assert [one["score"] for one in row["individual_preference"]] == [-3, -1, 0, 2]
    assert row["individual_preference"][3]["reasoning"] == "Nice."
    assert row["overall_preference"] == round(-2 / 4) and row["response1"] == "A sequoia."
    assert row["context"] == [{"role": "user", "content": "What is the tallest tree?"}]


def test_openai_has_one_message_of_the_assistant_on_each_side() -> None:
    [row] = rows_of("openai_dpo", judged(vote("model_b")))
    assert row == {
        "input": {"messages": [{"role": "user", "content": "What is the tallest tree?"}]},
        "preferred_output": [{"role": "assistant", "content": "An oak."}],
        "non_preferred_output": [{"role": "assistant", "content": "A sequoia."}],
    }


def test_alpacaeval_prefers_1_for_the_reference_and_2_for_the_other() -> None:
    rows = rows_of("alpacaeval", judged(vote("model_a")), judged(vote("model_b")))
    assert [row["preference"] for row in rows] == [1.0, 2.0] and rows[0]["generator_1"] == "=A1"


def test_argilla_and_label_studio_have_all_answers_on_a_pair_in_one_record() -> None:
    votes = (vote("model_a", 1), vote("both_bad", 2, comment="No."))
    [row] = rows_of("argilla", judged(*votes))
    assert row["preference.responses"] == ["model_a", "both_bad"]
    assert row["preference.responses.users"] == ["rater-1", "rater-2"]
    assert (row["remarks.responses"], row["remarks.responses.users"]) == (["No."], ["rater-2"])
    [task] = rows_of("labelstudio", judged(vote("model_a", 1), vote("model_b", 2)))
    results = [annotation["result"][0] for annotation in task["annotations"]]
    assert [(one["type"], one["value"]) for one in results] == [
        ("pairwise", {"selected": "left"}),
        ("pairwise", {"selected": "right"}),
    ]
    assert task["data"]["answer1"] == "A sequoia."


@pytest.mark.parametrize(
    ("roles", "turns", "expected"),
    [
        ("u", ("x",), "uA"),
        ("uu", ("x", "y"), "uAuA"),
        ("uau", ("x",), "uauA"),
        ("suu", ("x",), "suuA"),
        ("u", ("x", "y"), "uA"),
        ("ua", ("x",), "uaA"),
        ("u", (), "u"),
    ],
)
def test_a_conversation_puts_each_turn_after_the_message_that_it_answers(roles: str, turns: Any, expected: str) -> None:
    names = {"u": "user", "a": "assistant", "s": "system"}
    prompt = tuple(Message(names[role], f"{number}") for number, role in enumerate(roles))
    found = chat(prompt, turns)
    mine = {message.content for message in prompt}  # numbers from 0, which no turn is
    assert "".join(m["role"][0] if m["content"] in mine else "A" for m in found) == expected
    assert "".join(m["content"] for m in found if m["content"] not in mine).replace("\n\n", "") == "".join(turns)
    before, a, b = parted(judged(prompt=prompt, output_a=turns, output_b=turns))
    assert before + a == before + b == found
