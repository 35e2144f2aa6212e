"""YAML and JSON text of a catalog, read safely and with positions.

What the documents mean is left to `documents`, where the bytes come from to `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Where a workflow came from.

    `file` is the path as the caller gave it, or as found below the directory he gave; `-` is standard input. `line` is
    the first line of its document, counted from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One thing that is wrong in a catalog: a member of `CatalogError.errors` or of `Catalog.warnings`.

    `line` and `column` count from 1 and are None where a file as a whole is meant; `field` is a path inside the
    document (`metadata.version`, `labels.severity`, `parameters[0].name`) or None. `reason` is one bounded line that
    says what is wrong and what would be right. The text of a problem is one line `file:line:column: field: reason`.
    """

    file: str
    line: int | None
    column: int | None
    field: str | None
    reason: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.field, self.reason) if part)
