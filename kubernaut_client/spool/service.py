"""What the durable writer asks of Data Storage: to store a batch, how many copies of an event there are, its health.

Each is one request, over the caller's client of either colour, and one attempt: what follows from a failure is decided
in `verdict`. Used by several threads at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from kubernaut_client import trail
from kubernaut_client._sync import trail as sync_trail
from kubernaut_client._sync.execute import Options
from kubernaut_client.client import AsyncDataStorageClient, DataStorageClient
from kubernaut_client.errors import ConfigurationError
from kubernaut_client.execute import AsyncOptions
from kubernaut_client.http import Request
from kubernaut_client.operations import CREATE_AUDIT_EVENTS_BATCH, HEALTH_CHECK
from kubernaut_client.retry import RetryPolicy

T = TypeVar("T")

_ONCE = RetryPolicy(attempts=1)


class Service(Protocol):
    """Data Storage as the writer sees it. All methods raise `KubernautError`."""

    attempt: float
    """The longest time for one attempt, in seconds."""

    def begin(self) -> Callable[[bytes], int]:
        """An attempt, whose time begins now. What it gives sends a batch and returns the number of ids that it got."""
        ...

    def copies(self, payload: dict[str, Any]) -> int:
        """How many stored events equal this one of a batch."""
        ...

    def healthy(self) -> None:
        """Raises unless the service says that it reaches its database."""
        ...

    def leave(self) -> None:
        """The calling thread asks no more."""
        ...

    def close(self) -> None:
        """Nobody asks any more."""
        ...


def service_for(client_or_url: object, longest: float) -> Service:
    """For a client of the caller's, which stays open, or a URL; None takes it from the environment."""
    if isinstance(client_or_url, AsyncDataStorageClient):
        return _Async(client_or_url, longest)
    if isinstance(client_or_url, DataStorageClient):
        return _Sync(client_or_url, longest, own=False)
    if client_or_url is None or isinstance(client_or_url, str):
        return _Sync(DataStorageClient(client_or_url), longest, own=True)
    kind = type(client_or_url).__name__
    raise ConfigurationError(
        f"client_or_url must be a DataStorageClient, an AsyncDataStorageClient or a URL, not {kind}"
    )


def _request(content: bytes) -> Request:
    operation = CREATE_AUDIT_EVENTS_BATCH
    return Request(operation.method, operation.path, content=content)


class _Sync:
    def __init__(self, client: DataStorageClient, longest: float, *, own: bool) -> None:
        self._client = client
        self._own = own
        self._options: Options = client.with_options(retry=_ONCE)._options  # pyright: ignore[reportPrivateUsage]
        self.attempt = min(self._options.timeout, longest)

    def begin(self) -> Callable[[bytes], int]:
        call = self._options.call(self.attempt, self.attempt)

        def store(content: bytes) -> int:
            ids = call.execute(CREATE_AUDIT_EVENTS_BATCH, _request(content))
            return len(set(ids))

        return store

    def copies(self, payload: dict[str, Any]) -> int:
        return len(sync_trail.copies(payload, self._options.call(self.attempt), in_batch=True))

    def healthy(self) -> None:
        self._options.call(self.attempt).execute(HEALTH_CHECK, HEALTH_CHECK.request())

    def leave(self) -> None:
        pass

    def close(self) -> None:
        if self._own:
            self._client.close()


class _Async:
    """Each thread has an event loop of its own, and so connections of its own."""

    def __init__(self, client: AsyncDataStorageClient, longest: float) -> None:
        self._options: AsyncOptions = client.with_options(retry=_ONCE)._options  # pyright: ignore[reportPrivateUsage]
        self.attempt = min(self._options.timeout, longest)
        self._of_thread = threading.local()

    def begin(self) -> Callable[[bytes], int]:
        call = self._options.call(self.attempt, self.attempt)

        def store(content: bytes) -> int:
            ids = self._run(call.execute(CREATE_AUDIT_EVENTS_BATCH, _request(content)))
            return len(set(ids))

        return store

    def copies(self, payload: dict[str, Any]) -> int:
        return len(self._run(trail.copies(payload, self._options.call(self.attempt), in_batch=True)))

    def healthy(self) -> None:
        self._run(self._options.call(self.attempt).execute(HEALTH_CHECK, HEALTH_CHECK.request()))

    def leave(self) -> None:
        runner: asyncio.Runner | None = self._of_thread.__dict__.pop("runner", None)
        if runner is not None:
            runner.close()

    def close(self) -> None:
        pass

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        runner: asyncio.Runner | None = getattr(self._of_thread, "runner", None)
        if runner is None:
            runner = self._of_thread.runner = asyncio.Runner()
        return runner.run(coroutine)
