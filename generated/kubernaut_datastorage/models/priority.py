from typing import Literal, cast

Priority = Literal["*", "P0", "P1", "P2", "P3"]

PRIORITY_VALUES: set[Priority] = {
    "*",
    "P0",
    "P1",
    "P2",
    "P3",
}


def check_priority(value: str) -> Priority:
    """Return the value as it came; one from a newer service passes through"""
    return cast(Priority, value)
