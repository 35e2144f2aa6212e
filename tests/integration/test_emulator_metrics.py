"""The emulator's /metrics: the counters of the service, in the format that Prometheus reads."""

import asyncio
import gzip
import re
import time
from datetime import timedelta
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.database import Database
from kubernaut_client.emulator.dlq import CAPACITY, DeadLetters
from kubernaut_client.emulator.metrics import Metric, Metrics
from kubernaut_client.emulator.self_audit import SelfAudit
from tests.events import event, moment, notification
from tests.integration.emulator_tools import WORKFLOWS, call
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

EVENTS = "/api/v1/audit/events"
OF_THE_PROCESS = ("go_", "process_", "promhttp_")
LINE = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.e0-9]+)')


def metrics(emulator: Emulator) -> dict[str, float]:
    """All values by name and labels."""
    answer = call(emulator, "GET", "/metrics")
    assert answer.status == 200
    lines = answer.body.decode().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    values = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in values}


def counted(emulator: Emulator, name: str) -> dict[str, float]:
    """The values of one metric by its labels."""
    return {key.removeprefix(name): value for key, value in metrics(emulator).items() if key.startswith(f"{name}{{")}


def without_process(text: bytes) -> list[str]:
    """The lines of a scrape that don't change from one to the next."""
    return [line for line in text.decode().splitlines() if not line.startswith(OF_THE_PROCESS[1:])]


def test_media_type_and_methods(emulator: Emulator) -> None:
    answer = call(emulator, "GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    packed = call(emulator, "GET", "/metrics", headers={"Accept-Encoding": "deflate, gzip;q=1.0"})
    assert packed.headers["Content-Encoding"] == "gzip" and without_process(
        gzip.decompress(packed.body)
    ) == without_process(answer.body)
    assert call(emulator, "POST", "/metrics").status == 200


def test_audit_records(emulator: Emulator) -> None:
    assert counted(emulator, "datastorage_audit_traces_total") == {}
    call(emulator, "POST", EVENTS, event(event_timestamp=moment(timedelta(seconds=7))))
    call(emulator, "POST", f"{EVENTS}/batch", [event(event_category="gateway"), event(event_category="gateway")])
    call(emulator, "POST", "/api/v1/audit/notifications", notification())
    call(emulator, "POST", EVENTS, event(version="x" * 11))
    assert counted(emulator, "datastorage_audit_traces_total") == {
        '{service="gateway",status="success"}': 2,
        '{service="notification",status="success"}': 1,
        '{service="workflow",status="dlq_fallback"}': 1,
        '{service="workflow",status="success"}': 1,
    }
    assert counted(emulator, "datastorage_write_duration_seconds_count") == {
        '{table="audit_events"}': 2,
        '{table="audit_events_batch"}': 1,
        '{table="notification_audit"}': 1,
    }
    lag = counted(emulator, "datastorage_audit_lag_seconds_bucket")
    assert set(counted(emulator, "datastorage_audit_lag_seconds_count")) == {
        '{service="notification"}',
        '{service="workflow"}',
    }
    assert lag['{service="workflow",le="5"}'] == 0 and lag['{service="workflow",le="10"}'] == 1
    assert lag['{service="workflow",le="+Inf"}'] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "labels"),
    [
        ("POST", EVENTS, {}, ("openapi_middleware", "validation_error")),
        ("GET", f"{EVENTS}?limit=0", None, ("openapi_middleware", "validation_error")),
        ("POST", EVENTS, event(parent_event_id="zzz"), ("body", "invalid_json")),
        ("POST", EVENTS, event(event_timestamp="2020-01-01T00:00:00Z"), ("business_rules", "validation_failed")),
        (
            "POST",
            EVENTS,
            event(parent_event_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
            ("parent_event_id", "parent_not_found"),
        ),
        ("POST", f"{EVENTS}/batch", [], ("body", "empty_batch")),
        ("POST", f"{EVENTS}/batch", [event(parent_event_id="zzz")], ("body", "invalid_json_array")),
        (
            "POST",
            f"{EVENTS}/batch",
            [event(event_timestamp="2020-01-01T00:00:00Z")],
            ("batch_event", "validation_failed"),
        ),
        ("POST", "/api/v1/audit/notifications", notification(channel="webhook"), ("channel", "required")),
    ],
)
def test_refused_requests(emulator: Emulator, method: str, path: str, body: Any, labels: tuple[str, str]) -> None:
    assert call(emulator, method, path, body).status == 400
    field, reason = labels
    assert counted(emulator, "datastorage_validation_failures_total") == {f'{{field="{field}",reason="{reason}"}}': 1}


