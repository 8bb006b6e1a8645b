"""Our own export of a study, taken into an empty database and written again, is the same file byte for byte."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from app.domain import Answer, Role
from app.errors import BadFileError
from app.services import (
    export_preview,
    generation_files,
    generations,
    leaderboard,
    participation,
    prompt_files,
    prompt_sets,
    rater_board,
    serving,
    vote_files,
    vote_store,
    voting,
)
from app.services.vote_export import Wanted
from app.study import Flow
from db.engine import Database
from db.tables import Account, Model, Vote, tables_of
from tests.conftest import Elsewhere
from tests.studies import jsonl, person
from tests.test_exports import ANSWERS, cast, export, lines
from tests.test_leading import is_bad, led_study, vote_on
from tests.test_remark_files import voted_study
from tests.test_voting import rows

model, vote = tables_of(Model, Vote)
FORMATS = ("jsonl", "csv", "parquet")


def talkative(store: Database) -> UUID:
    """A study with criteria, reasons, comments, guesses, strengths, changed votes and one taken back."""
    return voted_study(store)


def led(store: Database) -> UUID:
    """A study with practice, checks and repeats, staff, a rater screened out and one who withdrew."""
    flow = Flow(consent="Be kind.", needs_practice=True, gold_every=3, most_failed_checks=0, repeat_every=4)
    id_ = led_study(flow, n_practice=1, n_gold=8, n_prompts=20, votes_per_pair=100, allocation="weighted")
    raters = [person(experiment_id=id_) for _ in range(4)]
    for rater in raters:
        serving.next_battle(rater)
        participation.agree(rater, id_)
        practised = serving.next_battle(rater)
        assert practised is not None and practised.battle is not None
        voting.cast_vote(rater, practised.battle.id, Answer.LEFT)
        participation.begin(rater, id_)
    vote_on(raters[0], 3)
    participation.withdraw(raters[0], id_)  # their number stays free in every file
    vote_on(raters[1], 14)
    vote_on(raters[2], 12, is_bad)  # fails a check and is thanked
    vote_on(raters[3], 14)
    voting.undo_vote(raters[3], id_)
    vote_on(raters[3], 1)
    return id_


def versioned(store: Database) -> UUID:
    """A study of two versions of one model, of which a member of staff has voted, too."""
    id_ = led_study(Flow(), n_models=3, n_prompts=8, votes_per_pair=100)
    with store.write() as session:
        for number in range(2):
            changed = {"name": "GPT", "version": f"{number}"}
            session.execute(update(model).where(model.c.name == f"Model {number}").values(changed))
    cast(id_, person(experiment_id=id_), ANSWERS)
    cast(id_, person(Role.RESEARCHER), ANSWERS)
    return id_


def from_elsewhere(_: Database) -> UUID:
    """Votes that were imported: names of people, sides either way, rows of several votes, no prompts."""
    columns: tuple[str, ...] = ("model_a", "model_b", "left", "winner", "weight", "rater", "voted_at", "turn")
    told: tuple[tuple[object, ...], ...] = (
        ("y", "x", "model_b", "model_a", 3, "zoe@example.org", "2024-01-31T12:00:00Z", 2),
        ("x", "y", "model_a", "tie", 1, "adam@example.org", "2024-01-31T12:00:00.5Z", 1),
        ("x", "z", None, "both_bad", 2, None, "2024-01-31T12:00:00Z", None),
    )
    file = jsonl(*(dict(zip(columns, row, strict=True)) for row in told))
    return vote_files.import_votes(None, file, title="Elsewhere").experiment_id


STUDIES = (talkative, led, versioned, from_elsewhere)


def taken_along(set_name: str | None) -> Callable[[], UUID | None]:
    """Write down the prompts and outputs of the study as a person would; what takes them in again says the set."""
    if set_name is None:
        return lambda: None
    set_id = prompt_sets.find_prompt_set(None, set_name).id
    prompts, outputs = io.BytesIO(), io.BytesIO()
    prompt_files.export_prompts(None, set_id, prompts, file_format="jsonl")
    generation_files.export_generations(None, set_id, outputs, file_format="jsonl")

    def take_in() -> UUID:
        new = prompt_sets.import_prompts(None, io.BytesIO(prompts.getvalue()), name=set_name).id
        generations.import_generations(None, io.BytesIO(outputs.getvalue()), prompt_set_id=new)
        return new

    return take_in


@pytest.mark.parametrize("make", STUDIES)
def test_the_first_export_of_a_study_comes_back_and_goes_out_the_same(
    store: Database, empty: Elsewhere, make: Callable[[Database], UUID]
) -> None:
    id_ = make(store)
    files = {key: export(id_, key)[1] for key in FORMATS}
    sets = {row["prompt_set"] for row in lines(files["jsonl"])} - {None}
    take_in = taken_along(next(iter(sets), None))
    for key in FORMATS:
        with empty():
            done = vote_files.import_votes(None, io.BytesIO(files[key]), title="Back", prompt_set_id=take_in())
            manifest, again = export(done.experiment_id, key)
            assert again == files[key], key
            assert manifest.n_votes == len(lines(export(done.experiment_id)[1]))


def test_what_counts_for_no_model_goes_out_again_and_changes_no_result(store: Database, empty: Elsewhere) -> None:
    id_ = led(store)
    before, file = leaderboard.get_leaderboard(None, id_), export(id_)[1]
    told = lines(file)
    assert {row["rater"] for row in told} == {"rater-2", "rater-3", "rater-4"}, "who withdrew leaves a gap"
    assert {row["rater_group"] for row in told} == {"rater", "screened_out"}
    for name in ("is_gold", "repeat_of", "superseded_by"):
        assert any(row[name] for row in told), name
    take_in = taken_along("Questions")
    with empty():
        back = vote_files.import_votes(None, io.BytesIO(file), title="Back", prompt_set_id=take_in()).experiment_id
        after = leaderboard.get_leaderboard(None, back)
        boards = [{row.model: (row.wins, row.losses) for row in board.ranking.models} for board in (before, after)]
        assert (after.n_votes, boards[1]) == (before.n_votes, boards[0])
        manifest, _ = export(back, "trl_preference")
        left_out = {name: manifest.left_out[name] for name in ("check", "changed", "screened_out")}
        assert all(left_out.values()) and sum(left_out.values()) == len(told) - after.n_votes
        for key in ("jsonl", "trl_preference"):
            preview = export_preview.preview_export(None, back, Wanted(key))
            assert preview.left_out.get("check", 0) == (0 if key == "jsonl" else left_out["check"])
            assert preview.n_votes == (len(told) if key == "jsonl" else after.n_votes - preview.left_out["no_texts"])


def test_researchers_see_raters_under_the_numbers_of_the_file(store: Database, empty: Elsewhere) -> None:
    file = export(led(store))[1]
    with empty():
        back = vote_files.import_votes(None, io.BytesIO(file), title="Back").experiment_id
        shown = rater_board.numbers(vote_store.read(back))
        assert sorted(shown.tolist()) == [2, 4], "rater 1 withdrew and rater 3 was screened out"
        vote_store.forget()


def test_a_copy_beside_its_study_has_ids_of_its_own_that_refer_to_each_other(store: Database) -> None:
    id_ = led(store)
    first = lines(export(id_)[1])
    done = vote_files.import_votes(None, io.BytesIO(export(id_)[1]), title="Copy")
    copy = lines(export(done.experiment_id)[1])
    assert done.key == "copy" and len(copy) == len(first)
    ids = [{row[name] for row in told for name in ("vote_id", "battle_id")} for told in (first, copy)]
    assert ids[0].isdisjoint(ids[1])
    moved = {old["vote_id"]: new["vote_id"] for old, new in pairs_of(first, copy)}
    for old, new in pairs_of(first, copy):
        for name in ("repeat_of", "superseded_by"):
            assert new[name] == moved.get(old[name], new[name])
            assert (old[name] is None) == (new[name] is None)
        assert (old["rater"], old["outcome"], old["dwell_ms"]) == (new["rater"], new["outcome"], new["dwell_ms"])
    assert any(row["repeat_of"] in moved.values() for row in copy)


def pairs_of(first: list[dict[str, Any]], copy: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each vote with its copy: no two were cast at the same moment."""
    by_time = {(row["voted_at"], row["criterion"]): row for row in copy}
    return [(row, by_time[row["voted_at"], row["criterion"]]) for row in first]


