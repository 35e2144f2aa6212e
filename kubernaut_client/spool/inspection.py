"""Looking at a spool directory from outside: nothing is owned, nothing is changed, and the owners go on writing.

Also works on a copy of a directory, and on one that can't be written. Used by `python -m kubernaut_client.spool`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .batch import within
from .directory import CORRUPT_SUFFIX, LOCK_SUFFIX, SIDE_FILES, SUFFIX
from .spoolfile import SCHEMA, read_quarantined, read_sent


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
    """One event of a spool. `state`: `waiting`, `unsettled`, or its kind of quarantine."""

    file: str
    id: int
    state: str
    emitted: float
    time: str
    reason: str | None
    body: bytes

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return f"{self.file.removesuffix(SUFFIX)}:{self.id}"


def files(directory: Path) -> list[FileStatus]:
    """Every file, with its counts. Raises `OSError` for what is no directory that can be read."""
    names = sorted(os.listdir(directory))
    kept = [name for name in names if name.endswith(SUFFIX + CORRUPT_SUFFIX)]
    corrupt = [FileStatus(name, "corrupt", bytes=_size(directory / name)) for name in kept]
    return [_status(directory / name) for name in names if name.endswith(SUFFIX)] + corrupt


def entries(directory: Path, file: str | None = None) -> Iterator[Entry]:
    """Every event that is kept, file by file; files that can't be read are passed over."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if file is None or path.name == file:
            with suppress(sqlite3.Error, OSError), opened(path) as connection:
                yield from _entries(path.name, connection)


def _entries(name: str, connection: sqlite3.Connection) -> Iterator[Entry]:
    sent = read_sent(connection)
    unsettled = [each.ranges for each in sent if not each.stored]
    arrived = [each.ranges for each in sent if each.stored]
    for identity, emitted, at, body in connection.execute("SELECT id, emitted, time, body FROM event ORDER BY id"):
        if any(within(ranges, identity) for ranges in arrived):
            continue
        state = "unsettled" if any(within(ranges, identity) for ranges in unsettled) else "waiting"
        yield Entry(name, identity, state, emitted / 1e6, at, None, body)
    for each in read_quarantined(connection):
        yield Entry(name, each.id, each.kind, each.since, each.row.time, each.reason, each.row.body)


def _status(path: Path) -> FileStatus:
    state = "owned" if is_owned(path) else "left"
    size = sum(_size(Path(f"{path}{suffix}")) for suffix in SIDE_FILES)
    try:
        with opened(path) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA:
                why = f"version {version} of the spool's tables; this version of kubernaut-client knows {SCHEMA}"
                return FileStatus(path.name, "newer", bytes=size, error=why)
            if not version:  # made, and not written to yet
                return FileStatus(path.name, state, bytes=size)
            connection.execute("BEGIN")  # so that all counts are of one moment
            (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
            (quarantined,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
            oldest = connection.execute("SELECT emitted FROM event ORDER BY id LIMIT 1").fetchone()
            unsettled = arrived = 0
            for each in read_sent(connection):
                for first, last in each.ranges:
                    (found,) = connection.execute(
                        "SELECT count(*) FROM event WHERE id BETWEEN ? AND ?", (first, last)
                    ).fetchone()
                    arrived += found * each.stored
                    unsettled += found * (not each.stored)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        bad = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return FileStatus(path.name, "corrupt" if bad else "unreadable", bytes=size, error=str(error))
    except OSError as error:
        return FileStatus(path.name, "unreadable", bytes=size, error=error.strerror)
    age = max(time.time() - oldest[0] / 1e6, 0.0) if oldest else 0.0
    return FileStatus(path.name, state, count - unsettled - arrived, unsettled, quarantined, age, size)


def is_owned(path: Path) -> bool:
    """Whether a process that lives holds the lock of a spool file."""
    try:
        descriptor = os.open(path.with_suffix(LOCK_SUFFIX), os.O_RDONLY)
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
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if not is_owned(path) and not _size(Path(f"{path}-wal")):
        uri += "&immutable=1"  # else SQLite makes its files beside it, and leaves them there
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            direct = True
        except sqlite3.OperationalError:
            direct = False
        if direct:
            yield connection
            return
    with tempfile.TemporaryDirectory(prefix="kubernaut-spool-") as directory:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{directory}/copy{suffix}")
        with closing(sqlite3.connect(f"{directory}/copy", isolation_level=None)) as connection:
            yield connection


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
