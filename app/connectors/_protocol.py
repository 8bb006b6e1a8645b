"""What a connector is given, what it hands back, and what every connector module has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import httpx

Finish: TypeAlias = Literal["stop", "length", "refusal"]
FieldKind: TypeAlias = Literal["text", "url", "number", "choice", "json", "switch"]
OnText: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a message."""

    text: str

    @property
    def type(self) -> Literal["text"]:
        """What kind of part this is."""
        return "text"


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a message or in an answer: its media type ("image/png") and its bytes."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def type(self) -> Literal["image"]:
        """What kind of part this is."""
        return "image"


Part: TypeAlias = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation; the role is "system", "user" or "assistant"."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text of all parts, one below the other."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The pictures among the parts."""
        return tuple(part for part in self.parts if isinstance(part, ImagePart))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn; None leaves it to the endpoint."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to one model.

    ``settings`` are the values of the connector's FIELDS, ``provider_id`` is the provider's own id of the model, and
    ``request_id`` stays the same over retries, so that an endpoint that knows Idempotency-Key charges only once.
    """

    messages: tuple[ChatMessage, ...]
    settings: Mapping[str, object]
    secret: str | None = field(repr=False)
    sampling: Sampling
    request_id: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; ``model_said`` is the model's name as the endpoint gave it, empty if it gave none."""

    text: str
    images: tuple[ImagePart, ...]
    finish: Finish
    input_tokens: int | None
    output_tokens: int | None
    latency_ms: float
    first_token_ms: float | None
    model_said: str


@dataclass(slots=True)
class Counted:
    """The tokens that an endpoint has counted so far of an answer, which may never become whole; None: not said."""

    input_tokens: int | None = None
    output_tokens: int | None = None


# Where the counts of the answer that is under way in this task are kept, if anybody wants them.
COUNTED: ContextVar[Counted | None] = ContextVar("counted", default=None)


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a connector, as a form shows it; a "json" field holds JSON text or the value itself."""

    name: str
    label: str
    kind: FieldKind
    required: bool = False
    default: object = None
    help: str = ""
    choices: tuple[str, ...] = ()


class Connector(Protocol):
    """What a module in this folder has; a module is found by its name and needs no registration."""

    LABEL: str
    DESCRIPTION: str
    TAKES_SECRET: bool
    IS_REMOTE: bool
    FIELDS: tuple[Field, ...]

    def check(self, settings: Mapping[str, object]) -> None:
        """Raise InvalidInputError, naming the field, unless the settings could work."""

    def endpoint(self, settings: Mapping[str, object]) -> str:
        """What limits and stops are kept for: "scheme://host:port", or the connector's name if it asks nobody."""
        ...

    async def ask(self, client: httpx.AsyncClient, ask: Ask, *, on_text: OnText | None = None) -> Reply:
        """The answer, its text given to ``on_text`` piece by piece as it comes; raises ConnectorError."""
        ...
