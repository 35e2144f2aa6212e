"""`kubernaut-client workflows`: the group; each of its commands is in a module of its own."""

from __future__ import annotations

import click

from .command import Group
from .workflow_get import get
from .workflow_list import list_
from .workflow_rollback import rollback
from .workflow_search import search
from .workflow_status import deprecate, disable, enable
from .workflow_versions import versions


@click.group("workflows", cls=Group)
def workflows() -> None:
    """Look at stored workflows, search them, change their status, and go back to older content.

    A workflow is named NAME (its latest version), NAME@VERSION or by the UUID of a version. A name may hold "@" itself:
    what follows the last one is a version, unless a workflow has the whole text as its name.

    \b
    Example:
      kubernaut-client workflows list --status active
      kubernaut-client workflows get restart-pod@1.0.0
      kubernaut-client workflows rollback restart-pod --to 1.0.0
    """


for _command in (list_, get, versions, search, disable, enable, deprecate, rollback):
    workflows.add_command(_command)
