"""The emulator's notification records where the recordings say nothing: limits, stored values, dead letters."""

from datetime import timedelta
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.events import moment, notification
from tests.integration.emulator_tools import Answer, call

pytestmark = pytest.mark.emulator

NOTIFICATIONS = "/api/v1/audit/notifications"
TABLE = "notification_audit"


def post(emulator: Emulator, **members: Any) -> Answer:
    return call(emulator, "POST", NOTIFICATIONS, notification(**members))


def fields(answer: Answer) -> dict[str, str]:
    """What a 400 of the handler says, by field."""
    document = answer.json
    errors: dict[str, str] = document["field_errors"]
    assert (answer.status, document["instance"]) == (400, "/audit/notification_audit")
    assert document["detail"] in {
        f"Validation failed for notification_audit: {name} - {text}" for name, text in errors.items()
    }
    return errors


def test_stored(emulator: Emulator) -> None:
    answer = post(emulator, delivery_status="200 OK", error_message="", escalation_level=5, id=77)
    (row,) = emulator.rows(TABLE)
    assert answer.status == 201 and list(answer.json) == [
        *("id", "remediation_id", "notification_id", "recipient", "channel", "message_summary", "status", "sent_at"),
        *("delivery_status", "escalation_level", "created_at", "updated_at"),
    ]
    assert answer.json["id"] == row["id"] and answer.json["created_at"] == answer.json["updated_at"]
    assert (row["delivery_status"], row["error_message"], row["escalation_level"]) == ("200 OK", None, 5)
    assert row["created_at"].isoformat().replace("+00:00", "")[:19] == answer.json["created_at"][:19]


def test_a_duplicate_burns_an_id(emulator: Emulator) -> None:
    first = post(emulator).json["id"]
    assert post(emulator).status == 409
    assert post(emulator, notification_id="n-2").json["id"] == first + 2


def test_offset_and_digits_of_sent_at_are_kept(emulator: Emulator) -> None:
    text = "2025-12-27T12:00:00.123456789+02:00"
    assert post(emulator, sent_at=text).json["sent_at"] == text
    assert emulator.rows(TABLE)[0]["sent_at"].isoformat() == "2025-12-27T10:00:00.123456+00:00"


def test_white_space_to_python_is_none_to_go(emulator: Emulator) -> None:
    assert post(emulator, recipient="\x1c").status == 201


def test_very_old_ones_are_fine(emulator: Emulator) -> None:
    assert post(emulator, sent_at="1970-01-01T00:00:00Z").status == 201


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"recipient": "é" * 128}, {"recipient": "recipient must be at most 255 characters (got 256)"}),
        (
            {"notification_id": "é" * 200},
            {"notification_id": "notification_id must be at most 255 characters (got 400)"},
        ),
        ({"remediation_id": ""}, {"remediation_id": "remediation_id is required"}),
        ({"message_summary": "\n\t "}, {"message_summary": "message_summary is required"}),
        ({"sent_at": "0001-01-01T00:00:00Z"}, {"sent_at": "sent_at is required"}),
        (
            {"recipient": " ", "channel": "webhook", "status": "pending"},
            {
                "recipient": "recipient is required",
                "channel": "channel must be one of: email, slack, pagerduty, sms (got 'webhook')",
                "status": "status must be one of: sent, failed, acknowledged, escalated (got 'pending')",
            },
        ),
    ],
)
def test_refused_by_the_handler(emulator: Emulator, members: dict[str, Any], expected: dict[str, str]) -> None:
    assert fields(post(emulator, **members)) == expected
    assert emulator.rows(TABLE) == []


def test_the_field_that_the_detail_names_varies(emulator: Emulator) -> None:
    details = {post(emulator, recipient=" ", channel="webhook").json["detail"] for _ in range(60)}
    assert len(details) == 2  # that it is one of them sixty times in a row does not happen


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"escalation_level": 1, "id": "x"},
            "cannot unmarshal string into Go struct field NotificationAudit.id of type",
        ),
        ({"created_at": "soon"}, 'parsing time "soon" as '),
    ],
)
def test_refused_by_the_decoder(emulator: Emulator, body: dict[str, Any], reason: str) -> None:
    assert reason in fields(post(emulator, **body))["body"]


def test_clock_of_the_service(emulator: Emulator) -> None:
    with emulator.clock(timedelta(minutes=-6)):
        assert "cannot be in the future" in fields(post(emulator, sent_at=moment()))["sent_at"]
    assert post(emulator, sent_at=moment(timedelta(minutes=-4))).status == 201


def test_what_the_database_refuses_is_queued(emulator: Emulator) -> None:
    answer = post(emulator, message_summary="nul \0")
    assert (answer.status, answer.json) == (
        202,
        {"message": "audit record queued for processing", "status": "accepted"},
    )
    (letter,) = emulator.dead_letters()
    assert (letter.stream, letter.type) == ("audit:dlq:notifications", "notification_audit")
    assert letter.payload["message_summary"] == "nul \0" and "nul" not in repr(letter)


def test_dead_letters_are_tried_once_at_the_end(emulator: Emulator) -> None:
    sent = moment(timedelta(hours=3))
    with emulator.database_down():
        assert post(emulator, sent_at=sent, error_message="late").status == 202
        assert post(emulator, notification_id="n-2").status == 202
    assert post(emulator, notification_id="n-2").status == 201
    emulator.shutdown(delay=0)
    rows = {row["notification_id"]: row for row in emulator.rows(TABLE)}
    assert sorted(rows) == ["n-1", "n-2"] and emulator.dead_letters() == ()
    assert rows["n-1"]["error_message"] == "late" and f"{rows['n-1']['sent_at']:%Y-%m-%dT%H:%M:%S.%fZ}" == sent


def test_without_redis(emulator: Emulator) -> None:
    with emulator.redis_down():
        assert post(emulator).status == 201
        with emulator.database_down():
            answer = post(emulator, notification_id="n-2")
    assert answer.status == 503 and answer.json["retry"] is True
    assert answer.json["type"].endswith("/service-unavailable") and emulator.dead_letters() == ()


def test_no_route_reads_them(emulator: Emulator) -> None:
    assert call(emulator, "GET", NOTIFICATIONS).status == 405
