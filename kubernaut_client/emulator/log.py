"""The emulator's log, in which no text of a request can act on a terminal or begin a line of its own."""

from __future__ import annotations

import logging
import traceback

logger: logging.Logger = logging.getLogger("kubernaut_client.emulator")


def printable(text: str) -> str:
    """A text with everything that isn't a visible character as a backslash escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _escape(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    if record.exc_info and record.exc_info[1]:
        # Formatters use this text instead of making their own of the exception.
        record.exc_text = _described(record.exc_info[1])
    return True


def _described(error: BaseException) -> str:
    """An exception and what caused it, each with its stack; what its text holds is foreign, its stack is ours."""
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        stack = "".join(traceback.format_tb(link.__traceback__))
        parts.append(f"{stack}{printable(f'{type(link).__name__}: {link}')}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nwhich led to:\n".join(reversed(parts))


logger.addFilter(_escape)
