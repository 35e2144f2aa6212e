"""For test suites: the five workflows of HAPI's, and the types of what the pytest plugin gives.

The fixtures are in `plugin`, which pytest loads by its entry point. Nothing here needs pytest, and importing it loads
neither the client nor the emulator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import os

    from kubernaut_client import BootstrapReport
    from kubernaut_client.models import RemediationWorkflow

    CatalogItem: TypeAlias = str | os.PathLike[str] | RemediationWorkflow | Mapping[str, Any]

__all__ = ["BootstrapCatalog", "sample_catalog"]

# In a wheel beside this module; in the source tree there is one copy, that of the examples.
_PLACES = (Path(__file__).with_name("catalog"), Path(__file__).parents[2] / "examples" / "catalog")


class BootstrapCatalog(Protocol):
    """The type of the fixture `bootstrap_catalog`."""

    def __call__(self, paths_or_workflows: CatalogItem | Iterable[CatalogItem]) -> BootstrapReport:
        """Make the catalog hold some workflows.

        Takes a path (a file or a directory, relative to the working directory), a workflow (a model, or a mapping with
        the names of the wire), or any number of them in an iterable. What is there already stays.

        Raises:
            CatalogError: A file can't be read as workflows; nothing was sent.
            BootstrapError: A workflow couldn't be stored.
        """
        ...


def sample_catalog() -> list[RemediationWorkflow]:
    """The five workflows of HAPI's test suite, by name, as new models.

    Raises:
        ImportError: PyYAML is missing, which the extras `emulator` and `catalog` bring.
    """
    from kubernaut_client.catalog import load

    return list(load(next(place for place in _PLACES if place.is_dir())))
