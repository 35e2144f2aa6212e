"""A running emulator, seen from inside its event loop: what `Emulator` does from other threads, and the control
interface from a request.

Puts the parts together: database, routes, faults, log and server. Threads and the life of the process are the business
of `emulator.py`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from kubernaut_client.emulator import auditstore, contract, router
from kubernaut_client.emulator.clock import Clock
from kubernaut_client.emulator.control import Control
from kubernaut_client.emulator.database import TABLES, Database
from kubernaut_client.emulator.dlq import DeadLetters
from kubernaut_client.emulator.faults import Faults
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
        self.build: Build = build
        self.log = log
        self.faults: Faults = Faults(router.OPERATIONS)
        self.clock: Clock = Clock()
        self.metrics: Metrics = Metrics()
        self.dead_letters: DeadLetters = DeadLetters(self.clock, self.metrics)
        self._contract = contract.load()
        self._validator = Validator(self._contract, self._count_refusal)
        self._postgres = postgres
        self._database: Database | None = None
        self._self_audit: SelfAudit | None = None
        self._database_up = True
        self._switching = asyncio.Lock()
        self._server: Server | None = None

    async def start(self, listener: socket.socket, conninfo: str) -> None:
        """Create the tables and accept connections.

        Raises:
            DatabaseFailure: The database can't be reached, or the tables can't be made.
            ValueError: The connection string is none.
        """
        self._database = database = Database(conninfo, shared=self._postgres is None)
        await database.create()
        self._self_audit = SelfAudit(database, self.clock, self.metrics)
        service = Service(
            self.build,
            self._contract,
            self._validator,
            database,
            self.clock,
            self.metrics,
            self.dead_letters,
            self._self_audit,
        )
        self._server = Server(service, self.faults, self.log, Control(self))
        await self._server.start(listener)

    async def stop(self) -> None:
        """End all requests and connections. In a database of somebody else's, the tables go as well."""
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
        """Forget all faults and end the requests that stall."""
        self.faults.clear()
        if self._server is not None:
            self._server.release_stalled()

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
        await self.set_database(up=True)
        await self._self_audit.discard()
        await self._database.restore_partitions()
        await self._database.empty()
        self.dead_letters.clear()
        self.metrics.clear()
        self.log.clear()

    @property
    def redis_up(self) -> bool:
        """Whether the dead letter queue can be reached. It may be set at any time; what is in the queue stays."""
        return self.dead_letters.reachable

    @redis_up.setter
    def redis_up(self, up: bool) -> None:
        self.dead_letters.reachable = up

    async def drain(self) -> int:
        """Do what the service does at the end of a shutdown: write the dead letters and its own audit events.

        Every dead letter is tried once and gone afterwards. Returns how many of them were stored.
        """
        assert self._database is not None and self._self_audit is not None
        stored = await auditstore.drain(self._database, self.dead_letters)
        await self._self_audit.flush()
        return stored

    async def flush_self_audit(self) -> int:
        """Write the audit events of the service itself that wait; return how many were stored."""
        assert self._self_audit is not None
        return await self._self_audit.flush()

    async def set_partition(self, *, there: bool) -> None:
        """Take the partition of the current month away from the audit events, with its rows, or bring it back.

        Raises:
            DatabaseFailure: The database is down.
        """
        assert self._database is not None
        if there:
            await self._database.restore_partitions()
        else:
            await self._database.remove_partition(self.clock.now().date())

    def _count_refusal(self) -> None:
        self.metrics.validation_failures.add("openapi_middleware", "validation_error")

    async def set_database(self, *, up: bool) -> None:
        """Stop the database or start it again; nothing if it is so already.

        Raises:
            OSError: The server didn't do it.
        """
        assert self._database is not None
        async with self._switching:
            if up == self._database_up:
                return
            if self._postgres is not None:
                await asyncio.to_thread(self._postgres.up if up else self._postgres.down)
            elif up:
                self._database.reconnect()
            else:
                await self._database.cut_off()
            self._database_up = up
