"""Looking at a spool directory from outside: nothing is owned, nothing is changed, and the owners go on writing.

Also works on a copy of a directory, and on one that can't be written. Used by `python -m kubernaut_client.spool`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import rows as reading
from .directory import BUSY_SECONDS, CORRUPT_SUFFIX, LOCK_SUFFIX, SIDE_FILES, SUFFIX
from .rows import CorruptError, Walk
from .spoolfile import SCHEMA, check_size, version_of

_COPY_LIMIT = 2 * 2**30
"""Bytes of a file that is copied to be read."""
_DAMAGED = SUFFIX + CORRUPT_SUFFIX


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file of a spool. `state`: `owned` by a process that lives, `left` by one that died, or why it can't be
    read: `newer` than this version, `corrupt`, `unreadable`."""

    name: str
    state: str
    waiting: int = 0
    unsettled: int = 0
    quarantined: int = 0
    oldest_seconds: float = 0.0
    bytes: int = 0
    """On the disk, with SQLite's own files beside it."""
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a spool. `state`: `waiting`, `unsettled`, its kind of quarantine, or `damaged`.

    Without an `id` it is about a file that can't be read, or not completely, and `state` is that of a `FileStatus`.
    """

    file: str
    id: int | None
    state: str
    emitted: float | None = None
    """In Unix seconds; None if that is damaged."""
    reason: str | None = None
    body: bytes = b""

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return self.file if self.id is None else f"{self.file.removesuffix(SUFFIX)}:{self.id}"

    @property
    def readable(self) -> bool:
        """Whether it is an event as it was written."""
        return self.id is not None and self.state != "damaged"


def files(directory: Path) -> list[FileStatus]:
    """Every file, with its counts. Raises `OSError` for what is no directory that can be read."""
    names = sorted(os.listdir(directory))
    kept = [name for name in names if name.endswith(_DAMAGED)]
    corrupt = [FileStatus(name, "corrupt", bytes=_size(directory / name)) for name in kept]
    return [_status(directory / name) for name in names if name.endswith(SUFFIX)] + corrupt


def entries(directory: Path, file: str | None = None) -> Iterator[Entry]:
    """Every event that is kept, file by file; of damaged files also what isn't as it was written.

    Of a file that was set aside only that, as the rest of it is in another one.
    """
    for name in sorted(os.listdir(directory)):
        if not name.endswith((SUFFIX, _DAMAGED)) or file not in (None, name):
            continue
        try:
            with opened(directory / name) as connection:
                found = _entries(directory / name, connection)
                yield from found if name.endswith(SUFFIX) else (each for each in found if not each.readable)
        except (*reading.ERRORS, OSError) as error:
            if os.path.lexists(directory / name):  # else its owner has just removed it
                yield Entry(name, None, *_why(error))


def _entries(path: Path, connection: sqlite3.Connection) -> Iterator[Entry]:
    if version_of(connection) > SCHEMA:
        yield Entry(path.name, None, "newer", reason=_newer(connection))
        return
    if not version_of(connection):  # made, and not written to yet
        return
    connection.execute("BEGIN")  # so that all tables are of one moment
    sent: list[tuple[int, int, bool]] = []
    for found in _rows(path, connection, "batch", reading.sent):
        if isinstance(found, Entry):
            yield found
        else:
            each = reading.sent(found)
            sent += [(*ends, each.stored) for ends in each.ranges]
    sent.sort()
    for found in _rows(path, connection, "event", reading.event):
        if isinstance(found, Entry):
            yield found
            continue
        identity, emitted, *_, body = found
        place = bisect(sent, (identity, sys.maxsize)) - 1
        state = "waiting"
        if place >= 0 and identity <= sent[place][1]:
            state = "stored" if sent[place][2] else "unsettled"
        if state != "stored":
            yield Entry(path.name, identity, state, emitted / 1e6, None, body)
    for found in _rows(path, connection, "quarantine", reading.quarantined):
        if isinstance(found, Entry):
            yield found
        else:
            kept = reading.quarantined(found)
            yield Entry(path.name, kept.id, kept.kind, kept.since, kept.reason, kept.body)


def _rows(
    path: Path, connection: sqlite3.Connection, table: str, check: Callable[[Sequence[Any]], object]
) -> Iterator[Sequence[Any] | Entry]:
    """The rows of a table that are as they were written, and an entry for each other one."""
    walk = Walk(connection, table, _size_of_all(path))
    for values in walk:
        if values is None:
            continue
        try:
            check(values)
            yield values
        except CorruptError as error:
            body = values[-1] if table != "batch" and isinstance(values[-1], bytes) else b""
            yield Entry(path.name, values[0], "damaged", None, str(error), body)
    if walk.damage is not None:
        yield Entry(path.name, None, "corrupt", None, f"parts of the table {table}: {walk.damage}")


def _status(path: Path) -> FileStatus:
    state, error = "owned" if is_owned(path) else "left", None
    size = _size_of_all(path)
    counts = dict.fromkeys(("waiting", "unsettled", "quarantined"), 0)
    age = 0.0
    try:
        with opened(path) as connection:
            version = version_of(connection)
            if version > SCHEMA:
                return FileStatus(path.name, "newer", bytes=size, error=_newer(connection))
            if version:
                connection.execute("BEGIN")  # so that all counts are of one moment
                (counts["quarantined"],) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
                (counts["waiting"],) = connection.execute("SELECT count(*) FROM event").fetchone()
                for values in connection.execute(reading.select("batch")):
                    each = reading.sent(values)
                    for ends in each.ranges:
                        query = "SELECT count(*) FROM event WHERE id BETWEEN ? AND ?"
                        (found,) = connection.execute(query, ends).fetchone()
                        counts["waiting"] -= found
                        counts["unsettled"] += found * (not each.stored)
                oldest = connection.execute("SELECT emitted FROM event ORDER BY id LIMIT 1").fetchone()
                if oldest is not None:
                    age = max(time.time() - reading.cell("event", "emitted", oldest[0]) / 1e6, 0.0)
    except (*reading.ERRORS, OSError) as caught:
        state, _, error = _why(caught)
    return FileStatus(path.name, state, **counts, oldest_seconds=age, bytes=size, error=error)


def _why(error: Exception) -> tuple[str, None, str]:
    """The state of a file that can't be read, no time, and why it is so."""
    return "corrupt" if reading.is_corrupt(error) else "unreadable", None, reading.reason(error)


