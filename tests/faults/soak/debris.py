"""Damaged spool files of dead processes, which are put into the directory while others emit into it.

Each event carries a sum of its key, so that one whose key was changed by the damage is taken for no other.
"""

import json
import os
import random
import re
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.damage import alter, body, flip, left_file, overwrite

_EMITTED = re.compile(r"[0-9]{1,6}(f[0-9]+)*\.t?[0-9]+")
_CELLS = ("emitted", "time", "own", "body")


class Debris:
    """What was thrown in. `keys`: name of a file without its suffix → the keys of its events."""

    def __init__(self, place: Path) -> None:
        self.keys: dict[str, list[str]] = {}
        self._spool = place / "spool"
        self._yard = place / "debris"

    def throw(self, seed: int) -> None:
        """Make a file, damage it, and put it into the spool."""
        chance = random.Random(seed)
        name = f"{len(self.keys):04d}{chance.getrandbits(32):08x}"
        keys = [_key(f"{name}.{number}") for number in range(chance.choice((3, 20, 60)))]
        path = left_file(
            self._yard, range(len(keys)), name, lambda number, at: body(number, at, event_data={"soak": keys[number]})
        )
        if chance.random() < 0.3:
            alter(path, "INSERT INTO batch VALUES (1, '[[1, 3]]', 0, '', 0, NULL, 0)")
        chance.choice(_WAYS)(path, chance)
        self.keys[name] = keys
        self._spool.mkdir(mode=0o700, exist_ok=True)
        path.with_suffix(".lock").unlink()
        os.rename(path, self._spool / path.name)

    def is_named(self, name: str) -> bool:
        """Whether a file that isn't delivered is still there, under its own name or as one that was set aside."""
        return any(self._spool.glob(f"{name}*"))

    def knows(self, path: Path) -> bool:
        """Whether something in the spool is what is left of such a file."""
        return path.name.partition(".")[0].partition("-")[0] in self.keys


def _key(text: str) -> str:
    return f"{text}.{zlib.crc32(text.encode()):08x}"


def is_altered(key: str) -> bool:
    """Whether a key is none of `Debris`, nor one that an emitter may have made."""
    text, _, _ = key.rpartition(".")
    return key != _key(text) and _EMITTED.fullmatch(key) is None


def _bits(path: Path, chance: random.Random) -> None:
    flip(path, chance, chance.choice((1, 2, 5, 30, 200)))


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _null(path: Path, chance: random.Random) -> None:
    alter(path, f"UPDATE event SET {chance.choice(_CELLS)} = NULL WHERE id = {chance.randint(1, 3)}")


def _wild(path: Path, chance: random.Random) -> None:
    alter(path, f"UPDATE event SET id = {chance.choice((-1, 0, 10**16, 2**62, 2**63 - 1))} WHERE id = 3")


def _page(path: Path, chance: random.Random) -> None:
    place = chance.randrange(path.stat().st_size // 4096) * 4096
    overwrite(path, place, chance.choice((bytes(4096), b"\xff" * 4096, chance.randbytes(4096))))


def _newer(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {chance.randint(2, 9)}")


def _foreign(path: Path, chance: random.Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE event (id TEXT, body TEXT)")
        connection.execute("INSERT INTO event VALUES (?, ?)", (json.dumps(chance.random()), "x"))
    path.chmod(0o600)


def _junk(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.randrange(1, 20000)))


_WAYS: tuple[Callable[[Path, random.Random], None], ...] = (
    _bits,
    _bits,
    _cut,
    _null,
    _wild,
    _page,
    _page,
    _newer,
    _foreign,
    _junk,
)
