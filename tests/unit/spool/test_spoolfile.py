"""One spool file: what is counted, what survives, and which versions are read."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kubernaut_client.spool import rows
from kubernaut_client.spool import spoolfile as module
from kubernaut_client.spool.batch import ranges_of
from kubernaut_client.spool.rows import CorruptError, is_corrupt
from kubernaut_client.spool.spoolfile import (
    ROW_BYTES,
    Locks,
    NewerError,
    SpoolFile,
    TakenError,
    explained,
)
from tests.events import event

TIME = "2026-01-31T12:00:00Z"
BODY = json.dumps(event(event_timestamp=TIME)).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "0123456789ab.spool"
    path.touch(0o600)
    return path


def opened(path: Path, owner: str = "ours") -> SpoolFile:
    return SpoolFile(path, Locks(), owner)


@pytest.fixture
def file(path: Path) -> Iterator[SpoolFile]:
    file = opened(path)
    yield file
    file.close()


def fill(file: SpoolFile, count: int) -> list[int]:
    return [file.append(number, TIME, True, BODY) for number in range(1, count + 1)]


def test_what_is_appended_is_there_for_the_next_that_opens_it(path: Path, file: SpoolFile) -> None:
    assert fill(file, 3) == [1, 2, 3]
    again = opened(path, "another")
    assert (again.count, again.size, again.last, again.appended) == (3, 3 * (len(BODY) + ROW_BYTES), 3, 3)
    assert [row.id for row in again.after(1, 10, 1000)[0]] == [2, 3]
    assert [row.body for row in again.rows([3, 1])] == [BODY, BODY]
    assert again.oldest() == (1, 1)
    again.close()


def test_nobody_else_may_read_it(path: Path, file: SpoolFile) -> None:
    fill(file, 1)
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


@pytest.mark.parametrize("count", [1, 49, 50, 51, 500])
def test_a_batch_that_arrived_is_gone_with_its_events(file: SpoolFile, count: int) -> None:
    ids = fill(file, count + 2)
    ranges = ranges_of(ids[1:-1])
    batch = file.sending(ranges, 1.0, "boot", 2.0, None)
    ((identity, found, sent, boot, until, baseline, stored),) = file.sent()
    assert (identity, found, sent, boot, until, baseline, stored) == (batch, ranges, 1.0, "boot", 2.0, None, False)
    file.stored(batch, ranges)
    assert file.sent() == []
    assert [row.id for row in file.after(0, 1000, 2**20)[0]] == [ids[0], ids[-1]]
    assert (file.count, file.size) == (2, 2 * (len(BODY) + ROW_BYTES))
    file.stored(batch, ranges)  # again, as after a disk that was full, does nothing
    assert file.count == 2


def test_a_batch_that_did_not_arrive_leaves_its_events(file: SpoolFile) -> None:
    ids = fill(file, 3)
    file.absent(file.sending(ranges_of(ids), 1.0, "", 2.0, 5))
    assert file.sent() == [] and file.count == 3


def test_what_is_set_apart_can_be_released(path: Path, file: SpoolFile) -> None:
    ids = fill(file, 3)
    before = file.size
    file.quarantine([(ids[1], "refused", "why")], 100, 200)
    assert (file.count, file.quarantined, file.size) == (2, 1, before)
    assert (file.due(199, 9), file.due(200, 9), file.due(200, 0)) == ([], [2], [])
    released = file.release(2)
    assert released is not None and released.id == 4 == file.appended
    assert (file.count, file.quarantined, file.size) == (3, 0, before)
    assert [row.id for row in file.after(0, 10, 1000)[0]] == [1, 3, 4]
    file.keep_apart("invalid", "why", 5_000_000, b"{}")
    assert not file.empty() and file.quarantined == 1
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM quarantine")
        other.commit()
    file.recount()
    assert file.quarantined == 0


def test_an_id_is_never_given_twice(path: Path, file: SpoolFile) -> None:
    """Also where the events with the highest ones are set apart, and the file is opened anew."""
    ids = fill(file, 3)
    file.quarantine([(ids[2], "refused", "why")], 100)
    again = opened(path)
    assert again.append(9, TIME, True, BODY) == 4
    again.close()


def test_empty_is_what_the_file_says(file: SpoolFile) -> None:
    assert file.empty()
    batch = file.sending(((1, 1),), 0.0, "", 0.0, None)
    assert not file.empty()
    file.absent(batch)
    fill(file, 1)
    file.count = 0
    assert not file.empty()


def test_what_another_process_has_taken_is_not_written_to(path: Path, file: SpoolFile) -> None:
    fill(file, 1)
    other = opened(path, "theirs")
    with pytest.raises(TakenError):
        file.append(2, TIME, True, BODY)
    with pytest.raises(TakenError):
        file.sending(((1, 1),), 0.0, "", 0.0, None)
    assert file.count == 1 == other.count and other.sent() == []
    other.close()


def test_a_newer_file_is_refused_and_left_alone(path: Path, file: SpoolFile) -> None:
    fill(file, 2)
    file.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {module.SCHEMA + 1}")
    before = path.read_bytes()
    with pytest.raises(NewerError, match=rf"version {module.SCHEMA + 1} .* knows {module.SCHEMA}.*left alone"):
        opened(path)
    assert path.read_bytes() == before


def test_an_older_file_is_brought_up_to_date(path: Path, file: SpoolFile, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(file, 2)
    file.close()
    steps = (*module._STEPS, ("ALTER TABLE event ADD COLUMN later INTEGER",))
    monkeypatch.setattr(module, "_STEPS", steps)
    monkeypatch.setattr(module, "SCHEMA", len(steps))
    newer = opened(path)
    assert newer.count == 2 and [row.body for row in newer.after(0, 9, 1000)[0]] == [BODY, BODY]
    newer.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert "later" in {name for _, name, *_ in connection.execute("PRAGMA table_info(event)")}


def test_a_row_that_makes_no_sense_is_a_corrupt_file(path: Path, file: SpoolFile) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO batch VALUES (1, 'x', 0, '', 0, NULL, 0)")
        connection.commit()
    with pytest.raises(CorruptError) as caught:
        file.sent()
    assert is_corrupt(caught.value)


def test_what_goes_wrong_is_explained(tmp_path: Path) -> None:
    (tmp_path / "x.spool").write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        opened(tmp_path / "x.spool")
    assert is_corrupt(caught.value)
    text = str(explained(caught.value, tmp_path / "x.spool"))
    assert "x.spool is corrupt" in text and "look at the disk" in text
    assert "the disk is full; make room" in str(explained(OSError(28, "No space left on device"), tmp_path))
    assert "can't be written: Read-only" in str(explained(OSError(30, "Read-only file system"), tmp_path))


def test_quarantine_as_others_see_it(path: Path, file: SpoolFile) -> None:
    fill(file, 1)
    file.quarantine([(1, "unstorable", "why")], 100, 300)
    with closing(sqlite3.connect(path)) as connection:
        (each,) = map(rows.quarantined, connection.execute(rows.select("quarantine")))
    assert (each.id, each.kind, each.reason, each.since, each.again, each.body) == (
        1,
        "unstorable",
        "why",
        100,
        300,
        BODY,
    )


def test_a_checkpoint_does_not_wait_for_who_reads(path: Path, file: SpoolFile) -> None:
    """An emit would wait with it: SQLite's own patience, five seconds, is for other things."""
    fill(file, 10)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM event").fetchone() == (10,)
        fill(file, 10)
        asked: list[str] = []
        file._write.set_trace_callback(asked.append)
        assert not file.cut_log(), "someone reads"
        file._write.set_trace_callback(None)
        assert asked[0] == "PRAGMA busy_timeout = 0"
        assert asked[-1] == f"PRAGMA busy_timeout = {int(1000 * file._patience)}"
        assert file._write.execute("PRAGMA busy_timeout").fetchone() == (5000,)
    assert file.cut_log() and file.log_size() == 0


