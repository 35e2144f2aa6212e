"""A plain service: restarts what it is told on standard input, and writes an audit event for each.

AUDIT_SPOOL names the spool directory, KUBERNAUT_DATASTORAGE_URL the service.
"""

import os
import signal
import sys

from kubernaut_client import AuditWriter


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    with AuditWriter(spool=os.environ["AUDIT_SPOOL"], on_invalid="quarantine") as audit:
        for line in sys.stdin:
            restart(line.strip(), audit)


def stop(*_: object) -> None:
    sys.exit(0)


def restart(remediation: str, audit: AuditWriter) -> None:
    audit.emit(
        {
            "version": "1.0",
            "event_type": "workflow.started",
            "event_category": "workflow",
            "event_action": "started",
            "event_outcome": "success",
            "correlation_id": remediation,
            "event_data": {"workflow": "pod-restart"},
        }
    )
    print("started", remediation, flush=True)


if __name__ == "__main__":
    main()
