"""The limit of an attempt, held below httpx: every look-up, connect, read and write gets what is left of it.

httpx's own timeouts start anew with every byte that arrives, so a server that sends one byte a second would never meet
them. These are backends of httpcore that wrap its own; what has gone over the wire is noted on the way. Pools, requests
and answers are left to `http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar

import httpcore

from . import clock, resolver

T = TypeVar("T")

_WRITE_CHUNK = 65536
# Asking a proxy for a tunnel sends nothing of the request yet, and its answer is none of the service's.
_TUNNEL = b"CONNECT "
_STAGGER = 0.25
"""Seconds after which the next address of a host is tried beside the one before it (RFC 8305)."""
_NAME = "the address of the host"
_CONNECTION = "a connection"


class Exchange:
    """An attempt in progress: when it must end, and what has gone over the wire."""

    __slots__ = ("end", "received", "sent", "stream", "timers", "waiting_for")

    def __init__(self, limit: float, *, timers: bool = True) -> None:
        self.timers: bool = timers
        self.end: float = clock.monotonic() + limit
        self.sent: bool = False
        self.received: bool = False
        self.stream: _Stream | _AsyncStream | None = None
        self.waiting_for: str = _CONNECTION

    def left(self, timeout: type[httpcore.TimeoutException]) -> float:
        left = self.end - clock.monotonic()
        if left <= 0:
            raise timeout("the attempt ran out of time")
        return left

    def check_time(self) -> None:
        """Raise if the time for the answer is up."""
        self.left(httpcore.ReadTimeout)

    def stop(self) -> None:
        """Let no more of the answer be read off the network."""
        self.end = float("-inf")

    def writes(self, stream: _Stream | _AsyncStream, data: bytes) -> None:
        """Note that data is about to be written; raises if the service sent something before the request."""
        if data and not self.sent:
            # A connection that is used again has been looked at by httpcore, and what makes an encrypted one readable
            # may be a message of TLS itself.
            if stream.new and (stream.get_extra_info("is_readable") or stream.is_ahead()):
                raise httpcore.ConnectError("it was closed, or bytes came over it, before the request was sent")
            stream.new = False
            self.sent = not data.startswith(_TUNNEL)
        self.stream = stream


EXCHANGE: ContextVar[Exchange] = ContextVar("kubernaut_client_progress")


def _name(host: str | None) -> str | None:
    """A host as a certificate has it: behind a proxy, an IPv6 literal comes here in its brackets."""
    return host and host.strip("[]")


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, *, new: bool = True) -> None:
        self._stream = stream
        self.new = new

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = EXCHANGE.get()
        data = self._stream.read(max_bytes, exchange.left(httpcore.ReadTimeout))
        exchange.received = exchange.received or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = EXCHANGE.get()
        # httpcore starts the timeout anew for every piece that the socket takes, so it gets one piece at a time.
        for start in range(0, len(buffer), _WRITE_CHUNK):
            left = exchange.left(httpcore.WriteTimeout)
            exchange.writes(self, buffer)
            self._stream.write(buffer[start : start + _WRITE_CHUNK], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        exchange = EXCHANGE.get()
        left = exchange.left(httpcore.ConnectTimeout)
        exchange.received = False
        return _Stream(self._stream.start_tls(ssl_context, _name(server_hostname), left), new=False)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def is_ahead(self) -> bool:
        return _is_ahead(self._stream)


class Backend(httpcore.NetworkBackend):
    """What httpcore opens connections by."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        exchange = EXCHANGE.get()
        exchange.waiting_for = _NAME
        try:
            addresses = resolver.addresses(host, port).result(exchange.left(httpcore.ConnectTimeout))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        exchange.waiting_for = _CONNECTION
        # A name with several addresses would get the whole timeout for each of them.
        for remaining in range(len(addresses), 0, -1):
            left = exchange.left(httpcore.ConnectTimeout) / remaining
            try:
                address = addresses[-remaining]
                return _Stream(self._backend.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if remaining == 1:
                    raise
        raise httpcore.ConnectError("the name has no address")


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, *, new: bool = True) -> None:
        self._stream = stream
        self.new = new

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = EXCHANGE.get()
        data = await _within(exchange, httpcore.ReadTimeout, lambda left: self._stream.read(max_bytes, left))
        exchange.received = exchange.received or bool(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = EXCHANGE.get()
        exchange.check_time()
        exchange.writes(self, buffer)
        await _within(exchange, httpcore.WriteTimeout, lambda left: self._stream.write(buffer, left))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        exchange = EXCHANGE.get()
        exchange.received = False
        stream = await _within(
            exchange,
            httpcore.ConnectTimeout,
            lambda left: self._stream.start_tls(ssl_context, _name(server_hostname), left),
        )
        return _AsyncStream(stream, new=False)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def is_ahead(self) -> bool:
        return _is_ahead(self._stream)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """As `Backend`, for asyncio. It has at most one connection open at a time, as has the pool that it is made for."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend
        self._opened: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        exchange = EXCHANGE.get()
        exchange.waiting_for = _NAME
        lookup = asyncio.wrap_future(resolver.addresses(host, port))
        try:
            async with clock.timeout(exchange.left(httpcore.ConnectTimeout)):
                addresses = await lookup
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        exchange.waiting_for = _CONNECTION

        async def connect(address: str) -> httpcore.AsyncNetworkStream:
            return await _within(
                exchange,
                httpcore.ConnectTimeout,
                lambda left: self._backend.connect_tcp(address, port, left, local_address, socket_options),
            )

        self._opened = await (connect(addresses[0]) if len(addresses) == 1 else _first(addresses, connect))
        return _AsyncStream(self._opened)

    async def aclose(self) -> None:
        """Close the connection, if it still is open: before anything is waited for, so that nothing cancels it."""
        if self._opened is not None:
            await self._opened.aclose()


async def _within(
    exchange: Exchange, timeout: type[httpcore.TimeoutException], operation: Callable[[float | None], Awaitable[T]]
) -> T:
    """Run an operation, which takes its limit, in what is left of the attempt."""
    left = exchange.left(timeout)
    if exchange.timers:
        return await operation(left)
    try:
        async with clock.timeout(left):
            return await operation(None)
    except TimeoutError as error:
        raise timeout(str(error)) from error


async def _first(
    addresses: list[str], connect: Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]
) -> httpcore.AsyncNetworkStream:
    """The first connection to one of several addresses, each begun a little after the one before it (RFC 8305)."""
    failure: BaseException = httpcore.ConnectError("the name has no address")
    following = iter(addresses)
    tasks: set[asyncio.Future[httpcore.AsyncNetworkStream]] = set()
    try:
        while True:
            address = next(following, None)
            if address is not None:
                tasks.add(asyncio.ensure_future(connect(address)))
            elif not tasks:
                raise failure
            with contextlib.suppress(TimeoutError):
                async with clock.timeout(_STAGGER) if address else contextlib.nullcontext():
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task.done()]:
                tasks.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                failure = error
    finally:
        for task in tasks:
            task.cancel()
        for slower in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(slower, httpcore.AsyncNetworkStream):
                await slower.aclose()


def _is_ahead(stream: Any) -> bool:
    """Whether bytes have been taken off the socket that nothing has asked for yet.

    They'd be taken for the answer to the next request. Below the streams of httpcore are those of anyio, and ssl's
    buffers; none of them has a public name for it.
    """
    while stream is not None:
        incoming = getattr(stream, "_incoming", None) or getattr(stream, "_read_bio", None)
        if getattr(incoming, "pending", 0) or getattr(getattr(stream, "_protocol", None), "read_queue", None):
            return True
        stream = getattr(stream, "_stream", None) or getattr(stream, "transport_stream", None)
    return False
