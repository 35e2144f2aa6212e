"""What an answer to a batch, and what a look for it, say of whether it arrived. Pure.

"It isn't there" is a conclusion only once the service can't store it any more: it has answered itself, or so much time
has passed that its own deadlines are over. Asking is left to `service`, what is done about it to `sender`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubernaut_client.batches import Refusal, is_queued, refusal
from kubernaut_client.errors import APIError, KubernautError, Outcome, ResponseDecodeError, received
from kubernaut_client.problems import one_line

_OWN_WORDS = frozenset({"database-error", "internal-error", "service-unavailable"})


class Verdict(StrEnum):
    """What is known of a batch after an attempt."""

    STORED = "stored"
    QUEUED = "queued"
    """The service took it into its dead letter queue; it must not be sent again."""
    REFUSED = "refused"
    """Nothing of it arrived, and an event in it is to blame, or their number."""
    UNSENT = "unsent"
    """Nothing of it arrived, and that isn't the events' fault."""
    FAILED = "failed"
    """The service says that it failed, and is done with it: looking now is final."""
    LOST = "lost"
    """It may arrive until the fence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with its reasons; `refusal` goes with REFUSED."""

    verdict: Verdict
    reason: str = ""
    refusal: Refusal | None = None
    error: KubernautError | None = None


def told(error: KubernautError) -> str:
    """What went wrong, for logs and alarms: without what a service says in words of its own, which may quote events."""
    name = type(error).__name__
    if isinstance(error, APIError):
        slug = f" {error.problem.slug}" if error.problem.slug else ""
        return one_line(f"{name}: {error.status}{slug} (request {error.request_id})", 300)
    return one_line(f"{name}: {error}", 300)


def judge(answer: int | KubernautError, count: int) -> Judged:
    """What the answer to a batch of so many events says: the number of ids in a 201, or what was raised."""
    if isinstance(answer, int):
        if answer == count:
            return Judged(Verdict.STORED)
        return Judged(Verdict.LOST, f"201 with {answer} ids for {count} events")
    reason = told(answer)
    if isinstance(answer, ResponseDecodeError):
        return Judged(Verdict.QUEUED if is_queued(answer) else Verdict.LOST, reason, error=answer)
    if isinstance(answer, APIError) and answer.problem.is_document:
        why = refusal(answer, count)
        if why is not None:
            return Judged(Verdict.REFUSED, reason, why, answer)
        if answer.status >= 500 and received(answer).problem.slug in _OWN_WORDS:
            return Judged(Verdict.FAILED, reason, error=answer)
    elif isinstance(answer, APIError) and answer.status == 413:
        return Judged(Verdict.REFUSED, reason, refusal(answer, count), answer)
    elif isinstance(answer, APIError) and answer.status == 500 and not _is_page(answer):
        # A gateway that waited in vain says 502, 503 or 504, or shows a page.
        return Judged(Verdict.FAILED, reason, error=answer)
    if answer.outcome in (Outcome.NOT_SENT, Outcome.REFUSED):
        return Judged(Verdict.UNSENT, reason, error=answer)
    return Judged(Verdict.LOST, reason, error=answer)


def _is_page(answer: APIError) -> bool:
    came = received(answer)
    return "html" in came.headers.get("content-type", "").lower() or came.body.lstrip()[:1] == b"<"


def arrived(copies: Sequence[int], baseline: int | None) -> bool:
    """Whether a batch is there, by how many copies of each of its witnesses there are.

    It is one transaction, so each of them must be there; `baseline` is how many copies of the first there were before
    it was sent.
    """
    return all(copies) and (not copies or copies[0] > (baseline or 0))


def forbidden(error: KubernautError) -> bool:
    """Whether reading isn't allowed, by the word of whoever checks that; a proxy's page says nothing."""
    return isinstance(error, APIError) and error.status == 403 and not _is_page(error)
