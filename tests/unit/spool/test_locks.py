"""What takes the two locks of a writer never waits for the one while it has the other, but in one order."""

import threading
from pathlib import Path

from kubernaut_client.spool.directory import Directory
from kubernaut_client.spool.spool import Spool
from kubernaut_client.spool.tuning import Tuning


def test_the_first_emit_does_not_wait_for_who_reads(tmp_path: Path) -> None:
    """It has the lock for writing, which the other may want as well."""
    spool = Spool(
        Directory(tmp_path), limit=2**20, power=False, tuning=Tuning(), alarm=lambda kind, message, count: None
    )
    first = threading.Thread(
        target=spool.append, args=(1, "2026-01-01T00:00:00Z", True, b"{}"), name="first emit", daemon=True
    )
    with spool.locks.reading:
        first.start()
        first.join(10)
        assert not first.is_alive()
    assert spool.count == 1
    spool.close()
