"""The program of the processes that emit: events of every sort, at a moderate pace, until somebody ends it.

`main` is the process that forks them (`nursery`). Each has its own character, drawn from the seed of the run and its
number: the colour of its client, the kinds of events, whether its clock jumps, its disk fails or it forks. All that
happens to it is noted: what became of each event in its ledger, and what must never happen as a trouble.
"""

import faulthandler
import json
import logging
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from kubernaut_client import AsyncDataStorageClient, AuditWriter, DataStorageClient, SpoolError
from kubernaut_client.spool.directory import Directory
from kubernaut_client.spool.tuning import Clock

from .ledger import Ledger
from .setting import Setting

TROUBLES = "troubles"
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.0,
    -0.0,
    0.1 + 0.2,
    1e16,
    1e300,
    2**53 - 1,
    "",
    "Grüße, 世界 \U0001f6a2",
    'a "quoted" \\ text\n',
    [],
    [1, [2.0, {"three": None}]],
    {"nested": {"list": [1.5, "x", False]}},
)
_OPTIONAL: dict[str, Any] = {
    "severity": "warning",
    "namespace": "kube-system",
    "cluster_name": "east-1",
    "actor_type": "user",
    "actor_id": "jane@example.com",
    "resource_type": "Pod",
    "resource_id": "web-0",
    "duration_ms": 17,
    "parent_event_id": "0191D2C0-7C1A-7D60-8A35-0E6F5C3B2A10",
}


class JumpingClock(Clock):
    """The wall clock of a machine whose time is set now and then."""

    def __init__(self) -> None:
        self.offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset


