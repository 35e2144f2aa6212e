"""The dead letter queue: what the service puts into Redis when the database doesn't take an audit record.

Two streams, of which each keeps its latest ten thousand entries. Nothing reads them while the service runs: when it
stops in good order, each entry is tried once more and deleted, whether or not that worked. Writing rows is the business
of `auditstore.py`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.metrics import Metric, Metrics

CAPACITY: Final = 10_000

Stream: TypeAlias = Literal["notifications", "events"]
STREAMS: Final[tuple[Stream, ...]] = get_args(Stream)
_TYPES: Final = {"notifications": "notification_audit", "events": "audit_event"}


class QueueFailure(Exception):
    """Redis is out of reach."""


@dataclass(frozen=True)
class DeadLetter:
    """One entry of the queue.

    stream: The name of the stream in Redis: audit:dlq:events or audit:dlq:notifications.
    type: audit_event or notification_audit.
    payload: The record as the service keeps it; event_data of an event is base64. It may hold secrets, so that it is
        not part of the repr.
    timestamp: When it was put there, RFC 3339.
    retry_count: Always 0: nothing tries again.
    last_error: What the database said.
    """

    stream: str
    type: str
    payload: dict[str, Any] = field(repr=False)
    timestamp: str
    retry_count: int
    last_error: str

    def as_dict(self) -> dict[str, Any]:
        """The entry as the control interface shows it."""
        names = ("stream", "type", "payload", "timestamp", "retry_count", "last_error")
        return {name: getattr(self, name) for name in names}


class DeadLetters:
    """The queue of one emulator. Safe to use from several threads.

    reachable: False while Redis is down; entries stay meanwhile.
    """

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self.reachable: bool = True
        self._clock = clock
        self._metrics = metrics
        self._entries: dict[Stream, deque[DeadLetter]] = {name: deque(maxlen=CAPACITY) for name in STREAMS}
        self._lock = threading.Lock()

    def add(self, stream: Stream, payload: dict[str, Any], error: Exception) -> None:
        """Put a record at the end of a stream; a full stream loses its oldest entry.

        Raises:
            QueueFailure: Redis is down.
        """
        if not self.reachable:
            raise QueueFailure("Redis is down")
        entry = DeadLetter(f"audit:dlq:{stream}", _TYPES[stream], payload, self._clock.go_time().text, 0, str(error))
        with self._lock:
            self._entries[stream].append(entry)
            depth = len(self._entries[stream])
        self._metrics.dlq_enqueued.add(stream, _TYPES[stream])
        self._measure(stream, depth)

    def take(self) -> DeadLetter | None:
        """Remove the entry that comes first, notifications before events. None if there is none, or Redis is down."""
        if self.reachable:
            with self._lock:
                for name in STREAMS:
                    if self._entries[name]:
                        return self._entries[name].popleft()
        return None

    def entries(self) -> tuple[DeadLetter, ...]:
        """All entries, those of one stream in the order in which they came."""
        with self._lock:
            return tuple(entry for name in STREAMS for entry in self._entries[name])

    def clear(self) -> None:
        """Back to the beginning: empty, and Redis up."""
        self.reachable = True
        with self._lock:
            for entries in self._entries.values():
                entries.clear()

    def _measure(self, stream: Stream, depth: int) -> None:
        """Show the depth. The service does so when something is added, and at no other time."""
        metrics = self._metrics
        ratio = depth / CAPACITY
        metrics.dlq_depth.set(stream, to=depth)
        metrics.dlq_capacity_ratio.set(stream, to=ratio)
        limits: tuple[tuple[Metric, float, float], ...] = (
            (metrics.dlq_warning, 0.80, 0.90),
            (metrics.dlq_critical, 0.90, 0.95),
            (metrics.dlq_overflow_imminent, 0.95, 2.0),
        )
        # Only the highest alarm is on.
        for metric, least, below in limits:
            metric.set(stream, to=float(least <= ratio < below))
