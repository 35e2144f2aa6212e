"""The procedures behind the writes to the audit trail: what is sent, what is looked for, and in which order.

What an answer means is decided in `settle` and, for a batch, in `batches`. The synchronous twin of this module is
generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from . import settle
from .batches import Delivery, Payload, is_queued, refusal
from .errors import ConflictError, KubernautError, Outcome, ResponseDecodeError
from .execute import AsyncCall
from .operations import CREATE_AUDIT_EVENT, CREATE_AUDIT_EVENTS_BATCH, CREATE_NOTIFICATION_AUDIT, Body
from .procedures import outage
from .receipts import AuditReceipt, BatchResult, Event, Notification, NotificationReceipt
from .trail import find


async def write(event: Event, payload: Payload, call: AsyncCall) -> AuditReceipt:
    """Store one event, sent once; if it may have been stored nevertheless, look for it."""
    request = CREATE_AUDIT_EVENT.request(body=Body(dict(payload)))
    try:
        event_id = await call.execute(CREATE_AUDIT_EVENT, request, spare=settle.LOOKUP_SHARE)
    except KubernautError as error:
        if settle.parent_in_doubt(error, payload) and await outage(call):
            raise call.sign(settle.unavailable(error), CREATE_AUDIT_EVENT) from error
        found = await find(payload, call, in_batch=False) if settle.may_be_there(error) else []
        call.sign(error, CREATE_AUDIT_EVENT)
        if not found:
            raise
        return AuditReceipt("stored", found[0].event_id, event, recovered=True)
    return AuditReceipt("stored" if event_id else "queued", event_id, event)


async def write_batch(delivery: Delivery, call: AsyncCall) -> BatchResult:
    """Store a batch in one transaction; if an event in it is refused, the others in as few as it takes."""
    pieces = delivery.pieces()
    while indices := pieces.next():
        before = len(call.history)
        try:
            ids: Sequence[UUID | None] = await _send(delivery.of(indices), call)
            recovered = False
        except KubernautError as error:
            if is_queued(error):
                delivery.queue(indices)
                pieces.accepted()
                continue
            why = refusal(error, len(indices))
            if why is not None and pieces.refused(why):
                delivery.reject(pieces.rejected)
                continue
            doubted = settle.any_may_be_there(call.history[before:])
            found = await _recovered(delivery, indices, call) if doubted else None
            call.sign(error, CREATE_AUDIT_EVENTS_BATCH)
            if found is None:
                delivery.unfinished(error, indices if doubted else ())
                raise
            ids, recovered = found, True
        if len(ids) != len(indices):
            # Then it isn't known to be one transaction, and a few of the events wouldn't stand for the others.
            reason = f"201 with {len(ids)} ids for {len(indices)} events"
            failure = ResponseDecodeError(reason, status=201, outcome=Outcome.UNKNOWN)
            delivery.unfinished(failure, indices)
            raise call.sign(failure, CREATE_AUDIT_EVENTS_BATCH)
        delivery.settle(indices, ids, recovered=recovered)
        pieces.accepted()
    return delivery.result()


async def _send(payloads: Sequence[Payload], call: AsyncCall) -> list[UUID]:
    """The ids that the service gave the events; one that comes twice is one."""
    request = CREATE_AUDIT_EVENTS_BATCH.request(body=[Body(dict(each)) for each in payloads])
    ids = await call.execute(CREATE_AUDIT_EVENTS_BATCH, request, spare=settle.LOOKUP_SHARE)
    return list(dict.fromkeys(ids))


async def _recovered(delivery: Delivery, indices: Sequence[int], call: AsyncCall) -> list[UUID | None] | None:
    """The ids of a batch that arrived although its answer was lost, as far as they were seen; None if it isn't there.

    It is one transaction, so a few of its events stand for all. A copy of one that was stored before isn't taken for
    it, as far as this call knows of it.
    """
    sent = delivery.of(indices)
    counted = [*sent, *delivery.stored()]
    ids: list[UUID | None] = [None] * len(sent)
    for place in settle.witnesses(len(sent)):
        copies = sum(settle.same_sent(sent[place], each, in_batch=True) for each in counted)
        found = await find(sent[place], call, in_batch=True)
        if len(found) < copies:
            return None
        if copies == 1:
            ids[place] = found[0].event_id
    return ids


async def notify(record: Notification, payload: Payload, call: AsyncCall) -> NotificationReceipt:
    """Store one notification; its unique id makes it harmless to repeat a request whose answer was lost."""
    request = CREATE_NOTIFICATION_AUDIT.request(body=Body(dict(payload)))
    answers_lost = False

    def again(error: KubernautError) -> bool:
        nonlocal answers_lost
        answers_lost = answers_lost or settle.answer_lost(error)
        return settle.create_again(error)

    try:
        row = await call.execute(CREATE_NOTIFICATION_AUDIT, request, again=again)
    except KubernautError as error:
        if settle.conflict_is_ours(error, unknown_before=answers_lost):
            return NotificationReceipt("stored", None, record, recovered=True)
        if isinstance(error, ConflictError):
            error.maybe_ours = call.unknown_before(CREATE_NOTIFICATION_AUDIT)
        raise
    return NotificationReceipt("stored" if row else "queued", row, record)
