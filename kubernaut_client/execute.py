"""One call: every request of it, within one deadline, told to the logger, to `on_call` and to the error that ends it.

`execute` is the only way from a resource, from `raw` or from anything else to the network. Whether a failure is
repeated is decided in `retry` and `settle`, tenacity waits, `http` sends. The synchronous twin of this module is
generated from it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from .config import secrets
from .errors import Attempt, InvalidRequestError, KubernautError, Outcome, RequestTimeoutError
from .http import AsyncSession, Request, as_httpx
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
    """How calls are made: `timeout` is the seconds for one attempt."""

    session: AsyncSession
    timeout: float
    retry: RetryPolicy
    on_call: OnCall | None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def call(self, timeout: float | None = None, deadline: float | None = None) -> AsyncCall:
        """A new call with these options; `timeout` and `deadline` are a method's own, in seconds."""
        return AsyncCall(
            self,
            self.timeout if timeout is None else seconds("timeout", timeout, kind=InvalidRequestError),
            self.retry.deadline if deadline is None else seconds("deadline", deadline, kind=InvalidRequestError),
        )


async def execute(operation: Operation[T], request: Request, options: AsyncOptions) -> T:
    """One operation as a call of its own."""
    return await options.call().execute(operation, request)


class AsyncCall:
    """A call in progress: its deadline, its request id and every request that it made."""

    def __init__(self, options: AsyncOptions, timeout: float, deadline: float) -> None:
        self.history: list[Attempt] = []
        self.request_id: str = uuid4().hex
        self.session: AsyncSession = options.session
        self._options = options
        self._timeout = timeout
        self._deadline = deadline
        self._end = self._last = time.monotonic() + deadline
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
        started = time.monotonic()
        status: int | None = None
        try:
            token = await self.session.authorization(self._limit())
            limit = self._limit()
            headers = {**self._options.headers, "x-request-id": self.request_id}
            if token:
                headers["authorization"] = f"Bearer {token}"
            answer = await self.session.request(request, headers, limit, alone)
            status = answer.status
            try:
                value, unread = operation.read(answer), False
            except KubernautError:
                value, unread = None, True
            if unread:
                # Services and proxies quote what they were sent; an error is kept, so nothing secret may be in it.
                hidden = secrets({**self.session.headers, **self._options.headers})
                value = operation.read(answer.without([*hidden, token] if token else hidden))
        except KubernautError as error:
            self._record(operation, status, error.outcome, time.monotonic() - started, error)
            raise
        self._record(operation, status, Outcome.APPLIED, time.monotonic() - started, None)
        return cast("T", value)

    def _limit(self) -> float:
        """Seconds for the next attempt."""
        left = self._last - time.monotonic()
        if left <= 0:
            raise RequestTimeoutError(f"the deadline of {self._deadline:.3g} s was over before it was sent")
        return min(self._timeout, left)

    def sign(self, error: KubernautError, operation: Operation[Any]) -> KubernautError:
        """Put on an error what is known of the call by now."""
        error.operation = operation.name
        error.request_id = self.request_id
        error.history = tuple(self.history)
        return error

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
        return enough or time.monotonic() + state.upcoming_sleep >= self._last

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
    """What the generated client takes for its httpx client: it sends by `execute` and raises for anything but a 2xx."""

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """One request as the generated modules make it; `InvalidRequestError` for one that isn't in the contract."""
        request = encode({"method": method, "url": url, **arguments})
        answer = await execute(Unread.of(operation_for(request)), request, self._options)
        return as_httpx(answer, request, self._options.session.base_url)


def _failure(state: RetryCallState) -> KubernautError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, KubernautError) else None
