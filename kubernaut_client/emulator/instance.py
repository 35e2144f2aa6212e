"""A running emulator, seen from inside its event loop: what `Emulator` does from other threads, and the control
interface from a request.

Puts the parts together: database, routes, faults, log and server. Threads and the life of the process are the business
of `emulator.py`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from kubernaut_client.emulator import auditstore, contract, router
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.control import Control, is_loopback
from kubernaut_client.emulator.database import TABLES, Database
from kubernaut_client.emulator.dlq import DeadLetters
from kubernaut_client.emulator.faults import Faults, State
from kubernaut_client.emulator.listener import Listener
from kubernaut_client.emulator.metrics import Metrics
from kubernaut_client.emulator.postgres import PostgresServer
from kubernaut_client.emulator.requestlog import RequestLog
from kubernaut_client.emulator.self_audit import SelfAudit
from kubernaut_client.emulator.server import Server
from kubernaut_client.emulator.service import Build, Service
from kubernaut_client.emulator.validation import Validator


class Instance:
    """One running emulator. Every coroutine of it runs in the same event loop.

    Args:
        postgres: The embedded server, or None if the database is somebody else's.
        log: Outlives the instance.
    """

    def __init__(self, host: str, build: Build, postgres: PostgresServer | None, log: RequestLog) -> None:
        self.host = host
        self.on_loopback: bool = True
        self.build: Build = build
        self.log = log
        self.faults: Faults = Faults(router.OPERATIONS, router.knows)
        self.clock: Clock = Clock()
        self.metrics: Metrics = Metrics()
        self.dead_letters: DeadLetters = DeadLetters(self.clock, self.metrics)
        self._contract = contract.load()
        self._validator = Validator(self._contract, self._count_refusal)
        self._postgres = postgres
        self._database: Database | None = None
        self._self_audit: SelfAudit | None = None
        self._switching = asyncio.Lock()
        self._service: Service | None = None
        self._server: Server | None = None
        self._shutdown: asyncio.Task[None] | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._restart: asyncio.Task[None] | None = None

    async def start(self, listener: Listener, conninfo: str) -> None:
        """Create the tables and accept connections.

        Raises:
            DatabaseFailure: The database can't be reached, or the tables can't be made.
            ValueError: The connection string is none.
        """
        self._database = database = Database(conninfo, shared=self._postgres is None)
        await database.create()
        self._self_audit = SelfAudit(database, self.clock, self.metrics)
        self._service = service = Service(
            self.build,
            self._contract,
            self._validator,
            database,
            self.clock,
            self.metrics,
            self.dead_letters,
            self._self_audit,
        )
        self.on_loopback = is_loopback(listener.socket.getsockname()[0])
        self._server = Server(service, self.faults, self.log, Control(self))
        self._server.start(listener)

    async def stop(self) -> None:
        """End all requests and connections. In a database of somebody else's, the tables go as well."""
        await _cancel(self._shutdown)
        await _cancel(self._reopening)
        await _cancel(self._restart)
        if self._server is not None:
            await self._server.stop()
        if self._self_audit is not None:
            await self._self_audit.discard()
        if self._database is not None:
            if self._postgres is None:
                self._database.reconnect()
                await self._database.drop()
            await self._database.close()

    async def clear_faults(self) -> None:
        """Forget all faults, end the requests that stall, and put right what is wrong with the installation.

        Raises:
            DatabaseFailure, OSError: It can't be put right.
        """
        self.faults.clear()
        if self._server is not None:
            self._server.release_stalled()
        await self.repair()

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table.

        Raises:
            LookupError: There is no such table.
            DatabaseFailure: The database is down.
        """
        if table not in TABLES:
            raise LookupError(f"there is no table {table!r}; there is {', '.join(sorted(TABLES))}")
        assert self._database is not None
        return await self._database.rows(table)

    async def reset(self) -> None:
        """Back to the beginning: no faults, nothing under way, the database up and empty, no requests in the log."""
        assert self._server is not None and self._database is not None and self._self_audit is not None
        self.faults.clear()
        await self._server.settle()
        await self.repair()
        await self._self_audit.discard()
        await self._database.empty()
        self.dead_letters.clear()
        self.metrics.clear()
        self.log.clear()

    async def drain(self) -> None:
        """Do what the service does at the end of a shutdown: write the dead letters and its own audit events.

        Every dead letter is tried once and gone afterwards.
        """
        assert self._database is not None and self._self_audit is not None
        await auditstore.drain(self._database, self.dead_letters)
        await self._self_audit.flush()

    async def flush_self_audit(self) -> int:
        """Write the audit events of the service itself that wait; return how many were stored."""
        assert self._self_audit is not None
        return await self._self_audit.flush()

    def _count_refusal(self) -> None:
        self.metrics.validation_failures.add("openapi_middleware", "validation_error")

    # ---- what is wrong with the installation ------------------------------------------------------------------------

    async def repair(self) -> None:
        """Put right everything that the methods below did.

        Raises:
            DatabaseFailure, OSError: It can't be put right.
        """
        assert self._database is not None
        await self.set_database(up=True)
        await self.set_redis(up=True)
        await self.set_migration(applied=True)
        self._database.forget_plans()
        await self.set_partition(there=True)
        await self.set_clock(timedelta())
        await self.set_connections(accepted=True)
        await self._end_shutdown()

    async def set_database(self, *, up: bool) -> None:
        """Stop the database or start it again; nothing if it is so already.

        Raises:
            OSError: The server didn't do it.
        """
        assert self._database is not None
        async with self._switching:
            if self._is("database down") is not up:
                return
            if self._postgres is not None:
                await asyncio.to_thread(self._postgres.up if up else self._postgres.down)
            elif up:
                self._database.reconnect()
            else:
                await self._database.cut_off()
            self.faults.note("database down", not up)

    async def set_redis(self, *, up: bool) -> None:
        """Take Redis away, and with it the dead letter queue, or bring it back. What is in the queue stays."""
        self.dead_letters.reachable = up
        self.faults.note("redis down", not up)

    async def set_migration(self, *, applied: bool) -> None:
        """Name the columns of the catalog as before migration 018, or as after it.

        Raises:
            DatabaseFailure: The database is down.
        """
        assert self._database is not None
        async with self._switching:
            if self._is("migration missing") is applied:
                await self._database.rename_image(migrated=applied)
                self.faults.note("migration missing", not applied)

    async def set_partition(self, *, there: bool) -> None:
        """Take the partition of the current month away from the audit events, with its rows, or bring it back.

        Raises:
            DatabaseFailure: The database is down.
        """
        assert self._database is not None
        async with self._switching:
            if self._is("no partition") is there:
                if there:
                    await self._database.restore_partitions()
                else:
                    await self._database.remove_partition(self.clock.now().date())
                self.faults.note("no partition", not there)

    async def set_clock(self, offset: timedelta) -> None:
        """Put the service's clock ahead of this machine's, or behind it."""
        self.clock.offset = offset
        self.faults.note("clock off", bool(offset))

    async def set_connections(self, *, accepted: bool, seconds: float | None = None) -> None:
        """Close the listener and the connections that are idle, for a while or until it is opened again.

        Raises:
            OSError: Another program took the port.
        """
        assert self._server is not None
        await _cancel(self._reopening)
        self._reopening = None
        if accepted == self._is("connections refused"):
            if not accepted:
                self._server.refuse()
            elif not self._is("shut down"):
                self._server.accept()
            self.faults.note("connections refused", not accepted)
        if not accepted and seconds is not None:
            self._reopening = asyncio.create_task(self._reopen(seconds))

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._reopening = None
        await self.set_connections(accepted=True)

    async def shutdown(self, delay: float, deadline: float) -> None:
        """Stop the service in good order, as it does on SIGTERM; return once it is gone, or called back."""
        task = self.begin_shutdown(delay, deadline)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    def begin_shutdown(self, delay: float, deadline: float, restart_after: float | None = None) -> asyncio.Task[None]:
        """Begin to stop the service in good order, unless that is under way.

        Args:
            delay: Seconds in which readiness says no and all else goes on.
            deadline: Seconds after which requests that still run are ended.
            restart_after: Start it again so many seconds after it has gone.
        """
        if self._shutdown is None:
            self._shutdown = asyncio.create_task(self._shut_down(delay, deadline, restart_after))
        return self._shutdown

    async def _shut_down(self, delay: float, deadline: float, restart_after: float | None) -> None:
        assert self._service is not None and self._server is not None
        self.faults.note("shut down", True)
        self._service.shutting_down.set()
        await asyncio.sleep(delay)
        self._server.refuse()
        await self._server.drain(max(deadline - delay, 0))
        await self.drain()
        if restart_after is not None:
            await asyncio.sleep(restart_after)
            await self.restart()

    def begin_restart(self) -> None:
        """Begin to start the service anew, unless that is under way."""
        if self._restart is None or self._restart.done():
            self._restart = asyncio.create_task(self.restart())

    async def restart(self) -> None:
        """Start the service anew. One that still runs is killed first: its connections end without an answer."""
        assert self._server is not None
        self._server.refuse()
        await self._server.drain(0)
        await self._end_shutdown()
        if not self._is("connections refused"):
            self._server.accept()

    async def _end_shutdown(self) -> None:
        """Call a shutdown back, or start the service again after one."""
        assert self._service is not None and self._server is not None
        await _cancel(self._shutdown)
        self._shutdown = None
        self._service.shutting_down.clear()
        if self._is("shut down"):
            if not self._is("connections refused"):
                self._server.accept()
            self.faults.note("shut down", False)

    def _is(self, state: State) -> bool:
        return state in self.faults.states()


async def _cancel(task: asyncio.Task[None] | None) -> None:
    """End a task, unless it is the one that asks for it."""
    if task is not None and task is not asyncio.current_task():
        task.cancel()
        await asyncio.wait([task])
