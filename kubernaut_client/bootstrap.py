"""Plan and apply: what a catalog of workflows needs, and doing it.

The action for each row is decided in `plan`, the order of writes in `schedule`, what came of it is told by `report`.
The synchronous twin of this module is generated from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from kubernaut_datastorage.models import StoredWorkflow

from . import clock, procedures, settle
from .errors import BootstrapError, ConflictError, KubernautError, Outcome
from .execute import AsyncCall, Clock
from .operations import CREATE_WORKFLOW, LIST_WORKFLOWS
from .plan import Plan, PlanRow, Wanted, above, ascending, compare, decide
from .report import BootstrapReport, By, ReportAction, ReportRow
from .retry import met_by_all
from .schedule import Schedule
from .workers import AsyncWorkers

Progress = Callable[[int, int, ReportRow], object]

_logger = logging.getLogger("kubernaut_client")


async def plan(wanted: Sequence[Wanted], clock: Clock, *, allow_demote: bool) -> Plan:
    """The action for every workflow of the input, names in the order given and versions ascending."""
    groups: dict[str, list[Wanted]] = {}
    for item in wanted:
        groups.setdefault(item.name, []).append(item)
    given = {name: frozenset(i.version for i in items if not i.error) for name, items in groups.items()}
    asked = {name: versions for name, versions in given.items() if versions}
    seen: set[UUID] = set()
    rows = await _rows(asked, clock, seen)
    return Plan(
        tuple(
            decide(item, rows.get(name, ()), given[name], allow_demote=allow_demote)
            for name, items in groups.items()
            for item in ascending(_version, items)
        ),
        allow_demote=allow_demote,
        seen=frozenset(seen) if _walks(asked) else None,
    )


def _walks(names: Iterable[str]) -> bool:
    """Whether the catalog is read for these: a name with "/" can't be asked for, a single other one costs a request."""
    return len(set(names)) > 1 or any("/" in name for name in names)


async def _rows(names: Mapping[str, frozenset[str]], clock: Clock, seen: set[UUID]) -> dict[str, list[StoredWorkflow]]:
    """The stored rows of these names: by one walk through the catalog or by name, whatever takes fewer requests.

    The ids that the walk has shown are added to `seen`.
    """
    rows: dict[str, list[StoredWorkflow]] = {name: [] for name in names}
    left = set(names)
    if _walks(left):
        async for call, page, remaining in procedures.pages({}, clock.call):
            found = [row for row in page.workflows if row.workflow_name in rows]
            for row in found:
                rows[row.workflow_name].append(row)
            seen.update(row.workflow_id for row in page.workflows)
            if not page.bad and not remaining:
                left = {name for name in left if "/" not in name and _in_doubt(rows[name], names[name])}
                break
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


def _in_doubt(rows: Sequence[StoredWorkflow], versions: frozenset[str]) -> bool:
    """Whether one of these versions may be stored although a walk to the end didn't show it.

    Some builds list only the latest version of each name. A version above that one is new as far as anybody can tell;
    creating it finds out.
    """
    missing = versions - {row.version for row in rows}
    return any(not above(version, row.version) for version in missing for row in rows if row.is_latest_version)


@dataclass(frozen=True, slots=True)
class _Exists:
    """A create that was answered as if its row existed; `maybe_ours`: an earlier attempt may have stored it."""

    error: KubernautError
    maybe_ours: bool


