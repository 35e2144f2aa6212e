"""`kubernaut-client audit query`: events of the audit trail, newest first, printed while they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from .command import Result, command
from .exits import Facts, exit_code
from .failures import describe
from .options import Settings
from .output import Output
from .text import Part, Styled
from .workflow_rows import in_options, time

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.models import AuditEvent

OUTCOMES = ("success", "failure", "pending")
CATEGORIES = ("gateway", "notification", "analysis", "signalprocessing", "workflow", "execution", "orchestration")
DEFAULT_LIMIT = 100
_PAGE = 1000  # events that the service returns at a time, at most
_SAMPLE = 100
_NARROW, _WIDE = 60, 100
_TOLD = 10
# The service refuses events further ahead of its clock than 5 minutes, or 60 in later builds.
_LEAD = timedelta(hours=1)
_OPTIONS = {
    "event_type": "--event-type",
    "event_category": "--category",
    "event_outcome": "--outcome",
    "severity": "--severity",
    "correlation_id": "--correlation-id",
    "since": "--since",
    "until": "--until",
}
_MEMBERS = """
    event_id event_timestamp event_type event_category event_action event_outcome correlation_id severity actor_type
    actor_id resource_type resource_id namespace cluster_name parent_event_id version event_data
"""


@command("query")
@click.option("--event-type", metavar="TEXT", help="Only this type: workflow.started; compared exactly, as all texts.")
@click.option("--category", "event_category", type=click.Choice(CATEGORIES), help="Only this category.")
@click.option("--outcome", "event_outcome", type=click.Choice(OUTCOMES), help="Only this outcome.")
@click.option("--severity", metavar="TEXT", help="Only this severity.")
@click.option("--correlation-id", metavar="TEXT", help="Only this correlation id.")
@click.option(
    "--since", metavar="WHEN", help="From then on: 30m, 24h, 7d (ago), 2026-01-31 or 2026-01-31T12:00:00Z (UTC)."
)
@click.option("--until", metavar="WHEN", help="Up to then, in the same forms; both bounds are included.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help=f"Stop after so many.  [default: {DEFAULT_LIMIT}]"
)
@click.option("--all", "everything", is_flag=True, help="Don't stop, however many there are.")
@click.option(
    "--page-size", type=click.IntRange(1, _PAGE), metavar="N", help="Events of one request.  [default: as needed]"
)
@click.option("--data", is_flag=True, help="Show the event_data, too, which JSON always has.")
def query(
    settings: Settings, limit: int | None, everything: bool, page_size: int | None, data: bool, **filters: str | None
) -> Result:
    """Show events of the audit trail, newest first.

    They are printed while they are read, and memory doesn't grow with their number. Relative times are resolved once,
    by the clock of this machine. Every search for workflows leaves an event of its own, of type
    workflow.catalog.search_completed. On a terminal of less than 100 columns the severity is left out, of less than
    60 correlation id and year, too.

    Events that can't be read are left out and named behind the last one, if it comes to the end of the trail.

    \b
    Example:
      kubernaut-client audit query --since 24h --outcome failure
      kubernaut-client audit query --correlation-id rr-1 --data
      kubernaut-client audit query --since 7d --all --output json
    """
    if everything and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    _check_past("--since", filters["since"])
    walk = _Walk(settings, filters, None if everything else limit or DEFAULT_LIMIT, page_size)
    if settings.output.json:
        return _document(settings, walk)
    # Asks while it prints, so the client lives as long as that.
    return Result(keys={}, show=lambda output: _show(output, walk, data))


def _check_past(option: str, text: str | None) -> None:
    """Refuse an absolute time that lies further ahead than the time of any stored event can."""
    try:
        moment = datetime.fromisoformat(text or "")
    # A relative time, which is in the past, or no time at all, which the client refuses.
    except ValueError:
        return
    now = datetime.now(UTC)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now + _LEAD:
        raise click.UsageError(f"{option}: {text} is in the future (now it is {now:%Y-%m-%dT%H:%M:%SZ})")


@dataclass
class _Walk:
    """The events that were asked for; `more` and `unreadable` are known when they are over."""

    settings: Settings
    filters: Mapping[str, str | None]
    limit: int | None
    page_size: int | None
    more: bool = False
    unreadable: tuple[str, ...] = ()

    def events(self, client: DataStorageClient) -> Iterator[AuditEvent]:
        from kubernaut_client import ResponseDecodeError

        # One more than is shown tells whether there are more.
        size = self.page_size or min(_PAGE if self.limit is None else self.limit + 1, _PAGE)
        given: dict[str, Any] = {name: value for name, value in self.filters.items() if value is not None}
        with in_options(**_OPTIONS):
            rows = client.audit.query(**given, page_size=size, deadline=self.settings.deadline)
        try:
            for count, row in enumerate(rows):
                if count == self.limit:
                    self.more = True
                    return
                yield row
        except ResponseDecodeError as error:
            self.unreadable = error.items
            raise


def _document(settings: Settings, walk: _Walk) -> Result:
    with settings.client() as client:
        events = walk.events(client)
        # What fails before the first event is a failure like any other command's.
        first = next(events, None)
        rows = (_members(event) for event in chain([] if first is None else [first], events))

        def end(error: BaseException | None) -> tuple[int, Mapping[str, object]]:
            keys: dict[str, object] = {"more": walk.more, "unreadable": list(walk.unreadable)}
            if error is None:
                return exit_code(Facts()), keys
            failure = describe(error, settings.output.base_url)
            return failure.code, {**keys, "error": failure.document()}

        failure = settings.output.array_document("events", rows, command=settings.command, end=end)
    return Result(keys=None, error=failure)


def _show(output: Output, walk: _Walk, data: bool) -> None:
    failures: list[Exception] = []
    with walk.settings.client() as client:
        events = _readable(walk.events(client), failures)
        first = next(events, None)
        if first is not None:
            (_blocks if data else _table)(output, chain([first], events))
        elif not failures:
            output.note("no event matches" if any(walk.filters.values()) else "the audit trail is empty")
    for fault in walk.unreadable[:_TOLD]:
        output.warning(fault)
    if len(walk.unreadable) > _TOLD:
        output.warning(f"and {len(walk.unreadable) - _TOLD} more that can't be read")
    if walk.more:
        output.note(f"there are more than these {walk.limit}: see --limit and --all")
    if failures:
        raise failures[0]


def _readable(events: Iterator[AuditEvent], failures: list[Exception]) -> Iterator[AuditEvent]:
    """The events that can be had: what ends them too early is told after them."""
    from kubernaut_client import KubernautError

    try:
        yield from events
    except KubernautError as error:
        failures.append(error)


def _table(output: Output, events: Iterable[AuditEvent]) -> None:
    head = ["TIME", "TYPE", "OUTCOME", "SEVERITY", "CORRELATION ID"]
    narrow = False
    if output.width is not None and output.width < _WIDE:
        narrow = output.width < _NARROW
        head = head[:3] if narrow else [name for name in head if name != "SEVERITY"]
    rows = (_cells(event, narrow) for event in events)
    output.table(head, ([row[name] for name in head] for row in rows), sample=_SAMPLE, uncut={"CORRELATION ID"})


def _cells(event: AuditEvent, narrow: bool) -> dict[str, Part]:
    """The cells of a row by their heads."""
    moment = _moment(event.event_timestamp)
    return {
        # Without year and zone, or there would be no place for the type.
        "TIME": moment[5:-1] if narrow else moment,
        "TYPE": event.event_type,
        "OUTCOME": _outcome(str(event.event_outcome)),
        "SEVERITY": str(event.to_dict().get("severity") or ""),
        "CORRELATION ID": event.correlation_id,
    }


def _blocks(output: Output, events: Iterable[AuditEvent]) -> None:
    for count, event in enumerate(events):
        if count:
            output.line()
        outcome = _outcome(str(event.event_outcome))
        output.line(Styled(_moment(event.event_timestamp), "bold"), "  ", event.event_type, "  ", outcome)
        output.line("  ", Styled(f"id {event.event_id}, correlation id {event.correlation_id}", "dim"))
        for line in json.dumps(_members(event)["event_data"], indent=2, ensure_ascii=False).split("\n"):
            output.line("  ", line)
        if count % _SAMPLE == 0:
            output.flush()
        if output.given_up:
            return


def _members(event: AuditEvent) -> dict[str, Any]:
    """An event as JSON: null for what isn't set, and without what the service never fills in."""
    members = event.to_dict()
    found = {name: members.get(name) for name in _MEMBERS.split()}
    for name in ("severity", "namespace", "cluster_name"):
        found[name] = found[name] or None
    return {**found, "event_timestamp": time(found["event_timestamp"])}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _outcome(word: str) -> Part:
    styles: dict[str, Styled] = {
        "success": Styled(word, "green"),
        "failure": Styled(word, "red"),
        "pending": Styled(word, "yellow"),
    }
    return styles.get(word, word)
