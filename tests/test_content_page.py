"""How battles look in Chromium: texts as they were written, hostile ones harmless, media at hand, all by keys."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import BrowserContext, expect

from tests.ballot_page import BLOCK, BallotPage
from tests.drawn import wait_still
from tests.machine import patience
from tests.payloads import ALL
from tests.server import Server
from tests.studies import data_url
from tests.test_answers_page import ALL as ASKS
from tests.test_output_media import wav

RICH = (
    "## Heading\n\n$x^2$ and \\(y_1\\), **bold**\n\n```python\nx -> 1  # :smile:\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n```mermaid\ngraph TD\nA-->B\n```\n\n:red[red words] :smile: a -> b"
)
TABLE = "| a | b | c |\n|---|---|---|\n" + "| 1 | 2 | word |\n" * 10_000


def picture(colour: str, kind: str) -> str:
    image, stream = Image.new("RGB", (600, 400), colour), io.BytesIO()
    ImageDraw.Draw(image).ellipse((200, 100, 400, 300), outline="white", width=9)
    image.save(stream, kind)
    return data_url(stream.getvalue())


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


CASES: dict[str, tuple[list[dict[str, str]], list[dict[str, str]]]] = {
    "rich": (text(RICH), text("short")),
    "chat": (text("first") + text("second"), text("one") + text("two")),
    "images": (
        [{"type": "image", "file": picture("#225", "PNG")}],
        [{"type": "image", "file": picture("#522", "JPEG")}],
    ),
    "sounds": tuple([{"type": "audio", "file": data_url(wav(seconds=n))}] for n in (0.6, 0.8)),  # type: ignore[dict-item]
    "mixed": ([*text("Here:"), {"type": "image", "file": picture("#252", "PNG")}], text("Only words.")),
}
HEAVY = {
    "long": (text("lorem ipsum dolor sit amet. " * 36_000), text(TABLE)),
    "brackets": (text("[" * 1_000_000), text("x " * 500_000)),
    "formulas": (text("$" + "{a}" * 15_000 + "$"), text("$" + "x^{2}" * 9_000 + "$")),
}
UNSEEN = re.compile("[\u202e\u202c\u200b\ufeff]")
HOSTILE = {f"hostile{i}": (text("\n\n".join(ALL[i::8])), text("fine")) for i in range(8)}


def write_cases(folder: Path, cases: dict[str, Any]) -> Path:
    """The files of a study of these battles."""
    folder.mkdir()
    (folder / "models.jsonl").write_text('{"name": "Ada"}\n{"name": "Bob"}\n')
    asked = [{"id": name, "messages": [{"role": "user", "content": f"case {name}"}]} for name in cases]
    for row in asked:
        if row["id"] == "chat":
            row["messages"] += [{"role": "user", "content": "On?"}]  # type: ignore[operator]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, asked)))
    rows = [
        {"prompt_id": name, "model": model, "content": side}
        for name, sides in cases.items()
        for model, side in zip(("Ada", "Bob"), sides, strict=True)
    ]
    (folder / "generations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def serve(server: Server, folder: Path, cases: dict[str, Any], **rules: Any) -> str:
    """Start a study of these battles; returns the link for raters."""
    write_cases(folder, cases)
    usual = {"folder": str(folder), "min_dwell_ms": 0, "votes_per_pair": 1000, "leak_choice": "keep"}
    [study] = server.seed(usual | rules)
    server.start()
    return study.rater


@pytest.fixture(scope="module")
def content_server(new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, str]:
    server = new_server()
    return server, serve(server, tmp_path_factory.mktemp("content") / "in", CASES)


@pytest.fixture(scope="module")
def heavy_server(new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, str]:
    server = new_server()
    return server, serve(server, tmp_path_factory.mktemp("heavy") / "in", HEAVY)


@pytest.fixture(scope="module")
def hostile_server(new_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, str]:
    server = new_server()
    return server, serve(server, tmp_path_factory.mktemp("hostile") / "in", HOSTILE)


def name_of(ballot: BallotPage) -> str:
    return ballot.parts[0].inner_text().split("case ")[1].split()[0]


# To look for words in a page with a megabyte of text takes seconds, so it is done only where there is no battle.
OVER = """old => {
  const bar = document.querySelector(".st-key-bar");
  if (bar) return !bar.querySelector(`[class*='st-key-left-${old}']`) && "next";
  return document.querySelector(".stMain")?.textContent.includes("That was all for you") && "all";
}"""


def battles(ballot: BallotPage) -> Iterator[str]:
    """Go through all battles by "can't judge", which no lock holds up; the name of each."""
    while True:
        yield name_of(ballot)
        old = ballot.battle
        ballot.page.keyboard.press("s")
        if ballot.page.wait_for_function(OVER, arg=_dashed(old)).json_value() == "all":
            return
        ballot.wait_for_battle(other_than=old)


def _dashed(battle: str) -> str:
    return f"{battle[:8]}-{battle[8:12]}-{battle[12:16]}-{battle[16:20]}-{battle[20:]}"


def opened(context: BrowserContext, served: tuple[Server, str]) -> BallotPage:
    ballot = BallotPage(context.new_page(), served[0])
    ballot.follow(served[1])
    return ballot


def go_to(new_context: Callable[..., BrowserContext], served: tuple[Server, str], name: str) -> BallotPage:
    """A rater at the battle of this name, who has another one before them: whose last one it is, skips it too."""
    for _ in range(20):
        ballot = opened(new_context(), served)
        for place, found in enumerate(battles(ballot), start=1):  # left open, it would count as shown: last once more
            if found == name and place < len(CASES):
                return ballot
    raise AssertionError(f"{name} was the last battle of twenty raters")


def side_with(ballot: BallotPage, words: str) -> Any:
    ballot.page.get_by_text(words).first.wait_for()  # what draws Markdown comes to the browser a moment later
    left, right = ballot.parts[1:]
    return left if words in left.inner_text() else right


def test_texts_are_drawn_and_shown_as_written_at_one_key(new_context, content_server) -> None:
    ballot = go_to(new_context, content_server, "rich")
    page, side = ballot.page, side_with(ballot, "Heading")
    for part in (".katex", "pre code", "table"):
        expect(side.locator(part).first).to_be_visible()
    expect(side.get_by_role("img", name="Mermaid flowchart")).to_be_visible()
    assert "\u200b" in side.text_content(), "what draws formulas puts such signs into them"
    expect(page.locator("[data-bo-unseen]")).to_have_count(0)
    assert ":\u2060red[red words]" in side.inner_text().replace("\n", " ")
    page.keyboard.press("p")
    expect(page.locator("pre.bo-plain")).to_have_count(3)
    assert RICH in page.locator("pre.bo-plain").all_inner_texts()
    expect(side.locator(".katex").first).to_be_hidden()
    expect(page.get_by_role("button", name="Plain")).to_have_attribute("aria-pressed", "true")
    page.reload()
    ballot.wait_for_battle()
    expect(page.locator("pre.bo-plain")).to_have_count(3)  # it is remembered, and shown for the next battle too
    before = page.locator("pre.bo-plain").first.inner_text()
    ballot.press("s")
    expect(page.locator("pre.bo-plain").first).not_to_have_text(before)
    page.keyboard.press("p")
    expect(page.locator("pre.bo-plain")).to_have_count(0)


def test_the_plain_text_of_somebody_elses_battle_is_not_there(new_context, content_server) -> None:
    server, _ = content_server
    one, other = opened(new_context(), content_server), opened(new_context(), content_server)
    fetched = "async path => { const answer = await fetch(path); return [answer.status, await answer.text()]; }"
    path = f"{server.base_url}/texts/{_dashed(one.battle)}"
    status, body = one.page.evaluate(fetched, path)
    assert status == 200 and set(json.loads(body)) == {"prompt", "left", "right"}
    assert [other.page.evaluate(fetched, address)[0] for address in (path, path[:-5], path + "x")] == [404, 404, 404]


def test_images_are_looked_at_closely_and_one_over_the_other(new_context, content_server) -> None:
    ballot = go_to(new_context, content_server, "images")
    page, battle = ballot.page, ballot.battle
    page.locator(".bo-zoom").first.press("Enter")
    dialog = page.get_by_role("dialog", name="Look closely")
    expect(dialog.locator("img")).to_have_count(1)
    dialog.get_by_role("button", name="One over the other").click()
    slider = dialog.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("49")
    expect(dialog.locator("img").first).to_have_attribute("style", re.compile(r"^(?!.*49%).*51%"))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert ballot.battle == battle and content_server[0].rows("SELECT id FROM vote WHERE act = 'vote'") == []


# At once, since the first one is short and must not come to its own end before the second one stops it.
PLAY_BOTH = """async () => {
  for (const player of document.querySelectorAll("audio")) {
    player.muted = true;
    await player.play();
  }
}"""


def test_sounds_are_to_be_played_and_never_both_at_once(new_context, content_server) -> None:
    """No key and no click answers before; "can't judge" always does."""
    ballot = go_to(new_context, content_server, "sounds")
    page, battle = ballot.page, ballot.battle
    for act in ("ArrowLeft", "a", "x", "ArrowUp"):
        page.keyboard.press(act)
    ballot.answer("Left is better").click(force=True)
    expect(page.locator(".bo-live")).to_contain_text("Play both sides first")
    assert ballot.battle == battle
    expect(page.locator("audio")).to_have_count(2)
    first, second = page.locator("audio").all()
    page.evaluate(PLAY_BOTH)
    page.wait_for_function("() => document.querySelectorAll('audio')[0].paused")
    second.evaluate("player => new Promise(done => { player.onended = done; if (player.ended) done(); })")
    assert page.evaluate("document.documentElement.hasAttribute('data-bo-locked')")
    first.evaluate("player => { player.currentTime = 0; player.muted = true; return player.play(); }")
    page.wait_for_function("() => !document.documentElement.hasAttribute('data-bo-locked')")
    assert ballot.press("ArrowLeft") != battle


@pytest.mark.timed
def test_a_megabyte_ten_thousand_rows_and_long_formulas_are_there_within_three_seconds(
    new_context, heavy_server
) -> None:
    """A32; nothing of them is missing, and the next battle can be had."""
    ballot = opened(new_context(), heavy_server)
    seen = set()
    began = time.monotonic()
    for name in battles(ballot):
        if name in HEAVY:
            seen.add(name)
            n = ballot.page.evaluate("document.querySelectorAll('.stText').length")
            least = 0.9 * sum(len(part["text"]) for side in HEAVY[name] for part in side)
            assert n == 2 and sum(len(part.text_content() or "") for part in ballot.parts) > least
            ballot.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            assert time.monotonic() - began < 3 * patience()
        began = time.monotonic()
    assert seen == set(HEAVY)


def test_hostile_texts_run_nothing_and_load_nothing(new_context, hostile_server) -> None:
    """A29 to A33: sixty attacks, drawn and plain, in the browser that raters have."""
    context = new_context()
    ballot = BallotPage(context.new_page(), hostile_server[0])
    page, dialogs, strange = ballot.page, [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("response", lambda answer: strange.append(answer.url))
    ballot.follow(hostile_server[1])
    title, n = page.title(), 0
    for _ in battles(ballot):
        n += 1
        page.wait_for_timeout(300)
        page.keyboard.press("p")
        page.locator("pre.bo-plain").first.wait_for()
        page.keyboard.press("p")
        assert page.evaluate("[window.pwned, document.title, location.pathname]") == [None, title, "/"]
        hrefs = page.locator(f"{BLOCK} a[href]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert [href for href in hrefs if href and not href.startswith(("#", "https:"))] == []
        for button in page.locator(".st-key-bar button").all():
            expect(button).to_be_visible()
    elsewhere = [url for url in strange if not url.startswith((hostile_server[0].base_url, "data:", "blob:"))]
    assert (n, dialogs, elsewhere) == (len(HOSTILE), [], [])


@pytest.mark.parametrize("asks", [{}, {"criteria": ASKS["criteria"]}], ids=["alone", "criteria"])
def test_an_address_that_carries_a_page_leads_nowhere_with_criteria_too(
    new_context, new_server, tmp_path: Path, asks: dict[str, Any]
) -> None:
    carrying = text("[press](data:text/html,<h1>Saved</h1>) some words")
    server = new_server()
    ballot = opened(new_context(), (server, serve(server, tmp_path / "in", {"data": (carrying, carrying)}, asks=asks)))
    links = ballot.page.locator(f"{BLOCK} a", has_text="press")
    expect(links).to_have_count(2)
    expect(ballot.page.locator(f'{BLOCK} a[href^="data:" i]')).to_have_count(0)


def test_long_answers_leave_room_for_the_criteria(new_context, new_server, tmp_path: Path) -> None:
    """Each side scrolls by itself, and ends early enough for the criteria to stand above the bar."""
    long = text("\n\n".join(["A paragraph of some words."] * 200))
    server = new_server()
    folder, asks = tmp_path / "in", {"criteria": ASKS["criteria"]}
    link = serve(server, folder, {"long": (long, long)}, asks=asks)
    ballot = opened(new_context(viewport={"width": 1280, "height": 900}), (server, link))
    for side in ballot.parts[1:]:
        expect(side).to_have_css("max-height", f"{900 - 26 * 16}px")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_on_any_battle(new_context, content_server, width: int, scheme: str) -> None:
    ballot = opened(new_context(viewport={"width": width, "height": 844}, color_scheme=scheme), content_server)
    found = {}
    for name in battles(ballot):
        ballot.page.wait_for_timeout(500)
        wait_still(ballot.page)
        result = Axe().run(ballot.page).response
        found |= {
            f"{name}: {one['id']}": [node["html"][:160] for node in one["nodes"]][:3]
            for one in result["violations"]
            if one["impact"] in {"serious", "critical"}
        }
        assert ballot.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found == {}


def test_unseen_signs_are_told_and_shown_in_the_plain_text(new_context, hostile_server) -> None:
    ballot = opened(new_context(), hostile_server)
    page = ballot.page
    for name in battles(ballot):
        if UNSEEN.search(HOSTILE[name][0][0]["text"]):
            page.locator("[data-bo-unseen]").first.wait_for()
            page.keyboard.press("p")
            expect(page.locator("pre.bo-plain mark").first).to_be_visible()
            marks = page.locator("pre.bo-plain mark").all_inner_texts()
            assert set(marks) <= {"U+202E", "U+202C", "U+200B", "U+FEFF"}
            return
    raise AssertionError("no text was marked")
