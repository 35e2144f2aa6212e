"""How an unknown outcome is settled: pure deciders over what was seen, and over what looking at the service showed.

The service answers a duplicate with 409 or, on builds before its fix, with the same 500 as any fault; it closes the
connection instead of answering for an unknown id; it answers a PATCH with 404 when its database is down. So nothing is
concluded from the text of an error: the resources ask, these functions decide. Asking is left to `procedures`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from kubernaut_datastorage.models import AuditEvent
from kubernaut_datastorage.types import Unset

from .errors import (
    APIError,
    Attempt,
    ConflictError,
    InternalServerError,
    KubernautError,
    NotFoundError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    ServiceUnavailableError,
    TransportError,
    ValidationError,
    received,
)
from .plan import same_json
from .problems import Problem
from .retry import lost, repeatable, symptom

REMEMBER_DROPS = 60.0
"""Seconds for which it is remembered that this service drops the connection for unknown ids."""
LOOKUP_SHARE = 0.1
"""The share of a deadline that a write leaves for looking at what it did."""


class CreateSeen(StrEnum):
    """What the last POST of a create came to."""

    UNREADABLE = "unreadable"
    """A 201 that can't be read."""
    CONFLICT = "conflict"
    """409."""
    FAULT = "fault"
    """500 internal-error: a fault, or a duplicate on a build that doesn't tell them apart."""
    LOST = "lost"
    """No answer, or somebody else's than the service's."""
    OTHER = "other"
    """Anything else: refused, never sent, or a 500 that can't be a duplicate."""


class Found(StrEnum):
    """What looking for the name and version showed."""

    SAME = "same"
    DIFFERENT = "different"
    ABSENT = "absent"
    FAILED = "failed"
    """The look-up itself failed."""


class CreateVerdict(StrEnum):
    """What a create comes to."""

    RECOVERED = "recovered"
    """The row is ours: return it."""
    CONFLICT = "conflict"
    """It exists, and an earlier attempt of ours didn't make it, or made something else: ConflictError."""
    REFUSED = "refused"
    """The error stands, and it is certain that nothing was stored."""
    RAISE = "raise"
    """The error stands with the outcome that it has."""


def create_again(error: KubernautError) -> bool:
    """Whether a create is repeated: the unique index on name and version makes it harmless after a lost answer."""
    return repeatable(error, write=True) or lost(error)


def create_seen(error: KubernautError, *, unknown_before: bool = False) -> CreateSeen:
    """Which row of the create procedure an error belongs to; whatever follows a lost answer leaves it to be settled."""
    if isinstance(error, ResponseDecodeError):
        # Another success than the documented one may come from anybody.
        return CreateSeen.UNREADABLE if error.outcome is Outcome.APPLIED else CreateSeen.LOST
    if isinstance(error, ConflictError):
        return CreateSeen.CONFLICT
    if lost(error):
        return CreateSeen.LOST
    if isinstance(error, InternalServerError) and error.status == 500:
        if received(error).problem.slug == "internal-error":
            return CreateSeen.FAULT
        if not error.problem.is_document:
            # Somebody on the way, who knows nothing of what was stored.
            return CreateSeen.LOST
    return CreateSeen.LOST if unknown_before else CreateSeen.OTHER


def may_exist(error: KubernautError) -> bool:
    """Whether a create failed as it does where the version exists: with 409, or with the 500 of builds without one."""
    return create_seen(error) in (CreateSeen.CONFLICT, CreateSeen.FAULT)


