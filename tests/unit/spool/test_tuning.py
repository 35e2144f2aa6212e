"""The constants of the audit writer, on which the promises of its page rest."""

from dataclasses import asdict

from kubernaut_client.spool.tuning import Tuning

DAY = 86400.0


def test_what_is_promised_rests_on_these() -> None:
    """As docs/audit-writer.md has them; with others an event could be stored twice, or be late without an alarm."""
    found = asdict(Tuning())
    del found["clock"]
    assert found == {
        "fence": 35.0,
        "attempt": 30.0,
        "looks": (1.0, 3.0, 8.0, 20.0),
        "witnesses": 3,
        "in_flight": 4,
        "batch_events": 500,
        "batch_bytes": 1024 * 1024,
        "linger": 0.1,
        "open_batches": 64,
        "pause": {"attempts": 3, "deadline": 30.0, "wait_initial": 0.1, "wait_max": 5.0, "jitter": 0.5},
        "put_off": {"attempts": 3, "deadline": 30.0, "wait_initial": 0.5, "wait_max": 30.0, "jitter": 1.0},
        "failures": 3,
        "unstorable_again": DAY,
        "scan": 1.0,
        "expiry_alarm": 6 * DAY,
    }
