"""What is sent together: ranges of the events of one spool file, and the rules for putting them together. Pure.

A batch is one transaction of the service, so it is settled as a whole. It holds events of one month only, as the
service's table has a partition for each, and no two events that can't be told apart once they are stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kubernaut_client import settle

if TYPE_CHECKING:
    from .spoolfile import SpoolFile

Ranges = tuple[tuple[int, int], ...]
"""First and last id of each run of events, ascending."""


class Row(NamedTuple):
    """One event of a spool file: `time` is its event_timestamp as it is sent, `own` whether the writer gave it that."""

    id: int
    time: str
    own: bool
    body: bytes

    @property
    def month(self) -> str:
        return self.time[:7]

    def payload(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.body)
        return members


def ranges_of(ids: Iterable[int]) -> Ranges:
    """Ids as ranges."""
    found: list[tuple[int, int]] = []
    for each in sorted(ids):
        if found and found[-1][1] == each - 1:
            found[-1] = (found[-1][0], each)
        else:
            found.append((each, each))
    return tuple(found)


def within(ranges: Ranges, identity: int) -> bool:
    return any(first <= identity <= last for first, last in ranges)


@dataclass(slots=True, eq=False)
class Batch:
    """Events on their way. Times are those of the monotonic clock."""

    file: SpoolFile
    ids: list[int]
    month: str
    not_before: float = 0.0
    sent: int | None = None
    """Its row in the file while it may have arrived; None while it is known not to have."""
    until: float = 0.0
    """While it may have arrived: after this it can't arrive any more."""
    final: bool = False
    """It may have arrived, and can't any more, as the service has answered."""
    looks: int = 0
    looked: float = 0.0
    """When it was looked for first."""
    baseline: int | None = None
    """Copies of its first witness that were there before it was sent; None if that wasn't asked."""
    failures: int = 0
    """Answers in a row that blamed the database while the service's health was good."""
    failing: float | None = None
    """Since when."""
    family: object = field(default_factory=object)
    """The same for all that was once one batch."""
    refusals: int = 0
    """How often it was too large, alone."""
    released: bool = False
    """It comes out of quarantine."""
    unsent: int = 0
    """Attempts in a row that didn't reach the service, or that something before it refused."""
    unsent_since: float = 0.0
    newest_first: bool = False
    """Its events are sent in this order, so that the first that is too old shows which are."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ranges(self) -> Ranges:
        return ranges_of(self.ids)

    def of(self, ids: Iterable[int]) -> Batch:
        """Some of its events, known not to have arrived, as a batch that may be sent at once."""
        return Batch(
            self.file,
            list(ids),
            self.month,
            failures=self.failures,
            failing=self.failing,
            family=self.family,
            newest_first=self.newest_first,
            released=self.released,
        )

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.ids) // 2
        return self.of(self.ids[:middle]), self.of(self.ids[middle:])


def witnesses(rows: Sequence[Row], most: int) -> list[Row]:
    """The events of a batch that stand for all of it: those whose time the writer made, which nobody else has."""
    own = [row for row in rows if row.own] or list(rows)
    places = sorted({0, len(own) // 2, len(own) - 1})
    return [own[place] for place in places][:most]


def content_of(rows: Iterable[Row]) -> bytes:
    """The request body."""
    return b"[" + b",".join(row.body for row in rows) + b"]"


class Twins:
    """Events whose time the caller gave, so that there may be others like them; and which of them are on their way.

    Only events of the same microsecond are compared, as that is expensive.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[object, Row]]] = {}
        self._times: dict[object, set[str]] = {}

    def add(self, row: Row, holder: object) -> bool:
        """Note that an event goes with `holder`; False, and nothing is noted, if one like it is on its way already."""
        if row.own:
            return True
        others = self._seen.get(row.time)
        if others:
            key = _key(row)
            if any(_key(other) == key for _, other in others):
                return False
        self._seen.setdefault(row.time, []).append((holder, row))
        self._times.setdefault(holder, set()).add(row.time)
        return True

    def forget(self, holder: object) -> None:
        """The events of `holder` are on their way no more."""
        for time in self._times.pop(holder, ()):
            left = [pair for pair in self._seen[time] if pair[0] is not holder]
            if left:
                self._seen[time] = left
            else:
                del self._seen[time]


def _key(row: Row) -> str:
    return json.dumps(_plain(settle.as_stored(row.payload(), in_batch=True)), sort_keys=True)


def _plain(value: Any) -> Any:
    """A JSON value with its numbers as the service keeps them: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("Iterable[Any]", value)]
    return value
