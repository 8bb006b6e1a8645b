"""The tables are what the migrations make, and they refuse what no row may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import CheckConstraint, Enum, insert, inspect, select, text, update
from sqlalchemy.exc import DataError, IntegrityError, StatementError
from sqlmodel import SQLModel

from app.domain import Answer, BattleStatus, Identity, JobStatus, Outcome, PartStatus, Purpose, utc_now
from app.services import serving, voting
from db.columns import new_id
from db.engine import Database
from db.tables import (
    Account,
    Battle,
    Experiment,
    Generation,
    Gold,
    Job,
    JobPart,
    JudgeVote,
    Participation,
    PromptSet,
    Vote,
    tables_of,
)
from tests.studies import person, study

account, battle, prompt_set, vote = tables_of(Account, Battle, PromptSet, Vote)
TABLES = SQLModel.metadata.sorted_tables
ENUMS = [(table.name, column.name) for table in TABLES for column in table.columns if isinstance(column.type, Enum)]


def voted(store: Database) -> Identity:
    """A rater with one vote and a battle on the screen, in a study with all that belongs to one."""
    study(n_models=2, n_prompts=4)
    rater = person()
    ballot = serving.next_battle(rater)
    assert ballot is not None
    assert ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, Answer.LEFT)
    serving.next_battle(rater)
    asked_and_judged(store, ballot.study.id)
    return rater


def asked_and_judged(store: Database, experiment_id: UUID) -> None:
    """A generation job with its part, and what a judge said of a pair."""
    with store.write() as session:
        experiment = session.get(Experiment, experiment_id)
        first, second = session.execute(select(Generation).limit(2)).scalars()
        assert experiment is not None
        assert experiment.prompt_set_id is not None
        job = Job(
            prompt_set_id=experiment.prompt_set_id,
            settings={},
            settings_hash="",
            status=JobStatus.RUNNING,
            created_at=utc_now(),
        )
        session.add(job)
        session.flush()
        session.add(JobPart(job_id=job.id, endpoint="echo", status=PartStatus.RUNNING))
        session.add(
            Gold(
                experiment_id=experiment_id,
                position=0,
                purpose=Purpose.PRACTICE,
                messages=[],
                left="",
                right="",
                answer=Answer.LEFT,
            )
        )
        someone = session.execute(select(Account.id)).scalars().first()
        assert someone is not None
        session.add(Participation(experiment_id=experiment_id, account_id=someone, created_at=utc_now()))
        session.add(
            JudgeVote(
                experiment_id=experiment_id,
                judge_id=first.model_id,
                prompt_id=first.prompt_id,
                generation_a_id=first.id,
                generation_b_id=second.id,
                is_a_left=True,
                outcome=Outcome.TIE,
                created_at=utc_now(),
            )
        )


def test_the_models_equal_the_migrations(store: Database) -> None:
    """What ``alembic check`` says: a change of tables.py without a migration fails here."""
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    with store.exclusive() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_the_check_constraints_equal_the_migrations(store: Database) -> None:
    """Alembic doesn't compare these."""
    wanted = {
        (table.name, str(constraint.name))
        for table in TABLES
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    found = {
        (table.name, str(constraint["name"]))
        for table in TABLES
        for constraint in inspect(store.engine).get_check_constraints(table.name)
    }
    assert ("vote", "ck_vote_act_has_outcome") in wanted
    assert found == wanted


def test_unknown_strings_are_refused_in_every_enum_column(store: Database) -> None:
    """A word from elsewhere (``A``, ``both bad``, upper case) never becomes an outcome, a role or a status."""
    voted(store)
    assert len(ENUMS) >= 9
    for table, column in ENUMS:
        with store.read() as session:
            assert session.connection().execute(text(f"SELECT count(*) FROM {table}")).scalar_one() >= 1
        for word in ("nonsense", "VOTE", "", "tie "):
            with pytest.raises(IntegrityError), store.write() as session:
                session.connection().execute(text(f"UPDATE {table} SET {column} = :word"), {"word": word})


def test_unknown_strings_are_refused_before_they_reach_the_database(store: Database) -> None:
    voted(store)
    with pytest.raises(StatementError, match="LookupError"), store.write() as session:
        session.execute(update(vote).values(outcome="A"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vote SET outcome = NULL",
        "UPDATE vote SET act = 'skip'",
        "UPDATE vote SET weight = 0",
        "UPDATE pair SET n_taken = -1",
        "UPDATE pair SET n_votes = -1",
    ],
)
def test_rows_that_contradict_themselves_are_refused(store: Database, change: str) -> None:
    """A vote has an outcome, a skip has none, a weight counts, and no pair has fewer votes than none."""
    voted(store)
    with pytest.raises(IntegrityError), store.write() as session:
        session.connection().execute(text(change))


@pytest.mark.parametrize("table", ["experiment", "account", "generation", "battle"])
def test_a_row_that_others_refer_to_cannot_be_deleted(store: Database, table: str) -> None:
    """Foreign keys are enforced."""
    voted(store)
    with pytest.raises(IntegrityError), store.write() as session:
        session.connection().execute(text(f"DELETE FROM {table}"))


def copy_of_open(store: Database, **changes: Any) -> None:
    with store.write() as session:
        row = session.execute(select(battle).where(battle.c.status == BattleStatus.OPEN)).one()
        session.execute(insert(battle).values(**{**row._mapping, "id": new_id(), **changes}))


def test_a_rater_has_one_open_battle_per_study(store: Database) -> None:
    voted(store)
    with pytest.raises(IntegrityError):
        copy_of_open(store)
    copy_of_open(store, status=BattleStatus.WAITING)
    copy_of_open(store, status=BattleStatus.VOTED, purpose=Purpose.REPEAT)
    copy_of_open(store, rater_id=person().account_id)


def test_a_battle_has_one_vote_per_revision(store: Database) -> None:
    voted(store)
    with pytest.raises(IntegrityError), store.write() as session:
        row = session.execute(select(vote)).one()
        session.execute(insert(vote).values(**{**row._mapping, "id": new_id()}))


INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22, 4, 30, 1, 123456, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=INDIA),
        datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_a_moment_comes_back_as_the_same_moment_in_utc(store: Database, moment: datetime) -> None:
    with store.write() as session:
        session.add(PromptSet(name="x", content_hash="", created_at=moment))
    with store.read() as session:
        found = session.execute(select(prompt_set.c.created_at, prompt_set.c.frozen_at)).one()
    assert found.created_at == moment
    assert found.created_at.tzinfo is UTC
    assert found.frozen_at is None


