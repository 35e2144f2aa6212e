"""The durable writer against the emulator: what arrives, once, whatever the service answers."""

import asyncio
import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import (
    AsyncDataStorageClient,
    AuditWriter,
    ConfigurationError,
    DataStorageClient,
    InvalidRequestError,
    SpoolAlarm,
    SpoolError,
    SpoolReport,
)
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import AuditEventRequest
from tests.events import event, moment
from tests.integration.emulator_tools import PATIENCE, eventually
from tests.writers import MovedClock, tuning, writer

pytestmark = pytest.mark.emulator

BATCH = "createAuditEventsBatch"
QUERY = "queryAuditEvents"
DATABASE_ERROR = {"type": "https://kubernaut.ai/problems/database-error", "title": "Database Error", "status": 500}
MONTH = datetime.now(UTC).strftime("%Y-%m")


def numbered(number: int, **members: Any) -> dict[str, Any]:
    """An event without a time of its own."""
    return event(**{"event_timestamp": ..., "event_data": {"number": number}, **members})


def stored(emulator: Emulator) -> list[int]:
    """The numbers of all events that are in the database."""
    return sorted(row["event_data"]["number"] for row in emulator.rows("audit_events"))


def batches(emulator: Emulator) -> list[list[Any]]:
    """The bodies of all batches that were sent."""
    return [json.loads(record.body) for record in emulator.writes]


def looks(emulator: Emulator) -> int:
    """How often it was asked what is stored."""
    return sum(record.operation == QUERY for record in emulator.requests)


class Alarms(list[SpoolAlarm]):
    def __call__(self, alarm: SpoolAlarm) -> None:
        self.append(alarm)

    @property
    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def quick(emulator: Emulator, spool: Path, alarms: Alarms) -> Iterator[AuditWriter]:
    """A writer whose time runs twenty times as fast."""
    each = writer(emulator.url, spool, tuning(linger=0.1), on_alarm=alarms)
    yield each
    each.close(0)


def left(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.iterdir())


# ---- in good health --------------------------------------------------------------------------------------------------


def test_events_arrive_in_batches_and_nothing_is_left(emulator: Emulator, spool: Path) -> None:
    with writer(emulator.url, spool, tuning(1, linger=PATIENCE)) as audit:
        for number in range(1234):
            audit.emit(numbered(number))
        report = audit.flush(PATIENCE)
        assert report == SpoolReport(stored=1234) and report.done
        status = audit.status()
        assert (status.waiting, status.oldest_seconds, status.bytes, status.last_error) == (0, 0.0, 0, None)
        assert status.last_success is not None and status.away_seconds == 0.0
    assert stored(emulator) == list(range(1234))
    assert len(emulator.writes) <= 4, "500 at a time, by the batch route"
    assert {record.operation for record in emulator.writes} == {BATCH}
    assert left(spool) == []


def test_what_is_stored_is_what_was_emitted(emulator: Emulator, quick: AuditWriter) -> None:
    at = datetime(2026, 1, 1, 12, 30, 15, 123456, UTC) if MONTH == "2026-01" else datetime.now(UTC)
    members = event(
        "rr-ü",
        event_timestamp=at,
        event_data={"text": 'ein "Wort" \u2028 \U0001f600', "list": [1, None, True, {"x": 0.5}]},
        actor_type="user",
        actor_id="jo",
        resource_type="Pod",
        resource_id="p",
        namespace="n",
        cluster_name="c",
        severity="high",
    )
    quick.emit(AuditEventRequest.from_dict({**members, "event_timestamp": at.isoformat()}))
    quick.flush(PATIENCE)
    (row,) = emulator.rows("audit_events")
    assert row["event_timestamp"] == at
    assert {name: row[name] for name in members if name not in ("event_timestamp", "version")} == {
        name: value for name, value in members.items() if name not in ("event_timestamp", "version")
    }


