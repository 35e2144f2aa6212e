"""Audit events and notifications against the emulator, in both colours: what is stored, and that it is stored once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import log2
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from kubernaut_client import (
    ConflictError,
    ConnectionDroppedError,
    DatabaseError,
    Outcome,
    RequestTimeoutError,
    RetryPolicy,
    ServiceUnavailableError,
    ValidationError,
)
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import UNSET
from tests.audit_events import event, notification
from tests.colours import COLOURS, Colour, opened
from tests.integration.emulator_tools import PATIENCE
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

QUICK = RetryPolicy(wait_initial=0, jitter=0)
DECODER = {
    "type": "https://kubernaut.ai/problems/invalid_request",
    "title": "Invalid Request",
    "status": 400,
    "detail": "request body must be a JSON array: what the decoder says",
}


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def client(emulator: Emulator, colour: Colour) -> Iterator[Any]:
    with opened(colour, emulator.url, retry=QUICK) as client:
        yield client


def stored(emulator: Emulator, table: str = "audit_events") -> int:
    return len(emulator.rows(table))


# One event -----------------------------------------------------------------------------------------------------------


def test_every_member_comes_back(client: Any) -> None:
    parent = client.audit.write(event())
    given = event(
        actor_type="user",
        actor_id="jo",
        resource_type="Pod",
        resource_id="default/web",
        parent_event_id=parent.event_id,
        namespace="default",
        cluster_name="c1",
        severity="high",
        duration_ms=1500,
        event_data={"n": 2**53, "f": 0.1, "whole": 3.0, "big": 1e300, "text": "é\u2028\n", "list": [None, True, {}]},
    )
    receipt = client.audit.write(given)
    assert receipt.status == "stored"
    (row,) = client.audit.query(severity="high")
    assert row.event_id == receipt.event_id
    for name, value in given.items():
        if name != "duration_ms":
            assert getattr(row, name) == value, name
    assert type(row.event_data["whole"]) is int  # the service reads and writes numbers as floats
    for name in "duration_ms error_code error_message retention_days is_sensitive parent_event_date".split():
        assert getattr(row, name) is UNSET


def test_defaults_of_the_service(client: Any) -> None:
    client.audit.write(event())
    (row,) = client.audit.query()
    assert (row.severity, row.namespace, row.cluster_name, row.parent_event_id) == ("info", "", "", None)
    assert (row.actor_type, row.actor_id) == ("service", "workflow-service")
    assert (row.resource_type, row.resource_id) == ("workflow", row.correlation_id)


def test_lost_after_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createAuditEvent", drop="after")
    given = event(severity="", namespace="", duration_ms=1, event_data={"a": 1e300, "b": -0.0})
    receipt = client.audit.write(given)
    (row,) = emulator.rows("audit_events")
    assert (receipt.status, receipt.recovered) == ("stored", True)
    assert str(receipt.event_id) == str(row["event_id"])
    assert len(emulator.writes) == 1


def test_lost_before_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createAuditEvent", drop="before")
    with pytest.raises(ConnectionDroppedError) as caught:
        client.audit.write(event())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert (stored(emulator), len(emulator.writes)) == (0, 1)


OPTIONAL: dict[str, Any] = {
    "actor_type": "user",
    "actor_id": "jo",
    "resource_type": "Pod",
    "resource_id": "web",
    "parent_event_id": None,  # one that exists
    "namespace": "default",
    "cluster_name": "c1",
    "severity": "high",
}


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("alone", [True, False])
def test_two_events_of_one_microsecond(client: Any, emulator: Emulator, name: str, alone: bool) -> None:
    """They differ by a member that one of them leaves out, so neither stands for the other."""
    value = OPTIONAL[name] or client.audit.write(event()).event_id
    before = stored(emulator)
    for first, drop in ((True, "before"), (True, "after"), (False, "before"), (False, "after")):
        moment = datetime.now(UTC)
        pair = [event(event_timestamp=moment, **{name: value}), event(event_timestamp=moment)]
        there, lost = pair if first else reversed(pair)

        def write(given: dict[str, Any]) -> Any:
            return client.audit.write(given) if alone else client.audit.write_batch([given])[0]

        known = write(there).event_id
        emulator.fault("*", drop=drop, count=1)  # type: ignore[arg-type]
        if drop == "before":
            with pytest.raises(ConnectionDroppedError) as caught:
                write(lost)
            assert caught.value.outcome is Outcome.UNKNOWN
            before += 1
        else:
            receipt = write(lost)
            assert receipt.recovered
            assert receipt.event_id not in (known, None)
            before += 2
        assert stored(emulator) == before


@pytest.mark.parametrize("kind", ["html", "503", "cut", "stall"])
def test_other_ways_to_lose_an_answer(client: Any, emulator: Emulator, kind: str) -> None:
    faults: dict[str, dict[str, Any]] = {
        "html": {"html": True, "commit": True},
        "503": {"status": 503, "body": "upstream", "commit": True},
        "cut": {"truncate": 9},
        "stall": {"stall": "after"},
    }
    emulator.fault("createAuditEvent", **faults[kind])
    emulator.fault("createAuditEventsBatch", **faults[kind])
    timeout = 0.5 if kind == "stall" else None
    assert client.audit.write(event(), timeout=timeout).recovered
    assert all(receipt.recovered for receipt in client.audit.write_batch([event(), event()], timeout=timeout))
    assert (stored(emulator), len(emulator.writes)) == (3, 2)


def test_a_commit_that_comes_late_is_not_claimed(client: Any, emulator: Emulator) -> None:
    """Absence proves nothing while the service may still be at it."""
    emulator.fault("createAuditEvent", hold=2.0)
    given = event()
    with pytest.raises(RequestTimeoutError) as caught:
        client.audit.write(given, timeout=0.3)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(client.audit.wait_for(correlation_id=given["correlation_id"])) == 1


def test_the_database_is_down(client: Any, emulator: Emulator) -> None:
    with emulator.database_down():
        assert client.audit.write(event()).status == "queued"
        with pytest.raises(ServiceUnavailableError) as unavailable:
            client.audit.write(event(parent_event_id=uuid4()))
        assert unavailable.value.outcome is Outcome.REFUSED
        with pytest.raises(DatabaseError) as caught:
            client.audit.write_batch([event()])
        assert (caught.value.outcome, caught.value.receipts) == (Outcome.UNKNOWN, (None,))
        with pytest.raises(DatabaseError):
            list(client.audit.query())
        with emulator.redis_down(), pytest.raises(DatabaseError) as caught:
            client.audit.write(event())
        assert caught.value.outcome is Outcome.UNKNOWN
    with pytest.raises(ValidationError):
        client.audit.write(event(parent_event_id=uuid4()))
    assert len(emulator.dead_letters()) == 1


def test_no_partition(client: Any, emulator: Emulator) -> None:
    with emulator.no_partition():
        assert client.audit.write(event()).status == "queued"
        with pytest.raises(DatabaseError) as caught:
            client.audit.write_batch([event()])
        assert caught.value.outcome is Outcome.UNKNOWN


def test_times_by_the_clock_of_the_service(client: Any, emulator: Emulator) -> None:
    with emulator.clock(-timedelta(minutes=20)):
        with pytest.raises(ValidationError, match="in the future"):
            client.audit.write(event())
        result = client.audit.write_batch([event(), event(event_timestamp=datetime.now(UTC) - timedelta(hours=1))])
    assert [receipt.status for receipt in result] == ["rejected", "stored"]
    with pytest.raises(ValidationError, match="too old"):
        client.audit.write(event(event_timestamp=datetime.now(UTC) - timedelta(days=7, seconds=1)))
    assert stored(emulator) == 1


# A batch -------------------------------------------------------------------------------------------------------------


def test_a_batch(client: Any, emulator: Emulator) -> None:
    events = [event(event_action=f"a{number}") for number in range(50)]
    result = client.audit.write_batch(events)
    actions = {str(row["event_id"]): row["event_action"] for row in emulator.rows("audit_events")}
    assert [actions[str(receipt.event_id)] for receipt in result] == [f"a{number}" for number in range(50)]
    assert len(emulator.writes) == 1


def test_a_batch_lost_after_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createAuditEventsBatch", drop="after")
    result = client.audit.write_batch([event(version="2.0", duration_ms=3) for _ in range(20)])
    assert {(receipt.status, receipt.recovered) for receipt in result} == {("stored", True)}
    assert (stored(emulator), len(emulator.writes)) == (20, 1)
    ids = {str(row["event_id"]) for row in emulator.rows("audit_events")}
    known = [str(receipt.event_id) for receipt in result if receipt.event_id]
    assert len(set(known)) == 3 and set(known) <= ids


def test_a_batch_lost_before_the_commit(client: Any, emulator: Emulator) -> None:
    emulator.fault("createAuditEventsBatch", drop="before")
    with pytest.raises(ConnectionDroppedError) as caught:
        client.audit.write_batch([event() for _ in range(20)])
    assert caught.value.outcome is Outcome.UNKNOWN
    assert (stored(emulator), len(emulator.writes)) == (0, 1)


def test_a_part_of_a_batch_is_lost(client: Any, emulator: Emulator) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    events = [event() for _ in range(9)]
    events[4]["event_timestamp"] = old
    for moment, known in (("after", True), ("before", False)):
        emulator.reset()
        emulator.fault("createAuditEventsBatch", drop=moment, skip=2)  # type: ignore[arg-type]
        if known:
            result = client.audit.write_batch(events)
            assert [receipt.recovered for receipt in result] == [False] * 5 + [True] * 4
            assert stored(emulator) == 8
        else:
            with pytest.raises(ConnectionDroppedError) as caught:
                client.audit.write_batch(events)
            statuses = [receipt and receipt.status for receipt in caught.value.receipts]
            assert statuses == ["stored"] * 4 + ["rejected"] + [None] * 4
            assert caught.value.unstored == ()
            assert stored(emulator) == 4


def poisoned(count: int, every: int) -> tuple[list[dict[str, Any]], set[int]]:
    """Events of which one in so many lies out of time, spread irregularly, and where those are."""
    bad = {(number * 7919 + 13) % count for number in range(count // every)}
    now = datetime.now(UTC)
    events = [event(event_data={"number": number}) for number in range(count)]
    for place, number in enumerate(sorted(bad)):
        off = timedelta(days=8 + place % 50) if place % 3 else -timedelta(minutes=6 + place)
        events[number]["event_timestamp"] = now - off
    return events, bad


def is_settled(result: Any, bad: set[int], emulator: Emulator) -> None:
    """Every good event is stored once, under the id of its receipt, and every bad one rejected with its reason."""
    numbers = {str(row["event_id"]): int(row["event_data"]["number"]) for row in emulator.rows("audit_events")}
    assert sorted(numbers.values()) == [number for number in range(len(result)) if number not in bad]
    for number, receipt in enumerate(result):
        if number in bad:
            assert receipt.status == "rejected"
            assert receipt.reason
        else:
            assert (receipt.status, numbers[str(receipt.event_id)]) == ("stored", number)


def sent(emulator: Emulator) -> tuple[int, int]:
    """Requests, and events in them."""
    return len(emulator.writes), sum(record.body.count(b'"event_outcome"') for record in emulator.writes)


def test_ten_thousand_events_with_one_in_a_hundred_bad(emulator: Emulator) -> None:
    events, bad = poisoned(10_000, 100)
    with opened("sync", emulator.url, timeout=60, retry=RetryPolicy(deadline=100)) as client:
        result = client.audit.write_batch(events)
    is_settled(result, bad, emulator)
    requests, times = sent(emulator)
    assert requests <= 5 < 2 * len(bad) + 1
    assert times <= 2 * len(events)
    for number in bad:
        assert "too old" in str(result[number].reason) or "in the future" in str(result[number].reason)


REFUSED_HERE: list[dict[str, Any]] = [
    {"severity": "x" * 21},
    {"version": "1" * 11},
    {"event_data": {"text": "a\0b"}},
    {"event_data": {"number": 2**53 + 1}},
    {"event_timestamp": datetime(2026, 1, 31, 12)},  # noqa: DTZ001 - names no instant
    {"correlation_id": ""},
    {"event_outcome": "sucess"},
]


@pytest.mark.parametrize("offset", [timedelta(), timedelta(hours=-3), timedelta(days=2)], ids=str)
def test_ten_thousand_events_with_poison_of_every_kind(emulator: Emulator, offset: timedelta) -> None:
    """At random places, on a service whose clock is right or not: by it, it says of one at a time that it is bad."""
    seed = Random().randrange(10**9)
    random = Random(seed)
    events = [event(event_data={"number": number}) for number in range(10_000)]
    now = datetime.now(UTC) + offset
    here, there = set[int](), set[int]()
    for number, each in enumerate(events):
        each["event_timestamp"] = now - timedelta(minutes=1, microseconds=number)
        if random.random() < 0.01:
            if random.random() < 0.3:
                each.update(random.choice(REFUSED_HERE))
                here.add(number)
            else:
                off = random.choice([timedelta(days=-7, seconds=-5), timedelta(days=-40), timedelta(minutes=6)])
                each["event_timestamp"] = now + off * random.choice([1, 1, 1.5])
                there.add(number)
    with emulator.clock(offset), opened("sync", emulator.url, timeout=60, retry=RetryPolicy(deadline=100)) as client:
        result = client.audit.write_batch(events)
    is_settled(result, here | there, emulator)
    requests, times = sent(emulator)
    assert requests <= 2 * len(there) + 1, seed
    assert times <= 2 * len(events), seed
    for number in there:
        assert "timestamp" in str(result[number].reason), seed


@pytest.mark.parametrize(("count", "every"), [(1, 1), (2, 1), (2, 2), (3, 3), (10, 3), (100, 100), (100, 2), (40, 1)])
def test_budgets(client: Any, emulator: Emulator, count: int, every: int) -> None:
    events, bad = poisoned(count, every)
    is_settled(client.audit.write_batch(events), bad, emulator)
    requests, times = sent(emulator)
    assert requests <= 2 * len(bad) + 1
    assert times <= 2 * count


@pytest.mark.parametrize("bad", [set[int](), {0}, {99}, {50}, {3, 4, 77}])
def test_events_that_are_not_named(client: Any, emulator: Emulator, bad: set[int]) -> None:
    """The service refuses a batch for one event and doesn't say which."""
    when = {"members": {"event_action": "poison"}}
    emulator.fault("createAuditEventsBatch", count=None, when=when, status=400, body=DECODER)
    events = [event(event_data={"number": number}) for number in range(100)]
    for number in bad:
        events[number]["event_action"] = "poison"
    result = client.audit.write_batch(events)
    is_settled(result, bad, emulator)
    assert {receipt.reason for receipt in result.rejected} == ({DECODER["detail"]} if bad else set())
    assert len(emulator.writes) <= (2 + 2 * log2(100)) * max(len(bad), 1)


