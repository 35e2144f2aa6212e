"""A WSGI application whose writer is made before the workers are: `gunicorn --preload --workers 2 audit_wsgi:app`.

AUDIT_SPOOL names the spool directory, KUBERNAUT_DATASTORAGE_URL the service.
"""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from kubernaut_client import AuditWriter

audit = AuditWriter(spool=os.environ["AUDIT_SPOOL"], on_invalid="quarantine")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    audit.emit(
        {
            "version": "1.0",
            "event_type": "workflow.started",
            "event_category": "workflow",
            "event_action": "started",
            "event_outcome": "success",
            "correlation_id": environ["PATH_INFO"].strip("/"),
            "event_data": {"workflow": "pod-restart", "worker": os.getpid()},
        }
    )
    start_response("202 Accepted", [("Content-Length", "0")])
    return []
