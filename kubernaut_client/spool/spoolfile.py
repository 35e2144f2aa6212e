"""One spool file: an SQLite database that holds the events of one process, and every statement that is run on it.

Who owns a file is left to `directory`, what is sent when to `sender`. A row of `event` is an event that isn't known to
be stored; a row of `batch` says that some of them may have arrived, and is committed before their first byte leaves.

Two connections: events are appended, and everything else is written, over one, in transactions of well under a
millisecond; what takes longer, reading and checkpoints, goes over the other and holds up no `emit`. So whoever takes
both locks of `Locks` takes `reading` first.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

from kubernaut_client.errors import SpoolError

from . import rows as reading
from .batch import Ranges, Row
from .directory import BUSY_SECONDS, UntrustedError, connect, unwritable, verify
from .rows import CELL_BYTES_LIMIT, CorruptError, Sent, is_corrupt

SCHEMA = 1
"""The version of the tables. Files of an older one are brought up to it when they are opened."""
ROW_BYTES = 100
"""What an event takes beside its body, in bytes, for the limit of the spool."""

_APPLICATION = 0x6B6E6155
# From one version to the next, the first from an empty file.
_EVENT = "emitted INTEGER NOT NULL, time TEXT NOT NULL, own INTEGER NOT NULL, body BLOB NOT NULL"
_SENT = "sent REAL NOT NULL, boot TEXT NOT NULL, until REAL NOT NULL, baseline INTEGER, stored INTEGER NOT NULL"
_WHY = "kind TEXT NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL, again INTEGER"
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        f"CREATE TABLE event (id INTEGER PRIMARY KEY, {_EVENT})",
        f"CREATE TABLE batch (id INTEGER PRIMARY KEY, events TEXT NOT NULL, {_SENT})",
        f"CREATE TABLE quarantine (id INTEGER PRIMARY KEY, {_WHY}, {_EVENT})",
        "CREATE TABLE owner (token TEXT NOT NULL)",
    ),
)
PAGE_BYTES = 4096
_CHECKED_BYTES = 64 * 2**20
"""Up to this size all pages of a file are looked at when it is opened: about 0.1 s."""
_CHUNK = 50
"""Rows that are deleted in one transaction: about 0.2 ms."""
_VACUUM_PAGES = 64
_FREE_PAGES = 256
_IDLE_LOG = 2**20


REQUESTS = 64
"""More than are ever made at a time."""


class Locks:
    """One pair for all files of a writer. While both are held no thread is inside SQLite, so the process may fork."""

    def __init__(self) -> None:
        # A signal handler may emit, or close, in the middle of an emit.
        self.reading: threading.RLock = threading.RLock()
        self.writing: threading.RLock = threading.RLock()
        self.requests: threading.Semaphore = threading.Semaphore(REQUESTS)
        """Held by each thread while it makes a request."""

    def writing_here(self) -> bool:
        """Whether the calling thread has the lock for writing."""
        # What `threading.Condition` asks of its lock, too.
        return bool(cast("Any", self.writing)._is_owned())

    @contextmanager
    def both(self, timeout: float = -1) -> Generator[bool]:
        """Whether both are held; `timeout`: seconds to wait for them, -1 for as long as that takes."""
        end = time.monotonic() + timeout
        with held(self.reading, timeout) as first:
            rest = timeout if timeout < 0 or not first else max(end - time.monotonic(), 0)
            with held(self.writing, rest) if first else nullcontext(False) as second:
                yield second


@contextmanager
def held(lock: threading.RLock, timeout: float) -> Generator[bool]:
    """Whether a lock is held; `timeout`: seconds to wait for it, -1 for as long as that takes."""
    have = lock.acquire(timeout=timeout)
    try:
        yield have
    finally:
        if have:
            lock.release()


class TakenError(Exception):
    """Another process owns the file by now."""


class SpoolFile:
    """An open file. Raises `sqlite3.Error` for what goes wrong on the disk; see `explained`."""

    def __init__(
        self,
        path: Path,
        locks: Locks,
        token: str,
        *,
        power: bool = False,
        at: Path | None = None,
        patience: float = BUSY_SECONDS,
    ) -> None:
        """Open it, an empty one too, and note who owns it. Call it with one of the locks.

        `power`: a commit waits until the disk has it. `at`: where it is opened, with `path` for messages alone.
        `patience`: for how many seconds another process is waited for. Raises, with nothing written, `UntrustedError`
        for a file that may be of another user or another program, `NewerError`, and `CorruptError` for what isn't as
        it was written.
        """
        self.path = path
        self._at: Path = at or path
        self.locks = locks
        self.count: int = 0
        """Events that are not known to be stored."""
        self._event_bytes = self._kept_bytes = 0
        self._uncertain = False
        self.quarantined: int = 0
        self.last: int = 0
        """The highest id that was given to an event."""
        self.appended: int = 0
        """Up to this id all events that there will be are in the file."""
        self._token = token
        self.unsealed_since: float | None = None
        """When the first event came, by the caller's clock, that belongs to no batch yet; for whoever seals."""
        self._patience = patience
        check_size(self._at)
        self._write = connect(self._at, patience)
        try:
            self._read = connect(self._at, patience)
            try:
                self._set_up(power)
                self._load()
            except BaseException:
                self._read.close()
                raise
        except BaseException:
            self._write.close()
            raise

    def _set_up(self, power: bool) -> None:
        write = self._write
        self._read.execute("PRAGMA user_version").fetchone()  # SQLite opens its other files now
        write.execute("PRAGMA user_version").fetchone()
        verify(self._at, 2)
        if is_foreign(write):
            raise UntrustedError(f"{self.path.name} is a database of another program")
        version = version_of(write)
        if version > SCHEMA:
            raise NewerError(self.path, version)
        if version and self._at.stat().st_size <= _CHECKED_BYTES:
            # What is lost without a trace, as where a page has a wrong number of rows, shows only here.
            (found,) = self._read.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise CorruptError(found)
        if not version:
            write.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            write.execute("PRAGMA auto_vacuum = INCREMENTAL")
        (mode,) = write.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("SQLite can't share memory there (write-ahead log); use a local file system")
        verify(self._at, 2)
        for connection in (write, self._read):
            connection.execute(f"PRAGMA synchronous = {'FULL' if power else 'NORMAL'}")
            # A checkpoint waits for the disk, so none must happen inside an emit.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        write.execute("BEGIN IMMEDIATE")
        for number in range(version, SCHEMA):
            for statement in _STEPS[number]:
                write.execute(statement)
        if not as_written(write):
            raise CorruptError("its tables are not those of a spool")
        write.execute(f"PRAGMA application_id = {_APPLICATION}")
        write.execute(f"PRAGMA user_version = {SCHEMA}")
        write.execute("DELETE FROM owner")
        write.execute("INSERT INTO owner VALUES (?)", (self._token,))
        write.execute("COMMIT")

    def _load(self) -> None:
        (self.count, self._event_bytes, last) = _counted(self._read, "event")
        (self.quarantined, self._kept_bytes, highest) = _counted(self._read, "quarantine")
        self.appended = last
        self.last = max(last, highest)
        # Nothing else reads all of these. Their content may be anything, and is left on the disk.
        kept = reading.select("quarantine").replace("body", "CASE typeof(body) WHEN 'blob' THEN x'' END")
        for values in self._read.execute(kept):
            reading.quarantined(values)

    def notice_appended(self) -> None:
        """Look whether an `append` that was interrupted has kept its event."""
        if self._uncertain:
            with self.locks.both():
                self.count, self._event_bytes, highest = _counted(self._read, "event")
                self.appended = max(self.appended, highest)
                self._uncertain = False

    def recount(self) -> None:
        """Count what is set apart anew: another process may discard it."""
        with self.locks.both():
            self.quarantined, self._kept_bytes, _ = _counted(self._read, "quarantine")

    @property
    def size(self) -> int:
        """Bytes of all events that are kept."""
        return self._event_bytes + self._kept_bytes

    # ---- what callers of emit wait for -----------------------------------------------------------------------------

    def append(self, emitted: int, time: str, own: bool, body: bytes) -> int:
        """Keep an event, and return its id; `emitted` is microseconds since 1970. Raises `TakenError`."""
        self.last += 1
        identity = self.last
        try:
            self.count += 1
            self._event_bytes += len(body) + ROW_BYTES
            done = self._write.execute(
                "INSERT INTO event SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM owner WHERE token = ?)",
                (identity, emitted, time, own, body, self._token),
            )
            if not done.rowcount:
                raise TakenError
        except (sqlite3.Error, TakenError):
            self.count -= 1
            self._event_bytes -= len(body) + ROW_BYTES
            raise
        except BaseException:
            # A signal handler raised: before the statement, or after it.
            self._uncertain = True
            raise
        self.appended = identity
        return identity

    # ---- reading ---------------------------------------------------------------------------------------------------

    def after(self, identity: int, most: int, most_bytes: int) -> tuple[list[Row], bool]:
        """The next events behind an id, up to a number and a size; and whether these limits left any out."""
        found: list[Row] = []
        with self.locks.reading:
            for values in self._read.execute(reading.select("event", "WHERE id > ? ORDER BY id"), (identity,)):
                if len(found) >= most or most_bytes <= 0:
                    return found, True
                found.append(reading.event(values))
                most_bytes -= len(found[-1].body)
        return found, False

    def rows(self, ids: Sequence[int], most_bytes: float = float("inf")) -> list[Row]:
        """These events, in the order of their ids, up to a size."""
        found: list[Row] = []
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            clause = f"WHERE id IN ({','.join('?' * len(part))}) ORDER BY id"
            with self.locks.reading:
                for values in self._read.execute(reading.select("event", clause), part):
                    if most_bytes <= 0:
                        return found
                    found.append(reading.event(values))
                    most_bytes -= len(found[-1].body)
        return found

    def ids(self, ranges: Ranges) -> list[int]:
        """The ids within ranges that are there."""
        with self.locks.reading:
            return [
                identity
                for first, last in ranges
                for (identity,) in self._read.execute("SELECT id FROM event WHERE id BETWEEN ? AND ?", (first, last))
            ]

    def oldest(self) -> tuple[int, int] | None:
        """The lowest id of an event, and when it was emitted."""
        with self.locks.reading:
            found = self._read.execute("SELECT id, emitted FROM event ORDER BY id LIMIT 1").fetchone()
        return None if found is None else (found[0], reading.cell("event", "emitted", found[1]))

    def earliest(self) -> str | None:
        """The earliest event_timestamp of what isn't stored."""
        with self.locks.reading:
            (found,) = self._read.execute("SELECT min(time) FROM event").fetchone()
        return None if found is None else str(reading.cell("event", "time", found))

    def sent(self) -> Sequence[Sent]:
        """What may have arrived."""
        with self.locks.reading:
            return reading.apart([reading.sent(values) for values in self._read.execute(reading.select("batch"))])

    def due(self, now: float, most: int) -> list[int]:
        """Quarantined events that are to be tried again, so many at most."""
        with self.locks.reading:
            query = "SELECT id FROM quarantine WHERE again <= ? LIMIT ?"
            found = self._read.execute(query, (now, most)).fetchall()
        return [identity for (identity,) in found]

    # ---- writing ---------------------------------------------------------------------------------------------------

    def sending(self, ranges: Ranges, sent: float, boot: str, until: float, baseline: int | None) -> int:
        """Note that events may arrive from now on, and return the row that says so. Raises `TakenError`."""
        with self.locks.writing:
            done = self._write.execute(
                "INSERT INTO batch SELECT NULL, ?, ?, ?, ?, ?, 0 WHERE EXISTS (SELECT 1 FROM owner WHERE token = ?)",
                (json.dumps(ranges), sent, boot, until, baseline, self._token),
            )
            if not done.rowcount:
                raise TakenError
            return int(done.lastrowid or 0)

    def absent(self, batch: int) -> None:
        """Note that a batch didn't arrive, and won't."""
        with self.locks.writing:
            self._write.execute("DELETE FROM batch WHERE id = ?", (batch,))

    def stored(self, batch: int, ranges: Ranges) -> None:
        """Note that a batch arrived, and let its events go; a process that dies in the middle leaves no doubt."""
        # `rows` has bounded them.
        parts = [
            (start, min(start + _CHUNK - 1, last)) for first, last in ranges for start in range(first, last + 1, _CHUNK)
        ]
        if len(parts) > 1:
            with self.locks.writing:
                self._write.execute("UPDATE batch SET stored = 1 WHERE id = ?", (batch,))
        for part in parts[1:]:
            with self._transaction():
                self._delete(*part)
        with self._transaction():
            for part in parts[:1]:
                self._delete(*part)
            self._write.execute("DELETE FROM batch WHERE id = ?", (batch,))

    def quarantine(self, reasons: Iterable[tuple[int, str, str]], now: int, again: int | None = None) -> None:
        """Set events apart: id, kind and reason of each. `now` and `again` are Unix seconds."""
        with self._transaction():
            for identity, kind, reason in reasons:
                # Without RETURNING, which SQLite has from 3.35 on.
                found = self._write.execute("SELECT length(body) FROM event WHERE id = ?", (identity,)).fetchone()
                if found:
                    self._write.execute(
                        "INSERT INTO quarantine"
                        " SELECT id, ?, ?, ?, ?, emitted, time, own, body FROM event WHERE id = ?",
                        (kind, reason, now, again, identity),
                    )
                    self._write.execute("DELETE FROM event WHERE id = ?", (identity,))
                    self._moved(1, found[0] + ROW_BYTES)

    def keep_apart(self, kind: str, reason: str, emitted: int, body: bytes) -> None:
        """Set something apart that never was an event that could be sent; of what is too large, the beginning."""
        body = body[: CELL_BYTES_LIMIT // 2]
        with self.locks.writing:
            self._write.execute(
                "INSERT INTO quarantine VALUES (?, ?, ?, ?, NULL, ?, '', 0, ?)",
                (self.last + 1, kind, reason, emitted // 1_000_000, emitted, body),
            )
            self.last += 1
            self.quarantined += 1
            self._kept_bytes += len(body) + ROW_BYTES

    def release(self, identity: int) -> Row | None:
        """Take an event out of quarantine, and return it with its new id; None if it isn't there or is no event."""
        with self._transaction():
            found = self._write.execute(reading.select("quarantine", "WHERE id = ?"), (identity,)).fetchone()
            if found is None:
                return None
            kept = reading.quarantined(found)
            new = (self.last + 1, kept.emitted, kept.time, int(kept.own), kept.body)
            try:
                row = reading.event(new)
            except CorruptError:
                self._write.execute("UPDATE quarantine SET again = NULL WHERE id = ?", (identity,))
                return None
            self._write.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", new)
            self._write.execute("DELETE FROM quarantine WHERE id = ?", (identity,))
            self.last += 1
            size = len(row.body) + ROW_BYTES
            self._moved(-1, -size)
            self.appended = self.last
        return row

    def _moved(self, count: int, size: int) -> None:
        """So many events, and bytes, went into quarantine."""
        self.count -= count
        self.quarantined += count
        self._event_bytes -= size
        self._kept_bytes += size

    def restore(self, rows: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Put in rows of another file, each with its table. They count once this file is opened anew."""
        with self._transaction():
            for table, row in rows:
                # Of a table that is named here, and question marks.
                self._write.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608

    def holds(self, identity: int) -> bool:
        """Whether there is an event with this id."""
        with self.locks.reading:
            return bool(self._read.execute("SELECT 1 FROM event WHERE id = ?", (identity,)).fetchone())

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """Also takes back what was counted, if it fails."""
        with self.locks.writing:
            before = (self.count, self._event_bytes, self._kept_bytes, self.quarantined, self.last)
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._write.execute("COMMIT")
            except BaseException:
                self.count, self._event_bytes, self._kept_bytes, self.quarantined, self.last = before
                with suppress(sqlite3.Error):
                    self._write.execute("ROLLBACK")
                raise

    def _delete(self, *part: int) -> None:
        (size,) = self._write.execute("SELECT sum(length(body)) FROM event WHERE id BETWEEN ? AND ?", part).fetchone()
        gone = self._write.execute("DELETE FROM event WHERE id BETWEEN ? AND ?", part).rowcount
        self.count -= gone
        self._event_bytes -= (size or 0) + ROW_BYTES * gone

    # ---- upkeep ----------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Give the disk back what isn't needed. Holds up an `emit` for a moment, and only if there is something."""
        with self.locks.reading:
            (free,) = self._read.execute("PRAGMA freelist_count").fetchone()
        if not free or (self.count and free <= _FREE_PAGES):
            return
        while free > (_FREE_PAGES if self.count else 0):
            with self.locks.writing:
                # With `execute` only the first page of them would go.
                self._write.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
            free -= _VACUUM_PAGES
        if not self.count:
            self.checkpoint()  # which is what makes the file itself smaller

    def keep_log_below(self, limit: int) -> None:
        """Cut the log if it is longer, in bytes."""
        if self.log_size() > (limit if self.count else min(limit, _IDLE_LOG)):
            self.checkpoint()

    def log_size(self) -> int:
        """Bytes of SQLite's log beside the file."""
        try:
            return os.stat(f"{self._at}-wal").st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self) -> None:
        """Move what was written into the file proper, and cut the log; nothing if somebody is reading."""
        with self.locks.reading:
            # Nearly all of the work, while events are still appended; then the rest, for which they wait.
            self._read.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            with self.locks.writing:
                self.cut_log()

    def cut_log(self) -> bool:
        """All of `checkpoint` while events wait; call it with `locks.writing`. False if somebody is in the way."""
        self._write.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, _, _) = self._write.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        finally:
            self._write.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")

    def empty(self) -> bool:
        """Whether nothing is in it that anybody could want: by looking, as it is deleted then."""
        with self.locks.reading:
            return not any(
                self._read.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - of these three
                for table in ("event", "quarantine", "batch")
            )

    def close(self) -> None:
        """Nobody else may be using it."""
        with self.locks.reading:
            for connection in (self._read, self._write):
                with suppress(sqlite3.Error):
                    connection.close()

    def connections(self) -> list[sqlite3.Connection]:
        """For a forked child, in which neither must be used nor closed."""
        return [self._read, self._write]


class NewerError(Exception):
    """The file was written by a later version of this package."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path} has version {version} of the spool's tables, and this version of kubernaut-client knows"
            f" {SCHEMA}: it is left alone; deliver it with the version that wrote it, or with a later one"
        )


def check_size(path: Path) -> None:
    """Raise `CorruptError` for what SQLite takes for a new file, and overwrites, although something was in it."""
    size, log = (os.stat(each).st_size if os.path.exists(each) else 0 for each in (path, f"{path}-wal"))
    if size < PAGE_BYTES and (size or log):
        raise CorruptError(f"its first page is missing: it has {size} bytes, and its log {log}")


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether a database belongs to another program."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == _APPLICATION:
        return False
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(application or version or _tables(connection)) and not as_written(connection)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the tables in a spool file; 0 if nothing is in it yet. Raises `CorruptError` for other files."""
    version, application = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("user_version", "application_id")
    )
    if not version and not application and not _tables(connection):
        return 0
    if application != _APPLICATION:
        raise CorruptError("it is a database, but no spool")
    if version < 1:
        raise CorruptError(f"there is no version {version} of the spool's tables")
    return version


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """What a database consists of."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    return set(connection.execute(query).fetchall())


def as_written(connection: sqlite3.Connection) -> bool:
    """Whether the tables of a file are those of this version."""
    return _tables(connection) == _expected(SCHEMA)


@cache
def _expected(version: int) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step in _STEPS[:version]:
            for statement in step:
                connection.execute(statement)
        return _tables(connection)


def _counted(connection: sqlite3.Connection, table: str) -> tuple[int, int, int]:
    """The events in a table, their bytes, and the highest id."""
    # One of two names.
    query = f"SELECT count(*), ifnull(sum(length(body)), 0), min(id), max(id) FROM {table}"  # noqa: S608
    count, size, first, last = connection.execute(query).fetchone()
    for identity in (first, last) if count else ():
        reading.cell(table, "id", identity)
    return count, size + ROW_BYTES * count, last or 0


def explained(error: sqlite3.Error | OSError, path: Path) -> SpoolError:
    """What went wrong on the disk, with the path and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, sqlite3.Error) and is_corrupt(error):
        what = (
            f"{path} is corrupt: nothing more is written to it, what can be read of it is delivered; look at the disk"
        )
    elif code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == 28:
        what = f"{path}: the disk is full; make room, then emit again"
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) or isinstance(error, OSError):
        return unwritable(error, path)
    else:
        what = f"{path} can't be written: {error}; look at the disk"
    return SpoolError(what)
