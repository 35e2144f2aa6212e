"""When a failed attempt is repeated and how long is waited: the policy's limits and its pure functions."""

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_client import (
    APIError,
    AuthenticationError,
    BadRequestError,
    BootstrapError,
    CatalogError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionDroppedError,
    DatabaseError,
    ImmutableFieldError,
    InternalServerError,
    InvalidRequestError,
    KubernautError,
    NotFoundError,
    Outcome,
    PayloadTooLargeError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
    ServerError,
    ServiceUnavailableError,
    SpoolError,
    TransportError,
    ValidationError,
)
from kubernaut_client.retry import lost, repeatable, seconds, symptom

# The policy ----------------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    assert dataclasses.asdict(RetryPolicy()) == {
        "attempts": 3,
        "deadline": 30.0,
        "wait_initial": 0.1,
        "wait_max": 5.0,
        "jitter": 0.1,
    }


def test_it_is_frozen_and_takes_keywords_only() -> None:
    policy = RetryPolicy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.attempts = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    positional: Any = RetryPolicy
    with pytest.raises(TypeError):
        positional(3)


LIMITS = {
    "attempts": (1, 100),
    "deadline": (1e-9, 86400),
    "wait_initial": (0, 3600),
    "wait_max": (0, 3600),
    "jitter": (0, 3600),
}


@pytest.mark.parametrize(("field", "limits"), LIMITS.items())
def test_values_at_the_limits(field: str, limits: tuple[float, float]) -> None:
    for value in limits:
        given_field: dict[str, Any] = {field: value}
        assert getattr(RetryPolicy(**given_field), field) == value


NOT_SECONDS: list[Any] = [
    None,
    True,
    False,
    "3",
    b"3",
    "",
    [],
    {},
    (),
    3j,
    Decimal(3),
    timedelta(seconds=3),
    object(),
    float("nan"),
    float("inf"),
    float("-inf"),
    -1,
    -0.001,
    86400.001,
    86401,
    10**400,
    -(10**400),
    10**5000,
]


@pytest.mark.parametrize("value", NOT_SECONDS, ids=range(len(NOT_SECONDS)))
@pytest.mark.parametrize("field", LIMITS)
def test_values_that_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**{field: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    message = str(caught.value)
    assert f"RetryPolicy.{field}" in message
    assert ("100" if field == "attempts" else "86400" if field == "deadline" else "3600") in message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize("value", [0, 101, 1.0, 2.5])
def test_attempts_that_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\.attempts .* 1 to 100"):
        RetryPolicy(attempts=value)


def test_a_deadline_of_zero_is_refused_and_waits_of_zero_are_not() -> None:
    with pytest.raises(ConfigurationError, match=r"deadline .* above 0"):
        RetryPolicy(deadline=0)
    assert RetryPolicy(wait_initial=0, wait_max=0, jitter=0).wait(5) == 0.0


def test_a_refusal_does_not_repeat_a_long_value() -> None:
    with pytest.raises(ConfigurationError) as caught:
        seconds("timeout", "x" * 5000, 10)
    assert len(str(caught.value)) < 400


# Waiting -------------------------------------------------------------------------------------------------------------

DURATION = st.floats(0, 3600)


@given(
    initial=DURATION,
    most=DURATION,
    jitter=DURATION,
    failures=st.integers(1, 10_000),
    draw=st.none() | st.floats(0, 1, exclude_max=True),
)
def test_wait_lies_between_the_schedule_and_the_schedule_with_jitter(
    initial: float, most: float, jitter: float, failures: int, draw: float | None
) -> None:
    waited = RetryPolicy(wait_initial=initial, wait_max=most, jitter=jitter).wait(failures, draw=draw)
    exponent = min(failures - 1, 40)
    schedule = min(most, initial * 2**exponent) if failures <= 41 or initial * 2**40 >= most else None
    assert 0 <= waited <= most + jitter
    if schedule is not None:
        assert schedule <= waited <= schedule + jitter
    if draw is not None and schedule is not None:
        assert waited == pytest.approx(schedule + jitter * draw)


def test_the_schedule_doubles_up_to_its_limit() -> None:
    policy = RetryPolicy(wait_initial=0.1, wait_max=1.0, jitter=0)
    assert [policy.wait(n) for n in range(1, 7)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_the_jitter_is_drawn_anew() -> None:
    policy = RetryPolicy(wait_initial=0, wait_max=0, jitter=1)
    drawn = {policy.wait(1) for _ in range(50)}
    assert len(drawn) > 1
    assert all(0 <= wait < 1 for wait in drawn)


def refused(status: int = 429, retry_after: str | None = None) -> APIError:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    cls = RateLimitError if status == 429 else ServiceUnavailableError
    return cls("m", problem=Problem(status), headers=headers, outcome=Outcome.REFUSED)


@given(asked=st.integers(0, 100_000), failures=st.integers(1, 50), status=st.sampled_from([429, 503]))
def test_retry_after_is_a_lower_bound(asked: int, failures: int, status: int) -> None:
    policy = RetryPolicy()
    without = policy.wait(failures, draw=0.5)
    assert policy.wait(failures, refused(status, str(asked)), draw=0.5) == max(float(asked), without)


def test_retry_after_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 <= RetryPolicy().wait(1, refused(503, soon)) <= 100


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "inf", ""])
def test_an_unusable_retry_after_changes_nothing(value: str) -> None:
    policy = RetryPolicy()
    assert policy.wait(2, refused(429, value), draw=0.0) == policy.wait(2, draw=0.0)


