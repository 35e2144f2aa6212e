"""The catalog files that a command is given: its argument, loading them, and what was odd in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .output import Output

if TYPE_CHECKING:
    from kubernaut_client.catalog import Catalog, CatalogProblem, Source

F = TypeVar("F", bound=Callable[..., Any])


def paths_argument(function: F) -> F:
    """The decorator that gives a command its paths."""
    return click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")(function)


def loaded(output: Output, *paths: str) -> Catalog:
    """The catalog of some paths, with its warnings on stderr. Raises `CatalogError`, which has every problem."""
    from kubernaut_client.catalog import load

    check_stdin(paths)
    catalog = load(*paths)
    for warning in catalog.warnings:
        output.warning(str(warning))
    return catalog


def check_stdin(paths: Sequence[str]) -> None:
    """Refuse to read standard input twice: the second time it is empty."""
    if paths.count("-") > 1:
        raise click.UsageError("-: is given twice, but standard input can be read only once")


def problem_keys(problem: CatalogProblem) -> dict[str, object]:
    """A problem or a warning in JSON."""
    return asdict(problem)


def source_keys(source: Source | None, prefix: str = "") -> dict[str, object]:
    """Where a workflow comes from, in JSON."""
    return {f"{prefix}file": source.file if source else None, f"{prefix}line": source.line if source else None}


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
