"""`kubernaut-client emulator [--catalog PATH] -- COMMAND...`: another program's life with the emulator beside it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.integration.emulator_tools import PATIENCE
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

COMMAND = [sys.executable, "-m", "kubernaut_client.cli", "emulator"]
# Says that it runs, then waits for whatever comes.
WAITING = "import signal; print('running', flush=True)\nwhile True: signal.pause()"
# The same, deaf to all that can be ignored.
DEAF = "import signal; [signal.signal(n, lambda *_: print('no', flush=True)) for n in (2, 15)];" + WAITING
# Leaves a child behind that never ends by itself.
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]);"


def run(*words: str, place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        env=environment(place, **variables),
    )


@contextmanager
def running(
    *words: str, place: Path, stdout: int | IO[str] = subprocess.PIPE
) -> Generator[subprocess.Popen[str], None, None]:
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment(place)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        # Not read to their ends, which whatever it has started may keep open.
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def environment(place: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(place), **variables}


def left_behind(place: Path) -> list[object]:
    """The processes that were started with this temporary directory, and what is in it."""
    mark = f"TMPDIR={place}\0".encode()
    found: list[object] = [*place.iterdir()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append((entry.name, (entry / "cmdline").read_bytes()))
            except OSError:
                continue
    return found


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A directory with a file of two workflows."""
    directory = tmp_path / "catalog with spaces"
    directory.mkdir()
    (directory / "two.json").write_text(json.dumps([workflow("restart-pod"), workflow("drain-node")]))
    return directory


def test_the_command_finds_the_service_and_the_catalog(place: Path, catalog: Path) -> None:
    script = (
        "import json, os, urllib.request\n"
        "url = os.environ['KUBERNAUT_DATASTORAGE_URL']\n"
        "assert url == os.environ['DATA_STORAGE_URL']\n"
        "with urllib.request.urlopen(url + '/api/v1/workflows') as answer:\n"
        "    print(sorted(row['workflow_name'] for row in json.load(answer)['workflows']))\n"
        "with urllib.request.urlopen(url + '/_emulator/requests') as answer:\n"
        "    print(len(json.load(answer)['requests']))\n"
    )
    old = {"KUBERNAUT_DATASTORAGE_URL": "http://elsewhere:1", "DATA_STORAGE_URL": "http://elsewhere:2"}
    done = run("--catalog", str(catalog), "--", sys.executable, "-c", script, place=place, **old)
    # The request for the list is the first that the log holds: those for the catalog are not in it.
    assert (done.returncode, done.stdout, done.stderr) == (0, "['drain-node', 'restart-pod']\n1\n", "")
    assert left_behind(place) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["no-such-program"], 127),
        (["/dev/null"], 126),
    ],
)
def test_exit_code(words: list[str], code: int, place: Path) -> None:
    done = run("--", *words, place=place)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == ("" if words[0] == "sh" else f"Error: {words[0]}: {os.strerror(2 if code == 127 else 13)}\n")
    assert left_behind(place) == []


