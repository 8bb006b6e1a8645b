"""A file of votes that carries prompts and outputs brings them along: Explore shows them, exports have them again."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]
import pytest

from app.errors import BadFileError, InvalidInputError
from app.services import explore, explore_battles, generations, prompt_sets, vote_files, vote_store, vote_texts
from app.services.explore import Wanted as Sought
from db.engine import Database
from tests.conftest import Elsewhere
from tests.stored import n_rows
from tests.studies import jsonl, person, study
from tests.test_exports import ANSWERS, cast, export, lines
from tests.test_vote_dialects import KAGGLE, L140, MTBENCH, as_list, parquet


def chat(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def parts(*texts: str) -> list[dict[str, Any]]:
    return [message | {"content": [{"type": "text", "text": message["content"]}]} for message in chat(*texts)]


TWO_TURNS = {
    **MTBENCH,
    "conversation_a": chat("Why?", "Because.", "Really?", "Yes."),
    "conversation_b": chat("Why?", "So.", "Really?", "No."),
}
FASTCHAT = {**TWO_TURNS, "conversation_a": json.dumps(TWO_TURNS["conversation_a"]), "turn": 2}
ARENA = {**L140, "conversation_a": parts("Hi?", "Hello."), "conversation_b": parts("Hi?", "Hi.")}
ALPACA = {
    "instruction": "Add.",
    "input": "1 and 1",
    "output_1": "2",
    "generator_1": "x",
    "output_2": "11",
    "generator_2": "y",
    "annotator": "ann",
    "preference": 1.0,
}
CSV = KAGGLE.encode() + b'1,x,y,"[""Hi?"", ""So?""]","[""a"", null]","[""b"", ""c""]",0,1,0\n'


def taken_in(data: bytes, title: str = "Brought") -> UUID:
    done = vote_files.import_votes(None, io.BytesIO(data), title=title, with_texts=True)
    assert done.is_new and done.n_told == done.n_votes > 0
    return done.experiment_id


def parquet_of(experiment_id: UUID) -> bytes:
    """The data set's only table, with all texts."""
    with zipfile.ZipFile(io.BytesIO(export(experiment_id, "dataset")[1])) as packed:
        return packed.read("data/train-00000.parquet")


def seen(experiment_id: UUID) -> list[Any]:
    """What Explore shows of a study, the oldest battle first."""
    votes = vote_store.read(experiment_id)
    found = explore.find_battles(None, votes, Sought())
    return explore_battles.read_battles(None, votes, found.battles)[::-1]


@pytest.mark.parametrize(
    ("data", "conversation_a", "conversation_b"),
    [
        (json.dumps(TWO_TURNS).encode(), ["Why?", "Because.", "Really?", "Yes."], ["Why?", "So.", "Really?", "No."]),
        (as_list(FASTCHAT), ["Why?", "Because.", "Really?", "Yes."], ["Why?", "So.", "Really?", "No."]),
        (parquet(ARENA), ["Hi?", "Hello."], ["Hi?", "Hi."]),
        (json.dumps(ALPACA).encode(), ["Add.\n\n1 and 1", "2"], ["Add.\n\n1 and 1", "11"]),
        (CSV, ["Hi?", "a", "So?", ""], ["Hi?", "b", "So?", "c"]),
    ],
)
def test_each_dialect_brings_its_prompts_and_outputs(
    store: Database, data: bytes, conversation_a: list[str], conversation_b: list[str]
) -> None:
    assert vote_files.check_votes(None, io.BytesIO(data)).has_texts
    id_ = taken_in(data)
    [row] = pa_parquet.read_table(io.BytesIO(parquet_of(id_))).to_pylist()
    assert [turn["content"] for turn in row["conversation_a"]] == conversation_a
    assert [turn["content"] for turn in row["conversation_b"]] == conversation_b
    [battle] = seen(id_)
    assert battle.has_prompt and [(side.model, side.has_output) for side in battle.sides] == [("x", True), ("y", True)]
    assert conversation_a[0] == battle.screen.prompt[0].content and conversation_b[-1] in str(battle.screen)


