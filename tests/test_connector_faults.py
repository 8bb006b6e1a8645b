"""Whatever an endpoint does is bounded, told in words and never taken for an answer: THREATS.md A64, F25 to F27."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.connectors._registry import get_connector, open_client
from app.errors import ConnectorError
from tests.endpoint import (
    Behaviour,
    Endpoint,
    Request,
    asked,
    error_of,
    head,
    question,
    reply_of,
    saying,
    sse,
    streaming,
)

DELTA = {"choices": [{"delta": {"content": "word "}, "finish_reason": None}]}
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
WHOLE = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
QUICK = {"first_byte_s": 0.3, "idle_s": 0.3, "total_s": 1.0}


@pytest.mark.parametrize(
    ("status", "kind", "is_retryable"),
    [
        ("400 Bad Request", "bad_answer", False),
        ("401 Unauthorized", "key", False),
        ("402 Payment Required", "key", False),
        ("403 Forbidden", "forbidden", False),
        ("404 Not Found", "not_found", False),
        ("408 Request Timeout", "timeout", True),
        ("413 Content Too Large", "too_large", False),
        ("422 Unprocessable", "bad_answer", False),
        ("429 Too Many Requests", "rate", True),
        ("500 Internal Server Error", "server", True),
        ("502 Bad Gateway", "server", True),
        ("503 Service Unavailable", "server", True),
        ("529 Overloaded", "server", True),
        ("999 Odd", "server", True),
    ],
)
def test_f25_each_status_has_its_kind(status: str, kind: str, is_retryable: bool) -> None:
    error = error_of(saying({"error": {"message": "No <b>luck</b>\x00 today", "type": "x"}}, status))
    assert (error.kind, error.is_retryable, error.stops_endpoint) == (kind, is_retryable, kind == "key")
    assert status[:3] in str(error)
    assert "No luck today" in str(error)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0.5", 0.5, 0.5), ("-3", 0, 0), ("99999999", 86_400, 86_400)],
)
def test_f25_the_pause_that_an_endpoint_asks_for_is_told(status: str, header: str, least: float, most: float) -> None:
    error = error_of(saying({}, status, Retry_After=header))
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


@pytest.mark.parametrize(("hours", "least", "most"), [(1, 3000, 3600), (-1, 0, 0)])
def test_f25_the_pause_may_be_a_date(hours: int, least: float, most: float) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    error = error_of(saying({}, "429 Too Many Requests", Retry_After=until))
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


@pytest.mark.parametrize("header", ["soon", "nan", "inf", "", "2026-01-01T00:00:00Z"])
def test_f25_a_pause_that_is_none_is_left_out(header: str) -> None:
    assert error_of(saying({}, "429 Too Many Requests", Retry_After=header)).retry_after is None


def test_f25_a_429_for_an_empty_account_is_no_pause() -> None:
    body = {"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}}
    assert error_of(saying(body, "429 Too Many Requests")).kind == "key"


async def never(_request: Request, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drip_headers(_request: Request, writer: asyncio.StreamWriter) -> None:
    for byte in head("200 OK", {"X-Slow": "x" * 100}):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


def drip(pause: float) -> Behaviour:
    text = "".join(sse(*[DELTA] * 50))
    return streaming(*text, pause=pause)


@pytest.mark.parametrize(
    ("behave", "settings", "most_seconds", "says"),
    [
        pytest.param(never, {}, 0.3, "did not begin for 0.3 s", id="first-byte"),
        pytest.param(drip_headers, {}, 0.3, "did not begin for 0.3 s", id="headers-drip"),
        pytest.param(
            streaming(*sse(DELTA, DELTA), pause=0.5), {"first_byte_s": 0.8}, 1.0, "stopped coming", id="between"
        ),
        pytest.param(drip(0.05), {}, 1.0, "not complete after 1 s", id="slow-drip"),
        pytest.param(drip(0.05), {"stream": False}, 1.0, "not complete after 1 s", id="slow-drip-json"),
    ],
)
def test_f26_each_time_out_is_bounded_and_told_apart(
    behave: Behaviour, settings: dict[str, object], most_seconds: float, says: str
) -> None:
    start = time.monotonic()
    error = error_of(behave, **(QUICK | settings))
    assert time.monotonic() - start < most_seconds + 1
    assert (error.kind, error.is_retryable) == ("timeout", True)
    assert says in str(error)


def test_f26_a_connection_that_is_not_accepted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listening socket whose queue is full drops what knocks, as a host behind a silent firewall does."""
    monkeypatch.setattr("app.connectors._client.CONNECT_SECONDS", 0.5)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
            port = listening.getsockname()[1]
            waiting = [socket.socket() for _ in range(8)]
            for knocking in waiting:
                knocking.setblocking(False)
                knocking.connect_ex(("127.0.0.1", port))
            try:
                with pytest.raises(ConnectorError) as caught:
                    await asked("ollama", question({"base_url": f"http://127.0.0.1:{port}"}), [f"127.0.0.1:{port}"])
            finally:
                for knocking in waiting:
                    knocking.close()
            assert caught.value.kind == "timeout"
            assert "No connection" in str(caught.value)

    start = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - start < 2


