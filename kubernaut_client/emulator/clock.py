"""The clock that the service goes by: that of this machine, put forward or back by a fault.

Everything that the service itself takes from its clock asks here: the Date header, the bounds of timestamps, the time
of a disable. What the database takes from its own clock, such as created_at, is not affected.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from kubernaut_client.emulator.gotime import GoTime


class Clock:
    """A clock in UTC. `offset` is how far it is ahead of this machine's; it may be set at any time."""

    def __init__(self) -> None:
        self.offset: timedelta = timedelta()

    def now(self) -> datetime:
        """The time, with its zone, to the microsecond."""
        return datetime.now(UTC) + self.offset

    def timestamp(self) -> float:
        """The time in seconds since 1970."""
        return time.time() + self.offset.total_seconds()

    def go_time(self) -> GoTime:
        """The time as the service writes it, to the nanosecond."""
        return GoTime.from_nanoseconds(time.time_ns() + self.offset // timedelta(microseconds=1) * 1000)
