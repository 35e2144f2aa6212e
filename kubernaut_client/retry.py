"""Whether and when a failed attempt is repeated: pure functions over what was seen.

tenacity does the waiting (in `execute`); what a failure means for one operation is in `operations`, and what is asked
of the service instead of repeating is in `settle`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

from .errors import (
    APIError,
    ConfigurationError,
    ConnectionDroppedError,
    DatabaseError,
    InvalidRequestError,
    KubernautError,
    Outcome,
    RequestTimeoutError,
    ResponseDecodeError,
    TransportError,
    received,
    retry_after,
)
from .problems import shown

_TRANSIENT = frozenset({429, 502, 503, 504})
_ABOUT_THE_REQUEST = frozenset({400, 409, 413, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, how long and how patiently a call is repeated. Durations are seconds.

    One deadline covers the whole call: attempts, waits between them, waiting for a connection, and the questions that
    settle an unknown outcome. Raises `ConfigurationError` for values out of range.
    """

    attempts: int = 3
    """Attempts per call, the first included: 1 to 100. Questions that settle what one came to aren't counted."""
    deadline: float = 30.0
    """Seconds for the whole call: more than 0, up to 86400."""
    wait_initial: float = 0.1
    """Seconds before the first repeat; doubled for each one after it: 0 to 3600."""
    wait_max: float = 5.0
    """The longest wait between two attempts, jitter not counted: 0 to 3600. A Retry-After isn't cut to it."""
    jitter: float = 0.1
    """Up to so many seconds are added to each wait at random, so that clients don't return in step: 0 to 3600."""

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or not 1 <= self.attempts <= 100:
            raise ConfigurationError(
                f"RetryPolicy.attempts must be an integer from 1 to 100, not {shown(self.attempts)}"
            )
        for field in fields(self):
            if field.name != "attempts":
                limit = 86400.0 if field.name == "deadline" else 3600
                seconds(f"RetryPolicy.{field.name}", getattr(self, field.name), limit, zero=field.name != "deadline")

    def wait(self, failures: int, error: KubernautError | None = None, draw: float | None = None) -> float:
        """Seconds to wait after so many failed attempts; `draw` in [0, 1) stands in for the random part.

        A Retry-After of the last answer is a lower bound: the service knows better than a schedule.
        """
        backoff = min(self.wait_max, self.wait_initial * 2.0 ** min(failures - 1, 60))
        waited: float = backoff + self.jitter * (random.random() if draw is None else draw)
        asked = retry_after(received(error).headers) if error is not None else None
        return max(waited, asked or 0.0)


def seconds(
    name: str,
    value: object,
    limit: float = 86400.0,
    *,
    zero: bool = False,
    kind: type[ConfigurationError | InvalidRequestError] = ConfigurationError,
) -> float:
    """A duration in seconds; raises `kind`, naming it and its limits, for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A NaN compares as false, so it is refused with the rest.
        above = value >= 0 if zero else value > 0
        if above and value <= limit:
            return float(value)
    least = "from 0" if zero else "above 0"
    reason = f"must be a number of seconds {least} up to {limit:g}, not {shown(value)}"
    if kind is InvalidRequestError:
        raise InvalidRequestError(f"{name}: {reason}", field=name)
    raise kind(f"{name} {reason}")


POLL = RetryPolicy(wait_initial=0.05, wait_max=1.0, jitter=0.05)
"""The pauses between two questions while something is waited for; how often and how long is up to who asks."""


def repeatable(error: KubernautError, *, write: bool) -> bool:
    """Whether an attempt that failed so may be repeated just like that.

    Anything that was never sent may. A read may also after whatever passes by itself; a write only when the service
    said that it refused for now. What else a write may do is decided by its settlement.
    """
    if error.outcome is Outcome.NOT_SENT:
        return isinstance(error, TransportError)
    if isinstance(error, APIError) and error.status == 429:
        return True
    if write:
        return False
    if isinstance(error, APIError):
        return error.status in _TRANSIENT or isinstance(error, DatabaseError)
    if isinstance(error, ResponseDecodeError):
        return error.cut
    return isinstance(error, ConnectionDroppedError | RequestTimeoutError)


def met_by_all(error: KubernautError) -> bool:
    """Whether every other request must be expected to fail so, too, as the failure says nothing of what was sent.

    No connection, no token, no answer, or one that isn't about this request: a gateway's, a redirect, a 401 or 403.
    """
    if isinstance(error, APIError):
        return lost(error) or (error.status < 500 and error.status not in _ABOUT_THE_REQUEST)
    return isinstance(error, TransportError | ConfigurationError)


def lost(error: KubernautError) -> bool:
    """Whether the answer was lost on the way: dropped, timed out, or replaced by a gateway's 502, 503 or 504."""
    if isinstance(error, APIError):
        return error.status in (502, 503, 504)
    return error.outcome is Outcome.UNKNOWN and isinstance(error, ConnectionDroppedError | RequestTimeoutError)


def symptom(error: KubernautError) -> str:
    """How it looks like what the service does for an unknown id; "" if it doesn't.

    The service closes the connection without a byte, which a service mesh in between turns into a 502, 503 or 504.
    """
    if isinstance(error, APIError) and error.status in (502, 503, 504) and not error.problem.is_document:
        return str(error.status)
    return "silence" if isinstance(error, ConnectionDroppedError) and error.silent else ""