class Apply:
    """One apply: creates what a plan says, names side by side, and keeps count of what became of every row."""

    def __init__(self, plan: Plan, clock: Clock, concurrency: int, progress: Progress | None) -> None:
        self._plan = plan
        self._clock = clock
        self._concurrency = concurrency
        self._progress = progress
        self._done: dict[int, ReportRow] = {}
        creates = [row for row in plan if row.action == "create"]
        self._schedule = Schedule(creates, concurrency, demote=plan.allow_demote)
        self._given: dict[str, set[str]] = {}
        for row in plan:
            if row.error is None:
                self._given.setdefault(row.name, set()).add(row.version)
        self._seen = None if plan.seen is None else set(plan.seen)
        self._started: dict[int, float] = {}
        self._maybe_ours: set[int] = set()
        self._stopped: KubernautError | None = None
        self._in_vain = 0
        self._begun = False

    async def run(self, *, on_drift: str, stale: bool) -> BootstrapReport:
        """Do it. `stale`: time may have passed since the plan was made, so that it is compared with the catalog first.

        Interrupted, it tells `progress` of everything that was in progress before it raises.
        """
        self._clock.call()  # refuses a bad timeout here rather than for every row
        for row in self._plan:
            if row.action != "create":
                self._done[id(row)] = _reported(row)
        self._refuse(on_drift)
        if stale and self._schedule.left:
            await self._compare_again()
            self._refuse(on_drift)
        for number, result in enumerate(list(self._done.values()), start=1):
            self._tell(number, result)
        self._begun = True
        async with AsyncWorkers[PlanRow, ReportRow | _Exists]() as workers:
            try:
                await self._send(workers)
            except BaseException:
                # Whatever else goes wrong by now must not take the place of what ended it.
                with suppress(Exception):
                    await self._interrupted(workers)
                raise
        return BootstrapReport(tuple(self._done[id(row)] for row in self._plan))

    def _refuse(self, on_drift: str) -> None:
        """`on_drift="fail"`: nothing has been written yet, and nothing will be."""
        report = BootstrapReport(tuple(self._done[id(row)] for row in self._plan if id(row) in self._done))
        if on_drift == "fail" and (report.drifted or report.demotes or report.superseded):
            raise BootstrapError(f"nothing was written: {report}", report=report, outcome=Outcome.NOT_SENT)

    async def _send(self, workers: AsyncWorkers[PlanRow, ReportRow | _Exists]) -> None:
        while True:
            while workers.active < self._schedule.width and not self._stopped and (ready := self._schedule.take()):
                self._started[id(ready)] = clock.monotonic()
                workers.start(ready, partial(self._create, ready))
            if workers.active:
                row, answer = await workers.next()
                self._answered(row, answer)
                if self._schedule.walk_due and not self._stopped:
                    await self._explain()
            elif self._schedule.unsettled and not self._stopped:
                await self._settle_rest()
            else:
                break
        self._finish_rest(lambda _: KubernautError(f"not sent: {self._stopped}"))

    async def _interrupted(self, workers: AsyncWorkers[PlanRow, ReportRow | _Exists]) -> None:
        for row, answer in await workers.drain():
            self._answered(row, answer)

        def unknown(row: PlanRow) -> KubernautError | None:
            if not self._schedule.in_progress(row):
                return None
            return KubernautError("interrupted while it was sent", outcome=Outcome.UNKNOWN)

        self._finish_rest(unknown)

    def _finish_rest(self, otherwise: Callable[[PlanRow], KubernautError | None]) -> None:
        """Report the rows of which nothing final is known: as what they met, or what `otherwise` says."""
        met = {id(row): error for row, error in self._schedule.unsettled.values()}
        for rows in self._schedule.left.values():
            for row in rows:
                error = met.get(id(row)) or otherwise(row)
                if error is not None and id(row) not in self._done:
                    self._finish(row, _failed(row, error))

    def _seconds(self, row: PlanRow) -> float:
        """How long ago a row was sent."""
        return clock.monotonic() - self._started[id(row)]

    async def _create(self, row: PlanRow) -> ReportRow | _Exists:
        """The result for a row, or the 409 or 500 that it met."""
        call: AsyncCall | None = None
        try:
            call = self._clock.call()
            created = await procedures.create(row.payload, call, settle_existing=False)
        except KubernautError as error:
            if isinstance(error, ConflictError) and error.existing is not None:
                return replace(_found(row, error.existing), seconds=self._seconds(row))
            if call is not None and settle.may_exist(error):
                return _Exists(error, maybe_ours=call.unknown_before(CREATE_WORKFLOW))
            return replace(_failed(row, error), seconds=self._seconds(row))
        by: By = "recovered" if created.recovered else "us"
        identity = str(created.workflow.workflow_id)
        return ReportRow(row.name, row.version, "created", by, identity, (), row.warnings, self._seconds(row))

    def _answered(self, row: PlanRow, result: ReportRow | _Exists) -> None:
        if isinstance(result, _Exists):
            self._in_vain = 0
            if result.maybe_ours:
                self._maybe_ours.add(id(row))
            known = self._schedule.conflict(row, result.error)
            if known:
                self._settle(row, known)
            return
        self._watch(result.error)
        if result.error is not None:
            self._fail(row, result.error)
            return
        self._finish(row, result)
        if result.action == "created":
            self._schedule.created(row)
        else:
            self._schedule.met(row)

    def _watch(self, error: KubernautError | None) -> None:
        """Stop when nothing gets through: as many in a row as are in progress fail for what all others would meet."""
        self._in_vain = self._in_vain + 1 if error is not None and met_by_all(error) else 0
        if self._in_vain >= self._concurrency:
            self._stopped = error

    def _fail(self, row: PlanRow, error: KubernautError) -> None:
        """Report a row that failed, and the later versions of its name, which aren't sent."""
        failed = _failed(row, error)
        self._finish(row, replace(failed, seconds=self._seconds(row)) if id(row) in self._started else failed)
        for later in self._schedule.failed(row):
            self._finish(later, _failed(later, KubernautError(f"not sent: version {row.version!r} before it failed")))

    async def _compare_again(self) -> None:
        """Look for what was stored since the plan was made; raises if that can't be seen."""
        if self._seen is None:
            names = set(self._schedule.left)
        else:
            await self._read_news(self._seen)
            names = set(self._schedule.unsettled)
        for name in names:
            await self._look(name)

    async def _explain(self) -> None:
        """Look for what the conflicts were about.

        A failure only means that nothing more is known yet: what is unsettled at the end is asked for by name.
        """
        try:
            if self._seen is None:
                self._schedule.news(())
            else:
                await self._read_news(self._seen)
        except KubernautError as error:
            self._schedule.news(())
            _logger.warning("the catalog couldn't be read (%s); the bootstrap goes on", type(error).__name__)

    async def _read_news(self, seen: set[UUID]) -> None:
        """Read what is new in the catalog: from the newest row on to the first page with a row that was seen before."""
        rows: list[StoredWorkflow] = []
        async for _, page, _ in procedures.pages({}, self._clock.call):
            fresh = [row for row in page.workflows if row.workflow_id not in seen]
            rows += fresh
            if len(fresh) < len(page.workflows):
                break
        # Only now: of a walk that broke off, the rows below would never be read.
        seen.update(row.workflow_id for row in rows)
        for row, known in self._schedule.news(rows):
            self._settle(row, known)

    async def _settle_rest(self) -> None:
        """Ask by name for what no walk has explained: creates that failed as for a duplicate, overtaken versions."""
        if self._schedule.walk_due:
            await self._explain()
            return
        for name, (row, met) in self._schedule.unsettled.items():
            if self._stopped:
                return
            try:
                await self._look(name)
            except KubernautError as error:
                # What kept us from looking says nothing of the write.
                error.outcome = Outcome.NOT_SENT if met is None else met.outcome
                self._watch(error)
                self._fail(row, error)
                continue
            self._in_vain = 0
            if met is not None and self._schedule.unsettled.get(name, (None,))[0] is row:
                if id(row) not in self._maybe_ours:
                    met.outcome = Outcome.REFUSED
                    met.evidence = ("the version isn't stored",)
                self._fail(row, met)

    async def _look(self, name: str) -> None:
        """Settle what is left of a name by everything that is stored of it; what isn't there is still to be created."""
        stored = await procedures.versions(name, self._clock.call())
        self._schedule.known(name, stored)
        for row in self._schedule.left.get(name, ()):
            self._settle(row, stored)

    def _settle(self, row: PlanRow, known: Sequence[StoredWorkflow]) -> None:
        """Report a row that isn't to be created after all; by the rows of its name that are stored by now."""
        wanted = Wanted(row.name, row.version, row.payload)
        now = decide(wanted, known, frozenset(self._given[row.name]), allow_demote=self._plan.allow_demote)
        if now.action == "create":
            return
        self._schedule.drop(row)
        result = _reported(now)
        if now.existing is not None and id(row) in self._maybe_ours and not now.differences:
            result = replace(result, action="created", by="recovered")
        elif now.existing is not None:
            result = replace(result, by="someone else")
        if id(row) in self._started:
            result = replace(result, seconds=self._seconds(row))
        self._finish(row, result)

    def _finish(self, row: PlanRow, result: ReportRow) -> None:
        self._done[id(row)] = result
        if self._begun:
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
    # No row to be created comes here; a type checker can't know.
    action: ReportAction = "failed" if row.action == "invalid" or row.action == "create" else row.action
    return ReportRow(row.name, row.version, action, None, identity, row.differences, row.warnings, 0.0, row.error)


def _failed(row: PlanRow, error: KubernautError) -> ReportRow:
    return ReportRow(row.name, row.version, "failed", warnings=row.warnings, error=error)
