"""The Quality page, run by Streamlit's own tester on stored votes."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from uuid import UUID

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Answer, Identity, Role
from app.errors import NotAllowedError
from app.ranking import bradley_terry
from app.services import (
    quality,
    quality_balance,
    rater_board,
    rater_checks,
    rater_exclusion,
    serving,
    slices,
    vote_files,
    vote_store,
    voting,
)
from app.services.slices import Slice, Sliced
from app.services.vote_store import StudyVotes
from db import output_lengths
from db.engine import Database
from tests.conftest import ROOT
from tests.studies import contrary_votes, jsonl, person, study
from tests.tester import html_of, sign_in_as, text_of

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
PAGE_FILE = str(ROOT / "pages" / "quality.py")
TAG = re.compile(r"<[^>]+>")
NAMES = ("Ash", "Birch", "Cedar")
N_RATERS, EACH, CONTRARY = 60, 30, 7


@pytest.fixture(autouse=True)
def _nothing_read() -> None:
    vote_store.forget()


def imported(n_raters: int = N_RATERS, each: int = EACH, *, title: str = "Planted", seed: int = 1) -> UUID:
    return contrary_votes(n_raters, each, contrary=CONTRARY, agree=0.8, title=title, seed=seed)


def open_page(role: Role = Role.RESEARCHER, **options: str) -> AppTest:
    """The page when all its numbers are there."""
    at = AppTest.from_file(PAGE_FILE, default_timeout=60)
    at.user = {"session": sign_in_as(role)}
    for name, value in options.items():
        at.query_params[name] = value
    return settled(at)


def settled(at: AppTest) -> AppTest:
    deadline = time.monotonic() + 60
    while True:
        at.run()
        assert not at.exception, at.exception
        if not at.get("progress"):
            return at
        assert time.monotonic() < deadline, "the numbers never came"
        time.sleep(0.05)


def everything(read: StudyVotes) -> Sliced:
    return slices.take(read, Slice())


def raters_of(at: AppTest) -> list[str]:
    return re.findall(r'scope="row">(Rater \d+)', html_of(at).split('class="bo-raters"')[1].split("</table>")[0])


def contrary(study_id: UUID) -> int:
    """The number of the rater whose votes go against the order of the models."""
    read = vote_store.read(study_id)
    votes = read.columns
    in_order = (votes.model_a < votes.model_b) == (votes.outcome == 0)
    (code,) = np.flatnonzero(np.bincount(votes.rater, weights=in_order) < EACH / 2)
    return int(rater_board.numbers(read)[code])


def test_a_rater_cannot_open_it(store: Database) -> None:
    imported()
    at = AppTest.from_file(PAGE_FILE, default_timeout=30)
    at.user = {"session": sign_in_as(Role.RATER)}
    at.run()
    assert at.exception
    assert "Ash" not in text_of(at)


def test_without_a_study_or_votes_it_says_what_to_do(store: Database) -> None:
    assert "No study has started yet" in text_of(open_page())
    study(n_models=2)
    assert "No vote of this study" in text_of(open_page())


def test_it_names_the_rater_who_votes_against_the_others(store: Database) -> None:
    study_id = imported()
    at = open_page(study="planted")
    number = contrary(study_id)
    assert raters_of(at)[0] == f"Rater {number}"
    assert len(raters_of(at)) == 50
    assert "votes against the others" in text_of(at)
    assert "1 of them flagged" in text_of(at)
    assert "1 to 50 of 60" in text_of(at)
    for heading in ("Biases, agreement and blinding", "Does the board rest on all of it?", "What was shown"):
        assert heading in text_of(at)
    later = open_page(study="planted", page="2")
    assert len(raters_of(later)) == 10
    assert not set(raters_of(later)) & set(raters_of(at))


def test_sorting_searching_and_the_flagged_alone(store: Database) -> None:
    study_id = imported()
    number = contrary(study_id)
    assert raters_of(open_page(study="planted", sort="rater"))[:2] == ["Rater 1", "Rater 2"]
    assert raters_of(open_page(study="planted", find="against the others")) == [f"Rater {number}"]
    assert raters_of(open_page(study="planted", find="rater 60")) == ["Rater 60"]
    assert raters_of(open_page(study="planted", flagged="true")) == [f"Rater {number}"]
    assert "No rater matches" in text_of(open_page(study="planted", find="no such"))


def test_leaving_raters_out_shows_both_boards_and_stands_in_the_address(store: Database) -> None:
    study_id = imported()
    number = contrary(study_id)
    at = open_page(study="planted")
    assert "Tick raters above" in text_of(at)
    at.multiselect[0].select(number)
    settled(at)
    assert at.query_params["without"] in (str(number), [str(number)])
    assert f"Without 1 rater ({EACH} votes), Ash stays first" in text_of(at)
    assert 'class="bo-beside"' in html_of(at)
    flagged = open_page(study="planted", drop="true")
    assert f"Without 1 rater ({EACH} votes)" in text_of(flagged)
    everybody = ",".join(str(n) for n in range(1, N_RATERS + 1))
    assert "there is no board: No vote is left." in text_of(open_page(study="planted", without=everybody))


def test_the_board_without_raters_is_the_board_of_the_other_votes(store: Database) -> None:
    read = vote_store.read(imported())
    number = contrary(read.experiment_id)
    (code,) = rater_board.codes_of_numbers(read, [number, 10_000, 0])
    while (found := rater_exclusion.ask_exclusion(read, Slice(without=(code,)), everything(read))) is None:
        time.sleep(0.01)
    assert isinstance(found, rater_exclusion.Exclusion)
    assert found.without is not None
    rest = read.columns.select(read.columns.rater != code)
    expected = bradley_terry.rank(slices.to_comparisons(rest, read.models))
    assert [row.rating for row in found.without.models] == pytest.approx([row.rating for row in expected.models])
    assert found.n_votes_gone == EACH


def test_what_the_address_gets_wrong_is_said_and_passed_over(store: Database) -> None:
    imported()
    at = open_page(study="nowhere", sort="x", page="-3", without="4,abc,99999", criterion="y", tag="z")
    assert "The study in this link isn't here" in text_of(at)
    assert "by something that is no number" in text_of(at)
    assert "Without 1 rater" in text_of(at)
    assert "99 to" not in text_of(open_page(study="planted", page="99"))


def test_one_rater_and_a_board_in_pieces_are_told_in_words(store: Database) -> None:
    imported(n_raters=1, title="Alone")
    alone = text_of(open_page(study="alone"))
    assert "Raters can't be compared" in alone
    assert "single rater" in alone
    rows = [("Ash", "Birch", "left"), ("Birch", "Ash", "left"), ("Cedar", "Dogwood", "left"), ("Ash", "Birch", "tie")]
    lines = [{"left": a, "right": b, "winner": won, "rater": f"r{i}"} for i, (a, b, won) in enumerate(rows)]
    stream = io.BytesIO("\n".join(json.dumps(line) for line in lines).encode())
    vote_files.import_votes(None, stream, title="Pieces")
    assert "What was shown" in text_of(open_page(study="pieces"))


def test_votes_without_raters_or_sides_are_told_in_words(store: Database) -> None:
    lines = [{"model_a": "Ash", "model_b": "Birch", "winner": won} for won in ("model_a", "model_b", "tie") * 4]
    stream = io.BytesIO("\n".join(json.dumps(line) for line in lines).encode())
    vote_files.import_votes(None, stream, title="Bare")
    said = text_of(open_page(study="bare"))
    assert "doesn't name who cast them" in said
    assert "No vote says which model stood on which side." in said


def test_names_are_for_admins_and_files_hold_numbers(store: Database) -> None:
    study_id = imported()
    read = vote_store.read(study_id)
    names = set(rater_board.names_of(read, range(len(read.raters))).values())
    assert not any(name in text_of(open_page(study="planted")) for name in names if len(name) > 3)
    while (table := rater_board.ask_raters(read, Slice(), everything(read))) is None:
        time.sleep(0.01)
    rows = list(csv.DictReader(io.StringIO(rater_board.write_raters(table).decode())))
    assert [row["rater"] for row in rows] == [f"Rater {n}" for n in range(1, N_RATERS + 1)]
    assert {row["votes"] for row in rows} == {str(EACH)}
    assert sum(bool(row["flags"]) for row in rows) == 1


def vote(rater: Identity, answer: Answer) -> None:
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, answer)


def test_skips_chances_and_new_votes_are_in_the_next_numbers(store: Database) -> None:
    study_id, raters = study(n_models=3, votes_per_pair=30), [person(), person()]
    for i in range(12):
        vote(raters[i % 2], Answer.SKIP if i in (0, 2) else (Answer.LEFT, Answer.RIGHT)[i // 2 % 2])
    read = vote_store.read(study_id)
    while (table := rater_board.ask_raters(read, Slice(), everything(read))) is None:
        time.sleep(0.01)
    assert sorted(zip(table.n_votes.tolist(), table.n_skips.tolist(), strict=True)) == [(4, 2), (6, 0)]
    assert np.isfinite(table.median_ms).all()
    vote(raters[0], Answer.TIE)
    read = vote_store.read(study_id)
    while (later := rater_board.ask_raters(read, Slice(), everything(read))) is None:
        time.sleep(0.01)
    assert later.n_votes.sum() == table.n_votes.sum() + 1
    while (shown := quality.ask_part(read, Slice(), everything(read), "balance")) is None:
        time.sleep(0.01)
    assert shown.propensities.n == 11
    assert 0 < shown.propensities.lowest <= shown.propensities.highest <= 1
    assert 1 <= shown.propensities.effective <= 11
    assert shown.met.sum() / 2 == 11
    assert shown.pairs.n == 3


def test_a_model_whose_name_begins_a_formula_is_no_formula_in_the_file_of_pairs(store: Database) -> None:
    row = {"left": "=cmd()", "right": "B", "winner": "left"}
    study_id = vote_files.import_votes(None, jsonl(row), title="Named").experiment_id
    read = vote_store.read(study_id)
    while (shown := quality.ask_part(read, Slice(), everything(read), "balance")) is None:
        time.sleep(0.01)
    assert quality_balance.write_pairs_shown(shown).decode().splitlines()[1] == "'=cmd(),B,1,1,0,0"


def test_the_service_of_checks_refuses_raters(store: Database) -> None:
    with pytest.raises(NotAllowedError):
        rater_checks.list_rater_checks(person(), imported())


def test_the_length_of_stored_outputs_is_that_of_their_texts(store: Database) -> None:
    study_id, rater = study(n_models=2, n_prompts=3), person()
    for answer in (Answer.LEFT, Answer.RIGHT, Answer.LEFT):
        vote(rater, answer)
    read = vote_store.read(study_id)
    with store.read() as session:
        found = list(
            output_lengths.list_lengths(session, experiment_id=study_id, prompt_ids=[UUID(p) for p in read.prompts])
        )
    assert len(found) == 2 * len(read.prompts)
    assert {length for _, _, length in found} == {float(len("answer 0 0"))}
    while (bias := quality.ask_part(read, Slice(), everything(read), "bias")) is None:
        time.sleep(0.01)
    assert "length" in bias.length_problem, "all are equally long, so that nothing can be told"
    assert bias.n_with_length == 3
