"""Connections to the embedded server from explicit parameters alone, whatever libpq would read elsewhere.

libpq takes what a connection string leaves open from some thirty environment variables, from service files and from a
password file. They are meant for another server: one that the caller's own tests use, say.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from typing import Final

from psycopg import pq
from psycopg.conninfo import make_conninfo

# What libpq reads although a connection string is complete: the service, and the settings that it sends along.
_UNAVOIDABLE: Final = ("PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO")
# Where the compiled default, or nothing, wouldn't do. With a password, libpq looks for no password file.
_VALUES: Final = {
    "password": "unused",
    "client_encoding": "UTF8",
    "sslmode": "disable",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "channel_binding": "disable",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}
_SERVICE: Final = "service"

_lock = threading.Lock()
_hiding: list[object] = []  # the contexts that are open just now


def socket_dsn(directory: str) -> str:
    """A connection string for the server whose socket is in a directory, for any tool that uses libpq."""
    quoted = directory.replace("\\", "\\\\").replace("'", "\\'")
    return f"host='{quoted}' hostaddr='' port=5432 dbname=postgres user=postgres"


def complete(conninfo: str) -> str:
    """A connection string with a value for every parameter that a variable could set."""
    options = [option for option in pq.Conninfo.parse(b"") if option.envvar is not None]
    values = {option.keyword.decode(): (option.compiled or b"").decode() for option in options}
    values.update((name, value) for name, value in _VALUES.items() if name in values)
    del values[_SERVICE]
    return make_conninfo(**{**values, **_parsed(conninfo)})


@contextlib.contextmanager
def no_variables() -> Generator[None]:
    """A context, of some milliseconds, in which libpq doesn't find those variables that no parameter overrides.

    `os.environ` doesn't change; only what C code of this process would find does, and what a process gets that is
    started in this very moment without an environment of its own.
    """
    context = object()
    with _lock:
        _hiding.append(context)
        for name in _UNAVOIDABLE:
            if name in os.environ:
                os.unsetenv(name)
    try:
        yield
    finally:
        with _lock:
            _hiding.remove(context)
            for name in _UNAVOIDABLE if not _hiding else ():
                if name in os.environ:
                    os.putenv(name, os.environ[name])


def _parsed(conninfo: str) -> dict[str, str]:
    given = pq.Conninfo.parse(conninfo.encode())
    return {option.keyword.decode(): option.val.decode() for option in given if option.val is not None}
