"""The durable writer in several processes: killed, forked, paused, and on a disk that is full."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.events import event
from tests.integration.emulator_tools import PATIENCE
from tests.writers import tuning, writer

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def start(program: str, *words: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """One of the programs beside this file."""
    command = [*prefix, sys.executable, str(HERE / program), *map(str, words)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
    )


def stored(emulator: Emulator) -> Counter[int]:
    return Counter(row["event_data"]["number"] for row in emulator.rows("audit_events"))


def numbers(lines: list[str]) -> list[int]:
    return [int(line) for line in lines if line.strip().isdecimal()]


def test_eight_processes_each_killed_once(emulator: Emulator, tmp_path: Path) -> None:
    """What `emit` returned for is stored once; of the one that it was in the middle of, nobody was told anything."""
    spool = tmp_path / "spool"
    draw = random.Random(8)
    confirmed: list[int] = []
    possible: set[int] = set()
    emulator.fault("createAuditEventsBatch", drop="after", probability=0.2, seed=1, count=None)
    emulator.fault("createAuditEventsBatch", drop="before", probability=0.2, seed=2, count=None)
    first = [start("audit_emitter.py", emulator.url, spool, each * 1000, each * 1000 + 500, 0.002) for each in range(8)]
    second: list[tuple[int, subprocess.Popen[str]]] = []
    for each, process in enumerate(first):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(draw.randrange(20, 120))]
        process.kill()
        lines += process.stdout.read().splitlines()
        process.communicate()
        seen = numbers(lines)
        confirmed += seen
        possible.add(seen[-1] + 1)
        again = seen[-1] + 2
        second.append((again, start("audit_emitter.py", emulator.url, spool, again, each * 1000 + 500, 0)))
    for again, process in second:
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        emitted = numbers(output.splitlines())
        assert emitted[0] == again
        confirmed += emitted
    emulator.clear_faults()
    with writer(emulator.url, spool, tuning(10)) as audit:  # what those that were last have left
        assert audit.flush(PATIENCE).done
    found = stored(emulator)
    assert len(confirmed) > 3000
    assert {number for number in confirmed if found[number] != 1} == set(), "lost or doubled"
    assert set(found) - set(confirmed) <= possible and max(found.values()) == 1
    assert list(spool.iterdir()) == []


def test_both_sides_of_a_fork_go_on(emulator: Emulator, tmp_path: Path) -> None:
    process = start("audit_forks.py", emulator.url, tmp_path / "spool")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output.strip() == "[0, 0, 0, 0] 300 stored, 0 queued, 0 quarantined, 0 unsettled, 0 waiting"
    firsts = [0, 1000, 2000, *(each * 10_000 + more for each in range(1, 5) for more in (0, 1000))]
    assert stored(emulator) == Counter(number for first in firsts for number in range(first, first + 100))
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("emitted", [0, 10])
@pytest.mark.parametrize("first", ["emit", "status", "flush", "close"])
def test_a_fork_that_python_does_not_notice(emulator: Emulator, tmp_path: Path, emitted: int, first: str) -> None:
    """As the prefork of uWSGI: none of the hooks runs, and locks that another thread had are never released."""
    with emulator.refuse_connections() if emitted else nullcontext():
        process = start("audit_c_forks.py", emulator.url, tmp_path / "spool", emitted, first)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    count = emitted + 25
    assert output.strip() == f"[0, 0, 0] {count} stored, 0 queued, 0 quarantined, 0 unsettled, 0 waiting"
    firsts = [] if first == "close" else [n * 1000 + more for n in (1, 2, 3) for more in (0, 100, 200, 300, 900)]
    expected = [*range(emitted), *(number for start in [500, *firsts] for number in range(start, start + 25))]
    assert stored(emulator) == Counter(expected)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_process_that_was_paused_is_not_taken_for_dead(emulator: Emulator, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    process = start("audit_emitter.py", emulator.url, spool, 0, 300, 0.001)
    assert process.stdout is not None
    for _ in range(50):
        process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    try:
        with writer(emulator.url, spool, tuning(10)) as audit:
            report = audit.flush(2.0)
            assert (report.stored, report.waiting, report.unsettled) == (0, 0, 0), "its file is its own"
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE)
    assert stored(emulator) == Counter(range(300))


def test_a_process_whose_lock_was_removed_leaves_what_another_has(emulator: Emulator, tmp_path: Path) -> None:
    """The kernel's lock can't be taken away, but somebody may delete its file."""
    spool = tmp_path / "spool"
    with emulator.refuse_connections():
        first = writer(emulator.url, spool)
        for number in range(10):
            first.emit(_event(number))
        assert first.flush(0.2).stored == 0
        (lock,) = spool.glob("*.lock")
        lock.unlink()
        second = writer(emulator.url, spool)
        second.flush(0.2)
    for number in range(10, 20):
        first.emit(_event(number))
    assert first.close(PATIENCE).done and second.close(PATIENCE).done
    assert stored(emulator) == Counter(range(20))
    assert list(spool.iterdir()) == []


def _event(number: int) -> dict[str, Any]:
    return event(event_timestamp=..., event_data={"number": number})


def test_a_disk_of_8_mib_that_fills_up(emulator: Emulator, tmp_path: Path) -> None:
    """Nothing that was accepted is lost, and it goes on when there is room: made by delivering, or by somebody else."""
    place = tmp_path / "disk"
    place.mkdir()
    unshare = next((words for words in (("unshare", "-m"), ("unshare", "-rm")) if _works(*words)), ())
    pretend = () if unshare else ("--pretend",)
    with emulator.refuse_connections():
        process = start("small_disk.py", emulator.url, place, *pretend, prefix=unshare)
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "full\n"
    output, _ = process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 0
    seen = json.loads(output)
    assert "the disk is full; make room, then emit again" in seen["refused"]
    assert str(place / "spool") in seen["refused"]
    assert 2000 < seen["first"] < 20_000, "it was used, but for a reserve"
    assert "the disk is full" in seen["foreign"] and seen["again"] == ""
    assert seen["left"] == []
    assert stored(emulator) == Counter(seen["accepted"])


def _works(*words: str) -> bool:
    """Whether a file system can be mounted in a namespace of one's own."""
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0
