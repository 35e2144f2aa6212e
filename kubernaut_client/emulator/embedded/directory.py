"""The directory that holds a database: where it is made, whose it becomes, and how it goes away whoever dies first.

Where the unprivileged user may write, that user makes it. Elsewhere root makes it, hands it over by its descriptor, and
keeps one process that removes it, empty, from the parent directory. Nothing within it is ever touched by root.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import sys
import time
from typing import NoReturn

from .account import Account
from .errors import SupervisorError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # bytes of sun_path, without the closing zero
DIRECTORY_LENGTH = len("kubernaut-") + 8
LEAST_SPACE = 48  # MiB; an empty cluster has 23
SPACE_FOR_PROGRAMS = 96  # MiB, of a copy of the installation
_TRIES = 150
_PAUSE = 0.02  # seconds

_UNFIT = {",": "a comma separates hosts in connection strings", "\n": "it has a line break"}


class Directory:
    """A directory with an unguessable name, for one user."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._descriptor = -1
        self._parent = -1  # where root removes it
        self._pipe = -1
        self._watcher = 0
        self.path: str = ""

    def make(self, candidates: list[str], *, for_programs: bool) -> None:
        """Make it under the first candidate that will do, and become the account.

        From then on a process of its own, the watcher, removes the directory as soon as this process is gone. It keeps
        root's privileges only where the account may not remove the directory.

        Args:
            for_programs: It is to hold a copy of the installation, too.

        Raises:
            SupervisorError: None will; the text has all reasons.
        """
        # A signal must come before there is a directory, or after it is watched.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._choose(candidates, for_programs)
            self._enter()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def remove(self) -> None:
        """Remove it with all that is in it, and return when it is gone."""
        if self._watcher:
            os.close(self._pipe)
            os.waitpid(self._watcher, 0)
        if self.path and os.path.lexists(self.path):
            # There is no watcher yet, or it was killed. Where only root may remove it, an empty directory is left.
            self._clear()

    def _choose(self, candidates: list[str], for_programs: bool) -> None:
        reasons: list[str] = []
        for candidate in candidates:
            reason = _unfit(candidate, for_programs) or self._make(candidate)
            if not reason:
                return
            reasons.append(f"{candidate}: {reason}")
        raise SupervisorError(
            "no directory for the database; set TMPDIR to a short writable one. " + "; ".join(reasons)
        )

    def _enter(self) -> None:
        """Become the account, and start the watcher."""
        if self._parent < 0:
            self._account.enter()
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        watching, self._pipe = os.pipe()
        self._watcher = os.fork()
        if self._watcher == 0:
            self._watch(watching)
        os.close(watching)
        if self._parent >= 0:
            self._account.enter()
            os.close(self._parent)
            self._parent = -1

    def _make(self, candidate: str) -> str:
        """Make it under a candidate; the reason if it can't be made or used there."""
        name = f"kubernaut-{os.urandom(4).hex()}"
        path = os.path.join(candidate, name)
        number = self._account.attempt(functools.partial(os.mkdir, path, 0o700))
        if number == 0:
            self.path = path
            return ""
        if not self._account.changes:
            return os.strerror(number)
        try:
            return self._hand_over(candidate, name)
        except OSError as error:
            return error.strerror or str(error)

    def _hand_over(self, candidate: str, name: str) -> str:
        """Make it as root and give it to the account; the reason if the account can't reach it there."""
        flags = os.O_RDONLY | os.O_DIRECTORY
        parent = os.open(candidate, flags)
        descriptor = -1
        path = os.path.join(candidate, name)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            try:
                # By descriptor: whoever owns the parent could put something else in its place. Only what is root's and
                # empty is given away.
                descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=parent)
                if os.fstat(descriptor).st_uid != os.geteuid() or os.listdir(descriptor):
                    raise PermissionError(errno.EPERM, "another process replaced the directory")
                os.fchown(descriptor, self._account.user, self._account.group)
                if self._account.attempt(functools.partial(_require_same, path, os.fstat(descriptor))):
                    raise PermissionError(errno.EACCES, f"out of reach for user {self._account.user}")
            except BaseException:
                os.rmdir(name, dir_fd=parent)
                raise
        except BaseException:
            for opened in (parent, descriptor):
                if opened >= 0:
                    os.close(opened)
            raise
        self.path, self._parent, self._descriptor = path, parent, descriptor
        return ""

    def _watch(self, watching: int) -> NoReturn:
        try:
            # Its signals stay blocked. Standard output stays open: the caller waits until nothing has it open.
            os.close(0)
            os.close(2)
            os.close(self._pipe)
            os.read(watching, 1)
            self._clear()
        finally:
            os._exit(0)

    def _clear(self) -> None:
        """Remove it. Repeats, as a program that was just killed may still add a file."""
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                if self._parent < 0:
                    self._empty()
                else:
                    self._account.attempt(self._empty)
                with contextlib.suppress(OSError):
                    if self._parent < 0:
                        os.rmdir(self.path)
                    else:
                        os.rmdir(os.path.basename(self.path), dir_fd=self._parent)
            if not os.path.lexists(self.path):
                return
            time.sleep(_PAUSE)

    def _empty(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        _empty(self._descriptor)


def _unfit(candidate: str, for_programs: bool) -> str:
    """Why no database can be under a directory, as far as its name and its file system show."""
    for character, reason in _UNFIT.items():
        if character in candidate:
            return reason
    if len(os.fsencode(os.path.join(candidate, "x" * DIRECTORY_LENGTH, SOCKET_NAME))) > LONGEST_SOCKET_PATH:
        return f"too long for a socket path, which may have {LONGEST_SOCKET_PATH} bytes"
    try:
        space = os.statvfs(candidate)
    except OSError as error:
        return error.strerror or str(error)
    least = LEAST_SPACE + SPACE_FOR_PROGRAMS * for_programs
    if space.f_blocks and space.f_bavail * space.f_frsize < least << 20:
        return f"less than {least} MiB are free"
    if for_programs and space.f_flag & os.ST_NOEXEC:
        return "no program may be executed there"
    return ""


def _require_same(path: str, status: os.stat_result) -> None:
    """Raise unless this user can use a directory under its path."""
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK) or not os.path.samestat(os.lstat(path), status):
        raise PermissionError(path)


def _empty(folder: int) -> None:
    """Remove all that is in an open directory, without following links."""
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            try:
                os.unlink(name, dir_fd=folder)
            except (IsADirectoryError, PermissionError):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    _empty(inner)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=folder)
