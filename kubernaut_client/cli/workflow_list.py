"""`kubernaut-client workflows list`: the versions in the catalog, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from .command import Result, command
from .options import Settings, UpperChoice
from .output import Output
from .text import Part, Styled
from .workflow_rows import shown_time, summary

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.models import StoredWorkflow

# The client's own, repeated: they are there before a command runs, and importing them takes longer than a help page.
STATUSES = ("active", "disabled", "deprecated", "archived")
PRIORITIES = ("P0", "P1", "P2", "P3", "*")
_NARROW = 60


@command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only versions of this status.")
@click.option("--environment", metavar="TEXT", help="Only this environment; compared exactly.")
@click.option(
    "--priority",
    type=UpperChoice(PRIORITIES),
    metavar=f"[{'|'.join(PRIORITIES)}]",
    help="Only this priority.",
)
@click.option("--component", metavar="TEXT", help="Only this component; compared exactly.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after so many.")
def list_(settings: Settings, limit: int | None, **filters: Any) -> Result:
    """List the stored versions of all workflows, newest first.

    Rows are printed while they are read, and reading stops when nobody takes them any more, as after 'head'. On a
    terminal of less than 60 columns the time is left out.

    \b
    Example:
      kubernaut-client workflows list --status active --priority P0
      kubernaut-client workflows list --limit 10 --output json
    """
    if settings.output.json:
        return _document(settings, limit, filters)
    # Asks while it prints, so the client lives as long as that.
    return Result(keys={}, show=lambda output: _show(settings, output, limit, filters))


def _walk(
    client: DataStorageClient, settings: Settings, limit: int | None, filters: dict[str, Any]
) -> Iterator[StoredWorkflow]:
    from kubernaut_client.procedures import PAGE

    # A page larger than what is wanted would be sent for nothing.
    rows = client.workflows.list(**filters, page_size=min(limit or PAGE, PAGE), deadline=settings.deadline)
    return islice(rows, limit)


def _readable(rows: Iterator[StoredWorkflow], failures: list[Exception]) -> Iterator[StoredWorkflow]:
    """The rows that can be had: what ends them too early is told after them."""
    from kubernaut_client import KubernautError

    try:
        yield from rows
    except KubernautError as error:
        failures.append(error)


def _document(settings: Settings, limit: int | None, filters: dict[str, Any]) -> Result:
    failures: list[Exception] = []
    with settings.client() as client:
        found = [summary(row) for row in _readable(_walk(client, settings, limit, filters), failures)]
    if failures and not found:
        raise failures[0]
    return Result(keys={"workflows": found}, error=failures[0] if failures else None)


def _show(settings: Settings, output: Output, limit: int | None, filters: dict[str, Any]) -> None:
    from kubernaut_client.procedures import PAGE

    failures: list[Exception] = []
    with settings.client() as client:
        rows = _readable(_walk(client, settings, limit, filters), failures)
        first = next(rows, None)
        if first is not None:
            narrow = output.width is not None and output.width < _NARROW
            head = ["NAME", "VERSION", "STATUS", "LATEST", "CREATED"]
            output.table(head[:-1] if narrow else head, _cells(chain([first], rows), narrow), sample=PAGE)
        elif not failures:
            output.note("no workflow matches" if any(filters.values()) else "the catalog is empty")
    if failures:
        raise failures[0]


def _cells(rows: Iterable[StoredWorkflow], narrow: bool) -> Iterator[list[Part]]:
    for row in rows:
        cells: list[Part] = [row.workflow_name, row.version, status(row.status)]
        cells.append("yes" if row.is_latest_version else "")
        yield cells if narrow else [*cells, shown_time(row.to_dict().get("created_at"))]


def status(word: str) -> Part:
    """A status, coloured."""
    styles: dict[str, Styled] = {
        "active": Styled(word, "green"),
        "disabled": Styled(word, "red"),
        "deprecated": Styled(word, "yellow"),
    }
    return styles.get(word, word)
