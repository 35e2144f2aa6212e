"""`python -m kubernaut_client.spool`: look at a spool directory, and deliver what is in it. Needs the core only.

What is seen comes from `inspection`; delivering is what a writer does that emits nothing.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from kubernaut_client.problems import one_line

from . import inspection
from .directory import CORRUPT_SUFFIX, SUFFIX, UntrustedError, connect, is_spool, verify
from .inspection import Entry, FileStatus
from .report import SpoolAlarm, numbered
from .rows import ERRORS, reason
from .spoolfile import SCHEMA, version_of

SCHEMA_VERSION = 1
"""Of the JSON that is printed."""

_EXAMPLES = """\
examples:
  python -m kubernaut_client.spool status /var/spool/kubernaut/audit
  python -m kubernaut_client.spool drain /var/spool/kubernaut/audit --url http://localhost:8080
  python -m kubernaut_client.spool list /var/spool/kubernaut/audit --quarantined
  python -m kubernaut_client.spool show /var/spool/kubernaut/audit 5f0c1e2a9b3d:17
  python -m kubernaut_client.spool retry /var/spool/kubernaut/audit 5f0c1e2a9b3d:17
  python -m kubernaut_client.spool discard /var/spool/kubernaut/audit 5f0c1e2a9b3d:17
  python -m kubernaut_client.spool export /var/spool/kubernaut/audit > events.jsonl

exit codes: 0 done, 1 something is left or failed, 2 usage
"""


class _Unwritable(Exception):
    """Standard output takes no more; the argument is the `OSError`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    code = 1
    try:
        try:
            code = _run(arguments)
        finally:
            if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
                _write(sys.stdout.flush)
    except _Unwritable as end:
        # What is still buffered must not be written when Python ends.
        with suppress(OSError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), cast("TextIO", sys.stdout).fileno())
        (error,) = end.args
        if not isinstance(error, BrokenPipeError):
            _say(f"stdout can't be written: {error.strerror}")
        return code or 1
    return code


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    directory = Path(options.directory)
    try:
        if not options.directory or not directory.is_dir():
            _refuse(f"{options.directory!r} is not a directory")
        if not is_spool(directory):
            _refuse(f"{directory} is not a spool directory: it has other files, and none of a spool")
        code: int = options.run(directory, options)
    except OSError as error:
        _refuse(f"{directory}: {error.strerror or error}")
    return code


