"""The workflow catalog: create, read, change and bootstrap.

A method checks its input (`limits`), sends by `execute`, and lets `settle` decide what an unknown outcome comes to;
what a bootstrap should do is decided in `plan`. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

import builtins
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

from kubernaut_datastorage.models import RemediationWorkflow, StoredWorkflow
from kubernaut_datastorage.types import UNSET, Unset

from . import limits, settle
from .errors import (
    APIError,
    BootstrapError,
    ConflictError,
    ConnectError,
    InvalidRequestError,
    KubernautError,
    NotFoundError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    error_for,
)
from .execute import AsyncCall, AsyncOptions
from .http import Request
from .operations import (
    CREATE_WORKFLOW,
    DISABLE_WORKFLOW,
    GET_WORKFLOW,
    HEALTH_CHECK,
    LIST_VERSIONS,
    LIST_WORKFLOWS,
    UPDATE_WORKFLOW,
    Body,
    Operation,
    Page,
)
from .plan import Difference, Plan, PlanRow, Wanted, ascending, check, compare, decide, version_key
from .problems import Problem, one_line
from .report import BootstrapReport, By, EnsureResult, ReportAction, ReportRow
from .retry import lost, repeatable, seconds, symptom

if TYPE_CHECKING:
    from kubernaut_datastorage.models.priority import Priority
    from kubernaut_datastorage.models.workflow_status import WorkflowStatus

Workflow = RemediationWorkflow | Mapping[str, Any]
"""A workflow to be stored: the model, or a mapping with the names of the wire."""
Progress = Callable[[int, int, ReportRow], object]

_PAGE = 100
_logger = logging.getLogger("kubernaut_client")
# Members of a reply that echo the request, or that were read before the change, instead of showing the row.
_ECHOED = tuple(limits.REMEDIATION_WORKFLOW.ignored - {"workflow_id", "is_latest_version"})
_STALE = ("updated_at", "updated_by", "status_reason")


@dataclass(frozen=True, slots=True)
class _Created:
    workflow: StoredWorkflow
    recovered: bool


class AsyncWorkflows:
    """`client.workflows`. Every method takes `timeout=` (seconds for one attempt) and `deadline=` (for the whole call).

    All raise `InvalidRequestError` for bad input before anything is sent, a `TransportError` when no answer came, and
    an `APIError` for any answer that isn't a success.
    """

    def __init__(self, options: AsyncOptions) -> None:
        self._options = options

    async def create(
        self, workflow: Workflow, *, timeout: float | None = None, deadline: float | None = None
    ) -> StoredWorkflow:
        """Store one version of a workflow; it becomes the latest of its name whatever its version is.

        Limits: names 255, version 50, engine 50, digest 71 characters, `content_hash` 64; at least the five mandatory
        labels. Times and what the service echoes without storing are UNSET in the result.

        A lost answer is settled: the request is repeated, which the unique index on name and version makes harmless,
        and the stored versions are looked at. `ConflictError` if name and version exist; its `.existing` is the stored
        row and `.identical` whether it equals this workflow. Builds before the service's fix answer a duplicate with
        the 500 of any fault; there the conflict is found by looking, and `.inferred` is true. That inference is wrong
        only if someone else stores the same name and version between a real fault and the look.
        """
        payload = limits.REMEDIATION_WORKFLOW.check(workflow)
        return (await self._create(payload, self._options.call(timeout, deadline))).workflow

    async def get(
        self, workflow_id: UUID | str, *, timeout: float | None = None, deadline: float | None = None
    ) -> StoredWorkflow:
        """One stored version by its id.

        Raises `NotFoundError`, also where the service just closes the connection, as it does for an unknown id: then
        `.inferred` is true and `.evidence` lists what was asked (at most five requests, no wait). It is wrong only if
        something on the way drops this id alone.
        """
        identity = limits.workflow_id(workflow_id)
        return await self._get(identity, self._options.call(timeout, deadline))

    def list(
        self,
        *,
        status: WorkflowStatus | None = None,
        environment: str | None = None,
        priority: Priority | None = None,
        component: str | None = None,
        page_size: int = _PAGE,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[StoredWorkflow]:
        """Every version in the catalog, newest first; filters compare exactly, without wildcards.

        Follows what the service really returns (at most 100 rows a page, whatever `page_size`, 1 to 1000, asks for) and
        hands out no row twice. Rows are never deleted, so an unfiltered walk misses none that was there at its start.
        A filtered walk is no snapshot: a row that stops matching while the walk goes on moves others to a page already
        read. `deadline` holds for each page. Rows that can't be decoded are left out and raised together, as one
        `ResponseDecodeError` with `.items`, after the last good one.
        """
        filters = limits.WORKFLOW_LIST.check(
            {
                "status": status,
                "environment": environment,
                "priority": priority,
                "component": component,
                "page_size": page_size,
            }
        )
        new_call = partial(self._options.call, timeout, deadline)
        new_call()  # refuses a bad timeout here rather than at the first row
        return self._walk(filters, new_call)

    async def versions(
        self, workflow_name: str, *, timeout: float | None = None, deadline: float | None = None
    ) -> builtins.list[StoredWorkflow]:
        """Every version of a name, the one stored last first; `[]` for an unknown name.

        A name with `/` can't be asked for by the service's route, so for one the catalog is walked.
        """
        name = limits.workflow_name(workflow_name)
        return await self._versions(name, self._options.call(timeout, deadline))

    async def update(
        self,
        workflow_id: UUID | str,
        *,
        status: WorkflowStatus,
        disabled_by: str | None = None,
        disabled_reason: str | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> StoredWorkflow:
        """Change the status of a stored version; nothing else of it can be changed.

        `disabled_by` (255 characters) and `disabled_reason` go with `status="disabled"` only: the service ignores them
        otherwise, so they are refused. What the reply shows as it was before the change is UNSET in the result. The
        service answers 404 for any failed look-up, so after one the row is looked for before `NotFoundError` is raised.
        """
        identity = limits.workflow_id(workflow_id)
        given = {"status": status, "disabled_by": disabled_by, "disabled_reason": disabled_reason}
        members = limits.WORKFLOW_UPDATE.check(given)
        if members["status"] != "disabled":
            for name in ("disabled_by", "disabled_reason"):
                if name in members:
                    reason = "must not be given unless status is 'disabled': the service would ignore it"
                    raise InvalidRequestError(f"{name}: {reason}", field=name)
        call = self._options.call(timeout, deadline)
        return await self._patch(UPDATE_WORKFLOW, identity, members, members, call)

    async def disable(
        self,
        workflow_id: UUID | str,
        *,
        reason: str | None = None,
        updated_by: str | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> StoredWorkflow:
        """Take a version out of search; doing it again is fine. Older versions don't come back into search by it.

        `updated_by` has at most 255 characters. See `update` for the result and `NotFoundError`.
        """
        identity = limits.workflow_id(workflow_id)
        members = limits.WORKFLOW_DISABLE.check({"reason": reason, "updated_by": updated_by})
        wanted = {"status": "disabled", "disabled_reason": reason or "", "disabled_by": updated_by or ""}
        call = self._options.call(timeout, deadline)
        return await self._patch(DISABLE_WORKFLOW, identity, members, wanted, call)

    async def republish(
        self,
        workflow_id: UUID | str,
        *,
        version: str,
        content: str | None = None,
        version_notes: str | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> StoredWorkflow:
        """Store the workflow of an existing row again under a higher version, active; the way back to old content.

        The service never makes an old row latest again. `content` replaces the content and its hash, and then the
        approval of the old content isn't taken over. `version` must be higher than that of every stored version of the
        name that can be ordered, else `InvalidRequestError`. Raises as `get` and `create` do.
        """
        wanted = limits.version(version)
        call = self._options.call(timeout, deadline)
        row = await self._get(limits.workflow_id(workflow_id), call)
        rows = await self._versions(row.workflow_name, call)
        key = version_key(wanted)
        for other in rows:
            order = version_key(other.version)
            if key is not None and order is not None and key <= order:
                raise InvalidRequestError(
                    f"version: must be higher than {one_line(repr(other.version), 60)}, which is stored",
                    field="version",
                )
        latest = next((other.version for other in rows if other.is_latest_version), row.version)
        payload = republished(row, wanted, content, version_notes, latest)
        return (await self._create(payload, call)).workflow

    async def ensure(
        self,
        workflow: Workflow,
        *,
        allow_demote: bool = False,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> EnsureResult:
        """Make sure that a workflow is stored; run it again and again without harm. Never raises `ConflictError`.

        `created`, `unchanged` (nothing was written), `drifted` (this name and version is stored with something else,
        listed in `differences`; the service can't overwrite it) or `demotes` (a higher version is the latest, and
        creating this one would take its place in search; done only with `allow_demote`).
        """
        payload = limits.REMEDIATION_WORKFLOW.check(workflow)
        name, version = payload["workflow_name"], payload["version"]
        call = self._options.call(timeout, deadline)
        rows = await self._versions(name, call)
        row = decide(Wanted(name, version, payload), rows, frozenset({version}), allow_demote=allow_demote)
        if row.action == "demotes":
            return EnsureResult("demotes", None, warnings=row.warnings)
        if row.existing is not None:
            return _found(row.existing, row.differences, row.warnings)
        try:
            created = await self._create(payload, call)
        except ConflictError as error:
            if error.existing is not None:
                return _found(error.existing, compare(payload, error.existing), row.warnings)
            # It couldn't be read; if it still can't, that failure says more than the conflict.
            failure: KubernautError
            try:
                rows = await self._versions(name, call)
                stored = next((row for row in rows if row.version == version), None)
                if stored is not None:
                    return _found(stored, compare(payload, stored), row.warnings)
                failure = error_for(error.problem, write=True, headers=error.headers, body=error.body, kind=APIError)
            except KubernautError as unread:
                failure = unread
            failure.outcome = error.outcome
            raise call.sign(failure, CREATE_WORKFLOW) from error
        return EnsureResult("created", created.workflow, (), created.recovered, row.warnings)

    async def plan(
        self,
        workflows: Iterable[Workflow],
        *,
        allow_demote: bool = False,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> Plan:
        """What `bootstrap` would do, without doing it.

        Costs the cheaper of one walk through the catalog and one look-up per name. Rows are ordered by name as first
        given, and by version within a name. A workflow that our own checks refuse is a row `invalid`.
        `deadline` is for the whole plan; without it each request has the deadline of the retry policy.
        """
        return await self._plan(check(workflows), allow_demote, _Clock(self._options, timeout, deadline))

    async def apply(
        self,
        plan: Plan,
        *,
        concurrency: int = 8,
        on_drift: Literal["report", "fail"] = "report",
        progress: Progress | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> BootstrapReport:
        """Do what a plan says: create what is absent, versions of a name in ascending order.

        Nothing is ever overwritten. A row that fails doesn't stop other names, unless nobody can be connected to; later
        versions of its own name are not sent. `on_drift="fail"` raises `BootstrapError` before any write if a row is
        drifted, demotes or superseded. `progress(done, total, row)` is called after every row. `concurrency` (1 to 64)
        bounds how many names are written at a time; this version writes one after another. `deadline` is for the whole
        apply; without it each workflow has the deadline of the retry policy.
        """
        _check_apply(concurrency, on_drift)
        rows = plan.rows if isinstance(plan, Plan) else (plan,)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not all(isinstance(row, PlanRow) for row in rows):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError("plan: must be what plan() returned", field="plan")
        return await self._apply(plan, on_drift, progress, _Clock(self._options, timeout, deadline))

    async def bootstrap(
        self,
        workflows: Iterable[Workflow],
        *,
        allow_demote: bool = False,
        concurrency: int = 8,
        on_drift: Literal["report", "fail"] = "report",
        progress: Progress | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> BootstrapReport:
        """Make the catalog hold these workflows: `plan`, then `apply`. Nothing is written where nothing is to do."""
        _check_apply(concurrency, on_drift)
        clock = _Clock(self._options, timeout, deadline)
        plan = await self._plan(check(workflows), allow_demote, clock)
        return await self._apply(plan, on_drift, progress, clock)

    async def _create(self, payload: Mapping[str, Any], call: AsyncCall) -> _Created:
        """The create procedure (`settle.create_verdict`)."""
        request = CREATE_WORKFLOW.request(body=Body(dict(payload)))
        try:
            row = await call.execute(CREATE_WORKFLOW, request, again=settle.create_again, spare=settle.LOOKUP_SHARE)
            return _Created(_without(row, _ECHOED), recovered=False)
        except KubernautError as error:
            unknown_before = call.unknown_before(CREATE_WORKFLOW)
            seen = settle.create_seen(error, unknown_before=unknown_before)
            if seen is settle.CreateSeen.OTHER:
                raise
            found, stored, differences = await self._find(payload, call)
            verdict = settle.create_verdict(seen, found, unknown_before=unknown_before)
            call.sign(error, CREATE_WORKFLOW)
            if verdict is settle.CreateVerdict.RECOVERED and stored is not None:
                return _Created(stored, recovered=True)
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
        self, payload: Mapping[str, Any], call: AsyncCall
    ) -> tuple[settle.Found, StoredWorkflow | None, tuple[Difference, ...]]:
        """Look for the row of a name and version, and compare it."""
        try:
            page = await self._named(payload["workflow_name"], call)
        except KubernautError:
            return settle.Found.FAILED, None, ()
        row = next((row for row in page.workflows if row.version == payload["version"]), None)
        if row is None:
            return (settle.Found.FAILED if page.bad else settle.Found.ABSENT), None, ()
        differences = compare(payload, row)
        return (settle.Found.DIFFERENT if differences else settle.Found.SAME), row, differences

    async def _walk(self, filters: dict[str, Any], new_call: Callable[[], AsyncCall]) -> AsyncIterator[StoredWorkflow]:
        bad: builtins.list[str] = []
        async for call, page, remaining in self._pages(filters, new_call):
            bad += page.bad
            for row in page.workflows:
                yield row
            if not remaining:
                _raise_bad(bad, LIST_WORKFLOWS, call)

    async def _pages(
        self, filters: Mapping[str, Any], new_call: Callable[[], AsyncCall]
    ) -> AsyncIterator[tuple[AsyncCall, Page, int]]:
        """The pages of a walk, each with its call, without rows of pages before, and with how many rows may be left.

        Ends when the service says that none are left or sends none, and, where it doesn't say how many there are, when
        a page brings nothing new.
        """
        members = dict(filters)
        limit = members.pop("page_size", _PAGE)
        seen: set[UUID] = set()
        offset, remaining = 0, 1
        while remaining:
            call = new_call()
            page = await call.execute(LIST_WORKFLOWS, LIST_WORKFLOWS.request(**members, limit=limit, offset=offset))
            fresh = {row.workflow_id: row for row in page.workflows if row.workflow_id not in seen}
            seen.update(fresh)
            offset += page.returned
            remaining = len(fresh) if page.total is None else page.total - offset
            remaining = max(remaining, 0) if page.returned else 0
            yield call, replace(page, workflows=builtins.list(fresh.values())), remaining

    async def _versions(self, name: str, call: AsyncCall) -> builtins.list[StoredWorkflow]:
        page = await self._named(name, call)
        _raise_bad(page.bad, LIST_VERSIONS, call)
        return page.workflows

    async def _named(self, name: str, call: AsyncCall) -> Page:
        """The versions of a name as one page; of one with `/` by the list, as no URL of the service's can name it."""
        if "/" not in name:
            return await call.execute(LIST_VERSIONS, LIST_VERSIONS.request(name))
        pages = [page async for _, page, _ in self._pages({}, lambda: call)]
        rows = [row for page in pages for row in page.workflows if row.workflow_name == name]
        return Page(rows, [reason for page in pages for reason in page.bad], len(rows), len(rows))

    async def _get(self, identity: UUID, call: AsyncCall) -> StoredWorkflow:
        once = partial(self._get_once, identity, call)
        return await call.repeat(GET_WORKFLOW, once, partial(repeatable, write=False))

    async def _get_once(self, identity: UUID, call: AsyncCall) -> StoredWorkflow:
        """The not-found procedure (`settle.is_absent`); the transport error stands if it is an outage."""
        request = GET_WORKFLOW.request(identity)
        try:
            return await call.attempt(GET_WORKFLOW, request)
        except KubernautError as error:
            if not symptom(error):
                raise
            first = error
        second = await self._again(request, call)
        if not isinstance(second, KubernautError):
            return second
        known = time.monotonic() < call.session.drops_unknown_ids_until
        healthy = await self._healthy(call)
        control = symptom(first) if known else await self._control(call) if healthy else ""
        symptoms = [symptom(first), symptom(second), control]
        if settle.is_absent(healthy=healthy, symptoms=symptoms):
            call.session.drops_unknown_ids_until = time.monotonic() + settle.REMEMBER_DROPS
            third = await self._again(request, call)
            if not isinstance(third, KubernautError):
                return third
            if settle.is_absent(healthy=healthy, symptoms=[*symptoms, symptom(third)]):
                raise call.sign(_missing(identity, known), GET_WORKFLOW) from second
        raise call.sign(second, GET_WORKFLOW)

    async def _again(self, request: Request, call: AsyncCall) -> StoredWorkflow | KubernautError:
        """A GET over a connection of its own: the row, or the error with a symptom; raises any other error."""
        try:
            return await call.attempt(GET_WORKFLOW, request, alone=True)
        except KubernautError as error:
            if not symptom(error):
                raise
            return error

    async def _control(self, call: AsyncCall) -> str:
        """The control question: how the service answers for an id that can't exist."""
        try:
            await call.attempt(GET_WORKFLOW, GET_WORKFLOW.request(uuid4()), alone=True)
        except KubernautError as error:
            return symptom(error)
        return ""

    async def _healthy(self, call: AsyncCall) -> bool:
        try:
            members = await call.attempt(HEALTH_CHECK, HEALTH_CHECK.request(), alone=True)
        except KubernautError:
            return False
        return members.get("status") == "healthy"

    async def _patch(
        self,
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
                if settle.update_step(error) is settle.UpdateStep.RAISE:
                    raise
                failure = error
            row = await self._looked_up(operation, identity, failure, call)
            have = row.to_dict()
            done = all(have.get(name, "") == value for name, value in wanted.items())
            verdict = settle.update_verdict(failure, done=done)
            if verdict is settle.UpdateVerdict.RECOVERED:
                return row
            if isinstance(failure, NotFoundError):
                # The row is there, so this must not be taken for its absence.
                problem = failure.problem
                failure = error_for(problem, write=True, headers=failure.headers, body=failure.body, kind=APIError)
                failure.evidence = ("the row is there",)
            raise call.sign(failure, operation)

        def again(error: KubernautError) -> bool:
            return verdict is settle.UpdateVerdict.REPEAT or (verdict is None and repeatable(error, write=True))

        return await call.repeat(operation, once, again)

    async def _looked_up(
        self, operation: Operation[StoredWorkflow], identity: UUID, failure: KubernautError, call: AsyncCall
    ) -> StoredWorkflow:
        """The row that a failed PATCH was about; raises what the PATCH comes to if it can't be had."""
        try:
            return await self._get(identity, call)
        except NotFoundError as missing:
            raise call.sign(missing, operation) from failure
        except KubernautError as error:
            if isinstance(failure, NotFoundError):
                # The 404 was a failed look-up, and this is why; what the PATCH did isn't for a GET to say.
                error.outcome = failure.outcome
                raise call.sign(error, operation) from failure
            raise call.sign(failure, operation) from error

    async def _plan(self, wanted: builtins.list[Wanted], allow_demote: bool, clock: _Clock) -> Plan:
        groups: dict[str, builtins.list[Wanted]] = {}
        for item in wanted:
            groups.setdefault(item.name, []).append(item)
        given = {name: frozenset(i.version for i in items if not i.error) for name, items in groups.items()}
        rows = await self._rows({name: versions for name, versions in given.items() if versions}, clock)
        return Plan(
            tuple(
                decide(item, rows.get(name, ()), given[name], allow_demote=allow_demote)
                for name, items in groups.items()
                for item in ascending(_version, items)
            )
        )

    async def _rows(
        self, names: Mapping[str, frozenset[str]], clock: _Clock
    ) -> dict[str, builtins.list[StoredWorkflow]]:
        """The stored rows of these names: by one walk through the catalog or by name, whatever takes fewer requests."""
        rows: dict[str, builtins.list[StoredWorkflow]] = {name: [] for name in names}
        left = set(names)
        # A name with "/" can only be found by the walk; a single other name costs one request.
        if len(left) > 1 or any("/" in name for name in left):
            async for call, page, remaining in self._pages({}, clock.call):
                for row in page.workflows:
                    if row.workflow_name in rows:
                        rows[row.workflow_name].append(row)
                if not page.bad and not remaining:
                    return rows
                left = {name for name in left if not _resolved(rows[name], names[name])}
                slashed = any("/" in name for name in left)
                if slashed:
                    _raise_bad(page.bad, LIST_WORKFLOWS, call)
                if not slashed and (page.bad or len(left) < -(-remaining // page.returned)):
                    break
        for name in left:
            rows[name] = await self._versions(name, clock.call())
        return rows

    async def _apply(self, plan: Plan, on_drift: str, progress: Progress | None, clock: _Clock) -> BootstrapReport:
        if on_drift == "fail" and (plan.drifted or plan.demotes or plan.superseded):
            report = BootstrapReport(tuple(_reported(row) for row in plan.rows if row.action != "create"))
            raise BootstrapError(f"nothing was written: {plan}", report=report, outcome=Outcome.NOT_SENT)
        done: builtins.list[ReportRow] = []
        stopped: KubernautError | None = None
        broken: dict[str, str] = {}
        for row in plan.rows:
            if row.action != "create":
                result = _reported(row)
            elif stopped is not None or row.name in broken:
                before = f"version {broken[row.name]!r} before it failed" if row.name in broken else str(stopped)
                result = _failed(row, KubernautError(f"not sent: {before}"))
            else:
                result = await self._create_row(row, clock)
                if result.error is not None:
                    broken[row.name] = row.version
                    # Nobody is there: asking again for every other workflow would take as many deadlines.
                    stopped = result.error if isinstance(result.error, ConnectError) else None
            done.append(result)
            if progress is not None:
                try:
                    progress(len(done), len(plan), result)
                # What was written is in the report, which a broken display must not cost the caller.
                except Exception as failure:  # noqa: BLE001 - see above
                    _logger.warning("progress raised %s; the bootstrap goes on", type(failure).__name__)
        return BootstrapReport(tuple(done))

    async def _create_row(self, row: PlanRow, clock: _Clock) -> ReportRow:
        started = time.monotonic()
        by: By = "us"
        try:
            created = await self._create(row.payload, clock.call())
            if created.recovered:
                by = "recovered"
            result = ReportRow(row.name, row.version, "created", by, str(created.workflow.workflow_id))
        except ConflictError as error:
            if error.existing is None:
                result = _failed(row, error)
            else:
                differences = compare(row.payload, error.existing)
                action: ReportAction = "drifted" if differences else "unchanged"
                identity = str(error.existing.workflow_id)
                result = ReportRow(row.name, row.version, action, "someone else", identity, differences)
        except KubernautError as error:
            result = _failed(row, error)
        return replace(result, warnings=row.warnings, seconds=time.monotonic() - started)


class _Clock:
    """Calls within one deadline, if there is one; else each has the deadline of the retry policy."""

    def __init__(self, options: AsyncOptions, timeout: float | None, deadline: float | None) -> None:
        self._options = options
        self._timeout = timeout
        self._end = (
            None if deadline is None else time.monotonic() + seconds("deadline", deadline, kind=InvalidRequestError)
        )

    def call(self) -> AsyncCall:
        if self._end is None:
            return self._options.call(self._timeout)
        left = self._end - time.monotonic()
        if left <= 0:
            raise RequestTimeoutError("the deadline was over before it was sent")
        return self._options.call(self._timeout, min(left, self._options.retry.deadline))


def republished(
    row: StoredWorkflow, version: str, content: str | None, version_notes: str | None, latest: str
) -> dict[str, Any]:
    """The request body that stores a row's workflow again under another version."""
    known = {*limits.REMEDIATION_WORKFLOW.required, *limits.REMEDIATION_WORKFLOW.optional}
    members = {name: value for name, value in row.to_dict().items() if name in known}
    members["labels"] = {name: members["labels"].get(name) for name in limits.MANDATORY_LABELS.required}
    found: dict[str, Any] = members.get("detected_labels") or {}
    members["detected_labels"] = {name: found[name] for name in limits.DETECTED_LABELS.optional if name in found}
    members |= {"version": version, "status": "active", "previous_version": latest}
    members["version_notes"], members["change_summary"] = version_notes, None
    if content is not None and content != row.content:
        members["content"] = content
        if isinstance(content, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            members["content_hash"] = sha256(content.encode("utf-8", "replace")).hexdigest()
        members["approved_by"] = members["approved_at"] = None
    return limits.REMEDIATION_WORKFLOW.check(members)


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


def _without(row: StoredWorkflow, names: Sequence[str]) -> StoredWorkflow:
    for name in names:
        unset: Unset = UNSET
        setattr(row, name, unset)
    return row


def _version(item: Wanted) -> str:
    return item.version


def _resolved(rows: Sequence[StoredWorkflow], versions: frozenset[str]) -> bool:
    """Whether what a walk has seen of a name so far decides about these versions: they, and the latest, are there."""
    return versions <= {row.version for row in rows} and any(row.is_latest_version for row in rows)


def _raise_bad(bad: Sequence[str], operation: Operation[Any], call: AsyncCall) -> None:
    if bad:
        message = f"{len(bad)} row(s) can't be read; {one_line(bad[0])}"
        raise call.sign(ResponseDecodeError(message, items=bad, outcome=Outcome.APPLIED, status=200), operation)


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


def _found(row: StoredWorkflow, differences: tuple[Difference, ...], warnings: tuple[str, ...]) -> EnsureResult:
    return EnsureResult("drifted" if differences else "unchanged", row, differences, warnings=warnings)


def _reported(row: PlanRow) -> ReportRow:
    """A row that nothing is done about."""
    identity = None if row.existing is None else str(row.existing.workflow_id)
    action: ReportAction = "failed" if row.action == "invalid" or row.action == "create" else row.action
    return ReportRow(row.name, row.version, action, None, identity, row.differences, row.warnings, 0.0, row.error)


def _failed(row: PlanRow, error: KubernautError) -> ReportRow:
    return ReportRow(row.name, row.version, "failed", warnings=row.warnings, error=error)


def _check_apply(concurrency: object, on_drift: object) -> None:
    if type(concurrency) is not int or not 1 <= concurrency <= 64:
        raise InvalidRequestError("concurrency: must be an integer from 1 to 64", field="concurrency")
    if not isinstance(on_drift, str) or on_drift not in ("report", "fail"):
        raise InvalidRequestError("on_drift: must be 'report' or 'fail'", field="on_drift")
