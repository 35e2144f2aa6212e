"""The process that owns an embedded PostgreSQL server, and takes it down with its parent.

It makes a directory and a cluster in it, runs postgres, obeys the lines `down`, `up` and `stop` on its standard input,
and ends when its parent is gone, however the parent died. Whatever the reason, postgres is stopped and the directory is
removed before it exits. Root's privileges are given up as soon as there is a directory.

It answers on standard output, one line each: `directory PATH`, `ready`, `down`, `up`, or `error TEXT`. What the server
is used for, its tables and its connections are the business of the parent.

Called with: PARENT_PID INSTALLATION LIBRARIES TEMPORARY_DIRECTORY...
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from .account import Account
from .directory import SIGNALS, Directory
from .errors import ParentGone, SupervisorError
from .installation import Installation
from .processes import Parent
from .server import Server


def main(arguments: list[str]) -> int:
    """Run until the parent is gone or sends stop; return the exit status."""
    pid, folder, libraries, *candidates = arguments
    for number in SIGNALS:
        signal.signal(number, _terminate)
    os.umask(0o077)
    os.chdir("/")
    parent = Parent(int(pid))
    directory: Directory | None = None
    server: Server | None = None
    try:
        try:
            if not parent.alive():
                return 1
            account = Account()
            installation = Installation(folder, libraries, account)
            directory = Directory(account)
            directory.make(candidates, for_programs=installation.copied)
            _report(f"directory {directory.path}")
            program, share = installation.place(directory.path)
            server = Server(directory.path, program, share, parent, account.library)
            server.create()
            _report("ready")
            _obey(parent, server)
        except (SupervisorError, OSError) as error:
            _report(f"error {error}")
            return 1
        except ParentGone:
            return 0
        return 0
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if server is not None:
            server.stop(signal.SIGQUIT)
        if directory is not None:
            directory.remove()


def _obey(parent: Parent, server: Server) -> None:
    """Do what the parent asks for until it asks for the end, or is gone."""
    while True:
        command = parent.wait(1000)
        if command == "stop":
            return
        try:
            if command == "down":
                server.stop(signal.SIGINT)
                _report("down")
            elif command == "up":
                server.start()
                _report("up")
        except SupervisorError as error:
            _report(f"error {error}")


def _report(line: str) -> None:
    # The parent may be gone, and with it the reader.
    with contextlib.suppress(OSError):
        os.write(1, (" ".join(line.split("\n")) + "\n").encode("utf-8", "surrogateescape"))


def _terminate(number: int, frame: FrameType | None) -> None:
    raise ParentGone
