"""The rows of a spool file: what each column may hold, and reading all that can be read.

A row is checked here, at the one place where rows are read. SQLite finds no fault with a damaged cell: it returns NULL
or a value of another type.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

from kubernaut_client import limits

from .batch import Ranges, Row

EVENT_BYTES_LIMIT = 5 * 2**20 - 2
"""Of one event as JSON in UTF-8. A build of 2025-12-30 takes any size, later ones 5 MiB for a request (2026-05)."""
CELL_BYTES_LIMIT = 64 * 2**20
"""Of one value. What SQLite finds larger is no value that was written here, and is not read into memory."""
FIRST_NEW_ID = 2**53
"""What a salvage gives to rows whose own id is impossible. No process emits so many events."""

_LAST_ID = FIRST_NEW_ID + 2**32
_BATCH_EVENTS_LIMIT = 10_000
_RANGES_LIMIT = 2**20
_MEMBERS = frozenset(limits.AUDIT_EVENT.required)
_LATEST = 253_402_300_800  # the year 10000, in Unix seconds
_LEAST_BYTES = 64
"""Fewer than an event takes in a file; so this is how many a file could hold."""
ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite's functions raise; the second for a message that quotes damaged bytes."""

_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_IOERR)
# What can be wrong with the data alone: neither with the disk nor with another process.
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
)


class CorruptError(sqlite3.DatabaseError):
    """SQLite reads the file, but what is in it isn't what was written. Quotes no content."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def is_corrupt(error: BaseException) -> bool:
    """Whether an error shows that a file is damaged, rather than that the disk fails or is full."""
    return isinstance(error, ERRORS) and _code(error) in _DAMAGE


def is_no_spool(error: BaseException) -> bool:
    """Whether an error in opening a file shows that: the format or the tables aren't those that were written."""
    return is_corrupt(error) or (isinstance(error, ERRORS) and _code(error) == sqlite3.SQLITE_ERROR)


def _code(error: BaseException) -> int:
    default = sqlite3.SQLITE_CORRUPT if isinstance(error, UnicodeDecodeError) else 0
    return int(getattr(error, "sqlite_errorcode", default)) & 0xFF


def reason(error: Exception) -> str:
    """What is wrong, by the error that it raised."""
    if isinstance(error, UnicodeDecodeError):
        return "the names of its tables can't be read"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


class Sent(NamedTuple):
    """A row of `batch`: what may have arrived. `until` belongs to the monotonic clock of the boot it names."""

    id: int
    ranges: Ranges
    sent: float
    boot: str
    until: float
    baseline: int | None
    stored: bool


class Quarantined(NamedTuple):
    """An event that is kept and not sent: `kind` is why, in a word; `again` when it is tried again, in Unix seconds."""

    id: int
    kind: str
    reason: str
    since: int
    again: int | None
    emitted: int
    time: str
    own: bool
    body: bytes


def connect(path: Path | str, patience: float, *, uri: bool = False) -> sqlite3.Connection:
    """A connection that reads any text and no value of absurd size; `patience`: seconds to wait for other processes."""
    # Threads take turns (`spoolfile.Locks`), which is what SQLite's own check is about.
    connection = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=32, uri=uri
    )
    connection.text_factory = _text
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_BYTES_LIMIT)
    return connection


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


# ---- what each column may hold ---------------------------------------------------------------------------------------
# `any_id`: of a row whose id isn't looked at.


