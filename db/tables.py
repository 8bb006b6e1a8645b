"""All tables. A language model is a ``Model`` here, which is why this file isn't called models.py.

Ids are UUIDv7, times are UTC, enums are strings with check constraints. There are no lazy relationships: rows leave
``db`` only as finished values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Column, Index, Text, UniqueConstraint, text
from sqlalchemy import Table as SqlTable
from sqlmodel import Field, SQLModel

from app.domain import (
    Act,
    Answer,
    BattleStatus,
    ExperimentStatus,
    Input,
    Outcome,
    Purpose,
    Role,
)
from app.study import Ending, SkipReason, Strength
from db.columns import Table, UtcDateTime, enum_type, json_list
from db.content_tables import (
    AllowedAddress,
    Generation,
    Job,
    JobPart,
    JudgeVote,
    LeakPhrase,
    Measure,
    Media,
    Model,
    Prompt,
    PromptSet,
)

__all__ = [
    "Account",
    "AllowedAddress",
    "Arm",
    "AuditEvent",
    "Battle",
    "Experiment",
    "Generation",
    "Gold",
    "Invite",
    "Job",
    "JobPart",
    "JudgeVote",
    "KeptVote",
    "LeakPhrase",
    "Measure",
    "Media",
    "Model",
    "Pair",
    "Participation",
    "Prompt",
    "PromptSet",
    "Vote",
    "WebSession",
    "tables_of",
]


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows for which ``where`` holds, on either database."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def tables_of(*models: type[SQLModel]) -> tuple[SqlTable, ...]:
    """The SQLAlchemy tables behind these classes, for the query files."""
    return tuple(SQLModel.metadata.tables[str(model.__tablename__)] for model in models)


class Account(Table, table=True):
    """A person, or a rater of an imported or simulated study (``origin`` says which)."""

    name: str = Field(unique=True, max_length=200)
    role: Role = Field(sa_type=enum_type(Role))
    origin: str = Field(default="invite", max_length=16)
    experiment_id: UUID | None = Field(default=None, foreign_key="experiment.id")
    is_blocked: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)


class Invite(Table, table=True):
    """A link that makes an account of ``role``; the database knows only the hash of its token."""

    token_hash: str = Field(unique=True, max_length=64)
    role: Role = Field(sa_type=enum_type(Role))
    label: str = Field(default="", max_length=200)
    experiment_id: UUID | None = Field(default=None, foreign_key="experiment.id")
    max_uses: int
    n_uses: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WebSession(Table, table=True):
    """A signed-in browser: the hash of its cookie's token. Until the invite is accepted it has no account."""

    __tablename__ = "web_session"

    token_hash: str = Field(unique=True, max_length=64)
    account_id: UUID | None = Field(default=None, foreign_key="account.id", index=True)
    invite_id: UUID | None = Field(default=None, foreign_key="invite.id")
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Experiment(Table, table=True):
    """A study. What stands between ``prompt_set_id`` and ``shows`` is its design and frozen at its start.

    ``asks``, ``flow``, ``shows`` and ``arena`` are ``app.study.Asks``, ``Flow``, ``Shows`` and ``Arena`` as JSON.
    """

    key: str = Field(unique=True, max_length=80)
    title: str = Field(max_length=200)
    kind: str = Field(default="prompts", max_length=16)
    status: ExperimentStatus = Field(sa_type=enum_type(ExperimentStatus))
    prompt_set_id: UUID | None = Field(default=None, foreign_key="prompt_set.id")
    guidelines: str = Field(default="", sa_type=Text)
    votes_per_pair: int = 10
    votes_per_rater: int | None = None
    min_dwell_ms: int = 500
    lease_minutes: int = 30
    allocation: str = Field(default="uniform", max_length=32)
    exploration: float = 0.1
    floor_votes: int = 50
    votes_per_prompt: int | None = None
    asks: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    flow: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    shows: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    arena: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    is_simulated: bool = False
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    stop_reason: str = Field(default="", sa_type=Text)
    # How often a withdrawn output was put back into it: a server that read its design before then reads it anew.
    n_put_back: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # The outputs, as hex digits, that were out when it started: put back, they are for studies that have shown them.
    left_out: list[str] = Field(default_factory=list, sa_column=json_list())


class Arm(Table, table=True):
    """One compared model of an experiment."""

    __table_args__ = (UniqueConstraint("experiment_id", "model_id"),)

    experiment_id: UUID = Field(foreign_key="experiment.id")
    model_id: UUID = Field(foreign_key="model.id")
    role: str = Field(default="challenger", max_length=16)
    position: int
    weight: float = 1.0


class Pair(Table, table=True):
    """Two models of a running experiment with the counts that hold its quota.

    ``n_taken`` counts live votes plus battles that are on somebody's screen; ``n_votes`` counts live votes.
    """

    __table_args__ = (
        UniqueConstraint("experiment_id", "position"),
        CheckConstraint("n_taken >= 0 AND n_votes >= 0", name="counts"),
    )

    experiment_id: UUID = Field(foreign_key="experiment.id")
    position: int
    model_a_id: UUID = Field(foreign_key="model.id")
    model_b_id: UUID = Field(foreign_key="model.id")
    n_taken: int = 0
    n_votes: int = 0


class Gold(Table, table=True):
    """A pair whose right answer is known: for practice, or as an attention check among the battles of a study."""

    __table_args__ = (UniqueConstraint("experiment_id", "position"),)

    experiment_id: UUID = Field(foreign_key="experiment.id")
    position: int
    purpose: Purpose = Field(sa_type=enum_type(Purpose))
    messages: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    left: str = Field(sa_type=Text)
    right: str = Field(sa_type=Text)
    answer: Answer = Field(sa_type=enum_type(Answer))
    reason: str = Field(default="", sa_type=Text)


