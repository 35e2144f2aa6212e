"""What is sent of a batch of audit events, and in which pieces: bookkeeping over what the service said of each piece.

A batch is one transaction: one bad event and all of it is refused. The service names the events that break its schema,
all of them; of those with a bad time it names the first; of what its decoder can't take, none. `Pieces` takes a batch
apart accordingly, until every event is stored or was refused: named by the service, or refused when it was alone.

Of k events whose times are refused at most 2k + 1 requests and two times the events are sent, of one that isn't named
at most 2 + 2 log2(n) requests. Pure: sending is left to `delivery`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from . import limits
from .errors import APIError, InvalidRequestError, KubernautError, Outcome, ResponseDecodeError, received
from .problems import json_object, listed, one_line
from .receipts import AuditReceipt, BatchResult, Event

Payload = Mapping[str, Any]
"""An event that was checked, as it goes on the wire."""

OLDEST = limits.EVENT_AGE_LIMIT
NEWEST = limits.EVENT_LEAD_LIMIT
"""How far from the service's clock the time of an event may be; only used to guess which ones it will refuse next."""

_BLAMES_EVENTS = frozenset({"validation-error", "invalid-request", "invalid-event-data", "conversion-error"})
# An index of more digits is none of a batch, and none that int() need read.
_FIRST = re.compile(r"event at index ([0-9]{1,9}): (.*)", re.DOTALL)
_POINTER = re.compile(r"/([0-9]{1,9})((?:/.*)?)", re.DOTALL)


class Mistimed(StrEnum):
    """How the time of an event was found wrong."""

    TOO_OLD = "timestamp is too old"
    IN_FUTURE = "timestamp is in the future"


class Blame(StrEnum):
    """What a refused batch was refused for."""

    ALL = "all"
    """The events that are named, and there are no others of this kind."""
    FIRST = "first"
    """The event that is named; there may be others after it."""
    NONE = "none"
    """An event, but it isn't said which."""
    SIZE = "size"
    """There are too many of them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an answer says of a batch: whom it blames, index → reason, and what time it is for the service."""

    blame: Blame
    named: Mapping[int, str] = field(default_factory=dict[int, str])
    reason: str = ""
    now: datetime | None = None
    mistimed: Mistimed | None = None
    """What is wrong with the time of the event, if that is what it says."""


def is_queued(error: KubernautError) -> bool:
    """Whether an answer to a batch says, in the service's own words, that it keeps the events in Redis."""
    if not isinstance(error, ResponseDecodeError) or error.status != 202:
        return False
    return (json_object(received(error).body) or {}).get("status") == "accepted"


def refusal(error: KubernautError, count: int) -> Refusal | None:
    """What the answer to a batch of so many events says of them; None if it isn't them that it is about."""
    if not isinstance(error, APIError):
        return None
    answer = received(error)
    problem, detail = answer.problem, answer.problem.detail or ""

    def shown(text: str) -> str:
        return one_line(answer.mask(text))

    reason = shown(detail or problem.title or "")
    if problem.status == 413 or (problem.status == 400 and problem.slug == "batch-size-exceeded"):
        return Refusal(Blame.SIZE, reason=reason)
    if problem.status != 400 or problem.slug not in _BLAMES_EVENTS:
        return None
    fields = problem.field_errors
    mistimed = next((each for each in Mistimed if any(each in text for text in (detail, *fields.values()))), None)
    first = _FIRST.match(detail)
    if first and int(first[1]) < count:
        named = {int(first[1]): shown(first[2])}
        return Refusal(Blame.FIRST, named, reason, _date(answer.headers), mistimed)
    pointers = [(found, text) for name, text in fields.items() if (found := _POINTER.fullmatch(name))]
    reasons: dict[int, list[str]] = {}
    for found, text in pointers:
        if int(found[1]) < count:
            reasons.setdefault(int(found[1]), []).append(f"{found[2].lstrip('/')}: {text}" if found[2] else text)
    if reasons:
        named = {index: listed([answer.mask(each) for each in texts], len(texts)) for index, texts in reasons.items()}
        return Refusal(Blame.ALL, named, reason, mistimed=mistimed)
    # A finding about the body as a whole, or about a header or a parameter, is no event's fault.
    return None if fields else Refusal(Blame.NONE, reason=reason, mistimed=mistimed)


@dataclass(slots=True)
class _Piece:
    indices: list[int]
    half: bool = False
    """The other half of what was refused comes right after it."""
    bad: bool = False
    """An event in it is refused: the other half was taken."""
    worse: bool = False
    """Each is further off in time than the one before; only the first is sent."""