def _newer(connection: sqlite3.Connection) -> str:
    return f"version {version_of(connection)} of the spool's tables; this version of kubernaut-client knows {SCHEMA}"


def is_owned(path: Path) -> bool:
    """Whether a process that lives holds the lock of a spool file."""
    try:
        descriptor = os.open(path.with_suffix(LOCK_SUFFIX), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Shared, so that two that look at once don't take each other for an owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A spool file for reading; where SQLite can't make its files beside it, a copy."""
    # A copy may belong to anyone. It is only read, and nothing that it leads to.
    for suffix in SIDE_FILES:
        try:
            mode = os.lstat(f"{path}{suffix}").st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"{path.name}{suffix} is no regular file")
    log = _size(Path(f"{path}-wal"))
    check_size(path)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not is_owned(path) and not log:
        uri += "&immutable=1"  # else SQLite makes its files beside it, and leaves them there
    with closing(reading.connect(uri, BUSY_SECONDS, uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            direct = True
        except sqlite3.OperationalError:
            direct = False
        if direct:
            yield connection
            return
    if _size_of_all(path) > _COPY_LIMIT:
        raise OSError(errno.EFBIG, f"has more than {_COPY_LIMIT} bytes, and can only be read as a copy")
    with tempfile.TemporaryDirectory(prefix="kubernaut-spool-") as directory:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{directory}/copy{suffix}")
        with closing(reading.connect(f"{directory}/copy", BUSY_SECONDS)) as connection:
            yield connection


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _size_of_all(path: Path) -> int:
    return sum(_size(Path(f"{path}{suffix}")) for suffix in SIDE_FILES)
