"""The metrics that Prometheus's library for Go adds to the service's own: runtime, process, and scrapes.

Names, types and their order are those of client_golang 1.23. What can be told of the emulator's process is; the numbers
of a Go runtime, which there is none of, are those of a small service at rest.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Mapping
from typing import Final

from kubernaut_client.emulator.gojson import encode_float

_ALLOCATED: Final = 6_291_456
_IDLE: Final = 4_194_304
_IN_USE: Final = 8_388_608
_OBJECTS: Final = 31_250
_FREED: Final = 250_000
_UNLIMITED: Final = 9_223_372_036_854_775_807

# Name, type, text, value.
_GO: Final[tuple[tuple[str, str, str, float], ...]] = (
    ("gc_gogc_percent", "gauge", "Growth of the heap that starts a collection.", 100),
    ("gc_gomemlimit_bytes", "gauge", "Limit of the runtime's memory.", _UNLIMITED),
    ("goroutines", "gauge", "Goroutines that exist.", 14),
    ("info", "gauge", "Version of Go.", 1),
    ("memstats_alloc_bytes", "gauge", "Bytes of the heap in use.", _ALLOCATED),
    ("memstats_alloc_bytes_total", "counter", "Bytes ever allocated.", 16 * _ALLOCATED),
    ("memstats_buck_hash_sys_bytes", "gauge", "Bytes of the profiler's table.", 1_449_828),
    ("memstats_frees_total", "counter", "Objects ever freed.", _FREED),
    ("memstats_gc_sys_bytes", "gauge", "Bytes of the collector's data.", 3_538_944),
    ("memstats_heap_alloc_bytes", "gauge", "Bytes of the heap in use.", _ALLOCATED),
    ("memstats_heap_idle_bytes", "gauge", "Bytes of the heap that are idle.", _IDLE),
    ("memstats_heap_inuse_bytes", "gauge", "Bytes of the heap's spans in use.", _IN_USE),
    ("memstats_heap_objects", "gauge", "Objects on the heap.", _OBJECTS),
    ("memstats_heap_released_bytes", "gauge", "Bytes given back to the system.", _IDLE // 2),
    ("memstats_heap_sys_bytes", "gauge", "Bytes of the heap.", _IDLE + _IN_USE),
    ("memstats_last_gc_time_seconds", "gauge", "Time of the last collection.", 0),
    ("memstats_mallocs_total", "counter", "Objects ever allocated.", _FREED + _OBJECTS),
    ("memstats_mcache_inuse_bytes", "gauge", "Bytes of mcache structures in use.", 9_664),
    ("memstats_mcache_sys_bytes", "gauge", "Bytes of mcache structures.", 15_704),
    ("memstats_mspan_inuse_bytes", "gauge", "Bytes of mspan structures in use.", 151_680),
    ("memstats_mspan_sys_bytes", "gauge", "Bytes of mspan structures.", 163_200),
    ("memstats_next_gc_bytes", "gauge", "Size of the heap that starts a collection.", 2 * _ALLOCATED),
    ("memstats_other_sys_bytes", "gauge", "Bytes of all else.", 1_048_576),
    ("memstats_stack_inuse_bytes", "gauge", "Bytes of stacks in use.", 1_048_576),
    ("memstats_stack_sys_bytes", "gauge", "Bytes of stacks.", 1_048_576),
    ("memstats_sys_bytes", "gauge", "Bytes obtained from the system.", _IDLE + _IN_USE + 8_314_828),
    ("sched_gomaxprocs_threads", "gauge", "Threads that run Go code at once.", os.cpu_count() or 1),
    ("threads", "gauge", "Threads of the system.", 9),
)
_LABELS: Final = {"info": '{version="go1.25.5"}'}
_QUANTILES: Final = ("0", "0.25", "0.5", "0.75", "1")
_PROCESS: Final[tuple[tuple[str, str, str], ...]] = (
    ("cpu_seconds_total", "counter", "CPU time in seconds."),
    ("max_fds", "gauge", "Limit of open file descriptors."),
    ("network_receive_bytes_total", "counter", "Bytes received."),
    ("network_transmit_bytes_total", "counter", "Bytes sent."),
    ("open_fds", "gauge", "Open file descriptors."),
    ("resident_memory_bytes", "gauge", "Resident memory in bytes."),
    ("start_time_seconds", "gauge", "Time of the start."),
    ("virtual_memory_bytes", "gauge", "Virtual memory in bytes."),
    ("virtual_memory_max_bytes", "gauge", "Limit of virtual memory in bytes."),
)
_PROMHTTP: Final = "promhttp_metric_handler_requests"


class Runtime:
    """What a scrape shows of the process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._started = time.time()
        self._scrapes = 0

    def clear(self) -> None:
        """Back to the beginning, as after a start."""
        self._started = time.time()
        self._scrapes = 0

    def scrape(self) -> str:
        """The metrics as text; this scrape counts in the next one."""
        lines = _head("go_gc_duration_seconds", "summary", "Pauses of the garbage collector in seconds.")
        lines += [f'go_gc_duration_seconds{{quantile="{each}"}} 0' for each in _QUANTILES]
        lines += ["go_gc_duration_seconds_sum 0", "go_gc_duration_seconds_count 0"]
        for name, kind, text, value in _GO:
            lines += _head(f"go_{name}", kind, text)
            lines.append(f"go_{name}{_LABELS.get(name, '')} {encode_float(float(value))}")
        values = _process(self._started)
        for name, kind, text in _PROCESS:
            if name in values:
                lines += _head(f"process_{name}", kind, text)
                lines.append(f"process_{name} {encode_float(float(values[name]))}")
        lines += [*_head(f"{_PROMHTTP}_in_flight", "gauge", "Scrapes under way."), f"{_PROMHTTP}_in_flight 1"]
        lines += _head(f"{_PROMHTTP}_total", "counter", "Scrapes by status.")
        for code, count in (("200", self._scrapes), ("500", 0), ("503", 0)):
            lines.append(f'{_PROMHTTP}_total{{code="{code}"}} {count}')
        self._scrapes += 1
        return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _process(started: float) -> Mapping[str, float]:
    """The values of this process, as far as the system has them."""
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    values: dict[str, float] = {
        "cpu_seconds_total": round(time.process_time(), 2),
        "max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "start_time_seconds": round(started, 2),
        "virtual_memory_max_bytes": 2**64 - 1 if space == resource.RLIM_INFINITY else space,
    }
    with contextlib.suppress(OSError, ValueError, IndexError):
        values["open_fds"] = len(os.listdir("/proc/self/fd"))
        with open("/proc/self/statm", encoding="ascii") as file:
            virtual, resident = (int(pages) * resource.getpagesize() for pages in file.read().split()[:2])
        values.update(virtual_memory_bytes=virtual, resident_memory_bytes=resident)
        with open("/proc/self/net/dev", encoding="ascii") as file:
            counters = [line.partition(":")[2].split() for line in file if ":" in line]
        values["network_receive_bytes_total"] = sum(int(each[0]) for each in counters)
        values["network_transmit_bytes_total"] = sum(int(each[8]) for each in counters)
    return values