@pytest.mark.parametrize("place", [0, 4999, 9_999])
def test_one_of_ten_thousand_that_is_not_named(emulator: Emulator, place: int) -> None:
    when = {"members": {"event_action": "poison"}}
    emulator.fault("createAuditEventsBatch", count=None, when=when, status=400, body=DECODER)
    events = [event(event_data={"number": number}) for number in range(10_000)]
    events[place]["event_action"] = "poison"
    with opened("sync", emulator.url, timeout=60, retry=RetryPolicy(deadline=100)) as client:
        result = client.audit.write_batch(events)
    is_settled(result, {place}, emulator)
    assert result[place].reason == DECODER["detail"]
    assert len(emulator.writes) <= 2 + 2 * log2(10_000)


def test_a_refusal_that_is_about_no_event(client: Any, emulator: Emulator) -> None:
    detail = 'request body has an error: header Content-Type has unexpected value "x"'
    problem = {**DECODER, "type": "https://kubernaut.ai/problems/validation-error", "detail": detail}
    emulator.fault("createAuditEventsBatch", count=None, status=400, body=problem)
    with pytest.raises(ValidationError) as caught:
        client.audit.write_batch([event() for _ in range(10)])
    assert caught.value.outcome is Outcome.REFUSED
    assert len(emulator.writes) == 1