class _Parser(argparse.ArgumentParser):
    """Quotes the arguments, which may be names from outside, as everything else is printed."""

    def print_help(self, file: Any = None) -> None:
        _print(*self.format_help().rstrip("\n").split("\n"))

    def _print_message(self, message: str, file: Any = None) -> None:
        _say(*message.rstrip("\n").split("\n"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m kubernaut_client.spool",
        description="Looks at a spool directory of an AuditWriter, also while its owners write, or at a copy of one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        found.add_argument("directory", metavar="DIR", help="the spool directory")
        found.set_defaults(run=run)
        return found

    status = command("status", _status, "how many events are kept, in which files, and for how long")
    status.add_argument("--json", action="store_true", help="as JSON, with a schema version")
    drain = command("drain", _drain, "deliver what processes that ended have left")
    drain.add_argument("--url", help="of Data Storage; else KUBERNAUT_DATASTORAGE_URL or DATA_STORAGE_URL")
    drain.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="for all of it; 60 by default")
    listing = command("list", _list, "the events that are kept, a line each")
    listing.add_argument("--quarantined", action="store_true", help="only those that are set apart, with the reason")
    listing.add_argument("--limit", type=_count, default=1000, metavar="N", help="lines at most; 1000 by default")
    show = command("show", _show, "one event, with its content")
    show.add_argument("event", metavar="FILE:ID", help="as `list` names it")
    retry = command("retry", _retry, "let events that are set apart be sent again, by their owner or by `drain`")
    retry.add_argument("events", metavar="FILE:ID", nargs="*", help="as `list` names them; all without any")
    discard = command("discard", _discard, "delete events that are set apart; export them first")
    discard.add_argument("events", metavar="FILE:ID", nargs="+", help="as `list` names them")
    command("export", _export, "all events that are kept, as JSON lines on standard output")
    return parser


def _status(directory: Path, options: argparse.Namespace) -> int:
    found = inspection.files(directory)
    total = _total(found)
    if options.json:
        files = [each.to_dict() for each in found]
        document = {"schema_version": SCHEMA_VERSION, "directory": str(directory), "total": total, "files": files}
        _print_json(document, 2)
        return 0
    _print(f"{directory}: {_counts(total)}")
    if total["waiting"] or total["unsettled"]:
        _print(f"the oldest was emitted {_age(total['oldest_seconds'])} ago")
    for each in found:
        state = {"owned": "in use", "left": "left by a process that ended"}.get(each.state, each.state)
        error = f": {each.error}" if each.error else ""
        _print(f"  {each.name}  {_counts(each.to_dict())}, {_size(each.bytes)}, {state}{error}")
    return 0


def _drain(directory: Path, options: argparse.Namespace) -> int:
    from kubernaut_client.errors import KubernautError

    from .writer import AuditWriter

    unread = 0

    def tell(alarm: SpoolAlarm) -> None:
        nonlocal unread
        unread += alarm.kind == "unreadable"
        _say(alarm.message)

    try:
        writer = AuditWriter(options.url, spool=directory, on_alarm=tell)
        report = writer.flush(options.timeout)
        # What isn't delivered by now isn't waited for once more.
        report = writer.close(0)
    except KubernautError as error:
        _refuse(f"{error}" if options.url else f"{error} (--url)")
    _print(str(report))
    left = inspection.files(directory)
    total = _total(left)
    for each in left:
        if each.state == "owned":
            _say(f"{each.name} is in use by a process that lives, which delivers it itself")
    _print(f"left: {_counts(total)}")
    return 1 if unread or total["waiting"] or total["unsettled"] or any(each.error for each in left) else 0


def _list(directory: Path, options: argparse.Namespace) -> int:
    number = 0
    for entry in inspection.entries(directory):
        if options.quarantined and entry.reason is None:
            continue
        number += 1
        if number > options.limit:
            _say(f"more than {options.limit}; see --limit")
            break
        kind = one_line(_member(entry, "event_type"), 100) if entry.readable else ""
        reason = f"  {one_line(entry.reason, 1000)}" if entry.reason else ""
        _print(f"{entry.name}  {entry.state[:20]:<11}  {_moment(entry.emitted) or '-':20}  {kind}{reason}")
    return 0


def _show(directory: Path, options: argparse.Namespace) -> int:
    file, identity = _named(options.event)
    for entry in inspection.entries(directory, file):
        if entry.id is not None and entry.id == identity:
            _print_json(_members(entry), 2)
            return 0
    _say(f"there is no {options.event}")
    return 1


def _retry(directory: Path, options: argparse.Namespace) -> int:
    # What the service could never take would only come back.
    released = _changed(directory, options.events, "UPDATE quarantine SET again = 0 WHERE kind != 'invalid'")
    _print(f"{numbered(released)} will be sent again")
    return _missing(options.events, released, "can't: not set apart, or could never be stored")


def _discard(directory: Path, options: argparse.Namespace) -> int:
    gone = _changed(directory, options.events, "DELETE FROM quarantine WHERE TRUE")
    _print(f"{numbered(gone)} deleted")
    return _missing(options.events, gone, "aren't set apart: what isn't is never deleted")


def _missing(events: Sequence[str], changed: int, why: str) -> int:
    """The exit code, after telling of how many of the events that were named nothing was done."""
    missing = len(events) - changed
    if missing > 0:
        _say(f"{missing} of them {why}")
    return 1 if missing > 0 else 0


def _changed(directory: Path, events: Sequence[str], statement: str) -> int:
    """For how many of these events, or of all if none are named, something was changed in the quarantine."""
    wanted = [_named(each) for each in events]
    changed = 0
    for name in sorted({file for file, _ in wanted} or {each.name for each in inspection.files(directory)}):
        if not (directory / name).exists() or not name.endswith(SUFFIX):
            continue
        try:
            with closing(connect(directory / name, 10)) as connection:
                newer = version_of(connection) > SCHEMA
                verify(directory / name, 1)
                if newer:
                    _say(f"{name} was written by a later version, and is left alone")
                    continue
                if not wanted:
                    changed += connection.execute(statement).rowcount
                for identity in [identity for file, identity in wanted if file == name]:
                    changed += connection.execute(f"{statement} AND id = ?", (identity,)).rowcount
        except (*ERRORS, UntrustedError) as error:
            _say(f"{name}: {reason(error)}")
    return changed


def _export(directory: Path, options: argparse.Namespace) -> int:
    del options
    unread = {each.name for each in inspection.files(directory) if each.error or each.state == "corrupt"}
    for entry in inspection.entries(directory):
        if entry.id is not None:
            _print_json(_members(entry))
        if not entry.readable:
            unread.add(entry.file)
            _say(f"{entry.name} is {entry.state}: {entry.reason}")
    for name in sorted(unread):
        _say(f"{name} can't be read, or not completely, and what can't be read is not in it")
    return 1 if unread else 0


def _members(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"id": entry.name, "state": entry.state, "since": _moment(entry.emitted)}
    if entry.reason is not None:
        found["reason"] = entry.reason
    return {**found, "event": _event(entry)}


def _event(entry: Entry) -> Any:
    try:
        return json.loads(entry.body) if entry.body else None
    except (ValueError, RecursionError):
        return entry.body.decode("utf-8", "replace")


def _member(entry: Entry, name: str) -> str:
    event = _event(entry)
    return str(cast("dict[str, Any]", event).get(name, "")) if isinstance(event, dict) else ""


def _named(text: str) -> tuple[str, int | None]:
    """The file and the id; None for an id that no file can hold."""
    file, colon, identity = text.rpartition(":")
    if not colon or not re.fullmatch("-?[0-9]+", identity) or not file or "/" in file or "\0" in file:
        _refuse(f"{text} is no FILE:ID as `list` names it")
    number = int(identity) if len(identity) <= 20 else 2**63
    name = file if file.endswith((SUFFIX, CORRUPT_SUFFIX)) else file + SUFFIX
    return name, number if -(2**63) <= number < 2**63 else None


def _total(found: Iterable[FileStatus]) -> dict[str, Any]:
    rows = [asdict(each) for each in found]
    total: dict[str, Any] = {
        name: sum(row[name] for row in rows) for name in ("waiting", "unsettled", "quarantined", "bytes")
    }
    total["oldest_seconds"] = max((row["oldest_seconds"] for row in rows), default=0.0)
    return total


def _counts(members: dict[str, Any]) -> str:
    return ", ".join(f"{members[name]} {name}" for name in ("waiting", "unsettled", "quarantined"))


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", datetime.fromtimestamp(seconds, UTC).timetuple())


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError("must be from 0 to 86400")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _say(*lines: str) -> None:
    _print(*lines, to_stderr=True)


def _refuse(text: str) -> NoReturn:
    _say(f"python -m kubernaut_client.spool: {text}")
    raise SystemExit(2)


def _print_json(document: Any, indent: int | None = None) -> None:
    _print(*json.dumps(document, indent=indent).replace("\x7f", "\\u007f").split("\n"))


def _print(*lines: str, to_stderr: bool = False) -> None:
    """Where all text leaves: names, reasons and SQLite's messages come from outside and must not steer a terminal."""
    stream: TextIO | None = sys.stderr if to_stderr else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for line in lines:
        shown = one_line(line, sys.maxsize).encode(encoding, "backslashreplace").decode(encoding)
        if not to_stderr:
            _write(partial(print, shown, file=stream), stream)
        else:
            # Closed (None) or full: there is nowhere left to report it.
            with suppress(OSError, AttributeError):
                cast("TextIO", stream).write(f"{shown}\n")


def _write(write: Callable[[], object], stream: object = True) -> None:
    """Write to standard output, which is None where it was closed before the process was started."""
    try:
        if stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        write()
    except OSError as error:
        raise _Unwritable(error) from None


if __name__ == "__main__":
    sys.exit(main())
