"""What became of what was written to the audit trail: receipts for events and notifications, and those of a batch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload
from uuid import UUID

from kubernaut_datastorage.models import AuditEventRequest, NotificationAudit, NotificationAuditResponse

from .errors import Outcome, ValidationError
from .problems import Problem, one_line

Event = AuditEventRequest | Mapping[str, Any]
"""An audit event to be written: the model, or a mapping with the names of the wire."""
Notification = NotificationAudit | Mapping[str, Any]
"""A notification record to be written: the model, or a mapping with the names of the wire."""
ReceiptStatus = Literal["stored", "queued", "rejected"]


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """What became of one event; `event` is the one that was given.

    `stored`: it is in the database. `queued`: the service could not write to its database and keeps the event in Redis;
    there it stays until the service next stops in good order, is then tried once more and deleted, whether or not that
    worked. It must not be sent again: the service could then store it twice. `rejected` (of a batch only): it can't be
    stored, `reason` says why.

    `event_id` is None unless it is stored, and may be None where `recovered`: the answer was lost, and looking showed
    that the event is there; of a batch, three events at most are looked for.

    A receipt can always be copied and pickled. An event that can't is a plain dict there, and {} if that doesn't help.
    """

    status: ReceiptStatus
    event_id: UUID | None
    event: Event = field(repr=False)
    recovered: bool = False
    reason: str | None = None

    def __reduce__(self) -> tuple[type[AuditReceipt], tuple[Any, ...]]:
        event = _first_that_works(pickle.dumps, self.event)[0]
        return AuditReceipt, (self.status, self.event_id, event, self.recovered, self.reason)

    def __copy__(self) -> AuditReceipt:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> AuditReceipt:
        event = _first_that_works(lambda event: copy.deepcopy(event, memo), self.event)[1]
        return replace(self, event=event)


def _first_that_works(do: Callable[[Event], Any], event: Event) -> tuple[Event, Any]:
    """An event, or what of it can be pickled or copied, and what came of that: callers give what they like."""
    plain: list[Event] = [event, dict(event)] if isinstance(event, Mapping) else [event]
    for each in plain:
        with suppress(Exception):  # whatever a foreign object raises
            return each, do(each)
    nothing: Event = {}
    return nothing, nothing


@dataclass(frozen=True, repr=False)
class BatchResult:
    """What became of a batch: one receipt per event, in the order in which the events were given. Iterable."""

    receipts: tuple[AuditReceipt, ...]

    @property
    def stored(self) -> tuple[AuditReceipt, ...]:
        return self._of("stored")

    @property
    def queued(self) -> tuple[AuditReceipt, ...]:
        """Those that the service keeps in Redis; builds of December 2025 queue none of a batch."""
        return self._of("queued")

    @property
    def rejected(self) -> tuple[AuditReceipt, ...]:
        return self._of("rejected")

    def raise_for_rejected(self) -> BatchResult:
        """This result, or `ValidationError` if an event was rejected; its `field_errors` has `/index` → reason."""
        found = {
            f"/{i}": str(receipt.reason) for i, receipt in enumerate(self.receipts) if receipt.status == "rejected"
        }
        if not found:
            return self
        first = next(iter(found))
        detail = f"{len(found)} of {len(self)} events were rejected; {first}: {one_line(found[first])}"
        problem = Problem(400, title="Validation Error", detail=detail, extensions={"field_errors": found})
        raise ValidationError(
            f"400 {problem.summary}",
            problem=problem,
            outcome=Outcome.REFUSED if len(found) == len(self) else Outcome.UNKNOWN,
            inferred=True,
            evidence=(str(self),),
            receipts=self.receipts,
        )

    def __iter__(self) -> Iterator[AuditReceipt]:
        return iter(self.receipts)

    def __len__(self) -> int:
        return len(self.receipts)

    @overload
    def __getitem__(self, index: int) -> AuditReceipt: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AuditReceipt, ...]: ...
    def __getitem__(self, index: int | slice) -> AuditReceipt | tuple[AuditReceipt, ...]:
        return self.receipts[index]

    def __repr__(self) -> str:
        return f"<BatchResult {self}>"

    def __str__(self) -> str:
        return f"{len(self.stored)} stored, {len(self.queued)} queued, {len(self.rejected)} rejected"

    def _of(self, status: ReceiptStatus) -> tuple[AuditReceipt, ...]:
        return tuple(receipt for receipt in self.receipts if receipt.status == status)


@dataclass(frozen=True, slots=True)
class NotificationReceipt:
    """What became of one notification record; `record` is the one that was given.

    `stored`: it is in the database, and `stored_record` is the row as the service shows it, None where `recovered`:
    the answer was lost, and repeating the request showed that its notification_id is taken. `queued` means the same as
    of an event (`AuditReceipt`).
    """

    status: Literal["stored", "queued"]
    stored_record: NotificationAuditResponse | None = field(repr=False)
    record: Notification = field(repr=False)
    recovered: bool = False
