"""`kubernaut-client audit`: the group; its command is in a module of its own."""

from __future__ import annotations

import click

from .audit_query import query
from .command import Group


@click.group("audit", cls=Group)
def audit() -> None:
    """Look at the audit trail.

    \b
    Example:
      kubernaut-client audit query --since 24h --outcome failure
    """


audit.add_command(query)
