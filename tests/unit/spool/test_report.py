"""What a report of the audit writer says as a whole."""

import pytest

from kubernaut_client import SpoolReport


@pytest.mark.parametrize(
    ("report", "done"),
    [
        (SpoolReport(), True),
        (SpoolReport(stored=3, queued=1, quarantined=1), True),
        (SpoolReport(stored=3, waiting=1), False),
        (SpoolReport(stored=3, unsettled=1), False),
    ],
)
def test_it_is_done_when_nothing_waits_and_nothing_is_unsettled(report: SpoolReport, done: bool) -> None:
    assert report.done is done
