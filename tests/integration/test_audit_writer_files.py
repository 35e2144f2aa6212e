"""The durable writer and what may be wrong with its files: corrupt, newer, removed, unwritable; and the command."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from kubernaut_client import AuditWriter, SpoolAlarm, SpoolError, SpoolReport
from kubernaut_client.emulator import Emulator
from kubernaut_client.spool import spoolfile
from kubernaut_client.spool.__main__ import main
from kubernaut_client.spool.spoolfile import SpoolFile
from tests.events import event
from tests.integration.emulator_tools import PATIENCE
from tests.writers import tuning, writer

pytestmark = pytest.mark.emulator

BATCH = "createAuditEventsBatch"


def numbered(number: int, **members: Any) -> dict[str, Any]:
    return event(**{"event_timestamp": ..., "event_data": {"number": number, "text": "x" * 400}, **members})


def stored(emulator: Emulator) -> list[int]:
    return sorted(row["event_data"]["number"] for row in emulator.rows("audit_events"))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def left_over(emulator: Emulator, spool: Path) -> Path:
    """A file that a process has left, with 300 events of which 100 may have arrived, and have not."""
    with emulator.refuse_connections():
        audit = writer(emulator.url, spool)
        for number in range(300):
            audit.emit(numbered(number))
        audit.close(0)
    (path,) = spool.glob("*.spool")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM batch")
        connection.execute("INSERT INTO batch VALUES (NULL, '[[1, 100]]', 0, '', 0, NULL, 0)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def damage(path: Path, page: int) -> None:
    """Overwrite a page of a file in the middle of its events."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xff" * 4096)


def files(spool: Path) -> set[str]:
    return {path.suffix for path in spool.iterdir()}


QUICK = {"fence": 0.3, "attempt": 0.3}


def test_what_can_be_read_of_a_corrupt_file_is_delivered(emulator: Emulator, spool: Path, left_over: Path) -> None:
    damage(left_over, 20)
    left_over.chmod(0o644)  # the salvaged file is for its owner alone whatever the umask is
    alarms: list[SpoolAlarm] = []
    modes: set[int] = set()

    def note(alarm: SpoolAlarm) -> None:
        alarms.append(alarm)
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in spool.glob("*.spool"))

    with writer(emulator.url, spool, tuning(**QUICK), on_alarm=note) as audit:
        report = audit.flush(PATIENCE)
        assert report.done and report.stored == len(stored(emulator))
    found = stored(emulator)
    assert 250 < len(found) < 300 and len(set(found)) == len(found)
    (alarm,) = [each for each in alarms if each.kind == "unreadable"]
    assert alarm.count == len(found) and f"kept as {left_over.name}.corrupt" in alarm.message
    assert modes == {0o600}
    assert files(spool) == {".corrupt"}


def test_a_corrupt_file_from_which_nothing_can_be_read(emulator: Emulator, spool: Path, left_over: Path) -> None:
    left_over.write_bytes(b"no database at all" * 1000)
    alarms: list[SpoolAlarm] = []
    with writer(emulator.url, spool, tuning(**QUICK), on_alarm=alarms.append) as audit:
        audit.emit(numbered(1000))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
    assert [alarm.kind for alarm in alarms] == ["unreadable"] and files(spool) == {".corrupt"}


def test_a_file_that_becomes_corrupt_in_use(emulator: Emulator, spool: Path) -> None:
    """emit says so, once; the next event goes to a new file, and what can be read of the old one is delivered."""
    with writer(emulator.url, spool, tuning(**QUICK)) as audit:
        with emulator.refuse_connections():
            for number in range(400):
                audit.emit(numbered(number))
            (path,) = spool.glob("*.spool")
            audit._spool.current.checkpoint()  # type: ignore[union-attr]
            for page in range(5, 40):
                damage(path, page)
            with closing(sqlite3.connect(path)) as other:  # so that the pages in memory are taken for old
                other.execute("DELETE FROM owner WHERE FALSE")
                other.execute("INSERT INTO quarantine VALUES (9999, 'invalid', '', 0, NULL, 0, '', 0, x'00')")
                other.commit()
            refused: list[str] = []
            for number in range(400, 500):
                try:
                    audit.emit(numbered(number))
                except SpoolError as error:
                    refused.append(str(error))
            assert len(refused) <= 1 and all(str(spool) in each and "corrupt" in each for each in refused)
        assert audit.flush(PATIENCE).done
    found = stored(emulator)
    assert len(found) == len(set(found)) and set(range(401, 500)) - set(found) == set()


