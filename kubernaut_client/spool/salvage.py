"""Reading what can be read of a corrupt spool file, into a new one.

Which of its events may have arrived is known if the table that says so can be read whole; else any of them may have.
When this is done, and what becomes of the files, is left to `spool`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from .spoolfile import Locks, SpoolFile, read_sent

_AT_ONCE = 500
_TABLES = {
    "event": "id, emitted, time, own, body",
    "batch": "id, events, sent, boot, until, baseline, stored",
    "quarantine": "id, kind, reason, since, again, emitted, time, own, body",
}


def salvage(corrupt: Path, target: Path, locks: Locks) -> tuple[int, int]:
    """Fill a new, empty file; how many events to be delivered, and how many that were set apart, could be read."""
    file = SpoolFile(target, locks, "nobody")
    try:
        sent = _sent(corrupt)
        if sent is not None:
            file.restore("batch", sent)
        events = 0
        for rows in _rows(corrupt, "event"):
            file.restore("event", rows)
            if sent is None:
                file.restore("batch", [(None, json.dumps([[row[0], row[0]]]), 0.0, "", 0.0, None, 0) for row in rows])
            events += len(rows)
        apart = 0
        for rows in _rows(corrupt, "quarantine"):
            file.restore("quarantine", rows)
            apart += len(rows)
    finally:
        file.close()
    return events, apart


def _sent(corrupt: Path) -> list[Sequence[Any]] | None:
    """The rows of `batch`; None unless all of them can be read."""
    try:
        with closing(sqlite3.connect(corrupt)) as connection:
            read_sent(connection)
            return connection.execute(f"SELECT {_TABLES['batch']} FROM batch").fetchall()  # noqa: S608 - see above
    except sqlite3.Error:
        return None


def _rows(corrupt: Path, table: str) -> Iterator[list[Sequence[Any]]]:
    """The rows of a table that can be read, each asked for by itself: one that can't takes no other with it."""
    ids = _ids(corrupt, table)
    if not ids:
        return
    rows: list[Sequence[Any]] = []
    with closing(sqlite3.connect(corrupt)) as connection:
        query = f"SELECT {_TABLES[table]} FROM {table} WHERE id = ?"  # noqa: S608 - see above
        # Also those between, which only a page that is corrupt keeps from being listed.
        for identity in range(min(ids), max(ids) + 1):
            with suppress(sqlite3.Error):
                rows += connection.execute(query, (identity,)).fetchall()
            if len(rows) >= _AT_ONCE:
                yield rows
                rows = []
    if rows:
        yield rows


def _ids(corrupt: Path, table: str) -> set[int]:
    """The ids that can be listed, from both ends."""
    found: set[int] = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(corrupt)) as connection:
            for (identity,) in connection.execute(f"SELECT id FROM {table} ORDER BY id {order}"):  # noqa: S608
                found.add(identity)
    return found
