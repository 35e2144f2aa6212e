"""`DataStorageClient` and `AsyncDataStorageClient`: configuration, life cycle, and the resources."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from kubernaut_datastorage.client import Client as RawClient

from . import config
from ._sync.audit import Audit
from ._sync.execute import Options, Raw
from ._sync.health import Health
from ._sync.notifications import Notifications
from ._sync.workflows import Workflows
from .audit import AsyncAudit
from .errors import ConfigurationError
from .execute import AsyncOptions, AsyncRaw, OnCall
from .health import AsyncHealth
from .http import AsyncSession, Session
from .notifications import AsyncNotifications
from .operations import HealthStatus
from .retry import RetryPolicy, seconds
from .workflows import AsyncWorkflows

if TYPE_CHECKING:
    import httpx


def _checked(timeout: object, retry: object, on_call: object) -> None:
    seconds("timeout", timeout)
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
    if on_call is not None and not callable(on_call):
        raise ConfigurationError(f"on_call must be a callable, not {type(on_call).__name__}")


def _headers(given: Mapping[str, str] | None, token: config.TokenSource) -> dict[str, str]:
    headers = config.headers(given)
    if token.present and "authorization" in headers:
        raise ConfigurationError("headers: Authorization is set by token; give one of them")
    return headers


OptionsT = TypeVar("OptionsT", Options, AsyncOptions)


class _Shared(Generic[OptionsT]):
    """What both colours share: they differ in nothing but their session and their resources."""

    _options: OptionsT
    _owner: bool

    @property
    def base_url(self) -> str:
        """The URL that paths are appended to, without a trailing slash."""
        return self._options.session.base_url

    @property
    def closed(self) -> bool:
        """Whether it was closed; a closed client raises `ConfigurationError` for every call."""
        return self._options.session.closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}{' closed' if self.closed else ''}>"

    def _changes(
        self,
        timeout: float | None,
        retry: RetryPolicy | None,
        headers: Mapping[str, str] | None,
        on_call: OnCall | None,
    ) -> dict[str, Any]:
        options = self._options
        changed: dict[str, Any] = {
            "timeout": options.timeout if timeout is None else timeout,
            "retry": options.retry if retry is None else retry,
            "on_call": options.on_call if on_call is None else on_call,
        }
        _checked(**changed)
        changed["headers"] = {**options.headers, **_headers(headers, options.session.token)}
        return changed


class _OtherColour:
    """Stands where the generated client would otherwise make a connection of its own, without token and timeout."""

    def __init__(self, client: str) -> None:
        self._client = client

    def request(self, **_: Any) -> Any:
        raise ConfigurationError(f"raw: this function needs the raw client of {self._client}")


class DataStorageClient(_Shared[Options]):
    """A client of Data Storage; thread-safe, safe after `fork()`, a context manager.

    Args:
        base_url: `http://host:port`, a path may follow. Else KUBERNAUT_DATASTORAGE_URL, then DATA_STORAGE_URL.
        token: Bearer token: a string, or a callable that is asked before every attempt. Else KUBERNAUT_TOKEN, then the
            file that KUBERNAUT_TOKEN_FILE names, read again when it changes.
        timeout: Seconds for one attempt, all of it: connecting, sending, and the last byte of the answer. Resolving the
            host's name is up to the system's resolver.
        retry: Attempts, waits and the deadline of a whole call.
        headers: More headers for every request.
        tls: An `ssl.SSLContext`. Else the system's authorities or those of KUBERNAUT_CA_FILE, and KUBERNAUT_CLIENT_CERT
            with KUBERNAUT_CLIENT_KEY as the client's certificate, read again when they change.
        on_call: Called after every attempt with a `CallRecord`; what it raises is logged, not raised.
        http_client: A client of your own, which is never changed and never closed. Its connections are yours: only the
            body of an answer is held to `timeout`, and it refuses to work after `fork()`.

    Proxies come from the environment, never for a loopback address. Redirects are not followed, cookies not kept.
    Raises `ConfigurationError` for anything that it can't work with.
    """

    workflows: Workflows
    audit: Audit
    notifications: Notifications
    health: Health

    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | Callable[[], str] | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        on_call: OnCall | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        _checked(timeout, retry, on_call)
        source = config.TokenSource(token)
        session = Session(config.base_url(base_url), source, tls, _headers(headers, source), http_client)
        self._set(Options(session, timeout, retry, on_call), owner=True)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        on_call: OnCall | None = None,
    ) -> Self:
        """A view with other options on the same connections; what isn't given stays. Closing it does nothing."""
        view = object.__new__(type(self))
        view._set(replace(self._options, **self._changes(timeout, retry, headers, on_call)), owner=False)
        return view

    @cached_property
    def raw(self) -> RawClient:
        """The generated client over the same connections: its functions raise the same errors for anything but a 2xx.

        `create_workflow.sync_detailed(client=client.raw, body=...)`. What an unknown outcome came to isn't settled, and
        a 2xx is decoded by the generated code.
        """
        raw = RawClient(self.base_url).set_httpx_client(cast("Any", Raw(self._options)))
        return raw.set_async_httpx_client(cast("Any", _OtherColour("AsyncDataStorageClient")))

    def wait_until_ready(self, timeout: float = 60.0) -> HealthStatus:
        """Ask `/health/ready` until it says so, for up to `timeout` seconds; then `RequestTimeoutError`."""
        return self.health.wait_until_ready(timeout)

    def close(self) -> None:
        """Close the connections of this process; safe to call again."""
        if self._owner:
            self._options.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _set(self, options: Options, *, owner: bool) -> None:
        self._options = options
        self._owner = owner
        self.workflows = Workflows(options)
        self.audit = Audit(options)
        self.notifications = Notifications(options)
        self.health = Health(options)


