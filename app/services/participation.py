"""What raters themselves decide on their way: to agree, to decline, to withdraw, to practise, to begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from app.domain import ExperimentStatus, Identity, Purpose, utc_now
from app.errors import ConflictError
from app.services import leading
from app.services.pair_counts import forget_counts
from app.study import Ending, flow_of
from db import audit, battles, experiments, gold, participation
from db.engine import Session, database


@contextmanager
def _taking_part(rater: Identity, experiment_id: UUID) -> Iterator[tuple[Session, Any, Any]]:
    """A transaction with the study and where the rater stands in it; ConflictError when that is no open study."""
    with database().write() as session:
        battles.lock_voting(session, experiment_id=experiment_id)
        study = experiments.get_experiment(session, experiment_id=experiment_id)
        led = participation.find_led(session, rater_id=rater.account_id, experiment_id=experiment_id)
        if led is None:
            raise ConflictError("Open your link again; you don't take part in this study yet.")
        yield session, study, led


def agree(rater: Identity, experiment_id: UUID) -> None:
    """Store that the rater agreed to what the study says of itself, and when."""
    with _taking_part(rater, experiment_id) as (session, _, led):
        if led.consented_at is None:
            participation.update_participation(
                session,
                rater_id=rater.account_id,
                experiment_id=experiment_id,
                consented_at=utc_now(),
                ended_at=None,
            )


def decline(rater: Identity, experiment_id: UUID) -> None:
    """Store that the rater does not want to take part; they can still think again."""
    with _taking_part(rater, experiment_id) as (session, _, led):
        if led.consented_at is not None:
            raise ConflictError("You agreed already. You can withdraw under Guidelines.")
        participation.end_participation(session, participation_id=led.id, at=utc_now(), ending=None)


def reconsider(rater: Identity, experiment_id: UUID) -> None:
    """Ask a rater who declined once more."""
    with _taking_part(rater, experiment_id) as (session, _, led):
        if led.consented_at is None and led.ended_as is None:
            participation.update_participation(
                session, rater_id=rater.account_id, experiment_id=experiment_id, ended_at=None
            )


def withdraw(rater: Identity, experiment_id: UUID) -> None:
    """Take the consent back for good: no votes are taken any more, and the earlier ones count no more."""
    now = utc_now()
    with _taking_part(rater, experiment_id) as (session, study, led):
        if led.consented_at is None or (led.ended_at is not None and led.ended_as is None):
            return
        was_left_out = led.ended_at is not None and led.ended_as == Ending.SCREENED_OUT
        participation.end_participation(session, participation_id=led.id, at=now, ending=None)
        if not was_left_out:  # then their places were given back before
            participation.release_all(session, rater_id=rater.account_id, experiment_id=experiment_id)
            forget_counts(experiment_id)
        audit.add_event(
            session, at=now, actor_id=rater.account_id, action="participation.withdraw", subject=study.key, details={}
        )


def practise(rater: Identity, experiment_id: UUID) -> None:
    """Show the next pair for practice; after the last one, the first again."""
    mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
    with _taking_part(rater, experiment_id) as (session, study, led):
        if study.status != ExperimentStatus.RUNNING:
            raise ConflictError("This study is not running now; come back with your link later.")
        if led.n_on_screen or led.practised_at is not None:
            return  # a double click, or another tab was quicker
        pairs = gold.list_met(session, **mine, purpose=Purpose.PRACTICE)
        if pairs:
            leading.reserve_practice(session, mine, pairs, study._asdict())


def begin(rater: Identity, experiment_id: UUID) -> None:
    """End the practice round; raises ConflictError before every pair of it was answered."""
    mine = {"rater_id": rater.account_id, "experiment_id": experiment_id}
    with _taking_part(rater, experiment_id) as (session, study, led):
        pairs = gold.list_met(session, **mine, purpose=Purpose.PRACTICE)
        if flow_of(study.flow).needs_practice and not all(pair.n_answered for pair in pairs):
            raise ConflictError("Answer each practice pair once, then the study begins.")
        if led.practised_at is None:
            participation.update_participation(session, **mine, practised_at=utc_now())
