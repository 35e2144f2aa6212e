"""Reading all rows that can be read, whatever is damaged between them, in no more steps than the file could hold."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.spool import rows
from kubernaut_client.spool.rows import CorruptError, Walk
from tests.damage import alter, body, left_file, overwrite


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


# ---- what each column may hold ---------------------------------------------------------------------------------------

AT = "2026-01-31T12:00:00.000001Z"
EVENT = (5, 7, AT, 1, body(1, AT))
LAST = rows.FIRST_NEW_ID + 2**32
VALID: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, list[Any]]]] = {
    "event": (
        rows.event,
        dict(zip(rows.TABLES["event"], EVENT, strict=True)),
        {"id": [1, LAST], "emitted": [0, 253_402_300_800 * 10**6], "own": [0, 1]},
    ),
    "batch": (
        rows.sent,
        {"id": 1, "events": "[[1, 3], [5, 5]]", "sent": 1.5, "boot": "b", "until": 2.5, "baseline": None, "stored": 0},
        {
            "id": [1, LAST],
            "events": ["[[1, 10000]]", "[[1, 1], [2, 2]]", f"[[{LAST}, {LAST}]]"],
            "sent": [0, -1.5],
            "boot": [""],
            "until": [3],
            "baseline": [0, 2**31],
            "stored": [0, 1],
        },
    ),
    "quarantine": (
        rows.quarantined,
        dict(zip(rows.TABLES["quarantine"], (5, "refused", "why", 9, None, 7, AT, 1, b"anything"), strict=True)),
        {"id": [1, LAST], "since": [0, 253_402_300_800], "again": [0, None], "time": ["", AT], "body": [b""]},
    ),
}
NEVER: dict[str, list[Any]] = {
    "id": [0, -1, LAST + 1, None, "1", 1.0],
    "emitted": [-1, 253_402_300_800 * 10**6 + 1, None, "x", 1.5, True],
    "time": [None, "2026-02-31T00:00:00Z", "2026-01-31T00:00:00", 5, b"x"],
    "own": [2, -1, None, 1.0, "1"],
    "body": [None, "{}", 5],
    "events": [None, "[]", "[[1, 10001]]", "[[2, 1]]", "[[1, 2], [2, 3]]", "[[3, 3], [1, 1]]", "[[0, 1]]", "[[1]]"],
    "sent": [None, "x", float("inf"), b""],
    "boot": [None, 5, b""],
    "until": [None, "x", float("nan")],
    "baseline": [-1, 2**31 + 1, "0", 1.5],
    "stored": [2, -1, None],
    "kind": [None, 5, b"x"],
    "reason": [None, 5, b"x"],
    "since": [-1, 253_402_300_801, None],
    "again": [-1, 253_402_300_801, "soon"],
}


@pytest.mark.parametrize("table", VALID)
def test_a_row_as_it_is_written(table: str) -> None:
    read, valid, others = VALID[table]
    assert read(tuple(valid.values())).id == valid["id"]
    for column, values in others.items():
        for value in values:
            read(tuple({**valid, column: value}.values()))


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in VALID for column in VALID[table][1]])
def test_a_value_that_is_never_written(table: str, column: str) -> None:
    read, valid, _ = VALID[table]
    assert NEVER[column]
    for value in NEVER[column]:
        values = tuple({**valid, column: value}.values())
        with pytest.raises(CorruptError, match=f"{table} .*: {column} ") as caught:
            read(values)
        assert str(value) not in str(caught.value).partition(f"{column} ")[2] or value in (5, 0, -1, 2, "x", "1", "0")
        if column == "id":
            read(values, any_id=True)
        else:
            with pytest.raises(CorruptError):
                read(values, any_id=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff" * 300,
        body(1, "2026-01-31T12:00:00.000002Z"),
        body(1, AT, correlation_id=...),
        body(1, AT)[:-1],
        body(1, AT, event_data={"text": "x" * rows.EVENT_BYTES_LIMIT}),
    ],
    ids=["nothing", "array", "null", "deep", "no text", "other time", "member missing", "cut", "too large"],
)
def test_a_body_that_is_no_event_of_its_time(content: bytes) -> None:
    with pytest.raises(CorruptError, match=f"event 5: body of {len(content)} bytes is no event of that time"):
        rows.event((*EVENT[:4], content))


def test_an_event_of_the_largest_size() -> None:
    empty = body(1, AT, event_data={"text": ""})
    largest = body(1, AT, event_data={"text": "x" * (rows.EVENT_BYTES_LIMIT - len(empty))})
    assert len(largest) == rows.EVENT_BYTES_LIMIT and rows.event((*EVENT[:4], largest)).body == largest
    with pytest.raises(CorruptError):
        rows.event((*EVENT[:4], largest + b" "))


def test_batches_that_share_an_event() -> None:
    def batch(identity: int, events: str) -> rows.Sent:
        return rows.sent((identity, events, 0, "", 0, None, 0))

    fine = [batch(1, "[[5, 9]]"), batch(2, "[[1, 4], [10, 10]]")]
    assert rows.apart(fine) == fine
    with pytest.raises(CorruptError, match="batch 3: has events of another one"):
        rows.apart([*fine, batch(3, "[[10, 12]]")])


@pytest.mark.parametrize(
    ("code", "damage", "no_spool"),
    [
        (sqlite3.SQLITE_CORRUPT | 1 << 8, True, True),
        (sqlite3.SQLITE_NOTADB, True, True),
        (sqlite3.SQLITE_TOOBIG, True, True),
        (sqlite3.SQLITE_CONSTRAINT, True, True),
        (sqlite3.SQLITE_MISMATCH, True, True),
        (sqlite3.SQLITE_ERROR, False, True),
        (sqlite3.SQLITE_BUSY, False, False),
        (sqlite3.SQLITE_IOERR, False, False),
        (sqlite3.SQLITE_FULL, False, False),
    ],
)
def test_which_errors_show_that_a_file_is_damaged(code: int, damage: bool, no_spool: bool) -> None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert (rows.is_corrupt(error), rows.is_no_spool(error)) == (damage, no_spool)
    assert not rows.is_corrupt(sqlite3.ProgrammingError("closed")) and not rows.is_corrupt(TypeError())
    assert rows.is_corrupt(UnicodeDecodeError("utf-8", b"x", 0, 1, "why"))