def test_dead_letters(emulator: Emulator) -> None:
    assert counted(emulator, "datastorage_dlq_depth") == {}
    for _ in range(3):
        call(emulator, "POST", EVENTS, event(version="x" * 11))
    assert counted(emulator, "datastorage_dlq_depth") == {'{stream="events"}': 3}
    assert counted(emulator, "datastorage_dlq_capacity_ratio") == {'{stream="events"}': 0.0003}
    assert counted(emulator, "datastorage_dlq_enqueue_total") == {'{stream="events",type="audit_event"}': 3}
    assert counted(emulator, "datastorage_dlq_warning") == {'{stream="events"}': 0}


@pytest.mark.parametrize(
    ("depth", "alarm"), [(7_999, None), (8_000, "warning"), (9_000, "critical"), (9_500, "overflow_imminent")]
)
def test_alarms_of_the_dead_letter_queue(depth: int, alarm: str | None) -> None:
    numbers = Metrics()
    letters = DeadLetters(Clock(), numbers)
    for _ in range(depth):
        letters.add("events", {}, ValueError("no"))
    on = re.findall(r'datastorage_dlq_(warning|critical|overflow_imminent)\{stream="events"\} 1', numbers.text())
    assert on == ([alarm] if alarm else []) and depth < CAPACITY


def test_events_of_the_service_itself(emulator: Emulator) -> None:
    assert not any(name.startswith("audit_") for name in metrics(emulator))
    search = {"filters": workflow()["labels"]}
    with emulator.database_down():
        assert call(emulator, "POST", f"{WORKFLOWS}/search", search).status == 500
    assert not any(name.startswith("audit_") for name in metrics(emulator))
    for _ in range(2):
        assert call(emulator, "POST", f"{WORKFLOWS}/search", search).status == 200
    emulator.flush_self_audit()

    def value(name: str) -> float:
        return counted(emulator, name)['{service="datastorage"}']

    assert value("audit_events_buffered_total") == value("audit_events_written_total") == 2
    assert (value("audit_buffer_size"), value("audit_buffer_utilization_ratio")) == (0, 0)
    assert value("audit_buffer_capacity") == 50_000
    assert 1 <= value("audit_write_duration_seconds_count") <= 2  # the second that it may take can end in between
    assert value("audit_write_duration_seconds_sum") > 0


def test_events_that_wait_fill_the_buffer() -> None:
    numbers = Metrics()
    filters = workflow()["labels"]

    async def record() -> str:
        audit = SelfAudit(Database("", shared=True), Clock(), numbers)
        for _ in range(3):
            audit.record_search({"top_k": 10}, {"workflows": [], "total_results": 0, "filters": filters}, 0.1)
        text = numbers.text()
        await audit.discard()
        return text

    found = dict(re.findall(r'audit_buffer_(\w+)\{service="datastorage"\} (\S+)', asyncio.run(record())))
    assert found == {"size": "3", "capacity": "50000", "utilization_ratio": "0.00006"}


def test_reset_counts_from_zero(emulator: Emulator) -> None:
    call(emulator, "POST", EVENTS, event())
    emulator.reset()
    own = {name: value for name, value in metrics(emulator).items() if not name.startswith(OF_THE_PROCESS)}
    assert own and all(value == 0 for value in own.values())


def test_what_the_library_for_go_adds(emulator: Emulator) -> None:
    first, second = metrics(emulator), metrics(emulator)
    families = [name for name in first if name.startswith(OF_THE_PROCESS)]
    assert list(first)[-len(families) :] == families  # after the service's own, as they are sorted by name
    summary = len([name for name in families if name.startswith("go_gc_duration_seconds")])
    assert summary == 7 and families[summary:] == sorted(families[summary:])
    assert {name.partition("{")[0] for name in families} >= {
        "go_gc_duration_seconds_count",
        "go_goroutines",
        "go_info",
        "go_memstats_alloc_bytes",
        "go_memstats_sys_bytes",
        "go_threads",
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "promhttp_metric_handler_requests_in_flight",
        "promhttp_metric_handler_requests_total",
    }
    heap = [first[f"go_memstats_heap_{part}_bytes"] for part in ("sys", "idle", "inuse", "alloc")]
    assert heap[0] == heap[1] + heap[2] and 0 < heap[3] <= heap[2] < first["go_memstats_sys_bytes"]
    assert 0 < first["process_resident_memory_bytes"] < first["process_virtual_memory_bytes"]
    assert 0 < first["process_open_fds"] <= first["process_max_fds"]
    assert 0 <= time.time() - first["process_start_time_seconds"] < 600
    scrapes = [each['promhttp_metric_handler_requests_total{code="200"}'] for each in (first, second)]
    assert scrapes == [0, 1]


def test_labels_are_escaped() -> None:
    metric = Metric("m", "counter", "A test.", ("a", "b"))
    metric.add('x"y\\z\n', "1", by=0.5)
    assert metric.lines() == ["# HELP m A test.", "# TYPE m counter", 'm{a="x\\"y\\\\z\\n",b="1"} 0.5']
