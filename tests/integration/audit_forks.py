"""A process that emits, forks while it emits, and goes on on both sides: `audit_forks.py URL SPOOL`.

The writer was made before the fork, as a server does that loads its application first. Prints what either side says.
"""

import os
import sys
import threading
from pathlib import Path

from tests.events import event
from tests.writers import tuning, writer

CHILDREN = 4
EVENTS = 100


def main() -> None:
    url, spool = sys.argv[1:]
    audit = writer(url, Path(spool), tuning(10))

    def emit(first: int) -> None:
        for number in range(first, first + EVENTS):
            audit.emit(event(event_timestamp=..., event_data={"number": number}))

    emit(0)
    busy = threading.Thread(target=emit, args=(1000,))
    busy.start()
    children: list[int] = []
    for number in range(1, CHILDREN + 1):
        child = os.fork()
        if not child:
            emit(number * 10_000)
            grandchild = os.fork()
            if not grandchild:
                emit(number * 10_000 + 1000)
            report = audit.close(60)
            inherited = [name for name in os.listdir("/proc/self/fd") if is_deleted_spool(name)]
            code = 0 if report.stored == EVENTS and not inherited else 1
            if grandchild:
                code = code or os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
            os._exit(code)
        children.append(child)
    busy.join()
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    emit(2000)
    print(codes, audit.close(60), flush=True)


def is_deleted_spool(name: str) -> bool:
    try:
        target = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return False
    return ".spool" in target


if __name__ == "__main__":
    main()
