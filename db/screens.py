"""What a rater sees: the study, their progress, and the two sides of the battle that is open for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, or_, select
from sqlmodel import Session

from app.domain import BattleStatus, ExperimentStatus, GenerationStatus, Kind, Message, Purpose
from db.prepared import Peek, Prepared
from db.tables import Battle, Experiment, Generation, Gold, Prompt, tables_of

battle, experiment, generation, gold, prompt = tables_of(Battle, Experiment, Generation, Gold, Prompt)
output_a, output_b = generation.alias("a"), generation.alias("b")
_running, _mine, _voted = experiment.alias("running"), battle.alias("mine"), battle.alias("voted")
# A pair with a known answer takes the place of prompt and generations, so that a check looks like any battle.
COLUMNS = (
    battle.c.is_a_left,
    func.coalesce(prompt.c.messages, gold.c.messages).label("messages"),
    prompt.c.attachments,
    output_a.c.parts.label("parts_a"),
    output_b.c.parts.label("parts_b"),
    gold.c.left.label("gold_a"),
    gold.c.right.label("gold_b"),
    or_(output_a.c.status != GenerationStatus.OK, output_b.c.status != GenerationStatus.OK).label("is_withdrawn"),
)
SHOWN_BY = (
    battle.outerjoin(prompt, battle.c.prompt_id == prompt.c.id)
    .outerjoin(output_a, battle.c.generation_a_id == output_a.c.id)
    .outerjoin(output_b, battle.c.generation_b_id == output_b.c.id)
    .outerjoin(gold, battle.c.gold_id == gold.c.id)
)
# One row for every rerun of the vote page: the study, this rater's votes, and the battle on the screen, if any.
_SCREEN = Prepared(
    select(
        experiment.c.id,
        experiment.c.title,
        experiment.c.guidelines,
        experiment.c.status,
        experiment.c.votes_per_pair,
        experiment.c.votes_per_rater,
        experiment.c.started_at,
        experiment.c.flow,
        experiment.c.asks,
        experiment.c.shows,
        experiment.c.n_put_back,
        battle.c.id.label("battle_id"),
        battle.c.lease_until,
        battle.c.purpose,
        *COLUMNS,
        select(func.count())
        .where(
            _voted.c.rater_id == bindparam("rater_id"),
            _voted.c.experiment_id == experiment.c.id,
            _voted.c.status == BattleStatus.VOTED,
            _voted.c.purpose != Purpose.PRACTICE,
        )
        .correlate(experiment)
        .scalar_subquery()
        .label("n_voted"),
    )
    .select_from(
        experiment.outerjoin(
            battle,
            and_(
                battle.c.experiment_id == experiment.c.id,
                battle.c.rater_id == bindparam("rater_id"),
                battle.c.status == BattleStatus.OPEN,
            ),
        )
        .outerjoin(prompt, battle.c.prompt_id == prompt.c.id)
        .outerjoin(output_a, battle.c.generation_a_id == output_a.c.id)
        .outerjoin(output_b, battle.c.generation_b_id == output_b.c.id)
        .outerjoin(gold, battle.c.gold_id == gold.c.id)
    )
    .where(
        experiment.c.kind != Kind.ARENA,  # it has a page of its own
        experiment.c.id
        == func.coalesce(
            bindparam("experiment_id", type_=experiment.c.id.type),
            # Without a study of their own, people stay where a pair is open for them, paused or not; else they vote in
            # the running study that started last.
            select(_mine.c.experiment_id)
            .select_from(_mine.join(_running, _mine.c.experiment_id == _running.c.id))
            .where(
                _mine.c.rater_id == bindparam("rater_id"),
                _mine.c.status == BattleStatus.OPEN,
                _running.c.kind != Kind.ARENA,
                or_(_running.c.status == ExperimentStatus.RUNNING, _running.c.status == ExperimentStatus.PAUSED),
            )
            .order_by(_mine.c.assigned_at.desc())
            .limit(1)
            .scalar_subquery(),
            select(_running.c.id)
            .where(_running.c.status == ExperimentStatus.RUNNING, _running.c.kind != Kind.ARENA)
            .order_by(_running.c.started_at.desc(), _running.c.id.desc())
            .limit(1)
            .scalar_subquery(),
        ),
    )
)
_content = select(*COLUMNS).select_from(SHOWN_BY).where(battle.c.id == bindparam("battle_id"))
_CONTENT = Prepared(_content)
_shows = select(experiment.c.shows).where(experiment.c.id == battle.c.experiment_id).correlate(battle)
_SHOWN = Prepared(
    _content.add_columns(_shows.scalar_subquery().label("shows")).where(battle.c.rater_id == bindparam("rater_id"))
)


@dataclass(frozen=True, slots=True)
class Content:
    """What stands on the screen; the sides are already in place, each the stored parts of its generation.

    ``attachments`` are {media_id, media_type}; ``is_withdrawn`` when raters may not be shown one of the two any more.
    """

    prompt: tuple[Message, ...]
    left: Sequence[Mapping[str, Any]]
    right: Sequence[Mapping[str, Any]]
    attachments: Sequence[dict[str, str]] = ()
    is_withdrawn: bool = False


def find_screen(session: Session | Peek, *, rater_id: UUID, experiment_id: UUID | None) -> Any:
    """The study, this rater's votes and the open battle (``battle_id`` is null without).

    Without ``experiment_id``: the running study that started last; None when there is none.
    """
    return _SCREEN.first(session, rater_id=rater_id, experiment_id=experiment_id)


def get_content(session: Session | Peek, *, battle_id: UUID) -> Content:
    """What a battle shows."""
    return content_of(_CONTENT.first(session, battle_id=battle_id))


def content_of(row: Any) -> Content:
    """The parts of the battle of a row of ``find_screen``, by side."""
    parts_a, parts_b = row.parts_a or _as_parts(row.gold_a), row.parts_b or _as_parts(row.gold_b)
    left, right = (parts_a, parts_b) if row.is_a_left else (parts_b, parts_a)
    prompt = tuple(Message(m["role"], m["content"]) for m in row.messages)
    return Content(prompt, left, right, row.attachments or (), bool(row.is_withdrawn))


def _as_parts(text: str | None) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text or ""}]


def find_shown(session: Session | Peek, *, battle_id: UUID, rater_id: UUID) -> tuple[Content, Any] | None:
    """What a battle of this rater shows, and the ``shows`` of its study; None for somebody else's."""
    row = _SHOWN.first(session, battle_id=battle_id, rater_id=rater_id)
    return None if row is None else (content_of(row), row.shows)
