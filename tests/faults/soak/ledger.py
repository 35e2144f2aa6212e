"""What a process that emits notes of each event, before and after, so that it is still known after `kill -9`.

A ledger is a file in memory that the kernel keeps: to write into it takes no system call, so that no full disk and no
limit of the process can get in between. An event goes by its key, which is in its content; equal events share one.
"""

import mmap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".ledger"
_SIZE = 2**21


class Ledger:
    """Of one process. A line is a sign and a key: `?` is tried, `+` was kept, `-` was refused."""

    def __init__(self, directory: Path, name: str) -> None:
        with (directory / f"{name}{SUFFIX}").open("x+b") as file:
            file.truncate(_SIZE)
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    def tries(self, key: str) -> None:
        self._note("?", key)

    def kept(self, key: str) -> None:
        self._note("+", key)

    def refused(self, key: str) -> None:
        self._note("-", key)

    def _note(self, sign: str, key: str) -> None:
        self._memory.write(f"{sign}{key}\n".encode())


class Noted:
    """What all ledgers of a directory say: key → how often."""

    def __init__(self, directory: Path) -> None:
        self.tried: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        by_sign = {"?": self.tried, "+": self.kept, "-": self.refused}
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            for line in _lines(path):
                by_sign[line[0]][line[1:]] += 1

    def possible(self, key: str) -> int:
        """How many such events there may be; more than were kept where a process died in the middle."""
        return self.tried[key] - self.refused[key]


def _lines(path: Path) -> Iterator[str]:
    text = path.read_bytes().rstrip(b"\0").decode()
    # The last one may be torn: then what it says was about to happen, or had just happened.
    yield from text.split("\n")[:-1]
