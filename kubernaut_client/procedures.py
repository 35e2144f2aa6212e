"""The procedures behind the workflow methods: what is sent, what is asked, and in which order.

Each takes the call that its requests belong to, so they share a deadline, an id and a history. What an answer means is
decided in `settle`. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from kubernaut_datastorage.models import StoredWorkflow
from kubernaut_datastorage.types import UNSET, Unset

from . import clock, limits, settle
from .cursor import WalkCheck
from .errors import (
    APIError,
    ConflictError,
    KubernautError,
    NotFoundError,
    Outcome,
    ResponseDecodeError,
    error_for,
    received,
)
from .execute import AsyncCall
from .http import Request
from .operations import (
    CREATE_WORKFLOW,
    GET_WORKFLOW,
    HEALTH_CHECK,
    LIST_VERSIONS,
    LIST_WORKFLOWS,
    Body,
    Operation,
    Page,
)
from .plan import Difference, compare
from .problems import Problem, one_line
from .retry import lost, repeatable, symptom

PAGE = 100
"""Rows that the service returns for a page at most, whatever it is asked for."""

# Members of a reply that echo the request, or that were read before the change, instead of showing the row.
_ECHOED = tuple(limits.REMEDIATION_WORKFLOW.ignored - {"workflow_id", "is_latest_version"})
_STALE = ("updated_at", "updated_by", "status_reason")


@dataclass(frozen=True, slots=True)
class Created:
    """A row that a create made; `recovered`: by a request whose answer was lost."""

    workflow: StoredWorkflow
    recovered: bool


async def create(payload: Mapping[str, Any], call: AsyncCall, *, settle_existing: bool = True) -> Created:
    """Store one version (`settle.create_verdict`).

    Without `settle_existing` a 409, or a 500 that may be one, is raised as it is for a first attempt: a bootstrap
    learns of many at once what they were about.
    """
    request = CREATE_WORKFLOW.request(body=Body(dict(payload)))
    try:
        row = await call.execute(CREATE_WORKFLOW, request, again=settle.create_again, spare=settle.LOOKUP_SHARE)
        return Created(_without(row, _ECHOED), recovered=False)
    except KubernautError as error:
        unknown_before = call.unknown_before(CREATE_WORKFLOW)
        seen = settle.create_seen(error, unknown_before=unknown_before)
        if seen is settle.CreateSeen.OTHER:
            raise
        if settle.may_exist(error) and not (settle_existing or unknown_before):
            raise
        found, stored, differences = await _find(payload, call)
        verdict = settle.create_verdict(seen, found, unknown_before=unknown_before)
        call.sign(error, CREATE_WORKFLOW)
        if verdict is settle.CreateVerdict.RECOVERED and stored is not None:
            return Created(stored, recovered=True)
        if verdict is settle.CreateVerdict.CONFLICT:
            conflict = _conflict(error, payload, stored, differences, unknown_before)
            call.sign(conflict, CREATE_WORKFLOW)
            if conflict is not error:
                raise conflict from error
        elif verdict is settle.CreateVerdict.REFUSED:
            error.outcome = Outcome.REFUSED
            error.evidence = ("the version isn't stored",)
        raise


async def _find(
    payload: Mapping[str, Any], call: AsyncCall
) -> tuple[settle.Found, StoredWorkflow | None, tuple[Difference, ...]]:
    """Look for the row of a name and version, and compare it."""
    try:
        page = await named(payload["workflow_name"], call)
    except KubernautError:
        return settle.Found.FAILED, None, ()
    row = next((row for row in page.workflows if row.version == payload["version"]), None)
    if row is None:
        return (settle.Found.FAILED if page.bad else settle.Found.ABSENT), None, ()
    differences = compare(payload, row)
    return (settle.Found.DIFFERENT if differences else settle.Found.SAME), row, differences


async def pages(
    filters: Mapping[str, Any], new_call: Callable[[], AsyncCall]
) -> AsyncIterator[tuple[AsyncCall, Page, int]]:
    """The pages of a walk, each with its call, without rows of pages before, and with how many rows may be left.

    Ends when the service says that none are left or sends none. Raises `ResponseDecodeError` when page after page
    brings nothing new.
    """
    members = dict(filters)
    limit = members.pop("page_size", PAGE)
    seen: set[UUID] = set()
    check = WalkCheck()
    offset, remaining = 0, 1
    while remaining:
        call = new_call()
        page = await call.execute(LIST_WORKFLOWS, LIST_WORKFLOWS.request(**members, limit=limit, offset=offset))
        fresh = {row.workflow_id: row for row in page.workflows if row.workflow_id not in seen}
        seen.update(fresh)
        offset += page.returned
        remaining = page.returned if page.total is None else page.total - offset
        remaining = max(remaining, 0) if page.returned else 0
        reason = check.take(len(fresh), page.bad)
        if reason and remaining:
            raise endless(reason, check, LIST_WORKFLOWS, call)
        yield call, replace(page, workflows=list(fresh.values())), remaining


async def versions(name: str, call: AsyncCall) -> list[StoredWorkflow]:
    """Every version of a name, the one stored last first; raises if one of them can't be read."""
    page = await named(name, call)
    raise_bad(page.bad, LIST_VERSIONS, call)
    return page.workflows


