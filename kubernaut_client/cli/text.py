"""Text for a terminal: strangers' words made harmless, widths in columns, and tables that fit.

Pure functions; colours and streams are in `output`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Literal, NamedTuple

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_GAP = 2
_LEAST = 8
_EMPTY = "-"
# Tried from the first of some blanks only: a run of them at the end would take the square of its length.
_WORDS = re.compile("(?<! )( *)([^ ]+)")

# Default_Ignorable_Code_Point of DerivedCoreProperties.txt (some of them letters to Python), and the Braille blank.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Styled(NamedTuple):
    """A text and how it is shown where colours are; it is made harmless before the colour is put around it."""

    text: str
    style: Style


Part = str | Styled


def printable(text: str) -> str:
    """A text as one line that does nothing to a terminal: what isn't a visible character becomes a backslash escape.

    That holds for control characters and escape sequences, line and paragraph separators, characters that have no
    width or turn the direction of writing around, every space but the plain one, and lone surrogates. What Unicode
    calls Default_Ignorable shows as nothing, and the blank of Braille as a space: different names would look alike.
    """
    if text.isascii() and text.isprintable():
        return text
    seen = _INVISIBLE.sub(_escaped, text)
    return seen if seen.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in seen)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _escaped(match: re.Match[str]) -> str:
    return _escape(match[0])


def width_of(text: str) -> int:
    """The columns that a printable text takes: 2 for wide East Asian characters, 0 for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_width(c) for c in text)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """A printable text cut to so many columns, the last of them an ellipsis; as it is if it fits."""
    if width_of(text) <= width:
        return text
    left = width - len(ellipsis)
    if left < 0:
        return ellipsis[:width]
    kept: list[str] = []
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + ellipsis


def wrapped(text: str, width: int | None, *, hanging: int = 0, break_words: bool = False) -> list[str]:
    """A printable text as lines of so many columns, broken between words; those below the first start with blanks.

    A longer word has a line of its own, or with `break_words` begins where the one before ends and goes on below.
    """
    if width is None or width_of(text) <= width:
        return [text]
    width = max(width, hanging + 2)  # room for a wide character in each line
    lines: list[str] = []
    line = ""
    for gap, word in _WORDS.findall(text):
        longer = f"{line}{gap}{word}"
        fills_lines = break_words and width_of(word) > width - hanging
        if line and width_of(longer) > width and not fills_lines:
            lines.append(line)
            longer = " " * hanging + word
        while break_words and width_of(longer) > width:
            head = cut(longer, width, "")
            lines.append(head.rstrip(" "))
            longer = " " * hanging + longer.removeprefix(head).lstrip(" ")
        line = longer
    return [*lines, line]


def table(
    head: Sequence[str], rows: Iterable[Sequence[Part]], width: int | None, ellipsis: str = "…"
) -> list[list[Part]]:
    """The lines of a table, each as parts that follow each other; `width` None: whatever it takes, nothing is cut.

    Columns that are too wide share what the others leave. An empty cell is shown as "-", so that a line always has as
    many words as its table has columns with plain words in them. No line ends with a space.
    """
    return list(table_lines(head, rows, width, ellipsis))


def table_lines(
    head: Sequence[str],
    rows: Iterable[Sequence[Part]],
    width: int | None,
    ellipsis: str = "…",
    *,
    sample: int | None = None,
    uncut: Collection[str] = (),
) -> Iterator[list[Part]]:
    """The lines of a table one by one. The columns are as wide as the first `sample` rows need; all rows if None.

    A later cell that is wider is cut on a terminal, and moves what is behind it elsewhere. The columns with a head in
    `uncut` keep their width for as long as the others have room beside them: an identifier is there to be copied.
    """
    waiting = iter(rows)
    lines: list[list[Styled | _Plain]] = [[Styled(name, "bold") for name in head]]
    lines += ([_cell(part) for part in row] for row in islice(waiting, sample))
    natural = [max(width_of(line[index].text) for line in lines) for index in range(len(head))]
    keep = [index for index, name in enumerate(head) if name in uncut]
    widths = natural if width is None else shared(natural, width - _GAP * (len(head) - 1), keep)
    for line in chain(lines, ([_cell(part) for part in row] for row in waiting)):
        yield _line(line, widths, None if width is None else ellipsis)


def shared(natural: Sequence[int], available: int, keep: Sequence[int] = ()) -> list[int]:
    """Widths of columns that take no more than is available together: narrow ones as they are, wide ones alike.

    The columns in `keep` aren't made narrower, unless that leaves less than `_LEAST` for each of the others.
    """
    if sum(natural) <= available:
        return list(natural)
    kept = sum(natural[index] for index in keep)
    others = [each for index, each in enumerate(natural) if index not in keep]
    if keep and available - kept >= _total(others, _LEAST):
        rest = iter(shared(others, available - kept))
        return [each if index in keep else next(rest) for index, each in enumerate(natural)]
    limit = max((cap for cap in range(1, max(natural) + 1) if _total(natural, cap) <= available), default=1)
    widths = [min(each, limit) for each in natural]
    for index, each in enumerate(natural):
        if each > widths[index] and sum(widths) < available:
            widths[index] += 1
    return widths


def _total(natural: Sequence[int], cap: int) -> int:
    return sum(min(each, cap) for each in natural)


def _cell(part: Part) -> Styled | _Plain:
    text = printable(part.text if isinstance(part, Styled) else part) or _EMPTY
    return Styled(text, part.style) if isinstance(part, Styled) else _Plain(text)


class _Plain(NamedTuple):
    text: str


def _line(cells: Sequence[Styled | _Plain], widths: Sequence[int], ellipsis: str | None) -> list[Part]:
    parts: list[Part] = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = cell.text if ellipsis is None else cut(cell.text, width, ellipsis)
        parts.append(Styled(text, cell.style) if isinstance(cell, Styled) else text)
        if index < len(cells) - 1:
            parts.append(" " * (max(width - width_of(text), 0) + _GAP))
    return parts


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
