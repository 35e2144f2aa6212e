"""An attempt ends at its limit, whatever the server does with single bytes.

These are tests of a bound (an attempt of 1.0 s ends within 1.5 s), not of speed.
"""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from kubernaut_client import (
    APIError,
    ConnectionDroppedError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    RetryPolicy,
)
from kubernaut_client.operations import GET_WORKFLOW
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import IDENTITY, ONCE, STORED, WORKFLOW, Driver, create_request
from tests.unit.wire.server import Connection, Script, answer, full_backlog, keep_alive

LIMIT = 1.0
BOUND = 1.5
BODY = json.dumps(STORED).encode()


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What the call gave and how long it took; a busy machine may delay one run, but hardly three in a row."""
    value, seconds = None, 0.0
    for _ in range(3):
        started = time.monotonic()
        value = call()
        seconds = time.monotonic() - started
        if seconds < BOUND:
            break
    return value, seconds


def trickled(before: bytes, slow: bytes) -> Script:
    """Send the beginning at once, and the rest byte by byte."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(before)
        connection.trickle(slow)

    return script


def endless_hints(connection: Connection) -> None:
    connection.request()
    while not connection.server.stopping.wait(0.1):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")


def endless_hints_by_bytes(connection: Connection) -> None:
    connection.request()
    while not connection.server.stopping.is_set():
        connection.trickle(b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.05)


def flood_of_hints(connection: Connection) -> None:
    connection.request()
    while not connection.server.stopping.is_set():
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100)