def test_events_without_a_time_get_one_that_no_other_has(emulator: Emulator, quick: AuditWriter) -> None:
    before = datetime.now(UTC)
    for number in range(300):
        quick.emit(numbered(number))
    quick.flush(PATIENCE)
    times = [row["event_timestamp"] for row in emulator.rows("audit_events")]
    assert len(set(times)) == 300 and before <= min(times) and max(times) <= datetime.now(UTC) + timedelta(seconds=1)


def test_several_threads(emulator: Emulator, quick: AuditWriter) -> None:
    def emit(first: int) -> None:
        for number in range(first, first + 200):
            quick.emit(numbered(number))

    threads = [threading.Thread(target=emit, args=(first,)) for first in range(0, 800, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    quick.flush(PATIENCE)
    assert stored(emulator) == list(range(800))


def test_identical_events_are_all_stored_and_never_on_their_way_together(
    emulator: Emulator, quick: AuditWriter
) -> None:
    """Nobody could tell them apart afterwards. Those that are not twins don't wait for them."""
    at = moment()
    for number in range(12):
        quick.emit(numbered(0, event_timestamp=at))
        quick.emit(numbered(1, event_timestamp=at, version=str(number)))  # a batch doesn't store the version
        quick.emit(numbered(100 + number))
    quick.flush(PATIENCE)
    assert stored(emulator) == [0] * 12 + [1] * 12 + [100 + number for number in range(12)]
    for batch in batches(emulator):
        numbers = Counter(each["event_data"]["number"] for each in batch)
        assert max(numbers.values()) == 1


def test_the_asynchronous_client_and_its_methods(emulator: Emulator, spool: Path) -> None:
    async def run() -> SpoolReport:
        async with (
            AsyncDataStorageClient(emulator.url, timeout=5) as client,
            AuditWriter(client, spool=spool) as audit,
        ):
            for number in range(20):
                audit.emit(numbered(number))
            report = await audit.aflush(PATIENCE)
        assert audit.closed
        return report

    assert asyncio.run(run()) == SpoolReport(stored=20)
    assert stored(emulator) == list(range(20)) and left(spool) == []


def test_a_client_of_the_callers_stays_open(emulator: Emulator, spool: Path) -> None:
    with DataStorageClient(emulator.url) as client:
        with AuditWriter(client, spool=spool) as audit:
            audit.emit(numbered(1))
        assert not client.closed and client.health.check()
    assert stored(emulator) == [1]


# ---- answers that don't come, or say something else ------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"status": 500, "body": DATABASE_ERROR, "commit": True},
        {"status": 504, "html": True, "commit": True},
        {"status": 202, "commit": True},
        {"status": 200, "html": True, "commit": True},
        {"status": 201, "body": {"event_ids": []}, "commit": True},
        {"truncate": 20},
        {"content_type": "text/html"},
    ],
    ids=str,
)
def test_what_arrived_is_found_and_not_sent_again(
    emulator: Emulator, quick: AuditWriter, fault: dict[str, Any]
) -> None:
    emulator.fault(BATCH, **fault)
    for number in range(5):
        quick.emit(numbered(number))
    assert quick.flush(PATIENCE).stored == 5
    assert stored(emulator) == list(range(5)) and len(emulator.writes) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "before"},
        {"status": 502, "html": True},
        {"status": 503, "body": "upstream connect error"},
        {"status": 202},
        {"status": 200, "page": "<html>Please log in</html>"},
        {"status": 201, "body": {"event_ids": ["f" * 8]}},
        {"status": 500, "body": DATABASE_ERROR},
        {"status": 500, "body": "Internal Server Error"},
        {"status": 404, "body": "404 page not found"},
        {"status": 401, "body": {"type": "about:blank", "title": "Unauthorized", "status": 401}},
        {"status": 403, "body": {"type": "about:blank", "title": "Forbidden", "status": 403}},
        {"status": 413, "html": True},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 301, "headers": {"Location": "https://example.com/"}},
        {"status": 400, "body": "Bad Request"},
    ],
    ids=str,
)
def test_what_did_not_arrive_is_sent_again(emulator: Emulator, quick: AuditWriter, fault: dict[str, Any]) -> None:
    """And none of these sets an event apart."""
    emulator.fault(BATCH, **fault, count=2)
    for number in range(5):
        quick.emit(numbered(number))
    assert quick.flush(PATIENCE) == SpoolReport(stored=5)
    assert stored(emulator) == list(range(5))


