"""The process that owns an embedded PostgreSQL server, and takes it down with its parent.

Runs as a script in a session of its own, under an isolated interpreter, and imports nothing but the standard library,
so that it starts in a few milliseconds and has one thread. It makes a directory, runs initdb and postgres in it, obeys
the lines `down`, `up` and `stop` on its standard input, and ends when its parent is gone, however the parent died.
Whatever the reason, postgres is stopped and the directory is removed before it exits.

It answers on standard output, one line each: `directory PATH`, `ready`, `down`, `up`, or `error TEXT`. What the server
is used for, its tables and its connections are the business of the parent.

Called as: supervisor.py PARENT_PID INSTALLATION LIBRARIES TEMPORARY_DIRECTORY...
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # bytes of sun_path, without the closing zero
DIRECTORY_LENGTH = len("kubernaut-") + 8

INITDB_OPTIONS = (
    "--no-sync",
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
    "--username=postgres",
    "--no-instructions",
    # Small log segments and little memory save a third of the time; the server is started with its own settings.
    "--wal-segsize=1",
    "--set=shared_buffers=8MB",
    "--set=max_connections=20",
    "--set=dynamic_shared_memory_type=mmap",
)

# Nothing here survives the process, so all that buys durability is off. Connections come over the socket only.
SERVER_OPTIONS = {
    "listen_addresses": "",
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

_ENVIRONMENT = {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
_PR_SET_PDEATHSIG = 1
_IPC_RMID = 0
_STOP_SECONDS = 8.0
_START_SECONDS = 60.0


class SupervisorError(Exception):
    """A step failed; the text is for the caller of the emulator."""


class ParentGone(Exception):
    """The parent ended, or asked for the end, while a step was under way."""


class Parent:
    """The process that wants the server: tells when it is gone, and brings its commands."""

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
    """A program started by the supervisor, under the unprivileged user if there is one.

    With the C library given, it ends when the supervisor dies.
    """

    def __init__(self, arguments: list[str], log: str, account: Account, library: ctypes.CDLL | None = None) -> None:
        self.name: str = os.path.basename(arguments[0])
        self._descriptor = -1
        self.status: int | None = None
        self.pid: int = os.fork()
        if self.pid == 0:
            self._become(arguments, log, account, library)
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(self.pid)

    @staticmethod
    def _become(arguments: list[str], log: str, account: Account, library: ctypes.CDLL | None) -> NoReturn:
        try:
            os.setpgid(0, 0)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            source = os.open(os.devnull, os.O_RDONLY)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(source, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            account.enter()
            if library is not None and sys.platform == "linux":
                # Should somebody kill just the supervisor, the kernel ends postgres. Changing the user clears the
                # setting, hence after it.
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

    def send(self, number: int, *, group: bool = False) -> None:
        """Send a signal, if the program still runs."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                if group:
                    os.killpg(self.pid, number)
                else:
                    os.kill(self.pid, number)


