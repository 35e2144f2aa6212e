"""The only module that talks HTTP, and the only one that imports httpx.

`Session` and `AsyncSession` send one request and return its `Answer`, whatever its status; what ends without a status
line is a `TransportError` that says whether anything was sent. Both own a pool of connections per process (and, async,
per event loop), so nothing is shared across `fork()`. Repeating is left to `execute`, reading answers to `operations`,
and which connection a request gets to `pool`.

The limit of an attempt sits below httpx, in `network`. A caller's own httpx client has no such backend: with it only
the body is held to the limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from weakref import WeakKeyDictionary

import httpcore
import httpx

from . import clock, config, proxies
from .body import ACCEPTED, Body, BodyError, BodyTimeoutError
from .errors import (
    ConfigurationError,
    ConnectError,
    ConnectionDroppedError,
    Outcome,
    RequestTimeoutError,
    TransportError,
    explain,
)
from .masking import Credentials
from .network import EXCHANGE, AsyncBackend, Backend, Exchange
from .pool import MAX_IDLE_SECONDS, AsyncPool, Pool
from .problems import one_line

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=MAX_IDLE_SECONDS)
# For plain HTTP, where httpx would make a context of its own for each connection. It trusts nobody.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_not_ours(record: logging.LogRecord) -> bool:
    return EXCHANGE.get(None) is None


# httpx logs the URL of a request, httpcore the headers of its answer. What they log of other requests isn't touched.
for _name in ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks"))):
    logging.getLogger(_name).addFilter(_is_not_ours)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, encoded: `path` is relative to the base URL and escaped."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `headers` with lower-case names, and whether the body is `complete` and decoded."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    complete: bool = True
    cause: Exception | None = field(default=None, repr=False, compare=False)
    """Why the body isn't complete: a `BodyError` where its text says it, else what cut it short."""


class _Base:
    """What both colours share: configuration, how a request is put together, and what a failure means."""

    def __init__(self, base_url: str, token: config.TokenSource, tls: ssl.SSLContext | None, given: object) -> None:
        self.base_url = base_url
        self.token = token
        self.headers: dict[str, str] = {
            "accept": "application/json",
            "accept-encoding": ACCEPTED,
            "user-agent": config.user_agent(httpx.__version__),
        }
        self.drops_unknown_ids_until: float = 0.0
        """Until when (monotonic clock) the service is known to answer for an unknown id by closing the connection."""
        self.closed: bool = False
        self._pid = os.getpid()
        found = proxies.proxy_for(base_url) if given is None else None
        self.proxy: str | None = found.url if found else None
        self._through = f", through the proxy that {found.variable} names" if found else ""
        # Loading the certificate authorities takes 20 ms, so a client that only speaks plain HTTP goes without.
        self._tls = config.TLS(tls) if base_url.startswith("https:") or self.proxy or tls else None

    def _transport_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "verify": self._tls.context if self._tls else _NO_TLS,
            "trust_env": False,
            "limits": _ONE,
        }
        if self.proxy:
            options["proxy"] = httpx.Proxy(self.proxy)
        return options

    def _arguments(self, request: Request, credentials: Credentials, limit: float) -> dict[str, Any]:
        merged = {**self.headers, **(request.headers or {}), **credentials.headers()}
        if request.content is not None:
            merged["content-type"] = "application/json"
        return {
            "method": request.method,
            "url": self.base_url + request.path,
            "params": request.params or None,
            "headers": merged,
            "content": request.content,
            "extensions": {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), limit)},
        }

    def _check_usable(self, given: httpx.Client | httpx.AsyncClient | None) -> None:
        if self.closed:
            raise ConfigurationError("this client is closed")
        if given is None:
            if self._tls:
                self._tls.refresh()
        elif self._pid != os.getpid():
            raise ConfigurationError("http_client was made in another process: make a client of its own after fork()")
        elif given.is_closed:
            raise ConfigurationError("http_client is closed")

    @staticmethod
    def _answer(
        response: httpx.Response, body: Body, request: httpx.Request | None, credentials: Credentials, limit: float
    ) -> Answer:
        cause = body.error
        if cause is not None and not isinstance(cause, BodyError):
            kept = _kept(cause, request, credentials)
            if isinstance(cause, httpx.TimeoutException | httpcore.TimeoutException):
                cause = BodyTimeoutError(f"whose body did not end within {limit:.3g} s")
                cause.__cause__ = kept
            else:
                cause = kept
        return Answer(response.status_code, dict(response.headers.items()), body.value(), body.error is None, cause)

    def _unusable(self, error: Exception) -> ConfigurationError:
        """For a transport that can't be made; the proxy's URL, which may hold credentials, isn't shown."""
        return ConfigurationError(f"there is no way to send requests{self._through}: {type(error).__name__}")

    def _prepare(self, pool: Any, handler: str) -> None:
        """Let a pool of httpcore send an IPv6 literal in its brackets to a proxy, which httpx takes off."""
        if self.proxy and "://[" in self.base_url and not self.proxy.startswith("socks"):
            setattr(pool, handler, partial(_in_brackets, getattr(pool, handler)))


