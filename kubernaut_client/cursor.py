"""Where a walk through the audit trail stands: what to ask for next, and which rows of a page are new. Pure.

The service lists events newest first and takes an offset, but events that arrive while the walk goes on would shift
everything behind it. So a walk goes by time: each page asks for what isn't newer than the last row had, and skips only
the rows of that very microsecond that it has had. Events are never deleted, so what arrives in that microsecond can
only make rows come again, and those are known by their id.

The service counts and selects one after the other, so an event that arrives in between makes it say that a full page is
the last one although a row follows. So a walk ends on a page that isn't full, or is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from .limits import instant
from .operations import EventPage, EventRow

STALE_LIMIT = 10
"""Pages in a row that may bring nothing new: what is stored while a walk goes on pushes its rows onwards."""
FAULTS_LIMIT = 10_000
"""Rows of a walk that may be unreadable; they are kept for the error at its end."""


@dataclass(slots=True)
class WalkCheck:
    """Whether a walk gets on, so that no service can keep one going for ever."""

    faults: dict[str, None] = field(default_factory=dict[str, None])
    """What is wrong with the rows that can't be read, each once."""
    _stale: int = 0

    def take(self, fresh: int, faults: Iterable[str]) -> str | None:
        """Count a page with so many new readable rows, and faults; gives the reason to end the walk, if any."""
        before = len(self.faults)
        self.faults.update(dict.fromkeys(faults))
        self._stale = 0 if fresh or len(self.faults) > before else self._stale + 1
        if self._stale > STALE_LIMIT:
            return f"{self._stale} pages in a row hold nothing new; is it Data Storage that answers?"
        if len(self.faults) > FAULTS_LIMIT:
            return f"more than {FAULTS_LIMIT} rows can't be read"
        return None


@dataclass(slots=True)
class Cursor:
    """Begins at the newest row, or at `until`. It keeps the ids of one microsecond, and the faults of bad rows."""

    limit: int
    until: str | None = None
    offset: int = 0
    done: bool = False
    _time: datetime | None = None
    _seen: set[UUID | str] = field(default_factory=set[UUID | str])

    def parameters(self) -> dict[str, Any]:
        """The parameters of the request for the next page."""
        bound = {} if self.until is None else {"until": self.until}
        return {**bound, "limit": self.limit, "offset": self.offset}

    def take(self, page: EventPage) -> list[EventRow]:
        """The rows of the next page that weren't on the one before; moves on."""
        rows = page.rows
        fresh = [row for row in rows if _key(row) not in self._seen]
        more = bool(fresh) if page.more is None else page.more
        self.done = not rows or (len(rows) < self.limit and not more)
        last = next((row.time for row in reversed(rows) if row.time is not None), None)
        if last is None or (self._time is not None and last >= self._time):
            self.offset += len(rows)
            self._seen.update(map(_key, rows))
        else:
            self._move(last, rows)
        return fresh

    def _move(self, last: datetime, rows: Sequence[EventRow]) -> None:
        start = next(place for place, row in enumerate(rows) if row.time == last)
        self._time, self.until, self.offset = last, instant(last), len(rows) - start
        # Of a bad row it may not be known in which microsecond it is; there are few, and the walk reports them anyway.
        bad = {key for key in self._seen.union(map(_key, rows)) if isinstance(key, str)}
        self._seen = {*bad, *map(_key, rows[start:])}


def _key(row: EventRow) -> UUID | str:
    return row.event.event_id if row.event else row.fault