def endless_chunks(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not connection.server.stopping.wait(0.1):
        connection.send(b"1\r\n \r\n")


def endless_chunk_extension(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;x=")
    connection.trickle(b"x" * 1000)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
FAULT = answer(500, b"x" * 1000, "text/plain")
SLOW: dict[str, tuple[Script, type[KubernautError], Outcome]] = {
    "status line": (trickled(b"", HEAD + BODY), RequestTimeoutError, Outcome.UNKNOWN),
    "headers": (trickled(HEAD[:40], HEAD[40:] + BODY), RequestTimeoutError, Outcome.UNKNOWN),
    "body": (trickled(HEAD, BODY), RequestTimeoutError, Outcome.UNKNOWN),
    "last byte": (trickled(HEAD + BODY[:-20], BODY[-20:]), RequestTimeoutError, Outcome.UNKNOWN),
    "body of a fault": (trickled(FAULT[:-500], FAULT[-500:]), APIError, Outcome.REFUSED),
    "hints": (endless_hints, RequestTimeoutError, Outcome.UNKNOWN),
    "hints by bytes": (endless_hints_by_bytes, RequestTimeoutError, Outcome.UNKNOWN),
    "flood of hints": (flood_of_hints, RequestTimeoutError, Outcome.UNKNOWN),
    "chunks": (endless_chunks, RequestTimeoutError, Outcome.UNKNOWN),
    "chunk extension": (endless_chunk_extension, RequestTimeoutError, Outcome.UNKNOWN),
    "silence after the head": (trickled(HEAD, b""), RequestTimeoutError, Outcome.UNKNOWN),
}


@pytest.mark.parametrize("name", SLOW)
def test_answer_that_trickles(name: str, driver: Driver, serve: Serve) -> None:
    script, kind, outcome = SLOW[name]

    def held_open(connection: Connection) -> None:
        script(connection)
        connection.stall()

    client = driver.client(serve(held_open).url, timeout=LIMIT)
    error, seconds = timed(lambda: driver.failed_get(client))
    assert isinstance(error, kind)
    assert error.outcome is outcome
    assert LIMIT * 0.9 < seconds < BOUND


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("buffer", [0, 2048], ids=["usual buffer", "small buffer"])
def test_large_request_that_is_read_slowly(
    secure: bool, buffer: int, driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch, certificates: Any
) -> None:
    def script(connection: Connection) -> None:
        while not connection.server.stopping.wait(0.05):
            if not connection.sock.recv(4096):
                return

    if secure:
        monkeypatch.setenv("KUBERNAUT_CA_FILE", str(certificates.authority))
    server = serve(script, tls=certificates.server() if secure else None, receive_buffer=buffer)
    client = driver.client(server.url, timeout=LIMIT)
    request = create_request({**WORKFLOW, "content": "x" * 30_000_000})
    call = client._options.call()
    error, seconds = timed(lambda: driver.error(lambda: call.attempt(GET_WORKFLOW, request)))
    assert isinstance(error, RequestTimeoutError)
    assert error.outcome is Outcome.UNKNOWN
    assert LIMIT * 0.9 < seconds < BOUND


def test_request_that_is_read_just_before_the_limit(driver: Driver, serve: Serve) -> None:
    """A single large piece of the request that the socket takes by and by has no new limit for each part."""

    def script(connection: Connection) -> None:
        stopping = connection.server.stopping
        if stopping.wait(0.8):
            return
        while not stopping.wait(0.02):
            connection.sock.recv(1024)

    client = driver.client(serve(script, receive_buffer=2048).url, timeout=LIMIT)
    request = create_request({**WORKFLOW, "content": "x" * 30_000_000})
    call = client._options.call()
    error, seconds = timed(lambda: driver.error(lambda: call.attempt(GET_WORKFLOW, request)))
    assert isinstance(error, RequestTimeoutError)
    assert seconds < BOUND


def test_tls_handshake_that_trickles(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.sock.recv(1024)
        # The head of a handshake record of 16 KiB, whose end never comes.
        connection.trickle(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(1000))

    client = driver.client(f"https://127.0.0.1:{serve(script).port}", timeout=LIMIT)
    error, seconds = timed(lambda: driver.failed_create(client))
    assert error.outcome is Outcome.NOT_SENT
    assert seconds < BOUND


def test_connecting(driver: Driver) -> None:
    with full_backlog() as port:
        client = driver.client(f"http://127.0.0.1:{port}", timeout=LIMIT)
        error, seconds = timed(lambda: driver.failed_create(client))
    assert isinstance(error, RequestTimeoutError)
    assert error.outcome is Outcome.NOT_SENT
    assert LIMIT * 0.9 < seconds < BOUND


def test_name_with_several_addresses_that_do_not_answer(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may have several addresses: together they get one limit."""
    resolve = socket.getaddrinfo

    def resolver(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("data-storage.test", b"data-storage.test"):
            return resolve(host, port, *arguments, **options)
        addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    with full_backlog("") as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        client = driver.client(f"http://data-storage.test:{port}", timeout=LIMIT)
        error, seconds = timed(lambda: driver.failed_create(client))
    assert error.outcome is Outcome.NOT_SENT
    assert seconds < BOUND


def test_deadline_bounds_every_attempt_together(driver: Driver, serve: Serve) -> None:
    """Three attempts of up to 10 s, and their waits, within one deadline of a second."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.trickle(b"HTTP/1.1 200 OK")

    retry = RetryPolicy(attempts=3, deadline=LIMIT, wait_initial=0.01, jitter=0)
    client = driver.client(serve(script).url, timeout=10, retry=retry)
    error, seconds = timed(lambda: driver.error(lambda: client.workflows.versions("x")))
    assert isinstance(error, RequestTimeoutError | ConnectionDroppedError)
    assert seconds < BOUND


def test_create_leaves_room_to_look(driver: Driver, serve: Serve) -> None:
    """A create whose answer never comes is settled within its own deadline."""

    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            if received.method == "POST":
                connection.stall()
            connection.send(answer(200, b'{"versions": [%b]}' % BODY))

    retry = RetryPolicy(attempts=1, deadline=LIMIT)
    client = driver.client(serve(script).url, timeout=10, retry=retry)
    row, seconds = timed(lambda: driver.run(lambda: client.workflows.create(WORKFLOW)))
    assert str(row.workflow_id) == IDENTITY
    assert seconds < BOUND


@pytest.mark.parametrize("kind", ["timeout", "deadline"])
def test_limit_of_one_call(kind: str, driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.stall()

    client = driver.client(serve(script).url, timeout=30, retry=ONCE)
    limit = {kind: 0.2}
    calls: dict[str, Callable[[], Any]] = {
        "versions": lambda: client.workflows.versions("x", **limit),
        "get": lambda: client.workflows.get(IDENTITY, **limit),
        "list": lambda: client.workflows.list(**limit),
        "update": lambda: client.workflows.update(IDENTITY, status="active", **limit),
        "ensure": lambda: client.workflows.ensure(WORKFLOW, **limit),
        "plan": lambda: client.workflows.plan([WORKFLOW], **limit),
    }
    for name, call in calls.items():
        error, seconds = timed(lambda call=call: driver.error(call))  # type: ignore[misc]
        assert isinstance(error, RequestTimeoutError), name
        assert 0.15 < seconds < 0.7, name


def test_token_that_never_comes(serve: Serve) -> None:
    """The limit of an attempt holds for an async token source too; one that blocks its thread can't be helped."""

    async def token() -> str:
        await asyncio.Event().wait()
        return "token"

    driver = Driver("async")
    client = driver.client(serve(keep_alive(lambda _: answer())).url, token=token, timeout=0.3)
    started = time.monotonic()
    future = driver.start(lambda: client.workflows.versions("x"))
    try:
        error = future.exception(2)
        assert isinstance(error, KubernautError)
        assert error.outcome is Outcome.NOT_SENT
        assert time.monotonic() - started < 1
    finally:
        future.cancel()
        driver.close()
