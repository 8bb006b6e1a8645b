"""The server is killed while people vote: no vote that was called saved is lost, none is stored twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.protocol import Tab, sign_in
from tests.server import STOP_S, Server

N_RATERS, N_KILLS = 20, {"sqlite": 6, "postgresql": 4}
LABELS = {"Left is better": "left", "Right is better": "right", "Tie": "tie", "Both are bad": "both_bad"}
_GONE = (OSError, ConnectionClosed, WebSocketException)


@dataclass
class Voter:
    """A rater and a ledger: what the page called saved, and the click of which nobody knows what became of it."""

    server: Server
    cookies: dict[str, str]
    rng: Random
    saved: dict[str, str] = field(default_factory=dict)
    unsure: str | None = None

    def vote_until_the_server_is_gone(self) -> None:
        try:
            with Tab(self.server.base_url, self.cookies) as tab:
                tab.load()
                while True:
                    self._vote(tab)
        except _GONE:
            return

    def _vote(self, tab: Tab) -> None:
        battle, label = tab.battle, self.rng.choice(list(LABELS))
        assert battle is not None and battle not in self.saved
        self.unsure = battle
        tab.click(label)
        assert tab.says("Saved"), tab.texts
        self.saved[battle] = LABELS[label]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def killed(request: pytest.FixtureRequest, new_server: Callable[..., Server]) -> tuple[Server, list[Voter]]:
    """A server that was killed several times while twenty raters voted, and the raters' ledgers."""
    database_url, rng = "", Random(5)
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        database_url = postgres.url(postgres.create_database())
    server = new_server(database_url=database_url)
    [study] = server.seed({"votes_per_pair": 10_000, "min_dwell_ms": 0})
    server.start()
    voters = [Voter(server, sign_in(server.base_url, study.rater), Random(i)) for i in range(N_RATERS)]
    for _ in range(N_KILLS[request.param]):
        n_saved = sum(len(voter.saved) for voter in voters)
        threads = [threading.Thread(target=voter.vote_until_the_server_is_gone) for voter in voters]
        for thread in threads:
            thread.start()
        while sum(len(voter.saved) for voter in voters) < n_saved + 2 * N_RATERS and any(t.is_alive() for t in threads):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))  # so that it falls anywhere into a vote
        server.kill()
        for thread in threads:
            thread.join(60)
        server.start()
    return server, voters


VOTES = """SELECT v.battle_id, v.act, v.outcome, v.superseded_by, b.is_a_left, b.status
FROM vote v LEFT JOIN battle b ON b.id = v.battle_id"""


def test_every_vote_that_was_called_saved_is_there_exactly_once(killed: tuple[Server, list[Voter]]) -> None:
    server, voters = killed
    stored = server.rows(VOTES)
    saved = {battle.replace("-", ""): answer for voter in voters for battle, answer in voter.saved.items()}
    assert len(saved) >= 4 * N_RATERS
    assert len({row.battle_id for row in stored}) == len(stored), "a battle has two votes"
    assert {row.battle_id: side(row) for row in stored if row.battle_id in saved} == saved
    # A vote may be stored whose answer was cut off: at most one for each rater and kill.
    assert len(stored) - len(saved) <= N_RATERS * max(N_KILLS.values())


def side(row: object) -> str:
    outcome, is_a_left = row.outcome, bool(row.is_a_left)  # type: ignore[attr-defined]
    if outcome in {"tie", "both_bad"}:
        return str(outcome)
    return "left" if (outcome == "model_a") == is_a_left else "right"


def test_no_vote_is_without_its_battle_and_no_answered_battle_without_its_vote(
    killed: tuple[Server, list[Voter]],
) -> None:
    server, _ = killed
    assert {row.status for row in server.rows(VOTES)} == {"voted"}
    unanswered = "SELECT id FROM battle WHERE status = 'voted' AND id NOT IN (SELECT battle_id FROM vote)"
    assert server.rows(unanswered) == []


def test_the_counts_of_every_pair_agree_with_its_votes_and_open_battles(killed: tuple[Server, list[Voter]]) -> None:
    server, _ = killed
    counts = server.rows(
        "SELECT p.n_votes, p.n_taken, sum(CASE b.status WHEN 'voted' THEN 1 ELSE 0 END) AS voted, "
        "sum(CASE WHEN b.status IN ('open', 'waiting') THEN 1 ELSE 0 END) AS on_screen "
        "FROM pair p LEFT JOIN battle b ON b.pair_id = p.id GROUP BY p.id, p.n_votes, p.n_taken"
    )
    assert sum(row.on_screen for row in counts) == N_RATERS
    assert [(row.n_votes, row.n_taken) for row in counts] == [(row.voted, row.voted + row.on_screen) for row in counts]


def test_the_raters_go_on_with_the_battle_that_was_on_their_screen(killed: tuple[Server, list[Voter]]) -> None:
    """Everybody has one open battle and sees it; where the cut-off click was not stored, it is that very battle."""
    server, voters = killed
    open_battles = {row.id for row in server.rows("SELECT id FROM battle WHERE status = 'open'")}
    assert len(open_battles) == N_RATERS
    answered = {row.battle_id for row in server.rows(VOTES)}
    for voter in voters:
        with Tab(server.base_url, voter.cookies) as tab:
            shown = tab.load().battle
        assert shown is not None and shown.replace("-", "") in open_battles
        assert voter.unsure is not None
        assert (shown == voter.unsure) == (voter.unsure.replace("-", "") not in answered)


def test_the_database_is_sound(killed: tuple[Server, list[Voter]]) -> None:
    server, _ = killed
    if server.database_url.startswith("sqlite"):
        assert [tuple(row) for row in server.rows("PRAGMA integrity_check")] == [("ok",)]
        assert server.rows("PRAGMA foreign_key_check") == []
    assert "WRONG" not in server.run("-m", "app.cli", "doctor")


def test_nothing_stands_in_the_log_but_the_starts(killed: tuple[Server, list[Voter]]) -> None:
    assert killed[0].warnings() == []


def test_sigterm_ends_the_server_in_time_and_nothing_saved_is_lost(killed: tuple[Server, list[Voter]]) -> None:
    """F37, with a rater in the middle of voting. The last of this file, since it ends the server for good."""
    server, voters = killed
    thread = threading.Thread(target=voters[0].vote_until_the_server_is_gone)
    n_saved = len(voters[0].saved)
    thread.start()
    while len(voters[0].saved) < n_saved + 5 and thread.is_alive():
        time.sleep(0.01)
    assert server.stop() < STOP_S
    thread.join(60)
    stored = {row.battle_id for row in server.rows(VOTES)}
    assert len(voters[0].saved) >= n_saved + 5
    assert {battle.replace("-", "") for battle in voters[0].saved} <= stored
    assert server.warnings() == []