# Reading -------------------------------------------------------------------------------------------------------------


def test_filters_and_bounds(client: Any) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(minutes=1), timedelta(minutes=30), timedelta(hours=2), timedelta(days=3)]
    for number, age in enumerate(ages):
        client.audit.write(
            event(
                event_timestamp=now - age,
                correlation_id=f"c{number % 2}",
                event_type=f"t{number}",
                event_outcome="failure" if number == 3 else "success",
                event_category="gateway" if number == 2 else "workflow",
            )
        )

    def types(**filters: Any) -> list[str]:
        return [row.event_type for row in client.audit.query(**filters)]

    assert types() == ["t0", "t1", "t2", "t3"]
    assert types(correlation_id="c1") == ["t1", "t3"]
    assert types(event_type="t2") == types(event_category="gateway") == ["t2"]
    assert types(event_outcome="failure") == types(until=timedelta(days=1)) == ["t3"]
    assert types(since="1h") == types(since=timedelta(hours=1)) == types(since=now - timedelta(hours=1)) == ["t0", "t1"]
    assert types(since="7d", until="20m") == ["t1", "t2", "t3"]
    assert types(since=now - ages[1], until=now - ages[1]) == ["t1"]
    assert types(severity="high") == types(event_category="billing") == []


def test_a_walk_that_is_left(client: Any, emulator: Emulator) -> None:
    client.audit.write_batch([event() for _ in range(30)])
    emulator.clear_requests()
    assert len(list(islice(client.audit.query(page_size=10), 5))) == 5
    assert len(emulator.requests) == 1


