"""Every way in which a write to the audit trail can end on a real socket: nothing is sent twice that could count twice.

The service is stateful here: it stores what a request carries before it spoils the answer, or doesn't.
"""

import json
import threading
from typing import Any
from uuid import UUID

import pytest

from kubernaut_client import ConnectionDroppedError, KubernautError, Outcome, RequestTimeoutError, RetryPolicy
from tests.audit_events import event, filled, notification
from tests.unit.wire.conftest import Serve
from tests.unit.wire.driver import Driver
from tests.unit.wire.server import Connection, Received, answer
from tests.unit.wire.test_outcomes import ENDINGS

THREE = RetryPolicy(attempts=3, wait_initial=0, jitter=0)
MANY = RetryPolicy(attempts=20, wait_initial=0, jitter=0)


class Service:
    """Data Storage in a few lines. Its first `spoiled` writes end as `ending` says, after or before they are stored."""

    def __init__(self, ending: str, *, after: bool, spoiled: int = 1) -> None:
        self.ending = ENDINGS[ending].script
        self.after = after
        self.spoiled = spoiled
        self.events: list[dict[str, Any]] = []
        self.notifications: list[str] = []
        self.writes = 0
        self.lock = threading.Lock()

    def __call__(self, connection: Connection) -> None:
        peeked = Peeked(connection)
        while (received := peeked.read()) is not None:
            with self.lock:
                write = received.method == "POST"
                self.writes += write
                spoil = write and self.writes <= self.spoiled
                data = self.answer(received) if self.after or not spoil else b""
            if spoil:
                self.ending(peeked)  # type: ignore[arg-type]
                return
            connection.send(data)

    def answer(self, received: Received) -> bytes:
        if received.method == "GET":
            return answer(200, json.dumps({"data": self.events, "pagination": {"has_more": False}}).encode())
        body = json.loads(received.body)
        if received.target.endswith("notifications"):
            if body["notification_id"] in self.notifications:
                members = {"type": "https://kubernaut.ai/problems/conflict", "title": "Resource Conflict"}
                return answer(409, json.dumps(members).encode(), "application/problem+json")
            self.notifications.append(body["notification_id"])
            row = {**body, "id": 1, "created_at": body["sent_at"], "updated_at": body["sent_at"]}
            return answer(201, json.dumps(row).encode())
        batch = body if isinstance(body, list) else [body]
        ids: list[str] = []
        for each in batch:
            ids.append(str(UUID(int=len(self.events) + 1)))
            self.events.append({**filled(each), "event_id": ids[-1]})
        stored: dict[str, Any] = {"event_ids": ids} if isinstance(body, list) else {"event_id": ids[0]}
        return answer(201, json.dumps(stored).encode())


