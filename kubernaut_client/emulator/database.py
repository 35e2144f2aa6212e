"""Connections to PostgreSQL: a small pool that notices when the server went away, and the emulator's own schema.

Everything that goes wrong comes out as `DatabaseFailure`. Queries belong to the routes; the server process, if it is
ours, to `postgres.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
import weakref
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, dict_row

from kubernaut_client.emulator import libpq
from kubernaut_client.emulator.lease import Lease, usable

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

# With the order to show their rows in.
TABLES: Final[dict[str, LiteralString]] = {
    "remediation_workflow_catalog": "created_at, workflow_id",
    "audit_events": "event_timestamp, event_id",
    "notification_audit": "id",
}
_EMPTY: Final = "; ".join(f"DELETE FROM {table}" for table in TABLES).encode()  # noqa: S608  # names of our own
_VACUUM: Final = f"VACUUM {', '.join(TABLES)}".encode()
_VACUUM_ROWS: Final = 2000
UNIQUE_VIOLATION: Final = "23505"
_ATTACHED: Final[LiteralString] = (
    "SELECT true FROM pg_inherits WHERE inhparent = 'audit_events'::regclass AND inhrelid = to_regclass(%s)"
)
_SIZE: Final = 10  # the service has 25; more than this gains nothing on a small machine
_CONNECT_SECONDS: Final = 5


class DatabaseFailure(Exception):
    """The database is out of reach, or refused a statement. `sqlstate` is set in the latter case."""

    def __init__(self, error: BaseException | str) -> None:
        text = str(error).strip() or type(error).__name__
        # One line, and no double quotes: the service puts this text into JSON without escaping it.
        super().__init__(text.splitlines()[0].replace('"', "`"))
        self.sqlstate: str | None = error.sqlstate if isinstance(error, psycopg.Error) else None


class Database:
    """The tables of one emulator, in one database. Belongs to one event loop.

    In a database that isn't ours (`shared`) they are in a schema with a name of its own, which another emulator drops
    if this one can't.

    Raises:
        ValueError: The connection string is none.
    """

    def __init__(self, conninfo: str, *, shared: bool) -> None:
        self._shared = shared
        self._schema = f"kubernaut_emulator_{secrets.token_hex(6)}"
        try:
            self._conninfo = make_conninfo(
                conninfo if shared else libpq.complete(conninfo), connect_timeout=_CONNECT_SECONDS
            )
        except psycopg.Error:
            # libpq's own text quotes the string, and thereby maybe a password.
            raise ValueError("dsn is neither a PostgreSQL URL nor a key=value connection string") from None
        self._lease = Lease(self._conninfo, self._schema)
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._outdated: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._places = asyncio.Semaphore(_SIZE)
        self._closed_to_us = False
        self._dead_rows = 0
        self._vacuum: asyncio.Task[None] | None = None
        self._removed_partitions: list[datetime.date] = []

    async def create(self) -> None:
        """Create the tables."""
        script = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        async with self.connection() as connection, connection.transaction():
            if self._shared:
                await self._lease.remove_abandoned()
                await connection.execute(self._lease.create_schema(), prepare=False)
            await connection.execute(script.encode(), prepare=False)

    async def drop(self) -> None:
        """Drop what `create` made in a database that isn't ours."""
        if self._shared:
            with contextlib.suppress(DatabaseFailure):
                async with self.connection() as connection:
                    await connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self._schema)))

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection in autocommit mode.

        Raises:
            DatabaseFailure: There is none to be had, or a statement failed.
        """
        async with self._places:
            try:
                connection = await self._take()
                self._used.add(connection)
                try:
                    yield connection
                finally:
                    self._used.discard(connection)
                    await self._give_back(connection)
            except (psycopg.Error, OSError, UnicodeError) as error:
                # UnicodeError: a text that UTF-8 can't carry. The service sends such bytes and PostgreSQL refuses them.
                raise DatabaseFailure(error) from error

    async def fetch(self, statement: LiteralString, parameters: Sequence[object] = ()) -> list[TupleRow]:
        """Run one statement and return its rows."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        """Lend a connection for reading workflows.

        The service keeps the plan of a read on each connection. One that failed for want of a column fails once more
        when the column is there, as the plan is for the table as it was.
        """
        async with self.connection() as connection:
            try:
                yield connection
            except psycopg.errors.UndefinedColumn:
                self._outdated.add(connection)
                raise
            if connection in self._outdated:
                self._outdated.discard(connection)
                raise psycopg.errors.FeatureNotSupported("cached plan must not change result type")

    async def read(self, statement: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        """Read workflows by one statement."""
        async with self.reading() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self.fetch("SELECT 1")

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, oldest first."""
        order = TABLES[table]
        query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(sql.Identifier(table), sql.SQL(order))
        async with self.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            # Not prepared: the columns of a table may change, see `rename_image`.
            await cursor.execute(query, prepare=False)
            return await cursor.fetchall()

    async def rename_image(self, *, migrated: bool) -> None:
        """Name the column of the container image as before migration 018, or as after it."""
        before, after = sql.Identifier("execution_bundle"), sql.Identifier("container_image")
        async with self.connection() as connection:
            await connection.execute(
                sql.SQL("ALTER TABLE remediation_workflow_catalog RENAME COLUMN {} TO {}").format(
                    *((before, after) if migrated else (after, before))
                )
            )

    def forget_plans(self) -> None:
        """Let every connection read at once, whatever it met before; see `reading`."""
        self._outdated.clear()

    async def empty(self) -> None:
        """Delete all rows. DELETE, as TRUNCATE of an empty table costs more than this of a full one."""
        async with self.connection() as connection:
            # In one message, which is one transaction, too.
            cursor = await connection.execute(_EMPTY, prepare=False)
            self._dead_rows += cursor.rowcount
            while cursor.nextset():
                self._dead_rows += cursor.rowcount
        if self._dead_rows >= _VACUUM_ROWS and self._vacuum is None:
            self._dead_rows = 0
            self._vacuum = asyncio.create_task(self._clean())

    async def _clean(self) -> None:
        """Reclaim the space of deleted rows. PostgreSQL's own vacuum comes too late: the next DELETE meets them."""
        try:
            with contextlib.suppress(DatabaseFailure):
                async with self.connection() as connection:
                    await connection.execute(_VACUUM, prepare=False)
        finally:
            self._vacuum = None

    async def remove_partition(self, month: datetime.date) -> None:
        """Take the partition of a month away from the audit events, with its rows. Nothing if there is none."""
        async with self.connection() as connection, connection.transaction():
            name = _partition(month)
            cursor = await connection.execute(_ATTACHED, (name,))
            if await cursor.fetchone():
                statement = sql.SQL("ALTER TABLE audit_events DETACH PARTITION {}").format(sql.Identifier(name))
                await connection.execute(statement)
                self._removed_partitions.append(month.replace(day=1))

    async def restore_partitions(self) -> None:
        """Bring back all partitions that were taken away, with their rows."""
        while self._removed_partitions:
            month = self._removed_partitions[-1]
            following = (month + datetime.timedelta(days=31)).replace(day=1)
            async with self.connection() as connection:
                await connection.execute(
                    sql.SQL("ALTER TABLE audit_events ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(_partition(month)), month.isoformat(), following.isoformat()
                    )
                )
            self._removed_partitions.pop()

    async def cut_off(self) -> None:
        """End all connections and open none until `reconnect`. For a server that isn't ours to stop."""
        self._closed_to_us = True
        for connection in [*self._used, *self._idle]:
            await connection.close()
        self._idle.clear()

    def reconnect(self) -> None:
        """Allow connections again."""
        self._closed_to_us = False

    async def close(self) -> None:
        """Close all connections."""
        if self._vacuum is not None:
            self._vacuum.cancel()
            await asyncio.wait([self._vacuum])
        await self.cut_off()
        await self._lease.release()

    async def _take(self) -> Connection:
        while self._idle and not self._closed_to_us:
            connection = self._idle.pop()
            if usable(connection):
                return connection
            await connection.close()
        if self._closed_to_us:
            raise psycopg.OperationalError("connection refused: the database is down")
        if self._shared:
            await self._lease.hold()
        # A server of the caller's is reached as by any other program; ours by what is ours alone.
        with contextlib.nullcontext() if self._shared else libpq.no_variables():
            connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        connection.prepare_threshold = 0
        if self._shared:
            # Whatever that server's defaults are, rows must come back the same.
            await connection.execute(
                f"SET search_path TO {self._schema}; SET timezone TO 'UTC'; SET datestyle TO 'ISO';"
                " SET default_transaction_isolation TO 'read committed'".encode(),
                prepare=False,
            )
        return connection

    async def _give_back(self, connection: Connection) -> None:
        status = connection.info.transaction_status
        if connection.closed or self._closed_to_us or status != TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)


def _partition(month: datetime.date) -> str:
    return f"audit_events_{month:%Y_%m}"