def _in_brackets(send: Callable[[httpcore.Request], Any], request: httpcore.Request) -> Any:
    request.url.host = b"[%b]" % request.url.host
    return send(request)


def _own_client_options() -> dict[str, Any]:
    # One non-ASCII cookie would make httpx raise on every later call, and the service sets none: nothing is kept.
    policy = DefaultCookiePolicy(allowed_domains=[])
    return {"trust_env": False, "cookies": CookieJar(policy), "timeout": None}


class Session(_Base):
    """Sends requests over a pool of connections; thread-safe, and safe after `fork()` (a pool per process)."""

    def __init__(
        self,
        base_url: str,
        token: config.TokenSource,
        tls: ssl.SSLContext | None,
        http_client: httpx.Client | None = None,
    ) -> None:
        super().__init__(base_url, token, tls, http_client)
        if http_client is not None and not isinstance(http_client, httpx.Client):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"http_client must be an httpx.Client, not {type(http_client).__name__}")
        self._given = http_client
        self._pools: dict[int, Pool[httpx.Client]] = {}
        if http_client is None:
            self._make().close()  # so that what can't be used is refused here

    def authorization(self, limit: float) -> str | None:
        """The token for an attempt; `limit` is for the async session, as nothing can end a callable that blocks."""
        return self.token.get()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def request(
        self, request: Request, credentials: Credentials, limit: float, max_bytes: int, alone: bool = False
    ) -> Answer:
        """Send one request and read its answer within `limit` seconds; `alone`: over a connection of its own.

        Raises a `TransportError` for anything that ends without a status line. A body that is larger than `max_bytes`
        or doesn't end in time makes the answer incomplete.
        """
        pool = self._pool()
        own = pool is not None
        exchange = Exchange(limit)
        mark = EXCHANGE.set(exchange)
        client: httpx.Client | None = None
        built: httpx.Request | None = None
        whole = False
        try:
            client = pool.take(limit, new=alone) if pool else cast("httpx.Client", self._given)
            built = (httpx.Request if own else client.build_request)(**self._arguments(request, credentials, limit))
            credentials.sent(built.headers)
            response = client.send(built, stream=True, follow_redirects=False)
            body = _body(response, max_bytes, exchange)
            try:
                if not response.is_stream_consumed:  # as a hook of the caller's may have done
                    for chunk in response.iter_raw():
                        if not body.add(chunk):
                            # The next read ends it, which leaves no generator of httpcore's half-way.
                            exchange.stop()
                            if not own:
                                break
                body.end()
            # The status line is here: whatever cuts the body short, the answer stands.
            except Exception as error:  # noqa: BLE001 - see above
                body.error = body.error or error
            finally:
                response.close()
            answer = self._answer(response, body, built, credentials, limit)
            whole = own and answer.complete and not alone and not _is_ahead(client, exchange)
            return answer
        except httpx.HTTPStatusError as error:
            return self._answer(error.response, _body(error.response, max_bytes, exchange), built, credentials, limit)
        # Any bytes may arrive, and both httpx and httpcore let errors of other kinds through for some of them.
        except Exception as error:  # noqa: BLE001 - see above
            unsent = built is None or (own and not exchange.sent)
            failure = _transport_error(error, exchange, unsent, own, self.base_url, limit, self._through)
            raise failure from _kept(error, built, credentials)
        finally:
            EXCHANGE.reset(mark)
            if pool and client:
                pool.put(client, whole=whole)

    def close(self) -> None:
        """Close this process's connections; safe to call again. A caller's own client is left open."""
        self.closed = True
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _pool(self) -> Pool[httpx.Client] | None:
        """This process's pool; None where a caller's own client is used."""
        self._check_usable(self._given)
        if self._given:
            return None
        # The parent's pool stays where it is, untouched: closing it here would end TLS for the parent too.
        return self._pools.get(os.getpid()) or self._pools.setdefault(os.getpid(), Pool(self._make))

    def _make(self) -> httpx.Client:
        try:
            transport = httpx.HTTPTransport(**self._transport_options())
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise self._unusable(error) from None
        inner = cast("Any", transport)._pool
        inner._network_backend = Backend(inner._network_backend)
        self._prepare(inner, "handle_request")
        return httpx.Client(transport=transport, **_own_client_options())


