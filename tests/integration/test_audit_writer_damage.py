"""Damaged spool files of dead processes: what can be read is delivered, the rest is named, and no other file waits."""

import os
import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import SpoolAlarm, SpoolReport
from kubernaut_client.emulator import Emulator
from kubernaut_client.spool.inspection import is_owned
from tests.damage import alter, flip, left_file, overwrite
from tests.integration.emulator_tools import PATIENCE, eventually
from tests.integration.test_audit_writer_files import numbered, stored
from tests.writers import tuning, writer

pytestmark = pytest.mark.emulator

QUICK = tuning(fence=1, attempt=4)
HEALTHY = range(1000, 1010)
"""The events of a file that nothing is wrong with."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def deliver(emulator: Emulator, spool: Path) -> tuple[SpoolReport, list[SpoolAlarm]]:
    alarms: list[SpoolAlarm] = []
    with writer(emulator.url, spool, QUICK, on_alarm=alarms.append) as audit:
        report = audit.flush(PATIENCE)
    assert stored(emulator) == sorted(set(stored(emulator))), "none is doubled"
    return report, alarms


def unreadable(alarms: list[SpoolAlarm]) -> str:
    (alarm,) = [each for each in alarms if each.kind == "unreadable"]
    return alarm.message


CELLS: dict[str, list[tuple[str, Any]]] = {
    "event": [
        *((column, value) for column in ("emitted", "time", "own", "body") for value in (None, 1.5, b"\x00\xff")),
        ("emitted", -1),
        ("emitted", 2**62),
        ("time", "2026-02-31T00:00:00Z"),
        ("time", "2026-01-31T00:00:00"),
        ("time", ""),
        ("own", 2),
        ("body", b"[1]"),
        ("body", b'{"event_timestamp": "2026-01-31T00:00:00Z"'),
        ("body", "{}"),
        ("body", b"[" * 100_000),
        ("body", b'"' + b"x" * 6 * 2**20 + b'"'),
        ("id", 0),
        ("id", -5),
        ("id", 10**16),
        ("id", 2**63 - 1),
        ("id", -(2**63)),
    ],
    "batch": [
        *((column, None) for column in ("events", "sent", "boot", "until", "stored")),
        *((column, b"\x00\xff") for column in ("events", "sent", "boot", "until", "baseline", "stored")),
        ("id", -5),
        ("events", "[[1, 10000000000000000]]"),
        ("events", "[[1, 100000000000000000000000]]"),
        ("events", "[[5, 1]]"),
        ("events", "[[1, 2], [2, 3]]"),
        ("events", '[["1", 2]]'),
        ("events", "[]"),
        ("events", "{"),
        ("sent", float("inf")),
        ("until", "later"),
        ("baseline", -1),
        ("stored", 7),
    ],
    "quarantine": [
        *((column, None) for column in ("kind", "reason", "since", "emitted", "time", "own", "body")),
        *((column, b"\x00\xff") for column in ("kind", "reason", "since", "again", "emitted", "time", "own")),
        ("id", 0),
        ("since", 2**60),
        ("again", -1),
        ("again", "soon"),
        ("time", "yesterday"),
        ("body", "text"),
    ],
}


@pytest.mark.parametrize("table", CELLS)
def test_a_damaged_cell(emulator: Emulator, spool: Path, table: str) -> None:
    """SQLite finds nothing wrong with it. Each file is set aside with an alarm, and only that row isn't read."""
    left_file(spool, HEALTHY, "zzzzzzzzzzzz")
    expected: dict[str, tuple[str, set[int]]] = {}
    for number, (column, value) in enumerate(CELLS[table]):
        numbers = range(10_000 * (number + 1), 10_000 * (number + 1) + 30)
        path = left_file(spool, numbers, f"{number:012d}")
        place = {"event": 15, "batch": 1, "quarantine": 25}[table]
        alter(
            path,
            "INSERT INTO quarantine SELECT id, 'refused', '', 0, NULL, emitted, time, own, body FROM event"
            " WHERE id > 20",
            "DELETE FROM event WHERE id > 20",
            "INSERT INTO batch VALUES (1, '[[1, 10]]', 0, '', 0, NULL, 0)",
        )
        alter(path, f"UPDATE {table} SET {column} = ? WHERE id = {place}", arguments=[value])
        # A row whose id alone is damaged is an event all the same.
        lost = {numbers[14]} if table == "event" and column != "id" else set[int]()
        named = ": id is" if column == "id" else f"{table} {place}: {column} "
        expected[path.name] = named, set(numbers[:20]) - lost
    report, alarms = deliver(emulator, spool)
    assert report.done
    found = set(stored(emulator))
    assert found == set(HEALTHY).union(*(numbers for _, numbers in expected.values()))
    messages = {Path(each.message.split()[0]).name: each.message for each in alarms if each.kind == "unreadable"}
    assert messages.keys() == expected.keys()
    for name, (named, _) in expected.items():
        text = messages[name]
        assert f"kept as {name}.corrupt" in text and named in text and len(text) < 1000
        with closing(sqlite3.connect(spool / name)) as connection:
            kept = {identity for (identity,) in connection.execute("SELECT id FROM quarantine")}
        damaged = table == "quarantine" and ": id" not in named
        assert len(kept) == 10 - damaged and len(kept - set(range(21, 31))) == (": id" in named and table[0] == "q")