def _integer(first: int, last: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and first <= value <= last


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_bytes(value: Any) -> bool:
    return type(value) is bytes


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _or(other: Any, check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value == other or check(value)


_EVENT = {
    "emitted": _integer(0, _LATEST * 10**6),
    "time": _is_time,
    "own": _integer(0, 1),
    "body": _is_bytes,
}
_ID = {"id": _integer(1, _LAST_ID)}
TABLES: dict[str, dict[str, Callable[[Any], bool]]] = {
    "event": {**_ID, **_EVENT},
    "batch": {
        **_ID,
        "events": _is_text,
        "sent": _is_number,
        "boot": _is_text,
        "until": _is_number,
        "baseline": _or(None, _integer(0, 2**31)),
        "stored": _integer(0, 1),
    },
    "quarantine": {
        **_ID,
        "kind": _is_text,
        "reason": _is_text,
        "since": _integer(0, _LATEST),
        "again": _or(None, _integer(0, _LATEST)),
        **_EVENT,
        "time": _or("", _is_time),  # of what never was an event that could be sent
    },
}


def select(table: str, clause: str = "") -> str:
    """A statement for whole rows of a table, which the functions below read."""
    return f"SELECT {', '.join(TABLES[table])} FROM {table} {clause}"  # noqa: S608 - nothing here is from outside


def _checked(table: str, values: Sequence[Any], any_id: bool) -> Sequence[Any]:
    for (column, fits), value in zip(TABLES[table].items(), values, strict=True):
        if not fits(value) and not (any_id and column == "id"):
            raise _damage(table, values, column, f"is {_described(value)}")
    return values


def _damage(table: str, values: Sequence[Any], column: str, why: str) -> CorruptError:
    return CorruptError(f"{table} {values[0]}: {column} {why}")


def _described(value: Any) -> str:
    if value is None:
        return "NULL"
    for kind, name in ((int, "INTEGER"), (float, "REAL"), (str, "TEXT"), (bytes, "BLOB")):
        if isinstance(value, kind):
            return f"an invalid {name}"
    return "invalid"


def event(values: Sequence[Any], *, any_id: bool = False) -> Row:
    """A row of `event`. Raises `CorruptError`."""
    identity, _, time, own, body = _checked("event", values, any_id)
    try:
        found: object = json.loads(body.decode()) if len(body) <= EVENT_BYTES_LIMIT else None
    except (ValueError, RecursionError):
        found = None
    members = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not members.keys() >= _MEMBERS or members["event_timestamp"] != time:
        raise _damage("event", values, "body", f"of {len(body)} bytes is no event of that time")
    return Row(identity, time, bool(own), body)


def sent(values: Sequence[Any], *, any_id: bool = False) -> Sent:
    """A row of `batch`. Raises `CorruptError`."""
    identity, events, at, boot, until, baseline, stored = _checked("batch", values, any_id)
    try:
        ranges = tuple((first, last) for first, last in json.loads(events[:_RANGES_LIMIT]))
        ends = [end for pair in ranges for end in pair]
        fine = all(map(_ID["id"], ends)) and all(last >= first for first, last in ranges)
        fine = fine and all(before[1] < after[0] for before, after in pairwise(ranges))
        fine = fine and 0 < sum(last - first + 1 for first, last in ranges) <= _BATCH_EVENTS_LIMIT
    except (ValueError, TypeError, RecursionError):
        fine, ranges = False, ()
    if not fine:
        raise _damage("batch", values, "events", "are no ranges of ids")
    return Sent(identity, ranges, at, boot, until, baseline, bool(stored))


def apart(batches: Sequence[Sent]) -> Sequence[Sent]:
    """Rows of `batch`, if no event is in two of them. Raises `CorruptError`."""
    ranges = sorted((pair, each.id) for each in batches for pair in each.ranges)
    for (before, _), (after, identity) in pairwise(ranges):
        if after[0] <= before[1]:
            raise CorruptError(f"batch {identity}: has events of another one")
    return batches


def quarantined(values: Sequence[Any], *, any_id: bool = False) -> Quarantined:
    """A row of `quarantine`. Raises `CorruptError`."""
    identity, kind, reason, since, again, emitted, time, own, body = _checked("quarantine", values, any_id)
    return Quarantined(identity, kind, reason, since, again, emitted, time, bool(own), body)


def cell(table: str, column: str, value: Any) -> Any:
    """One value of a row. Raises `CorruptError`."""
    if not TABLES[table][column](value):
        raise CorruptError(f"{table}: {column} is {_described(value)}")
    return value


# ---- all that can be read --------------------------------------------------------------------------------------------


class Walk:
    """The rows of a table, unchecked, each once; what can't be read takes no other row with it.

    Takes no more steps than the file could hold events.
    """

    def __init__(self, connection: sqlite3.Connection, table: str, size: int) -> None:
        """`size`: bytes of the file, with its log."""
        self.damage: str | None = None
        """Why not all could be read."""
        self._connection = connection
        self._table = table
        self._capacity = size // _LEAST_BYTES + 1
        self._left = self._capacity
        self._seen: set[int] = set()
        self._last = 0

    def __iter__(self) -> Iterator[Sequence[Any] | None]:
        """Rows, and None where there was none for a moment."""
        try:
            self._connection.execute(select(self._table, "LIMIT 0")).fetchall()
        except ERRORS as error:
            self._failed(error, (*_UNREADABLE, sqlite3.SQLITE_ERROR))  # no such table
            return
        if (yield from self._from(-(2**63))):
            return
        starts = [2**63 - 1, *(2**power for power in range(63))]
        for start in starts:
            if self._left:
                yield from self._from(start, "DESC")
                yield from self._from(start)
        # Damaged pages end each of these. Between two of them, rows can be found by asking for each id alone; where
        # ids are far apart, one of them isn't what it was.
        known = sorted(self._seen)
        ends = [0, *known, (known[-1] if known else 0) + self._capacity]
        gaps = [(first, last) for first, last in pairwise(ends) if last - first > 1]
        for first, last in sorted(gaps, key=lambda gap: gap[1] - gap[0]):
            at = first + 1
            while at < min(last, 2**63) and self._left > 0:
                self._left -= 1
                self._last = at - 1
                # Python reads a row ahead, and drops a row if the next one can't be read: so one at a time.
                if (yield from self._from(at, "ASC LIMIT 1")) and self._last < at:
                    break
                at = max(self._last, at) + 1

    def _from(self, start: int, order: str = "ASC") -> Generator[Sequence[Any] | None, None, bool]:
        """The rows from an id on until one that was found before; whether nothing was in the way."""
        sign = "<=" if order == "DESC" else ">="
        try:
            for values in self._connection.execute(
                select(self._table, f"WHERE id {sign} ? ORDER BY id {order}"), (start,)
            ):
                if type(values[0]) is not int:
                    raise CorruptError(f"{self._table} is no table of a spool")
                if values[0] in self._seen or len(self._seen) > self._capacity:
                    return True
                self._seen.add(values[0])
                self._last = values[0]
                yield values
        except sqlite3.Error as error:
            self._failed(error, _UNREADABLE)
            yield None
            return False
        return True

    def _failed(self, error: Exception, expected: Sequence[int]) -> None:
        if _code(error) not in expected:
            raise error
        self.damage = self.damage or reason(error)
