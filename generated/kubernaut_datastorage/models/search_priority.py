from typing import Literal, cast

SearchPriority = Literal["P0", "P1", "P2", "P3"]

SEARCH_PRIORITY_VALUES: set[SearchPriority] = {
    "P0",
    "P1",
    "P2",
    "P3",
}


def check_search_priority(value: str) -> SearchPriority:
    """Return the value as it came; one from a newer service passes through"""
    return cast(SearchPriority, value)
