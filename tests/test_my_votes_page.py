"""My votes in Streamlit's tester: what stands in the list, what can be changed, and what not."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Answer, Identity, Role
from app.services import experiments, own_votes, remarks, serving, sign_in, voting
from app.study import Asks, Criterion
from db.engine import database
from tests.conftest import ROOT
from tests.stored import fresh_database
from tests.studies import study
from tests.test_manage_pages import press, said
from tests.test_withdrawn import withdraw

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    with fresh_database(monkeypatch, f"sqlite:///{tmp_path / 'bakeoff.db'}"):
        yield


def signed_in() -> tuple[Identity, str]:
    path = sign_in.create_invite(None, role=Role.RATER)
    cookie = sign_in.hash_token(sign_in.open_link(path.partition("token=")[2]))
    who = sign_in.identify(cookie)
    assert who is not None
    return who, cookie


def opened(cookie: str, battle: UUID | str = "") -> AppTest:
    at = AppTest.from_file(str(ROOT / "app" / "ui.py"), default_timeout=30)
    at.user = {"session": cookie}
    at.run()
    if battle:
        at.query_params["battle"] = str(battle)
    at.switch_page(str(ROOT / "pages" / "my_votes.py")).run()
    assert not at.exception
    return at


def vote(rater: Identity, *answers: Answer) -> list[UUID]:
    cast = []
    for answer in answers:
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        asked = {criterion.key: Answer.TIE for criterion in ballot.study.asks.criteria if answer != Answer.SKIP}
        voting.cast_vote(rater, ballot.battle.id, answer, criteria=asked)
        cast.append(ballot.battle.id)
    return cast


def answers(rater: Identity) -> list[Answer]:
    return [one.answer for one in own_votes.list_own_votes(rater)]


def test_before_the_first_vote_the_page_says_what_will_stand_there() -> None:
    study()
    _, cookie = signed_in()
    assert "You have not voted yet" in said(opened(cookie))


def test_the_list_has_every_answer_newest_first_and_nothing_of_anybody_else() -> None:
    study(asks=Asks(comment=True, reasons=True, skip_reason=True))
    (rater, cookie), (other, _) = signed_in(), signed_in()
    first, _, skipped = vote(rater, Answer.LEFT, Answer.BOTH_BAD, Answer.SKIP)
    [theirs] = vote(other, Answer.RIGHT)
    remarks.remark(rater, first, comment="a :red[word] of <b>mine</b>", left=("clear",))
    remarks.remark(rater, skipped, skip_reason="wrong_language")
    remarks.remark(other, theirs, comment="not for you")
    at = opened(cookie)
    text = said(at)
    assert "3 answers, the newest first" in text and "not for you" not in text
    places = [text.index(words) for words in ("Can't judge", "Both are bad", "Left is better")]
    assert places == sorted(places)
    assert "a :red[word] of <b>mine</b>" in text and "left: clear" in text and "wrong language" in text
    assert sum(button.label == "Open" for button in at.button) == 3
    assert not re.search(r"Model \d", text)


def test_an_answer_is_changed_by_one_press_and_the_list_says_so() -> None:
    study()
    rater, cookie = signed_in()
    vote(rater, Answer.LEFT)
    at = press(opened(cookie), "Open")
    assert re.search(r"You said\s+Left is better", said(at)) and "Press another answer" in said(at)
    press(at, "Tie")
    assert "Stored: Tie" in said(at) and answers(rater) == [Answer.TIE]
    press(at, "All my votes")
    assert "Tie" in said(at) and "Left is better" not in said(at)


def test_a_criterion_is_stored_when_it_is_chosen_and_a_needed_one_stays() -> None:
    asked = (Criterion("depth", "Depth", is_required=True), Criterion("tone", "Tone"))
    study(asks=Asks(asked, comment=True))
    rater, cookie = signed_in()
    [battle] = vote(rater, Answer.LEFT)
    at = opened(cookie, battle)
    at.segmented_control[1].set_value(Answer.RIGHT).run()
    assert "Stored" in said(at)
    assert remarks.get_given(rater, battle).criteria == {"depth": Answer.TIE, "tone": Answer.RIGHT}
    at.segmented_control[0].set_value(None).run()
    assert "Depth" in said(at)
    assert remarks.get_given(rater, battle).criteria["depth"] == Answer.TIE
    next(area for area in at.text_area if area.label == "Comment").set_value("on second thought").run()
    assert remarks.get_given(rater, battle).remarks.comment == "on second thought"


def test_an_answer_of_an_ended_study_stands_and_its_buttons_are_gone() -> None:
    study_id = study()
    rater, cookie = signed_in()
    [battle] = vote(rater, Answer.LEFT)
    experiments.stop_experiment(None, study_id, reason="enough")
    at = opened(cookie, battle)
    assert "This answer stands: its study has ended" in said(at)
    assert not {"Left is better", "Tie", "Can't judge"} & {button.label for button in at.button}


def test_a_change_that_comes_after_the_end_is_refused_in_words_and_nothing_changes() -> None:
    study_id = study()
    rater, cookie = signed_in()
    [battle] = vote(rater, Answer.LEFT)
    at = opened(cookie, battle)
    experiments.stop_experiment(None, study_id, reason="enough")
    press(at, "Tie")
    assert "This study has ended" in said(at) and answers(rater) == [Answer.LEFT]


def test_a_pair_of_which_an_output_was_withdrawn_is_not_shown_again_and_its_vote_stays() -> None:
    study()
    rater, cookie = signed_in()
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    [battle] = vote(rater, Answer.LEFT)
    withdraw(database(), ballot.battle.left)
    at = opened(cookie, battle)
    assert "One of the two answers was withdrawn" in said(at)
    assert ballot.battle.left not in said(at) and ballot.battle.right not in said(at)
    [one] = own_votes.list_own_votes(rater)
    assert (one.left, one.right, one.answer) == (own_votes.WITHDRAWN, own_votes.WITHDRAWN, Answer.LEFT)


@pytest.mark.parametrize("whose", ["nobody's", "no id", "somebody else's", "one that is open"])
def test_no_other_battle_is_shown(whose: str) -> None:
    study()
    (rater, cookie), (other, _) = signed_in(), signed_in()
    [theirs] = vote(other, Answer.LEFT)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    battle = {"nobody's": UUID(int=1), "no id": "../x", "somebody else's": theirs, "one that is open": ballot.battle.id}
    at = opened(cookie, battle[whose])
    assert "There is no such vote of yours." in said(at) and "answer" not in said(at)


def test_many_votes_come_page_by_page() -> None:
    study(n_models=3, n_prompts=12, votes_per_pair=100)
    rater, cookie = signed_in()
    vote(rater, *[Answer.TIE] * (own_votes.PER_PAGE + 3))
    at = opened(cookie)
    assert f"{own_votes.PER_PAGE + 3} answers" in said(at)
    assert sum(button.label == "Open" for button in at.button) == own_votes.PER_PAGE
