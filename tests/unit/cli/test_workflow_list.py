"""What `workflows list` repeats of the client."""

from kubernaut_client import limits
from kubernaut_client.cli import workflow_list


def test_the_choices_are_what_the_client_takes() -> None:
    assert workflow_list.STATUSES == limits.STATUSES
    assert workflow_list.PRIORITIES == limits.PRIORITIES
