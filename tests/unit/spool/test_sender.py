"""When what is sent, looked for and sent again, in a time that stands still."""

import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import RetryPolicy
from kubernaut_client.spool.spoolfile import SpoolFile
from tests.damage import alter, left_file
from tests.unit.spool.driven import Driven, failed, lost, page

FIXED = RetryPolicy(wait_initial=0.5, wait_max=30.0, jitter=0.0)


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(tmp_path / "spool", put_off=FIXED, pause=RetryPolicy(wait_initial=0.1, wait_max=5.0, jitter=0.0))


class Disk(sqlite3.OperationalError):
    """The disk fails."""

    sqlite_errorcode = sqlite3.SQLITE_IOERR_READ


def kinds(driven: Driven) -> list[str]:
    return [alarm.kind for alarm in driven.alarms]


def test_an_event_is_sent_after_the_linger_and_its_row_is_gone(driven: Driven) -> None:
    driven.emit(1, 2)
    driven.run(0.05)
    assert driven.service.sent == []
    driven.run(0.1)
    assert driven.attempts == [(0, [1, 2])]
    assert driven.spool.count == 0 and driven.sender.totals().stored == 2


def test_a_batch_without_an_answer_is_looked_for_and_sent_again_after_the_window(driven: Driven) -> None:
    """At 0, 1, 3, 8 and 20 s after the first look, and when it can't arrive any more, 35 s after the attempt."""

    def once(numbers: list[int]) -> None:
        driven.service.answer = lambda _: None
        raise lost()

    driven.service.answer = once
    driven.emit(1)
    driven.run(60)
    first = driven.service.looked[0][0]
    assert [round(at - first, 3) for at, _ in driven.service.looked] == [0, 1, 3, 8, 20, 35]
    assert driven.attempts == [(0, [1]), (35, [1])]
    assert driven.service.stored == [1]


def test_a_batch_that_is_found_late_is_not_sent_again(driven: Driven) -> None:
    driven.service.answer = lambda _: (_ for _ in ()).throw(lost())
    driven.emit(1)
    driven.run(5)
    driven.service.stored.append(1)
    driven.run(60)
    assert len(driven.attempts) == 1 and driven.sender.totals().stored == 1 and driven.spool.count == 0


def test_what_is_refused_before_the_service_is_repeated_at_growing_pauses(driven: Driven) -> None:
    """While others get through, it is this batch alone; an hour of it makes few requests."""

    def answer(numbers: list[int]) -> None:
        if 1 in numbers:
            raise page(403)

    driven.service.answer = answer
    driven.emit(1)
    driven.run(1)
    for number in range(2, 100):
        driven.emit(number)
        driven.run(1)
    times = [at for at, numbers in driven.attempts if 1 in numbers]
    pauses = [after - before for before, after in pairwise(times)]
    late = [pause for pause in pauses if pause >= 0.5]
    assert late == sorted(late) and max(late) >= 16 and len(times) < 25
    assert driven.sender.totals().stored == 98


def test_what_fails_does_not_keep_new_events_from_being_tried(driven: Driven) -> None:
    """While nothing gets through, every other attempt is at what has not failed yet."""
    driven.service.answer = lambda numbers: (_ for _ in ()).throw(page(403)) if 1 in numbers else None
    driven.emit(1)
    driven.run(3)
    before = len(driven.attempts)
    driven.emit(2)
    driven.run(11)
    later = [numbers for _, numbers in driven.attempts[before:]]
    assert [2] in later[:2] and driven.service.stored == [2]


def test_one_event_that_the_database_refuses_once_is_kept_no_day(driven: Driven) -> None:
    def once(numbers: list[int]) -> None:
        driven.service.answer = lambda _: None
        raise failed()

    driven.service.answer = once
    driven.emit(1)
    driven.run(5)
    assert driven.service.stored == [1] and driven.sender.totals().quarantined == 0


def test_a_batch_that_the_database_refuses_is_sent_again_at_growing_pauses(driven: Driven) -> None:
    def always(numbers: list[int]) -> None:
        raise failed()

    driven.service.answer = always
    driven.emit(1, 2)
    driven.run(2)
    times = [at for at, numbers in driven.attempts if numbers == [1, 2]]
    assert [round(after - before, 2) for before, after in pairwise(times)][:2] == [0.5, 1.0]


def test_a_released_event_that_fails_again_goes_back_at_once(driven: Driven) -> None:
    driven.service.answer = lambda numbers: (_ for _ in ()).throw(failed()) if 1 in numbers else None
    driven.emit(1, *range(2, 12))
    driven.run(120)
    assert driven.service.stored.count(1) == 0 and driven.sender.totals().quarantined == 1
    attempts = len(driven.attempts)
    driven.clock.now += 86400
    driven.run(1)
    assert len(driven.attempts) == attempts + 1 and driven.sender.totals().quarantined == 2


