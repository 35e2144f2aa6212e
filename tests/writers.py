"""Audit writers for tests: in a time of their own, with the constants of the real ones divided."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubernaut_client import AuditWriter, RetryPolicy
from kubernaut_client.spool.tuning import Clock, Tuning


class MovedClock(Clock):
    """The clocks of this machine, moved by a test."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.wall_offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset + self.wall_offset

    def monotonic(self) -> float:
        return time.monotonic() + self.offset

    def advance(self, seconds: float) -> None:
        """So much time passes."""
        self.offset += seconds


def tuning(scale: float = 20.0, **changes: Any) -> Tuning:
    """The real constants in a time that runs `scale` times as fast."""
    real = Tuning()

    def faster(policy: RetryPolicy) -> RetryPolicy:
        return replace(
            policy,
            wait_initial=policy.wait_initial / scale,
            wait_max=policy.wait_max / scale,
            jitter=policy.jitter / scale,
        )

    return replace(
        real,
        **{
            "fence": real.fence / scale,
            "attempt": real.attempt / scale,
            "looks": tuple(each / scale for each in real.looks),
            "linger": real.linger / scale,
            "pause": faster(real.pause),
            "put_off": faster(real.put_off),
            "scan": real.scan / scale,
            **changes,
        },
    )


def writer(target: Any, spool: Path, tuned: Tuning | None = None, **options: Any) -> AuditWriter:
    """A writer with these constants, those of `tuning` by default."""
    return AuditWriter._tuned(tuned or tuning(), target, spool=spool, **options)
