"""When a page is drawn: for readings and acts before which no expectation of Playwright's waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as TooLong

from tests.protocol import Tab

Found = TypeVar("Found")
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
# No run goes on, and nothing on the page still waits for the part of Streamlit that draws it.
IS_DRAWN = f"""(document.querySelector('{IDLE}') && !document.querySelector('[data-testid="stSkeleton"]'))"""
_QUIET = f"""(since) => {{
  if (!{IS_DRAWN}) window.busyAt = performance.now();
  return performance.now() - Math.max(since, window.busyAt ?? 0) > 400;
}}"""
_STILL = f"""() => {IS_DRAWN} && document.getAnimations().every((one) =>
  one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)"""
_SCROLLED = "[document.documentElement, document.querySelector('[data-testid=\"stMain\"]')]"
_FITS = f"() => {IS_DRAWN} && {_SCROLLED}.every((one) => !one || one.scrollWidth <= one.clientWidth)"


def wait_drawn(page: Page) -> None:
    """Wait for the end of the run that drew what was waited for before this; a run to come is not waited for."""
    page.wait_for_function(f"() => {IS_DRAWN}")


def settle(page: Page) -> None:
    """Wait for a stretch without a run: the one for the last act begins a moment after it, perhaps unseen."""
    page.wait_for_function(_QUIET, arg=page.evaluate("performance.now()"))


def wait_still(page: Page) -> None:
    """Wait until the page is drawn and no colour is on its way to another."""
    page.wait_for_function(_STILL)


def wait_fits(page: Page) -> None:
    """Nothing is to be scrolled sideways; a chart finds its width a moment after the page did."""
    try:
        page.wait_for_function(_FITS)
    except TooLong as too_long:
        too_long.add_note(str(page.evaluate(f"{_SCROLLED}.map((one) => one && [one.scrollWidth, one.clientWidth])")))
        raise


def until(page: Page, holds: Callable[[], Found], *, seconds: float = 20) -> Found:
    """Wait for what no page shows, such as a row of the database; returns what ``holds`` found."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"still {found!r}"
        page.wait_for_timeout(50)
    return found


@contextmanager
def drawn_anew(page: Page) -> Iterator[None]:
    """What the block does makes the page connect once more and be drawn by a new server, though it stands there."""
    received: list[str | None] = []
    page.on("websocket", lambda new: new.on("framereceived", lambda frame: received.append(Tab.kind_of(frame))))
    yield
    until(page, lambda: "script_finished" in received, seconds=60)
    wait_drawn(page)


@contextmanager
def connected_anew(page: Page) -> Iterator[None]:
    """What the block does makes the page connect once more; a page that stood still is not drawn for that."""
    with page.expect_websocket(timeout=60_000):
        yield
    page.locator('[data-test-connection-state="CONNECTED"]').wait_for()


def close_dialog(page: Page) -> None:
    """Close the dialog that was opened, which takes Escape once it is drawn; no key does anything behind it."""
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    wait_drawn(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
