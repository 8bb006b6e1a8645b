"""One request to an endpoint, bounded in time and in size, whatever the endpoint does."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import httpx

from app.connectors._problems import error_within, not_json, refused
from app.connectors._redaction import CURRENT_SECRET, redact
from app.errors import ConnectorError

T = TypeVar("T")

MEGABYTE = 1024 * 1024
MOST_WIRE_BYTES = 64 * MEGABYTE  # an answer of a million characters, one character to an event of 60 bytes
MOST_JSON_BYTES = 8 * MEGABYTE  # what is held in memory at once: a whole answer, or one line of a stream
MOST_ERROR_BYTES = 64 * 1024
LINGER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How many seconds an endpoint has: until the body begins, between two pieces of it, and for all of it."""

    first_byte: float = 120.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Question:
    """A POST of JSON. ``secret`` is what has to be kept out of every text; the headers hold it where it belongs."""

    url: str
    headers: Mapping[str, str]
    body: object
    secret: str | None
    deadlines: Deadlines = Deadlines()


async def post(client: httpx.AsyncClient, question: Question, read: Callable[[Answer], Awaitable[T]]) -> T:
    """What ``read`` makes of the answer; ConnectorError, without the key in it, whatever goes wrong.

    The error is raised outside of the handlers, so that no exception with the endpoint's own words in it hangs on it.
    """
    mark = CURRENT_SECRET.set(question.secret)
    clock = _Clock(question.deadlines)
    try:
        async with clock.running:
            return await _read(client, question, read, clock)
    except ConnectorError as error:
        problem = ConnectorError(error.kind, redact(str(error), question.secret), retry_after=error.retry_after)
    except httpx.HTTPError as error:
        problem = _unanswered(error, question)
    except TimeoutError:
        if not clock.running.expired():
            raise
        problem = ConnectorError("timeout", clock.reason)
    finally:
        CURRENT_SECRET.reset(mark)
    raise problem


_url = lru_cache(maxsize=256)(httpx.URL)  # a job asks the same address thousands of times


