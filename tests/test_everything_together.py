"""All at once, as people do it: an admin switches everything on in the form, and two people of a panel go all the way.

One sits at a desktop and uses keys alone, one taps on a phone. What each of them said is noted down as it stood on
their screen, and at the end the database must hold exactly that, and the pages of results count it.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.ballot_page import IDLE, BallotPage
from tests.panelist import DWELL_MS, FITS, N_TURNS, QUOTA, Rater, enter, plain, take_turn
from tests.server import Server
from tests.studies import data_url, png
from tests.test_content_page import RICH
from tests.test_end_to_end import TITLE, invite_researcher, upload_files
from tests.test_films_page import RECORD
from tests.test_flow_page import FLOW
from tests.test_leading import known
from tests.test_output_media import wav
from tests.test_vote_page import write_study

MODELS = ("Alder", "Birch", "Cedar")
RTL = "مرحبا بالعالم، ما هو الكومة؟ שלום"
CODES = {"done": FLOW.code_done, "screened out": FLOW.code_screened_out, "full": FLOW.code_over_quota}
# Five who came before, so that there is somebody to agree with. They looked at each pair for a minute.
BEFORE = """
import sys
from datetime import timedelta
from sqlalchemy import update
from app.domain import Answer, utc_now
from app.services import panels, participation, serving, sign_in, voting
from app.study import Consent, Farewell, Feedback
from db.engine import database
from db.tables import Battle
from tests.test_leading import is_good
for name in ("early1", "early2", "early3", "early4", "early5"):
    token, _ = panels.join_study(sys.argv[1], {"PROLIFIC_PID": name}, None)
    rater = sign_in.identify(sign_in.hash_token(token))
    while not isinstance((ballot := serving.next_battle(rater)).step, Farewell):
        if isinstance(ballot.step, Consent):
            participation.agree(rater, ballot.study.id)
        elif isinstance(ballot.step, Feedback):
            (participation.begin if ballot.step.is_last else participation.practise)(rater, ballot.study.id)
        else:
            with database().write() as session:
                session.execute(update(Battle).values(shown_at=utc_now() - timedelta(minutes=1)))
            voting.cast_vote(rater, ballot.battle.id, is_good(ballot.battle), criteria={"accuracy": Answer.TIE})
"""


# ------------------------------------------------------------------------------------------------ the files


def write_files(folder: Path, films: Sequence[bytes]) -> Path:
    """Three models and five prompts of every kind; each text has a mark of its own, films alone have none."""
    prompts = {
        "rich": "What is a **heap**? Say it with `code`, $O(\\log n)$ and a table:\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "rtl": RTL,
        "image": "Draw a square.",
        "audio": "Hum a tone.",
        "video": "Film a colour.",
    }
    rows: list[dict[str, object]] = []
    for i, name in enumerate(MODELS):
        mark = {"type": "text", "text": f"It is called {chr(105 + i) * 3}."}
        colour = ("red", "green", "blue")[i]
        media = {
            "rich": {"type": "text", "text": RICH},
            "rtl": {"type": "text", "text": f"{RTL} {i}"},
            "image": {"type": "image", "file": data_url(png(colour, (300, 200)))},
            "audio": {"type": "audio", "file": data_url(wav(seconds=0.6 + i / 5))},
        }
        rows += [{"prompt_id": kind, "model": name, "content": [mark, one]} for kind, one in media.items()]
        film = {"type": "video", "file": data_url(films[i])}
        rows.append({"prompt_id": "video", "model": name, "content": [film]})
    asked: list[dict[str, object]] = [{"id": id_, "prompt": text} for id_, text in prompts.items()]
    asked[2]["attachments"] = [data_url(png("white", (40, 40)))]
    models: list[dict[str, object]] = [{"name": name} for name in MODELS]
    for purpose, n in (("practice", 2), ("checks", 6)):
        (folder / f"{purpose}.jsonl").write_text("\n".join(map(json.dumps, known(n))))
    return write_study(folder, {"prompts": asked, "models": models, "generations": rows})


# ------------------------------------------------------------------------------------------------ the admin


QUIET = f"""(since) => {{
  if (!document.querySelector('{IDLE}')) window.busyAt = performance.now();
  return performance.now() - Math.max(since, window.busyAt ?? 0) > 400;
}}"""


def settle(page: Page) -> None:
    """Wait until a stretch without a run: one that begins late would take what is typed next out of a field again."""
    page.wait_for_function(QUIET, arg=page.evaluate("performance.now()"))


def fill(page: Page, role: Any, name: str, value: str) -> None:
    """Type into a field of the form and leave it."""
    box = page.get_by_role(role, name=name, exact=True)
    box.fill(value)
    box.press("Tab")
    settle(page)


def pick(page: Page, name: str, *options: str) -> None:
    """Choose options of a field, or type one that isn't there yet."""
    box = page.get_by_role("combobox", name=name)
    for option in options:
        offered = page.get_by_role("option")
        for _ in range(5):  # a run of the page that begins only now takes what was typed
            box.click()
            box.fill(option)
            settle(page)
            with suppress(AssertionError):
                expect(offered).to_have_count(1, timeout=5_000)  # before it is, it may move away below the click
                expect(offered).to_contain_text(option, timeout=5_000)
                break
        offered.click()
        settle(page)
    box.press("Escape")