def test_a_late_commit_is_waited_for(emulator: Emulator, spool: Path) -> None:
    """The client gives up, the service doesn't: what isn't there yet may still come."""
    with DataStorageClient(emulator.url, timeout=0.2) as client, AuditWriter._tuned(tuning(), client, spool=spool) as w:
        emulator.fault(BATCH, hold=1.0)
        w.emit(numbered(1))
        assert w.flush(PATIENCE) == SpoolReport(stored=1)
    assert stored(emulator) == [1] and len(emulator.writes) == 1


def test_a_late_commit_without_the_fence_doubles(emulator: Emulator, spool: Path) -> None:
    """So the test above can fail."""
    hasty = tuning(fence=0.0)
    with DataStorageClient(emulator.url, timeout=0.2) as client, AuditWriter._tuned(hasty, client, spool=spool) as w:
        emulator.fault(BATCH, hold=1.0)
        w.emit(numbered(1))
        w.flush(PATIENCE)
        end = time.monotonic() + PATIENCE
        while len(stored(emulator)) < 2 and time.monotonic() < end:
            pass
    assert stored(emulator) == [1, 1]


def test_the_services_own_202_is_the_end_of_it(emulator: Emulator, quick: AuditWriter) -> None:
    """Later builds take a batch into the dead letter queue; what is sent again would be stored twice."""
    emulator.fault(BATCH, status=202, body={"status": "accepted", "message": "queued"}, content_type="application/json")
    quick.emit(numbered(1))
    assert quick.flush(PATIENCE) == SpoolReport(queued=1)
    assert len(emulator.writes) == 1


def test_an_equal_event_of_somebody_else_is_not_taken_for_ours(emulator: Emulator, quick: AuditWriter) -> None:
    same = event(event_timestamp=moment(), event_data={"number": 7})
    with DataStorageClient(emulator.url) as client:
        client.audit.write(same)
    emulator.fault(BATCH, drop="before")
    quick.emit(same)
    assert quick.flush(PATIENCE) == SpoolReport(stored=1)
    assert stored(emulator) == [7, 7]


def test_another_event_of_the_same_time_is_no_obstacle(emulator: Emulator, quick: AuditWriter) -> None:
    """It has the time, type and correlation id of one that is stored already, and other data."""
    at = moment()
    for number in range(2):
        quick.emit(numbered(number, event_timestamp=at))
        assert quick.flush(PATIENCE) == SpoolReport(stored=number + 1)
    assert stored(emulator) == [0, 1]


def test_a_row_that_cannot_be_read_may_be_the_one_that_is_missing(emulator: Emulator, spool: Path) -> None:
    """As long as a look shows nothing else, the batch isn't sent again."""
    row = {"event_id": 7}
    page = {"data": [row], "pagination": {"limit": 1000, "offset": 0, "total": 1, "has_more": False}}
    emulator.fault(BATCH, drop="after")
    emulator.fault(QUERY, status=200, body=page, content_type="application/json", count=None)
    with writer(emulator.url, spool, tuning(fence=0.2, linger=0.05)) as audit:
        audit.emit(numbered(1))
        # More looks than it takes before the time is over in which the batch may arrive late.
        eventually(lambda: stored(emulator) == [1] and looks(emulator) > 8)
        emulator.clear_faults()
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
    assert len(emulator.writes) == 1
    assert stored(emulator) == [1]


