"""What the replayed incidents share: the generated functions over a client of either colour, and the audit events."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kubernaut_client import AsyncDataStorageClient, DataStorageClient
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import AuditEventRequest
from tests.colours import Colour
from tests.events import event

BATCH = "/api/v1/audit/events/batch"
EVENTS = "/api/v1/audit/events"

Generated = Callable[..., Any]


@contextmanager
def generated(colour: Colour, url: str, **options: Any) -> Iterator[Generated]:
    """Gives `send(module, **arguments)`, which calls a module of the generated client over `client.raw`."""
    if colour == "sync":
        with DataStorageClient(url, **options) as client:
            yield lambda module, **arguments: module.sync_detailed(client=client.raw, **arguments)
        return
    with asyncio.Runner() as runner:
        other = AsyncDataStorageClient(url, **options)
        try:
            yield lambda module, **arguments: runner.run(module.asyncio_detailed(client=other.raw, **arguments))
        finally:
            runner.run(other.close())


def batch(correlation_id: str, size: int = 2) -> list[dict[str, Any]]:
    """The events of one workflow run, as the controller of the incidents writes them; no two are the same."""
    return [
        event(
            correlation_id,
            event_type="workflow.started",
            event_action="workflow.started",
            resource_type="WorkflowExecution",
            event_data={"number": number},
        )
        for number in range(size)
    ]


def requests(events: list[dict[str, Any]]) -> list[AuditEventRequest]:
    """The same as models of the generated client."""
    return [AuditEventRequest.from_dict(members) for members in events]


def stored_events(emulator: Emulator) -> list[tuple[str, int]]:
    """Correlation id and number of every event that the database holds."""
    rows = emulator.rows("audit_events")
    return sorted((row["correlation_id"], row["event_data"]["number"]) for row in rows)
