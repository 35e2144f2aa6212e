"""What the emulator leaves behind when its process dies, forks or is root: nothing, nothing changes, another user."""

import http.client
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from kubernaut_client.emulator.postgres import find_installation
from tests.integration.emulator_tools import PATIENCE, Process, children, command, eventually, program, watched

pytestmark = pytest.mark.emulator

PRELUDE = """
import json, os, signal, sys, threading, time
# A run in a shell's background starts with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from kubernaut_client.emulator import Emulator
emulator = Emulator()
def tell(**what):
    print(json.dumps({"pid": os.getpid(), **what}), flush=True)
"""
STARTED_IN_A_THREAD = """
thread = threading.Thread(target=emulator.start)
thread.start()
thread.join()
tell(url=emulator.url, dsn=emulator.dsn)
sys.stdin.read()
"""


class Script:
    """A process that runs an emulator and tells about it, one line of JSON at a time."""

    def __init__(self, code: str, place: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(place), **environment},
            start_new_session=True,
        )

    def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def supervisor(self) -> Process:
        """Its supervisor, as soon as there is one."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid in children(self.process.pid) if "supervisor.py" in command(pid)]
            return bool(found)

        eventually(look)
        return Process(found[0])

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process.pid, number)
        self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    """Scripts to be ended after the test, whatever happened."""
    running: list[Script] = []
    yield running
    for script in running:
        script.close()


def orphans(wanted: set[str]) -> set[str]:
    """Those of some System V segments that no process uses."""
    lines = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {fields[1] for fields in lines if fields[1] in wanted and fields[6] == "0"}


def segments() -> set[str]:
    """The ids of all System V shared memory segments."""
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def postmaster(directory: Path) -> list[str]:
    """The lock file of a database: process in line 1, segment in line 7."""
    return (directory / "data" / "postmaster.pid").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGABRT])
def test_killed_process_leaves_nothing_behind(number: int, place: Path, scripts: list[Script]) -> None:
    script = Script(STARTED_IN_A_THREAD, place)
    scripts.append(script)
    script.told()
    (directory,) = place.glob("kubernaut-*")
    lock = postmaster(directory)
    segment = lock[6].split()[1]
    processes = [script.supervisor(), Process(int(lock[0]))]
    processes += watched(children(processes[1].pid))
    assert len(processes) >= 3 and segment in segments()
    assert "/dev/shm" not in Path(f"/proc/{processes[1].pid}/maps").read_text()
    script.kill(number)
    assert [process.ended() for process in processes] == [True] * len(processes)
    assert list(place.iterdir()) == []
    assert segment not in segments()
    for process in processes:
        process.close()


@pytest.mark.parametrize("stage", ["supervisor", "directory", "bootstrap", "server"])
def test_killed_while_it_starts(stage: str, place: Path, scripts: list[Script]) -> None:
    files, before = set(os.listdir("/dev/shm")), segments()
    script = Script(STARTED_IN_A_THREAD, place)
    scripts.append(script)
    supervisor = script.supervisor()

    def reached() -> bool:
        if stage == "supervisor":
            return True
        if stage == "directory":
            return bool(list(place.iterdir()))
        return stage in {doing(pid) for pid in children(supervisor.pid)}

    eventually(reached)
    below = watched(children(supervisor.pid))
    script.kill()
    assert [process.ended() for process in (supervisor, *below)] == [True] * (len(below) + 1)
    assert list(place.iterdir()) == []
    # Others may be at work on this machine; what they have just now is gone in a moment, what we lost would stay.
    eventually(lambda: not orphans(segments() - before))
    assert not [name for name in set(os.listdir("/dev/shm")) - files if name.startswith("PostgreSQL.")]
    for process in (supervisor, *below):
        process.close()


def test_killed_with_its_whole_group(place: Path, scripts: list[Script]) -> None:
    script = Script(STARTED_IN_A_THREAD, place)
    scripts.append(script)
    script.told()
    supervisor = script.supervisor()
    os.killpg(script.process.pid, signal.SIGKILL)
    script.process.wait(PATIENCE)
    assert supervisor.ended()
    assert list(place.iterdir()) == []
    supervisor.close()


def test_process_that_forgets_to_stop(place: Path, scripts: list[Script]) -> None:
    script = Script("emulator.start()\ntell()\n", place)
    scripts.append(script)
    script.told()
    assert script.process.wait(PATIENCE) == 0
    eventually(lambda: list(place.iterdir()) == [])


def test_killed_supervisor_takes_postgres_along(place: Path, scripts: list[Script]) -> None:
    script = Script("emulator.start()\ntell()\nsys.stdin.read()\nemulator.stop()\ntell()\n", place)
    scripts.append(script)
    script.told()
    supervisor = script.supervisor()
    (directory,) = place.glob("kubernaut-*")
    postgres = Process(int(postmaster(directory)[0]))
    os.kill(supervisor.pid, signal.SIGKILL)
    assert postgres.ended()
    assert script.process.stdin is not None
    script.process.stdin.close()
    script.told()
    assert script.process.wait(PATIENCE) == 0
    assert list(place.iterdir()) == []


def test_killed_supervisor_leaves_nothing(place: Path, scripts: list[Script]) -> None:
    """Another process removes the directory, whether the emulator is stopped or not."""
    script = Script(STARTED_IN_A_THREAD, place)
    scripts.append(script)
    script.told()
    supervisor = script.supervisor()
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: list(place.iterdir()) == [])
    supervisor.close()


def test_killed_watcher_leaves_nothing(place: Path, scripts: list[Script]) -> None:
    place.chmod(0o1777)
    script = Script("emulator.start()\ntell()\nsys.stdin.read()\nemulator.stop()\ntell()\n", place)
    scripts.append(script)
    script.told()
    supervisor = script.supervisor()
    (watcher,) = [pid for pid in children(supervisor.pid) if "supervisor.py" in command(pid)]
    os.kill(watcher, signal.SIGKILL)
    assert script.process.stdin is not None
    script.process.stdin.close()
    script.told()
    assert list(place.iterdir()) == []
    supervisor.close()


def test_forked_child_neither_stops_nor_keeps_it(place: Path, scripts: list[Script]) -> None:
    script = Script(
        """
        with emulator:
            child = os.fork()
            if child == 0:
                for action in (emulator.reset, lambda: emulator.url):
                    try:
                        action()
                    except RuntimeError as error:
                        assert "another process" in str(error)
                    else:
                        os._exit(1)
                emulator.stop()
                os._exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            second = os.fork()
            if second == 0:
                time.sleep(60)
                os._exit(0)
            tell(status=status, url=emulator.url, host=emulator.host, port=emulator.port, second=second)
            sys.stdin.read()
        """,
        place,
    )
    scripts.append(script)
    told = script.told()
    second = Process(told["second"])
    try:
        assert told["status"] == 0
        connection = http.client.HTTPConnection(told["host"], told["port"], timeout=PATIENCE)
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"healthy","database":"connected"}'
        connection.close()
        supervisor = script.supervisor()
        script.kill()
        assert supervisor.ended()
        assert list(place.iterdir()) == []
        assert not second.ended(0)
        with pytest.raises(ConnectionRefusedError):
            connection.connect()
    finally:
        os.kill(second.pid, signal.SIGKILL)
        second.close()


def test_never_runs_as_root(emulator: Emulator) -> None:
    directory = Path(emulator.dsn.split("'")[1])
    user = Path(f"/proc/{postmaster(directory)[0]}").stat().st_uid
    assert user != 0 and user == directory.stat().st_uid
    assert directory.stat().st_mode & 0o077 == 0
    if os.geteuid() != 0:
        assert user == os.geteuid()


def test_wheel_where_another_user_cannot_reach_it(place: Path, scripts: list[Script]) -> None:
    """As in a virtual environment under /root. For root, what is needed is copied; others reach their own files."""
    installation, libraries = find_installation()
    package = installation.parent
    private = place / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(installation, private / package.name / installation.name, symlinks=True)
    (private / package.name / "__init__.py").touch()
    shutil.copytree(libraries, private / libraries.name, symlinks=True)
    for path in private.rglob("*"):
        path.chmod(0o700)
    code = f"sys.path.insert(0, {str(private)!r})\n{STARTED_IN_A_THREAD}"
    script = Script(code, place)
    scripts.append(script)
    told = script.told()
    (directory,) = place.glob("kubernaut-*")
    binary = Path(f"/proc/{postmaster(directory)[0]}/exe").resolve()
    assert binary.is_relative_to(directory if os.geteuid() == 0 else private)
    assert told["url"].startswith("http://127.0.0.1:")
    supervisor = script.supervisor()
    script.kill()
    assert supervisor.ended()
    assert list(place.iterdir()) == [private]


STARTED_IN_A_FORKED_CHILD = """
if os.fork():
    os.wait()