class _AsyncTransport(httpx.AsyncHTTPTransport):
    """httpx's own, over our backend, and closed also where closing is cancelled.

    httpcore up to 1.0.2 takes a lock before it closes anything, and cancelled there it leaves the connection open. A
    connection whose TLS handshake is cancelled it forgets altogether (seen with 0.17 to 1.0.9).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        inner = cast("Any", self)._pool
        self._backend = inner._network_backend = AsyncBackend(inner._network_backend)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await self._backend.aclose()


async def _closing(pool: AsyncPool[httpx.AsyncClient]) -> AsyncGenerator[None, None]:
    """Closes a pool when it is closed itself, which asyncio does with its generators before it closes a loop."""
    try:
        yield
    finally:
        await pool.close()


@dataclass(frozen=True, slots=True)
class _LoopPool:
    pid: int
    pool: AsyncPool[httpx.AsyncClient]
    closing: AsyncGenerator[None, None]


class AsyncSession(_Base):
    """As `Session`, for asyncio: a pool per running event loop and process."""

    def __init__(
        self,
        base_url: str,
        token: config.TokenSource,
        tls: ssl.SSLContext | None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(base_url, token, tls, http_client)
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not {type(http_client).__name__}")
        self._given = http_client
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopPool] = WeakKeyDictionary()
        if http_client is None:
            self._make()  # so that what can't be used is refused here, as in the synchronous session

    async def authorization(self, limit: float) -> str | None:
        if not self.token.present:
            return None
        try:
            async with clock.timeout(limit):
                return await self.token.aget()
        except TimeoutError:
            raise RequestTimeoutError(f"token gave nothing within {limit:.3g} s") from None

    async def sleep(self, seconds: float) -> None:
        await clock.sleep(seconds)

    async def request(
        self, request: Request, credentials: Credentials, limit: float, max_bytes: int, alone: bool = False
    ) -> Answer:
        """As `Session.request`. Cancelling it closes the connection in use."""
        pool = self._pool()
        own = pool is not None
        exchange = Exchange(limit, timers=clock.has_timers())
        mark = EXCHANGE.set(exchange)
        client: httpx.AsyncClient | None = None
        built: httpx.Request | None = None
        whole = False
        try:
            client = await pool.take(limit, new=alone) if pool else cast("httpx.AsyncClient", self._given)
            built = (httpx.Request if own else client.build_request)(**self._arguments(request, credentials, limit))
            credentials.sent(built.headers)
            response = await client.send(built, stream=True, follow_redirects=False)
            body = _body(response, max_bytes, exchange)
            try:
                if not response.is_stream_consumed:  # as a hook of the caller's may have done
                    async for chunk in response.aiter_raw():
                        if not body.add(chunk):
                            # The next read ends it, which leaves no generator of httpcore's half-way.
                            exchange.stop()
                            if not own:
                                break
                body.end()
            # The status line is here: whatever cuts the body short, the answer stands.
            except Exception as error:  # noqa: BLE001 - see above
                body.error = body.error or error
            finally:
                await response.aclose()
                if not own and body.error is not None:
                    # What was left half-way in the generators of httpx and httpcore ends in turns of the loop.
                    for _ in range(_TURNS):
                        await asyncio.sleep(0)
            answer = self._answer(response, body, built, credentials, limit)
            whole = own and answer.complete and not alone and not _is_ahead(client, exchange)
            return answer
        except httpx.HTTPStatusError as error:
            return self._answer(error.response, _body(error.response, max_bytes, exchange), built, credentials, limit)
        # Any bytes may arrive, and both httpx and httpcore let errors of other kinds through for some of them.
        except Exception as error:  # noqa: BLE001 - see above
            unsent = built is None or (own and not exchange.sent)
            failure = _transport_error(error, exchange, unsent, own, self.base_url, limit, self._through)
            raise failure from _kept(error, built, credentials)
        finally:
            EXCHANGE.reset(mark)
            if pool and client:
                await pool.put(client, whole=whole)

    async def close(self) -> None:
        """Close this event loop's connections; safe to call again. A caller's own client is left open."""
        self.closed = True
        pool = self._pools.pop(clock.running_loop(), None)
        if pool is not None and pool.pid == os.getpid():
            await pool.closing.aclose()

    def _pool(self) -> AsyncPool[httpx.AsyncClient] | None:
        self._check_usable(self._given)
        if self._given:
            return None
        loop = clock.running_loop()
        own = self._pools.get(loop)
        if own is None or own.pid != os.getpid():
            # A pool keeps its loop alive, so the ones of loops that are over are let go here.
            for other in [reference() for reference in self._pools.keyrefs()]:
                if other is not None and other.is_closed():
                    self._pools.pop(other, None)
            pool = AsyncPool(self._make)
            own = self._pools[loop] = _LoopPool(os.getpid(), pool, _closing(pool))
            with contextlib.suppress(StopIteration):
                own.closing.__anext__().send(None)
        return own.pool

    def _make(self) -> httpx.AsyncClient:
        try:
            transport = _AsyncTransport(**self._transport_options())
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise self._unusable(error) from None
        self._prepare(cast("Any", transport)._pool, "handle_async_request")
        return httpx.AsyncClient(transport=transport, **_own_client_options())


_TURNS = 30
_LIBRARIES = ("httpx", "httpcore", "h11")
# Modules whose frames have headers in variables.
_HOLD_HEADERS = ("httpcore", "h11", "httpx._models")
# Not InvalidURL, which httpx also raises for a Location that it can't join, after the request was sent.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _body(response: httpx.Response, max_bytes: int, exchange: Exchange) -> Body:
    """What the body of a response is collected in; of one that a hook of the caller's has read, what it read."""
    if not response.is_stream_consumed and not response.is_closed:
        return Body(response.headers.get("content-encoding", ""), max_bytes, exchange.check_time)
    body = Body("", max_bytes, exchange.check_time)
    try:
        body.add(response.content)
    except httpx.ResponseNotRead as error:
        body.error = error
    return body


