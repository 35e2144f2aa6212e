"""Whatever waits ends also while a test library has stopped the clocks, as freezegun does."""

import sys
import threading
import time
from collections.abc import Iterator
from types import BuiltinFunctionType
from typing import Any

import pytest

from kubernaut_client import (
    ConnectionDroppedError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    RetryPolicy,
    pool,
)
from kubernaut_client.operations import CREATE_WORKFLOW, UPDATE_WORKFLOW, Body
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import IDENTITY, Driver, create_request
from tests.unit.wire.server import Connection, answer, keep_alive

CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
LIMIT = 0.3
IN_2030 = 1_893_456_000
# freezegun leaves these alone, too.
SPARED = frozenset({"threading", "queue"})


@pytest.fixture(params=["in 2030", "now"])
def stopped(request: pytest.FixtureRequest, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each clock stands still, wherever a module holds it."""
    frozen: dict[Any, Any] = {}
    for name in CLOCKS:
        clock = getattr(time, name)
        value = clock() if request.param == "now" else type(clock())(IN_2030)
        frozen[clock] = lambda value=value: value
    with monkeypatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name in SPARED or name.startswith(("_pytest", "pytest")):
                continue
            for attribute, held in list(vars(module).items()):
                if isinstance(held, BuiltinFunctionType) and held in frozen:
                    patch.setattr(module, attribute, frozen[held])
        yield


def ended(driver: Driver, call: Any) -> KubernautError:
    """The error of a call that must end by itself."""
    error = driver.start(call).exception(30)
    assert isinstance(error, KubernautError)
    return error


def silent(connection: Connection) -> None:
    connection.request()
    connection.stall()


@pytest.mark.usefixtures("stopped")
def test_attempt_without_an_answer(driver: Driver, serve: Serve) -> None:
    client = driver.client(serve(silent).url, timeout=LIMIT)
    error = ended(driver, lambda: client.workflows.versions("x"))
    assert type(error) is RequestTimeoutError
    assert error.outcome is Outcome.UNKNOWN


@pytest.mark.usefixtures("stopped")
def test_body_without_an_end(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer(201, b" " * 100)[:-50])
        connection.stall()

    client = driver.client(serve(script).url, timeout=LIMIT)
    call = client._options.call()

    error = ended(driver, lambda: call.attempt(CREATE_WORKFLOW, create_request()))
    assert type(error) is ResponseDecodeError
    assert error.outcome is Outcome.APPLIED


@pytest.mark.usefixtures("stopped")
def test_request_that_is_not_read(driver: Driver, serve: Serve) -> None:
    def script(connection: Connection) -> None:
        connection.stall()

    client = driver.client(serve(script, receive_buffer=2048).url, timeout=LIMIT)
    call = client._options.call()

    request = UPDATE_WORKFLOW.request(IDENTITY, body=Body({"disabled_reason": "x" * 30_000_000}))
    assert type(ended(driver, lambda: call.attempt(UPDATE_WORKFLOW, request))) is RequestTimeoutError


@pytest.mark.usefixtures("stopped")
def test_attempts_and_deadline(driver: Driver, serve: Serve) -> None:
    def drops(connection: Connection) -> None:
        connection.request()

    server = serve(drops)
    few = driver.client(server.url, retry=RetryPolicy(attempts=3, wait_initial=0.01, jitter=0))
    assert type(ended(driver, lambda: few.workflows.versions("x"))) is ConnectionDroppedError
    assert len(server.requests) == 3
    many = driver.client(server.url, retry=RetryPolicy(attempts=100, deadline=LIMIT, wait_initial=0.02, jitter=0))
    ended(driver, lambda: many.workflows.versions("x"))
    assert len(server.requests) < 50


@pytest.mark.usefixtures("stopped")
def test_polls(driver: Driver, serve: Serve) -> None:
    page = answer(200, b'{"data": []}')
    unready = answer(503, b'{"status": "not_ready"}')
    server = serve(keep_alive(lambda received: unready if "health" in received.target else page))
    client = driver.client(server.url)
    assert "not ready within" in str(ended(driver, lambda: client.wait_until_ready(LIMIT)))
    assert "0 of 1 events" in str(ended(driver, lambda: client.audit.wait_for(timeout=LIMIT)))


@pytest.mark.usefixtures("stopped")
def test_wait_for_a_connection(driver: Driver, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 1)
    server = serve(silent)
    client = driver.client(server.url, timeout=20)
    busy = driver.start(lambda: client.workflows.versions("busy"))
    server.wait_for_requests(1)
    error = ended(driver, lambda: client.with_options(timeout=LIMIT).workflows.versions("x"))
    assert error.outcome is Outcome.NOT_SENT
    assert not busy.done()
    server.close()
    assert busy.exception(30) is not None


@pytest.mark.usefixtures("stopped")
def test_limit_that_was_not_reached(driver: Driver, serve: Serve) -> None:
    """No thread waits for it any longer."""
    client = driver.client(serve(keep_alive(lambda _: answer(200, b'{"versions": null}'))).url, timeout=600)
    assert driver.start(lambda: client.workflows.versions("x")).result(30) == []
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(30)
            assert not thread.is_alive()
