"""All that a rater can say beside the answer, in a real browser: by keyboard, by touch, and nothing typed is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.ballot_page import BallotPage, acts, open_ballot
from tests.drawn import settle, until, wait_drawn, wait_fits
from tests.server import Server, Study
from tests.test_vote_page import FOCUSED

ALL = {
    "criteria": [
        {"key": "accuracy", "label": "Accuracy", "is_required": True},
        {"key": "tone", "label": "Tone", "is_required": False},
    ],
    "strength": True,
    "reasons": True,
    "comment": True,
    "skip_reason": True,
    "guess": True,
}
PLAIN = {key: value for key, value in ALL.items() if key != "criteria"}


@pytest.fixture(scope="module")
def served(new_server: Callable[..., Server]) -> tuple[Server, dict[str, Study]]:
    server = new_server()
    rules = {"min_dwell_ms": 0, "votes_per_pair": 100}
    made = server.seed({**rules, "asks": ALL}, {**rules, "asks": PLAIN}, {**rules, "votes_per_rater": 1, "asks": PLAIN})
    server.start()
    return server, dict(zip(("all", "plain", "short"), made, strict=True))


@pytest.fixture
def ballot(
    served: tuple[Server, dict[str, Study]], new_context: Callable[..., BrowserContext], request: pytest.FixtureRequest
) -> Iterator[BallotPage]:
    server, studies = served
    opened = open_ballot(new_context(), server, studies[getattr(request, "param", "plain")].rater)
    yield opened
    assert opened.complaints == []


in_all = pytest.mark.parametrize("ballot", ["all"], indirect=True, ids=[""])


def live(ballot: BallotPage, battle: str) -> list[Any]:
    """The live rows of a battle, the overall one first."""
    return ballot.server.rows(
        "SELECT criterion, act, outcome, strength, reasons, comment, skip_reason, guesses FROM vote "
        "WHERE battle_id = :id AND superseded_by IS NULL ORDER BY criterion = 'overall' DESC, criterion",
        id=battle,
    )


def kept(ballot: BallotPage) -> None:
    """Wait until the strip says that what was said is stored."""
    expect(ballot.page.locator(".bo-kept")).to_have_text("Kept")
    wait_drawn(ballot.page)


def row_of(ballot: BallotPage, label: str) -> Locator:
    return ballot.page.locator(".st-key-criteria").get_by_role("radiogroup", name=label)


@in_all
def test_a_needed_criterion_binds_the_key_and_keeps_what_was_chosen(ballot: BallotPage) -> None:
    page, battle = ballot.page, ballot.battle
    row_of(ballot, "Tone").get_by_role("radio", name="Tie").click()
    expect(row_of(ballot, "Tone").get_by_role("radio", name="Tie")).to_be_checked()
    for press in (lambda: page.keyboard.press("ArrowLeft"), lambda: ballot.answer("Tie").click()):
        press()
        expect(page.get_by_role("alert")).to_contain_text("answer Accuracy first")
        assert ballot.wait_for_battle() == battle
    settle(page)  # the second refusal says the same as the first
    expect(row_of(ballot, "Tone").get_by_role("radio", name="Tie")).to_be_checked()
    page.keyboard.press("4")  # the only row without an answer
    expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Right")).to_be_checked()
    ballot.press("ArrowLeft")
    sides = {row.criterion: row.outcome for row in live(ballot, battle)}
    assert sides.keys() == {"overall", "accuracy", "tone"} and sides["tone"] == "tie"
    assert {sides["overall"], sides["accuracy"]} == {"model_a", "model_b"}


@in_all
def test_choices_of_one_pair_are_never_kept_for_the_next(ballot: BallotPage) -> None:
    """While a pair is drawn, the rows of the one before stand there for a moment more."""
    page, rows = ballot.page, ".st-key-criteria"
    for key, label, answer in (("2", "Accuracy", "Tie"), ("4", "Tone", "Right")):
        page.keyboard.press(key)
        expect(row_of(ballot, label).get_by_role("radio", name=answer)).to_be_checked()
    old = page.locator(rows).first.evaluate("element => element.innerHTML")
    token = UUID(ballot.press("ArrowLeft"))
    page.locator(rows).first.evaluate("(element, old) => element.insertAdjacentHTML('beforeend', old)", old)
    page.keyboard.press("1")
    stored = f"sessionStorage.getItem('bakeoff-chosen-{token}')"
    page.wait_for_function(f"() => ({stored} ?? '{{}}') !== '{{}}'")
    page.wait_for_timeout(1100)  # the last of three looks at what is chosen
    assert json.loads(page.evaluate(stored)) == {"0": 0}


@in_all
def test_arrows_within_a_row_move_and_never_vote(ballot: BallotPage) -> None:
    battle = ballot.battle
    row_of(ballot, "Accuracy").get_by_role("radio", name="Left").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        ballot.page.keyboard.press(key)
    ballot.page.keyboard.press("Space")
    expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Tie")).to_be_checked()
    assert ballot.battle == battle and live(ballot, battle) == []


def test_reasons_strength_and_comment_are_said_by_keyboard_while_the_next_pair_stands_there(ballot: BallotPage) -> None:
    page, battle = ballot.page, ballot.battle
    following = ballot.press("ArrowLeft")
    box = ballot.open_comment()
    chip = page.get_by_role("group", name="The left one was").or_(page.get_by_label("The left one was"))
    chip.get_by_text("Clear", exact=True).first.focus()
    chip.get_by_text("Clear", exact=True).first.click()
    kept(ballot)
    page.get_by_text("Slightly", exact=True).click()  # a pair may have the word, too
    until(page, lambda: live(ballot, battle)[0].strength == "slightly")
    settle(page)
    box.focus()
    page.keyboard.type("asdx tuw: keys are letters here")
    expect(box).to_have_value("asdx tuw: keys are letters here")
    assert ballot.battle == following
    page.keyboard.press("Escape")
    until(page, lambda: live(ballot, battle)[0].comment)
    kept(ballot)
    page.keyboard.press("t")
    ballot.wait_for_battle(other_than=following)
    [row] = live(ballot, battle)
    assert (row.strength, json.loads(row.reasons), row.comment) == (
        "slightly",
        {"left": ["clear"], "right": []},
        "asdx tuw: keys are letters here",
    )
    assert acts(ballot.server, battle)[-1] == (following, "vote", "tie")


@pytest.mark.parametrize("label", ["Right is better", "Can't judge"])
def test_f17_a_comment_that_is_still_being_typed_is_stored_by_voting_on(ballot: BallotPage, label: str) -> None:
    ballot.known.append("Multiple different fragmentIds")  # the comment and the vote of one click
    battle = ballot.battle
    following = ballot.press("d")
    ballot.type_comment("half a thou")
    ballot.answer(label).click()
    ballot.wait_for_battle(other_than=following)
    assert live(ballot, battle)[0].comment == "half a thou"
    assert [row.comment for row in live(ballot, following)] == [""]


def test_f17_a_reload_keeps_what_was_typed_and_what_the_strip_is_about(ballot: BallotPage) -> None:
    page, battle = ballot.page, ballot.battle
    ballot.press("ArrowLeft")
    ballot.type_comment("never lost")
    page.reload()
    ballot.wait_for_battle()
    expect(page.locator(".bo-strip")).to_contain_text("You said Left is better")
    box = page.get_by_role("textbox", name="Comment")
    expect(box).to_have_value("never lost")
    box.focus()
    page.keyboard.press("Escape")
    kept(ballot)
    assert live(ballot, battle)[0].comment == "never lost"


@in_all
@pytest.mark.parametrize("how", ["mouse", "keys"])
def test_f17_a_reload_keeps_what_was_chosen_in_the_criteria_and_the_vote_stores_it(
    ballot: BallotPage, how: str
) -> None:
    page, battle = ballot.page, ballot.battle
    row_of(ballot, "Tone").wait_for()
    if how == "mouse":
        row_of(ballot, "Tone").get_by_role("radio", name="Both bad").click()
        expect(row_of(ballot, "Tone").get_by_role("radio", name="Both bad")).to_be_checked()
        row_of(ballot, "Accuracy").get_by_role("radio", name="Tie").click()
    else:
        page.keyboard.press("2")
        expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Tie")).to_be_checked()
        page.keyboard.press("3")
    expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Tie")).to_be_checked()
    expect(row_of(ballot, "Tone").get_by_role("radio", name="Both bad")).to_be_checked()
    both = "() => Object.values(sessionStorage).some((kept) => kept.split(':').length === 3)"
    page.wait_for_function(both)
    page.reload()
    assert ballot.wait_for_battle() == battle
    assert page.evaluate(both), page.evaluate("JSON.stringify(sessionStorage)")
    expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Tie")).to_be_checked()
    expect(row_of(ballot, "Tone").get_by_role("radio", name="Both bad")).to_be_checked()
    following = ballot.press("ArrowLeft")
    assert {row.criterion: row.outcome for row in live(ballot, battle)[1:]} == {"accuracy": "tie", "tone": "both_bad"}
    for label in ("Accuracy", "Tone"):  # nothing of it stands in the rows of the next pair
        expect(row_of(ballot, label).get_by_role("radio", checked=True)).to_have_count(0)
    assert ballot.battle == following


def test_the_strip_closes_after_a_vote_about_which_nothing_was_said(ballot: BallotPage) -> None:
    ballot.press("ArrowLeft")
    box = ballot.open_comment()
    ballot.press("ArrowUp")
    expect(box).to_have_count(0)
    ballot.press("u")
    expect(ballot.page.locator(".st-key-strip")).to_have_count(0)


@pytest.mark.parametrize("ballot", ["short"], indirect=True, ids=[""])
def test_the_last_vote_can_be_explained_too(ballot: BallotPage) -> None:
    page, battle = ballot.page, ballot.battle
    page.keyboard.press("s")
    ballot.page.get_by_text("Wrong language").wait_for()
    page.get_by_text("Wrong language").click()
    kept(ballot)
    assert live(ballot, battle)[0].skip_reason == "wrong_language"


def test_a_guess_is_stored_by_side(ballot: BallotPage) -> None:
    page, battle = ballot.page, ballot.battle
    ballot.press("ArrowUp")
    page.keyboard.press("w")
    page.get_by_role("combobox", name="Who made the right one?").click()
    page.get_by_role("option").first.click()
    kept(ballot)
    [model] = ballot.server.rows("SELECT id FROM model ORDER BY lower(name) LIMIT 1")
    assert json.loads(live(ballot, battle)[0].guesses) == {"right": model.id}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_all_of_it_works_by_touch_and_nothing_scrolls_sideways(
    served: tuple[Server, dict[str, Study]], new_context: Callable[..., BrowserContext], scheme: Any
) -> None:
    server, studies = served
    phone = new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True, is_mobile=True)
    ballot = open_ballot(phone, server, studies["all"].rater)
    page, battle = ballot.page, ballot.battle
    row_of(ballot, "Accuracy").get_by_role("radio", name="Both bad").tap()
    expect(row_of(ballot, "Accuracy").get_by_role("radio", name="Both bad")).to_be_checked()
    ballot.answer("Right").tap()
    ballot.wait_for_battle(other_than=battle)
    page.get_by_role("button", name="Say why").tap()
    page.get_by_label("The right one was").get_by_text("Complete").first.tap()
    kept(ballot)
    wait_fits(page)
    for chip in page.locator(".st-key-strip-more button, .st-key-strip button, .st-key-criteria button").all():
        box = chip.bounding_box()
        assert box is not None and box["height"] >= 44 and box["x"] + box["width"] <= 390
    assert {row.criterion: row.reasons and json.loads(row.reasons) for row in live(ballot, battle)} == {
        "overall": {"left": [], "right": ["complete"]},
        "accuracy": None,
    }
    page.get_by_text("My votes").tap()
    page.locator('[class*="st-key-open-"] button').tap()
    ballot.wait_for_battle()
    wait_fits(page)
    ballot.answer("Tie").tap()
    expect(page.get_by_role("status").first).to_have_text("Stored: Tie")
    assert live(ballot, battle)[0].outcome == "tie"
    assert ballot.complaints == []


# ------------------------------------------------------------------------------------------------ my votes


def test_my_votes_opens_a_pair_again_and_takes_another_answer_by_one_key(ballot: BallotPage) -> None:
    page, shown = ballot.page, ballot.shown
    ballot.press("ArrowLeft")
    open_now = ballot.battle
    page.get_by_text("My votes").click()
    page.locator('[class*="st-key-open-"] button').click()
    assert ballot.wait_for_battle() == shown[0]
    page.reload()
    assert ballot.wait_for_battle() == shown[0]
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status").first).to_have_text("Stored: Right is better")
    assert acts(ballot.server, shown[0]) == [(shown[0], "vote", "left"), (shown[0], "vote", "right")]
    page.get_by_role("button", name="All my votes").click()
    expect(page.locator(".bo-own")).to_have_count(1)
    expect(page.locator(".bo-own-said")).to_contain_text("Right is better")
    page.get_by_text("Back to voting").click()
    assert ballot.wait_for_battle() == open_now


@pytest.mark.parametrize("name", ["somebody else's", "not an id", "open"])
def test_no_battle_but_an_own_answered_one_is_found(
    ballot: BallotPage, new_context: Callable[..., BrowserContext], served: tuple[Server, dict[str, Study]], name: str
) -> None:
    server, studies = served
    wanted = {"not an id": "../../etc", "open": ballot.battle}.get(name)
    if wanted is None:
        other = open_ballot(new_context(), server, studies["plain"].rater)
        wanted = other.battle
        other.press("ArrowLeft")
    ballot.page.goto(f"{server.base_url}/my_votes?battle={wanted}")
    expect(ballot.page.get_by_text("There is no such vote of yours.")).to_be_visible()
    expect(ballot.page.locator(".st-key-bar")).to_have_count(0)


@in_all
def test_tab_comes_to_the_criteria_before_the_answers(ballot: BallotPage) -> None:
    page, seen = ballot.page, []
    ballot.parts[2].focus()
    while "Left is better" not in seen and len(seen) < 20:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED)[0])
    assert seen[-3:] == ["Left", "Left", "Left is better"], "the first of each row, in which arrows go on"