def test_output_and_input_are_those_of_the_command(place: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--", "sh", "-c", "cat; echo $0 >&2", "--catalog"],
        input="in\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(place),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "in\n", "--catalog\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_all_that_it_started(number: int, place: Path) -> None:
    with running("--", sys.executable, "-c", PARENT + WAITING, WAITING, place=place) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["running\n"] * 2
        # This one, the command, its child, the emulator's supervisor and the directory of its database.
        assert len(left_behind(place)) >= 5
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
        assert left_behind(place) == []


def test_what_the_command_leaves_running_is_ended(place: Path) -> None:
    done = run("--", sys.executable, "-c", PARENT, DEAF, place=place)
    assert done.returncode == 0
    assert left_behind(place) == []


def test_a_command_that_is_deaf_is_killed_by_the_third_signal(place: Path) -> None:
    with running("--", sys.executable, "-c", DEAF, place=place) as process:
        assert process.stdout is not None
        for heard in ("running\n", "no\n", "no\n"):
            assert process.stdout.readline() == heard
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGKILL
        assert left_behind(place) == []


def test_told_to_end_while_it_starts(place: Path) -> None:
    with running("--", "echo", "never", place=place) as process:
        while not list(place.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 128 + signal.SIGTERM
        assert left_behind(place) == []


class Terminal:
    """A terminal with the command in its foreground, as a shell with job control would start it."""

    SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setpgroup=0, setsigdef=[signal.SIGTTOU])
while True:
    os.tcsetpgrp(0, child)
    os.killpg(child, signal.SIGCONT)
    status = os.waitpid(child, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print("shell: stopped", flush=True)
    input()
print("shell: ended with", os.waitstatus_to_exitcode(status), flush=True)
"""
    START = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"

    def __init__(self, *words: str, place: Path) -> None:
        self._master, slave = pty.openpty()
        self._seen = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.START, sys.executable, "-c", self.SHELL, *COMMAND, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(place),
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str) -> None:
        """Wait until the screen shows a text, after what was expected before."""
        while text not in self._seen:
            if not select.select([self._master], [], [], PATIENCE)[0]:
                self._process.kill()
                self._process.wait(PATIENCE)
                raise AssertionError(f"{text!r} isn't in {self._seen!r}")
            self._seen += os.read(self._master, 4096).decode()
        self._seen = self._seen.partition(text)[2]

    def close(self) -> None:
        self._process.wait(PATIENCE)
        os.close(self._master)


ON_TERMINAL = """
import signal
# Waited for below: an interrupt that came just before a read would only be seen after it.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("name?", flush=True)
print("hello", input(), flush=True)
print("hello again", input(), flush=True)
signal.sigwait({signal.SIGINT})
print("interrupted", flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
# A second interrupt, or a terminal that isn't ours any more, would end this with another code.
print("read", input(), flush=True)
raise SystemExit(5)
"""


def test_on_a_terminal_the_command_has_it_for_itself(place: Path) -> None:
    terminal = Terminal("--", sys.executable, "-c", ON_TERMINAL, place=place)
    terminal.expect("name?")
    terminal.type("you\n")
    terminal.expect("hello you")
    terminal.type("\x1a")  # Ctrl-Z
    terminal.expect("shell: stopped")
    terminal.type("fg\n")
    terminal.type("me\n")
    terminal.expect("hello again me")
    terminal.type("\x03")  # Ctrl-C
    terminal.expect("interrupted")
    terminal.type("on\n")
    terminal.expect("read on")
    terminal.expect("shell: ended with 5")
    terminal.close()
    assert left_behind(place) == []


def test_ctrl_c_on_a_terminal_leaves_nothing(place: Path) -> None:
    terminal = Terminal("--", sys.executable, "-c", PARENT + WAITING, WAITING, place=place)
    terminal.expect("running")
    terminal.expect("running")
    terminal.type("\x03")
    terminal.expect(f"shell: ended with {128 + signal.SIGINT}")
    terminal.close()
    assert left_behind(place) == []


SUITE = """
import json, os, urllib.request

URL = os.environ["DATA_STORAGE_URL"]

def names():
    with urllib.request.urlopen(URL + "/api/v1/workflows") as answer:
        return sorted(row["workflow_name"] for row in json.load(answer)["workflows"])

def test_one(): assert names() == ["drain-node", "restart-pod"]
def test_two(): assert names() == ["drain-node", "restart-pod"]
def test_three(): assert False
"""


def test_a_suite_that_knows_only_the_url(place: Path, tmp_path: Path, catalog: Path) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--rootdir", str(tmp_path), str(suite)]
    done = run("--catalog", str(catalog), "--", *pytest_command, place=place)
    assert done.returncode == 1
    assert "1 failed, 2 passed" in done.stdout


def test_a_catalog_without_a_command(place: Path, catalog: Path) -> None:
    with running("--catalog", str(catalog), "--catalog", str(catalog / "two.json"), place=place) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rstrip("\n")
        with urllib.request.urlopen(f"{url}/api/v1/workflows", timeout=PATIENCE) as answer:  # noqa: S310  # our own URL
            assert len(json.load(answer)["workflows"]) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert left_behind(place) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--catalog", "nowhere", "--", "echo"], 2, "nowhere: does not exist"),
        (["--output", "json", "--", "echo"], 2, "--output json can't be had with a command"),
        (["--dsn", "nonsense", "--", "echo"], 2, "dsn is neither a PostgreSQL URL"),
        (["--dsn", "host=/nowhere", "--", "echo"], 1, "dsn: the database can't be used"),
    ],
)
def test_nothing_is_started_for_nothing(words: list[str], code: int, message: str, place: Path) -> None:
    done = run(*words, place=place)
    assert done.returncode == code and message in done.stderr
    assert "echo" not in done.stdout and "Traceback" not in done.stderr


def test_a_catalog_that_does_not_fit_is_told_and_nothing_runs(place: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: Nothing\n")
    done = run("--catalog", str(bad), "--", "echo", "never", place=place)
    assert (done.returncode, done.stdout) == (2, "") and str(bad) in done.stderr
    assert left_behind(place) == []
