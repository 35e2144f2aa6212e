"""The spool directory, and the one place that opens its files.

The directory is opened once and held, and its files are reached through that descriptor: whatever its path leads to
later, nothing of another user is read or changed. A file belongs to the process that holds the kernel's lock on the
lock file beside it; the kernel releases it when that process ends. What is inside a file is left to `spoolfile`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from kubernaut_client.errors import SpoolError

from . import rows

SUFFIX = ".spool"
LOCK_SUFFIX = ".lock"
CORRUPT_SUFFIX = ".corrupt"
SALVAGE_SUFFIX = ".salvage"
SIDE_FILES = ("", "-wal", "-shm", "-journal")
_OF_SPOOL = re.compile(r"\.spool(\.corrupt)?$|^[0-9a-f]{12}\.(lock|salvage)$")
_WAL_LIMIT = 16 * 2**20
_FS_GROUP = stat.S_IWGRP | stat.S_ISGID
BUSY_SECONDS = 5.0
_OPEN_FILES = Path("/proc/self/fd")

Identity = tuple[int, int]
"""Device and inode."""

# Files that this process inherited at a fork. SQLite keeps a list of the files that a process has open, which is wrong
# for these from then on, so this process never opens them again.
inherited: set[Identity] = set()


class UntrustedError(OSError):
    """A file that another user made or can change, or that isn't a spool file. It is left alone."""


class Ownership:
    """The lock on one spool file, held until `release` or the end of the process."""

    def __init__(self, directory: Directory, name: str, descriptor: int, *, made: bool) -> None:
        self.path: Path = directory.path / name
        """For messages."""
        self.at: Path = directory.at / name
        """Where it is opened."""
        self.identity: Identity | None = None
        self._directory = directory  # which stays open as long as its files are
        self._descriptor: int = descriptor
        self._made = made

    def release(self, *, delete: bool = False, unused: bool = False) -> None:
        """Give it up; `delete`: the file goes too, before another process can own it. `unused`: as if never owned."""
        if delete:
            remove(self.at)
        if delete or (unused and self._made):
            with suppress(OSError):
                self.at.with_suffix(LOCK_SUFFIX).unlink()
        os.close(self._descriptor)

    def is_there(self) -> bool:
        """Whether its lock is still in the directory, and so the file most likely, too."""
        try:
            lock = self.at.with_suffix(LOCK_SUFFIX).lstat()
        except OSError:
            return False
        return _identity(self._descriptor) == (lock.st_dev, lock.st_ino) and self.at.exists()

    def abandon(self) -> set[int]:
        """In a forked child: leave it to the parent. Returns the descriptors of the file that were inherited."""
        os.close(self._descriptor)
        if self.identity is not None:
            inherited.add(self.identity)
        # By name, for the parent may have deleted them by now; also those of a salvage.
        return {number for number, target in _descriptors() if Path(target).name.partition(".")[0] == self.at.stem}


