"""No byte names a model, wherever a rater goes (A51, A53 to A55): led by a panel, with media, in an arena that fails.

What tests/test_blindness.py does with texts is done here with everything else switched on: a link of a panel, consent,
practice, checks and repeats, images, sounds and films whose makers wrote their names into them, criteria and all that
is said beside a vote, texts as written, and every address that a rater could think of.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.arena_page import Rater
from tests.arenas import StreamingEndpoint, steadily
from tests.arenas import seed as seed_arena
from tests.ballot_page import BallotPage
from tests.conftest import ROOT
from tests.server import Server
from tests.studies import data_url, png
from tests.test_answers_page import ALL
from tests.test_blindness import Captured
from tests.test_flow_page import FLOW, begin, right_answer, seed_flow
from tests.test_network import visit
from tests.test_output_media import mp4, wav
from tests.test_vote_page import write_study
from tests.wire import find_leaks, read_identities, read_wire, shown_texts

MODELS = {"Zephyr Nine": "ZephyrWorks", "Quillfeather": "Inkhouse", "Obsidian-7": "Vulcano Labs"}
KINDS = ("image", "audio", "video", "text")
N_VOTES = 20  # some 11 of them normal, and a rater meets all prompts equally often
FETCH = "(path) => fetch(path).then((answer) => answer.text())"
ASKS = {**{name: value for name, value in ALL.items() if name != "guess"}, "criteria": ALL["criteria"][1:]}


def made_by(name: str, kind: str, i: int) -> dict[str, object]:
    """An output whose file says who made it, wherever such files can say so."""
    if kind == "text":
        return {"output": f"Some words on number {i}. " * (3 + len(name))}
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = f"made by {name}", name
    size = (len(name), 8 + i)
    data = {
        "image": lambda: png("green", size, format="JPEG", exif=exif, comment=name.encode()),
        "audio": lambda: wav(comment=f"INAM {name}".encode()),
        "video": lambda: mp4(name.encode(), length_ms=400),
    }[kind]()
    return {"content": [{"type": kind, "file": data_url(data)}]}


def write_media(folder: Path) -> Path:
    prompts = [(f"q{kind}{i}", kind, i) for kind in KINDS for i in range(2)]
    models = [{"name": name, "organisation": of, "provider_id": f"{of}/{name}-hf"} for name, of in MODELS.items()]
    asked = [{"id": id_, "prompt": f"Make number {i}, {kind}."} for id_, kind, i in prompts]
    rows = [{"prompt_id": id_, "model": name, **made_by(name, kind, i)} for name in MODELS for id_, kind, i in prompts]
    return write_study(folder, {"models": models, "prompts": asked, "generations": rows})


@pytest.fixture(scope="module")
def led(new_server: Callable[..., Server], browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """A rater's whole way, from the link of their panel to the code at the end, and to where no rater should go."""
    server, folder = new_server(), tmp_path_factory.mktemp("media")
    flow = replace(FLOW, must_play=False, shows_agreement=True, most_failed_checks=None)
    made = seed_flow(server, write_media(folder), flow, votes_per_rater=N_VOTES, asks=ASKS)
    server.start()
    har = server.folder / "wire.har"
    context = browser.new_context(record_har_path=har, record_har_content="embed")
    ballot = BallotPage(context.new_page(), server)
    walk(ballot, server, made["key"])
    look_elsewhere(ballot.page, server, made["key"])
    stored = json.dumps(context.storage_state())
    context.close()
    return Captured(server, read_wire(har), stored, read_identities(server))


def walk(ballot: BallotPage, server: Server, key: str) -> None:
    """All that a led rater can do, from the link to the code."""
    page = ballot.page
    page.goto(f"{server.base_url}/join/{key}")  # names nobody
    expect(page.get_by_text("This link names nobody")).to_be_visible()
    begin(ballot, server, f"/join/{key}?PROLIFIC_PID=5f00cc&STUDY_ID=s&SESSION_ID=x")
    for i in range(N_VOTES):
        old = ballot.wait_for_battle()
        page.evaluate(FETCH, f"/texts/{old}")
        page.evaluate(FETCH, f"/answers/{old}")
        if i in (3, 7):
            following = ballot.press("s")
            page.get_by_role("button", name="Undo").click()
            ballot.wait_for_battle(other_than=following)
        page.keyboard.press("p")
        ballot.answer(right_answer(ballot)).click()
        if i == 5:
            ballot.wait_for_battle(other_than=old)
            say_everything(ballot)
        elif i < N_VOTES - 1:
            ballot.wait_for_battle(other_than=old)
    expect(page.get_by_text("That was all. Thank you!")).to_be_visible()


