"""A FastAPI service that answers whether or not Data Storage is there: `uvicorn audit_fastapi:app`.

AUDIT_SPOOL names the spool directory, KUBERNAUT_DATASTORAGE_URL the service.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from kubernaut_client import AuditWriter


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with AuditWriter(spool=os.environ["AUDIT_SPOOL"], on_invalid="quarantine") as audit:
        app.state.audit = audit
        yield


def audit_writer(request: Request) -> AuditWriter:
    audit: AuditWriter = request.app.state.audit
    return audit


app = FastAPI(lifespan=lifespan)
Audit = Annotated[AuditWriter, Depends(audit_writer)]


@app.post("/remediations/{remediation}", status_code=202)
async def restart(remediation: str, audit: Audit) -> dict[str, str]:
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
    return {"status": "started"}


@app.get("/audit")
async def waiting(audit: Audit) -> dict[str, float]:
    status = audit.status()
    return {"waiting": status.waiting, "oldest_seconds": status.oldest_seconds, "away_seconds": status.away_seconds}