def test_a_kill_while_a_corrupt_file_is_set_aside(emulator: Emulator, spool: Path, left_over: Path) -> None:
    """Whichever step was the last, the next process finds either the corrupt file or all that was read of it."""
    damage(left_over, 20)
    program = """
import os, sys, time
from pathlib import Path
from tests.writers import tuning, writer

left = int(sys.argv[3])
real = os.rename

def rename(old, new):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    real(old, new)

os.rename = rename
audit = writer(sys.argv[1], Path(sys.argv[2]), tuning(fence=0.3, attempt=0.3))
time.sleep(60)
"""
    for step in range(3):
        assert python(program, emulator.url, spool, step).returncode == 9
    with writer(emulator.url, spool, tuning(**QUICK)) as audit:
        assert audit.flush(PATIENCE).done
    found = stored(emulator)
    assert 250 < len(found) < 300 and len(set(found)) == len(found)
    assert files(spool) == {".corrupt"}


def test_a_newer_file_is_left_alone(emulator: Emulator, spool: Path, left_over: Path) -> None:
    with closing(sqlite3.connect(left_over)) as connection:
        connection.execute(f"PRAGMA user_version = {spoolfile.SCHEMA + 1}")
    before = left_over.read_bytes()
    alarms: list[SpoolAlarm] = []
    with writer(emulator.url, spool, on_alarm=alarms.append) as audit:
        audit.emit(numbered(1000))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
    assert left_over.read_bytes() == before
    (alarm,) = alarms
    assert alarm.kind == "unreadable" and f"version {spoolfile.SCHEMA + 1}" in alarm.message


def test_a_file_that_somebody_deleted_is_delivered_all_the_same(emulator: Emulator, spool: Path) -> None:
    with writer(emulator.url, spool) as audit:
        with emulator.refuse_connections():
            for number in range(10):
                audit.emit(numbered(number))
            for path in spool.iterdir():
                path.unlink()
            spool.rmdir()
            end = time.monotonic() + PATIENCE
            while audit._spool.current is not None and time.monotonic() < end:
                time.sleep(0.01)
            for number in range(10, 20):
                audit.emit(numbered(number))
            assert len(list(spool.glob("*.spool"))) == 1
        assert audit.flush(PATIENCE) == SpoolReport(stored=20)
    assert stored(emulator) == list(range(20))


@pytest.mark.parametrize("where", ["/proc/nobody-can-write-here/spool", "/dev/full/spool"])
def test_a_directory_that_cannot_be_written(emulator: Emulator, where: str) -> None:
    with pytest.raises(SpoolError, match=where), writer(emulator.url, Path(where)) as audit:
        audit.emit(numbered(1))


def test_a_spool_that_is_full(emulator: Emulator, spool: Path) -> None:
    with writer(emulator.url, spool, spool_bytes=2**16) as audit:
        with emulator.refuse_connections():
            accepted = 0
            while audit.status().bytes < 2**16 - 1000:
                audit.emit(numbered(accepted))
                accepted += 1
            with pytest.raises(SpoolError, match=r"the spool is full: it holds \d+ bytes of the 65536") as caught:
                audit.emit(event(event_timestamp=..., event_data={"text": "x" * 2000}))
            assert 80 < accepted < 120 and str(spool) in str(caught.value)
        assert audit.flush(PATIENCE) == SpoolReport(stored=accepted)
        audit.emit(numbered(accepted))
    assert stored(emulator) == list(range(accepted + 1))


# ---- signals ---------------------------------------------------------------------------------------------------------


def void(_: object) -> None:
    pass


