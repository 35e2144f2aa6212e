"""The files that one process owns in a spool directory: its own, to which events are appended, and those it adopted.

Keeps to `spool_bytes`, leaves a reserve of the disk alone, and sets corrupt files aside after reading what can be read.
What is sent of them is left to `sender`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from kubernaut_client.errors import SpoolError, explain

from .directory import CORRUPT_SUFFIX, Directory, Ownership
from .report import AlarmKind
from .spoolfile import ROW_BYTES, Locks, NewerError, SpoolFile, TakenError, explained, is_corrupt
from .tuning import Tuning

T = TypeVar("T")

_SALVAGED_AT_ONCE = 500
_PATIENCE = 0.5


class Spool:
    """What is in memory of it is lost with the process, and made anew from the files by the next one."""

    def __init__(
        self,
        directory: Directory,
        *,
        limit: int,
        power: bool,
        tuning: Tuning,
        alarm: Callable[[AlarmKind, str, int], None],
    ) -> None:
        self.directory = directory
        self.locks = Locks()
        self.files: list[SpoolFile] = []
        self.current: SpoolFile | None = None
        self.corrupt: list[SpoolFile] = []
        """Files that turned out to be corrupt and aren't set aside yet."""
        self.lost: list[SpoolFile] = []
        """Files that another process has by now."""
        self.closed = False
        self._limit = limit
        self._power = power
        self._tuning = tuning
        self._alarm = alarm
        self._token = uuid4().hex
        self._owned: dict[SpoolFile, Ownership] = {}
        self._left_alone: set[Path] = set()
        self._others = 0
        self._reserve = 0

    # ---- emit ------------------------------------------------------------------------------------------------------

    def append(self, emitted: int, time: str, own: bool, body: bytes) -> bool:
        """Keep an event; whether the sender should be woken. Raises `SpoolError`, and then it isn't kept."""

        def write(file: SpoolFile) -> bool:
            identity = file.append(emitted, time, own, body)
            if file.unsealed_since is None:
                file.unsealed_since = self._tuning.clock.monotonic()
                return True
            return identity % self._tuning.batch_events == 0

        return self._written(len(body), write)

    def keep_apart(self, kind: str, reason: str, emitted: int, body: bytes) -> None:
        """Keep something in quarantine that can't be sent. Raises `SpoolError`, and then it isn't kept."""
        self._written(len(body), lambda file: file.keep_apart(kind, reason, emitted, body))

    def _written(self, size: int, write: Callable[[SpoolFile], T]) -> T:
        """What `write` gives for our own file, if there is room for so many bytes."""
        path = self.directory.path
        with self.locks.writing:
            try:
                if self.closed:
                    raise SpoolError(f"{path}: the writer is closed")
                file = self.current or self._begin()
                if self.bytes + size + ROW_BYTES > self._limit:
                    raise SpoolError(
                        f"{path}: the spool is full: it holds {self.bytes} bytes of the {self._limit} that spool_bytes "
                        "allows; is the service away? `python -m kubernaut_client.spool status` tells"
                    )
                if self.directory.free() < self._reserve and not self._shrunk(file):
                    raise SpoolError(
                        f"{path}: the disk is full; make room, then emit again (the last {self._reserve} bytes are "
                        "left alone, for delivering what is in the spool)"
                    )
                try:
                    return write(file)
                except TakenError:
                    # Somebody removed its lock, so another process took it for abandoned: what is in it is theirs.
                    self.lose(file)
                    return write(self._begin())
            except sqlite3.Error as error:
                if self.current is not None and is_corrupt(error):
                    self.corrupt.append(self.current)
                    self.current = None
                raise explained(error, path) from error
            except OSError as error:
                raise explained(error, path) from error

    def _shrunk(self, file: SpoolFile) -> bool:
        """Whether there is room after cutting the log, which takes several times as much as the events in it."""
        end = time.monotonic() + _PATIENCE
        # It can't be cut while the sender is at it, or somebody reads.
        while not file.cut_log() and time.monotonic() < end:
            time.sleep(_PATIENCE / 100)
        return self.directory.free() >= self._reserve

    def _begin(self) -> SpoolFile:
        self.directory.prepare()
        self._reserve = self.directory.reserve()
        owned = self.directory.create()
        try:
            file = SpoolFile(owned.path, self.locks, self._token, power=self._power)
        except BaseException:
            owned.release(delete=True)
            raise
        if self._power:
            _sync(self.directory.path)
        self._add(file, owned)
        self.current = file
        return file

    # ---- what is in it ---------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Of all files in the directory; those of other processes as they were at the last `adopt`."""
        return self._others + sum(file.bytes for file in self.files)

    @property
    def count(self) -> int:
        """Events that aren't known to be stored, in the files of this process."""
        return sum(file.count for file in self.files)

    def oldest(self) -> float:
        """How long ago the oldest of them was emitted, in seconds."""
        found = [at for file in tuple(self.files) if (oldest := file.oldest()) for at in oldest[1:]]
        return max(self._tuning.clock.time() - min(found) / 1e6, 0.0) if found else 0.0

    # ---- files -----------------------------------------------------------------------------------------------------

    def adopt(self) -> Iterator[SpoolFile]:
        """Files that nobody owned, from now on ours."""
        ours = {file.path for file in self.files}
        if self.closed:
            return
        for owned in self.directory.adopt(ours | self._left_alone):
            try:
                file = SpoolFile(owned.path, self.locks, self._token, power=self._power)
            except NewerError as error:
                self._leave_alone(owned, str(error))
            except sqlite3.DatabaseError as error:
                if is_corrupt(error):
                    yield from self._set_aside(owned)
                else:
                    self._leave_alone(owned, f"{owned.path} can't be opened: {error}")
            except OSError as error:
                self._leave_alone(owned, f"{owned.path} can't be opened: {explain(error)}")
            else:
                self._add(file, owned)
                yield file
        self._others = self.directory.others({file.path for file in self.files})

    def drop(self, file: SpoolFile) -> bool:
        """Let go of a file that nobody writes to; it is deleted if nothing is in it. Whether it is gone."""
        with self.locks.both():
            if file is self.current or not file.empty():
                return False
            self._let_go(file, delete=True)
            return True

    def set_aside(self, file: SpoolFile) -> Iterator[SpoolFile]:
        """Keep a corrupt file under another name, with what can be read of it in one of our own."""
        with self.locks.both():
            if file is self.current:
                self.current = None
            self.files.remove(file)
            owned = self._owned.pop(file)
            file.close()
        yield from self._set_aside(owned)

    def lose(self, file: SpoolFile) -> None:
        """Another process has it by now."""
        with self.locks.writing:
            if file is self.current:
                self.current = None
            self.lost.append(file)

    def clear_lost(self) -> list[SpoolFile]:
        """Close the files that others have."""
        with self.locks.both():
            lost = [file for file in dict.fromkeys(self.lost) if file in self._owned]
            self.lost.clear()
            for file in lost:
                self._let_go(file, delete=False)
        return lost

    def close(self) -> None:
        """Give everything up; what isn't delivered stays, for whoever comes next."""
        with self.locks.both():
            self.closed = True
            self.current = None
            for file in tuple(self.files):
                try:
                    empty = file.empty()
                except sqlite3.Error:
                    empty = False
                self._let_go(file, delete=empty)

    def abandon(self) -> tuple[list[sqlite3.Connection], list[Path]]:
        """In a forked child: give up what the parent has; the connections must be neither used nor closed."""
        for owned in self._owned.values():
            owned.abandon()
        return [each for file in self.files for each in file.connections()], [file.path for file in self.files]

    def _add(self, file: SpoolFile, owned: Ownership) -> None:
        with self.locks.writing:
            self.files.append(file)
            self._owned[file] = owned

    def _let_go(self, file: SpoolFile, *, delete: bool) -> None:
        self.files.remove(file)
        file.close()
        self._owned.pop(file).release(delete=delete)

    def _leave_alone(self, owned: Ownership, why: str) -> None:
        self._left_alone.add(owned.path)
        owned.release()
        self._alarm("unreadable", why, 0)

    def _set_aside(self, owned: Ownership) -> Iterator[SpoolFile]:
        path = owned.path
        kept = Path(f"{path}{CORRUPT_SUFFIX}")
        salvaged = 0
        target: SpoolFile | None = None
        try:
            for rows in _readable(path):
                with self.locks.writing:
                    target = self.current or self._begin()
                    target.take_over(rows, self._tuning.clock.time())
                salvaged += len(rows)
            for suffix in ("-wal", ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{path}{suffix}", f"{kept}{suffix}")
            Path(f"{path}-shm").unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:
            self._leave_alone(owned, f"{path} is corrupt, and can't be set aside: {explain(error)}")
            return
        owned.release(delete=True)
        text = f"{path} is corrupt: {salvaged} events could be read and will be delivered, it is kept as {kept.name}"
        self._alarm("unreadable", text, salvaged)
        if target is not None:
            yield target


def _readable(path: Path) -> Iterator[list[tuple[int, str, bool, bytes]]]:
    """The events of a corrupt file that can be read, from both ends: `SpoolFile.take_over` takes them."""
    highest = 0
    for order, bound in (("ASC", "id > ?"), ("DESC", "id > ?")):
        rows: list[tuple[int, str, bool, bytes]] = []
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
            # The words that are put in are those of the line above.
            query = f"SELECT id, emitted, time, own, body FROM event WHERE {bound} ORDER BY id {order}"  # noqa: S608
            for identity, emitted, time, own, body in connection.execute(query, (highest,)):
                rows.append((emitted, time, bool(own), body))
                if order == "ASC":
                    highest = identity
                if len(rows) == _SALVAGED_AT_ONCE:
                    yield rows
                    rows = []
        if rows:
            yield rows


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