def say_everything(ballot: BallotPage) -> None:
    """How much better, why, a comment and a criterion; then My votes and a change there."""
    page = ballot.page
    ballot.type_comment("A comment of mine")
    page.keyboard.press("Escape")
    expect(page.locator(".bo-kept")).to_have_text("Kept")
    page.get_by_text("My votes").click()
    page.locator('[class*="st-key-open-"] button').first.click()
    ballot.wait_for_battle()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("status").first).to_contain_text("Stored")
    ballot.follow("/vote")


def look_elsewhere(page: Page, server: Server, key: str) -> None:
    """Every page of ours, and every route with what a rater may know or guess of it."""
    visit(page, server, sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__"))
    other = server.rows("SELECT id FROM battle ORDER BY id LIMIT 1")[0].id
    sets = server.rows("SELECT id FROM prompt_set")[0].id
    votes = f"/api/v1/experiments/{key}/votes"
    paths = [
        f"/texts/{'0' * 32}",
        f"/answers/{other}",
        f"/export/prompts/{sets}",
        f"/export/generations/{sets}?format=csv",
    ]
    paths += [votes, f"{votes}?format=arena", f"{votes}/manifest", f"{votes}/bundle", "/export/page/x", "/m/x.png"]
    for path in (*paths, "/join/nothing", "/assets/x", "/healthz", "/readyz", "/_stcore/metrics", "/media/x"):
        page.evaluate(FETCH, path)


def test_a_led_rater_gets_no_byte_that_names_a_model(led: Captured) -> None:
    kinds = {what.split()[0] for what, _ in led.wire.records}
    assert kinds == {"headers", "frame", "body"} and led.wire.unread == set()
    assert find_leaks(led.wire.records, led.identities, shown_texts(led.server)) == []
    assert led.identities.find(led.stored.encode()) == []


def test_what_was_captured_is_everything(led: Captured) -> None:
    """The test can fail: every kind of medium and of battle was served, and every answer of a route is among it."""
    addresses = {what.split()[-1].removeprefix(led.server.base_url) for what, _ in led.wire.records}
    media = {row.place for row in led.server.rows("SELECT place FROM media")}
    seen = {place.rpartition(".")[2] for place in media if f"/m/{place}" in addresses}
    assert seen == {"png", "flac", "mp4"}
    for start in ("/texts/", "/answers/", "/join/", "/export/prompts/", "/export/generations/", "/api/v1/", "/m/"):
        assert any(address.startswith(start) for address in addresses), start
    purposes = {row.purpose for row in led.server.rows("SELECT DISTINCT purpose FROM battle WHERE status = 'voted'")}
    assert purposes == {"normal", "practice", "gold", "repeat"}
    assert led.server.rows("SELECT count(*) AS n FROM vote WHERE comment <> ''")[0].n >= 1


def test_the_files_were_sent_without_what_their_makers_wrote_into_them(led: Captured) -> None:
    bodies = [payload for what, payload in led.wire.records if what.startswith("body") and "/m/" in what]
    assert len(bodies) > 6
    for name in (*MODELS, *MODELS.values()):
        assert not any(name.encode() in body for body in bodies)


# ------------------------------------------------------------------------------------------------ an arena that fails


FAILED = (
    "SELECT DISTINCT model.name FROM generation JOIN model ON generation.model_id = model.id "
    "WHERE generation.status NOT IN ('ok', 'asking') AND generation.error NOT LIKE 'Broken off%'"
)


def test_an_endpoint_that_fails_in_an_arena_is_named_in_no_byte(
    new_server: Callable[..., Server], browser: Browser
) -> None:
    """A54: one model is down, one breaks off in the middle; others take their places, and nothing says who failed."""
    fine = [StreamingEndpoint(steadily("An answer to {} in some words. " * 9)) for _ in range(2)]
    down = StreamingEndpoint(steadily(""), status=500)
    cut = StreamingEndpoint(steadily("It breaks off "), finish="content_filter")
    endpoints = dict(zip(MODELS, (*fine, down), strict=True)) | {"Cormorant": cut}
    server = new_server()
    _, link, _ = seed_arena(server, endpoints, title="Ask away", arena={"per_minute": 100, "per_hour": 1000})
    server.start()
    har = server.folder / "wire.har"
    context = browser.new_context(record_har_path=har, record_har_content="embed")
    for i in range(12):  # each in a tab of their own, since names may be known after a vote
        rater = Rater(context.new_page(), server, link)
        rater.send(f"rain {i}")
        rater.until_ready()
        if len(failed := {row.name for row in server.rows(FAILED)}) > 1:
            break
        rater.page.close()
        context.clear_cookies()
    context.close()
    identities, wire = read_identities(server), read_wire(har)
    assert failed == {"Obsidian-7", "Cormorant"}
    assert find_leaks(wire.records, identities, shown_texts(server)) == []
    said = [one.host.encode() for one in endpoints.values()] + [b"SecretLab", b"is down", b"content_filter"]
    assert not [what for what, payload in wire.records if any(word in payload for word in said)]
    for endpoint in endpoints.values():
        endpoint.__exit__()
