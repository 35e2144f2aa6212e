"""The routes of audit events: one event, a batch, and the query.

Each handler checks what the service's does, in the same order, odd parts included. Checks of the contract have happened
before; see `validation.py`. What is stored, and how, is in `auditstore.py`, the query in `auditquery.py`.
"""

from __future__ import annotations

import time
from typing import Any, Final, LiteralString

from kubernaut_client.emulator import auditquery, goduration, gojson, problems
from kubernaut_client.emulator.auditstore import AuditEvent, insert_batch, insert_event
from kubernaut_client.emulator.database import DatabaseFailure
from kubernaut_client.emulator.dlq import QueueFailure
from kubernaut_client.emulator.gostruct import DecodeFailure, Field, Struct, decode, decode_all
from kubernaut_client.emulator.gotime import GoTime
from kubernaut_client.emulator.messages import Reply, json_reply
from kubernaut_client.emulator.service import Call, Service

_EVENT: Final = Struct(
    "AuditEventRequest",
    (
        Field("version", "string"),
        Field("event_type", "string"),
        Field("event_timestamp", "time"),
        Field("event_category", "string"),
        Field("event_action", "string"),
        Field("event_outcome", "string"),
        Field("correlation_id", "string"),
        Field("event_data", "any"),
        Field("actor_type", "string", optional=True),
        Field("actor_id", "string", optional=True),
        Field("resource_type", "string", optional=True),
        Field("resource_id", "string", optional=True),
        Field("parent_event_id", "uuid", optional=True),
        Field("namespace", "string", optional=True),
        Field("cluster_name", "string", optional=True),
        Field("severity", "string", optional=True),
        Field("duration_ms", "int", optional=True),
    ),
)
_AHEAD: Final = 5 * goduration.MINUTE
_LARGEST_AGE: Final = 7 * goduration.DAY
# What event data is, by its first character; nothing is wrong with an object, nor with null for Go.
_KINDS: Final = {"{": "", "n": "", "[": "array", '"': "string", "t": "bool", "f": "bool"}
_PARENT: Final[LiteralString] = "SELECT event_date FROM audit_events WHERE event_id = %s::uuid"


