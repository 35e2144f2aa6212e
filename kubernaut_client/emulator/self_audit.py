"""What the service says about itself: an event for every successful search, stored within a second.

Events wait in a buffer that is written once a second, in one batch. A batch that fails is tried again one and four
seconds later and then given up. Other events of the service itself, about changes of workflows, never reach the
database: their category is none that it knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubernaut_client.emulator import gojson
from kubernaut_client.emulator.auditstore import AuditEvent, insert_batch
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.database import Database, DatabaseFailure
from kubernaut_client.emulator.metrics import Metrics

_SERVICE: Final = "datastorage"
_INTERVAL: Final = 1.0
_PAUSES: Final = (1.0, 4.0)  # before the second and the third attempt
_RETENTION_DAYS: Final = 90
_CAPACITY: Final = 50_000  # shown as a metric; nothing here depends on it
_HASHED: Final = ("signal_type", "severity", "component", "environment", "priority")


@dataclass
class _Batch:
    events: list[AuditEvent]
    failures: int = 0


class SelfAudit:
    """The buffer of one emulator. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._buffer: list[AuditEvent] = []
        self._failed: list[_Batch] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[int] | None = None
        self._writing = asyncio.Lock()

    def record_search(self, request: Mapping[str, Any], response: Mapping[str, Any], seconds: float) -> None:
        """Note a search that was answered with 200. The event is there within a second, or after `flush`.

        Args:
            request: The search as it was understood: top_k, min_score, remediation_id; defaults filled in.
            response: What was answered: workflows, total_results, and the filters in their normalized form.
            seconds: How long the search took.
        """
        self._buffer.append(_search_event(request, response, seconds, self._clock))
        self._metrics.self_audit_buffered.add(_SERVICE)
        self._show_buffer()
        self._schedule(_INTERVAL)

    async def flush(self) -> int:
        """Write everything that waits, now; return how many events were stored.

        What the database doesn't take waits for the next attempt, up to the third.
        """
        async with self._writing:
            batches, self._failed = self._failed, []
            if self._buffer:
                batches.append(_Batch(self._buffer))
                self._buffer = []
                self._show_buffer()
            stored = 0
            for batch in batches:
                stored += await self._write(batch)
        return stored

    async def discard(self) -> None:
        """Forget everything that waits, and let a write that is under way finish."""
        self._buffer.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._writing:
            self._failed.clear()
        if self._timer is not None:  # set by the write that has just failed
            self._timer.cancel()
            self._timer = None

    def _show_buffer(self) -> None:
        """Bring the gauges of the buffer up to date."""
        self._metrics.self_audit_buffer_size.set(_SERVICE, to=len(self._buffer))
        self._metrics.self_audit_buffer_capacity.set(_SERVICE, to=_CAPACITY)
        self._metrics.self_audit_buffer_utilization.set(_SERVICE, to=len(self._buffer) / _CAPACITY)

    async def _write(self, batch: _Batch) -> int:
        start = time.perf_counter()
        try:
            await insert_batch(self._database, batch.events)
        except DatabaseFailure:
            if batch.failures < len(_PAUSES):
                self._schedule(_PAUSES[batch.failures])
                batch.failures += 1
                self._failed.append(batch)
            else:
                self._metrics.self_audit_failed_batches.add(_SERVICE)
                self._metrics.self_audit_dropped.add(_SERVICE, by=len(batch.events))
            return 0
        finally:
            self._metrics.self_audit_write_duration.observe(_SERVICE, value=time.perf_counter() - start)
        self._metrics.self_audit_written.add(_SERVICE, by=len(batch.events))
        return len(batch.events)

    def _schedule(self, seconds: float) -> None:
        """See to it that a flush happens within this time; one that comes sooner is enough."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.flush())


def _search_event(request: Mapping[str, Any], response: Mapping[str, Any], seconds: float, clock: Clock) -> AuditEvent:
    filters: Mapping[str, Any] = response["filters"]
    workflows: Sequence[Mapping[str, Any]] = response["workflows"]
    hashed = "-".join(str(filters[name]) for name in _HASHED)
    name = hashlib.sha256(hashed.encode("utf-8", "replace")).hexdigest()[:16]
    milliseconds = int(seconds * 1000)
    query: dict[str, object] = {"top_k": request["top_k"], "filters": filters}
    if request.get("min_score"):
        query["min_score"] = request["min_score"]
    event_data = {
        "query": query,
        "results": {
            "total_found": response["total_results"],
            "returned": len(workflows),
            "workflows": [_result(workflow, rank) for rank, workflow in enumerate(workflows, 1)],
        },
        # What the service says although it makes no embeddings.
        "search_metadata": {
            "duration_ms": milliseconds,
            "embedding_dimensions": 768,
            "embedding_model": "all-mpnet-base-v2",
        },
    }
    return AuditEvent(
        version="1.0",
        event_type="workflow.catalog.search_completed",
        event_timestamp=clock.go_time(),
        event_category="workflow",
        event_action="search_completed",
        event_outcome="success",
        correlation_id=request.get("remediation_id") or name,
        event_data=gojson.encode_any(gojson.parse(gojson.encode(event_data))),
        actor_type="service",
        actor_id=_SERVICE,
        resource_type="workflow_catalog",
        resource_id=name,
        retention_days=_RETENTION_DAYS,
    )


def _result(workflow: Mapping[str, Any], rank: int) -> dict[str, object]:
    shown: dict[str, object] = {
        "workflow_id": workflow["workflow_id"],
        "title": workflow["title"],
        "rank": rank,
        "scoring": {"confidence": workflow["confidence"]},
    }
    if workflow["description"]:
        shown["description"] = workflow["description"]
    if workflow["signal_type"]:
        shown["labels"] = {"signal_type": workflow["signal_type"]}
    return shown
