"""The files that one process owns in a spool directory: its own, to which events are appended, and those it adopted.

Keeps to `spool_bytes`, leaves a reserve of the disk alone, and sets corrupt files aside after reading what can be read.
What is sent of them is left to `sender`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from kubernaut_client.errors import SpoolError, explain

from .directory import CORRUPT_SUFFIX, SALVAGE_SUFFIX, Directory, Ownership, UntrustedError, create, remove
from .report import AlarmKind
from .salvage import salvage
from .spoolfile import ROW_BYTES, Locks, NewerError, SpoolFile, TakenError, explained, is_corrupt
from .tuning import Tuning
from .turns import Turns

T = TypeVar("T")

_ADOPTED_AT_MOST = 32
_REST = 60.0
_PATIENCE = 0.5
_LOOK_EVERY = 32
"""Events between two looks at the room on the disk: they take a small part of the reserve."""


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
        self.locks: Locks = Locks()
        self._turns = Turns()
        self.files: list[SpoolFile] = []
        self.current: SpoolFile | None = None
        self.corrupt: list[SpoolFile] = []
        """Files that turned out to be corrupt and aren't set aside yet."""
        self.lost: list[SpoolFile] = []
        """Files that another process has by now."""
        self.moved: set[SpoolFile] = set()
        """Files that were set aside, with what could be read of them in another one."""
        self.closed: bool = False
        self._limit = limit
        self._power = power
        self._tuning = tuning
        self._alarm = alarm
        self._token = uuid4().hex
        self._owned: dict[SpoolFile, Ownership] = {}
        self._left_alone: set[Path] = set()
        self._told: set[Path] = set()
        self._resting: dict[Path, float] = {}
        """Files in which nothing waits → when they are looked at again."""
        self._others = 0
        self._looked = -1
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
        turn = self._turns.ask()
        try:
            with self.locks.writing:
                try:
                    self._turns.enter(turn)
                    return self._written_now(size, write)
                finally:
                    self._turns.leave()
        finally:
            self._turns.give_way(turn)

    def busy_here(self) -> bool:
        """Whether the calling thread is in the middle of keeping an event: it is a signal handler then."""
        return self.locks.writing_here()

    def _written_now(self, size: int, write: Callable[[SpoolFile], T]) -> T:
        path = self.directory.path
        try:
            if self.closed:
                raise SpoolError(f"{path}: the writer is closed")
            file = self.current or self._begin()
            if self.size + size + ROW_BYTES > self._limit:
                raise SpoolError(
                    f"{path}: the spool is full: it holds {self.size} bytes of the {self._limit} that spool_bytes "
                    "allows; is the service away? `python -m kubernaut_client.spool status` tells"
                )
            self._looked = (self._looked + 1) % _LOOK_EVERY
            # The log is cut by the sender, but for one that can't keep up: what is in it needs as much room once more.
            if not self._looked and file.log_size() > self._reserve:
                self._shrunk(file)
            if not self._looked and self.directory.free() < self._reserve and not self._shrunk(file):
                self._looked = -1  # and look again at the next event
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
        if not self.directory.is_there():
            self.directory = Directory(self.directory.path)
        self.directory.check()
        self._reserve = self.directory.reserve()
        owned = self.directory.create()
        try:
            file = SpoolFile(owned.path, self.locks, self._token, power=self._power, at=owned.at)
        except BaseException:
            owned.release(delete=True)
            raise
        if self._power:
            self.directory.sync()
        self._add(file, owned)
        self.current = file
        return file

    # ---- what is in it ---------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes in all files of the directory; those of other processes as they were at the last `adopt`."""
        return self._others + sum(file.size for file in self.files)

    @property
    def count(self) -> int:
        """Events that aren't known to be stored, in the files of this process."""
        for file in tuple(self.files):
            with suppress(sqlite3.Error):
                file.notice_appended()
        return sum(file.count for file in self.files)

    def oldest(self) -> float:
        """How long ago the oldest of them was emitted, in seconds."""
        found = [at for file in tuple(self.files) if (oldest := self.oldest_in(file)) for at in oldest[1:]]
        return max(self._tuning.clock.time() - min(found) / 1e6, 0.0) if found else 0.0

    def oldest_in(self, file: SpoolFile) -> tuple[int, int] | None:
        """The lowest id in a file, and when it was emitted; None if there is none, or it can't be read any more."""
        try:
            return file.oldest()
        except sqlite3.Error as error:
            self.suspect(file, error)
            return None

    # ---- files -----------------------------------------------------------------------------------------------------

    def adopt(self, now: float) -> bool:
        """Own files that nobody owns, the oldest first, and not too many: each takes six descriptors.

        Whether none was left for the next time; `now` is that of the monotonic clock.
        """
        with self.locks.reading:
            room, taken = 0, 0
            if not self.closed and self._is_fit():
                resting = {path for path, until in self._resting.items() if until > now}
                known = {file.path for file in self.files} | self._left_alone | resting
                room = max(_ADOPTED_AT_MOST - sum(file is not self.current for file in self.files), 0)
                for owned in islice(self.directory.adopt(known, self._refused), room):
                    taken += 1
                    self._open(owned)
        self._others = self.directory.others({file.path for file in self.files})
        return taken < room or not room

    def _is_fit(self) -> bool:
        """Whether files of the directory may be adopted."""
        directory = self.directory
        if not directory.is_there():
            return False
        try:
            directory.check()
        except SpoolError as error:
            self._tell(directory.path, str(error))
            return False
        if not directory.is_at_path():
            self._tell(
                directory.path,
                f"{directory.path} was replaced: the spool stays in the directory that was there when it was opened; "
                "look who may write to the directory above it, then restart",
            )
        return True

    def _refused(self, path: Path, error: Exception) -> None:
        self._tell(path, f"{path} is left alone: {error}")

    def rest(self, file: SpoolFile, now: float) -> bool:
        """Let go of a file in which nothing waits, only what is set apart; it is looked at again in a while."""
        with self.locks.reading:
            if file is self.current or file not in self.files:
                return False
            self._resting[file.path] = now + _REST
            self._let_go(file, delete=False)
            return True

    def drop(self, file: SpoolFile) -> bool:
        """Let go of a file that nobody writes to; it is deleted if nothing is in it. Whether it is gone."""
        with self.locks.reading:
            if file is self.current or not file.empty():
                return False
            self._let_go(file, delete=True)
            return True

    def set_aside(self, file: SpoolFile) -> SpoolFile | None:
        """Keep a corrupt file under another name; with what can be read of it in a new one, which is ours."""
        with self.locks.reading:
            with self.locks.writing:
                if file not in self.files:
                    return None
                if file is self.current:
                    self.current = None
                self.files.remove(file)
                owned = self._owned.pop(file)
                self.moved.add(file)
            file.close()
            return self._set_aside(owned)

    def suspect(self, file: SpoolFile, error: sqlite3.Error) -> None:
        """Reading a file failed; if it is corrupt it is set aside by whoever looks at `corrupt`."""
        if is_corrupt(error) and file in self.files:
            self.corrupt.append(file)

    def trim(self, file: SpoolFile) -> None:
        """Keep the log of a file as short as the disk wants it."""
        with suppress(OSError):  # somebody removed the directory
            file.keep_log_below(self.directory.wal_limit())

    def notice_removal(self) -> None:
        """If somebody deleted our file, the next event goes to a new one; what is in it is delivered all the same."""
        with self.locks.writing:
            if self.current is not None and not self._owned[self.current].is_there():
                self.current = None

    def lose(self, file: SpoolFile) -> None:
        """Another process has it by now."""
        with self.locks.writing:
            if file is self.current:
                self.current = None
            self.lost.append(file)

    def clear_lost(self) -> list[SpoolFile]:
        """Close the files that others have."""
        with self.locks.reading:
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

    def abandon(self) -> tuple[list[sqlite3.Connection], set[int]]:
        """In a forked child: give up what the parent has.

        Returns the connections, which must be neither used nor closed, and the descriptors that were inherited.
        """
        owned = list(self._owned.values())
        self._owned.clear()
        connections = [each for file in self.files for each in file.connections()]
        return connections, {number for each in owned for number in each.abandon()}

    def _add(self, file: SpoolFile, owned: Ownership) -> None:
        with self.locks.writing:
            self.files.append(file)
            self._owned[file] = owned

    def _let_go(self, file: SpoolFile, *, delete: bool) -> None:
        with self.locks.writing:
            self.files.remove(file)
        file.close()
        self._owned.pop(file).release(delete=delete)

    def _open(self, owned: Ownership) -> SpoolFile | None:
        try:
            return self._opened(owned)
        except BaseException:
            owned.release()
            raise

    def _opened(self, owned: Ownership) -> SpoolFile | None:
        try:
            file = SpoolFile(owned.path, self.locks, self._token, power=self._power, at=owned.at)
        except (NewerError, UntrustedError) as error:
            self._left_alone.add(owned.path)
            owned.release()
            self._refused(owned.path, error)
            return None
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and is_corrupt(error):
                return self._set_aside(owned)
            owned.release()  # and tried again
            self._tell(owned.path, f"{owned.path} can't be opened: {explain(error)}")
            return None
        self._add(file, owned)
        return file

    def _set_aside(self, owned: Ownership) -> SpoolFile | None:
        """At each moment either the corrupt file or all that could be read of it is what the next process finds."""
        path, at, new = owned.path, owned.at, owned.at.with_suffix(SALVAGE_SUFFIX)
        kept = Path(f"{at}{CORRUPT_SUFFIX}")
        try:
            remove(new)
            os.close(create(new))
            salvaged, apart = salvage(at, new, self.locks)
            for suffix in ("-wal", ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{at}{suffix}", f"{kept}{suffix}")
            Path(f"{at}-shm").unlink(missing_ok=True)
            os.rename(new, at)
        except (sqlite3.Error, OSError) as error:
            owned.release()
            self._tell(path, f"{path} is corrupt, and can't be set aside: {explain(error)}")
            return None
        text = (
            f"{path} is corrupt, and kept as {kept.name}: {salvaged} events could be read and will be delivered, and "
            f"{apart} that were set apart"
        )
        self._alarm("unreadable", text, salvaged)
        return self._opened(owned)

    def _tell(self, path: Path, text: str) -> None:
        if path not in self._told:
            self._told.add(path)
            self._alarm("unreadable", text, 0)
