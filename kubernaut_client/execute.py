"""One call: every request of it, within one deadline, told to the logger, to `on_call` and to the error that ends it.

`execute` is the only way from a resource, from `raw` or from anything else to the network. Whether a failure is
repeated is decided in `retry` and `settle`, tenacity waits, `http` sends. The synchronous twin of this module is
generated from it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from . import clock
from .config import headers as checked_headers
from .errors import Attempt, ConfigurationError, InvalidRequestError, KubernautError, Outcome, RequestTimeoutError
from .http import AsyncSession, Request, as_httpx
from .masking import Credentials
from .operations import CallRecord, Operation, Unread, encode, operation_for
from .problems import reason_phrase
from .retry import RetryPolicy, repeatable, seconds

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

OnCall = Callable[[CallRecord], object]

_logger = logging.getLogger("kubernaut_client")
# Without a handler of the application's, Python would print the warnings of a library to stderr.
_logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class AsyncOptions:
    """How calls are made: `timeout` is the seconds for one attempt, `max_response_bytes` the limit for a body."""

    session: AsyncSession
    timeout: float
    retry: RetryPolicy
    on_call: OnCall | None
    max_response_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def call(self, timeout: float | None = None, deadline: float | None = None) -> AsyncCall:
        """A new call with these options; `timeout` and `deadline` are a method's own, in seconds."""
        return AsyncCall(
            self,
            self.timeout if timeout is None else seconds("timeout", timeout, kind=InvalidRequestError),
            self.retry.deadline if deadline is None else seconds("deadline", deadline, kind=InvalidRequestError),
        )


class Clock:
    """Calls within one deadline, if there is one; else each has the deadline of the retry policy.

    `each` is the limit of one of them within the deadline.
    """

    def __init__(
        self, options: AsyncOptions, timeout: float | None, deadline: float | None, each: float | None = None
    ) -> None:
        self._options = options
        self._timeout = timeout
        self._each = each
        self._deadline = (
            None if deadline is None else clock.monotonic() + seconds("deadline", deadline, kind=InvalidRequestError)
        )

    def call(self) -> AsyncCall:
        """The next call. Raises `RequestTimeoutError` when the time is up."""
        if self._deadline is None:
            return self._options.call(self._timeout)
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise RequestTimeoutError("the deadline was over before it was sent")
        return self._options.call(self._timeout, left if self._each is None else min(left, self._each))


async def execute(operation: Operation[T], request: Request, options: AsyncOptions) -> T:
    """One operation as a call of its own."""
    return await options.call().execute(operation, request)


