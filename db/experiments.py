"""Experiments, their arms and their pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, update
from sqlmodel import Session, col

from app.domain import BattleStatus, ExperimentStatus
from app.errors import NotFoundError
from db.prepared import Peek, Prepared
from db.tables import Arm, Battle, Experiment, Generation, Model, Pair, Prompt, PromptSet, tables_of

arm, battle, experiment, generation, model, pair, prompt, prompt_set = tables_of(
    Arm, Battle, Experiment, Generation, Model, Pair, Prompt, PromptSet
)

_GET = Prepared(select(*experiment.c).where(experiment.c.id == bindparam("experiment_id")))
_COMPLETE = Prepared(
    update(experiment)
    .where(experiment.c.id == bindparam("experiment"), experiment.c.status == ExperimentStatus.RUNNING)
    .values(
        status=ExperimentStatus.COMPLETED,
        ended_at=bindparam("now"),
        stop_reason="All pairs have their votes.",
    )
    .returning(experiment.c.id)
)


def add_experiment(session: Session, **values: Any) -> Experiment:
    """Store an experiment; the keywords are its columns."""
    row = Experiment(**values)
    session.add(row)
    session.flush()
    return row


def get_experiment(session: Session | Peek, *, experiment_id: UUID) -> Any:
    """All columns of an experiment; raises NotFoundError."""
    row = _GET.first(session, experiment_id=experiment_id)
    if row is None:
        raise NotFoundError("There is no such experiment.")
    return row


def count_put_back(session: Session, *, generation_id: UUID) -> None:
    """Have every server read anew the designs of the started studies that may have shown this output."""
    shown_by = (
        select(arm.c.experiment_id)
        .select_from(
            generation.join(prompt, generation.c.prompt_id == prompt.c.id)
            .join(experiment, experiment.c.prompt_set_id == prompt.c.prompt_set_id)
            .join(arm, and_(arm.c.experiment_id == experiment.c.id, arm.c.model_id == generation.c.model_id))
        )
        .where(generation.c.id == generation_id, experiment.c.started_at.is_not(None))
    )
    session.execute(
        update(experiment).where(experiment.c.id.in_(shown_by)).values(n_put_back=experiment.c.n_put_back + 1)
    )


def lock_experiment(session: Session, *, experiment_id: UUID) -> Experiment:
    """The experiment, held for a change of its state; raises NotFoundError."""
    row: Experiment | None = session.execute(
        select(Experiment).where(col(Experiment.id) == experiment_id).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise NotFoundError("There is no such experiment.")
    return row


def find_by_key(session: Session, *, key: str) -> UUID | None:
    """The experiment of this key."""
    return session.execute(select(experiment.c.id).where(experiment.c.key == key)).scalar_one_or_none()


def list_experiments(session: Session) -> list[Row[Any]]:
    """All experiments with counts of their arms and votes, newest first."""
    arms = select(arm.c.experiment_id, func.count().label("n")).group_by(arm.c.experiment_id).subquery()
    votes = (
        select(pair.c.experiment_id, func.sum(pair.c.n_votes).label("n"), func.count().label("n_pairs"))
        .group_by(pair.c.experiment_id)
        .subquery()
    )
    return list(
        session.execute(
            select(
                *experiment.c,
                prompt_set.c.name.label("prompt_set"),
                prompt_set.c.version.label("prompt_set_version"),
                func.coalesce(arms.c.n, 0).label("n_models"),
                func.coalesce(votes.c.n, 0).label("n_votes"),
                func.coalesce(votes.c.n_pairs, 0).label("n_pairs"),
            )
            .select_from(
                experiment.outerjoin(prompt_set, experiment.c.prompt_set_id == prompt_set.c.id)
                .outerjoin(arms, arms.c.experiment_id == experiment.c.id)
                .outerjoin(votes, votes.c.experiment_id == experiment.c.id)
            )
            .order_by(experiment.c.id.desc())
        )
    )


def set_arms(
    session: Session, *, experiment_id: UUID, model_ids: Iterable[UUID], weights: Mapping[UUID, float] | None = None
) -> None:
    """Replace the compared models of a draft; a model without a weight has weight 1."""
    session.execute(delete(arm).where(arm.c.experiment_id == experiment_id))
    session.add_all(
        Arm(experiment_id=experiment_id, model_id=model_id, position=i, weight=(weights or {}).get(model_id, 1.0))
        for i, model_id in enumerate(model_ids)
    )
    session.flush()


def list_arms(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """The compared models (model_id, role, weight, name, version, organisation, licence), in their order."""
    of_model = (model.c.name, model.c.version, model.c.organisation, model.c.licence)
    return list(
        session.execute(
            select(arm.c.model_id, arm.c.role, arm.c.weight, *of_model)
            .select_from(arm.join(model, arm.c.model_id == model.c.id))
            .where(arm.c.experiment_id == experiment_id)
            .order_by(arm.c.position)
        )
    )


def list_sharing(session: Session, *, experiment_ids: Collection[UUID]) -> set[UUID]:
    """The experiments that compare one of the models of these, and these themselves."""
    of_these = select(arm.c.model_id).where(arm.c.experiment_id.in_(list(experiment_ids)))
    rows = session.execute(select(arm.c.experiment_id).where(arm.c.model_id.in_(of_these)).distinct())
    return {row.experiment_id for row in rows}


def add_pairs(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store many pairs at once; each row gives every column."""
    session.execute(insert(pair), list(rows))


def list_pairs(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """The pairs (id, model_a_id, model_b_id, n_taken, n_votes), by position."""
    return list(
        session.execute(
            select(pair.c.id, pair.c.model_a_id, pair.c.model_b_id, pair.c.n_taken, pair.c.n_votes)
            .where(pair.c.experiment_id == experiment_id)
            .order_by(pair.c.position)
        )
    )


def count_pairs(session: Session, *, experiment_id: UUID) -> int:
    """How many pairs of models meet in an experiment."""
    found: int = session.execute(
        select(func.count()).select_from(pair).where(pair.c.experiment_id == experiment_id)
    ).scalar_one()
    return found


def count_progress(session: Session, *, experiment_id: UUID) -> Row[Any]:
    """Of a running experiment: n_votes that count for its quota, n_pairs, and n_raters who voted on one."""
    raters = select(func.count(battle.c.rater_id.distinct())).where(
        battle.c.experiment_id == experiment_id, battle.c.status == BattleStatus.VOTED, battle.c.pair_id.is_not(None)
    )
    return session.execute(
        select(
            func.coalesce(func.sum(pair.c.n_votes), 0).label("n_votes"),
            func.count().label("n_pairs"),
            raters.scalar_subquery().label("n_raters"),
        ).where(pair.c.experiment_id == experiment_id)
    ).one()


def set_status(session: Session, *, experiment_id: UUID, status: ExperimentStatus, **values: Any) -> None:
    """Move an experiment on; the keywords are further columns to set."""
    session.execute(update(experiment).where(experiment.c.id == experiment_id).values(status=status, **values))


def complete(session: Session | Peek, *, experiment_id: UUID, now: datetime) -> bool:
    """End a running experiment because its quota is full; False when it isn't running any more."""
    return _COMPLETE.first(session, experiment=experiment_id, now=now) is not None
