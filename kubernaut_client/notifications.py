"""Notification records: written once each; the service has no route that reads them.

A method checks its input (`limits`) and sends by `delivery`. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

from . import delivery, limits
from .execute import AsyncOptions
from .receipts import Notification, NotificationReceipt


class AsyncNotifications:
    """`client.notifications`. `timeout=` is the seconds for one attempt, `deadline=` those for the whole call."""

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def create(
        self, record: Notification, *, timeout: float | None = None, deadline: float | None = None
    ) -> NotificationReceipt:
        """Store the record of one notification; `ConflictError` if its `notification_id` exists.

        Limits, narrower than the service's published ones: `channel` email, slack or pagerduty; `status` sent or
        failed; both ids and `recipient` 255 bytes in UTF-8, not blank; `message_summary` and `error_message` 1000
        characters; `delivery_status` 255; `escalation_level` 0 to 5; `sent_at` with a time zone, and by the service's
        clock not more than 5 minutes ahead.

        The receipt is `queued` where the service could not write to its database and keeps the record in Redis
        (`AuditReceipt` says what becomes of it). A lost answer is settled by repeating the request, which the unique
        id makes harmless: a conflict then shows that the first one arrived, and the receipt is `recovered`. That is
        wrong only if someone else stored another record with this id. The service's own 503 is repeated, too, but it
        says that nothing was stored: a conflict after it is a `ConflictError`, with `maybe_ours`.

        Raises `InvalidRequestError` for bad input, a `TransportError` when no answer came, `ResponseDecodeError` for a
        success that can't be read, and an `APIError` for any answer that isn't a success.
        """
        payload = limits.NOTIFICATION_AUDIT.check(record)
        return await delivery.notify(record, payload, self._options.call(timeout, deadline))
