"""18 December 2025, 19:06: the batch endpoint answered 500, then the service stopped, and all events were lost.

    19:06:05, :06, :10  three attempts at a batch of two, each a 500; the batch is dropped
    19:06:20            connection refused; a batch of one is dropped as well

The caller that dropped them had no way to know what had become of a batch. The outcome on an error is that way: with it
a caller that keeps its batches loses none and doubles none.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from kubernaut_datastorage.api.audit_write_api import create_audit_events_batch, query_audit_events

from kubernaut_client import (
    APIError,
    ConnectError,
    ConnectionDroppedError,
    DatabaseError,
    InternalServerError,
    KubernautError,
    Outcome,
    SpoolReport,
)
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK
from tests.faults.tools import BATCH, EVENTS, Generated, batch, requests, stored_events
from tests.integration.emulator_tools import call, eventually
from tests.writers import MovedClock, tuning, writer

pytestmark = pytest.mark.emulator

ALL = [("first", 0), ("first", 1), ("second", 0)]


# ---- what the service did --------------------------------------------------------------------------------------------


def test_wire_all_events_lost(emulator: Emulator) -> None:
    with emulator.no_partition():
        assert call(emulator, "GET", "/health").json == {"status": "healthy", "database": "connected"}
        assert [call(emulator, "POST", BATCH, batch("first")).status for _ in range(3)] == [500] * 3
        with emulator.refuse_connections(), pytest.raises(ConnectionRefusedError):
            call(emulator, "POST", BATCH, batch("second", 1))
    # The tests of the incident looked for their events, and waited in vain.
    for correlation_id in ("first", "second"):
        answer = call(emulator, "GET", f"{EVENTS}?correlation_id={correlation_id}")
        assert (answer.status, answer.json["data"]) == (200, [])
    assert emulator.dead_letters() == ()


@pytest.mark.parametrize("death", [{"drop": "after"}, {"status": 504, "html": True, "commit": True}])
def test_wire_trying_again_doubles(emulator: Emulator, death: dict[str, Any]) -> None:
    """Batches have no key: a service that stops between commit and answer has stored what is then sent again."""
    emulator.fault("createAuditEventsBatch", **death)
    assert call(emulator, "POST", BATCH, batch("first", 1)).status in (0, 504)
    assert call(emulator, "POST", BATCH, batch("first", 1)).status == 201
    assert stored_events(emulator) == [("first", 0), ("first", 0)]


# ---- what the client does now ----------------------------------------------------------------------------------------


class Keeper:
    """A caller that drops nothing: a batch leaves it when it is known to be stored, and not before."""

    def __init__(self, send: Generated) -> None:
        self._send = send
        self.waiting: dict[str, tuple[list[dict[str, Any]], Outcome]] = {}
        self.errors: list[KubernautError] = []

    def keep(self, correlation_id: str, size: int) -> None:
        self.waiting[correlation_id] = batch(correlation_id, size), Outcome.NOT_SENT

    def deliver(self) -> None:
        """One round: what may have arrived is looked for, what hasn't is sent."""
        for correlation_id, (events, outcome) in list(self.waiting.items()):
            try:
                if outcome is Outcome.UNKNOWN:
                    found = self._send(query_audit_events, correlation_id=correlation_id).parsed.data
                    outcome = Outcome.APPLIED if len(found) == len(events) else Outcome.NOT_SENT
            except KubernautError as error:
                self.errors.append(error)
                continue
            try:
                if outcome is not Outcome.APPLIED:
                    self._send(create_audit_events_batch, body=requests(events))
            except KubernautError as error:
                self.errors.append(error)
                self.waiting[correlation_id] = events, error.outcome
            else:
                del self.waiting[correlation_id]


def nothing(_: Emulator) -> AbstractContextManager[None]:
    return nullcontext()