def test_who_may_not_read_can_still_write(emulator: Emulator, quick: AuditWriter) -> None:
    emulator.fault(QUERY, status=403, body={"type": "about:blank", "title": "Forbidden", "status": 403}, count=None)
    quick.emit(numbered(1, event_timestamp=moment()))
    assert quick.flush(PATIENCE) == SpoolReport(stored=1)


# ---- events that the service refuses ---------------------------------------------------------------------------------


def quarantined(spool: Path) -> list[tuple[str, int]]:
    """Kind and number of what is set apart."""
    found: list[tuple[str, int]] = []
    for path in spool.glob("*.spool"):
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT kind, body FROM quarantine").fetchall()
        connection.close()
        found += [(kind, json.loads(body)["event_data"]["number"]) for kind, body in rows]
    return sorted(found, key=lambda pair: pair[1])


def refusing(emulator: Emulator, number: int, detail: str, slug: str = "validation-error", **more: Any) -> None:
    """The service refuses every batch with this event in it."""
    problem = {"type": f"https://kubernaut.ai/problems/{slug}", "title": "T", "status": 400, "detail": detail}
    emulator.fault(BATCH, status=400, body=problem, count=None, when={"body_contains": f'"number":{number}}}'}, **more)


def test_an_event_that_is_not_named_is_found_by_halving(
    emulator: Emulator, quick: AuditWriter, spool: Path, alarms: Alarms
) -> None:
    refusing(emulator, 333, "request body must be a JSON array", slug="invalid_request")
    for number in range(400):
        quick.emit(numbered(number))
    assert quick.flush(PATIENCE) == SpoolReport(stored=399, quarantined=1)
    assert quarantined(spool) == [("refused", 333)]
    assert stored(emulator) == [number for number in range(400) if number != 333]
    assert alarms.kinds == ["quarantined"] and alarms[0].count == 1


def test_events_that_got_too_old_while_they_waited(emulator: Emulator, spool: Path) -> None:
    """One refusal shows which of a batch are too old: every older one is."""
    clock = MovedClock()
    tuned = tuning(clock=clock)
    week = timedelta(days=7)
    with emulator.refuse_connections(), writer(emulator.url, spool, tuned) as audit:
        for number in range(300):
            ago = week - timedelta(minutes=5) if number % 3 else timedelta(minutes=1)
            audit.emit(numbered(number, event_timestamp=moment(ago)))
        audit.close(0)
    with emulator.clock(timedelta(hours=1)), writer(emulator.url, spool, tuned) as audit:
        assert audit.flush(PATIENCE) == SpoolReport(stored=100, quarantined=200)
        assert len(emulator.writes) <= 4
    assert quarantined(spool) == [("expired", number) for number in range(300) if number % 3]
    assert stored(emulator) == list(range(0, 300, 3))


def test_an_event_ahead_of_the_services_clock_waits_and_holds_up_no_other(emulator: Emulator, spool: Path) -> None:
    clock = MovedClock()
    tuned = tuning(clock=clock, linger=0.5)
    ahead = datetime.now(UTC) + timedelta(hours=2)
    with writer(emulator.url, spool, tuned) as audit:
        for number in range(50):
            audit.emit(numbered(number, **({"event_timestamp": ahead} if number in (10, 20) else {})))
        eventually(lambda: audit.status().totals.stored == 48)
        report = audit.flush(0.5)
        assert (report.stored, report.waiting, report.quarantined) == (48, 2, 0)
        assert len(emulator.writes) <= 3, "it isn't asked again and again"
        with emulator.clock(timedelta(hours=2)):
            clock.advance(3600)
            clock.advance(3600)
            assert audit.flush(PATIENCE) == SpoolReport(stored=50)
    assert stored(emulator) == list(range(50))


def test_a_request_that_is_too_large_is_divided(emulator: Emulator, quick: AuditWriter) -> None:
    def large(record: Any) -> bool:
        return len(json.loads(record.body)) > 10

    emulator.fault(BATCH, status=413, html=True, count=None, when=large)
    for number in range(100):
        quick.emit(numbered(number))
    assert quick.flush(PATIENCE) == SpoolReport(stored=100)
    quick.emit(numbered(100))
    assert quick.flush(PATIENCE) == SpoolReport(stored=101)