class Directory:
    """A spool directory that is open; made for its owner alone if it doesn't exist."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises `SpoolError` where it can't be written, or others can change what is in it."""
        self.path = path
        self._descriptor = -1
        try:
            if not path.is_dir():
                for parent in reversed(path.parents):
                    parent.mkdir(mode=0o755, exist_ok=True)
                path.mkdir(mode=0o700, exist_ok=True)
            # Whoever made a symbolic link chooses the directory.
            self._check_owner(path.lstat().st_uid)
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileExistsError, NotADirectoryError) as error:
            raise SpoolError(f"spool: {path} is not a directory") from error
        except (OSError, ValueError) as error:
            raise unwritable(error, path) from error
        self._identity = _identity(self._descriptor)
        self.check()
        held = _OPEN_FILES / str(self._descriptor)
        self.at: Path = held if held.exists() else path
        """A path to it that leads to the same directory for as long as it is open."""
        try:
            # Writing and locking are tried now, and not first by an emit.
            if (owned := self._own(f"{uuid4().hex[:12]}{SUFFIX}")) is not None:
                owned.release(delete=True)
        except OSError as error:
            # What is in the spool is delivered also while the disk is full.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise unwritable(error, path) from error

    def __del__(self) -> None:
        if self._descriptor >= 0 and self._is_open():
            os.close(self._descriptor)

    def _is_open(self) -> bool:
        # A program that becomes a daemon may close what it has open, and the number may mean something else by now.
        try:
            return _identity(self._descriptor) == self._identity
        except OSError:
            return False

    def is_there(self) -> bool:
        """Whether it is still open, and wasn't deleted."""
        return self._is_open() and os.fstat(self._descriptor).st_nlink > 0

    def is_at_path(self) -> bool:
        """Whether its path still leads to it."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def check(self) -> None:
        """Raise `SpoolError` if others can change what is in it."""
        found = os.fstat(self._descriptor)
        self._check_owner(found.st_uid)
        # Kubernetes gives a volume's directories to the pod's group in this way (fsGroup).
        group = found.st_mode & _FS_GROUP == _FS_GROUP and found.st_gid in (os.getegid(), *os.getgroups())
        if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not group):
            raise SpoolError(
                f"spool: others can write to {self.path} (mode {stat.S_IMODE(found.st_mode):04o}); use a directory "
                f"below it, or chmod 700 {self.path}"
            )

    def _check_owner(self, user: int) -> None:
        if user not in (os.geteuid(), 0):
            raise SpoolError(
                f"spool: {self.path} belongs to user {user}, who could read and change the events; "
                "use a directory of your own"
            )

    def files(self) -> list[Path]:
        """The paths of the spool files in it, for messages."""
        return [self.path / name for name in self._names() if name.endswith(SUFFIX)]

    def has_files(self) -> bool:
        """Whether a process has left something in it, or has a file in it."""
        return any(name.endswith((SUFFIX, SALVAGE_SUFFIX)) for name in self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.at))
        except FileNotFoundError:
            return []

    def create(self) -> Ownership:
        """A new, empty file, owned. Raises `OSError` and `SpoolError`."""
        avoided: list[int] = []
        try:
            while True:
                owned = self._own(f"{uuid4().hex[:12]}{SUFFIX}")
                if owned is None:
                    continue
                try:
                    # SQLite gives its other files the mode of this one.
                    descriptor = create(owned.at)
                except BaseException:
                    owned.release(delete=True)
                    raise
                owned.identity = _identity(descriptor)
                if owned.identity not in inherited:
                    os.close(descriptor)
                    return owned
                # The parent's file is gone and this is its inode again, for which see `inherited`.
                avoided.append(descriptor)
                owned.release(delete=True)
        finally:
            for descriptor in avoided:
                os.close(descriptor)

    def adopt(self, known: set[Path], refused: Callable[[Path, Exception], None]) -> Iterator[Ownership]:
        """Own every file that no process owns, but those that are known; `refused` gets those that aren't trusted."""
        names = {Path(name).with_suffix(SUFFIX).name for name in self._names() if name.endswith((SUFFIX, LOCK_SUFFIX))}
        for name in sorted(names - {path.name for path in known}, key=lambda name: (_age(self.at / name), name)):
            try:
                owned = self._adopted(name)
            except (OSError, SpoolError) as error:
                refused(self.path / name, error)
                continue
            if owned is None:
                continue
            if owned.identity is not None:
                yield owned
            else:  # its owner died before it was made, or while it was removed
                owned.release(delete=True)

    def _adopted(self, name: str) -> Ownership | None:
        at = self.at / name
        if trusted(at) in inherited:
            return None
        owned = self._own(name)
        if owned is None:
            return None
        try:
            salvaged = at.with_suffix(SALVAGE_SUFFIX)
            if trusted(at) is None and trusted(salvaged) is not None:
                # The corrupt file was set aside, and then its process died.
                os.rename(salvaged, at)
            for suffix in SIDE_FILES:
                trusted(Path(f"{at}{suffix}"))
            owned.identity = trusted(at)
        except BaseException:
            owned.release(unused=True)
            raise
        return owned

    def _own(self, name: str) -> Ownership | None:
        """The lock on a file; None if a process has it, this one included. Leaves nothing behind if that fails."""
        lock = (self.at / name).with_suffix(LOCK_SUFFIX)
        made = False
        try:
            descriptor = create(lock)
            made = True
        except FileExistsError:
            try:
                descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:  # its owner removed it
                return None
        try:
            # Its owner may have removed it between the two calls.
            if self._lock(descriptor) and trusted(lock) == _identity(descriptor):
                return Ownership(self, name, descriptor, made=made)
        except BaseException:
            os.close(descriptor)
            if made:
                lock.unlink(missing_ok=True)
            raise
        os.close(descriptor)
        return None

    def _lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise SpoolError(
                f"spool: files in {self.path} can't be locked (flock: {error.strerror}); use a directory on a local "
                "file system"
            ) from error
        return True

    def others(self, ours: set[Path]) -> int:
        """Bytes of the files that another process owns, without SQLite's own beside them."""
        total = 0
        for path in self.files():
            if path not in ours:
                with suppress(OSError):
                    total += os.lstat(self.at / path.name).st_size
        return total

    def reserve(self) -> int:
        """Bytes of the disk that are left alone, so that what is in the spool can still be delivered and settled."""
        found = os.fstatvfs(self._descriptor)
        return min(2 * _WAL_LIMIT, found.f_blocks * found.f_frsize // 8)

    def free(self) -> int:
        """Bytes of the disk that this process may still use."""
        found = os.fstatvfs(self._descriptor)
        return found.f_bavail * found.f_frsize

    def wal_limit(self) -> int:
        """How long the log of a spool file gets before it is cut."""
        return self.reserve() // 2

    def sync(self) -> None:
        """Wait until the disk has the names in it."""
        os.fsync(self._descriptor)


def is_spool(path: Path) -> bool:
    """Whether a directory can be a spool: it has files of one, or nothing but what a new file system has."""
    names = set(os.listdir(path)) - {"lost+found"}
    return not names or any(_OF_SPOOL.search(name) for name in names)


# ---- opening files ---------------------------------------------------------------------------------------------------


def create(path: Path) -> int:
    """A new file that only its owner can read. Raises `FileExistsError`, also for a symbolic link."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


def trusted(path: Path) -> Identity | None:
    """The identity of a file that no other user can have made; None if it doesn't exist. Raises `UntrustedError`."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        reason = "isn't a regular file"
    elif found.st_uid != os.geteuid():
        reason = f"belongs to user {found.st_uid}"
    elif found.st_nlink != 1:
        reason = f"has {found.st_nlink} names"
    else:
        return found.st_dev, found.st_ino
    raise UntrustedError(f"{path.name} {reason}, so another user may have put it there")


def connect(path: Path, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection to a spool file; `verify` comes before the first write. Raises `UntrustedError`.

    `patience`: for how many seconds another process is waited for.
    """
    for suffix in SIDE_FILES:
        trusted(Path(f"{path}{suffix}"))
    # Not one that its owner removes in this moment: that would be made anew.
    return rows.connect(f"{path.absolute().as_uri()}?mode=rw", patience, uri=True)


def verify(path: Path, connections: int) -> None:
    """Raise `UntrustedError` unless the files that SQLite has open are the trusted ones at `path`.

    SQLite opens files by their path, and resolves it first: another user may replace a directory in between.
    """
    opened: Counter[Identity] = Counter()
    for descriptor, _ in _descriptors():
        with suppress(OSError):
            opened[_identity(descriptor)] += 1
    for suffix, least in zip(SIDE_FILES, (connections, 1, 1, 0), strict=True):
        found = trusted(Path(f"{path}{suffix}"))
        missing = not suffix if found is None else opened[found] < least
        if missing and opened:  # the system shows what is open
            raise UntrustedError(f"{path.name}{suffix} was replaced while it was opened")


def remove(path: Path) -> None:
    """Delete a file with its side files."""
    for suffix in SIDE_FILES:
        with suppress(OSError):  # then it is adopted, found empty, and removed some other time
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def unwritable(error: Exception, path: Path) -> SpoolError:
    """What to do about a directory or file that can't be written."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SpoolError(f"{path} can't be written: {reason}; the spool needs a directory that this process may write to")


def _age(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _identity(descriptor: int) -> Identity:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _descriptors() -> list[tuple[int, str]]:
    """What this process has open, with the path of each; nothing where the system doesn't show it."""
    found: list[tuple[int, str]] = []
    with suppress(OSError):
        for name in os.listdir(_OPEN_FILES):
            with suppress(OSError):
                found.append((int(name), os.readlink(_OPEN_FILES / name)))
    return found
