"""What supervises the emulator's PostgreSQL, run as the emulator runs it, with programs and places that fail."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubernaut_client.emulator import Emulator, supervisor
from kubernaut_client.emulator.embedded.directory import LONGEST_SOCKET_PATH
from tests.integration.emulator_tools import PATIENCE, WORKFLOWS, call
from tests.workflows import workflow

Run = Callable[..., str]


@pytest.fixture
def run(place: Path) -> Run:
    """Runs it with a `postgres` that does what a shell script says; returns what it reports."""
    programs = place / "installation" / "bin"
    programs.mkdir(parents=True)
    bki = place / "installation" / "share" / "postgresql" / "postgres.bki"
    bki.parent.mkdir(parents=True)
    bki.write_text("# PostgreSQL 16\n")

    def run(postgres: str, *candidates: Path | str) -> str:
        path = programs / "postgres"
        path.write_text(f"#!/bin/sh\n{postgres}\n")
        path.chmod(0o755)
        command = [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), str(programs.parent)]
        with subprocess.Popen(
            [*command, str(place / "libraries"), *map(str, candidates or [place])],
            stdin=subprocess.PIPE,  # its end would be that of the emulator
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            report = process.stdout.read()
            assert process.wait(PATIENCE) == 1
            return report

    return run


def test_what_a_program_wrote_before_it_failed_is_reported(run: Run, place: Path) -> None:
    report = run("echo first; echo no space left >&2; exit 3")
    assert report.splitlines()[-1].startswith("error ")
    assert "first | no space left" in report
    assert not list(place.glob("kubernaut-*"))


def test_a_program_that_fails_without_a_word(run: Run) -> None:
    assert "it reported nothing" in run("exit 3")


def test_no_place_at_all(run: Run, place: Path) -> None:
    report = run("exit 3", place / "a,b", place / "missing", place / ("x" * 100))
    assert report.startswith("error no directory for the database; set TMPDIR to a short writable one. ")
    for reason in ("a comma separates hosts", "No such file or directory", "too long for a socket path"):
        assert reason in report


def of_length(place: Path, length: int) -> Path:
    path = place / ("x" * (length - len(str(place)) - 1))
    path.mkdir(mode=0o755)
    return path


LONGEST = LONGEST_SOCKET_PATH - len("/kubernaut-01234567/.s.PGSQL.5432")


def test_the_longest_place_that_a_socket_fits_into(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = of_length(place, LONGEST)
    monkeypatch.setenv("TMPDIR", str(longest))
    monkeypatch.setattr("tempfile.tempdir", str(longest))
    with Emulator() as emulator:
        assert call(emulator, "POST", WORKFLOWS, workflow()).status == 201
        assert len(list(longest.iterdir())) == 1


def test_a_place_that_is_one_byte_too_long(run: Run, place: Path) -> None:
    assert "too long for a socket path" in run("exit 3", of_length(place, LONGEST + 1))
    assert "too long for a socket path" not in run("exit 3", of_length(place, LONGEST))


def test_the_database_leaves_no_descriptors_behind(emulator: Emulator) -> None:
    def descriptors() -> int:
        assert emulator._postgres is not None and emulator._postgres._process is not None
        return len(os.listdir(f"/proc/{emulator._postgres._process.pid}/fd"))

    before = descriptors()
    for _ in range(3):
        with emulator.database_down():
            pass
    assert descriptors() == before