class Participation(Table, table=True):
    """One rater in one study: what they agreed to and passed, where they came from, and how it ended for them."""

    __table_args__ = (
        UniqueConstraint("experiment_id", "account_id"),
        _partial_index(
            "uq_participation_panel", "experiment_id", "panel", "external_id", where="external_id <> ''", unique=True
        ),
    )

    experiment_id: UUID = Field(foreign_key="experiment.id")
    account_id: UUID = Field(foreign_key="account.id", index=True)
    panel: str = Field(default="", max_length=32)
    external_id: str = Field(default="", max_length=200)
    panel_values: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    consented_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    practised_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_as: Ending | None = Field(default=None, sa_type=enum_type(Ending))


class Battle(Table, table=True):
    """A blinded pair of generations served to one rater; ``is_a_left`` is the assignment of sides.

    One for practice or attention shows a ``gold`` pair, of which a is the side that its file calls left, and has no
    pair, prompt or generation. One that repeats another has no pair either, since it takes no place in its quota.
    ``turn`` is which turn of a conversation was judged, where the file of an import says so.
    """

    __table_args__ = (
        _partial_index("uq_battle_open", "experiment_id", "rater_id", where="status = 'open'", unique=True),
        # Covers what is asked about a rater on every vote.
        Index("ix_battle_rater", "rater_id", "experiment_id", "status", "pair_id", "prompt_id"),
        Index("ix_battle_pair", "pair_id"),
        _partial_index("ix_battle_lease", "experiment_id", "lease_until", where="status IN ('open', 'waiting')"),
        # Few battles are checks; without this, to list them would read all battles.
        _partial_index("ix_battle_gold", "gold_id", where="gold_id IS NOT NULL"),
    )

    experiment_id: UUID = Field(foreign_key="experiment.id")
    pair_id: UUID | None = Field(default=None, foreign_key="pair.id")
    gold_id: UUID | None = Field(default=None, foreign_key="gold.id")
    repeat_of: UUID | None = Field(default=None, foreign_key="battle.id")
    prompt_id: UUID | None = Field(default=None, foreign_key="prompt.id")
    generation_a_id: UUID | None = Field(default=None, foreign_key="generation.id")
    generation_b_id: UUID | None = Field(default=None, foreign_key="generation.id")
    rater_id: UUID | None = Field(default=None, foreign_key="account.id")
    is_a_left: bool | None = None
    status: BattleStatus = Field(sa_type=enum_type(BattleStatus))
    purpose: Purpose = Field(sa_type=enum_type(Purpose))
    propensity: float | None = None
    assigned_at: datetime = Field(sa_type=UtcDateTime)
    shown_at: datetime = Field(sa_type=UtcDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    n_revisions: int = 0
    turn: int | None = None


class Vote(Table, table=True):
    """The rater's recorded act on a battle; append-only. The live row of a battle has no ``superseded_by``.

    There is one for each criterion. ``reasons`` are {"left": [..], "right": [..]}, ``guesses`` what the rater thinks
    who made each side; both about the screen, so that nothing has to be turned round to be stored.
    """

    __table_args__ = (
        UniqueConstraint("battle_id", "criterion", "revision"),
        CheckConstraint("(act = 'vote') = (outcome IS NOT NULL)", name="act_has_outcome"),
        CheckConstraint("weight >= 1", name="weight"),
        # Few votes have a comment, reasons or guesses; without these, to list them would read all votes.
        _partial_index("ix_vote_comment", "battle_id", where="comment <> ''"),
        _partial_index("ix_vote_reasons", "battle_id", where="reasons IS NOT NULL"),
        _partial_index("ix_vote_guesses", "battle_id", where="guesses IS NOT NULL"),
    )

    battle_id: UUID = Field(foreign_key="battle.id")
    criterion: str = Field(default="overall", max_length=64)
    revision: int
    act: Act = Field(sa_type=enum_type(Act))
    outcome: Outcome | None = Field(default=None, sa_type=enum_type(Outcome))
    weight: int = 1
    voted_at: datetime = Field(sa_type=UtcDateTime)
    dwell_ms: int | None = None
    input: Input = Field(sa_type=enum_type(Input))
    is_staff: bool = False
    is_late: bool = False
    superseded_by: UUID | None = Field(default=None, foreign_key="vote.id")
    strength: Strength | None = Field(default=None, sa_type=enum_type(Strength))
    reasons: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    comment: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    skip_reason: SkipReason | None = Field(default=None, sa_type=enum_type(SkipReason))
    guesses: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class KeptVote(Table, table=True):
    """A vote of a file of ours that counts for no model: changed later, a check or repeat, of a rater screened out.

    No result reads it; it is kept to go out again with the others. ``columns`` are those of our own export.
    """

    __tablename__ = "kept_vote"

    experiment_id: UUID = Field(foreign_key="experiment.id", index=True)
    vote_id: UUID
    voted_at: datetime = Field(sa_type=UtcDateTime)
    columns: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AuditEvent(Table, table=True):
    """Who did what; append-only. ``hash`` covers the row and the hash before it, so a gap or a change shows."""

    __tablename__ = "audit_event"

    sequence: int = Field(unique=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor_id: UUID | None = Field(default=None, foreign_key="account.id")
    action: str = Field(max_length=64)
    subject: str = Field(max_length=300)
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    previous_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)
