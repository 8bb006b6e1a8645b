"""Votes as exports read them: row by row in constant memory, with the few columns that need no other table twice.

Ids, times and words come as the driver gives them (hexadecimal digits and text from SQLite, objects from PostgreSQL):
over a million rows, making objects of them only to write them down again would take longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlmodel import Session

from app.domain import Act, Purpose
from db import participation
from db.prompts import NAMES_ONLY
from db.tables import Account, Battle, Generation, Gold, KeptVote, Model, Pair, Prompt, PromptSet, Vote, tables_of
from db.votes import COUNTED

account, battle, generation, gold, kept_vote, model, pair, prompt, prompt_set, vote = tables_of(
    Account, Battle, Generation, Gold, KeptVote, Model, Pair, Prompt, PromptSet, Vote
)
_first_vote = vote.alias("first_vote")
_output_a, _output_b = generation.alias("oa"), generation.alias("ob")
_AT_ONCE = 2_000  # rows that are in memory at a time

Order = Literal["time", "pair", "any"]


class Side(NamedTuple):
    """A model as an export names it."""

    name: str
    version: str


class Names(NamedTuple):
    """What the rows of an experiment name by an id, which is as the driver gives it."""

    pairs: dict[object, tuple[object, object]]
    models: dict[object, Side]
    prompt_sets: dict[object, tuple[str, int]]


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as the driver gives it."""
    return type_coerce(column, String)


def list_names(session: Session, *, experiment_id: UUID) -> Names:
    """The models of every pair, all models, all prompt sets that have texts."""
    of_pairs = select(_raw(pair.c.id), _raw(pair.c.model_a_id), _raw(pair.c.model_b_id))
    return Names(
        {id_: (a, b) for id_, a, b in session.execute(of_pairs.where(pair.c.experiment_id == experiment_id))},
        {
            id_: Side(name, version)
            for id_, name, version in session.execute(select(_raw(model.c.id), model.c.name, model.c.version))
        },
        {
            id_: (name, version)
            for id_, name, version in session.execute(
                select(_raw(prompt_set.c.id), prompt_set.c.name, prompt_set.c.version).where(
                    prompt_set.c.content_hash != NAMES_ONLY
                )
            )
        },
    )


def _joined() -> FromClause:
    """Votes with what stands beside them; a repeat has no pair, so its models are those of its outputs."""
    # Asked so, an output is looked up for a repeat alone; a condition beside it would only be tried after the look-up.
    a, b = (case((battle.c.pair_id.is_(None), id_)) for id_ in (battle.c.generation_a_id, battle.c.generation_b_id))
    return (
        vote.join(battle, vote.c.battle_id == battle.c.id)
        .outerjoin(_output_a, _output_a.c.id == a)
        .outerjoin(_output_b, _output_b.c.id == b)
        .outerjoin(gold, battle.c.gold_id == gold.c.id)
        .outerjoin(
            _first_vote,
            and_(
                _first_vote.c.battle_id == battle.c.repeat_of,
                _first_vote.c.criterion == vote.c.criterion,
                _first_vote.c.superseded_by.is_(None),
                _first_vote.c.act == Act.VOTE,
            ),
        )
        .outerjoin(prompt, battle.c.prompt_id == prompt.c.id)
    )


def _of(experiment_id: UUID) -> ColumnElement[bool]:
    """The votes that an export may have: whoever withdrew is in none."""
    return and_(
        battle.c.experiment_id == experiment_id,
        or_(battle.c.rater_id.is_(None), battle.c.rater_id.not_in(participation.withdrawn(experiment_id))),
    )


def _is_left_out(experiment_id: UUID) -> ColumnElement[bool]:
    return func.coalesce(battle.c.rater_id.in_(participation.left_out(experiment_id)), False)


_IS_CHECK = case((battle.c.purpose.in_(COUNTED), 0), else_=1)
_BY_PAIR = battle.c.prompt_id, battle.c.generation_a_id, battle.c.generation_b_id
_ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    "time": (vote.c.voted_at, vote.c.id),
    "pair": (*_BY_PAIR, vote.c.voted_at, vote.c.id),
    "any": (),
}


