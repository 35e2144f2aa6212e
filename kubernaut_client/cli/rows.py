"""Rows of a plan or a report for a person: sections with a heading, and what is to be said of each workflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .differences import Value, difference_lines
from .output import Output
from .text import Style, Styled, printable, width_of, wrapped
from .workflow_rows import command_line

if TYPE_CHECKING:
    from kubernaut_client import Difference, Plan, PlanRow
    from kubernaut_client.catalog import Catalog, Source

_LEAST_WIDTH = 20
_STATUS_COMMANDS = {"active": "enable", "disabled": "disable", "deprecated": "deprecate"}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the command that does it if there is one."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.command}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A workflow and what is to be said of it: sentences, what differs, and then advice, which may be a command.

    Its source is shown if there is something to say; a remark stands beside its name otherwise.
    """

    name: str
    version: str
    source: Source | None = None
    remark: str = ""
    sentences: Sequence[str] = ()
    differences: Sequence[Difference] = ()
    advice: Sequence[Advice] = ()

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind: a heading after their number, in a color, and for which of them the place is shown."""

    heading: str
    style: Style

    def show(self, output: Output, items: Sequence[Item], *, whole: bool = False) -> None:
        """Print them with a blank line behind; nothing if there are none. `whole`: diffs aren't cut."""
        if not items:
            return
        paragraph(output, f"{len(items)} {self.heading}", style=self.style)
        for item in items:
            _show_item(output, item, whole=whole)
        output.line()


CREATE = Section("to create:", "green")
DRIFTED = Section(
    "drifted: the service holds it with other values, and never overwrites a version. Publish the change under a "
    "higher version, or undo it in the file:",
    "yellow",
)
SUPERSEDED = Section("superseded: search shows a version that no file has, as after a git revert:", "yellow")
DEMOTES = Section(
    "would demote, so not created: search shows whichever version was stored last, which would hide a higher one:",
    "yellow",
)
NOTED = Section("with a note:", "cyan")
INVALID = Section("invalid:", "red")


def _show_item(output: Output, item: Item, *, whole: bool) -> None:
    said = item.sentences or item.differences or item.advice
    place = str(item.source) if item.source and said else item.remark
    beside = output.width is None or width_of(printable(f"  {item.label}  {place}")) <= output.width
    output.line("  ", Styled(item.label, "bold"), Styled(f"  {place}" if place and beside else "", "dim"))
    if place and not beside:
        output.line("    ", Styled(place, "dim"))
    for sentence in item.sentences:
        paragraph(output, sentence, indent=4)
    for part in difference_lines(item.differences, whole=whole):
        if isinstance(part, Value):
            paragraph(output, f"{part.label}: {part.text}", indent=6, hanging=len(part.label) + 2)
        else:
            output.line("    ", part)
    for advice in item.advice:
        paragraph(output, advice.text, indent=4)
        if advice.command:
            # Not broken, as it is there to be copied.
            output.line("      ", Styled(advice.command, "cyan"))


def plan_sections(
    output: Output,
    items: Mapping[str, Sequence[Item]],
    *,
    verbose: bool,
    sections: Mapping[str, Section],
    as_they_should_be: Sequence[str] = ("unchanged",),
) -> None:
    """Print the rows of each action in the order of `sections`.

    Of rows that are as they should be only those are shown about which something is to be said, unless `verbose`.
    """
    for action, section in sections.items():
        section.show(output, items.get(action, ()), whole=verbose)
    NOTED.show(output, [item for action in as_they_should_be for item in items.get(action, ()) if item.sentences])
    for action in as_they_should_be if verbose else ():
        Section(f"{action}:", "dim").show(output, [item for item in items.get(action, ()) if not item.sentences])


def source_of(catalog: Catalog, row: PlanRow) -> Source | None:
    """Where the workflow of a row came from."""
    return None if row.action == "invalid" else catalog.source(row.name, row.version)


def advice_of(plan: Plan, republished: Iterable[tuple[str, str]] = ()) -> dict[int, list[Advice]]:
    """What to do about each row that needs attention, by the id() of the row.

    `republished`: the superseded rows of which the version that search shows is known to have the same content.
    """
    last = {row.name: row for row in plan.superseded}
    known = set(republished)
    advice: dict[int, list[Advice]] = {}
    for row in plan:
        lines: list[Advice] = []
        if (row.name, row.version) in known:
            lines.append(Advice(f"{row.latest} has the same content: set the version in the file to {row.latest}"))
        elif last.get(row.name) is row:
            lines.append(_by_command("to have search show this one again", "rollback", row.name, "--to", row.version))
        if row.action == "demotes":
            lines.append(Advice(f"give it a version above {row.latest}, or demote that one with --allow-demote"))
        wanted = row.payload.get("status")
        if row.existing is not None and row.existing.status != wanted and wanted in _STATUS_COMMANDS:
            lines.append(_by_command(f"to make it {wanted}", _STATUS_COMMANDS[wanted], f"{row.name}@{row.version}"))
        advice[id(row)] = lines
    return advice


def paragraph(output: Output, text: str, *, indent: int = 0, hanging: int = 0, style: Style | None = None) -> None:
    """A text that is broken between words on a terminal, where the lines below stand `hanging` columns further in."""
    width = None if output.width is None else max(output.width - indent, hanging + _LEAST_WIDTH)
    for line in wrapped(printable(text), width, hanging=hanging, break_words=True):
        shown = " " * indent + line
        output.line(Styled(shown, style) if style else shown)


def counts(named: Mapping[str, int], always: Iterable[str] = ()) -> str:
    """Numbers with their names, those that are 0 left out unless they are said always."""
    return ", ".join(f"{number} {name}" for name, number in named.items() if number or name in always)


def _by_command(purpose: str, command: str, target: str, *options: str) -> Advice:
    """A command to copy, or what it is called where its line can't be shown."""
    line = command_line(command, target, *options)
    return Advice(f"{purpose}:", line) if line else Advice(f"{purpose}, use 'workflows {command}'")
