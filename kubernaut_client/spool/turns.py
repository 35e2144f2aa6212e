"""Giving way to whoever has waited for a lock too long.

Python's own locks go to whoever asks first after a release, which is nearly always the thread that released them: with
four threads that emit as fast as they can, one emit in a hundred would wait 8 ms. The lock itself stays Python's own,
for only its `with` can't be torn apart by an exception that a signal handler raises.
"""

from __future__ import annotations

import time

_PATIENCE = 0.001
_GIVE_WAY = 0.0001


class Turns:
    """The threads that wait. Each asks before it takes the lock, says when it has got it, and gives way afterwards."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    def ask(self) -> object:
        """Begin to wait; returns what is to be given to `got`."""
        token = object()
        self._since[token] = time.perf_counter()
        return token

    def got(self, token: object) -> None:
        """The wait is over."""
        self._since.pop(token, None)

    def give_way(self) -> None:
        """After the lock was released: let a thread have it that has waited for a millisecond."""
        since = list(self._since.values())
        if since and time.perf_counter() - min(since) > _PATIENCE:
            time.sleep(_GIVE_WAY)
