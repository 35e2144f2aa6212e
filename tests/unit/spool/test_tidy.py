"""Giving the disk back what isn't needed any more."""

import sqlite3
from contextlib import closing
from pathlib import Path

from kubernaut_client.spool.spoolfile import Locks, SpoolFile


def free_pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return found


def test_an_empty_file_gets_small(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.touch()
    file = SpoolFile(path, Locks(), "token")
    for number in range(300):
        file.append(number, "2026-01-01T00:00:00Z", True, b"x" * 5000)
    ranges = ((1, file.last),)
    file.stored(file.sending(ranges, 0.0, "", 0.0, None), ranges)
    assert free_pages(path) > 300
    file.tidy()
    assert (file.count, free_pages(path)) == (0, 0)
    file.close()


def test_a_few_free_pages_stay_while_there_are_events(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.touch()
    file = SpoolFile(path, Locks(), "token")
    for number in range(100):
        file.append(number, "2026-01-01T00:00:00Z", True, b"x" * 5000)
    file.stored(file.sending(((1, 90),), 0.0, "", 0.0, None), ((1, 90),))
    before = free_pages(path)
    file.tidy()
    assert free_pages(path) == before > 0
    file.close()
