"""Votes that go out: which ones, under which names, at one moment, and back again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pa_parquet
import pytest
from sqlalchemy import select, update

from app.domain import Answer, Role
from app.errors import InvalidInputError, NotAllowedError, NotFoundError
from app.formats import votes_csv, votes_jsonl, votes_parquet
from app.formats._registry import read_all
from app.formats._votes import EXPORTED
from app.services import (
    export_preview,
    generations,
    prompt_sets,
    rater_board,
    serving,
    vote_export,
    vote_files,
    vote_store,
    voting,
)
from app.services.vote_export import Wanted
from db.engine import Database
from db.tables import Account, Battle, Generation, Vote, tables_of
from tests.studies import jsonl, person, study
from tests.test_remark_files import voted_study

account, battle, generation, vote = tables_of(Account, Battle, Generation, Vote)
ANSWERS = (Answer.LEFT, Answer.RIGHT, Answer.TIE, Answer.BOTH_BAD, Answer.SKIP, Answer.LEFT, Answer.LEFT, Answer.RIGHT)
OWN = {"jsonl": votes_jsonl, "csv": votes_csv, "parquet": votes_parquet}


def cast(experiment_id: UUID, rater: Any, answers: Any = ANSWERS) -> None:
    for answer in answers:
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        voting.cast_vote(rater, ballot.battle.id, answer)


def export(experiment_id: UUID, *wanted: Any, **named: Any) -> tuple[vote_export.Manifest, bytes]:
    stream = io.BytesIO()
    manifest = vote_export.export_votes(None, experiment_id, stream, Wanted(*wanted, **named))
    return manifest, stream.getvalue()


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


# ------------------------------------------------------------------------------------------------- which votes, and why


def test_the_manifest_accounts_for_every_vote(store: Database) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_))
    staff = person(Role.RESEARCHER)
    with store.write() as session:
        first = session.execute(vote.select().order_by(vote.c.id).limit(1)).one()
        session.execute(update(vote).where(vote.c.id == first.id).values(is_staff=True))
    assert staff.role == Role.RESEARCHER
    manifest, data = export(id_, "trl_preference")
    assert manifest.left_out == {"staff": 1, "tie": 1, "both_bad": 1, "no_answer": 1}
    assert (manifest.n_votes, manifest.n_rows, len(lines(data))) == (4, 4, 4)
    [file] = manifest.files
    assert (file.sha256, file.n_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    said = json.loads(manifest.to_json())
    assert said["left_out"]["tie"] == {"votes": 1, "why": "ties, for which the format has no room"}
    assert said["wanted"] == {"criterion": "overall", "with_staff": False, "row_is": "vote", "reference": None}
    assert "drawn by the allocation 'uniform'" in said["methods"]
    assert export(id_, "trl_preference", with_staff=True)[0].left_out == {"tie": 1, "both_bad": 1, "no_answer": 1}


def test_all_formats_have_the_same_votes_but_what_they_have_no_room_for(store: Database) -> None:
    id_ = study(n_models=2, n_prompts=8, votes_per_pair=20)
    for _ in range(2):
        cast(id_, person(experiment_id=id_))
    n_live = 14
    for key, one in vote_export.list_formats().items():
        reference = "Model 0" if one.needs_reference else None
        for unit in one.units:
            manifest, data = export(id_, key, unit=unit, reference=reference)
            left_out = {name: n for name, n in manifest.left_out.items() if name != "no_answer"}
            assert manifest.n_votes + sum(left_out.values()) == n_live, key
            assert data and manifest.left_out["no_answer"] == 2
            again, same = export(id_, key, unit=unit, reference=reference)
            assert (same, again.files) == (data, manifest.files)


def test_a_pair_of_outputs_is_one_row_with_its_majority(store: Database) -> None:
    id_ = study(n_models=2, n_prompts=1)
    answers = {"model_a": 2, "model_b": 1, "tie": 1}
    for outcome, n in answers.items():
        for _ in range(n):
            rater = person(experiment_id=id_)
            ballot = serving.next_battle(rater)
            assert ballot is not None and ballot.battle is not None
            left_is_0 = ballot.battle.left.startswith("answer 0")
            wins = Answer.LEFT if (outcome == "model_a") == left_is_0 else Answer.RIGHT
            voting.cast_vote(rater, ballot.battle.id, Answer.TIE if outcome == "tie" else wins)
    manifest, data = export(id_, "trl_preference", unit="pair")
    [row] = lines(data)
    assert (row["chosen"], row["rejected"], row["margin"], row["n_votes"]) == ("answer 0 0", "answer 1 0", 1, 4)
    assert (manifest.n_rows, manifest.n_votes, manifest.left_out) == (1, 4, {})
    assert {one["prompt"] for one in lines(export(id_, "trl_preference")[1])} == {"question 0"}


def test_a_pair_without_a_majority_is_left_out_and_counted(store: Database) -> None:
    id_ = study(n_models=2, n_prompts=1)
    cast(id_, person(experiment_id=id_), [Answer.TIE])
    manifest, data = export(id_, "openai_dpo", unit="pair")
    assert (data, manifest.n_rows, manifest.n_votes, manifest.left_out) == (b"", 0, 0, {"undecided": 1})


def test_the_reference_model_is_always_output_1(store: Database) -> None:
    id_ = study(n_models=3, n_prompts=8)
    cast(id_, person(experiment_id=id_), [Answer.LEFT] * 8)
    own = {row["vote_id"]: row for row in lines(export(id_)[1])}
    manifest, data = export(id_, "alpacaeval", reference="Model 1")
    rows = json.loads(data)
    with_it = [row for row in own.values() if "Model 1" in (row["model_a"], row["model_b"])]
    assert len(rows) == len(with_it) and manifest.left_out == {"no_reference": 8 - len(with_it)}
    for row, vote_ in zip(rows, with_it, strict=True):
        winner = vote_[vote_["outcome"]]
        assert row["generator_1"] == "Model 1" and row["output_1"].startswith("answer 1")
        assert row["preference"] == (1.0 if winner == "Model 1" else 2.0)
        assert row["output_2"].startswith(f"answer {row['generator_2'][-1]}")


def test_votes_on_criteria_are_their_own_export(store: Database) -> None:
    id_ = voted_study(store)
    assert {row["criterion"] for row in lines(export(id_)[1])} == {"overall", "accuracy", "tone"}
    assert {row["criterion"] for row in lines(export(id_, criterion="tone")[1])} == {"tone"}
    manifest, _ = export(id_, "comparisons", "accuracy")
    assert manifest.n_votes == 4 and manifest.left_out["criterion"] == 8


def test_texts_that_are_not_stored_are_counted_or_left_open(store: Database) -> None:
    file = jsonl(
        {"model_a": "x", "model_b": "y", "winner": "tie"}, {"model_a": "x", "model_b": "y", "winner": "model_a"}
    )
    id_ = vote_files.import_votes(None, file, title="Elsewhere").experiment_id
    manifest, data = export(id_, "lmarena_140k")
    rows = pa_parquet.read_table(io.BytesIO(data)).to_pylist()
    assert [(row["winner"], row["conversation_a"]) for row in rows] == [("tie", None), ("model_a", None)]
    manifest, data = export(id_, "helpsteer3")
    assert (data, manifest.left_out) == (b"", {"no_texts": 2})
    assert export(id_, "comparisons_sides")[0].left_out == {"no_sides": 2}
    preview = export_preview.preview_export(None, id_, Wanted("helpsteer3"))
    assert (preview.n_votes, preview.lines) == (0, ()) and preview.left_out["no_texts"] == 2


def test_votes_on_stored_prompts_judged_the_only_output_that_each_model_has_for_them(store: Database) -> None:
    prompts = prompt_sets.import_prompts(
        None, jsonl(*({"id": f"q{i}", "prompt": f"Ask {i}?"} for i in range(3))), name="Q"
    )
    outputs = [{"prompt_id": f"q{i}", "model": name, "output": f"{name} {i}"} for i in range(3) for name in "xy"]
    outputs.append({"prompt_id": "q1", "model": "y", "output": "y 1 again", "sample": 1})
    outputs = [row for row in outputs if row["output"] != "x 2"]  # nothing of x for the third
    generations.import_generations(None, jsonl(*outputs), prompt_set_id=prompts.id)
    told = ["x y q0 model_b", "y x q0 model_b", "x y q1 model_a", "x y q2 model_a"]
    rows = [dict(zip(("model_a", "model_b", "prompt_id", "winner"), row.split(), strict=True)) for row in told]
    done = vote_files.import_votes(None, jsonl(*rows), title="Brought", prompt_set_id=prompts.id)
    assert (done.n_votes, done.n_told) == (4, 2)
    manifest, data = export(done.experiment_id, "trl_preference")
    assert [(row["prompt"], row["chosen"], row["rejected"]) for row in lines(data)] == [
        ("Ask 0?", "y 0", "x 0"),
        ("Ask 0?", "x 0", "y 0"),
    ]
    assert manifest.left_out == {"no_texts": 2}
    assert export_preview.preview_export(None, done.experiment_id, Wanted("trl_preference")).n_votes == 2


def test_an_output_with_media_is_in_no_format_of_texts(store: Database) -> None:
    id_ = study(n_models=2, n_prompts=1)
    cast(id_, person(experiment_id=id_), [Answer.LEFT])
    with store.write() as session:
        session.execute(update(generation).values(parts=[{"type": "image", "media_id": "x"}]))
    assert export(id_, "trl_preference_chat")[0].left_out == {"media": 1}
    assert export(id_, "jsonl")[0].n_rows == 1


def test_two_models_of_one_name_are_told_apart_in_every_format_and_come_back_as_two(store: Database) -> None:
    """Else a file of ours is refused, or votes on one version count for the other."""
    id_ = study(n_models=2, n_prompts=1)
    cast(id_, person(experiment_id=id_), [Answer.LEFT])
    from db.tables import Model

    (model,) = tables_of(Model)
    with store.write() as session:
        for number in range(2):
            session.execute(
                update(model).where(model.c.name == f"Model {number}").values(name="GPT", version=f"{number}")
            )
    [row] = csv.DictReader(io.StringIO(export(id_, "comparisons")[1].decode()))
    assert {row["model_a"], row["model_b"]} == {"GPT 0", "GPT 1"}
    [own] = lines(export(id_)[1])
    assert (own["model_a"], own["version_a"]) == ("GPT 0", "0")
    again = vote_files.import_votes(None, io.BytesIO(export(id_)[1]), title="Again")
    assert (again.n_models, again.n_votes) == (2, 1)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("xlsx"), "not as 'xlsx'"),
        (Wanted(criterion="wit"), "no criterion 'wit'. Known: overall"),
        (Wanted("csv", unit="pair"), "not for 'pair'"),
        (Wanted("alpacaeval"), "needs a reference model. Known: Model 0, Model 1, Model 2"),
        (Wanted("alpacaeval", reference="GPT"), "no model 'GPT' in this study"),
        (Wanted("csv", reference="Model 0"), "has no reference model"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(store: Database, wanted: Wanted, words: str) -> None:
    id_, stream = study(), io.BytesIO()
    for ask in (
        vote_export.export_votes,
        lambda actor, id_, _, wanted: export_preview.preview_export(actor, id_, wanted),
    ):
        with pytest.raises(InvalidInputError, match=words):
            ask(None, id_, stream, wanted)
    assert stream.getvalue() == b""


def test_exports_are_for_researchers(store: Database) -> None:
    id_ = study()
    for ask in (
        lambda who: vote_export.export_votes(who, id_, io.BytesIO()),
        lambda who: export_preview.preview_export(who, id_, Wanted()),
        lambda who: vote_export.list_references(who, id_),
    ):
        with pytest.raises(NotAllowedError):
            ask(person(experiment_id=id_))
    with pytest.raises(NotFoundError):
        vote_export.export_votes(None, UUID(int=7), io.BytesIO())


# ---------------------------------------------------------------------------------------------------- at one moment


class Meanwhile(io.BytesIO):
    """A file during whose writing somebody does something."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def write(self, data: Any) -> int:
        act, self._act = self._act, None
        if act is not None:
            act()
        return super().write(data)


