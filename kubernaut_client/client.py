"""`DataStorageClient` and `AsyncDataStorageClient`: configuration, life cycle, and the resources."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from kubernaut_datastorage.client import Client as GeneratedClient
from kubernaut_datastorage.types import UNSET, Unset

from . import clock, config
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
from .masking import without_frames
from .notifications import AsyncNotifications
from .operations import HealthStatus
from .problems import shown
from .raw import RawClient
from .retry import RetryPolicy, seconds
from .workflows import AsyncWorkflows

if TYPE_CHECKING:
    import httpx


_MAX_RESPONSE_BYTES = 64 * 2**20


def _checked(timeout: object, retry: object, on_call: object, max_response_bytes: object) -> None:
    seconds("timeout", timeout)
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
    if on_call is not None and not callable(on_call):
        raise ConfigurationError(f"on_call must be a callable, not {type(on_call).__name__}")
    if type(max_response_bytes) is not int or max_response_bytes < 1:
        raise ConfigurationError(
            f"max_response_bytes must be an integer of at least 1, not {shown(max_response_bytes)}"
        )


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

    @without_frames
    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | Unset | None = UNSET,
        on_call: OnCall | Unset | None = UNSET,
        max_response_bytes: int | None = None,
    ) -> Self:
        """A view with other options on the same connections; what isn't given stays. Closing it does nothing.

        Args:
            timeout: Seconds for one attempt; None: as it is.
            retry: Attempts, waits and deadline; None: as it is.
            headers: More headers, each in the place of one of the same name. None: no headers but those that the
                client itself sets.
            on_call: Called after every attempt; None: nothing is called.
            max_response_bytes: The largest body of an answer; None: as it is.
        """
        options = self._options
        changed: dict[str, Any] = {
            "timeout": options.timeout if timeout is None else timeout,
            "retry": options.retry if retry is None else retry,
            "on_call": options.on_call if isinstance(on_call, Unset) else on_call,
            "max_response_bytes": options.max_response_bytes if max_response_bytes is None else max_response_bytes,
        }
        _checked(**changed)
        if headers is None:
            changed["headers"] = {}
        elif not isinstance(headers, Unset):
            changed["headers"] = {**options.headers, **config.headers(headers, options.session.token)}
        view = object.__new__(type(self))
        view._set(replace(options, **changed), owner=False)
        return view

    def _set(self, options: OptionsT, *, owner: bool) -> None:
        raise NotImplementedError


class DataStorageClient(_Shared[Options]):
    """A client of Data Storage; thread-safe, safe after `fork()`, a context manager.

    Args:
        base_url: `http://host:port`, a path may follow. Else KUBERNAUT_DATASTORAGE_URL, then DATA_STORAGE_URL.
        token: Bearer token: a string, or a callable that is asked before every attempt. Else KUBERNAUT_TOKEN, then the
            file that KUBERNAUT_TOKEN_FILE names, of at most 64 KiB, read again when it changes. White space around a
            token is left out.
        timeout: Seconds for one attempt, all of it: resolving the host's name, connecting, sending, and decoding the
            last byte of the answer.
        retry: Attempts, waits and the deadline of a whole call.
        headers: More headers for every request.
        tls: An `ssl.SSLContext`. Else the system's authorities or those of KUBERNAUT_CA_FILE, and KUBERNAUT_CLIENT_CERT
            with KUBERNAUT_CLIENT_KEY as the client's certificate, of at most 4 MiB each, read again when they change.
        on_call: Called after every attempt with a `CallRecord`; what it raises is logged, not raised.
        max_response_bytes: The largest body of an answer, decoded, in bytes; 64 MiB by default, which holds a page of
            1,000 audit events of 60 KB. A larger one is a `ResponseDecodeError` that names this limit.
        http_client: A client of your own, which is never changed and never closed. Its connections are yours: only the
            body of an answer is held to `timeout`, and it refuses to work after `fork()`.

    Proxies come from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, never for a loopback address. Redirects are not
    followed, cookies not kept.
    Raises `ConfigurationError` for anything that it can't work with.
    """

    workflows: Workflows
    audit: Audit
    notifications: Notifications
    health: Health

    @without_frames
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
        max_response_bytes: int = _MAX_RESPONSE_BYTES,
        http_client: httpx.Client | None = None,
    ) -> None:
        _checked(timeout, retry, on_call, max_response_bytes)
        source = config.TokenSource(token)
        session = Session(config.base_url(base_url), source, tls, http_client)
        checked = config.headers(headers, source)
        self._set(Options(session, timeout, retry, on_call, max_response_bytes, checked), owner=True)

    @cached_property
    def raw(self) -> GeneratedClient:
        """The generated client over the same connections: its functions raise the same errors for anything but a 2xx.

        `create_workflow.sync_detailed(client=client.raw, body=...)`. What an unknown outcome came to isn't settled, and
        a 2xx is decoded by the generated code. Its `with_headers` and `with_timeout` work as `with_options`, leaving it
        as a context manager closes nothing, cookies and httpx clients of your own are refused.
        """
        return RawClient(self, client=Raw(self._options))

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

    @without_frames
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
        max_response_bytes: int = _MAX_RESPONSE_BYTES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        _checked(timeout, retry, on_call, max_response_bytes)
        source = config.TokenSource(token)
        session = AsyncSession(config.base_url(base_url), source, tls, http_client)
        checked = config.headers(headers, source)
        self._set(AsyncOptions(session, timeout, retry, on_call, max_response_bytes, checked), owner=True)

    @cached_property
    def raw(self) -> GeneratedClient:
        """As `DataStorageClient.raw`, for the generated `asyncio` and `asyncio_detailed` functions."""
        return RawClient(self, async_client=AsyncRaw(self._options))

    async def wait_until_ready(self, timeout: float = 60.0) -> HealthStatus:
        """Ask `/health/ready` until it says so, for up to `timeout` seconds; then `RequestTimeoutError`."""
        return await self.health.wait_until_ready(timeout)

    async def close(self) -> None:
        """Close the connections of the running event loop; safe to call again."""
        if self._owner:
            await self._options.session.close()

    aclose = close

    async def __aenter__(self) -> Self:
        clock.running_loop()
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
