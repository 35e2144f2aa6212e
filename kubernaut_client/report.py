"""What an ensure or a bootstrap did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from kubernaut_datastorage.models import StoredWorkflow

from .errors import BootstrapError, KubernautError, Outcome
from .plan import Difference, Rows
from .problems import one_line

EnsureAction = Literal["created", "unchanged", "drifted", "demotes"]
ReportAction = Literal["created", "unchanged", "superseded", "drifted", "demotes", "failed"]
By = Literal["us", "someone else", "recovered"]

_STRICT = ("drifted", "demotes", "superseded")


@dataclass(frozen=True, slots=True)
class EnsureResult:
    """What `ensure` found or did.

    `workflow` is the stored row of this name and version, None when it `demotes` and so wasn't created. `differences`
    explains `drifted`. `recovered`: it was created by a request whose answer was lost.
    """

    action: EnsureAction
    workflow: StoredWorkflow | None = field(repr=False)
    differences: tuple[Difference, ...] = ()
    recovered: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What became of one workflow.

    `by` says who created a row that wasn't there when the plan was made: us, someone else, or us by a request whose
    answer was lost (`recovered`). `id` is None when nothing is stored, `seconds` what it took; `error` has an outcome.
    """

    name: str
    version: str
    action: ReportAction
    by: By | None = None
    id: str | None = None
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    error: KubernautError | None = None


@dataclass(frozen=True)
class BootstrapReport(Rows[ReportRow]):
    """What a bootstrap did, one row per workflow. Iterable; `created` to `failed` are the rows of one action."""

    ORDER: ClassVar[tuple[str, ...]] = ("created", "unchanged", "superseded", "drifted", "demotes", "failed")

    @property
    def created(self) -> tuple[ReportRow, ...]:
        return self._of("created")

    @property
    def unchanged(self) -> tuple[ReportRow, ...]:
        return self._of("unchanged")

    @property
    def superseded(self) -> tuple[ReportRow, ...]:
        return self._of("superseded")

    @property
    def drifted(self) -> tuple[ReportRow, ...]:
        return self._of("drifted")

    @property
    def demotes(self) -> tuple[ReportRow, ...]:
        return self._of("demotes")

    @property
    def failed(self) -> tuple[ReportRow, ...]:
        return self._of("failed")

    def raise_for_errors(self, *, strict: bool = False) -> BootstrapReport:
        """This report, or `BootstrapError` if a row failed; `strict`: also if one is drifted, demotes or superseded."""
        bad = [row for row in self.rows if row.action == "failed" or (strict and row.action in _STRICT)]
        if not bad:
            return self
        first = bad[0]
        why = str(first.error) if first.error else first.action
        if first.differences:
            why += f" in {', '.join(d.field for d in first.differences[:5])}"
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        where = f"{one_line(repr(first.name), 80)} version {one_line(repr(first.version), 60)}"
        raise BootstrapError(f"{self}: {where}: {why}{more}", report=self, outcome=self._outcome(bad))

    def _outcome(self, bad: list[ReportRow]) -> Outcome:
        """What is known of all writes together: not sent or refused only if that holds for each and none was done."""
        outcomes = {row.error.outcome for row in bad if row.error} or {Outcome.NOT_SENT}
        if self.created or not outcomes <= {Outcome.NOT_SENT, Outcome.REFUSED}:
            return Outcome.UNKNOWN
        return Outcome.REFUSED if Outcome.REFUSED in outcomes else Outcome.NOT_SENT
