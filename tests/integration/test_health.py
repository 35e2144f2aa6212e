"""Health against the emulator: it never raises for an unhealthy service, and waits until one is ready."""

from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest

from kubernaut_client import RequestTimeoutError, RetryPolicy
from kubernaut_client.emulator import Emulator
from tests.colours import COLOURS, opened


@pytest.fixture(params=COLOURS)
def client(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[Any]:
    with opened(request.param, emulator.url, retry=RetryPolicy(attempts=3)) as client:
        yield client


def test_healthy(client: Any, emulator: Emulator) -> None:
    assert (client.health.check().status, client.health.ready().status, client.health.live().status) == (
        "healthy",
        "ready",
        "alive",
    )
    assert client.health.check().ok
    assert client.wait_until_ready().ok


def test_database_down(client: Any, emulator: Emulator) -> None:
    with emulator.database_down():
        check, ready = client.health.check(), client.health.ready()
        assert (check.ok, check.status, check.reason) == (False, "unhealthy", "database_unreachable")
        assert check.error
        assert (ready.ok, ready.status, ready.reason) == (False, "not_ready", "database_unreachable")
        assert client.health.live().ok


def test_one_attempt_whatever_the_policy(client: Any, emulator: Emulator) -> None:
    emulator.fault("healthCheck", drop="before", count=None)
    status = client.health.check()
    assert (status.ok, status.status, status.reason) == (False, None, "no answer")
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": "<html>log in</html>", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "body": "{}", "headers": {"Content-Type": "text/plain"}},
        {"status": 404, "body": "404 page not found\n"},
        {"status": 302, "body": "", "headers": {"Location": "/login"}},
        {"status": 503, "body": "upstream"},
    ],
)
def test_somebody_else_answers(client: Any, emulator: Emulator, answer: dict[str, Any]) -> None:
    emulator.fault("healthCheck", **answer)
    status = client.health.check()
    assert (status.ok, status.status) == (False, None)
    assert status.reason and "base_url" in status.reason


def test_error_that_breaks_the_json(client: Any, emulator: Emulator) -> None:
    body = '{"status":"unhealthy","database":"unreachable","error":"dial "tcp" \x1b[31m: refused"}'
    emulator.fault("healthCheck", status=503, body=body)
    status = client.health.check()
    assert (status.status, status.reason) == ("unhealthy", "database_unreachable")
    assert status.error == 'dial "tcp" \\x1b[31m: refused'


def test_waits_until_ready(client: Any, emulator: Emulator) -> None:
    emulator.stop_database()
    timer = Timer(0.3, emulator.start_database)
    timer.start()
    try:
        assert client.wait_until_ready(timeout=20).ok
    finally:
        timer.join()


def test_gives_up_waiting(client: Any, emulator: Emulator) -> None:
    with emulator.database_down(), pytest.raises(RequestTimeoutError, match="database_unreachable"):
        client.wait_until_ready(timeout=0.5)
