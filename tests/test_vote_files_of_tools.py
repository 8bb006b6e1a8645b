"""Votes in the files of Label Studio, Argilla, TRL, OpenAI's DPO and HelpSteer3, as those tools write them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain import Outcome
from app.errors import BadFileError
from app.file_rows import VoteRow
from app.formats._registry import detect, read_all
from app.formats._vote_table import read_vote_table
from app.services import vote_files
from app.services.vote_rows import read_votes
from app.study import Strength
from db.engine import Database
from tests.vote_tools import (
    DATA,
    DPO,
    HELPSTEER,
    OTHER,
    SAID,
    TRL,
    USER,
    chosen,
    flat,
    labelled,
    record,
    said,
    selected,
    task,
)

Command = Callable[..., tuple[int, str, str]]
A, B, TIE, BAD = Outcome.MODEL_A, Outcome.MODEL_B, Outcome.TIE, Outcome.BOTH_BAD


def listed(*rows: dict[str, Any]) -> bytes:
    return json.dumps(rows, indent=2).encode()


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def read(data: bytes, **renamed: str) -> list[VoteRow]:
    return read_all("votes", io.BytesIO(data), renamed={new: old for old, new in renamed.items()} or None)


def outcomes(*rows: dict[str, Any], **renamed: str) -> list[Outcome | None]:
    """The outcomes of a file, alike as a list and as lines."""
    found = [[row.outcome for row in read(write(*rows), **renamed)] for write in (listed, lines)]
    assert found[0] == found[1]
    return found[0]


def refused(*rows: dict[str, Any]) -> list[tuple[int, str]]:
    with pytest.raises(BadFileError) as caught:
        read_votes(io.BytesIO(lines(*rows)))
    return [(problem.line, problem.reason) for problem in caught.value.problems]


# ------------------------------------------------------------------------------------------------ Label Studio


def test_every_annotation_of_a_task_is_a_vote_with_its_annotator_time_and_side() -> None:
    other = labelled(selected("right"), completed_by={"id": 11, "email": "zoe@example.org", "first_name": "Zoe"})
    [first, second] = read(listed(task(labelled(selected("left")), other)))
    assert (first.model_a, first.model_b, first.outcome, first.left, first.rater) == ("x", "y", A, "model_a", "10")
    assert first.voted_at == datetime(2025, 3, 9, 22, 16, 8, 728353, tzinfo=UTC)
    assert (second.outcome, second.rater) == (B, "11")


@pytest.mark.parametrize(
    ("label", "outcome"),
    [("Left", A), ("Response B", B), ("answer 1", A), ("2", B), ("Tie", TIE), ("Both bad", BAD), ("y", B)],
)
def test_a_choice_names_a_side_a_tie_or_a_model(label: str, outcome: Outcome) -> None:
    assert outcomes(task(labelled(chosen(label)))) == [outcome]


def test_a_cancelled_or_blank_annotation_is_a_skip_and_a_task_without_any_is_none() -> None:
    rows = task(labelled(was_cancelled=True), labelled(), labelled(selected("left"))), task()
    assert outcomes(*rows) == [None, None, A]
    votes = read_votes(io.BytesIO(listed(*rows)))
    assert (len(votes), votes.n_votes) == (3, 1)


def test_pairwise_goes_before_choices_unless_another_control_is_mapped_to_winner() -> None:
    both = task(labelled(selected("left"), chosen("right"), {"type": "textarea", "value": {"text": ["x"]}}))
    assert outcomes(both) == [A]
    assert outcomes(both, winner="better") == [B]


def test_the_models_of_a_task_may_have_any_names_that_are_mapped() -> None:
    row = task(labelled(selected("left")), one="p", two="q", model1=None, model2=None)
    assert [(vote.model_a, vote.model_b) for vote in read(listed(row), model_a="one", model_b="two")] == [("p", "q")]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (task(labelled(selected("left")), model1=None), "doesn't name the two models: add model_a and model_b"),
        (task(labelled(selected("left")), model1=3), "model_a must be text"),
        (task(labelled(selected("left")), model2="x"), "the same model"),
        (task(labelled(selected("left")), model2=" "), "model_b is missing or blank"),
        (task(labelled(selected("middle"))), "annotation 1: selected must be left or right"),
        (task(labelled(selected(["left"]))), "selected must be left or right"),
        (task(labelled({**selected("left"), "value": 1})), "value must be an object"),
        (task(labelled(chosen("Purple"))), "'Purple' is not an answer to better"),
        (task(labelled(chosen("a", "b"))), "better must have one choice"),
        (task(labelled(chosen(3))), "better must be answered with"),
        (task(labelled(chosen("a"), chosen("a", name="longer"))), "several questions (better, longer)"),
        (task(labelled(selected("left"), selected("left"))), "pw is answered 2 times"),
        (task(labelled(chosen("b")), model1="b"), "also the name of another model"),
        (task(labelled(selected("left")), labelled(was_cancelled="yes")), "annotation 2: was_cancelled must be"),
        (task(labelled(selected("left"), created_at="soon")), "created_at must be a time"),
        (task(labelled(selected("left"), lead_time="1e999")), "lead_time must be a number"),
        (task(labelled(selected("left"), completed_by=["a"])), "rater must be text"),
        (task(7), "annotations must be a list of objects"),
        ({"data": DATA, "annotations": {"a": 1}}, "annotations must be a list of objects"),
        ({"data": [1], "annotations": []}, "data must be an object"),
        ({"data": DATA, "annotations": [{"result": "x"}]}, "result must be a list of objects"),
    ],
)
def test_a_bad_task_is_named_by_its_line(row: dict[str, Any], words: str) -> None:
    [(line, reason)] = refused(task(labelled(selected("left"))), row)
    assert line == 2 and words in reason


def test_tasks_that_nobody_annotated_are_no_votes() -> None:
    assert refused(task(), task()) == [
        (0, "There is no vote in this file: none of its records has an answer that was handed in.")
    ]


# ------------------------------------------------------------------------------------------------ Argilla


def test_every_answer_to_a_record_is_a_vote_of_its_user() -> None:
    rows = read(listed(record(said("response1"), said("response2", OTHER))))
    assert [(row.model_a, row.outcome, row.rater) for row in rows] == [("x", A, USER), ("x", B, OTHER)]


def test_drafts_are_no_votes_and_discarded_answers_are_skips() -> None:
    states = [said("a", status="draft"), said(None), said("b", status="submitted"), said(None, status="discarded")]
    assert outcomes(record(*states)) == [B, None]
    assert outcomes(flat(**{"q.responses.status": ["draft"]}), flat(), flat(**{"q.responses": None})) == [A]


def test_a_ranking_is_in_order_or_has_ranks_which_may_be_equal() -> None:
    ranks = [{"value": "response1", "rank": 2}, {"value": "response2", "rank": 1}]
    equal = [one | {"rank": 1} for one in ranks]
    given = (["response2", "response1"], ranks, equal, ["tie"])
    assert outcomes(record(*map(said, given))) == [B, B, TIE, TIE]


def test_records_of_the_first_version_have_a_list_of_users() -> None:
    answers = [
        {"user_id": USER, "status": "submitted", "values": {"preference": {"value": "b"}}},
        {"user_id": OTHER, "status": "discarded", "values": {"preference": {"value": None}}},
    ]
    assert outcomes(record(responses=answers)) == [B, None]


def test_one_of_several_questions_is_the_usual_one_or_mapped_to_winner() -> None:
    row = record(responses={"preference": [said("a")], "longer": [said("b")], "comment": [said("Well.")]})
    assert outcomes(row) == [A] and outcomes(row, winner="longer") == [B]
    assert [vote.remarks.comment for vote in read(lines(row))] == ["Well."]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (record(said("Purple")), "'Purple' is not an answer to preference"),
        (record(said(4)), "preference must be answered with"),
        (record(said(["a", "a"])), "must rank the two answers"),
        (record(said([{"value": "a", "rank": "x"}, {"value": "b", "rank": 2}])), "rank must be a whole number"),
        (record(said([{"value": {}}])), "must be answered with"),
        (record(said("a", status="pending")), "status must be one of submitted, draft, discarded"),
        (record(said("a", status=["draft"])), "status must be one of"),
        (record(said("a", user_id=[1])), "rater must be text"),
        (record(said("a"), metadata={}), "this record doesn't name the two models"),
        (record(said("a"), metadata=[]), "metadata must be an object"),
        (record(responses={"p": 1}), "p must be a list of objects"),
        (record(responses="x"), "responses must be an object"),
        (record(responses={"p": [said("a")], "q": [said("a")]}), "several questions (p, q)"),
        (record(responses={"p": [said("a")], "comment": [said("x" * 5001)]}), "comment has 5,001 characters"),
        (flat(**{"q.responses.users": [USER, OTHER]}), "1 answers, 2 users and 1 states"),
        (flat(**{"q.responses": "a"}), "q.responses must be a list"),
    ],
)
def test_a_bad_record_is_named_by_its_line(row: dict[str, Any], words: str) -> None:
    [(line, reason)] = refused(record(said("a")), row)
    assert line == 2 and words in reason


# ------------------------------------------------------------------------------------------------ for training


def test_preferences_are_votes_for_the_first_model_with_what_stands_beside() -> None:
    beside = {"rater": "ann", "voted_at": "2026-01-31T12:00:00Z", "prompt_id": 7}
    for row in (
        TRL,
        {**TRL, "prompt": SAID, "chosen": DPO["preferred_output"], "rejected": DPO["non_preferred_output"]},
        DPO,
    ):
        [vote] = read(lines({**row, **beside}))
        assert (vote.model_a, vote.model_b, vote.outcome, vote.left) == ("x", "y", A, None)
        assert (vote.rater, vote.prompt_id) == ("ann", "7") and vote.voted_at is not None


def test_a_prompt_without_an_id_is_known_by_its_text_however_long_it_is() -> None:
    texts = ("Why?", "x" * 9000, "x" * 9000 + "y", "x" * 9000)
    names = [row.prompt_id or "" for row in read(lines(*({**TRL, "prompt": text} for text in texts)))]
    assert names[0] == "Why?" and names[1] == names[3] != names[2] and max(map(len, names)) < 200


def test_every_individual_preference_is_a_vote_with_its_strength_and_reasons() -> None:
    votes = read(lines(HELPSTEER))
    assert [(vote.outcome, vote.remarks.strength) for vote in votes] == [
        (A, Strength.CLEARLY),
        (B, Strength.SLIGHTLY),
        (TIE, None),
        (A, None),
    ]
    assert (votes[0].remarks.comment, votes[0].remarks.right) == ("It is.", ("wrong", "shallow"))
    assert outcomes({**HELPSTEER, "individual_preference": None}) == [A]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**TRL, "chosen_model": None}, "chosen_model is missing or blank"),
        ({**TRL, "rejected_model": {"a": 1}}, "model_b must be text"),
        ({**TRL, "rejected_model": "x"}, "the same model"),
        ({**DPO, "input": "Why?"}, "input must be an object"),
        ({**DPO, "preferred_model": 1e300}, "model_a must be text"),
        ({**HELPSTEER, "overall_preference": 4, "individual_preference": []}, "overall_preference must be a whole"),
        ({**HELPSTEER, "individual_preference": [{"score": -0.5}]}, "score must be a whole number from -3 to 3"),
        ({**HELPSTEER, "individual_preference": [{"score": True}]}, "score must be a whole number"),
        ({**HELPSTEER, "individual_preference": 3}, "individual_preference must be a list of objects"),
        ({**HELPSTEER, "model1": None}, "this row doesn't name the two models"),
    ],
)
def test_a_bad_preference_is_named_by_its_line(row: dict[str, Any], words: str) -> None:
    good = next(one for one in (TRL, DPO, HELPSTEER) if one.keys() == row.keys())
    [(line, reason)] = refused(good, row)
    assert line == 2 and words in reason


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        (TRL, ("chosen_model", "rejected_model")),
        (DPO, ("preferred_model", "non_preferred_model")),
        (HELPSTEER, ("model1", "model2")),
    ],
)
def test_preferences_without_models_are_refused_in_one_sentence_until_columns_are_added_or_mapped(
    row: dict[str, Any], lacks: tuple[str, str]
) -> None:
    bare = {name: value for name, value in row.items() if name not in lacks}
    [(line, reason)] = refused(bare)
    assert line == 0 and f"add the columns {lacks[0]} and {lacks[1]}, or say which columns" in reason
    assert "A file of votes is" not in reason
    other = {**bare, "one": "x", "two": "y"}
    votes = read(lines(other), **{lacks[0]: "one", lacks[1]: "two"})
    assert {(vote.model_a, vote.model_b) for vote in votes} == {("x", "y")}


def test_single_outputs_with_a_label_are_no_votes() -> None:
    [(_, reason)] = refused({"prompt": "p", "completion": "c", "label": True, "model": "x"})
    assert "don't say what was compared with what" in reason


# ------------------------------------------------------------------------------------------------ all of them

EACH = {
    "labelstudio": task(labelled(selected("left")), labelled(selected("right"), completed_by=2)),
    "argilla": record(said("a"), said("b", OTHER)),
    "trl": TRL,
    "openai_dpo": DPO,
    "helpsteer3": HELPSTEER,
}


@pytest.mark.parametrize("key", EACH)
def test_each_is_found_by_its_content_however_its_texts_are(key: str) -> None:
    for write in (listed, lines):
        assert detect("votes", write(EACH[key])).__name__.endswith(f"votes_{key}")
    long = json.dumps(EACH[key] | {"data": {**DATA, "prompt": "x" * 100_000}} if key == "labelstudio" else EACH[key])
    assert len(read(long.encode())) == len(read(lines(EACH[key])))


@pytest.mark.parametrize("key", EACH)
def test_each_is_ranked_from_its_file_as_it_is_imported(key: str) -> None:
    data = lines(EACH[key], EACH[key])
    table = read_vote_table(data)
    assert len(table) == len(read(data)) and table.models == ("x", "y")


@pytest.mark.parametrize("write", [lines, listed, lambda *rows: json.dumps(rows).encode()])
@pytest.mark.parametrize("key", EACH)
def test_each_brings_its_texts_whatever_lines_it_stands_on(store: Database, key: str, write: Any) -> None:
    data = write(EACH[key], EACH[key])
    assert vote_files.check_votes(None, io.BytesIO(data)).has_texts
    done = vote_files.import_votes(None, io.BytesIO(data), title="Brought", with_texts=True)
    assert done.n_told == done.n_votes == len(read(data))


def test_the_command_imports_them_with_a_map_and_names_what_is_wrong(bakeoff: Command, tmp_path: Any) -> None:
    file = tmp_path / "votes.txt"  # the name says nothing
    file.write_bytes(listed(task(labelled(selected("left")), labelled(chosen("Purple")), one="p", two="q")))
    code, _, wrong = bakeoff("import", "votes", file, "--title", "x")
    assert code == 1 and "line 2: annotation 2: 'Purple' is not an answer to better" in wrong
    file.write_bytes(listed(task(labelled(selected("left")), one="p", two="q")))
    mapped = ("--map", "model_a=one,model_b=two")
    code, out, wrong = bakeoff("import", "votes", file, "--title", "x", "--with-texts", *mapped)
    assert code == 0 and "1 votes by 1 raters on 2 models stored, 1 with their texts" in out, wrong
    assert "stored already" in bakeoff("import", "votes", file, "--title", "x", "--with-texts", *mapped)[1]
    assert "models stored." in bakeoff("import", "votes", file, "--title", "other")[1]
    file.write_bytes(lines({"prompt": "p", "chosen": "a", "rejected": "b"}))
    code, _, wrong = bakeoff("import", "votes", file, "--title", "x")
    assert code == 1 and "add the columns chosen_model and rejected_model" in wrong


def test_columns_of_a_table_of_votes_are_mapped_too() -> None:
    data = b"left model,right model,said\nx,y,tie\n"
    [vote] = read(data, model_a="left model", model_b="right model", winner="said")
    assert (vote.model_a, vote.outcome) == ("x", TIE)
