"""``bakeoff demo``: from nothing to a running app that one can vote in, with what is simulated called so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.domain import Role
from app.services import demo
from db.engine import Database
from tests.processes import BAKEOFF, Server, first_page, shown_text

COMMAND = (BAKEOFF, "demo", "--port", "{port}")
LINE = re.compile(r"^  (rater|researcher|admin) +(http://localhost:\d+/auth/join\?token=[\w-]+)$", re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder to start from."""
    empty = tmp_path_factory.mktemp("demo") / "empty"
    empty.mkdir()
    return empty


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[Server]:
    """The demo, started in an empty folder."""
    with Server(*COMMAND, folder=folder) as server:
        yield server


def links(server: Server) -> dict[str, str]:
    return dict(LINE.findall(server.output()))


def page_of(server: Server, link: str) -> str:
    """What a new browser sees that follows the link."""
    joined = httpx.get(link)
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    return shown_text(first_page(server.port, joined.headers["set-cookie"].split(";")[0]))


def test_it_prints_where_how_and_how_to_stop(first: Server, folder: Path) -> None:
    said = first.output()
    assert f"Bakeoff demo  {first.url}\n" in said
    assert list(links(first)) == ["rater", "researcher", "admin"]
    assert all(link.startswith(first.url) for link in links(first).values())
    assert f"Data: {folder}/demo-data." in said
    assert "Stop: Ctrl+C." in said
    print(said)
    print(f"{first.seconds_to_first_page:.1f} s to the first page, {first.memory_mb():.0f} MB")
    assert first.memory_mb() <= 200


def test_it_prints_no_warning_and_nothing_else(first: Server) -> None:
    said = first.output()
    assert not any(word in said.lower() for word in ("warn", "traceback", "error", "deprecat"))
    assert len([line for line in said.splitlines() if line]) == 5
    assert "First admin" not in said


def test_it_keeps_to_its_own_folder(first: Server, folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == ["demo-data"]
    assert list(Path(first.environment["HOME"]).iterdir()) == []


def test_the_links_open_the_app_as_who_they_are_for(first: Server) -> None:
    pages = {role: page_of(first, link) for role, link in links(first).items()}
    assert not any("Open the link that you were given" in page for page in pages.values())
    assert "Left is better" in pages["rater"]
    assert "Left is better" not in pages["researcher"]
    assert "Sample Heron" not in pages["rater"]


def test_simulated_votes_are_called_so_and_the_open_study_has_none(first: Server, folder: Path) -> None:
    found = sqlite3.connect(folder / "demo-data/bakeoff.db")
    studies = found.execute(
        """SELECT e.title, e.status, e.is_simulated, count(v.id), count(DISTINCT v.input), max(v.input)
           FROM experiment e LEFT JOIN battle b ON b.experiment_id = e.id LEFT JOIN vote v ON v.battle_id = b.id
           GROUP BY e.id ORDER BY e.id"""
    ).fetchall()
    origins = found.execute("SELECT DISTINCT origin FROM account WHERE name LIKE '%simulated%'").fetchall()
    found.close()
    assert studies[0] == (demo.SIMULATED, "completed", 1, demo._N_VOTES, 1, "simulated")
    assert studies[1][:4] == (demo.TITLE, "running", 0, 0)
    assert "not people" in demo.SIMULATED
    assert ("invite",) not in origins


def test_a_second_start_keeps_the_data_and_prints_fresh_links(first: Server, folder: Path) -> None:
    """While the first still runs, as somebody does who forgot it; the old links go on working."""
    old = links(first)
    with Server(*COMMAND, folder=folder) as second:
        new = links(second)
        assert new.keys() == old.keys()
        assert {link.partition("=")[2] for link in new.values()}.isdisjoint(
            link.partition("=")[2] for link in old.values()
        )
        assert "Left is better" in page_of(second, new["rater"])
        assert httpx.get(old["rater"].replace(first.url, second.url)).status_code == 303
    found = sqlite3.connect(folder / "demo-data/bakeoff.db")
    assert found.execute("SELECT count(*) FROM experiment").fetchone() == (2,)
    assert found.execute("SELECT count(*) FROM vote WHERE input = 'simulated'").fetchone() == (demo._N_VOTES,)
    found.close()


def test_the_simulated_votes_are_the_same_everywhere() -> None:
    assert demo._simulate_votes().getvalue() == demo._simulate_votes().getvalue()


def test_it_is_built_once_on_both_databases(store: Database) -> None:
    assert demo.build_demo() is True
    assert demo.build_demo() is False
    assert list(demo.demo_links()) == list(Role)
