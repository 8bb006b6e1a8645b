"""A rater can't learn which model wrote what: not from any byte, not from any side, not by leaving the vote page."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from scipy.stats import chi2, fisher_exact
from sqlalchemy import text
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.domain import Answer
from app.services import serving, voting
from db.engine import Database
from tests.ballot_page import IDLE, BallotPage
from tests.drawn import settle
from tests.protocol import Tab, sign_in
from tests.seed import SAMPLES, seed
from tests.server import Server, Study
from tests.studies import person
from tests.wire import Identities, Wire, find_leaks, read_identities, read_wire, shown_texts

N_BATTLES = 30
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "a", "d", "t", "x")


@dataclass(frozen=True)
class Captured:
    """A whole session of a rater: every byte, what the browser stored, and what must not be in either."""

    server: Server
    wire: Wire
    stored: str
    identities: Identities


@pytest.fixture(scope="module", params=["samples", "llmfao"])
def captured(request: pytest.FixtureRequest, new_server: Callable[..., Server], browser: Browser) -> Captured:
    """The study "strict" is only there to refuse an early vote."""
    folder = SAMPLES if request.param == "samples" else request.getfixturevalue("shared") / "data/llmfao"
    server = new_server()
    asks = {"strength": True, "reasons": True, "comment": True, "skip_reason": True}
    quick = {"folder": folder, "min_dwell_ms": 0, "votes_per_rater": N_BATTLES, "asks": asks}
    studies = server.seed({**quick, "min_dwell_ms": 60_000}, quick)
    server.start()
    har = server.folder / "wire.har"
    context = browser.new_context(record_har_path=har, record_har_content="embed")
    stored = rate_everything(context, server, studies)
    context.close()
    return Captured(server, read_wire(har), stored, read_identities(server))


def rate_everything(context: BrowserContext, server: Server, studies: list[Study]) -> str:
    """Do all that a rater can do, and look where a rater may not; returns what the browser keeps in the end."""
    ballot = BallotPage(context.new_page(), server)
    strict, quick = studies
    ballot.follow(strict.rater)
    ballot.page.keyboard.press("ArrowLeft")
    expect(ballot.page.get_by_role("alert")).to_contain_text("Not saved")
    ballot.follow(quick.rater)
    ballot.read_guidelines()
    for i in range(N_BATTLES - 1):
        ballot.press(KEYS[i % len(KEYS)])
        if i == 9:
            ballot.press("s")
            ballot.press("u")
            ballot.press("s")
        if i == 14:
            say_everything(ballot)
        if i == 19:
            ballot.page.reload()
            ballot.wait_for_battle()
    ballot.page.keyboard.press("ArrowLeft")
    ballot.page.get_by_text("That was all for you").wait_for()
    for name in ("leaderboard", "experiments"):
        ballot.page.goto(f"{server.base_url}/{name}")
        ballot.page.get_by_text("This page is not yours").wait_for()
        ballot.page.locator(IDLE).wait_for()
    for path in ("api/models", "export/votes.csv", "data/bakeoff.db", "_stcore/metrics"):
        ballot.page.evaluate("path => fetch(path).then((answer) => answer.text())", f"{server.base_url}/{path}")
    kept = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, document.title])"
    return str(ballot.page.evaluate(kept)) + json.dumps(context.storage_state())


def say_everything(ballot: BallotPage) -> None:
    """Explain the last vote, look at My votes, change one, and try to open one that isn't there."""
    page = ballot.page
    ballot.type_comment("A comment of mine")
    page.keyboard.press("Escape")
    expect(page.locator(".bo-kept")).to_have_text("Kept")
    page.get_by_text("My votes").click()
    page.locator('[class*="st-key-open-"] button').first.click()
    ballot.wait_for_battle()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".bo-given")).to_contain_text("You said Both are bad")
    settle(page)
    page.evaluate("document.fonts.ready.then(() => true)")  # one that is cut off by leaving has no body to look into
    page.goto(f"{ballot.server.base_url}/my_votes?battle={'0' * 32}")
    page.get_by_text("There is no such vote of yours.").wait_for()
    ballot.follow("/vote")


def test_no_byte_outside_of_the_texts_names_a_model(captured: Captured) -> None:
    """A51: every websocket frame, address, header and body of the session; names, ids, organisations and slugs."""
    wire = captured.wire
    kinds = Counter(what.split()[0] for what, _ in wire.records)
    assert kinds["frame"] > 20 * N_BATTLES and kinds["headers"] > 100 and kinds["body"] > 3 and wire.n_public > 50
    assert wire.unread == set()
    assert find_leaks(wire.records, captured.identities, shown_texts(captured.server)) == []


