"""A process that emits numbered audit events: `audit_emitter.py URL SPOOL FIRST LAST SECONDS`.

Prints each number once `emit` has returned, waits so long between two, closes the writer and prints its report.
"""

import sys
import time
from pathlib import Path

from tests.events import event
from tests.writers import tuning, writer


def main() -> None:
    url, spool, first, last, seconds = sys.argv[1:]
    with writer(url, Path(spool), tuning(10)) as audit:
        for number in range(int(first), int(last)):
            audit.emit(event(event_timestamp=..., event_data={"number": number}))
            print(number, flush=True)
            time.sleep(float(seconds))
        report = audit.close(60)
    print(report, flush=True)


if __name__ == "__main__":
    main()
