"""No answer is held in memory beyond a limit, however it is framed and coded, and whoever's client reads it."""

import functools
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from kubernaut_client import (
    APIError,
    AsyncDataStorageClient,
    ConfigurationError,
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    DataStorageClient,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
)
from kubernaut_client.body import KEPT
from kubernaut_client.operations import METRICS, QUERY_AUDIT_EVENTS
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import EVENT, IDENTITY, STORED, WORKFLOW, Driver
from tests.unit.wire.server import Connection, Script, answer, once
from tests.unit.wire.test_outcomes import problem

LIMIT = 100_000
MEMORY = 4 * 10**6
"""What a refused answer may take at most; all of them would take a hundred times as much."""
BODY = json.dumps(STORED).encode()
ENDLESS_HEAD = b"HTTP/1.1 %d Any\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"


def flood(head: bytes, piece: bytes) -> Script:
    """Send the beginning, then the same piece until the client goes away."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(head)
        while not connection.server.stopping.is_set():
            connection.send(piece)

    return script


@functools.cache
def bomb(status: int) -> bytes:
    """100 MB of spaces, which are JSON as far as they go."""
    return answer(status, gzip.compress(b" " * 10**8, 1), "application/json", "Content-Encoding: gzip")


CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"
TOO_LARGE: dict[str, Callable[[int], Script]] = {
    "endless": lambda status: flood(ENDLESS_HEAD % status + b"\r\n", CHUNK),
    "endless in small pieces": lambda status: flood(
        ENDLESS_HEAD % status + b"\r\n", (b"14\r\n" + b" " * 20 + b"\r\n") * 99
    ),
    "until it closes": lambda status: flood(
        b"HTTP/1.1 %d Any\r\nContent-Type: application/json\r\n\r\n" % status, b" " * 65536
    ),
    "longer than memory": lambda status: flood(
        b"HTTP/1.1 %d Any\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, 10**15),
        b" " * 65536,
    ),
    "compressed": lambda status: once(bomb(status)),
    "endless members": lambda status: flood(
        ENDLESS_HEAD % status + b"Content-Encoding: gzip\r\n\r\n",
        b"%x\r\n%b\r\n" % (len(gzip.compress(bytes(10**6))), gzip.compress(bytes(10**6))),
    ),
}


@pytest.fixture(params=["own connections", "a client of the caller's"])
def client(request: pytest.FixtureRequest, driver: Driver) -> Iterator[Callable[..., Any]]:
    """Makes clients with a small limit, over connections of their own and over a caller's client."""
    made: list[Any] = []

    def make(url: str, **options: Any) -> Any:
        if request.param != "own connections":
            made.append(httpx.AsyncClient() if driver.is_async else httpx.Client())
            options["http_client"] = made[-1]
        return driver.client(url, **{"max_response_bytes": LIMIT, "timeout": 60, **options})

    yield make
    for each in made:
        driver.run(each.aclose if driver.is_async else each.close)


def failure_and_peak(call: Callable[[], Any]) -> tuple[Any, int]:
    """What a call gives, and the memory that it took at most."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", TOO_LARGE)
def test_success_that_is_too_large(name: str, driver: Driver, client: Callable[..., Any], serve: Serve) -> None:
    reading = client(serve(TOO_LARGE[name](200)).url)
    error, peak = failure_and_peak(lambda: driver.failed_get(reading))
    assert type(error) is ResponseDecodeError
    assert (error.status, error.outcome, error.cut) == (200, Outcome.APPLIED, False)
    assert f"larger than {LIMIT} bytes: raise max_response_bytes" in str(error)
    assert 0 < len(error.body) <= KEPT
    assert peak < MEMORY

    writing = client(serve(TOO_LARGE[name](201)).url)
    error = driver.failed_create(writing)
    assert type(error) is ResponseDecodeError
    assert (error.status, error.outcome) == (201, Outcome.APPLIED)
    assert "max_response_bytes" in str(error)


@pytest.mark.parametrize("name", TOO_LARGE)
@pytest.mark.parametrize(("status", "kind"), [(409, ConflictError), (500, APIError)])
def test_refusal_that_is_too_large_goes_by_its_status(
    name: str, status: int, kind: type[APIError], driver: Driver, client: Callable[..., Any], serve: Serve
) -> None:
    writing = client(serve(TOO_LARGE[name](status)).url)
    error, peak = failure_and_peak(lambda: driver.failed_create(writing))
    assert isinstance(error, kind)
    assert (error.status, error.outcome) == (status, Outcome.REFUSED if status == 409 else Outcome.UNKNOWN)
    assert len(error.body) <= KEPT
    assert peak < MEMORY


def test_default_limit(driver: Driver, serve: Serve) -> None:
    """64 MiB: a page of 1,000 events of 30 kB fits, 100 MB don't."""
    event = {**EVENT, "event_data": {"text": "x" * 30_000}}
    page = json.dumps({"data": [event] * 1000, "pagination": {"has_more": False}}).encode()
    server = serve(once(answer(200, gzip.compress(page, 1), "application/json", "Content-Encoding: gzip")))
    client = driver.client(server.url, timeout=60)
    assert len(driver.attempt(client, QUERY_AUDIT_EVENTS, QUERY_AUDIT_EVENTS.request()).rows) == 1000
    error = driver.failed_get(driver.client(serve(once(bomb(200))).url, timeout=60))
    assert "larger than 67108864 bytes" in str(error)