def switch_on(page: Page, *labels: str) -> None:
    for label in labels:
        page.get_by_text(label, exact=True).click()
        settle(page)


def fill_form(page: Page, server: Server) -> None:
    """A draft with everything switched on."""
    page.goto(f"{server.base_url}/experiments")
    page.get_by_role("tab", name="New experiment").click()
    fill(page, "textbox", "Title", TITLE)
    fill(page, "spinbutton", "Votes per pair", "100")
    fill(page, "spinbutton", "Votes per rater, at most", str(QUOTA))
    page.get_by_text("How raters are led", exact=True).click()
    fill(page, "textbox", "Consent, in Markdown; raters agree to it before they see anything", FLOW.consent)
    switch_on(page, "Practice round first, with feedback", "At the end, tell raters how often others agreed")
    fill(page, "spinbutton", "One attention check in", "4")
    fill(page, "spinbutton", "Failed checks allowed", "0")
    fill(page, "spinbutton", "One repeat in", "2")
    pick(page, "Panel", "Prolific")
    for ending, code in CODES.items():
        fill(page, "textbox", f"Code: {ending}", code)
    page.get_by_text("What is asked beside the vote", exact=True).click()
    pick(page, "Criteria beside overall", "Accuracy", "Wit")
    pick(page, "Needed with every vote", "Accuracy")
    who = "Who made it? (shows raters the names of all models)"
    switch_on(page, "How much better", "Reasons", "Comment", "Why somebody can't judge", who)
    page.get_by_text("More", exact=True).click()
    fill(page, "spinbutton", "Shortest time for a vote, in ms", str(DWELL_MS))
    switch_on(page, "Show all outputs in one flavour of Markdown")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    settle(page)


def store_known(page: Page, file: Path, purpose: str, n: int) -> None:
    """Drop known answers into the dialog of the draft's card."""
    page.get_by_role("button", name="Known answers").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(purpose, exact=True).click()
    settle(page)
    dialog.locator("input[type=file]").set_input_files(file)
    dialog.get_by_role("button", name=f"Store {n} pairs").click()
    expect(page.get_by_text(f"{n} pairs with a known answer are stored.")).to_be_visible()
    expect(dialog).to_have_count(0)
    settle(page)


def start_everything(page: Page, server: Server, files: Path) -> str:
    """Files, design, known answers, start; returns the study's key, as it stands in the link for the panel."""
    upload_files(page, server, files)
    fill_form(page, server)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    store_known(page, files / "practice.jsonl", "Practice, with feedback", 2)
    store_known(page, files / "checks.jsonl", "Attention checks", 6)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Started. Its design is frozen")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Rater link").click()
    link = page.get_by_text(re.compile(r"/join/\S+PROLIFIC_PID=")).first.inner_text()
    found = re.search(r"/join/([^?\s]+)\?PROLIFIC_PID=\{\{%PROLIFIC_PID%\}\}&STUDY_ID=", link)
    assert found is not None, link
    [stored] = server.rows("SELECT flow, asks, shows, min_dwell_ms, votes_per_rater FROM experiment")
    flow, asks = json.loads(stored.flow), json.loads(stored.asks)
    codes = {f"code_{name}": getattr(FLOW, f"code_{name}") for name in ("done", "screened_out", "over_quota")}
    said = {"consent": FLOW.consent, "needs_practice": True, "gold_every": 4, "most_failed_checks": 0}
    assert flow == {**said, "repeat_every": 2, "shows_agreement": True, "panel": "PROLIFIC_PID", **codes}
    assert [(one["label"], one["is_required"]) for one in asks["criteria"]] == [("Accuracy", True), ("Wit", False)]
    assert asks.keys() == {"criteria", "strength", "reasons", "comment", "skip_reason", "guess"}
    assert json.loads(stored.shows) == {"is_normalised": True}
    assert (stored.min_dwell_ms, stored.votes_per_rater) == (DWELL_MS, QUOTA)
    return found.group(1)