def broken(path: Path, how: str) -> None:
    """Make a file something else than what was written."""
    size = path.stat().st_size
    match how:
        case "no database":
            path.write_bytes(b"no database at all" * 1000)
        case "zeroed":
            path.write_bytes(bytes(size))
        case "cut":
            os.truncate(path, size * 3 // 4 + 100)
        case "a byte":
            os.truncate(path, 1)
        case "a hole":
            overwrite(path, size // 2 // 4096 * 4096, bytes(4096))
        case "huge":
            os.truncate(path, 2**40)
        case "only a log":
            Path(f"{path}-wal").write_bytes(path.read_bytes())
            path.write_bytes(b"")
        case "a table is missing":
            alter(path, "DROP TABLE quarantine")
        case "a column is missing":
            alter(path, "ALTER TABLE event DROP COLUMN own")
        case "a column more":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("ALTER TABLE event ADD COLUMN more TEXT")
        case "a name of no letters":  # which SQLite quotes in its message
            content = path.read_bytes()
            overwrite(path, content.index(b"CREATE TABLE event"), b"CREATE \xd5\xff\x1b")
        case "a format of later times":
            overwrite(path, 44, b"\x7f\xff\xff\xff")
        case "a trigger":
            alter(path, "CREATE TRIGGER x AFTER DELETE ON event BEGIN DELETE FROM event; END")
        case "no version":
            alter(path, "PRAGMA user_version = 0")
        case "a version below":
            alter(path, "PRAGMA user_version = -7")
        case "an id twice":
            alter(
                path,
                "INSERT INTO quarantine SELECT id, 'refused', '', 0, NULL, emitted, time, own, body FROM event"
                " WHERE id = 7",
                "INSERT INTO batch VALUES (1, '[[1, 10]]', 0, '', 0, NULL, 0)",
                "UPDATE batch SET events = '[[1, 10], [10, 12]]'",
            )
        case _:
            raise AssertionError(how)


FILES = {
    "no database": 0,
    "zeroed": 0,
    "cut": 1,
    "a byte": 0,
    "a hole": 1,
    "huge": 30,
    "only a log": 0,
    "a table is missing": 30,
    "a column is missing": 0,
    "a column more": 30,
    "a name of no letters": 30,
    "a format of later times": 30,
    "a trigger": 30,
    "no version": 30,
    "a version below": 30,
    "an id twice": 30,
}
"""What is wrong with a file → how many of its 30 events can be read at least."""


def test_a_damaged_file(emulator: Emulator, spool: Path) -> None:
    left_file(spool, HEALTHY, "zzzzzzzzzzzz")
    least: dict[str, tuple[range, int]] = {}
    for number, (how, count) in enumerate(FILES.items()):
        numbers = range(10_000 * (number + 1), 10_000 * (number + 1) + 30)
        path = left_file(spool, numbers, f"{number:012d}")
        broken(path, how)
        least[path.name] = numbers, count
    report, alarms = deliver(emulator, spool)
    assert report.done
    found = set(stored(emulator))
    assert found >= set(HEALTHY)
    messages = {Path(each.message.split()[0]).name: each.message for each in alarms if each.kind == "unreadable"}
    for name, (numbers, count) in least.items():
        assert len(found & set(numbers)) >= count, messages[name]
        if list(FILES)[int(name.partition(".")[0])] != "huge":  # it has nothing in it but the events
            assert f"kept as {name}.corrupt" in messages[name], name
            assert (spool / f"{name}.corrupt").exists()


def test_damaged_pages_take_no_row_of_others_with_them(emulator: Emulator, spool: Path) -> None:
    """Also between two of them, at the beginning and at the end."""
    path = left_file(spool, range(3000))
    pages = path.stat().st_size // 4096
    for page in (6, pages // 3, pages // 2, pages - 2):
        overwrite(path, page * 4096, b"\xff" * 4096)
    report, alarms = deliver(emulator, spool)
    assert report.done and 3000 - 4 * 10 <= report.stored < 3000
    assert "database disk image is malformed" in unreadable(alarms)


def test_a_wild_id_keeps_nobody_waiting(emulator: Emulator, spool: Path) -> None:
    """What can be read is bounded by the size of the file, not by the numbers in it."""
    path = left_file(spool, range(100))
    alter(path, "UPDATE event SET id = 9007199254740000 WHERE id = 100", "UPDATE event SET own = 5 WHERE id = 50")
    overwrite(path, 6 * 4096, b"\xff" * 4096)
    with writer(emulator.url, spool, QUICK) as audit:
        eventually((spool / f"{path.name}.corrupt").exists)
        audit.emit(numbered(1000))
        assert audit.status().waiting
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        assert audit.close(PATIENCE).done
    assert len(stored(emulator)) >= 80


@pytest.mark.parametrize("how", ["reading", "writing"])
def test_close_keeps_its_timeout_whatever_a_file_does(
    emulator: Emulator, spool: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A thread is inside SQLite and doesn't come back, as from a disk that hangs."""
    entered, over = threading.Event(), threading.Event()
    audit = writer(emulator.url, spool, QUICK)
    audit.emit(numbered(1))

    def hang() -> None:
        with getattr(audit._spool.locks, how):
            entered.set()
            over.wait(PATIENCE)

    thread = threading.Thread(target=hang)
    thread.start()
    entered.wait(PATIENCE)
    try:
        audit.close(0.2)
        assert thread.is_alive() and audit.closed
    finally:
        over.set()
        thread.join()
    (path,) = spool.glob("*.spool")
    eventually(lambda: not is_owned(path))  # given back all the same
    with writer(emulator.url, spool, QUICK) as audit:
        assert audit.flush(PATIENCE).done
    assert stored(emulator) == [1]


@pytest.mark.slow
def test_bits_that_flip(emulator: Emulator, spool: Path) -> None:
    """Whatever it makes of a file: nothing is raised, nobody waits, and what stays readable is delivered."""
    chance = random.Random(20251218)
    for number in range(60):
        path = left_file(spool, range(100_000 + number * 100, 100_000 + number * 100 + 40), f"{number:012d}")
        flip(path, chance, chance.choice((1, 3, 10, 100)))
    left_file(spool, HEALTHY, "zzzzzzzzzzzz")
    alarms: list[SpoolAlarm] = []
    with writer(emulator.url, spool, QUICK, on_alarm=alarms.append) as audit:
        audit.flush(PATIENCE)
        assert audit.close(PATIENCE).done
    found = [row["event_data"].get("number") for row in emulator.rows("audit_events")]
    assert set(found) >= set(HEALTHY) and len(found) > 60 * 20
    assert {alarm.kind for alarm in alarms} <= {"unreadable", "quarantined", "away", "back"}