def test_f26_nobody_listens() -> None:
    async def run() -> None:
        async with Endpoint(never) as endpoint:
            pass
        with pytest.raises(ConnectorError, match="No connection to 127") as caught:
            await asked("ollama", question({"base_url": endpoint.url}), [endpoint.authority])
        assert (caught.value.kind, caught.value.is_retryable) == ("network", True)

    asyncio.run(run())


@pytest.mark.parametrize(
    "behave", [never, drip(0.2), streaming(*sse(DELTA) * 9999, pause=0.01)], ids=["silent", "drip", "busy"]
)
def test_f26_a_cancelled_question_ends_at_once_and_closes_its_connection(behave: Behaviour) -> None:
    async def run() -> None:
        async with Endpoint(behave) as endpoint, open_client(allowed=[endpoint.authority]) as client:
            ask = question({"base_url": endpoint.url})
            asking = asyncio.create_task(get_connector("openai_compatible").ask(client, ask))
            while not endpoint.requests:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            start = time.monotonic()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await endpoint.until_closed()
            assert time.monotonic() - start < 2

    asyncio.run(run())


def test_f26_a_handshake_that_hangs_is_closed_when_it_is_cancelled() -> None:
    """The endpoint speaks no TLS: it waits for the end of a request, and the client for a greeting."""

    async def run() -> None:
        async with Endpoint(never) as endpoint, open_client(allowed=[endpoint.authority]) as client:
            ask = question({"base_url": f"https://{endpoint.authority}"})
            asking = asyncio.create_task(get_connector("ollama").ask(client, ask))
            while not endpoint.n_connections:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await endpoint.until_closed()

    asyncio.run(run())


HTML = "<!DOCTYPE html><html><head><style>p{}</style></head><body><h1>Welcome</h1></body></html>"


def short(_status: str = "200 OK", length: int = 5000) -> Behaviour:
    async def behave(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", {"Content-Type": "application/json", "Content-Length": length}) + b'{"choices": [')
        await writer.drain()
        writer.close()

    return behave


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("behave", "says"),
    [
        pytest.param(saying(HTML, Content_Type="text/html"), "web page|does not stream", id="html"),
        pytest.param(saying(HTML), "web page", id="html-called-json"),
        pytest.param(saying(b""), "empty", id="empty"),
        pytest.param(saying(b"", "204 No Content"), "empty|broke off", id="no-content"),
        pytest.param(saying('{"choices": [{"mess'), "only half", id="half-json"),
        pytest.param(saying("null"), "no choices", id="null"),
        pytest.param(saying("[1, 2]"), "no choices", id="list"),
        pytest.param(saying({"choices": []}), "no choices", id="no-choice"),
        pytest.param(saying({"error": {"message": "backend is gone"}}), "error: backend is gone", id="error-body"),
        pytest.param(saying({"error": "backend is gone"}), "error: backend is gone", id="error-text"),
        pytest.param(
            saying({"object": "error", "message": "backend is gone"}), "error: backend is gone", id="vllm-error"
        ),
        pytest.param(saying('{"choices": ' + "[" * 100_000), "not JSON", id="nested"),
        pytest.param(saying('{"choices": NaN}'), "not JSON", id="nan"),
        pytest.param(saying(b'{"choices": "\xff\xfe"}'), "not text in UTF-8", id="invalid-utf8"),
        pytest.param(
            saying("{}".encode("utf-16"), Content_Type="application/json; charset=utf-16"), "utf-16", id="utf-16"
        ),
        pytest.param(
            saying('{"choices": "é"}'.encode("latin-1"), Content_Type="application/json; charset=latin-1"),
            r"not text in UTF-8 \(it says (latin-1|iso8859-1)\)",
            id="wrong-charset",
        ),
        pytest.param(saying(b'{"choices": "\0"}'), "NUL", id="nul"),
        pytest.param(
            saying({"choices": [{"message": {"content": "a\0b"}, "finish_reason": "stop"}]}), "NUL", id="escaped-nul"
        ),
        pytest.param(
            saying('{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}]}'),
            "half",
            id="surrogate",
        ),
        pytest.param(
            saying({"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]}), "not text", id="number"
        ),
        pytest.param(saying({"choices": [{"message": {"content": "hi"}}]}), "broke off", id="no-finish"),
        pytest.param(
            saying({"choices": [{"message": {"content": "hi"}, "finish_reason": "tired"}]}), "tired", id="odd-finish"
        ),
        pytest.param(
            saying({"choices": [{"message": {"tool_calls": [{"id": "1"}]}, "finish_reason": "tool_calls"}]}),
            "tool",
            id="tool",
        ),
        pytest.param(saying(WHOLE, Content_Encoding="br"), "packed", id="brotli"),
        pytest.param(saying(WHOLE, Content_Encoding="gzip"), "damaged", id="no-gzip"),
    ],
)
def test_f27_garbage_with_status_200_is_a_bad_answer(behave: Behaviour, says: str, stream: bool) -> None:
    error = error_of(behave, stream=stream)
    assert error.kind == "bad_answer"
    assert not error.is_retryable
    assert re.search(says, str(error)), str(error)


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        pytest.param(streaming(*sse(DELTA, DELTA)), "broke off", id="no-finish"),
        pytest.param(streaming(*sse(DELTA, "[DONE]")), "broke off", id="done-without-finish"),
        pytest.param(streaming(*sse(DELTA), 'data: {"choices": [{"del'), "broke off", id="cut-event"),
        pytest.param(streaming(*sse(DELTA, '{"choices": [{"del')), "half", id="half-event"),
        pytest.param(
            streaming("event: error\ndata: <html>Bad <script>x()</script> gateway</html>\n\n"), "gateway", id="html"
        ),
        pytest.param(streaming(*sse(DELTA, "<html>oops</html>", END)), "web page", id="html-in-the-middle"),
        pytest.param(
            streaming(*sse(DELTA, {"error": {"message": "GPU fell off"}}, END)), "GPU fell off", id="error-event"
        ),
        pytest.param(streaming(*sse(DELTA), b"data: \xff\n\n"), "UTF-8", id="invalid-utf8"),
        pytest.param(streaming(*sse(DELTA, "[1]", END)), "not JSON", id="list"),
        pytest.param(streaming(*sse({"hello": 1})), "no choices", id="other-json"),
        pytest.param(streaming("hello\n\nworld\n"), "not JSON", id="text"),
    ],
)
def test_f27_a_stream_that_breaks_is_a_bad_answer(behave: Behaviour, says: str) -> None:
    error = error_of(behave)
    assert error.kind == "bad_answer"
    assert says in str(error)
    assert "<" not in str(error)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("rate_limit_exceeded", "rate"), ("overloaded_error", "server"), ("invalid_api_key", "key"), (502, "server")],
)
def test_f27_an_error_within_a_stream_keeps_its_meaning(word: object, kind: str) -> None:
    assert error_of(streaming(*sse(DELTA, {"error": {"message": "no", "code": word}}))).kind == kind


