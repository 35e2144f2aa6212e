"""The command group: its options, and the list of sub-commands."""

from __future__ import annotations

import click

from kubernaut_client import __version__
from kubernaut_client.cli.emulator import emulator


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def kubernaut_client() -> None:
    """Work with Data Storage, the service that holds Kubernaut's workflow catalog and audit trail."""


kubernaut_client.add_command(emulator)