def test_errors_without_headers_change_nothing() -> None:
    policy = RetryPolicy()
    for error in (None, ConnectError("m"), ConnectionDroppedError("m"), refused()):
        assert policy.wait(1, error, draw=0.0) == pytest.approx(0.1)


# What is repeated ----------------------------------------------------------------------------------------------------

WITHOUT_STATUS: tuple[type[KubernautError], ...] = (
    KubernautError,
    ConfigurationError,
    InvalidRequestError,
    CatalogError,
    BootstrapError,
    SpoolError,
    TransportError,
    ConnectError,
    RequestTimeoutError,
    ConnectionDroppedError,
    ResponseDecodeError,
)
WITH_STATUS: dict[int, tuple[type[APIError], ...]] = {
    302: (APIError,),
    400: (BadRequestError, ValidationError, ImmutableFieldError),
    401: (AuthenticationError,),
    403: (PermissionDeniedError,),
    404: (NotFoundError, APIError),
    408: (APIError,),
    409: (ConflictError,),
    413: (PayloadTooLargeError,),
    425: (APIError,),
    429: (RateLimitError, APIError),
    500: (InternalServerError, DatabaseError, ServerError),
    501: (InternalServerError,),
    502: (InternalServerError, APIError),
    503: (ServiceUnavailableError, DatabaseError),
    504: (InternalServerError,),
    520: (InternalServerError,),
}


def failures() -> list[KubernautError]:
    """Every class with every outcome, and those of an answer with each status that gives them."""
    found: list[KubernautError] = [
        cls("m", outcome=outcome)
        for cls, outcome in product(WITHOUT_STATUS, Outcome)
        # Nobody refused, and nothing is known to be applied, when no answer came.
        if not issubclass(cls, TransportError) or outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN)
    ]
    for status, classes in WITH_STATUS.items():
        for cls, outcome, document in product(classes, (Outcome.REFUSED, Outcome.UNKNOWN), (False, True)):
            found.append(cls("m", problem=Problem(status, is_document=document), outcome=outcome))
    return found


FAILURES = failures()


def named(error: KubernautError) -> str:
    status = f"-{error.status}-{error.problem.is_document}" if isinstance(error, APIError) else ""
    return f"{type(error).__name__}-{error.outcome}{status}"


@pytest.mark.parametrize("error", FAILURES, ids=named)
def test_what_is_repeated(error: KubernautError) -> None:
    """Reads: connect errors, drops, timeouts, 429, 502, 503, 504, database-error. Writes: never sent, or 429."""
    unsent = isinstance(error, TransportError) and error.outcome is Outcome.NOT_SENT
    limited = isinstance(error, APIError) and error.status == 429
    passing = isinstance(error, APIError) and (error.status in (502, 503, 504) or isinstance(error, DatabaseError))
    ended = isinstance(error, ConnectionDroppedError | RequestTimeoutError) and error.outcome is Outcome.UNKNOWN
    assert repeatable(error, write=True) is (unsent or limited)
    assert repeatable(error, write=False) is (unsent or limited or passing or ended)


@pytest.mark.parametrize("error", FAILURES, ids=named)
def test_a_write_is_repeated_only_where_a_read_is(error: KubernautError) -> None:
    assert repeatable(error, write=False) or not repeatable(error, write=True)


@pytest.mark.parametrize("error", FAILURES, ids=named)
def test_what_was_lost(error: KubernautError) -> None:
    if isinstance(error, APIError):
        assert lost(error) is (error.status in (502, 503, 504))
    else:
        dropped = isinstance(error, ConnectionDroppedError | RequestTimeoutError)
        assert lost(error) is (dropped and error.outcome is Outcome.UNKNOWN)


@pytest.mark.parametrize("error", FAILURES, ids=named)
def test_what_looks_like_an_unknown_id(error: KubernautError) -> None:
    mesh = isinstance(error, APIError) and error.status in (502, 503, 504) and not error.problem.is_document
    assert symptom(error) == (str(error.status) if mesh and isinstance(error, APIError) else "")


@pytest.mark.parametrize("was", [False, True])
def test_a_drop_is_silent_if_no_byte_came(was: bool) -> None:
    assert symptom(ConnectionDroppedError("m", silent=was, outcome=Outcome.UNKNOWN)) == ("silence" if was else "")


@pytest.mark.parametrize("cut", [False, True])
def test_only_a_read_whose_body_was_cut_is_repeated(cut: bool) -> None:
    error = ResponseDecodeError("m", cut=cut, outcome=Outcome.APPLIED)
    assert repeatable(error, write=False) is cut
    assert repeatable(error, write=True) is False