# ------------------------------------------------------------------------------------------------ what is stored

REMARKS = {"strength", "reasons", "comment", "skip_reason", "guesses"}
STORED = """
SELECT p.external_id AS who, o.name, b.id, b.purpose, b.status, b.is_a_left, b.repeat_of, b.pair_id, b.prompt_id,
  b.generation_a_id AS a, b.generation_b_id AS b, x.parts AS a_parts, y.parts AS b_parts, g."left" AS known_a,
  g."right" AS known_b, v.criterion, v.outcome, v.dwell_ms, v.strength, v.reasons, v.comment, v.skip_reason, v.guesses
FROM vote v JOIN battle b ON b.id = v.battle_id JOIN participation p ON p.account_id = b.rater_id
  JOIN account o ON o.id = b.rater_id
  LEFT JOIN generation x ON x.id = b.generation_a_id LEFT JOIN generation y ON y.id = b.generation_b_id
  LEFT JOIN gold g ON g.id = b.gold_id
WHERE v.superseded_by IS NULL AND v.act <> 'undo'
"""


def side_of(row: Any) -> str:
    """What a stored answer says about the sides of the screen."""
    sides = {"model_a": "left", "model_b": "right"} if row.is_a_left else {"model_a": "right", "model_b": "left"}
    return sides.get(row.outcome, row.outcome or "skip")


def first_text(parts: str | None) -> str:
    """The text that begins an output, which nothing else begins with; blank for a film."""
    return "".join(part["text"] for part in json.loads(parts or "[]")[:1] if part["type"] == "text")


def check_stored(rater: Rater, rows: Sequence[Any]) -> None:
    """Exactly what this rater said is there, once, about the sides that stood on the screen."""
    assert len({(row.id, row.criterion) for row in rows}) == len(rows)
    assert {row.id for row in rows} == rater.said.keys()
    for battle, said in rater.said.items():
        found = {row.criterion: row for row in rows if row.id == battle}
        row = found["overall"]
        assert {name: side_of(one) for name, one in found.items()} == {k: said[k] for k in said.keys() - REMARKS}
        assert {k: v for k, v in plain(row).items() if k in REMARKS} == {k: said[k] for k in said.keys() & REMARKS}
        texts = [row.known_a or first_text(row.a_parts), row.known_b or first_text(row.b_parts)]
        _, _, *shown = rater.seen[battle]
        assert all(text in there for text, there in zip(texts if row.is_a_left else texts[::-1], shown, strict=True))
        assert row.dwell_ms >= DWELL_MS
    asked = [row for row in rows if row.criterion == "overall"]
    purposes = [row.purpose for row in asked if row.outcome]
    assert purposes.count("practice") == 2 and len(purposes) == 2 + QUOTA == len(asked) - 1
    assert purposes.count("gold") == 3 and purposes.count("repeat") >= 1
    first = {row.id: row for row in asked}
    for row in asked:
        if row.purpose == "repeat":
            before = first[row.repeat_of]
            assert (row.a, row.b, row.is_a_left) == (before.a, before.b, not before.is_a_left)


def agreement(who: str, rows: Sequence[Any]) -> str:
    """How many of the others' votes on the same pairs said the same, in per cent."""
    normal = [row for row in rows if (row.criterion, row.purpose) == ("overall", "normal") and row.outcome]
    same: list[bool] = [
        mine.outcome == other.outcome
        for mine in normal
        for other in normal
        if mine.who == who != other.who and (mine.pair_id, mine.prompt_id) == (other.pair_id, other.prompt_id)
    ]
    assert len(same) >= 10
    return f"{100 * (sum(same) / len(same)):.0f}"


