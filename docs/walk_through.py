"""What a rater sees from the link to the end, as pictures: ``python docs/walk_through.py [FOLDER]``.

Starts a server of its own on the sample prompts with a study that asks for everything, walks through it in headless
Chromium as a rater would, and writes ``docs/rating/*.png`` (or into FOLDER). Needs the test requirements.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import find_or_install_chromium

HERE = Path(__file__).resolve().parent
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SEED = """
import io, json
from app.domain import Purpose
from app.services import experiments, gold_files
from app.study import Asks, Criterion, Flow
from tests import seed
start, experiments.start_experiment = experiments.start_experiment, lambda *_: None
asks = {"criteria": [{"key": "accuracy", "label": "Accuracy"}, {"key": "clarity", "label": "Clarity"}],
        "strength": True, "reasons": True, "comment": True, "skip_reason": True}
flow = Flow(consent="## Before you begin\\n\\nYou compare answers that machines wrote. Your votes are stored without "
            "your name and published as counts. You can stop at any time.", needs_practice=True, repeat_every=6,
            shows_agreement=True, code_done="PINE-4711")
made = seed.seed(asks=asks, flow=flow, min_dwell_ms=0, votes_per_rater=6)
study = experiments.find_experiment(None, made["key"])
row = {"prompt": "What is the capital of Australia?", "left": "Canberra.", "right": "Sydney, of course.",
       "gold": "left", "reason": "Sydney is the largest city; the capital is Canberra."}
gold_files.import_gold(None, io.BytesIO(json.dumps(row).encode()), experiment_id=study, purpose=Purpose.PRACTICE)
start(None, study)
print(json.dumps(made))
"""


@contextmanager
def serving() -> Iterator[str]:
    """A server on a new folder; the address of a rater's link on it."""
    with tempfile.TemporaryDirectory(prefix="bakeoff-walk-") as folder, socket.socket() as free:
        environment = {**os.environ, "BAKEOFF_DATA": folder, "PYTHONPATH": str(HERE.parent)}
        seeded = subprocess.run(
            [sys.executable, "-c", SEED], env=environment, capture_output=True, text=True, check=True
        )
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            base = f"http://localhost:{port}"
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    urllib.request.urlopen(f"{base}/readyz", timeout=5).close()
                    break
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    time.sleep(0.1)
            yield base + json.loads(seeded.stdout.splitlines()[-1])["rater"]
        finally:
            process.terminate()
            process.wait(15)


def settle(page: Page) -> None:
    """Wait until the page is drawn."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    page.wait_for_timeout(500)


def press(page: Page, name: str) -> None:
    """Press the button of this name."""
    page.get_by_role("button", name=name).first.click()
    settle(page)


def walk(page: Page, folder: Path) -> None:
    """The whole way of a rater."""

    def shoot(name: str) -> None:
        settle(page)
        page.screenshot(path=str(folder / f"{name}.png"))

    shoot("1-consent")
    press(page, "I agree")
    shoot("2-practice")
    press(page, "Right is better")
    shoot("3-feedback")
    press(page, "Start")
    shoot("4-battle")
    page.keyboard.press("ArrowLeft")
    settle(page)
    page.keyboard.press("w")
    shoot("5-say-why")
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    shoot("6-phone")
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    for _ in range(7):
        if not page.locator(".st-key-bar").count():
            break
        press(page, "Right is better")
    shoot("7-end")
    page.get_by_role("link", name="My votes").first.click()
    shoot("8-my-votes")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "rating"
    folder.mkdir(parents=True, exist_ok=True)
    chromium = find_or_install_chromium()
    with serving() as link, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=WIDE, color_scheme="light")  # type: ignore[arg-type]
        page.goto(link)
        walk(page, folder)
        browser.close()


if __name__ == "__main__":
    main()
