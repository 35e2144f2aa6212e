"""`kubernaut-client export`: every stored version as catalog files."""

from __future__ import annotations

import click

from .command import Result, command
from .files import counted
from .options import Settings
from .output import Output


@command("export")
@click.argument("directory", type=click.Path(), metavar="DIR")
def export(settings: Settings, directory: str) -> Result:
    """Write every stored version into a new or empty directory, as files that `plan` and `apply` read again.

    DIR appears complete or not at all. What files can't keep is a warning.

    \b
    Example:
      kubernaut-client export backup/ --url http://localhost:8080
      kubernaut-client plan backup/ --url http://localhost:8080
    """
    from kubernaut_client.catalog import export as write

    with settings.client() as client:
        report = write(client.workflows.list(deadline=settings.deadline), directory)

    def show(output: Output) -> None:
        for warning in report.warnings:
            output.warning(warning)
        versions, files = counted(report.workflows, "workflow version"), counted(len(report.files), "file")
        output.line(f"Exported {versions} to {files} in {directory}")

    return Result(
        keys={
            "directory": str(report.directory),
            "workflows": report.workflows,
            "files": list(report.files),
            "warnings": list(report.warnings),
        },
        show=show,
    )