def create_verdict(seen: CreateSeen, found: Found, *, unknown_before: bool) -> CreateVerdict:
    """The create procedure. `unknown_before`: an earlier attempt of the same call had no answer.

    After a 2xx the row is ours whatever it holds; after a lost answer a row with our content is. After a 409 or a 500 a
    row with our content is ours only if an earlier attempt may have stored it.
    """
    if seen is CreateSeen.UNREADABLE:
        return CreateVerdict.RECOVERED if found in (Found.SAME, Found.DIFFERENT) else CreateVerdict.RAISE
    if seen is CreateSeen.LOST:
        if found is Found.SAME:
            return CreateVerdict.RECOVERED
        return CreateVerdict.CONFLICT if found is Found.DIFFERENT else CreateVerdict.RAISE
    if found is Found.SAME and unknown_before:
        return CreateVerdict.RECOVERED
    if seen is CreateSeen.CONFLICT:
        return CreateVerdict.CONFLICT
    if found in (Found.SAME, Found.DIFFERENT):
        return CreateVerdict.CONFLICT
    # An earlier attempt without an answer may still be on its way to the database.
    return CreateVerdict.REFUSED if found is Found.ABSENT and not unknown_before else CreateVerdict.RAISE


def is_absent(*, healthy: bool, symptoms: Sequence[str]) -> bool:
    """The not-found procedure: whether a row that was asked for three times is concluded not to be there.

    `symptoms` are those of the three requests and of the control question, "" for one that was answered. Concluded only
    when the service says that it is healthy, and all four came to the same: anything else is an outage.
    """
    return healthy and bool(symptoms[0]) and len(set(symptoms)) == 1


def update_unsettled(error: KubernautError) -> bool:
    """Whether only the row can say what a PATCH came to.

    The service answers with 404 for any look-up error of its own, and not at all for an unknown id.
    """
    return isinstance(error, NotFoundError | ResponseDecodeError) or lost(error)


class UpdateVerdict(StrEnum):
    """What is done once the row was found."""

    RECOVERED = "recovered"
    """The row is as it was asked for: return it."""
    REPEAT = "repeat"
    """The service didn't do it: send it again."""
    RAISE = "raise"
    """It may still be on its way: the error stands."""


def update_verdict(error: KubernautError, *, done: bool) -> UpdateVerdict:
    """`done`: the row has what the PATCH asks for.

    A 404 for a row that is there was a failed look-up, so nothing was done. A request that timed out may still be
    carried out, so it isn't sent again.
    """
    if isinstance(error, APIError) and error.status == 404:
        return UpdateVerdict.REPEAT
    if done:
        return UpdateVerdict.RECOVERED
    return UpdateVerdict.REPEAT if symptom(error) else UpdateVerdict.RAISE


def may_be_there(error: KubernautError) -> bool:
    """Whether a write that failed so may have been carried out, so that it is looked for."""
    return error.outcome in (Outcome.UNKNOWN, Outcome.APPLIED)


def any_may_be_there(attempts: Iterable[Attempt]) -> bool:
    """The same of all attempts at one request."""
    return any(attempt.outcome in (Outcome.UNKNOWN, Outcome.APPLIED) for attempt in attempts)


def parent_in_doubt(error: KubernautError, payload: Mapping[str, Any]) -> bool:
    """Whether a refused event was refused for its parent, which is what any failed look-up of it is answered with."""
    if not isinstance(error, ValidationError) or "parent_event_id" not in payload:
        return False
    return "parent event does not exist" in (received(error).problem.detail or "").lower()


def is_outage(error: KubernautError) -> bool:
    """Whether asking for the service's health came to an outage: its own 503, or no answer.

    Its route may not be exposed where the client asks, so nothing else that answers there says anything: a 401, a 404,
    a page of a proxy. A question that was never put, as time was up, says nothing either.
    """
    if isinstance(error, APIError):
        return error.status == 503 and (error.problem.is_document or bool(_HEALTH.match(received(error).body)))
    if isinstance(error, RequestTimeoutError):
        return error.outcome is Outcome.UNKNOWN
    return isinstance(error, TransportError)


# The service puts the text of the error into it as it is, so it may be no JSON.
_HEALTH = re.compile(rb'\s*\{\s*"status"\s*:\s*"unhealthy"')


