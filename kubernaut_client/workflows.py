"""The workflow catalog: create, read, change and bootstrap.

A method checks its input (`limits`), sends by `execute`, and lets `settle` decide what an unknown outcome comes to;
what a bootstrap should do is decided in `plan`. The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha256
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from kubernaut_datastorage.models import DetectedLabels, RemediationWorkflow, StoredWorkflow, WorkflowSearchResponse

from . import bootstrap, limits, procedures
from .bootstrap import Progress
from .errors import APIError, ConflictError, InvalidRequestError, KubernautError, error_for, received
from .execute import AsyncOptions, Clock
from .operations import CREATE_WORKFLOW, DISABLE_WORKFLOW, LIST_WORKFLOWS, SEARCH_WORKFLOWS, UPDATE_WORKFLOW, Body
from .plan import Difference, Plan, PlanRow, Wanted, check, compare, decide, version_key
from .problems import one_line
from .report import BootstrapReport, EnsureResult

if TYPE_CHECKING:
    from kubernaut_datastorage.models.priority import Priority
    from kubernaut_datastorage.models.search_priority import SearchPriority
    from kubernaut_datastorage.models.severity import Severity
    from kubernaut_datastorage.models.workflow_status import WorkflowStatus

Workflow = RemediationWorkflow | Mapping[str, Any]
"""A workflow to be stored: the model, or a mapping with the names of the wire."""


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
        return (await procedures.create(payload, self._options.call(timeout, deadline))).workflow

    async def get(
        self, workflow_id: UUID | str, *, timeout: float | None = None, deadline: float | None = None
    ) -> StoredWorkflow:
        """One stored version by its id.

        Raises `NotFoundError`, also where the service just closes the connection, as it does for an unknown id: then
        `.inferred` is true and `.evidence` lists what was asked (at most five requests, no wait). It is wrong only if
        something on the way drops this id alone.
        """
        identity = limits.workflow_id(workflow_id)
        return await procedures.get(identity, self._options.call(timeout, deadline))

    def list(
        self,
        *,
        status: WorkflowStatus | None = None,
        environment: str | None = None,
        priority: Priority | None = None,
        component: str | None = None,
        page_size: int = procedures.PAGE,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[StoredWorkflow]:
        """Every version in the catalog, newest first; filters compare exactly, without wildcards.

        Follows what the service really returns (at most 100 rows a page, whatever `page_size`, 1 to 1000, asks for) and
        hands out no row twice. Rows are never deleted, so an unfiltered walk misses none that was there at its start.
        A filtered walk is no snapshot: a row that stops matching while the walk goes on moves others to a page already
        read. `deadline` holds for the whole walk, from its first page on, and so for what is done with the rows in
        between; without it each page has the retry policy's. A walk of which one page after another brings nothing new
        ends with `ResponseDecodeError`. Rows that can't be decoded are left out and raised together, as one
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
        self._options.call(timeout, deadline)  # refuses a bad timeout here rather than at the first row
        return self._walk(filters, timeout, deadline)

    async def versions(
        self, workflow_name: str, *, timeout: float | None = None, deadline: float | None = None
    ) -> builtins.list[StoredWorkflow]:
        """Every version of a name, the one stored last first; `[]` for an unknown name.

        A name with `/` can't be asked for by the service's route, so for one the catalog is walked.
        """
        name = limits.workflow_name(workflow_name)
        return await procedures.versions(name, self._options.call(timeout, deadline))

    async def search(
        self,
        *,
        signal_type: str,
        severity: Severity,
        component: str,
        environment: str,
        priority: SearchPriority,
        custom_labels: Mapping[str, Sequence[str]] | None = None,
        detected_labels: DetectedLabels | Mapping[str, Any] | None = None,
        top_k: int = 10,
        min_score: float = 0.0,
        include_disabled: bool = False,
        remediation_id: str | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> WorkflowSearchResponse:
        """The `top_k` (1 to 100) workflows that fit best, of those that match all five mandatory labels.

        These compare exactly and with case; only a stored component `*` matches any. A workflow stored with environment
        or priority `*` isn't found by others (and priority `*` can't be asked for). Only the row of a name that was
        stored last is searched, and only if it is active; `include_disabled` also finds disabled, deprecated and
        archived ones. `total_results` is the number of results returned, not of matches.

        Scores lie around 0.5, not 1: `final_score` (and `confidence`, which is the same) is (5 + boost - penalty) / 10,
        0.48 to 0.539 without custom labels, so a `min_score` above 0.54 finds nothing without them. Each value of
        `custom_labels` that a workflow has under the same key adds 0.005, its `*` there 0.003, without a maximum. The
        service leaves out of a key all but letters, digits, `_` and `-`. A value with a double quote, a backslash or a
        control character is refused: the service puts it into JSON text as it is, and fails or looks for another.

        The service writes an audit event about every search, with `remediation_id` (255 characters) as its correlation
        id; a search whose answer is lost is repeated, and so leaves two.
        """
        body = limits.search(
            {
                "signal_type": signal_type,
                "severity": severity,
                "component": component,
                "environment": environment,
                "priority": priority,
                "custom_labels": custom_labels,
                "detected_labels": detected_labels,
                "top_k": top_k,
                "min_score": min_score,
                "include_disabled": include_disabled,
                "remediation_id": remediation_id,
            }
        )
        call = self._options.call(timeout, deadline)
        return await call.execute(SEARCH_WORKFLOWS, SEARCH_WORKFLOWS.request(body=Body(body)))

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
            findings = limits.Findings()
            for name in sorted(members.keys() - {"status"}):
                findings.add(name, "must not be given unless status is 'disabled': the service would ignore it")
            findings.raise_found()
        call = self._options.call(timeout, deadline)
        return await procedures.patch(UPDATE_WORKFLOW, identity, members, members, call)

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
        return await procedures.patch(DISABLE_WORKFLOW, identity, members, wanted, call)

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
        row = await procedures.get(limits.workflow_id(workflow_id), call)
        rows = await procedures.versions(limits.workflow_name(row.workflow_name), call)
        key = version_key(wanted)
        for other in rows:
            order = version_key(other.version)
            if key is not None and order is not None and key <= order:
                raise InvalidRequestError(
                    f"version: must be higher than {one_line(repr(call.mask(other.version)), 60)}, which is stored",
                    field="version",
                )
        latest = next((other.version for other in rows if other.is_latest_version), row.version)
        payload = republished(row, wanted, content, version_notes, latest)
        return (await procedures.create(payload, call)).workflow

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
        rows = await procedures.versions(name, call)
        row = decide(Wanted(name, version, payload), rows, frozenset({version}), allow_demote=allow_demote)
        if row.action == "demotes":
            return EnsureResult("demotes", None, warnings=row.warnings)
        if row.existing is not None:
            return _found(row.existing, row.differences, row.warnings)
        try:
            created = await procedures.create(payload, call)
        except ConflictError as error:
            if error.existing is not None:
                return _found(error.existing, compare(payload, error.existing), row.warnings)
            # It couldn't be read; if it still can't, that failure says more than the conflict.
            failure: KubernautError
            try:
                rows = await procedures.versions(name, call)
                stored = next((row for row in rows if row.version == version), None)
                if stored is not None:
                    return _found(stored, compare(payload, stored), row.warnings)
                answer = received(error)
                failure = error_for(answer.problem, write=True, headers=answer.headers, body=answer.body, kind=APIError)
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
        clock = Clock(self._options, timeout, deadline, self._options.retry.deadline)
        return await bootstrap.plan(check(workflows), clock, allow_demote=allow_demote)

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
        """Do what a plan says: create what is absent, names side by side, versions of a name in ascending order.

        Nothing is ever overwritten. A row that fails doesn't stop other names, unless nobody can be connected to; later
        versions of its own name are not sent. `on_drift="fail"` raises `BootstrapError` before any write if a row is
        drifted, demotes or superseded. The plan is compared with what was stored since it was made, first; what others
        store in the meantime is found `unchanged` or `drifted` by "someone else", and several processes may apply the
        same workflows at once. Interrupted, run it again.

        `concurrency` (1 to 64) bounds how many names are written at a time; it is halved where others write the same.
        `progress(done, total, row)` is called after every row, in the caller's thread or task; also before an
        interruption comes through, for what was in progress: it may be stored (outcome UNKNOWN) if there was no answer,
        for which the synchronous client waits a second. `deadline` is for the whole apply; without it each workflow has
        the deadline of the retry policy. When nobody can be connected to, or as many in a row as are in progress at a
        time get no answer, the rest isn't sent.
        """
        _check_apply(concurrency, on_drift, progress)
        rows = plan.rows if isinstance(plan, Plan) else (plan,)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not all(isinstance(row, PlanRow) for row in rows):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError("plan: must be what plan() returned", field="plan")
        clock = Clock(self._options, timeout, deadline, self._options.retry.deadline)
        return await bootstrap.Apply(plan, clock, concurrency, progress).run(on_drift=on_drift, stale=True)

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
        _check_apply(concurrency, on_drift, progress)
        clock = Clock(self._options, timeout, deadline, self._options.retry.deadline)
        plan = await bootstrap.plan(check(workflows), clock, allow_demote=allow_demote)
        return await bootstrap.Apply(plan, clock, concurrency, progress).run(on_drift=on_drift, stale=False)

    async def _walk(
        self, filters: dict[str, Any], timeout: float | None, deadline: float | None
    ) -> AsyncIterator[StoredWorkflow]:
        bad: builtins.list[str] = []
        clock = Clock(self._options, timeout, deadline)
        async for call, page, remaining in procedures.pages(filters, clock.call):
            bad += map(call.mask, page.bad)
            for row in page.workflows:
                yield row
            if not remaining:
                procedures.raise_bad(bad, LIST_WORKFLOWS, call)


def republished(
    row: StoredWorkflow, version: str, content: str | None, version_notes: str | None, latest: str
) -> dict[str, Any]:
    """The request body that stores a row's workflow again under another version."""
    members = limits.REMEDIATION_WORKFLOW.known(row.to_dict())
    members |= {"version": version, "status": "active", "previous_version": latest}
    members["version_notes"], members["change_summary"] = version_notes, None
    if content is not None and content != row.content:
        members["content"] = content
        if isinstance(content, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            members["content_hash"] = sha256(content.encode("utf-8", "replace")).hexdigest()
        members["approved_by"] = members["approved_at"] = None
    return limits.REMEDIATION_WORKFLOW.check(members)


def _found(row: StoredWorkflow, differences: tuple[Difference, ...], warnings: tuple[str, ...]) -> EnsureResult:
    return EnsureResult("drifted" if differences else "unchanged", row, differences, warnings=warnings)


def _check_apply(concurrency: object, on_drift: object, progress: object) -> None:
    findings = limits.Findings()
    if type(concurrency) is not int or not 1 <= concurrency <= 64:
        findings.add("concurrency", "must be an integer from 1 to 64")
    if not isinstance(on_drift, str) or on_drift not in ("report", "fail"):
        findings.add("on_drift", "must be 'report' or 'fail'")
    if progress is not None and (not callable(progress) or iscoroutinefunction(progress)):
        findings.add("progress", "must be a plain function, which nobody awaits")
    findings.raise_found()
