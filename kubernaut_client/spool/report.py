"""What the durable writer says of itself: what became of its events, how it is, and its alarms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AlarmKind = Literal["away", "back", "quarantined", "expiring", "unreadable", "disk", "too_large", "unstorable"]


def numbered(count: int) -> str:
    """A number of events in words."""
    return "1 event" if count == 1 else f"{count} events"


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """What became of events, as counts. A writer counts all that it delivered, adopted files included."""

    stored: int = 0
    """In the service's database."""
    queued: int = 0
    """Taken by the service with a 202: kept in its dead letter queue. A build of 2025-12-30 never does that to a
    batch."""
    quarantined: int = 0
    """Kept in the spool, not to be stored as they are: `python -m kubernaut_client.spool list` tells why."""
    unsettled: int = 0
    """Sent, and it isn't known yet whether they arrived; kept in the spool."""
    waiting: int = 0
    """Not sent yet, or known not to have arrived; kept in the spool."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to be delivered."""
        return not (self.unsettled or self.waiting)

    def __str__(self) -> str:
        names = ("stored", "queued", "quarantined", "unsettled", "waiting")
        return ", ".join(f"{getattr(self, name)} {name}" for name in names)


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """How a writer is, from what it knows itself: nothing is asked of the service."""

    waiting: int
    """Events that are not known to be stored, the unsettled ones included."""
    oldest_seconds: float
    """How long ago the oldest of them was emitted; 0.0 if there is none."""
    bytes: int
    """Bytes of the events that are kept, the quarantined ones included; what `spool_bytes` limits."""
    totals: SpoolReport
    """Since the writer was made; `waiting` and `unsettled` are those of now."""
    last_error: str | None
    """The last thing that kept an event from being delivered; it stays when all is well again."""
    last_success: datetime | None
    """When a batch was stored last, in UTC."""
    away_seconds: float = 0.0
    """For how long nothing could be delivered, if that is so now."""


@dataclass(frozen=True, slots=True)
class SpoolAlarm:
    """Something that somebody should see to; given to `on_alarm`.

    `away`: nothing can be delivered; comes once. `back`: it can again. `quarantined`: `count` events can't be stored as
    they are. `expiring`: the oldest event nears the 7 days after which the service refuses it. `unreadable`: a file of
    the spool is corrupt, newer than this version, or none of ours; `count` events of it will be delivered. `disk`: a
    file can't be read or written, and is tried again. `too_large`: an event that the service, or a proxy, finds too
    large; it is kept and tried again. `unstorable`: the service's database refuses events although its health is good,
    which a missing partition looks like; they are kept and tried again.
    """

    kind: AlarmKind
    message: str
    count: int = 0
