"""The tables of what is judged: prompts, models, their generations, and the jobs that ask for these.

``db.tables`` has them all; nothing else imports this file.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from app.domain import GenerationStatus, JobStatus, LeakChoice, Outcome, PartStatus
from db.columns import Table, UtcDateTime, enum_type, json_list, json_object


class PromptSet(Table, table=True):
    """A named, versioned list of prompts; frozen once an experiment with it has started."""

    __tablename__ = "prompt_set"
    __table_args__ = (UniqueConstraint("name", "version"),)

    name: str = Field(max_length=200)
    version: int = 1
    content_hash: str = Field(max_length=64, index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    frozen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Media(Table, table=True):
    """A file that was taken in once; its bytes lie in the media folder under the random name ``place``."""

    content_hash: str = Field(unique=True, max_length=64)
    media_type: str = Field(max_length=100)
    n_bytes: int
    place: str = Field(unique=True, max_length=100)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Prompt(Table, table=True):
    """One prompt; ``external_id`` is the file's own identifier, ``messages`` a list of {role, content}.

    ``attachments`` is a list of {media_id, media_type}.
    """

    __table_args__ = (UniqueConstraint("prompt_set_id", "external_id"),)

    prompt_set_id: UUID = Field(foreign_key="prompt_set.id")
    external_id: str = Field(max_length=200)
    position: int
    messages: list[dict[str, str]] = Field(sa_column=Column(JSON, nullable=False))
    reference: str | None = Field(default=None, sa_type=Text)
    tags: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    attachments: list[dict[str, str]] = Field(default_factory=list, sa_column=json_list())
    content_hash: str = Field(max_length=64, index=True)


class Model(Table, table=True):
    """A system under test. ``settings`` are the values of its connector's fields, ``secret_name`` names a secret.

    Prices are per million tokens, ``concurrency`` and ``per_minute`` limit what its endpoint is asked, ``card`` holds
    what a reader of the leaderboard may want to know, and ``leak_choice`` is what becomes of its flagged generations.
    """

    __table_args__ = (UniqueConstraint("name", "version"),)

    name: str = Field(max_length=200)
    version: str = Field(default="", max_length=100)
    connector: str = Field(default="file", max_length=50)
    provider_id: str = Field(default="", max_length=300)
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=json_object())
    secret_name: str = Field(default="", max_length=100, sa_column_kwargs={"server_default": ""})
    organisation: str = Field(default="", max_length=200)
    licence: str = Field(default="", max_length=200)
    card: dict[str, str] = Field(default_factory=dict, sa_column=json_object())
    input_price: float | None = None
    output_price: float | None = None
    concurrency: int = Field(default=8, sa_column_kwargs={"server_default": "8"})
    per_minute: int | None = None
    leak_choice: LeakChoice = Field(
        default=LeakChoice.ASK, sa_type=enum_type(LeakChoice), sa_column_kwargs={"server_default": "ask"}
    )
    created_at: datetime = Field(sa_type=UtcDateTime)
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Job(Table, table=True):
    """What an admin asked to be generated: ``settings`` is the sampling, whose hash is part of a generation's identity.

    Its parts do the work, one for each endpoint.
    """

    prompt_set_id: UUID = Field(foreign_key="prompt_set.id")
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    settings_hash: str = Field(max_length=64)
    n_samples: int = 1
    status: JobStatus = Field(sa_type=enum_type(JobStatus))
    created_by: UUID | None = Field(default=None, foreign_key="account.id")
    created_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class JobPart(Table, table=True):
    """The share of a job that goes to one endpoint.

    ``run_id`` names the run that holds it; a run whose ``heartbeat_at`` is old has died and another may take over.
    ``reason`` says why it is stopped, a revoked key say.
    """

    __tablename__ = "job_part"
    __table_args__ = (UniqueConstraint("job_id", "endpoint"),)

    job_id: UUID = Field(foreign_key="job.id")
    endpoint: str = Field(max_length=300)
    status: PartStatus = Field(sa_type=enum_type(PartStatus))
    reason: str = Field(default="", sa_type=Text)
    run_id: str = Field(default="", max_length=64)
    heartbeat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    asked_s: float = 0.0


class Generation(Table, table=True):
    """One stored output of one model for one prompt; ``parts`` is a list of {type: "text", text}, one for each turn.

    ``part_id`` is the part of a job that asks for it, ``asked_at`` stands before the request is sent, ``retry_at`` is
    when it may be asked again. ``ready_at`` is when raters could first be shown it. ``leaks`` are the spans
    {start, end, text, phrase} where it names its maker; ``original_parts`` is what a mask covers. ``play_ms`` is how
    long its longest sound or film plays: 0 where none says it, null where there is none.
    """

    __table_args__ = (
        UniqueConstraint("model_id", "prompt_id", "sample", "settings_hash"),
        # Both cover what is counted over a whole set or job, so that no text is read for it.
        Index("ix_generation_prompt", "prompt_id", "model_id", "status"),
        Index("ix_generation_part", "part_id", "status", "model_id", "cost"),
    )

    model_id: UUID = Field(foreign_key="model.id")
    prompt_id: UUID = Field(foreign_key="prompt.id")
    part_id: UUID | None = Field(default=None, foreign_key="job_part.id")
    sample: int = 0
    settings_hash: str = Field(default="", max_length=64)
    status: GenerationStatus = Field(sa_type=enum_type(GenerationStatus))
    parts: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    original_parts: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    leaks: list[dict[str, Any]] = Field(default_factory=list, sa_column=json_list())
    error: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    n_tries: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    latency_ms: float | None = None
    first_token_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    asked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ready_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    play_ms: int | None = None


class Measure(Table, table=True):
    """An automatic measure of a generation; ``value`` is null where it can't be known (no reference, say)."""

    __table_args__ = (UniqueConstraint("generation_id", "name"),)

    generation_id: UUID = Field(foreign_key="generation.id")
    name: str = Field(max_length=50)
    value: float | None = None


class LeakPhrase(Table, table=True):
    """Words that give a maker away, added by an admin to those that Bakeoff knows."""

    __tablename__ = "leak_phrase"

    phrase: str = Field(unique=True, max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: UUID | None = Field(default=None, foreign_key="account.id")


class AllowedAddress(Table, table=True):
    """A private ``host:port`` that models may be asked at, since an admin allowed it."""

    __tablename__ = "allowed_address"

    address: str = Field(unique=True, max_length=300)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: UUID | None = Field(default=None, foreign_key="account.id")


class JudgeVote(Table, table=True):
    """What a language model said of two generations, shown in one order; kept apart from what people said.

    ``outcome`` is null where its answer could not be read, and ``error`` says why.
    """

    __tablename__ = "judge_vote"
    __table_args__ = (
        UniqueConstraint(  # PostgreSQL would cut the name that the convention makes
            "experiment_id", "judge_id", "generation_a_id", "generation_b_id", "is_a_left", name="uq_judge_vote_shown"
        ),
    )

    experiment_id: UUID = Field(foreign_key="experiment.id")
    judge_id: UUID = Field(foreign_key="model.id")
    prompt_id: UUID = Field(foreign_key="prompt.id")
    generation_a_id: UUID = Field(foreign_key="generation.id")
    generation_b_id: UUID = Field(foreign_key="generation.id")
    is_a_left: bool
    outcome: Outcome | None = Field(default=None, sa_type=enum_type(Outcome))
    answer: str = Field(default="", sa_type=Text)
    error: str = Field(default="", sa_type=Text)
    cost: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
