"""How the audit trail, notifications and the search are used; `assert_type` says what each call gives back."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, assert_type
from uuid import UUID

from kubernaut_client import (
    AsyncDataStorageClient,
    AuditReceipt,
    BatchResult,
    DataStorageClient,
    KubernautError,
    NotificationReceipt,
)
from kubernaut_client.models import (
    AuditEvent,
    AuditEventRequest,
    DetectedLabels,
    NotificationAudit,
    NotificationAuditResponse,
    WorkflowSearchResponse,
)

EVENT = AuditEventRequest(
    version="1.0",
    event_type="workflow.started",
    event_timestamp=datetime.now(UTC),
    event_category="workflow",
    event_action="started",
    event_outcome="success",
    correlation_id="remediation-1",
    event_data={"step": 1},
)
RECORD = NotificationAudit(
    remediation_id="remediation-1",
    notification_id="n-1",
    recipient="ops@example.com",
    channel="email",
    message_summary="Restarted a pod",
    status="sent",
    sent_at=datetime.now(UTC),
)


def audit(client: DataStorageClient, mapping: dict[str, Any]) -> None:
    receipt = client.audit.write(EVENT, timeout=1, deadline=5)
    assert_type(receipt, AuditReceipt)
    assert_type(receipt.status, Literal["stored", "queued", "rejected"])
    assert_type(receipt.event_id, UUID | None)
    assert_type(receipt.reason, str | None)
    result = client.audit.write_batch([EVENT, mapping])
    assert_type(result, BatchResult)
    assert_type(result.raise_for_rejected(), BatchResult)
    assert_type(result.rejected, tuple[AuditReceipt, ...])
    assert_type(result[0], AuditReceipt)
    for each in result:
        assert_type(each, AuditReceipt)
    walk: Iterator[AuditEvent] = client.audit.query(
        event_outcome="failure", since=timedelta(hours=1), until="2026-01-31", page_size=50
    )
    assert_type(next(walk).event_timestamp, datetime)
    assert_type(client.audit.wait_for(2, event_type="workflow.started", timeout=5), list[AuditEvent])
    try:
        client.audit.write_batch(iter([EVENT]))
    except KubernautError as error:
        assert_type(error.receipts, tuple[AuditReceipt | None, ...])


def notifications(client: DataStorageClient, mapping: dict[str, Any]) -> None:
    receipt = client.notifications.create(RECORD)
    assert_type(receipt, NotificationReceipt)
    assert_type(receipt.status, Literal["stored", "queued"])
    assert_type(receipt.stored_record, NotificationAuditResponse | None)
    assert_type(client.notifications.create(mapping), NotificationReceipt)


def search(client: DataStorageClient) -> None:
    found = client.workflows.search(
        signal_type="OOMKilled",
        severity="critical",
        component="pod",
        environment="production",
        priority="P0",
        custom_labels={"team": ["payments"]},
        detected_labels=DetectedLabels(git_ops_managed=True),
        top_k=3,
    )
    assert_type(found, WorkflowSearchResponse)
    assert_type(found.workflows[0].final_score, float)


async def asynchronous(client: AsyncDataStorageClient) -> None:
    assert_type(await client.audit.write(EVENT), AuditReceipt)
    assert_type(await client.audit.write_batch([EVENT]), BatchResult)
    walk: AsyncIterator[AuditEvent] = client.audit.query(correlation_id="remediation-1")
    async for row in walk:
        assert_type(row, AuditEvent)
    assert_type(await client.audit.wait_for(), list[AuditEvent])
    assert_type(await client.notifications.create(RECORD), NotificationReceipt)
