"""The emulator's audit events where the recordings say nothing: limits, times, stored values, dead letters."""

import base64
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator, goduration
from kubernaut_client.emulator.auditquery import QueryFailure, parse_time
from kubernaut_client.emulator.auditstore import passed_date
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.dlq import CAPACITY, DeadLetters
from kubernaut_client.emulator.gotime import GoTime
from kubernaut_client.emulator.metrics import Metrics
from tests.events import event, moment
from tests.integration.emulator_tools import WORKFLOWS, Answer, call, eventually
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

EVENTS = "/api/v1/audit/events"
BATCH = f"{EVENTS}/batch"
TABLE = "audit_events"
UNKNOWN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
QUEUED = {"status": "accepted", "message": "audit event queued for async processing"}


def post(emulator: Emulator, **members: Any) -> Answer:
    return call(emulator, "POST", EVENTS, event(**members))


def raw_event(**members: str) -> str:
    """An event whose members are given as JSON text."""
    texts = {name: json.dumps(value) for name, value in event().items()} | members
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def query(emulator: Emulator, text: str = "") -> list[dict[str, Any]]:
    answer = call(emulator, "GET", f"{EVENTS}?{text}")
    assert answer.status == 200
    found: list[dict[str, Any]] = answer.json["data"]
    return found


def problem(answer: Answer) -> tuple[int, str, str]:
    document = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == answer.status
    return answer.status, document["type"].rpartition("/")[2], document["detail"]


# ---- one event -------------------------------------------------------------------------------------------------------


def test_stored_with_the_defaults_of_the_service(emulator: Emulator) -> None:
    answer = post(emulator, event_timestamp=moment(timedelta(minutes=1)))
    (row,) = emulator.rows(TABLE)
    assert answer.status == 201 and list(answer.json) == ["event_id", "event_timestamp", "message"]
    assert answer.json["event_id"] == str(row["event_id"]) and uuid.UUID(answer.json["event_id"]).version == 4
    assert answer.json["event_timestamp"] == f"{row['event_timestamp']:%Y-%m-%dT%H:%M:%S}Z"
    assert row["event_date"] == row["event_timestamp"].date()
    assert (row["actor_type"], row["actor_id"]) == ("service", "workflow-service")
    assert (row["resource_type"], row["resource_id"]) == ("workflow", "rr-1")
    assert (row["severity"], row["namespace"], row["cluster_name"], row["duration_ms"]) == ("info", None, None, None)
    assert (row["retention_days"], row["is_sensitive"], row["event_version"]) == (2555, False, "1.0")
    assert (row["error_code"], row["error_message"], row["parent_event_date"], row["actor_ip"]) == (None,) * 4


def test_explicitly_empty_texts(emulator: Emulator) -> None:
    empty = dict.fromkeys(("actor_type", "actor_id", "resource_type", "resource_id", "namespace", "severity"), "")
    assert post(emulator, **empty, duration_ms=0).status == 201
    (row,) = emulator.rows(TABLE)
    assert [row[name] for name in empty] == ["", "", "", "", None, None] and row["duration_ms"] is None
    (shown,) = query(emulator)
    assert [shown[name] for name in empty] == [""] * 6 and len(shown) == 24


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(1500, 1500), (-1, -1), (2**31, -(2**31)), (2**32 + 5, 5), (2**63 - 1, -1), (2**32, 0)],
)
def test_duration_wraps_around(emulator: Emulator, sent: int, stored: int) -> None:
    assert post(emulator, duration_ms=sent).status == 201
    assert emulator.rows(TABLE)[0]["duration_ms"] == stored
    assert query(emulator)[0]["duration_ms"] == 0


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ('{"n":12345678901234567890}', '{"n":12345678901234567000}'),
        ('{"n":1.0,"m":1e21,"l":1e-7,"k":-0.5}', '{"k":-0.5,"l":1e-7,"m":1e+21,"n":1}'),
        ('{"b":1,"a":{"d":[true,null],"c":"<&>"}}', '{"a":{"c":"\\u003c\\u0026\\u003e","d":[true,null]},"b":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"s":"\\ud800"}', '{"s":"\ufffd"}'),
        ("{}", "{}"),
    ],
)
def test_event_data_goes_through_go(emulator: Emulator, sent: str, shown: str) -> None:
    assert call(emulator, "POST", EVENTS, raw_event(event_data=sent)).status == 201
    answer = call(emulator, "GET", EVENTS)
    assert f'"event_data":{shown}}}' in answer.body.decode()


