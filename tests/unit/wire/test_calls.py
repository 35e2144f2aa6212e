"""What a client does around a request: cookies, redirects, waits, records, logs, views, closing, limits."""

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import httpx
import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    CallRecord,
    ConfigurationError,
    DataStorageClient,
    InvalidRequestError,
    Outcome,
    RateLimitError,
    RetryPolicy,
    ServiceUnavailableError,
)
from kubernaut_client.http import AsyncSession, Session
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import IDENTITY, ONCE, STORED, WORKFLOW, Driver
from tests.unit.wire.server import Received, answer, closed_port, keep_alive

EMPTY = answer(200, b'{"versions": null}')
QUICK = RetryPolicy(attempts=3, wait_initial=0, jitter=0)


def in_turn(*answers: bytes) -> Callable[[Received], bytes]:
    """These answers one after another, the last one again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def sleeps(client: Any, driver: Driver) -> list[float]:
    """Let the client's waits take no time, and list them."""
    noted: list[float] = []

    async def asleep(seconds: float) -> None:
        noted.append(seconds)

    client._options.session.sleep = asleep if driver.is_async else noted.append
    return noted


# Cookies and redirects -----------------------------------------------------------------------------------------------


def test_cookies_are_neither_kept_nor_sent(driver: Driver, serve: Serve) -> None:
    cookies = ("Set-Cookie: plain=1; Path=/", "Set-Cookie: odd=\xfc\xe9; Path=/", "Set-Cookie: a=b; Domain=127.0.0.1")
    server = serve(keep_alive(lambda _: answer(200, b'{"versions": null}', "application/json", *cookies)))
    client = driver.client(server.url)
    for _ in range(3):
        assert driver.run(lambda: client.workflows.versions("x")) == []
    assert len(server.requests) == 3
    assert not any("cookie" in received.headers for received in server.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int, driver: Driver, serve: Serve) -> None:
    elsewhere = serve(keep_alive(lambda _: answer(201, json.dumps(STORED).encode())))
    location = f"Location: {elsewhere.url}/api/v1/workflows"
    server = serve(keep_alive(lambda _: answer(status, b"", "", location)))
    client = driver.client(server.url, token="t0ken", retry=QUICK)
    error = driver.error(lambda: client.workflows.create(WORKFLOW))
    assert type(error) is APIError
    assert (error.status, error.outcome) == (status, Outcome.REFUSED)
    assert len(server.requests) == 1
    assert elsewhere.accepted == 0


# Waiting -------------------------------------------------------------------------------------------------------------

SOON = timedelta(seconds=20)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("2.5", 2.5, 2.5),
        ("-4", 0, 0),
        ("soon", 0, 0),
        ("nan", 0, 0),
        ("inf", 0, 0),
        ("1e400", 0, 0),
        ("\xe9", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 99 Oct 20999 07:28:00 GMT", 0, 0),
        ("date", 15, 20),
    ],
)
def test_retry_after(value: str, low: float, high: float, status: int, driver: Driver, serve: Serve) -> None:
    """It is a lower bound of the wait, not cut to `wait_max`; what can't be read counts as absent."""
    if value == "date":
        value = format_datetime(datetime.now(UTC) + SOON, usegmt=True)
    server = serve(keep_alive(in_turn(answer(status, b"", "", f"Retry-After: {value}"), EMPTY)))
    client = driver.client(server.url, retry=RetryPolicy(attempts=3, wait_initial=0, wait_max=1, jitter=0, deadline=60))
    waited = sleeps(client, driver)
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert len(waited) == 1
    assert low <= waited[0] <= high


