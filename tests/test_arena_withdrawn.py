"""An answer of an arena that is withdrawn in the very moment in which something else is done to it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from app.domain import GenerationStatus, Identity
from app.errors import ConflictError
from app.jobs.arena import stop_streams, streams
from app.services import arena, leak_check, withdrawing
from app.services.arena import Phase
from db import arena as stored
from db.engine import Database, Session
from tests.arenas import (
    StreamingEndpoint,
    add_model,
    ask,
    echoes,
    of_generations,
    seen,
    start_arena,
    steadily,
    wait_for,
)
from tests.studies import person

LONG = steadily("words " * 700, words_per_s=5000)  # shown for some seconds after it is whole


def whole(study: UUID, rater: Identity, store: Database) -> UUID:
    """Ask, and wait until both answers are stored; they are still being shown then."""
    battle = ask(rater, study, "hello")
    deadline = time.monotonic() + 20
    while {row.status for row in of_generations(store)} != {GenerationStatus.OK}:
        assert time.monotonic() < deadline and streams().look(battle) is not None
        time.sleep(0.05)
    return battle


@pytest.fixture(params=["withdrawn", "names its maker"])
def take_out(request: pytest.FixtureRequest) -> Any:
    """Take the first answer out, in one way or the other."""
    if request.param == "withdrawn":
        return lambda store: withdrawing.withdraw_output(None, of_generations(store)[0].id, "An address.")
    return lambda _: leak_check.add_phrase(None, "words")


def test_what_is_taken_out_while_it_is_shown_is_shown_no_further(store: Database, take_out: Any) -> None:
    with StreamingEndpoint(LONG) as endpoint:
        study = start_arena(*(add_model(name, endpoint) for name in "AB"))
        rater = person(experiment_id=study)
        battle = whole(study, rater, store)
        take_out(store)
        done = time.monotonic() + 5
        while (shown := streams().look(battle)) is not None:
            assert time.monotonic() < done, "it goes on growing"
            assert all(len(text) < 3_000 for turn in shown.turns for text in turn)
            time.sleep(0.05)
        screen = seen(rater)
        assert screen.round is not None and (screen.round.phase, screen.round.is_withdrawn) == (Phase.STOPPED, True)
        assert (screen.round.turns[0].left, screen.round.turns[0].right) == ("", "")
    stop_streams()


def test_breaking_off_leaves_what_was_withdrawn_withdrawn(store: Database) -> None:
    with StreamingEndpoint(LONG) as endpoint:
        study = start_arena(*(add_model(name, endpoint) for name in "AB"))
        whole(study, person(experiment_id=study), store)
        first = of_generations(store)[0].id
        withdrawing.withdraw_output(None, first, "An address.")
        stop_streams()
    (row,) = (row for row in of_generations(store) if row.id == first)
    assert (row.status, row.error) == (GenerationStatus.WITHDRAWN, "An address.")
    assert withdrawing.put_back_output(None, first) == GenerationStatus.OK


@pytest.mark.usefixtures("quick_arena")
def test_what_is_withdrawn_while_somebody_asks_further_stays_so(
    store: Database, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """SQLite has one writer at a time, so there the withdrawal comes right before."""
    study = echoes()
    rater = person(experiment_id=study)
    battle = ask(rater, study, "hello")
    wait_for(rater, Phase.READY)
    first, before = of_generations(store)[0].id, stored.set_messages

    def meanwhile(session: Session, **columns: Any) -> None:
        if not database_url.startswith("sqlite"):
            withdrawing.withdraw_output(None, first, "An address.")
        before(session, **columns)

    monkeypatch.setattr(stored, "set_messages", meanwhile)
    if database_url.startswith("sqlite"):
        withdrawing.withdraw_output(None, first, "An address.")
    with pytest.raises(ConflictError):
        arena.ask_follow_up(rater, study, battle, "more")
    screen = seen(rater)
    assert screen.round is not None and screen.round.is_withdrawn and len(screen.round.turns) == 1


@pytest.mark.usefixtures("quick_arena")
def test_an_answer_that_is_being_continued_can_be_withdrawn_a_moment_later(store: Database) -> None:
    with StreamingEndpoint(steadily("words " * 9, words_per_s=20)) as endpoint:
        study = start_arena(*(add_model(name, endpoint) for name in "AB"))
        rater = person(experiment_id=study)
        battle = ask(rater, study, "hello")
        wait_for(rater, Phase.READY)
        streams().begin(arena.ask_follow_up(rater, study, battle, "more"))
        first = of_generations(store)[0].id
        with pytest.raises(ConflictError, match="in a moment"):
            withdrawing.withdraw_output(None, first, "An address.")
        wait_for(rater, Phase.READY)
        withdrawing.withdraw_output(None, first, "An address.")
        assert seen(rater).round.is_withdrawn  # type: ignore[union-attr]


@pytest.mark.usefixtures("quick_arena")
def test_a_pair_that_was_never_asked_costs_nothing(store: Database) -> None:
    with StreamingEndpoint(steadily("words")) as endpoint:
        price: Mapping[str, Any] = {"input_price": 1.0, "output_price": 1.0}
        study = start_arena(*(add_model(name, endpoint, **price) for name in "AB"))
        rater = person(experiment_id=study)
        streams()._is_ending = True
        ask(rater, study, "hello")
        wait_for(rater, Phase.STOPPED)
        assert endpoint.bodies == []
    assert [(row.status, row.cost) for row in of_generations(store)] == [(GenerationStatus.FAILED, 0.0)] * 2
