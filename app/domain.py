"""The glossary as code: the words that services, pages, formats and maths share. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from app.study import Asks, Step


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class Outcome(StrEnum):
    """What a vote says; exactly these strings stand in the database, the API and exports."""

    MODEL_A = "model_a"
    MODEL_B = "model_b"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Answer(StrEnum):
    """What a rater can say about the two sides on the screen; ``skip`` is "can't judge" and carries no outcome."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


class Role(StrEnum):
    """What an account may reach; each role reaches all that the ones before it reach."""

    RATER = "rater"
    RESEARCHER = "researcher"
    ADMIN = "admin"

    def reaches(self, other: Role) -> bool:
        """Whether this role includes the rights of ``other``."""
        order = list(Role)
        return order.index(Role(self.value)) >= order.index(Role(other.value))


class Kind(StrEnum):
    """What an experiment compares: stored outputs for its prompts, or live answers to what its raters ask."""

    PROMPTS = "prompts"
    ARENA = "arena"


class ExperimentStatus(StrEnum):
    """The life of an experiment."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    ARCHIVED = "archived"


class BattleStatus(StrEnum):
    """Where a battle stands: on a screen, put aside by an undo, answered, skipped, or given back to the pool."""

    OPEN = "open"
    WAITING = "waiting"
    VOTED = "voted"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Purpose(StrEnum):
    """Why a battle was served (or that it came with a file)."""

    NORMAL = "normal"
    GOLD = "gold"
    REPEAT = "repeat"
    PRACTICE = "practice"
    CALIBRATION = "calibration"
    IMPORTED = "imported"


class Act(StrEnum):
    """What a vote row records; votes are append-only, so taking one back is a row too."""

    VOTE = "vote"
    SKIP = "skip"
    UNDO = "undo"


class GenerationStatus(StrEnum):
    """Where a generation stands; raters are shown those that are ``ok`` and no others.

    ``flagged`` names its maker and waits for an admin's choice, ``dropped`` names it and was taken out by one;
    ``withdrawn`` was taken out by an admin for any other reason, which is its ``error``. ``truncated`` was cut short by
    a limit, ``refused`` by the model or its endpoint.
    """

    WAITING = "waiting"
    ASKING = "asking"
    OK = "ok"
    FLAGGED = "flagged"
    DROPPED = "dropped"
    WITHDRAWN = "withdrawn"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    FAILED = "failed"


class LeakChoice(StrEnum):
    """What becomes of a generation that names its maker: ask an admin, show it, show it masked, or drop it."""

    ASK = "ask"
    KEEP = "keep"
    MASK = "mask"
    DROP = "drop"


class JobStatus(StrEnum):
    """Where a generation job stands."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class PartStatus(StrEnum):
    """Where the share of a job stands that goes to one endpoint; ``stopped``: its endpoint refuses to go on."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class Input(StrEnum):
    """The device of a vote."""

    SCREEN = "screen"
    API = "api"
    FILE = "file"
    SIMULATED = "simulated"


# ------------------------------------------------------------------------------------------------ people


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is signed in, as the database knows it at this moment."""

    account_id: UUID
    name: str
    role: Role
    experiment_id: UUID | None = None  # the study that the invite was for, where it named one


# ------------------------------------------------------------------------------------------------ prompts


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


# ------------------------------------------------------------------------------------------------ voting


class Part(NamedTuple):
    """A piece of an output: ``kind`` is "text", "image", "audio" or "video", ``content`` its text or its address."""

    kind: str
    content: str


@dataclass(frozen=True, slots=True)
class BlindBattle:
    """What a rater may know of a battle. There is no field for a model, arm, latency or token count."""

    id: UUID
    prompt: tuple[Message, ...]
    left: str
    right: str
    attachments: tuple[str, ...] = ()  # addresses of the prompt's images; both sides answered the same ones
    sides: tuple[tuple[Part, ...], tuple[Part, ...]] | None = None  # left and right, where one is more than one text
    must_play: bool = False  # whether its sounds and films are to be played before an answer counts