@pytest.mark.parametrize("value", ["31", "1e308", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_retry_after_the_deadline(value: str, driver: Driver, serve: Serve) -> None:
    """Waiting longer than the call may take makes no sense: the answer is raised at once."""
    server = serve(keep_alive(lambda _: answer(429, b"", "", f"Retry-After: {value}")))
    client = driver.client(server.url, retry=RetryPolicy(attempts=3, deadline=30, wait_initial=0, jitter=0))
    waited = sleeps(client, driver)
    error = driver.error(lambda: client.workflows.versions("x"))
    assert type(error) is RateLimitError
    assert error.retry_after is not None
    assert error.retry_after >= 31
    assert waited == []
    assert len(server.requests) == 1


def test_write_waits_where_it_was_refused_for_now(driver: Driver, serve: Serve) -> None:
    limited = answer(429, b"", "", "Retry-After: 3")
    server = serve(keep_alive(in_turn(limited, answer(200, json.dumps(STORED).encode()))))
    client = driver.client(server.url, retry=QUICK)
    waited = sleeps(client, driver)
    row = driver.run(lambda: client.workflows.update(IDENTITY, status="active"))
    assert str(row.workflow_id) == IDENTITY
    assert waited == [3]
    assert [received.method for received in server.requests] == ["PATCH", "PATCH"]


def test_waits_double_up_to_their_limit(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(503, b"", "")))
    retry = RetryPolicy(attempts=6, wait_initial=0.5, wait_max=3, jitter=0, deadline=100)
    client = driver.client(server.url, retry=retry)
    waited = sleeps(client, driver)
    error = driver.error(lambda: client.workflows.versions("x"))
    assert type(error) is ServiceUnavailableError
    assert waited == [0.5, 1, 2, 3, 3]
    assert [attempt.delay for attempt in error.history] == [0, 0.5, 1, 2, 3, 3]


def test_no_wait_beyond_the_deadline(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: answer(503, b"", "")))
    retry = RetryPolicy(attempts=6, wait_initial=4, wait_max=100, jitter=0, deadline=5)
    client = driver.client(server.url, retry=retry)
    waited = sleeps(client, driver)
    assert type(driver.error(lambda: client.workflows.versions("x"))) is ServiceUnavailableError
    assert waited == [4]


# Records and logs ----------------------------------------------------------------------------------------------------


def test_record_of_every_attempt(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(in_turn(answer(503, b"", ""), answer(429, b"", ""), EMPTY)))
    records: list[CallRecord] = []
    client = driver.client(server.url, retry=QUICK, on_call=records.append)
    driver.run(lambda: client.workflows.versions("x"))
    assert [record.status for record in records] == [503, 429, 200]
    assert [record.attempt for record in records] == [1, 2, 3]
    assert [record.outcome for record in records] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.APPLIED]
    assert [type(record.error) for record in records] == [ServiceUnavailableError, RateLimitError, type(None)]
    assert {record.request_id for record in records} == {r.headers["x-request-id"] for r in server.requests}
    for record in records:
        assert record.operation == "listWorkflowVersions"
        assert record.route == "GET /api/v1/workflows/by-name/{workflow_name}/versions"
        assert record.elapsed > 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.status = 1  # type: ignore[misc]
        with pytest.raises((AttributeError, TypeError)):
            record.more = 1  # type: ignore[attr-defined]


def test_record_of_an_attempt_without_an_answer(driver: Driver) -> None:
    records: list[CallRecord] = []
    client = driver.client(f"http://127.0.0.1:{closed_port()}", on_call=records.append)
    error = driver.failed_create(client)
    (record,) = records
    assert (record.status, record.outcome, record.error) == (None, Outcome.NOT_SENT, error)
    assert record.route == "POST /api/v1/workflows"


