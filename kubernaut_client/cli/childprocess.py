"""A command that is run to its end in the place of this process: with its terminal, its signals and its exit code.

It gets a process group of its own, as a shell would give it, so that all of it can be told to end and nothing of it
stays behind. What it is run for is left to the caller.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from types import FrameType

from .exits import Facts
from .failures import CommandFailed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
NOT_FOUND = 127
NOT_EXECUTABLE = 126
_PATIENCE = 5.0  # seconds that what the command leaves running gets for its end
_MOST_SIGNALS = 2  # that are passed on as they are; whoever sends another wants an end


class CannotRun(CommandFailed):
    """The command can't be started; `code` is the exit code that a shell has for it."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__("CommandFailed", f"{name}: {error.strerror or error}", Facts(failed=True))
        self.code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


class Signals:
    """What comes in while a command is prepared and run: kept until it runs, then passed on to its group."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._group = 0

    @contextlib.contextmanager
    def caught(self) -> Generator[Signals]:
        """Catch the signals that end a process, except a SIGHUP that `nohup` has ignored; in the main thread."""
        numbers = [each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._take) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def passed_on(self, group: int) -> Generator[None]:
        """Pass them on to a process group, those that came before first."""
        self._group = group
        for number in self.received:
            _send(group, number)
        try:
            yield
        finally:
            self._group = 0

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if self._group:
            _send(self._group, number if len(self.received) <= _MOST_SIGNALS else signal.SIGKILL)


def run(words: Sequence[str], environment: Mapping[str, str], signals: Signals) -> int:
    """Run a command until it ends, and then end what it has left running in its group; its exit code.

    The code is 128 and the signal's number if a signal ended it, also if one was received before it was started.

    Raises:
        CannotRun: There is no such program, or it can't be executed.
    """
    if signals.received:
        return 128 + signals.received[0]
    try:
        # CPython ignores these two signals, and a program that is started would go on ignoring them.
        group = os.posix_spawnp(
            words[0], list(words), environment, setpgroup=0, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
    except OSError as error:
        raise CannotRun(words[0], error) from error
    with signals.passed_on(group):
        try:
            _await(group)
        finally:
            _end(group)
    # Not before: until then the group's number can't be given to another.
    code = os.waitstatus_to_exitcode(os.waitpid(group, 0)[1])
    return code if code >= 0 else 128 - code


def _await(group: int) -> None:
    """Wait until the process that leads a group has ended. On a terminal it is in the foreground meanwhile."""
    with _Terminal(group) as terminal:
        while True:
            stops = os.WSTOPPED if terminal.owned else 0
            event = os.waitid(os.P_PID, group, os.WEXITED | os.WNOWAIT | stops)
            if event is None or event.si_code != os.CLD_STOPPED:
                return
            # Taken, or it would be told again and again.
            os.waitid(os.P_PID, group, os.WSTOPPED | os.WNOHANG)
            terminal.suspend()


class _Terminal:
    """The terminal of this process, for the time of another group: only its foreground group can read, and gets Ctrl-C.

    Nothing is done unless standard input is a terminal and this process is in its foreground.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._ours = os.getpgrp()
        self.owned = _foreground() == self._ours

    def __enter__(self) -> _Terminal:
        self._hand_over()
        return self

    def __exit__(self, *_: object) -> None:
        self._take_back()

    def suspend(self) -> None:
        """Stop as the group has stopped (by Ctrl-Z), and go on with it once this process is continued."""
        self._take_back()
        os.kill(0, signal.SIGTSTP)
        self._hand_over()

    def _hand_over(self) -> None:
        if self.owned and _foreground() == self._ours:
            _set_foreground(self._group)
        if self.owned:
            # It may have been stopped for reading from a terminal that it hadn't got yet.
            _send(self._group, signal.SIGCONT)

    def _take_back(self) -> None:
        if self.owned and _foreground() == self._group:
            _set_foreground(self._ours)


def _foreground() -> int:
    """The group in the foreground of the terminal that standard input is; 0 if it isn't one."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) if sys.__stdin__ else 0
    except (OSError, ValueError):
        return 0


def _set_foreground(group: int) -> None:
    # From the background this would stop the process that does it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with contextlib.suppress(OSError, ValueError):
            os.tcsetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _end(group: int) -> None:
    """End what runs in a group: told to, and killed if that isn't enough."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _running(group):
            return
        _send(group, number)
        _send(group, signal.SIGCONT)
        _await_all(group, _PATIENCE)


def _await_all(group: int, seconds: float) -> None:
    """Wait until nothing runs in a group any more, for that long at most."""
    limit = time.monotonic() + seconds
    while (running := _running(group)) and time.monotonic() < limit:
        with contextlib.ExitStack() as opened:
            poll = select.poll()
            for pid in running:
                with contextlib.suppress(OSError):
                    descriptor = os.pidfd_open(pid)
                    opened.callback(os.close, descriptor)
                    poll.register(descriptor, select.POLLIN)
            poll.poll(max(limit - time.monotonic(), 0) * 1000)


def _running(group: int) -> list[int]:
    """The processes of a group, without those that have ended and wait to be noticed."""
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                # The program's name may hold spaces and parentheses; what follows it doesn't.
                state, _, its_group = file.read().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(int(name))
    return found


def _send(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
