"""What happens to writers when their process forks.

SQLite must not be used, nor even closed, in a child by what its parent opened. So a process forks while none of its
threads is inside SQLite, and the child closes the descriptors that it inherited, forgets the connections, and opens
files of its own when it needs them.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path

from . import directory
from .spoolfile import Locks

_known: list[tuple[weakref.WeakMethod[Callable[[], Locks]], weakref.WeakMethod[Callable[[], None]]]] = []
_forking = threading.RLock()
_held: list[Locks] = []


def register(locks: Callable[[], Locks], forked: Callable[[], None]) -> None:
    """Take care of a writer for as long as there is one; both are methods of it.

    `locks` gives what must be held while the process forks, `forked` is called in the child.
    """
    _known[:] = [pair for pair in _known if pair[0]() is not None]
    _known.append((weakref.WeakMethod(locks), weakref.WeakMethod(forked)))


def leave(connections: Iterable[sqlite3.Connection], paths: Iterable[Path]) -> None:
    """In a child: give up what the parent opened."""
    paths = list(paths)
    for connection in connections:
        # Never collected, as that would close it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    directory.inherited.update(directory.identities(paths))
    for descriptor in directory.descriptors(paths):
        os.close(descriptor)


def _before() -> None:
    _forking.acquire()
    for method, _ in tuple(_known):
        get = method()
        if get is None:
            continue
        locks = get()
        locks.reading.acquire()
        locks.writing.acquire()
        _held.append(locks)


def _after_in_parent() -> None:
    while _held:
        locks = _held.pop()
        locks.writing.release()
        locks.reading.release()
    _forking.release()


def _after_in_child() -> None:
    # The lock is this thread's, which is the only one that is left.
    _held.clear()
    _forking.release()
    for _, method in tuple(_known):
        forked = method()
        if forked is not None:
            forked()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