def test_pages_of_one_microsecond(client: Any, emulator: Emulator) -> None:
    moment = datetime.now(UTC)
    times = [moment + timedelta(microseconds=1), *[moment] * 37, moment - timedelta(microseconds=1)]
    result = client.audit.write_batch([event(event_timestamp=each) for each in times])
    found = [row.event_id for row in client.audit.query(page_size=10)]
    assert len(found) == 39
    assert set(found) == {receipt.event_id for receipt in result}
    assert len([record for record in emulator.requests if record.method == "GET"]) == 4


def test_an_outage_between_two_pages(client: Any, emulator: Emulator) -> None:
    client.audit.write_batch([event() for _ in range(30)])
    emulator.fault("queryAuditEvents", drop="before", skip=1)
    emulator.fault("queryAuditEvents", status=503, body="upstream")
    assert len(list(client.audit.query(page_size=10))) == 30


def test_wait_for(client: Any, emulator: Emulator) -> None:
    client.audit.write(event(event_type="workflow.started"))
    with pytest.raises(RequestTimeoutError, match=r"0 of 1 events .*there is workflow\.started \(1\)"):
        client.audit.wait_for(timeout=1.0, event_type="workflow.completed")
    assert len(client.audit.wait_for(timeout=5, event_type="workflow.started", since="1h")) == 1