class AsyncDataStorageClient(_Shared[AsyncOptions]):
    """`DataStorageClient` for asyncio, with the same arguments; `token` may also be an async callable.

    A pool of connections per running event loop, so a second `asyncio.run` with the same client works. Close it, or
    leave its `async with`, within the loop that used it.
    """

    workflows: AsyncWorkflows
    audit: AsyncAudit
    notifications: AsyncNotifications
    health: AsyncHealth

    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: config.AsyncToken | None = None,
        timeout: float = 10.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        on_call: OnCall | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        _checked(timeout, retry, on_call)
        source = config.TokenSource(token)
        session = AsyncSession(config.base_url(base_url), source, tls, _headers(headers, source), http_client)
        self._set(AsyncOptions(session, timeout, retry, on_call), owner=True)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        on_call: OnCall | None = None,
    ) -> Self:
        """A view with other options on the same connections; what isn't given stays. Closing it does nothing."""
        view = object.__new__(type(self))
        view._set(replace(self._options, **self._changes(timeout, retry, headers, on_call)), owner=False)
        return view

    @cached_property
    def raw(self) -> RawClient:
        """As `DataStorageClient.raw`, for the generated `asyncio` and `asyncio_detailed` functions."""
        raw = RawClient(self.base_url).set_async_httpx_client(cast("Any", AsyncRaw(self._options)))
        return raw.set_httpx_client(cast("Any", _OtherColour("DataStorageClient")))

    async def wait_until_ready(self, timeout: float = 60.0) -> HealthStatus:
        """Ask `/health/ready` until it says so, for up to `timeout` seconds; then `RequestTimeoutError`."""
        return await self.health.wait_until_ready(timeout)

    async def close(self) -> None:
        """Close the connections of the running event loop; safe to call again."""
        if self._owner:
            await self._options.session.close()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _set(self, options: AsyncOptions, *, owner: bool) -> None:
        self._options = options
        self._owner = owner
        self.workflows = AsyncWorkflows(options)
        self.audit = AsyncAudit(options)
        self.notifications = AsyncNotifications(options)
        self.health = AsyncHealth(options)
