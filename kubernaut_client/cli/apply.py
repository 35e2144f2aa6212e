"""`kubernaut-client apply`: creates what the files have and the service hasn't, and reports on every workflow."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator
from types import FrameType
from typing import TYPE_CHECKING, Literal, cast

import click

from .command import Result, command
from .differences import difference_keys
from .exits import Facts, facts_of
from .failures import CommandFailed, describe
from .files import loaded, paths_argument, problem_keys, source_keys
from .options import Settings
from .output import Output
from .plan import plan_line
from .rows import DEMOTES, DRIFTED, SUPERSEDED, Item, Section, advice_of, counts, paragraph, plan_sections, source_of

if TYPE_CHECKING:
    from kubernaut_client import BootstrapReport, DataStorageClient, Plan, PlanRow, ReportRow
    from kubernaut_client.catalog import Catalog

ACTIONS = ("created", "unchanged", "superseded", "drifted", "demotes", "failed", "not_started")
_OUTCOMES = {
    "not_sent": "nothing was sent",
    "unknown": "it may be stored; the next apply finds out",
    "refused": "it is not stored",
    "applied": "it is stored",
}
_SECTIONS = {
    "failed": Section("failed:", "red"),
    "drifted": DRIFTED,
    "superseded": SUPERSEDED,
    "demotes": DEMOTES,
}
_NOT_STARTED = Section("not started:", "yellow")
# Another signal within this time is the same wish, as of someone who presses Ctrl-C twice; what was in progress is
# waited for meanwhile.
_SAME_WISH = 2.0


@command("apply")
@paths_argument
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    metavar="N",
    help="How many names are written at a time.",
)
@click.option(
    "--on-drift",
    type=click.Choice(["report", "fail"]),
    default="report",
    show_default=True,
    help="Whether to write at all if something is drifted, superseded or demotes.",
)
@click.option("--allow-demote", is_flag=True, help="Create versions below the one that search shows, too.")
def apply(settings: Settings, paths: tuple[str, ...], concurrency: int, on_drift: str, allow_demote: bool) -> Result:
    """Create what these files have and the service hasn't. Nothing is ever overwritten.

    PATH is a file (.yaml, .yml, .json), a directory, or - for standard input. Run it as often as you like, also side by
    side: what is there already isn't written again. After Ctrl-C it says what was done; running it again finishes.

    Exit code 3 if something is drifted, superseded or would demote a higher version, 5 if something was written and
    something else failed.

    \b
    Example:
      kubernaut-client apply catalog/ --url http://localhost:8080
      kubernaut-client apply catalog/ --on-drift fail --output json
    """
    with _interruptible():
        catalog = loaded(settings.output, *paths)
        with settings.client() as client:
            run = _Run(
                settings, catalog, client.workflows.plan(catalog, allow_demote=allow_demote, deadline=settings.deadline)
            )
            run.start()
            run.error = run.apply(client, concurrency, on_drift)
    return run.result()


class _Run:
    """An apply, and what is known of each row so far."""

    def __init__(self, settings: Settings, catalog: Catalog, plan: Plan) -> None:
        self.error: BaseException | None = None
        self._settings = settings
        self._catalog = catalog
        self._plan = plan
        self._known: dict[tuple[str, str], ReportRow] = {}
        self._written = 0
        self._interrupted = False

    def start(self) -> None:
        """Say what is about to be done, if there is anything to do."""
        if self._plan.creates:
            paragraph(self._settings.output, plan_line(self._plan))
            self._settings.output.flush()

    def apply(self, client: DataStorageClient, concurrency: int, on_drift: str) -> BaseException | None:
        """Do it; what kept it from being done."""
        from kubernaut_client import BootstrapError, KubernautError

        creates = {(row.name, row.version) for row in self._plan.creates}
        with self._settings.output.progress(len(creates), "apply") as bar:

            def progress(done: int, total: int, row: ReportRow) -> None:
                self._known[row.name, row.version] = row
                if (row.name, row.version) in creates:
                    self._written += 1
                    bar.update(self._written, f"{row.name}@{row.version}")

            report: BootstrapReport | None = None
            try:
                report = client.workflows.apply(
                    self._plan,
                    concurrency=concurrency,
                    on_drift=cast("Literal['report', 'fail']", on_drift),
                    progress=progress,
                )
                self._learn(report)
                report.raise_for_errors()
            except KeyboardInterrupt:
                self._interrupted = True
                return CommandFailed("Interrupted", "interrupted: run it again to finish")
            except BootstrapError as error:
                if report is not None or error.report is None:
                    return error
                self._learn(error.report)
                return CommandFailed(
                    "BootstrapError", f"nothing was written: {self._drift()} (--on-drift fail)", Facts(drift=True)
                )
            except KubernautError as error:
                return error
        return None

    def result(self) -> Result:
        """What it came to; the rows of which nothing is known are those that were not started."""
        facts = Facts()
        for row in self._known.values():
            facts |= Facts(written=row.action == "created", drift=row.action in ("drifted", "superseded", "demotes"))
            if row.error is not None:
                facts |= facts_of(row.error)
        return Result(
            facts=facts,
            keys={
                "interrupted": self._interrupted,
                "summary": {action: sum(self._action(row) == action for row in self._plan) for action in ACTIONS},
                "rows": [self._row_keys(row) for row in self._plan],
                "warnings": [problem_keys(warning) for warning in self._catalog.warnings],
            },
            show=self._show,
            error=self.error,
        )

    def _learn(self, report: BootstrapReport) -> None:
        self._known |= {(row.name, row.version): row for row in report}

    def _drift(self) -> str:
        plan = self._plan
        return counts(
            {
                "drifted": len(plan.drifted),
                "superseded": len(plan.superseded),
                "would demote": len(plan.demotes),
            }
        )

    def _action(self, planned: PlanRow) -> str:
        row = self._known.get((planned.name, planned.version))
        return "not_started" if row is None else row.action

    def _row_keys(self, planned: PlanRow) -> dict[str, object]:
        row = self._known.get((planned.name, planned.version))
        error = None if row is None or row.error is None else describe(row.error, self._settings.output.base_url)
        return {
            "name": planned.name,
            "version": planned.version,
            "action": self._action(planned),
            "by": row.by if row else None,
            **source_keys(source_of(self._catalog, planned)),
            "id": row.id if row else None,
            "seconds": round(row.seconds, 6) if row else None,
            "differences": [difference_keys(each) for each in row.differences] if row else [],
            "warnings": _warnings(row) if row else list(planned.warnings),
            "error": error and error.document(),
        }

    def _show(self, output: Output) -> None:
        verbose = bool(self._settings.verbose)
        items = self._items()
        plan_sections(output, items, verbose=verbose, sections=_SECTIONS, as_they_should_be=("created", "unchanged"))
        if verbose:
            _NOT_STARTED.show(output, items.get("not_started", ()))
        paragraph(output, self._summary(), style="bold")

    def _items(self) -> dict[str, list[Item]]:
        advice = advice_of(self._plan)
        told: dict[str, str] = {}
        items: dict[str, list[Item]] = {}
        for planned in self._plan:
            row = self._known.get((planned.name, planned.version))
            sentences = _warnings(row) if row else []
            remark = ""
            if row and row.error:
                message = describe(row.error, self._settings.output.base_url).message
                sentences = [message, f"({_OUTCOMES[str(row.error.outcome)]})"]
                # What keeps hundreds of them from being sent is said once.
                if message in told:
                    remark, sentences = f"as {told[message]}", []
                told.setdefault(message, f"{planned.name}@{planned.version}")
            items.setdefault(self._action(planned), []).append(
                Item(
                    name=planned.name,
                    version=planned.version,
                    source=source_of(self._catalog, planned),
                    remark=remark,
                    sentences=sentences,
                    differences=row.differences if row else (),
                    advice=advice[id(planned)] if self._action(planned) == planned.action else (),
                )
            )
        return items

    def _summary(self) -> str:
        """All of it in one line."""
        numbers = Counter(self._action(row) for row in self._plan)
        uncertain = sum(str(row.error and row.error.outcome) == "unknown" for row in self._known.values())
        others = sum(row.action == "unchanged" and row.by == "someone else" for row in self._known.values())
        named = {
            "created": numbers["created"],
            "failed": numbers["failed"] - uncertain,
            "may be stored": uncertain,
            "not started": numbers["not_started"],
            "drifted": numbers["drifted"],
            "superseded": numbers["superseded"],
            "would demote": numbers["demotes"],
            "unchanged": numbers["unchanged"] - others,
            "stored by someone else meanwhile": others,
        }
        return f"{self._headline(numbers)}: {counts(named) or '0 workflows'}."

    def _headline(self, numbers: Counter[str]) -> str:
        if self._interrupted:
            return "Interrupted"
        if numbers["created"]:
            return "Applied in part" if numbers["failed"] or numbers["not_started"] else "Applied"
        if numbers["failed"]:
            return "Failed"
        return "Nothing to do" if numbers["unchanged"] == len(self._plan) else "Nothing written"


def _warnings(row: ReportRow) -> list[str]:
    """The sentences of the plan; what it said of a creation that is done is no longer to come."""
    if row.action != "created":
        return list(row.warnings)
    return [each.replace("search would show", "search shows", 1) for each in row.warnings]


@contextlib.contextmanager
def _interruptible() -> Generator[None]:
    """Has SIGTERM end it in the same way as Ctrl-C: the report of what was done is printed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -math.inf

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > _SAME_WISH:
            raise KeyboardInterrupt

    handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