class Account:
    """The user that postgres runs under: the caller's own, or an unprivileged one, as it refuses to run as root."""

    def __init__(self) -> None:
        self.user: int = os.geteuid()
        self.group: int = os.getegid()
        self.changes: bool = self.user == 0
        if self.changes:
            self.user, self.group = self._unprivileged()

    @staticmethod
    def _unprivileged() -> tuple[int, int]:
        import pwd

        # initdb wants a user with a name, so that an unused number won't do.
        with contextlib.suppress(KeyError):
            nobody = pwd.getpwnam("nobody")
            if nobody.pw_uid > 0:
                return nobody.pw_uid, nobody.pw_gid
        for entry in pwd.getpwall():
            if entry.pw_uid > 0:
                return entry.pw_uid, entry.pw_gid
        raise SupervisorError("PostgreSQL refuses to run as root, and /etc/passwd names no other user to run it under")

    def enter(self) -> None:
        """Become this user, for good."""
        if self.changes:
            os.setgroups([])
            os.setgid(self.group)
            os.setuid(self.user)

    def can(self, test: Callable[[], bool]) -> bool:
        """Whether the test holds when this user makes it."""
        if not self.changes:
            return test()
        pid = os.fork()
        if pid == 0:
            try:
                self.enter()
                os._exit(0 if test() else 1)
            except BaseException:  # noqa: BLE001  # as above
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class Server:
    """One data directory and the postgres on it."""

    def __init__(self, directory: str, binaries: str, account: Account, parent: Parent) -> None:
        self._data = os.path.join(directory, "data")
        self._log = os.path.join(directory, "log")
        self._directory = directory
        self._binaries = binaries
        self._account = account
        self._parent = parent
        self._process: Child | None = None
        self._library: ctypes.CDLL | None = None

    def create(self) -> None:
        """Run initdb."""
        arguments = [os.path.join(self._binaries, "initdb"), "-D", self._data, *INITDB_OPTIONS]
        process = Child(arguments, self._log, self._account)
        try:
            self._library = _c_library()  # takes a while, during which initdb is at work
            if not process.await_end(self._parent, _START_SECONDS):
                raise SupervisorError(f"initdb did not finish within {_START_SECONDS:g} s")
        except BaseException:
            # Cut short, it would leave a System V segment behind; it is done in a moment anyway, or in a minute on a
            # machine that has too much to do. Killed, if it must be, with its whole group, as it runs its steps through
            # a shell.
            if not process.await_end(None, _START_SECONDS):
                process.send(signal.SIGKILL, group=True)
                process.await_end(None, _STOP_SECONDS)
            raise
        if process.status != 0:
            raise SupervisorError(f"initdb failed with status {process.status}: {self._last_words()}")

    def start(self) -> None:
        """Run postgres and return when it takes connections."""
        if self._process is not None and not self._process.ended():
            return
        # The setting is a list, in which a directory is quoted like an identifier.
        sockets = '"{}"'.format(self._directory.replace('"', '""'))
        arguments = [os.path.join(self._binaries, "postgres"), "-D", self._data, "-k", sockets]
        for name, value in SERVER_OPTIONS.items():
            arguments += ["-c", f"{name}={value}"]
        self._process = Child(arguments, self._log, self._account, self._library)
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
                segment = self._lock_line(7).split()
                process.send(signal.SIGKILL)
                process.await_end(None, _STOP_SECONDS)
                if len(segment) == 2 and self._library is not None:
                    # What postgres leaves behind when it is killed: a small System V segment.
                    self._library.shmctl(int(segment[1]), _IPC_RMID, None)
        self._process = None

    def _takes_connections(self, pid: int) -> bool:
        # What pg_ctl looks at, too: a line that postgres writes into its lock file.
        return self._lock_line(1) == str(pid) and self._lock_line(8) == "ready"

    def _lock_line(self, number: int) -> str:
        try:
            with open(os.path.join(self._data, "postmaster.pid"), encoding="ascii", errors="replace") as file:
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
        return " | ".join(lines[-4:]) or "it said nothing"


def _c_library() -> ctypes.CDLL | None:
    """The C library, for the few calls that Python lacks; None if there is no ctypes."""
    try:
        import ctypes
    except ImportError:
        return None
    return ctypes.CDLL(None)


def _make_directory(candidates: list[str], account: Account) -> str:
    """Make the directory under the first candidate that the socket's path fits into and that the user can reach."""
    reasons: list[str] = []
    for candidate in candidates:
        if "," in candidate:
            reasons.append(f"{candidate}: a comma separates hosts in connection strings")
            continue
        size = len(os.fsencode(os.path.join(candidate, "x" * DIRECTORY_LENGTH, SOCKET_NAME)))
        if size > LONGEST_SOCKET_PATH:
            reasons.append(f"{candidate}: too long for a socket path, which may have {LONGEST_SOCKET_PATH} bytes")
            continue
        directory = os.path.join(candidate, f"kubernaut-{os.urandom(4).hex()}")
        try:
            os.mkdir(directory, 0o700)
        except OSError as error:
            reasons.append(f"{candidate}: {error.strerror}")
            continue
        if account.changes:
            os.chown(directory, account.user, account.group)
        if account.can(functools.partial(os.access, directory, os.R_OK | os.W_OK | os.X_OK)):
            return directory
        os.rmdir(directory)
        reasons.append(f"{candidate}: out of reach for user {account.user}")
    raise SupervisorError("no directory for the database; set TMPDIR to a short writable one. " + "; ".join(reasons))


