"""From questions and two endpoints to a blind vote, without leaving the browser, with the server killed on the way."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.ballot_page import open_ballot
from tests.drawn import settle
from tests.server import Server
from tests.slow_endpoint import SlowEndpoint
from tests.test_end_to_end import invite_rater, start_study, store_file
from tests.test_models_page import enter

N_QUESTIONS = 30


def mt_bench(folder: Path) -> Path:
    """Questions in MT-bench's format; every tenth has a second turn."""
    file = folder / "question.jsonl"
    rows = [
        {
            "question_id": 81 + n,
            "category": "writing" if n % 2 else "reasoning",
            "turns": [f"question {n}", *(["And shorter?"] if n % 10 == 0 else [])],
        }
        for n in range(N_QUESTIONS)
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def fails_every_fifth(question: str, n: int) -> tuple[int, dict[str, str], str | None]:
    """A fifth of all requests fail, each time others; asked again they are answered in the end."""
    return (500, {}, "try later") if zlib.crc32(f"{question} {n}".encode()) % 5 == 0 else (200, {}, None)


def register(page: Page, name: str, endpoint: SlowEndpoint) -> None:
    """Add a model behind an endpoint of this machine, tried before it is saved."""
    page.get_by_role("button", name="Add a model").click()
    settle(page)
    enter(page, "Name", name)
    enter(page, "Model id", "some-model")
    enter(page, "Address", endpoint.url)
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name=f"Allow {endpoint.authority}").click()
    expect(page.locator('[class*="st-key-answer-"]')).to_contain_text(endpoint.prefix)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"{name} is registered.")).to_be_visible()
    settle(page)


def n_ready(server: Server) -> int:
    return int(server.rows("SELECT count(*) AS n FROM generation WHERE status = 'ok'")[0].n)


def test_from_endpoints_to_a_blind_vote(
    new_server: Callable[..., Server], new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = new_server()
    server.start()
    link = re.search(r"/auth/join\?token=\S+", server.log.read_text())
    assert link is not None
    page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(server.base_url + link.group())
    page.goto(f"{server.base_url}/prompts")
    store_file(page, mt_bench(tmp_path), rf"Store {N_QUESTIONS} prompts")
    expect(page.get_by_text(f"{N_QUESTIONS} prompts stored.")).to_be_visible()
    with (
        SlowEndpoint(delay_s=0.4, prefix="The first says to") as first,
        SlowEndpoint(fails_every_fifth, delay_s=0.4, prefix="The second says to") as second,
    ):
        page.goto(f"{server.base_url}/models")
        page.get_by_role("tab", name="Models").click()
        register(page, "Alpha", first)
        register(page, "Beta", second)
        page.goto(f"{server.base_url}/generations")
        page.get_by_role("button", name=f"Ask for {2 * N_QUESTIONS} outputs").click()
        expect(page.get_by_text(re.compile(r"^[1-9]\d* of 60"))).to_be_visible()
        before = n_ready(server)
        server.restart()
        assert before < 2 * N_QUESTIONS, "the server was killed too late for this test to say anything"
        page.goto(f"{server.base_url}/generations")
        expect(page.get_by_text(f"{2 * N_QUESTIONS} of {2 * N_QUESTIONS} outputs; none is missing.")).to_be_visible(
            timeout=60_000
        )
        expect(page.get_by_text("done", exact=True)).to_be_visible()
    assert n_ready(server) == 2 * N_QUESTIONS
    assert sum(second.asked.values()) > sum(1 for n in second.asked), "some requests failed and were made again"
    turns = server.rows("SELECT parts FROM generation")
    assert (
        sorted(len(json.loads(row.parts) if isinstance(row.parts, str) else row.parts) for row in turns)[-6:] == [2] * 6
    )
    start_study(page, server)
    ballot = open_ballot(new_context(), server, invite_rater(page))
    _, _, left, right = ballot.shown
    assert {re.search(r"The (first|second) says to", side)[1] for side in (left, right)} == {"first", "second"}  # type: ignore[index]
    ballot.press("ArrowLeft")
    expect(ballot.page.get_by_role("status")).to_have_text("Saved · 1 vote")
    assert [row.n for row in server.rows("SELECT count(*) AS n FROM vote")] == [1]
    assert ballot.complaints == []
    assert server.warnings() == []
