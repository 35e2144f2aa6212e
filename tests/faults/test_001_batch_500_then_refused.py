"""18 December 2025, 19:18: the service couldn't write audit events to its database.

A client generated from OpenAPI made the reason visible for the first time, a 500 "Database Error". Three attempts later
the batch was dropped, and then the service was gone. Its health was good, as it looks at the connection only: here the
table has no partition for the month.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kubernaut_datastorage.api.audit_write_api import create_audit_events_batch

from kubernaut_client import ConnectError, DatabaseError, Outcome, SpoolReport
from kubernaut_client.emulator import Emulator
from tests.colours import QUICK, Colour
from tests.faults.tools import BATCH, Generated, batch, generated, requests, stored_events
from tests.integration.emulator_tools import call, eventually
from tests.writers import MovedClock, tuning, writer

pytestmark = pytest.mark.emulator

DETAIL = "Failed to write audit events batch to database"
PROBLEM = {
    "type": "https://kubernaut.ai/problems/database-error",
    "title": "Database Error",
    "status": 500,
    "detail": DETAIL,
    "instance": BATCH,
}
# The builds of that month named it in other ways; what they mean stands behind the last slash.
TYPES = (
    "https://kubernaut.io/problems/database-error",
    "https://kubernaut.io/errors/database-error",
    "https://kubernaut.ai/problems/database_error",
    "https://api.kubernaut.io/problems/https://kubernaut.dev/problems/database-error",
)


# ---- what the service did --------------------------------------------------------------------------------------------


def test_wire_three_attempts_and_the_batch_is_gone(emulator: Emulator) -> None:
    events = batch("test-123")
    with emulator.no_partition():
        answers = [call(emulator, "POST", BATCH, events) for _ in range(3)]
        health = call(emulator, "GET", "/health")
    assert [(answer.status, answer.json) for answer in answers] == [(500, PROBLEM)] * 3
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}
    assert (health.status, health.json) == (200, {"status": "healthy", "database": "connected"})
    # A single event would have been queued; a batch is not, so whoever drops it loses it.
    assert stored_events(emulator) == [] and emulator.dead_letters() == ()


def test_wire_then_connections_are_refused(emulator: Emulator) -> None:
    with emulator.refuse_connections(), pytest.raises(ConnectionRefusedError):
        call(emulator, "POST", BATCH, batch("test-123"))


# ---- what the client does now ----------------------------------------------------------------------------------------


def check(error: DatabaseError) -> None:
    """It says what the service said, in words that help, and no more than is known."""
    assert (error.status, error.problem.slug) == (500, "database-error")
    assert (error.problem.title, error.problem.detail, error.problem.instance) == ("Database Error", DETAIL, BATCH)
    assert error.outcome is Outcome.UNKNOWN, "a 5xx doesn't say whether it was stored"
    assert f"500 Database Error: {DETAIL} (createAuditEventsBatch, request " in str(error)
    assert error.request_id is not None and error.request_id in str(error)
    assert [attempt.status for attempt in error.history] == [500], "never repeated behind the caller's back"


def test_the_fault_has_a_name(send: Generated, emulator: Emulator) -> None:
    events = batch("test-123")
    events[0]["event_data"]["secret"] = "s3cr3t"
    with emulator.no_partition(), pytest.raises(DatabaseError) as caught:
        send(create_audit_events_batch, body=requests(events))
    check(caught.value)
    assert "s3cr3t" not in f"{caught.value} {caught.value!r}"
    assert [record.request_id for record in emulator.writes] == [caught.value.request_id]


@pytest.mark.parametrize("kind", TYPES)
def test_the_fault_has_a_name_whichever_build_gives_it(send: Generated, emulator: Emulator, kind: str) -> None:
    emulator.fault("createAuditEventsBatch", status=500, body={**PROBLEM, "type": kind})
    with pytest.raises(DatabaseError) as caught:
        send(create_audit_events_batch, body=requests(batch("test-123")))
    check(caught.value)


@pytest.mark.parametrize("state", [Emulator.no_partition, Emulator.database_down])
def test_the_batch_is_accepted_once_the_database_is_back(send: Generated, emulator: Emulator, state: Any) -> None:
    """Three failures are no reason to drop it, and none of them leaves half of it behind."""
    events = batch("test-123", 8)
    with state(emulator):
        for _ in range(3):
            with pytest.raises(DatabaseError):
                send(create_audit_events_batch, body=requests(events))
    assert stored_events(emulator) == []
    answer = send(create_audit_events_batch, body=requests(events))
    assert (answer.status_code, len(answer.parsed.event_ids)) == (201, 8)
    assert stored_events(emulator) == [("test-123", number) for number in range(8)]
    assert {str(row["event_id"]) for row in emulator.rows("audit_events")} == set(map(str, answer.parsed.event_ids))


def test_then_nothing_is_sent(send: Generated, emulator: Emulator) -> None:
    """Connection refused is another thing than a fault: it is certain that nothing was sent."""
    with emulator.refuse_connections(), pytest.raises(ConnectError) as caught:
        send(create_audit_events_batch, body=requests(batch("test-123")))
    error = caught.value
    assert (error.outcome, error.operation) == (Outcome.NOT_SENT, "createAuditEventsBatch")
    attempts = [(attempt.error, attempt.outcome) for attempt in error.history]
    assert attempts == [("ConnectError", Outcome.NOT_SENT)] * QUICK.attempts
    assert emulator.requests == ()
    send(create_audit_events_batch, body=requests(batch("test-123")))
    assert len(stored_events(emulator)) == 2


def test_a_moment_without_service_is_bridged(emulator: Emulator, colour: Colour) -> None:
    """What was never sent may be sent again: the caller doesn't notice, and nothing is doubled."""
    with ExitStack() as refused:
        refused.enter_context(emulator.refuse_connections())
        seen: list[str | None] = []

        def on_call(record: Any) -> None:
            seen.append(type(record.error).__name__ if record.error else None)
            refused.close()

        with generated(colour, emulator.url, retry=QUICK, on_call=on_call) as send:
            answer = send(create_audit_events_batch, body=requests(batch("test-123")))
    assert seen == ["ConnectError", None]
    assert len(answer.parsed.event_ids) == 2
    assert len(emulator.writes) == 1
    assert stored_events(emulator) == [("test-123", 0), ("test-123", 1)]


# ---- to the end: the durable writer ----------------------------------------------------------------------------------


def test_the_writer_keeps_what_cannot_be_stored(emulator: Emulator, tmp_path: Path) -> None:
    """No partition for three attempts and more, then nobody there, then an hour later: every event once."""
    clock = MovedClock()
    with writer(emulator.url, tmp_path / "spool", tuning(clock=clock)) as audit:
        with emulator.no_partition():
            for each in batch("test-123", 20):
                audit.emit(each)
            eventually(lambda: len(emulator.writes) >= 3)
            report = audit.flush(0.2)
            assert (report.stored, report.quarantined, report.waiting + report.unsettled) == (0, 0, 20)
            with emulator.refuse_connections():
                for _ in range(60):
                    clock.advance(60)
                    audit.flush(0.02)
        assert audit.flush(60) == SpoolReport(stored=20)
    assert stored_events(emulator) == [("test-123", number) for number in range(20)]
    assert emulator.dead_letters() == ()