def test_names_of_people_are_in_no_export(store: Database) -> None:
    changed = {"superseded_by": "01a20625-2859-7790-97db-a093bf4f9cf5", "rater": "eve@example.org"}
    file = [row | {"rater": "adam@example.org"} for row in lines(export(versioned(store))[1])]
    file += [file[0] | changed | {"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "battle_id": None}]
    done = vote_files.import_votes(None, jsonl(*file), title="Named")
    data = export(done.experiment_id)[1]
    assert b"example.org" not in data
    assert {row["rater"] for row in lines(data)} == {"rater-1", "rater-2"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"voted_at": "2024-01-31T12:00:00Z"}, "stands in an earlier line, too"),
        (
            {"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "version_a": "9"},
            "has version '9' here and '' in a line",
        ),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "input": "nose"}, "input must be one of screen, api"),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "dwell_ms": -1}, "dwell_ms must be a number that is not"),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "turn": 0}, "turn must be 1 or more"),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "propensity": 7}, "propensity must be more than 0 and at"),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "repeat_of": 5}, "repeat_of must be an id, not 5"),
        ({"vote_id": "01a20625-2859-7790-97db-a093bf4f9cf6", "superseded_by": ["x"]}, "superseded_by must be an id"),
    ],
)
def test_a_file_of_ours_that_contradicts_itself_is_refused_by_line(
    store: Database, change: dict[str, object], words: str
) -> None:
    file = lines(export(led_and_voted())[1])
    n = len(rows(store, "SELECT id FROM vote"))
    with pytest.raises(BadFileError, match=words) as caught:
        vote_files.import_votes(None, jsonl(*file, file[0] | {"battle_id": None} | change), title="Bad")
    assert [problem.line for problem in caught.value.problems] == [len(file) + 1]
    assert len(rows(store, "SELECT id FROM vote")) == n


