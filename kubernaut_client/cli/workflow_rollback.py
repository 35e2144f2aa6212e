"""`kubernaut-client workflows rollback`: older content stored again under a higher version, the only way back to it.

Storing is left to the client's `republish`, the version inside the content to `kubernaut_client.catalog`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .command import Result, command
from .exits import Facts
from .failures import CommandFailed
from .options import Settings
from .output import Output
from .text import Styled
from .workflow_rows import (
    Search,
    all_versions,
    command_line,
    in_options,
    is_found,
    label,
    latest,
    of_version,
    search,
    sending,
)

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient
    from kubernaut_client.models import StoredWorkflow

_EMPTY = "''"
# What two versions of the same workflow differ in anyway.
_OWN_NAMES = """
    workflow_id version content_hash status is_latest_version status_reason disabled_at disabled_by disabled_reason
    previous_version version_notes change_summary approved_by approved_at deprecation_notice created_at updated_at
    created_by updated_by actual_success_rate total_executions successful_executions
"""
_OWN = frozenset(_OWN_NAMES.split())


@dataclass(frozen=True, slots=True)
class _Rollback:
    """What came of it; `row` is what has the content now, and `stored` whether it was stored by this.

    `after` is None if the look-up failed.
    """

    old: StoredWorkflow
    row: StoredWorkflow
    stored: bool
    before: Search
    after: Search | None


@command("rollback")
@click.argument("name", metavar="NAME")
@click.option("--to", "to", required=True, metavar="VERSION", help="The stored version to go back to.")
@click.option("--as", "as_", metavar="VERSION", help="Store it as this one.  [default: the next patch version]")
@click.option("--notes", metavar="TEXT", help="Version notes of the new version.")
def rollback(settings: Settings, name: str, to: str, as_: str | None, notes: str | None) -> Result:
    """Store an older version again under a higher one, so that search finds its content.

    The service never makes an old version the latest again. The version in a WorkflowSchema document is rewritten,
    nothing else; any other content stays as it is. By default 1.1.0 is followed by 1.1.1, and 1.2.0-rc.1 by
    1.2.0-rc.1.1, which is lower than rc.2. Doing it again stores nothing.

    \b
    Example:
      kubernaut-client workflows rollback restart-pod --to 1.0.0
      kubernaut-client workflows rollback restart-pod --to 1.0.0 --as 2.0.0 --notes "2.0 loops"
    """
    error: BaseException | None = None
    with settings.client() as client:
        rows = all_versions(client, name)
        old = of_version(rows, to)
        if as_ is not None and all(row.version != as_ for row in rows):
            _version(rows, as_)  # refused also where there is nothing to do
        before = search(rows)
        done = next((row for row in rows if is_found(row) and _is_done(old, row, as_)), None)
        if done is not None:
            found = _Rollback(old, done, False, before, before)
        else:
            _check_status(old, rows)
            version = _version(rows, as_)
            row = _republish(client, old, version, notes)
            after = None
            try:
                after = search(client.workflows.versions(name))
            except (Exception, KeyboardInterrupt) as raised:  # noqa: BLE001 - told with what was stored before it
                error = raised
            found = _Rollback(old, row, True, before, after)
    return Result(
        facts=Facts(written=found.stored),
        keys={
            "workflow_name": name,
            "to": to,
            "version": found.row.version,
            "workflow_id": str(found.row.workflow_id),
            "content_hash": found.row.content_hash,
            "stored": found.stored,
            "search": {
                "before": [*before.versions],
                "after": None if found.after is None else [*found.after.versions],
                "reason": None if found.after is None else found.after.reason,
            },
        },
        show=lambda output: _show(output, found),
        error=error,
    )


def next_version(versions: Sequence[str]) -> str | None:
    """The next patch version above the highest one; None if none of them can be ordered.

    A pre-release is followed by one of its own: it is below the next one, and below the release, which may both come
    yet.
    """
    from kubernaut_client.plan import version_key

    ordered = [(key, text) for text in versions if (key := version_key(text)) is not None]
    if not ordered:
        return None
    (major, minor, patch, (is_release, *_)), text = max(ordered)
    if not is_release:
        return text.partition("+")[0] + ".1"
    return f"{'v' if text.startswith('v') else ''}{major}.{minor}.{patch + 1}"


def _version(rows: Sequence[StoredWorkflow], as_: str | None) -> str:
    """The version to store it as: higher than all others, or search would be told to show a lower one."""
    from kubernaut_client.limits import VERSION_LIMIT
    from kubernaut_client.plan import ascending, version_key

    versions = [row.version for row in rows]
    highest = next((each for each in reversed(ascending(str, versions)) if version_key(each) is not None), None)
    if as_ is None:
        following = next_version(versions)
        if following is None or len(following) > VERSION_LIMIT:
            reason = f"the stored versions can't be ordered ({versions[0]})" if following is None else "it is too long"
            raise click.UsageError(f"no next version can be made: {reason}; name one with --as")
        return following
    if as_ in versions:
        raise click.UsageError(f"--as: {as_} is stored already")
    mine, theirs = version_key(as_), version_key(highest) if highest is not None else None
    if theirs is not None and (mine is None or mine <= theirs):
        raise click.UsageError(f"--as: must be higher than {highest}, the highest stored version, not {as_ or _EMPTY}")
    return as_


def _check_status(old: StoredWorkflow, rows: Sequence[StoredWorkflow]) -> None:
    """Refuse to store the latest version again where making it active is enough."""
    if latest(rows).version == old.version:
        line = command_line("enable", label(old)) or "workflows enable"
        raise CommandFailed(
            "NotNeededError", f"{label(old)} is the latest version and {old.status}; to have it found again: {line}"
        )


def _republish(client: DataStorageClient, old: StoredWorkflow, version: str, notes: str | None) -> StoredWorkflow:
    from kubernaut_client import CatalogError
    from kubernaut_client.catalog import with_version

    try:
        with in_options(version="--as"):
            content = with_version(old.content, version)
    except CatalogError as error:
        message = f"the version in the content of {label(old)} can't be changed: {error}"
        raise CommandFailed("CatalogError", message) from error
    changed = None if content == old.content else content
    with sending(), in_options(version="--as", version_notes="--notes"):
        return client.workflows.republish(old.workflow_id, version=version, content=changed, version_notes=notes)


def _is_done(old: StoredWorkflow, row: StoredWorkflow, as_: str | None) -> bool:
    """Whether a version that search finds is the old one, or the old one stored again, as asked."""
    from kubernaut_client import CatalogError, InvalidRequestError
    from kubernaut_client.catalog import with_version

    if old.version == row.version:
        return True
    # Without a version before it, it isn't a copy: its author just gave the same content another version.
    if as_ not in (None, row.version) or not row.to_dict().get("previous_version"):
        return False
    try:
        content = with_version(old.content, row.version)
    except (CatalogError, InvalidRequestError):
        return False
    return content == row.content and _described(old, content) == _described(row, row.content)


def _described(row: StoredWorkflow, content: str) -> dict[str, Any]:
    members = {name: value for name, value in row.to_dict().items() if name not in _OWN and value not in (None, "")}
    return {**members, "content": content}


def _show(output: Output, found: _Rollback) -> None:
    old, row = found.old, found.row
    if not found.stored and row.version == old.version:
        output.line("Nothing to do: search finds ", label(old), " already")
        return
    if found.stored:
        output.line("Stored ", label(old), " again as ", Styled(row.version, "green"))
        output.fields([("Search found", _words(found.before)), ("Search finds", _words(found.after))])
        if old.status != "active":
            output.warning(f"{label(old)} is {old.status}; {row.version} is active")
    else:
        output.line("Nothing to do: search finds ", label(row), " already, which is ", old.version, " stored again")
    member = "the version" if row.content == old.content else "metadata.version"
    output.paragraph(
        f"Left to do in git: put the file at the content of {old.version} with {member} {row.version}, and commit."
        " Until then 'plan' says superseded."
    )
    if line := command_line("get", label(row), "--content"):
        output.line("This prints what the file holds then:")
        output.line("  ", Styled(line, "cyan"))


def _words(found: Search | None) -> str:
    if found is None:
        return "not known (the look-up failed)"
    return " and ".join(found.versions) or f"no version: {found.reason}"