class Troubles(logging.Handler):
    """Notes what must never happen: whatever the writer itself didn't expect."""

    def __init__(self, place: Path, name: str) -> None:
        super().__init__(logging.WARNING)
        self._path = place / TROUBLES
        self._name = name

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.getMessage().startswith("delivering a batch failed"):
            self.note(self.format(record))

    def note(self, text: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{self._name}: {text}\n".encode())
        os.close(descriptor)


class Emitter:
    """One process. `plan`: where everything is, its name and number, and the setting of the run."""

    def __init__(self, plan: dict[str, Any], troubles: Troubles) -> None:
        self.setting = Setting(**plan["setting"])
        self._place = Path(plan["place"])
        self._name = str(plan["name"])
        self._spool = self._place / "spool"
        self._chance = random.Random(f"{self.setting.seed} {self._name}")
        self._clock = JumpingClock()
        self._stopping = False
        self._next = 0
        self._tame = bool(plan.get("tame"))
        self._troubles = troubles
        logging.getLogger("kubernaut_client.spool").addHandler(self._troubles)
        logging.getLogger("kubernaut_client.spool").propagate = False
        self._ledger = Ledger(self._place, self._name)
        url, timeout = str(plan["url"]), self.setting.real(self.setting.timeout)
        chance = self._chance
        colour = DataStorageClient if chance.random() < 0.7 else AsyncDataStorageClient
        self._client: DataStorageClient | AsyncDataStorageClient = colour(url, timeout=timeout)
        given = chance.random() < 0.3
        kinds: dict[Callable[[], None], float] = {
            self._plain: 0 if given else 4,
            self._at_a_time: 3,
            self._equal_ones: 2,
            self._long_ones: 0.3,
            self._invalid: 0 if self._tame else 0.1,
            self._old: 0 if self._tame else 0.1,
        }
        deeds: dict[Callable[[], None], float] = {
            self._flush: 0.1,
            self._jump: chance.choice((0, 0, 0.2)),
            self._write_error: chance.choice((0, 0, 0.05)),
            self._full_disk: chance.choice((0, 0, 0.05)),
            self._fork: chance.choice((0, 0, 0.05)),
        }
        self._kinds = kinds if self._tame else {**kinds, **deeds}
        self._options: dict[str, Any] = {
            "durability": chance.choices(("process", "power"), (4, 1))[0],
            "spool_bytes": 2**30 if self._tame else chance.choice((2**30, 2**30, 2**30, 2**22)),
        }
        batch_events = chance.choice((2, 10, 25, 100))
        self._tuning = self.setting.tuning(self._clock, batch_events=batch_events)
        self._pace = chance.uniform(0.01, 0.04)

    def run(self, most: int | None = None) -> None:
        """Emit until SIGTERM comes, or so many times."""
        signal.signal(signal.SIGTERM, self._stop)
        self._writer = AuditWriter._tuned(
            self._tuning, self._client, spool=self._spool, on_invalid="quarantine", **self._options
        )
        helper = threading.Thread(target=self._emit_beside, daemon=True)
        if not self._tame and self._chance.random() < 0.2:
            helper.start()
        turns = 0
        parent = os.getppid()
        # Without its parent nobody is left to end it.
        while not self._stopping and os.getppid() == parent and (most is None or turns < most):
            turns += 1
            deed = self._chance.choices(list(self._kinds), list(self._kinds.values()))[0]
            deed()
            time.sleep(self._chance.expovariate(1 / self._pace))
        self._stopping = True
        if helper.ident is not None:
            helper.join()
        self._writer.close(self._chance.choice((0.0, self.setting.real(5), self.setting.real(20))))

    def deliver(self, seconds: float) -> None:
        """Emit nothing, and wait so long until everything is delivered."""
        with DataStorageClient(self._client.base_url, timeout=self._tuning.attempt) as client:
            writer = AuditWriter._tuned(self._tuning, client, spool=self._spool)
            writer.flush(seconds)
            writer.close(5.0)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    # ---- events ----------------------------------------------------------------------------------------------------

    def _keep(self, key: str, **members: Any) -> None:
        event: dict[str, Any] = {
            "version": "1.0",
            "event_type": "workflow.started",
            "event_category": "workflow",
            "event_action": "started",
            "event_outcome": "success",
            "correlation_id": f"soak-{self._name}",
            "event_data": {"soak": key},
            **members,
        }
        self._ledger.tries(key)
        try:
            self._writer.emit(event)
        except SpoolError:
            self._ledger.refused(key)
        else:
            self._ledger.kept(key)

    def _key(self) -> str:
        self._next += 1
        return f"{self._name}.{self._next}"

    def _content(self, key: str) -> dict[str, Any]:
        """Event data and members that are unlike others."""
        chance = self._chance
        data: dict[str, Any] = {"soak": key, "value": chance.choice(_VALUES)}
        members = {name: value for name, value in _OPTIONAL.items() if chance.random() < 0.2}
        return {**members, "event_data": data}

    def _now(self) -> datetime:
        """A given time: that of the machine, as a caller would take it."""
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def _plain(self) -> None:
        for _ in range(self._chance.randint(1, 8)):
            key = self._key()
            self._keep(key, **self._content(key))

    def _at_a_time(self) -> None:
        """Different events of the same moment, to the microsecond or to the second."""
        at = self._now() - timedelta(seconds=self._chance.uniform(0, 5))
        time: Any = self._chance.choice((at, at.replace(microsecond=0), at.strftime("%Y-%m-%dT%H:%M:%SZ")))
        for _ in range(self._chance.randint(1, 6)):
            key = self._key()
            self._keep(key, **self._content(key), event_timestamp=time)

    def _equal_ones(self) -> None:
        """Events that nobody can tell apart."""
        key = self._key()
        at = self._now() - timedelta(seconds=self._chance.uniform(0, 5))
        members = {**self._content(key), "event_timestamp": self._chance.choice((at, at.replace(microsecond=0)))}
        for _ in range(self._chance.randint(2, 6)):
            self._keep(key, **members)
            if self._chance.random() < 0.2:
                time.sleep(self._chance.uniform(0, self.setting.real(2)))

    def _long_ones(self) -> None:
        for _ in range(self._chance.randint(1, 3)):
            key = self._key()
            self._keep(key, event_data={"soak": key, "pad": "x" * self._chance.randint(1000, 30000)})

    def _invalid(self) -> None:
        key = self._key()
        self._keep(key, event_data={"soak": key}, event_outcome="nobody knows")

    def _old(self) -> None:
        """It is just young enough; a moment later the service finds it too old."""
        key = self._key()
        age = timedelta(days=7) - timedelta(seconds=self._chance.uniform(0.05, 1))
        self._keep(key, **self._content(key), event_timestamp=self._now() - age)

    # ---- what happens to the process ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._writer.flush(self._chance.uniform(0, self.setting.real(10)))

    def _jump(self) -> None:
        """The clock of the machine is set: by a little, or by a lot."""
        far = self._chance.choice((1.0, 60.0, 3600.0))
        self._clock.offset = self._chance.uniform(-far, far)

    def _go_on(self) -> None:
        """Emit for a while, whatever is wrong."""
        end = time.monotonic() + self.setting.real(self._chance.uniform(1, 10))
        while time.monotonic() < end and not self._stopping:
            self._plain()
            time.sleep(self._pace)

    def _write_error(self) -> None:
        """The system lets no file of this process grow beyond a size, as on a disk that is full or fails."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        sizes = [path.stat().st_size for path in self._spool.glob("*-wal")]
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes, default=0) + self._chance.randrange(20000), hard))
        try:
            self._go_on()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def _full_disk(self) -> None:
        """The disk says that it has no room."""
        with patch.object(Directory, "free", lambda _: 0):
            self._go_on()

    def _fork(self) -> None:
        """A child goes on with the same writer, and ends in one of the ways in which children do."""
        pid = os.fork()
        if not pid:
            _child(self._emit_forked, self._troubles)
        os.waitpid(pid, 0)

    def _emit_forked(self) -> None:
        self._name = f"{self._name}f{self._next}"
        self._ledger = Ledger(self._place, self._name)
        for _ in range(self._chance.randint(1, 5)):
            self._plain()
        if self._chance.random() < 0.5:
            self._writer.close(self.setting.real(5))

    def _emit_beside(self) -> None:
        """A second thread."""
        chance = random.Random(self._name)
        while not self._stopping:
            key = f"{self._name}.t{chance.getrandbits(40)}"
            self._keep(key)
            time.sleep(chance.uniform(0, 2 * self._pace))


# ---- processes -------------------------------------------------------------------------------------------------------


def _child(run: Callable[[], object], troubles: Troubles) -> NoReturn:
    """Be a forked process that does this, and nothing of what its parent would do at its end."""
    code = 1
    try:
        run()
        code = 0
    except BaseException:  # noqa: BLE001 - it must not go on as its parent
        troubles.note(traceback.format_exc())
    finally:
        os._exit(code)


def _start(plan: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)
        return pid
    os.setpgid(0, 0)
    # What it does, to be told by one that doesn't end.
    faulthandler.register(signal.SIGUSR1, all_threads=True)

    def run() -> None:
        emitter = Emitter(plan, troubles)
        if "deliver" in plan:
            emitter.deliver(plan["deliver"])
        else:
            emitter.run(plan.get("turns"))

    troubles = Troubles(Path(plan["place"]), plan["name"])
    _child(run, troubles)


def _wait(pid: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.005)


def main() -> None:
    """Fork a process for each `start` that comes, and say of each `wait` how one ended."""
    # Ctrl-C goes to all of them, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A child of a process with threads is what is to be tested.
    warnings.simplefilter("ignore", DeprecationWarning)
    running: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        answer: int | None
        if "start" in asked:
            answer = _start(asked["start"])
            running.add(answer)
        else:
            answer = _wait(asked["wait"], asked["seconds"])
            if answer is not None:
                running.discard(asked["wait"])
        print(json.dumps(answer), flush=True)
    # Whoever asked is gone.
    for pid in running:
        os.killpg(pid, signal.SIGKILL)