class Refused(ValueError):
    """An event that a check of the handler refuses, with what the answer says."""

    def __init__(self, slug: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.title = title


async def create(call: Call) -> Reply:
    """POST /api/v1/audit/events."""
    service, failures = call.service, call.service.metrics.validation_failures
    try:
        members: dict[str, Any] = decode(gojson.parse(gojson.decode_text(call.body)), _EVENT)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        failures.add("body", "invalid_json")
        return problems.problem(400, "invalid_request", "Invalid Request", str(failure))
    try:
        _check_time(members, service)
    except Refused as refused:
        failures.add("business_rules", "validation_failed")
        return _refusal(refused)
    if members["parent_event_id"] is not None and not await _exists(call, members["parent_event_id"]):
        failures.add("parent_event_id", "parent_not_found")
        return problems.problem(400, "validation-error", "Validation Error", "parent event does not exist")
    try:
        event = _event(members)
    except Refused as refused:
        return _refusal(refused)
    start = time.perf_counter()
    try:
        await insert_event(service.database, event)
    except DatabaseFailure as failure:
        service.metrics.write_duration.observe("audit_events", value=time.perf_counter() - start)
        return _queued(call, event, failure)
    service.metrics.write_duration.observe("audit_events", value=time.perf_counter() - start)
    now = service.clock.go_time().nanoseconds()
    occurred = event.event_timestamp.nanoseconds()
    service.metrics.audit_traces.add(event.event_category, "success")
    service.metrics.audit_lag.observe(event.event_category, value=(now - occurred) / goduration.SECOND)
    # In UTC, as it came back from the database, and without its fraction.
    whole = GoTime.from_nanoseconds(occurred // goduration.SECOND * goduration.SECOND)
    message = "Audit event created successfully"
    return json_reply({"event_id": event.event_id, "event_timestamp": whole.text, "message": message}, 201)


async def create_batch(call: Call) -> Reply:
    """POST /api/v1/audit/events/batch: all events or none."""
    service, failures = call.service, call.service.metrics.validation_failures
    try:
        requests: list[dict[str, Any]] = decode_all(gojson.parse(gojson.decode_text(call.body)), _EVENT)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        failures.add("body", "invalid_json_array")
        detail = f"request body must be a JSON array: {failure}"
        return problems.problem(400, "invalid_request", "Invalid Request", detail)
    if not requests:
        failures.add("body", "empty_batch")
        return problems.problem(400, "validation-error", "Validation Error", "batch cannot be empty")
    events: list[AuditEvent] = []
    for index, members in enumerate(requests):
        try:
            _check_time(members, service)
            events.append(_event(members))
        except Refused as refused:
            if refused.slug == "validation-error":
                failures.add("batch_event", "validation_failed")
            return _refusal(refused, f"event at index {index}: ")
    start = time.perf_counter()
    try:
        await insert_batch(service.database, events)
    except DatabaseFailure:
        return problems.database_error("Failed to write audit events batch to database", call.request.path)
    finally:
        service.metrics.write_duration.observe("audit_events_batch", value=time.perf_counter() - start)
    for event in events:
        service.metrics.audit_traces.add(event.event_category, "success")
    message = f"{len(events)} audit events created successfully"
    return json_reply({"event_ids": [event.event_id for event in events], "message": message}, 201)


async def query(call: Call) -> Reply:
    """GET /api/v1/audit/events."""
    try:
        parsed = auditquery.parse_query(call.query, call.service.clock)
    except auditquery.QueryFailure as failure:
        return problems.invalid_fields("query parameters", {failure.field: str(failure)})
    try:
        return json_reply(await auditquery.run(call.service, parsed))
    except DatabaseFailure:
        return problems.database_error("Failed to query audit events from database", call.request.path)


def _check_time(members: dict[str, Any], service: Service) -> None:
    """Refuse what lies outside of the last seven days (on the early build, of all time) and the next five minutes."""
    moment: GoTime = members["event_timestamp"]
    now = service.clock.go_time().nanoseconds()
    age = now - moment.nanoseconds()
    if -age > _AHEAD:
        server = GoTime.from_nanoseconds(now // goduration.SECOND * goduration.SECOND).text
        reason = f"timestamp is in the future (server time: {server}, event time: {moment.without_fraction()})"
    elif age > _LARGEST_AGE and not service.early:
        # Go's durations end at 292 years.
        shown = goduration.show(min(age, 2**63 - 1))
        reason = f"timestamp is too old (must be within 7 days, age: {shown})"
    else:
        return
    raise Refused("validation-error", "Validation Error", f"invalid timestamp: {reason}")


async def _exists(call: Call, event_id: str) -> bool:
    """Whether there is such an event. A database that can't say counts as a no."""
    try:
        return bool(await call.service.database.fetch(_PARENT, (event_id,)))
    except DatabaseFailure:
        return False


def _event(members: dict[str, Any]) -> AuditEvent:
    """The event of a request, with the defaults for what it leaves out."""
    # What only another case of the name sets, or sets to null, is null.
    event_data: str = members["event_data"] or "null"
    kind = _KINDS.get(event_data[0], "number")
    if kind:
        raise Refused(
            "invalid_event_data",
            "Invalid Event Data",
            f"failed to unmarshal event_data: json: cannot unmarshal {kind} into Go value of type"
            " map[string]interface {}",
        )
    return AuditEvent(
        version=members["version"],
        event_type=members["event_type"],
        event_timestamp=members["event_timestamp"],
        event_category=members["event_category"],
        event_action=members["event_action"],
        event_outcome=members["event_outcome"],
        correlation_id=members["correlation_id"],
        event_data=event_data,
        # An empty text is kept: only what is absent gets a default.
        actor_type=_given(members["actor_type"], "service"),
        actor_id=_given(members["actor_id"], f"{members['event_category']}-service"),
        resource_type=_given(members["resource_type"], members["event_category"]),
        resource_id=_given(members["resource_id"], members["correlation_id"]),
        parent_event_id=members["parent_event_id"],
        namespace=members["namespace"],
        cluster_name=members["cluster_name"],
        severity=_given(members["severity"], "info"),
        duration_ms=members["duration_ms"],
    )


def _queued(call: Call, event: AuditEvent, failure: DatabaseFailure) -> Reply:
    """The answer to an event that the database didn't take, for whatever reason."""
    try:
        call.service.dead_letters.add("events", event.payload(), failure)
    except QueueFailure:
        detail = "Failed to write audit event to database and DLQ"
        return problems.problem(500, "database_error", "Database Error", detail)
    call.service.metrics.audit_traces.add(event.event_category, "dlq_fallback")
    return json_reply({"status": "accepted", "message": "audit event queued for async processing"}, 202)


def _refusal(refused: Refused, where: str = "") -> Reply:
    return problems.problem(400, refused.slug, refused.title, f"{where}{refused}")


def _given(value: str | None, default: str) -> str:
    return default if value is None else value
