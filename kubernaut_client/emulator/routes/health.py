"""The three probes. JSON without a newline, which the service serves as plain text."""

from __future__ import annotations

from kubernaut_client.emulator.database import DatabaseFailure
from kubernaut_client.emulator.messages import TEXT_TYPE, Reply
from kubernaut_client.emulator.service import Call


async def health(call: Call) -> Reply:
    """GET /health: asks the database."""
    try:
        await call.service.database.ping()
    except DatabaseFailure as failure:
        # The text goes in without escaping, so that this may be no JSON.
        return _text(503, f'{{"status":"unhealthy","database":"unreachable","error":"{failure}"}}')
    return _text(200, '{"status":"healthy","database":"connected"}')


async def ready(call: Call) -> Reply:
    """GET /health/ready: says no as soon as the service is told to stop; otherwise asks the database."""
    if call.service.shutting_down.is_set():
        return _text(503, '{"status":"not_ready","reason":"shutting_down"}')
    try:
        await call.service.database.ping()
    except DatabaseFailure as failure:
        return _text(503, f'{{"status":"not_ready","reason":"database_unreachable","error":"{failure}"}}')
    return _text(200, '{"status":"ready"}')


async def live(call: Call) -> Reply:
    """GET /health/live: asks nobody."""
    return _text(200, '{"status":"alive"}')


def _text(status: int, body: str) -> Reply:
    return Reply(status, body.encode("utf-8", "replace"), TEXT_TYPE)