def stream_votes(session: Session, *, experiment_id: UUID, order: Order = "time") -> Iterator[Row[Any]]:
    """Every row of every vote of an experiment, in the order in which they were cast or by what was judged.

    A repeat names the vote that it repeats, or the battle where that vote was taken back. A pair with a known answer
    has no models and no prompt, and ``gold_position`` is its place in its file.
    """
    statement = (
        select(
            _raw(vote.c.id).label("vote_id"),
            _raw(battle.c.id).label("battle_id"),
            _raw(battle.c.pair_id).label("pair_id"),
            _raw(battle.c.prompt_id).label("prompt_row_id"),
            _raw(battle.c.generation_a_id).label("generation_a_id"),
            _raw(battle.c.generation_b_id).label("generation_b_id"),
            _raw(_output_a.c.model_id).label("model_a_id"),
            _raw(_output_b.c.model_id).label("model_b_id"),
            _raw(prompt.c.prompt_set_id).label("prompt_set_id"),
            prompt.c.external_id.label("prompt_id"),
            gold.c.position.label("gold_position"),
            battle.c.is_a_left,
            battle.c.turn,
            _raw(vote.c.outcome).label("outcome"),
            vote.c.weight,
            vote.c.criterion,
            _raw(battle.c.rater_id).label("rater_id"),
            _raw(battle.c.shown_at).label("shown_at"),
            _raw(vote.c.voted_at).label("voted_at"),
            vote.c.dwell_ms,
            _raw(vote.c.input).label("input"),
            _raw(battle.c.purpose).label("purpose"),
            _IS_CHECK.label("is_check"),
            _raw(func.coalesce(_first_vote.c.id, battle.c.repeat_of)).label("repeat_of"),
            battle.c.propensity,
            _raw(vote.c.superseded_by).label("superseded_by"),
            vote.c.is_staff,
            _is_left_out(experiment_id).label("is_left_out"),
            _raw(vote.c.strength).label("strength"),
            vote.c.reasons,
            vote.c.comment,
            _raw(vote.c.skip_reason).label("skip_reason"),
            vote.c.guesses,
        )
        .select_from(_joined())
        .where(_of(experiment_id))
        .order_by(*_ORDERS[order])
    )
    with session.execute(statement, execution_options={"yield_per": _AT_ONCE}) as rows:
        yield from rows


def stream_kept(session: Session, *, experiment_id: UUID) -> Iterator[Row[Any]]:
    """The votes of an import that count for no model, in the order in which they were cast."""
    statement = (
        select(
            _raw(kept_vote.c.voted_at).label("voted_at"),
            _raw(kept_vote.c.vote_id).label("vote_id"),
            kept_vote.c.columns,
        )
        .where(kept_vote.c.experiment_id == experiment_id)
        .order_by(kept_vote.c.voted_at, kept_vote.c.vote_id, kept_vote.c.id)
    )
    with session.execute(statement, execution_options={"yield_per": _AT_ONCE}) as rows:
        yield from rows


def list_brought(session: Session, *, experiment_id: UUID) -> dict[UUID, str]:
    """The names of the raters that a study's file brought, by id."""
    statement = select(account.c.id, account.c.name).where(
        account.c.experiment_id == experiment_id, account.c.origin.in_(("import", "simulated"))
    )
    return {row.id: row.name for row in session.execute(statement)}


def list_raters(session: Session, *, experiment_id: UUID) -> list[object]:
    """All raters of an experiment, in the order of the first battles that they answered.

    Those who withdrew since are among them, so that nobody else is known by another number for it.
    """
    statement = (
        select(_raw(battle.c.rater_id))
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(
            battle.c.experiment_id == experiment_id,
            battle.c.rater_id.is_not(None),
            battle.c.purpose.in_((*COUNTED, Purpose.REPEAT)),
            vote.c.superseded_by.is_(None),
            vote.c.act != Act.UNDO,
        )
        .group_by(battle.c.rater_id)
        .order_by(func.min(cast(battle.c.id, String)))
    )
    return list(session.execute(statement).scalars())


def count_kinds(session: Session, *, experiment_id: UUID) -> list[Row[Any]]:
    """The same votes as counts ``n`` of each kind that a filter tells apart; ``is_told`` says if outputs are stored."""
    kinds = (
        _raw(vote.c.outcome).label("outcome"),
        vote.c.criterion,
        vote.c.is_staff,
        _IS_CHECK.label("is_check"),
        case((vote.c.superseded_by.is_(None), None), else_=literal_column("1")).label("superseded_by"),
        case((vote.c.skip_reason.is_(None), None), else_=literal_column("1")).label("skip_reason"),
        _is_left_out(experiment_id).label("is_left_out"),
        case((battle.c.generation_a_id.is_(None) | battle.c.generation_b_id.is_(None), 0), else_=1).label("is_told"),
    )
    statement = (
        select(*kinds, func.sum(vote.c.weight).label("n"))
        .select_from(vote.join(battle, vote.c.battle_id == battle.c.id))
        .where(_of(experiment_id))
        .group_by(*kinds)
    )
    return list(session.execute(statement))


def _ids(found: Iterable[object]) -> list[UUID]:
    return [id_ if isinstance(id_, UUID) else UUID(str(id_)) for id_ in found]


def list_prompts(session: Session, *, prompt_ids: Iterable[object]) -> list[Row[Any]]:
    """Rows (id, messages, tags, attachments) of prompts; the ids are as the driver gives them, before and after."""
    wanted = select(_raw(prompt.c.id).label("id"), prompt.c.messages, prompt.c.tags, prompt.c.attachments)
    return list(session.execute(wanted.where(prompt.c.id.in_(_ids(prompt_ids)))))


def list_outputs(session: Session, *, generation_ids: Iterable[object]) -> list[Row[Any]]:
    """Rows (id, parts) of generations; the ids are as the driver gives them, before and after."""
    wanted = select(_raw(generation.c.id).label("id"), generation.c.parts)
    return list(session.execute(wanted.where(generation.c.id.in_(_ids(generation_ids)))))
