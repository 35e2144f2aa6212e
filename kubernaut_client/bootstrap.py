"""Plan and apply: what a catalog of workflows needs, and doing it.

The action for each row is decided in `plan`, the order of writes in `schedule`, what came of it is told by `report`.
The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from kubernaut_datastorage.models import StoredWorkflow

from . import procedures
from .errors import (
    BootstrapError,
    ConflictError,
    ConnectError,
    InvalidRequestError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
)
from .execute import AsyncCall, AsyncOptions
from .operations import LIST_WORKFLOWS
from .plan import Plan, PlanRow, Wanted, ascending, compare, decide
from .report import BootstrapReport, By, ReportAction, ReportRow
from .retry import seconds
from .schedule import Schedule
from .workers import AsyncWorkers

Progress = Callable[[int, int, ReportRow], object]

_logger = logging.getLogger("kubernaut_client")


class Clock:
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


async def plan(wanted: Sequence[Wanted], clock: Clock, *, allow_demote: bool) -> Plan:
    """The action for every workflow of the input, names in the order given and versions ascending."""
    groups: dict[str, list[Wanted]] = {}
    for item in wanted:
        groups.setdefault(item.name, []).append(item)
    given = {name: frozenset(i.version for i in items if not i.error) for name, items in groups.items()}
    seen: set[UUID] = set()
    rows = await _rows({name: versions for name, versions in given.items() if versions}, clock, seen)
    return Plan(
        tuple(
            decide(item, rows.get(name, ()), given[name], allow_demote=allow_demote)
            for name, items in groups.items()
            for item in ascending(_version, items)
        ),
        allow_demote=allow_demote,
        seen=frozenset(seen),
    )


async def _rows(names: Mapping[str, frozenset[str]], clock: Clock, seen: set[UUID]) -> dict[str, list[StoredWorkflow]]:
    """The stored rows of these names: by one walk through the catalog or by name, whatever takes fewer requests.

    The ids that the walk has shown are added to `seen`.
    """
    rows: dict[str, list[StoredWorkflow]] = {name: [] for name in names}
    left = set(names)
    # A name with "/" can only be found by the walk; a single other name costs one request.
    if len(left) > 1 or any("/" in name for name in left):
        async for call, page, remaining in procedures.pages({}, clock.call):
            found = [row for row in page.workflows if row.workflow_name in rows]
            for row in found:
                rows[row.workflow_name].append(row)
            seen.update(row.workflow_id for row in page.workflows)
            if not page.bad and not remaining:
                return rows
            left -= {name for name in {row.workflow_name for row in found} if _resolved(rows[name], names[name])}
            slashed = any("/" in name for name in left)
            if slashed:
                procedures.raise_bad(page.bad, LIST_WORKFLOWS, call)
            if not slashed and (page.bad or len(left) < -(-remaining // page.returned)):
                break
    for name in left:
        rows[name] = await procedures.versions(name, clock.call())
    return rows


def _resolved(rows: Sequence[StoredWorkflow], versions: frozenset[str]) -> bool:
    """Whether what a walk has seen of a name so far decides about these versions: they, and the latest, are there."""
    return versions <= {row.version for row in rows} and any(row.is_latest_version for row in rows)


class Apply:
    """One apply: creates what a plan says, names side by side, and keeps count of what became of every row."""

    def __init__(self, plan: Plan, clock: Clock, concurrency: int, progress: Progress | None) -> None:
        self._plan = plan
        self._clock = clock
        self._concurrency = concurrency
        self._progress = progress
        self._done: dict[int, ReportRow] = {}
        self._schedule = Schedule([row for row in plan if row.action == "create"], concurrency)
        self._seen = set(plan.seen)
        self._stopped: KubernautError | None = None
        self._maybe_ours: set[int] = set()

    async def run(self, *, on_drift: str, stale: bool) -> BootstrapReport:
        """Do it. `stale`: time may have passed since the plan was made, so that it is compared with the catalog first.

        Interrupted, it tells `progress` of everything that was in progress before it raises.
        """
        for row in self._plan:
            if row.action != "create":
                self._done[id(row)] = _reported(row)
        if on_drift == "fail" and (self._plan.drifted or self._plan.demotes or self._plan.superseded):
            report = BootstrapReport(tuple(self._done.values()))
            raise BootstrapError(f"nothing was written: {self._plan}", report=report, outcome=Outcome.NOT_SENT)
        for number, result in enumerate(list(self._done.values()), start=1):
            self._tell(number, result)
        if stale and self._schedule.left:
            await self._compare_again()
        async with AsyncWorkers[PlanRow, ReportRow | ConflictError]() as workers:
            try:
                await self._send(workers)
            except BaseException:
                for row, answer in await workers.drain():
                    self._answered(row, answer)
                for row in self._schedule.left:
                    if self._schedule.in_progress(row):
                        interrupted = KubernautError("interrupted while it was sent", outcome=Outcome.UNKNOWN)
                        self._finish(row, _failed(row, interrupted))
                raise
        return BootstrapReport(tuple(self._done[id(row)] for row in self._plan))

    async def _send(self, workers: AsyncWorkers[PlanRow, ReportRow | ConflictError]) -> None:
        while True:
            while workers.active < self._schedule.width and not self._stopped and (ready := self._schedule.take()):
                workers.start(ready, partial(self._create, ready))
            if workers.active:
                row, answer = await workers.next()
                self._answered(row, answer)
                if self._schedule.walk_due and not self._stopped:
                    await self._read_news()
            elif self._schedule.disputed and not self._stopped:
                await self._settle_disputes()
            else:
                break
        disputes = {id(row): conflict for row, conflict in self._schedule.disputed.values()}
        for row in self._schedule.left:
            error = disputes.get(id(row)) or KubernautError(f"not sent: {self._stopped}")
            self._finish(row, _failed(row, error))

    async def _create(self, row: PlanRow) -> ReportRow | ConflictError:
        """The result for a row, or the 409 that it met."""
        started = time.monotonic()
        by: By = "us"
        try:
            created = await procedures.create(row.payload, self._clock.call(), settle_conflict=False)
            if created.recovered:
                by = "recovered"
            result = ReportRow(row.name, row.version, "created", by, str(created.workflow.workflow_id))
        except ConflictError as error:
            if error.existing is None:
                return error
            result = _found(row, error.existing)
        except KubernautError as error:
            result = _failed(row, error)
        return replace(result, warnings=row.warnings, seconds=time.monotonic() - started)

    def _answered(self, row: PlanRow, result: ReportRow | ConflictError) -> None:
        if isinstance(result, ConflictError):
            if result.maybe_ours:
                self._maybe_ours.add(id(row))
            stored = self._schedule.conflict(row, result)
            if stored is not None:
                self._settle(row, stored)
            return
        self._finish(row, result)
        if result.action == "created":
            self._schedule.created(row)
        elif result.error is None:
            self._schedule.met(row)
        else:
            self._give_up(row)
            # Nobody is there: asking again for every other workflow would take as many deadlines.
            if isinstance(result.error, ConnectError):
                self._stopped = result.error

    def _give_up(self, row: PlanRow) -> None:
        for later in self._schedule.failed(row):
            error = KubernautError(f"not sent: version {row.version!r} before it failed")
            self._finish(later, _failed(later, error))

    async def _read_news(self) -> None:
        """Read what is new in the catalog: from the newest row on to the first page with a row that was seen before.

        A failure only means that nothing is known yet: whatever is in dispute at the end is looked at once more.
        """
        rows: list[StoredWorkflow] = []
        try:
            async for _, page, _ in procedures.pages({}, self._clock.call):
                fresh = [row for row in page.workflows if row.workflow_id not in self._seen]
                rows += fresh
                if len(fresh) < len(page.workflows):
                    break
        except KubernautError as error:
            _logger.warning("the catalog couldn't be read (%s); the bootstrap goes on", type(error).__name__)
        self._seen.update(row.workflow_id for row in rows)
        await self._learn(rows)

    async def _compare_again(self) -> None:
        """Look for what was stored since the plan was made."""
        if self._seen:
            await self._read_news()
        else:
            await self._look([row.name for row in self._schedule.left])

    async def _settle_disputes(self) -> None:
        disputed = self._schedule.disputed
        failure: KubernautError | None = None
        if self._schedule.walk_due:
            await self._read_news()
        else:
            try:
                await self._look(disputed)
            except KubernautError as error:
                failure = error
            for name, (row, conflict) in self._schedule.disputed.items():
                if name in disputed and disputed[name][0] is row:
                    self._finish(row, _failed(row, failure or conflict))
                    self._give_up(row)

    async def _look(self, names: Iterable[str]) -> None:
        wanted = {name: frozenset(row.version for row in self._schedule.left if row.name == name) for name in names}
        rows = await _rows(wanted, self._clock, self._seen)
        await self._learn([row for stored in rows.values() for row in stored])

    async def _learn(self, rows: Sequence[StoredWorkflow]) -> None:
        for row, found in self._schedule.news(rows):
            self._settle(row, found)
        if self._plan.allow_demote:
            return
        for name in self._schedule.overtaken():
            given = frozenset(row.version for row in self._plan if row.name == name)
            left = [row for row in self._schedule.left if row.name == name]
            # What a walk shows of a name may be a part of it only.
            try:
                stored = await procedures.versions(name, self._clock.call())
            except KubernautError as error:
                self._finish(left[0], _failed(left[0], error))
                self._give_up(left[0])
                continue
            for row in left:
                now = decide(Wanted(row.name, row.version, row.payload), stored, given)
                if now.action != "create":
                    self._schedule.drop(row)
                    self._finish(row, _reported(now))

    def _settle(self, row: PlanRow, stored: StoredWorkflow) -> None:
        """A 409 that is explained: by a lost answer of our own, if there was one and the row is as we sent it."""
        result = _found(row, stored)
        if id(row) in self._maybe_ours and not result.differences:
            result = replace(result, action="created", by="recovered")
        self._finish(row, result)

    def _finish(self, row: PlanRow, result: ReportRow) -> None:
        self._done[id(row)] = result
        self._tell(len(self._done), result)

    def _tell(self, number: int, result: ReportRow) -> None:
        if self._progress is not None:
            try:
                self._progress(number, len(self._plan), result)
            # What was written is in the report, which a broken display must not cost the caller.
            except Exception as failure:  # noqa: BLE001 - see above
                _logger.warning("progress raised %s; the bootstrap goes on", type(failure).__name__)


def _version(item: Wanted) -> str:
    return item.version


def _found(row: PlanRow, stored: StoredWorkflow) -> ReportRow:
    """The result for a row that someone else has stored since the plan was made."""
    differences = compare(row.payload, stored)
    return ReportRow(
        row.name,
        row.version,
        "drifted" if differences else "unchanged",
        "someone else",
        str(stored.workflow_id),
        differences,
        row.warnings,
    )


def _reported(row: PlanRow) -> ReportRow:
    """A row that nothing is done about."""
    identity = None if row.existing is None else str(row.existing.workflow_id)
    action: ReportAction = "failed" if row.action == "invalid" or row.action == "create" else row.action
    return ReportRow(row.name, row.version, action, None, identity, row.differences, row.warnings, 0.0, row.error)


def _failed(row: PlanRow, error: KubernautError) -> ReportRow:
    return ReportRow(row.name, row.version, "failed", warnings=row.warnings, error=error)
