"""One run of the soak: processes that emit, the emulator behind faults, `kill -9`, and the count at the end.

What goes wrong is drawn in `schedule`, processes are held by `nursery`, and `count` tells what came of the events.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernaut_client.emulator import Emulator
from kubernaut_client.emulator.requestlog import RequestRecord

from .count import Count, count, key_of, keys_of, retry_quarantined
from .debris import Debris
from .emitter import TROUBLES
from .ledger import SUFFIX
from .nursery import Nursery
from .schedule import BATCH, Deal, Requests, Service, Step, Throw
from .setting import Setting

_DURATIONS = {"hold", "delay"}
_DELIVERY = 60.0
_PATIENCE = 60.0
_SHOWN = 5


class Chance:
    """The condition of a fault: for a while, each request that comes meets it with a chance. Keeps what met it."""

    def __init__(self, step: Requests, until: float) -> None:
        self._chance = step.chance
        self._random = random.Random(step.seed)
        self._until = until
        self.met: list[RequestRecord] = []

    def __call__(self, record: RequestRecord) -> bool:
        if time.monotonic() >= self._until or self._random.random() >= self._chance:
            return False
        self.met.append(record)
        return True


class Watch:
    """A context that tells for how long this machine stood still: a thread that sleeps, and looks when it wakes up."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        before = time.monotonic()
        while not self._over.wait(0.02):
            now = time.monotonic()
            self.longest = max(self.longest, now - before)
            before = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


