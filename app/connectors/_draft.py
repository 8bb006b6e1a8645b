"""An answer while it is being put together, and what has to be true of it before it counts as one."""

from __future__ import annotations

import base64
import binascii
import re
import time

from app.connectors._http import MEGABYTE
from app.connectors._problems import shown
from app.connectors._protocol import COUNTED, Finish, ImagePart, OnText, Reply
from app.connectors._redaction import CURRENT_SECRET
from app.errors import ConnectorError

MOST_CHARACTERS = 1_000_000
MOST_IMAGE_BYTES = 32 * MEGABYTE
_MOST_TOKENS = 2**31 - 1

# The words for the end of an answer that are in use among endpoints that speak the same protocol.
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
}
_IMAGE_TYPES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)


class Draft:
    """Collects text, end and counts; ``reply`` is the answer, if it has an end. Create it just before asking."""

    def __init__(self, on_text: OnText | None = None) -> None:
        self.images: list[ImagePart] = []
        self._on_text = on_text
        self._began = time.perf_counter()
        self._pieces: list[str] = []
        self._n_characters = 0
        self._first_token_ms: float | None = None
        self._finish: Finish | None = None
        self._input_tokens: int | None = None
        self._output_tokens: int | None = None
        self._model_said = ""

    def add(self, text: object, *, is_streamed: bool = True) -> None:
        """The next piece of the text; None is none."""
        if text is None or text == "":
            return
        if not isinstance(text, str):
            raise ConnectorError("bad_answer", f"The answer's text is not text but {type(text).__name__}.")
        if "\0" in text or re.search(r"[\ud800-\udfff]", text):
            raise ConnectorError("bad_answer", "The answer has NUL or half characters in it, which can't be stored.")
        self._n_characters += len(text)
        if self._n_characters > MOST_CHARACTERS:
            raise ConnectorError("too_large", f"The answer has more than {MOST_CHARACTERS:,} characters.")
        if is_streamed and self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()
        self._pieces.append(text)
        if self._on_text is not None:
            self._on_text(text)

    def add_image(self, packed: str) -> None:
        """A picture in base64; its type is told by its bytes, not by what the endpoint calls it."""
        try:
            data = base64.b64decode(packed, validate=True)
        except (binascii.Error, ValueError):
            raise ConnectorError("bad_answer", "The answer's picture is not base64.") from None
        if sum(len(image.data) for image in self.images) + len(data) > MOST_IMAGE_BYTES:
            raise ConnectorError("too_large", f"The pictures are larger than {MOST_IMAGE_BYTES // MEGABYTE} MB.")
        media_type = next((name for pattern, name in _IMAGE_TYPES if pattern.match(data)), None)
        if media_type is None:
            raise ConnectorError("bad_answer", "The answer's picture is neither PNG nor JPEG, WebP or GIF.")
        self.images.append(ImagePart(media_type, data))

    def finish(self, reason: object) -> None:
        """How the answer ended, in the endpoint's word; None is that it goes on."""
        if reason is None or reason == "":
            return
        found = _FINISHES.get(reason.lower()) if isinstance(reason, str) else None
        if found is None:
            raise ConnectorError(
                "bad_answer", f"The answer ended in a way that is not known here: {shown(str(reason))}"
            )
        if self._finish != "refusal":
            self._finish = found

    def count(self, input_tokens: object, output_tokens: object) -> None:
        """Token counts as far as they are given; a later one replaces an earlier one."""
        self._input_tokens = _tokens(input_tokens, self._input_tokens)
        self._output_tokens = _tokens(output_tokens, self._output_tokens)
        if (counted := COUNTED.get()) is not None:
            counted.input_tokens, counted.output_tokens = self._input_tokens, self._output_tokens

    def model(self, name: object) -> None:
        """The model's name as the endpoint says it; the first time counts, though each piece of a stream repeats it."""
        if not self._model_said and isinstance(name, str):
            self._model_said = shown(name)

    def reply(self) -> Reply:
        """The answer; one without an end was cut off and is none, nor is one with the key in it."""
        if self._finish is None:
            raise ConnectorError("bad_answer", "The answer broke off: the endpoint never said that it is complete.")
        text = "".join(self._pieces)
        secret = CURRENT_SECRET.get()
        if secret and len(secret) >= 8 and secret in text:
            raise ConnectorError("bad_answer", "The answer contains the key and is not kept.")
        return Reply(
            text=text,
            images=tuple(self.images),
            finish=self._finish,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            latency_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            model_said=self._model_said,
        )

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000


def _tokens(value: object, known: int | None) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_TOKENS:
        return known
    return int(value)
