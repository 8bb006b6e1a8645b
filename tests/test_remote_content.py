"""A44: nothing that a model writes makes a rater's browser ask another server, though that one is there and answers."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.ballot_page import KNOWN_COMPLAINTS, open_ballot
from tests.server import Server
from tests.test_content_page import serve, text

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # one pixel


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of another server on this machine, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "image/gif")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(PICTURE)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_nothing_of_another_server_is_loaded(
    new_server: Callable[..., Server],
    new_context: Callable[..., BrowserContext],
    elsewhere: tuple[str, list[str]],
    tmp_path: Path,
) -> None:
    there, asked = elsewhere
    ways = [
        f"![drawn]({there}/drawn.gif)",
        f"![by reference][one]\n\n[one]: {there}/reference.gif",
        f'<img src="{there}/html.gif">',
        f'<video src="{there}/film.mp4" poster="{there}/poster.gif" autoplay></video>',
        f'<style>@import url("{there}/style.css"); body {{ background: url({there}/background.gif); }}</style>',
        f'<iframe src="{there}/frame"></iframe> <object data="{there}/object"></object>',
        f"$\\includegraphics{{{there}/formula.gif}}$",
        f'```mermaid\ngraph TD\nA["<img src={there}/graph.gif>"]-->B\n```',
        f"[![in a link]({there}/link.gif)]({there}/)",
    ]
    server = new_server()
    link = serve(server, tmp_path / "in", {"remote": (text("\n\n".join(ways)), text("fine"))})
    context = new_context()
    plain = context.new_page()
    plain.set_content(f'<img src="{there}/control.gif">')
    plain.wait_for_function("() => document.images[0].complete")
    assert asked == ["/control.gif"], "the other server can be reached from this browser"

    context.add_init_script(
        "window.refused = [];"
        "addEventListener('securitypolicyviolation', event => window.refused.push(event.blockedURI), true)"
    )
    ballot = open_ballot(context, server, link)
    page = ballot.page
    expect(page.get_by_alt_text("drawn")).to_have_count(1)  # the picture is there and tries
    page.wait_for_function(f"() => refused.some(address => address.startsWith('{there}/drawn'))")
    page.keyboard.press("p")
    expect(page.locator("pre.bo-plain")).to_have_count(3)
    page.keyboard.press("p")
    page.keyboard.press("ArrowLeft")
    page.get_by_text("That was all for you").wait_for()
    page.goto(f"{server.base_url}/my_votes")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_alt_text("drawn")).to_have_count(1)
    page.wait_for_function(f"() => refused.some(address => address.startsWith('{there}/drawn'))")
    page.wait_for_timeout(500)
    assert asked == ["/control.gif"]
    known = (*KNOWN_COMPLAINTS, there)
    assert [said for said in ballot.complaints if not any(one in said for one in known)] == []
