"""`python -m kubernaut_client.spool`: look at a spool directory, and deliver what is in it. Needs the core only.

What is seen comes from `inspection`; delivering is what a writer does that emits nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from kubernaut_client.problems import one_line

from . import inspection
from .directory import SUFFIX
from .inspection import Entry, FileStatus
from .report import numbered
from .spoolfile import SCHEMA

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    directory = Path(options.directory)
    if not directory.is_dir():
        _refuse(f"{directory} is no directory")
    try:
        code: int = options.run(directory, options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough; what is left must not be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _refuse(f"{directory}: {error.strerror or error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
        print(json.dumps(document, indent=2))
        return 0
    print(f"{directory}: {_counts(total)}")
    if total["waiting"] or total["unsettled"]:
        print(f"the oldest was emitted {_age(total['oldest_seconds'])} ago")
    for each in found:
        state = {"owned": "in use", "left": "left by a process that ended"}.get(each.state, each.state)
        error = f": {each.error}" if each.error else ""
        print(f"  {each.name}  {_counts(each.to_dict())}, {_size(each.bytes)}, {state}{error}")
    return 0


def _drain(directory: Path, options: argparse.Namespace) -> int:
    from kubernaut_client.errors import KubernautError

    from .writer import AuditWriter

    try:
        with AuditWriter(options.url, spool=directory, on_alarm=lambda alarm: _say(alarm.message)) as writer:
            report = writer.flush(options.timeout)
    except KubernautError as error:
        _refuse(f"{error}" if options.url else f"{error} (--url)")
    print(report)
    left = inspection.files(directory)
    total = _total(left)
    for each in left:
        if each.state == "owned":
            _say(f"{each.name} is in use by a process that lives, which delivers it itself")
    print(f"left: {_counts(total)}")
    return 1 if total["waiting"] or total["unsettled"] or any(each.error for each in left) else 0


def _list(directory: Path, options: argparse.Namespace) -> int:
    number = 0
    for entry in inspection.entries(directory):
        if options.quarantined and entry.reason is None:
            continue
        number += 1
        if number > options.limit:
            _say(f"more than {options.limit}; see --limit")
            break
        kind = one_line(_member(entry, "event_type"), 100)
        reason = f"  {one_line(entry.reason, 1000)}" if entry.reason else ""
        print(f"{entry.name}  {entry.state:<11}  {_moment(entry.emitted)}  {kind}{reason}")
    return 0


def _show(directory: Path, options: argparse.Namespace) -> int:
    file, identity = _named(options.event)
    for entry in inspection.entries(directory, file):
        if entry.id == identity:
            members = {**_about(entry), "event": _event(entry)}
            print(json.dumps(members, indent=2))
            return 0
    _say(f"there is no {options.event}")
    return 1


def _retry(directory: Path, options: argparse.Namespace) -> int:
    # What the service could never take would only come back.
    released = _changed(directory, options.events, "UPDATE quarantine SET again = 0 WHERE kind != 'invalid'")
    print(f"{numbered(released)} will be sent again")
    return _missing(options.events, released, "can't: not set apart, or could never be stored")


def _discard(directory: Path, options: argparse.Namespace) -> int:
    gone = _changed(directory, options.events, "DELETE FROM quarantine WHERE TRUE")
    print(f"{numbered(gone)} deleted")
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
            # Not one that its owner removes in this moment: that would be made anew.
            uri = f"{(directory / name).absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)) as connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] > SCHEMA:
                    _say(f"{name} was written by a later version, and is left alone")
                    continue
                if not wanted:
                    changed += connection.execute(statement).rowcount
                for identity in [identity for file, identity in wanted if file == name]:
                    changed += connection.execute(f"{statement} AND id = ?", (identity,)).rowcount
        except sqlite3.Error as error:
            _say(f"{name}: {error}")
    return changed


def _export(directory: Path, options: argparse.Namespace) -> int:
    del options
    for entry in inspection.entries(directory):
        print(json.dumps({**_about(entry), "event": _event(entry)}))
    unread = [each for each in inspection.files(directory) if each.error or each.state == "corrupt"]
    for each in unread:
        _say(f"{each.name} is {each.state}, and not in it")
    return 1 if unread else 0


def _about(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"id": entry.name, "state": entry.state, "since": _moment(entry.emitted)}
    return found if entry.reason is None else {**found, "reason": entry.reason}


def _event(entry: Entry) -> Any:
    try:
        return json.loads(entry.body)
    except ValueError:
        return entry.body.decode("utf-8", "replace")


def _member(entry: Entry, name: str) -> str:
    event = _event(entry)
    return str(cast("dict[str, Any]", event).get(name, "")) if isinstance(event, dict) else ""


def _named(text: str) -> tuple[str, int]:
    file, colon, identity = text.rpartition(":")
    if not colon or not identity.isdecimal() or "/" in file:
        _refuse(f"{text} is no FILE:ID as `list` names it")
    return file.removesuffix(SUFFIX) + SUFFIX, int(identity)


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


def _moment(seconds: float) -> str:
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


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _refuse(text: str) -> NoReturn:
    print(f"python -m kubernaut_client.spool: {text}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
