"""Which schemas on a caller's server are in use, and the removal of those that killed emulators left there.

An emulator holds a lock for its schema in a session of its own, which ends with its process. Whoever gets that lock may
drop the schema.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from typing import Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

_MARK: Final = "kubernaut-client emulator; dropped at its end, or else by the next one"
_CLASS: Final = 0x6B75626E  # of advisory locks; the other half of the key is from the schema's name
_ABANDONED: Final = (
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kubernaut\\_emulator\\_%%'"
    " AND obj_description(oid, 'pg_namespace') = %s AND pg_has_role(nspowner, 'USAGE')"
)
_NO_TIMEOUT: Final = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class Lease:
    """The lock of one emulator. Belongs to one event loop."""

    def __init__(self, conninfo: str, schema: str) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._taking = asyncio.Lock()

    async def hold(self) -> None:
        """Take the lock, or take it again if its session has ended; nothing if it is held.

        Raises:
            psycopg.Error: The server can't be reached.
        """
        async with self._taking:
            if self._connection is not None and usable(self._connection):
                return
            await self.release()
            self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
            await self._connection.execute(_NO_TIMEOUT)
            await self._locked(self._connection, self._schema)

    async def remove_abandoned(self) -> None:
        """Drop the schemas of emulators that are gone, as far as this user may."""
        assert self._connection is not None
        cursor = await self._connection.execute(_ABANDONED, (_MARK,))
        for (name,) in await cursor.fetchall():
            if name != self._schema and await self._locked(self._connection, name):
                with contextlib.suppress(psycopg.DatabaseError):
                    await self._connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(_named(name)))
                await self._connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_CLASS, name))

    async def release(self) -> None:
        """Let go of the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def create_schema(self) -> sql.Composed:
        """The statement that makes the schema, marked as one that others may drop."""
        return sql.SQL("CREATE SCHEMA {0}; COMMENT ON SCHEMA {0} IS {1}").format(_named(self._schema), _MARK)

    async def _locked(self, connection: psycopg.AsyncConnection[TupleRow], schema: str) -> bool:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_CLASS, schema))
        row = await cursor.fetchone()
        return row is not None and bool(row[0])


def usable(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Whether an idle connection still works. What a server says unasked is that it is going away."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _named(schema: str) -> sql.Identifier:
    return sql.Identifier(schema)
