"""The counters of the service, and the text that its /metrics route shows: the Prometheus exposition format 0.0.4.

Few metrics in a fixed format don't need a client library, and that library would add series which the service doesn't
have. A metric appears with its first value, as in the service.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from kubernaut_client.emulator.gojson import encode_float
from kubernaut_client.emulator.runtime import Runtime

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
_Labels: TypeAlias = tuple[str, ...]

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class _Histogram:
    """Observations by the smallest bucket that takes them; the last one is for what is larger."""

    counts: list[int]
    total: float


class Metric:
    """One metric: a name, the names of its labels, and a value for each set of labels that was met."""

    def __init__(self, name: str, kind: Kind, text: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self._kind = kind
        self._text = text
        self._labels = tuple(labels)
        self._values: dict[_Labels, float] = {}
        self._histograms: dict[_Labels, _Histogram] = {}
        self._lock = threading.Lock()
        self.clear()

    def add(self, *labels: str, by: float = 1) -> None:
        """Count."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def set(self, *labels: str, to: float) -> None:
        """Show this value from now on."""
        with self._lock:
            self._values[labels] = to

    def observe(self, *labels: str, value: float) -> None:
        """Put a value into a histogram."""
        with self._lock:
            histogram = self._histograms.setdefault(labels, _Histogram([0] * (len(_BUCKETS) + 1), 0.0))
            place = next((index for index, limit in enumerate(_BUCKETS) if value <= limit), len(_BUCKETS))
            histogram.counts[place] += 1
            histogram.total += value

    def clear(self) -> None:
        """Forget all values. A metric without labels shows a zero from the start."""
        with self._lock:
            self._histograms.clear()
            self._values.clear()
            if not self._labels and self._kind != "histogram":
                self._values[()] = 0

    def lines(self) -> list[str]:
        """The metric as text; nothing if it has no value."""
        with self._lock:
            shown = [f"{self.name}{self._shown(labels)} {_number(value)}" for labels, value in self._sorted()]
            for labels, histogram in sorted(self._histograms.items()):
                count = 0
                for limit, found in zip((*_BUCKETS, math.inf), histogram.counts, strict=True):
                    count += found
                    shown.append(f"{self.name}_bucket{self._shown(labels, _number(limit))} {count}")
                shown.append(f"{self.name}_sum{self._shown(labels)} {_number(histogram.total)}")
                shown.append(f"{self.name}_count{self._shown(labels)} {count}")
        return [f"# HELP {self.name} {self._text}", f"# TYPE {self.name} {self._kind}", *shown] if shown else []

    def _sorted(self) -> list[tuple[_Labels, float]]:
        return sorted(self._values.items())

    def _shown(self, values: _Labels, limit: str | None = None) -> str:
        pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(self._labels, values, strict=True)]
        if limit is not None:
            pairs.append(f'le="{limit}"')
        return f"{{{','.join(pairs)}}}" if pairs else ""


class Metrics:
    """All metrics of one emulator. Safe to use from several threads."""

    def __init__(self) -> None:
        self.audit_traces: Metric = Metric(
            "datastorage_audit_traces_total", "counter", "Audit records written.", ("service", "status")
        )
        self.audit_lag: Metric = Metric(
            "datastorage_audit_lag_seconds", "histogram", "Time from an event to its write.", ("service",)
        )
        self.write_duration: Metric = Metric(
            "datastorage_write_duration_seconds", "histogram", "Time that a write took.", ("table",)
        )
        self.validation_failures: Metric = Metric(
            "datastorage_validation_failures_total", "counter", "Requests refused.", ("field", "reason")
        )
        self.dlq_depth: Metric = Metric(
            "datastorage_dlq_depth", "gauge", "Entries in the dead letter queue.", ("stream",)
        )
        self.dlq_capacity_ratio: Metric = Metric(
            "datastorage_dlq_capacity_ratio", "gauge", "Depth of the dead letter queue over its capacity.", ("stream",)
        )
        self.dlq_warning: Metric = Metric(
            "datastorage_dlq_warning", "gauge", "The dead letter queue is full to 80 %.", ("stream",)
        )
        self.dlq_critical: Metric = Metric(
            "datastorage_dlq_critical", "gauge", "The dead letter queue is full to 90 %.", ("stream",)
        )
        self.dlq_overflow_imminent: Metric = Metric(
            "datastorage_dlq_overflow_imminent", "gauge", "The dead letter queue is full to 95 %.", ("stream",)
        )
        self.dlq_enqueued: Metric = Metric(
            "datastorage_dlq_enqueue_total", "counter", "Entries put into the dead letter queue.", ("stream", "type")
        )
        self.self_audit_buffered: Metric = Metric(
            "audit_events_buffered_total", "counter", "Events of the service itself, buffered.", ("service",)
        )
        self.self_audit_written: Metric = Metric(
            "audit_events_written_total", "counter", "Events of the service itself, written.", ("service",)
        )
        self.self_audit_dropped: Metric = Metric(
            "audit_events_dropped_total", "counter", "Events of the service itself, dropped.", ("service",)
        )
        self.self_audit_failed_batches: Metric = Metric(
            "audit_batches_failed_total", "counter", "Batches of the service itself, given up.", ("service",)
        )
        self.self_audit_buffer_size: Metric = Metric(
            "audit_buffer_size", "gauge", "Events of the service itself that wait.", ("service",)
        )
        self.self_audit_buffer_capacity: Metric = Metric(
            "audit_buffer_capacity", "gauge", "How many of them may wait.", ("service",)
        )
        self.self_audit_buffer_utilization: Metric = Metric(
            "audit_buffer_utilization_ratio", "gauge", "Those that wait over those that may.", ("service",)
        )
        self.self_audit_write_duration: Metric = Metric(
            "audit_write_duration_seconds", "histogram", "Time that a batch of them took to be written.", ("service",)
        )
        # Registered by the service and never used.
        idle = ("dualwrite_success_total", "fallback_mode_total", "cache_hits_total", "cache_misses_total")
        self._runtime = Runtime()
        self._idle = tuple(Metric(f"datastorage_{name}", "counter", "Not used.") for name in idle)

    def all(self) -> tuple[Metric, ...]:
        """Every metric, by name."""
        own = [value for value in vars(self).values() if isinstance(value, Metric)]
        return tuple(sorted((*own, *self._idle), key=lambda metric: metric.name))

    def clear(self) -> None:
        """Back to the beginning, as after a start."""
        for metric in self.all():
            metric.clear()
        self._runtime.clear()

    def text(self) -> str:
        """The metrics that the service itself has, as text."""
        return "".join(f"{line}\n" for metric in self.all() for line in metric.lines())

    def scrape(self) -> str:
        """What the /metrics route shows."""
        return self.text() + self._runtime.scrape()


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else encode_float(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
