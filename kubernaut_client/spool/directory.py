"""The spool directory: which files are in it, whose they are, and whether there is room.

A file belongs to whoever holds the kernel's lock on the lock file beside it, which the kernel releases when that
process ends, however it ends. What is inside a file is left to `spoolfile`.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from kubernaut_client.errors import SpoolError
from kubernaut_client.problems import shown

from .spoolfile import SIDE_FILES, SUFFIX, remove

LOCK_SUFFIX = ".lock"
CORRUPT_SUFFIX = ".corrupt"
SALVAGE_SUFFIX = ".salvage"
_WAL_LIMIT = 16 * 2**20
_FS_GROUP = stat.S_IWGRP | stat.S_ISGID

# Files that this process inherited at a fork. SQLite keeps a list of the files that a process has open, which is wrong
# for these from then on, so this process never opens them again.
inherited: set[tuple[int, int]] = set()


class Ownership:
    """The lock on one spool file, held until `release` or the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Ownership | None:
        """Own a spool file; None if somebody does, this process included. Raises `OSError`."""
        lock = path.with_suffix(LOCK_SUFFIX)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its owner may have removed it between the two calls.
            ours, there = os.fstat(descriptor), os.stat(lock)
            if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
                return cls(path, descriptor)
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def release(self, *, delete: bool = False) -> None:
        """Give it up; `delete`: the file goes too, before anybody else can own it."""
        if delete:
            remove(self.path)
            with suppress(OSError):
                self.path.with_suffix(LOCK_SUFFIX).unlink(missing_ok=True)
        os.close(self._descriptor)

    def is_there(self) -> bool:
        """Whether its lock is still in the directory, and so the file most likely, too."""
        try:
            there = os.stat(self.path.with_suffix(LOCK_SUFFIX))
        except OSError:
            return False
        ours = os.fstat(self._descriptor)
        return self.path.exists() and (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    # In a forked child that is all: the parent goes on holding it.
    abandon = release


class Directory:
    """A spool directory; made when it is first needed, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make it. Raises `OSError` where that can't be done, and `SpoolError` where others can write to it."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Raise `SpoolError` if somebody else could change what is in it; nothing if it doesn't exist yet."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SpoolError(f"spool: {shown(str(self.path))} can't be used: {reason}") from error
        if not stat.S_ISDIR(found.st_mode):
            raise SpoolError(f"spool: {self.path} is not a directory")
        if found.st_uid not in (os.geteuid(), 0):
            raise SpoolError(
                f"spool: {self.path} belongs to user {found.st_uid}, who could read and change the events; "
                "use a directory of your own"
            )
        # Kubernetes gives a volume's directories to the pod's group in this way (fsGroup).
        group = found.st_mode & _FS_GROUP == _FS_GROUP and found.st_gid in (os.getegid(), *os.getgroups())
        if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not group):
            raise SpoolError(
                f"spool: others can write to {self.path} (mode {stat.S_IMODE(found.st_mode):04o}); use a directory "
                f"below it, or chmod 700 {self.path}"
            )

    def files(self) -> Iterator[Path]:
        """The spool files in it."""
        with suppress(FileNotFoundError):
            yield from sorted(self.path.glob(f"*{SUFFIX}"))

    def create(self) -> Ownership:
        """A new, empty file, owned."""
        avoided: list[int] = []
        try:
            while True:
                path = self.path / f"{uuid4().hex[:12]}{SUFFIX}"
                owned = Ownership.take(path)
                if owned is None:
                    continue
                try:
                    # SQLite gives its other files the mode of this one.
                    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
                except BaseException:
                    owned.release(delete=True)
                    raise
                if _identity(path) not in inherited:
                    os.close(descriptor)
                    return owned
                # The parent's file is gone and this is its inode again, for which see `inherited`.
                avoided.append(descriptor)
                owned.release(delete=True)
        finally:
            for descriptor in avoided:
                os.close(descriptor)

    def adopt(self, known: set[Path]) -> Iterator[Ownership]:
        """Own every file that nobody owns, but those that are known."""
        locks = {path.with_suffix(SUFFIX) for path in self.path.glob(f"*{LOCK_SUFFIX}")}
        for path in sorted({*self.files(), *locks} - known, key=_age):
            if _identity(path) in inherited:
                continue
            try:
                owned = Ownership.take(path)
            except OSError:  # another user's
                continue
            if owned is None:
                continue
            salvaged = path.with_suffix(SALVAGE_SUFFIX)
            if not path.exists() and salvaged.exists():
                # The corrupt file was set aside, and then its process died.
                try:
                    os.rename(salvaged, path)
                except OSError:
                    owned.release()
                    continue
            if path.exists():
                yield owned
            else:  # its owner died before it was made, or while it was removed
                owned.release(delete=True)

    def others(self, ours: set[Path]) -> int:
        """Bytes of the files that somebody else owns, without SQLite's own beside them."""
        total = 0
        for path in self.files():
            if path not in ours:
                with suppress(OSError):
                    total += os.stat(path).st_size
        return total

    def reserve(self) -> int:
        """Bytes of the disk that are left alone, so that what is in the spool can still be delivered and settled."""
        found = os.statvfs(self.path)
        return min(2 * _WAL_LIMIT, found.f_blocks * found.f_frsize // 8)

    def free(self) -> int:
        """Bytes of the disk that this process may still use."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def wal_limit(self) -> int:
        """How long the log of a spool file gets before it is cut."""
        return self.reserve() // 2


def _age(path: Path) -> tuple[float, Path]:
    try:
        return path.stat().st_mtime, path
    except OSError:
        return 0.0, path


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def identities(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Device and inode of files."""
    yield from filter(None, map(_identity, paths))


def descriptors(paths: Iterable[Path]) -> Iterator[int]:
    """The open descriptors of spool files and their side files in this process, as far as the system tells."""
    wanted = {_identity(Path(f"{path}{suffix}")) for path in paths for suffix in SIDE_FILES} - {None}
    try:
        open_ones = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return
    for descriptor in open_ones:
        with suppress(OSError):
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) in wanted:
                yield descriptor
