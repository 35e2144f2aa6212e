"""The port of an emulator: a socket that is bound all the time, and listens while the service is there.

While nobody listens on it, connections are refused, yet the port can't be given to another program. Accepting
connections is the business of `server.py`.
"""

from __future__ import annotations

import contextlib
import socket


class Listener:
    """A bound socket that can be replaced by another one on the same port.

    Raises:
        OSError: The port is in use, or the host is no address of this machine.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self.socket: socket.socket = _bind(host, port)
        self.port: int = self.socket.getsockname()[1]

    def get_ready(self) -> None:
        """Allow the socket to listen although connections of the one before it may still be there."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def hang_up(self) -> None:
        """Stop listening. The socket is then to be closed or renewed."""
        # A forked child may hold a copy of the socket; shut down, it refuses connections there, too.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def renew(self) -> None:
        """Close the socket and hold the port by another one, which doesn't listen yet.

        Raises:
            OSError: Another program took the port in this very moment.
        """
        self.close()
        self.socket = _bind(self._host, self.port)

    def close(self) -> None:
        """Let go of the port. In a forked child this closes its copy; the parent goes on listening."""
        self.socket.close()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OSError(error.errno, f"host: {host!r} can't be resolved: {error.strerror}") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # While it doesn't listen, another socket with this option on could otherwise take the port and listen there.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"port {port} on {host} can't be listened on: {error.strerror}") from None
    return bound
