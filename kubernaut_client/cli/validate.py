"""`kubernaut-client validate`: whether catalog files are right, and follow on from others. Asks no service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .command import Result, command
from .exits import Facts
from .failures import CommandFailed
from .files import check_stdin, counted, loaded, paths_argument, problem_keys, source_keys
from .options import Settings
from .output import Output

if TYPE_CHECKING:
    from kubernaut_client.catalog import Catalog, CatalogChange


@command("validate")
@paths_argument
@click.option(
    "--base",
    type=click.Path(),
    metavar="PATH",
    help="The files before the change: the target branch's, or an export.",
)
def validate(settings: Settings, paths: tuple[str, ...], base: str | None) -> Result:
    """Check catalog files without any service; every problem is a line.

    PATH is a file (.yaml, .yml, .json), a directory, or - for standard input. With --base it is a problem, too, what
    the service can't follow: other content under the same version, a version that goes down, a workflow that is gone.

    Exit code 2 if there is a problem, else 0.

    \b
    Example:
      kubernaut-client validate catalog/
      kubernaut-client validate catalog/ --base ../main/catalog/
    """
    check_stdin([*paths, *([base] if base is not None else [])])
    catalog = loaded(settings.output, *paths)
    changes = _changes(catalog, base) if base is not None else ()
    files = len({entry.source.file for entry in catalog.entries if entry.source})
    error = CommandFailed("CatalogError", _failure(changes), Facts(usage=True)) if changes else None
    return Result(
        keys={
            "workflows": len(catalog),
            "names": len(catalog.names),
            "files": files,
            "warnings": [problem_keys(warning) for warning in catalog.warnings],
            "changes": [_change_keys(change) for change in changes],
        },
        show=lambda output: _show(output, catalog, files, changes, compared=base is not None),
        error=error,
    )


def _changes(catalog: Catalog, base: str) -> tuple[CatalogChange, ...]:
    """What can't be followed; the branch that a catalog is new to has none."""
    from kubernaut_client.catalog import changes_since, load

    return changes_since(catalog, load(base, allow_empty=True))


def _failure(changes: tuple[CatalogChange, ...]) -> str:
    return f"{counted(len(changes), 'change')} that the service can't follow"


def _change_keys(change: CatalogChange) -> dict[str, object]:
    return {
        "kind": change.kind,
        "name": change.name,
        "version": change.version,
        **source_keys(change.source),
        **source_keys(change.base_source, "base_"),
        "reason": change.reason,
    }


def _show(output: Output, catalog: Catalog, files: int, changes: tuple[CatalogChange, ...], *, compared: bool) -> None:
    for change in changes:
        place = change.source or change.base_source
        output.note(f"{f'{place}: ' if place else ''}{change.name}@{change.version}: {change.reason}")
    if not changes:
        also = ", nothing that the service can't follow" if compared else ""
        output.line(f"Valid: {counted(len(catalog), 'workflow')} in {counted(files, 'file')}{also}.")
