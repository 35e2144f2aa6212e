"""Whether anything can be delivered at the moment, and when it is tried again. Pure, but that it tells of it.

While nothing can, one request at a time is made, at growing intervals; the first that succeeds ends it for all. It is
told of once, and once that it is over.
"""

from __future__ import annotations

from collections.abc import Callable

from kubernaut_client.errors import KubernautError

from .report import AlarmKind
from .tuning import Tuning

_LONGEST = 300.0
"""Seconds of a Retry-After that are heeded."""
_TOLD_AFTER = 2
"""Failures in a row; one alone is a dropped connection, as there always are some."""


class Outage:
    """Times are those of the monotonic clock."""

    def __init__(self, tuning: Tuning, alarm: Callable[[AlarmKind, str, int], None]) -> None:
        self._tuning = tuning
        self._alarm = alarm
        self.failures: int = 0
        self.since: float | None = None
        """Since when nothing can be delivered; None while all is well."""
        self.until: float = 0.0
        """Nothing is sent before that."""

    def failed(self, now: float, reason: str, waiting: int, error: KubernautError | None = None) -> None:
        """An attempt came to nothing, and not because of what was sent."""
        self.failures += 1
        if self.since is None:
            self.since = now
        self.until = now + min(self._tuning.pause.wait(min(self.failures, 30), error), _LONGEST)
        if self.failures == _TOLD_AFTER:
            self._alarm("away", f"audit events can't be delivered and are kept ({waiting} now): {reason}", waiting)

    def over(self, now: float) -> bool:
        """The service has taken, or refused, something; whether that is news."""
        if self.since is None:
            return False
        if self.failures >= _TOLD_AFTER:
            self._alarm("back", f"audit events are delivered again, after {now - self.since:.1f} s", 0)
        self.failures, self.since, self.until = 0, None, 0.0
        return True