def unavailable(error: KubernautError) -> ServiceUnavailableError:
    """For a 400 about a parent that the service could not look for."""
    problem = Problem(503, title="Service Unavailable", detail="the parent event could not be looked for")
    headers, body = (error.headers, error.body) if isinstance(error, APIError) else ({}, b"")
    return ServiceUnavailableError(
        f"503 {problem.summary}; concluded by asking for its health",
        problem=problem,
        headers=headers,
        body=body,
        outcome=Outcome.REFUSED,
        inferred=True,
        evidence=("400: parent event does not exist", "asked for its health, the service said 503 or nothing"),
    )


def answer_lost(error: KubernautError) -> bool:
    """Whether an attempt may have stored a notification without the service having said anything of it.

    Its own 503 says that neither the database nor Redis took the record, so what is stored afterwards is hardly this.
    """
    problem = received(error).problem
    own_503 = problem.is_document and problem.slug == "service-unavailable"
    return error.outcome is Outcome.UNKNOWN and not own_503


def conflict_is_ours(error: KubernautError, *, unknown_before: bool) -> bool:
    """Whether a 409 of the service shows that an earlier attempt of the same call, whose answer was lost, arrived.

    There is no route that reads a notification, so this can't be told from somebody else's with the same id.
    `unknown_before`: of an attempt before it the answer was lost (`answer_lost`).
    """
    return isinstance(error, ConflictError) and error.problem.is_document and unknown_before


def witnesses(count: int) -> list[int]:
    """Which events of a batch of that many are looked for: the first, the last, and one between them."""
    return sorted({0, count // 2, count - 1}) if count else []


def same_event(payload: Mapping[str, Any], event: AuditEvent, *, in_batch: bool) -> bool:
    """Whether a stored event is the one that was sent (a checked request body).

    By every member that comes back, with what the service fills in for those that were left out (`as_stored`). Times
    are compared as instants, event data as JSON values, texts as they are; the service shows NULL as "". Events that
    differ in `duration_ms` alone, or in a batch in `version` alone, can't be told apart. A member that is empty
    though the service takes no empty one isn't shown by this build, and can't differ.
    """
    return all(_same_member(name, value, event) for name, value in as_stored(payload, in_batch=in_batch).items())


def same_sent(one: Mapping[str, Any], other: Mapping[str, Any], *, in_batch: bool) -> bool:
    """Whether two events that were sent can't be told apart once they are stored."""
    # Most differ in their times, which are in one form here.
    if one["event_timestamp"] != other["event_timestamp"]:
        return False
    return same_json(as_stored(one, in_batch=in_batch), as_stored(other, in_batch=in_batch))


def as_stored(payload: Mapping[str, Any], *, in_batch: bool) -> dict[str, Any]:
    """An event that is sent as a query shows it, without what doesn't come back: `duration_ms`, of a batch `version`.

    Members that are left out have the service's defaults, which are recorded and the same on both routes. From a
    service that fills in something else, such an event would not be known again, and its outcome stay unknown.
    """
    category = payload["event_category"]
    members = {
        "actor_type": "service",
        "actor_id": f"{category}-service",
        "resource_type": category,
        "resource_id": payload["correlation_id"],
        "severity": "info",
        "namespace": "",
        "cluster_name": "",
        **payload,
    }
    for name in ("duration_ms", "version") if in_batch else ("duration_ms",):
        members.pop(name, None)
    parent = members.get("parent_event_id")
    members["parent_event_id"] = None if parent is None else str(parent).lower()
    return members


_NEVER_EMPTY = ("version", "event_category", "event_action", "event_outcome", "correlation_id")


def _same_member(name: str, sent: Any, event: AuditEvent) -> bool:
    stored: Any = getattr(event, name, None)
    if name == "event_timestamp":
        return bool(datetime.fromisoformat(sent) == stored)
    if stored == "" and name in _NEVER_EMPTY:
        return True
    if isinstance(stored, Unset) or stored is None:
        return sent is None or bool(sent == "")
    if name == "parent_event_id":
        return bool(sent == str(stored).lower())
    return same_json(sent, stored)
