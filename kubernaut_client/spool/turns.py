"""Threads that want the same lock again and again: each has it for about a millisecond at a time.

Left to themselves they hand it over after every event, which costs ten times what keeping the event does, or one keeps
it for eight milliseconds. The lock itself stays Python's own, for only its `with` can't be torn apart by an exception
that a signal handler raises.
"""

from __future__ import annotations

import threading
import time

from kubernaut_client import clock

_TURN = 0.0013
_POLL = 0.0002
_GIVE_WAY = 0.0003
_IDLE = 0.0002
"""A thread that keeps nothing for so long has no turn any more."""
_LONGEST = 0.02
"""After that long a thread waits for the lock itself: whoever has it may be waiting for a disk."""
_FORGOTTEN = 1.0


class Turns:
    """Each thread calls `ask` before it takes the lock, `enter` and `leave` inside, and `give_way` afterwards.

    Nothing depends on it but the time that things take: what a signal handler tears apart is put right by the next.
    """

    def __init__(self) -> None:
        self._since: dict[object, float] = {}
        self._whose = 0  # the thread; 0 for none
        self._until = 0.0
        self._seen = 0.0  # when it left last

    def ask(self) -> object:
        """Wait while it is another thread's turn; returns what is to be given to `enter` and `give_way`."""
        token = object()
        if self._whose not in (0, threading.get_ident()):
            since = now = self._since[token] = clock.monotonic()
            # Not for the lock itself: whoever waits for that gets it after the next event.
            while now - self._seen < _IDLE and now - since < _LONGEST:
                time.sleep(_POLL)
                now = clock.monotonic()
        return token

    def enter(self, token: object) -> None:
        """The wait is over."""
        self._since.pop(token, None)
        me = threading.get_ident()
        if self._whose != me:
            now = clock.monotonic()
            # Several come in one after the other when a turn is over; the first of them has the next one.
            if now > self._until or now - self._seen > _IDLE:
                self._whose, self._until = me, now + _TURN

    def leave(self) -> None:
        self._seen = clock.monotonic()

    def give_way(self, token: object) -> None:
        """After the lock was released: let another thread have it, if one waits and this one has had its turn."""
        self._since.pop(token, None)
        since = list(self._since.values())
        if since:
            now = clock.monotonic()
            if now - min(since) > _FORGOTTEN:
                self._since.clear()
            if now > self._until and self._whose == threading.get_ident():
                time.sleep(_GIVE_WAY)
