"""`kubernaut-client workflows versions`: the versions of one workflow, and which one search finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .command import Result, command
from .options import Settings
from .output import Output
from .workflow_list import status
from .workflow_rows import Search, all_versions, is_found, search, shown_time, summary

if TYPE_CHECKING:
    from kubernaut_client.models import StoredWorkflow

_NARROW = 60
_PREFIX = 12  # characters of a hash that tell contents apart


@command("versions")
@click.argument("name", metavar="NAME")
def versions(settings: Settings, name: str) -> Result:
    """Show the versions of a workflow, newest first, and which one search finds.

    Search looks at the latest version only, which is the one that was stored last: if that one isn't active, it finds
    none. HASH is the beginning of the content's. On a terminal of less than 60 columns time and hash are left out.

    \b
    Example:
      kubernaut-client workflows versions restart-pod
    """
    with settings.client() as client:
        rows = all_versions(client, name)
    found = search(rows)
    return Result(
        keys={
            "workflow_name": name,
            "versions": [{**summary(row), "found_by_search": is_found(row)} for row in rows],
            "search": {"versions": list(found.versions), "reason": found.reason},
        },
        show=lambda output: _show(output, rows, found),
    )


def _show(output: Output, rows: Sequence[StoredWorkflow], found: Search) -> None:
    count = 4 if output.width is not None and output.width < _NARROW else 6
    output.table(
        ["VERSION", "STATUS", "LATEST", "SEARCH", "CREATED", "HASH"][:count],
        [
            [
                row.version,
                status(row.status),
                "yes" if row.is_latest_version else "",
                "yes" if is_found(row) else "",
                shown_time(row.to_dict().get("created_at")),
                row.content_hash[:_PREFIX],
            ][:count]
            for row in rows
        ],
    )
    output.paragraph(found.sentence, None if found.versions else "yellow")
