"""The programs that docs/testing.md shows, by the file name in their first line."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def text() -> str:
    return PAGE.read_text("utf-8")


def program(name: str) -> str:
    """The one block of Python that is headed by this file name."""
    (block,) = re.findall(rf"```python\n(# {re.escape(name)}\n.*?)```", text(), re.DOTALL)
    return str(block)


def faults() -> list[str]:
    """What the table of faults says in its second column, each expression by itself."""
    rows = re.findall(r"^\|[^|]+\| (.*`.*`) \|$", text().partition("\n## Faults\n")[2], re.MULTILINE)
    return [expression for row in rows for expression in re.findall(r"`([^`]+)`", row)]
