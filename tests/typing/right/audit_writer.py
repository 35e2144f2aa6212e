"""How the durable writer is used; `assert_type` says what each call gives back."""

from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from kubernaut_client import (
    AsyncDataStorageClient,
    AuditWriter,
    DataStorageClient,
    SpoolAlarm,
    SpoolReport,
    SpoolStatus,
)
from kubernaut_client.models import AuditEventRequest


def tell(alarm: SpoolAlarm) -> None:
    assert_type(alarm.message, str)
    if alarm.kind == "away":
        assert_type(alarm.count, int)


def plain(client: DataStorageClient, event: AuditEventRequest, mapping: dict[str, Any]) -> None:
    with AuditWriter(client, spool=Path("audit"), durability="power", on_invalid="quarantine", on_alarm=tell) as writer:
        assert_type(writer, AuditWriter)
        assert_type(writer.emit(event), None)
        writer.emit(mapping)
        assert_type(writer.flush(), SpoolReport)
        assert_type(writer.flush(5).stored, int)
        status = writer.status()
        assert_type(status, SpoolStatus)
        assert_type(status.last_success, datetime | None)
        assert_type(status.totals, SpoolReport)
        assert_type(writer.closed, bool)
    assert_type(AuditWriter("http://localhost:8080", spool="audit").close(timeout=10), SpoolReport)


async def asynchronous(client: AsyncDataStorageClient) -> None:
    async with AuditWriter(client, spool="audit") as writer:
        assert_type(await writer.aflush(1.5), SpoolReport)
    assert_type(await writer.aclose(), SpoolReport)
