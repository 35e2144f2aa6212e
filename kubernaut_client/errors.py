"""Every exception of this package, and how sure each is about what the service did.

KubernautError                      .operation .outcome .history .request_id .inferred .evidence
├── ConfigurationError              also ValueError: the client was given something it can't work with
├── InvalidRequestError             also ValueError: refused before anything was sent; .problems says what
├── CatalogError                    .errors: everything wrong in a set of catalog files
├── BootstrapError                  .report: what a bootstrap did and didn't
├── SpoolError                      the audit spool is full, unreadable or closed
├── TransportError                  no usable answer
│   ├── ConnectError                no connection, or no token for it: nothing was sent
│   ├── RequestTimeoutError         also TimeoutError: an attempt or the whole call ran out of time
│   └── ConnectionDroppedError      the connection ended before an answer
├── ResponseDecodeError             a 2xx that can't be read; .status .headers .body
└── APIError                        any other answer; .status .problem .headers .body
    ├── BadRequestError             400
    │   ├── ValidationError         .field_errors
    │   └── ImmutableFieldError
    ├── AuthenticationError         401
    ├── PermissionDeniedError       403
    ├── NotFoundError               404
    ├── ConflictError               409; .existing .identical .maybe_ours
    ├── PayloadTooLargeError        413
    ├── RateLimitError              429; .retry_after
    └── ServerError                 5xx
        ├── InternalServerError
        ├── DatabaseError
        └── ServiceUnavailableError 503

Every class pickles, copies, deep-copies and prints without raising; no message, repr or pickle of one holds a token,
and messages hold neither workflow content nor event data. `error_for` is where an answer becomes one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from .problems import Problem, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubernaut_datastorage.models import StoredWorkflow

    from .receipts import AuditReceipt
    from .report import BootstrapReport


class Outcome(StrEnum):
    """What is known of the effect that a failed call had on the service."""

    NOT_SENT = "not_sent"
    """Nothing was sent: the service did nothing."""
    UNKNOWN = "unknown"
    """The request, or part of it, was sent; whether the service acted on it isn't known."""
    REFUSED = "refused"
    """The service answered that it didn't do it."""
    APPLIED = "applied"
    """The service did it, only its answer couldn't be read."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a call that failed or was settled, as `KubernautError.history` lists them.

    `delay` and `elapsed` are seconds: the wait before the request, and the time until its answer or its failure.
    `status` is None when no status line came; `error` is the name of the exception class, None for a success.
    """

    operation: str
    status: int | None
    outcome: Outcome
    error: str | None
    delay: float
    elapsed: float


@dataclass(frozen=True, slots=True, repr=False)
class Received:
    """An answer as it came, which decides; what the exception shows of it is masked (`masking`).

    `mask` masks a text out of it. Neither shown nor copied nor pickled with the exception.
    """

    problem: Problem
    headers: Mapping[str, str]
    body: bytes
    mask: Callable[[str], str] = str


class KubernautError(Exception):
    """Base of every exception that this package raises.

    `operation` is the operationId of the contract, `request_id` the X-Request-ID that was sent (so it exists when no
    answer came), `history` every request of the call in order. `inferred` says that the class was concluded from
    questions to the service rather than read from its answer; `evidence` then lists what was seen.

    Of a batch of events `receipts` says what became of each by then, in their order, None for one that has no end yet.
    `unstored` has the indices of those of them that are certainly not stored, as they were refused with the last
    request or never sent: they may be sent again. Of the others without a receipt nobody knows.
    """

    _received: Received | None = None

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        outcome: Outcome = Outcome.NOT_SENT,
        history: tuple[Attempt, ...] = (),
        request_id: str | None = None,
        inferred: bool = False,
        evidence: tuple[str, ...] = (),
        receipts: tuple[AuditReceipt | None, ...] = (),
        unstored: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.outcome = outcome
        self.history = history
        self.request_id = request_id
        self.inferred = inferred
        self.evidence = evidence
        self.receipts = receipts
        self.unstored = unstored

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        where = self.operation or ""
        if self.request_id:
            where += f"{', ' if where else ''}request {self.request_id}"
        return f"{message} ({where})" if where else message

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.outcome}: {self}>"

    def __reduce__(self) -> tuple[Callable[..., KubernautError], tuple[Any, ...]]:
        state = {name: value for name, value in self.__dict__.items() if name != "_received"}
        return _restore, (type(self), self.args, state)


