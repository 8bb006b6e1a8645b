"""What a study asks of its raters, how it leads them, and how it shows them things; frozen with its design.

Stored as JSON beside the other rules of an experiment; ``Step`` is where one rater stands. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")

OVERALL = "overall"  # the criterion of the one-key vote
DONT_KNOW = "dont_know"  # a guess that says so
LONGEST_COMMENT = 5_000
MOST_CRITERIA = 8
GOOD_REASONS = ("accurate", "complete", "clear", "follows the instructions")
BAD_REASONS = ("wrong", "shallow", "off-topic", "unsafe")
USUAL_CRITERIA = ("Helpfulness", "Accuracy", "Coherence", "Relevance", "Harmlessness")


class Strength(StrEnum):
    """How much better a side is, where a study asks for it."""

    SLIGHTLY = "slightly"
    CLEARLY = "clearly"


class SkipReason(StrEnum):
    """Why a rater can't judge."""

    NOT_MY_FIELD = "not_my_field"
    WRONG_LANGUAGE = "wrong_language"
    BROKEN = "broken"
    UNSAFE = "unsafe"


class Ending(StrEnum):
    """How a study ended for one rater; a panel is told by a code of its own for each."""

    DONE = "done"
    SCREENED_OUT = "screened_out"
    OVER_QUOTA = "over_quota"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question of the same four answers beside the overall one; ``key`` stands in the database and in exports."""

    key: str
    label: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Asks:
    """What is asked beside who is better overall; nothing of it holds up the next battle, unless required."""

    criteria: tuple[Criterion, ...] = ()
    strength: bool = False
    reasons: bool = False
    comment: bool = False
    skip_reason: bool = False
    guess: bool = False

    @property
    def has_more(self) -> bool:
        """Whether anything can be said about a vote with an answer that takes more than one click."""
        return self.reasons or self.comment or self.guess or bool(self.criteria)

    @property
    def is_anything(self) -> bool:
        """Whether anything at all can be said about a vote once it was cast."""
        return self.has_more or self.strength or self.skip_reason


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a rater says about a vote beside its answer; all of it is about the sides of the screen.

    ``left`` and ``right`` are reasons. A guess is the id of a model of the study in digits, or ``DONT_KNOW``.
    """

    strength: Strength | None = None
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    comment: str = ""
    skip_reason: SkipReason | None = None
    guess_left: str | None = None
    guess_right: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """How a rater is led from the link to the end.

    ``consent`` is what they must agree to first, if anything; ``needs_practice`` asks for the practice round. One
    battle in ``gold_every`` is an attention check, one in ``repeat_every`` one that they answered before, with the
    sides swapped. A rater who fails more than ``most_failed_checks`` is thanked and sent away. The codes go back to
    the panel.
    """

    consent: str = ""
    needs_practice: bool = False
    gold_every: int | None = None
    most_failed_checks: int | None = None
    repeat_every: int | None = None
    must_play: bool = True
    shows_agreement: bool = False
    panel: str = ""
    code_done: str = ""
    code_screened_out: str = ""
    code_over_quota: str = ""


@dataclass(frozen=True, slots=True)
class Shows:
    """How generations and results are shown.

    ``is_normalised`` trims outputs and writes all in one flavour of Markdown. ``hides_results`` keeps results from
    everybody, admins too, until the study has ended: whoever can't see who is ahead can't stop because of it.
    """

    is_normalised: bool = False
    hides_results: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The rater is asked to agree to ``text``; ``is_declined`` when they said no and may think again."""

    text: str
    is_declined: bool = False


@dataclass(frozen=True, slots=True)
class Practice:
    """The battle is one for practice: number ``number`` of ``n_pairs``."""

    number: int
    n_pairs: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """The battle is one for practice that was answered: what was said, what was expected, and why.

    ``can_start`` once each pair for practice was answered; ``is_last`` when that was the last one of a round.
    """

    number: int
    n_pairs: int
    answer: str
    expected: str
    reason: str
    can_start: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class Farewell:
    """The study is over for the rater, ``ending`` None when they withdrew.

    ``code`` goes back to the panel, through ``return_url`` where it takes it from a link. ``agreement`` is the share of
    the others' votes that agree with theirs, None where that isn't told.
    """

    ending: Ending | None
    code: str = ""
    return_url: str = ""
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Arena:
    """What bounds an arena, which asks models live and so costs money.

    ``most_turns`` counts the messages of a rater in one conversation, ``per_minute`` and ``per_hour`` those of a rater
    in all. ``most_cost`` ends the asking when that much was spent, in the currency of the models' prices.
    """

    most_characters: int = 4_000
    most_turns: int = 6
    per_minute: int = 6
    per_hour: int = 60
    most_cost: float | None = None
    most_tokens: int | None = None


Step: TypeAlias = Consent | Practice | Feedback | Farewell


def to_json(part: Asks | Flow | Shows | Arena) -> dict[str, Any]:
    """As it is stored: only what differs from the usual."""
    usual = type(part)()
    return {name: value for name, value in asdict(part).items() if value != asdict(usual)[name]}


def asks_of(stored: Mapping[str, Any]) -> Asks:
    """What a study asks, from what is stored of it."""
    criteria = tuple(Criterion(**one) for one in stored.get("criteria", ()))
    return _of(Asks, {**stored, "criteria": criteria})


def flow_of(stored: Mapping[str, Any]) -> Flow:
    """How a study leads its raters, from what is stored of it."""
    return _of(Flow, stored)


def shows_of(stored: Mapping[str, Any]) -> Shows:
    """How a study shows generations and results, from what is stored of it."""
    return _of(Shows, stored)


def remarks_of(row: Any) -> Remarks:
    """What was said, from the columns of a stored vote."""
    reasons, guesses = row.reasons or {}, row.guesses or {}
    return Remarks(
        strength=row.strength,
        left=tuple(reasons.get("left", ())),
        right=tuple(reasons.get("right", ())),
        comment=row.comment,
        skip_reason=row.skip_reason,
        guess_left=guesses.get("left"),
        guess_right=guesses.get("right"),
    )


def remark_columns(said: Remarks) -> dict[str, Any]:
    """The columns of a stored vote that hold what was said."""
    reasons = {"left": list(said.left), "right": list(said.right)}
    guesses = {side: guess for side, guess in (("left", said.guess_left), ("right", said.guess_right)) if guess}
    return {
        "strength": said.strength,
        "reasons": reasons if said.left or said.right else None,
        "comment": said.comment,
        "skip_reason": said.skip_reason,
        "guesses": guesses or None,
    }


def arena_of(stored: Mapping[str, Any]) -> Arena:
    """What bounds an arena, from what is stored of it."""
    return _of(Arena, stored)


def _of(kind: type[_T], stored: Mapping[str, Any]) -> _T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in stored.items() if name in known})
