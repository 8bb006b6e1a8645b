"""What goes wrong in an arena, with endpoints on loopback that stall, break and say nonsense, on both databases."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import LeakChoice
from app.errors import ConflictError
from app.jobs import arena as jobs
from app.jobs.arena import streams
from app.services import (
    arena,
    arena_setup,
    generations,
    leak_check,
)
from app.services.arena import Phase
from app.services.arena_rest import BROKEN_OFF
from db.columns import new_id
from db.engine import Database
from tests.arenas import (
    StreamingEndpoint,
    add_echo,
    add_model,
    ask,
    breaking,
    echoes,
    of_generations,
    rows,
    seen,
    stalling,
    start_arena,
    steadily,
    vote,
    wait_for,
)
from tests.studies import person

pytestmark = pytest.mark.usefixtures("quick_arena")


def faulty_study(faulty: StreamingEndpoint, **design: object):
    """One model at the endpoint and two that answer; the first draw is held to have the faulty one in it."""
    return start_arena(
        add_model("SecretLab", faulty, input_price=1.0), add_echo("Echo 0"), add_echo("Echo 1"), **design
    )


FAULTS = {
    "refuses": lambda: StreamingEndpoint(steadily(""), status=500),
    "wants a key": lambda: StreamingEndpoint(steadily(""), status=401),
    "breaks off": lambda: StreamingEndpoint(breaking("Some words of an answer")),
    "says nonsense": lambda: StreamingEndpoint(steadily(""), raw=b"<html>502 SecretLab</html>"),
    "says nothing": lambda: StreamingEndpoint(steadily("")),
    "is cut short": lambda: StreamingEndpoint(steadily("Half an"), finish="length"),
    "refuses to answer": lambda: StreamingEndpoint(steadily("I can't"), finish="content_filter"),
    "names its maker": lambda: StreamingEndpoint(steadily("As SecretLab I say: rain.", words_per_s=20)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_pair_that_fails_is_replaced_and_nobody_is_told_who_failed(store: Database, fault: str) -> None:
    with FAULTS[fault]() as endpoint:
        study = faulty_study(endpoint)
        n_failed = 0
        for i in range(12):
            rater = person(experiment_id=study)
            first = ask(rater, study, f"question {i}")
            screen = wait_for(rater, Phase.READY)
            assert screen.round is not None
            assert screen.round.is_replaced == (screen.round.battle_id != first)
            assert "SecretLab" not in repr(screen)
            n_failed += screen.round.is_replaced
            vote(rater, study)
            told = seen(rater).reveal
            assert told is not None and {told.left, told.right} == {"Echo 0", "Echo 1"}
            if n_failed:
                break
        assert n_failed
    failed = [row for row in of_generations(store) if row.error not in ("", BROKEN_OFF)]
    assert len(failed) == n_failed and failed[0].status != "ok"
    assert [tuple(row) for row in rows(store, "SELECT n_taken, n_votes FROM pair WHERE n_taken <> n_votes")] == []
    said = arena_setup.describe_arenas(None, [study])[study][-1]
    assert "SecretLab was asked once and failed once" in said


def test_both_sides_begin_anew_in_the_middle_of_a_conversation(store: Database) -> None:
    """A model that answers once and fails at the follow-up: the other pair answers both messages."""
    endpoint = StreamingEndpoint(lambda q: steadily("Fine: {}")(q) if q == "first" else breaking("Well")(q))
    with endpoint:
        study = faulty_study(endpoint)
        for _ in range(12):
            rater = person(experiment_id=study)
            battle = ask(rater, study, "first")
            screen = wait_for(rater, Phase.READY)
            assert screen.round is not None
            if any("Fine" in side for side in (screen.round.turns[0].left, screen.round.turns[0].right)):
                break
        streams().begin(arena.ask_follow_up(rater, study, battle, "second"))
        screen = wait_for(rater, Phase.READY)
    assert screen.round is not None and screen.round.is_replaced and len(screen.round.turns) == 2
    assert all(turn.left and turn.right and "Fine" not in turn.left + turn.right for turn in screen.round.turns)


def test_a_leak_is_never_shown_but_where_the_model_may(store: Database) -> None:
    with StreamingEndpoint(steadily("Long before, " * 20 + "SecretLab speaks.", words_per_s=60)) as endpoint:
        study = faulty_study(endpoint)
        secret = next(row.id for row in generations.list_models(None) if row.name == "SecretLab")
        for choice in (LeakChoice.ASK, LeakChoice.MASK, LeakChoice.DROP, LeakChoice.KEEP):
            leak_check.choose_for_model(None, secret, choice)
            texts = ""
            for i in range(10):
                rater = person(experiment_id=study)
                battle = ask(rater, study, f"question {i}")
                while (shown := streams().look(battle)) is not None:
                    texts += repr(shown)
                    time.sleep(0.05)
                texts += repr(wait_for(rater, Phase.READY))
                if "Long before" in texts:
                    break
            assert ("SecretLab" in texts) == (choice == LeakChoice.KEEP), choice


def test_when_nobody_can_answer_the_prompt_is_kept_and_can_be_asked_again() -> None:
    endpoint = StreamingEndpoint(steadily("Better now"), status=503)
    with endpoint:
        study = start_arena(add_model("A", endpoint), add_model("B", endpoint))
        rater = person(experiment_id=study)
        battle = ask(rater, study, "anybody there?")
        screen = wait_for(rater, Phase.STOPPED)
        assert screen.round is not None and screen.round.turns[0].asked == "anybody there?"
        endpoint.status = 200
        streams().begin(arena.ask_again(rater, study, battle))
        screen = wait_for(rater, Phase.READY)
        assert screen.round is not None and screen.round.turns[0].left == "Better now"


def test_an_endpoint_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.arena.LONGEST_S", 1.0)
    with StreamingEndpoint(stalling("Wait")) as endpoint:
        study = start_arena(add_model("A", endpoint), add_echo("B"))
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        wait_for(rater, Phase.STOPPED)
        assert "longer than" in arena_setup.describe_arenas(None, [study])[study][0]


def test_what_nobody_looks_at_any_more_is_broken_off(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.arena.UNWATCHED_S", 0.5)
    with StreamingEndpoint(steadily("word " * 500, words_per_s=20)) as endpoint:
        study = start_arena(add_model("A", endpoint), add_model("B", endpoint))
        rater = person(experiment_id=study)
        ask(rater, study, "hello")
        deadline = time.monotonic() + 10
        while endpoint.n_left < 2:  # the connections are closed: nothing more is paid for
            assert time.monotonic() < deadline
            time.sleep(0.05)
        wait_for(rater, Phase.STOPPED)
    assert [tuple(row) for row in rows(store, "SELECT n_taken FROM pair")] == [(0,)]
    assert arena_setup.describe_arenas(None, [study])[study] == []


def test_what_a_dead_process_was_writing_is_told_and_asked_again(store: Database) -> None:
    """Nothing of it is in this process; the lease says whether another one still writes it."""
    study = echoes()
    rater = person(experiment_id=study)
    battle = arena.ask_prompt(rater, study, "hello")
    screen = seen(rater)
    assert screen.round is not None and screen.round.phase == Phase.WRITING
    with pytest.raises(ConflictError, match="still being answered"):
        arena.ask_prompt(rater, study, "another")
    with store.write() as session:
        session.execute(text("UPDATE battle SET lease_until = '2020-01-01 00:00:00+00:00'"))
    screen = seen(rater)
    assert screen.round is not None and screen.round.phase == Phase.STOPPED
    streams().begin(arena.ask_again(rater, study, battle))
    wait_for(rater, Phase.READY)
    vote(rater, study)
    assert [tuple(row) for row in rows(store, "SELECT n_taken, n_votes FROM pair")] == [(1, 1)]


def test_a_battle_left_for_too_long_keeps_its_answers_and_its_vote_counts_once(store: Database) -> None:
    study = echoes()
    rater = person(experiment_id=study)
    battle = ask(rater, study, "hello")
    wait_for(rater, Phase.READY)
    with store.write() as session:
        session.execute(text("UPDATE battle SET lease_until = '2020-01-01 00:00:00+00:00'"))
    other = person(experiment_id=study)
    ask(other, study, "somebody else's draw gives the place back")
    wait_for(other, Phase.READY)
    with pytest.raises(ConflictError, match="stood open for too long"):
        arena.ask_follow_up(rater, study, battle, "more")
    vote(rater, study)
    vote(other, study)
    assert [tuple(row) for row in rows(store, "SELECT n_taken, n_votes FROM pair")] == [(2, 2)]


def test_two_tabs_that_ask_at_the_same_moment_have_a_battle_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both, written = threading.Barrier(2), []

    class Met(jobs.Live):
        def __init__(self, battle_id: UUID) -> None:
            super().__init__(battle_id)
            both.wait(5)  # the other tab, too, has seen by now that nobody writes it

    monkeypatch.setattr(jobs, "Live", Met)
    own = jobs.Streams()
    monkeypatch.setattr(own, "_start", written.append)
    battle_id = new_id()
    tabs = [threading.Thread(target=own.begin, args=(battle_id,)) for _ in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(10)
    own.stop()
    assert [live.battle_id for live in written] == [battle_id]
