"""The spool's command on whatever may lie in a directory: an entry that says so, and no traceback."""

import json
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kubernaut_client.spool import __main__ as command
from kubernaut_client.spool import inspection, rows, spoolfile
from tests.damage import NAME, alter, flip, left_file, overwrite

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def path(spool: Path) -> Path:
    return left_file(spool, range(1, 11))


def run(capsys: Captured, *words: object) -> tuple[int, list[str], str]:
    """Exit code, the lines of standard output, and standard error."""
    try:
        code = command.main([str(word) for word in words])
    except SystemExit as ended:
        code = int(str(ended.code))
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def test_a_damaged_row_is_an_entry_of_its_own(capsys: Captured, spool: Path, path: Path) -> None:
    alter(path, "UPDATE event SET time = NULL WHERE id = 4", "UPDATE event SET emitted = 'x' WHERE id = 5")
    code, lines, _ = run(capsys, "list", spool)
    assert code == 0 and len(lines) == 10
    assert sum("  waiting  " in line for line in lines) == 8
    assert f"{NAME}:4  damaged      -                       event 4: time is NULL" in lines
    assert f"{NAME}:5  damaged      -                       event 5: emitted is an invalid TEXT" in lines
    code, lines, _ = run(capsys, "show", spool, f"{NAME}:4")
    shown = json.loads("\n".join(lines))
    assert code == 0 and (shown["state"], shown["since"]) == ("damaged", None)
    assert shown["reason"] == "event 4: time is NULL" and shown["event"]["event_data"]["number"] == 4
    code, lines, err = run(capsys, "export", spool)
    assert code == 1 and len(lines) == 10 and f"{NAME}:4 is damaged: event 4: time is NULL" in err
    assert [json.loads(line)["state"] for line in lines].count("damaged") == 2


def test_a_damaged_row_of_what_may_have_arrived(capsys: Captured, spool: Path, path: Path) -> None:
    alter(path, "INSERT INTO batch VALUES (1, '[[1, 2', 0, '', 0, NULL, 0)")
    _, lines, _ = run(capsys, "list", spool)
    assert lines[0].split(maxsplit=3) == [f"{NAME}:1", "damaged", "-", "batch 1: events are no ranges of ids"]
    code, lines, _ = run(capsys, "status", spool)
    assert code == 0 and "corrupt: batch 1: events are no ranges of ids" in lines[-1]


def test_a_damaged_page(capsys: Captured, spool: Path, path: Path) -> None:
    overwrite(path, 7 * 4096, b"\xff" * 4096)
    code, lines, _ = run(capsys, "list", spool)
    assert code == 0 and 0 < sum("  waiting  " in line for line in lines) < 10
    assert any(line.startswith(f"{path.name}  corrupt") and "malformed" in line for line in lines)
    code, _, err = run(capsys, "export", spool)
    assert code == 1 and f"{path.name} can't be read, or not completely" in err


def test_tables_whose_names_are_no_letters(capsys: Captured, spool: Path, path: Path) -> None:
    """SQLite quotes them in its message."""
    overwrite(path, path.read_bytes().index(b"CREATE TABLE event"), b"CREATE \xd5\xff\x1b")
    for words in (["list"], ["status"], ["export"], ["retry"]):
        code, lines, err = run(capsys, words[0], spool, *words[1:])
        assert code in (0, 1) and "names of its tables can't be read" in "\n".join([*lines, err])


