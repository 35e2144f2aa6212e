"""Bytes that came before a request was sent are never its answer."""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kubernaut_client import ConnectError, Outcome, network
from tests.unit.wire.conftest import Certificates, Serve
from tests.unit.wire.driver import STORED, WORKFLOW, Driver
from tests.unit.wire.server import Connection, answer

EMPTY = answer(200, b'{"versions": null}')
OURS = json.dumps(STORED).encode()
FORGED = answer(201, json.dumps({**STORED, "name": "not the answer"}).encode())


@pytest.fixture(params=["plain", "tls"])
def context(request: pytest.FixtureRequest, certificates: Certificates) -> ssl.SSLContext | None:
    return certificates.server() if request.param == "tls" else None


def segments(*parts: bytes) -> Callable[[Connection], None]:
    """Send these one after another."""

    def send(connection: Connection) -> None:
        for part in parts:
            connection.send(part)

    return send


UNASKED = {
    "one segment": segments(EMPTY + FORGED),
    "two segments": segments(EMPTY, FORGED),
    "only its beginning": segments(EMPTY + FORGED[:20]),
    "one byte": segments(EMPTY + b"\n"),
    "after chunks": segments(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'12\r\n{"versions": null}\r\n0\r\n\r\n' + FORGED
    ),
    "many": segments(EMPTY + FORGED * 500),
}


@pytest.mark.parametrize("name", UNASKED)
def test_more_than_one_answer(
    name: str, driver: Driver, serve: Serve, context: ssl.SSLContext | None, certificates: Certificates
) -> None:
    sent = threading.Event()

    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            if received.method == "POST":
                connection.send(answer(201, OURS))
            else:
                # The client may close it before all of it is sent.
                with contextlib.suppress(OSError):
                    UNASKED[name](connection)
                sent.set()

    server = serve(script, tls=context)
    client = driver.client(server.url, tls=certificates.trusting())
    assert driver.run(lambda: client.workflows.versions("x")) == []
    assert sent.wait(10)
    assert driver.run(lambda: client.workflows.create(WORKFLOW)).name == STORED["name"]
    assert server.accepted == 2


def test_answer_while_the_connection_is_idle(
    driver: Driver, serve: Serve, context: ssl.SSLContext | None, certificates: Certificates
) -> None:
    """As a server does that reports the end of its patience with a 408."""
    idle, sent = threading.Event(), threading.Event()

    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            if received.method == "POST":
                connection.send(answer(201, OURS))
                continue
            connection.send(EMPTY)
            assert idle.wait(10)
            connection.send(FORGED)
            sent.set()

    server = serve(script, tls=context)
    client = driver.client(server.url, tls=certificates.trusting())
    assert driver.run(lambda: client.workflows.versions("x")) == []
    idle.set()
    assert sent.wait(10)
    assert driver.run(lambda: client.workflows.create(WORKFLOW)).name == STORED["name"]
    assert server.accepted == 2


def test_answer_before_the_first_request(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent over such a connection, so a write may be repeated."""
    sent = threading.Event()

    def script(connection: Connection) -> None:
        connection.send(FORGED)
        sent.set()
        connection.request()

    connect, aconnect = network.Backend.connect_tcp, network.AsyncBackend.connect_tcp

    def after_the_bytes(*arguments: Any, **options: Any) -> Any:
        stream = connect(*arguments, **options)
        assert sent.wait(10)
        return stream

    async def aafter_the_bytes(*arguments: Any, **options: Any) -> Any:
        stream = await aconnect(*arguments, **options)
        assert sent.wait(10)
        return stream

    monkeypatch.setattr(network.Backend, "connect_tcp", after_the_bytes)
    monkeypatch.setattr(network.AsyncBackend, "connect_tcp", aafter_the_bytes)
    server = serve(script)
    error = driver.failed_create(driver.client(server.url))
    assert type(error) is ConnectError
    assert error.outcome is Outcome.NOT_SENT
    assert server.requests == []


def test_connection_that_is_used_again(
    driver: Driver, serve: Serve, context: ssl.SSLContext | None, certificates: Certificates
) -> None:
    """One that carried nothing else still is."""

    def script(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(EMPTY)

    server = serve(script, tls=context)
    client = driver.client(server.url, tls=certificates.trusting())
    for _ in range(5):
        assert driver.run(lambda: client.workflows.versions("x")) == []
    assert server.accepted == 1