@pytest.mark.parametrize(
    ("state", "fault", "kind", "outcome"),
    [
        (Emulator.no_partition, {}, DatabaseError, Outcome.UNKNOWN),
        (Emulator.database_down, {}, DatabaseError, Outcome.UNKNOWN),
        (nothing, {"status": 500, "body": "Internal Server Error"}, InternalServerError, Outcome.UNKNOWN),
        (nothing, {"status": 500, "commit": True}, InternalServerError, Outcome.UNKNOWN),
        (nothing, {"status": 504, "html": True, "commit": True}, InternalServerError, Outcome.UNKNOWN),
        (nothing, {"drop": "before"}, ConnectionDroppedError, Outcome.UNKNOWN),
        (nothing, {"drop": "after"}, ConnectionDroppedError, Outcome.UNKNOWN),
        (Emulator.refuse_connections, {}, ConnectError, Outcome.NOT_SENT),
    ],
    ids=["partition", "database", "500", "500 stored", "504 stored", "dropped", "dropped stored", "refused"],
)
def test_none_lost_and_none_doubled(
    send: Generated,
    emulator: Emulator,
    state: Callable[[Emulator], AbstractContextManager[None]],
    fault: dict[str, Any],
    kind: type[KubernautError],
    outcome: Outcome,
) -> None:
    """First the batches fail, each in one of the ways a service can die; then nobody is there; then it is back."""
    keeper = Keeper(send)
    keeper.keep("first", 2)
    keeper.keep("second", 1)
    with state(emulator):
        if fault:
            emulator.fault("createAuditEventsBatch", **fault, count=2)
        keeper.deliver()
    assert [(type(error), error.outcome) for error in keeper.errors] == [(kind, outcome)] * 2
    sent = 0 if outcome is Outcome.NOT_SENT else 2
    assert len(emulator.writes) == sent, "each batch once: what may have arrived isn't repeated blindly"
    with emulator.refuse_connections():
        keeper.deliver()
    assert [type(error) for error in keeper.errors[2:]] == [ConnectError] * 2
    assert set(keeper.waiting) == {"first", "second"}
    keeper.deliver()
    assert not keeper.waiting
    assert stored_events(emulator) == ALL


def test_as_it_was(send: Generated, emulator: Emulator) -> None:
    """The incident's own course; the second batch comes when nobody is there any more."""
    keeper = Keeper(send)
    keeper.keep("first", 2)
    with emulator.no_partition():
        for _ in range(3):
            keeper.deliver()
        with emulator.refuse_connections():
            keeper.keep("second", 1)
            keeper.deliver()
    kinds = [type(error) for error in keeper.errors]
    assert kinds == [DatabaseError] * 3 + [ConnectError] * 2
    assert [len(error.history) for error in keeper.errors] == [1, 1, 1, QUICK.attempts, QUICK.attempts]
    keeper.deliver()
    assert not keeper.waiting and stored_events(emulator) == ALL


def test_an_answer_that_says_nothing_still_says_500(send: Generated, emulator: Emulator) -> None:
    """`Data Storage Service returned status 500: Internal Server Error`: a text, from whoever sent it."""
    emulator.fault("createAuditEventsBatch", status=500, body="Internal Server Error\n")
    with pytest.raises(APIError) as caught:
        send(create_audit_events_batch, body=requests(batch("first")))
    error = caught.value
    assert (type(error), error.status, error.outcome) == (InternalServerError, 500, Outcome.UNKNOWN)
    assert not error.problem.is_document and error.body == b"Internal Server Error\n"
    assert str(error).startswith("500 Internal Server Error (createAuditEventsBatch, request ")


# ---- to the end: the durable writer ----------------------------------------------------------------------------------


def test_an_hour_later_all_is_there_once(emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The incident's own course, but nobody drops anything; the clock is the test's."""
    caplog.set_level(logging.INFO, "kubernaut_client.spool")
    clock = MovedClock()
    with writer(emulator.url, tmp_path / "spool", tuning(clock=clock)) as audit:
        with emulator.no_partition():
            for each in batch("first"):
                audit.emit(each)
            eventually(lambda: len(emulator.writes) >= 3)
            with emulator.refuse_connections():
                for each in batch("second", 1):
                    audit.emit(each)
                for _ in range(60):
                    clock.advance(60)
                    audit.flush(0.02)
                assert audit.status().waiting == 3 and audit.status().away_seconds > 3000
        assert stored_events(emulator) == []
        assert audit.flush(60) == SpoolReport(stored=3)
    assert stored_events(emulator) == ALL
    told = [record.getMessage() for record in caplog.records if record.name == "kubernaut_client.spool"]
    assert len(told) == 2, "once that it is away, and once that it is back"
    assert "can't be delivered and are kept" in told[0] and "delivered again" in told[1]
