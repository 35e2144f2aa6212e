"""The audit writer in a directory where another user was at work: nothing of theirs is sent or changed."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from kubernaut_client import SpoolAlarm, SpoolError, SpoolReport
from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.integration.emulator_tools import PATIENCE
from tests.writers import writer

pytestmark = pytest.mark.emulator

NAME = "0123456789ab"


def numbered(number: int) -> dict[str, Any]:
    return event(event_timestamp=..., event_data={"number": number})


def stored(emulator: Emulator) -> list[int]:
    return sorted(row["event_data"]["number"] for row in emulator.rows("audit_events"))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def planted(emulator: Emulator, tmp_path: Path) -> Path:
    """A spool file with the event 666, outside of the spool."""
    with emulator.refuse_connections():
        other = writer(emulator.url, tmp_path / "planted")
        other.emit(numbered(666))
        other.close(0)
    (path,) = (tmp_path / "planted").glob("*.spool")
    return path


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A database that this user has for something else."""
    path = tmp_path / "accounts.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE account (name TEXT)")
        connection.execute("INSERT INTO account VALUES ('alice')")
        connection.commit()
    return path


def delivers(emulator: Emulator, spool: Path, alarms: list[SpoolAlarm]) -> None:
    """A writer delivers its own event, and nothing else."""
    with writer(emulator.url, spool, on_alarm=alarms.append) as audit:
        audit.emit(numbered(1))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
    assert stored(emulator) == [1]


def link(spool: Path, victim: Path) -> None:
    (spool / f"{NAME}.spool").symlink_to(victim)


def hard_link(spool: Path, victim: Path) -> None:
    (spool / f"{NAME}.spool").hardlink_to(victim)


def move(spool: Path, victim: Path) -> None:
    shutil.copy(victim, spool / f"{NAME}.spool")


def link_of_lock(spool: Path, victim: Path) -> None:
    (spool / f"{NAME}.lock").symlink_to(victim)


def hard_link_of_lock(spool: Path, victim: Path) -> None:
    (spool / f"{NAME}.lock").hardlink_to(victim)


def link_of_salvage(spool: Path, victim: Path) -> None:
    (spool / f"{NAME}.lock").touch()
    (spool / f"{NAME}.salvage").symlink_to(victim)


def fifo(spool: Path, victim: Path) -> None:
    del victim
    os.mkfifo(spool / f"{NAME}.spool")


def fifo_of_lock(spool: Path, victim: Path) -> None:
    del victim
    os.mkfifo(spool / f"{NAME}.lock")


def folder(spool: Path, victim: Path) -> None:
    del victim
    (spool / f"{NAME}.spool").mkdir()


@pytest.mark.parametrize(
    "plant",
    [link, hard_link, move, link_of_lock, hard_link_of_lock, link_of_salvage, fifo, fifo_of_lock, folder],
    ids=lambda plant: plant.__name__,
)
def test_what_is_no_file_of_this_user_alone_is_left_alone(
    emulator: Emulator, spool: Path, victim: Path, plant: Callable[[Path, Path], None]
) -> None:
    spool.mkdir(mode=0o700)
    plant(spool, victim)
    before = victim.read_bytes()
    names = {path.name: path.lstat().st_mode for path in spool.iterdir()}
    beside = {path.name for path in victim.parent.iterdir()}
    alarms: list[SpoolAlarm] = []
    delivers(emulator, spool, alarms)
    assert victim.read_bytes() == before and {path.name for path in victim.parent.iterdir()} == beside
    assert {path.name: path.lstat().st_mode for path in spool.iterdir()} == names
    assert [alarm.kind for alarm in alarms] == ["unreadable"] and f"{spool}/{NAME}" in alarms[0].message


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("how", ["symlink_to", "hardlink_to"])
def test_side_files_that_lead_elsewhere(
    emulator: Emulator, spool: Path, planted: Path, victim: Path, suffix: str, how: str
) -> None:
    spool.mkdir(mode=0o700)
    shutil.copy(planted, spool / f"{NAME}.spool")
    getattr(Path(f"{spool}/{NAME}.spool{suffix}"), how)(victim)
    before = victim.read_bytes()
    alarms: list[SpoolAlarm] = []
    delivers(emulator, spool, alarms)
    assert victim.read_bytes() == before
    assert [alarm.kind for alarm in alarms] == ["unreadable"] and f"{NAME}.spool{suffix}" in alarms[0].message