class Soak:
    """One run. The directory `place` must be empty; `tame`: nothing goes wrong in the processes themselves."""

    def __init__(
        self, emulator: Emulator, nursery: Nursery, setting: Setting, place: Path, *, tame: bool = False
    ) -> None:
        self._emulator = emulator
        self._nursery = nursery
        self._setting = setting
        self._place = place
        self._tame = tame
        self._running: dict[int, int] = {}
        self._names = 0
        self._kills = 0
        self._queued: list[Chance] = []
        self._troubles: list[str] = []
        self._debris = Debris(place)

    def run(self, steps: Sequence[Step], turns: int | None = None) -> Count:
        """Let all of it happen, and count. `turns`: how often each process emits; None: until the time is over."""
        self._emulator.reset()
        with Watch() as watch:
            for number in range(self._setting.processes):
                self._start(number, turns)
            self._play(steps)
            self._end(wait=turns is not None)
            self._deliver()
        found = self._count()
        found.stalled = watch.longest
        return found

    # ---- processes -------------------------------------------------------------------------------------------------

    def _start(self, number: int, turns: int | None = None) -> None:
        self._names += 1
        self._running[number] = self._nursery.start({**self._plan(str(self._names)), "turns": turns})

    def _plan(self, name: str) -> dict[str, Any]:
        return {
            "setting": asdict(self._setting),
            "place": str(self._place),
            "name": name,
            "url": self._emulator.url,
            "tame": self._tame,
        }

    def _leave(self, number: int, how: int) -> None:
        """One ends, by a signal."""
        pid = self._running[number]
        self._nursery.signal(pid, how)
        if how == signal.SIGKILL:
            self._kills += 1
        else:
            self._nursery.signal(pid, signal.SIGCONT)
        self._wait(number)

    def _wait(self, number: int) -> None:
        pid = self._running.pop(number)
        code = self._nursery.ended(pid, _PATIENCE)
        if code is None:
            self._troubles.append("a process didn't end")
            self._nursery.signal(pid, signal.SIGUSR1)
            time.sleep(1)
            self._nursery.signal(pid, signal.SIGKILL)
            self._nursery.ended(pid)
        elif code not in (0, -signal.SIGKILL, -signal.SIGTERM):
            self._troubles.append(f"a process ended with {code}")

    def _end(self, *, wait: bool) -> None:
        """All of them end: by themselves, when asked to, or killed."""
        for number in tuple(self._running):
            if wait:
                self._wait(number)
            else:
                self._leave(number, (signal.SIGKILL, signal.SIGTERM)[number % 2])

    def _deliver(self) -> None:
        """What is left is delivered, with a service that is well, whose clock is ahead of all that ever jumped."""
        self._emulator.clear_faults()
        spool = self._place / "spool"
        with self._emulator.clock(timedelta(hours=3)):
            for name in ("first", "second"):
                pid = self._nursery.start({**self._plan(name), "deliver": _DELIVERY})
                if self._nursery.ended(pid, _DELIVERY + _PATIENCE) != 0:
                    self._troubles.append("what was left could not be delivered")
                if name == "first" and spool.exists():
                    retry_quarantined(spool)
        # A request that nobody waits for any more may still be stored.
        end = time.monotonic() + _PATIENCE
        while any(record.seconds is None for record in self._emulator.requests):
            if time.monotonic() > end:
                self._troubles.append("a request didn't end")
                break
            time.sleep(0.05)

    # ---- what goes wrong -------------------------------------------------------------------------------------------

    def _play(self, steps: Sequence[Step]) -> None:
        begin = time.monotonic()
        ends: dict[int, list[Callable[[], None]]] = {}
        due = [(step.at, number, False) for number, step in enumerate(steps)]
        due += [(step.at + step.lasts, number, True) for number, step in enumerate(steps)]
        for when, number, over in sorted(due):
            if when > self._setting.seconds:
                break
            time.sleep(max(begin + self._setting.real(when) - time.monotonic(), 0))
            if not over:
                ends[number] = self._begin(steps[number])
            else:
                for end in ends.pop(number):
                    end()
        time.sleep(max(begin + self._setting.real(self._setting.seconds) - time.monotonic(), 0))
        for left in ends.values():
            for end in left:
                end()

    def _begin(self, step: Step) -> list[Callable[[], None]]:
        """What is to be done when it is over."""
        if isinstance(step, Requests):
            self._fault(step)
            return []
        if isinstance(step, Service):
            return self._change(step)
        if isinstance(step, Throw):
            self._debris.throw(step.seed)
            return []
        assert isinstance(step, Deal)
        return self._deal(step)

    def _fault(self, step: Requests) -> None:
        chance = Chance(step, time.monotonic() + self._setting.real(step.lasts))
        if step.queued:
            self._queued.append(chance)
        how: dict[str, Any] = dict(step.how)
        for name in _DURATIONS & how.keys():
            how[name] = self._setting.real(how[name])
        self._emulator.fault(step.operation, count=step.most, when=chance, **how)

    def _change(self, step: Service) -> list[Callable[[], None]]:
        emulator = self._emulator
        if step.state == "restart":
            emulator.restart()
            return []
        if step.state == "shutdown":
            emulator.shutdown(delay=0, deadline=self._setting.real(step.lasts))
            return [emulator.restart]
        contexts: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "refuse": emulator.refuse_connections,
            "database": emulator.database_down,
            "redis": emulator.redis_down,
            "partition": emulator.no_partition,
            "clock": lambda: emulator.clock(timedelta(seconds=step.offset)),
        }
        context = contexts[step.state]()
        context.__enter__()

        def end() -> None:
            context.__exit__(None, None, None)

        return [end]

    def _deal(self, step: Deal) -> list[Callable[[], None]]:
        number = step.process
        if step.deed == "kill":
            self._leave(number, signal.SIGKILL)
            self._start(number)
            return []
        if step.deed == "close":
            self._leave(number, signal.SIGTERM)
            self._start(number)
            return []
        pid = self._running[number]
        self._nursery.signal(pid, signal.SIGSTOP)
        return [lambda: self._go_on(number, pid)]

    def _go_on(self, number: int, pid: int) -> None:
        """After it was stopped, unless it was killed meanwhile."""
        if self._running.get(number) == pid:
            self._nursery.signal(pid, signal.SIGCONT)

    # ---- the count -------------------------------------------------------------------------------------------------

    def _count(self) -> Count:
        # Before anybody looks into them, as SQLite makes its files for that.
        left_over = self._left_over()
        rows = self._emulator.rows("audit_events")
        queued = keys_of(record.body for chance in self._queued for record in chance.met)
        found, lost, doubled = count(self._place, rows, queued, self._debris)
        batches = [record for record in self._emulator.requests if record.operation == BATCH]
        found.kills = self._kills
        found.batches = len(batches)
        found.faulty = sum(record.fault is not None for record in batches)
        found.troubles += self._troubles
        path = self._place / TROUBLES
        if path.exists():
            found.troubles.append(path.read_text("utf-8"))
        fine = {".spool", ".lock"} if found.quarantined else set[str]()
        found.troubles += [
            f"{path.name} is left over"
            for path in left_over
            if path.suffix not in fine and not self._debris.knows(path)
        ]
        for what, keys in (("lost", lost), ("doubled", doubled)):
            found.troubles += [f"{what}: {self._history(key, rows, batches)}" for key in keys[:_SHOWN]]
        return found

    def _left_over(self) -> list[Path]:
        spool = self._place / "spool"
        return sorted(spool.iterdir()) if spool.exists() else []

    def _history(self, key: str, rows: Sequence[Mapping[str, Any]], batches: Sequence[RequestRecord]) -> str:
        """All that is known of an event."""
        lines = [key]
        name = key.partition(".")[0]
        for path in self._place.glob(f"{name}{SUFFIX}"):
            text = path.read_bytes().rstrip(b"\0").decode()
            lines.append(" ".join(line for line in text.split("\n") if line[1:] == key))
        for row in rows:
            if key_of(row) == key:
                lines.append(f"row {row['event_timestamp'].isoformat()} {row['event_data']}")
        for record in batches:
            keys = keys_of([record.body])
            if key in keys:
                seconds = "-" if record.seconds is None else f"{record.seconds:.3f}"
                lines.append(
                    f"request {record.number}: {keys[key]} of {keys.total()}, {record.fault or 'no fault'}, "
                    f"answered {record.status} after {seconds} s"
                )
        return "\n    ".join(lines)