def test_an_event_that_is_gone_is_not_released(path: Path, file: SpoolFile) -> None:
    """The command deleted it in between; or it could never be sent, whatever the file says."""
    ids = fill(file, 2)
    file.quarantine([(ids[0], "refused", "why")], 100, 200)
    file.keep_apart("invalid", "why", 5_000_000, b"no event")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM quarantine WHERE id = 1")
        other.execute("UPDATE quarantine SET again = 0")
    assert file.due(300, 9) == [3]
    assert file.release(1) is None and file.release(3) is None
    assert file.due(300, 9) == [], "it isn't tried again and again"
    assert file.count == 1


def test_what_is_invalid_and_absurdly_large_is_kept_in_part(file: SpoolFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELL_BYTES_LIMIT", 2000)
    file.keep_apart("invalid", "why", 5_000_000, b"x" * 5000)
    assert file.size == 1000 + ROW_BYTES


def test_events_that_went_with_a_signal_are_counted(file: SpoolFile) -> None:
    fill(file, 3)
    file._write.execute("INSERT INTO event SELECT 4, emitted, time, own, body FROM event WHERE id = 1")
    file.notice_appended()
    assert file.count == 3, "only after one was interrupted"
    file._uncertain = True
    file.notice_appended()
    assert (file.count, file.appended) == (4, 4)


def test_whatever_is_no_spool_file_is_left_as_it_is(path: Path, file: SpoolFile) -> None:
    """Nothing is written before it is known what it is."""
    fill(file, 2)
    file.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("CREATE INDEX x ON event (time)")
    before = path.read_bytes()[100:]
    with pytest.raises(CorruptError, match="tables are not those of a spool"):
        opened(path)
    assert path.read_bytes()[100:] == before


@pytest.mark.parametrize(("size", "log"), [(0, 100), (1, 0), (4095, 0), (4095, 100)])
def test_a_file_without_its_first_page_is_not_taken_for_new(path: Path, size: int, log: int) -> None:
    path.write_bytes(b"x" * size)
    Path(f"{path}-wal").write_bytes(b"x" * log)
    with pytest.raises(CorruptError, match="first page is missing"):
        opened(path)
    assert path.read_bytes() == b"x" * size and Path(f"{path}-wal").read_bytes() == b"x" * log
