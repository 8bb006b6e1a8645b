"""The exception tree: everything that Bakeoff raises on purpose.

BakeoffError
├── ConfigurationError      a setting is wrong; its name and what would be right
│   └── DatabaseTooNew      the database was written by a newer Bakeoff
├── NotFoundError           no such thing, or not yours (the two are never told apart)
├── NotAllowedError         signed in, but the role does not reach this
├── SignInError             link unknown, used, expired, or too many tries
├── InvalidInputError       a value a person can correct
│   └── BadFileError        a file was refused whole; .problems names each bad row
├── ConflictError           the thing changed meanwhile, or its state forbids this
├── ResultsHiddenError      the study shows no result before its end; how far it is
├── ConnectorError          an endpoint gave no answer that can be used; .kind says why
├── VoteRefusedError        the vote was not stored; the battle stays on the screen
│   └── TooEarlyError       it came before the minimum dwell time
└── RankingError            a number that we would not believe was not returned
    ├── NotConvergedError   the optimiser did not reach its tolerance
    └── NotOrderedError     an order-dependent method was given unordered votes

Services raise these; pages, routes and the command line translate them at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ConnectorProblem: TypeAlias = Literal[
    "key", "forbidden", "not_found", "rate", "server", "timeout", "network", "address", "bad_answer", "too_large"
]


class BakeoffError(Exception):
    """Base of all errors that Bakeoff raises on purpose; str() is fit to be shown to a person."""


class ConfigurationError(BakeoffError):
    """A setting is wrong."""


class DatabaseTooNew(ConfigurationError):  # noqa: N818 - reads as the sentence it is
    """The database's schema is newer than this application."""


class NotFoundError(BakeoffError):
    """No such thing, or it belongs to somebody else."""


class NotAllowedError(BakeoffError):
    """The signed-in role does not reach this."""


class SignInError(BakeoffError):
    """A sign-in link is unknown, used up, expired, or there were too many tries."""


class InvalidInputError(BakeoffError):
    """A value that a person can correct."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One bad row of a file: its line (1-based; 0 for the file as a whole) and the reason."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


class BadFileError(InvalidInputError):
    """A file was refused whole; ``problems`` names each bad row found, ``undone`` what therefore did not happen."""

    def __init__(self, problems: list[RowProblem], *, undone: str = "Nothing was imported.") -> None:
        self.problems = problems
        self.undone = undone
        shown = "; ".join(str(problem) for problem in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{undone} {shown}{more}")


class ConflictError(BakeoffError):
    """The thing changed meanwhile, or its state forbids this."""


class ResultsHiddenError(BakeoffError):
    """The results of a study are hidden until it ends; str() says how far it is and nothing of who is ahead."""


class ConnectorError(BakeoffError):
    """An endpoint gave no answer that can be used; str() is fit for an admin and never contains a secret.

    ``retry_after`` is how many seconds the endpoint asked to be left alone, None if it didn't say.
    """

    def __init__(self, kind: ConnectorProblem, message: str, *, retry_after: float | None = None) -> None:
        self.kind = kind
        self.retry_after = retry_after
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross processes pickled; Exception alone would forget the kind."""
        return type(self)._restored, (self.kind, str(self), self.retry_after)

    @classmethod
    def _restored(cls, kind: ConnectorProblem, message: str, retry_after: float | None) -> ConnectorError:
        return cls(kind, message, retry_after=retry_after)

    @property
    def is_retryable(self) -> bool:
        """Whether the same question may well be answered later."""
        return self.kind in {"rate", "server", "timeout", "network"}

    @property
    def stops_endpoint(self) -> bool:
        """Whether no question to this endpoint can be answered until a person does something."""
        return self.kind == "key"


class VoteRefusedError(BakeoffError):
    """The vote was not stored; the battle stays on the screen."""


class TooEarlyError(VoteRefusedError):
    """The vote came before the minimum dwell time had passed."""


class RankingError(BakeoffError):
    """A number that we would not believe was not returned."""


class NotConvergedError(RankingError):
    """The optimiser did not reach its tolerance."""


class NotOrderedError(RankingError):
    """An order-dependent method was given votes without an order."""