@pytest.mark.parametrize("text", ['{"a":' * 800 + "1" + "}" * 800, '{"a":' + "[" * 800 + "]" * 800 + "}"])
def test_event_data_of_any_depth(emulator: Emulator, text: str) -> None:
    assert call(emulator, "POST", EVENTS, raw_event(event_data=text)).status == 201
    assert f'"event_data":{text}}}' in call(emulator, "GET", EVENTS).body.decode()


def test_null_by_another_case_of_the_name(emulator: Emulator) -> None:
    assert call(emulator, "POST", EVENTS, raw_event(EVENT_DATA="null")).status == 201
    assert query(emulator)[0]["event_data"] is None


@pytest.mark.parametrize(
    "members",
    [
        {"version": "x" * 11},
        {"severity": "x" * 21},
        {"actor_type": "x" * 51},
        {"actor_id": "x" * 256},
        {"resource_type": "x" * 101},
        {"resource_id": "x" * 256},
        {"namespace": "x" * 254},
        {"cluster_name": "x" * 256},
        {"event_data": {"nul": "\0"}},
        {"event_action": "nul \0"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_accepted_and_never_stored(emulator: Emulator, members: dict[str, Any]) -> None:
    answer = post(emulator, **members)
    assert (answer.status, answer.json) == (202, QUEUED)
    (letter,) = emulator.dead_letters()
    assert (letter.stream, letter.type, letter.retry_count) == ("audit:dlq:events", "audit_event", 0)
    assert letter.last_error and "nul" not in repr(letter)
    data = json.loads(base64.b64decode(letter.payload["event_data"]))
    assert data == event(**members)["event_data"] and letter.payload["correlation_id"] == "rr-1"
    assert None not in letter.payload.values(), "what an event doesn't have is left out"
    emulator.shutdown(delay=0)
    assert emulator.rows(TABLE) == [] and emulator.dead_letters() == ()


@pytest.mark.parametrize("members", [{"event_type": "x" * 100}, {"severity": "é" * 20}, {"namespace": "x" * 253}])
def test_the_longest_texts(emulator: Emulator, members: dict[str, Any]) -> None:
    assert post(emulator, **members).status == 201


@pytest.mark.parametrize(
    ("ago", "slug", "detail"),
    [
        (timedelta(minutes=-6), "validation-error", "invalid timestamp: timestamp is in the future (server time: "),
        (
            timedelta(days=7, seconds=1),
            "validation-error",
            "invalid timestamp: timestamp is too old (must be within 7 days, age: 168h0m1.",
        ),
    ],
)
def test_timestamp_out_of_bounds(emulator: Emulator, ago: timedelta, slug: str, detail: str) -> None:
    status, found, text = problem(post(emulator, event_timestamp=moment(ago)))
    assert (status, found) == (400, slug) and text.startswith(detail)
    status, found, text = problem(call(emulator, "POST", BATCH, [event(), event(event_timestamp=moment(ago))]))
    assert (status, found) == (400, slug) and text.startswith(f"event at index 1: {detail}")
    assert emulator.rows(TABLE) == []


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("0000-01-01T00:00:00Z", "too old (must be within 7 days, age: 2562047h47m16.854775807s)"),
        ("1600-02-29T00:00:00Z", "too old (must be within 7 days, age: 2562047h47m16.854775807s)"),
        ("9999-12-31T23:59:59-23:59", "event time: 9999-12-31T23:59:59-23:59)"),
    ],
)
def test_timestamp_of_another_age(emulator: Emulator, text: str, detail: str) -> None:
    assert problem(post(emulator, event_timestamp=text))[2].endswith(detail)


def test_future_is_told_in_whole_seconds_and_the_events_own_zone(emulator: Emulator) -> None:
    late = datetime.now(UTC) + timedelta(hours=1)
    sent = (late + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%f+02:00")
    _, _, detail = problem(post(emulator, event_timestamp=sent))
    assert detail.endswith(f"Z, event time: {sent[:19]}+02:00)")


@pytest.mark.parametrize("ago", [timedelta(minutes=-4), timedelta(days=6, hours=23)])
def test_timestamp_within_bounds(emulator: Emulator, ago: timedelta) -> None:
    assert post(emulator, event_timestamp=moment(ago)).status == 201


def test_bounds_go_by_the_clock_of_the_service(emulator: Emulator) -> None:
    with emulator.clock(timedelta(days=8)):
        assert post(emulator).status == 400
    with emulator.clock(timedelta(hours=-1)):
        assert "in the future" in problem(post(emulator))[2]
    assert post(emulator).status == 201


@pytest.mark.parametrize(
    ("member", "text", "detail"),
    [
        ("parent_event_id", '"zzz"', "invalid UUID length: 3"),
        ("parent_event_id", f'"{UNKNOWN[:-1]}g"', "invalid UUID format"),
        ("parent_event_id", f'"urn-uuid:{UNKNOWN}"', 'invalid urn prefix: "urn-uuid:"'),
        (
            "duration_ms",
            "1e3",
            "json: cannot unmarshal number 1e3 into Go struct field AuditEventRequest.duration_ms of type int",
        ),
        (
            "event_data",
            '{"a":[1e400]}',
            "json: cannot unmarshal number 1e400 into Go struct field AuditEventRequest.event_data of type float64",
        ),
        (
            "event_timestamp",
            '"2025-02-30T10:00:00Z"',
            'parsing time "2025-02-30T10:00:00Z": day out of range',
        ),
    ],
)
def test_refused_by_the_decoder(emulator: Emulator, member: str, text: str, detail: str) -> None:
    body = raw_event(**{member: text})
    assert problem(call(emulator, "POST", EVENTS, body)) == (400, "invalid_request", detail)
    expected = f"request body must be a JSON array: {detail}"
    assert problem(call(emulator, "POST", BATCH, f"[{body}]")) == (400, "invalid_request", expected)


@pytest.mark.parametrize(
    "form", [UNKNOWN, UNKNOWN.upper(), UNKNOWN.replace("-", ""), f"{{{UNKNOWN}}}", f"urn:uuid:{UNKNOWN}"]
)
def test_forms_of_a_parent(emulator: Emulator, form: str) -> None:
    assert call(emulator, "POST", BATCH, [event(parent_event_id=form)]).status == 201
    assert str(emulator.rows(TABLE)[0]["parent_event_id"]) == UNKNOWN


@pytest.mark.parametrize(("value", "kind"), [([1], "array"), ("x", "string"), (1, "number"), (False, "bool")], ids=str)
def test_event_data_must_be_an_object(emulator: Emulator, value: Any, kind: str) -> None:
    detail = (
        f"failed to unmarshal event_data: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    )
    assert problem(post(emulator, event_data=value)) == (400, "invalid_event_data", detail)
    batch = call(emulator, "POST", BATCH, [event(), event(event_data=value)])
    assert problem(batch) == (400, "invalid_event_data", f"event at index 1: {detail}")


def test_order_of_the_checks(emulator: Emulator) -> None:
    wrong: dict[str, Any] = {"event_data": [], "parent_event_id": UNKNOWN, "event_timestamp": moment(timedelta(days=8))}
    assert "too old" in problem(post(emulator, **wrong))[2]
    wrong.pop("event_timestamp")
    assert problem(post(emulator, **wrong))[2] == "parent event does not exist"
    wrong.pop("parent_event_id")
    assert problem(post(emulator, **wrong))[1] == "invalid_event_data"


def test_parent_must_exist(emulator: Emulator) -> None:
    parent = post(emulator).json["event_id"]
    assert problem(post(emulator, parent_event_id=UNKNOWN)) == (400, "validation-error", "parent event does not exist")
    assert post(emulator, parent_event_id=parent).status == 201
    assert sorted(str(row["parent_event_id"]) for row in emulator.rows(TABLE)) == sorted(("None", parent))
    with emulator.database_down():
        assert problem(post(emulator, parent_event_id=parent))[2] == "parent event does not exist"
    assert emulator.dead_letters() == ()


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("2026-01-15T12:00:00Z", date(2026, 1, 15)),
        ("2026-01-15T23:30:00+02:00", date(2026, 1, 15)),
        ("2026-01-15T00:30:00+02:00", date(2026, 1, 14)),
        ("2026-01-15T12:00:00-01:00", date(2026, 1, 14)),
        ("2026-02-01T12:00:00-08:00", date(2026, 1, 31)),
    ],
)
def test_date_that_the_service_passes(sent: str, passed: date) -> None:
    assert passed_date(GoTime.parse(sent)) == passed


def test_negative_offset_on_the_first_of_a_month(emulator: Emulator) -> None:
    # The service's clock is put where the next month begins; events of its first day are neither old nor early.
    today = datetime.now(UTC)
    first = (today.replace(day=1, hour=12, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    with emulator.clock(first - today):
        sent = [f"{first:%Y-%m-%d}T11:00:00{zone}" for zone in ("Z", "-00:30", "+05:00")]
        assert [post(emulator, event_timestamp=text).status for text in sent] == [201, 202, 201]
        batches = [call(emulator, "POST", BATCH, [event(event_timestamp=text)]).status for text in sent]
    assert batches == [201, 500, 201]
    assert len(emulator.rows(TABLE)) == 4 and len(emulator.dead_letters()) == 1


def test_no_partition_beyond_the_months_that_were_made(emulator: Emulator) -> None:
    with emulator.clock(timedelta(days=200)):
        assert post(emulator, event_timestamp=moment(timedelta(days=-200))).status == 202
        late = event(event_timestamp=moment(timedelta(days=-200)))
        assert problem(call(emulator, "POST", BATCH, [late]))[1] == "database-error"


def test_no_partition_of_this_month(emulator: Emulator) -> None:
    assert post(emulator).status == 201
    with emulator.no_partition():
        assert post(emulator).status == 202 and call(emulator, "POST", BATCH, [event()]).status == 500
        assert query(emulator) == [] and emulator.rows(TABLE) == []
    assert len(query(emulator)) == 1 and post(emulator).status == 201


def test_reset_brings_the_partition_back_empty(emulator: Emulator) -> None:
    assert post(emulator).status == 201
    with emulator.no_partition():
        emulator.reset()
        assert post(emulator).status == 201
    assert len(emulator.rows(TABLE)) == 1


# ---- a batch ---------------------------------------------------------------------------------------------------------


def test_ids_in_the_order_of_the_batch(emulator: Emulator) -> None:
    answer = call(emulator, "POST", BATCH, [event(event_action=f"a{number}") for number in range(30)])
    actions = {str(row["event_id"]): row["event_action"] for row in emulator.rows(TABLE)}
    assert answer.status == 201 and answer.json["message"] == "30 audit events created successfully"
    assert [actions[name] for name in answer.json["event_ids"]] == [f"a{number}" for number in range(30)]


def test_empty_batch(emulator: Emulator) -> None:
    assert problem(call(emulator, "POST", BATCH, [])) == (400, "validation-error", "batch cannot be empty")


def test_batch_is_all_or_nothing_and_never_queued(emulator: Emulator) -> None:
    answer = call(emulator, "POST", BATCH, [event(), event(namespace="x" * 254)])
    assert problem(answer) == (500, "database-error", "Failed to write audit events batch to database")
    assert answer.json["instance"] == BATCH
    assert emulator.rows(TABLE) == [] and emulator.dead_letters() == ()


def test_large_batch(emulator: Emulator) -> None:
    assert call(emulator, "POST", BATCH, [event() for _ in range(5000)]).status == 201
    assert call(emulator, "GET", f"{EVENTS}?limit=1").json["pagination"]["total"] == 5000


# ---- the query -------------------------------------------------------------------------------------------------------


def test_newest_first_then_by_id(emulator: Emulator) -> None:
    times = [moment(timedelta(seconds=seconds)) for seconds in (3, 1, 2, 1)]
    times[3] = times[1]
    ids = call(emulator, "POST", BATCH, [event(event_timestamp=text) for text in times]).json["event_ids"]
    assert [found["event_id"] for found in query(emulator)] == [*sorted((ids[1], ids[3]), reverse=True), ids[2], ids[0]]


def test_time_bounds_are_inclusive(emulator: Emulator) -> None:
    text = moment(timedelta(minutes=5))
    post(emulator, event_timestamp=text)
    assert len(query(emulator, f"since={text}&until={text}")) == 1
    later = text.replace("Z", "1Z")  # a tenth of a microsecond, which the database does not have
    assert len(query(emulator, f"since={later}")) == 1
    assert query(emulator, "since=4m") == [] and len(query(emulator, "since=6m")) == 1
    assert query(emulator, "until=6m") == [] and len(query(emulator, "until=4m")) == 1
    assert len(query(emulator, "until=-1h")) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("24h", 86_400),
        ("1h30m", 5_400),
        ("1.5d", 129_600),
        ("-1d", -86_400),
        ("+2m", 120),
        (".5m", 30),
        ("1.h", 3_600),
        ("100ms", 0.1),
        ("3us2ns", 0.000003002),
        ("1\u00b5s", 0.000001),
    ],
)
def test_relative_times(text: str, seconds: float) -> None:
    clock = Clock()
    before = clock.go_time().nanoseconds()
    found = parse_time(text, clock).nanoseconds()
    after = clock.go_time().nanoseconds()
    assert before <= found + round(seconds * 10**9) <= after


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2025-12-01", "2025-12-01T00:00:00Z"),
        ("2025-12-01T10:11:12", "2025-12-01T10:11:12Z"),
        ("2025-12-01T10:11:12.5", "2025-12-01T10:11:12.5Z"),
        ("2025-12-01T9:11:12,25Z", "2025-12-01T09:11:12.25Z"),
        ("2025-12-01T10:11:12+02:00", "2025-12-01T10:11:12+02:00"),
    ],
)
def test_absolute_times(text: str, found: str) -> None:
    assert parse_time(text, Clock()).text == found


