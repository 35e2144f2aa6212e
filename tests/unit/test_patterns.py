"""Regular expressions take a time that grows with the length of a text, not with its square."""

import importlib
import pkgutil
import re

import pytest

import kubernaut_client

LENGTH = 1_000_000
PIECES = ["a", "0", " ", "\n", '"', "\\", "{", "/", "1.", "a=", 'a="', "1h"]
# Used by match or fullmatch, with which a text is tried once and not from each of its characters.
ANCHORED = {
    "kubernaut_client.catalog.documents._PLACEHOLDER",
    "kubernaut_client.catalog.jsontext._BLANK",
    "kubernaut_client.catalog.jsontext._START",
    "kubernaut_client.catalog.versions._BARE",
    "kubernaut_client.catalog.yamltext._REST_OF_MARKER",
    "kubernaut_client.emulator.goduration._PART",
    "kubernaut_client.emulator.gojson._SPACE",
    "kubernaut_client.emulator.routes.notifications._BLANK",
    "kubernaut_client.limits._DURATION",
    # Only where the whole text has matched _DURATION.
    "kubernaut_client.limits._TERM",
}


def patterns() -> dict[str, re.Pattern[str]]:
    """Every pattern of a module of the package, by its name."""
    found: dict[str, re.Pattern[str]] = {}
    for module in pkgutil.walk_packages(kubernaut_client.__path__, "kubernaut_client."):
        if module.name.endswith("__main__") or "._sync" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found[f"{module.name}.{name}"] = value
    return found


@pytest.mark.parametrize("name", sorted(patterns()))
def test_a_megabyte_of_anything_is_read_in_one_pass(name: str) -> None:
    pattern = patterns()[name]
    for piece in PIECES:
        text = piece * (LENGTH // len(piece)) + "\0"
        pattern.fullmatch(text)
        if name not in ANCHORED:
            sum(1 for _ in pattern.finditer(text))