async def _read(
    client: httpx.AsyncClient, question: Question, read: Callable[[Answer], Awaitable[T]], clock: _Clock
) -> T:
    try:
        content = json.dumps(question.body, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise ConnectorError("bad_answer", "The question has characters or numbers that JSON can't hold.") from None
    headers = {"Content-Type": "application/json"} | _sendable(question.headers)
    async with client.stream("POST", _url(question.url), content=content, headers=headers) as response:
        answer = Answer(response, clock)
        if not response.is_success:
            raise refused(response.status_code, response.headers, await answer.beginning(MOST_ERROR_BYTES))
        found = await read(answer)
        clock.stop()
        await answer.finish()
        return found


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, if each is one line of plain characters; the text of the library's own error would show the key."""
    for name, value in headers.items():
        if re.search(r"[^\x20-\x7e]", value) or value != value.strip():
            raise ConnectorError("key", f"The key, or what else is in the header {name}, has characters that none has.")
    return dict(headers)


class _Clock:
    """The deadline that comes next, and what is to be said when it passes."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + deadlines.total
        self._next_is_end = False
        self._has_begun = False
        self._heard_at = 0.0
        self.running = asyncio.timeout_at(self._next(deadlines.first_byte))

    @property
    def reason(self) -> str:
        """Which deadline it was."""
        if self._next_is_end:
            return f"The endpoint took too long: the answer was not complete after {self._deadlines.total:g} s."
        if self._has_begun:
            return f"The endpoint took too long: the answer stopped coming for {self._deadlines.idle:g} s."
        return f"The endpoint took too long: the answer did not begin for {self._deadlines.first_byte:g} s."

    def heard(self) -> None:
        """Bytes of the body came: from now on the time between two pieces counts."""
        is_first, self._has_begun = not self._has_begun, True
        # A stream says something a hundred times a second; a deadline a tenth too early costs less than moving it.
        soon = self._now()
        if (is_first or soon - self._heard_at > self._deadlines.idle / 10) and not self.running.expired():
            self._heard_at = soon
            self.running.reschedule(self._next(self._deadlines.idle))

    def stop(self) -> None:
        """The answer is complete: nothing that comes after it can make it late."""
        if not self.running.expired():
            self.running.reschedule(None)

    def _next(self, seconds: float) -> float:
        soon = self._now() + seconds
        self._next_is_end = soon >= self._end
        return self._end if self._next_is_end else soon


class Answer:
    """A response with status 200 whose body is read as it comes."""

    def __init__(self, response: httpx.Response, clock: _Clock) -> None:
        self._response = response
        self._clock = clock
        self._wire = response.aiter_raw()

    @property
    def is_json(self) -> bool:
        """Whether the endpoint calls the body JSON, be it that it was asked for a stream."""
        content_type: str = self._response.headers.get("content-type", "")
        return content_type.partition(";")[0].strip().lower() == "application/json"

    async def json(self, most_bytes: int = MOST_JSON_BYTES) -> object:
        """The body as JSON, unless it is an error."""
        body = bytearray()
        async for chunk in self._chunks():
            body += chunk
            if len(body) > most_bytes:
                raise ConnectorError("too_large", f"The answer is larger than {most_bytes // MEGABYTE} MB.")
        value = parsed(_utf8(bytes(body), self._response))
        if error := error_within(value):
            raise error
        return value

    async def lines(self) -> AsyncIterator[str]:
        """The body line by line; a line ends with LF, CR or both, as the event stream format has it."""
        rest = bytearray()
        ended_with_cr = False
        async for chunk in self._chunks():
            piece = chunk[1:] if ended_with_cr and chunk.startswith(b"\n") else chunk
            ended_with_cr = chunk.endswith(b"\r")
            *ends, last = re.split(rb"\r\n|\n|\r", piece)
            for end in ends:
                rest += end
                yield _utf8(bytes(rest), self._response)
                rest.clear()
            rest += last
            if len(rest) > MOST_JSON_BYTES:
                raise ConnectorError("too_large", f"A line of the answer is over {MOST_JSON_BYTES // MEGABYTE} MB.")
        if rest:
            yield _utf8(bytes(rest), self._response)

    async def beginning(self, most_bytes: int) -> bytes:
        """The first bytes of the body."""
        body = bytearray()
        async for chunk in self._chunks():
            body += chunk
            if len(body) >= most_bytes:
                break
        return bytes(body[:most_bytes])

    async def finish(self) -> None:
        """Read what follows a stream's own end mark, so that the connection can be used again; nothing of it counts."""
        n_bytes = 0
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(LINGER_SECONDS):
                async for wire in self._wire:
                    n_bytes += len(wire)
                    if n_bytes > MOST_ERROR_BYTES:
                        break

    async def _chunks(self) -> AsyncIterator[bytes]:
        """The body, unpacked in small steps: httpx itself would make 64 MB of 64 kB before anybody can count them."""
        unpack = _unpacker(self._response.headers.get("content-encoding", ""))
        n_wire = n_body = 0
        async for wire in self._wire:
            self._clock.heard()
            n_wire += len(wire)
            for chunk in unpack(wire):
                n_body += len(chunk)
                if max(n_wire, n_body) > MOST_WIRE_BYTES:
                    raise ConnectorError("too_large", f"The answer is larger than {MOST_WIRE_BYTES // MEGABYTE} MB.")
                yield chunk


def _unpacker(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return lambda wire: iter((wire,))
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ConnectorError("bad_answer", "The answer is packed in a way that was not asked for.")
    packed = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: the header says whether it is gzip or zlib

    def unpack(wire: bytes) -> Iterator[bytes]:
        while wire:
            try:
                chunk = packed.decompress(wire, MEGABYTE)
            except zlib.error:
                raise ConnectorError("bad_answer", "The answer is packed, and damaged.") from None
            wire = packed.unconsumed_tail
            if chunk:
                yield chunk

    return unpack


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def parsed(text: str) -> object:
    """JSON as values; ConnectorError for anything else, JSON nested a thousand deep included."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    raise not_json(text)


def _utf8(body: bytes, response: httpx.Response) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        charset = response.charset_encoding
        says = f" (it says {charset[:30]})" if charset and charset.lower() not in {"utf-8", "utf8"} else ""
        raise ConnectorError("bad_answer", f"The answer is not text in UTF-8{says}.") from None
    if "\0" in text:
        raise ConnectorError("bad_answer", "The answer has NUL characters in it.")
    return text


def _unanswered(error: httpx.HTTPError, question: Question) -> ConnectorError:
    """What httpx found, in our words; ``shown`` words of the library name no header and no body."""
    host = httpx.URL(question.url).netloc.decode()
    said = redact(str(error), question.secret)
    if isinstance(error, httpx.TimeoutException):
        return ConnectorError("timeout", f"No connection to {host} in time.")
    if isinstance(error, httpx.ConnectError):
        if "certificate" in said.lower():
            return ConnectorError("address", f"The certificate of {host} is not trusted: {said}")
        return ConnectorError("network", f"No connection to {host}: {said or 'refused'}")
    if isinstance(error, httpx.UnsupportedProtocol):
        return ConnectorError("address", "An address begins with https:// or http://.")
    if isinstance(error, httpx.RemoteProtocolError):
        if "too long" in said or "too many" in said:
            return ConnectorError("too_large", f"The headers of {host} are too large.")
        if "disconnected" in said or "closed connection" in said:
            return ConnectorError("network", f"{host} broke off: {said}")
        return ConnectorError("bad_answer", f"{host} does not speak HTTP as it should: {said}")
    if isinstance(error, httpx.LocalProtocolError):
        return ConnectorError("bad_answer", "The question can't be sent as HTTP; look at the headers.")
    return ConnectorError("network", f"The connection to {host} broke: {said or type(error).__name__}")
