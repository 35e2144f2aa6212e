"""`kubernaut-client plan`: what an apply would do, and what differs from the files. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .command import Result, command
from .differences import difference_keys
from .exits import Facts
from .failures import describe
from .files import loaded, paths_argument, problem_keys, source_keys
from .options import Settings
from .output import Output
from .rows import (
    CREATE,
    DEMOTES,
    DRIFTED,
    INVALID,
    SUPERSEDED,
    Advice,
    Item,
    advice_of,
    counts,
    paragraph,
    plan_sections,
    source_of,
)

if TYPE_CHECKING:
    from kubernaut_client import DataStorageClient, Plan, PlanRow
    from kubernaut_client.catalog import Catalog

# Names for which it is looked up whether the version that search shows is the one of the files, republished.
_LOOK_UPS = 20


@command("plan")
@paths_argument
@click.option("--check", is_flag=True, help="Exit with 3 also if something would be created.")
@click.option("--allow-demote", is_flag=True, help="Plan to create versions below the one that search shows.")
def plan(settings: Settings, paths: tuple[str, ...], check: bool, allow_demote: bool) -> Result:
    """Show what an apply of these files would create, and what is stored otherwise than they say.

    PATH is a file (.yaml, .yml, .json), a directory, or - for standard input. Nothing is changed. With -v diffs are
    shown whole, and unchanged workflows are listed.

    Exit code 3 if something is drifted, superseded or would demote a higher version; else 0.

    \b
    Example:
      kubernaut-client plan catalog/ --url http://localhost:8080
      kubernaut-client plan catalog/ --check --output json
    """
    catalog = loaded(settings.output, *paths)
    with settings.client() as client:
        found = client.workflows.plan(catalog, allow_demote=allow_demote, deadline=settings.deadline)
        advice = advice_of(found, _republished(client, found))
    drift = found.drifted or found.demotes or found.superseded or (check and found.creates)
    return Result(
        facts=Facts(drift=bool(drift), usage=bool(found.invalid)),
        keys={
            "summary": {action: sum(row.action == action for row in found) for action in found.ORDER},
            "rows": [_row_keys(row, catalog, advice[id(row)]) for row in found],
            "warnings": [problem_keys(warning) for warning in catalog.warnings],
        },
        show=lambda output: _show(output, found, plan_items(found, catalog, advice), verbose=bool(settings.verbose)),
    )


def plan_items(found: Plan, catalog: Catalog, advice: dict[int, list[Advice]]) -> dict[str, list[Item]]:
    """The rows of a plan by their action, as they are shown."""
    items: dict[str, list[Item]] = {}
    for row in found:
        items.setdefault(row.action, []).append(
            Item(
                name=row.name,
                version=row.version,
                source=source_of(catalog, row),
                sentences=(*row.warnings, *([describe(row.error).message] if row.error else [])),
                differences=row.differences,
                advice=advice[id(row)],
            )
        )
    return items


def plan_line(found: Plan) -> str:
    """A plan in one line."""
    numbers = {
        "to create": len(found.creates),
        "drifted": len(found.drifted),
        "superseded": len(found.superseded),
        "would demote": len(found.demotes),
        "invalid": len(found.invalid),
        "unchanged": len(found.unchanged),
    }
    if len(found) == len(found.unchanged):
        return f"Nothing to do: {len(found)} unchanged."
    return f"Plan: {counts(numbers, always=('to create', 'drifted', 'unchanged'))}."


def _republished(client: DataStorageClient, found: Plan) -> set[tuple[str, str]]:
    """The superseded rows whose content search shows already, under another version: a rollback was done."""
    from kubernaut_client import KubernautError
    from kubernaut_client.catalog import with_version

    known: set[tuple[str, str]] = set()
    for name in list(dict.fromkeys(row.name for row in found.superseded))[:_LOOK_UPS]:
        latest = next((row for row in client.workflows.versions(name) if row.is_latest_version), None)
        if latest is None:
            continue
        for row in found.superseded:
            if row.name != name or row.existing is None or row.existing.labels != latest.labels:
                continue
            try:
                same = with_version(row.existing.content, latest.version) == latest.content
            except KubernautError:
                same = False
            if same:
                known.add((name, row.version))
    return known


def _row_keys(row: PlanRow, catalog: Catalog, advice: list[Advice]) -> dict[str, object]:
    return {
        "name": row.name,
        "version": row.version,
        "action": row.action,
        **source_keys(source_of(catalog, row)),
        "id": None if row.existing is None else str(row.existing.workflow_id),
        "status": None if row.existing is None else row.existing.status,
        "latest": row.latest,
        "differences": [difference_keys(each) for each in row.differences],
        "warnings": list(row.warnings),
        "advice": [str(each) for each in advice],
    }


def _show(output: Output, found: Plan, items: dict[str, list[Item]], *, verbose: bool) -> None:
    sections = {
        "invalid": INVALID,
        "create": CREATE,
        "drifted": DRIFTED,
        "superseded": SUPERSEDED,
        "demotes": DEMOTES,
    }
    plan_sections(output, items, verbose=verbose, sections=sections)
    paragraph(output, plan_line(found), style="bold")
