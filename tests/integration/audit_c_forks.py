"""A process that forks as uWSGI does, behind Python's back: `audit_c_forks.py URL SPOOL EMITTED FIRST`.

The writer was made before. Emits EMITTED events first, and has other threads hold its locks at the fork. Each child
calls FIRST before anything else, emits from several threads, forks once more by `os.fork`, and ends well if all is
delivered. Prints the exit codes of the children and the parent's report.
"""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kubernaut_client import RetryPolicy
from tests.events import event
from tests.writers import tuning, writer

CHILDREN = 3
THREADS = 4
EVENTS = 25


def main() -> None:
    url, spool, emitted, first = sys.argv[1:]
    pause = RetryPolicy(wait_initial=5, wait_max=5, jitter=0)
    audit = writer(url, Path(spool), tuning(10, pause=pause, scan=30))

    def emit(start: int, count: int = EVENTS) -> None:
        for number in range(start, start + count):
            audit.emit(event(event_timestamp=..., event_data={"number": number}))

    def child(number: int) -> int:
        actions: dict[str, Callable[[], object]] = {
            "emit": lambda: None,
            "status": audit.status,
            "flush": lambda: audit.flush(1),
            "close": audit.close,
        }
        actions[first]()
        if first == "close":
            return 0
        threads = [threading.Thread(target=emit, args=(number * 1000 + each * 100,)) for each in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grandchild = os.fork()
        if not grandchild:
            emit(number * 1000 + 900)
            os._exit(0 if audit.close(60).stored == EVENTS else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        report = audit.close(60)
        inherited = [name for name in os.listdir("/proc/self/fd") if is_spool(name)]
        return code if report.stored == THREADS * EVENTS and not inherited else 2

    emit(0, int(emitted))
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with audit._spool.locks.both(), audit._stamping:
            locked.set()
            release.wait()

    # PyDLL keeps the interpreter's own lock, as uWSGI does; CDLL lets it go.
    libraries = [ctypes.PyDLL(None), ctypes.PyDLL(None), ctypes.CDLL(None)]
    children: list[int] = []
    for number, library in enumerate(libraries, 1):
        wait_until_quiet()
        holder = threading.Thread(target=hold)
        locked.clear()
        release.clear()
        holder.start()
        locked.wait()
        wait_until_quiet()
        forked = library.fork()
        if not forked:
            os._exit(child(number))
        release.set()
        holder.join()
        children.append(forked)
    codes = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]
    emit(500)
    print(codes, audit.close(60), flush=True)


def wait_until_quiet() -> None:
    """CPython itself doesn't survive such a fork while another of its threads runs, or wants to."""
    waiting = {"_run", "_work", "wait", "wait_until_quiet"}
    quiet = 0
    while quiet < 3:
        time.sleep(0.01)  # whoever wants to run does
        names = {frame.f_code.co_name for frame in sys._current_frames().values()}
        quiet = quiet + 1 if names <= waiting else 0


def is_spool(name: str) -> bool:
    try:
        return ".spool" in os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return False


if __name__ == "__main__":
    main()
