"""The client's log on stderr, for `--verbose`."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from .output import Output


@contextmanager
def logged(output: Output, *, debug: bool) -> Generator[None]:
    """Show what the client logs for as long as the context lasts: retries, and with `debug` each attempt."""
    logger = logging.getLogger("kubernaut_client")
    handler = _ToOutput(output)
    before = logger.level
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _ToOutput(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.note(f"{record.levelname.lower()}: {record.getMessage()}")
