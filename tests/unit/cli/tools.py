"""Runs the command as people have it: in this process, in a pipe, and in a terminal of so many columns."""

import contextlib
import fcntl
import io
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import kubernaut_client.cli
from tests.variables import SETTINGS

COMMAND = [sys.executable, "-m", "kubernaut_client.cli"]
PATIENCE = 60.0
# What changes how the command behaves; a test sets what it is about.
_VARIABLES = (
    *SETTINGS,
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
)


@dataclass(frozen=True)
class Ran:
    """What a run came to; in a terminal `stdout` is all that was seen there."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document that stdout holds, and nothing else."""
        import json

        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return cast("dict[str, Any]", value)


def call(*arguments: str) -> Ran:
    """Run the command in this process, its output neither a terminal nor a file."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = kubernaut_client.cli.main(list(arguments))
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def piped(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Ran:
    """Run the command with pipes."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        **options,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def in_terminal(*arguments: str, columns: int, env: Mapping[str, str] | None = None, command: Any = COMMAND) -> Ran:
    """Run the command in a pseudo-terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment({"TERM": "xterm", **(env or {})}),
        start_new_session=True,
    )
    os.close(slave)
    try:
        seen = _read_all(master)
        return Ran(process.wait(PATIENCE), seen.decode("utf-8").replace("\r\n", "\n"), "")
    finally:
        os.close(master)
        process.kill()
        process.wait()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run, without what this process happens to have set for the command."""
    kept = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    return {**kept, **(more or {})}


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """A URL where connections are refused for as long as the context lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def _read_all(master: int) -> bytes:
    """What is written to a terminal until the last of its writers has gone."""
    seen = b""
    end = time.monotonic() + PATIENCE
    while select.select([master], [], [], max(end - time.monotonic(), 0))[0]:
        try:
            chunk = os.read(master, 65536)
        # That is how Linux says it.
        except OSError:
            return seen
        if not chunk:
            return seen
        seen += chunk
    raise TimeoutError(f"the command still runs after {PATIENCE:g} s; so far: {seen!r}")
