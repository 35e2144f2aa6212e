"""What happens to writers when their process forks, and the one place that looks at the process id.

SQLite must not be used, nor even closed, in a child by what its parent opened. So a process forks while none of its
threads is inside SQLite, and the child closes the descriptors that it inherited, forgets the connections, and opens
files of its own when it needs them. A fork that Python doesn't notice, as that of uWSGI, is found at the next use.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable

from kubernaut_client.errors import ConfigurationError

from .spoolfile import REQUESTS, Locks

_known: list[tuple[weakref.WeakMethod[Callable[[], Locks]], weakref.WeakMethod[Callable[[], None]]]] = []
_forking: dict[int, threading.RLock] = {}
_held: dict[int, list[Locks]] = {}
_get_ident = threading.get_ident


class Process:
    """The process that something belongs to."""

    def __init__(self, forked: Callable[[], None]) -> None:
        """`forked` is called once in each forked child, before anything else is done there."""
        self._id = os.getpid()
        self._forked = forked

    def enter(self) -> None:
        """Called at the start of all that a caller may do."""
        if threading.get_ident is not _get_ident:
            raise ConfigurationError(
                "threads were replaced after kubernaut_client.AuditWriter was imported: call monkey.patch_all() of "
                "gevent, or monkey_patch() of eventlet, before any other import"
            )
        if self._id != os.getpid():
            with _lock():
                if self._id != os.getpid():
                    self._forked()
                    self._id = os.getpid()


def register(locks: Callable[[], Locks], forked: Callable[[], None]) -> None:
    """Take care of a writer for as long as there is one; both are methods of it.

    `locks` returns what must be held while the process forks, `forked` is called in the child.
    """
    _known[:] = [pair for pair in _known if pair[0]() is not None]
    _known.append((weakref.WeakMethod(locks), weakref.WeakMethod(forked)))


def leave(connections: Iterable[sqlite3.Connection], descriptors: Iterable[int]) -> None:
    """In a child: give up what the parent opened."""
    for connection in connections:
        # Never collected, as that would close it. Imported here, for sub-interpreters don't have it before 3.13.
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    for descriptor in descriptors:
        os.close(descriptor)


def _lock() -> threading.RLock:
    """This process's lock: one that a thread of the parent had at the fork is never released."""
    return _forking.setdefault(os.getpid(), threading.RLock())


def _greenlets() -> bool:
    """Whether gevent or eventlet has replaced threads."""
    return threading.get_ident.__module__ != "_thread"


def _before() -> None:
    _lock().acquire()
    held = _held[os.getpid()] = []
    for method, _ in tuple(_known):
        get = method()
        if get is None:
            continue
        locks = get()
        if _greenlets():  # they go on in the child, where a request that is on its way would be made twice
            for _ in range(REQUESTS):
                locks.requests.acquire()
        locks.reading.acquire()
        locks.writing.acquire()
        held.append(locks)


def _after_in_parent() -> None:
    held = _held[os.getpid()]
    while held:
        locks = held.pop()
        locks.writing.release()
        locks.reading.release()
        if _greenlets():
            locks.requests.release(REQUESTS)
    _lock().release()


def _after_in_child() -> None:
    for _, method in tuple(_known):
        forked = method()
        if forked is not None:
            forked()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