class Pieces:
    """A batch that is being sent. `times` has the time of every event of the call, `indices` says which are to be sent.

    Ask `next`, send those, tell `accepted` or `refused`; `rejected` has index → reason of what can't be stored.
    """

    def __init__(self, times: Sequence[datetime], indices: Iterable[int]) -> None:
        self.rejected: dict[int, str] = {}
        self._times = times
        self._stack: list[_Piece] = []
        self._sent = _Piece([])
        self._push(indices)

    def next(self) -> list[int]:
        """The indices of the events to send now; none when everything is settled."""
        while self._stack:
            piece = self._stack.pop()
            if piece.bad and len(piece.indices) > 1:
                self._halve(piece.indices, blamed=True)
                continue
            self._sent = piece
            return piece.indices[:1] if piece.worse else piece.indices
        return []

    def accepted(self) -> None:
        """What `next` gave is stored."""
        piece = self._sent
        if piece.half:
            self._stack[-1].bad = True
        if piece.worse:
            self._push(piece.indices[1:])

    def refused(self, why: Refusal) -> bool:
        """What `next` gave was refused; False if there is nothing that could be done about it."""
        piece = self._sent
        sent = piece.indices[:1] if piece.worse else piece.indices
        if why.blame is Blame.SIZE:
            if len(sent) == 1:
                return False
            self._halve(sent, blamed=False)
        elif why.blame is Blame.NONE:
            if len(sent) == 1:
                self.rejected[sent[0]] = why.reason
            else:
                self._halve(sent, blamed=True)
        elif why.blame is Blame.ALL:
            self._reject(sent, why)
            self._push(index for place, index in enumerate(sent) if place not in why.named)
        else:
            self._split(sent, why)
        if piece.worse:
            self._go_on(piece.indices[1:], why, self.rejected.get(sent[0], ""))
        return True

    def _split(self, sent: list[int], why: Refusal) -> None:
        """What stands before the one that is named is good; of what comes after it, what looks no better waits."""
        self._reject(sent, why)
        (place,) = why.named
        before, after = sent[:place], sent[place + 1 :]
        for late in self._off(after, why.now) if why.mistimed else ():
            self._push(late, worse=True)
            waiting = set(late)
            after = [index for index in after if index not in waiting]
        self._push(after)
        self._push(before)

    def _off(self, indices: list[int], now: datetime | None) -> list[list[int]]:
        """Those that the service should find too old, and those too far ahead, the nearest first."""
        if now is None:
            return []
        times = self._times
        old = [index for index in indices if times[index] < now - OLDEST]
        new = [index for index in indices if times[index] > now + NEWEST]
        old.sort(key=times.__getitem__, reverse=True)
        new.sort(key=times.__getitem__)
        return [old, new]

    def _go_on(self, rest: list[int], why: Refusal, reason: str) -> None:
        """After the first of some that are further and further off in time."""
        if why.mistimed:
            for index in rest:
                self.rejected[index] = f"further off in time than another event that was refused: {reason}"
        else:
            self._push(rest, worse=True)

    def _reject(self, sent: list[int], why: Refusal) -> None:
        for place, reason in why.named.items():
            self.rejected[sent[place]] = reason

    def _halve(self, indices: list[int], *, blamed: bool) -> None:
        middle = len(indices) // 2
        self._stack.append(_Piece(indices[middle:]))
        self._stack.append(_Piece(indices[:middle], half=blamed))

    def _push(self, indices: Iterable[int], *, worse: bool = False) -> None:
        if kept := list(indices):
            self._stack.append(_Piece(kept, worse=worse))


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # Within a year of the ends of the calendar nothing can be added to it.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)) if 1 < date.year < 9999 else None


@dataclass(frozen=True)
class Delivery:
    """A batch on its way: every event as given and as it goes on the wire (None: refused here), and its receipt."""

    events: Sequence[Event]
    payloads: list[Payload | None]
    receipts: list[AuditReceipt | None]

    @classmethod
    def check(cls, events: Iterable[Event]) -> Delivery:
        """Check every event; what the service could not store is rejected here, so that the others go on.

        Raises `InvalidRequestError` for what is no list of events.
        """
        if isinstance(events, str | bytes | Mapping) or not isinstance(events, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            kind = type(cast("object", events)).__name__
            raise InvalidRequestError(f"events: must be a list of events, not {kind}", field="events")
        delivery = cls(list(events), [], [])
        for event in delivery.events:
            try:
                delivery.payloads.append(limits.AUDIT_EVENT.check(event))
                delivery.receipts.append(None)
            except InvalidRequestError as error:
                delivery.payloads.append(None)
                delivery.receipts.append(AuditReceipt("rejected", None, event, reason=str(error)))
        return delivery

    def pieces(self) -> Pieces:
        """What is to be sent of it."""
        never = datetime.min.replace(tzinfo=UTC)
        times = [datetime.fromisoformat(each["event_timestamp"]) if each else never for each in self.payloads]
        return Pieces(times, [index for index, each in enumerate(self.payloads) if each])

    def of(self, indices: Sequence[int]) -> list[Payload]:
        """The payloads of events that were not refused here."""
        return [each for index in indices if (each := self.payloads[index])]

    def stored(self) -> list[Payload]:
        """The payloads of the events that are known to be stored."""
        return self.of([index for index, each in enumerate(self.receipts) if each and each.status == "stored"])

    def settle(self, indices: Sequence[int], ids: Sequence[UUID | None], *, recovered: bool) -> None:
        for index, event_id in zip(indices, ids, strict=True):
            self.receipts[index] = AuditReceipt("stored", event_id, self.events[index], recovered)

    def queue(self, indices: Iterable[int]) -> None:
        for index in indices:
            self.receipts[index] = AuditReceipt("queued", None, self.events[index])

    def reject(self, reasons: Mapping[int, str]) -> None:
        for index, reason in reasons.items():
            self.receipts[index] = AuditReceipt("rejected", None, self.events[index], reason=reason)

    def result(self) -> BatchResult:
        """What became of it, once all is settled."""
        return BatchResult(tuple(each for each in self.receipts if each))

    def unfinished(self, error: KubernautError, doubted: Collection[int]) -> None:
        """Put on an error that ends it what became of each event by then; of `doubted` nobody knows."""
        error.receipts = tuple(self.receipts)
        # A request with one of the others in it was refused as a whole, or there was none.
        unknown = set(doubted)
        error.unstored = tuple(i for i, each in enumerate(self.receipts) if each is None and i not in unknown)
        known = self.result()
        if (known.stored or known.queued) and error.outcome in (Outcome.NOT_SENT, Outcome.REFUSED):
            error.outcome = Outcome.UNKNOWN
        if known:
            error.evidence += (f"of {len(self.receipts)} events: {known}",)
