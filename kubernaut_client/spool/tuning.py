"""The constants of the durable writer in one place, so that tests can run it in a time of their own.

Callers don't set these: what is promised (`AuditWriter`) rests on them. Clocks are here for the same reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kubernaut_client import clock
from kubernaut_client.retry import RetryPolicy

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock:
    """The clocks of this machine. A test gives one that it moves."""

    def time(self) -> float:
        """Seconds since 1970, by the wall clock, which may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps and that the processes of one boot share."""
        return clock.monotonic()

    @cached_property
    def boot(self) -> str:
        """Which boot `monotonic` belongs to; "" where that can't be told, and so can't be compared."""
        try:
            return _BOOT_ID.read_text("ascii").strip()
        except OSError:
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Durations are seconds."""

    fence: float = 35.0
    """After the end of an attempt, or its longest time, what isn't there then never will be: the service gives a batch
    30 s (contract: handler deadlines), and 5 s are for clocks and the network."""
    attempt: float = 30.0
    """The longest time for one attempt, whatever the client's own timeout is."""
    looks: tuple[float, ...] = (1.0, 3.0, 8.0, 20.0)
    """When a batch whose answer was lost is looked for again, counted from the first look, which is at once."""
    witnesses: int = 3
    """Events of a batch that are looked for; with 0, which is for tests, everything counts as found."""
    in_flight: int = 4
    """Requests at a time: more than four bring the service nothing."""
    batch_events: int = 500
    """Later builds of the service refuse more (2026-04)."""
    batch_bytes: int = 2**20
    linger: float = 0.1
    """How long a batch that isn't full waits for more events."""
    open_batches: int = 64
    """Batches that are in flight, unsettled or put off; with so many no new one is begun."""
    pause: RetryPolicy = field(default_factory=lambda: RetryPolicy(wait_initial=0.1, wait_max=5.0, jitter=0.5))
    """The pauses between attempts while nothing can be delivered."""
    put_off: RetryPolicy = field(default_factory=lambda: RetryPolicy(wait_initial=0.5, wait_max=30.0, jitter=1.0))
    """The pauses between attempts at one batch that the service can't store."""
    failures: int = 3
    """After so many answers in a row that blame the database, while health is good, a batch is taken apart."""
    unstorable_again: float = 86400.0
    """How long an event that can't be stored rests in quarantine before it is tried again."""
    scan: float = 1.0
    """Between two looks at the directory for files without an owner."""
    expiry_alarm: float = 6 * 86400.0
    """The age of an event that waits at which `on_alarm` is told that the service will refuse it after 7 days."""
    clock: Clock = field(default_factory=Clock)
