"""Audit events and notifications for tests, as request bodies."""

from datetime import UTC, datetime, timedelta
from typing import Any


def moment(ago: timedelta = timedelta()) -> str:
    """So long ago, in UTC to the microsecond."""
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(correlation_id: str = "rr-1", **members: Any) -> dict[str, Any]:
    """A complete request body; `members` replace or add, and those that are `...` are left out."""
    body = {
        "version": "1.0",
        "event_type": "workflow.started",
        "event_timestamp": moment(),
        "event_category": "workflow",
        "event_action": "started",
        "event_outcome": "success",
        "correlation_id": correlation_id,
        "event_data": {"k": "v"},
        **members,
    }
    return {name: value for name, value in body.items() if value is not ...}


def notification(notification_id: str = "n-1", **members: Any) -> dict[str, Any]:
    """A complete request body; `members` replace or add."""
    return {
        "remediation_id": "rr-1",
        "notification_id": notification_id,
        "recipient": "ops@example.com",
        "channel": "email",
        "message_summary": "A pod was restarted.",
        "status": "sent",
        "sent_at": moment(timedelta(seconds=1)),
        **members,
    }
