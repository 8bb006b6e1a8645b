"""What raters say beside the answer goes out as a file, comes back the same, and counts where it should."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pytest

from app.domain import Answer
from app.errors import BadFileError
from app.formats._vote_table import read_vote_table
from app.services import blinding_check, guesses, leaderboard, remarks, serving, vote_export, vote_files, voting
from app.services.asked import find_asks_mistake, make_criteria
from app.services.board_view import View
from app.services.slices import Slice
from app.study import Asks, Criterion
from db.engine import Database
from tests.studies import jsonl, person, study
from tests.test_remarks import ALL
from tests.test_voting import rows

SAID = (
    "SELECT v.criterion, v.act, v.outcome, v.strength, v.reasons, v.comment, v.skip_reason, v.guesses, b.is_a_left "
    "FROM vote v JOIN battle b ON b.id = v.battle_id WHERE v.superseded_by IS NULL AND v.act <> 'undo' "
    "AND b.experiment_id = '{id}' ORDER BY v.comment, v.criterion, v.outcome"
)


def voted_study(store: Database) -> UUID:
    """A study with a vote of every kind, some changed and one taken back."""
    experiment_id = study(asks=ALL, n_models=2, n_prompts=8)
    rater = person(experiment_id=experiment_id)
    options = [key for key, _ in guesses.guess_options(experiment_id)]
    for i in range(6):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        battle_id = ballot.battle.id
        answer = [*Answer, Answer.LEFT][i]
        beside = {} if answer == Answer.SKIP else {"accuracy": Answer.RIGHT, "tone": Answer.TIE}
        voting.cast_vote(rater, battle_id, answer, criteria=beside)
        remarks.remark(rater, battle_id, comment=f'{i}: "=1+1", \n\u202bright to left\u202c, \U0001f600')
        if answer == Answer.SKIP:
            remarks.remark(rater, battle_id, skip_reason="wrong_language")
            continue
        remarks.remark(rater, battle_id, left=("clear", "complete"), right=("off-topic",))
        remarks.remark(rater, battle_id, guess_left=options[i % 2], guess_right="dont_know")
        if answer in (Answer.LEFT, Answer.RIGHT):
            remarks.remark(rater, battle_id, strength="slightly")
    voting.undo_vote(rater, experiment_id)
    assert len(said_in(store, experiment_id)) == 4 * 3 + 1
    return experiment_id


def said_in(store: Database, experiment_id: UUID) -> list[tuple[Any, ...]]:
    stored = experiment_id.hex if store.is_sqlite else str(experiment_id)
    found = rows(store, SAID.format(id=stored))
    as_json = [tuple(json.loads(v) if isinstance(v, str) and v.startswith("{") else v for v in row) for row in found]
    return [(*row[:-1], None if row[-1] is None else bool(row[-1])) for row in as_json]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
def test_all_that_was_said_comes_back_as_it_went_out(store: Database, file_format: str) -> None:
    first = voted_study(store)
    out = io.BytesIO()
    vote_export.export_votes(None, first, out, vote_export.Wanted(file_format))
    assert "Model" not in json.dumps([row[7] for row in said_in(store, first)])  # ids are stored, names go out
    out.seek(0)
    done = vote_files.import_votes(None, out, title="Back again")
    assert said_in(store, done.experiment_id) == said_in(store, first)
    assert done.n_votes == 4
    assert leaderboard.list_criteria(None, done.experiment_id).keys() == {"overall", "accuracy", "tone"}
    for criterion in ("overall", "accuracy", "tone"):
        before, after = (
            leaderboard.get_leaderboard(None, id_, View(method="win_rate", slice=Slice(criterion=criterion)))
            for id_ in (first, done.experiment_id)
        )
        assert after.ranking == before.ranking
    assert guesses.get_guessed(None, done.experiment_id) == guesses.get_guessed(None, first)
    battles = rows(store, "SELECT count(*) FROM battle WHERE purpose = 'imported'")
    assert battles == [(5,)]  # the votes on criteria are of the same battles


def test_our_own_export_ranks_by_the_overall_votes_and_tells_the_guesses(store: Database) -> None:
    experiment_id = voted_study(store)
    for file_format in ("jsonl", "csv"):
        out = io.BytesIO()
        vote_export.export_votes(None, experiment_id, out, vote_export.Wanted(file_format))
        table = read_vote_table(out.getvalue())
        assert len(table) == 4
        found, notes = blinding_check.describe_blinding(table, []), guesses.get_guessed(None, experiment_id)
        assert found is not None and notes is not None
        assert (found["right"], found["wrong"], found["dont_know"]) == (notes.right, notes.wrong, notes.dont_know)
        assert found["index"] == pytest.approx(notes.overall.index)


def test_a_guess_from_three_names_is_measured_against_one_in_three() -> None:
    lines = [
        {"model_a": "x", "model_b": "y", "left": "model_a", "winner": "tie", "guess_left": name, "guess_right": "y"}
        for name in ("x", "y", "z")
    ]
    found = blinding_check.describe_blinding(read_vote_table(jsonl(*lines).read()), [])
    assert found is not None
    assert (found["right"], found["wrong"]) == (4, 2)
    assert found["index"] == pytest.approx((4 - 2 / 2) / 6)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (({"battle_id": "b"}, {"battle_id": "b"}), "two votes on overall"),
        (({"battle_id": "b"}, {"battle_id": "b", "criterion": "c", "model_b": "z"}), "is another pair in line 1"),
        (({"criterion": "tone"},), "no vote in this file is overall"),
    ],
)
def test_rows_of_one_battle_that_cant_be_are_refused(
    store: Database, lines: tuple[dict[str, str], ...], reason: str
) -> None:
    base = {"model_a": "x", "model_b": "y", "winner": "tie"}
    with pytest.raises(BadFileError, match=reason):
        vote_files.import_votes(None, jsonl(*({**base, **line} for line in lines)), title="Bad")
    assert rows(store, "SELECT count(*) FROM vote") == [(0,)]


def test_a_file_with_several_criteria_counts_the_overall_votes_once() -> None:
    base = {"model_a": "x", "model_b": "y"}
    both = [{**base, "winner": "model_a", "criterion": "overall"}, {**base, "winner": "model_b", "criterion": "tone"}]
    assert read_vote_table(jsonl(*both).read()).outcome.tolist() == [0]
    only = [{**base, "winner": "model_b", "criterion": "tone"}]
    assert read_vote_table(jsonl(*only).read()).outcome.tolist() == [1]
    with pytest.raises(BadFileError, match="none overall"):
        read_vote_table(jsonl(both[1], {**both[1], "criterion": "speed"}).read())


def test_criteria_are_checked_before_they_are_stored() -> None:
    assert find_asks_mistake(Asks(make_criteria(["Accuracy", "Tone of voice", "\u6e29\u5ea6"], ["Accuracy"]))) is None
    assert [c.key for c in make_criteria(["Tone of voice", "\u6e29\u5ea6"], [])] == ["tone_of_voice", "criterion_2"]
    for labels, words in (
        (["Accuracy", "accuracy!"], "would both be called accuracy"),
        (["Overall"], "asked with every vote already"),
        (["x" * 61], "1 to 60 characters"),
        ([f"c{i}" for i in range(9)], "too many"),
    ):
        assert words in str(find_asks_mistake(Asks(make_criteria(labels, []))))
    assert "lower-case" in str(find_asks_mistake(Asks((Criterion("A B", "A B"),))))
