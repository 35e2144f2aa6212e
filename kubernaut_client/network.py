"""The limit of an attempt, held below httpx: every connect, read and write gets what is left of it.

httpx's own timeouts start anew with every byte that arrives, so a server that sends one byte a second would never meet
them. These are backends of httpcore that wrap its own; what has gone over the wire is noted on the way. Pools, requests
and answers are left to `http`.
"""

from __future__ import annotations

import codecs
import socket
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import httpcore

_WRITE_CHUNK = 65536
# Asking a proxy for a tunnel sends nothing of the request yet, and its answer is none of the service's.
_TUNNEL = b"CONNECT "
# The resolver loads this codec at its first use; a fork just then would leave the child waiting for it.
codecs.lookup("idna")


class Exchange:
    """An attempt in progress: when it must end, and what has gone over the wire."""

    __slots__ = ("end", "received", "sent")

    def __init__(self, limit: float) -> None:
        self.end: float = time.monotonic() + limit
        self.sent: bool = False
        self.received: bool = False

    def left(self, timeout: type[httpcore.TimeoutException]) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise timeout("the attempt ran out of time")
        return left


EXCHANGE: ContextVar[Exchange] = ContextVar("kubernaut_client_progress")


def _name(host: str | None) -> str | None:
    """A host as a certificate has it: behind a proxy, an IPv6 literal comes here in its brackets."""
    return host and host.strip("[]")


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

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
            exchange.sent = exchange.sent or not buffer.startswith(_TUNNEL)
            self._stream.write(buffer[start : start + _WRITE_CHUNK], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        exchange = EXCHANGE.get()
        left = exchange.left(httpcore.ConnectTimeout)
        exchange.received = False
        return _Stream(self._stream.start_tls(ssl_context, _name(server_hostname), left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


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
        # A name with several addresses would get the whole timeout for each of them.
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
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
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = EXCHANGE.get()
        data = await self._stream.read(max_bytes, exchange.left(httpcore.ReadTimeout))
        exchange.received = exchange.received or bool(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = EXCHANGE.get()
        left = exchange.left(httpcore.WriteTimeout)
        exchange.sent = exchange.sent or (bool(buffer) and not buffer.startswith(_TUNNEL))
        await self._stream.write(buffer, left)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        exchange = EXCHANGE.get()
        left = exchange.left(httpcore.ConnectTimeout)
        exchange.received = False
        return _AsyncStream(await self._stream.start_tls(ssl_context, _name(server_hostname), left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


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
        left = EXCHANGE.get().left(httpcore.ConnectTimeout)
        self._opened = await self._backend.connect_tcp(host, port, left, local_address, socket_options)
        return _AsyncStream(self._opened)

    async def aclose(self) -> None:
        """Close the connection, if it still is open: before anything is waited for, so that nothing cancels it."""
        if self._opened is not None:
            await self._opened.aclose()
