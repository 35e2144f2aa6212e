"""Audit rows: an event or a notification on its way into the database, at once, in a batch, or from the dead letters.

The columns are those that the service fills, in the forms that it gives them. What a request must look like is the
business of the routes, what a query finds that of `auditquery.py`.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from psycopg.rows import TupleRow

from kubernaut_client.emulator.database import Database, DatabaseFailure
from kubernaut_client.emulator.dlq import DeadLetter, DeadLetters
from kubernaut_client.emulator.gotime import GoTime

RETENTION_DAYS: Final = 2555
_VERSION: Final = "1.0"

_INSERT_EVENT: Final[LiteralString] = (
    "INSERT INTO audit_events (event_id, event_version, event_timestamp, event_date, event_type, event_category,"
    " event_action, event_outcome, correlation_id, parent_event_id, resource_type, resource_id, namespace,"
    " cluster_name, actor_id, actor_type, severity, duration_ms, retention_days, is_sensitive, event_data)"
    " VALUES (%s::uuid, %s, %s::timestamptz, %s, %s, %s, %s, %s, %s, %s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
    " false, %s::jsonb)"
)
_INSERT_NOTIFICATION: Final[LiteralString] = (
    "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, status,"
    " sent_at, delivery_status, error_message, escalation_level) VALUES (%s, %s, %s, %s, %s, %s, %s::timestamptz, %s,"
    " %s, %s) RETURNING id, created_at, updated_at"
)


@dataclass(frozen=True)
class AuditEvent:
    """An event as the service keeps it. `namespace`, `cluster_name`, `severity` and `duration_ms` are NULL when empty.

    event_data: JSON, as `gojson.encode_any` writes it.
    """

    version: str
    event_type: str
    event_timestamp: GoTime
    event_category: str
    event_action: str
    event_outcome: str
    correlation_id: str
    event_data: str = field(repr=False)
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    parent_event_id: str | None = None
    namespace: str | None = None
    cluster_name: str | None = None
    severity: str | None = None
    duration_ms: int | None = None
    retention_days: int = RETENTION_DAYS
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def columns(self, version: str) -> tuple[object, ...]:
        """The values of the INSERT."""
        return (
            self.event_id,
            version,
            self.event_timestamp.for_database(),
            passed_date(self.event_timestamp),
            self.event_type,
            self.event_category,
            self.event_action,
            self.event_outcome,
            self.correlation_id,
            self.parent_event_id,
            self.resource_type,
            self.resource_id,
            self.namespace or None,
            self.cluster_name or None,
            self.actor_id,
            self.actor_type,
            self.severity or None,
            _int32(self.duration_ms) if self.duration_ms else None,
            self.retention_days,
            self.event_data,
        )

    def payload(self) -> dict[str, Any]:
        """The event as it goes into the dead letter queue; what isn't set is left out."""
        members: dict[str, Any] = {
            "event_id": self.event_id,
            "event_version": self.version,
            "event_timestamp": self.event_timestamp.text,
            "event_type": self.event_type,
            "event_category": self.event_category,
            "event_action": self.event_action,
            "event_outcome": self.event_outcome,
            "actor_type": self.actor_type,
            "actor_id": self.actor_id,
            "resource_type": self.resource_type,
            "resource_id": self.resource_id,
            "correlation_id": self.correlation_id,
            "parent_event_id": self.parent_event_id,
            "namespace": self.namespace,
            "cluster_name": self.cluster_name,
            "event_data": base64.b64encode(self.event_data.encode()).decode(),
            "severity": self.severity,
            "duration_ms": self.duration_ms,
            "retention_days": self.retention_days,
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> AuditEvent:
        """The event that went into the dead letter queue."""
        members = dict(payload)
        members["version"] = members.pop("event_version")
        members["event_timestamp"] = GoTime(members["event_timestamp"])
        members["event_data"] = base64.b64decode(members["event_data"]).decode()
        return cls(**members)


@dataclass(frozen=True)
class Notification:
    """A notification as the service keeps it. `delivery_status` and `error_message` are NULL when empty."""

    remediation_id: str
    notification_id: str
    recipient: str
    channel: str
    message_summary: str = field(repr=False)
    status: str
    sent_at: GoTime
    delivery_status: str = ""
    error_message: str = field(default="", repr=False)
    escalation_level: int = 0

    def columns(self) -> tuple[object, ...]:
        """The values of the INSERT."""
        return (
            self.remediation_id,
            self.notification_id,
            self.recipient,
            self.channel,
            self.message_summary,
            self.status,
            self.sent_at.for_database(),
            self.delivery_status or None,
            self.error_message or None,
            self.escalation_level,
        )

    def members(self) -> dict[str, Any]:
        """The notification as JSON, in replies and in the dead letter queue; empty optional texts are left out."""
        shown: dict[str, Any] = {**vars(self), "sent_at": self.sent_at.text}
        return {
            name: value for name, value in shown.items() if value or name not in ("delivery_status", "error_message")
        }

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Notification:
        """The notification that went into the dead letter queue."""
        members = dict(payload)
        members["sent_at"] = GoTime(members["sent_at"])
        return cls(**members)


def passed_date(moment: GoTime) -> datetime.date:
    """The date that the service passes for a row, by which PostgreSQL chooses the partition.

    It is midnight UTC before the event, seen in the event's own zone: with a negative offset the day before. The
    trigger then puts the date right; if that belongs to another partition, PostgreSQL refuses the row.
    """
    day = moment.nanoseconds() // (86_400 * 10**9)
    midnight = datetime.datetime.fromtimestamp(day * 86_400, datetime.UTC)
    return (midnight + datetime.timedelta(seconds=moment.offset)).date()


async def insert_event(database: Database, event: AuditEvent) -> None:
    """Store one event.

    Raises:
        DatabaseFailure: PostgreSQL can't be reached, or doesn't take it.
    """
    async with database.connection() as connection:
        await connection.execute(_INSERT_EVENT, event.columns(event.version))


async def insert_batch(database: Database, events: Sequence[AuditEvent]) -> None:
    """Store all of some events or none. Their versions are not stored.

    Raises:
        DatabaseFailure: As `insert_event`.
    """
    rows = [event.columns(_VERSION) for event in events]
    async with database.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(_INSERT_EVENT, rows)


async def insert_notification(database: Database, notification: Notification) -> TupleRow:
    """Store one notification; return its id and the times of its creation and its last change.

    Raises:
        DatabaseFailure: As `insert_event`; with `UNIQUE_VIOLATION` if the notification_id exists.
    """
    rows = await database.fetch(_INSERT_NOTIFICATION, notification.columns())
    return rows[0]


async def drain(database: Database, letters: DeadLetters) -> None:
    """Try every entry of the dead letter queue once, and delete it whether or not that worked.

    This is what the service does when it stops in good order. While Redis is down nothing happens.
    """
    while (entry := letters.take()) is not None:
        with contextlib.suppress(DatabaseFailure):
            await _store(database, entry)


async def _store(database: Database, entry: DeadLetter) -> None:
    if entry.type == "audit_event":
        await insert_event(database, AuditEvent.from_payload(entry.payload))
    else:
        await insert_notification(database, Notification.from_payload(entry.payload))


def _int32(number: int) -> int:
    """A number cut to 32 bits, as the service's conversion does it."""
    return (number + 2**31) % 2**32 - 2**31
