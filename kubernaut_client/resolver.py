"""The addresses of a host, looked up in a thread, so that waiting for them can end.

The system's resolver can't be interrupted: with a name server that doesn't answer it takes 20 s and more. The threads
are daemons, so they don't keep a process from exiting, and there is at most one for a host and port at a time.
"""

from __future__ import annotations

import codecs
import ipaddress
import os
import socket
import threading
from concurrent.futures import Future

# The resolver loads this codec at its first use; a fork just then would leave the child waiting for it.
codecs.lookup("idna")

_Key = tuple[int, str, int]
# By process: a child of `fork()` inherits the entries of its parent, but not the threads that would complete them.
_RUNNING: dict[_Key, Future[list[str]]] = {}


def addresses(host: str, port: int) -> Future[list[str]]:
    """The addresses of a host in the order of the resolver; cancelling the future has no effect."""
    lookup: Future[list[str]] = Future()
    lookup.set_running_or_notify_cancel()
    try:
        ipaddress.ip_address(host)
        lookup.set_result([host])
        return lookup
    except ValueError:
        pass
    key = (os.getpid(), host, port)
    running = _RUNNING.setdefault(key, lookup)
    if running is lookup:
        try:
            threading.Thread(target=_look_up, args=(key, lookup), name="kubernaut_client resolver", daemon=True).start()
        except RuntimeError:  # no thread can be started, as at the exit of the interpreter
            _look_up(key, lookup)
    return running


def _look_up(key: _Key, lookup: Future[list[str]]) -> None:
    _, host, port = key
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        del _RUNNING[key]
        lookup.set_exception(error)
    else:
        del _RUNNING[key]
        lookup.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
