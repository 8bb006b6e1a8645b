"""Connections that are kept for the next request, without a search through all of them.

httpcore's own pool looks at every connection whenever a request begins or ends, and for each idle one at all of them
again: with 64 requests at a time that took 19 ms of processor time each, most of what a request took. Here a
connection belongs to one request at a time, and the one that was used last is taken first.

A cancelled request must not lose its connection. Anyio's shields, on which httpcore relies, don't hold against
asyncio's own ``Task.cancel``, so a cancellation can fall on httpcore's very clean-up, or before it has begun to care:
what is not fit to be kept is closed here. To close a connection takes effect before it is waited for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpcore
import httpx

KEPT_SECONDS = 4.0  # many servers close after 5 s; so they rarely do it just when something is sent


class PooledTransport(httpx.AsyncBaseTransport):
    """httpx over httpcore's connections, with a network backend, for which httpx's own transport has no argument."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, trusted: ssl.SSLContext) -> None:
        self._backend = backend
        self._trusted = trusted
        self._idle: dict[str, list[httpcore.AsyncHTTPConnection]] = {}
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the response is read as it comes."""
        url = request.url
        if url.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol("neither http nor https", request=request)
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        connection = await self._take(sent.url.origin)
        try:
            with _translated(request):
                response = await connection.handle_async_request(sent)
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response, connection, self, request, sent.url.origin),
            extensions=response.extensions,
        )

    async def _take(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        kept = self._idle.get(str(origin), [])
        while kept:
            connection = kept.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._trusted, keepalive_expiry=KEPT_SECONDS, network_backend=self._backend
        )

    async def keep(self, connection: httpcore.AsyncHTTPConnection, origin: httpcore.Origin) -> None:
        """Take a connection back whose response is closed, or close it if it can't serve another request.

        A body that was not read to its end leaves it unfit, and so does a cancellation; those that waited too long are
        closed on the occasion.
        """
        if self._is_closed or not connection.is_idle():
            await connection.aclose()
            return
        kept = self._idle.setdefault(str(origin), [])
        kept.append(connection)
        while kept[0].has_expired():
            await kept.pop(0).aclose()
            if not kept:
                break

    async def aclose(self) -> None:
        """Close every connection that waits, also when this is cancelled on the way; keep none from now on."""
        self._is_closed = True
        kept = [connection for connections in self._idle.values() for connection in connections]
        self._idle.clear()
        cancelled = None
        for connection in kept:
            try:
                await connection.aclose()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled


class _Body(httpx.AsyncByteStream):
    """The body of a response, its errors told in httpx's words."""

    def __init__(
        self,
        response: httpcore.Response,
        connection: httpcore.AsyncHTTPConnection,
        pool: PooledTransport,
        request: httpx.Request,
        origin: httpcore.Origin,
    ) -> None:
        self._response = response
        self._connection = connection
        self._pool = pool
        self._request = request
        self._origin = origin
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._request):
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._response.aclose()
        finally:
            await self._pool.keep(self._connection, self._origin)


@contextmanager
def _translated(request: httpx.Request) -> Iterator[None]:
    """Httpcore's errors as httpx's, which bear the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        same: type[httpx.RequestError] = getattr(httpx, type(error).__name__)
        raise same(str(error), request=request) from error