def test_a_file_of_another_user(
    emulator: Emulator, spool: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.mkdir(mode=0o700)
    path = Path(shutil.copy(planted, spool / f"{NAME}.spool"))
    number = path.stat().st_ino
    real = Path.lstat

    def lstat(self: Path) -> os.stat_result:
        found = real(self)
        if found.st_ino != number:
            return found
        return os.stat_result((*found[:4], 4242, *found[5:]))  # as if another user had made it

    monkeypatch.setattr(Path, "lstat", lstat)
    alarms: list[SpoolAlarm] = []
    delivers(emulator, spool, alarms)
    assert "belongs to user 4242" in alarms[0].message


@pytest.mark.parametrize("mode", [0o1777, 0o775, 0o777], ids=oct)
def test_a_directory_that_was_put_in_place_of_the_spool(
    emulator: Emulator, tmp_path: Path, planted: Path, mode: int
) -> None:
    """Below a directory that others can write to, they may exchange what is in it."""
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(mode)
    spool = parent / "spool"
    alarms: Queue[SpoolAlarm] = Queue()
    with writer(emulator.url, spool, on_alarm=alarms.put) as audit:
        audit.emit(numbered(1))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
        spool.rename(parent / "moved")
        shutil.copytree(planted.parent, spool)
        audit.emit(numbered(2))
        assert audit.flush(PATIENCE) == SpoolReport(stored=2)
        alarm = alarms.get(timeout=PATIENCE)
        assert alarm.kind == "unreadable" and f"{spool} was replaced" in alarm.message
    assert stored(emulator) == [1, 2]
    assert {path.name for path in spool.iterdir()} == {path.name for path in planted.parent.iterdir()}
    assert list((parent / "moved").iterdir()) == []


def test_a_directory_that_is_made_after_the_constructor(emulator: Emulator, spool: Path, planted: Path) -> None:
    """The constructor makes it, so nobody else can; and what is made in its place later is looked at first."""
    with writer(emulator.url, spool) as audit:
        assert stat.S_IMODE(spool.stat().st_mode) == 0o700
        spool.rmdir()
        shutil.copytree(planted.parent, spool)
        spool.chmod(0o777)
        with pytest.raises(SpoolError, match="others can write to"):
            audit.emit(numbered(1))
        audit.flush(PATIENCE)
        spool.chmod(0o700)
        shutil.rmtree(spool)
        audit.emit(numbered(2))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
    assert stored(emulator) == [2]


def test_a_directory_that_is_opened_to_others(emulator: Emulator, spool: Path, planted: Path) -> None:
    alarms: list[SpoolAlarm] = []
    with writer(emulator.url, spool, on_alarm=alarms.append) as audit:
        spool.chmod(0o777)
        shutil.copy(planted, spool / f"{NAME}.spool")
        audit.flush(PATIENCE)
    assert stored(emulator) == []
    assert [alarm.kind for alarm in alarms] == ["unreadable"] and "others can write to" in alarms[0].message


def test_a_directory_that_is_exchanged_while_sqlite_opens_a_file(
    emulator: Emulator, spool: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite goes by the path, which may lead elsewhere in the moment in which it opens the file."""
    spool.mkdir(mode=0o700)
    path = Path(shutil.copy(planted, spool / planted.name))
    before = planted.read_bytes()
    real = sqlite3.connect

    def connect(at: str, **options: Any) -> sqlite3.Connection:
        opened: sqlite3.Connection = real(planted.as_uri() if path.name in at else at, **options)
        return opened

    monkeypatch.setattr(sqlite3, "connect", connect)
    alarms: list[SpoolAlarm] = []
    delivers(emulator, spool, alarms)
    assert planted.read_bytes() == before and "was replaced while it was opened" in alarms[0].message


def test_a_program_that_closes_all_its_descriptors(emulator: Emulator, spool: Path) -> None:
    """As one that becomes a daemon does, after its modules were imported."""
    with writer(emulator.url, spool) as audit:
        number = audit._spool.directory._descriptor
        os.close(number)
        other = os.open(os.devnull, os.O_RDONLY)
        assert other == number
        audit.emit(numbered(1))
        assert audit.flush(PATIENCE) == SpoolReport(stored=1)
        os.fstat(other)
        os.close(other)
