"""A session with the server over its socket: the few messages of PostgreSQL's protocol that running statements takes.

There is no driver for the supervisor to use, which must not depend on what the caller has installed.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Generator

from .errors import SupervisorError

_PROTOCOL = 3 << 16
_READY, _ERROR = b"Z", b"E"


class Session:
    """One connection that runs statements and ignores what they return."""

    def __init__(self, connection: socket.socket, database: str, options: str) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        words = ("user", "postgres", "database", database, "options", options)
        startup = struct.pack("!i", _PROTOCOL) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
        self._connection.sendall(struct.pack("!i", len(startup) + 4) + startup)
        self._await_ready()

    def run(self, statements: str) -> None:
        """Run statements in one transaction.

        Raises:
            SupervisorError: One of them failed.
        """
        query = statements.encode() + b"\0"
        self._connection.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
        self._await_ready()

    def close(self) -> None:
        """End the session."""
        with contextlib.suppress(OSError):
            self._connection.sendall(b"X" + struct.pack("!i", 4))
        self._stream.close()

    def _await_ready(self) -> None:
        failure = ""
        while True:
            kind = self._stream.read(1)
            if not kind:
                raise SupervisorError(failure or "postgres closed the connection")
            (length,) = struct.unpack("!i", self._stream.read(4))
            content = self._stream.read(length - 4)
            if kind == _ERROR:
                fields = {field[:1]: field[1:] for field in content.split(b"\0")}
                failure = fields.get(b"M", b"an error without a text").decode(errors="replace")
            elif kind == _READY:
                if failure:
                    raise SupervisorError(failure)
                return


@contextlib.contextmanager
def opened(path: str, database: str, options: str, seconds: float) -> Generator[Session]:
    """A session over a socket, in which no answer takes longer than so many seconds.

    Raises:
        SupervisorError: The server refuses it.
        OSError: It can't be reached, or doesn't answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        session = Session(connection, database, options)
        try:
            yield session
        finally:
            session.close()