def test_the_search_would_find_a_model(captured: Captured) -> None:
    """The test can fail: in a frame of this session, in every form that an identity takes."""
    [row] = captured.server.rows("SELECT id, name FROM model ORDER BY name LIMIT 1")
    dashed = f"{row.id[:8]}-{row.id[8:12]}-{row.id[12:16]}-{row.id[16:20]}-{row.id[20:]}"
    frame = captured.wire.frames[-1]
    for form in (row.name.encode(), row.name.upper().encode(), row.id.encode(), dashed.encode(), bytes.fromhex(row.id)):
        assert find_leaks([("frame", frame + b"\x12" + form + b"\x1a")], captured.identities, [])


def test_the_texts_were_on_the_wire_as_the_search_takes_them_out(captured: Captured) -> None:
    """Both generations of every battle are found in some frame, so what is taken out is what was shown."""
    received = b"".join(captured.wire.frames)
    texts = shown_texts(captured.server)
    assert sum(text in received for text in texts) >= 2 * N_BATTLES / 3


def test_the_browser_keeps_nothing_that_names_a_model(captured: Captured) -> None:
    assert "bakeoff_session" in captured.stored
    assert captured.identities.find(captured.stored.encode()) == []


# ------------------------------------------------------------------------------------------------ tokens and sides


def tokens_of(frames: list[bytes], texts: set[str]) -> set[bytes]:
    """All words of these frames but those of the shown texts and the hashes that follow from them."""
    words: set[bytes] = set()
    for frame in frames:
        message = ForwardMsg.FromString(frame)
        message.hash = ""
        element = message.delta.new_element
        if element.WhichOneof("type") == "markdown" and element.markdown.body in texts:
            element.markdown.body = ""
        words |= set(re.findall(rb"[\w-]{3,}", message.SerializeToString()))
    return words


def test_no_token_of_the_page_goes_with_a_model(new_server: Callable[..., Server]) -> None:
    """A51: over all 180 battles of a rater, no id, class or other word in the frames is there for one model only."""
    server = new_server()
    [study] = server.seed({"min_dwell_ms": 0, "votes_per_pair": 100})
    server.start()
    tokens: dict[str, set[bytes]] = {}
    with Tab(server.base_url, sign_in(server.base_url, study.rater)) as tab:
        tab.load()
        while (battle := tab.battle) is not None:
            shown = set(tab.texts)
            tokens[battle.replace("-", "")] = tokens_of(tab.frames, shown)
            tab.frames.clear()
            tab.click("Tie")
    rows = server.rows(
        "SELECT b.id, l.name AS a, r.name AS b, b.is_a_left FROM battle b JOIN pair p ON p.id = b.pair_id "
        "JOIN model l ON l.id = p.model_a_id JOIN model r ON r.id = p.model_b_id"
    )
    sides = {row.id: ((row.a, row.b) if row.is_a_left else (row.b, row.a)) for row in rows if row.id in tokens}
    assert len(sides) == 180
    assert correlated(tokens, sides) == []


def correlated(tokens: dict[str, set[bytes]], sides: dict[str, tuple[str, str]]) -> list[tuple[bytes, str, float]]:
    """Tokens whose presence goes with a model's presence on one side or on either."""
    counts = Counter(token for battle in sides for token in tokens[battle])
    found = []
    for token in (token for token, n in counts.items() if 5 <= n <= len(sides) - 5):
        for model in {name for pair in sides.values() for name in pair}:
            for place in ((0,), (1,), (0, 1)):
                table = [[0, 0], [0, 0]]
                for battle, pair in sides.items():
                    table[token in tokens[battle]][model in [pair[i] for i in place]] += 1
                if (p := fisher_exact(table).pvalue) < 1e-6:
                    found.append((token, model, p))
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sides_follow_no_model_over_two_thousand_draws(store: Database) -> None:
    """A52: each model and each pair stands on the left as often as chance says; so does the model stored first."""
    study = seed(min_dwell_ms=0, votes_per_pair=1000)
    for n_draws in [180] * 11 + [20]:
        rater = person(experiment_id=UUID(study["experiment_id"]))
        for _ in range(n_draws):
            ballot = serving.next_battle(rater)
            assert ballot is not None and ballot.battle is not None
            voting.cast_vote(rater, ballot.battle.id, Answer.SKIP)
    with store.read() as session:
        rows = list(session.execute(text("SELECT p.id, p.model_a_id AS a, p.model_b_id AS b, is_a_left FROM battle "
                                         "JOIN pair p ON p.id = pair_id WHERE status = 'skipped'")))  # fmt: skip
    assert len(rows) == 2000
    lefts: dict[Any, list[bool]] = defaultdict(list)
    for row in rows:
        lefts[row.id].append(bool(row.is_a_left))
        lefts[row.a].append(bool(row.is_a_left))
        lefts[row.b].append(not row.is_a_left)
        lefts["older model"].append((row.a < row.b) == bool(row.is_a_left))
    for subjects in ({row.id for row in rows}, {row.a for row in rows} | {row.b for row in rows}, {"older model"}):
        statistic = sum((sum(lefts[s]) - len(lefts[s]) / 2) ** 2 / (len(lefts[s]) / 4) for s in subjects)
        assert chi2.sf(statistic, len(subjects)) > 1e-6  # sides that follow a model are off by hundreds
