"""`kubernaut-client workflows disable`, `enable` and `deprecate`: the status of a version, and what search finds.

Nothing else of a stored version can be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from .command import Result, command
from .exits import Facts
from .options import Settings
from .output import Output
from .text import Styled
from .workflow_list import status as coloured
from .workflow_rows import REFERENCE, Chosen, Search, choose, command_line, in_options, latest, search, sending

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.models import StoredWorkflow

Status = Literal["active", "disabled", "deprecated"]


@dataclass(frozen=True, slots=True)
class _Change:
    """What a command did; `sent` False: the version was so already."""

    chosen: Chosen
    status: str
    sent: bool
    members: dict[str, Any]
    before: Search
    after: Search

    @property
    def row(self) -> StoredWorkflow:
        return self.chosen.row


@command("disable")
@click.argument("workflow", metavar=REFERENCE)
@click.option("--reason", metavar="TEXT", help="Why; kept with the version.")
@click.option("--by", metavar="NAME", help="Who; at most 255 characters.")
def disable(settings: Settings, workflow: str, reason: str | None, by: str | None) -> Result:
    """Take a version out of search; of NAME alone the latest.

    Search looks at the latest version only. So if the latest one is disabled, it finds none: older ones don't come
    back by that, 'workflows rollback' brings one back. Doing it again sends nothing, unless reason or name differ.

    \b
    Example:
      kubernaut-client workflows disable restart-pod@1.1.0 --reason "evicts too much" --by jane
    """

    def send(client: DataStorageClient, row: StoredWorkflow) -> StoredWorkflow | None:
        if row.status != "disabled":
            return client.workflows.disable(row.workflow_id, reason=reason, updated_by=by)
        # What isn't given stays: the service would replace it by an empty text.
        members = row.to_dict()
        stored = (members.get("disabled_reason") or "", members.get("disabled_by") or "")
        wanted = (stored[0] if reason is None else reason, stored[1] if by is None else by)
        if wanted == stored:
            return None
        return client.workflows.disable(row.workflow_id, reason=wanted[0], updated_by=wanted[1])

    return _changed(settings, workflow, send)


@command("enable")
@click.argument("workflow", metavar=REFERENCE)
@click.option("--reason", hidden=True)
@click.option("--by", hidden=True)
def enable(settings: Settings, workflow: str, reason: str | None, by: str | None) -> Result:
    """Make a version active again; of NAME alone the latest.

    Search finds it only if it is the latest version. Who disabled it, when and why stays stored.

    \b
    Example:
      kubernaut-client workflows enable restart-pod@1.1.0
    """
    _refuse(reason, by)
    return _changed(settings, workflow, _setting("active"))


@command("deprecate")
@click.argument("workflow", metavar=REFERENCE)
@click.option("--reason", hidden=True)
@click.option("--by", hidden=True)
def deprecate(settings: Settings, workflow: str, reason: str | None, by: str | None) -> Result:
    """Mark a version as deprecated; of NAME alone the latest. That takes it out of search, as 'disable' does.

    \b
    Example:
      kubernaut-client workflows deprecate restart-pod@1.0.0
    """
    _refuse(reason, by)
    return _changed(settings, workflow, _setting("deprecated"))


def _refuse(reason: str | None, by: str | None) -> None:
    for option, given in (("--reason", reason), ("--by", by)):
        if given is not None:
            raise click.UsageError(
                f"{option} goes with 'workflows disable' only: the service keeps it for nothing else"
            )


def _setting(status: Status) -> Callable[[DataStorageClient, StoredWorkflow], StoredWorkflow | None]:
    def send(client: DataStorageClient, row: StoredWorkflow) -> StoredWorkflow | None:
        return None if row.status == status else client.workflows.update(row.workflow_id, status=status)

    return send


def _changed(
    settings: Settings, reference: str, send: Callable[[DataStorageClient, StoredWorkflow], StoredWorkflow | None]
) -> Result:
    """Send a change of the version that is meant. `send` returns the reply, None if there is nothing to send."""
    with settings.client() as client:
        chosen = choose(client, reference)
        before = search(chosen.rows)
        old = chosen.row.status
        with sending(), in_options(reason="--reason", updated_by="--by"):
            reply = send(client, chosen.row)
    row = chosen.row if reply is None else reply
    after = search([row if each.workflow_id == row.workflow_id else each for each in chosen.rows])
    change = _Change(chosen, row.status, reply is not None, row.to_dict(), before, after)
    return Result(
        facts=Facts(written=change.sent),
        keys={
            "workflow_id": str(row.workflow_id),
            "workflow_name": row.workflow_name,
            "version": row.version,
            "is_latest_version": row.is_latest_version,
            "status_before": old,
            "status": change.status,
            "sent": change.sent,
            "disabled_by": change.members.get("disabled_by"),
            "disabled_reason": change.members.get("disabled_reason"),
            "search": {"before": [*before.versions], "after": [*after.versions], "reason": after.reason},
        },
        show=lambda output: _show(output, change),
    )


def _show(output: Output, change: _Change) -> None:
    row = change.row
    if not change.sent:
        output.line(change.chosen.label, ": ", coloured(change.status), " already, nothing was sent")
    elif row.status == change.status:
        output.line(change.chosen.label, ": ", coloured(change.status), ", with another reason or name now")
    else:
        output.line(change.chosen.label, ": ", coloured(row.status), " -> ", coloured(change.status))
    lost = bool(change.before.versions) and not change.after.versions
    if lost:
        output.warning(f"search finds no version of {row.workflow_name} any more")
    if change.status == "active" and row.version not in change.after.versions:
        newest = latest(change.chosen.rows)
        output.paragraph(f"Search doesn't find it: it looks at the latest version only, and that is {newest.version}.")
        if line := _rollback(row):
            output.line("To store it again as the latest:")
            output.line("  ", Styled(line, "cyan"))
        return
    output.paragraph(change.after.sentence)
    if lost:
        others = [each for each in change.chosen.rows if each.status == "active" and each.version != row.version]
        if others:
            line = _rollback(others[0])
            bring = f" To bring back {others[0].version}:" if line else ""
            output.paragraph(f"Older versions don't come back by this.{bring}")
            if line:
                output.line("  ", Styled(line, "cyan"))


def _rollback(row: StoredWorkflow) -> str | None:
    return command_line("rollback", row.workflow_name, "--to", row.version)