class Peeked:
    """A connection whose request has been read already, for the endings that want to read it themselves."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sock = self

    def read(self) -> Received | None:
        return self.connection.request()

    def request(self) -> Received | None:
        return Received("", "", {}, b"")

    def recv(self, size: int) -> bytes:
        return b"x"[:size]

    def send(self, data: bytes) -> None:
        self.connection.send(data)

    def stall(self) -> None:
        self.connection.stall()

    def reset(self) -> None:
        self.connection.reset()


def outcome(driver: Driver, client: Any, route: str) -> Any:
    calls = {
        "write": lambda: client.audit.write(event()),
        "batch": lambda: client.audit.write_batch([event(), event()]),
        "notify": lambda: client.notifications.create(notification()),
    }
    try:
        return driver.run(calls[route])
    except KubernautError as error:
        return error


def options(route: str, name: str) -> dict[str, Any]:
    """Of a client that meets an ending. Silence ends by the limit of an attempt, which holds for good answers, too.

    On a loaded machine one of those may come too late. A look is then repeated; a notification would be sent again, and
    that is what is counted, so it gets more time.
    """
    if name != "silence":
        return {"timeout": 10, "retry": THREE}
    return {"timeout": 2 if route == "notify" else 0.3, "retry": MANY}


def stored(service: Service, route: str) -> int:
    return len(service.notifications if route == "notify" else service.events)


EXPECTED = {"write": 1, "batch": 2, "notify": 1}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("route", EXPECTED)
def test_lost_after_it_was_stored(route: str, name: str, driver: Driver, serve: Serve) -> None:
    service = Service(name, after=True)
    client = driver.client(serve(service).url, **options(route, name))
    result = outcome(driver, client, route)
    assert not isinstance(result, KubernautError), result
    receipts = result if route == "batch" else [result]
    assert [(each.status, each.recovered) for each in receipts] == [("stored", True)] * EXPECTED[route]
    assert stored(service, route) == EXPECTED[route]
    assert service.writes == (2 if route == "notify" else 1)


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("route", EXPECTED)
def test_lost_before_it_was_stored(route: str, name: str, driver: Driver, serve: Serve) -> None:
    service = Service(name, after=False)
    client = driver.client(serve(service).url, **options(route, name))
    result = outcome(driver, client, route)
    if route == "notify":
        assert (result.status, result.recovered) == ("stored", False)
        assert (stored(service, route), service.writes) == (1, 2)
        return
    assert isinstance(result, RequestTimeoutError if name == "silence" else ConnectionDroppedError)
    assert result.outcome is Outcome.UNKNOWN
    assert (stored(service, route), service.writes) == (0, 1)
    looks = result.history[1:]
    assert {look.operation for look in looks} == {"queryAuditEvents"}
    assert [look.status for look in looks if look.error != "RequestTimeoutError"] == [200]
    assert len(looks) == 1 or name == "silence"


@pytest.mark.parametrize("after", [False, True])
def test_every_answer_to_a_notification_is_lost(after: bool, driver: Driver, serve: Serve) -> None:
    service = Service("clean close", after=after, spoiled=3)
    result = outcome(driver, driver.client(serve(service).url, retry=THREE), "notify")
    assert isinstance(result, ConnectionDroppedError)
    assert result.outcome is Outcome.UNKNOWN
    assert (stored(service, "notify"), service.writes) == (int(after), 3)


def test_a_deadline_leaves_time_to_look(driver: Driver, serve: Serve) -> None:
    """A write that stalls until the deadline is looked for within the share of it that is kept for that."""
    service = Service("silence", after=True)
    client = driver.client(serve(service).url, retry=THREE, timeout=20)
    receipt = driver.run(lambda: client.audit.write(event(), deadline=4))
    assert receipt.recovered


def test_waiting_tells_what_was_seen_last(driver: Driver, serve: Serve) -> None:
    """The first question is answered, all others stall: that the time was up for those says nothing."""

    def script(connection: Connection) -> None:
        while connection.request() is not None:
            if len(server.requests) > 1:
                connection.stall()
                return
            connection.send(answer(200, b'{"data": [], "pagination": {"has_more": false}}'))

    server = serve(script)
    client = driver.client(server.url)
    error = driver.error(lambda: client.audit.wait_for(timeout=1, event_type="x"))
    assert isinstance(error, RequestTimeoutError)
    assert "0 of 1 events within 1 s; what else there is can't be said" in str(error)


def test_event_data_and_tokens_stay_out_of_errors(driver: Driver, serve: Serve) -> None:
    service = Service("garbage", after=False)
    client = driver.client(serve(service).url, token="TOKEN")
    secret = event(event_data={"password": "SECRET"})
    errors = [
        driver.error(lambda: client.audit.write(secret)),
        driver.error(lambda: client.audit.write({**secret, "event_data": {"password": float("nan")}})),
    ]
    service.spoiled = 9
    errors.append(driver.error(lambda: client.audit.write_batch([secret])))
    for error in errors:
        for text in (str(error), repr(error), repr(error.history), str(error.__cause__)):
            assert "SECRET" not in text
            assert "TOKEN" not in text