@pytest.mark.parametrize("write", ["mtbench", "lmarena_33k"])
def test_the_turn_of_a_file_goes_out_again(store: Database, write: str) -> None:
    """MT-bench asks for the first turn of a conversation apart from the second."""
    for with_texts in (False, True):
        data = "\n".join(json.dumps({**TWO_TURNS, "turn": turn, "judge": f"j{turn}"}) for turn in (1, 2)).encode()
        done = vote_files.import_votes(None, io.BytesIO(data), title="Judged", with_texts=with_texts)
        assert [row["turn"] for row in lines(export(done.experiment_id)[1])] == [1, 2]
        found = export(done.experiment_id, write)[1]
        rows = lines(found) if write == "mtbench" else pa_parquet.read_table(io.BytesIO(found)).to_pylist()
        assert sorted(row["turn"] for row in rows) == [1, 2]


def test_a_data_set_of_ours_brings_everything_and_goes_out_the_same(store: Database, empty: Elsewhere) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_), [answer for answer in ANSWERS if answer != "skip"])
    own, data = export(id_)[1], parquet_of(id_)
    with empty():
        back = taken_in(data, "Whatever")
        assert export(back)[1] == own
        assert parquet_of(back) == data
        [set_] = prompt_sets.list_prompt_sets(None)
        assert set_.name == "Questions"


def test_the_same_text_is_stored_once_and_another_answer_is_the_next_sample(store: Database) -> None:
    rows = [ARENA, {**ARENA, "id": "2"}, {**ARENA, "id": "3", "conversation_a": parts("Hi?", "Hello again.")}]
    id_ = taken_in(parquet(*rows))
    assert {row.name: row.n_generations for row in generations.list_models(None)} == {"x": 2, "y": 1}
    [set_] = prompt_sets.list_prompt_sets(None)
    assert (set_.n_prompts, prompt_sets.list_prompts(None, set_.id)[0].tags) == (1, {"language": "en"})
    assert [battle.screen.left for battle in seen(id_)].count("Hello again.") == 1


def test_the_same_file_twice_is_one_study_and_a_file_whose_import_broke_off_comes_in_whole(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("app.services.vote_files.store_rows", fail)
        with pytest.raises(OSError, match="full"):
            vote_files.import_votes(None, io.BytesIO(parquet(ARENA)), title="Brought", with_texts=True)
    first = taken_in(parquet(ARENA))
    before = n_rows()
    again = vote_files.import_votes(None, io.BytesIO(parquet(ARENA)), title="Once more", with_texts=True)
    assert (again.experiment_id, again.is_new, n_rows()) == (first, False, before)
    assert len(prompt_sets.list_prompt_sets(None)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conversation_b": chat("How?", "So.")}, "conversation_a and conversation_b ask different things"),
        ({"conversation_b": chat("Why?", "So.", "Really?")}, "must begin with a question and end with an answer"),
        ({"conversation_b": "So."}, "conversation_b must be a list of messages"),
        ({"conversation_b": [{"role": "robot"}, {}]}, "message 1: role must be one of"),
        (
            {"conversation_a": chat("What?", "So."), "conversation_b": chat("What?", "No.")},
            "asks something else in line 1",
        ),
    ],
)
def test_texts_that_cannot_be_are_refused_by_line(store: Database, change: dict[str, Any], words: str) -> None:
    before = n_rows()
    with pytest.raises(BadFileError, match=words) as caught:
        vote_files.import_votes(None, jsonl(TWO_TURNS, {**TWO_TURNS, **change}), title="Bad", with_texts=True)
    assert ([problem.line for problem in caught.value.problems], n_rows()) == ([2], before)
    assert vote_files.import_votes(None, jsonl(TWO_TURNS, {**TWO_TURNS, **change}), title="Votes alone").n_votes == 2


def test_rows_without_texts_or_with_images_come_in_as_votes_alone(store: Database) -> None:
    image = [{"role": "user", "content": [{"type": "image", "image": "x"}]}, {"role": "assistant", "content": "A cat."}]
    rows = ARENA, {**ARENA, "conversation_a": image, "conversation_b": image}, {**ARENA, "conversation_a": None}
    done = vote_files.import_votes(None, jsonl(*rows), title="Mixed", with_texts=True)
    assert (done.n_votes, done.n_told) == (3, 1)
    before = n_rows()
    with pytest.raises(BadFileError, match="No vote of this file has its texts"):
        vote_files.import_votes(
            None, jsonl({"left": "x", "right": "y", "winner": "tie"}), title="Bare", with_texts=True
        )
    assert not vote_files.check_votes(None, jsonl({"left": "x", "right": "y", "winner": "tie"})).has_texts
    with pytest.raises(InvalidInputError, match="Choose one"):
        set_id = prompt_sets.list_prompt_sets(None)[0].id
        vote_files.import_votes(None, jsonl(*rows), title="Both", with_texts=True, prompt_set_id=set_id)
    assert n_rows() == before