def led_and_voted() -> UUID:
    id_ = led_study(Flow())
    vote_on(person(), 3)
    return id_


def test_ids_that_are_not_ours_are_replaced_and_a_row_that_is_changed_is_left_out(store: Database) -> None:
    row: dict[str, object] = {
        "model_a": "x",
        "model_b": "y",
        "winner": "tie",
        "vote_id": "1",
        "voted_at": "2024-01-31T12:00:00Z",
    }
    done = vote_files.import_votes(None, jsonl(row, row | {"vote_id": "2", "superseded_by": "1"}), title="Numbers")
    [only] = lines(export(done.experiment_id)[1])
    assert only["vote_id"] != "1" and only["superseded_by"] is None


def test_two_names_of_one_stored_model_are_refused_before_anything_is_stored(store: Database) -> None:
    told = lines(export(led_and_voted())[1])
    named = {name: row | {"version_a": "v1", "version_b": "v1"} for name, row in (("m", told[0]), ("m v1", told[1]))}
    with store.write() as session:
        changed = {"name": "m", "version": "v1"}
        session.execute(update(model).where(model.c.name == told[0]["model_a"]).values(changed))
    file = [row | {"model_a": name, "model_b": "other"} for name, row in named.items()]
    n = len(rows(store, "SELECT id FROM vote"))
    with pytest.raises(BadFileError, match="'m' and 'm v1' are one and the same stored model"):
        vote_files.import_votes(None, jsonl(*file), title="Twice")
    assert len(rows(store, "SELECT id FROM vote")) == n


def test_an_id_from_the_future_costs_nothing_of_what_counts_for_no_model(store: Database, empty: Elsewhere) -> None:
    told = lines(export(led(store))[1])
    ahead = {"vote_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}
    place = next(place for place, row in enumerate(told) if not row["is_gold"] and row["outcome"])
    told[place] |= ahead
    with empty():
        back = vote_files.import_votes(None, jsonl(*told), title="Ahead").experiment_id
        again = lines(export(back)[1])
        for name in ("is_gold", "repeat_of", "superseded_by"):
            assert sum(bool(row[name]) for row in again) == sum(bool(row[name]) for row in told), name
        assert ahead["vote_id"] not in {row["vote_id"] for row in again}


def test_raters_of_imports_from_before_have_the_numbers_that_they_had(store: Database) -> None:
    """Their accounts ended in a place in the alphabet; files and pages numbered by the first battle, and still do."""
    zoe, adam = ({"model_a": "x", "model_b": "y", "winner": "tie", "rater": name} for name in ("zoe", "adam"))
    id_ = vote_files.import_votes(None, jsonl(zoe, adam, adam), title="Before").experiment_id
    account = tables_of(Account)[0]
    with store.write() as session:
        for name, old in ((".1", "rater-0a1b2c-2"), (".2", "rater-0a1b2c-1")):
            session.execute(update(account).where(account.c.name.endswith(name)).values(name=old))
    votes = vote_store.read(id_)
    n = dict(zip(rater_board.numbers(votes).tolist(), votes.columns.n_by_rater.tolist(), strict=True))
    assert n == {1: 1, 2: 2}
    assert [row["rater"] for row in lines(export(id_)[1])].count("rater-1") == 1
