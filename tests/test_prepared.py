"""A prepared statement does what SQLAlchemy does with the same statement: same rows, same types, same changes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import MetaData, select
from sqlmodel import Session, SQLModel

import db
from app.domain import Act, Answer, BattleStatus, Input, Outcome, Purpose, utc_now
from app.services import serving, voting
from app.study import Ending, Strength
from db.columns import new_id
from db.engine import Database
from db.prepared import Prepared
from db.tables import Battle, Gold, Media, Pair, Participation, Vote, WebSession, tables_of
from tests.studies import person, study

TABLES: MetaData = SQLModel.metadata
battle, pair, vote, web_session = tables_of(Battle, Pair, Vote, WebSession)
MODULES = [importlib.import_module(f"db.{info.name}") for info in pkgutil.iter_modules(db.__path__)]
PREPARED = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Prepared)
}


class Rows:
    """A study with an open battle of one rater and a voted and a skipped one of theirs."""

    def __init__(self, store: Database) -> None:
        self.is_postgresql = not store.is_sqlite
        self.study = study(n_models=2, n_prompts=6)
        self.rater = person()
        for answer in (Answer.LEFT, Answer.SKIP):
            voting.cast_vote(self.rater, self._on_screen(), answer)
        self.open = self._on_screen()
        with store.write() as session:
            image = Media(content_hash="ab", media_type="image/png", n_bytes=1, place="0123.png", created_at=NOW)
            session.add(image)
            self.media = image.id
            pair_known = Gold(
                experiment_id=self.study,
                position=0,
                purpose=Purpose.GOLD,
                messages=[],
                left="l",
                right="r",
                answer=Answer.LEFT,
            )
            part = Participation(
                experiment_id=self.study, account_id=self.rater.account_id, panel_values={}, created_at=NOW
            )
            session.add_all([pair_known, part])
            self.participation = part.id
        with store.read() as session:
            self.pair = session.execute(select(pair.c.id)).scalar_one()
            self.voted = session.execute(select(vote.c.battle_id).where(vote.c.outcome.is_not(None))).scalar_one()
            self.token_hash = session.execute(select(web_session.c.token_hash)).scalar_one()
            self.prompt, self.a, self.b = session.execute(
                select(battle.c.prompt_id, battle.c.generation_a_id, battle.c.generation_b_id).limit(1)
            ).one()

    def _on_screen(self) -> UUID:
        ballot = serving.next_battle(self.rater)
        assert ballot is not None
        assert ballot.battle is not None
        return ballot.battle.id


NOW: datetime = utc_now()
EXAMPLES: dict[str, Callable[[Rows], list[dict[str, Any]]]] = {
    "db.allocation._TAKE_OF_ALL": lambda rows: [
        {"pair": rows.pair, "study": rows.study, "total": 10},
        {"pair": rows.pair, "study": rows.study, "total": 1},
    ],
    "db.allocation._COUNT_VOTES": lambda rows: [{"study": rows.study}],
    "db.allocation._FULL": lambda rows: [{"study": rows.study, "limit": 1}, {"study": rows.study, "limit": 9}],
    "db.accounts._FIND_SESSION": lambda rows: [
        {"token_hash": rows.token_hash, "now": NOW},
        {"token_hash": rows.token_hash, "now": NOW + timedelta(days=400)},
    ],
    "db.battles._MINE": lambda rows: [{"rater_id": rows.rater.account_id, "experiment_id": rows.study}],
    "db.screens._SCREEN": lambda rows: [
        {"rater_id": rows.rater.account_id, "experiment_id": rows.study},
        {"rater_id": rows.rater.account_id, "experiment_id": None},
        {"rater_id": new_id(), "experiment_id": rows.study},
        {"rater_id": rows.rater.account_id, "experiment_id": new_id()},
    ],
    "db.battles._FOR_VOTE": lambda rows: [{"battle_id": rows.open, "rater_id": rows.rater.account_id}],
    "db.battles._TO_READ": lambda rows: [{"battle_id": rows.voted, "rater_id": rows.rater.account_id}],
    "db.screens._SHOWN": lambda rows: [{"battle_id": rows.open, "rater_id": rows.rater.account_id}],
    "db.battles._COUNT_REVISION": lambda rows: [{"battle": rows.voted, "revisions": 7}],
    "db.participation._FINISH": lambda rows: [{"participation": rows.participation, "at": NOW, "as_": Ending.DONE}],
    "db.votes._COMMENT": lambda rows: [{"battle": rows.voted}, {"battle": rows.open}],
    "db.battles._TAKEN": lambda rows: [{"experiment_id": rows.study}],
    "db.battles._SERVED": lambda rows: [{"rater_id": rows.rater.account_id, "experiment_id": rows.study}],
    "db.battles._NEWEST": lambda rows: [{"rater_id": rows.rater.account_id, "experiment_id": rows.study}],
    "db.battles._COUNT_SERVED": lambda rows: [
        {"rater_id": rows.rater.account_id, "experiment_id": rows.study},
        {"rater_id": new_id(), "experiment_id": rows.study},
    ],
    "db.screens._CONTENT": lambda rows: [{"battle_id": rows.open}],
    "db.battles._SIDES": lambda rows: [{"pair_id": rows.pair}],
    "db.battles._WITHDRAW": lambda rows: [{"battle": rows.open}, {"battle": rows.voted}],
    "db.battles._HAS_ROOM": lambda rows: [
        {"experiment_id": rows.study, "quota": 10},
        {"experiment_id": rows.study, "quota": 1},
    ],
    "db.battles._TAKE": lambda rows: [{"pair": rows.pair, "quota": 10}, {"pair": rows.pair, "quota": 0}],
    "db.battles._COUNT_PAIR": lambda rows: [{"pair": rows.pair, "taken": -1, "votes": 3}],
    "db.battles._SET_STATUS": lambda rows: [
        {"battle": rows.open, "to": BattleStatus.VOTED, "shown": NOW, "lease": NOW + timedelta(hours=1), "revisions": 2}
    ],
    "db.battles._SHOW_AGAIN": lambda rows: [{"battle": rows.open, "shown": NOW, "lease": NOW}],
    "db.battles._RENEW_LEASE": lambda rows: [{"battle": rows.open, "lease": NOW}],
    "db.battles._RESTART_DWELL": lambda rows: [{"battle": rows.open, "shown": NOW}],
    "db.battles._LOCK_EXPERIMENT": lambda rows: [{"experiment_id": rows.study}] if rows.is_postgresql else [],
    "db.battles._LOCK_OF_BATTLE": lambda rows: [{"battle_id": rows.open}] if rows.is_postgresql else [],
    **{
        f"db.participation.{name}": lambda rows: [{"rater_id": rows.rater.account_id, "experiment_id": rows.study}]
        for name in ("_LED", "_FAILED", "_REPEATABLE", "_VOTED_PAIRS")
    },
    "db.participation._RELEASE": lambda rows: [{"rater": rows.rater.account_id, "study": rows.study}],
    "db.participation._END": lambda rows: [
        {"participation": rows.participation, "at": NOW, "as_": ending} for ending in (Ending.DONE, None)
    ],
    "db.participation._ENTER": lambda rows: [
        {
            "id": new_id(),
            "experiment_id": rows.study,
            "account_id": person().account_id,
            "panel": "PROLIFIC_PID",
            "external_id": "5f00",
            "panel_values": {"STUDY_ID": "s"},
            "created_at": NOW,
            "consented_at": None,
            "practised_at": NOW,
            "ended_at": None,
            "ended_as": Ending.OVER_QUOTA,
        }
    ],
    "db.gold._MET": lambda rows: [
        {"rater_id": rows.rater.account_id, "experiment_id": rows.study, "purpose": Purpose.GOLD}
    ],
    "db.media._BY_PLACE": lambda rows: [{"place": "0123.png"}, {"place": "none.png"}],
    "db.media._BY_ID": lambda rows: [{"media_id": rows.media}, {"media_id": new_id()}],
    "db.experiments._GET": lambda rows: [{"experiment_id": rows.study}, {"experiment_id": new_id()}],
    "db.experiments._COMPLETE": lambda rows: [{"experiment": rows.study, "now": NOW}],
    "db.audit._LOCK": lambda rows: [{}] if rows.is_postgresql else [],
    "db.audit._LAST": lambda rows: [{}],
    "db.audit._INSERT": lambda rows: [
        {
            "id": new_id(),
            "sequence": 1_000,
            "at": NOW,
            "actor_id": rows.rater.account_id,
            "action": "experiment.complete",
            "subject": "study",
            "details": {"n": 1},
            "previous_hash": "",
            "hash": "ab",
        }
    ],
    "db.battles._EXPIRE": lambda rows: [{"study": rows.study, "now": NOW + timedelta(days=400)}],
    "db.battles._INSERT": lambda rows: [
        {
            "id": new_id(),
            "experiment_id": rows.study,
            "pair_id": rows.pair,
            "prompt_id": rows.prompt,
            "generation_a_id": rows.a,
            "generation_b_id": rows.b,
            "rater_id": None,
            "is_a_left": is_a_left,
            "status": BattleStatus.OPEN,
            "purpose": Purpose.NORMAL,
            "propensity": 1 / 3,
            "assigned_at": NOW,
            "shown_at": NOW,
            "lease_until": None,
            "n_revisions": 0,
            "gold_id": None,
            "repeat_of": None,
            "turn": None,
        }
        for is_a_left in (True, False, None)
    ],
    "db.votes._INSERT": lambda rows: [
        {
            "id": new_id(),
            "battle_id": rows.open,
            "criterion": "overall",
            "revision": 0,
            "act": Act.VOTE,
            "outcome": Outcome.BOTH_BAD,
            "weight": 1,
            "voted_at": NOW,
            "dwell_ms": None,
            "input": Input.SCREEN,
            "is_staff": True,
            "is_late": False,
            "superseded_by": None,
            "strength": Strength.CLEARLY,
            "reasons": {"left": ["clear"], "right": []},
            "comment": "Hm.",
            "skip_reason": None,
            "guesses": None,
        }
    ],
    "db.votes._SUPERSEDE": lambda rows: [{"battle": rows.voted, "criterion_of": "overall", "by": None}],
}


def dump(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    tables = TABLES.sorted_tables
    return {table.name: [tuple(row) for row in session.execute(select(table).order_by(table.c.id))] for table in tables}


def typed(rows: list[Any]) -> list[list[tuple[type, Any]]]:
    return [[(type(value), value) for value in row] for row in rows]


def test_every_prepared_statement_has_an_example() -> None:
    assert len(PREPARED) >= 15
    assert PREPARED.keys() == EXAMPLES.keys()


def test_prepared_statements_do_what_sqlalchemy_does(store: Database) -> None:
    """Ids, enums, times, JSON, booleans and nulls come back the same, and the tables look the same afterwards."""
    found, found_any = Rows(store), set[str]()
    for name, prepared in PREPARED.items():
        for values in EXAMPLES[name](found):
            if name == "db.votes._SUPERSEDE":
                values["by"] = _replacement(store, found)
            with store.engine.connect() as connection, Session(connection) as session:
                ours = prepared.all(session, **values)
                after_ours = dump(session)
            with store.engine.connect() as connection, Session(connection) as session:
                result = session.execute(prepared.statement, values)
                theirs = list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]
                after_theirs = dump(session)
            assert typed(ours) == typed(theirs), name
            assert after_ours == after_theirs, name
            found_any |= {name} if ours or after_ours != untouched(store) else set()
    asleep = {name for name in PREPARED if "_LOCK" in name} if store.is_sqlite else set()  # one writer needs no lock
    assert found_any == PREPARED.keys() - asleep


def _replacement(store: Database, rows: Rows) -> UUID:
    """A second revision of the vote, stored so that the first can point at it."""
    (values,) = EXAMPLES["db.votes._INSERT"](rows)
    with store.write() as session:
        PREPARED["db.votes._INSERT"].all(session, **{**values, "battle_id": rows.voted, "revision": 1})
    return UUID(str(values["id"]))


def untouched(store: Database) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as session:
        return dump(session)


def test_a_peek_reads_the_same_as_a_session(store: Database) -> None:
    found = Rows(store)
    (values, *_) = EXAMPLES["db.screens._SCREEN"](found)
    with store.peek() as peek, store.read() as session:
        assert typed(PREPARED["db.screens._SCREEN"].all(peek, **values)) == typed(
            PREPARED["db.screens._SCREEN"].all(session, **values)
        )


def test_a_missing_value_is_an_error(store: Database) -> None:
    """A forgotten parameter doesn't become a null."""
    with store.read() as session, pytest.raises((KeyError, psycopg.ProgrammingError)):
        PREPARED["db.battles._TAKEN"].all(session)


def test_a_second_session_on_the_same_thread_uses_its_own_connection(store: Database) -> None:
    """What one session wrote and didn't commit is not seen by another that runs the same statement."""
    found = Rows(store)
    statement, values = PREPARED["db.battles._TAKEN"], {"experiment_id": found.study}
    with store.write() as session, store.read() as other:
        PREPARED["db.battles._COUNT_PAIR"].all(session, pair=found.pair, taken=5, votes=0)
        assert int(statement.first(session, **values).taken) == int(statement.first(other, **values).taken) + 5
        session.rollback()