def _is_ahead(client: Any, exchange: Exchange) -> bool:
    """Whether bytes came after the end of an answer: they'd be taken for the answer to the next request.

    httpcore leaves them with h11. It notices itself what the socket of an idle connection holds.
    """
    if exchange.stream is None or exchange.stream.is_ahead():
        return True
    for connection in client._transport._pool.connections:
        while connection is not None and not hasattr(connection, "_h11_state"):
            connection = getattr(connection, "_connection", None)
        if connection is not None and connection._h11_state.trailing_data[0]:
            return True
    return False


def _transport_error(
    error: Exception, exchange: Exchange, unsent: bool, own: bool, base_url: str, limit: float, through: str
) -> TransportError:
    """What an exception of httpx, or of anything below it, says of the request.

    Over our own backend it is known whether a byte was written; over a caller's client only what its exception says.
    """
    unsent = unsent or isinstance(error, _NEVER_SENT)
    outcome = Outcome.NOT_SENT if unsent else Outcome.UNKNOWN
    if isinstance(error, httpx.TimeoutException | httpcore.TimeoutException | TimeoutError):
        waiting_for = exchange.waiting_for if unsent else "the answer"
        return RequestTimeoutError(
            f"no answer from {base_url} within {limit:.3g} s, waiting for {waiting_for}{through}", outcome=outcome
        )
    why = f"{_cause(error)}{through}"
    if unsent:
        return ConnectError(f"no connection to {base_url}: {why}", outcome=outcome)
    silent = not exchange.received if own else _looks_silent(error)
    return ConnectionDroppedError(f"no answer from {base_url}: {why}", outcome=outcome, silent=silent)