def test_texts_that_are_too_much_for_the_memory_are_refused_in_words(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vote_texts, "MOST_CHARACTERS", 20)
    with pytest.raises(BadFileError, match="the texts are more than 20 characters; split the file"):
        vote_files.import_votes(None, jsonl(TWO_TURNS), title="Long", with_texts=True)


def test_the_command_takes_texts_in_and_says_so(
    store: Database, tmp_path: Path, bakeoff: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "judged.jsonl").write_text(json.dumps(TWO_TURNS))
    code, said, _ = bakeoff("import", "votes", str(tmp_path / "judged.jsonl"), "--title", "Judged", "--with-texts")
    assert (code, "1 votes by 1 raters on 2 models stored, 1 with their texts." in said) == (0, True)


def kaggle(*rows: tuple[str, str, str], weight: int | None = None) -> bytes:
    """A Kaggle table of (prompt, response of x, response of y), x always the better."""
    head, more = KAGGLE.strip().split(",") + (["weight"] if weight else []), [weight] if weight else []
    out = io.StringIO()
    csv.writer(out).writerows(
        [head, *([i, "x", "y", *map(json.dumps, map(list, zip(row))), 1, 0, 0, *more] for i, row in enumerate(rows))]
    )
    return out.getvalue().encode()


def test_other_answers_to_the_same_prompts_become_a_set_of_their_own(store: Database) -> None:
    """Two files of one title; votes are about the texts of their own file, and the same file again knows them."""
    first = taken_in(kaggle(("2+2?", "four", "five")), "Same")
    second = taken_in(kaggle(("2+2?", "NEW four", "NEW five")), "Same")
    third = taken_in(kaggle(("2+2?", "NEW four", "NEW five"), ("2+2?", "NEW four", "NEW five")), "Same")
    for id_, words in ((first, "four"), (second, "NEW four"), (third, "NEW four")):
        battle = seen(id_)[0]
        assert words in {battle.screen.left, battle.screen.right}
    assert sorted(row.name for row in prompt_sets.list_prompt_sets(None)) == ["Same", "Same (2)"]
    assert sum(row.n_generations for row in generations.list_models(None)) == 4


@pytest.mark.parametrize("with_texts", [True, False])
def test_a_table_with_half_a_surrogate_pair_is_refused_by_line_or_comes_in_without_texts(
    store: Database, with_texts: bool
) -> None:
    data = kaggle(("Hi?", "fine", "fine")).replace(b'fine""', b'\\ud83d""', 1)
    if not with_texts:
        assert vote_files.import_votes(None, io.BytesIO(data), title="Half").n_votes == 1
        return
    with pytest.raises(BadFileError, match="half of a surrogate pair"):
        vote_files.import_votes(None, io.BytesIO(data), title="Half", with_texts=True)


def test_prompts_without_ids_that_come_again_take_no_time(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = vote_texts._free_id, list[int]()
    monkeypatch.setattr(vote_texts, "_free_id", lambda taken, place: asked.append(place) or real(taken, place))
    taken_in(kaggle(*[(f"Ask {i % 5}?", "a", "b") for i in range(50)]))
    assert asked == list(range(5))


def test_nothing_of_a_file_stays_whose_votes_are_too_many(store: Database) -> None:
    before = n_rows()
    data = kaggle(*[(f"Ask {i}?", "a", "b") for i in range(2200)], weight=1_000_000)
    for with_texts in (True, False):
        with pytest.raises(BadFileError, match="votes between them"):
            vote_files.import_votes(None, io.BytesIO(data), title="Many", with_texts=with_texts)
    assert n_rows() == before


def test_votes_on_criteria_and_skips_are_not_counted_among_those_with_texts(store: Database) -> None:
    row = {**TWO_TURNS, "battle_id": "b"}
    more = [{**row, "criterion": name} for name in ("depth", "wit")]
    done = vote_files.import_votes(None, jsonl(row, *more), title="Criteria", with_texts=True)
    assert (done.n_votes, done.n_told) == (1, 1)
