"""A lock whose waiters get their turn: what one thread holds again and again, others still get within a millisecond.

Python's own locks go to whoever asks first after a release, which is nearly always the thread that released them: with
four threads that emit as fast as they can, one in a hundred would wait 8 ms.
"""

from __future__ import annotations

import threading
import time

_PATIENCE = 0.001
_GIVE_WAY = 0.0001


class TurnLock:
    """Re-entrant, as a signal handler may come in the middle of anything."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._impatient: list[None] = []

    def acquire(self) -> None:
        if not self._lock.acquire(timeout=_PATIENCE):
            self._impatient.append(None)  # a number could be counted wrong by two threads at once
            try:
                self._lock.acquire()
            finally:
                self._impatient.pop()

    def release(self) -> None:
        self._lock.release()
        if self._impatient:
            time.sleep(_GIVE_WAY)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
