"""The audit trail: writing events, one or many, and reading them.

A method checks its input (`limits`) and leaves sending to `delivery`, reading to `trail`. The synchronous twin of this
module is generated from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kubernaut_datastorage.models import AuditEvent

from . import clock, delivery, limits, procedures, trail
from .batches import Delivery
from .errors import InvalidRequestError, KubernautError, Outcome, RequestTimeoutError
from .execute import AsyncOptions, Clock
from .operations import QUERY_AUDIT_EVENTS
from .problems import one_line, shown
from .receipts import AuditReceipt, BatchResult, Event
from .retry import POLL, repeatable, seconds

if TYPE_CHECKING:
    from kubernaut_datastorage.models.event_outcome import EventOutcome

Bound = datetime | timedelta | str
"""When: a datetime with a zone, how long ago, or the service's own text (`24h`, `7d`, `2026-01-31T12:00:00Z`)."""

_LAST_LOOK = 1.0  # seconds for saying what was there instead


class AsyncAudit:
    """`client.audit`. `timeout=` is the seconds for one attempt, `deadline=` those for the whole call.

    All methods raise `InvalidRequestError` for bad input before anything is sent, a `TransportError` when no answer
    came, `ResponseDecodeError` for a success that can't be read, and an `APIError` for any answer that isn't a success.
    """

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def write(self, event: Event, *, timeout: float | None = None, deadline: float | None = None) -> AuditReceipt:
        """Store one event. The receipt says `stored`, or `queued` (what that means is said at `AuditReceipt`).

        Limits: `version` 10 characters, `event_type` 100, `event_action` 50, `correlation_id` 255, `severity` 20,
        `actor_type` 50, `resource_type` 100, `namespace` 253, `actor_id`, `resource_id` and `cluster_name` 255; no NUL
        anywhere; `duration_ms` 32 bits. Beyond these the service would answer `queued` and never store the event.
        `event_data` is a mapping of JSON values; the service reads its numbers as 64-bit floating point, so 1.0 comes
        back as 1, and integers beyond 2^53 are refused. `event_timestamp` is required and needs a time zone; it is sent
        in UTC with its microseconds, and must lie between 7 days before and 5 minutes after the service's clock, else
        `ValidationError`.

        An event is sent once: the service has no key by which it could know it again. If the answer is lost, or can't
        be read, the event is looked for once, by its correlation id, type and time, and compared member by member, with
        what the service fills in for those that were left out. Found, the receipt is `recovered`; else the error is
        raised, with outcome UNKNOWN. An equal event with the very same microsecond, stored before, is taken for this
        one, also if it differs in `duration_ms`, which no route shows (of a batch, nor `version`).
        `ServiceUnavailableError` also where the service can't look for the parent, as it then says that the parent
        doesn't exist.

        The status decides: a 202 with any JSON object is `queued`, whatever the object says. A 201 or 202 whose JSON is
        cut or unreadable is a `ResponseDecodeError` with outcome APPLIED if the event isn't found: the service took it,
        and it must not be sent again. Any other 2xx, or one that isn't JSON, is UNKNOWN, as it may be anybody's.
        """
        payload = limits.AUDIT_EVENT.check(event)
        return await delivery.write(event, payload, self._options.call(timeout, deadline))

    async def write_batch(
        self, events: Iterable[Event], *, timeout: float | None = None, deadline: float | None = None
    ) -> BatchResult:
        """Store events in one transaction; one receipt for each, in order; of no events nothing is sent.

        What can't be stored is `rejected` with the reason, and the others are stored: events beyond the limits of
        `write` are never sent; those that the service names are left out and the rest is sent again, as one request
        where it can be; where it names none, the batch is halved until each is stored or was refused alone. A batch
        that is refused is stored by several requests and thus several transactions.

        The service has no limit on their number; 1,000 take it about 0.2 s, and all of a request must fit `timeout`.
        In a batch it doesn't store `version` and doesn't check that parents exist. A 202 in its own words, which builds
        with a queue for batches may give, makes all of the request `queued`; any other 202 is UNKNOWN.

        Raises when a request as a whole failed: then the error's `receipts` say what became of each event by then, None
        for one that has no end yet, and `unstored` lists those of them that are certainly not stored, so that they may
        be sent again. Its outcome is that of the call: UNKNOWN as soon as some of it is stored. If the answer was lost,
        up to three events are looked for, as `write` does; all of them found, the batch is `recovered`, and only those
        three have ids. No event is ever sent twice after that.
        `ResponseDecodeError`, with outcome UNKNOWN, also for a 201 with another number of ids than events.
        """
        batch = Delivery.check(events)
        return await delivery.write_batch(batch, self._options.call(timeout, deadline))

    def query(
        self,
        *,
        event_type: str | None = None,
        event_category: str | None = None,
        event_outcome: EventOutcome | None = None,
        severity: str | None = None,
        correlation_id: str | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
        page_size: int = limits.PAGE_LIMIT,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[AuditEvent]:
        """Events, newest first, however many; memory holds one page of `page_size` (1 to 1000).

        Filters compare exactly. `since` and `until` include their bound; what is relative in them is resolved once, by
        the clock of this machine. The walk goes by time, so events that arrive meanwhile move nothing: none that was
        there at its start is missed, none comes twice, also where more than a page share a microsecond.

        `duration_ms`, `error_code`, `error_message`, `retention_days`, `is_sensitive` and `parent_event_date` are
        UNSET: the service never reads them from its database. A namespace, cluster or severity that isn't set is "".
        Events that can't be decoded are left out and raised together, as one `ResponseDecodeError` with `.items`, after
        the last good one; so is a walk of which one page after another brings nothing new. `deadline` holds for the
        whole walk, from its first page on, and so for what is done with the events in between; without it each page has
        the retry policy's.
        """
        filters = _filters(
            event_type=event_type,
            event_category=event_category,
            event_outcome=event_outcome,
            severity=severity,
            correlation_id=correlation_id,
            since=since,
            until=until,
            page_size=page_size,
        )
        self._options.call(timeout, deadline)  # refuses a bad timeout here rather than at the first event
        return self._walk(filters, timeout, deadline)

    async def wait_for(
        self,
        count: int = 1,
        *,
        timeout: float = 10.0,
        event_type: str | None = None,
        event_category: str | None = None,
        event_outcome: EventOutcome | None = None,
        severity: str | None = None,
        correlation_id: str | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
    ) -> list[AuditEvent]:
        """The events that match, newest first, as soon as there are `count`; for what is written asynchronously.

        Asks again and again for up to `timeout` seconds, through outages too, then raises `RequestTimeoutError`, which
        says how many there were and which types of events match the other filters. The list is cut at 1000 events, or
        at `count` if that is more. Events that can't be decoded don't count: they are left out, and the error tells of
        them. The filters are those of `query`.

        Mind that every search for workflows adds an event of the service's own within about a second, of type
        `workflow.catalog.search_completed`, with the search's `remediation_id` as its correlation id.
        """
        if type(count) is not int or count < 1:
            raise InvalidRequestError(f"count: must be an integer of at least 1, not {shown(count)}", field="count")
        end = clock.monotonic() + seconds("timeout", timeout, kind=InvalidRequestError)
        filters = _filters(
            event_type=event_type,
            event_category=event_category,
            event_outcome=event_outcome,
            severity=severity,
            correlation_id=correlation_id,
            since=since,
            until=until,
        )
        found: list[AuditEvent] = []
        bad: list[str] = []
        failure: KubernautError | None = None
        polls = 0
        while True:
            left = max(end - clock.monotonic(), 0.001)
            try:
                call = self._options.call(min(self._options.timeout, left), left)
                found, bad = await trail.newest(filters, max(count, limits.PAGE_LIMIT), call)
                failure = None
            except KubernautError as error:
                if not repeatable(error, write=False):
                    raise
                # What an earlier question found says more than that there was no time for this one.
                if not polls or clock.monotonic() < end:
                    failure = error
            if failure is None and len(found) >= count:
                return found
            polls += 1
            pause = POLL.wait(polls)
            if clock.monotonic() + pause >= end:
                break
            await self._options.session.sleep(pause)
        why = f"{len(found)} of {count} events within {timeout:g} s"
        if bad:
            why += f"; {len(bad)} more can't be read: {one_line(bad[0])}"
        types = await self._types(filters) if failure is None else f"then {one_line(str(failure))}"
        why += f"; {types}"
        raise RequestTimeoutError(why, operation=QUERY_AUDIT_EVENTS.name, outcome=Outcome.UNKNOWN) from failure

    async def _types(self, filters: Mapping[str, Any]) -> str:
        """Which types of events there are for the filters but that of the type."""
        others = {name: value for name, value in filters.items() if name != "event_type"}
        try:
            call = self._options.call(min(self._options.timeout, _LAST_LOOK), _LAST_LOOK)
            found, _ = await trail.newest(others, limits.PAGE_LIMIT, call)
        except KubernautError as error:
            return f"what else there is can't be said: {type(error).__name__}"
        types = Counter(event.event_type for event in found)
        words = ", ".join(f"{one_line(call.mask(name), 100)} ({number})" for name, number in sorted(types.items())[:20])
        return f"there is {words}" if types else "there is no event of another type"

    async def _walk(
        self, filters: dict[str, Any], timeout: float | None, deadline: float | None
    ) -> AsyncIterator[AuditEvent]:
        bad: list[str] = []
        clock = Clock(self._options, timeout, deadline)
        async for call, rows, last in trail.pages(filters, clock.call):
            for row in rows:
                if row.event is None:
                    bad.append(call.mask(row.fault))
                else:
                    yield row.event
            if last:
                procedures.raise_bad(bad, QUERY_AUDIT_EVENTS, call)


def _filters(**given: object) -> dict[str, Any]:
    """The checked filters of a query; bounds that no event can lie between are refused."""
    filters = limits.AUDIT_QUERY.check(given)
    since, until = (filters.get(name) for name in ("since", "until"))
    if since and until and datetime.fromisoformat(since) > datetime.fromisoformat(until):
        raise InvalidRequestError(f"since: must not be after until ({since} is after {until})", field="since")
    return filters
