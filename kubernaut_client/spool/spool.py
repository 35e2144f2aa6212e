"""The files that one process owns in a spool directory: its own, to which events are appended, and those it adopted.

Keeps to `spool_bytes`, leaves a reserve of the disk alone, and sets corrupt files aside after reading what can be read.
What is sent of them is left to `sender`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from kubernaut_client import clock
from kubernaut_client.errors import SpoolError, explain
from kubernaut_client.problems import one_line

from .directory import CORRUPT_SUFFIX, SALVAGE_SUFFIX, Directory, Ownership, UntrustedError, remove, trusted
from .report import AlarmKind
from .rows import is_corrupt, is_no_spool, reason
from .salvage import Salvage
from .spoolfile import ROW_BYTES, Locks, NewerError, SpoolFile, TakenError, explained
from .tuning import Tuning
from .turns import Turns

T = TypeVar("T")

_ADOPTED_AT_MOST = 32
_REST = 60.0
_PATIENCE = 0.5
_ADOPTING_PATIENCE = 0.1
"""Seconds to wait for another process that uses a file without owning it; then it is tried again later."""
_SALVAGED_AT_MOST = 3
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
        self.directory: Directory = directory
        self.locks: Locks = Locks()
        self._turns = Turns()
        self.files: list[SpoolFile] = []
        self.current: SpoolFile | None = None
        self.corrupt: list[tuple[SpoolFile, sqlite3.Error]] = []
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
        self._salvages: dict[Salvage, Ownership] = {}
        self._salvaged: Counter[Path] = Counter()
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
                self.corrupt.append((self.current, error))
                self.current = None
            raise explained(error, path) from error
        except OSError as error:
            raise explained(error, path) from error

    def _shrunk(self, file: SpoolFile) -> bool:
        """Whether there is room after cutting the log, which takes several times as much as the events in it."""
        end = clock.monotonic() + _PATIENCE
        # It can't be cut while the sender is at it, or somebody reads.
        while not file.cut_log() and clock.monotonic() < end:
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
        room, taken = 0, 0
        if not self.closed and self._is_fit():
            self._resting = {path: until for path, until in self._resting.items() if until > now}
            ours = {file.path for file in self.files} | {owned.path for owned in self._salvages.values()}
            room = max(_ADOPTED_AT_MOST - len(ours) + (self.current is not None), 0)
            known = ours | self._left_alone | self._resting.keys()
            for owned in islice(self.directory.adopt(known, self._refused), room):
                taken += 1
                with self.locks.reading:
                    if self.closed:
                        owned.release()
                        break
                    self._open(owned, now)
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

    def set_aside(self, file: SpoolFile, error: Exception) -> None:
        """Use a damaged file no more; `salvage` reads what can be read of it into a new one."""
        with self.locks.reading:
            with self.locks.writing:
                if file not in self.files:
                    return
                if file is self.current:
                    self.current = None
                self.files.remove(file)
                owned = self._owned.pop(file)
                self.moved.add(file)
            file.close()
            self._begin_salvage(owned, error)

    @property
    def salvaging(self) -> bool:
        """Whether `salvage` has something to do."""
        return bool(self._salvages)

    def salvage(self, now: float) -> None:
        """Go on reading a damaged file for some milliseconds."""
        with self.locks.reading:
            job = next(iter(self._salvages), None)
            if job is None or self.closed:
                return
            try:
                if not job.step():
                    return
                job.close()
                kept = self._exchange(job)
                owned = self._salvages[job]
                owned.identity = trusted(owned.at)
            # Whatever it is, it is a matter of this file.
            except Exception as error:  # noqa: BLE001 - see above
                owned = self._end_salvage(job)
                self._resting[owned.path] = now + _REST
                owned.release()
                self._tell(owned.path, f"{owned.path} is corrupt, and can't be set aside: {_told(error)}")
                return
            self._salvages.pop(job)
            text = (
                f"{owned.path} is corrupt ({one_line(job.why)}), and kept as {kept.name}: {job.events} events could be "
                f"read and will be delivered, and {job.apart} that were quarantined{one_line(job.lost(), 2000)}"
            )
            self._alarm("unreadable", text, job.events)
            self._open(owned, now)

    def suspect(self, file: SpoolFile, error: sqlite3.Error) -> None:
        """Reading a file failed; if it is corrupt it is set aside by whoever looks at `corrupt`."""
        if is_corrupt(error) and file in self.files:
            self.corrupt.append((file, error))

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
            for job in tuple(self._salvages):
                self._end_salvage(job).release()

    def abandon(self) -> tuple[list[sqlite3.Connection], set[int]]:
        """In a forked child: give up what the parent has.

        Returns the connections, which must be neither used nor closed, and the descriptors that were inherited.
        """
        owned = [*self._owned.values(), *self._salvages.values()]
        using: list[SpoolFile | Salvage] = [*self.files, *self._salvages]
        self._owned.clear()
        self._salvages.clear()
        connections = [each for one in using for each in one.connections()]
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

    def _open(self, owned: Ownership, now: float) -> None:
        """Open a file that is owned. Whatever is wrong with it, no other file notices."""
        path = owned.path
        try:
            file = SpoolFile(path, self.locks, self._token, power=self._power, at=owned.at, patience=_ADOPTING_PATIENCE)
        except (NewerError, UntrustedError) as error:
            self._left_alone.add(path)
            owned.release(unused=True)
            self._refused(path, error)
        except Exception as error:  # noqa: BLE001 - see above
            if is_no_spool(error):
                self._begin_salvage(owned, error)
                return
            self._resting[path] = now + self._tuning.scan  # and tried again
            owned.release()
            self._tell(path, f"{path} can't be opened: {_told(error)}")
        except BaseException:
            owned.release()
            raise
        else:
            self._add(file, owned)

    def _begin_salvage(self, owned: Ownership, error: Exception) -> None:
        self._salvaged[owned.path] += 1
        if self._salvaged[owned.path] > _SALVAGED_AT_MOST:
            self._left_alone.add(owned.path)
            owned.release()
            self._tell(owned.path, f"{owned.path} is corrupt again and again, and left alone: {_told(error)}")
            return
        job = Salvage(owned.at, owned.at.with_suffix(SALVAGE_SUFFIX), reason(error))
        self._salvages[job] = owned

    def _end_salvage(self, job: Salvage) -> Ownership:
        """Give it up: it begins anew with whoever owns the file next."""
        job.close()
        if os.path.lexists(job.source):
            remove(job.target)
        return self._salvages.pop(job)

    def _exchange(self, job: Salvage) -> Path:
        """Put the new file in the place of the damaged one, and return the name under which that is kept.

        At each moment either the damaged file or all that could be read of it is what the next process finds.
        """
        path, log = job.source, Path(f"{job.source}-wal")
        if log.exists() and not log.stat().st_size:
            log.unlink()
        kept = next(name for name in _names(path) if not os.path.lexists(name))
        for suffix in ("-wal", ""):
            with suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{kept}{suffix}")
        Path(f"{path}-shm").unlink(missing_ok=True)
        os.rename(job.target, path)
        return kept

    def _tell(self, path: Path, text: str) -> None:
        if path not in self._told:
            self._told.add(path)
            self._alarm("unreadable", text, 0)


def _told(error: Exception) -> str:
    return one_line(explain(error) if isinstance(error, (sqlite3.Error, OSError)) else type(error).__name__)


def _names(path: Path) -> Iterator[Path]:
    """Names for damaged files: none may take the place of an earlier one."""
    yield Path(f"{path}{CORRUPT_SUFFIX}")
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}{CORRUPT_SUFFIX}")
