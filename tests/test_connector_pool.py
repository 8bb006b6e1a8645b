"""No connection is lost, whenever a request is cancelled: one neither kept nor closed holds a socket for good."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpcore
import httpx
import pytest

from app.connectors._pool import PooledTransport

ENDED = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nword"
LEFT = b"HTTP/1.1 503 Sorry\r\nConnection: close\r\n\r\n{}"
SPLIT = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nword\r\n0\r\n\r\n"
MOST_STEPS = 120


class _Stream(httpcore.AsyncNetworkStream):
    """Gives an answer in pieces, a turn of the loop before each, and knows whether it was closed."""

    def __init__(self, answer: bytes) -> None:
        self._pieces = [answer[at : at + 30] for at in range(0, len(answer), 30)]
        self.is_closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        self.is_closed = True
        await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        return None


class _Network(httpcore.AsyncNetworkBackend):
    """Streams to nowhere, all of them remembered."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.streams: list[_Stream] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        await asyncio.sleep(0)
        self.streams.append(_Stream(self._answer))
        return self.streams[-1]


async def _asked(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", "http://somewhere/v1", json={"question": "word?"}) as response:
        await response.aread()


async def _cut_off(answer: bytes, steps: int, again: int | None) -> tuple[bool, list[_Stream]]:
    """Whether the request had ended before it was cancelled after so many turns of the loop, and the streams it took.

    ``again``: after how many more turns it is cancelled a second time.
    """
    network = _Network(answer)
    async with httpx.AsyncClient(transport=PooledTransport(network, ssl.create_default_context())) as client:
        task = asyncio.create_task(_asked(client))
        for _ in range(steps):
            await asyncio.sleep(0)
        had_ended = task.done()
        task.cancel()
        if again is not None:
            for _ in range(again):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return had_ended, network.streams


@pytest.mark.parametrize("again", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("answer", [ENDED, LEFT, SPLIT], ids=["ended", "left", "split"])
def test_a_request_cancelled_at_any_moment_leaves_no_connection_open(answer: bytes, again: int | None) -> None:
    open_after = []
    for steps in range(MOST_STEPS):
        had_ended, streams = asyncio.run(_cut_off(answer, steps, again))
        open_after += [steps for stream in streams if not stream.is_closed]
        if had_ended:
            break
    assert had_ended, "more steps are needed to see a request through"
    assert not open_after, f"cancelled after these turns of the loop a connection stayed open: {open_after}"


def test_a_request_that_ends_gives_its_connection_to_the_next() -> None:
    async def twice() -> int:
        network = _Network(ENDED + ENDED)
        async with httpx.AsyncClient(transport=PooledTransport(network, ssl.create_default_context())) as client:
            await _asked(client)
            n_open = sum(not stream.is_closed for stream in network.streams)
        assert all(stream.is_closed for stream in network.streams)
        return n_open

    assert asyncio.run(twice()) == 1


def test_a_response_read_to_its_end_after_its_client_was_closed_keeps_no_connection() -> None:
    async def overtaken() -> list[bool]:
        network = _Network(ENDED)
        client = httpx.AsyncClient(transport=PooledTransport(network, ssl.create_default_context()))
        async with client.stream("POST", "http://somewhere/v1") as response:
            await client.aclose()
            assert await response.aread() == b"word"
        return [stream.is_closed for stream in network.streams]

    assert asyncio.run(overtaken()) == [True]


def test_closing_a_client_that_is_cancelled_on_the_way_closes_every_connection() -> None:
    async def closed() -> list[bool]:
        network = _Network(ENDED)
        client = httpx.AsyncClient(transport=PooledTransport(network, ssl.create_default_context()))
        await asyncio.gather(*(_asked(client) for _ in range(3)))
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert closing.cancelled()
        return [stream.is_closed for stream in network.streams]

    assert asyncio.run(closed()) == [True] * 3
