"""A pool of connections, each lent to one request at a time.

What is lent is an HTTP client with room for one connection, so nothing below it ever waits, and a request that doesn't
come to its end takes nothing along but its own connection. httpx's own pool isn't used for that: it loses a place when
a task is cancelled at the wrong moment, and refuses everything once a few are gone (seen with httpcore 0.17 to 1.0.9).

Who may share a pool (one process, one event loop) is left to `http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from . import clock

MAX_CONNECTIONS = 100
_MAX_IDLE = 20
# The service's server closes an idle connection after 30 s; ours goes first, so that the two don't meet half-way.
MAX_IDLE_SECONDS = 15.0


class _Closable(Protocol):
    def close(self) -> None: ...


class _AsyncClosable(Protocol):
    async def aclose(self) -> None: ...


Client = TypeVar("Client")
SyncClient = TypeVar("SyncClient", bound=_Closable)
AsyncClient = TypeVar("AsyncClient", bound=_AsyncClosable)


class _Base(Generic[Client]):
    """What both colours share: the idle clients, the one used last at the right."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._idle: deque[tuple[float, Client]] = deque()
        self._closed = False

    def _any(self) -> Client:
        try:
            return self._idle.pop()[1]
        except IndexError:  # asked for first, another thread could take the last one in between
            return self._make()

    def _surplus(self) -> Client | None:
        """An idle client that should be closed now."""
        try:
            since, _ = self._idle[0]
            if self._closed or len(self._idle) > _MAX_IDLE or since < clock.monotonic() - MAX_IDLE_SECONDS:
                return self._idle.popleft()[1]
        except IndexError:
            pass
        return None


class Pool(_Base[SyncClient]):
    """For threads."""

    def __init__(self, make: Callable[[], SyncClient]) -> None:
        super().__init__(make)
        self._places = threading.Semaphore(MAX_CONNECTIONS)

    def take(self, limit: float, *, new: bool = False) -> SyncClient:
        """An idle client, or one that has no connection yet; TimeoutError if all are lent for `limit` seconds."""
        if not self._places.acquire(timeout=limit):
            raise TimeoutError
        try:
            return self._make() if new else self._any()
        except BaseException:
            self._places.release()
            raise

    def put(self, client: SyncClient, *, whole: bool) -> None:
        """Take a client back; it is lent again only if its request came to its end, as `whole` says."""
        self._places.release()
        if whole:
            self._idle.append((clock.monotonic(), client))
            self._prune()
        else:
            client.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._closed = True
        self._prune()

    def _prune(self) -> None:
        while (client := self._surplus()) is not None:
            client.close()


class AsyncPool(_Base[AsyncClient]):
    """For the tasks of one event loop."""

    def __init__(self, make: Callable[[], AsyncClient]) -> None:
        super().__init__(make)
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

    async def take(self, limit: float, *, new: bool = False) -> AsyncClient:
        if self._places.locked():
            async with clock.timeout(limit):
                await self._places.acquire()
        else:
            await self._places.acquire()  # doesn't wait
        try:
            return self._make() if new else self._any()
        except BaseException:
            self._places.release()
            raise

    async def put(self, client: AsyncClient, *, whole: bool) -> None:
        self._places.release()
        if whole:
            self._idle.append((clock.monotonic(), client))
            await self._prune()
        else:
            await client.aclose()

    async def close(self) -> None:
        self._closed = True
        await self._prune()

    async def _prune(self) -> None:
        # Each is closed, also when the task is cancelled while it closes another.
        async with contextlib.AsyncExitStack() as closing:
            while (client := self._surplus()) is not None:
                closing.push_async_callback(client.aclose)
