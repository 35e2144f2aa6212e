"""The log of all requests that an emulator got, for tests to look at. The control interface is not logged."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

WRITES: Final = frozenset(
    {
        "createWorkflow",
        "updateWorkflow",
        "disableWorkflow",
        "createAuditEvent",
        "createAuditEventsBatch",
        "createNotificationAudit",
    }
)
LONGEST: Final = 100_000
_FREED: Final = 4


@dataclass(frozen=True)
class RequestRecord:
    """One request.

    number: from 1 on, in the order of arrival, since the log was last cleared.
    path: as it was sent, query included.
    operation: the operationId of the contract; None for a path or method that the service doesn't have.
    status: of the answer; None if the connection was closed without one, or if there is none yet.
    fault: what was scripted to go wrong with it, such as `drop=after`; None if nothing was.
    request_id: the X-Request-ID that the caller sent.
    headers: names in lower case. Neither they nor the body are part of the repr, as both may hold secrets.
    seconds: from the end of the request to the first byte of the answer or the end of the connection; None before.
    """

    number: int
    method: str
    path: str
    operation: str | None
    status: int | None
    fault: str | None
    request_id: str | None
    headers: Mapping[str, str] = field(repr=False, hash=False)
    body: bytes = field(repr=False)
    seconds: float | None


class Entry:
    """A place in the log whose request may not have been answered yet."""

    def __init__(self, record: RequestRecord) -> None:
        self.record: RequestRecord = record
        self._start = time.perf_counter()

    def meets(self, fault: str) -> None:
        """Note what is to go wrong with it."""
        self.record = replace(self.record, fault=fault)

    def finish(self, status: int | None) -> None:
        """Note how the request ended."""
        self.record = replace(self.record, status=status, seconds=time.perf_counter() - self._start)


class RequestLog:
    """The requests of one emulator; of more than a hundred thousand, the latest. Safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=LONGEST)
        self._forgotten: deque[Entry] = deque()
        self._count = 0
        self._lock = threading.Lock()

    def add(self, method: str, path: str, operation: str | None, headers: Mapping[str, str], body: bytes) -> Entry:
        """Log a request that has arrived."""
        with self._lock:
            self._count += 1
            record = RequestRecord(
                number=self._count,
                method=method,
                path=path,
                operation=operation,
                status=None,
                fault=None,
                request_id=headers.get("x-request-id"),
                headers=headers,
                body=body,
                seconds=None,
            )
            entry = Entry(record)
            self._entries.append(entry)
            for _ in range(min(_FREED, len(self._forgotten))):
                self._forgotten.popleft()
        return entry

    def records(self) -> tuple[RequestRecord, ...]:
        """All requests so far, in the order of arrival."""
        with self._lock:
            return tuple(entry.record for entry in self._entries)

    def clear(self) -> None:
        """Forget all requests and count from 1 again."""
        with self._lock:
            # To free a long log takes a millisecond, a fifth of a reset. It is done bit by bit, as new requests come.
            self._forgotten, self._entries = self._entries, deque(maxlen=LONGEST)
            self._count = 0
