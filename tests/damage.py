"""Spool files of processes that died, and what a bad disk makes of them."""

import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernaut_client.spool.spoolfile import Locks, SpoolFile
from tests.events import event

NAME = "0123456789ab"


def body(number: int, at: str, **members: Any) -> bytes:
    """An event as it lies in a file."""
    data = {"number": number, "text": "x" * 400}
    return json.dumps(event(**{"event_timestamp": at, "event_data": data, **members})).encode()


def left_file(spool: Path, numbers: Sequence[int], name: str = NAME, make: Callable[[int, str], bytes] = body) -> Path:
    """What a process has left that emitted these, with ids from 1 on."""
    spool.mkdir(mode=0o700, exist_ok=True)
    path = spool / f"{name}.spool"
    path.touch(0o600)
    path.with_suffix(".lock").touch(0o600)
    file = SpoolFile(path, Locks(), "dead")
    now = datetime.now(UTC)
    for place, number in enumerate(numbers):
        at = now.replace(microsecond=place).isoformat(timespec="microseconds").replace("+00:00", "Z")
        file.append(int(now.timestamp() * 1e6) + place, at, True, make(number, at))
    file.close()
    return path


def alter(path: Path, *statements: str, arguments: Sequence[Any] = ()) -> None:
    """Change what is in a file, also in ways that its tables don't allow."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        before = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '')")
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement, arguments)
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in before:
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))


def overwrite(path: Path, place: int, content: bytes) -> None:
    """Write over the bytes at a place."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def flip(path: Path, chance: random.Random, count: int) -> None:
    """Change single bits of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(count):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
