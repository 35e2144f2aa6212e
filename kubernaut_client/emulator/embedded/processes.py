"""The parent, which brings commands and whose end is noticed; and the programs that the supervisor runs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import NoReturn

from .errors import ParentGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

# All that a program gets: nothing of the caller's environment reaches PostgreSQL or the libraries that it loads.
_ENVIRONMENT = {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
_PR_SET_PDEATHSIG = 1


class Parent:
    """The process that wants the server: shows when it is gone, and brings its commands."""

    def __init__(self, pid: int) -> None:
        self._descriptor = -1
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(pid)
        self._pid = pid
        self._pending = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLIN)

    def alive(self) -> bool:
        """Whether the parent still runs. A process whose parent died has another one."""
        return os.getppid() == self._pid

    def wait(self, milliseconds: int, extra: int = -1) -> str:
        """Return the next command, or an empty text after a while or when the descriptor `extra` is readable."""
        command = self._command()
        if command:
            return command
        if extra >= 0:
            self._poll.register(extra, select.POLLIN)
        try:
            events = dict(self._poll.poll(milliseconds))
        finally:
            if extra >= 0:
                self._poll.unregister(extra)
        if not self.alive() or (self._descriptor >= 0 and self._descriptor in events):
            raise ParentGone
        if 0 in events:
            data = os.read(0, 4096)
            if not data:
                raise ParentGone
            self._pending += data
        return self._command()

    def _command(self) -> str:
        line, newline, rest = self._pending.partition(b"\n")
        if not newline:
            return ""
        self._pending = rest
        return line.decode("ascii", "replace").strip()


class Child:
    """A program started by the supervisor.

    Args:
        log: Where its output is added.
        script: What it reads.
        library: The C library, if the program is to end when the supervisor dies.
    """

    def __init__(
        self, arguments: list[str], log: str, *, script: str | None = None, library: ctypes.CDLL | None = None
    ) -> None:
        self.name: str = os.path.basename(arguments[0])
        self._descriptor = -1
        self.status: int | None = None
        self.pid: int = os.fork()
        if self.pid == 0:
            self._become(arguments, log, script, library)
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(self.pid)

    @staticmethod
    def _become(arguments: list[str], log: str, script: str | None, library: ctypes.CDLL | None) -> NoReturn:
        try:
            os.setpgid(0, 0)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            incoming = os.open(script or os.devnull, os.O_RDONLY | os.O_NOFOLLOW)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            os.dup2(incoming, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            if library is not None and sys.platform == "linux":
                # Should somebody kill just the supervisor, the kernel ends postgres.
                library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)
            os.execve(arguments[0], arguments, _ENVIRONMENT)  # noqa: S606  # that is the point
        except BaseException as error:  # noqa: BLE001  # a forked child must never get into its parent's code
            os.write(2, f"{arguments[0]}: {error}\n".encode())
            os._exit(127)

    def ended(self) -> bool:
        """Whether the program has ended; collects its status once."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                    self._descriptor = -1
        return self.status is not None

    def await_end(self, parent: Parent | None, seconds: float) -> bool:
        """Wait until the program has ended; False if it still runs after so many seconds."""
        limit = time.monotonic() + seconds
        while not self.ended():
            left = limit - time.monotonic()
            if left <= 0:
                return False
            step = int(min(left, 0.5 if self._descriptor >= 0 else 0.005) * 1000) + 1
            if parent is not None:
                command = parent.wait(step, self._descriptor)
                if command == "stop":
                    raise ParentGone
            elif self._descriptor >= 0:
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLIN)
                waiting.poll(step)
            else:
                time.sleep(0.005)
        return True

    def send(self, number: int) -> None:
        """Send a signal, if the program still runs."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