@pytest.mark.parametrize("behave", [short(), streaming(*sse(DELTA), is_cut=True)], ids=["short-body", "cut-stream"])
def test_a64_a_connection_that_breaks_within_the_body_may_be_tried_again(behave: Behaviour) -> None:
    error = error_of(behave)
    assert (error.kind, error.is_retryable) == ("network", True)
    assert "broke off" in str(error)


@pytest.mark.parametrize(
    ("reason", "finish"), [("length", "length"), ("content_filter", "refusal"), ("stop", "stop"), ("eos", "stop")]
)
def test_f27_how_an_answer_ended_is_kept_with_it(reason: str, finish: str) -> None:
    chunk = {"choices": [{"delta": {}, "finish_reason": reason}]}
    assert reply_of("openai_compatible", streaming(*sse(DELTA, chunk, "[DONE]"))).finish == finish


def bomb() -> bytes:
    """128 MB of spaces, and 128 kB of gzip."""
    packer, piece = zlib.compressobj(9, wbits=31), b" " * (1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(128)), packer.flush()])


async def endless(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head("200 OK", {"Content-Type": "application/json", "Content-Length": 1 << 30}))
    while not writer.is_closing():
        writer.write(b" " * 65536)
        await writer.drain()


def endless_events(*events: str) -> Behaviour:
    async def behave(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", {"Content-Type": "text/event-stream"}))
        while not writer.is_closing():
            writer.write("".join(events * 200).encode())
            await writer.drain()

    return behave


async def many_headers(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head("200 OK", {f"X-{i}": "x" * 20 for i in range(10_000)} | {"Content-Length": 2}) + b"{}")
    await writer.drain()


LONG = {"choices": [{"delta": {"content": "x" * 5000}, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        pytest.param(lambda: endless, {"stream": False}, id="1-GB-json"),
        pytest.param(lambda: endless, {"stream": True}, id="1-GB-json-for-a-stream"),
        pytest.param(lambda: endless_events(*sse(LONG)), {}, id="endless-text"),
        pytest.param(lambda: endless_events("data: x", "y" * 900), {}, id="endless-line"),
        pytest.param(lambda: endless_events("data: " + "y" * 900 + "\n"), {}, id="endless-event"),
        pytest.param(lambda: endless_events(": ping" + " " * 30_000 + "\n\n"), {}, id="endless-comments"),
        pytest.param(lambda: saying(bomb(), Content_Encoding="gzip"), {"stream": False}, id="gzip-bomb"),
        pytest.param(lambda: many_headers, {}, id="10k-headers"),
    ],
)
def test_a64_what_never_ends_is_cut_off_with_little_memory(
    make: Callable[[], Behaviour], settings: dict[str, object]
) -> None:
    behave = make()
    tracemalloc.start()
    try:
        error = error_of(behave, **settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.kind == "too_large"
    assert not error.is_retryable
    assert peak < 40 * 1024 * 1024


def test_an_answer_that_is_packed_though_it_was_asked_not_to_be_is_read() -> None:
    packed = gzip.compress(json.dumps(WHOLE).encode())
    assert reply_of("openai_compatible", saying(packed, Content_Encoding="gzip"), stream=False).text == "hi"