def _reachable(installation: str, libraries: str) -> bool:
    """Whether this process can run the programs and read what they need."""
    probes = [os.path.join(installation, "share", "postgresql", "postgres.bki")]
    if os.path.isdir(libraries):
        probes.append(libraries)
    programs = [os.path.join(installation, "bin", name) for name in ("initdb", "postgres")]
    return all(os.access(path, os.R_OK) for path in probes) and all(os.access(path, os.X_OK) for path in programs)


def _copy_installation(installation: str, libraries: str, directory: str) -> str:
    """Copy what initdb and postgres need into the directory, laid out as in the wheel; return the programs' folder."""
    target = os.path.join(directory, "install", "package", "pginstall")
    for program in ("initdb", "postgres"):
        _copy_file(os.path.join(installation, "bin", program), os.path.join(target, "bin", program), 0o755)
    _copy_tree(os.path.join(installation, "share"), os.path.join(target, "share"))
    _copy_tree(os.path.join(installation, "lib", "postgresql"), os.path.join(target, "lib", "postgresql"))
    # The programs find these by a path relative to their own.
    _copy_tree(libraries, os.path.join(directory, "install", os.path.basename(libraries)))
    return os.path.join(target, "bin")


def _copy_tree(source: str, target: str) -> None:
    if not os.path.isdir(source):
        return
    for folder, _, names in os.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        for name in names:
            if not name.endswith(".a"):
                _copy_file(os.path.join(folder, name), os.path.join(place, name), 0o755)


def _copy_file(source: str, target: str, mode: int) -> None:
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while chunk := reader.read(1 << 20):
            writer.write(chunk)
    os.chmod(target, mode)


def _remove(directory: str) -> None:
    """Remove a directory. Repeats, as a program that was just killed may still add a file."""
    for _ in range(100):
        try:
            for folder, folders, names in os.walk(directory, topdown=False):
                for name in names:
                    os.unlink(os.path.join(folder, name))
                for name in folders:
                    path = os.path.join(folder, name)
                    if os.path.islink(path):
                        os.unlink(path)
                    else:
                        os.rmdir(path)
            os.rmdir(directory)
        except FileNotFoundError:
            if not os.path.lexists(directory):
                return
        except OSError:
            time.sleep(0.02)
        else:
            return


def _say(line: str) -> None:
    # The parent may be gone; then nobody listens.
    with contextlib.suppress(OSError):
        os.write(1, (" ".join(line.split("\n")) + "\n").encode("utf-8", "surrogateescape"))


def _obey(parent: Parent, server: Server) -> None:
    """Do what the parent says until it says stop, or is gone."""
    while True:
        command = parent.wait(1000)
        if command == "stop":
            return
        try:
            if command == "down":
                server.stop(signal.SIGINT)
                _say("down")
            elif command == "up":
                server.start()
                _say("up")
        except SupervisorError as error:
            _say(f"error {error}")


def _terminate(number: int, frame: FrameType | None) -> None:
    raise ParentGone


def main(arguments: list[str]) -> int:
    """Run until the parent is gone or says stop; return the exit status."""
    pid, installation, libraries, *candidates = arguments
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _terminate)
    os.umask(0o022)
    os.chdir("/")
    parent = Parent(int(pid))
    directory = ""
    server: Server | None = None
    try:
        try:
            if not parent.alive():
                return 1
            account = Account()
            directory = _make_directory(candidates, account)
            _say(f"directory {directory}")
            if account.can(lambda: _reachable(installation, libraries)):
                binaries = os.path.join(installation, "bin")
            else:
                binaries = _copy_installation(installation, libraries, directory)
            server = Server(directory, binaries, account, parent)
            server.create()
            server.start()
            _say("ready")
            _obey(parent, server)
        except SupervisorError as error:
            _say(f"error {error}")
            return 1
        except OSError as error:
            _say(f"error {error}")
            return 1
        except ParentGone:
            return 0
        return 0
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if server is not None:
            server.stop(signal.SIGQUIT)
        if directory:
            _remove(directory)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