@pytest.mark.parametrize(
    "text", ["yesterday", "d", "h", "1", "1x", "1h-1m", "2025-13-01", "2025-02-30", "2025-12-01T10:11", "1e3s", "٣h"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(QueryFailure, match="invalid time format"):
        parse_time(text, Clock())


@pytest.mark.parametrize("name", ["since", "until"])
def test_bad_time(emulator: Emulator, name: str) -> None:
    answer = call(emulator, "GET", f"{EVENTS}?{name}=soon")
    reason = "invalid time format: soon (expected: 24h, 7d, or RFC3339 timestamp)"
    assert answer.status == 400 and answer.json == {
        "detail": f"Validation failed for query parameters: query - {reason}",
        "field_errors": {"query": reason},
        "instance": "/audit/query parameters",
        "resource": "query parameters",
        "status": 400,
        "title": "Validation Error",
        "type": "https://kubernaut.ai/problems/validation-error",
    }
    assert list(answer.json) == sorted(answer.json)


@pytest.mark.parametrize(
    ("text", "limit", "offset"),
    [("", 50, 0), ("limit=&offset=", 100, 0), ("limit=1000&offset=7", 1000, 7), ("limit=3&limit=4", 3, 0)],
)
def test_pages(emulator: Emulator, text: str, limit: int, offset: int) -> None:
    page = call(emulator, "GET", f"{EVENTS}?{text}").json["pagination"]
    assert page == {"limit": limit, "offset": offset, "total": 0, "has_more": False}


def test_numbers_that_contract_and_handler_read_differently(emulator: Emulator) -> None:
    assert call(emulator, "GET", f"{EVENTS}?limit=010").json["pagination"]["limit"] == 10
    answer = call(emulator, "GET", f"{EVENTS}?limit=0x10")
    assert answer.status == 400 and list(answer.json["field_errors"]) == ["pagination"]


def test_what_is_not_a_filter(emulator: Emulator) -> None:
    post(emulator)
    assert len(query(emulator, "resource_id=nope&namespace=nope&event_id=nope&service=nope")) == 1


def test_text_that_the_database_refuses(emulator: Emulator) -> None:
    answer = call(emulator, "GET", f"{EVENTS}?correlation_id=%00")
    assert problem(answer) == (500, "database-error", "Failed to query audit events from database")
    assert answer.json["instance"] == EVENTS


# ---- without the database --------------------------------------------------------------------------------------------


def test_dead_letters_are_tried_once_at_the_end(emulator: Emulator) -> None:
    with emulator.database_down():
        assert post(emulator, severity="high", namespace="ns", duration_ms=7, event_data={"n": 1.5}).status == 202
        assert post(emulator, version="x" * 11).status == 202
        assert len(emulator.dead_letters()) == 2
    assert post(emulator).status == 201 and len(emulator.dead_letters()) == 2
    emulator.shutdown(delay=0)
    assert emulator.dead_letters() == ()
    (row,) = [row for row in emulator.rows(TABLE) if row["severity"] == "high"]
    assert (row["namespace"], row["duration_ms"], row["event_data"]) == ("ns", 7, {"n": 1.5})
    assert len(emulator.rows(TABLE)) == 2


def test_dead_letters_go_at_a_shutdown_without_the_database(emulator: Emulator) -> None:
    with emulator.database_down():
        assert post(emulator).status == 202
        emulator.shutdown(delay=0)
        assert emulator.dead_letters() == ()
    assert emulator.rows(TABLE) == []


def test_without_redis(emulator: Emulator) -> None:
    with emulator.redis_down():
        assert post(emulator).status == 201
        with emulator.database_down():
            detail = "Failed to write audit event to database and DLQ"
            assert problem(post(emulator)) == (500, "database_error", detail)
    assert emulator.dead_letters() == ()


def test_redis_keeps_what_it_has(emulator: Emulator) -> None:
    assert post(emulator, version="x" * 11).status == 202
    with emulator.redis_down():
        emulator.shutdown(delay=0)
        assert len(emulator.dead_letters()) == 1


def test_a_full_queue_loses_its_oldest() -> None:
    metrics = Metrics()
    letters = DeadLetters(Clock(), metrics)
    for number in range(CAPACITY + 2):
        letters.add("events", {"number": number}, ValueError("no"))
    letters.add("notifications", {}, ValueError("no"))
    events = [letter for letter in letters.entries() if letter.type == "audit_event"]
    assert len(events) == CAPACITY and events[0].payload == {"number": 2}
    assert letters.entries()[0].type == "notification_audit"
    assert f'datastorage_dlq_depth{{stream="events"}} {CAPACITY}\n' in metrics.text()


def test_reset_forgets_the_dead_letters(emulator: Emulator) -> None:
    post(emulator, version="x" * 11)
    emulator.reset()
    assert emulator.dead_letters() == ()


# ---- events of the service itself ------------------------------------------------------------------------------------

FILTERS = {
    "signal_type": "OOMKilled",
    "severity": "critical",
    "component": "pod",
    "environment": "production",
    "priority": "P0",
}
SEARCH = f"{WORKFLOWS}/search"


def test_search_leaves_an_event(emulator: Emulator) -> None:
    created = call(emulator, "POST", WORKFLOWS, workflow()).json
    body = {"filters": FILTERS, "remediation_id": "rr-9", "top_k": 3, "min_score": 0.25}
    assert call(emulator, "POST", SEARCH, body).json["total_results"] == 1
    assert emulator.flush_self_audit() == 1 and emulator.flush_self_audit() == 0
    (row,) = emulator.rows(TABLE)
    assert (row["event_type"], row["event_category"], row["event_action"], row["event_outcome"]) == (
        "workflow.catalog.search_completed",
        "workflow",
        "search_completed",
        "success",
    )
    assert (row["actor_type"], row["actor_id"], row["resource_type"]) == ("service", "datastorage", "workflow_catalog")
    assert row["resource_id"] == "fb374cc10d2ee33e" and row["correlation_id"] == "rr-9"
    assert (row["severity"], row["namespace"], row["duration_ms"], row["retention_days"]) == (None, None, None, 90)
    milliseconds = row["event_data"]["search_metadata"].pop("duration_ms")
    assert isinstance(milliseconds, int) and row["event_data"] == {
        "query": {"top_k": 3, "min_score": 0.25, "filters": {**FILTERS, "detected_labels": {}}},
        "results": {
            "total_found": 1,
            "returned": 1,
            "workflows": [
                {
                    "workflow_id": created["workflow_id"],
                    "title": created["name"],
                    "rank": 1,
                    "scoring": {"confidence": 0.5},
                    "description": created["description"],
                    "labels": {"signal_type": "OOMKilled"},
                }
            ],
        },
        "search_metadata": {"embedding_dimensions": 768, "embedding_model": "all-mpnet-base-v2"},
    }


def test_search_without_a_remediation_correlates_by_its_hash(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": FILTERS}).status == 200
    emulator.flush_self_audit()
    (found,) = query(emulator)
    assert found["correlation_id"] == found["resource_id"] and "min_score" not in found["event_data"]["query"]


def test_the_event_of_a_search_comes_by_itself(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": FILTERS}).status == 200
    eventually(lambda: len(query(emulator)) == 1)


def test_nothing_of_a_search_outlives_a_reset(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": FILTERS}).status == 200
    emulator.reset()
    assert emulator.flush_self_audit() == 0 and emulator.rows(TABLE) == []


def test_only_a_search_that_succeeds_leaves_an_event(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": {}}).status == 400
    assert call(emulator, "POST", WORKFLOWS, workflow()).status == 201
    assert emulator.flush_self_audit() == 0


def test_events_of_searches_wait_for_the_database(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": FILTERS}).status == 200
    with emulator.database_down():
        assert emulator.flush_self_audit() == 0
    assert emulator.flush_self_audit() == 1 and len(emulator.rows(TABLE)) == 1


def test_the_third_failure_is_the_last(emulator: Emulator) -> None:
    assert call(emulator, "POST", SEARCH, {"filters": FILTERS}).status == 200
    with emulator.database_down():
        assert [emulator.flush_self_audit() for _ in range(3)] == [0, 0, 0]
    assert emulator.flush_self_audit() == 0
    assert 'audit_events_dropped_total{service="datastorage"} 1' in call(emulator, "GET", "/metrics").body.decode()


# ---- durations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1\u00b5s"),
        (2_500_000, "2.5ms"),
        (3 * goduration.SECOND, "3s"),
        (90 * goduration.SECOND, "1m30s"),
        (7 * goduration.DAY + 1, "168h0m0.000000001s"),
        (-goduration.HOUR, "-1h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert goduration.show(nanoseconds) == text
    assert goduration.parse(text) == nanoseconds
