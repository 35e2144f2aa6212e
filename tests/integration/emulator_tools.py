"""What the emulator's tests talk to it with: plain HTTP without the client, raw sockets, and a look at processes."""

import http.client
import json
import os
import select
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernaut_client.emulator import Emulator

WORKFLOWS = "/api/v1/workflows"
CATALOG = "remediation_workflow_catalog"
PATIENCE = 60.0  # seconds; far more than anything here takes


@dataclass(frozen=True)
class Answer:
    """What came back; `status` 0 if the connection was closed without a byte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lost(self) -> bool:
        return self.status == 0


def call(
    emulator: Emulator,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = PATIENCE,
) -> Answer:
    """Send one request on a connection of its own. Bytes and texts go as they are, all else as JSON."""
    connection = http.client.HTTPConnection(emulator.host, emulator.port, timeout=timeout)
    sent = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    except http.client.RemoteDisconnected:
        return Answer(0, http.client.HTTPMessage(), b"")
    finally:
        connection.close()


@contextmanager
def raw(emulator: Emulator, data: bytes = b"", timeout: float = PATIENCE) -> Generator[socket.socket]:
    """A raw connection on which some bytes have been sent."""
    with socket.create_connection((emulator.host, emulator.port), timeout=timeout) as connection:
        connection.sendall(data)
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    pieces: list[bytes] = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def closed(connection: socket.socket) -> bool:
    """Wait until the other side closes; False if it sends something instead."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def request_bytes(method: str, path: str, body: Any = None, *more: str) -> bytes:
    """A request as bytes."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *more]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def names(emulator: Emulator) -> list[tuple[str, str]]:
    """Name and version of all stored workflows."""
    return [(row["workflow_name"], row["version"]) for row in emulator.rows(CATALOG)]


def eventually(holds: Callable[[], bool]) -> None:
    """Ask again until it holds. Every question here takes a round trip or a look at /proc, so nothing spins."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, "it never came to hold"


class Process:
    """A process that is watched until its end; its id can't be given to another meanwhile."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def ended(self, seconds: float = PATIENCE) -> bool:
        """Wait for its end."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        os.close(self._descriptor)


def watched(pids: list[int]) -> list[Process]:
    """Those of some processes that still run."""
    found: list[Process] = []
    for pid in pids:
        with suppress(ProcessLookupError):
            found.append(Process(pid))
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def program(pid: int) -> str:
    """The name of the program that a process runs; empty once it has ended. Unlike its path it has no spaces."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def command(pid: int) -> str:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
