"""A server on a real socket that does what a script says: with each connection, byte for byte.

It reads just enough HTTP to know where a request ends. What is sent, when, and how the connection ends is the script's;
what the client should make of it is the tests'.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

JOIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """One accepted connection, as a script sees it."""

    def __init__(self, server: "WireServer", sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._pending = b""

    def request(self) -> Received | None:
        """The next request, all of it; None when the client went away before its end."""
        while b"\r\n\r\n" not in self._pending:
            if not self._more():
                return None
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        while len(self._pending) < length:
            if not self._more():
                return None
        body, self._pending = self._pending[:length], self._pending[length:]
        received = Received(method, target, headers, body)
        self.server.note(received)
        return received

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def trickle(self, data: bytes, every: float = 0.1) -> None:
        """Send byte by byte until the data, the client or the test ends."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.stopping.wait(every):
                return

    def stall(self) -> None:
        """Do nothing until the test ends."""
        self.server.stopping.wait()

    def reset(self) -> None:
        """End the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._pending += data
        return bool(data)


Script = Callable[[Connection], None]


class WireServer:
    """Runs `script` for every connection, each in a thread of its own; closes the connection after it."""

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", receive_buffer: int = 0
    ) -> None:
        self.script = script
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.requests: list[Received] = []
        self.failures: list[Exception] = []
        self.accepted = 0
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((host, 0))
        self._listener.listen(512)
        self.port = int(self._listener.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="wire-accept", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def note(self, received: Received) -> None:
        with self.changed:
            self.requests.append(received)
            self.changed.notify_all()

    def wait_for_requests(self, count: int) -> None:
        """Block until so many requests have arrived; a TimeoutError fails the test."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.requests) >= count, JOIN_SECONDS):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")

    def wait_for_connections(self, count: int) -> None:
        """Block until so many connections were accepted; a TimeoutError fails the test."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.accepted >= count, JOIN_SECONDS):
                raise TimeoutError(f"{self.accepted} of {count} connections were made")

    def wait_for_ends(self) -> None:
        """Block until every connection has come to its end; a TimeoutError fails the test."""
        with self.changed:
            if not self.changed.wait_for(lambda: not self._open, JOIN_SECONDS):
                raise TimeoutError(f"{len(self._open)} of {self.accepted} connections are still open")

    def close(self) -> None:
        """End every connection and thread; a script that failed by itself fails the test."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(JOIN_SECONDS)
        with self.changed:
            left = list(self._open)
        for sock in left:
            # Wakes a thread that waits in recv or send.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        if self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.accepted += 1
                number = self.accepted
                self._open.add(sock)
                self.changed.notify_all()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._serve, args=(sock, number), name="wire-connection", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        used = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                used = self._tls.wrap_socket(sock, server_side=True)
                with self.changed:
                    self._open.discard(sock)
                    self._open.add(used)
            self.script(Connection(self, used, number))
        # The client went away, or wasn't satisfied with the handshake: what it makes of it is what is tested.
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - raised by close(), in the thread of the test
            self.failures.append(error)
        finally:
            with self.changed:
                self._open.discard(used)
                self._open.discard(sock)
                self.changed.notify_all()
            used.close()


def once(data: bytes) -> Script:
    """A script that reads one request, sends these bytes and closes."""

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            connection.send(data)

    return script


def keep_alive(answer: Callable[[Received], bytes]) -> Script:
    """A script that answers every request on a connection until the client closes it."""

    def script(connection: Connection) -> None:
        while (received := connection.request()) is not None:
            connection.send(answer(received))

    return script


def answer(
    status: int | str = 200, body: bytes = b"{}", content_type: str = "application/json", *headers: str
) -> bytes:
    """The bytes of a whole answer with a Content-Length."""
    kept = [f"Content-Type: {content_type}"] if content_type else []
    lines = [f"HTTP/1.1 {status}", *kept, *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@contextlib.contextmanager
def full_backlog(host: str = "127.0.0.1") -> Iterator[int]:
    """A port where connecting never comes to an end: its listener accepts nothing and its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