def test_wait_for_reads_no_more_than_it_needs(client: Any, emulator: Emulator) -> None:
    given = [event() for _ in range(1010)]
    client.audit.write_batch(given)
    emulator.clear_requests()
    found = client.audit.wait_for(2, timeout=PATIENCE)
    assert [row.event_timestamp for row in found] == [each["event_timestamp"] for each in given[:9:-1]]
    assert len(emulator.requests) == 1


def test_a_search_adds_an_event_of_its_own(client: Any, emulator: Emulator) -> None:
    client.workflows.create(workflow())
    labels = {name: workflow()["labels"][name] for name in workflow()["labels"]}
    found = client.workflows.search(**labels, remediation_id="remediation-7")
    assert [row.title for row in found.workflows] == ["Restart (restart-pod)"]
    (row,) = client.audit.wait_for(correlation_id="remediation-7")
    assert row.event_type == "workflow.catalog.search_completed"


# Notifications -------------------------------------------------------------------------------------------------------


def test_notifications(client: Any, emulator: Emulator) -> None:
    record = notification(escalation_level=2, delivery_status="ok", message_summary="é" * 1000)
    receipt = client.notifications.create(record)
    (row,) = emulator.rows("notification_audit")
    assert (receipt.status, receipt.stored_record.id) == ("stored", row["id"])
    assert row["message_summary"] == record["message_summary"]
    with pytest.raises(ConflictError) as caught:
        client.notifications.create(record)
    error = caught.value
    assert (error.outcome, error.resource, error.field) == (Outcome.REFUSED, "notification_audit", "notification_id")
    assert error.value == record["notification_id"]


@pytest.mark.parametrize(("drop", "recovered"), [("after", True), ("before", False)])
def test_a_lost_notification(client: Any, emulator: Emulator, drop: Any, recovered: bool) -> None:
    emulator.fault("createNotificationAudit", drop=drop)
    receipt = client.notifications.create(notification())
    assert (receipt.status, receipt.recovered) == ("stored", recovered)
    assert (stored(emulator, "notification_audit"), len(emulator.writes)) == (1, 2)


def test_the_notification_of_another_is_not_taken_for_ours(client: Any, emulator: Emulator) -> None:
    record = notification()
    client.notifications.create(record)
    body = {"type": "https://kubernaut.ai/problems/service-unavailable", "title": "Service Unavailable", "retry": True}
    emulator.fault("createNotificationAudit", status=503, body=body)
    with pytest.raises(ConflictError) as caught:
        client.notifications.create({**record, "message_summary": "Another."})
    assert caught.value.maybe_ours
    assert len(emulator.rows("notification_audit")) == 1


def test_notifications_without_a_database(client: Any, emulator: Emulator) -> None:
    with emulator.database_down():
        assert client.notifications.create(notification()).status == "queued"
        with emulator.redis_down(), pytest.raises(ServiceUnavailableError) as caught:
            client.notifications.create(notification())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(caught.value.history) == QUICK.attempts
