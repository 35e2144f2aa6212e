from typing import Literal, cast

EventCategory = Literal[
    "analysis", "execution", "gateway", "notification", "orchestration", "signalprocessing", "workflow"
]

EVENT_CATEGORY_VALUES: set[EventCategory] = {
    "analysis",
    "execution",
    "gateway",
    "notification",
    "orchestration",
    "signalprocessing",
    "workflow",
}


def check_event_category(value: str) -> EventCategory:
    """Return the value as it came; one from a newer service passes through"""
    return cast(EventCategory, value)
