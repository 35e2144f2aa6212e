"""The spool directory: who may use it, whose its files are, and how much room there is."""

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from kubernaut_client import SpoolError
from kubernaut_client.spool import directory as module
from kubernaut_client.spool.__main__ import main
from kubernaut_client.spool.directory import LOCK_SUFFIX, SUFFIX, Directory, Ownership
from kubernaut_client.spool.spoolfile import Locks, SpoolFile


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "a" / "spool")


def refuse(path: Path, error: Exception) -> None:
    raise AssertionError(path) from error


def adopt(directory: Directory, known: set[Path] | None = None) -> list[Ownership]:
    return list(directory.adopt(known or set(), refuse))


def names(directory: Directory) -> set[str]:
    return {path.suffix for path in directory.path.iterdir()}


def test_it_is_made_for_its_owner_alone(directory: Directory) -> None:
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    Directory(directory.path)  # again does nothing


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o700, True), (0o755, True), (0o2770, True), (0o777, False), (0o1777, False), (0o770, False)]
)
def test_nobody_else_may_write_to_it(directory: Directory, mode: int, fine: bool) -> None:
    """A volume of a pod has its group's bit and setgid (fsGroup): that is the pod's own group."""
    os.chown(directory.path, -1, os.getegid())
    directory.path.chmod(mode)
    if fine:
        directory.check()
        return
    with pytest.raises(SpoolError, match=rf"others can write to .*{mode:04o}.*chmod 700"):
        directory.check()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(SpoolError, match="is not a directory"):
        Directory(tmp_path / "x")


def test_a_new_file_is_owned_and_nobody_elses_to_read(directory: Directory) -> None:
    owned = directory.create()
    for path in directory.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert directory._own(owned.path.name) is None
    assert adopt(directory) == []
    owned.release()
    (adopted,) = adopt(directory)
    assert adopted.path == owned.path
    adopted.release(delete=True)
    assert names(directory) == set()


def test_a_known_file_is_not_adopted(directory: Directory) -> None:
    owned = directory.create()
    owned.release()
    assert adopt(directory, {owned.path}) == []


@pytest.mark.parametrize("suffix", [SUFFIX, LOCK_SUFFIX])
def test_what_a_death_left_half_made_or_half_removed(directory: Directory, suffix: str) -> None:
    (directory.path / f"0123456789ab{suffix}").write_bytes(b"")
    found = adopt(directory)
    assert len(found) == (suffix == SUFFIX)
    for each in found:
        each.release(delete=True)
    assert names(directory) == set()


