"""What went wrong, as one line that says what to do, as the `error` of a JSON document, and as an exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exits import ExitCode, Facts, exit_code, facts_of

if TYPE_CHECKING:
    from .output import Output

# What to install for a package that only an extra brings.
_EXTRAS = {"click": "cli", "yaml": "catalog"}
AUTHENTICATE = "set --token-file, KUBERNAUT_TOKEN or KUBERNAUT_TOKEN_FILE"
_PROBLEM_KEYS = ("file", "line", "column", "field", "reason")


class CommandFailed(Exception):
    """A failure that a command found out itself; `kind` is its type in JSON, named like an exception."""

    def __init__(
        self,
        kind: str,
        message: str,
        facts: Facts = Facts(failed=True),  # noqa: B008 - frozen
        *,
        outcome: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.facts = facts
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is told. `problems` are those of catalog files, each a line of its own."""

    type: str
    message: str
    facts: Facts
    outcome: str | None = None
    request_id: str | None = None
    problems: Sequence[Any] = ()
    expected: bool = True
    """False for what nobody foresaw: its traceback helps whoever mends it."""

    @property
    def code(self) -> int:
        return exit_code(self.facts)

    def document(self) -> dict[str, object]:
        """The `error` of a JSON document."""
        return {
            "type": self.type,
            "message": self.message,
            "outcome": self.outcome,
            "request_id": self.request_id,
            "problems": [{key: getattr(each, key, None) for key in _PROBLEM_KEYS} for each in self.problems],
        }

    def show(self, output: Output) -> None:
        """Its lines on stderr."""
        lines = [str(problem) for problem in self.problems]
        if not lines or lines == [self.message]:
            output.error(self.message)
            return
        for line in lines:
            output.note(line)
        # After the count, the message repeats the first of them.
        output.error(f"{self.message.partition(': ')[0]}, nothing was sent")


def tell(
    output: Output, error: BaseException, command: str | None = None, *, verbose: int = 0, written: bool = False
) -> int:
    """Tell a failure: its lines on stderr and, with `--output json`, a document; the exit code of the run."""
    failure = describe(error, output.base_url)
    code = exit_code(failure.facts | Facts(written=written))
    if verbose > 1 and not failure.expected:
        import traceback

        for line in "".join(traceback.format_exception(error)).rstrip("\n").split("\n"):
            output.note(line)
    if output.json:
        output.document({"error": failure.document()}, command=command, code=code)
    failure.show(output)
    return handed_over(output, code, written=written)


def handed_over(output: Output, code: int, *, written: bool = False) -> int:
    """The exit code of a run that has printed all; another one if stdout couldn't take it."""
    if (error := output.finish()) is None:
        return code
    output.error(f"stdout can't be written: {error.strerror or error}")
    if code in (ExitCode.USAGE, ExitCode.UNREACHABLE):
        return code
    return exit_code(Facts(failed=True, written=written))


def describe(error: BaseException, base_url: str | None = None) -> Failure:
    """Any exception as a failure. The text of an unforeseen one isn't repeated: nobody knows what it quotes."""
    if isinstance(error, CommandFailed):
        return Failure(error.kind, str(error), error.facts, error.outcome)
    if isinstance(error, KeyboardInterrupt):
        return Failure("Interrupted", "interrupted", Facts(failed=True))
    if isinstance(error, ImportError):
        return Failure("ImportError", _missing(error), facts_of(error))
    return _click(error) or _ours(error, base_url) or _others(error)


def _click(error: BaseException) -> Failure | None:
    from click import Abort, ClickException, UsageError

    if isinstance(error, Abort):
        return describe(KeyboardInterrupt())
    if isinstance(error, UsageError):
        path = error.ctx.command_path if error.ctx else "kubernaut-client"
        return Failure("UsageError", f"{error.format_message().rstrip('.')} (see '{path} --help')", Facts(usage=True))
    if isinstance(error, ClickException):
        return Failure("CommandFailed", error.format_message(), Facts(failed=True))
    return None


def _ours(error: BaseException, base_url: str | None) -> Failure | None:
    from kubernaut_client import CatalogError, KubernautError

    if not isinstance(error, KubernautError):
        return None
    problems = error.errors if isinstance(error, CatalogError) else ()
    return Failure(
        type(error).__name__,
        _advised(error, base_url),
        facts_of(error),
        str(error.outcome),
        error.request_id,
        problems,
    )


def _advised(error: Exception, base_url: str | None) -> str:
    """The message with what to do about it, where that isn't plain."""
    from kubernaut_client import AuthenticationError, ConnectError, PermissionDeniedError

    if isinstance(error, ConnectError):
        cause = str(error.args[0]).removeprefix(f"no connection to {base_url}: ")
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            return f"the certificate of {base_url} isn't trusted: name its authority with --ca-file ({cause})"
        advice = "is it running? Set --url or KUBERNAUT_DATASTORAGE_URL; 'kubernaut-client doctor' finds out more"
        return f"cannot connect to {base_url}: {advice} ({cause})"
    if isinstance(error, AuthenticationError):
        return f"{error}: {AUTHENTICATE}"
    if isinstance(error, PermissionDeniedError):
        return f"{error}: the token doesn't allow it"
    return in_options(str(error))


def in_options(message: str) -> str:
    """A message of the client's in the words of whoever gave the URL as an option."""
    return message.replace("check base_url", "check --url").replace("is base_url right?", "is --url right?")


def _others(error: BaseException) -> Failure:
    kind = type(error).__name__
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return Failure("OSError", f"{where}{error.strerror or error}", Facts(failed=True))
    message = f"unexpected {kind}: a defect of kubernaut-client; -vv shows the traceback"
    return Failure(kind, message, Facts(failed=True), expected=False)


def _missing(error: ImportError) -> str:
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    return f'{error.name} is not installed: pip install "kubernaut-client[{extra}]"' if extra else str(error)
