"""Calls about the audit trail that can't work."""

from typing import Any

from kubernaut_client import AsyncDataStorageClient, AuditReceipt, DataStorageClient
from kubernaut_client.models import AuditEventRequest


def audit(client: DataStorageClient, event: AuditEventRequest, mapping: dict[str, Any]) -> None:
    client.audit.write("event")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.audit.write_batch(event)  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.audit.query(event_outcome="sucess")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.audit.query("workflow.started")  # wrong: mypy[call-arg] pyright[reportCallIssue]
    client.audit.query(since=24)  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.audit.wait_for("2")  # wrong: mypy[arg-type] pyright[reportArgumentType]
    client.notifications.create(event)  # wrong: mypy[arg-type] pyright[reportArgumentType]


def receipts(receipt: AuditReceipt) -> bool:
    return receipt.status == "lost"  # wrong: mypy[comparison-overlap] pyright[reportUnnecessaryComparison]


def search(client: DataStorageClient) -> None:
    client.workflows.search(
        signal_type="x",
        severity="High",  # wrong: mypy[arg-type] pyright[reportArgumentType]
        component="pod",
        environment="production",
        priority="*",  # wrong: mypy[arg-type] pyright[reportArgumentType]
    )


async def asynchronous(client: AsyncDataStorageClient, event: AuditEventRequest) -> None:
    client.audit.write(event)  # wrong: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