def test_moments_are_ordered_whatever_their_zone(store: Database) -> None:
    """On SQLite times are text; in UTC their order as text is their order in time."""
    early, late = datetime(2026, 1, 1, 5, tzinfo=INDIA), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    with store.write() as session:
        session.add(PromptSet(name="late", content_hash="", created_at=late))
        session.add(PromptSet(name="early", content_hash="", created_at=early))
    with store.read() as session:
        names = session.execute(select(prompt_set.c.name).order_by(prompt_set.c.created_at)).scalars().all()
        later = session.execute(select(prompt_set.c.name).where(prompt_set.c.created_at > early)).scalars().all()
    assert names == ["early", "late"]
    assert later == ["late"]


def test_a_time_without_a_zone_is_refused(store: Database) -> None:
    with pytest.raises(StatementError, match="a time without a zone"), store.write() as session:
        session.add(PromptSet(name="x", content_hash="", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - the point


def test_texts_longer_than_their_column_are_not_cut(store: Database) -> None:
    """PostgreSQL refuses them; SQLite keeps them whole. Neither stores a shortened name."""
    name = "x" * 500
    try:
        with store.write() as session:
            session.add(PromptSet(name=name, content_hash="", created_at=utc_now()))
    except DataError:
        assert not store.is_sqlite
        return
    with store.read() as session:
        assert session.execute(select(prompt_set.c.name)).scalar_one() == name


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    made = [new_id() for _ in range(2000)]
    assert sorted(made) == made
    assert len(set(made)) == 2000
