"""Where a writer can't work it says so at once; where it has nothing to do it does nothing."""

import copy
import errno
import fcntl
import os
import pickle
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubernaut_client import AuditWriter, ConfigurationError, SpoolError
from tests.events import event

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[AuditWriter]:
    found = AuditWriter(AWAY, spool=tmp_path / "spool")
    yield found
    found.close(0)


def test_a_writer_without_work_starts_no_thread(writer: AuditWriter) -> None:
    before = threading.active_count()
    writer.status()
    writer.flush(1)
    assert threading.active_count() == before
    assert not any("kubernaut_client.spool" in thread.name for thread in threading.enumerate())
    writer.emit(event(event_timestamp=...))
    assert any("kubernaut_client.spool" in thread.name for thread in threading.enumerate())


def test_threads_that_are_replaced_too_late(writer: AuditWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Greenlets and threads don't exclude each other, so that a request could hang."""
    with monkeypatch.context() as patched:
        patched.setattr(threading, "get_ident", lambda: 1)
        with pytest.raises(ConfigurationError, match="before any other import"):
            writer.emit(event(event_timestamp=...))
        with pytest.raises(ConfigurationError, match="before any other import"):
            AuditWriter(AWAY, spool=writer._directory.path)
    assert writer.status().waiting == 0


def test_uwsgi_without_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=0))
    with pytest.raises(ConfigurationError, match="enable-threads"):
        AuditWriter(AWAY, spool=tmp_path)
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=1))
    AuditWriter(AWAY, spool=tmp_path).close()


def test_an_isolated_sub_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def thread(*, daemon: bool) -> None:
        raise RuntimeError("daemon threads are disabled in this (sub)interpreter")

    monkeypatch.setattr(threading, "Thread", thread)
    with pytest.raises(ConfigurationError, match="needs threads: daemon threads are disabled"):
        AuditWriter(AWAY, spool=tmp_path / "spool")
    assert list(tmp_path.iterdir()) == []


def test_an_old_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(ConfigurationError, match=r"needs SQLite 3\.32"):
        AuditWriter(AWAY, spool=tmp_path / "spool")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(descriptor: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    writer = AuditWriter(AWAY, spool=tmp_path / "a")
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", flock)
        for action in (lambda: AuditWriter(AWAY, spool=tmp_path / "b"), lambda: writer.emit(event())):
            with pytest.raises(SpoolError, match=r"can't be locked .* local file system") as caught:
                action()
            assert "permission" not in str(caught.value).lower()
    assert list((tmp_path / "a").iterdir()) == list((tmp_path / "b").iterdir()) == []
    writer.close()


def test_a_full_disk_does_not_keep_a_service_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the spool is delivered, which makes room."""
    real = os.open

    def full(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", full)
    writer = AuditWriter(AWAY, spool=tmp_path)
    with pytest.raises(SpoolError, match="the disk is full"):
        writer.emit(event())
    writer.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_directory_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.open

    def refuse(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SpoolError, match=rf"{tmp_path} can't be written: {os.strerror(number)}"):
        AuditWriter(AWAY, spool=tmp_path)


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_writer_stays_in_its_process(writer: AuditWriter, how: object) -> None:
    with pytest.raises(TypeError, match="make one in each process"):
        how(writer)  # type: ignore[operator]
