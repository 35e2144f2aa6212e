"""One data directory and the postgres on it."""

from __future__ import annotations

import os
import signal
import time

from . import cluster, session
from .directory import SOCKET_NAME
from .errors import ParentGone, SupervisorError
from .processes import Child, Parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

# Nothing here survives the process, so all that buys durability is off. Connections come over the socket only.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "port": "5432",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "wal_init_zero": "off",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_naptime": "15s",
    "jit": "off",
    # mmap keeps both kinds of shared memory out of /dev/shm; files in the directory go away with it.
    "shared_memory_type": "mmap",
    "dynamic_shared_memory_type": "mmap",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_min_messages": "log",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
# For the run that makes the catalogs.
_SMALL = {
    "shared_buffers": "8MB",
    "max_connections": "20",
    "shared_memory_type": "mmap",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_IPC_RMID = 0
_STOP_SECONDS = 8.0
_START_SECONDS = 60.0


class Server:
    """One data directory and the postgres on it."""

    def __init__(self, directory: str, program: str, share: str, parent: Parent, library: ctypes.CDLL | None) -> None:
        self._data = os.path.join(directory, "data")
        self._log = os.path.join(directory, "log")
        self._directory = directory
        self._program = program
        self._share = share
        self._parent = parent
        self._process: Child | None = None
        self._library = library

    def create(self) -> None:
        """Make the cluster and run postgres on it; return when there are all databases."""
        cluster.lay_out(self._data)
        self._bootstrap()
        cluster.write_version(os.path.join(self._data, "base", "1"))
        self.start()
        path = os.path.join(self._directory, SOCKET_NAME)
        with session.opened(path, cluster.TEMPLATE, cluster.SESSION_OPTIONS, _START_SECONDS) as opened:
            for statements in cluster.statements(self._share):
                if self._parent.wait(0) == "stop":
                    raise ParentGone
                opened.run(statements)

    def start(self) -> None:
        """Run postgres and return when it takes connections."""
        if self._process is not None and not self._process.ended():
            return
        # The setting is a list, in which a directory is quoted like an identifier.
        sockets = '"{}"'.format(self._directory.replace('"', '""'))
        arguments = [self._program, "-D", self._data, "-k", sockets, *_settings(SERVER_OPTIONS)]
        self._process = Child(arguments, self._log, library=self._library)
        limit = time.monotonic() + _START_SECONDS
        while not self._takes_connections(self._process.pid):
            if self._process.ended():
                raise SupervisorError(f"postgres ended with status {self._process.status}: {self._last_words()}")
            if time.monotonic() > limit:
                raise SupervisorError(f"postgres was not ready within {_START_SECONDS:g} s: {self._last_words()}")
            if self._parent.wait(4) == "stop":
                raise ParentGone

    def stop(self, number: int) -> None:
        """Stop postgres: SIGINT in good order, SIGQUIT at once. Its connections end either way."""
        process = self._process
        if process is None:
            return
        process.send(number)
        if not process.await_end(None, _STOP_SECONDS):
            process.send(signal.SIGQUIT)
            if not process.await_end(None, _START_SECONDS):
                process.send(signal.SIGKILL)
                process.await_end(None, _STOP_SECONDS)
        self._process = None
        self._free_segment()

    def _bootstrap(self) -> None:
        """Run postgres without a server, to make the system catalogs."""
        path = os.path.join(self._directory, "script")
        cluster.write(path, cluster.bootstrap_script(self._share))
        arguments = [self._program, *cluster.BOOTSTRAP_OPTIONS, "-D", self._data, *_settings(_SMALL)]
        process = Child(arguments, self._log, script=path)
        try:
            if not process.await_end(self._parent, _START_SECONDS):
                raise SupervisorError(f"the cluster was not made within {_START_SECONDS:g} s")
        except BaseException:
            # Cut short, it would leave a System V segment behind; it is done in a moment anyway, or in a minute on a
            # machine that has too much to do.
            if not process.await_end(None, _START_SECONDS):
                process.send(signal.SIGKILL)
                process.await_end(None, _STOP_SECONDS)
            raise
        if process.status != 0:
            self._free_segment()
            raise SupervisorError(f"postgres --boot failed with status {process.status}: {self._last_words()}")
        os.unlink(path)

    def _free_segment(self) -> None:
        """Free what postgres leaves behind when somebody kills it, a small System V segment; its lock file names it."""
        segment = self._lock_line(7).split()
        if len(segment) == 2 and segment[1].isdigit() and self._library is not None:
            self._library.shmctl(int(segment[1]), _IPC_RMID, None)

    def _takes_connections(self, pid: int) -> bool:
        # What pg_ctl looks at, too: a line that postgres writes into its lock file.
        return self._lock_line(1) == str(pid) and self._lock_line(8) == "ready"

    def _lock_line(self, number: int) -> str:
        try:
            with open(os.path.join(self._data, "postmaster.pid"), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            return ""
        return lines[number - 1].strip() if len(lines) >= number else ""

    def _last_words(self) -> str:
        try:
            with open(self._log, encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file.read().splitlines() if line.strip()]
        except OSError:
            lines = []
        return " | ".join(lines[-4:]) or "it reported nothing"


def _settings(options: dict[str, str]) -> list[str]:
    return [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
