"""The repository stands alone: nothing in it names a place outside, on this machine or beside the clone."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

# Directories that differ from machine to machine. Put together here, so that this file itself names no such path.
TOPS = ("home", "root", "Users", "work", "workspace", "opt", "srv", "mnt")
MACHINES = re.compile(rf"(?:(?<![\w.}}/-])|(?<=://))/(?:{'|'.join(TOPS)})/[\w.]")
UPWARDS = re.compile(r"(?<![\w./])((?:\.\./)+)([\w.-]+)")
GENERATED = {
    ".git",
    ".venv",
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
    "dist",
}


def texts() -> Iterator[tuple[Path, str]]:
    for directory, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in GENERATED and not name.startswith(".venv")]
        for name in files:
            path = Path(directory, name)
            # In a linked work tree `.git` is a file that names the other one.
            if (
                name not in GENERATED
                and not name.startswith((".venv", ".coverage"))
                and stat.S_ISREG(path.lstat().st_mode)
            ):
                yield path, path.read_bytes().decode("utf-8", "replace")


@pytest.fixture(scope="module")
def tree() -> list[tuple[Path, str]]:
    found = list(texts())
    assert ROOT / "pyproject.toml" in (path for path, _ in found)
    return found


def test_no_absolute_path_of_a_machine(tree: list[tuple[Path, str]]) -> None:
    named = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in tree for match in MACHINES.finditer(text)]
    assert named == []


def test_no_relative_path_out_of_the_repository(tree: list[tuple[Path, str]]) -> None:
    outside = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in tree
        for match in UPWARDS.finditer(text)
        if len(match[1]) // 3 > len(path.relative_to(ROOT).parts) - 1
    ]
    assert outside == []


def test_no_link_out_of_the_repository() -> None:
    links = [Path(directory, name) for directory, names, files in os.walk(ROOT) for name in (*names, *files)]
    outside = [
        str(link.relative_to(ROOT))
        for link in links
        if link.is_symlink()
        and not link.relative_to(ROOT).parts[0].startswith(".venv")
        and not link.resolve().is_relative_to(ROOT)
    ]
    assert outside == []


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("example", ["/{}/someone/clone", "see /{}/x", "'/{}/main'", "file:///{}/x"])
def test_the_pattern_finds_machines(example: str, top: str) -> None:
    assert MACHINES.search(example.format(top))


@pytest.mark.parametrize(
    "example", ["https://host/home/page", "usr/share/opt/x", "{prefix}/work/x", "/api/v1/workflows"]
)
def test_the_pattern_leaves_others_alone(example: str) -> None:
    assert not MACHINES.search(example)