def test_observer_that_raises(driver: Driver, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It is told in the log, by its class alone: nobody knows what it quotes."""
    calls: list[CallRecord] = []

    def observer(record: CallRecord) -> None:
        calls.append(record)
        raise ValueError("s3cr3t")

    server = serve(keep_alive(in_turn(answer(503, b"", ""), EMPTY)))
    client = driver.client(server.url, retry=QUICK, on_call=observer)
    with caplog.at_level(logging.WARNING, "kubernaut_client"):
        assert driver.run(lambda: client.workflows.versions("x")) == []
    assert len(calls) == 2
    told = [record.getMessage() for record in caplog.records if "on_call" in record.getMessage()]
    assert len(told) == 2
    assert all("ValueError" in text for text in told)
    assert "s3cr3t" not in caplog.text


def test_levels_of_the_log(driver: Driver, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(keep_alive(in_turn(answer(503, b"", ""), EMPTY)))
    client = driver.client(server.url, retry=QUICK, token="s3cr3t")
    with caplog.at_level(logging.DEBUG, "kubernaut_client"):
        driver.run(lambda: client.workflows.versions("x"))
    records = [record for record in caplog.records if record.name == "kubernaut_client"]
    assert [record.levelname for record in records] == ["DEBUG", "WARNING", "DEBUG"]
    request_id = server.requests[0].headers["x-request-id"]
    assert all(request_id in record.getMessage() for record in records)
    assert all(record.getMessage().isprintable() for record in records)
    assert "s3cr3t" not in caplog.text


def test_nothing_of_the_content_is_logged(driver: Driver, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(keep_alive(lambda _: answer(500, json.dumps({"detail": "s3cr3t\ncontent"}).encode())))
    client = driver.client(server.url, retry=QUICK)
    with caplog.at_level(logging.DEBUG, "kubernaut_client"):
        driver.error(lambda: client.workflows.create({**WORKFLOW, "content": "c0ntent"}))
    assert caplog.records
    assert "c0ntent" not in caplog.text
    assert all(record.getMessage().isprintable() for record in caplog.records if record.name == "kubernaut_client")


def test_importing_leaves_the_logger_alone() -> None:
    logger = logging.getLogger("kubernaut_client")
    assert logger.level == logging.NOTSET
    assert all(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert logger.propagate


# Views and closing ---------------------------------------------------------------------------------------------------


def test_view_uses_the_same_connections(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    client = driver.client(server.url, headers={"X-One": "1", "X-Two": "2"})
    records: list[CallRecord] = []
    view = client.with_options(timeout=3, retry=QUICK, headers={"X-Two": "two", "X-Three": "3"}, on_call=records.append)
    driver.run(lambda: client.workflows.versions("x"))
    driver.run(lambda: view.workflows.versions("x"))
    driver.run(view.close)
    assert not client.closed
    assert not view.closed
    driver.run(lambda: client.workflows.versions("x"))
    assert server.accepted == 1
    assert len(records) == 1
    names = ("x-one", "x-two", "x-three")
    assert [tuple(received.headers.get(name) for name in names) for received in server.requests] == [
        ("1", "2", None),
        ("1", "two", "3"),
        ("1", "2", None),
    ]
    assert type(view) is type(client)
    assert view.base_url == client.base_url


def test_closed_client(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    client = driver.client(server.url)
    view = client.with_options(timeout=1)
    driver.run(lambda: client.workflows.versions("x"))
    driver.run(client.close)
    driver.run(client.close)
    assert client.closed
    assert view.closed
    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.workflows.create(WORKFLOW),
        lambda: client.workflows.get(IDENTITY),
        client.workflows.list,
        lambda: client.workflows.versions("x"),
        lambda: client.workflows.update(IDENTITY, status="active"),
        lambda: (
            client.workflows.bootstrap([WORKFLOW]).raise_for_errors()
            if not driver.is_async
            else client.workflows.plan([WORKFLOW])
        ),
        client.health.check,
        lambda: view.workflows.versions("x"),
    )
    for call in calls:
        error = driver.error(call)
        assert type(error) is ConfigurationError
        assert error.outcome is Outcome.NOT_SENT
        assert "closed" in str(error)
    assert len(server.requests) == 1


def test_context_manager_closes(serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    with DataStorageClient(server.url) as client:
        assert client.workflows.versions("x") == []
    assert client.closed


async def test_async_context_manager_closes(serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    async with AsyncDataStorageClient(server.url) as client:
        assert await client.workflows.versions("x") == []
    assert client.closed


# A caller's own httpx client -----------------------------------------------------------------------------------------


def given(driver: Driver, **options: Any) -> Any:
    return (httpx.AsyncClient if driver.is_async else httpx.Client)(trust_env=False, **options)


def close_given(driver: Driver, http_client: Any) -> None:
    driver.run(http_client.aclose if driver.is_async else http_client.close)


def test_given_client_is_neither_changed_nor_closed(driver: Driver, serve: Serve) -> None:
    server = serve(keep_alive(lambda _: EMPTY))
    own = given(driver, headers={"X-Own": "yes"}, timeout=77, follow_redirects=True)
    before = (own.headers.raw, own.timeout, own.follow_redirects, own.event_hooks, own.base_url, dict(own.params))
    client = driver.client(server.url, http_client=own, token="t0ken", headers={"X-Ours": "too"})
    assert driver.run(lambda: client.workflows.versions("x")) == []
    driver.run(client.close)
    after = (own.headers.raw, own.timeout, own.follow_redirects, own.event_hooks, own.base_url, dict(own.params))
    assert after == before
    assert not own.is_closed
    (received,) = server.requests
    assert received.headers["x-own"] == "yes"
    assert received.headers["x-ours"] == "too"
    assert received.headers["authorization"] == "Bearer t0ken"
    close_given(driver, own)


def test_given_client_that_is_closed(driver: Driver) -> None:
    """Nothing can have been sent over it."""
    own = given(driver)
    close_given(driver, own)
    error = driver.failed_create(driver.client("http://127.0.0.1:1", http_client=own))
    assert error.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("make", [DataStorageClient, AsyncDataStorageClient])
def test_given_client_of_another_kind(make: Callable[..., Any]) -> None:
    wrong = httpx.Client if make is AsyncDataStorageClient else httpx.AsyncClient
    for other in (wrong(trust_env=False), object(), "client", httpx):
        with pytest.raises(ConfigurationError, match="http_client"):
            make("http://127.0.0.1:1", http_client=other)
        if isinstance(other, httpx.Client):
            other.close()


# Limits --------------------------------------------------------------------------------------------------------------

WRONG_SECONDS: tuple[Any, ...] = (0, -1, float("nan"), float("inf"), -float("inf"), "1", True, b"1", [1], 1e9, 10**400)


@pytest.mark.parametrize("value", WRONG_SECONDS, ids=[repr(value)[:12] for value in WRONG_SECONDS])
def test_durations_that_are_none(value: Any, driver: Driver) -> None:
    client = driver.client("http://127.0.0.1:1")
    for name in ("timeout", "deadline"):
        for call in (
            lambda name=name: client.workflows.versions("x", **{name: value}),
            lambda name=name: client.workflows.create(WORKFLOW, **{name: value}),
            lambda name=name: client.health.check(**{name: value}),
        ):
            error = driver.error(call)
            assert isinstance(error, InvalidRequestError)
            assert name in str(error)
            assert error.outcome is Outcome.NOT_SENT
    with pytest.raises(ConfigurationError, match="timeout"):
        client.with_options(timeout=value)
    with pytest.raises(ConfigurationError, match="timeout"):
        driver.client("http://127.0.0.1:1", timeout=value)
    with pytest.raises(ConfigurationError, match="deadline"):
        RetryPolicy(deadline=value)


def test_wait_until_ready_takes_seconds_too(driver: Driver) -> None:
    client = driver.client("http://127.0.0.1:1")
    for value in WRONG_SECONDS:
        assert "timeout" in str(driver.error(lambda value=value: client.wait_until_ready(value)))  # type: ignore[misc]


def test_wait_until_ready_says_what_was_answered_last(
    driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a pause took so long that there was no time left for another answer."""
    server = serve(keep_alive(lambda _: answer(403, b"no")))
    client = driver.client(server.url)
    pauses: list[float] = []

    def oversleep(_: Session, seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(0.96)

    async def aoversleep(_: AsyncSession, seconds: float) -> None:
        oversleep(cast("Session", _), seconds)

    monkeypatch.setattr(Session, "sleep", oversleep)
    monkeypatch.setattr(AsyncSession, "sleep", aoversleep)
    assert "403" in str(driver.error(lambda: client.wait_until_ready(1)))
    assert (len(pauses), len(server.requests)) == (1, 1)


def test_options_of_the_wrong_kind(driver: Driver) -> None:
    client = driver.client("http://127.0.0.1:1", retry=ONCE)
    wrong: tuple[dict[str, Any], ...] = (
        {"retry": 3},
        {"retry": {"attempts": 3}},
        {"on_call": 5},
        {"headers": {"X Y": "1"}},
        {"headers": {"X": "a\r\nb"}},
        {"headers": {"X-Request-ID": "mine"}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"X": "\xe9"}},
    )
    for options in wrong:
        with pytest.raises(ConfigurationError):
            client.with_options(**options)
        with pytest.raises(ConfigurationError):
            driver.client("http://127.0.0.1:1", **options)
