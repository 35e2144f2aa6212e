"""Audit events and notifications as callers of the client give them: with datetimes, and each of its own."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

_number = itertools.count()


def event(**members: Any) -> dict[str, Any]:
    """A complete event of this moment, to the microsecond its own; `members` replace or add."""
    moment = datetime.now(UTC) - timedelta(minutes=10) + timedelta(microseconds=next(_number))
    return {
        "version": "1.0",
        "event_type": "workflow.started",
        "event_timestamp": moment,
        "event_category": "workflow",
        "event_action": "started",
        "event_outcome": "success",
        "correlation_id": "remediation-1",
        "event_data": {"step": 1, "ratio": 0.5, "names": ["a", None, True]},
        **members,
    }


def filled(each: dict[str, Any]) -> dict[str, Any]:
    """An event with what the service fills in for members that were left out."""
    category = each["event_category"]
    return {
        "actor_type": "service",
        "actor_id": f"{category}-service",
        "resource_type": category,
        "resource_id": each["correlation_id"],
        "parent_event_id": None,
        "namespace": "",
        "cluster_name": "",
        "severity": "info",
        **each,
    }


def notification(**members: Any) -> dict[str, Any]:
    """A complete notification record; `members` replace or add."""
    return {
        "remediation_id": "remediation-1",
        "notification_id": f"notification-{next(_number)}",
        "recipient": "ops@example.com",
        "channel": "email",
        "message_summary": "Restarted a pod.",
        "status": "sent",
        "sent_at": datetime.now(UTC),
        **members,
    }
