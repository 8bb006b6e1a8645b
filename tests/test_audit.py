"""The audit log shows a change or a gap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.domain import utc_now
from app.services import system
from db import audit
from db.engine import Database
from tests.studies import person


def fill(store: Database, n: int = 5) -> None:
    for i in range(n):
        with store.write() as session:
            details = {"n": i, "days": 0.5, "title": "Ünïcode \u2014 \U0001f600", "on": True, "none": None}
            audit.add_event(session, at=utc_now(), actor_id=None, action="test", subject=f"s{i}", details=details)


def broken(store: Database) -> int | None:
    with store.read() as session:
        return audit.find_broken_link(session)


def test_an_untouched_log_holds(store: Database) -> None:
    assert broken(store) is None
    person()
    fill(store)
    assert broken(store) is None


@pytest.mark.parametrize(
    "change",
    [
        "action = 'other'",
        "subject = 'other'",
        "details = '{}'",
        "at = '2001-01-01 00:00:00+00:00'",
        "actor_id = (SELECT id FROM account)",
        "hash = 'x'",
        "previous_hash = 'x'",
    ],
)
def test_a_changed_event_is_found(store: Database, change: str) -> None:
    person()
    fill(store)
    with store.write() as session:
        session.connection().execute(text(f"UPDATE audit_event SET {change} WHERE sequence = 4"))
    assert broken(store) == 4
    check = next(check for check in system.examine() if check.name == "audit log")
    assert not check.is_ok
    assert check.text.startswith("event 4 was changed or an event is missing")


@pytest.mark.parametrize("gone", [1, 3])
def test_a_deleted_event_is_found_at_the_one_after_it(store: Database, gone: int) -> None:
    fill(store)
    with store.write() as session:
        session.connection().execute(text(f"DELETE FROM audit_event WHERE sequence = {gone}"))
    assert broken(store) == gone + 1


def test_an_event_is_undone_with_what_it_describes(store: Database) -> None:
    fill(store, 2)
    with pytest.raises(ZeroDivisionError), store.write() as session:
        audit.add_event(session, at=utc_now(), actor_id=None, action="test", subject="undone")
        raise ZeroDivisionError
    fill(store, 1)
    assert broken(store) is None
    with store.read() as session:
        rows = session.connection().execute(text("SELECT sequence, subject FROM audit_event ORDER BY sequence")).all()
    assert [tuple(row) for row in rows] == [(1, "s0"), (2, "s1"), (3, "s0")]


def test_events_at_the_same_moment_form_one_chain(store: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fill(store, 5), range(8)))
    assert broken(store) is None
    with store.read() as session:
        found = session.connection().execute(text("SELECT sequence FROM audit_event ORDER BY sequence")).scalars().all()
    assert found == list(range(1, 41))
