from typing import Literal, cast

EventOutcome = Literal["failure", "pending", "success"]

EVENT_OUTCOME_VALUES: set[EventOutcome] = {
    "failure",
    "pending",
    "success",
}


def check_event_outcome(value: str) -> EventOutcome:
    """Return the value as it came; one from a newer service passes through"""
    return cast(EventOutcome, value)
