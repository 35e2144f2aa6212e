"""What an answer to a batch, and a look for it, say of whether it arrived."""

import json
from typing import Any

import pytest

from kubernaut_client import (
    ConfigurationError,
    ConnectError,
    ConnectionDroppedError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
)
from kubernaut_client.batches import Blame, Mistimed
from kubernaut_client.errors import error_for
from kubernaut_client.problems import parse
from kubernaut_client.spool.verdict import Verdict, arrived, judge

COUNT = 3
REASONS = [
    "event at index 1: invalid timestamp: timestamp is too old (must be within 7 days, age: 200h0m0s)",
    "event at index 1: invalid timestamp: timestamp is in the future (server time: a, event time: b)",
]


def answered(
    status: int, slug: str = "", detail: str = "", body: bytes | None = None, kind: str = ""
) -> KubernautError:
    if body is None:
        members: dict[str, Any] = {"type": f"https://kubernaut.ai/problems/{slug}", "title": "T", "status": status}
        body = json.dumps({**members, "detail": detail}).encode()
    headers = {"content-type": kind} if kind else {}
    return error_for(parse(status, body), write=True, headers=headers, body=body)


def unread(status: int, body: bytes, outcome: Outcome = Outcome.UNKNOWN) -> ResponseDecodeError:
    return ResponseDecodeError("x", status=status, body=body, outcome=outcome)


ANSWERS: list[tuple[int | KubernautError, Verdict]] = [
    (COUNT, Verdict.STORED),
    (COUNT - 1, Verdict.LOST),
    (0, Verdict.LOST),
    (unread(201, b'{"event_ids": [', Outcome.APPLIED), Verdict.LOST),
    (unread(200, b"<html>login</html>"), Verdict.LOST),
    (unread(202, b'{"status": "accepted", "message": "queued"}'), Verdict.QUEUED),
    (unread(202, b""), Verdict.LOST),
    (unread(202, b"<html></html>"), Verdict.LOST),
    (unread(202, b'{"status": "ok"}'), Verdict.LOST),
    (unread(200, b'{"status": "accepted"}'), Verdict.LOST),
    (answered(400, "validation-error", REASONS[0]), Verdict.REFUSED),
    (answered(400, "invalid_request", "no index"), Verdict.REFUSED),
    (answered(400, "invalid_event_data", "event at index 0: x"), Verdict.REFUSED),
    (answered(400, "batch-size-exceeded", "x"), Verdict.REFUSED),
    (answered(413, body=b"<html>too large</html>", kind="text/html"), Verdict.REFUSED),
    (answered(400, "something-else", "event at index 0: x"), Verdict.UNSENT),
    (answered(400, body=b"Bad Request"), Verdict.UNSENT),
    (answered(401, "unauthorized"), Verdict.UNSENT),
    (answered(403, "forbidden"), Verdict.UNSENT),
    (answered(404, body=b"404 page not found\n"), Verdict.UNSENT),
    (answered(404, "not-found"), Verdict.UNSENT),
    (answered(405, body=b""), Verdict.UNSENT),
    (answered(302, body=b""), Verdict.UNSENT),
    (answered(429, "too-many-requests"), Verdict.UNSENT),
    (answered(500, "database-error"), Verdict.FAILED),
    (answered(500, "internal-error"), Verdict.FAILED),
    (answered(503, "service-unavailable"), Verdict.FAILED),
    (answered(500, body=b"Internal Server Error\n", kind="text/plain"), Verdict.FAILED),
    (answered(500, body=b"<html>500</html>", kind="text/html"), Verdict.LOST),
    (answered(500, body=b" <html>500</html>"), Verdict.LOST),
    (answered(502, body=b"<html>502</html>", kind="text/html"), Verdict.LOST),
    (answered(503, body=b"upstream connect error"), Verdict.LOST),
    (answered(504, body=b""), Verdict.LOST),
    (answered(504, "about:blank"), Verdict.LOST),
    (ConnectError("x"), Verdict.UNSENT),
    (ConfigurationError("token failed"), Verdict.UNSENT),
    (RequestTimeoutError("x", outcome=Outcome.NOT_SENT), Verdict.UNSENT),
    (RequestTimeoutError("x", outcome=Outcome.UNKNOWN), Verdict.LOST),
    (ConnectionDroppedError("x", outcome=Outcome.UNKNOWN), Verdict.LOST),
]


@pytest.mark.parametrize(
    ("answer", "verdict"), ANSWERS, ids=[f"{number} {verdict}" for number, (_, verdict) in enumerate(ANSWERS)]
)
def test_every_answer_has_a_verdict(answer: int | KubernautError, verdict: Verdict) -> None:
    judged = judge(answer, COUNT)
    assert judged.verdict is verdict
    assert (judged.refusal is not None) == (verdict is Verdict.REFUSED)
    assert bool(judged.reason) == (verdict is not Verdict.STORED)


def test_the_size_is_to_blame_and_no_event() -> None:
    for answer in (answered(413, body=b""), answered(413, "payload"), answered(400, "batch-size-exceeded", "500")):
        refusal = judge(answer, COUNT).refusal
        assert refusal is not None and refusal.blame is Blame.SIZE and not refusal.named


@pytest.mark.parametrize(
    ("copies", "baseline", "there"),
    [
        ([1, 1, 1], None, True),
        ([1], None, True),
        ([0, 1, 1], None, False),
        ([1, 1, 0], None, False),
        ([1, 1, 1], 0, True),
        ([1, 1, 1], 1, False),
        ([2, 1, 1], 1, True),
        ([2, 0, 1], 1, False),
        ([3], 3, False),
        ([4], 3, True),
        ([], None, True),
    ],
)
def test_a_batch_is_there_if_each_of_its_witnesses_is(copies: list[int], baseline: int | None, there: bool) -> None:
    """The first one beyond the copies that there were before: an equal event of somebody else proves nothing."""
    assert arrived(copies, baseline) is there


def test_what_is_said_of_times() -> None:
    refusals = [judge(answered(400, "validation-error", each), COUNT).refusal for each in REASONS]
    assert [each and each.mistimed for each in refusals] == [Mistimed.TOO_OLD, Mistimed.IN_FUTURE]
