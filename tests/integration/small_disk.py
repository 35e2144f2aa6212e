"""A process with a spool on a disk of 8 MiB: `small_disk.py URL DIRECTORY`; mounts it there unless something is.

Emits until the disk is full while the service is away, lets it deliver, and emits again; prints one JSON object.
Started in a mount namespace of its own. `--pretend` instead counts the bytes, where a disk can't be had.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kubernaut_client import SpoolError
from tests.events import event
from tests.writers import tuning, writer

DISK = 8 * 2**20


def pretend(place: Path) -> None:
    """A disk of that size, as far as the spool asks how large it is."""
    from kubernaut_client.spool import directory

    def statvfs(path: object) -> Any:
        used = sum(each.stat().st_size for each in place.rglob("*") if each.is_file())
        return SimpleNamespace(f_bavail=max(DISK - used, 0), f_frsize=1, f_blocks=DISK)

    setattr(directory, "os", SimpleNamespace(**{**vars(os), "statvfs": statvfs}))  # noqa: B010 - a module has no such type


def main() -> None:
    url, directory = sys.argv[1:3]
    place = Path(directory)
    if "--pretend" in sys.argv:
        pretend(place)
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", directory], check=True)
    accepted: list[int] = []
    refused = ""
    foreign = ""
    with writer(url, place / "spool", tuning(10)) as audit:

        def emit(number: int) -> str:
            try:
                audit.emit(event(event_timestamp=..., event_data={"number": number, "text": "x" * 500}))
            except SpoolError as error:
                return str(error)
            accepted.append(number)
            return ""

        for number in range(100_000):
            if refused := emit(number):
                break
        first = len(accepted)
        print("full", flush=True)
        sys.stdin.readline()  # the service is there again by then
        audit.flush(60)
        # Somebody else fills the disk to its last byte, reserve and all.
        try:
            with (place / "foreign").open("wb") as file:
                while "--pretend" not in sys.argv or file.tell() < DISK:
                    file.write(b"x" * 4096)
                    file.flush()
        except OSError:
            pass
        foreign = emit(200_000)
        (place / "foreign").unlink()
        end = time.monotonic() + 60
        while (again := emit(200_001)) and time.monotonic() < end:
            time.sleep(0.05)
        report = audit.close(60)
    print(
        json.dumps(
            {
                "accepted": accepted,
                "first": first,
                "refused": refused,
                "foreign": foreign,
                "again": again,
                "report": str(report),
                "left": [path.name for path in (place / "spool").iterdir()],
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
