"""The whole way of a person from Prolific in a real browser: link, consent, practice, votes with checks, code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.study import Flow
from tests.ballot_page import IDLE, BallotPage
from tests.drawn import close_dialog
from tests.server import Server
from tests.test_vote_page import write_plain_texts
from tests.test_zoom_and_motion_page import serious

FLOW = Flow(
    consent="## What this is\n\nYou compare answers of **machines**. You can stop at any time.",
    needs_practice=True,
    gold_every=4,
    most_failed_checks=0,
    repeat_every=4,
    panel="PROLIFIC_PID",
    code_done="DONE1234",
    code_screened_out="OUT1234",
    code_over_quota="FULL1234",
)
N_VOTES = 12
SEED = """
import io, json, sys
from pathlib import Path
from app.domain import Purpose
from app.services import experiments, gold_files
from app.study import Flow
from tests import seed
start, experiments.start_experiment = experiments.start_experiment, lambda *_: None
flow = Flow(**json.loads(sys.argv[2]))
rules = {"min_dwell_ms": 0, "votes_per_pair": 1000, **json.loads(sys.argv[3])}
draft, made = (seed.seed(Path(sys.argv[1]), flow=flow, **rules) for _ in range(2))
id_ = experiments.find_experiment(None, made["key"])
for purpose, n in ((Purpose.PRACTICE, 2), (Purpose.GOLD, 6)):
    rows = [{"prompt": f"Known question {i}.", "left": f"Good known {i}.", "right": f"Bad known {i}.", "gold": "left",
             "reason": f"The bad one is bad, {i}."} for i in range(n)]
    stream = io.BytesIO("\\n".join(map(json.dumps, rows)).encode())
    gold_files.import_gold(None, stream, experiment_id=id_, purpose=purpose)
start(None, id_)
print(json.dumps(made | {"draft": draft["experiment_id"]}))
"""
SHOTS = os.environ.get("BAKEOFF_SHOTS")  # a folder for looking at the pages by eye


def seed_flow(server: Server, folder: Path, flow: Flow, **rules: object) -> dict[str, str]:
    """A study that leads its raters, with known answers for its practice and its checks, and a draft of it."""
    return dict(json.loads(server.run("-c", SEED, str(folder), json.dumps(asdict(flow)), json.dumps(rules))))


@pytest.fixture(scope="module")
def seeded(
    new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, dict[str, str]]:
    """A server with a study that leads its raters, and a draft of one."""
    server, folder = new_server(), tmp_path_factory.mktemp("plain")
    made = seed_flow(server, write_plain_texts(folder), FLOW, votes_per_rater=N_VOTES)
    server.start()
    return server, made


def shoot(page: Page, name: str) -> None:
    """Look at a page: axe does it here, a person where they want pictures."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        assert serious(page) == {}, f"{name}, {scheme}"
    if SHOTS:
        for width, height in ((1280, 800), (390, 844)):
            for scheme in ("light", "dark"):
                page.set_viewport_size({"width": width, "height": height})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.wait_for_timeout(400)
                page.screenshot(path=f"{SHOTS}/{name}-{width}-{scheme}.png")
        page.set_viewport_size({"width": 1280, "height": 720})


def right_answer(ballot: BallotPage) -> str:
    _, _, _, right = ballot.shown
    return "Right is better" if "Good known" in right else "Left is better"


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()
    page.wait_for_selector(IDLE)


