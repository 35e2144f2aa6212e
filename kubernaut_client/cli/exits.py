"""Exit codes: what a run came to, as one number that scripts can rely on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum


class ExitCode(IntEnum):
    """The codes of every command; where several fit, the first of 2, 4, 5, 1, 3, 0 is taken."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """Wrong usage, a configuration that can't be worked with, invalid files, a missing package: nothing was sent."""
    DRIFT = 3
    """What is stored isn't what the files say, and it can't or mustn't be made so."""
    UNREACHABLE = 4
    PARTIAL = 5
    """Something was written, and something failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What happened in a run; `a | b` is what happened in both."""

    usage: bool = False
    unreachable: bool = False
    failed: bool = False
    written: bool = False
    drift: bool = False

    def __or__(self, other: Facts) -> Facts:
        return Facts(**{each.name: getattr(self, each.name) or getattr(other, each.name) for each in fields(self)})


def exit_code(facts: Facts) -> ExitCode:
    """The code for what happened."""
    if facts.usage:
        return ExitCode.USAGE
    if facts.unreachable:
        return ExitCode.UNREACHABLE
    if facts.failed:
        return ExitCode.PARTIAL if facts.written else ExitCode.FAILED
    return ExitCode.DRIFT if facts.drift else ExitCode.DONE


def facts_of(error: BaseException) -> Facts:
    """What a failure means for the exit code; the failure of one row among many, too."""
    from kubernaut_client import (
        CatalogError,
        ConfigurationError,
        InvalidRequestError,
        ServiceUnavailableError,
        TransportError,
    )

    if isinstance(error, ConfigurationError | InvalidRequestError | CatalogError | ImportError):
        return Facts(usage=True)
    if isinstance(error, TransportError | ServiceUnavailableError):
        return Facts(unreachable=True)
    return Facts(failed=True)
