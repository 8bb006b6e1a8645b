"""What a study asks, how it leads its raters and what it shows, where they meet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.domain import Answer, GenerationStatus, Purpose, Role
from app.errors import ConflictError, NotFoundError
from app.services import (
    experiments,
    gold_files,
    leaderboard,
    participation,
    remarks,
    serving,
    shown,
    vote_export,
    vote_files,
    voting,
)
from app.services.board_view import View
from app.services.ranking_file import rank_file
from app.services.ranking_options import RankOptions
from app.services.slices import Slice
from app.services.vote_export import Wanted
from app.study import Asks, Criterion, Flow
from db.engine import Database
from db.tables import Battle, Generation, Vote, tables_of
from tests.studies import person, study
from tests.test_leading import is_bad, led_study, vote_on

battle, generation, vote = tables_of(Battle, Generation, Vote)


def open_battle(rater):  # type: ignore[no-untyped-def]
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    return ballot.battle


def test_undo_takes_back_the_last_vote_whatever_was_changed_of_an_earlier_one(store: Database) -> None:
    id_ = study(asks=Asks(criteria=(Criterion("depth", "Depth"),)))
    rater = person(experiment_id=id_)
    votes = []
    for _ in range(3):
        votes.append(open_battle(rater).id)
        voting.cast_vote(rater, votes[-1], Answer.LEFT, criteria={"depth": Answer.TIE})
    remarks.change_vote(rater, votes[0], Answer.SKIP)  # its criterion is withdrawn with it, just now
    voting.undo_vote(rater, id_)
    assert open_battle(rater).id == votes[-1]


def test_practice_asks_for_no_criterion_even_where_the_study_needs_one(store: Database) -> None:
    asks = Asks(criteria=(Criterion("depth", "Depth", is_required=True),))
    id_ = study(asks=asks, flow=Flow(needs_practice=True), is_started=False)
    row = {"prompt": "2 + 2?", "left": "4", "right": "5", "gold": "left", "reason": "It is 4."}
    stream = io.BytesIO(json.dumps(row).encode())
    gold_files.import_gold(None, stream, experiment_id=id_, purpose=Purpose.PRACTICE)
    experiments.start_experiment(None, id_)
    rater = person(experiment_id=id_)
    voting.cast_vote(rater, open_battle(rater).id, Answer.LEFT)
    participation.begin(rater, id_)
    with pytest.raises(Exception, match="Depth"):
        voting.cast_vote(rater, open_battle(rater).id, Answer.LEFT)


def test_texts_that_raters_may_not_be_shown_cannot_be_read_as_written_either(store: Database) -> None:
    rater = person(experiment_id=study())
    shown_now = open_battle(rater)
    assert shown.read_as_written(rater, shown_now.id)["left"] == [shown_now.left]
    for status in (GenerationStatus.ASKING, GenerationStatus.FAILED, GenerationStatus.FLAGGED):
        with store.write() as session:
            session.execute(update(generation).values(status=status))
        with pytest.raises(NotFoundError):
            shown.read_as_written(rater, shown_now.id)


@pytest.mark.parametrize("how", ["withdrew", "screened out"])
def test_whom_the_study_has_ended_for_explains_no_vote_any_more(store: Database, how: str) -> None:
    rater = person()
    flow = Flow(consent="Do you agree?") if how == "withdrew" else Flow(gold_every=2, most_failed_checks=0)
    id_ = led_study(flow, n_gold=0 if how == "withdrew" else 5, n_prompts=20, asks=Asks(comment=True))
    if how == "withdrew":
        serving.next_battle(rater)
        participation.agree(rater, id_)
    [first, *_] = vote_on(rater, 12 if how == "screened out" else 2, is_bad)
    if how == "withdrew":
        remarks.remark(rater, first.id, comment="taken until then")
        participation.withdraw(rater, id_)
    with pytest.raises(ConflictError, match="ended for you"):
        remarks.remark(rater, first.id, comment="no more")
    with store.read() as session:
        comments = set(session.execute(select(vote.c.comment)).scalars())
    assert comments == ({"", "taken until then"} if how == "withdrew" else {""})


def test_a_ranking_of_an_export_leaves_staff_out_as_the_board_does(store: Database, tmp_path: Path) -> None:
    id_ = study()
    for rater, n in ((person(), 6), (person(Role.ADMIN), 4)):
        for _ in range(n):
            voting.cast_vote(rater, open_battle(rater).id, Answer.TIE)
    file = tmp_path / "votes.csv"
    with file.open("wb") as stream:
        vote_export.export_votes(None, id_, stream, Wanted("csv"))
    for with_staff, n in ((False, 6), (True, 10)):
        board = leaderboard.get_leaderboard(None, id_, View(slice=Slice(with_staff=with_staff)))
        assert rank_file(file, RankOptions(with_staff=with_staff)).ranking.n_votes == board.n_votes == n


def test_a_ranking_of_an_export_counts_what_the_board_counts_where_somebody_was_screened_out(
    store: Database, tmp_path: Path
) -> None:
    id_ = led_study(Flow(gold_every=2, most_failed_checks=1), n_gold=5, n_prompts=20, n_models=2, votes_per_pair=100)
    vote_on(person(), 12)
    vote_on(person(), 12, is_bad)
    board = leaderboard.get_leaderboard(None, id_)
    assert board.left_out[0] > 0
    for ending in ("jsonl", "csv"):
        file = tmp_path / f"votes.{ending}"
        with file.open("wb") as stream:
            vote_export.export_votes(None, id_, stream, vote_export.Wanted(ending))
        assert rank_file(file, RankOptions()).ranking.n_votes == board.n_votes
        with file.open("rb") as stream:
            assert vote_files.check_votes(None, stream).n_votes == board.n_votes