async def named(name: str, call: AsyncCall) -> Page:
    """The versions of a name as one page; of one with `/` by the list, as no URL of the service's can name it."""
    if "/" not in name:
        return await call.execute(LIST_VERSIONS, LIST_VERSIONS.request(name))
    walked = [page async for _, page, _ in pages({}, lambda: call)]
    rows = [row for page in walked for row in page.workflows if row.workflow_name == name]
    return Page(rows, [reason for page in walked for reason in page.bad], len(rows), len(rows))


async def get(identity: UUID, call: AsyncCall) -> StoredWorkflow:
    """The row of an id, or `NotFoundError` where it is concluded to be absent."""
    once = partial(_get_once, identity, call)
    return await call.repeat(GET_WORKFLOW, once, partial(repeatable, write=False))


async def _get_once(identity: UUID, call: AsyncCall) -> StoredWorkflow:
    """The not-found procedure (`settle.is_absent`); the transport error stands if it is an outage."""
    request = GET_WORKFLOW.request(identity)
    try:
        return await call.attempt(GET_WORKFLOW, request)
    except KubernautError as error:
        if not symptom(error):
            raise
        first = error
    second = await _again(request, call)
    if not isinstance(second, KubernautError):
        return second
    known = clock.monotonic() < call.session.drops_unknown_ids_until
    well = await healthy(call)
    control = symptom(first) if known else await _control(call) if well else ""
    symptoms = [symptom(first), symptom(second), control]
    if settle.is_absent(healthy=well, symptoms=symptoms):
        call.session.drops_unknown_ids_until = clock.monotonic() + settle.REMEMBER_DROPS
        third = await _again(request, call)
        if not isinstance(third, KubernautError):
            return third
        if settle.is_absent(healthy=well, symptoms=[*symptoms, symptom(third)]):
            raise call.sign(_missing(identity, known), GET_WORKFLOW) from second
    raise call.sign(second, GET_WORKFLOW)


async def _again(request: Request, call: AsyncCall) -> StoredWorkflow | KubernautError:
    """A GET over a connection of its own: the row, or the error with a symptom; raises any other error."""
    try:
        return await call.attempt(GET_WORKFLOW, request, alone=True)
    except KubernautError as error:
        if not symptom(error):
            raise
        return error


async def _control(call: AsyncCall) -> str:
    """The control question: how the service answers for an id that can't exist."""
    try:
        await call.attempt(GET_WORKFLOW, GET_WORKFLOW.request(uuid4()), alone=True)
    except KubernautError as error:
        return symptom(error)
    return ""


async def healthy(call: AsyncCall) -> bool:
    """Whether the service says that it reaches its database; asked over a connection of its own."""
    try:
        members = await call.attempt(HEALTH_CHECK, HEALTH_CHECK.request(), alone=True)
    except KubernautError:
        return False
    return members.get("status") == "healthy"


async def outage(call: AsyncCall) -> bool:
    """Whether its health shows that the service can't look anything up (`settle.is_outage`)."""
    try:
        await call.attempt(HEALTH_CHECK, HEALTH_CHECK.request(), alone=True)
    except KubernautError as error:
        return settle.is_outage(error)
    return False