def test_an_event_that_is_too_large_alone_is_kept_and_holds_up_no_other(
    emulator: Emulator, quick: AuditWriter, alarms: Alarms
) -> None:
    emulator.fault(BATCH, status=413, html=True, count=None, when={"body_contains": '"number":3}'})
    for number in range(10):
        quick.emit(numbered(number))
    eventually(lambda: quick.status().totals.stored == 9 and alarms.kinds == ["too_large"])
    report = quick.flush(0.2)
    assert (report.stored, report.waiting + report.unsettled, report.quarantined) == (9, 1, 0)
    assert alarms.kinds == ["too_large"]
    emulator.clear_faults()
    assert quick.flush(PATIENCE) == SpoolReport(stored=10)


def test_a_poisonous_event_is_found_and_set_apart(
    emulator: Emulator, spool: Path, alarms: Alarms, caplog: pytest.LogCaptureFixture
) -> None:
    """The service blames its database, although it is well: three times, then the batch is taken apart."""
    clock = MovedClock()
    caplog.set_level(logging.WARNING, "kubernaut_client.spool")
    with writer(emulator.url, spool, tuning(clock=clock), on_alarm=alarms) as audit:
        poison = emulator.fault(
            BATCH, status=500, body=DATABASE_ERROR, count=None, when={"body_contains": '"number":7}'}
        )
        for number in range(100):
            audit.emit(numbered(number))
        assert audit.flush(PATIENCE) == SpoolReport(stored=99, quarantined=1)
        assert quarantined(spool) == [("unstorable", 7)]
        assert poison.used <= 20
        assert "quarantined" in alarms.kinds
        emulator.clear_faults()
        clock.advance(86400 + 1)  # it is tried again every day
        end = time.monotonic() + PATIENCE
        while len(stored(emulator)) < 100 and time.monotonic() < end:
            audit.flush(0.1)
    assert stored(emulator) == list(range(100)) and left(spool) == []


def test_a_missing_partition_is_waited_for(emulator: Emulator, spool: Path, alarms: Alarms) -> None:
    """All events of the month fail, so it isn't the events': none is set apart, and few requests are made."""
    with writer(emulator.url, spool, on_alarm=alarms) as audit:
        with emulator.no_partition():
            for number in range(1200):
                audit.emit(numbered(number))
            report = audit.flush(3.0)
            assert (report.stored, report.quarantined, report.waiting + report.unsettled) == (0, 0, 1200)
            assert len(emulator.writes) < 120
        assert audit.flush(PATIENCE) == SpoolReport(stored=1200)
    assert stored(emulator) == list(range(1200))
    assert set(alarms.kinds) == {"away", "unstorable", "back"} and len(alarms) == 3


# ---- when the service is away ----------------------------------------------------------------------------------------


def test_an_hour_away_is_told_once(
    emulator: Emulator, spool: Path, alarms: Alarms, caplog: pytest.LogCaptureFixture
) -> None:
    clock = MovedClock()
    caplog.set_level(logging.INFO, "kubernaut_client.spool")
    with writer(emulator.url, spool, tuning(clock=clock), on_alarm=alarms) as audit:
        with emulator.refuse_connections():
            for number in range(2000):
                audit.emit(numbered(number))
            for _ in range(60):
                clock.advance(60)
                audit.flush(0.02)
            status = audit.status()
            assert (status.waiting, status.totals.waiting) == (2000, 2000)
            assert status.away_seconds > 3000 and status.oldest_seconds > 3000
            assert status.last_error is not None and "refused" in status.last_error
        assert audit.flush(PATIENCE) == SpoolReport(stored=2000)
    assert stored(emulator) == list(range(2000))
    assert alarms.kinds == ["away", "back"]
    told = [record for record in caplog.records if record.name == "kubernaut_client.spool"]
    assert [record.levelname for record in told] == ["WARNING", "WARNING"], caplog.messages