class ConfigurationError(KubernautError, ValueError):
    """The client was configured with something that it can't work with; the message names the argument or variable."""


class InvalidField(NamedTuple):
    """One thing that is wrong with an input."""

    field: str
    """The path inside the input (`labels.severity`, `custom_labels.team[0]`) or the name of the argument."""
    reason: str
    """What is wrong and what would be right, in one line."""


class InvalidRequestError(KubernautError, ValueError):
    """The input was refused before anything was sent; the message names the fields and their limits, up to ten.

    `problems` has all that is wrong, in the order of the contract; `field` is that of the first.
    """

    def __init__(
        self, message: str = "", *, field: str | None = None, problems: Iterable[InvalidField] = (), **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.field = field
        self.problems: tuple[InvalidField, ...] = tuple(problems)
        if field is not None and not self.problems:
            self.problems = (InvalidField(field, message.removeprefix(f"{field}: ")),)


class CatalogError(KubernautError):
    """A set of catalog files has problems; `errors` lists all of them and nothing was sent."""

    def __init__(self, message: str = "", *, errors: Sequence[Any] = (), **context: Any) -> None:
        super().__init__(message, **context)
        self.errors: tuple[Any, ...] = tuple(errors)


class BootstrapError(KubernautError):
    """A bootstrap didn't do all that was asked; `report` says what was done and what not."""

    def __init__(self, message: str = "", *, report: BootstrapReport | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.report = report


class SpoolError(KubernautError):
    """The audit spool is full, unreadable or closed; the message names the path and what to do."""


class TransportError(KubernautError):
    """No usable answer came."""


class ConnectError(TransportError):
    """No connection could be made (refused, unresolvable, TLS, proxy), or no token be had: nothing was sent.

    A token source that fails after the client was made, or gives no token, is named in the message. Such an attempt is
    repeated like one that found no connection.
    """


class RequestTimeoutError(TransportError, TimeoutError):
    """An attempt or the whole call ran out of time: NOT_SENT before the first byte, else UNKNOWN."""


class ConnectionDroppedError(TransportError):
    """The connection ended, or carried something that isn't HTTP, before an answer could be read.

    `silent` says that it was closed without a single byte, which is how the service answers for an unknown workflow id.
    """

    def __init__(self, message: str = "", *, silent: bool = False, **context: Any) -> None:
        super().__init__(message, **context)
        self.silent = silent


class ResponseDecodeError(KubernautError):
    """A 2xx answer that can't be read.

    APPLIED when it was the documented success status with JSON that is cut or unreadable, else UNKNOWN. `cut` says that
    the connection ended, or the time was up, in the middle of the body. `items` holds what could not be read when a
    list was walked: its good items have been handed out.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        items: Sequence[str] = (),
        cut: bool = False,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.cut = cut
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body
        self.items: tuple[str, ...] = tuple(items)


class APIError(KubernautError):
    """The service, or something before it, answered with another status than success.

    `headers` has lower-case names, `body` the whole body as received, `problem` what could be read out of it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        problem: Problem | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.problem: Problem = problem or Problem(0)
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.problem.status


class BadRequestError(APIError):
    """400: the service refused the request."""


class ValidationError(BadRequestError):
    """400: the service's validation refused the request."""

    @property
    def field_errors(self) -> dict[str, str]:
        """Field (a JSON pointer into the body, or a parameter's name) → reason, as far as the service named them."""
        return self.problem.field_errors


class ImmutableFieldError(BadRequestError):
    """400: description, content and labels of a stored workflow can't be changed; store another version."""


class AuthenticationError(APIError):
    """401: no token, or one that isn't accepted."""


class PermissionDeniedError(APIError):
    """403: the token doesn't allow this."""


class NotFoundError(APIError):
    """404 as a problem document, or (`inferred`) concluded from connections that were closed without an answer.

    An inferred one has status 404 and an empty body. It is wrong if something between client and service drops the
    connection for this id alone while it answers health checks.
    """


class ConflictError(APIError):
    """409: it exists already; on builds that answer a duplicate with 500, concluded by looking (`inferred`).

    `existing` is the stored row and `identical` whether it equals what was to be created (the comparison of
    `EnsureResult.differences`); both are None when the row couldn't be read. `maybe_ours` says that an earlier attempt
    of the same call had no answer, or a fault for one, so that attempt may have stored the row.
    """

    def __init__(
        self,
        message: str = "",
        *,
        existing: StoredWorkflow | None = None,
        identical: bool | None = None,
        maybe_ours: bool = False,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.existing = existing
        self.identical = identical
        self.maybe_ours = maybe_ours

    @property
    def resource(self) -> str | None:
        """What exists, where the service says it (`notification_audit`)."""
        return self._extension("resource")

    @property
    def field(self) -> str | None:
        """The field that must be unique, where the service says it."""
        return self._extension("field")

    @property
    def value(self) -> str | None:
        """The value that is taken, where the service says it."""
        return self._extension("value")

    def _extension(self, name: str) -> str | None:
        value = self.problem.extensions.get(name)
        return value if isinstance(value, str) else None


class PayloadTooLargeError(APIError):
    """413: the request body is larger than the service, or a proxy, takes."""


class RateLimitError(APIError):
    """429: too many requests."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from Retry-After; None when it is absent or unreadable."""
        return retry_after(received(self).headers)


class ServerError(APIError):
    """5xx."""


class InternalServerError(ServerError):
    """`internal-error`, and any 5xx without a class of its own."""


class DatabaseError(ServerError):
    """`database-error`: the service couldn't read or write its database."""


class ServiceUnavailableError(ServerError):
    """503, or a fault that turned out to be an outage of the service's database."""


_BY_SLUG: dict[str, type[APIError]] = {
    "validation-error": ValidationError,
    "bad-request": BadRequestError,
    "invalid-request": BadRequestError,
    "invalid-event-data": BadRequestError,
    "immutable-field-violation": ImmutableFieldError,
    "not-found": NotFoundError,
    "conflict": ConflictError,
    "database-error": DatabaseError,
    "internal-error": InternalServerError,
    "service-unavailable": ServiceUnavailableError,
}
_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    409: ConflictError,
    413: PayloadTooLargeError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}


def received(error: KubernautError) -> Received:
    """The answer that an exception was made of, as it came; of one without an answer, an empty one."""
    kept = error._received  # pyright: ignore[reportPrivateUsage]
    if kept is not None:
        return kept
    problem, headers, body = (getattr(error, name, None) for name in ("problem", "headers", "body"))
    return Received(problem or Problem(0), headers or {}, body or b"")


def class_for(problem: Problem) -> type[APIError]:
    """The class of a problem: by its type first, by its status second.

    A 404 without a problem document comes from a router that doesn't know the path, not from Data Storage's catalog, so
    it is a plain `APIError`. A type names a class only for the family of status it is about: a proxy's 302 that quotes
    one stays an `APIError`.
    """
    status = problem.status
    named = _BY_SLUG.get(problem.slug)
    if named is not None and status >= 400:
        return named
    if status == 404 and problem.is_document:
        return NotFoundError
    if status >= 500:
        return _BY_STATUS.get(status, InternalServerError)
    return _BY_STATUS.get(status, APIError)


def error_for(
    problem: Problem,
    *,
    write: bool,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    kind: type[APIError] | None = None,
) -> APIError:
    """The exception for an answer that isn't a success; `kind` replaces the class that the problem would give."""
    cls = kind or class_for(problem)
    message = f"{problem.status} {problem.summary}"
    if problem.status == 404 and not problem.is_document:
        message += "; the path is unknown there: check base_url"
    outcome = Outcome.UNKNOWN if write and problem.status >= 500 else Outcome.REFUSED
    return cls(message, problem=problem, headers=headers, body=body, outcome=outcome)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110: seconds or an HTTP date), never negative; None without one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if isfinite(seconds) else None


def explain(error: BaseException) -> str:
    """The class and first line of a foreign exception, for a message."""
    text = one_line(str(error), 200)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _restore(cls: type[KubernautError], args: tuple[Any, ...], state: dict[str, Any]) -> KubernautError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


# Shown and pickled under the name that callers import, so that neither a traceback nor a pickle depends on this file.
for _cls in [value for value in globals().values() if isinstance(value, type) and issubclass(value, KubernautError)]:
    _cls.__module__ = "kubernaut_client"
Outcome.__module__ = InvalidField.__module__ = "kubernaut_client"