@pytest.mark.parametrize(
    ("content", "state", "reason"),
    [
        (b"no database at all" * 1000, "corrupt", "file is not a database"),
        (bytes(50_000), "corrupt", "file is not a database"),
        (b"x", "corrupt", "its first page is missing"),
    ],
)
def test_what_is_no_database(
    capsys: Captured, spool: Path, path: Path, content: bytes, state: str, reason: str
) -> None:
    path.write_bytes(content)
    code, lines, _ = run(capsys, "list", spool)
    assert code == 0 and len(lines) == 1 and lines[0].startswith(f"{path.name}  {state}") and reason in lines[0]
    assert reason in run(capsys, "status", spool)[1][-1]
    code, lines, err = run(capsys, "export", spool)
    assert code == 1 and lines == [] and f"{path.name} is {state}" in err
    code, _, err = run(capsys, "show", spool, f"{NAME}:1")
    assert code == 1 and f"there is no {NAME}:1" in err
    for words in (["retry"], ["discard", f"{NAME}:1"]):
        assert "Traceback" not in run(capsys, words[0], spool, *words[1:])[2]


def test_a_database_of_another_program(capsys: Captured, spool: Path, path: Path) -> None:
    """Nothing in it is changed, also where a table has the name of one of ours."""
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE quarantine (id INTEGER PRIMARY KEY, kind TEXT)")
        connection.execute("INSERT INTO quarantine VALUES (1, 'theirs')")
    before = path.read_bytes()
    assert "it is a database, but no spool" in run(capsys, "list", spool)[1][0]
    assert "it is a database, but no spool" in run(capsys, "status", spool)[1][-1]
    for words in (["retry"], ["discard", f"{NAME}:1"]):
        assert "it is a database, but no spool" in run(capsys, words[0], spool, *words[1:])[2]
    assert path.read_bytes() == before