def test_a_lock_of_a_file_that_was_removed_meanwhile_is_worth_nothing(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening the lock and locking it, its owner removed both and ended."""
    path = directory.path / f"0123456789ab{SUFFIX}"
    lock = path.with_suffix(LOCK_SUFFIX)
    real = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        lock.unlink()
        lock.write_bytes(b"")  # somebody else's by now
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert directory._own(path.name) is None


def test_the_inode_of_a_file_that_was_inherited_is_not_used_again(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = directory.create()
    identity = (first.path.stat().st_dev, first.path.stat().st_ino)
    monkeypatch.setattr(module, "inherited", {identity})
    assert adopt(directory) == [], "nor is it adopted"
    first.release(delete=True)
    again = [directory.create() for _ in range(3)]
    assert identity not in {(each.path.stat().st_dev, each.path.stat().st_ino) for each in again}
    for each in again:
        each.release(delete=True)


def test_the_room_that_is_left_alone(directory: Directory) -> None:
    disk = os.statvfs(directory.path)
    assert directory.wal_limit() * 2 == directory.reserve() == min(32 * 2**20, disk.f_blocks * disk.f_frsize // 8)
    assert directory.free() > 0


def test_the_files_of_others_are_counted(directory: Directory) -> None:
    ours, theirs = directory.create(), directory.create()
    theirs.path.write_bytes(b"x" * 1000)
    Path(f"{theirs.path}-wal").write_bytes(b"x" * 24)  # SQLite's own, which is given back
    assert directory.others({ours.path}) == 1000
    for each in (ours, theirs):
        each.release(delete=True)


@pytest.mark.parametrize("command", ["status", "list", "export", "drain", "retry"])
@pytest.mark.parametrize("where", ["", "/etc", "other"])
def test_a_directory_that_is_no_spool(
    tmp_path: Path, command: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty answer would be taken for a spool from which all is delivered."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".pwd.lock").touch()
    place = str(tmp_path) if where == "other" else where
    with pytest.raises(SystemExit) as caught:
        main([command, place])
    assert caught.value.code == 2 and ("is not a" in (text := capsys.readouterr().err) and place in text)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", ".pwd.lock"}


@pytest.mark.parametrize(
    "name", [None, "lost+found", "a.spool", "a.spool.corrupt", "0123456789ab.salvage", "0123456789ab.lock"]
)
def test_a_directory_that_is_a_spool(tmp_path: Path, name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that was made beforehand, and from which all is delivered."""
    if name is not None:
        (tmp_path / name).touch()
        (tmp_path / "notes.txt").touch(exist_ok=True)
    if name == "lost+found":
        (tmp_path / "notes.txt").unlink()
    assert main(["status", str(tmp_path)]) == 0
    assert "0 waiting" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_the_commands_follow_no_link(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever owns a copy: what its names lead to isn't a part of it."""
    other = tmp_path / "other"
    directory = Directory(tmp_path / "spool")
    owned = directory.create()
    file = SpoolFile(owned.path, Locks(), "owner", at=owned.at)
    file.append(1, "2026-01-31T12:00:00Z", True, b"{}")
    file.close()
    owned.release()
    place = Path(f"{owned.path}{suffix}")
    if suffix:
        other.write_bytes(b"x" * 4096)
    else:
        place.rename(other)
    before = other.read_bytes()
    place.symlink_to(other)
    main(["status", str(directory.path)])
    assert "is no regular file" in capsys.readouterr().out
    for command in ("list", "export", "retry"):
        main([command, str(directory.path)])
    main(["discard", str(directory.path), f"{owned.path.stem}:1"])
    assert other.read_bytes() == before and {path.name for path in tmp_path.iterdir()} == {"other", "spool"}


def test_what_was_salvaged_takes_the_place_of_the_file(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process died before it could do that; the next one tries until it can."""
    salvaged = directory.path / "0123456789ab.salvage"
    salvaged.write_bytes(b"x")
    (directory.path / "0123456789ab.lock").touch()
    refused: list[Path] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", lambda old, new: os.unlink("/nowhere/at/all"))
        assert list(directory.adopt(set(), lambda path, error: refused.append(path))) == []
    (adopted,) = adopt(directory)
    assert refused == [adopted.path] and adopted.path.read_bytes() == b"x" and not salvaged.exists()
    adopted.release(delete=True)
    assert names(directory) == set()


def test_a_file_that_is_gone_is_noticed(directory: Directory) -> None:
    owned = directory.create()
    assert owned.is_there()
    owned.path.unlink()
    assert not owned.is_there()
    owned.path.touch()
    lock = owned.path.with_suffix(LOCK_SUFFIX)
    lock.unlink()
    assert not owned.is_there()
    lock.touch()
    assert not owned.is_there(), "another process's lock"
    owned.release(delete=True)


def test_a_directory_is_made_below_what_is_missing(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        directory = Directory(tmp_path / "a" / "b" / "spool")
    finally:
        os.umask(old)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (directory.path, *directory.path.parents[:2])] == [
        0o700,
        0o755,
        0o755,
    ]


def test_a_deleted_directory_is_not_there(directory: Directory) -> None:
    assert directory.is_there() and directory.is_at_path()
    moved = directory.path.with_name("moved")
    directory.path.rename(moved)
    assert directory.is_there() and not directory.is_at_path()
    directory.path.mkdir()
    assert not directory.is_at_path()
    moved.rmdir()
    assert not directory.is_there() and directory.files() == [] and not directory.has_files()


def test_a_link_that_another_user_made_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would choose the directory."""
    (tmp_path / "real").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    Directory(link)  # one of this user's own is fine
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = real(path)
        return os.stat_result((*found[:4], 4242, *found[5:])) if path == link else found

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(SpoolError, match="belongs to user 4242"):
        Directory(link)


def test_without_proc_the_path_has_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OPEN_FILES", tmp_path / "proc")
    directory = Directory(tmp_path / "spool")
    owned = directory.create()
    assert owned.at == owned.path
    SpoolFile(owned.path, Locks(), "owner", at=owned.at).close()
    owned.release(delete=True)


def test_a_file_that_cannot_be_made_leaves_no_lock(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.create

    def full(path: Path) -> int:
        if path.suffix == SUFFIX:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path)

    monkeypatch.setattr(module, "create", full)
    with pytest.raises(OSError, match="No space left"):
        directory.create()
    assert names(directory) == set()


@pytest.mark.parametrize("where", ["/proc/cannot-be-made/spool", "/dev/full/spool", "/proc/version"])
def test_a_directory_that_cannot_be_made(where: str) -> None:
    with pytest.raises(SpoolError, match=where):
        Directory(Path(where))