async def patch(
    operation: Operation[StoredWorkflow],
    identity: UUID,
    members: dict[str, Any],
    wanted: Mapping[str, Any],
    call: AsyncCall,
) -> StoredWorkflow:
    """The update procedure (`settle.update_verdict`); `wanted` is what the row has once it is done."""
    request = operation.request(identity, body=Body(members))
    stale = _STALE + (("disabled_at",) if wanted["status"] == "disabled" else ())
    verdict: settle.UpdateVerdict | None = None

    async def once() -> StoredWorkflow:
        nonlocal verdict
        verdict = None
        try:
            return _without(await call.attempt(operation, request), stale)
        except KubernautError as error:
            if not settle.update_unsettled(error):
                raise
            failure = error
        row = await _looked_up(operation, identity, failure, call)
        have = row.to_dict()
        done = all(have.get(name, "") == value for name, value in wanted.items())
        verdict = settle.update_verdict(failure, done=done)
        if verdict is settle.UpdateVerdict.RECOVERED:
            return row
        if isinstance(failure, NotFoundError):
            # The row is there, so this must not be taken for its absence.
            answer = received(failure)
            failure = error_for(answer.problem, write=True, headers=answer.headers, body=answer.body, kind=APIError)
            failure.evidence = ("the row is there",)
        raise call.sign(failure, operation)

    def again(error: KubernautError) -> bool:
        return verdict is settle.UpdateVerdict.REPEAT or repeatable(error, write=True)

    return await call.repeat(operation, once, again)


async def _looked_up(
    operation: Operation[StoredWorkflow], identity: UUID, failure: KubernautError, call: AsyncCall
) -> StoredWorkflow:
    """The row that a failed PATCH was about; raises what the PATCH comes to if it can't be had."""
    try:
        return await get(identity, call)
    except NotFoundError as missing:
        raise call.sign(missing, operation) from failure
    except KubernautError as error:
        if isinstance(failure, NotFoundError):
            # The 404 was a failed look-up, and this is why; what the PATCH did isn't for a GET to say.
            error.outcome = failure.outcome
            raise call.sign(error, operation) from failure
        raise call.sign(failure, operation) from error


def _conflict(
    error: KubernautError,
    payload: Mapping[str, Any],
    stored: StoredWorkflow | None,
    differences: tuple[Difference, ...],
    unknown_before: bool,
) -> ConflictError:
    """The error itself if it is a conflict already, else one that says what was concluded; with what was found."""
    if isinstance(error, ConflictError):
        conflict = error
    else:
        detail = f"Workflow '{payload['workflow_name']}' version '{payload['version']}' already exists"
        problem = Problem(409, title="Workflow Already Exists", detail=detail)
        headers, body = (error.headers, error.body) if isinstance(error, APIError) else ({}, b"")
        conflict = ConflictError(
            f"409 {problem.summary}; concluded by looking after: {type(error).__name__}",
            problem=problem,
            headers=headers,
            body=body,
            outcome=Outcome.REFUSED,
            inferred=True,
            evidence=(f"the create came to: {type(error).__name__}", "the version is stored"),
        )
    conflict.existing = stored
    conflict.identical = None if stored is None else not differences
    conflict.maybe_ours = (unknown_before or lost(error)) and conflict.identical is not False
    conflict.outcome = Outcome.UNKNOWN if conflict.maybe_ours and stored is None else Outcome.REFUSED
    return conflict


def _missing(identity: UUID, known: bool) -> NotFoundError:
    detail = f"Workflow not found: {identity}"
    return NotFoundError(
        f"404 Not Found: {detail}",
        problem=Problem(404, title="Not Found", detail=detail),
        outcome=Outcome.REFUSED,
        inferred=True,
        evidence=(
            "three requests for the id were closed without an answer",
            "the service says that it is healthy",
            "it does the same for an id that can't exist" + (" (seen within the last minute)" if known else ""),
        ),
    )


def _without(row: StoredWorkflow, names: Sequence[str]) -> StoredWorkflow:
    for name in names:
        unset: Unset = UNSET
        setattr(row, name, unset)
    return row


def endless(reason: str, check: WalkCheck, operation: Operation[Any], call: AsyncCall) -> KubernautError:
    """The error of a walk that a service would keep going for ever, with what could not be read until then."""
    items = tuple(check.faults)
    return call.sign(ResponseDecodeError(reason, items=items, status=200, outcome=Outcome.APPLIED), operation)


def raise_bad(bad: Sequence[str], operation: Operation[Any], call: AsyncCall) -> None:
    """Raise for the rows of a reply that can't be read, if there are any."""
    if bad:
        message = f"{len(bad)} row(s) can't be read; {one_line(bad[0])}"
        raise call.sign(ResponseDecodeError(message, items=bad, outcome=Outcome.APPLIED, status=200), operation)