def test_nothing_is_asked_of_the_service_by_status_and_emit(emulator: Emulator, spool: Path) -> None:
    with writer(emulator.url, spool, tuning(linger=1e6)) as audit:
        emulator.clear_requests()
        for number in range(10):
            audit.emit(numbered(number))
        assert audit.status().waiting == 10
        assert emulator.requests == ()


def test_it_does_not_ask_all_the_time(emulator: Emulator, spool: Path) -> None:
    """The pauses grow to five seconds; here to a quarter of one."""
    emulator.fault("*", status=503, html=True, count=None)
    with writer(emulator.url, spool) as audit:
        audit.emit(numbered(1, event_timestamp=moment()))
        audit.flush(2.0)
        assert len(emulator.requests) < 60
        emulator.clear_faults()
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)


# ---- closing, and what is left ---------------------------------------------------------------------------------------


def test_what_is_left_is_delivered_by_the_next(emulator: Emulator, spool: Path) -> None:
    with emulator.refuse_connections():
        first = writer(emulator.url, spool)
        for number in range(700):
            first.emit(numbered(number))
        report = first.close(0)
    assert (report.waiting + report.unsettled, report.stored) == (700, 0)
    assert len(left(spool)) == 2, "the file and its lock"
    with writer(emulator.url, spool) as second:
        assert second.flush(PATIENCE) == SpoolReport(stored=700)
    assert stored(emulator) == list(range(700)) and left(spool) == []


def test_a_batch_whose_sender_died_is_looked_for(emulator: Emulator, spool: Path) -> None:
    """The row that says "sending" is there before the first byte leaves; what came of it the next one finds out."""
    for drop in ("after", "before"):
        emulator.reset()
        emulator.fault(BATCH, stall=drop)
        with DataStorageClient(emulator.url, timeout=30) as client:
            first = writer(client, spool, tuning(attempt=30.0))
            first.emit(numbered(1))
            end = time.monotonic() + PATIENCE
            while not emulator.writes and time.monotonic() < end:
                pass
            report = first.close(0)
            assert (report.unsettled, report.waiting) == (1, 0)
            emulator.clear_faults()
        with writer(emulator.url, spool, tuning(fence=0.5, attempt=0.5)) as second:
            assert second.flush(PATIENCE) == SpoolReport(stored=1)
        assert stored(emulator) == [1]
        assert len(emulator.writes) == (1 if drop == "after" else 2)


def test_a_closed_writer_takes_nothing(emulator: Emulator, spool: Path) -> None:
    audit = writer(emulator.url, spool)
    audit.emit(numbered(1))
    assert audit.close(PATIENCE) == SpoolReport(stored=1) == audit.close() == audit.flush()
    assert audit.closed and "closed" in repr(audit)
    with pytest.raises(SpoolError, match="closed"):
        audit.emit(numbered(2))
    assert audit.status().totals == SpoolReport(stored=1)