@pytest.mark.parametrize("key", ["jsonl", "trl_preference"])
def test_a_vote_that_is_cast_meanwhile_is_in_the_next_export(store: Database, key: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("db.exports._AT_ONCE", 2)  # else all rows would be read before the first one is written
    monkeypatch.setattr("app.services.export_rows._AT_ONCE", 2)
    id_ = study(n_prompts=8)
    rater = person(experiment_id=id_)
    cast(id_, rater, [Answer.LEFT] * 6)
    stream = Meanwhile(lambda: cast(id_, rater, [Answer.RIGHT]))
    assert vote_export.export_votes(None, id_, stream, Wanted(key)).n_rows == 6
    assert len(stream.getvalue().splitlines()) == 6
    assert export(id_, key)[0].n_rows == 7


# ------------------------------------------------------------------------------------------------------- there and back


def as_own_row(row: Any) -> dict[str, Any]:
    """What a reader found, in our own columns again."""
    said, sides = row.remarks, ("left", "right") if row.left != "model_b" else ("right", "left")
    found = {
        **row.columns,
        **{name: getattr(row, name) for name in ("model_a", "model_b", "outcome", "left", "prompt_id", "rater")},
        "voted_at": row.voted_at,
        "turn": row.turn,
        "battle_id": row.battle,
        "criterion": row.criterion,
        **{f"reasons_{side}": list(getattr(said, at)) or None for side, at in zip("ab", sides, strict=True)},
        **{name: getattr(said, name) or None for name in ("strength", "comment", "skip_reason")},
        **{name: getattr(said, name) for name in ("guess_left", "guess_right")},
    }
    return {name: found.get(name) for name in EXPORTED}


@pytest.mark.parametrize("key", OWN)
def test_our_own_files_come_back_byte_for_byte(store: Database, key: str) -> None:
    id_ = voted_study(store)
    data = export(id_, key)[1]
    rows = read_all("votes", io.BytesIO(data))
    again = io.BytesIO()
    assert OWN[key].write(map(as_own_row, rows), again) == len(rows) > 12
    assert again.getvalue() == data
    assert any(row.remarks.comment.startswith('0: "=1+1", \n') for row in rows)


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(store: Database) -> None:
    id_ = voted_study(store)
    for cells in csv.reader(io.StringIO(export(id_, "csv")[1].decode(), newline="")):
        assert not any(cell.lstrip('"\n').startswith(("=", "+", "@", "\t", "\r")) for cell in cells)


# ------------------------------------------------------------------------------------------------------- the preview


def test_a_preview_counts_what_the_file_will_have(store: Database) -> None:
    id_ = voted_study(store)
    for key, one in vote_export.list_formats().items():
        wanted = Wanted(key, reference="Model 0" if one.needs_reference else None)
        preview = export_preview.preview_export(None, id_, wanted)
        manifest, _ = export(id_, key, reference=wanted.reference)
        late = {"undecided", "several_turns", "media", "no_sides", "no_reference"}
        left_out = {name: n for name, n in manifest.left_out.items() if name not in late}
        assert preview.left_out == left_out, key
        assert preview.n_votes == manifest.n_votes + sum(n for name, n in manifest.left_out.items() if name in late)
        assert preview.lines and len(preview.lines) <= 11


def test_hugging_face_datasets_opens_the_folder(store: Database, tmp_path: Path) -> None:
    id_ = voted_study(store)
    manifest, data = export(id_, "dataset")
    folder = tmp_path / "set"
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        packed.extractall(folder)
    card = (folder / "README.md").read_text()
    assert "license: unknown" in card and f"{manifest.n_rows} votes of the study" in card
    script = (
        "import datasets, json, sys\n"
        "found = datasets.load_dataset(sys.argv[1], split='train')\n"
        "print(json.dumps([found.num_rows, found.column_names, found[0]['conversation_a'], str(found.info.features)]))"
    )
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_rows, columns, conversation, features = json.loads(done.stdout.splitlines()[-1])
    assert n_rows == manifest.n_rows == 4
    assert columns == [*EXPORTED, "conversation_a", "conversation_b", "language"]
    assert [message["role"] for message in conversation] == ["user", "assistant"]
    assert "'prompt_set_version': Value('int64')" in features


def test_who_votes_beside_the_raters_of_a_file_has_the_next_number_on_pages_and_in_files(store: Database) -> None:
    """A demo's simulated raters, say, whose numbers came with the file; one of them never voted for a model."""
    named = [f"rater-{n}" for n in (2, 5, 9) for _ in range(n)]
    rows_ = [{"left": "Ash", "right": "Birch", "winner": "left", "rater": name} for name in named]
    id_ = vote_files.import_votes(None, jsonl(*rows_), title="Brought").experiment_id
    live = person()
    with store.write() as session:
        of_five = select(account.c.id).where(account.c.name.like("rater-%.5")).scalar_subquery()
        session.execute(update(battle).where(battle.c.rater_id == of_five).values(rater_id=live.account_id))
    study = vote_store.read(id_)
    numbers = rater_board.numbers(study)
    assert sorted(numbers.tolist()) == [2, 9, 10]
    assert {f"rater-{n}": int(m) for n, m in zip(numbers, study.columns.n_by_rater, strict=True)} == {
        "rater-2": 2,
        "rater-9": 9,
        "rater-10": 5,
    }
    assert Counter(row["rater"] for row in lines(export(id_)[1])) == {"rater-2": 2, "rater-9": 9, "rater-10": 5}
    assert [study.raters[code] for code in rater_board.codes_of_numbers(study, (10, 5))] == [live.account_id.hex]
