"""A sender without threads, in a time that only a test moves, and a service of a few lines."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from queue import Empty
from typing import Any

from kubernaut_client import KubernautError, SpoolAlarm, problems
from kubernaut_client.errors import APIError, ConnectionDroppedError, Outcome, error_for
from kubernaut_client.spool.directory import Directory
from kubernaut_client.spool.report import AlarmKind
from kubernaut_client.spool.sender import Sender
from kubernaut_client.spool.spool import Spool
from kubernaut_client.spool.tuning import Clock, Tuning
from tests.damage import body

DATABASE_ERROR = b'{"type": "https://kubernaut.ai/problems/database-error", "title": "T", "status": 500}'


class StillClock(Clock):
    """Stands still."""

    now = 1000.0

    @cached_property
    def boot(self) -> str:
        return "this one"

    def time(self) -> float:
        return 1_790_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now


class Service:
    """Stores what comes, unless `answer` raises; keeps when it was asked for what."""

    attempt = 30.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.answer: Callable[[list[int]], None] = lambda numbers: None
        """Called with the numbers of each batch."""
        self.readable: Callable[[int], None] = lambda number: None
        self.stored: list[int] = []
        self.sent: list[tuple[float, list[int]]] = []
        self.looked: list[tuple[float, int]] = []
        self.well = True

    def begin(self) -> Callable[[bytes], int]:
        def store(content: bytes) -> int:
            numbers = [event["event_data"]["number"] for event in json.loads(content)]
            self.sent.append((self._clock.monotonic(), numbers))
            self.answer(numbers)
            self.stored += numbers
            return len(numbers)

        return store

    def copies(self, payload: dict[str, Any]) -> int:
        number = payload["event_data"]["number"]
        self.looked.append((self._clock.monotonic(), number))
        self.readable(number)
        return self.stored.count(number)

    def healthy(self) -> None:
        if not self.well:
            raise lost()

    def leave(self) -> None: ...

    def close(self) -> None: ...


def lost() -> KubernautError:
    """No answer."""
    return ConnectionDroppedError("no answer", outcome=Outcome.UNKNOWN)


def page(status: int) -> APIError:
    """Something before the service refuses."""
    headers = {"content-type": "text/html"}
    return error_for(problems.parse(status, b"<html>"), write=True, headers=headers, body=b"<html>")


def failed() -> APIError:
    """The service says that its database fails."""
    headers = {"content-type": "application/problem+json"}
    return error_for(problems.parse(500, DATABASE_ERROR), write=True, headers=headers, body=DATABASE_ERROR)


class Driven:
    """One writer's spool and sender. `emit` and then `run`."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.clock = StillClock()
        self.tuning = replace(Tuning(clock=self.clock), **changes)
        self.service = Service(self.clock)
        self.alarms: list[SpoolAlarm] = []
        path.mkdir(mode=0o700, exist_ok=True)
        self.spool = Spool(Directory(path), limit=2**30, power=False, tuning=self.tuning, alarm=self._alarm)
        self.sender = Sender(self.spool, self.service, self.tuning, self._alarm)

    def _alarm(self, kind: AlarmKind, message: str, count: int) -> None:
        self.alarms.append(SpoolAlarm(kind, message, count))

    def emit(self, *numbers: int, own: bool = True, at: str | None = None, **members: Any) -> None:
        for number in numbers:
            when = datetime.fromtimestamp(self.clock.time(), UTC).replace(microsecond=number)
            text = at or when.isoformat(timespec="microseconds").replace("+00:00", "Z")
            emitted = int(self.clock.time() * 1e6) + number
            self.spool.append(emitted, text, own, body(number, text, **members))

    def run(self, seconds: float = 0.0) -> None:
        """Let so much time pass; whatever is due happens at once."""
        end = self.clock.now + seconds
        while True:
            self.sender._keep_up()
            pause = self.sender._dispatch()
            if self.spool.salvaging:
                self.spool.salvage(self.clock.now)
                continue
            if self._work():
                continue
            if self.clock.now >= end:
                return
            self.clock.now = min(self.clock.now + max(pause, 0.001), end)

    def _work(self) -> bool:
        done = False
        while True:
            try:
                job = self.sender._jobs.get_nowait()
            except Empty:
                break
            assert job is not None
            self.sender._results.put(job())
            done = True
        self.sender._collect()
        return done

    @property
    def attempts(self) -> list[tuple[float, list[int]]]:
        """When which numbers were sent, in seconds since the first time."""
        first = self.service.sent[0][0]
        return [(round(at - first, 3), numbers) for at, numbers in self.service.sent]