def begin(ballot: BallotPage, server: Server, link: str) -> None:
    """Follow a panel's link, agree, and practise: the first pair wrong, the second right."""
    page = ballot.page
    page.goto(server.base_url + link)
    expect(page.get_by_text("You compare answers of machines")).to_be_visible()
    expect(page.locator(".st-key-bar")).to_have_count(0)
    expect(page.get_by_role("button", name="Guidelines")).to_be_hidden()
    shoot(page, "consent")
    click(page, "I agree")
    expect(page.get_by_text("Practice 1 of 2, not counted")).to_be_visible()
    ballot.wait_for_battle()
    shoot(page, "practice")
    wrong = "Left is better" if right_answer(ballot).startswith("Right") else "Right is better"
    ballot.answer(wrong).click()
    expect(page.get_by_text("We expected another answer.")).to_be_visible()
    expect(page.get_by_text("The bad one is bad, 0.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("We expected another answer.")).to_be_visible()
    shoot(page, "feedback")
    click(page, "Next pair")
    expect(page.get_by_text("Practice 2 of 2, not counted")).to_be_visible()
    ballot.wait_for_battle()
    ballot.answer(right_answer(ballot)).click()
    expect(page.get_by_text("That is what we expected.")).to_be_visible()
    shoot(page, "feedback-right")
    click(page, "Start the study")


def test_from_the_prolific_link_to_the_completion_code(
    seeded: tuple[Server, dict[str, str]], new_context: Callable[..., BrowserContext]
) -> None:
    server, key = seeded[0], seeded[1]["key"]
    link = f"/join/{key}?PROLIFIC_PID=5f00aa&STUDY_ID=s1&SESSION_ID=x1"
    context = new_context()
    ballot = BallotPage(context.new_page(), server)
    begin(ballot, server, link)
    last = ballot.wait_for_battle()
    click(ballot.page, "Guidelines")
    expect(ballot.page.get_by_role("dialog")).to_be_visible()
    shoot(ballot.page, "guidelines")
    close_dialog(ballot.page)
    for i in range(N_VOTES):
        expect(ballot.page.get_by_text(f"{i} of {N_VOTES}")).to_be_visible()
        if i == 3:  # the same person on another device sees the same battle
            phone = BallotPage(new_context(viewport={"width": 390, "height": 844}).new_page(), server)
            phone.follow(link)
            assert phone.battle == last
            phone.page.context.close()
        ballot.answer(right_answer(ballot)).click()
        if i < N_VOTES - 1:
            last = ballot.wait_for_battle(other_than=last)
    page = ballot.page
    expect(page.get_by_text("That was all. Thank you!")).to_be_visible()
    expect(page.get_by_text("Your 12 answers are saved.")).to_be_visible()
    back = page.get_by_role("link", name="Return to Prolific")
    expect(back).to_have_attribute("href", "https://app.prolific.com/submissions/complete?cc=DONE1234")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "DONE1234"
    shoot(page, "done")
    kinds = [row.purpose for row in server.rows("SELECT purpose FROM battle WHERE status = 'voted'")]
    assert kinds.count("practice") == 2
    assert kinds.count("gold") == 3
    assert kinds.count("repeat") >= 1
    assert ballot.complaints == []
    assert server.warnings() == []


def test_who_fails_a_check_is_thanked_and_gets_the_code_for_it(
    seeded: tuple[Server, dict[str, str]], new_context: Callable[..., BrowserContext]
) -> None:
    server, key = seeded[0], seeded[1]["key"]
    careless = BallotPage(new_context().new_page(), server)
    begin(careless, server, f"/join/{key}?PROLIFIC_PID=5f00bb")
    careless.wait_for_battle()
    while not careless.page.locator("h1").count():
        old = careless.battle
        wrong = "Left is better" if right_answer(careless).startswith("Right") else "Right is better"
        careless.answer(wrong).click()
        careless.page.wait_for_function(
            f"""(old) => document.querySelector('{IDLE}') && (document.querySelector("h1")
            || document.querySelector('[class*="st-key-left-"]:not([class*="' + old + '"])'))""",
            arg=str(UUID(old)),
        )
        if not careless.page.locator("h1").count():
            careless.wait_for_battle(other_than=old)
    expect(careless.page.get_by_text("Thank you for your time")).to_be_visible()
    expect(careless.page.get_by_role("link", name="Return to Prolific")).to_have_attribute(
        "href", "https://app.prolific.com/submissions/complete?cc=OUT1234"
    )
    shoot(careless.page, "screened-out")


def test_an_admin_drops_known_answers_for_a_draft(
    seeded: tuple[Server, dict[str, str]], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server, made = seeded
    page = new_context().new_page()
    page.goto(server.base_url + made["admin"])
    expect(page.get_by_text("There are to be attention checks, and there are no pairs for them")).to_be_visible()
    page.get_by_role("button", name="Known answers").click()
    dialog = page.get_by_role("dialog")
    file = tmp_path / "gold.jsonl"
    file.write_text('{"prompt": "p", "left": "a", "right": "b", "gold": "middle"}')
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_text("gold must be left, right, tie or both_bad, not 'middle'")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Known answers").click()
    file.write_text('{"prompt": "p", "left": "a", "right": "b", "gold": "left"}\n' * 3)
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_text("3 pairs. 3 without a reason")).to_be_visible()
    shoot(page, "known-answers")
    dialog.get_by_text("Attention checks", exact=True).click()
    expect(dialog.get_by_role("radio", name="Attention checks")).to_be_checked()
    dialog.get_by_role("button", name="Store 3 pairs").click()
    expect(page.get_by_text("3 pairs with a known answer are stored.")).to_be_visible()
    expect(page.get_by_text("no pairs for practice")).to_be_visible()
    expect(page.get_by_text("no pairs for them")).to_have_count(0)
    page.get_by_role("button", name="Raters").click()
    expect(page.get_by_role("dialog", name="Raters")).to_be_visible()
    shoot(page, "raters")


def test_whoever_is_led_to_the_end_can_still_explain_the_last_answer(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = new_server()
    asks = {"strength": True, "reasons": True, "comment": True}
    flow = Flow(consent="Some words.", panel=FLOW.panel, code_done=FLOW.code_done)
    key = seed_flow(server, write_plain_texts(tmp_path), flow, votes_per_rater=1, asks=asks)["key"]
    server.start()
    for width in (1280, 390):
        ballot = BallotPage(new_context(viewport={"width": width, "height": 844}).new_page(), server)
        ballot.page.goto(f"{server.base_url}/join/{key}?PROLIFIC_PID=5f00{width}&STUDY_ID=s1&SESSION_ID=x1")
        click(ballot.page, "I agree")
        ballot.wait_for_battle()
        ballot.answer("Left is better").click()
        expect(ballot.page.get_by_text("That was all. Thank you!")).to_be_visible()
        ballot.page.get_by_text("Clearly", exact=True).click()
        expect(ballot.page.locator(".bo-kept")).to_have_text("Kept")
        shoot(ballot.page, f"explained-{width}")
        assert ballot.complaints == []
    said = server.rows("SELECT strength FROM vote WHERE superseded_by IS NULL")
    assert [row.strength for row in said] == ["clearly"] * 2
    assert server.warnings() == []
