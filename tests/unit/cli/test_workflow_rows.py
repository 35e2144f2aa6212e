"""Times of workflows, as people are shown them."""

import pytest

from kubernaut_client.cli.workflow_rows import shown_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-31T12:34:56.5+02:00", "2026-01-31 10:34Z"),
        ("2026-01-31T12:34:56Z", "2026-01-31 12:34Z"),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+05:00"),
        ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59-05:00"),
        ("", ""),
        (None, ""),
    ],
)
def test_shown_time(text: str | None, shown: str) -> None:
    assert shown_time(text) == shown