def _kept(error: Exception, request: httpx.Request | None, credentials: Credentials) -> Exception | None:
    """The exception to chain, without the request's headers; None if it quotes a credential.

    httpx puts the request on its exceptions, and quotes in them what isn't HTTP; frames below it hold the headers. Of
    the exceptions below it the first is kept, and no traceback that shows only the insides of httpx and httpcore.
    """
    links = _links(error)
    for link in links:
        text = repr(link)
        if credentials.mask(text) != text:
            return None
        if isinstance(link, httpx.RequestError) and request is not None:
            link.request = httpx.Request(request.method, request.url)
        inside = any(
            str(frame.f_globals.get("__name__")).startswith(_HOLD_HEADERS)
            for frame, _ in traceback.walk_tb(link.__traceback__)
        )
        if inside or isinstance(link, OSError) or type(link).__module__.partition(".")[0] in _LIBRARIES:
            link.__traceback__ = None
    if len(links) > 1:
        error.__cause__ = links[-1]
        links[-1].__cause__ = None
    return error


def _links(error: Exception) -> list[Exception]:
    """An exception and those that caused it, down to the first.

    httpcore raises its own "from None", with what caused them as their context; any other context may be an exception
    that the caller was handling.
    """
    links: list[Exception] = []
    link: BaseException | None = error
    while isinstance(link, Exception) and link not in links:
        links.append(link)
        link = link.__cause__ or (link.__context__ if link.__suppress_context__ else None)
    return links


def _looks_silent(error: Exception) -> bool:
    return isinstance(error, httpx.ReadError) or "without sending a response" in str(error)


def _cause(error: Exception) -> str:
    # What isn't HTTP is quoted in the text of a protocol error, and nobody knows what it holds.
    if isinstance(error, httpx.ProtocolError) and "without sending" not in str(error):
        return f"{type(error).__name__}: what came isn't a complete HTTP answer"
    first = _links(error)[-1]
    if isinstance(first, httpx.ConnectError | httpcore.ConnectError):  # the name of our own
        return one_line(str(first), 200) or "it can't be made"
    return explain(first)


def as_httpx(answer: Answer, request: Request, base_url: str) -> httpx.Response:
    """An answer as the generated client expects it."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(k.encode(), v.encode("utf-8", "replace")) for k, v in answer.headers.items() if k not in framing]
    asked = httpx.Request(request.method, base_url + request.path)
    return httpx.Response(answer.status, headers=headers, content=answer.body, request=asked)