@dataclass(frozen=True, slots=True)
class Study:
    """What a rater may know of an experiment."""

    id: UUID
    title: str
    guidelines: str
    status: ExperimentStatus
    consent: str = ""  # what raters agree to before they see anything else, where a study asks for it
    asks: Asks = field(default_factory=Asks)


@dataclass(frozen=True, slots=True)
class Ballot:
    """One screen of the vote page: the study, the open battle (None when there is nothing to vote on) and progress.

    ``quota`` is the number of votes asked of this rater, None where only the study's end limits it. ``step`` is set
    where a study leads its raters and this screen is no vote; ``note`` is said beside the battle, once.
    """

    study: Study
    battle: BlindBattle | None
    n_votes: int
    quota: int | None
    step: Step | None = None
    note: str = ""


class Receipt(StrEnum):
    """What became of a click: stored by this very call, or stored already by an earlier one on the same battle."""

    SAVED = "saved"
    ALREADY_SAVED = "already saved"


# ------------------------------------------------------------------------------------------------ ranking


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the maths sees of a vote; ``weight`` is a count. ``left`` names the side shown first, where known."""

    model_a: str
    model_b: str
    outcome: Outcome
    weight: float = 1.0
    left: str | None = None  # "model_a" | "model_b"


@dataclass(frozen=True, slots=True)
class ModelRating:
    """One row of a ranking.

    ``rating``, ``se``, ``lower`` and ``upper`` are in logits and sum to zero within a component; they are None where
    the method gives none. ``rank_lower``..``rank_upper`` is the simultaneous rank interval (1 is best). ``component``
    numbers the group of models that are connected by votes; ranks of two components are not comparable. ``bounded`` is
    False when the votes put no finite bound on the rating (the model won or lost all its votes, say).
    """

    model: str
    rating: float | None
    se: float | None
    lower: float | None
    upper: float | None
    rank: int | None
    rank_lower: int | None
    rank_upper: int | None
    n_votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    component: int = 0
    bounded: bool = True

    @property
    def win_rate(self) -> float | None:
        """Share of votes won, a tie or both-bad counting half; None without votes."""
        return None if not self.n_votes else (self.wins + 0.5 * (self.ties + self.both_bad)) / self.n_votes

    @property
    def both_bad_rate(self) -> float | None:
        """Share of votes in which both sides were called bad; None without votes."""
        return None if not self.n_votes else self.both_bad / self.n_votes


class PairTest(NamedTuple):  # a board of 100 models has 4,950 of them, and a dataclass takes five times as long to make
    """The difference ``model_a - model_b`` in logits, with its standard error, p-value and Holm-adjusted p-value."""

    model_a: str
    model_b: str
    difference: float
    se: float
    p: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Effect:
    """A parameter beside the ratings, with its standard error; ``estimate`` is in logits unless the name says else."""

    name: str
    estimate: float
    se: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ordered result of a ranking method, best first within each component, components by votes.

    ``position`` is the advantage of the side shown first, ``ties`` what governs how often people call a tie
    (``log_nu`` of Davidson, ``theta`` of Rao and Kupper), ``covariates`` the effect of each standardised covariate.
    They are None or empty where the method estimates none. ``df`` are the degrees of freedom behind the intervals,
    infinite for the normal distribution.
    """

    method: str
    models: tuple[ModelRating, ...]
    n_votes: int
    confidence: float
    components: tuple[tuple[str, ...], ...]
    log_likelihood: float | None = None
    pairs: Sequence[PairTest] = ()
    warnings: tuple[str, ...] = ()
    position: Effect | None = None
    ties: Effect | None = None
    covariates: tuple[Effect, ...] = ()
    df: float = math.inf

    @property
    def connected(self) -> bool:
        """Whether votes connect all models, so that one list is meaningful."""
        return len(self.components) <= 1
