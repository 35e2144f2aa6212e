"""What `emit` and `close` do by themselves: times, events that can't be written down, and calls in the middle."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import AuditWriter
from kubernaut_client.spool.batch import Row
from kubernaut_client.spool.spoolfile import SpoolFile
from tests.events import event
from tests.writers import MovedClock, tuning
from tests.writers import writer as tuned

AWAY = "http://127.0.0.1:9"


class FrozenClock(MovedClock):
    """Stands still but for what a test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = super().time()

    def time(self) -> float:
        return self.now + self.wall_offset


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def writer(tmp_path: Path, clock: FrozenClock) -> Iterator[AuditWriter]:
    found = tuned(AWAY, tmp_path, tuning(clock=clock))
    yield found
    found.close(0)


def kept(writer: AuditWriter) -> list[Row]:
    """What is in the writer's own file."""
    assert writer._spool.current is not None
    return writer._spool.current.after(0, 1000, 2**20)[0]


def test_no_two_events_get_the_same_time(writer: AuditWriter) -> None:
    for _ in range(100):
        writer.emit(event(event_timestamp=...))
    rows = kept(writer)
    assert len({row.time for row in rows}) == 100 and all(row.own for row in rows)
    assert [json.loads(row.body)["event_timestamp"] for row in rows] == [row.time for row in rows]


def test_a_time_that_may_come_again_is_not_taken_for_our_own(writer: AuditWriter, clock: FrozenClock) -> None:
    """A clock that is set back gives times for the second time, and such an event may be stored already."""
    for offset in (0, -60, -59, 60):
        clock.wall_offset = offset
        writer.emit(event(event_timestamp=...))
    assert [row.own for row in kept(writer)] == [True, False, False, True]


def test_a_clock_that_is_set_back_a_little_is_waited_for(writer: AuditWriter, clock: FrozenClock) -> None:
    for offset in (0.0, -4.9, -4.9):
        clock.wall_offset = offset
        writer.emit(event(event_timestamp=...))
    times = [row.time for row in kept(writer)]
    assert times == sorted(times) and len(set(times)) == 3 and all(row.own for row in kept(writer))


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_an_invalid_event_that_cannot_be_written_down_is_kept_all_the_same(tmp_path: Path) -> None:
    audit = tuned(AWAY, tmp_path, on_invalid="quarantine")
    audit.emit(event(event_timestamp=..., event_data={"a": Unspeakable()}))
    assert audit.status().totals.quarantined == 1 and audit.status().waiting == 0
    audit.close(0)


@pytest.mark.parametrize(("timeout", "most"), [(2.0, 2.0), (0.0, 0.0), (None, 5.0)])
def test_close_in_the_middle_of_emit_keeps_its_timeout(
    writer: AuditWriter, monkeypatch: pytest.MonkeyPatch, timeout: float | None, most: float
) -> None:
    """A signal handler closes the writer; without a limit of its own it would hang the program."""
    real = SpoolFile.append
    waited: list[float] = []

    def append(self: SpoolFile, *arguments: Any) -> int:
        monkeypatch.setattr(SpoolFile, "append", real)
        identity = real(self, *arguments)
        assert writer.close(timeout).waiting == 1
        assert waited == [], "emit comes first"
        return identity

    def flush(timeout: float) -> None:
        waited.append(timeout)

    monkeypatch.setattr(SpoolFile, "append", append)
    monkeypatch.setattr(writer, "flush", flush)
    writer.emit(event(event_timestamp=...))
    assert writer.closed and len(waited) == 1 and max(most - 1, 0) <= waited[0] <= most


def test_nobody_is_in_a_hurry_after_a_flush(writer: AuditWriter) -> None:
    """Else no batch would wait for more events any more."""
    writer.emit(event(event_timestamp=...))
    writer.flush(0)
    assert writer._sender.urgent == 0


@pytest.mark.parametrize("how", ["status", "flush", "close"])
def test_a_fork_by_whatever_means_is_noticed(writer: AuditWriter, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The writer has nothing of its parent's: neither its files nor its threads."""
    seen: list[bool] = []
    monkeypatch.setattr(writer._process, "_forked", lambda: seen.append(True))
    actions: dict[str, Callable[[], object]] = {
        "status": writer.status,
        "flush": lambda: writer.flush(0),
        "close": lambda: writer.close(0),
    }
    actions[how]()
    assert seen == []
    monkeypatch.setattr(writer._process, "_id", -1)
    actions[how]()
    actions[how]()
    assert seen == [True]
