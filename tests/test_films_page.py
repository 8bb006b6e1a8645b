"""Films really played in Chromium: both at one press, held until they were played, by the page and by the server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from app.services.film_length import film_length
from tests.ballot_page import open_ballot
from tests.server import Server
from tests.studies import data_url

RECORD = """async (seconds) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  document.body.append(canvas);
  const pen = canvas.getContext("2d");
  let n = 0;
  const drawing = setInterval(() => { pen.fillStyle = `hsl(${n++ * 7}, 80%, 50%)`; pen.fillRect(0, 0, 64, 48); }, 40);
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((done) => { recorder.onstop = done; });
  recorder.start();
  await new Promise((done) => setTimeout(done, seconds * 1000));
  recorder.stop();
  await stopped;
  clearInterval(drawing);
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""
NOTE = """() => {
  window.began = {};
  for (const player of document.querySelectorAll(".bo-media video")) {
    player.addEventListener("playing", () => {
      window.began[player.src] ??= performance.now();
      if (Object.keys(window.began).length === 2) {
        window.times ??= [...document.querySelectorAll(".bo-media video")].map((one) => [one.currentTime, one.paused]);
      }
    });
  }
}"""
SECONDS = (2.0, 3.0)


@pytest.fixture(scope="module")
def films(browser: Browser) -> list[bytes]:
    """Two films that this Chromium recorded: as live recordings they don't say how long they are."""
    page = browser.new_page()
    made = [base64.b64decode(page.evaluate(RECORD, seconds)) for seconds in SECONDS]
    page.close()
    return made


def test_the_length_of_a_live_recording_is_the_time_of_its_last_picture(films: list[bytes]) -> None:
    for film, seconds in zip(films, SECONDS, strict=True):
        length = film_length(bytearray(film))
        assert length is not None and 500 * seconds < length < 1000 * seconds + 1000


@pytest.mark.timed
def test_both_films_start_together_at_one_press_and_are_held_until_they_were_played(
    films: list[bytes],
    new_server: Callable[..., Server],
    new_context: Callable[..., BrowserContext],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("films")
    (folder / "models.jsonl").write_text('{"name": "Ada"}\n{"name": "Bob"}\n')
    (folder / "prompts.jsonl").write_text("\n".join(json.dumps({"id": str(i), "prompt": "Film it."}) for i in range(2)))
    rows = [
        {"prompt_id": str(i), "model": name, "content": [{"type": "video", "file": data_url(film)}]}
        for i in range(2)
        for name, film in zip(("Ada", "Bob"), films, strict=True)
    ]
    (folder / "generations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    server = new_server()
    [study] = server.seed({"folder": str(folder), "min_dwell_ms": 0, "votes_per_pair": 100})
    lengths = [row.play_ms for row in server.rows("SELECT play_ms FROM generation")]
    assert min(lengths) > 1_000
    server.start()
    ballot = open_ballot(new_context(), server, study.rater)
    page, battle = ballot.page, ballot.battle
    expect(page.locator(".bo-media video")).to_have_count(2)
    expect(page.locator("html")).to_have_attribute("data-bo-locked", "")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".bo-live")).to_contain_text("Play both sides first")
    assert ballot.battle == battle
    page.evaluate(NOTE)
    page.get_by_role("button", name="Play both from the start").first.click()
    page.wait_for_function("() => window.times")
    began = list(page.evaluate("window.began").values())
    assert abs(began[0] - began[1]) < 200
    times = page.evaluate("window.times")
    assert abs(times[0][0] - times[1][0]) < 0.2 and not (times[0][1] and times[1][1])
    page.wait_for_function("() => !document.documentElement.hasAttribute('data-bo-locked')")
    assert ballot.press("ArrowLeft") != battle
    [stored] = server.rows("SELECT act, dwell_ms FROM vote")
    assert stored.act == "vote" and stored.dwell_ms >= 0.9 * max(lengths)
    assert ballot.complaints == []
