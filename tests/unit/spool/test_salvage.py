"""Reading a damaged file into a new one: in steps, with what may have arrived, and with names for the rest."""

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from kubernaut_client.spool import salvage as module
from kubernaut_client.spool.rows import FIRST_NEW_ID
from kubernaut_client.spool.salvage import Salvage
from tests.damage import alter, left_file, overwrite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return left_file(tmp_path / "spool", range(1, 301))


def salvaged(path: Path) -> tuple[Salvage, Path, int]:
    """What was read, where it is now, and in how many steps."""
    target = path.with_suffix(".salvage")
    before = path.read_bytes()
    job = Salvage(path, target, "why")
    steps = 1
    while not job.step():
        steps += 1
    job.close()
    assert path.read_bytes() == before, "the damaged file stays as it was"
    assert {each.suffix for each in path.parent.iterdir()} <= {
        ".spool",
        ".lock",
        ".salvage",
        ".spool-shm",
        ".spool-wal",
    }
    return job, target, steps


def column(path: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute(query)]


def test_a_file_that_is_as_it_was_written(path: Path) -> None:
    alter(
        path,
        "INSERT INTO quarantine SELECT id, 'refused', 'why', 7, 8, emitted, time, own, body FROM event WHERE id > 290",
        "DELETE FROM event WHERE id > 290",
        "INSERT INTO batch VALUES (5, '[[1, 10], [12, 12]]', 1.5, 'boot', 2.5, 3, 1)",
    )
    job, target, _ = salvaged(path)
    assert (job.events, job.apart, job.unread, job.lost()) == (290, 10, 0, "")
    for table in ("event", "quarantine"):
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(target)) as new:
            query = f"SELECT * FROM {table} ORDER BY id"
            assert old.execute(query).fetchall() == new.execute(query).fetchall()
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT * FROM batch").fetchall() == [
            (1, "[[1, 10], [12, 12]]", 1.5, "boot", 2.5, 3, 1)
        ]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_it_takes_small_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks are released between them."""
    monkeypatch.setattr(module, "_STEP_SECONDS", 0)
    job, _, steps = salvaged(path)
    assert job.events == 300 and steps >= 300


@pytest.mark.parametrize(("at_once", "size"), [(1, 2**20), (1000, 2000), (7, 2**20)])
def test_much_is_written_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, size: int) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    monkeypatch.setattr(module, "_BYTES_AT_ONCE", size)
    monkeypatch.setattr(module, "_LOG_BYTES", 50_000)
    logs: list[int] = []
    job = Salvage(path, path.with_suffix(".salvage"), "why")
    monkeypatch.setattr(module, "_STEP_SECONDS", 0)
    while not job.step():
        assert job._file is not None
        logs.append(job._file.log_size())
    job.close()
    assert job.events == 300 and max(logs) < 250_000, "nor does its log grow with the file"
    assert column(job.target, "SELECT id FROM event ORDER BY id") == list(range(1, 301))


def test_what_a_damaged_table_of_batches_means(path: Path) -> None:
    """Any event may have arrived: each is looked for by itself."""
    alter(
        path,
        "INSERT INTO batch VALUES (1, '[[1, 10]]', 0, '', 0, NULL, 0)",
        "INSERT INTO batch VALUES (2, '[[10, 20]]', 0, '', 0, NULL, 0)",
    )
    job, target, _ = salvaged(path)
    assert "batch 2: has events of another one" in job.lost() and job.unread == 0
    rows = [json.loads(str(each)) for each in column(target, "SELECT events FROM batch ORDER BY id")]
    assert rows == [[[number, number]] for number in range(1, 301)]
    assert set(column(target, "SELECT stored FROM batch")) == {0}


@pytest.mark.parametrize("wild", [-(2**63), -1, 0, FIRST_NEW_ID, 2**63 - 1])
def test_an_event_with_a_wild_id_gets_a_new_one_and_is_looked_for(path: Path, wild: int) -> None:
    alter(path, f"UPDATE event SET id = {wild} WHERE id = 7")
    job, target, _ = salvaged(path)
    assert job.events == 300 and job.unread == 0
    (new,) = {int(str(each)) for each in column(target, "SELECT id FROM event")} - set(range(1, 301))
    assert new > FIRST_NEW_ID
    assert [json.loads(str(each)) for each in column(target, "SELECT events FROM batch")] == [[[new, new]]]


def test_a_batch_with_a_wild_id_says_as_much_as_any(path: Path) -> None:
    alter(path, "INSERT INTO batch VALUES (-7, '[[1, 3]]', 0, '', 0, NULL, 1)")
    job, target, _ = salvaged(path)
    assert (job.events, job.lost()) == (300, "")
    assert column(target, "SELECT events FROM batch") == ["[[1, 3]]"] and column(target, "SELECT id FROM batch") == [1]


def test_an_id_of_the_quarantine_that_an_event_has(path: Path) -> None:
    alter(path, "INSERT INTO quarantine SELECT id, 'refused', '', 0, NULL, emitted, time, own, body FROM event")
    job, target, _ = salvaged(path)
    assert (job.events, job.apart) == (300, 300)
    assert not set(column(target, "SELECT id FROM event")) & set(column(target, "SELECT id FROM quarantine"))


def test_at_most_ten_rows_are_named(path: Path) -> None:
    alter(path, "UPDATE event SET own = 7 WHERE id <= 15")
    job, _, _ = salvaged(path)
    assert (job.events, job.unread, len(job.named)) == (285, 15, 10)
    assert job.lost().startswith("; not readable: event 1: own is an invalid INTEGER; event 2:")
    assert job.lost().endswith("event 10: own is an invalid INTEGER, and 5 rows more")


def test_a_file_whose_first_page_is_lost(path: Path) -> None:
    """It says which tables there are, and every file has the same."""
    overwrite(path, 0, bytes(4096))
    job, target, _ = salvaged(path)
    assert job.events == 300 and job.lost() == ""
    assert column(target, "SELECT id FROM event ORDER BY id") == list(range(1, 301))


def test_a_file_with_a_hole_as_large_as_a_disk(path: Path) -> None:
    overwrite(path, 0, bytes(4096))
    os.truncate(path, 2**40)
    target = path.with_suffix(".salvage")
    job = Salvage(path, target, "why")
    while not job.step():
        assert job._copied.stat().st_blocks * 512 < 2**22
    job.close()
    assert job.events == 300


def test_what_was_left_of_an_earlier_attempt_goes(path: Path) -> None:
    for suffix in ("", "-wal", "-copy"):
        Path(f"{path.with_suffix('.salvage')}{suffix}").write_bytes(b"x" * 5000)
    job, target, _ = salvaged(path)
    assert job.events == 300 and column(target, "SELECT count(*) FROM event") == [300]


def test_given_up_in_the_middle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEP_SECONDS", 0)
    job = Salvage(path, path.with_suffix(".salvage"), "why")
    assert job.connections() == []
    for _ in range(50):
        assert not job.step()
    assert len(job.connections()) == 3
    job.close()
    for connection in job.connections():
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_another_process_that_holds_the_file_is_no_damage(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        job = Salvage(path, path.with_suffix(".salvage"), "why")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            job.step()
        job.close()