def test_a_read_error_is_told_once_and_holds_up_no_other_file(
    driven: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = left_file(tmp_path / "spool", [1, 2], "000000000000")
    left_file(tmp_path / "spool", [3, 4], "000000000001")
    real, failing = SpoolFile.after, [True]

    def after(self: SpoolFile, *arguments: Any) -> Any:
        if failing and self.path == bad:
            raise Disk("disk I/O error")
        return real(self, *arguments)

    monkeypatch.setattr(SpoolFile, "after", after)
    driven.run(30)
    assert sorted(driven.service.stored) == [3, 4]
    assert kinds(driven) == ["disk"] and str(bad) in driven.alarms[0].message
    assert bad.exists(), "a disk that fails is no damage of the file"
    failing.clear()
    driven.run(5)
    assert sorted(driven.service.stored) == [1, 2, 3, 4] and kinds(driven) == ["disk"]


@pytest.mark.parametrize("method", ["after", "sent", "notice_appended", "tidy", "empty"])
def test_whatever_is_raised_about_one_file_stays_with_it(
    driven: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    bad = left_file(tmp_path / "spool", [1, 2], "000000000000")
    left_file(tmp_path / "spool", [3, 4], "000000000001")
    real = getattr(SpoolFile, method)
    calls: list[float] = []

    def fail(self: SpoolFile, *arguments: Any) -> Any:
        if self.path == bad:
            calls.append(driven.clock.now)
            raise TypeError("no idea")
        return real(self, *arguments)

    monkeypatch.setattr(SpoolFile, method, fail)
    driven.run(200)
    assert set(driven.service.stored) >= {3, 4} and len(driven.service.stored) in (2, 4)
    assert kinds(driven) == ["disk"] and "can't be delivered: TypeError" in driven.alarms[0].message
    assert 2 <= len(calls) <= 5, "tried again now and then, not all the time"


def test_a_damage_that_is_found_while_a_batch_is_on_its_way(driven: Driven, tmp_path: Path) -> None:
    """What may have arrived is known in the new file, too."""
    path = left_file(tmp_path / "spool", range(1, 31))
    alter(path, "UPDATE event SET emitted = -1 WHERE id = 20")
    driven.run(0)
    driven.run(200)
    assert sorted(driven.service.stored) == [number for number in range(1, 31) if number != 20]
    assert kinds(driven) == ["unreadable"] and "event 20: emitted is an invalid INTEGER" in driven.alarms[0].message


def test_a_batch_whose_events_are_gone(driven: Driven, tmp_path: Path) -> None:
    """As after a page of them was damaged: the others are delivered, and nothing of it is left."""
    path = left_file(tmp_path / "spool", range(1, 31))
    alter(
        path,
        "INSERT INTO batch VALUES (1, '[[1, 10]]', 0, '', 0, NULL, 0)",
        "INSERT INTO batch VALUES (2, '[[11, 12], [14, 15]]', 0, '', 0, NULL, 0)",
        "DELETE FROM event WHERE id <= 12",
    )
    driven.run(200)
    assert sorted(driven.service.stored) == list(range(13, 31)) and driven.alarms == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_batch_that_is_known_to_have_arrived(driven: Driven, tmp_path: Path) -> None:
    """Its process died while it let its events go."""
    path = left_file(tmp_path / "spool", range(1, 31))
    alter(path, "INSERT INTO batch VALUES (1, '[[1, 10]]', 0, '', 0, NULL, 1)")
    driven.run(200)
    assert sorted(driven.service.stored) == list(range(11, 31)) and driven.service.looked == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_file_with_much_that_is_to_be_looked_for_holds_up_no_other(driven: Driven, tmp_path: Path) -> None:
    path = left_file(tmp_path / "spool", range(1, 401))
    rows = ", ".join(f"({number}, '[[{number}, {number}]]', 0, '', 0, NULL, 0)" for number in range(1, 401))
    alter(path, f"INSERT INTO batch VALUES {rows}")
    driven.run(0)
    driven.service.looked.clear()
    driven.emit(1000)
    driven.run(0.2)
    assert driven.service.stored == [1000]
    driven.run(120)
    assert sorted(driven.service.stored) == [*range(1, 401), 1000]


def test_the_first_event_wakes_the_sender(driven: Driven) -> None:
    assert driven.spool.append(1, "2026-01-01T00:00:00Z", True, b"{}")
    assert not driven.spool.append(1, "2026-01-01T00:00:00Z", True, b"{}")


def test_a_file_of_a_later_version_is_opened_once(
    driven: Driven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_file(tmp_path / "spool", [1])
    alter(path, "PRAGMA user_version = 2")
    opened: list[Path] = []
    real = SpoolFile.__init__

    def init(self: SpoolFile, path: Path, *arguments: Any, **options: Any) -> None:
        opened.append(path)
        real(self, path, *arguments, **options)

    monkeypatch.setattr(SpoolFile, "__init__", init)
    driven.run(10)
    assert opened == [path] and kinds(driven) == ["unreadable"]


def test_only_damage_sets_a_file_aside(driven: Driven, tmp_path: Path) -> None:
    """Another process that holds its lock, or a disk that fails, is none."""
    path = left_file(tmp_path / "spool", [1])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    driven.run(2)
    assert path.exists() and not path.with_suffix(".spool.corrupt").exists()
    other.execute("ROLLBACK")
    other.close()
    driven.run(5)
    assert driven.service.stored == [1]


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR, False),
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_NOTADB, True),
    ],
)
def test_only_damage_makes_a_file_suspect(driven: Driven, code: int, damaged: bool) -> None:
    driven.emit(1)
    (file,) = driven.spool.files
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    driven.spool.suspect(file, error)
    assert bool(driven.spool.corrupt) == damaged
    driven.spool.corrupt.clear()
    driven.spool.files.remove(file)
    driven.spool.suspect(file, error)
    assert driven.spool.corrupt == [], "a file that is gone isn't set aside"


def test_a_damage_that_status_meets_is_seen_to(driven: Driven) -> None:
    driven.service.answer = lambda _: (_ for _ in ()).throw(page(503))
    driven.emit(1, 2, 3)
    (file,) = driven.spool.files
    alter(file.path, "UPDATE event SET emitted = 'x' WHERE id = 1")
    assert driven.spool.oldest() == 0.0
    assert [each for each, _ in driven.spool.corrupt] == [file]
    driven.service.answer = lambda _: None
    driven.run(200)
    assert sorted(driven.service.stored) == [2, 3] and "unreadable" in kinds(driven)