def test_limit_of_a_view(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answer(200, BODY))

    client = driver.client(serve(script).url, max_response_bytes=len(BODY) - 1)
    larger = client.with_options(max_response_bytes=len(BODY))
    assert str(driver.run(lambda: larger.workflows.get(IDENTITY)).workflow_id) == IDENTITY
    assert str(driver.run(lambda: larger.with_options(timeout=5).workflows.get(IDENTITY)).workflow_id) == IDENTITY
    assert "max_response_bytes" in str(driver.error(lambda: client.workflows.get(IDENTITY)))


@pytest.mark.parametrize("kind", [DataStorageClient, AsyncDataStorageClient])
@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, None])
def test_limit_that_is_none(kind: Any, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_response_bytes must be an integer of at least 1"):
        kind("http://127.0.0.1:1", max_response_bytes=value)
    client = kind("http://127.0.0.1:1")
    if value is not None:
        with pytest.raises(ConfigurationError, match="max_response_bytes"):
            client.with_options(max_response_bytes=value)


def test_answer_that_is_too_large_is_not_asked_for_again(driver: Driver, serve: Serve) -> None:
    server = serve(once(answer(200, b" " * (LIMIT + 1))))
    retry = RetryPolicy(attempts=3, wait_initial=0, jitter=0)
    client = driver.client(server.url, max_response_bytes=LIMIT, retry=retry)
    error = driver.error(lambda: client.workflows.versions("x"))
    assert "max_response_bytes" in str(error)
    assert len(server.requests) == 1


def test_create_whose_answer_is_too_large_is_looked_for(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            body = b" " * LIMIT + BODY if received.method == "POST" else b'{"versions": [%b]}' % BODY
            connection.send(answer(201 if received.method == "POST" else 200, body))

    client = driver.client(serve(script).url, max_response_bytes=LIMIT)
    assert str(driver.run(lambda: client.workflows.create(WORKFLOW)).workflow_id) == IDENTITY


def test_metrics(driver: Driver, client: Callable[..., Any], serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    error, peak = failure_and_peak(
        lambda: driver.failed_attempt(client(serve(flood(head, b"x 1\n" * 10_000)).url), METRICS, METRICS.request())
    )
    assert isinstance(error, ResponseDecodeError)
    assert "max_response_bytes" in str(error)
    assert peak < MEMORY


def test_body_that_a_hook_has_read(driver: Driver, serve: Serve) -> None:
    """It is in memory by then, and held to the limit all the same."""

    async def aread(response: httpx.Response) -> None:
        await response.aread()

    def read(response: httpx.Response) -> None:
        response.read()

    hooks: Any = {"response": [aread if driver.is_async else read]}
    own: Any = (httpx.AsyncClient if driver.is_async else httpx.Client)(event_hooks=hooks)
    server = serve(once(answer(200, b" " * (LIMIT + 1))))
    error = driver.failed_get(driver.client(server.url, max_response_bytes=LIMIT, http_client=own))
    assert "max_response_bytes" in str(error)
    driver.run(own.aclose if driver.is_async else own.close)


# Beside the body ------------------------------------------------------------------------------------------------------

BESIDE: dict[str, tuple[Script, type[KubernautError], Outcome]] = {
    "header": (flood(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536), ConnectionDroppedError, Outcome.UNKNOWN),
    "headers": (flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), ConnectionDroppedError, Outcome.UNKNOWN),
    "status line": (flood(b"HTTP/1.1 200 ", b"x" * 65536), ConnectionDroppedError, Outcome.UNKNOWN),
    "empty lines": (flood(b"", b"\r\n" * 1000), KubernautError, Outcome.UNKNOWN),
    "hints": (
        flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 500),
        RequestTimeoutError,
        Outcome.UNKNOWN,
    ),
    "continues": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), RequestTimeoutError, Outcome.UNKNOWN),
    "chunk extension": (flood(ENDLESS_HEAD % 200 + b"\r\n1;x=", b"x" * 65536), ResponseDecodeError, Outcome.APPLIED),
    "chunk extensions": (
        flood(ENDLESS_HEAD % 200 + b"\r\n", b"1;" + b"x" * 50_000 + b"\r\n \r\n"),
        KubernautError,
        Outcome.UNKNOWN,
    ),
    "chunk size": (flood(ENDLESS_HEAD % 200 + b"\r\n", b"0" * 65536), ResponseDecodeError, Outcome.APPLIED),
    "trailer": (flood(ENDLESS_HEAD % 200 + b"\r\n0\r\nX: ", b"x" * 65536), ResponseDecodeError, Outcome.APPLIED),
    "trailers": (flood(ENDLESS_HEAD % 200 + b"\r\n0\r\n", b"X: y\r\n" * 1000), ResponseDecodeError, Outcome.APPLIED),
}


