"""Workflow catalogs as files: read with `load`, written with `export`.

Needs the extra `catalog` (PyYAML), which is imported nowhere else in the client.
"""

try:
    __import__("yaml")
except ImportError as _error:
    raise ImportError('kubernaut_client.catalog needs PyYAML: pip install "kubernaut-client[catalog]"') from _error

from kubernaut_client.catalog.base import CatalogChange, changes_since
from kubernaut_client.catalog.exports import ExportReport, export, payload
from kubernaut_client.catalog.loading import Catalog, CatalogEntry, load
from kubernaut_client.catalog.text import CatalogProblem, Source
from kubernaut_client.catalog.versions import with_version

__all__ = [
    "Catalog",
    "CatalogChange",
    "CatalogEntry",
    "CatalogProblem",
    "ExportReport",
    "Source",
    "changes_since",
    "export",
    "load",
    "payload",
    "with_version",
]
