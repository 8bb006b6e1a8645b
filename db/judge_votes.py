"""What language models said of pairs of outputs, kept apart from the votes of people; and who may be asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select
from sqlmodel import Session

from app.domain import Outcome
from db import votes
from db.columns import new_id
from db.measures import insert_new
from db.tables import Battle, Generation, JudgeVote, Model, Pair, Prompt, Vote, tables_of

battle, generation, judge_vote, model, pair, prompt, vote = tables_of(
    Battle, Generation, JudgeVote, Model, Pair, Prompt, Vote
)
_ID = ("experiment_id", "judge_id", "generation_a_id", "generation_b_id", "is_a_left")


def list_by_name(session: Session, *, name: str) -> list[Row[Any]]:
    """The models (id, name, version) of a name, newest first."""
    return list(
        session.execute(
            select(model.c.id, model.c.name, model.c.version)
            .where(model.c.name == name, model.c.archived_at.is_(None))
            .order_by(model.c.created_at.desc(), model.c.id.desc())
        )
    )


def list_judges(session: Session) -> list[Row[Any]]:
    """The models (id, name, version, connector) that are not archived, by name."""
    return list(
        session.execute(
            select(model.c.id, model.c.name, model.c.version, model.c.connector)
            .where(model.c.archived_at.is_(None))
            .order_by(model.c.name, model.c.version)
        )
    )


def list_settled(session: Session, *, experiment_id: UUID, judge_id: UUID) -> set[tuple[UUID, UUID, bool]]:
    """What a judge answered already, read or unreadable: (generation a, generation b, whether a stood on the left).

    What it was asked in vain isn't among them.
    """
    rows = session.execute(
        select(judge_vote.c.generation_a_id, judge_vote.c.generation_b_id, judge_vote.c.is_a_left).where(
            judge_vote.c.experiment_id == experiment_id,
            judge_vote.c.judge_id == judge_id,
            judge_vote.c.outcome.is_not(None) | (judge_vote.c.answer != ""),
        )
    )
    return {(row[0], row[1], row[2]) for row in rows}


def list_shown(session: Session, *, generation_ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    """Rows (id, parts, prompt_id, messages, attachments) of outputs and their prompts, by the output's id."""
    rows = session.execute(
        select(generation.c.id, generation.c.parts, generation.c.prompt_id, prompt.c.messages, prompt.c.attachments)
        .select_from(generation.join(prompt, generation.c.prompt_id == prompt.c.id))
        .where(generation.c.id.in_(list(generation_ids)))
    )
    return {row.id: row for row in rows}


def add_judge_vote(session: Session, **columns: Any) -> None:
    """Store what a judge said; it takes the place of an earlier question that got no answer, and of nothing else."""
    same = [judge_vote.c[name] == columns[name] for name in _ID]
    session.execute(delete(judge_vote).where(*same, judge_vote.c.outcome.is_(None), judge_vote.c.answer == ""))
    insert_new(session, judge_vote, [{"id": new_id(), **columns}])


def list_judge_votes(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """Every judge vote of an experiment with the two models: (judge_id, prompt_id, model_a_id, model_b_id, ...)."""
    generation_b = generation.alias("gb")
    return list(
        session.execute(
            select(
                judge_vote.c.judge_id,
                judge_vote.c.prompt_id,
                generation.c.model_id.label("model_a_id"),
                generation_b.c.model_id.label("model_b_id"),
                judge_vote.c.is_a_left,
                judge_vote.c.outcome,
                judge_vote.c.cost,
                (judge_vote.c.answer != "").label("is_answered"),
            )
            .select_from(
                judge_vote.join(generation, judge_vote.c.generation_a_id == generation.c.id).join(
                    generation_b, judge_vote.c.generation_b_id == generation_b.c.id
                )
            )
            .where(judge_vote.c.experiment_id == experiment_id)
            .order_by(judge_vote.c.created_at, judge_vote.c.id)
        )
    )


def list_human_verdicts(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """What blind raters said: rows (model_a_id, model_b_id, prompt_id, rater_id, outcome, weight) of live votes."""
    return list(
        session.execute(
            select(
                pair.c.model_a_id,
                pair.c.model_b_id,
                battle.c.prompt_id,
                battle.c.rater_id,
                vote.c.outcome,
                func.sum(vote.c.weight).label("weight"),
            )
            .select_from(vote.join(battle, vote.c.battle_id == battle.c.id).join(pair, battle.c.pair_id == pair.c.id))
            .where(
                *votes.counted(experiment_id),
                battle.c.prompt_id.is_not(None),
                vote.c.outcome.in_(list(Outcome)),
            )
            .group_by(pair.c.model_a_id, pair.c.model_b_id, battle.c.prompt_id, battle.c.rater_id, vote.c.outcome)
        )
    )