@pytest.mark.parametrize("name", BESIDE)
def test_endless_framing(name: str, driver: Driver, serve: Serve) -> None:
    script, kind, outcome = BESIDE[name]
    client = driver.client(serve(script).url, timeout=1)
    started = time.monotonic()
    error, peak = failure_and_peak(lambda: driver.failed_get(client))
    assert isinstance(error, kind)
    assert error.outcome is outcome
    assert time.monotonic() - started < 10
    assert peak < MEMORY


def test_time_of_decoding_counts(driver: Driver, client: Callable[..., Any], serve: Serve) -> None:
    """10 GB out of 30 kB, which takes longer than the attempt has, and arrives at once."""
    inner = gzip.compress(bytes(10**7), 1) * 1000
    server = serve(once(answer(200, gzip.compress(inner), "application/json", "Content-Encoding: gzip, gzip")))
    slow = client(server.url, timeout=0.5, max_response_bytes=2**50)
    started = time.monotonic()
    error = driver.failed_get(slow)
    assert time.monotonic() - started < 5
    assert type(error) is RequestTimeoutError
    assert len(error.history) == 1


# Codings and time -----------------------------------------------------------------------------------------------------


def coded(body: bytes, coding: str, status: int = 200) -> bytes:
    return answer(status, body, "application/json", f"Content-Encoding: {coding}")


CODED = {
    "several members": coded(gzip.compress(BODY[:20]) + gzip.compress(BODY[20:]), "gzip"),
    "x-gzip": coded(gzip.compress(BODY), "x-gzip"),
    "twice": coded(gzip.compress(gzip.compress(BODY)), "gzip, gzip"),
    "in two headers": answer(
        200,
        gzip.compress(zlib.compress(BODY)),
        "application/json",
        "Content-Encoding: deflate",
        "Content-Encoding: gzip",
    ),
    "upper case": coded(gzip.compress(BODY), "GZIP"),
    "identity": coded(BODY, "identity"),
    "trailing bytes": coded(gzip.compress(BODY) + b"\0\0", "gzip"),
}


@pytest.mark.parametrize("name", CODED)
def test_content_coding(name: str, driver: Driver, serve: Serve) -> None:
    client = driver.client(serve(once(CODED[name])).url)
    assert str(driver.run(lambda: client.workflows.get(IDENTITY)).workflow_id) == IDENTITY


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_unknown_coding_is_named(coding: str, driver: Driver, serve: Serve) -> None:
    server = serve(once(coded(BODY, coding)))
    client = driver.client(server.url, retry=RetryPolicy(attempts=3, wait_initial=0, jitter=0))
    error = driver.error(lambda: client.workflows.versions("x"))
    assert type(error) is ResponseDecodeError
    assert repr(coding.rpartition(" ")[2]) in str(error)
    assert not error.cut
    assert len(server.requests) == 1


def test_refusal_in_an_unknown_coding(driver: Driver, serve: Serve) -> None:
    client = driver.client(serve(once(coded(b"\x01\x02", "br", 503))).url)
    error = driver.failed_create(client)
    assert error.status == 503
    assert error.body == b"\x01\x02"


def test_problem_that_is_not_in_the_coding_it_names(driver: Driver, serve: Serve) -> None:
    plain = problem(500, "database-error").replace(b"Content-Length", b"Content-Encoding: gzip\r\nContent-Length")
    assert isinstance(driver.failed_create(driver.client(serve(once(plain)).url)), DatabaseError)


@pytest.mark.parametrize("coding", ["", "Content-Encoding: gzip\r\n"])
def test_body_that_is_too_slow(coding: str, driver: Driver, client: Callable[..., Any], serve: Serve) -> None:
    body = gzip.compress(BODY) if coding else BODY

    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            status = 201 if received.method == "POST" else 200
            head = f"HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\n{coding}Content-Length: {len(body)}\r\n"
            connection.send(head.encode() + b"\r\n" + body[:30])
            connection.stall()

    slow = client(serve(script).url, timeout=0.4)
    error = driver.failed_get(slow)
    assert type(error) is RequestTimeoutError
    assert error.outcome is Outcome.UNKNOWN
    assert error.history[0].status == 200
    assert "did not end within 0.4 s" in str(error)
    error = driver.failed_create(slow)
    assert type(error) is ResponseDecodeError
    assert (error.outcome, error.status, error.cut) == (Outcome.APPLIED, 201, True)
    assert "did not end within 0.4 s" in str(error)