def test_a_file_of_a_later_version(capsys: Captured, spool: Path, path: Path) -> None:
    """Its tables may be others."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE event RENAME TO events")
        connection.execute(f"PRAGMA user_version = {spoolfile.SCHEMA + 1}")
    reason = f"version {spoolfile.SCHEMA + 1} of the spool's tables; this version of kubernaut-client knows 1"
    assert run(capsys, "list", spool)[1] == [f"{path.name}  newer        -                       {reason}"]
    assert reason in run(capsys, "status", spool)[1][-1]
    code, lines, err = run(capsys, "export", spool)
    assert code == 1 and lines == [] and reason in err


def test_a_kind_of_a_later_version(capsys: Captured, spool: Path, path: Path) -> None:
    alter(
        path,
        "INSERT INTO quarantine SELECT id, 'embargoed', 'why', 0, NULL, emitted, time, own, body FROM event"
        " WHERE id = 3",
        "DELETE FROM event WHERE id = 3",
    )
    assert run(capsys, "list", spool, "--quarantined")[1] == [
        f"{NAME}:3  embargoed    1970-01-01T00:00:00Z  workflow.started  why"
    ]


@pytest.mark.parametrize("identity", [2**63, -(2**63) - 1, 10**30, "9" * 5000])
def test_an_id_beyond_all_limits(capsys: Captured, spool: Path, path: Path, identity: object) -> None:
    name = f"{NAME}:{identity}"
    code, _, err = run(capsys, "show", spool, name)
    assert code == 1 and "there is no" in err
    assert run(capsys, "discard", spool, name)[0] == 1
    assert run(capsys, "retry", spool, name)[0] == 1
    assert run(capsys, "list", spool)[1][0].startswith(f"{NAME}:1 "), "nothing has changed"


def test_a_wild_id_can_be_shown(capsys: Captured, spool: Path, path: Path) -> None:
    alter(path, f"UPDATE event SET id = {-(2**63)} WHERE id = 4", f"UPDATE event SET id = {2**63 - 1} WHERE id = 5")
    for identity in (-(2**63), 2**63 - 1):
        code, lines, _ = run(capsys, "show", spool, f"{NAME}:{identity}")
        assert code == 0 and json.loads("\n".join(lines))["state"] == "damaged"


def test_a_file_that_was_set_aside_lists_only_what_is_damaged(capsys: Captured, spool: Path, path: Path) -> None:
    alter(path, "UPDATE event SET body = 'x' WHERE id = 4")
    os.rename(path, f"{path}.corrupt")
    assert run(capsys, "list", spool)[1] == [
        f"{path.name}.corrupt:4  damaged      -                       event 4: body is an invalid TEXT"
    ]
    code, lines, _ = run(capsys, "show", spool, f"{path.name}.corrupt:4")
    assert code == 0 and json.loads("\n".join(lines))["event"] is None


def test_nothing_from_outside_steers_a_terminal(capsys: Captured, spool: Path, path: Path) -> None:
    evil = "\x1b]0;x\x07\x9b31m\r\n\u202e\x7f"
    alter(
        path,
        "INSERT INTO quarantine SELECT id, ?, ?, 0, NULL, emitted, time, own, body FROM event WHERE id = 3",
        arguments=[evil, evil],
    )
    left_file(spool, range(1), f"\x1b[2J\nfake:1  waiting {NAME[:6]}")
    (spool / "\udcff\x1b[31m.spool").write_bytes(b"no database at all" * 1000)
    (spool / "\x1b[31m.spool.corrupt").write_bytes(b"no database at all" * 1000)
    outputs: list[str] = []
    for words in (
        ["status", spool],
        ["status", spool, "--json"],
        ["list", spool],
        ["list", spool, "--quarantined"],
        ["show", spool, f"{NAME}:3"],
        ["show", spool, f"{evil}:3"],
        ["show", spool, evil],
        ["export", spool],
        ["retry", spool],
        ["status", f"{spool}{evil}"],
        [evil],
    ):
        _, lines, err = run(capsys, *words)
        outputs += [*lines, err]
        assert not any(line.startswith("fake") for line in lines)
    text = "\n".join(outputs)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\\x1b" in text and "\\x7f" in text
    assert json.loads("\n".join(run(capsys, "show", spool, f"{NAME}:3")[1]))["id"] == f"{NAME}:3"
    assert [json.loads(line)["state"] for line in run(capsys, "export", spool)[1]].count(evil) == 1


@pytest.mark.parametrize("how", ["directory", "pipe", "link"])
def test_what_is_no_regular_file_is_not_opened(
    capsys: Captured, spool: Path, path: Path, how: str, tmp_path: Path
) -> None:
    other = left_file(tmp_path / "other", range(3))
    path.unlink()
    match how:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to(other)
    assert "unreadable" in run(capsys, "status", spool)[1][-1]
    assert "is no regular file" in run(capsys, "list", spool)[1][0]
    assert "Traceback" not in run(capsys, "discard", spool, f"{NAME}:1")[2]


def test_what_is_of_absurd_size_is_not_read(
    capsys: Captured, spool: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CELL_BYTES_LIMIT", 2**20)
    alter(path, "UPDATE event SET body = zeroblob(20000000) WHERE id = 4")
    _, lines, _ = run(capsys, "list", spool)
    assert sum("  waiting  " in line for line in lines) == 9
    assert any("string or blob too big" in line for line in lines)


class Unopened:
    """A connection where SQLite can't make its files beside the database."""

    def execute(self, _: str) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    def close(self) -> None:
        pass


def test_a_file_that_is_too_large_for_a_copy(spool: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_COPY_LIMIT", 100)
    monkeypatch.setattr(rows, "connect", lambda *_, **__: Unopened())
    (status,) = inspection.files(spool)
    assert status.state == "unreadable" and "can only be read as a copy" in str(status.error)


def test_whatever_bits_flip_nothing_is_raised(capsys: Captured, spool: Path) -> None:
    chance = random.Random(7)
    for number in range(40):
        flip(left_file(spool, range(10), f"{number:012d}"), chance, chance.choice((1, 5, 50, 500)))
    for words in (["status"], ["status", "--json"], ["list"], ["list", "--limit", "5"], ["export"]):
        code, lines, _ = run(capsys, words[0], spool, *words[1:])
        assert code in (0, 1) and lines