def check_end(rater: Rater, rows: Sequence[Any]) -> None:
    """The last page thanks, says how often others agreed, and has the code, also when it is loaded again."""
    page = rater.page
    page.reload()
    expect(page.get_by_text("That was all. Thank you!")).to_be_visible()
    expect(page.get_by_text(f"Your {QUOTA} answers are saved.")).to_be_visible()
    expect(page.get_by_text(f"said the same as you in {agreement(rater.panel_id, rows)} %")).to_be_visible()
    back = f"https://app.prolific.com/submissions/complete?cc={CODES['done']}"
    expect(page.get_by_role("link", name="Return to Prolific")).to_have_attribute("href", back)
    expect(page.locator(".bo-code code")).to_have_text(CODES["done"])
    assert not rater.is_phone or page.evaluate(FITS)


def check_results(researcher: Page, admin: Page, raters: Sequence[Rater], rows: Sequence[Any]) -> None:
    """The board counts normal votes alone; Quality has a row for each rater, with their checks and repeats."""
    counted = [row for row in rows if row.criterion == "overall" and row.outcome and row.purpose != "practice"]
    n_normal = sum(row.purpose == "normal" for row in counted)
    expect(researcher.locator(".bo-over")).to_contain_text(f"{TITLE} · {n_normal} votes by 7 raters")
    admin.goto(f"{raters[0].ballot.server.base_url}/quality")
    expect(admin.locator("table.bo-raters tbody tr")).to_have_count(7)
    for rater in raters:
        n = Counter(row.purpose for row in counted if row.who == rater.panel_id)
        name = next(row.name for row in rows if row.who == rater.panel_id)
        cells = admin.locator("table.bo-raters tbody tr", has_text=name).locator("td").all_inner_texts()
        n_votes, n_skips, _, _, same, _, checks, _ = cells
        assert (n_votes, n_skips, checks) == (str(n["normal"]), "1", f"{n['gold']} of {n['gold']}")
        assert same in [f"{n_same} of {n['repeat']}" for n_same in range(n["repeat"] + 1)]


# ------------------------------------------------------------------------------------------------ the story


@pytest.fixture(scope="module")
def films(browser: Browser) -> list[bytes]:
    """Short films of three lengths, one for each model."""
    page = browser.new_page()
    made = [base64.b64decode(page.evaluate(RECORD, seconds)) for seconds in (0.8, 1.0, 1.2)]
    page.close()
    return made


def test_two_people_of_a_panel_go_all_the_way_with_everything_switched_on(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], films: list[bytes], tmp_path: Path
) -> None:
    server = new_server()
    server.start()
    admin = BallotPage(new_context().new_page(), server)
    link = re.search(r"/auth/join\?token=\S+", server.log.read_text())
    assert link is not None
    admin.page.goto(server.base_url + link.group())
    key = start_everything(admin.page, server, write_files(tmp_path, films))
    server.run("-c", BEFORE, key)
    desk, phone = new_context(), new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    raters = [
        Rater(BallotPage(context.new_page(), server), panel_id, is_phone=context is phone)
        for context, panel_id in ((desk, "5f00aa"), (phone, "5f00bb"))
    ]
    for rater in raters:
        enter(rater, key)
    for i in range(N_TURNS):
        for rater in raters:
            take_turn(rater, i)
    rows = server.rows(STORED)
    for rater in raters:
        check_stored(rater, [row for row in rows if row.who == rater.panel_id])
        check_end(rater, rows)
    assert set.union(*(rater.played for rater in raters)) == {"audio", "video"}
    [undone] = server.rows("SELECT count(*) AS n FROM vote WHERE act = 'undo' AND criterion = 'overall'")
    assert undone.n == len(raters)
    researcher = BallotPage(new_context().new_page(), server)
    admin.known.append("Infinite extent for field")  # of the chart on Quality, which is drawn before its data are there
    researcher.page.goto(server.base_url + invite_researcher(admin.page, server))
    check_results(researcher.page, admin.page, raters, rows)
    assert [ballot.complaints for ballot in (admin, researcher, *(rater.ballot for rater in raters))] == [[]] * 4
    assert server.warnings() == []
