"""Threads that want the same lock again and again: each has it for half a millisecond at a time.

Left to themselves they hand it over after every event, which costs ten times what keeping the event does, or one keeps
it for eight milliseconds. The lock itself stays Python's own, for only its `with` can't be torn apart by an exception
that a signal handler raises.
"""

from __future__ import annotations

import threading
import time

_PATIENCE = 0.0005
_POLL = 0.0002
_GIVE_WAY = 0.0003
_FORGOTTEN = 1.0
_LONGEST = 0.02
"""After that long a thread waits for the lock itself: whoever is inside may be waiting for a disk."""


class Turns:
    """Each thread calls `ask` before it takes the lock, `enter` and `leave` inside, and `give_way` afterwards.

    Nothing depends on it but the time that things take: what a signal handler tears apart is put right by the next.
    """

    def __init__(self) -> None:
        self._since: dict[object, float] = {}
        self._inside: int | None = None

    def ask(self) -> object:
        """Wait until nobody is inside; returns what is to be given to `enter` and `give_way`."""
        token = object()
        if self._inside not in (None, threading.get_ident()):
            since = self._since[token] = time.perf_counter()
            while self._inside is not None and time.perf_counter() - since < _LONGEST:
                time.sleep(_POLL)
        return token

    def enter(self, token: object) -> None:
        """The wait is over."""
        self._since.pop(token, None)
        self._inside = threading.get_ident()

    def leave(self) -> None:
        self._inside = None

    def give_way(self, token: object) -> None:
        """After the lock was released: let a thread have it that has waited long enough."""
        self._since.pop(token, None)
        since = list(self._since.values())
        waited = time.perf_counter() - min(since) if since else 0.0
        if waited > _PATIENCE:
            if waited > _FORGOTTEN:
                self._since.clear()
            time.sleep(_GIVE_WAY)