def test_an_unused_writer_leaves_nothing(emulator: Emulator, spool: Path) -> None:
    with writer(emulator.url, spool):
        pass
    assert not spool.exists() or left(spool) == []


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field", "words"),
    [
        ({"event_type": "x" * 101}, "event_type", "at most 100"),
        ({"severity": "x" * 21}, "severity", "at most 20"),
        ({"event_data": {"a": "\0"}}, "event_data.a", "NUL"),
        ({"event_timestamp": datetime(2026, 1, 1)}, "event_timestamp", "time zone"),  # noqa: DTZ001
        ({"event_timestamp": moment(timedelta(days=7, minutes=1))}, "event_timestamp", "older than 7 days"),
        ({"event_timestamp": moment(-timedelta(days=3000))}, "event_timestamp", "3000.0 days ahead"),
        ({"event_timestamp": moment(-timedelta(hours=49))}, "event_timestamp", "an hour ahead"),
        ({"event_data": {"a": "x" * 5 * 2**20}}, "event_data", "bytes"),
        ({"event_id": "1"}, "event_id", "is not a field"),
        ({"correlation_id": ""}, "correlation_id", "empty"),
    ],
)
def test_what_could_never_be_stored_is_refused(
    emulator: Emulator, spool: Path, members: dict[str, Any], field: str, words: str
) -> None:
    alarms = Alarms()
    with writer(emulator.url, spool, on_alarm=alarms) as audit:
        with pytest.raises(InvalidRequestError, match=words) as caught:
            audit.emit(numbered(1, **members))
        assert caught.value.field == field
        assert audit.flush(PATIENCE) == SpoolReport()
    with writer(emulator.url, spool, on_invalid="quarantine", on_alarm=alarms) as audit:
        audit.emit(numbered(1, **members))
        audit.emit(numbered(2))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1, quarantined=1)
    assert stored(emulator) == [2] and alarms.kinds == ["quarantined"]
    assert "x" * 30 not in alarms[0].message


def test_a_quarantined_event_has_all_that_is_wrong_with_it(emulator: Emulator, spool: Path) -> None:
    members = {"event_action": "", "correlation_id": "", "namespace": "x" * 254, **dict.fromkeys("abcdefghi", 1)}
    with pytest.raises(InvalidRequestError) as caught, writer(emulator.url, spool) as audit:
        audit.emit(numbered(1, **members))
    assert len(caught.value.problems) == 12
    with writer(emulator.url, spool, on_invalid="quarantine") as audit:
        audit.emit(numbered(1, **members))
        assert audit.flush(PATIENCE) == SpoolReport(quarantined=1)
    (path,) = spool.glob("*.spool")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((reason,),) = connection.execute("SELECT reason FROM quarantine").fetchall()
    assert reason == str(caught.value)
    assert "event_action: must not be empty; correlation_id: must not be empty; namespace: " in reason
    assert reason.endswith("(and 2 more)")


@pytest.mark.parametrize("given", [None, 5, "text", [], object()])
def test_what_is_no_event(emulator: Emulator, quick: AuditWriter, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="must be a model or a mapping"):
        quick.emit(given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"spool": ""}, "spool"),
        ({"spool": 5}, "spool"),
        ({"durability": "disk"}, "durability must be one of process, power"),
        ({"spool_bytes": 5}, "spool_bytes"),
        ({"spool_bytes": 2.0**30}, "spool_bytes"),
        ({"on_invalid": "drop"}, "on_invalid"),
        ({"on_alarm": 5}, "on_alarm"),
        ({"client_or_url": 5}, "client_or_url"),
        ({"client_or_url": "ftp://x"}, "base_url"),
    ],
)
def test_arguments(spool: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        AuditWriter(**{"client_or_url": "http://localhost:1", "spool": spool, **arguments})
    assert not spool.exists()


@pytest.mark.parametrize("timeout", [-1, "5", float("nan"), True])
def test_timeouts(quick: AuditWriter, timeout: Any) -> None:
    for method in (quick.flush, quick.close):
        with pytest.raises(InvalidRequestError, match="timeout"):
            method(timeout)
    assert not quick.closed


@pytest.mark.parametrize(
    "how", [{"status": 404}, {"status": 200, "html": True}, {"status": 403, "html": True}, {"truncate": 20}]
)
def test_a_copy_stored_before_is_no_proof(emulator: Emulator, tmp_path: Path, how: dict[str, Any]) -> None:
    """If it can't be asked how many copies of an event are there already, it isn't sent."""
    equal = event(event_timestamp=moment())
    with writer(emulator.url, tmp_path) as audit:
        audit.emit(equal)
        assert audit.flush(PATIENCE).stored == 1
        emulator.fault(QUERY, **how)
        emulator.fault(BATCH, drop="before")
        audit.emit(equal)
        assert audit.flush(PATIENCE).stored == 2
    assert len(emulator.rows("audit_events")) == 2
