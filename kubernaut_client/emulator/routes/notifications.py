"""The route of notification records. There is none that reads them back.

The handler's own rules and those of the contract, which are checked before (`validation.py`), don't agree on channels
and states; what both take is what works.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any, Final

from kubernaut_client.emulator import goduration, gojson, problems
from kubernaut_client.emulator.auditstore import Notification, insert_notification
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.database import UNIQUE_VIOLATION, DatabaseFailure
from kubernaut_client.emulator.dlq import QueueFailure
from kubernaut_client.emulator.gostruct import DecodeFailure, Field, Struct, decode
from kubernaut_client.emulator.gotime import GoTime
from kubernaut_client.emulator.messages import Reply, json_reply
from kubernaut_client.emulator.service import Call

_RESOURCE: Final = "notification_audit"
_MEMBERS: Final = (
    Field("remediation_id", "string"),
    Field("notification_id", "string"),
    Field("recipient", "string"),
    Field("channel", "string"),
    Field("message_summary", "string"),
    Field("status", "string"),
    Field("sent_at", "time"),
    Field("delivery_status", "string"),
    Field("error_message", "string"),
    Field("escalation_level", "int"),
)
# What the service fills in itself is decoded, too, and must have the right type.
_NOTIFICATION: Final = Struct(
    "NotificationAudit",
    (Field("id", "int"), *_MEMBERS, Field("created_at", "time"), Field("updated_at", "time")),
)
_REQUIRED: Final = ("remediation_id", "notification_id", "recipient", "channel", "message_summary", "status")
_LONGEST: Final = {"remediation_id": 255, "notification_id": 255, "recipient": 255}  # in bytes
_CHOICES: Final = {
    "channel": ("email", "slack", "pagerduty", "sms"),
    "status": ("sent", "failed", "acknowledged", "escalated"),
}
_AHEAD: Final = 5 * goduration.MINUTE
_BLANK: Final = re.compile(r"[^\S\x1c-\x1f]*")  # four characters are white space to Python, but not to Go


async def create(call: Call) -> Reply:
    """POST /api/v1/audit/notifications."""
    service = call.service
    try:
        members = decode(gojson.parse(gojson.decode_text(call.body)), _NOTIFICATION)
    except (gojson.SyntaxFailure, DecodeFailure) as failure:
        return problems.invalid_fields(_RESOURCE, {"body": f"invalid JSON: {failure}"})
    failures = _failures(members, service.clock)
    if failures:
        for name in failures:
            service.metrics.validation_failures.add(name, "required")
        return problems.invalid_fields(_RESOURCE, failures)
    given: dict[str, Any] = {member.name: members[member.name] for member in _MEMBERS}
    notification = Notification(**given)
    start = time.perf_counter()
    try:
        serial, created_at, updated_at = await insert_notification(service.database, notification)
    except DatabaseFailure as failure:
        if failure.sqlstate == UNIQUE_VIOLATION:
            return _conflict(notification.notification_id)
        return _queued(call, notification, failure)
    seconds = time.perf_counter() - start
    lag = service.clock.go_time().nanoseconds() - notification.sent_at.nanoseconds()
    service.metrics.audit_traces.add("notification", "success")
    service.metrics.audit_lag.observe("notification", value=lag / goduration.SECOND)
    service.metrics.write_duration.observe("notification_audit", value=seconds)
    times = {"created_at": _shown(created_at), "updated_at": _shown(updated_at)}
    return json_reply({"id": serial, **notification.members(), **times}, 201)


def _failures(members: dict[str, Any], clock: Clock) -> dict[str, str]:
    """What is wrong, by field; of one field the first thing."""
    failures: dict[str, str] = {}
    for name in _REQUIRED:
        text: str = members[name]
        length = len(text.encode())
        if _BLANK.fullmatch(text):
            failures[name] = f"{name} is required"
        elif length > _LONGEST.get(name, length):
            failures[name] = f"{name} must be at most {_LONGEST[name]} characters (got {length})"
        elif name in _CHOICES and text.lower() not in _CHOICES[name]:
            failures[name] = f"{name} must be one of: {', '.join(_CHOICES[name])} (got '{text}')"
    sent_at: GoTime = members["sent_at"]
    if sent_at.nanoseconds() == GoTime.ZERO.nanoseconds():
        failures["sent_at"] = "sent_at is required"
    elif sent_at.nanoseconds() > clock.go_time().nanoseconds() + _AHEAD:
        failures["sent_at"] = "sent_at cannot be in the future (beyond 5-minute clock skew tolerance)"
    return failures


def _conflict(notification_id: str) -> Reply:
    return problems.extended(
        409,
        "conflict",
        "Resource Conflict",
        f"Resource {_RESOURCE} with notification_id='{notification_id}' already exists",
        instance=f"/audit/{_RESOURCE}",
        resource=_RESOURCE,
        field="notification_id",
        value=notification_id,
    )


def _queued(call: Call, notification: Notification, failure: DatabaseFailure) -> Reply:
    """The answer to a record that the database didn't take, for whatever reason."""
    try:
        call.service.dead_letters.add("notifications", notification.members(), failure)
    except QueueFailure:
        detail = "database and DLQ both unavailable - please retry"
        return problems.extended(503, "service-unavailable", "Service Unavailable", detail, retry=True)
    call.service.metrics.audit_traces.add("notification", "dlq_fallback")
    return json_reply({"message": "audit record queued for processing", "status": "accepted"}, 202)


def _shown(moment: datetime) -> str:
    return GoTime.from_database(moment).text
