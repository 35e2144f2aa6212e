"""Reading what can be read of a damaged spool file, into a new one, a few milliseconds at a time.

Which of its events may have arrived is known if the table that says so can be read completely; else any of them may
have. When this is done, and what becomes of the files, is left to `spool`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import rows as reading
from .directory import SIDE_FILES, create, remove
from .rows import FIRST_NEW_ID, CorruptError, Sent, Walk
from .spoolfile import PAGE_BYTES, Locks, SpoolFile, as_written, check_size

_AT_ONCE = 100
_BYTES_AT_ONCE = 2**20
_LOG_BYTES = 4 * 2**20
_STEP_SECONDS = 0.01
_NAMED = 10


class Salvage:
    """Of one file; `step` until it returns True, then `close`. Nothing of it may be used while the process forks."""

    def __init__(self, source: Path, target: Path, why: str) -> None:
        """`why`: what is wrong with the file."""
        self.source = source
        self.target = target
        self.why = why
        self.events: int = 0
        """Read so far, to be delivered."""
        self.apart: int = 0
        """Read so far, of the quarantine."""
        self.unread: int = 0
        """Rows that aren't as they were written."""
        self.named: list[str] = []
        """The first of these, and tables that can't be read completely."""
        self._copied = target.with_suffix(f"{target.suffix}-copy")
        self._source: sqlite3.Connection | None = None
        self._file: SpoolFile | None = None
        self._pending: list[tuple[str, Sequence[Any]]] = []
        self._bytes = 0
        self._next_id = FIRST_NEW_ID
        # No context and no `finally` in it: in a forked child it ends without doing anything.
        self._work = self._steps()

    def step(self) -> bool:
        """Go on for some milliseconds; whether all is done. Raises `sqlite3.Error` and `OSError`."""
        end = time.monotonic() + _STEP_SECONDS
        return all(time.monotonic() <= end for _ in self._work)

    def close(self) -> None:
        for each in (self._file, self._source):
            if each is not None:
                with suppress(sqlite3.Error):
                    each.close()
        remove(self._copied)

    def connections(self) -> list[sqlite3.Connection]:
        """For a forked child, in which none must be used or closed."""
        found = [] if self._file is None else self._file.connections()
        return found if self._source is None else [*found, self._source]

    def lost(self) -> str:
        """What could not be read, for an alarm; "" if that is nothing."""
        more = f", and {self.unread - _NAMED} rows more" if self.unread > _NAMED else ""
        return f"; not readable: {'; '.join(self.named)}{more}" if self.named else ""

    def _steps(self) -> Iterator[None]:
        remove(self.target)
        os.close(create(self.target))
        self._file = SpoolFile(self.target, Locks(), "nobody")
        try:
            check_size(self.source)
        except CorruptError as error:
            self.named.append(str(error))
            return
        # Not even its log is changed. Another process isn't waited for, as this takes place between other things.
        self._source = reading.connect(f"{self.source.as_uri()}?mode=ro", 0, uri=True)
        if not self._is_spool():
            self._source.close()
            yield from self._copy()
            self._source = reading.connect(self._copied, 0)
        sent: list[Sent] = []
        for values in self._rows("batch", reading.sent):
            if values is not None:
                sent.append(reading.sent(values, any_id=True))
            yield
        try:
            reading.apart(sent)
        except CorruptError as error:
            self.named.append(str(error))
        trusted = not self.named
        if trusted:
            for _, ranges, *others in sent:
                self._put("batch", (None, json.dumps(ranges), *others), 100)
        for values in self._rows("event", reading.event):
            if values is not None:
                identity = self._identity(values[0])
                self._put("event", (identity, *values[1:]), len(values[4]))
                if not trusted or identity != values[0]:
                    self._put("batch", (None, json.dumps([[identity, identity]]), 0.0, "", 0.0, None, 0), 100)
                self.events += 1
            yield
        self._write()
        for values in self._rows("quarantine", reading.quarantined):
            if values is not None:
                identity = self._identity(values[0])
                if self._file.holds(identity):
                    identity = self._identity(0)
                self._put("quarantine", (identity, *values[1:]), len(values[8]))
                self.apart += 1
            yield
        self._write()

    def _is_spool(self) -> bool:
        assert self._source is not None
        try:
            return as_written(self._source)
        except reading.ERRORS as error:
            if not reading.is_no_spool(error):
                raise
            return False

    def _copy(self) -> Iterator[None]:
        """Copy it, with a first page that is as it should be: that says which tables there are, and holds no rows."""
        assert self._file is not None
        self._file.checkpoint()
        with self.target.open("rb") as new, self.source.open("rb") as old, self._copied.open("wb", 0) as copy:
            page = bytearray(new.read(PAGE_BYTES))
            page[18:20] = b"\1\1"  # without a log
            page[24:28] = b"\xff\xff\xff\xff"  # SQLite counts the pages, as after another program wrote to it
            copy.write(page)
            at = PAGE_BYTES
            while chunk := os.pread(old.fileno(), _BYTES_AT_ONCE, at):
                os.pwrite(copy.fileno(), chunk, at)
                at = _data(old.fileno(), at + len(chunk))
                yield
            os.ftruncate(copy.fileno(), os.fstat(old.fileno()).st_size)

    def _rows(self, table: str, check: Callable[..., object]) -> Iterator[Sequence[Any] | None]:
        """The rows of a table that are as they were written, whatever their id is; None now and then."""
        assert self._source is not None
        size = sum(_size(Path(f"{self.source}{suffix}")) for suffix in SIDE_FILES)
        walk = Walk(self._source, table, size)
        for values in walk:
            try:
                if values is not None:
                    check(values, any_id=True)
                yield values
            except CorruptError as error:
                self.unread += 1
                if self.unread <= _NAMED:
                    self.named.append(str(error))
                yield None
        if walk.damage is not None:
            self.named.append(f"parts of the table {table}: {walk.damage}")

    def _identity(self, identity: int) -> int:
        """The id of a row, or a new one for an id that can't be the one that it was given."""
        if 0 < identity < FIRST_NEW_ID:
            return identity
        self._next_id += 1
        return self._next_id

    def _put(self, table: str, row: Sequence[Any], size: int) -> None:
        self._pending.append((table, row))
        self._bytes += size
        if len(self._pending) >= _AT_ONCE or self._bytes >= _BYTES_AT_ONCE:
            self._write()

    def _write(self) -> None:
        assert self._file is not None
        self._file.restore(self._pending)
        self._pending, self._bytes = [], 0
        if self._file.log_size() > _LOG_BYTES:
            self._file.checkpoint()


def _data(descriptor: int, at: int) -> int:
    """Where a file goes on after a hole; the holes of a file may be larger than any disk."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError:  # nothing comes after
        return os.fstat(descriptor).st_size


def _size(path: Path) -> int:
    """Bytes that a file can hold, with some tolerance for file systems that compress."""
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return min(found.st_size, max(found.st_blocks * 512, 1) * 8)
