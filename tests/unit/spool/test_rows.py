"""Reading all rows that can be read, whatever is damaged between them, in no more steps than the file could hold."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kubernaut_client.spool import rows
from kubernaut_client.spool.rows import Walk
from tests.damage import alter, left_file, overwrite


def walked(path: Path, table: str = "event") -> tuple[list[int], int, str | None]:
    """The ids that are found, how often there was nothing for a moment, and what is wrong."""
    with closing(rows.connect(path, 0)) as connection:
        walk = Walk(connection, table, path.stat().st_size)
        found = list(walk)
    return [each[0] for each in found if each is not None], found.count(None), walk.damage


def on_page(path: Path, page: int) -> set[int]:
    """The ids of the events on a page, found by what is missing without it."""
    before = path.read_bytes()
    overwrite(path, page * 4096, b"\xff" * 4096)
    missing = set(range(1, 301)) - set(walked(path)[0])
    path.write_bytes(before)
    return missing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return left_file(tmp_path / "spool", range(300))


def test_a_healthy_file_is_read_once_in_order(path: Path) -> None:
    assert walked(path) == (list(range(1, 301)), 0, None)
    assert walked(path, "quarantine") == ([], 0, None)


@pytest.mark.parametrize("pages", [{7}, {20}, {20, 21}, {10, 20, 30}, {7, 30}, set(range(8, 40, 2))])
def test_only_what_is_on_a_damaged_page_is_missing(path: Path, pages: set[int]) -> None:
    pages = {page for page in pages if page < path.stat().st_size // 4096}
    expected = set(range(1, 301)).difference(*(on_page(path, page) for page in pages))
    for page in pages:
        overwrite(path, page * 4096, b"\xff" * 4096)
    found, _, damage = walked(path)
    assert set(found) == expected and len(found) == len(expected)
    assert damage == "database disk image is malformed"


@pytest.mark.parametrize("identity", [-(2**63), -1, 0, 10**16, 2**63 - 1])
def test_a_wild_id_is_found_in_few_steps(path: Path, identity: int) -> None:
    alter(path, f"UPDATE event SET id = {identity} WHERE id = 150")
    for page in (9, 25):
        overwrite(path, page * 4096, b"\xff" * 4096)
    found, nothing, _ = walked(path)
    assert identity in found and len(found) > 280
    assert nothing < path.stat().st_size // 64 + 200


def test_a_row_that_is_too_large_takes_no_other_with_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alter(path, "UPDATE event SET body = zeroblob(3000000) WHERE id IN (1, 150, 300)")
    monkeypatch.setattr(rows, "CELL_BYTES_LIMIT", 2**20)
    found, _, damage = walked(path)
    assert set(found) == set(range(1, 301)) - {1, 150, 300} and damage == "string or blob too big"


def test_pages_that_point_to_each_other_come_to_an_end(path: Path) -> None:
    """Each entry of the table's root leads to the same page."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    content = bytearray(path.read_bytes())
    begin = (root - 1) * 4096
    count = int.from_bytes(content[begin + 3 : begin + 5], "big")
    for number in range(count):
        cell = int.from_bytes(content[begin + 12 + 2 * number : begin + 14 + 2 * number], "big")
        content[begin + cell : begin + cell + 4] = content[begin + 8 : begin + 12]
    path.write_bytes(content)
    found, nothing, _ = walked(path)
    assert 0 < len(found) == len(set(found)) < 20 and nothing < path.stat().st_size // 64 + 200


def test_a_table_that_is_missing(path: Path) -> None:
    alter(path, "DROP TABLE event")
    found, nothing, damage = walked(path)
    assert (found, nothing) == ([], 0) and damage == "no such table: event"


def test_another_process_that_has_the_file_is_no_damage(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            walked(path)
