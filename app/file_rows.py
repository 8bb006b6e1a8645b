"""What a line of a file says, in our own words; every format reads and writes these. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain import Input, Message, Outcome, Part
from app.study import OVERALL, Remarks


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt of a file: ``id`` is the file's own identifier, unique within it."""

    line: int
    id: str
    messages: tuple[Message, ...]
    reference: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()  # each a data: URL, or a path beside the file


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of a file; one that names a connector can be asked. ``secret`` is the name of a secret."""

    line: int
    name: str
    version: str = ""
    organisation: str = ""
    licence: str = ""
    provider_id: str = ""
    connector: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    secret: str = ""
    input_price: float | None = None
    output_price: float | None = None
    concurrency: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """One output of a file; exactly one of ``prompt_id`` and ``prompt`` (the text itself) is set.

    ``turns`` are the texts of an output with several turns, which ``output`` joins. ``model`` is blank where the file
    is of one model and doesn't name it; ``version`` is blank where it doesn't say.
    """

    line: int
    model: str
    output: str
    prompt_id: str | None = None
    prompt: str | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    sample: int = 0
    turns: tuple[str, ...] = ()
    version: str = ""
    content: tuple[Part, ...] = ()  # all in order where there are media, each a data: URL or a path beside the file

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to show."""
        return not self.content and not self.output.strip()

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each turn."""
        return self.turns or (self.output,)


@dataclass(frozen=True, slots=True)
class OwnVote:
    """What only our own export says of a vote, so that it goes out again as it came in. Ids are 16 bytes."""

    vote_id: bytes
    battle_id: bytes | None
    experiment: str
    allocation: str
    prompt_set: str
    version_a: str
    version_b: str
    shown_at: datetime
    dwell_ms: int | None
    input: Input
    propensity: float | None


@dataclass(frozen=True, slots=True)
class VoteRow:
    """One vote of a file. ``left`` says which model stood on the left; None where the file does not say.

    ``outcome`` is None where the rater couldn't judge, ``battle`` what rows on several criteria have in common,
    ``turn`` which turn of a conversation was judged, ``own`` what a file of ours says beside. The guesses in
    ``remarks`` are names of models.
    """

    line: int
    model_a: str
    model_b: str
    outcome: Outcome | None
    left: str | None = None  # "model_a" | "model_b"
    prompt_id: str | None = None
    rater: str | None = None
    voted_at: datetime | None = None
    weight: float = 1.0
    battle: str | None = None
    criterion: str = OVERALL
    remarks: Remarks = field(default_factory=Remarks)
    turn: int | None = None
    own: OwnVote | None = None
    columns: Mapping[str, object] = field(default_factory=dict)  # the remaining columns, as read


@dataclass(frozen=True, slots=True)
class Judged:
    """Two outputs for one prompt with one vote on them, or all: what a format with texts is written from.

    ``votes`` have the columns of our own export, whose model a made ``output_a``; an output is the text of each of its
    turns. ``is_told`` says whether prompt and outputs are known, ``turn`` which turn was judged where a file said so.
    """

    votes: tuple[Mapping[str, Any], ...]
    prompt: tuple[Message, ...] = ()
    output_a: tuple[str, ...] = ()
    output_b: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    is_told: bool = False
    turn: int | None = None

    @property
    def vote(self) -> Mapping[str, Any]:
        """The first of the votes."""
        return self.votes[0]


@dataclass(frozen=True, slots=True)
class Card:
    """What a data set says about itself: texts of the study, and its models by name, version, maker and licence."""

    title: str = ""
    key: str = ""
    methods: str = ""
    consent: str = ""
    is_simulated: bool = False
    app_version: str = ""
    models: tuple[tuple[str, str, str, str], ...] = ()
