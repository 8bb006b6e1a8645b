"""All at once, as people do it: in a study with everything switched on, two people of a panel go all the way.

One sits at a desktop and uses keys alone, one taps on a phone. What each of them said is noted down as it stood on
their screen, and at the end the database must hold exactly that, and the pages of results count it.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.ballot_page import BallotPage
from tests.panelist import DWELL_MS, FITS, N_TURNS, QUOTA, Rater, enter, plain, take_turn
from tests.seed import TITLE
from tests.server import Server
from tests.studies import data_url, png
from tests.test_content_page import RICH
from tests.test_films_page import RECORD
from tests.test_flow_page import FLOW
from tests.test_leading import known
from tests.test_output_media import wav
from tests.test_vote_page import write_study

MODELS = ("Alder", "Birch", "Cedar")
RTL = "مرحبا بالعالم، ما هو الكومة؟ שלום"
LED = replace(FLOW, repeat_every=2, shows_agreement=True)
GUIDELINES = "Prefer what helps more; **length** is no virtue."
RULES = {"votes_per_pair": 100, "votes_per_rater": QUOTA, "min_dwell_ms": DWELL_MS, "guidelines": GUIDELINES}
CRITERIA = [
    {"key": "accuracy", "label": "Accuracy", "is_required": True},
    {"key": "wit", "label": "Wit", "is_required": False},
]
ASKS = {"criteria": CRITERIA} | dict.fromkeys(("strength", "reasons", "comment", "skip_reason", "guess"), True)
SEED = """
import json, sys
from pathlib import Path
from app.domain import Purpose
from app.services import experiments, gold_files
from app.study import Shows
from tests import seed
from tests.test_everything_together import LED
folder, start = Path(sys.argv[1]), experiments.start_experiment
experiments.start_experiment = lambda *_: None
made = seed.seed(folder, flow=LED, shows=Shows(is_normalised=True), **json.loads(sys.argv[2]))
id_ = experiments.find_experiment(None, made["key"])
for purpose in (Purpose.PRACTICE, Purpose.GOLD):
    with (folder / f"{purpose.value}.jsonl").open("rb") as stream:
        gold_files.import_gold(None, stream, experiment_id=id_, purpose=purpose)
start(None, id_)
print(json.dumps(made))
"""
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
    for purpose, n in (("practice", 2), ("gold", 6)):
        (folder / f"{purpose}.jsonl").write_text("\n".join(map(json.dumps, known(n))))
    return write_study(folder, {"prompts": asked, "models": models, "generations": rows})


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
    back = f"https://app.prolific.com/submissions/complete?cc={LED.code_done}"
    expect(page.get_by_role("link", name="Return to Prolific")).to_have_attribute("href", back)
    expect(page.locator(".bo-code code")).to_have_text(LED.code_done)
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
    made = json.loads(server.run("-c", SEED, str(write_files(tmp_path, films)), json.dumps(RULES | {"asks": ASKS})))
    key = made["key"]
    server.run("-c", BEFORE, key)
    server.start()
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
    researcher, admin = (BallotPage(new_context().new_page(), server) for _ in range(2))
    admin.known.append("Infinite extent for field")  # of Quality's chart, which is drawn before its data are there
    researcher.page.goto(server.base_url + made["researcher"])
    admin.page.goto(server.base_url + made["admin"])
    check_results(researcher.page, admin.page, raters, rows)
    assert [ballot.complaints for ballot in (researcher, admin, *(rater.ballot for rater in raters))] == [[]] * 4
    assert server.warnings() == []