else:
    emulator.start()
    tell(url=emulator.url)
    sys.stdin.read()
"""
STARTED_WHERE_IT_IS = """
emulator.start()
tell(url=emulator.url)
sys.stdin.read()
"""
WAYS = {
    "thread": STARTED_IN_A_THREAD,
    "child": STARTED_IN_A_FORKED_CHILD,
    "group": STARTED_WHERE_IT_IS,
}


def test_fifty_kills_at_random_times_leave_nothing(place: Path, scripts: list[Script]) -> None:
    """Four at a time, started from a thread, from a forked child, and killed as a group; before, while and after."""
    draw = random.Random(50)
    files, before = set(os.listdir("/dev/shm")), segments()
    waiting = list(itertools.islice(itertools.cycle(WAYS), 50))
    running: list[tuple[float, Script]] = []
    seen: set[str] = set()
    while waiting or running:
        while waiting and len(running) < 4:
            script = Script(WAYS[waiting.pop()], place)
            scripts.append(script)
            running.append((time.monotonic() + draw.uniform(0.1, 4), script))
        running.sort(key=lambda each: each[0])
        moment, script = running.pop(0)
        # The time until it is killed; nobody waits for anything.
        with suppress(subprocess.TimeoutExpired):
            script.process.wait(max(moment - time.monotonic(), 0.01))
        seen |= {doing(pid) for pid in ours(place)}
        os.killpg(script.process.pid, signal.SIGKILL)
        script.process.wait(PATIENCE)
    assert {"bootstrap", "server"} <= seen, "some of them were killed in the middle of their work"
    eventually(lambda: not ours(place))
    eventually(lambda: not list(place.iterdir()))
    eventually(lambda: not orphans(segments() - before))
    assert not [name for name in set(os.listdir("/dev/shm")) - files if name.startswith("PostgreSQL.")]


@pytest.mark.parametrize("mode", [0o1777, 0o755])
def test_any_of_its_processes_killed_leaves_nothing(mode: int, place: Path, scripts: list[Script]) -> None:
    """One of them at a random time, and later all of the emulator's own."""
    place.chmod(mode)
    draw = random.Random(mode)
    before = segments()
    for _ in range(6):
        script = Script(STARTED_IN_A_THREAD, place)
        scripts.append(script)
        supervisor = script.supervisor()
        with suppress(subprocess.TimeoutExpired):
            script.process.wait(draw.uniform(0, 2))  # the time until the first kill
        running = [pid for pid in ours(place) if pid != script.process.pid]
        with suppress(ProcessLookupError, IndexError):
            os.kill(draw.choice(running), signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            script.process.wait(draw.uniform(0, 1))
        with suppress(ProcessLookupError):
            os.killpg(script.process.pid, signal.SIGTERM if mode == 0o1777 else signal.SIGKILL)
        script.process.wait(PATIENCE)
        supervisor.close()
    eventually(lambda: not ours(place))
    if mode == 0o1777 or os.geteuid() != 0:
        eventually(lambda: not list(place.iterdir()))
    else:
        # Of root's, if the watcher was the one, an empty directory.
        assert [list(path.iterdir()) for path in place.iterdir() if list(path.iterdir())] == []
    eventually(lambda: not orphans(segments() - before))


def test_killed_postgres_leaves_no_segment(place: Path, scripts: list[Script]) -> None:
    script = Script("emulator.start()\ntell()\nsys.stdin.read()\nemulator.stop()\ntell()\n", place)
    scripts.append(script)
    script.told()
    (directory,) = place.glob("kubernaut-*")
    lock = postmaster(directory)
    os.kill(int(lock[0]), signal.SIGKILL)
    assert script.process.stdin is not None
    script.process.stdin.close()
    script.told()
    assert list(place.iterdir()) == []
    eventually(lambda: lock[6].split()[1] not in segments())


def doing(pid: int) -> str:
    """What a process of PostgreSQL does: make the catalogs, or serve. Empty for any other."""
    return "" if program(pid) != "postgres" else "bootstrap" if " --boot " in command(pid) else "server"


def ours(place: Path) -> list[int]:
    """The processes that know of a directory by their environment or their arguments."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and str(place) in about(name)]


def about(pid: str) -> str:
    """Environment and arguments of a process; nothing of one that is gone, or of this one."""
    if int(pid) == os.getpid():
        return ""
    try:
        return "".join(Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace") for name in ("environ", "cmdline"))
    except OSError:
        return ""