class Interrupted(BaseException):
    """As KeyboardInterrupt and SystemExit are."""


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Has a signal come right after the statement that keeps an event, and its handler do something, once."""
    old = signal.getsignal(signal.SIGUSR1)
    real = SpoolFile.append

    def arrange(action: Callable[[], None]) -> None:
        def handler(number: int, frame: FrameType | None) -> None:
            action()

        def append(self: SpoolFile, *arguments: Any) -> int:
            identity = real(self, *arguments)
            monkeypatch.setattr(SpoolFile, "append", real)
            signal.raise_signal(signal.SIGUSR1)
            return identity

        signal.signal(signal.SIGUSR1, handler)
        monkeypatch.setattr(SpoolFile, "append", append)

    yield arrange
    signal.signal(signal.SIGUSR1, old)


def test_an_exception_in_the_middle_of_emit(
    emulator: Emulator, spool: Path, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    def interrupt() -> None:
        raise Interrupted

    with writer(emulator.url, spool) as audit:
        for number in range(5):
            audit.emit(numbered(number))
        in_the_middle(interrupt)
        with pytest.raises(Interrupted):
            audit.emit(numbered(5))
        for number in range(6, 10):
            audit.emit(numbered(number))
        assert audit.flush(PATIENCE).done
    assert stored(emulator) == list(range(10)), "kept, though emit didn't return"


@pytest.mark.parametrize("timeout", [PATIENCE, None])
def test_close_in_the_middle_of_emit(
    emulator: Emulator,
    spool: Path,
    in_the_middle: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    timeout: float | None,
) -> None:
    closed: list[float | None] = []
    real = AuditWriter.close

    def close(self: AuditWriter, timeout: float | None = 5.0) -> SpoolReport:
        closed.append(timeout)
        return real(self, timeout)

    monkeypatch.setattr(AuditWriter, "close", close)
    audit = writer(emulator.url, spool)
    in_the_middle(lambda: void(audit.close(timeout)))
    audit.emit(numbered(1))
    assert closed == [timeout, PATIENCE if timeout else 5.0]
    assert audit.closed and audit.close() == SpoolReport(stored=1)
    assert stored(emulator) == [1]


def test_emit_and_flush_in_the_middle_of_emit(
    emulator: Emulator, spool: Path, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    with writer(emulator.url, spool) as audit:

        def again() -> None:
            audit.emit(numbered(2))
            audit.flush(PATIENCE)  # doesn't wait for itself

        in_the_middle(again)
        audit.emit(numbered(1))
        assert audit.flush(PATIENCE) == SpoolReport(stored=2)
    assert stored(emulator) == [1, 2]


STORM = """
import json, signal, sys, threading
from pathlib import Path

from tests.events import event
from tests.writers import writer


class Interrupted(BaseException):
    pass


def numbered(number):
    return event(event_timestamp=..., event_data={"number": number})


armed, returned = [], []


def interrupt(number, frame):
    if armed:
        armed.clear()
        raise Interrupted


signal.signal(signal.SIGALRM, interrupt)
sys.unraisablehook = lambda _: None  # where it comes in the middle of a callback of Python's own
audit = writer(sys.argv[1], Path(sys.argv[2]))
audit.emit(numbered(20_000))  # makes the file, which takes longer than any of the times below
for number in range(2000):
    try:
        armed.append(True)
        signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 100 * 0.000006)
        audit.emit(numbered(number))
        armed.clear()
        returned.append(number)
    except Interrupted:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
