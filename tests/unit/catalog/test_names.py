"""The public names of the catalog package, frozen, and that each says what it does."""

import inspect

import pytest

from kubernaut_client import catalog

PUBLIC = """
    Catalog CatalogChange CatalogEntry CatalogProblem ExportReport Source changes_since export load payload with_version
""".split()


def test_the_names_are_frozen() -> None:
    """Taking a name away, or renaming it, breaks who imports it."""
    assert catalog.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_says_what_it_does(name: str) -> None:
    value = getattr(catalog, name)
    members = {} if inspect.isfunction(value) else vars(value)
    public = [value, *(member for key, member in members.items() if not key.startswith("_"))]
    silent = [member for member in public if callable(member) and not inspect.getdoc(member)]
    assert silent == []
    assert not (inspect.getdoc(value) or "").startswith(f"{name}(")  # what dataclass makes up
