"""Reading the audit trail: the pages of a walk, and looking for one event.

Where a walk goes on is decided in `cursor`. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from kubernaut_datastorage.models import AuditEvent

from . import procedures, settle
from .cursor import Cursor, WalkCheck
from .errors import KubernautError, Outcome, ResponseDecodeError
from .execute import AsyncCall
from .limits import PAGE_LIMIT
from .operations import QUERY_AUDIT_EVENTS, EventRow
from .problems import one_line


async def pages(
    filters: Mapping[str, Any], new_call: Callable[[], AsyncCall]
) -> AsyncIterator[tuple[AsyncCall, list[EventRow], bool]]:
    """The pages of a walk, each with its call, without rows of pages before, and whether it is the last."""
    members = dict(filters)
    cursor = Cursor(members.pop("page_size", PAGE_LIMIT), members.pop("until", None))
    check = WalkCheck()
    while not cursor.done:
        call = new_call()
        request = QUERY_AUDIT_EVENTS.request(**members, **cursor.parameters())
        page = await call.execute(QUERY_AUDIT_EVENTS, request)
        rows = cursor.take(page)
        reason = check.take(sum(row.event is not None for row in rows), (row.fault for row in rows if not row.event))
        if reason and not cursor.done:
            raise procedures.endless(reason, check, QUERY_AUDIT_EVENTS, call)
        yield call, rows, cursor.done


async def newest(filters: Mapping[str, Any], most: int, call: AsyncCall) -> tuple[list[AuditEvent], list[str]]:
    """The newest events that match, `most` at most, and what is wrong with those among them that can't be read."""
    found: list[AuditEvent] = []
    bad: list[str] = []
    async for _, rows, _ in pages({**filters, "page_size": min(most, PAGE_LIMIT)}, lambda: call):
        found += [row.event for row in rows if row.event is not None]
        bad += [call.mask(row.fault) for row in rows if row.event is None]
        if len(found) >= most:
            break
    return found[:most], bad


async def find(payload: Mapping[str, Any], call: AsyncCall, *, in_batch: bool) -> list[AuditEvent]:
    """The stored events that equal one that was sent (`settle.same_event`); none if looking fails."""
    try:
        return await copies(payload, call, in_batch=in_batch)
    except KubernautError:
        return []


async def copies(payload: Mapping[str, Any], call: AsyncCall, *, in_batch: bool) -> list[AuditEvent]:
    """As `find`, but raises if looking fails, or shows a row that can't be read: it may be the one that is missing."""
    at = payload["event_timestamp"]
    filters = {name: payload[name] for name in ("correlation_id", "event_type")}
    found: list[AuditEvent] = []
    bad: list[str] = []
    async for _, rows, _ in pages({**filters, "since": at, "until": at}, lambda: call):
        found += [row.event for row in rows if row.event and settle.same_event(payload, row.event, in_batch=in_batch)]
        bad += [row.fault for row in rows if row.event is None]
    if bad and not found:
        reason = f"{len(bad)} row(s) can't be read; {one_line(bad[0])}"
        raise call.sign(ResponseDecodeError(reason, items=bad, status=200, outcome=Outcome.APPLIED), QUERY_AUDIT_EVENTS)
    return found