other = threading.Thread(target=audit.emit, args=(numbered(10_000),), daemon=True)
other.start()  # another thread gets the locks
other.join(60)
print(json.dumps([returned, not other.is_alive(), audit.flush(60).done, audit.close(60).done]))
"""


@pytest.mark.slow
def test_a_storm_of_interrupts(emulator: Emulator, spool: Path) -> None:
    """Wherever they come: what emit returned for is stored once, and the writer goes on."""
    done = python(STORM, emulator.url, spool)
    assert done.returncode == 0, done.stderr
    returned, *fine = json.loads(done.stdout)
    assert fine == [True, True, True] and returned
    found = stored(emulator)
    assert len(found) == len(set(found)) and {*returned, 10_000, 20_000} <= set(found)


# ---- the command -----------------------------------------------------------------------------------------------------


def python(program: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """A program that may import from the tests."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-W", "error", "-P", "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kubernaut_client.spool", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_status_of_a_spool_in_use(emulator: Emulator, spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with emulator.refuse_connections(), writer(emulator.url, spool) as audit:
        for number in range(10):
            audit.emit(numbered(number))
        assert main(["status", str(spool), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        (file,) = document["files"]
        assert document["schema_version"] == 1 and file["state"] == "owned"
        for counts in (document["total"], file):
            assert counts["waiting"] + counts["unsettled"] == 10
        done = run("drain", spool, "--url", emulator.url, "--timeout", 0)
        assert done.returncode == 1 and "is in use by a process that lives" in done.stderr
        audit.close(0)


def test_a_copy_that_nobody_can_write_to(spool: Path, left_over: Path, tmp_path: Path) -> None:
    del left_over
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in spool.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    copy.chmod(0o500)
    try:
        done = run("status", copy)
        assert done.returncode == 0 and "200 waiting, 100 unsettled, 0 quarantined" in done.stdout
        exported = run("export", copy)
        assert len(exported.stdout.splitlines()) == 300
        assert {path.name: path.stat().st_mtime_ns for path in copy.iterdir()} == before
    finally:
        copy.chmod(0o700)


def test_retry_discard_and_show(emulator: Emulator, spool: Path, left_over: Path) -> None:
    name = left_over.stem
    with closing(sqlite3.connect(left_over, isolation_level=None)) as connection:
        connection.execute("DELETE FROM batch")
        connection.execute("DELETE FROM event WHERE id > 4")
        columns = "id, kind, reason, since, again, emitted, time, own, body"
        for kind, identity in (("refused", 2), ("expired", 3), ("invalid", 4)):
            connection.execute(
                f"INSERT INTO quarantine ({columns}) SELECT id, ?, 'why', 0, NULL, emitted, time, own, body FROM event"
                " WHERE id = ?",
                (kind, identity),
            )
            connection.execute("DELETE FROM event WHERE id = ?", (identity,))
    listed = run("list", spool, "--quarantined").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [
        [f"{name}:2", "refused"],
        [f"{name}:3", "expired"],
        [f"{name}:4", "invalid"],
    ]
    shown = json.loads(run("show", spool, f"{name}:2").stdout)
    assert (shown["state"], shown["reason"], shown["event"]["event_data"]["number"]) == ("refused", "why", 1)
    assert run("show", spool, f"{name}:99").returncode == 1
    assert run("discard", spool, f"{name}:1").returncode == 1, "what waits is never deleted"
    assert run("discard", spool, f"{name}:3").stdout == "1 event deleted\n"
    assert run("retry", spool, f"{name}:4").returncode == 1, "it could never be stored"
    assert run("retry", spool, f"{name}:2").stdout == "1 event will be sent again\n"
    done = run("drain", spool, "--url", emulator.url)
    assert done.returncode == 0 and "2 stored" in done.stdout and "1 quarantined" in done.stdout
    assert stored(emulator) == [0, 1]


def test_drain_reports_what_could_not_be_read(emulator: Emulator, spool: Path, left_over: Path) -> None:
    """What was in the damaged page, the command can't say, so it isn't done; the next time nothing new is found."""
    damage(left_over, 20)
    with closing(sqlite3.connect(left_over, isolation_level=None)) as connection:
        connection.execute("DELETE FROM batch")
    done = run("drain", spool, "--url", emulator.url)
    assert done.returncode == 1 and "0 waiting, 0 unsettled" in done.stdout
    assert f"kept as {left_over.name}.corrupt" in done.stderr
    assert run("drain", spool, "--url", emulator.url).returncode == 0


def test_drain_waits_no_longer_than_it_is_told(
    emulator: Emulator, spool: Path, left_over: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't waited for once more when the writer is closed."""
    timeouts: list[float | None] = []
    real = AuditWriter.flush

    def flush(self: AuditWriter, timeout: float | None = None) -> SpoolReport:
        timeouts.append(timeout)
        return real(self, timeout)

    monkeypatch.setattr(AuditWriter, "flush", flush)
    with emulator.refuse_connections():
        assert main(["drain", str(spool), "--url", emulator.url, "--timeout", "0.5"]) == 1
    assert timeouts == [0.5, 0]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["status", "/nowhere/at/all"],
        ["show", "{spool}", "5"],
        ["show", "{spool}", "../x:5"],
        ["drain", "{spool}", "--timeout", "-1"],
        ["drain", "{spool}", "--timeout", "x"],
        ["list", "{spool}", "--limit", "0"],
        ["drain", "{spool}", "--url", "ftp://x"],
        ["discard", "{spool}"],
        ["empty", "{spool}"],
    ],
    ids=" ".join,
)
def test_wrong_words(spool: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    spool.mkdir()
    with pytest.raises(SystemExit) as caught:
        main([word.format(spool=spool) for word in words])
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert "kubernaut_client.spool" in text and "Traceback" not in text


def test_an_unused_writer_is_closed_at_the_end_of_python(emulator: Emulator, spool: Path) -> None:
    program = (
        "import sys\n"
        "from kubernaut_client import AuditWriter\n"
        "from tests.events import event\n"
        "audit = AuditWriter(sys.argv[1], spool=sys.argv[2])\n"
        "audit.emit(event(event_timestamp=..., event_data={'number': 1}))\n"
    )
    done = python(program, emulator.url, spool)
    assert (done.returncode, done.stderr) == (0, "")
    assert stored(emulator) == [1] and list(spool.iterdir()) == []


def test_a_thread_that_cannot_be_had(emulator: Emulator, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is in the spool, so emit doesn't fail; the thread is tried again."""
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        if len(started) < 3:
            raise RuntimeError("can't start new thread")
        real(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        audit: AuditWriter = writer(emulator.url, spool)
        for number in range(5):
            audit.emit(numbered(number))
    with audit:
        assert audit.flush(PATIENCE) == SpoolReport(stored=5)
    names = [thread.name for thread in started[2:]]
    assert len(names) == len(set(names)), "none is begun twice"
    assert stored(emulator) == list(range(5))