class AsyncCall:
    """A call in progress: its deadline, its request id and every request that it made."""

    def __init__(self, options: AsyncOptions, timeout: float, deadline: float) -> None:
        self.history: list[Attempt] = []
        self.request_id: str = uuid4().hex
        self.session: AsyncSession = options.session
        self.credentials: Credentials = Credentials(
            {**options.headers, "x-request-id": self.request_id}, self.session.proxy
        )
        self._options = options
        self._timeout = timeout
        self._deadline = deadline
        self._end = self._last = clock.monotonic() + deadline
        self._delay = 0.0

    async def execute(
        self,
        operation: Operation[T],
        request: Request,
        *,
        again: Callable[[KubernautError], bool] | None = None,
        spare: float = 0.0,
    ) -> T:
        """Send until it succeeds, is refused, or attempts or time are up; then raise the last failure.

        `again` says which failures are repeated, by default what is harmless for the operation. `spare` is the share of
        the deadline that is left for whatever settles the outcome afterwards.
        """
        self._last = self._end - spare * self._deadline
        send = partial(self.attempt, operation, request)
        try:
            return await self.repeat(operation, send, again or partial(repeatable, write=operation.write))
        finally:
            self._last = self._end

    async def repeat(
        self,
        operation: Operation[Any],
        send: Callable[[], Awaitable[T]],
        again: Callable[[KubernautError], bool],
    ) -> T:
        """`send` until it doesn't raise, or raises what `again` doesn't take, or attempts or time are up.

        The error that ends it is UNKNOWN if an attempt before the last one may have been carried out.
        """
        try:
            return await self._repeat(send, again)
        except KubernautError as error:
            if operation.write and self.unknown_before(operation) and error.outcome is not Outcome.APPLIED:
                error.outcome = Outcome.UNKNOWN
            raise

    async def _repeat(self, send: Callable[[], Awaitable[T]], again: Callable[[KubernautError], bool]) -> T:
        try:
            return await send()
        except KubernautError as error:
            if self._options.retry.attempts == 1 or not again(error):
                raise
            first = error
        # tenacity is given the first failure as its first attempt, so that a call that succeeds never meets it.
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, KubernautError) and again(error)),
            wait=self._wait,
            stop=self._stop,
            before_sleep=self._before_sleep,
            sleep=self.session.sleep,
            reraise=True,
        )
        async for state in retrying:
            with state:
                if state.retry_state.attempt_number == 1:
                    raise first
                return await send()
        raise first

    async def attempt(self, operation: Operation[T], request: Request, *, alone: bool = False) -> T:
        """Send once; `alone`: over a connection of its own. Recorded in the history, the log and by `on_call`."""
        started = clock.monotonic()
        status: int | None = None
        try:
            self.credentials.bearer(await self.session.authorization(self._limit()))
            max_bytes = self._options.max_response_bytes
            answer = await self.session.request(request, self.credentials, self._limit(), max_bytes, alone)
            status = answer.status
            value = operation.read(answer)
        except KubernautError as error:
            self._record(operation, status, error.outcome, clock.monotonic() - started, error)
            # The frames below hold the answer as it came.
            error.__traceback__ = None
            raise
        self._record(operation, status, Outcome.APPLIED, clock.monotonic() - started, None)
        return value

    def _limit(self) -> float:
        """Seconds for the next attempt."""
        left = self._last - clock.monotonic()
        if left <= 0:
            raise RequestTimeoutError(f"the deadline of {self._deadline:.3g} s was over before it was sent")
        return min(self._timeout, left)

    def sign(self, error: KubernautError, operation: Operation[Any]) -> KubernautError:
        """Mask an error of this call, and put on it what is known of the call by now."""
        self.credentials.hide(error)
        error.operation = operation.name
        error.request_id = self.request_id
        error.history = tuple(self.history)
        return error

    def mask(self, text: str) -> str:
        """A text out of an answer for a message, without the credentials of this call."""
        return self.credentials.mask(text)

    def unknown_before(self, operation: Operation[Any]) -> bool:
        """Whether an attempt at this operation before the last one may have been carried out."""
        outcomes = [attempt.outcome for attempt in self.history if attempt.operation == operation.name]
        return Outcome.UNKNOWN in outcomes[:-1]

    def _record(
        self,
        operation: Operation[Any],
        status: int | None,
        outcome: Outcome,
        elapsed: float,
        error: KubernautError | None,
    ) -> None:
        name = type(error).__name__ if error else None
        self.history.append(Attempt(operation.name, status, outcome, name, self._delay, elapsed))
        self._delay = 0.0
        if error is not None:
            self.sign(error, operation)
        number = len(self.history)
        if _logger.isEnabledFor(logging.DEBUG):
            seen = name or f"{status} {reason_phrase(status or 0)}"
            _logger.debug(
                "%s attempt %d: %s, %s, %.3f s, request %s",
                operation.name,
                number,
                seen,
                outcome,
                elapsed,
                self.request_id,
            )
        if self._options.on_call is not None:
            record = CallRecord(
                operation.name, operation.route, number, status, outcome, elapsed, self.request_id, error
            )
            try:
                self._options.on_call(record)
            # A broken observer must not break, or repeat, what it observes.
            except Exception as failure:  # noqa: BLE001 - see above
                _logger.warning("on_call raised %s; the call goes on", type(failure).__name__)

    def _wait(self, state: RetryCallState) -> float:
        return self._options.retry.wait(state.attempt_number, _failure(state))

    def _stop(self, state: RetryCallState) -> bool:
        enough = state.attempt_number >= self._options.retry.attempts
        return enough or clock.monotonic() + state.upcoming_sleep >= self._last

    def _before_sleep(self, state: RetryCallState) -> None:
        error = _failure(state)
        self._delay = state.upcoming_sleep
        _logger.warning(
            "%s failed (%s, %s), attempt %d of %d; again in %.2f s, request %s",
            error.operation if error else "call",
            type(error).__name__,
            error.outcome if error else Outcome.UNKNOWN,
            state.attempt_number,
            self._options.retry.attempts,
            state.upcoming_sleep,
            self.request_id,
        )


class AsyncRaw:
    """What the generated client takes for its httpx client: it sends by `execute` and raises for anything but a 2xx.

    Of httpx's methods it has those that send a request of the contract; of others it says that it hasn't.
    """

    __slots__ = ("_options",)

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **others: Any,
    ) -> httpx.Response:
        """One request as the generated modules make it.

        Raises:
            InvalidRequestError: The request isn't in the contract, or has what can't be sent.
        """
        for name in others:
            if others[name] is not None:
                raise InvalidRequestError(
                    f"{name}: can't be sent by client.raw, give params, json or headers", field=name
                )
        try:
            request = encode({"method": method, "url": url, "params": params, "json": json, "headers": headers})
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequestError("json: holds what JSON can't", field="json") from None
        request = replace(request, headers=checked_headers(request.headers, self._options.session.token))
        headers = None  # no frame of a traceback keeps them
        operation = Unread.of(operation_for(request))
        answer = await self._options.call(timeout).execute(operation, request)
        return as_httpx(answer, request, self._options.session.base_url)

    async def aclose(self) -> None:
        """Do nothing: the connections are those of the client."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name in ("get", "post", "put", "patch", "delete", "head", "options"):
            return partial(self.request, name.upper())
        if name.startswith("_"):
            raise AttributeError(name)
        raise ConfigurationError(
            f"client.raw has no {name} of an httpx client: what it sends goes through the client's own session; see "
            "with_options, raw.with_headers and raw.with_timeout"
        )


def _failure(state: RetryCallState) -> KubernautError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, KubernautError) else None
